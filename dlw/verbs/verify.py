"""`dlw verify`: is every file of a run what was written, and are the data those that it learned from?"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from dlw.errors import DataError, RunError
from dlw.progress import Listener, Silent
from dlw.recipe.check import Loaded, load_recipe
from dlw.runs import disk
from dlw.runs.layout import Run, open_run
from dlw.runs.manifest import FILE, read_manifest
from dlw.runs.seal import differing, of_file, read_seal
from dlw.runs.steps import pointed, saved_steps, step_folder
from dlw.verbs import _digests
from dlw.verbs._bundle import BUNDLE_FILE, is_described
from dlw.verbs._bundle import read_manifest as read_bundle
from dlw.verbs._rows import load_tables
from dlw.verbs._sources import open_source

State = Literal["same", "differs", "not here"]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at; `problems` say what differs, `note` what was compared."""

    what: str
    state: State
    note: str
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verified:
    """What was found in a run."""

    run: str
    checks: tuple[Check, ...]

    @property
    def exit_code(self) -> int:
        """4 where a file of the run differs, 3 where only the data do, 0 where nothing does."""
        wrong = [check.what for check in self.checks if check.state == "differs"]
        if not wrong:
            return 0
        return DataError.exit_code if wrong == [DATA] else RunError.exit_code

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able mapping."""
        return {**asdict(self), "exit_code": self.exit_code}


DATA = "data"


def verify(folder: Path, *, listener: Listener | None = None) -> Verified:
    """Check every hash that a run holds: recipe, fields, checkpoints, exports, and its data where they are here.

    Raises RunError where the folder is no run, or has no manifest that can be trusted.
    """
    run = open_run(folder)
    sealed = read_seal(run)
    checks = [_checked("recipe and fields", differing(run.folder, sealed["files"]), ", ".join(sealed["files"]))]
    checks += [_checkpoint(run, step) for step in saved_steps(run)]
    checks += _pointers(run)
    checks += _exports(run)
    loaded = load_recipe(run.resolved) if checks[0].state == "same" else None
    if loaded is not None:
        checks.append(_data(loaded, sealed[DATA], listener or Silent()))
    return Verified(str(folder), tuple(checks))


def _checked(what: str, problems: list[str], note: str) -> Check:
    return Check(what, "differs" if problems else "same", note, tuple(problems))


def _checkpoint(run: Run, step: int) -> Check:
    folder = step_folder(run, step)
    what = f"checkpoint {step:,}"
    try:
        manifest = read_manifest(folder)
    except (RunError, FileNotFoundError) as error:
        return Check(what, "differs", "", (str(error),))
    known = {name: {"size": size, "sha256": digest} for name, (size, digest) in manifest.files.items()}
    problems = differing(folder, known)
    problems += [f"{folder / name}: was not saved there" for name in disk.names(folder) if name not in (*known, FILE)]
    return _checked(what, problems, f"digest {manifest.digest[:12]}")


def _pointers(run: Run) -> Iterator[Check]:
    """Yield a check of `last` and `best` where one of them names no checkpoint, or one that is not there."""
    steps = saved_steps(run)
    for word in ("last", "best"):
        file, step = run.checkpoints / word, pointed(run, word)
        if step is None and file.exists():
            yield Check(word, "differs", "", (f"{file}: names no checkpoint",))
        elif step is not None and step not in steps:
            yield Check(word, "differs", "", (f"{file}: names step {step}, which is not there",))


def _exports(run: Run) -> Iterator[Check]:
    exports = run.folder / "exports"
    for name in disk.names(exports) if exports.is_dir() else ():
        folder = exports / name
        if name.startswith(".") or not folder.is_dir():
            continue
        try:
            entries = read_bundle(folder)["files"]
        except RunError as error:
            yield Check(f"export {name}", "differs", "", (str(error),))
            continue
        if strange := [file for file, entry in entries.items() if not is_described(file, entry)]:
            told = f"{folder / BUNDLE_FILE}: files: {', '.join(strange[:5])}: not described; export again"
            yield Check(f"export {name}", "differs", "", (told,))
            continue
        known = {file: {"size": entry["bytes"], "sha256": entry["sha256"]} for file, entry in entries.items()}
        yield _checked(f"export {name}", differing(folder, known), f"{len(known)} files")


def _data(loaded: Loaded, known: Mapping[str, Any], listener: Listener) -> Check:
    """Compare the data with what the run learned from, where they are on this machine."""
    source = loaded.recipe.data.source
    if "files" not in known:
        return _rows(loaded, known, listener)
    files = _digests.data_files(source, loaded.root)
    if files is None:
        return Check(DATA, "not here", _told(source))
    problems = []
    for name, entry in known["files"].items():
        if name not in files:
            problems.append(f"{name}: missing")
        elif (found := of_file(files[name])) != {key: entry[key] for key in ("size", "sha256")}:
            sizes = f"{entry['size']:,} bytes then, {found['size']:,} now"
            problems.append(f"{files[name]}: other content ({sizes})")
    problems += [f"{file}: was not there in training" for name, file in files.items() if name not in known["files"]]
    return _checked(DATA, problems, f"{len(known['files']):,} files of {_told(source)}")


def _rows(loaded: Loaded, known: Mapping[str, Any], listener: Listener) -> Check:
    """Compare the rows of a source that is not files; where it cannot be opened it is not here."""
    source = loaded.recipe.data.source
    with tempfile.TemporaryDirectory(prefix="dlw-verify-") as cache:
        try:
            tables = load_tables(loaded.recipe, loaded.root, Path(cache), listener)
        except DataError as error:
            if _opens(loaded, Path(cache)):
                return _checked(DATA, [str(error)], _told(source))
            return Check(DATA, "not here", f"{_told(source)}: {error}")
        found = _digests.describe(source, loaded.root, tables)["splits"]
    problems = [
        f"the {split} split: other rows" for split, entry in known["splits"].items() if found.get(split) != entry
    ]
    return _checked(DATA, problems, f"{len(found)} splits of {_told(source)}")


def _opens(loaded: Loaded, cache: Path) -> bool:
    try:
        open_source(loaded.recipe.data.source, loaded.root, cache, Silent(), sys.maxsize)
    except DataError:
        return False
    return True


def _told(source: _digests.Source) -> str:
    if isinstance(source, str):
        return source
    return ", ".join(source) if isinstance(source, list) else str(source.options.get("path", source.type))

"""Wrong versions of the checkpoint store, each with a test that must fail on it: `python -m tests.runs.mutants FOLDER`.

Copies the package into FOLDER, makes one change at a time and runs the chosen test on it in a forked child. Prints one
JSON object: what each wrong version is, and pytest's exit status (1: the test noticed).
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
UNCHANGED = "unchanged"


class Mutant(NamedTuple):
    """A change of one file of dlw/runs, `old` standing there exactly once, and the test that notices it."""

    what: str
    file: str
    old: str
    new: str
    test: str


_KILLED = "test_crash.py::test_killed_at_each_call_of_a_save"
_POWER = "test_crash.py::test_power_lost_at_each_call_of_a_save"
_MANIFEST_LAST = """\
        disk.write_new(temporary / MANIFEST, [manifest.to_bytes()])
        disk.sync_folder(temporary)
        disk.sync_file(run.metrics)
        if is_first:
            disk.sync_folder(run.folder)
        replaced = hide(target) if target.exists() else None
        disk.rename(temporary, target)
"""
_CHECKED = """\
    if len(data) != size_bytes:
        found = f"{len(data)}" if len(data) < size_bytes else f"more than {size_bytes}"
        raise DamagedError(f"{path}: expected {size_bytes} bytes, found {found}")
    if hashlib.sha256(data).hexdigest() != digest:
"""

MUTANTS = (
    Mutant(
        "files are not flushed",
        "disk.py",
        "            if is_durable:\n                _call",
        "            if 0:\n                _call",
        _POWER,
    ),
    Mutant(
        "the folder of checkpoints is not flushed",
        "store.py",
        "    disk.sync_folder(run.checkpoints)\n    if replaced:",
        "    if replaced:",
        _POWER,
    ),
    Mutant(
        "renamed before the manifest is written",
        "store.py",
        _MANIFEST_LAST,
        "        replaced = hide(target) if target.exists() else None\n"
        "        disk.rename(temporary, target)\n"
        "        disk.write_new(target / MANIFEST, [manifest.to_bytes()])\n",
        _KILLED,
    ),
    Mutant(
        "written straight into the target",
        "store.py",
        '    temporary = run.checkpoints / f"{disk.TEMPORARY}{target.name}-{secrets.token_hex(4)}"\n',
        "    temporary = target\n",
        _KILLED,
    ),
    Mutant(
        "written to /tmp first",
        "store.py",
        '    temporary = run.checkpoints / f"{disk.TEMPORARY}{target.name}-{secrets.token_hex(4)}"\n',
        "    import tempfile\n\n    temporary = Path(tempfile.mkdtemp())\n",
        _POWER,
    ),
    Mutant(
        "the manifest is believed",
        "manifest.py",
        "    if manifest is None or manifest.to_bytes() != data:",
        "    if manifest is None:",
        "test_store.py::test_every_flipped_bit_is_noticed",
    ),
    Mutant(
        "only sizes are compared",
        "store.py",
        "    if hashlib.sha256(data).hexdigest() != digest:",
        "    if False:",
        "test_store.py::test_every_flipped_bit_is_noticed",
    ),
    Mutant(
        "files that were cut are accepted",
        "store.py",
        _CHECKED,
        "    if len(data) == size_bytes and hashlib.sha256(data).hexdigest() != digest:\n",
        "test_store.py::test_every_truncation_is_noticed",
    ),
    Mutant(
        "the newest is taken or none",
        "store.py",
        "    for step in reversed(steps):\n        try:\n            return _read(",
        "    for step in steps[-1:]:\n        try:\n            return _read(",
        "test_store.py::test_damaged_newest_falls_back_loudly",
    ),
    Mutant(
        "the best is pruned",
        "steps.py",
        "        if is_best:\n            kept.add(other)\n",
        "        if is_best:\n",
        "test_store.py::test_newest_two_and_the_best_are_kept",
    ),
    Mutant(
        "pruned before the new one is there",
        "store.py",
        "        disk.rename(temporary, target)\n",
        "        prune(run, step, keep - 1)\n        disk.rename(temporary, target)\n",
        _KILLED,
    ),
    Mutant(
        "foreign files are ignored",
        "store.py",
        "    if foreign:\n",
        "    if False:\n",
        "test_store.py::test_extra_file_is_named",
    ),
    Mutant(
        "files are for the owner alone",
        "disk.py",
        "        descriptor = _call(os.open, path, _CREATE, 0o666)",
        "        descriptor = _call(os.open, path, _CREATE, 0o600)",
        "test_store.py::test_files_have_the_usual_mode",
    ),
    Mutant(
        "a full disk is not mentioned",
        "disk.py",
        '        raise ResourceError(f"{path}: cannot {verb}: {_reason(path, error)}") from error',
        "        if error.errno != errno.ENOSPC:\n"
        '            raise ResourceError(f"{path}: cannot {verb}: {_reason(path, error)}") from error',
        "test_store.py::test_failed_save_leaves_nothing_behind",
    ),
)


def run_all(folder: Path) -> dict[str, int]:
    """Return pytest's exit status for the unchanged package, over every chosen test, and for each wrong version."""
    import torch  # noqa: F401 - once, for all children

    shutil.copytree(ROOT / "dlw", folder / "dlw", ignore=shutil.ignore_patterns("__pycache__"))
    statuses = {UNCHANGED: _status(folder, sorted({mutant.test for mutant in MUTANTS}))}
    for mutant in MUTANTS:
        path = folder / "dlw" / "runs" / mutant.file
        text = path.read_text()
        assert text.count(mutant.old) == 1, f"{mutant.what}: the text to change stands {text.count(mutant.old)} times"
        path.write_text(text.replace(mutant.old, mutant.new))
        statuses[mutant.what] = _status(folder, [mutant.test])
        path.write_text(text)
    return statuses


def _status(folder: Path, tests: list[str]) -> int:
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 99
    try:
        sys.dont_write_bytecode = True
        sys.path.insert(0, str(folder))
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", f"--rootdir={ROOT}"]
        status = int(pytest.main([*options, *(str(ROOT / "tests" / "runs" / test) for test in tests)]))
        import dlw

        assert Path(str(dlw.__file__)).is_relative_to(folder), "the tests ran on another copy"
    except BaseException:
        status = 98
        raise
    finally:
        os._exit(status)


if __name__ == "__main__":
    print(json.dumps(run_all(Path(sys.argv[1]))))

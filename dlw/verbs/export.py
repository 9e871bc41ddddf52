"""`export`: turn a run into a bundle that answers without the run, proven equal on real rows or not written at all."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlw import __version__, registry
from dlw.errors import DataError, ResourceError, RunError, UsageError
from dlw.progress import Listener, Silent
from dlw.ragged import FILL, LEAST_STEPS, trimmed
from dlw.recipe.check import settings
from dlw.recipe.schema import Block, Export
from dlw.runs import disk
from dlw.specs import TARGET, Arrays, ragged_kinds
from dlw.verbs._bundle import (
    BUNDLE_FILE,
    BUNDLE_VERSION,
    FIELDS_FILE,
    PARITY_FILE,
    RECIPE_FILE,
    file_entry,
    is_bundle,
    open_bundle,
)
from dlw.verbs._writers import model_files, probe

if TYPE_CHECKING:
    from dlw.engine.inference import Predictor
    from dlw.verbs._trained import Trained

ROW_COUNTS = (1, 2, 7)
"""How many rows go through network and artifact at once: 0 and 1 are the sizes a tracer takes for constants."""
MEASURE = "|artifact - network| / max(1, |network|)"


@dataclass(frozen=True)
class Exported:
    """A finished export."""

    folder: Path
    format: str
    difference: float
    """Largest difference found, by MEASURE."""
    tolerance: float
    model_bytes: int

    def __str__(self) -> str:
        return (
            f"{self.folder}: {self.format}, {self.model_bytes:,} bytes, largest difference from the network "
            f"{self.difference:.1e} (limit {self.tolerance:.1e}) on {', '.join(map(str, ROW_COUNTS))} real rows"
        )

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able mapping."""
        return {
            "folder": str(self.folder),
            "format": self.format,
            "difference": self.difference,
            "tolerance": self.tolerance,
            "rows": list(ROW_COUNTS),
            "model_bytes": self.model_bytes,
        }


def export(
    run: Path,
    *,
    format: str | None = None,
    out: Path | None = None,
    tolerance: float | None = None,
    listener: Listener | None = None,
) -> Exported:
    """Write a run as a bundle, or raise RunError and leave nothing where the artifact differs from the network."""
    from dlw.verbs._trained import open_trained

    listener = listener or Silent()
    if tolerance is not None and not tolerance > 0:
        raise UsageError(f"--tolerance {tolerance}: must be above 0")
    trained = open_trained(run, listener=listener)
    wanted = trained.recipe.export
    name = format or wanted.format
    exporter = registry.load("exporters", name)
    files = model_files(exporter, trained.task.output)
    options = settings("exporters", Block.model_validate({"type": name, **_options(wanted, name)}))
    target = out or trained.run.export(name)
    if target.exists() and not is_bundle(target) and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target}: exists and is not a bundle; choose another folder with --out")
    rows, split = real_rows(trained)
    predictor = trained.predictor.to("cpu")
    limit = tolerance or wanted.tolerance
    listener.line(f"exporting step {trained.step} as {name}, proof on {split} rows, limit {limit:.1e}")
    with replacing(target) as folder:
        if trained.task.output.is_written:
            exporter.export_writer(predictor.network, rows, folder, options)
        else:
            exporter.export(predictor, rows, folder, options, tuple(ragged_kinds(trained.fitted.inputs)))
        parity = _finish_bundle(trained, name, rows, split, limit, folder)
        size = sum((folder / file).stat().st_size for file in files)
    return Exported(target, name, parity["difference"], limit, size)


def _options(wanted: Export, name: str) -> dict[str, Any]:
    # The recipe's options are those of the recipe's format.
    return wanted.options if name == wanted.format else {}


def real_rows(trained: Trained) -> tuple[Arrays, str]:
    """Return the input arrays of rows spread over a split the network was not fitted to, and the split's name."""
    from dlw.verbs._rows import load_tables

    tables = load_tables(trained.recipe, trained.root, trained.run.folder / ".cache", Silent())
    split = next(name for name in ("test", "validation", "train") if name in tables)
    table = tables[split]
    spare = 4  # some rows may hold a picture that does not open
    places = np.unique(np.linspace(0, len(table) - 1, spare * sum(ROW_COUNTS)).astype(np.int64))
    encoded = trained.fitted.encode(table.take(places), with_target=False, listener=Silent(), max_bad=None)
    if not len(encoded.rows):
        raise DataError(f"split {split}: none of {len(places)} rows can be read: {encoded.bad[0][2]}")
    # A split of fewer rows than the proof needs gives some of them twice.
    chosen = np.arange(sum(ROW_COUNTS)) % len(encoded.rows)
    return {name: array[chosen] for name, array in encoded.arrays.items() if name != TARGET}, split


def _finish_bundle(trained: Trained, name: str, rows: Arrays, split: str, limit: float, folder: Path) -> dict[str, Any]:
    """Add everything beside the model files, prove parity through the reader that users get, and note the proof."""
    exporter = registry.load("exporters", name)
    files = [*model_files(exporter, trained.task.output), FIELDS_FILE]
    disk.write_new(folder / FIELDS_FILE, [json.dumps(trained.fitted.to_json(), indent=1).encode()])
    if exporter.WEIGHTS_ONLY:
        disk.write_new(folder / RECIPE_FILE, [trained.run.resolved.read_bytes()])
        files.append(RECIPE_FILE)
    ragged = ragged_kinds(trained.fitted.inputs)
    answers = _network_answers(trained.predictor, {group: array[:2] for group, array in rows.items()})
    briefly = _network_answers(
        trained.predictor, {group: _emptied(array, ragged.get(group)) for group, array in rows.items()}
    )
    growing = [name for name, answer in answers.items() if answer.shape != briefly[name].shape]
    manifest = {
        "bundle": BUNDLE_VERSION,
        "dlw": __version__,
        "name": trained.recipe.name,
        "format": name,
        "step": trained.step,
        "task": trained.recipe.task.model_dump(),
        "source": _reading(trained.recipe.data.source),
        "target": trained.fitted.target.to_json(),
        "inputs": _signature(rows, ragged),
        "answers": _signature(answers, growing),
        "files": {file: file_entry((folder / file).read_bytes()) for file in files},
    }
    disk.write_new(folder / BUNDLE_FILE, [json.dumps(manifest, indent=1).encode()])
    parity = prove(trained.predictor, rows, folder, limit, ragged)
    disk.write_new(folder / PARITY_FILE, [json.dumps({"split": split, **parity}, indent=1).encode()])
    use = exporter.writer_usage if trained.task.output.is_written else exporter.usage
    usage = use(_signature(rows, ragged), tuple(answers))
    disk.write_new(folder / "README.md", [_readme(manifest, usage, parity).encode()])
    return parity


def _emptied(array: np.ndarray, kind: str | None) -> np.ndarray:
    """Return two rows, of a ragged kind without a step; not cut ones, since atoms name one another by place."""
    if kind is None:
        return array[:2]
    return np.full((2, LEAST_STEPS, *array.shape[2:]), FILL[kind], array.dtype)


def prove(
    predictor: Predictor, rows: Arrays, folder: Path, limit: float, ragged: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Answer 1, 2 and 7 rows by network and bundle; raises RunError when they differ by more than `limit`.

    The groups of `ragged` (group -> kind) are cut to the longest of those rows, so that lengths differ, too.
    """
    answer = open_bundle(folder, own=True).answer
    largest: dict[str, float] = {}
    largest_absolute: dict[str, float] = {}
    start = 0
    for count in ROW_COUNTS:
        piece = trimmed({group: array[start : start + count] for group, array in rows.items()}, ragged or {})
        start += count
        wanted, got = _network_answers(predictor, piece), answer(piece)
        for name, value in wanted.items():
            if got[name].shape != value.shape or got[name].dtype != value.dtype:
                raise RunError(
                    f"{name} of {count} rows: the artifact answers {got[name].dtype}{got[name].shape}, "
                    f"the network {value.dtype}{value.shape}; nothing is written"
                )
            if not np.isfinite(value).all():
                raise RunError(
                    f"{name}: the network itself answers with values that are not finite; nothing is written"
                )
            absolute = np.abs(got[name].astype(np.float64) - value)
            largest_absolute[name] = max(largest_absolute.get(name, 0.0), float(absolute.max()))
            relative = float((absolute / np.maximum(1.0, np.abs(value))).max())
            if not relative <= limit:
                raise RunError(
                    f"{name} of {count} rows differs by {relative:.3g} from the network, the limit is {limit:.3g}; "
                    "nothing is written (--tolerance sets the limit)"
                )
            largest[name] = max(largest.get(name, 0.0), relative)
    return {
        "rows": list(ROW_COUNTS),
        "measure": MEASURE,
        "tolerance": limit,
        "difference": max(largest.values()),
        "differences": largest,
        "absolute_differences": largest_absolute,
    }


def _network_answers(predictor: Predictor, arrays: Arrays) -> Arrays:
    from dlw.engine.inference import answer_arrays
    from dlw.engine.writing import NetworkWriter

    output = predictor.task.output
    if output.is_written:
        return probe(NetworkWriter(predictor.network), output, arrays)
    return answer_arrays(predictor, arrays)


def _reading(source: str | list[str] | Block) -> dict[str, Any] | None:
    """Return how rows are read, without where the training data lies."""
    if not isinstance(source, Block):
        return None
    return {key: value for key, value in source.model_dump().items() if key != "path"}


def _signature(arrays: Arrays, ragged: Collection[str]) -> dict[str, Any]:
    """Return dtype and shape by name; the free first axis is called `rows`, a free second one `steps`."""
    sizes = {name: ["steps", *array.shape[2:]] if name in ragged else array.shape[1:] for name, array in arrays.items()}
    return {name: {"dtype": str(array.dtype), "shape": ["rows", *sizes[name]]} for name, array in arrays.items()}


def _readme(manifest: dict[str, Any], usage: str, parity: dict[str, Any]) -> str:
    described = "\n".join(
        f"- {side} `{name}`: {entry['dtype']} [{', '.join(map(str, entry['shape']))}]"
        for side, entries in (("input", manifest["inputs"]), ("answer", manifest["answers"]))
        for name, entry in entries.items()
    )
    return f"""# {manifest["name"]}, exported as {manifest["format"]}

Written by dlw {manifest["dlw"]} from step {manifest["step"]}. The largest difference from the trained network on
{", ".join(map(str, parity["rows"]))} real rows is {parity["difference"]:.1e} (`parity.json`).

With dlw, from raw rows: `dlw predict FOLDER rows.csv`. Without it, from this folder:

```python
{usage}
```

{described}

`fields.json` says how each column becomes numbers: missing numbers are NaN, categories are their position in the list
of known values counted from 1, 0 for missing and unknown ones. Scaling happens inside the model. `bundle.json` holds
the labels under `target`.
"""


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give a new folder beside `target` and, if all goes well, put it in its place; else leave no trace."""
    disk.make_folders(target.parent)
    disk.refuse_link(target)
    folder = target.with_name(f"{disk.TEMPORARY}{target.name}.{os.getpid()}")
    old = target.with_name(f"{disk.DELETED}{target.name}.{os.getpid()}")
    disk.sweep(target)
    disk.make_folders(folder)
    try:
        yield folder
        disk.sync_folder(folder)
        is_replaced = target.exists()
        if is_replaced:
            disk.rename(target, old)
        try:
            disk.rename(folder, target)
        except ResourceError:
            if is_replaced:
                disk.rename(old, target)
            raise
        disk.sync_folder(target.parent)
    finally:
        disk.discard(folder)
    disk.discard(old)

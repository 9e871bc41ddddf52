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
from pydantic import ValidationError

from dlw import __version__, registry
from dlw.errors import DataError, ResourceError, UsageError
from dlw.progress import Listener, Silent
from dlw.ragged import FILL, LEAST_STEPS
from dlw.recipe.check import settings
from dlw.recipe.schema import Block, Export
from dlw.runs import disk
from dlw.specs import TARGET, Arrays, FieldSpec, ragged_kinds
from dlw.verbs._bundle import (
    BUNDLE_VERSION,
    FIELDS_FILE,
    PARITY_FILE,
    RECIPE_FILE,
    file_entry,
    is_bundle,
    open_bundle,
    read_manifest,
    write_manifest,
)
from dlw.verbs._bundle_page import page, told_origin
from dlw.verbs._parity import ROW_COUNTS, network_answers, prove
from dlw.verbs._quantized import Verdict, calibration, judge
from dlw.verbs._writers import model_files

if TYPE_CHECKING:
    import pyarrow as pa
    from pydantic import BaseModel

    from dlw.verbs._trained import Trained

README_FILE = "README.md"


@dataclass(frozen=True)
class Exported:
    """A finished export."""

    folder: Path
    format: str
    difference: float
    """Largest difference found, see _parity.MEASURE."""
    tolerance: float
    model_bytes: int
    is_opened_again: bool
    """Whether dlw answers from such a bundle; of code that a bundle brings along it runs none."""
    quantized: Verdict | None = None
    """What smaller numbers cost and gain; `difference` and `tolerance` are of the float artifact they began with."""

    def __str__(self) -> str:
        proven = (
            f"{self.folder}: {self.format}, {self.model_bytes:,} bytes, largest difference from the network "
            f"{self.difference:.1e} (limit {self.tolerance:.1e}) on {', '.join(map(str, ROW_COUNTS))} real rows"
        )
        return f"{proven} before quantising\n{self.quantized}" if self.quantized else proven

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able mapping."""
        return {
            "folder": str(self.folder),
            "format": self.format,
            "difference": self.difference,
            "tolerance": self.tolerance,
            "rows": list(ROW_COUNTS),
            "model_bytes": self.model_bytes,
            "quantized": self.quantized.to_json() if self.quantized else None,
        }


def export(
    run: Path,
    *,
    format: str | None = None,
    out: Path | None = None,
    tolerance: float | None = None,
    quantize: str | None = None,
    limits: Mapping[str, float] | None = None,
    listener: Listener | None = None,
) -> Exported:
    """Write a run as a bundle, or raise RunError and leave nothing where the artifact differs from the network.

    `quantize` (int8) and its `limits` (`max_score_loss`, `min_agreement`, `min_speedup`) come on top of the recipe's.
    """
    from dlw.verbs._trained import open_trained

    listener = listener or Silent()
    if tolerance is not None and not tolerance > 0:
        raise UsageError(f"--tolerance {tolerance}: must be above 0")
    trained = open_trained(run, listener=listener)
    wanted = trained.recipe.export
    name = format or wanted.format
    exporter = registry.load("exporters", name)
    files = model_files(exporter, trained.task.output)
    options = _options(wanted, name, quantize, limits or {})
    smaller = getattr(options, "quantize", None)
    if smaller and trained.task.output.is_written:
        raise UsageError(f"quantize {smaller.type}: a network that writes step by step stays float32")
    target = out or trained.run.export(f"{name}_{smaller.type}" if smaller else name)
    if target.exists() and not is_bundle(target) and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target}: exists and is not a bundle; choose another folder with --out")
    tables = _tables(trained)
    rows, split = real_rows(trained, tables)
    predictor = trained.predictor.to("cpu")
    limit = tolerance or wanted.tolerance
    listener.line(f"exporting step {trained.step} as {name}, proof on {split} rows, limit {limit:.1e}")
    with replacing(target) as folder:
        if trained.task.output.is_written:
            exporter.export_writer(predictor.network, rows, folder, options)
            if hasattr(exporter, "export_tokens"):
                exporter.export_tokens(*_tokens(trained), folder)
        else:
            exporter.export(predictor, rows, folder, options, tuple(ragged_kinds(trained.fitted.inputs)))
        bundle = _Bundle(trained, name, folder, rows, split)
        parity = bundle.finish(limit)
        verdict = bundle.shrink(tables, options, parity, listener) if smaller else None
        size = sum((folder / file).stat().st_size for file in files)
    return Exported(target, name, parity["difference"], limit, size, not exporter.REOPENS, verdict)


def _options(wanted: Export, name: str, quantize: str | None, limits: Mapping[str, float]) -> BaseModel:
    """Return the exporter's Settings: the recipe's, where it names the same format, with what was asked for on top."""
    options = dict(wanted.options) if name == wanted.format else {}
    if quantize is None and not limits:
        return settings("exporters", Block.model_validate({"type": name, **options}))
    model: type[BaseModel] = registry.load("exporters", name).Settings
    if "quantize" not in model.model_fields:
        raise UsageError(f"--quantize: {name} holds the network as it is; use --format onnx")
    given = options.get("quantize")
    block = {"type": given} if isinstance(given, str) else dict(given or {})
    block |= {"type": quantize} if quantize else {}
    if not block:
        told = ", ".join(f"--{limit.replace('_', '-')}" for limit in limits)
        raise UsageError(f"{told}: no effect without --quantize int8")
    try:
        return model.model_validate({**options, "quantize": {**block, **limits}})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        option = str(first["loc"][-1]).replace("type", "quantize").replace("_", "-")
        raise UsageError(f"--{option} {first['input']}: {first['msg'][:1].lower()}{first['msg'][1:]}") from error


def _tokens(trained: Trained) -> tuple[str, FieldSpec, bool]:
    """Return the tokenizer of what is written, its tokens, and whether a text follows an end."""
    fitted, name = trained.fitted, trained.fitted.own_target
    column = next(column for column in fitted.columns if name in (None, column.name))
    task: Any = trained.task
    begins = task.prompt(np.array([fitted.target.sizes[0] - 1], np.int32))[0]
    return column.state["tokenizer"], fitted.target, begins == trained.task.output.end


def _tables(trained: Trained) -> dict[str, pa.Table]:
    from dlw.verbs._rows import load_tables

    return load_tables(trained.recipe, trained.root, trained.run.folder / ".cache", Silent())


def real_rows(trained: Trained, tables: Mapping[str, pa.Table]) -> tuple[Arrays, str]:
    """Return the input arrays of rows spread over a split the network was not fitted to, and the split's name."""
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


@dataclass(frozen=True)
class _Bundle:
    """A folder in which the model files of a run lie already, and the rows that prove them."""

    trained: Trained
    format: str
    folder: Path
    rows: Arrays
    split: str

    def finish(self, limit: float) -> dict[str, Any]:
        """Add everything beside the model files, prove parity through the reader that users get, and note the proof."""
        exporter = registry.load("exporters", self.format)
        disk.write_new(self.folder / FIELDS_FILE, [json.dumps(self.trained.fitted.to_json(), indent=1).encode()])
        if exporter.WEIGHTS_ONLY:
            disk.write_new(self.folder / RECIPE_FILE, [self.trained.run.resolved.read_bytes()])
        self._describe(None)
        ragged = ragged_kinds(self.trained.fitted.inputs)
        parity = {"split": self.split, **prove(self.trained.predictor, self.rows, self.folder, limit, ragged)}
        self._tell(parity)
        return parity

    def shrink(
        self, tables: Mapping[str, pa.Table], options: Any, parity: Mapping[str, Any], listener: Listener
    ) -> Verdict:
        """Put a quantised artifact in the place of the float one, if it may stand for the network."""
        exporter, limits = registry.load("exporters", self.format), options.quantize
        listener.line(f"quantising to {limits.type}, ranges of {limits.rows} train rows, judged on validation rows")
        plain = open_bundle(self.folder, 1, own=True)
        for file in exporter.FILES:
            disk.remove_tree(self.folder / file)
        ragged, pieces = tuple(ragged_kinds(self.trained.fitted.inputs)), calibration(self.trained, tables, limits.rows)
        exporter.quantize(self.trained.predictor, self.rows, self.folder, options, ragged, pieces)
        self._describe(limits.type)
        verdict = judge(self.trained, tables, plain, open_bundle(self.folder, 1, own=True), limits, listener)
        self._tell({**parity, "quantized": verdict.to_json()})
        return verdict

    def _describe(self, quantized: str | None) -> None:
        """Write bundle.json."""
        from dlw.engine.inference import rows_a_row

        trained = self.trained
        exporter = registry.load("exporters", self.format)
        files = [*model_files(exporter, trained.task.output), FIELDS_FILE]
        files += [RECIPE_FILE] if exporter.WEIGHTS_ONLY else []
        ragged = ragged_kinds(trained.fitted.inputs)
        answers = network_answers(trained.predictor, {group: array[:2] for group, array in self.rows.items()})
        emptied = {group: _emptied(array, ragged.get(group)) for group, array in self.rows.items()}
        briefly = network_answers(trained.predictor, emptied)
        growing = [name for name, answer in answers.items() if answer.shape != briefly[name].shape]
        manifest = {
            "bundle": BUNDLE_VERSION,
            "dlw": __version__,
            "name": trained.recipe.name,
            "format": self.format,
            "quantized": quantized,
            "step": trained.step,
            "rows_a_row": rows_a_row(trained.predictor.network),
            "task": trained.recipe.task.model_dump(),
            "source": _reading(trained.recipe.data.source),
            "target": trained.fitted.target.to_json(),
            "inputs": _signature(self.rows, ragged),
            "answers": _signature(answers, growing),
            "files": {file: file_entry((self.folder / file).read_bytes()) for file in files},
        }
        write_manifest(self.folder, manifest)

    def _tell(self, parity: Mapping[str, Any]) -> None:
        """Write the proof and the README."""
        disk.write_atomic(self.folder / PARITY_FILE, json.dumps(parity, indent=1).encode())
        manifest = read_manifest(self.folder)
        exporter = registry.load("exporters", self.format)
        use = exporter.writer_usage if self.trained.task.output.is_written else exporter.usage
        usage = use(manifest["inputs"], tuple(manifest["answers"]))
        run = self.trained.run
        origin = told_origin(run.recipe.read_text(encoding="utf-8"), self.trained.recipe.data.source)
        disk.write_atomic(self.folder / README_FILE, page(manifest, parity, usage, origin, exporter.REOPENS).encode())


def _emptied(array: np.ndarray, kind: str | None) -> np.ndarray:
    """Return two rows, of a ragged kind without a step; not cut ones, since atoms name one another by place."""
    if kind is None:
        return array[:2]
    return np.full((2, LEAST_STEPS, *array.shape[2:]), FILL[kind], array.dtype)


def _reading(source: str | list[str] | Block) -> dict[str, Any] | None:
    """Return how rows are read, without where the training data lies."""
    if not isinstance(source, Block):
        return None
    return {key: value for key, value in source.model_dump().items() if key != "path"}


def _signature(arrays: Arrays, ragged: Collection[str]) -> dict[str, Any]:
    """Return dtype and shape by name; the free first axis is called `rows`, a free second one `steps`."""
    sizes = {name: ["steps", *array.shape[2:]] if name in ragged else array.shape[1:] for name, array in arrays.items()}
    return {name: {"dtype": str(array.dtype), "shape": ["rows", *sizes[name]]} for name, array in arrays.items()}


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

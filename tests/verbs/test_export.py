"""The export verb: bundles of every format, proven or not written."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dlw import registry
from dlw.errors import ResourceError, RunError, UsageError
from dlw.exporters import safetensors as exporter_module
from dlw.recipe.schema import Block
from dlw.runs import disk
from dlw.verbs._bundle import open_bundle, open_target, write_manifest
from dlw.verbs._bundle_page import told_origin
from dlw.verbs._parity import ROW_COUNTS
from dlw.verbs.export import Exported, export
from dlw.verbs.train import train
from tests.formats import each
from tests.verbs import small_runs


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained table run."""
    folder = tmp_path_factory.mktemp("table")
    small_runs.people(folder)
    return small_runs.trained(folder, small_runs.TABLE_RECIPE)


class Bundles(dict[str, Exported]):
    """The bundles of a run by their format, each written when it is asked for."""

    def __init__(self, run: Path) -> None:
        super().__init__()
        self.run = run

    def __missing__(self, format: str) -> Exported:
        self[format] = export(self.run, format=format)
        return self[format]


@pytest.fixture(scope="module")
def bundles(run: Path) -> Bundles:
    """The run's bundle in every format."""
    return Bundles(run)


@pytest.mark.parametrize("format", each())
def test_bundle_is_complete_and_proven(run: Path, format: str, bundles: dict[str, Exported]) -> None:
    exported = bundles[format]
    assert exported.folder == run / "exports" / format
    assert exported.difference <= exported.tolerance
    names = {path.name for path in exported.folder.iterdir()}
    exporter = registry.load("exporters", format)
    beside = {"recipe.resolved.yaml"} if exporter.WEIGHTS_ONLY else set()
    assert names == {*exporter.FILES, *beside, "bundle.json", "fields.json", "parity.json", "README.md"}
    parity = json.loads((exported.folder / "parity.json").read_text())
    assert parity["rows"] == list(ROW_COUNTS) == [1, 2, 7]
    assert parity["split"] == "test"
    assert parity["difference"] == exported.difference
    manifest = json.loads((exported.folder / "bundle.json").read_text())
    assert manifest["inputs"]["number"] == {"dtype": "float32", "shape": ["rows", 2]}
    assert manifest["target"]["labels"] == ["no", "yes"]
    assert str(run.parent) not in (exported.folder / "bundle.json").read_text()
    beside_bundle = {path.name for path in exported.folder.parent.iterdir()}
    assert beside_bundle == set(bundles), "nothing is left beside the bundles"


@pytest.mark.parametrize("recipe", ["PRICE_RECIPE", "PICTURE_RECIPE"])
def test_other_tasks_and_inputs_export(recipe: str, tmp_path: Path) -> None:
    small_runs.people(tmp_path)
    small_runs.squares(tmp_path)
    run = small_runs.trained(tmp_path, getattr(small_runs, recipe))
    assert export(run).difference < 1e-5


def test_default_place_is_inside_the_run_and_is_replaced(run: Path) -> None:
    first = export(run, format="safetensors").folder
    (first / "stale.txt").write_text("from before")
    export(run, format="safetensors")
    assert not (first / "stale.txt").exists()
    assert [path.name for path in first.parent.iterdir() if path.name.startswith(".")] == []


def test_litter_of_a_killed_export_is_cleared(run: Path, tmp_path: Path) -> None:
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    for prefix in (".tmp-", ".del-"):
        (tmp_path / f"{prefix}bundle.{int(dead.stdout)}").mkdir()
    export(run, format="safetensors", out=tmp_path / "bundle")
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


@pytest.mark.parametrize("call", range(0, 60, 3))
def test_full_disk_leaves_the_old_bundle_and_no_litter(
    run: Path, call: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = export(run, format="safetensors", out=tmp_path / "bundle").folder
    (folder / "old.txt").write_text("from before")
    operate, calls = disk._call, iter(range(10_000))

    def failing(operation: Callable[..., object], *arguments: object) -> object:
        if operation in (os.write, os.fsync, os.rename, os.mkdir) and next(calls) == call:
            raise OSError(errno.ENOSPC, "No space left on device")
        return operate(operation, *arguments)

    monkeypatch.setattr(disk, "_call", failing)
    try:
        export(run, format="safetensors", out=tmp_path / "bundle")
    except ResourceError:
        pass
    else:
        assert not (folder / "old.txt").exists()
    monkeypatch.undo()
    assert open_bundle(folder).format == "safetensors", "a whole bundle is there, the old or the new one"
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


BLOCKED = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "dlw"):
            raise ImportError(name)
sys.meta_path.insert(0, Blocked())
"""


def test_readme_example_needs_neither_torch_nor_dlw(run: Path, bundles: dict[str, Exported]) -> None:
    folder = bundles["onnx"].folder
    code = re.search(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    assert code is not None
    assert len(code[1].strip().splitlines()) <= 12
    program = f"{BLOCKED}{code[1]}\nimport json\nprint(json.dumps([answer.tolist() for answer in answers]))"
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True)
    shapes, answers = done.stdout.strip().splitlines()
    assert shapes == "[(2, 2)]"
    zeros = {"number": np.zeros((2, 2), np.float32), "category": np.zeros((2, 1), np.int64)}
    wanted = list(open_target(run).answer(zeros).values())
    np.testing.assert_allclose(json.loads(answers), wanted, atol=1e-6)


def test_readme_says_what_the_numbers_mean_and_where_they_come_from(bundles: dict[str, Exported]) -> None:
    text = (bundles["onnx"].folder / "README.md").read_text()
    assert "Labels by number (`target.labels` in `bundle.json`): 0 no, 1 yes." in text
    assert "Learned from `people.csv`. The recipe says nothing of the data's origin and licence" in text


def test_readme_quotes_the_recipe_and_hides_the_machine() -> None:
    told = told_origin("# Flowers.\n# Data: CC BY 4.0\nname: flowers\n# later\n", "/home/ann/flowers.csv")
    assert told == "Learned from `flowers.csv`. The recipe says:\n\n> Flowers.\n> Data: CC BY 4.0"
    assert told_origin("", "owner/rows").startswith("Learned from `owner/rows`.")
    assert told_origin("", Block.model_validate({"type": "csv", "path": ["../a.csv", "b.csv"]})).startswith(
        "Learned from `a.csv`, `b.csv`."
    )


def test_artifact_that_differs_is_not_written(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = exporter_module.open_model

    def skewed(artifact: object) -> object:
        answer = opened(artifact)  # type: ignore[arg-type]
        return lambda arrays: {name: value + np.float32(1e-3) for name, value in answer(arrays).items()}

    monkeypatch.setattr(exporter_module, "open_model", skewed)
    with pytest.raises(RunError, match=r"differs by 0\.00.* the limit is 0\.0001; nothing is written"):
        export(run, format="safetensors", out=tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []
    assert export(run, format="safetensors", out=tmp_path / "bundle", tolerance=0.01).difference == pytest.approx(
        1e-3, rel=0.1
    )


@pytest.mark.parametrize("wrong", ["shape", "nan"])
def test_artifact_of_other_shape_or_not_finite_is_not_written(
    wrong: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = {"shape": lambda value: value[:1], "nan": lambda value: value * np.float32("nan")}[wrong]
    opened = exporter_module.open_model

    def broken(artifact: object) -> object:
        answer = opened(artifact)  # type: ignore[arg-type]
        return lambda arrays: {name: change(value) for name, value in answer(arrays).items()}

    monkeypatch.setattr(exporter_module, "open_model", broken)
    with pytest.raises(RunError, match="nothing is written"):
        export(run, format="safetensors", out=tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_folder_that_is_no_bundle_is_not_replaced(run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(UsageError, match="--out"):
        export(run, format="safetensors", out=tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "precious"


def test_unknown_format_names_the_nearest(run: Path) -> None:
    with pytest.raises(UsageError, match="did you mean onnx"):
        export(run, format="onx")


def test_given_torch_program_is_not_opened(bundles: dict[str, Exported]) -> None:
    with pytest.raises(RunError, match="can run code"):
        open_bundle(bundles["torch_export"].folder)


def test_bundle_that_dlw_does_not_open_says_so(bundles: dict[str, Exported]) -> None:
    opened, kept_shut = ((bundles[name].folder / "README.md").read_text() for name in ("onnx", "torch_export"))
    assert "dlw predict FOLDER" in opened
    assert "dlw predict" not in kept_shut
    assert "dlw does not answer from it (opening a torch.export program can run code" in kept_shut
    assert (bundles["onnx"].is_opened_again, bundles["torch_export"].is_opened_again) == (True, False)


def test_no_compiler_is_told(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=r"needs a C\+\+ compiler"):
        export(run, format="aot_inductor", out=tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["model.onnx", "fields.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "missing"])
def test_damaged_bundle_is_refused(bundles: dict[str, Exported], name: str, damage: str, tmp_path: Path) -> None:
    folder = shutil.copytree(bundles["onnx"].folder, tmp_path / "bundle")
    path = folder / name
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 4
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content[:-1] if damage == "cut" else content)
    with pytest.raises(RunError, match=f"{name}: (checksum differs|is missing)"):
        open_bundle(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bundle": 1}, "export again with the same dlw"),
        ({"files": None}, "files is missing or wrong"),
        ({"files": {"../secret": {}}}, "not a file of this bundle"),
        ({"format": "onx"}, "did you mean onnx"),
    ],
)
def test_foreign_manifest_is_refused(
    bundles: dict[str, Exported], change: dict[str, object], message: str, tmp_path: Path
) -> None:
    folder = shutil.copytree(bundles["safetensors"].folder, tmp_path / "bundle")
    manifest = json.loads((folder / "bundle.json").read_text())
    del manifest["digest"]
    write_manifest(folder, manifest | change)
    with pytest.raises((RunError, UsageError), match=message):
        open_bundle(folder)


def test_a_changed_manifest_is_refused(bundles: dict[str, Exported], tmp_path: Path) -> None:
    """Even where nothing else would notice: here the step that is named."""
    folder = shutil.copytree(bundles["safetensors"].folder, tmp_path / "bundle")
    text = (folder / "bundle.json").read_text()
    (folder / "bundle.json").write_text(text.replace('"step": ', '"step": 1'))
    with pytest.raises(RunError, match="checksum differs: not what was written; export again"):
        open_bundle(folder)


@pytest.mark.parametrize("content", ["", "[]", "{", "[" * 100_000])
def test_unreadable_manifest_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "bundle.json").write_text(content)
    with pytest.raises(RunError, match=r"bundle\.json"):
        open_bundle(tmp_path)


def test_rings_are_exported(tmp_path: Path) -> None:
    """The first atom of a ring names its last one as a neighbour."""
    (tmp_path / "rings.csv").write_text(
        "smiles,y\n" + "".join(f"C1{'C' * (row % 6 + 1)}C1,{row % 6}\n" for row in range(40))
    )
    (tmp_path / "recipe.yaml").write_text(
        "recipe: 1\nname: rings\ntask: regression\n"
        "data: {source: rings.csv, inputs: {smiles: molecule}, target: {y: number}}\n"
        "model: {type: message_passing, width: 8, depth: 1}\ntrain: {epochs: 1, batch_size: 8}\n"
    )
    train(tmp_path / "recipe.yaml", out=tmp_path / "run")
    assert export(tmp_path / "run").difference < 1e-4

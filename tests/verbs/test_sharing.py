"""What teammates rely on: runs compared on the same rows, hashes checked, a resolved recipe that gives the same run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from math import comb
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dlw.cli.main import run
from dlw.errors import DataError, RunError, UsageError
from dlw.runs.layout import open_run
from dlw.runs.steps import saved_steps, step_folder
from dlw.specs import Outcome
from dlw.verbs import _digests, _outcomes
from dlw.verbs._bundle import BUNDLE_VERSION, file_entry, write_manifest
from dlw.verbs.compare import compare, exact_p
from dlw.verbs.evaluate import evaluate
from dlw.verbs.train import train
from dlw.verbs.verify import verify

RECIPE = """
name: small
task: classification
data:
  source: rows.csv
  splits: {type: random, train: 0.5, validation: 0.2, test: 0.3}
  inputs: {a: number, b: number}
  target: {kind: category}
model: {type: mlp, width: 8, depth: 1}
optimizer: {lr: 0.03}
train: {epochs: 4, batch_size: 16, threads: 1}
evaluate: {baseline: false, bootstrap: 0}
"""
MANIFEST = {"bundle": BUNDLE_VERSION, "name": "x", "format": "onnx", "step": 1, "task": {}, "inputs": {}, "answers": {}}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with data, a recipe and three evaluated runs; the third guesses."""
    folder = tmp_path_factory.mktemp("shared")
    random = np.random.default_rng(0)
    rows = [f"{a:.3f},{b:.3f},{'xy'[int(a + b > 0)]}" for a, b in random.normal(size=(300, 2))]
    (folder / "rows.csv").write_text("a,b,kind\n" + "\n".join(rows) + "\n")
    (folder / "small.yaml").write_text(RECIPE)
    for name, sets in (("one", []), ("two", []), ("worse", ["optimizer.lr=1e-6", "train.epochs=1", "seed=1"])):
        train(folder / "small.yaml", out=folder / name, sets=sets)
        evaluate(folder / name)
    return folder


@pytest.fixture
def copied(made: Path, tmp_path: Path) -> Path:
    """Return a copy of the folder that may be damaged."""
    return Path(shutil.copytree(made, tmp_path / "shared"))


def test_the_better_run_is_told_with_tests_and_recipes(made: Path) -> None:
    found = compare(made / "worse", made / "one")
    accuracy = next(one for one in found.metrics if one.metric == "accuracy")
    assert accuracy.better == "second"
    assert 0 < accuracy.difference.low < accuracy.second - accuracy.first < accuracy.difference.high
    assert accuracy.mcnemar is not None
    assert (accuracy.mcnemar.only_second - accuracy.mcnemar.only_first) / found.rows == pytest.approx(
        accuracy.difference.value
    )
    assert accuracy.mcnemar.p_value < 0.01
    loss = next(one for one in found.metrics if one.metric == "log_loss")
    assert loss.mcnemar is None
    assert ("optimizer.lr", 1e-6, 0.03) in found.recipe


def test_equal_runs_do_not_differ(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runs", "compare", str(made / "one"), str(made / "two"), "--json"]) == 0
    tree = json.loads(capsys.readouterr().out)
    assert {one["better"] for one in tree["metrics"]} == {"neither"}
    assert tree["metrics"][0]["mcnemar"] == {"only_first": 0, "only_second": 0, "p_value": 1.0}
    assert tree["recipe"] == []


def test_other_rows_are_refused(copied: Path) -> None:
    with pytest.raises(RunError, match=r"missing; evaluate the run first: dlw evaluate .*one --split validation"):
        compare(copied / "one", copied / "two", split="validation")
    lines = (copied / "rows.csv").read_text().splitlines()
    (copied / "rows.csv").write_text("\n".join([lines[0], *(f"1{line.lstrip('-')}" for line in lines[1:])]) + "\n")
    train(copied / "small.yaml", out=copied / "three")
    evaluate(copied / "three")
    with pytest.raises(DataError, match=r"judged on different rows: column a differs; evaluate both on the same"):
        compare(copied / "one", copied / "three")


def test_classes_in_another_order_are_the_same_answers(made: Path) -> None:
    file = made / "one" / "evaluation" / "test" / _outcomes.FILE
    kept = _outcomes.read(file)
    held = kept.outcome
    turned = Outcome("classes", held.prediction[:, ::-1], 1 - held.target, held.names[::-1], positive=1 - held.positive)
    other = made / "worse" / "evaluation" / "turned"
    for folder in (file.parent, made / "worse" / "evaluation" / "test"):
        shutil.copytree(folder, folder.parent / "turned")
    (other / _outcomes.FILE).write_bytes(_outcomes.to_bytes(turned, kept.columns))
    assert {one.better for one in compare(made / "one", made / "worse", split="turned").metrics} == {"neither"}
    values = Outcome("values", np.zeros((3, 1)), np.zeros((3, 1)), ("kind",))
    (other / _outcomes.FILE).write_bytes(_outcomes.to_bytes(values, {}))
    with pytest.raises(UsageError, match="answers with values of kind, the other run with classes of x, y"):
        compare(made / "one", made / "worse", split="turned")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"positive": 0}, "positive class"),
        ({"positive": 0, "thresholds": (0.4,)}, "positive class"),
        ({"costs": (1.0, 9.0)}, "costs"),
    ],
)
def test_both_runs_are_judged_by_one_yardstick(changes: dict[str, Any], words: str, made: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        shutil.copytree(made / name, tmp_path / name)
    file = tmp_path / "two" / "evaluation" / "test" / _outcomes.FILE
    kept = _outcomes.read(file)
    file.write_bytes(_outcomes.to_bytes(replace(kept.outcome, **changes), kept.columns))
    found = compare(tmp_path / "one", tmp_path / "two")
    assert f"both are judged by the {words} of the first" in found.notes
    values = {one.metric: one.difference.value for one in found.metrics}
    if "thresholds" in changes:
        first = kept.outcome.decision == kept.outcome.target
        second = replace(kept.outcome, **changes).decision == kept.outcome.target
        assert values["accuracy"] == pytest.approx(second.mean() - first.mean())
    else:
        assert set(values.values()) == {0}


@pytest.mark.parametrize(
    ("only_first", "only_second", "p_value"),
    [
        (0, 0, 1.0),
        (3, 3, 1.0),
        (0, 5, 2 / 32),
        (6, 1, 2 * 8 / 128),
        (900, 1100, float(Fraction(2 * sum(comb(2000, count) for count in range(901)), 2**2000))),
    ],
)
def test_the_exact_test_is_the_binomial_one(only_first: int, only_second: int, p_value: float) -> None:
    assert exact_p(only_first, only_second) == pytest.approx(p_value, rel=1e-9)


def test_outcomes_come_back_as_they_were(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    outcomes = [
        Outcome(
            "map", random.integers(0, 3, (4, 5, 6), np.uint8), random.integers(0, 3, (4, 5, 6), np.uint8), ("a", "b")
        ),
        Outcome("texts", np.array(["ä", ""], object), np.array(["b", "c"], object)),
        Outcome("quantiles", random.random((3, 2, 2)), random.random((3, 2)), ("a", "b"), levels=(0.1, 0.9)),
        Outcome(
            "vectors", random.random((3, 2)).astype(np.float32), np.arange(3), is_found=np.array([True, False, True])
        ),
    ]
    for outcome in outcomes:
        (tmp_path / "x.parquet").write_bytes(_outcomes.to_bytes(outcome, {"c": "d"}))
        kept = _outcomes.read(tmp_path / "x.parquet")
        assert kept.columns == {"c": "d"}
        assert (kept.outcome.names, kept.outcome.levels) == (outcome.names, outcome.levels)
        for name in ("prediction", "target", "is_found"):
            left, right = getattr(kept.outcome, name), getattr(outcome, name)
            assert (left is None) == (right is None)
            assert right is None or (left.dtype == right.dtype and np.array_equal(left, right))


def test_a_run_names_its_data_by_content(made: Path) -> None:
    tree = json.loads((made / "one" / "manifest.json").read_text())
    assert tree["data"]["splits"] == {"train": {"rows": 150}, "validation": {"rows": 60}, "test": {"rows": 90}}
    assert tree["data"]["files"] == {"rows.csv": {"split": None, **_digests.of_file(made / "rows.csv")}}
    assert {check.state for check in verify(made / "one").checks} == {"same"}
    assert run(["verify", str(made / "one"), "-q"]) == 0


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def weights(folder: Path) -> Path:
    found = open_run(folder / "one")
    return step_folder(found, saved_steps(found)[0]) / "model.safetensors"


@pytest.mark.parametrize(
    ("place", "code", "what"),
    [
        (lambda folder: folder / "one" / "recipe.yaml", 4, "recipe and fields"),
        (lambda folder: folder / "one" / "fields.json", 4, "recipe and fields"),
        (lambda folder: folder / "one" / "manifest.json", 4, "checksum differs"),
        (weights, 4, "checkpoint"),
        (lambda folder: folder / "rows.csv", 3, "data"),
    ],
)
def test_one_bit_is_found(
    copied: Path, place: Callable[[Path], Path], code: int, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    resolved = copied / "one" / "recipe.resolved.yaml"
    text = resolved.read_text()
    assert str(copied) not in text, "the copy names the data of the original"
    damage(place(copied))
    if place(copied).name == "rows.csv":
        original = Path(next(line for line in text.splitlines() if "source:" in line).partition(": ")[2])
        content = original.read_bytes()
        try:
            original.write_bytes((copied / "rows.csv").read_bytes())
            assert run(["verify", str(copied / "one"), "-q"]) == code
        finally:
            original.write_bytes(content)
    else:
        assert run(["verify", str(copied / "one"), "-q"]) == code
    out, err = capsys.readouterr()
    assert what in out + err


def test_exports_are_checked(copied: Path) -> None:
    folder = copied / "one" / "exports" / "onnx"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"weights")
    files = {"model.onnx": file_entry(b"weights")}
    write_manifest(folder, {**MANIFEST, "files": files})
    found = verify(copied / "one")
    assert ("export onnx", "same") in [(check.what, check.state) for check in found.checks]
    (folder / "model.onnx").write_bytes(b"Weights")
    found = verify(copied / "one")
    assert found.exit_code == 4
    assert found.checks[-2].problems == (f"{folder / 'model.onnx'}: checksum differs",)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"model.onnx": {"byteS": 7, "sha256": ""}}, "files: model.onnx: not described"),
        ({"model.onnx": 7}, "files: model.onnx: not described"),
        ({"../secret": {"bytes": 7, "sha256": ""}}, "files: ../secret: not described"),
        (None, "cannot be read as a bundle"),
    ],
)
def test_a_damaged_list_of_exported_files_is_told(files: dict[str, Any] | None, message: str, copied: Path) -> None:
    folder = copied / "one" / "exports" / "onnx"
    folder.mkdir(parents=True)
    if files is not None:
        write_manifest(folder, {**MANIFEST, "files": files})
    found = verify(copied / "one")
    assert found.exit_code == 4
    (check,) = (check for check in found.checks if check.what == "export onnx")
    assert message in check.problems[0]


def test_a_pointer_to_no_checkpoint_is_told(copied: Path) -> None:
    (copied / "one" / "checkpoints" / "best").write_text("step-00000000x4\n")
    found = verify(copied / "one")
    assert found.exit_code == 4
    assert [check.what for check in found.checks if check.state == "differs"] == ["best"]


def test_far_data_that_no_longer_fit_the_recipe_differ(tmp_path: Path) -> None:
    files = fsspec.filesystem("memory")
    random = np.random.default_rng(0)
    table = pa.table({"a": random.normal(size=90), "b": random.normal(size=90), "kind": ["x", "y", "y"] * 30})
    with files.open("/far/rows.parquet", "wb") as opened:
        pq.write_table(table, opened)
    (tmp_path / "far.yaml").write_text(RECIPE.replace("rows.csv", "memory://far/rows.parquet"))
    train(tmp_path / "far.yaml", out=tmp_path / "run")
    assert verify(tmp_path / "run").exit_code == 0
    with files.open("/far/rows.parquet", "wb") as opened:
        pq.write_table(table.rename_columns(["a", "b", "sort"]), opened)
    found = verify(tmp_path / "run")
    assert found.exit_code == 3
    assert "missing column: kind" in found.checks[-1].problems[0]
    files.rm("/", recursive=True)
    assert verify(tmp_path / "run").checks[-1].state == "not here"


def test_data_that_are_gone_are_not_here(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = made / "rows.csv"
    rows.rename(made / "away.csv")
    try:
        assert run(["verify", str(made / "one"), "-q", "--json"]) == 0
    finally:
        (made / "away.csv").rename(rows)
    checks = {check["what"]: check["state"] for check in json.loads(capsys.readouterr().out)["checks"]}
    assert checks["data"] == "not here"


def test_the_resolved_recipe_gives_the_same_weights(made: Path, tmp_path: Path) -> None:
    again = train(made / "one" / "recipe.resolved.yaml", out=tmp_path / "again")
    left, right = ((folder / "checkpoints") for folder in (made / "one", tmp_path / "again"))
    step = f"step-{again.step:010d}"
    for name in ("model.safetensors", "optimizer.safetensors"):
        assert (left / step / name).read_bytes() == (right / step / name).read_bytes()


def test_recipes_of_runs_are_told_apart(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipe", "diff", str(made / "one"), str(made / "worse")]) == 0
    out, _ = capsys.readouterr()
    assert out.splitlines() == ["seed: 42 -> 1", "optimizer.lr: 0.03 -> 1e-06", "train.epochs: 4 -> 1"]


def test_rows_of_no_file_count_by_content() -> None:
    import pyarrow as pa

    table = pa.table({"a": [1, 2], "b": [[0.5], [0.25, 1.0]]})
    assert _digests.of_rows(table) == _digests.of_rows(pa.concat_tables([table.slice(0, 1), table.slice(1)]))
    assert _digests.of_rows(table) != _digests.of_rows(table.take([1, 0]))
    assert _digests.of_rows(table) != _digests.of_rows(table.rename_columns(["a", "c"]))

"""The benchmark verb: what it measures, what it keeps, and when it fails."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from dlw.errors import RequirementError, RunError, UsageError
from dlw.specs import FieldSpec
from dlw.verbs import _answer_speed, _machine, _training_speed
from dlw.verbs import benchmark as verb
from dlw.verbs._figures import BenchmarkResult, Figure
from dlw.verbs.benchmark import benchmark
from dlw.verbs.export import export
from tests.heard import Heard
from tests.verbs import small_runs


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure briefly; children read their durations from the module, so they are told by the program text."""
    monkeypatch.setattr(_machine, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(_answer_speed, "COLD_STARTS", 1)
    brief = "import dlw.verbs._answer_speed as speed; speed.WARMUP_SECONDS = speed.MEASURE_SECONDS = 0.01; speed.main()"
    monkeypatch.setattr(_answer_speed, "PROGRAM", brief)
    monkeypatch.setattr(_training_speed, "TURNS", 3)
    monkeypatch.setattr(_training_speed, "TURN_SECONDS", 0.01)
    monkeypatch.setattr(_training_speed, "MATRIX_SIZE", 64)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained table run with its ONNX bundle."""
    folder = tmp_path_factory.mktemp("table")
    small_runs.people(folder)
    run = small_runs.trained(folder, small_runs.TABLE_RECIPE)
    export(run)
    return run


@pytest.mark.parametrize("kind", ["run", "bundle"])
def test_answers_are_measured_in_a_process_of_their_own(run: Path, kind: str, tmp_path: Path) -> None:
    target = run if kind == "run" else run / "exports" / "onnx"
    result = benchmark(target, batch_sizes=[1, 5], save=tmp_path / "kept.json")
    figures = {figure.name: figure.value for figure in result.figures}
    assert result.kind == kind
    assert {"cold start", "peak memory", "model size"} <= figures.keys()
    for size in (1, 5):
        assert 0 < figures[f"batch {size}: p50"] <= figures[f"batch {size}: p95"] <= figures[f"batch {size}: p99"]
        assert figures[f"batch {size}: throughput"] == pytest.approx(size / figures[f"batch {size}: p50"] * 1e3)
    assert any(
        ("torch is not imported" in note) == (kind == "bundle") for note in result.notes if "answers come" in note
    )
    assert json.loads((tmp_path / "kept.json").read_text()) == json.loads(json.dumps(result.to_json()))


def test_a_recipe_is_measured_by_its_training_steps(run: Path) -> None:
    result = benchmark(run.parent / "recipe.yaml")
    figures = {figure.name: figure.value for figure in result.figures}
    assert result.kind == "recipe"
    assert figures["training speed"] > 0
    assert figures["training speed"] == pytest.approx(
        figures["bare loop"] / (1 + figures["engine overhead"] / 100), rel=1e-6
    )
    assert 0 < figures["waiting for data"] < 100
    assert 0 < figures["share of the matrix peak"] < 100
    # 16 rows through layers of (2 numbers twice + 8) x 8 and 8 x 2: three products, one of them forward, 2 FLOP each.
    assert figures["work per step"] * 1e9 == pytest.approx(16 * 6 * (12 * 8 + 8 * 2), rel=0.2)
    with pytest.raises(UsageError, match="--batch-sizes"):
        benchmark(run.parent / "recipe.yaml", batch_sizes=[1])


def test_a_child_that_fails_says_why(tmp_path: Path) -> None:
    (tmp_path / "bundle.json").write_text("{}")
    with pytest.raises(RunError, match=r"bundle\.json: bundle version None"):
        benchmark(tmp_path)


def figures(**values: float) -> tuple[list[Figure], list[str]]:
    """Return what a measurement gives: a speed, a latency and a figure that is only told."""
    default = {"speed": 100.0, "latency": 2.0, "p99": 9.0} | values
    return [
        Figure("speed", default["speed"], "rows/s", True),
        Figure("latency", default["latency"], "ms", False),
        Figure("p99", default["p99"], "ms"),
    ], []


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Replace the measurement by given figures."""

    def set_figures(**values: float) -> None:
        monkeypatch.setattr(verb, "_training", lambda *_: figures(**values))

    set_figures()
    return set_figures


@pytest.mark.parametrize(
    ("now", "worse"),
    [
        ({"speed": 89.0}, "speed: 100 before, 89 rows/s now, 12% worse"),
        ({"speed": 0.0}, "speed: 100 before, 0 rows/s now, inf% worse"),
        ({"speed": float("nan")}, "speed: 100 before, nan rows/s now, inf% worse"),
        ({"latency": 2.3}, "latency: 2 before, 2.3 ms now, 15% worse"),
        ({"speed": 10.0, "latency": 20.0}, "2 figures are worse by more than 10%"),
    ],
)
def test_a_regression_is_named(now: dict[str, float], worse: str, measured: Any, tmp_path: Path) -> None:
    kept, new = tmp_path / "kept.json", tmp_path / "new.json"
    benchmark("recipe", save=kept)
    measured(**now)
    assert len(benchmark("recipe", against=kept).changes) == 2, "without a limit it is only told"
    with pytest.raises(RequirementError, match=worse) as caught:
        benchmark("recipe", against=kept, max_regression=0.1, save=new)
    assert caught.value.exit_code == 9
    assert json.loads(new.read_text())["figures"], "the figures are kept all the same"
    assert not {"NaN", "Infinity"} & set(re.findall(r"\w+", new.read_text())), "which JSON does not have"
    benchmark("recipe", against=new)


def test_better_or_only_told_figures_pass(measured: Any, tmp_path: Path) -> None:
    benchmark("recipe", save=tmp_path / "kept.json")
    measured(speed=95.0, latency=1.0, p99=900.0)
    changes = benchmark("recipe", against=tmp_path / "kept.json", max_regression=0.1).changes
    assert {change.name: round(change.worse, 3) for change in changes} == {"speed": 0.053, "latency": -0.5}


@pytest.mark.parametrize("content", [None, "", "{}", '{"kind": "run", "machine": {}, "figures": []}'])
def test_a_file_that_cannot_be_compared_is_refused(content: str | None, measured: Any, tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match="--against"):
        benchmark("recipe", against=path)


def test_a_limit_without_a_file_is_refused() -> None:
    with pytest.raises(UsageError, match="--against"):
        benchmark("recipe", max_regression=0.1)


def test_a_busy_or_other_machine_is_told(measured: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    benchmark("recipe", save=tmp_path / "kept.json")
    monkeypatch.setattr(_machine, "busy_share", lambda: 0.5)
    monkeypatch.setattr(_machine, "describe", lambda: {"processor": "abacus"})
    heard = Heard()
    result = benchmark("recipe", against=tmp_path / "kept.json", listener=heard)
    assert result.busy == 0.5
    assert "other programs keep 50% of the processor busy: all will be slower than this machine can" in heard.warnings
    assert [text for text in heard.warnings if "another machine" in text]


def test_artifacts_are_compared_side_by_side(run: Path, tmp_path: Path) -> None:
    export(run, format="safetensors")
    export(run, format="torch_export")
    result = benchmark(run, is_artifacts=True, batch_sizes=[2], threads=1, save=tmp_path / "kept.json")
    assert result.kind == "artifacts"
    by_name: dict[str, dict[str, float]] = {}
    for found in result.figures:
        by_name.setdefault(found.of, {})[found.name] = found.value
    assert list(by_name) == ["run", "onnx", "safetensors"], "torch_export is not opened again"
    for found_of in by_name.values():
        assert set(found_of) == {"batch 2: p50", "batch 2: p95", "size", "memory", "accuracy"}
        assert found_of["accuracy"] == by_name["run"]["accuracy"]
        assert 0 < found_of["batch 2: p50"] <= found_of["batch 2: p95"]
    assert by_name["onnx"]["memory"] < by_name["run"]["memory"], "without torch"
    assert any("accuracy: on the same 24 test rows" in note for note in result.notes)
    again = benchmark(run, run / "exports" / "onnx", batch_sizes=[2], against=tmp_path / "kept.json")
    assert {change.name for change in again.changes} >= {"run: batch 2: p50", "onnx: size"}


def test_bundles_without_their_run_have_no_score(run: Path, tmp_path: Path) -> None:
    alone = shutil.copytree(run / "exports" / "onnx", tmp_path / "alone")
    result = benchmark(alone, run / "exports" / "onnx", batch_sizes=[1])
    assert {found.of for found in result.figures} == {str(alone), str(run / "exports" / "onnx")}
    assert {found.name for found in result.figures} == {"batch 1: p50", "batch 1: p95", "size", "memory"}
    assert any(note.startswith("no score: ") for note in result.notes)


@pytest.mark.parametrize("targets", [["{run}", "digits"], ["{run}/exports/onnx", "digits"]])
def test_things_of_different_kinds_are_not_compared(targets: list[str], run: Path) -> None:
    with pytest.raises(UsageError, match="several runs and bundles, or several recipes"):
        benchmark(*(target.format(run=run) for target in targets))
    with pytest.raises(UsageError, match="name a run directory"):
        benchmark("digits", is_artifacts=True)


def test_a_run_without_bundles_is_not_compared(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(UsageError, match="has no bundle to compare with"):
        benchmark(tmp_path, is_artifacts=True, batch_sizes=[1])


def suite(folder: Path) -> Path:
    """Write recipes that fit, claim too much, lack data, are wrong, and fail in training."""
    small_runs.people(folder)
    recipes = folder / "recipes"
    recipes.mkdir()
    good = (
        small_runs.TABLE_RECIPE.replace("people.csv", "../people.csv") + "evaluate: {baseline: false, bootstrap: 0}\n"
    )
    (folder / "bad.csv").write_text("age,answer\n1,no\n")
    texts = {
        "met": good + "benchmark: {claims: {minutes: 60, memory: 64 GiB}}\n",
        "short": good + "benchmark: {claims: {memory: 1 MiB}}\n",
        "absent": good.replace("../people.csv", "../nobody.csv"),
        "wrong": good.replace("mlp", "mpl"),
        "failing": good.replace("../people.csv", "../bad.csv"),
    }
    for name, text in texts.items():
        (recipes / f"{name}.yaml").write_text(text)
    return recipes


def test_a_suite_goes_on_and_says_who_falls_short(tmp_path: Path) -> None:
    recipes = suite(tmp_path)
    with pytest.raises(
        RequirementError, match=r"(?s)3 of 5 recipes.*failing: .*short: memory <= 1 MiB.*wrong:"
    ) as caught:
        benchmark(recipes, save=tmp_path / "kept.json")
    result = caught.value.result
    assert isinstance(result, BenchmarkResult)
    assert {trial.recipe: trial.status for trial in result.trials} == {
        "absent": "not here",
        "failing": "failed",
        "met": "met",
        "short": "short",
        "wrong": "failed",
    }
    told = {trial.recipe: trial.told for trial in result.trials}
    assert "data not here: ../nobody.csv" in told["absent"]
    assert "did you mean mlp" in told["wrong"]
    assert "minutes <= 60: " in told["met"]
    figures = {(found.of, found.name) for found in result.figures}
    assert figures == {(of, name) for of in ("met", "short") for name in ("score", "minutes", "processor", "memory")}
    assert len(json.loads((tmp_path / "kept.json").read_text())["trials"]) == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.csv", "kept.json", "people.csv", "recipes"]


def test_random_rows_fit_the_specs() -> None:
    statistics = {"mean": [5.0, -3.0], "std": [0.0, 1.0]}
    inputs = {
        "number": FieldSpec("number", (2,), "float32", statistics=statistics),
        "category": FieldSpec("category", (2,), "int64", sizes=(3, 9)),
        "picture": FieldSpec("image", (1, 4, 5), "uint8"),
    }
    arrays = _answer_speed.random_rows(inputs, 50)
    assert {name: (str(array.dtype), array.shape[1:]) for name, array in arrays.items()} == {
        name: (spec.dtype, spec.shape) for name, spec in inputs.items()
    }
    assert (arrays["number"][:, 0] == 5).all()
    assert (arrays["category"].max(0) < [3, 9]).all()
    assert arrays["category"][:, 1].max() > 3


def test_the_machine_is_described() -> None:
    described = _machine.describe()
    assert described["cores"] >= 1
    assert described["processor"]
    assert 0 <= _machine.busy_share() <= 1
    assert _machine.peak_memory_bytes() > 2**20

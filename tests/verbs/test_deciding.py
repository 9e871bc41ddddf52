"""Temperature and threshold from end to end: found in training, kept with the checkpoint, applied everywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from dlw.errors import DataError
from dlw.specs import Outcome
from dlw.verbs import _reliability
from dlw.verbs._trained import open_trained
from dlw.verbs.evaluate import evaluate
from dlw.verbs.export import export
from dlw.verbs.predict import predict
from dlw.verbs.train import train
from tests.verbs import small_runs

ASKED = "task: {type: classification, calibrate: temperature, costs: {false_negative: 5}}"
OF_TWO = ASKED.replace("}}", "}, positive: 'yes'}")


@pytest.fixture(scope="module", params=["classes", "labels"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that decides at a cost, of two classes and of two labels, an ensemble of two networks."""
    folder = tmp_path_factory.mktemp(str(request.param))
    table = small_runs.people(folder, 300)
    head, *lines = table.read_text().splitlines()
    extended = [f"{line},{int(line.split(',')[1]) % 2},{int(line.endswith('yes'))}" for line in lines]
    table.write_text("\n".join([f"{head},odd,old", *extended]) + "\n")
    text = small_runs.TABLE_RECIPE.replace("width: 8", "width: 8, ensemble: 2")
    if request.param == "labels":
        text = text.replace("target: {answer: category}", "target: {odd: labels, old: labels}")
    text = text.replace("task: classification", ASKED if request.param == "labels" else OF_TWO)
    return small_runs.trained(folder, text)


def options(run: Path) -> dict[str, Any]:
    return open_trained(run).recipe.task.options


def test_both_are_kept_with_the_checkpoint(run: Path) -> None:
    found = options(run)
    assert 0.1 <= found["temperature"] <= 10
    thresholds = found["threshold"].values() if isinstance(found["threshold"], dict) else [found["threshold"]]
    assert all(0 <= least <= 1 for least in thresholds)
    assert "temperature: null" in (run / "recipe.resolved.yaml").read_text()


def test_evaluate_decides_by_them_and_says_so(run: Path) -> None:
    found = evaluate(run)
    told = "\n".join(found.protocol)
    assert "the cheapest on validation (a false positive costs 1, a false negative 5)" in told
    assert "of the least log loss on validation" in told
    assert "baselines: given the same search on their own answers for validation" in told
    table = pq.read_table(run / "evaluation" / "test" / "predictions.parquet")
    pairs = (
        [("is_odd", "truth_odd"), ("is_old", "truth_old")] if "is_odd" in table.column_names else [("label", "truth")]
    )
    cost = 0.0
    for said_column, truth_column in pairs:
        said, truth = ([v in (True, 1, "yes") for v in table[name].to_pylist()] for name in (said_column, truth_column))
        cost += sum(5 * (t and not s) + (s and not t) for s, t in zip(said, truth, strict=True))
    score = next(score for score in found.scores if score.metric == "mean_cost")
    assert score.value == pytest.approx(cost / len(table) / len(pairs))


def test_baselines_decide_by_a_search_of_their_own(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it they would decide at one half, which costs them more."""

    def costs() -> dict[str, float]:
        score = next(score for score in evaluate(run).scores if score.metric == "mean_cost")
        return {name: versus.score.value for name, versus in score.baselines.items()}

    searched = costs()
    monkeypatch.setattr("dlw.verbs.evaluate._tuning", lambda *_: None)
    at_one_half = costs()
    assert searched != at_one_half
    assert sum(searched.values()) < sum(at_one_half.values())


def test_the_reliability_table_is_written(run: Path) -> None:
    """Its rows make up the calibration error, and the temperature can be taken away again."""
    evaluate(run)
    found = json.loads((run / "evaluation" / "test" / "metrics.json").read_text())
    table = found["reliability"]
    assert len(table["bins"]) == 15
    count = sum(each["count"] for each in table["bins"])
    gaps = [each["count"] * abs(each["accuracy"] - each["confidence"]) for each in table["bins"] if each["count"]]
    assert table["ece"] == pytest.approx(sum(gaps) / count)
    score = next(score for score in found["scores"] if score["metric"] == "ece")
    assert score["value"] == pytest.approx(table["ece"])
    assert table["temperature"] == options(run)["temperature"]
    assert 0 <= table["ece_before"] <= 1


@pytest.mark.parametrize(("temperature", "is_told"), [(None, False), (0.5, True), (2.0, False)])
def test_a_temperature_that_does_not_help_is_told(temperature: float | None, is_told: bool) -> None:
    """Nine in ten are right where 0.99 was said: a temperature below 1 came from the wrong rows."""
    target = (np.arange(100) < 10).astype(np.int64)
    found = _reliability.reliability(Outcome("classes", np.tile([0.99, 0.01], (100, 1)), target), temperature)
    assert bool(_reliability.warnings(found)) == is_told


@pytest.mark.parametrize("format", ["onnx", "safetensors"])
def test_a_bundle_is_as_warm_and_decides_alike(run: Path, format: str) -> None:
    people = str(run.parent / "people.csv")
    from_run = predict(run, [people]).columns
    from_bundle = predict(export(run, format=format).folder, [people]).columns
    assert from_bundle.keys() == from_run.keys()
    for name, values in from_run.items():
        if name.startswith("probability"):
            assert np.allclose(from_bundle[name], values, atol=1e-5)
        else:
            assert from_bundle[name] == values
    least = options(run)["threshold"]
    if isinstance(least, dict):
        decided = {name: (f"is_{name}", f"probability_{name}", at) for name, at in least.items()}
    else:
        decided = {"yes": ("label", "probability_yes", least)}
    for said, probability, at in decided.values():
        is_yes = [value in (True, "yes") for value in from_run[said]]
        assert is_yes == (np.array(from_run[probability]) >= at).tolist()


def test_the_temperature_lowers_the_log_loss_on_validation(run: Path) -> None:
    """By definition: no other temperature gives less on the rows it was found on."""
    found = evaluate(run, split="validation")
    told = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    at_it = next(score.value for score in found.scores if score.metric == "log_loss")
    assert at_it <= told["validation/log_loss"] + 1e-6


def test_without_a_validation_split_there_is_nothing_to_find_them_on(tmp_path: Path) -> None:
    """A source whose own splits lack it is only seen when it is read."""
    small_runs.people(tmp_path)
    (tmp_path / "train.csv").write_text((tmp_path / "people.csv").read_text())
    (tmp_path / "people.csv").unlink()
    text = small_runs.TABLE_RECIPE.replace("task: classification", ASKED).replace("path: people.csv", "path: .")
    lines = [line for line in text.splitlines() if "splits:" not in line]
    (tmp_path / "recipe.yaml").write_text("\n".join(lines))
    with pytest.raises(
        DataError, match=r"task\.costs finds task\.threshold on the validation split, and there is none"
    ):
        train(tmp_path / "recipe.yaml", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()

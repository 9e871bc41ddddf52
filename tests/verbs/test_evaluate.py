"""The verb evaluate on runs trained here: what it writes, warns of, refuses, and says of itself."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from dlw.errors import RequirementError, UsageError
from dlw.verbs import _protocol
from dlw.verbs._intervals import Interval
from dlw.verbs._scores import Score, Versus
from dlw.verbs.evaluate import Evaluation, evaluate
from dlw.verbs.train import train
from tests.heard import Heard

RECIPE = """
name: judged
task: {task}
seed: 1
data:
  source: rows.csv
  inputs: {{size: number, colour: category}}
  target: {target}
  splits: {{type: random, train: 0.6, validation: 0.2, test: 0.2, seed: 3}}
model: {{type: mlp, width: 8}}
train: {{epochs: 1, batch_size: 64, threads: 1}}
evaluate: {{bootstrap: 50, slices: [colour], require: ["test/{metric} >= -1000", "validation/{metric} > 1e9"]}}
"""
KINDS = {
    "classes": ("classification", "{kind: category}", "accuracy"),
    "labels": ("classification", "{hot: labels, wet: labels}", "auroc"),
    "values": ("regression", "{price: number, cost: number}", "r2"),
    "quantiles": ("{type: regression, quantiles: [0.1, 0.5, 0.9]}", "{price: number}", "coverage"),
}


def write_rows(path: Path, rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    lines = ["id,size,colour,kind,price,cost,hot,wet,note"]
    for row in range(rows):
        size, colour = rng.normal(), rng.choice(["red", "green", "blue"], p=[0.5, 0.45, 0.05])
        kind = "rare" if size > 1.0 else "common"
        hot, wet = (("" if rng.random() < 0.2 else str(int(rng.normal() + size > 0))) for _ in range(2))
        lines.append(f"r{row},{size:.9f},{colour},{kind},{10 + size:.6f},{-size:.6f},{hot},{wet},n{row % 2}")
    path.write_text("\n".join(lines))


@pytest.fixture(scope="module", params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def run(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of each kind of outcome, trained for one epoch."""
    folder = tmp_path_factory.mktemp(kind)
    write_rows(folder / "rows.csv", 400, 0)
    write_rows(folder / "more.csv", 90, 1)
    task, target, metric = KINDS[kind]
    (folder / "recipe.yaml").write_text(RECIPE.format(task=task, target=target, metric=metric))
    train(folder / "recipe.yaml", out=folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def heard() -> Heard:
    return Heard()


@pytest.fixture(scope="module")
def evaluation(run: Path, heard: Heard) -> Evaluation:
    heard.lines.clear()
    heard.warnings.clear()
    return evaluate(run, slices=["note"], listener=heard)


def test_every_score_has_an_interval_and_baselines(evaluation: Evaluation) -> None:
    """Value inside its interval; constant, linear and trees beside it, each with a paired difference."""
    assert evaluation.rows == 80
    for score in evaluation.scores:
        assert list(score.baselines) == ["constant", "boosted_trees", "linear"]
        for versus in score.baselines.values():
            assert versus.difference.value == pytest.approx(score.value - versus.score.value, nan_ok=True)
    headline = next(score for score in evaluation.scores if score.metric == evaluation.headline)
    assert headline.low <= headline.value <= headline.high
    assert headline.low < headline.high


def test_what_is_written_reads_back(evaluation: Evaluation, run: Path, kind: str) -> None:
    """metrics.json is the evaluation; predictions.parquet holds row, ids, truth and answers of every row."""
    folder = run / "evaluation" / "test"
    assert json.loads((folder / "metrics.json").read_text()) == evaluation.to_json()
    table = pq.read_table(folder / "predictions.parquet")
    assert table.num_rows == 80
    assert table["row"].to_pylist() == list(range(80))
    assert table["id"][0].as_py().startswith("r")
    truth, answer = {
        "classes": ("truth", "label"),
        "labels": ("truth_hot", "probability_wet"),
        "values": ("truth_price", "cost"),
        "quantiles": ("truth", "price_q90"),
    }[kind]
    assert {truth, answer} <= set(table.column_names)
    if kind == "classes":
        hits = [a == b for a, b in zip(table["truth"].to_pylist(), table["label"].to_pylist(), strict=True)]
        assert next(s.value for s in evaluation.scores if s.metric == "accuracy") == pytest.approx(np.mean(hits))


def test_the_protocol_is_in_words(evaluation: Evaluation, kind: str) -> None:
    """Rows, source, splits, duplicates, checkpoint, averaging, intervals, baselines."""
    told = "\n".join(evaluation.protocol)
    assert "rows: 80 of the test split" in told
    assert "rows.csv; splits: random, 0.6 / 0.2 / 0.2, seed 3" in told
    assert "duplicates: no row has inputs that also occur in train" in told
    assert "chosen by validation/" in told
    assert "95 %, 50 bootstrap draws" in told
    assert "baseline linear: " in told
    if kind == "classes":
        assert "positive class: rare (the rarer in training)" in told
    if kind == "labels":
        assert "means over 2 labels" in told


def test_slices_cover_every_row_and_mark_small_groups(evaluation: Evaluation) -> None:
    """The recipe's slices and those asked for, each with its rows and intervals."""
    for column in ("colour", "note"):
        assert sum(group.rows for group in evaluation.slices if group.column == column) == 80
    assert all(group.is_small == (group.rows < 30) for group in evaluation.slices)
    assert any(group.is_small for group in evaluation.slices)
    assert evaluation.headline in evaluation.slices[0].scores


def test_gaps_are_found_written_and_required(evaluation: Evaluation, run: Path, kind: str) -> None:
    """Every metric has a gap in every column; a condition on one adds its column, and is judged by its value."""
    metrics = {score.metric for score in evaluation.scores}
    asked = {gap.metric for gap in evaluation.gaps if gap.column == "note"}
    assert asked == metrics | ({"selection_rate", "tpr", "fpr"} if kind == "classes" else set())
    assert any(sentence.startswith("gaps: the largest difference") for sentence in evaluation.protocol)
    metric = KINDS[kind][2]
    found = evaluate(run, require=[f"max_gap({metric}, note) < 1000", f"test/max_gap({metric}, note) >= 0"])
    gap = next(gap for gap in found.gaps if (gap.metric, gap.column) == (metric, "note"))
    assert [verdict.value for verdict in found.requirements[:2]] == [gap.difference.value] * 2
    with pytest.raises(RequirementError, match=rf"max_gap\({metric}, note\) > 1000 is not met: found"):
        evaluate(run, require=[f"max_gap({metric}, note) > 1000"])
    with pytest.raises(UsageError, match="no such column; did you mean note"):
        evaluate(run, require=[f"max_gap({metric}, notes) > 1000"])


def test_several_targets_are_also_scored_alone(evaluation: Evaluation, kind: str) -> None:
    expected = {"labels": ["hot", "wet"], "values": ["price", "cost"]}
    assert [part.value for part in evaluation.parts] == expected.get(kind, [])


def test_a_network_that_does_not_win_is_told(evaluation: Evaluation, heard: Heard) -> None:
    """One epoch on 240 rows does not beat both learners."""
    assert evaluation.warnings
    assert set(evaluation.warnings) <= set(heard.warnings)
    assert any("not judged on the test split: validation/" in line for line in heard.lines)


def test_the_same_evaluation_twice(evaluation: Evaluation, run: Path) -> None:
    again = evaluate(run, slices=["note"])
    assert json.dumps(again.to_json()["scores"]) == json.dumps(evaluation.to_json()["scores"])


def test_other_rows_are_scored_with_the_same_baselines(run: Path) -> None:
    """`--data` writes beside the splits; the recipe's requirements are of its own splits."""
    other = evaluate(run, data=run.parent / "more.csv")
    assert (other.split, other.rows, other.requirements) == ("data", 90, ())
    assert [fit.name for fit in other.baselines] == ["constant", "boosted_trees", "linear"]
    assert (run / "evaluation" / "data" / "metrics.json").is_file()
    assert any("more.csv; all rows" in line for line in other.protocol)


def test_unmet_requirements_are_listed_after_everything_is_written(run: Path, kind: str) -> None:
    """All of them, with the figures found; the result travels with the error."""
    metric = KINDS[kind][2]
    (run / "evaluation" / "validation" / "metrics.json").unlink(missing_ok=True)
    with pytest.raises(RequirementError, match="is not met: found") as caught:
        evaluate(run, split="validation", require=[f"{metric} >= -1000", f"validation/{metric} >= 1000"])
    assert caught.value.exit_code == 9
    assert str(caught.value).count("is not met") == 2
    result = caught.value.result
    assert isinstance(result, Evaluation)
    assert [verdict.is_met for verdict in result.requirements] == [True, False, False]
    assert any("the checkpoint was chosen on these rows" in text for text in result.warnings)
    assert (run / "evaluation" / "validation" / "metrics.json").is_file()


def test_what_cannot_be_asked(run: Path, kind: str) -> None:
    """Unknown splits, columns and metrics of another kind are usage errors, with the nearest name."""
    with pytest.raises(UsageError, match="no split is called tests; did you mean test"):
        evaluate(run, split="tests")
    with pytest.raises(UsageError, match="no such column; did you mean colour"):
        evaluate(run, slices=["color"])
    with pytest.raises(UsageError, match="this evaluates the test split, not validation"):
        evaluate(run, require=["validation/rmse < 1"])
    unfit = "rmse" if kind in ("classes", "labels") else "accuracy"
    with pytest.raises(UsageError, match=f"metrics {unfit} do not read {kind}; there are "):
        evaluate(run, require=[f"{unfit} < 1"])


def versus(value: float, low: float, high: float) -> dict[str, Versus]:
    return {"linear": Versus(Interval(0.8, 0.7, 0.9), Interval(value, low, high))}


@pytest.mark.parametrize(
    ("higher_is_better", "difference", "expected"),
    [
        (True, (0.05, 0.01, 0.09), None),
        (True, (0.05, -0.01, 0.11), "lead over the baseline linear is within chance"),
        (True, (-0.05, -0.09, -0.01), "does not beat the baseline linear"),
        (True, (0.0, 0.0, 0.0), "does not beat the baseline linear"),
        (False, (-0.05, -0.09, -0.01), None),
        (False, (-0.05, -0.09, 0.01), "lead over the baseline linear is within chance"),
        (False, (0.05, 0.01, 0.09), "does not beat the baseline linear"),
        (True, (float("nan"),) * 3, "does not beat the baseline linear"),
    ],
)
def test_when_a_comparison_warns(higher_is_better: bool, difference: tuple[float, ...], expected: str | None) -> None:
    """Ahead with its whole interval is silent, whichever way is better."""
    score = Score("m", 0.85, 0.8, 0.9, higher_is_better, versus(*difference))
    told = _protocol.comparisons(score, "test")
    assert [expected in text for text in told] == [True] if expected else told == ()


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        ((0.05, -0.01, 0.11), "m 0.05 (95 % interval -0.01 to 0.11), on the same draws of rows"),
        ((0.05, float("nan"), float("nan")), "m 0.05"),
    ],
)
def test_differences_are_told_with_an_interval_where_there_is_one(difference: tuple[float, ...], said: str) -> None:
    score = Score("m", 0.85, 0.8, 0.9, True, versus(*difference))
    assert _protocol.differences(score) == (f"difference to linear, network minus baseline: {said}",)
    worse = Score("m", 0.85, 0.8, 0.9, True, versus(-difference[0], *difference[1:]))
    assert not any("nan" in text for text in _protocol.comparisons(worse, "test"))

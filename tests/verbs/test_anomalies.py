"""Anomaly through the verbs: strange rows teach nothing, the threshold travels with run and bundle, heat is drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dlw.verbs.evaluate import evaluate
from dlw.verbs.export import export
from dlw.verbs.predict import predict
from tests.verbs.small_runs import PICTURE_RECIPE, squares, trained

RECIPE = (
    PICTURE_RECIPE.replace("task: classification", "task: {type: anomaly, normal: [dark], quantile: 0.8}")
    .replace("model: {type: resnet, widths: [4], depths: [1]}", "model: {type: autoencoder, widths: [4], code: 2}")
    .replace("train[80%:]", "train[80%:90%]")
    .replace("epochs: 1", "epochs: 3")
)
RECIPE = RECIPE.replace('"train[80%:90%]"}', '"train[80%:90%]", test: "train[90%:]"}')


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An autoencoder that learned from dark squares; bright ones are strange."""
    folder = tmp_path_factory.mktemp("anomaly")
    squares(folder)
    return trained(folder, RECIPE)


def test_only_normal_rows_are_learned_from(run: Path) -> None:
    assert "16 of 32 rows to learn from, by their answer" in (run / "log.txt").read_text()


def test_strange_rows_are_scored_beside_the_plain_answer(run: Path) -> None:
    evaluation = evaluate(run)
    assert {score.metric for score in evaluation.scores} == {"auroc", "average_precision"}
    assert [baseline.name for baseline in evaluation.baselines] == ["principal_components"]
    assert evaluation.scores[0].value > 0.9


def test_run_and_bundle_apply_the_same_threshold(run: Path) -> None:
    rows = [str(run.parent / f"{number:02}.png") for number in range(32, 40)]
    found = predict(run, rows).columns
    assert found["is_anomaly"][1::2] == [True] * 4
    normal = np.sort(np.array(found["score"])[[0, 2]])
    threshold = np.quantile(normal, 0.8)
    assert found["is_anomaly"] == [score > threshold for score in found["score"]]
    bundle = export(run, out=run.parent / "bundle").folder
    again = predict(bundle, rows, draw=run.parent / "drawn").columns
    assert again["is_anomaly"] == found["is_anomaly"]
    np.testing.assert_allclose(again["score"], found["score"], rtol=1e-4)
    assert len(list((run.parent / "drawn").glob("*.png"))) == 8

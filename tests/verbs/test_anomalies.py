"""Anomaly through the verbs: strange rows teach nothing, the threshold travels with run and bundle, heat is drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dlw.errors import UsageError
from dlw.verbs.benchmark import benchmark
from dlw.verbs.evaluate import evaluate
from dlw.verbs.export import export
from dlw.verbs.predict import predict
from dlw.verbs.train import train
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


FILLED = {
    "feature_memory": "type: feature_memory, widths: [4, 8], depths: [1, 1], memory: 50",
    "place_gaussians": "type: place_gaussians, filters: 2, scales: 1, cell: 4",
}


@pytest.fixture(scope="module", params=FILLED)
def memory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is filled with dark squares instead of being trained."""
    folder = tmp_path_factory.mktemp("memory")
    squares(folder)
    return trained(folder, RECIPE.replace("type: autoencoder, widths: [4], code: 2", FILLED[request.param]))


def test_a_memory_is_filled_in_one_step_scored_and_exported(memory: Path) -> None:
    assert [path.name for path in sorted((memory / "checkpoints").glob("step-*"))] == ["step-0000000001"]
    assert evaluate(memory).scores[0].value > 0.9
    rows = [str(memory.parent / f"{number:02}.png") for number in range(32, 40)]
    found = predict(memory, rows).columns
    again = predict(export(memory, out=memory.parent / "bundle").folder, rows).columns
    assert found["is_anomaly"] == again["is_anomaly"]
    assert found["is_anomaly"][1::2] == [True] * 4


def test_a_memory_is_the_same_every_time_and_finished(memory: Path) -> None:
    train(memory.parent / "recipe.yaml", out=memory.parent / "again")
    weights = "checkpoints/step-0000000001/model.safetensors"
    assert (memory / weights).read_bytes() == (memory.parent / "again" / weights).read_bytes()
    assert train(resume=memory).is_finished


@pytest.mark.parametrize("change", ["train.ema_decay=0.9", "data.augment=[horizontal_flip]"])
def test_settings_without_effect_on_a_memory_are_refused(memory: Path, change: str) -> None:
    with pytest.raises(UsageError, match="is filled by one pass over the rows"):
        train(memory.parent / "recipe.yaml", out=memory.parent / "refused", sets=[change])
    assert not (memory.parent / "refused").exists()


def test_a_memory_has_no_training_speed(memory: Path) -> None:
    with pytest.raises(UsageError, match="benchmark a run of it"):
        benchmark(memory.parent / "recipe.yaml")

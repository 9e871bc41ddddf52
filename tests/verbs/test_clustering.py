"""Clustering under all five verbs, with a hidden class to score by and without any target."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from dlw.engine.progress import Plan
from dlw.errors import RecipeError
from dlw.progress import Silent
from dlw.recipe.check import load_text
from dlw.verbs._training_speed import prepare_job, step_flops
from dlw.verbs.evaluate import evaluate
from dlw.verbs.export import export
from dlw.verbs.predict import predict
from dlw.verbs.train import train

RECIPE = """\
name: groups
task: {type: clustering, clusters: 3}
data:
  source: flowers.csv
  splits: {type: random, train: 0.6, validation: 0.2, test: 0.2}
  inputs: {width: number, length: number, colour: category}
model: {type: cluster_autoencoder, widths: [16], code: 3, head: k_means}
optimizer: {type: adamw, lr: 1e-2}
train: {epochs: 8, batch_size: 16, threads: 1, validate_every: 4 epochs}
evaluate: {bootstrap: 50}
"""
NAMED = RECIPE.replace("  inputs", "  target: {kind: category}\n  inputs")


def flowers(folder: Path, rows: int = 300) -> Path:
    """Write rows of three kinds that lie well apart, with gaps."""
    random = np.random.default_rng(0)
    lines = ["width,length,colour,kind"]
    for row in range(rows):
        kind = row % 3
        width, length = random.normal([0, 5, 10][kind]), random.normal([0, 8, 0][kind])
        colour = random.choice(["red", "blue"]) if row % 17 else ""
        lines.append(f"{width:.4f},{length if row % 13 else '':.4},{colour},{'abc'[kind]}")
    path = folder / "flowers.csv"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module", params=["alone", "named"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(str(request.param))
    flowers(folder)
    (folder / "recipe.yaml").write_text(NAMED if request.param == "named" else RECIPE)
    train(folder / "recipe.yaml", out=folder / "run")
    return folder / "run"


def is_named(run: Path) -> bool:
    return "kind: category" in (run / "recipe.yaml").read_text()


def test_the_groups_are_found_and_scored_beside_k_means(run: Path) -> None:
    found = evaluate(run)
    scores = {score.metric: score for score in found.scores}
    assert list(scores) == (["ari", "nmi", "silhouette"] if is_named(run) else ["silhouette"])
    if is_named(run):
        assert scores["ari"].value > 0.8
    assert scores["silhouette"].value > 0.4
    assert all(list(score.baselines) == ["k_means"] for score in found.scores)
    told = "\n".join(found.protocol)
    assert "clusters: 3, found in the training rows without labels" in told
    assert ("hidden until now" in told) == is_named(run)
    table = pq.read_table(run / "evaluation" / "test" / "predictions.parquet")
    assert ("truth" in table.column_names) == is_named(run)
    assert set(table["cluster"].to_pylist()) == {0, 1, 2}


def test_the_name_of_a_kind_changes_no_weight(run: Path, tmp_path: Path) -> None:
    """Hidden is hidden: with and without the target the networks are the same to the bit."""
    flowers(tmp_path)
    (tmp_path / "recipe.yaml").write_text(RECIPE if is_named(run) else NAMED)
    train(tmp_path / "recipe.yaml", out=tmp_path / "run")
    ends = [sorted((folder / "checkpoints").glob("step-*"))[-1] for folder in (run, tmp_path / "run")]
    assert ends[0].name == ends[1].name
    assert (ends[0] / "model.safetensors").read_bytes() == (ends[1] / "model.safetensors").read_bytes()


@pytest.mark.parametrize("format", ["onnx", "safetensors"])
def test_a_bundle_groups_alike(run: Path, format: str) -> None:
    rows = str(run.parent / "flowers.csv")
    from_run = predict(run, [rows]).columns
    assert list(from_run)[-6:] == ["cluster", "probability", "distance", *(f"probability_{k}" for k in range(3))]
    bundle = export(run, format=format, out=run.parent / format).folder
    from_bundle = predict(bundle, [rows]).columns
    assert from_bundle["cluster"] == from_run["cluster"]
    assert np.allclose(from_bundle["distance"], from_run["distance"], atol=1e-3)


def test_the_training_step_can_be_measured(run: Path, tmp_path: Path) -> None:
    job, _ = prepare_job(run / "recipe.resolved.yaml", [], tmp_path / "job", Silent())
    plan = Plan(job.settings, "1 epoch", job.train.num_rows)
    assert step_flops(job, plan) > 0


def test_an_evaluation_names_kinds_that_training_never_saw(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "more.csv"
    path.write_text("width,length,colour,kind\n" + "\n".join(f"{i % 5},{i % 7},red,new{i % 2}" for i in range(40)))
    found = evaluate(run, data=path)
    assert found.rows == 40
    assert json.loads((run / "evaluation" / "data" / "metrics.json").read_text())["rows"] == 40


def test_what_does_not_go_together_is_told_before_training() -> None:
    with pytest.raises(RecipeError, match=r"accuracy reads classes, this task gives clusters; there are: ari"):
        load_text(RECIPE.replace("{bootstrap: 50}", "{metrics: [accuracy]}"), Path())
    with pytest.raises(RecipeError, match=r"task clustering needs a clusters; models for task clustering and these"):
        load_text(
            RECIPE.replace("type: cluster_autoencoder, widths: [16], code: 3, head: k_means", "type: mlp"), Path()
        )
    with pytest.raises(RecipeError, match=r"task clustering learns category, this field is number"):
        load_text(NAMED.replace("kind: category", "kind: number"), Path())
    with pytest.raises(RecipeError, match=r"data\.target: is required"):
        load_text(RECIPE.replace("{type: clustering, clusters: 3}", "classification"), Path())

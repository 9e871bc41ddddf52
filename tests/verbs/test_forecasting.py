"""Series through the verbs: forecasts continue from the last rows given, from a run as from a bundle; scores within."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyarrow.parquet as pq
import pytest

from dlw.errors import UsageError
from dlw.verbs._plots import svg
from dlw.verbs.evaluate import Evaluation, evaluate
from dlw.verbs.export import export
from dlw.verbs.predict import predict
from dlw.verbs.train import train
from tests.verbs.small_series import AHEAD, LENGTH, SOURCE, waves

LEVELS = [0.1, 0.5, 0.9]


def trained(folder: Path, **changes: Any) -> Path:
    """Train a few steps on waves and return the run."""
    waves(folder, 120)
    recipe = {
        "name": "waves",
        "task": {"type": "forecasting", "quantiles": LEVELS},
        "data": {
            "source": {**SOURCE, "ahead": AHEAD, "borders": {"train": 0.6, "validation": 0.8, "test": 1}},
            "inputs": {"history": "series"},
            "target": {"window": {"type": "series", "length": AHEAD, "season": 4}},
        },
        "model": {"type": "linear_series"},
        "train": {"epochs": 2, "batch_size": 16, "threads": 1},
        "evaluate": {"bootstrap": 20},
    }
    path = folder / "waves.yaml"
    path.write_text(json.dumps({**recipe, **changes}))
    train(path, out=folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("waves"))


def test_forecasts_are_judged_beside_the_naive_ones(run: Path) -> None:
    found = evaluate(run)
    assert [score.metric for score in found.scores] == ["pinball", "mse", "mae", "mase", "crps", "coverage"]
    assert set(found.scores[0].baselines) == {"repeat_last", "seasonal_naive"}
    told = "\n".join(found.protocol)
    assert f"{AHEAD} steps ahead of 2 columns, look-back {LENGTH} steps" in told
    written = pq.read_table(run / "evaluation/test/predictions.parquet")
    assert written.num_rows == found.rows
    assert {"truth_heat", "heat", "heat_q10", "machine", "hour"} <= set(written.column_names)
    page = (run / "evaluation/test/report.html").read_text(encoding="utf-8")
    assert page.count("<polyline") >= 8, "what came and what was said, row by row"


def test_a_bundle_continues_from_the_last_rows_like_the_run(run: Path) -> None:
    rows = run.parent / "waves.csv"
    by_run = predict(run, [str(rows)])
    assert by_run.columns["machine"] == ["a"] * AHEAD + ["b"] * AHEAD
    assert by_run.columns["hour"] == [len(rows.read_text().splitlines()) // 2 - 1] * 2 * AHEAD
    assert by_run.columns["step"] == [*range(1, AHEAD + 1)] * 2
    low, middle, high = (by_run.columns[f"load_q{name}"] for name in (10, 50, 90))
    assert all(a <= b <= c for a, b, c in zip(low, middle, high, strict=True))
    by_bundle = predict(export(run).folder, [str(rows)])
    for name in ("heat", "load_q90"):
        assert by_bundle.columns[name] == pytest.approx(by_run.columns[name], rel=1e-4)


def test_forecasts_and_anomalies_are_plotted(run: Path, tmp_path: Path) -> None:
    rows = str(run.parent / "waves.csv")
    predict(run, [rows, rows], draw=tmp_path)
    pages = [ElementTree.fromstring(path.read_bytes()) for path in sorted(tmp_path.glob("*.svg"))]
    assert len(pages) == 4, "none takes the name of another"
    assert all(len(page.findall(".//{*}polygon")) == 2 for page in pages), "one range per column"
    gap = np.array([[1.0], [np.nan], [3.0]])
    assert svg(["a<b"], gap, np.array([[0.0], [0.0], [1.0]])).count("<polyline") == 2


def anomalies(folder: Path, **options: Any) -> Evaluation:
    """Train an autoencoder on waves without the falling ones and judge it within each machine."""
    data = {
        "source": {**SOURCE, "borders": {"train": 0.6, "validation": 0.8, "test": 1}, "reference": 20},
        "inputs": {"history": {"type": "series", "length": LENGTH}},
        "target": {"answer": "category"},
    }
    changes = {
        "task": {"type": "anomaly", "normal": ["rising"]},
        "data": data,
        "model": {"type": "autoencoder", "widths": [4], "code": 2},
        "evaluate": {"bootstrap": 5, "metrics": ["auroc", "vus_pr"], "within": "machine", **options},
    }
    return evaluate(trained(folder, **changes))


def test_anomalies_are_judged_within_each_recording(tmp_path: Path) -> None:
    found = anomalies(tmp_path)
    assert set(found.scores[0].baselines) == {"matrix_profile", "z_score"}
    assert all(0 <= score.value <= 1 for score in found.scores)
    predicted = predict(tmp_path / "run", [str(tmp_path / "waves.csv")])
    assert predicted.num_rows == 2 * (60 + LENGTH + AHEAD - 1 - LENGTH + 1)
    assert {"machine", "hour", "score", "is_anomaly"} <= set(predicted.columns)


def test_a_recording_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="within: no column machin; did you mean machine"):
        anomalies(tmp_path, within="machin")

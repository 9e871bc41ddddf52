"""Exact resume of the tasks and models that the matrix of test_resume, which is of classifiers, does not hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dlw.verbs.train import train
from tests.verbs.resumed_runs import EPOCHS, TRAIN_ROWS, first_differences, outcome, train_interrupted
from tests.verbs.small_runs import squares

PICTURE = {"picture": {"type": "image", "height": 8, "width": 8, "channels": 3}}
CASES: dict[str, dict[str, Any]] = {
    "embedding": {"task": {"type": "embedding", "size": 4}, "model": {"type": "resnet", "widths": [4], "depths": [1]}},
    "anomaly": {
        "task": {"type": "anomaly"},
        "model": {"type": "autoencoder", "widths": [4], "code": 2, "noise": 0.1},
    },
    "fusion": {
        "task": "classification",
        "inputs": {**PICTURE, "number": "number"},
        "model": {"type": "fusion", "widths": [4], "depths": [1], "width": 8, "dropout": 0.2},
    },
}


@pytest.mark.withstands("exact resume")
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("ema_decay", [None, 0.9])
def test_a_resumed_run_ends_with_the_same_bytes(tmp_path: Path, name: str, ema_decay: float | None) -> None:
    case = CASES[name]
    table = squares(tmp_path, TRAIN_ROWS + 24)
    head, *lines = table.read_text().splitlines()
    table.write_text("\n".join([f"{head},number", *(f"{line},{place}" for place, line in enumerate(lines))]) + "\n")
    recipe = {
        "name": "tiny",
        "task": case["task"],
        "data": {
            "source": "squares.csv",
            "inputs": case.get("inputs", PICTURE),
            "target": {"answer": "category"},
            "splits": {"train": f"train[:{TRAIN_ROWS}]", "validation": f"train[{TRAIN_ROWS}:]"},
        },
        "model": case["model"],
        "train": {"epochs": EPOCHS, "batch_size": 8, "ema_decay": ema_decay, "threads": 1},
        "checkpoint": {"every": "2 steps"},
    }
    path = tmp_path / "tiny.yaml"
    path.write_text(json.dumps(recipe))
    train(path, out=tmp_path / "straight")
    train_interrupted(path, tmp_path / "resumed", "mid-epoch", 1, 1)
    assert first_differences(outcome(tmp_path / "straight"), outcome(tmp_path / "resumed")) == []

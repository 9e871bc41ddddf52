"""Tiny trainings of every family, stopped by real signals at chosen moments, and the bytes that must stay the same."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from unittest import mock

import pytest

from dlw.engine import loop
from dlw.errors import Interrupted
from dlw.runs import disk
from dlw.runs.layout import Run
from dlw.runs.steps import saved_steps, step_folder
from dlw.verbs._session import RunSink
from dlw.verbs.predict import predict
from dlw.verbs.train import train
from tests.verbs.small_detections import rectangles
from tests.verbs.small_logs import log, molecules
from tests.verbs.small_runs import LINE_LENGTH, lines, people, sentences, squares
from tests.verbs.small_series import AHEAD, SOURCE, waves
from tests.verbs.small_sounds import melodies, tones

Moment = Literal["step 1", "mid-epoch", "epoch end", "during validation", "last step"]

TRAIN_ROWS, EPOCHS, ROWS_PER_STEP = 32, 3, {1: 8, 4: 16}

_TABLE = {
    "source": {"type": "csv", "path": "people.csv", "missing": ["", "unknown"]},
    "inputs": {"age": "number", "wage": "number", "town": "category"},
    "target": {"answer": "category"},
    "augment": [{"type": "column_dropout", "probability": 0.2}, {"type": "number_noise"}],
}
_ALONE = {**_TABLE, "target": {}}
_PICTURES = {
    "source": "squares.csv",
    "inputs": {"picture": {"type": "image", "height": 8, "width": 8, "channels": 3}},
    "target": {"answer": "category"},
    "augment": ["horizontal_flip", {"type": "random_crop", "padding": 1}, {"type": "mixup", "probability": 0.5}],
}
_BOXES = {
    "source": "rectangles.parquet",
    "inputs": {"picture": {"type": "image", "height": 20, "width": 24, "channels": 1}},
    "target": {"objects": "boxes"},
    "augment": ["horizontal_flip", "random_affine"],
}
_LOG = {
    "source": {"type": "interactions", "path": "log.csv", "length": 6},
    "inputs": {"history": "identities"},
    "target": {"next": "following"},
}
_WAVES = {
    "source": {**SOURCE, "ahead": AHEAD},
    "inputs": {"history": "series", "machine": "category"},
    "target": {"window": {"type": "series", "length": AHEAD, "season": 2}},
}
_WAVE_CLASSES = {
    "source": {**SOURCE, "partial": True},
    "inputs": {"history": "series"},
    "target": {"answer": "category"},
}
_MOLECULES = {"source": "molecules.csv", "inputs": {"smiles": "molecule"}, "target": {"answer": "category"}}
_TEXT = {
    "source": "sentences.csv",
    "inputs": {"note": {"type": "text", "tokenizer": "words"}},
    "target": {"answer": "category"},
}
_MELODIES = {
    "source": "melodies.csv",
    "inputs": {"sound": "sound"},
    "target": {"text": {"type": "text", "tokenizer": "characters"}},
    "augment": ["speed", "spec_augment", "sound_noise", "time_shift"],
}
_TONES = {
    "source": "tones.csv",
    "inputs": {"sound": "sound"},
    "target": {"answer": "category"},
    "augment": ["time_shift", {"type": "sound_noise"}],
}
_TURNED = {**_TEXT, "target": {"answer": {"type": "text", "tokenizer": "characters"}}}
_LINES = {"source": "lines.csv", "inputs": {"text": {"type": "text", "tokenizer": "characters"}}, "target": {}}
FAMILIES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "mlp": (_TABLE, {"width": 8, "depth": 1, "dropout": 0.2, "norm": "batch"}),
    "tabular_transformer": (_TABLE, {"size": 8, "depth": 1, "heads": 2, "dropout": 0.2, "number_embedding": "plain"}),
    "resnet": (_PICTURES, {"widths": [4], "depths": [1], "dropout": 0.2}),
    "vit": (_PICTURES, {"width": 8, "depth": 1, "heads": 2, "dropout": 0.2}),
    "cluster_autoencoder": (_ALONE, {"widths": [8], "code": 3, "noise": 0.5}),
    "message_passing": (_MOLECULES, {"width": 8, "depth": 1, "dropout": 0.2}),
    "sequential": (_LOG, {"width": 8, "depth": 1, "window": 6, "dropout": 0.2}),
    "two_tower": (
        {**_LOG, "inputs": {"history": "identities", "user_id": "category"}},
        {"width": 8, "hidden": 8, "window": 6, "dropout": 0.2},
    ),
    "ngram_bag": (_TEXT, {"width": 8, "buckets": 50, "token_dropout": 0.2}),
    "rnn": (_TEXT, {"embedding": 4, "width": 4, "dropout": 0.2}),
    "transformer": (_TEXT, {"width": 8, "depth": 1, "heads": 2, "dropout": 0.2}),
    "linear_series": (_WAVES, {"dropout": 0.2}),
    "patch_series": (_WAVES, {"patch": 4, "stride": 2, "width": 8, "depth": 1, "heads": 2}),
    "series_conv": (_WAVE_CLASSES, {"width": 4, "depth": 1, "kernels": [3, 5]}),
    "rocket": (_WAVE_CLASSES, {"features": 168}),
    "detector": (_BOXES, {"widths": [8, 8], "depths": [1, 1], "neck_width": 8, "head_depth": 1}),
    "sound_resnet": (_TONES, {"width": 4, "stages": 2, "mels": 8, "dropout": 0.2}),
    "sound_conv": (_TONES, {"width": 4, "depth": 1, "kernel": 3, "mels": 8, "dropout": 0.2}),
    "speech": (_MELODIES, {"width": 8, "depth": 1, "heads": 2, "kernel": 3, "mels": 8, "dropout": 0.2}),
    "encoder_decoder": (_TURNED, {"width": 8, "depth": 1, "heads": 2, "dropout": 0.2}),
    "gpt": (_LINES, {"width": 8, "depth": 1, "heads": 2, "dropout": 0.2}),
}
"""Each family's data and the options of its network: a new family joins the tests by one row."""

TASKS: dict[str, Any] = {
    "detector": "detection",
    "linear_series": {"type": "forecasting", "quantiles": [0.1, 0.5, 0.9]},
    "patch_series": "forecasting",
    "sequential": "recommendation",
    "two_tower": "recommendation",
    "speech": "transcription",
    "encoder_decoder": {"type": "sequence_to_sequence", "beams": 2, "max_tokens": 4},
    "gpt": {"type": "language_modeling", "context": LINE_LENGTH, "max_tokens": 4},
    "cluster_autoencoder": {"type": "clustering", "clusters": 2},
}
"""By family; all others classify."""

TRAIN: dict[str, dict[str, Any]] = {"rnn": {"adversarial": 0.1}}
"""Further options of the loop, by family."""

MAKERS = {"people.csv": people, "squares.csv": squares, "rectangles.parquet": rectangles, "log.csv": log}
MAKERS |= {"molecules.csv": molecules, "sentences.csv": sentences, "waves.csv": waves, "tones.csv": tones}
MAKERS |= {"melodies.csv": melodies, "lines.csv": lines}
"""By the name of the data."""

OPTIMIZERS: dict[str, tuple[dict[str, Any], float | None]] = {
    "sgd": ({"type": "sgd", "lr": 0.01, "momentum": 0.9}, None),
    "adamw": ({"type": "adamw"}, None),
    "adamw+ema": ({"type": "adamw"}, 0.9),
    "muon": ({"type": "muon"}, None),
}
"""Each optimizer with the decay of the average that goes with it."""


def write_recipe(
    folder: Path, family: str, optimizer: str = "adamw+ema", workers: int = 0, accumulate: int = 1, epochs: int = EPOCHS
) -> Path:
    """Write the data of a family and a recipe beside it; workers stream the rows."""
    data, options = FAMILIES[family]
    count = TRAIN_ROWS + 24
    source = data["source"]
    name = source["path"] if isinstance(source, dict) else source
    inputs = MAKERS[name](folder, count)
    block, decay = OPTIMIZERS[optimizer]
    recipe = {
        "name": "tiny",
        "task": TASKS.get(family, "classification"),
        "data": {
            **data,
            "splits": {"train": f"train[:{TRAIN_ROWS}]", "validation": f"train[{TRAIN_ROWS}:]"},
            "resident": workers == 0,
        },
        "model": {"type": family, **options},
        "optimizer": block,
        "train": {
            "epochs": epochs,
            "batch_size": ROWS_PER_STEP[accumulate] // accumulate,
            "accumulate": accumulate,
            "workers": workers,
            "ema_decay": decay,
            "threads": 1,
            **TRAIN.get(family, {}),
        },
        "checkpoint": {"every": "2 steps"},
    }
    assert inputs.parent == folder
    path = folder / "tiny.yaml"
    path.write_text(json.dumps(recipe))
    return path


@pytest.fixture(autouse=True)
def small_batches_without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Validate in several batches, and skip the disk's own flush, which is all the tests would wait for."""

    def call(operation: Callable[..., Any], *arguments: Any) -> Any:
        return None if operation is os.fsync else operation(*arguments)

    answer = loop.answer_batches
    monkeypatch.setattr(disk, "_call", call)
    monkeypatch.setattr(loop, "answer_batches", lambda net, batches, _, *rest: answer(net, batches, 8, *rest))


def outcome(folder: Path, inputs: Path | None = None) -> dict[str, bytes]:
    """Return the bytes that interruptions must not change: tensors of the last and the best, journal, predictions."""
    run = Run(folder)
    words = {word: run.checkpoints / (run.checkpoints / word).read_text().strip() for word in ("last", "best")}
    found = {
        f"{word}/{path.name}": path.read_bytes()
        for word, place in words.items()
        for path in sorted(place.glob("*.safetensors"))
    }
    assert words["last"] == step_folder(run, saved_steps(run)[-1])
    found["metrics.jsonl"] = run.metrics.read_bytes()
    predict(
        folder,
        [str(inputs or next(path for name in MAKERS for path in folder.parent.glob(name)))],
        output=folder / "predictions.csv",
    )
    found["predictions"] = (folder / "predictions.csv").read_bytes()
    return found


def first_differences(left: dict[str, bytes], right: dict[str, bytes]) -> list[str]:
    """Return the names whose bytes differ."""
    return [name for name in {**left, **right} if left.get(name) != right.get(name)]


@contextmanager
def stopped_at(moment: Moment, accumulate: int, number: int = signal.SIGTERM) -> Iterator[None]:
    """Send this process a signal at a moment of its next training."""
    per_epoch = TRAIN_ROWS // ROWS_PER_STEP[accumulate]
    middle, end = per_epoch + per_epoch // 2, EPOCHS * per_epoch
    step = {"step 1": 1, "mid-epoch": middle, "last step": end}
    match moment:
        case "epoch end":
            after_record = _after(RunSink.record, lambda sink, values: values["step"] == per_epoch, number)
            with mock.patch.object(RunSink, "record", after_record):
                yield
        case "during validation":
            with mock.patch.object(loop, "answer_batches", _stopping_between_batches(number)):
                yield
        case _:
            after_learn = _after(loop.learn, lambda job, plan, progress, batches: progress.step == step[moment], number)
            with mock.patch.object(loop, "learn", after_learn):
                yield


@contextmanager
def stopped_soon(number: int = signal.SIGTERM) -> Iterator[None]:
    """Send this process a signal after the next step or in the next validation, whichever comes first."""
    with (
        mock.patch.object(loop, "learn", _after(loop.learn, lambda *_: True, number)),
        mock.patch.object(loop, "answer_batches", _stopping_between_batches(number)),
    ):
        yield


def _after(work: Callable[..., Any], is_due: Callable[..., bool], number: int) -> Callable[..., Any]:
    def watched(*arguments: Any) -> Any:
        result = work(*arguments)
        if is_due(*arguments):
            signal.raise_signal(number)
        return result

    return watched


def _stopping_between_batches(number: int) -> Callable[..., Any]:
    """Return answer_batches in small batches, with the signal before the second one."""
    work = loop.answer_batches

    def answer(
        predictor: Any, batches: Any, batch_size: int, hardware: Any, is_stopped: Callable[[], bool], *rest: Any
    ) -> Any:
        asked = 0

        def ask() -> bool:
            nonlocal asked
            asked += 1
            if asked == 2:
                signal.raise_signal(number)
            return is_stopped()

        return work(predictor, batches, batch_size, hardware, ask, *rest)

    return answer


def train_interrupted(recipe: Path, run: Path, moment: Moment, accumulate: int, resumes: int) -> None:
    """Train into `run`, stopped at the moment, resumed that often and stopped again as soon as possible in between."""
    stops = 0
    for session in range(resumes + 1):
        stopper = stopped_at(moment, accumulate) if session == 0 else stopped_soon()
        with stopper if session < resumes else mock.patch.object(loop, "learn", loop.learn):
            if session == 0:
                stops += _is_stopped(recipe, out=run)
            else:
                stops += _is_stopped(resume=run)
    assert stops == resumes


def _is_stopped(*arguments: Any, **options: Any) -> bool:
    try:
        train(*arguments, **options)
    except Interrupted as stop:
        return stop.exit_code == 128 + signal.SIGTERM
    return False

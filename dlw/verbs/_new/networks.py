"""The network for a reading of the data: the settings of the recipes that come along."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from dlw.verbs._new import pictures
from dlw.verbs._new.columns import Column
from dlw.verbs._new.sizing import Network, Sizes, length

SECONDS_HEARD, SECONDS_WRITTEN = 20_000, 30_000
TABLE_STEPS, TEXTS_SEEN, MOLECULES_SEEN, HISTORIES_SEEN = 1000, 60_000, 60_000, 16_000
STEPS_SEEN = 2_400_000
"""Steps of all series read."""
RATINGS_SEEN = 2_000_000
SKEWED = 1.0
"""Skewness above which positive numbers are learned by their logarithm."""
UNEVEN = 0.15
"""Share of the rarer of two classes below which the checkpoint is chosen by how rows are ranked."""
NORMAL = frozenset({"normal", "good", "ok", "fine", "free", "sound", "none"})
NEGATIVE = frozenset({"no", "false", "0", "negative"})
"""Labels of rows that are not strange; the latter where there are two labels."""


def network(task: str, inputs: Mapping[str, Mapping[str, Any]], sizes: Sizes) -> Network:
    """Return the network for a task and its inputs."""
    kinds = {str(block["type"]) for block in inputs.values()}
    by_task: dict[str, Callable[[Sizes], Network]] = {
        "detection": pictures.detected,
        "segmentation": pictures.segmented,
        "transcription": _speech,
        "forecasting": _forecast,
        "recommendation": _sequential,
        "sequence_to_sequence": _translator,
        "clustering": _clusters,
    }
    by_kind: dict[str, Callable[[Sizes], Network]] = {
        "image": pictures.classified,
        "sound": _sounds,
        "molecule": _molecules,
        "series": _series,
        "messages": _texts,
        "text": _texts,
    }
    if task == "language_modeling":
        return _chat(sizes) if "messages" in kinds else _writer(sizes)
    if task == "anomaly":
        return _strange(sizes, kinds)
    if task == "embedding":
        return pictures.compared(sizes) if "image" in kinds else _compared(sizes)
    if sizes.is_log and task in ("classification", "regression"):
        return _asked(_rated(sizes), task, sizes)
    chosen = by_task.get(task) or next((make for kind, make in by_kind.items() if kind in kinds), _table)
    return _asked(chosen(sizes), task, sizes)


def _asked(found: Network, task: str, sizes: Sizes) -> Network:
    """Add what the target asks for: logarithms for skewed numbers, ranking for rare classes."""
    options, checkpoint, notes = dict(found.task), dict(found.checkpoint), dict(found.notes)
    if task == "regression" and len(sizes.targets) == 1 and _is_skewed(sizes.targets[0]):
        options["scale"] = "log"
        notes["task"] = "the numbers are positive and skewed: learned by their logarithm"
    if task == "regression":
        options.pop("label_smoothing", None)
    if task == "classification" and len(sizes.targets) == 1 and len(counts := sizes.targets[0].counts) == 2:
        share = counts.min() / counts.sum()
        if share < UNEVEN:
            checkpoint["monitor"] = "validation/average_precision"
            notes["checkpoint"] = f"one class is rare ({100 * share:.2g} %): accuracy would say little"
            options.pop("label_smoothing", None)
    if task == "classification" and len(sizes.targets) > 1:
        checkpoint["monitor"] = "validation/auroc"
    return replace(found, task=options, checkpoint=checkpoint, notes=notes)


def _is_skewed(column: Column) -> bool:
    values = np.array([float(word) for word in column.words if _is_number(word)])
    weights = np.array([count for word, count in zip(column.words, column.counts, strict=True) if _is_number(word)])
    if not len(values) or values.min() < 0:
        return False
    mean = np.average(values, weights=weights)
    deviation = np.sqrt(np.average((values - mean) ** 2, weights=weights))
    return bool(deviation) and np.average(((values - mean) / deviation) ** 3, weights=weights) > SKEWED


def _is_number(word: object) -> bool:
    try:
        return np.isfinite(float(str(word)))
    except ValueError:
        return False


def _sounds(sizes: Sizes) -> Network:
    mean = sizes.seconds / sizes.rows
    shift = {"type": "time_shift", "seconds": round(min(0.1, mean / 8), 3)}
    return Network(
        model={"type": "sound_conv", "width": 64, "depth": 4},
        optimizer={"type": "adamw", "lr": 4e-3, "weight_decay": 0.05},
        train=length(SECONDS_HEARD / mean, sizes, 64 if sizes.rows > 1000 else 20, 4, 40, ema_decay=0.98),
        task={"label_smoothing": 0.1},
        augment=["speed", shift, "sound_noise", "spec_augment"],
    )


def _speech(sizes: Sizes) -> Network:
    mean = sizes.seconds / sizes.rows
    return Network(
        model={"type": "speech", "width": 96, "depth": 3, "mels": 40, "kernel": 15},
        optimizer={"type": "adamw", "lr": 2e-3, "weight_decay": 0.05},
        train=length(SECONDS_WRITTEN / mean, sizes, 16, 4, 60, clip_norm=1.0),
        task={"beams": 8, "language_weight": 0.8, "character_bonus": 1.6},
    )


def _molecules(sizes: Sizes) -> Network:
    return Network(
        model={"type": "message_passing", "width": 128, "depth": 4, "dropout": 0.1},
        optimizer={"type": "adamw", "lr": 1e-3, "weight_decay": 0.1},
        train=length(MOLECULES_SEEN, sizes, 64, 4, 60, ema_decay=0.99),
    )


def _series(sizes: Sizes) -> Network:
    return Network(
        model={"type": "series_conv", "width": 32, "depth": 3, "dropout": 0.2},
        optimizer={"type": "adamw", "lr": 3e-3, "weight_decay": 0.05},
        train=length(STEPS_SEEN / sizes.steps, sizes, 32 if sizes.rows < 2000 else 256, 2, 60, ema_decay=0.98),
        task={"label_smoothing": 0.1},
    )


def _texts(sizes: Sizes) -> Network:
    size = {"width": 64, "longest": 2, "buckets": 16_384 if sizes.rows < 3000 else 65_536}
    return Network(
        model={"type": "ngram_bag", **size, "dropout": 0.5, "token_dropout": 0.3},
        optimizer={"type": "adamw", "lr": 5e-3, "weight_decay": 0.05},
        train=length(TEXTS_SEEN, sizes, 64, 3, 30, ema_decay=0.99),
        lr_scheduler={"type": "one_cycle", "warmup_fraction": 0.1},
    )


def _table(sizes: Sizes) -> Network:
    batch_size = 32 if sizes.rows < 1000 else 128 if sizes.rows < 10_000 else 256 if sizes.rows < 100_000 else 1024
    return Network(
        model={"type": "mlp", "width": 128, "depth": 2, "dropout": 0.2, "members": 8},
        optimizer={"type": "adamw", "lr": 3e-3, "weight_decay": 0.1},
        train=length(TABLE_STEPS * batch_size, sizes, batch_size, 5, 40, ema_decay=0.99),
        notes={"model": "eight networks that share most weights and answer together (TabM)"},
    )


def _rated(sizes: Sizes) -> Network:
    return Network(
        model={"type": "factorization", "width": 64, "hidden": 64, "dropout": 0.5},
        optimizer={"type": "adamw", "lr": 3e-3, "weight_decay": 1.0},
        train=length(RATINGS_SEEN, sizes, 512, 2, 40, ema_decay=0.995),
        notes={"model": "a vector for each user and item; their products tell the rating"},
    )


def _forecast(sizes: Sizes) -> Network:
    return Network(
        model={"type": "linear_series", "normalise": "standard"},
        optimizer={"type": "adamw", "lr": 3e-3},
        train=length(100_000, sizes, 64, 3, 30, ema_decay=0.99),
        lr_scheduler={"type": "cosine"},
        evaluate={"bootstrap": 100},
        notes={"model": "a straight line from past to future, hard to beat (DLinear)"},
    )


def _sequential(sizes: Sizes) -> Network:
    return Network(
        model={"type": "sequential", "width": 64, "depth": 2, "heads": 2, "window": 100, "dropout": 0.4},
        optimizer={"type": "adamw", "lr": 1e-3, "weight_decay": 0.1},
        train=length(HISTORIES_SEEN, sizes, 32, 3, 40),
        lr_scheduler={"type": "cosine"},
    )


def _translator(sizes: Sizes) -> Network:
    return Network(
        model={"type": "encoder_decoder", "width": 192, "depth": 2, "heads": 4, "dropout": 0.1},
        optimizer={"type": "muon", "lr": 0.01, "weight_decay": 0.05, "adamw_lr": 2e-3},
        train=length(40_000, sizes, 64, 1, 40, ema_decay=0.99),
        lr_scheduler={"type": "linear", "warmup_fraction": 0.05},
        task={"beams": 4, "max_tokens": 100},
    )


def _writer(sizes: Sizes) -> Network:
    running = {"separate": False} if sizes.is_plain_text else {}
    task = {"context": 128, "train_stride": 16, **running, "max_tokens": 300, "temperature": 0.8}
    return Network(
        model={"type": "gpt", "width": 192, "depth": 6, "heads": 6, "activation": "relu_squared"},
        optimizer={"type": "muon", "lr": 0.02, "weight_decay": 0.01, "adamw_lr": 4e-3},
        train={"steps": 700, "batch_size": 16, "validate_every": "350 steps"},
        lr_scheduler={"type": "linear", "warmup_fraction": 0.03},
        task=task,
        checkpoint={"every": "350 steps"},
        evaluate={"metrics": ["nats_per_character", "perplexity", "bits_per_character"]},
    )


def _chat(sizes: Sizes) -> Network:
    return Network(
        model={"type": "gpt", "width": 192, "depth": 4, "heads": 6, "activation": "relu_squared", "dropout": 0.1},
        optimizer={"type": "muon", "lr": 0.02, "weight_decay": 0.01, "adamw_lr": 4e-3},
        train={"steps": 600, "batch_size": 8, "validate_every": "300 steps"},
        lr_scheduler={"type": "linear", "warmup_fraction": 0.03},
        task={"context": 256, "max_tokens": 60, "temperature": 0.8, "top_p": 0.95},
        checkpoint={"every": "300 steps"},
    )


def _clusters(sizes: Sizes) -> Network:
    found = sizes.targets[0].words if sizes.targets else ()
    note = "as many as the label has classes" if found else "how many is a guess: compare silhouettes"
    picture = {}
    model: dict[str, Any] = {"type": "cluster_autoencoder", "widths": [32], "code": 4}
    if sizes.picture:
        height, width, channels = sizes.picture
        picture = pictures.scaled(height, width, channels, min(1.0, 32 / max(height, width)))
        model = {"type": "cluster_autoencoder", "widths": [32, 64], "code": 6, "noise": 0.5, "head": "full_covariance"}
    return Network(
        model=model,
        optimizer={"type": "adamw", "lr": 3e-3 if sizes.picture else 1e-2},
        train=length(20_000 if sizes.picture else 40_000, sizes, 64 if sizes.picture else 32, 5, 60),
        lr_scheduler={"type": "cosine"},
        task={"clusters": max(2, len(found) or 8)},
        picture=picture,
        notes={"task": note},
    )


def _strange(sizes: Sizes, kinds: set[str]) -> Network:
    normal, note = _normal(sizes)
    if "image" in kinds:
        found = pictures.strange(sizes)
        # A defect is a small part of a picture: on magnetic_tile, validation AUROC 0.69 against 0.54 by the mean.
        return replace(found, task={**normal, "score": "top"}, notes={**found.notes, "task": note})
    widths = [16, 32, 32] if "series" in kinds else [64, 32]
    return Network(
        model={"type": "autoencoder", "widths": widths, "code": 4},
        optimizer={"type": "adamw", "lr": 2e-3},
        train=length(120_000, sizes, 256 if sizes.rows > 2000 else 64, 4, 60),
        lr_scheduler={"type": "cosine"},
        evaluate={"bootstrap": 0} if "series" in kinds else {},
        task=normal,
        notes={"task": note},
    )


def _normal(sizes: Sizes) -> tuple[dict[str, Any], str]:
    """Return which label the sound rows have: the one that says so, else the most frequent."""
    column = sizes.targets[0]
    if len(column.words) < 2:
        return {}, "the training rows hold none that are strange"
    words = [str(word) for word in column.words]
    known = NORMAL | NEGATIVE if len(words) == 2 else NORMAL
    said = next((word for word in words if word.lower() in known), None)
    if said is not None:
        return {"normal": [said]}, "learned from the rows whose label says that they are sound"
    return {"normal": [words[int(column.counts.argmax())]]}, "the most frequent label is taken for the sound rows"


def _compared(sizes: Sizes) -> Network:
    return Network(
        model={"type": "transformer", "width": 128, "depth": 2, "heads": 4, "dropout": 0.2},
        optimizer={"type": "adamw", "lr": 2e-3},
        train=length(TEXTS_SEEN / 2, sizes, 64, 3, 20),
        task={"size": 64},
    )

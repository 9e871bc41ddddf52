"""The class that each grey value has most often in training: the best thresholds on brightness, place ignored."""

from __future__ import annotations

import numpy as np

from dlw.baselines._base import Answer, Ask
from dlw.baselines._rows import told
from dlw.specs import VOID, Arrays

KINDS = ("map",)
INPUTS = ("image",)


def predict(train: Arrays, target: np.ndarray, test: Arrays, ask: Ask) -> Answer:
    """Answer every pixel by its brightness.

    Of two classes, one threshold is chosen for the Dice coefficient of the rarer: where one class is rare, the more
    frequent class of each grey value would be the other one everywhere.
    """
    count_K256 = np.zeros((ask.size, 256))
    for picture_CHW, ids_HW in zip(next(iter(train.values())), target, strict=True):
        grey_HW, is_known = _grey(picture_CHW), ids_HW != VOID
        pairs = ids_HW[is_known].astype(np.int64) * 256 + grey_HW[is_known]
        count_K256 += np.bincount(pairs, minlength=ask.size * 256).reshape(ask.size, 256)
    if ask.size == 2:
        class_256, how = _threshold(count_K256)
    else:
        class_256, how = count_K256.argmax(0).astype(np.uint8), "the most frequent class of each grey value"
    answered = np.stack([class_256[_grey(picture_CHW)] for picture_CHW in next(iter(test.values()))])
    return Answer(answered, f"{how} of {told(len(target), ask.of_rows or len(target))}")


def _threshold(count_2x256: np.ndarray) -> tuple[np.ndarray, str]:
    """Return the class of each grey value, and in words: the rarer class above or below one value."""
    rare = int(np.argmin(count_2x256.sum(1)))
    hit, other = np.cumsum(count_2x256[rare]), np.cumsum(count_2x256[1 - rare])
    total = hit[-1]
    below = 2 * hit / np.maximum(hit + other + total, 1)
    above = 2 * (total - hit) / np.maximum((total - hit) + (other[-1] - other) + total, 1)
    is_below = bool(below.max() >= above.max())
    limit = int((below if is_below else above).argmax())
    is_rare = (np.arange(256) <= limit) == is_below
    side = "up to" if is_below else "above"
    return np.where(is_rare, rare, 1 - rare).astype(np.uint8), f"the rarer class at grey values {side} {limit}"


def _grey(picture_CHW: np.ndarray) -> np.ndarray:
    """Return the mean of the colours, uint8 [H, W]."""
    return picture_CHW[0] if len(picture_CHW) == 1 else picture_CHW[:3].mean(0).round().astype(np.uint8)

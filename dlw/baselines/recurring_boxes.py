"""The same boxes on every picture: those that training pictures repeat most, scored by the share that repeats them."""

from __future__ import annotations

import numpy as np

from dlw.baselines._base import Answer, Ask
from dlw.baselines._rows import told
from dlw.specs import Arrays

KINDS = ("boxes",)
INPUTS = ("number", "category", "labels", "image")
SAME_OVERLAP = 0.5
"""Intersection over union from which a box is taken for a repetition."""
MOST_COMPARED = 1500
"""Boxes of a class that are compared with one another, drawn at random where there are more."""


def predict(train: Arrays, target: np.ndarray, test: Arrays, ask: Ask) -> Answer:
    """Answer every test picture with what is known of the training boxes alone."""
    rows = len(next(iter(test.values())))
    found = [_of_class(target, label, ask) for label in np.unique(target[..., 0][target[..., 0] >= 0])]
    best_S6 = np.concatenate(found)
    best_S6 = best_S6[np.argsort(-best_S6[:, 5], kind="stable")[: ask.size]]
    one_D6 = np.zeros((ask.size, 6), np.float32)
    one_D6[:, 0] = -1
    one_D6[: len(best_S6)] = best_S6
    note = f"the {len(best_S6)} boxes most repeated in {told(len(target), ask.of_rows or len(target))}"
    return Answer(np.broadcast_to(one_D6, (rows, *one_D6.shape)), note)


def _of_class(target_NM5: np.ndarray, label: float, ask: Ask) -> np.ndarray:
    """Return [S, 6] boxes of one class that do not repeat one another: class, box, share of pictures that repeat it."""
    picture_S, _ = np.nonzero(target_NM5[..., 0] == label)
    box_S4 = target_NM5[target_NM5[..., 0] == label][:, 1:].astype(np.float64)
    if len(box_S4) > MOST_COMPARED:
        drawn = np.sort(np.random.default_rng(ask.seed).permutation(len(box_S4))[:MOST_COMPARED])
        picture_S, box_S4 = picture_S[drawn], box_S4[drawn]
    is_same_SS = _overlaps(box_S4) >= SAME_OVERLAP
    share_S = np.array([len(np.unique(picture_S[is_same_S])) for is_same_S in is_same_SS]) / len(target_NM5)
    chosen: list[int] = []
    for place in np.argsort(-share_S, kind="stable").tolist():
        if len(chosen) < ask.size and not is_same_SS[place, chosen].any():
            chosen.append(place)
    return np.concatenate([np.full((len(chosen), 1), label), box_S4[chosen], share_S[chosen, None]], axis=1)


def _overlaps(box_S4: np.ndarray) -> np.ndarray:
    """Return intersection over union [S, S]."""
    one_S14, other_1S4 = box_S4[:, None], box_S4[None]
    sides_SS2 = np.minimum(one_S14[..., 2:], other_1S4[..., 2:]) - np.maximum(one_S14[..., :2], other_1S4[..., :2])
    both_SS = np.maximum(sides_SS2, 0).prod(-1)
    area_S = (box_S4[:, 2:] - box_S4[:, :2]).prod(-1)
    return np.asarray(both_SS / np.maximum(area_S[:, None] + area_S - both_SS, 1e-9))

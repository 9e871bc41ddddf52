"""Distance of a window's last step to the training mean in training deviations, within its recording if it has one."""

from __future__ import annotations

import numpy as np

from dlw.baselines._base import Answer, Ask
from dlw.specs import Arrays

KINDS = ("scores",)
INPUTS = ("series",)


def predict(train: Arrays, target: np.ndarray, test: Arrays, ask: Ask) -> Answer:
    """Score each row by the mean over channels of |last value - mean| / deviation."""
    ((name, _),) = ask.specs.items()
    last_NC, probe_NC = train[name][:, -1], test[name][:, -1]
    score_N = np.zeros(len(probe_NC))
    for group in [None] if ask.test_group is None else np.unique(ask.test_group):
        here = slice(None) if group is None else ask.test_group == group
        own = last_NC if group is None else last_NC[ask.train_group == group]
        own = own if len(own) > 1 else last_NC
        mean_C, std_C = np.nanmean(own, 0, dtype=np.float64), np.nanstd(own, 0, dtype=np.float64)
        distance_NC = np.abs(probe_NC[here] - mean_C) / np.where(std_C > 0, std_C, 1.0)
        score_N[here] = np.nan_to_num(distance_NC).mean(1)
    each = "" if ask.test_group is None else " of the same recording"
    return Answer(score_N, f"mean and deviation of {len(last_NC):,} training steps{each}")

"""The work of `occlusion`. Shape legend: N changed rows, T steps, C channels, H and W pixels, F columns."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dlw.explainers._asking import ask
from dlw.explainers._base import Explanation, Map, Question
from dlw.explainers._entries import even
from dlw.explainers.occlusion import INPUTS
from dlw.ragged import LEAST_STEPS

AT_ONCE = 64


def explain(question: Question, windows: int) -> Explanation:
    """Return how much the score falls without each place; windows that overlap are averaged."""
    reached = float(ask(question, {}))
    maps = {
        group: Map(_values(question, group, reached, windows).astype(np.float64))
        for group, spec in question.inputs.items()
        if spec.kind in INPUTS
    }
    return Explanation(maps, reached)


def _values(question: Question, group: str, reached: float, windows: int) -> np.ndarray:
    match question.inputs[group].kind:
        case "tokens":
            return _without_tokens(question, group, reached)
        case "number" | "category":
            return _without_columns(question, group, reached)
        case kind:
            return _under_windows(question, group, kind, windows)


def _under_windows(question: Question, group: str, kind: str, windows: int) -> np.ndarray:
    from captum.attr import Occlusion

    value = question.row[group].float()
    window: tuple[int, ...]
    stride: tuple[int, ...]
    if kind == "image":
        side = max(1, round(min(value.shape[2:]) / windows))
        window, stride = (value.shape[1], side, side), (value.shape[1], max(1, side // 2), max(1, side // 2))
    else:
        side = max(1, round(value.shape[1] / windows))
        window, stride = ((side,), (max(1, side // 2),)) if kind == "sound" else ((side, 1), (max(1, side // 2), 1))
    baseline = torch.zeros_like(value) if kind == "sound" else even(value, kind, question.inputs[group].statistics)

    def forward(changed: Tensor) -> Tensor:
        return ask(question, {group: changed})

    found = Occlusion(forward).attribute(value, window, stride, baselines=baseline, perturbations_per_eval=AT_ONCE)
    return np.asarray((found[0].mean(0) if kind == "image" else found[0]).cpu().numpy())


def _without_tokens(question: Question, group: str, reached: float) -> np.ndarray:
    """Ask for the row without each token; the fill that follows keeps arrays as long as before."""
    token_T = question.row[group][0]
    length = len(token_T)
    kept = [torch.cat([token_T[:place], token_T[place + 1 :], token_T.new_zeros(1)]) for place in range(length)]
    token_NT = torch.stack(kept)[:, : max(LEAST_STEPS, length)]
    return np.asarray((reached - ask(question, {group: token_NT})).cpu().numpy())


def _without_columns(question: Question, group: str, reached: float) -> np.ndarray:
    """Ask for the row with each column missing."""
    value_1F = question.row[group]
    nothing = float("nan") if value_1F.is_floating_point() else 0
    changed_FF = value_1F.repeat(value_1F.shape[1], 1)
    changed_FF.fill_diagonal_(nothing)
    return np.asarray((reached - ask(question, {group: changed_FF})).cpu().numpy())

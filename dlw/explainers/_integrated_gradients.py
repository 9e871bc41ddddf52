"""The work of `integrated_gradients`. Shape legend: N points on the way, T steps, C channels, D width."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dlw.explainers._base import Explanation, Map, Question
from dlw.explainers._entries import Entry, entries, score
from dlw.explainers.integrated_gradients import INPUTS
from dlw.specs import rows_at_once


def misfit(question: Question) -> str:
    """Say which input has no layer with one vector per place, or whose layer is asked more than once."""
    found = entries(question, INPUTS)
    for group, spec in question.inputs.items():
        own = [entry for entry in found if entry.group == group]
        if spec.kind not in INPUTS:
            continue
        if not own:
            return f"{group}: no single layer of this network turns it into vectors"
        places = question.row[group].shape[1:]
        if spec.kind in ("tokens", "category") and any(entry.value.shape[1:-1] != places for entry in own):
            return f"{group}: this network has no vector for each {'token' if spec.kind == 'tokens' else 'column'}"
    return ""


def explain(question: Question, steps: int) -> Explanation:
    """Return signed maps that add up to score - base, up to the error of the sum over `steps` points."""
    from captum.attr import IntegratedGradients

    found = entries(question, INPUTS)

    def forward(*floats: Tensor) -> Tensor:
        return score(question, found, floats)

    values, baselines = tuple(entry.value for entry in found), tuple(entry.baseline for entry in found)
    at_once = rows_at_once(value.shape[1:] for value in values)
    parts = IntegratedGradients(forward).attribute(
        values, baselines, n_steps=steps, method="gausslegendre", internal_batch_size=at_once
    )
    maps: dict[str, Map] = {}
    for entry, part in zip(found, parts, strict=True):
        own = _map(question, entry, torch.nan_to_num(part.detach()[0]))
        before = maps.get(entry.group)
        maps[entry.group] = own if before is None else Map(before.values + own.values, own.under)
    with torch.no_grad():
        reached, base = (float(forward(*floats)) for floats in (values, baselines))
    return Explanation(maps, reached, base, is_complete=True)


def _map(question: Question, entry: Entry, part: Tensor) -> Map:
    kind = question.inputs[entry.group].kind
    if kind == "image":
        part = part.sum(0)
    elif kind in ("tokens", "category"):
        part = part.sum(-1)
    under = entry.value[0].cpu().numpy() if kind == "sound" else None
    return Map(part.cpu().numpy().astype(np.float64), under)

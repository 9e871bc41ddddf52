"""The layers of `factorization`. Shape legend: B rows, C columns, T steps of a history, D width, K outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dlw.models._columns import NumberVectors, number_features
from dlw.models._dropout import Dropout
from dlw.models._output import start_at
from dlw.specs import FieldSpec, OutputSpec

if TYPE_CHECKING:
    from dlw.models.factorization import Settings

BINS = 16
FIRST_SPREAD = 0.1
"""Deviation of the first vectors' numbers: products begin small beside the biases."""


class Values(nn.Module):
    """A vector for each value of some category columns, weight decay included; missing (id 0) starts as zeros."""

    offset_C: Tensor

    def __init__(self, spec: FieldSpec, size: int, spread: float) -> None:
        super().__init__()
        offset_C = torch.tensor([0, *np.cumsum(spec.sizes)[:-1].tolist()])
        self.register_buffer("offset_C", offset_C, persistent=False)
        self.table = nn.Parameter(torch.randn(sum(spec.sizes), size) * spread)
        with torch.no_grad():
            self.table[offset_C] = 0

    def forward(self, ids_BC: Tensor) -> Tensor:
        """Return [B, C, D]."""
        return F.embedding(ids_BC + self.offset_C, self.table)


class History(nn.Module):
    """The steps of a history as one vector: their sum over the root of their number."""

    def __init__(self, spec: FieldSpec, size: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(spec.sizes[0], size))

    def forward(self, item_BT: Tensor) -> Tensor:
        """Return [B, 1, D]; of no steps, zeros."""
        is_step_BT1 = (item_BT > 0).unsqueeze(-1)
        sum_B1D = (F.embedding(item_BT, self.table) * is_step_BT1).sum(1, keepdim=True)
        return sum_B1D / is_step_BT1.sum(1, keepdim=True).clamp(min=1).float().sqrt()


class Factorization(nn.Module):
    """A bias and a vector of each column's value; sums of biases and of products of all pairs."""

    def __init__(self, settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> None:
        super().__init__()
        size = settings.width
        self.vectors = nn.ModuleDict({name: _column(spec, size, FIRST_SPREAD) for name, spec in inputs.items()})
        self.biases = nn.ModuleDict({name: _column(spec, output.size, 0.0) for name, spec in inputs.items()})
        self.dropout = Dropout(settings.dropout)
        self.mix = nn.Linear(size, output.size)
        nn.init.ones_(self.mix.weight)
        start_at(self.mix.bias, output, otherwise=0.0)
        self.hidden: nn.Module | None = None
        if settings.hidden:
            last = nn.Linear(settings.hidden, output.size)
            nn.init.zeros_(last.weight)
            self.hidden = nn.Sequential(nn.Linear(size, settings.hidden), nn.ReLU(), Dropout(settings.dropout), last)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return [B, K]."""
        bias_BK = torch.cat([of(batch[name]) for name, of in self.biases.items()], dim=1).sum(1)
        vector_BCD = self.dropout(torch.cat([of(batch[name]) for name, of in self.vectors.items()], dim=1))
        # The sum over all pairs of products is half of (square of the sum less sum of the squares); Rendle, lemma 3.1.
        pairs_BD = 0.5 * (vector_BCD.sum(1).square() - vector_BCD.square().sum(1))
        answer_BK: Tensor = bias_BK + self.mix(pairs_BD)
        return answer_BK if self.hidden is None else answer_BK + self.hidden(pairs_BD)


def _column(spec: FieldSpec, size: int, spread: float) -> nn.Module:
    """Return the layer from a group of columns to one vector for each."""
    if spec.kind == "tokens":
        return History(spec, size)
    if spec.kind == "category":
        return Values(spec, size, spread)
    return NumberVectors(number_features(spec, "piecewise_linear", BINS, 1, 1.0), spec, size)

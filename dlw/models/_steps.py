"""From rows of different length to vectors, and from the vectors of the steps to one: what sequence networks share.

Which steps a row has is read off the row itself (dlw.ragged), so that nothing depends on how much fill follows.
Shape legend: B rows, T steps, C channels, D width.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dlw.errors import UsageError
from dlw.models._dropout import Dropout
from dlw.models._series import StandardiseSeries, steps
from dlw.ragged import FILL
from dlw.specs import FieldSpec

EMBEDDING_STD = 0.05
"""Spread of the first vectors of tokens; of Keras's uniform initialisation it is 0.03."""


def only_sequence(inputs: Mapping[str, FieldSpec], model: str, kinds: tuple[str, ...]) -> tuple[str, FieldSpec]:
    """Return the name and spec of the single input; raises UsageError if the inputs are anything else."""
    if len(inputs) != 1 or next(iter(inputs.values())).kind not in kinds:
        given = ", ".join(f"{name} ({spec.kind})" for name, spec in inputs.items())
        raise UsageError(f"model {model} takes exactly one input of {' or '.join(kinds)}, the recipe gives {given}")
    return next(iter(inputs.items()))


class Tokens(nn.Module):
    """A vector for each token."""

    def __init__(self, spec: FieldSpec, width: int, dropout: float) -> None:
        super().__init__()
        self.vectors = nn.Embedding(spec.sizes[0], width)
        self.dropout = Dropout(dropout)
        nn.init.normal_(self.vectors.weight, std=EMBEDDING_STD)

    def words(self) -> nn.Module:
        """See ReadsWords."""
        return self.vectors

    def forward(self, ids_BT: Tensor) -> tuple[Tensor, Tensor]:
        """Return vectors [B, T, D] and which steps there are, bool [B, T]."""
        return self.dropout(self.vectors(ids_BT)), ids_BT != FILL["tokens"]


class Series(nn.Module):
    """Each step's standardised values, and which of them are known, through a linear layer."""

    def __init__(self, spec: FieldSpec, width: int, dropout: float) -> None:
        super().__init__()
        self.standardise = StandardiseSeries(spec)
        self.join = nn.Linear(2 * spec.shape[1], width)
        self.dropout = Dropout(dropout)

    def forward(self, series_BTC: Tensor) -> tuple[Tensor, Tensor]:
        """Return vectors [B, T, D] and which steps there are, bool [B, T]."""
        x_BTC, known_BTC = self.standardise(series_BTC)
        x_BTD = self.join(torch.cat([x_BTC, known_BTC], dim=-1))
        return self.dropout(x_BTD), steps(known_BTC).squeeze(2) > 0


def entry(spec: FieldSpec, width: int, dropout: float) -> Tokens | Series:
    """Return the layer that turns raw rows into vectors and tells which steps there are."""
    return Tokens(spec, width, dropout) if spec.kind == "tokens" else Series(spec, width, dropout)


class Pool(nn.Module):
    """The vectors of a row's steps as one: their `mean`, their `max`, or a mean with learned weights (`attention`).

    Attention: Yang et al. 2016, Hierarchical Attention Networks, section 2.2. A row without steps becomes zeros.
    """

    def __init__(self, kind: str, width: int) -> None:
        super().__init__()
        self.kind = kind
        if kind == "attention":
            self.key = nn.Linear(width, width)
            self.score = nn.Linear(width, 1, bias=False)

    def forward(self, x_BTD: Tensor, is_step_BT: Tensor) -> Tensor:
        """Return [B, D]."""
        is_step_BT1 = is_step_BT.unsqueeze(-1)
        if self.kind == "max":
            best_BD = x_BTD.masked_fill(~is_step_BT1, -torch.inf).amax(dim=1)
            return torch.where(is_step_BT.any(1, keepdim=True), best_BD, 0.0)
        if self.kind == "attention":
            score_BT1 = self.score(torch.tanh(self.key(x_BTD))).float()
            weight_BT1 = score_BT1.masked_fill(~is_step_BT1, -1e9).softmax(dim=1) * is_step_BT1
        else:
            weight_BT1 = is_step_BT1 / is_step_BT1.sum(dim=1, keepdim=True).clamp(min=1)
        return (x_BTD * weight_BT1).sum(dim=1)

"""Packed columns of a table as one vector per column: what the table networks share.

Numbers are encoded as [value features..., gap]: gap is 1 where the value is missing, and the value features are then
those of a neutral value. Each column has its own linear map from features to vector; all go through one kernel.
Shapes: B rows, F number columns, G category columns, T features per number, E vector size.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from dlw.specs import FieldSpec

NumberEmbedding = Literal["piecewise_linear", "periodic", "plain"]


class CategoryVectors(nn.Module):
    """One table for all columns; ids of column g start at `offset_G[g]`. Missing (id 0) starts as the zero vector."""

    offset_G: Tensor

    def __init__(self, spec: FieldSpec, size: int) -> None:
        super().__init__()
        offset_G = torch.tensor([0, *np.cumsum(spec.sizes)[:-1].tolist()])
        self.register_buffer("offset_G", offset_G, persistent=False)
        self.embedding = nn.Embedding(sum(spec.sizes), size)
        nn.init.normal_(self.embedding.weight, std=size**-0.5)
        with torch.no_grad():
            self.embedding.weight[offset_G] = 0

    def forward(self, ids_BG: Tensor) -> Tensor:
        """Return [B, G, E]."""
        vectors: Tensor = self.embedding(ids_BG + self.offset_G)
        return vectors


class PiecewiseLinear(nn.Module):
    """Piecewise-linear encoding with quantile bins (Gorishniy et al. 2022, arXiv:2203.05556, equation 1).

    Feature t is clamp((x - edge_t) / width_t, 0, 1), so outside the range seen in training the encoding stays constant;
    of the neutral value all are 0. Columns with fewer distinct edges use fewer bins; their other features are always 0.
    """

    neutral_F: Tensor
    scale_FT: Tensor
    shift_FT: Tensor
    share_FT: Tensor

    def __init__(self, spec: FieldSpec, bins: int) -> None:
        super().__init__()
        edges = [_distinct_edges(column, bins) for column in spec.statistics["edges"]]
        self.size = max(len(column) - 1 for column in edges)
        scale_FT, shift_FT, share_FT = (torch.zeros(len(edges), self.size) for _ in range(3))
        for f, column in enumerate(edges):
            width = torch.from_numpy(np.diff(column))
            scale_FT[f, : len(width)] = 1 / width
            shift_FT[f, : len(width)] = -torch.from_numpy(column[:-1]) / width
            share_FT[f, : len(width)] = 1 / len(width)
        self.register_buffer("neutral_F", torch.tensor([column[0] for column in edges], dtype=torch.float32))
        self.register_buffer("scale_FT", scale_FT)
        self.register_buffer("shift_FT", shift_FT)
        self.register_buffer("share_FT", share_FT, persistent=False)

    def forward(self, number_BF: Tensor) -> Tensor:
        """Return [B, F, T]."""
        return torch.addcmul(self.shift_FT, number_BF.unsqueeze(-1), self.scale_FT).clamp(0, 1)


class Periodic(nn.Module):
    """Sines and cosines of learned frequencies (same paper, equation 4); frequencies start as normal(0, scale)."""

    neutral_F: Tensor
    inverse_std_F: Tensor

    def __init__(self, spec: FieldSpec, frequencies: int, scale: float) -> None:
        super().__init__()
        self.size = 2 * frequencies
        _register_standard(self, spec)
        self.frequency_FT = nn.Parameter(torch.randn(spec.shape[0], frequencies) * scale)

    def forward(self, number_BF: Tensor) -> Tensor:
        """Return [B, F, T]."""
        value_BF = (number_BF - self.neutral_F) * self.inverse_std_F
        angle = value_BF.unsqueeze(-1) * (2 * math.pi * self.frequency_FT)
        return torch.cat([angle.sin(), angle.cos()], dim=-1)


class Standard(nn.Module):
    """Each number minus its mean over its standard deviation, as a single feature."""

    neutral_F: Tensor
    inverse_std_F: Tensor
    size = 1

    def __init__(self, spec: FieldSpec) -> None:
        super().__init__()
        _register_standard(self, spec)

    def forward(self, number_BF: Tensor) -> Tensor:
        """Return [B, F, 1]."""
        return ((number_BF - self.neutral_F) * self.inverse_std_F).unsqueeze(-1)


class NumberFeatures(nn.Module):
    """Value features of every column, then 1 where the value is missing."""

    def __init__(self, encoding: PiecewiseLinear | Periodic | Standard) -> None:
        super().__init__()
        self.encoding = encoding
        self.size = encoding.size + 1

    def forward(self, number_BF: Tensor) -> Tensor:
        """Return [B, F, T + 1]."""
        is_gap_BF = torch.isnan(number_BF)
        value_BFT = self.encoding(torch.where(is_gap_BF, self.encoding.neutral_F, number_BF))
        return torch.cat([value_BFT, is_gap_BF.unsqueeze(-1).to(value_BFT.dtype)], dim=-1)


class NumberVectors(nn.Module):
    """A vector of E per number: a linear map per column from its features, then ReLU for periodic features."""

    def __init__(self, features: NumberFeatures, spec: FieldSpec, size: int) -> None:
        super().__init__()
        num_columns = spec.shape[0]
        self.features = features
        self.is_periodic = isinstance(features.encoding, Periodic)
        self.embedding_FTE = nn.Parameter(torch.empty(num_columns, features.size, size))
        self.bias_FE = nn.Parameter(torch.empty(num_columns, size))
        self._start()

    def _start(self) -> None:
        """Start as a linear embedding of the value; for piecewise-linear features, of the bin it falls in.

        A value's features add up to the number of edges below it: over the number of bins they spread a column evenly
        over [-1, 1] whatever its distribution, and a gap starts in the middle.
        """
        _, num_features, size = self.embedding_FTE.shape
        with torch.no_grad():
            direction_FE = torch.empty_like(self.bias_FE).uniform_(-1, 1) * (3 / size) ** 0.5
            if isinstance(self.features.encoding, PiecewiseLinear):
                share_FT = self.features.encoding.share_FT
                self.embedding_FTE[:, :-1] = 2 * share_FT.unsqueeze(-1) * direction_FE.unsqueeze(1)
                self.embedding_FTE[:, -1] = direction_FE
                self.bias_FE.copy_(-direction_FE)
            else:
                bound = (num_features - 1) ** -0.5
                self.embedding_FTE.uniform_(-bound, bound)
                self.bias_FE.uniform_(-bound, bound)

    def forward(self, number_BF: Tensor) -> Tensor:
        """Return [B, F, E]."""
        features_FBT = self.features(number_BF).transpose(0, 1)
        vectors_BFE = torch.baddbmm(self.bias_FE.unsqueeze(1), features_FBT, self.embedding_FTE).transpose(0, 1)
        return torch.relu(vectors_BFE) if self.is_periodic else vectors_BFE


def number_features(
    spec: FieldSpec, embedding: NumberEmbedding, bins: int, frequencies: int, frequency_scale: float
) -> NumberFeatures:
    """Return the features of the number columns for the recipe word `embedding`."""
    if embedding == "piecewise_linear":
        return NumberFeatures(PiecewiseLinear(spec, bins))
    if embedding == "periodic":
        return NumberFeatures(Periodic(spec, frequencies, frequency_scale))
    return NumberFeatures(Standard(spec))


def _distinct_edges(edges: list[float], bins: int) -> np.ndarray:
    """Return 2 to `bins + 1` strictly rising bin edges, distinct also in float32."""
    distinct = np.unique(np.asarray(edges, dtype=np.float32)).astype(np.float64)
    if len(distinct) < 2:
        middle = distinct[0] if len(distinct) else 0.0
        return np.array([middle - 0.5, middle + 0.5])
    if len(distinct) > bins + 1:
        distinct = distinct[np.round(np.linspace(0, len(distinct) - 1, bins + 1)).astype(int)]
    return distinct


def _finite(values: list[float]) -> Tensor:
    return torch.nan_to_num(torch.tensor(values, dtype=torch.float32))


def _register_standard(module: nn.Module, spec: FieldSpec) -> None:
    std_F = _finite(spec.statistics["std"])
    module.register_buffer("neutral_F", _finite(spec.statistics["mean"]))
    module.register_buffer("inverse_std_F", torch.where(std_F > 0, 1 / std_F, 1.0))

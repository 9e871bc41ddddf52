"""The layers of `linear_series`.

Shape legend: B rows, C channels, T steps, V values ahead, P steps of a season, S seasons, H steps ahead, Q values per
step, N channels of all rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlw.errors import UsageError
from dlw.models._dropout import Dropout
from dlw.models._forecast import Forecaster, Residual
from dlw.models._series import only_series
from dlw.models.linear_series import Settings
from dlw.specs import FieldSpec, OutputSpec

AVERAGE = 25


def build_network(settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> nn.Module:
    """Return the forecaster, or the residual where the task asks for an error."""
    core = partial(_core, settings)
    if output.kind == "error":
        group, spec = only_series(inputs, "linear_series")
        return Residual(spec, group, settings.normalise, core)
    return Forecaster(inputs, output, settings.normalise, core, "linear_series")


def _core(settings: Settings, steps: int, ahead: int, values: int) -> nn.Module:
    if settings.map == "decomposed":
        return Decomposed(settings, steps, ahead * values)
    if settings.map == "sparse":
        return Sparse(settings, steps, ahead, values)
    return _map(settings, steps, ahead * values)


def _map(settings: Settings, size_in: int, size_out: int) -> nn.Sequential:
    before = [Dropout(settings.dropout)] if settings.dropout else []
    if not settings.hidden:
        return nn.Sequential(*before, nn.Linear(size_in, size_out))
    return nn.Sequential(*before, nn.Linear(size_in, settings.hidden), nn.ReLU(), nn.Linear(settings.hidden, size_out))


class Decomposed(nn.Module):
    """A moving average and what it leaves, each through a map of its own, added."""

    def __init__(self, settings: Settings, steps: int, values: int) -> None:
        super().__init__()
        self.width = min(settings.average or AVERAGE, steps)
        self.trend, self.rest = _map(settings, steps, values), _map(settings, steps, values)

    def forward(self, x_BCT: Tensor) -> Tensor:
        """Return [B, C, V]; the ends of a history are repeated outwards for the average."""
        before = (self.width - 1) // 2
        ends = x_BCT[..., :1].expand(-1, -1, before), x_BCT[..., -1:].expand(-1, -1, self.width - 1 - before)
        average_BCT = F.avg_pool1d(torch.cat([ends[0], x_BCT, ends[1]], dim=2), self.width, stride=1)
        answer: Tensor = self.trend(average_BCT) + self.rest(x_BCT - average_BCT)
        return answer


class Sparse(nn.Module):
    """Each phase of the season through one small map: T / P seasons to those ahead; older odd steps are left out."""

    def __init__(self, settings: Settings, steps: int, ahead: int, values: int) -> None:
        super().__init__()
        assert settings.season is not None
        self.season, self.ahead, self.values = settings.season, ahead, values
        seasons = steps // self.season
        if not seasons:
            raise UsageError(f"model.season: {self.season} steps are more than the history of {steps}")
        self.kept = seasons * self.season
        half = self.season // 2
        self.around = nn.Conv1d(1, 1, 2 * half + 1, padding=half, bias=False)
        self.map = _map(settings, seasons, -(-ahead // self.season) * values)

    def forward(self, x_BCT: Tensor) -> Tensor:
        """Return [B, C, H * Q]."""
        channels = x_BCT.shape[1]
        x_N1T = x_BCT[..., -self.kept :].flatten(0, 1).unsqueeze(1)
        x_NT = (self.around(x_N1T) + x_N1T).squeeze(1)
        phases_NPS = x_NT.unflatten(1, (-1, self.season)).transpose(1, 2)
        ahead_NSPQ = self.map(phases_NPS).unflatten(2, (-1, self.values)).transpose(1, 2)
        ahead_NHQ = ahead_NSPQ.flatten(1, 2)[:, : self.ahead]
        return ahead_NHQ.flatten(1).unflatten(0, (-1, channels))

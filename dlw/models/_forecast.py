"""From a history to the steps after it, around any network that maps histories channel by channel.

The history is standardised, centred by its own last value or mean (and divided by its own deviation), handed on, and
the same is undone to what comes back: a level or size that training never saw goes on as it is. With `standard` this
is reversible instance normalisation (Kim et al. 2022, openreview.net/forum?id=cGDAkQo1C0p) without its affine map.
Shape legend: B rows, T steps of history, H steps ahead, C channels, Q values per channel and step, F features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from dlw.errors import UsageError
from dlw.models._columns import CategoryVectors, number_features
from dlw.models._series import StandardiseSeries
from dlw.specs import FieldSpec, OutputSpec

EPSILON = 1e-5
CATEGORY_SIZE = 8
HIDDEN = 32

Core = Callable[[int, int, int], nn.Module]
"""(T, H, Q) -> a network from centred histories [B, C, T] to [B, C, H * Q]."""


class Forecaster(nn.Module):
    """Centre, core, covariates added, restore: [B, H, C * Q] in the units of the history.

    The history is the series input whose channels are those forecast. Other series must reach over history and steps
    ahead (known beforehand); columns are static.
    """

    def __init__(
        self, inputs: Mapping[str, FieldSpec], output: OutputSpec, normalise: str, core: Core, model: str
    ) -> None:
        super().__init__()
        self.group, spec = _history(inputs, output.columns, model)
        if spec.is_ragged:
            raise UsageError(
                f"model {model}: the rows of {self.group} differ in length; set the `length` of its field to forecast"
            )
        self.order = [spec.columns.index(name) for name in output.columns]
        self.centre = Centre(spec, normalise)
        self.steps, self.values = output.steps, output.size // len(output.columns)
        self.core = core(spec.shape[0], self.steps, self.values)
        beside = {name: other for name, other in inputs.items() if name != self.group}
        self.covariates = Covariates(beside, spec.shape[0], output) if beside else None

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return [B, H, C * Q]."""
        x_BTC, level_B1C, spread_B1C = self.centre(batch[self.group])
        out_BCV = self.core(x_BTC.transpose(1, 2)[:, self.order]).float()
        y_BHCQ = out_BCV.unflatten(2, (self.steps, self.values)).transpose(1, 2)
        if self.covariates is not None:
            y_BHCQ = y_BHCQ + self.covariates(batch).unflatten(2, (len(self.order), self.values))
        y_BHCQ = y_BHCQ * spread_B1C[..., self.order, None] + level_B1C[..., self.order, None]
        return y_BHCQ.flatten(2)


class Centre(nn.Module):
    """Standardise a history and take away its own level; gaps lie at that level."""

    def __init__(self, spec: FieldSpec, normalise: str) -> None:
        super().__init__()
        self.standardise = StandardiseSeries(spec)
        self.normalise = normalise

    def forward(self, history_BTC: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the centred history [B, T, C] and, in its own units, level and spread [B, 1, C] that undo it."""
        x_BTC, known_BTC = self.standardise(history_BTC)
        count_B1C = known_BTC.sum(1, keepdim=True).clamp(min=1)
        level_B1C = torch.zeros_like(x_BTC[:, :1])
        spread_B1C = torch.ones_like(level_B1C)
        if self.normalise in ("mean", "standard"):
            level_B1C = x_BTC.sum(1, keepdim=True) / count_B1C
        elif self.normalise == "last":
            place_BTC = known_BTC.cumsum(1) * known_BTC
            is_last_BTC = (place_BTC == place_BTC.amax(1, keepdim=True)) & (known_BTC > 0)
            level_B1C = (x_BTC * is_last_BTC).sum(1, keepdim=True)
        x_BTC = (x_BTC - level_B1C) * known_BTC
        if self.normalise == "standard":
            spread_B1C = (x_BTC.square().sum(1, keepdim=True) / count_B1C + EPSILON).sqrt()
            x_BTC = x_BTC / spread_B1C
        std_C, mean_C = self.standardise.std_C, self.standardise.mean_C
        return x_BTC, level_B1C * std_C + mean_C, spread_B1C * std_C


class Residual(nn.Module):
    """How far the last step of a window lies from what its other steps foretell: an anomaly's error [B, 1, 1, C].

    The window is centred by the steps before its last, so the last cannot hide itself.
    """

    def __init__(self, spec: FieldSpec, group: str, normalise: str, core: Core) -> None:
        super().__init__()
        if spec.is_ragged or spec.shape[0] < 3:
            raise UsageError(f"{group}: a forecast residual needs windows of one length of at least 3 steps")
        self.group = group
        self.centre = Centre(spec, normalise)
        self.core = core(spec.shape[0] - 1, 1, 1)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return squared differences in units of the window's spread; an unknown last value has none."""
        window_BTC = batch[self.group]
        x_BTC, level_B1C, spread_B1C = self.centre(window_BTC[:, :-1])
        last_B1C = window_BTC[:, -1:]
        is_gap_B1C = torch.isnan(last_B1C)
        goal_B1C = (torch.where(is_gap_B1C, level_B1C, last_B1C) - level_B1C) / spread_B1C
        out_B1C = self.core(x_BTC.transpose(1, 2)).float().transpose(1, 2)
        return ((out_B1C - goal_B1C).square() * ~is_gap_B1C).unsqueeze(1)


class Covariates(nn.Module):
    """What is known beforehand of each step ahead, and static columns, through one hidden layer: [B, H, C * Q]."""

    def __init__(self, inputs: Mapping[str, FieldSpec], length: int, output: OutputSpec) -> None:
        super().__init__()
        self.steps = output.steps
        self.series = [name for name, spec in inputs.items() if spec.kind == "series"]
        self.static = [name for name in inputs if name not in self.series]
        for name in self.series:
            if inputs[name].shape[0] != length + output.steps or inputs[name].is_ragged:
                raise UsageError(
                    f"{name}: a series known beforehand has {length} + {output.steps} steps, history and steps ahead; "
                    f"here it has {inputs[name].shape[0]}"
                )
        self.entries = nn.ModuleDict({name: _entry(inputs[name]) for name in inputs})
        size = sum(inputs[name].shape[1] for name in self.series)
        for name in self.static:
            size += inputs[name].shape[0] * (CATEGORY_SIZE if inputs[name].kind == "category" else 2)
        last = nn.Linear(HIDDEN, output.size)
        nn.init.zeros_(last.weight)
        self.layers = nn.Sequential(nn.Linear(size, HIDDEN), nn.ReLU(), last)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return [B, H, C * Q]."""
        parts = [self.entries[name](batch[name])[0][:, -self.steps :] for name in self.series]
        for name in self.static:
            flat_BF = self.entries[name](batch[name]).flatten(1)
            parts.append(flat_BF.unsqueeze(1).expand(-1, self.steps, -1))
        answer: Tensor = self.layers(torch.cat(parts, dim=2))
        return answer


def _entry(spec: FieldSpec) -> nn.Module:
    if spec.kind == "series":
        return StandardiseSeries(spec)
    if spec.kind == "category":
        return CategoryVectors(spec, CATEGORY_SIZE)
    return number_features(spec, "plain", 1, 1, 1.0)


def _history(inputs: Mapping[str, FieldSpec], columns: tuple[str, ...], model: str) -> tuple[str, FieldSpec]:
    """Return the input that holds the channels to forecast."""
    found = {n: s for n, s in inputs.items() if s.kind == "series" and set(columns) <= set(s.columns)}
    if len(found) != 1:
        raise UsageError(
            f"model {model} needs one input series with the channels to forecast ({', '.join(columns)}), "
            f"{len(found)} found"
        )
    ((name, spec),) = found.items()
    unused = [column for column in spec.columns if column not in columns]
    if unused:
        raise UsageError(
            f"model {model} carries each channel on by itself: {', '.join(unused)} of {name} has no effect"
        )
    return name, spec

"""Raw series to standardised steps and masks: the first layer of the networks that read series.

Shape legend: B rows, T steps, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dlw.errors import UsageError
from dlw.specs import FieldSpec


class StandardiseSeries(nn.Module):
    """(values - mean) / std per channel, by the training split; gaps become 0 and are told apart by a mask."""

    mean_C: Tensor
    std_C: Tensor

    def __init__(self, spec: FieldSpec) -> None:
        super().__init__()
        for key in ("mean", "std"):
            self.register_buffer(f"{key}_C", torch.tensor(spec.statistics[key], dtype=torch.float32))

    def forward(self, series_BTC: Tensor) -> tuple[Tensor, Tensor]:
        """Return standardised values [B, T, C] and 1 where they are known, 0 elsewhere."""
        is_gap_BTC = torch.isnan(series_BTC)
        x_BTC = (torch.where(is_gap_BTC, self.mean_C, series_BTC) - self.mean_C) / self.std_C
        return x_BTC, (~is_gap_BTC).to(x_BTC.dtype)


def steps(known_BTC: Tensor) -> Tensor:
    """Return 1 for each step up to the last one with a known value, 0 for the fill after it: [B, T, 1]."""
    is_known_BT = known_BTC.amax(2)
    from_here_BT = is_known_BT.sum(1, keepdim=True) - is_known_BT.cumsum(1) + is_known_BT
    return (from_here_BT > 0.5).to(known_BTC.dtype).unsqueeze(2)


def only_series(inputs: Mapping[str, FieldSpec], model: str) -> tuple[str, FieldSpec]:
    """Return the name and spec of the single input series; raises UsageError if the inputs are anything else."""
    if [spec.kind for spec in inputs.values()] != ["series"]:
        given = ", ".join(f"{name} ({spec.kind})" for name, spec in inputs.items())
        raise UsageError(f"model {model} takes exactly one series input, the recipe gives {given or 'none'}")
    return next(iter(inputs.items()))

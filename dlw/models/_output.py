"""How the last layer of a network begins."""

from __future__ import annotations

import torch
from torch import Tensor

from dlw.specs import OutputSpec


@torch.no_grad()
def start_at(bias: Tensor, output: OutputSpec, otherwise: float | None = None) -> None:
    """Set the bias [K] of the last layer to `output.start`, or where there is none to `otherwise`, if that is given."""
    if output.start:
        bias.copy_(torch.tensor(output.start))
    elif otherwise is not None:
        bias.fill_(otherwise)

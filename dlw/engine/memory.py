"""Where weights live: device and memory order."""

from __future__ import annotations

import torch
from torch import nn


def place(network: nn.Module, device: torch.device) -> nn.Module:
    """Move a network to a device; kernels of convolutions are laid out channels last, the order fast kernels want."""
    network = network.to(device)
    if any(parameter.ndim == 4 for parameter in network.parameters()):
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network

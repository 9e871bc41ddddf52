"""Exponential moving average of the weights (Polyak and Juditsky 1992): what is validated, saved as best and used."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import nn


class Average:
    """A copy of the network whose weights follow the trained one slowly.

    The decay starts low, min(decay, (1 + step) / (10 + step)), so that the average soon forgets the first weights.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self._decay = decay
        self.follow(network)

    def follow(self, network: nn.Module, held: Callable[[torch.Tensor], torch.Tensor] = lambda tensor: tensor) -> None:
        """Average this network from now on; `held` gives the part of a tensor that this process holds."""
        pairs = [
            (held(mine), held(theirs))
            for mine, theirs in zip(self._tensors(self.network), self._tensors(network), strict=True)
        ]
        self._averaged = [mine for mine, _ in pairs if mine.is_floating_point()]
        self._sources = [theirs for _, theirs in pairs if theirs.is_floating_point()]
        self._counters = [(mine, theirs) for mine, theirs in pairs if not mine.is_floating_point()]

    @staticmethod
    def _tensors(network: nn.Module) -> list[torch.Tensor]:
        buffers = dict(network.named_buffers())
        return [p.detach() for p in network.parameters()] + [b for n, b in buffers.items() if n in network.state_dict()]

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move towards the network's weights after optimizer step `step` (from 0)."""
        decay = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._averaged, self._sources, 1 - decay)
        for mine, theirs in self._counters:
            mine.copy_(theirs)

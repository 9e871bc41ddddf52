"""A network that writes, asked by the search in numpy."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from dlw.models._base import Writer
from dlw.search import State
from dlw.specs import Arrays


class NetworkWriter:
    """A network as a search.Writer; its state stays in tensors on the network's device."""

    def __init__(self, network: nn.Module) -> None:
        assert isinstance(network, Writer)
        self._network = network
        self._device = next(network.parameters()).device

    @torch.inference_mode()
    def begin(self, inputs: Arrays) -> State:
        """See search.Writer."""
        return self._network.begin({name: torch.from_numpy(array).to(self._device) for name, array in inputs.items()})

    @torch.inference_mode()
    def step(self, token_BT: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        """See search.Writer."""
        logits_BV, state = self._network.step(torch.from_numpy(token_BT).to(self._device), state)
        return logits_BV.float().cpu().numpy(), state

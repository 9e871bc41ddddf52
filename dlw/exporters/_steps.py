"""Tracing a network that writes: one graph that begins, one that takes a step, both with whatever sizes are free.

Which axes are free is found by running both at two sizes: what differs between them is free.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from dlw.exporters._graph import exported
from dlw.specs import Arrays

if TYPE_CHECKING:
    from dlw.models._base import Writer

LOGITS, TOKENS = "logits", "tokens"
BESIDES = "new_"
"""Before the names of the state that a step gives back: a graph has one name space."""


class Begin(nn.Module):
    """`begin` with tensors instead of mappings on both sides."""

    def __init__(self, network: nn.Module, inputs: Sequence[str]) -> None:
        super().__init__()
        self.network = network
        self.inputs = tuple(inputs)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Return the state in order."""
        state = cast("Writer", self.network).begin(dict(zip(self.inputs, tensors, strict=True)))
        return tuple(state.values())


class Step(nn.Module):
    """`step` with tensors instead of mappings on both sides."""

    def __init__(self, network: nn.Module, state: Sequence[str]) -> None:
        super().__init__()
        self.network = network
        self.state = tuple(state)

    def forward(self, token_BT: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Return the logits and the new state in order."""
        logits, state = cast("Writer", self.network).step(token_BT, dict(zip(self.state, tensors, strict=True)))
        return (logits, *(state[name] for name in self.state))


@dataclass(frozen=True)
class Graph:
    """An exported program with the names of what goes in and comes out, in its order."""

    program: ExportedProgram
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def trace(network: nn.Module, example: Arrays) -> tuple[Graph, Graph]:
    """Export how a network begins and steps; raises RunError where something ties it to the example's sizes."""
    rows = {name: torch.from_numpy(array) for name, array in example.items()}
    sizes = [_sized(rows, 2, 4), _sized(rows, 3, 6)]
    with torch.no_grad():
        begin = Begin(network, tuple(rows)).eval()
        names = tuple(cast("Writer", network).begin(sizes[0]))
        step = Step(network, names).eval()
        steps = []
        for number, inputs in enumerate(sizes):
            seen = torch.ones(2 + number, 5 + number, dtype=torch.int32)
            more = torch.ones(2 + number, 2 + 2 * number, dtype=torch.int32)
            steps.append((more, *step(seen, *begin(*inputs.values()))[1:]))
    return (
        Graph(_export(begin, [tuple(inputs.values()) for inputs in sizes]), tuple(rows), names),
        Graph(_export(step, steps), (TOKENS, *names), (LOGITS, *(BESIDES + name for name in names))),
    )


def _sized(rows: Mapping[str, Tensor], count: int, steps: int) -> dict[str, Tensor]:
    """Return rows of an example as tensors of other sizes."""
    chosen = torch.from_numpy(np.arange(count))
    return {
        name: tensor[chosen % len(tensor)][:, torch.arange(steps) % tensor.shape[1]].contiguous()
        for name, tensor in rows.items()
    }


def _export(module: nn.Module, examples: Sequence[tuple[Tensor, ...]]) -> ExportedProgram:
    small, large = examples
    free = tuple(
        {axis: Dim.DYNAMIC for axis, (a, b) in enumerate(zip(one.shape, other.shape, strict=True)) if a != b}
        for one, other in zip(small, large, strict=True)
    )
    return exported(module, large, (free,) if isinstance(module, Begin) else (free[0], free[1:]))

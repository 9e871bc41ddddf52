"""Tracing a predictor with any number of rows: the torch side of the exporters that write a program."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch._dynamo
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from dlw.errors import RunError
from dlw.ragged import LEAST_STEPS
from dlw.specs import Arrays


class Positional(nn.Module):
    """A predictor with tensors instead of mappings on both sides: what exported signatures are made of."""

    def __init__(self, predictor: nn.Module, inputs: tuple[str, ...], answers: tuple[str, ...]) -> None:
        super().__init__()
        self.predictor = predictor
        self.inputs = inputs
        self.answers = answers

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Return the answers in order; each input and answer has the rows on its first axis."""
        answers = self.predictor(dict(zip(self.inputs, tensors, strict=True)))
        return tuple(answers[name] for name in self.answers)


@dataclass(frozen=True)
class Traced:
    """An exported program and the names of what goes in and comes out, in its order."""

    program: ExportedProgram
    inputs: tuple[str, ...]
    answers: tuple[str, ...]


def trace(predictor: nn.Module, example: Arrays, ragged: Collection[str] = ()) -> Traced:
    """Export `predictor` with a free number of rows, and of steps in the groups of `ragged`.

    Raises RunError when something ties it to the example's.
    """
    # Two rows: torch.export takes a size of 0 or 1 for a constant.
    tensors = {name: torch.from_numpy(array[:2]) for name, array in example.items()}
    assert all(len(tensor) == 2 for tensor in tensors.values()), "an example has at least two rows"
    with torch.inference_mode():
        answers = predictor(tensors)
    names = tuple(answers)
    module = Positional(predictor, tuple(tensors), names).eval()
    rows = Dim("rows", min=1)
    free = [
        {0: rows, 1: Dim(f"steps_{place}", min=LEAST_STEPS)} if name in ragged else {0: rows}
        for place, name in enumerate(tensors)
    ]
    program = exported(module, tuple(tensors.values()), (tuple(free),))
    for name, node in zip(names, program.graph.output_node().args[0], strict=True):
        shape = tuple(node.meta["val"].shape)
        wanted = tuple(
            real if isinstance(size, int) or not ragged else size
            for size, real in zip(shape, answers[name].shape, strict=True)
        )
        if isinstance(shape[0], int) or shape[1:] != wanted[1:]:
            raise RunError(f"answer {name} is traced with shape {shape}: its number of rows must stay free")
    return Traced(program, tuple(tensors), names)


def exported(module: nn.Module, example: tuple[Tensor, ...], free: Any) -> ExportedProgram:
    """Return a module as a program in which the axes of `free` (torch.export's dynamic_shapes) have any size.

    Raises RunError where something in it ties them to the example's.
    """
    torch._dynamo.reset()  # else a scan that was traced before, with a fixed number of steps, would be taken again
    with quiet(), torch.no_grad():
        try:
            program = torch.export.export(module, example, dynamic_shapes=free)
        except RuntimeError as error:
            raise RunError(f"the network cannot be traced for any number of rows and steps: {error}") from error
    for part in program.graph_module.modules():
        for node in part.graph.nodes:
            node.meta.pop("stack_trace", None)  # holds source paths of this machine
    return program


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the warnings that torch's exporters give about themselves from the user: none can be acted on."""
    levels = {logger: logger.level for logger in map(logging.getLogger, ("torch.onnx", "torch._inductor"))}
    for logger in levels:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)

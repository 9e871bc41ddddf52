"""What the formats that PyTorch itself answers from share: asking a program, and the lines that show how."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from dlw.exporters._base import Artifact, example_shape
from dlw.specs import Arrays


def answering(program: Callable[..., Any], artifact: Artifact) -> Callable[[Arrays], Arrays]:
    """Return a function over arrays that asks a program from tensors to a sequence of tensors.

    Compiled programs take the strides of their inputs for granted: arrays are laid out in one piece.
    """
    import torch

    def answer(arrays: Arrays) -> Arrays:
        with torch.no_grad():
            outputs = program(*(torch.from_numpy(np.ascontiguousarray(arrays[name])) for name in artifact.inputs))
        return {name: output.numpy() for name, output in zip(artifact.answers, outputs, strict=True)}

    return answer


def usage(opened: str, inputs: Mapping[str, Any], answers: tuple[str, ...]) -> str:
    """Return Python that answers two rows with torch; `opened` is the expression that gives the program."""
    tensors = "".join(
        f"    torch.zeros({example_shape(entry['shape'])}, dtype=torch.{entry['dtype']}),  # {json.dumps(name)}\n"
        for name, entry in inputs.items()
    )
    return (
        f"import torch\n\nmodel = {opened}\nanswers = model(\n{tensors})\n"
        f"print(dict(zip({json.dumps(list(answers))}, [answer.shape for answer in answers])))"
    )

"""torch.export program: the traced network for PyTorch and the compilers that start from it, any number of rows.

Nothing in the file is pickled (the sample inputs, the one part that torch pickles, are left out). Still, torch opens
such files with a parser that evaluates the text of symbolic sizes, so a hostile file could run code: dlw opens a
program only right after writing it, to prove it, and never one that it is given.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlw.exporters import _program
from dlw.exporters._base import Artifact, ExporterSettings
from dlw.runs import disk
from dlw.specs import Arrays

if TYPE_CHECKING:
    from torch import nn

MODEL_FILE = "model.pt2"
FILES = (MODEL_FILE,)
WEIGHTS_ONLY = False
REOPENS = "opening a torch.export program can run code that is hidden in it; open it yourself with torch.export.load"


class Settings(ExporterSettings):
    """A torch.export program has no options."""


def export(
    predictor: nn.Module, example: Arrays, folder: Path, settings: Settings, ragged: Collection[str] = ()
) -> None:
    """Write `model.pt2`."""
    import torch

    from dlw.exporters import _graph

    program = _graph.trace(predictor, example, ragged).program
    program._example_inputs = None  # the only part that torch.export.save pickles, and real rows besides
    buffer = io.BytesIO()
    with _graph.quiet():
        torch.export.save(program, buffer)
    disk.write_new(folder / MODEL_FILE, [buffer.getbuffer()])


def open_model(artifact: Artifact) -> Callable[[Arrays], Arrays]:
    """Return a function that answers with the loaded program; for files this process wrote only."""
    import torch

    from dlw.exporters import _graph

    with _graph.quiet():
        module = torch.export.load(io.BytesIO(artifact.read(MODEL_FILE))).module()
    return _program.answering(module, artifact)


def usage(inputs: Mapping[str, Any], answers: tuple[str, ...]) -> str:
    """Return Python that answers two rows with torch."""
    return _program.usage(f'torch.export.load("{MODEL_FILE}").module()', inputs, answers)

"""The contract of an exporter: one artifact format.

A plug-in file holds a docstring, a frozen pydantic `Settings`, and
  `FILES`       the names of the model files it writes, opened by nothing but the plug-in itself
  `WEIGHTS_ONLY` whether the artifact lacks the network itself, so that the bundle carries the resolved recipe
  `NEEDS`       optional: (package, extra) where it needs an optional package
  `REOPENS`     None, or why dlw opens such a file only right after writing it, never one it was given
  `export(predictor, example, folder, settings, ragged)`   writes FILES into `folder`; the second axis of the groups in
                `ragged` is free, too
  `open_model(artifact) -> Callable[[Arrays], Arrays]`   raw packed arrays in, named answers out
  `usage(inputs, answers) -> str`   Python for the bundle's README: answer without dlw, run inside the folder; `inputs`
                maps each group to {"dtype": ..., "shape": ["rows", ...]}, with "steps" for a free second axis
For networks that write there are instead `WRITER_FILES`, `export_writer(network, example, folder, settings)`,
`open_writer(artifact) -> search.Writer` and `writer_usage(inputs, answers)`; optional is
`export_tokens(tokenizer, spec, is_after_end, folder)`, which writes the tokenizer's files.
A format that can hold smaller numbers has an option `quantize` in its Settings, and
  `quantize(predictor, example, folder, settings, ragged, pieces)`   writes FILES that hold smaller numbers; `pieces`,
                raw packed arrays of training rows, show the ranges of activations
`predictor` is an nn.Module in evaluation mode from {group: tensor} to {answer: tensor}, on the CPU; `example` holds at
least 2 real rows as arrays. Proof of parity and the rest of the bundle are the export verb's work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from torch import nn


class ExporterSettings(BaseModel):
    """Base of every exporter's Settings: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Artifact:
    """What a plug-in opens again.

    `read` returns the verified bytes of one of its FILES; `inputs` and `answers` are the names in the order of the
    exported signature; `threads` None leaves the choice to the runtime; `rebuild` gives the network without its trained
    weights, for formats that hold weights only (it imports torch).
    """

    read: Callable[[str], bytes]
    inputs: tuple[str, ...]
    answers: tuple[str, ...]
    rebuild: Callable[[], nn.Module]
    threads: int | None = None


EXAMPLE_STEPS = 16


def example_shape(shape: Sequence[str | int]) -> tuple[int, ...]:
    """Return a shape for an example: two rows, and some steps where the second axis is free."""
    sizes = {"rows": 2, "steps": EXAMPLE_STEPS}
    return tuple(sizes[size] if isinstance(size, str) else size for size in shape)

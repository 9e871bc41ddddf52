"""Networks that write, as runs and bundles hold them: which files, and logits that two of them can be compared by."""

from __future__ import annotations

from types import ModuleType

import numpy as np

from dlw.errors import UsageError
from dlw.search import Writer
from dlw.specs import TARGET, Arrays, OutputSpec

LOGITS = "logits"
PROBED_STEPS = 8
"""Tokens that are read one by one after the first ones."""
PROBED_PROMPT = 24


def model_files(exporter: ModuleType, output: OutputSpec) -> tuple[str, ...]:
    """Return the model files of a bundle; UsageError where a format has none for such a network."""
    files: tuple[str, ...] = getattr(exporter, "WRITER_FILES", ()) if output.is_written else exporter.FILES
    if not files:
        format = exporter.__name__.rpartition(".")[2]
        kind = "writes step by step" if output.is_written else "answers at once"
        raise UsageError(f"--format {format}: cannot hold a network that {kind}; use --format onnx")
    return files


def probe(writer: Writer, output: OutputSpec, arrays: Arrays) -> Arrays:
    """Return logits [B, n, V - 1] of a writer, without the fill's: after some tokens at once, then after each of more.

    The tokens are those of the rows, or any for a network that writes beside them.
    """
    inputs = {name: array for name, array in arrays.items() if name != TARGET}
    rows = next(iter(inputs.values()))
    token_BT = 1 + np.add.outer(np.arange(len(rows)), np.arange(PROBED_STEPS + 2)) % (output.size - 1)
    if not output.is_told:
        token_BT = np.where(rows == 0, output.end, rows)[:, : PROBED_PROMPT + PROBED_STEPS]
    token_BT = token_BT.astype(np.int32)
    prompt = max(1, token_BT.shape[1] - PROBED_STEPS)
    logits_BV, state = writer.step(token_BT[:, :prompt], writer.begin(inputs))
    found = [logits_BV]
    for place in range(prompt, token_BT.shape[1]):
        logits_BV, state = writer.step(token_BT[:, place : place + 1], state)
        found.append(logits_BV)
    return {LOGITS: np.stack(found, axis=1)[..., 1:]}

"""When training leaves the finite numbers: say at which step, in which rows and in which layer it began."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dlw.engine.batches import Batch
from dlw.errors import NonFiniteError
from dlw.specs import INDEX

_MOST_NAMED = 8


def not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """Return the names of the tensors that hold NaN or infinity."""
    return [name for name, tensor in tensors.items() if not _is_finite(tensor)]


def explain_loss(network: nn.Module, batch: Batch, inputs: Collection[str], step: int) -> NonFiniteError:
    """Return the error for a batch whose loss in step `step` (from 1) is not finite though the weights are."""
    read = {name: tensor for name, tensor in batch.items() if name in inputs}
    layer, rows = _first_layer(network, read, batch[INDEX])
    parts = [f"first non-finite output in layer {layer}" if layer else "the network's output is still finite"]
    bad = [name for name, tensor in read.items() if torch.isinf(tensor.double()).any()]
    if bad:
        parts.append(f"infinite values in input {', '.join(bad)}")
    if rows is not None and len(rows) < len(batch[INDEX]):
        parts.append(f"it began in training {_listed(rows.tolist())} of a batch of {len(batch[INDEX])}")
    else:
        parts.append(f"training rows of that batch: {_listed(batch[INDEX].tolist())}")
    return _error(step, parts)


def explain_tensors(step: int, names: Sequence[str], what: str, rows: Sequence[int] | None) -> NonFiniteError:
    """Return the error for weights or gradients that step `step` (from 1) left non-finite.

    `rows` are those the step learned from, where it is known that it was this step.
    """
    parts = [f"{what} not finite in {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}"]
    if rows is not None:
        parts.append(f"training rows of that step: {_listed(rows)}")
    return _error(step, parts)


def _error(step: int, parts: Sequence[str]) -> NonFiniteError:
    return NonFiniteError(
        f"training left the finite numbers at step {step}; {'; '.join(parts)}. "
        "Nothing of this step was saved; lower optimizer.lr, set train.clip_norm: 1.0 or look at these rows."
    )


def _listed(rows: Sequence[int]) -> str:
    shown = ", ".join(str(row) for row in rows[:_MOST_NAMED])
    return f"row{'s' if len(rows) != 1 else ''} {shown}" + (f", ... ({len(rows)} rows)" if len(rows) > 8 else "")


def _first_layer(network: nn.Module, read: Batch, index_B: Tensor) -> tuple[str | None, Tensor | None]:
    """Return the first layer with a non-finite output and, where that has one entry a row, the numbers of the rows."""
    found: list[tuple[str, Tensor]] = []

    def watch(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if not found and isinstance(output, Tensor) and not _is_finite(output):
                found.append((name, output))

        return hook

    leaves = [(name, module) for name, module in network.named_modules() if not list(module.children())]
    hooks = [module.register_forward_hook(watch(name)) for name, module in leaves]
    try:
        with torch.no_grad():
            network(read)
    finally:
        for hook in hooks:
            hook.remove()
    if not found:
        return None, None
    name, output = found[0]
    if output.ndim == 0 or len(output) != len(index_B):
        return name, None
    return name, index_B[~torch.isfinite(output).flatten(1).all(dim=1)]


def _is_finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())

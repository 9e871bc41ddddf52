"""When training leaves the finite numbers: say at which step, in which rows and in which layer it began."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from dlw.engine.batches import Batch
from dlw.errors import NonFiniteError
from dlw.specs import INDEX, TARGET


def explain(network: nn.Module, batch: Batch | None, step: int) -> NonFiniteError:
    """Return the error to raise: names the step, the first layer with a non-finite output and the rows."""
    parts = [f"training left the finite numbers at step {step + 1}"]
    broken = [name for name, tensor in network.state_dict().items() if not _is_finite(tensor)]
    if broken:
        parts.append(f"weights are not finite in {', '.join(broken[:5])}")
    if batch is not None:
        layer = _first_layer(network, batch)
        parts.append(f"first non-finite output in layer {layer}" if layer else "the network's output is still finite")
        bad = [name for name, tensor in batch.items() if name != TARGET and torch.isinf(tensor.double()).any()]
        if bad:
            parts.append(f"infinite values in input {', '.join(bad)}")
        rows = batch[INDEX].tolist()
        shown = ", ".join(str(row) for row in rows[:8])
        parts.append(f"training rows of that batch: {shown}{', ...' if len(rows) > 8 else ''} ({len(rows)} rows)")
    remedy = "nothing of this step was saved; lower optimizer.lr, set train.clip_norm: 1.0 or look at these rows"
    return NonFiniteError("; ".join(parts) + f". {remedy[0].upper()}{remedy[1:]}.")


def _first_layer(network: nn.Module, batch: Batch) -> str | None:
    found: list[str] = []

    def watch(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if not found and isinstance(output, Tensor) and not _is_finite(output):
                found.append(name)

        return hook

    leaves = [(name, module) for name, module in network.named_modules() if not list(module.children())]
    hooks = [module.register_forward_hook(watch(name)) for name, module in leaves]
    try:
        with torch.no_grad():
            network({name: tensor for name, tensor in batch.items() if name not in (TARGET, INDEX, "partner", "share")})
    finally:
        for hook in hooks:
            hook.remove()
    return found[0] if found else None


def _is_finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())

"""Where gradients begin: the floats through which a row enters its network.

Pictures, series and numbers are taken as floats by every network as they are. Token ids, category ids and samples of
sound become floats in a layer of the network (an embedding, a spectrum): its output is exchanged by a hook, so that
networks know nothing of being explained. That layer is found by watching one pass: the innermost one that reads whole
numbers, which change with the input, and gives floats.
Shape legend: N rows asked at once, T steps, C channels, D width of a vector.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dlw.explainers._asking import widened
from dlw.explainers._base import Question

TAKEN_AS_FLOATS = ("image", "series", "number")


@dataclass(frozen=True)
class Entry:
    """Floats [1, ...] by which an input group enters and what stands there for nothing; `layer` None: the group."""

    group: str
    layer: nn.Module | None
    value: Tensor
    baseline: Tensor


def entries(question: Question, kinds: Sequence[str]) -> list[Entry]:
    """Return the entries of all groups of some kinds; of an ensemble each member has its own."""
    found = []
    for group, spec in question.inputs.items():
        if spec.kind not in kinds:
            continue
        if spec.kind in TAKEN_AS_FLOATS:
            value = question.row[group].float()
            found.append(Entry(group, None, value, even(value, spec.kind, spec.statistics)))
        else:
            found += _layers(question, group)
    return found


def score(question: Question, found: Sequence[Entry], floats: Sequence[Tensor]) -> Tensor:
    """Return the scores [N] where floats [N, ...] enter in place of the row's; gradients reach them."""
    groups = {entry.group: value for entry, value in zip(found, floats, strict=True) if entry.layer is None}
    layers = [(entry.layer, value) for entry, value in zip(found, floats, strict=True) if entry.layer is not None]
    with ExitStack() as stack:
        for layer, value in layers:
            stack.enter_context(_giving(layer, value))
        # cuDNN's recurrent layers have no gradients in evaluation mode.
        stack.enter_context(torch.backends.cudnn.flags(enabled=False))
        return question.score(question.network(widened(question, len(floats[0]), groups)))


def even(value: Tensor, kind: str, statistics: Mapping[str, Any]) -> Tensor:
    """Return the mean of the training split in place of each value; gaps stay gaps."""
    mean = torch.nan_to_num(torch.tensor(statistics["mean"], dtype=torch.float32, device=value.device))
    mean = mean.reshape(1, -1, 1, 1) if kind == "image" else mean
    return torch.where(torch.isnan(value), value, mean.expand_as(value))


@contextmanager
def _giving(layer: nn.Module, value: Tensor) -> Iterator[None]:
    """Let a layer give these floats, the first of what it returns."""

    def exchange(_: nn.Module, given: tuple[Any, ...], out: Any) -> Any:
        return value if isinstance(out, Tensor) else (value, *out[1:])

    handle = layer.register_forward_hook(exchange)
    try:
        yield
    finally:
        handle.remove()


def _layers(question: Question, group: str) -> list[Entry]:
    row = question.row[group]
    blank = {group: torch.zeros_like(row)}
    seen, without = _watched(question, {}), _watched(question, blank)
    follow = [
        layer
        for layer, calls in seen.items()
        if any(
            first.shape != second.shape or not torch.equal(first, second)
            for (first, _), (second, _) in zip(calls, without.get(layer, calls), strict=False)
        )
    ]
    innermost = [layer for layer in follow if not any(other in follow for other in list(layer.modules())[1:])]
    found = []
    for layer in innermost:
        if len(seen[layer]) == 1:
            value = seen[layer][0][1]
            # An id of 0 stands for a missing category, and its vector was learned; of tokens it is only the fill.
            is_category = question.inputs[group].kind == "category"
            baseline = without[layer][0][1] if is_category else torch.zeros_like(value)
            found.append(Entry(group, layer, value, baseline))
    return found


def _watched(question: Question, changed: dict[str, Tensor]) -> dict[nn.Module, list[tuple[Tensor, Tensor]]]:
    """Return the layers that read whole numbers and give floats, with what they read and gave in each call."""
    calls: dict[nn.Module, list[tuple[Tensor, Tensor]]] = {}

    def watch(layer: nn.Module, given: tuple[Any, ...], out: Any) -> None:
        read = given[0] if given and isinstance(given[0], Tensor) else None
        gave = out[0] if isinstance(out, tuple) else out
        if read is not None and not read.is_floating_point() and isinstance(gave, Tensor) and gave.is_floating_point():
            calls.setdefault(layer, []).append((read.clone(), gave.clone()))

    handles = [layer.register_forward_hook(watch) for layer in question.network.modules()]
    try:
        with torch.no_grad():
            question.network(widened(question, 1, changed))
    finally:
        for handle in handles:
            handle.remove()
    return calls

"""Adversarial training of the vectors of words (Miyato et al. 2017, arXiv:1605.07725).

A step first learns from the batch as it is, then from the same batch with each row's vectors pushed in the direction
that makes its loss larger. Shape legend: B rows, T steps, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from dlw.errors import UsageError
from dlw.models._base import ReadsWords


class Adversary:
    """Knows the layers that give words their vectors, and pushes what they give."""

    def __init__(self, network: nn.Module, size: float) -> None:
        """`size`: length of the push as a share of the length of the row's vectors."""
        self._size = size
        self._layers = [module.words() for module in network.modules() if isinstance(module, ReadsWords)]
        if not self._layers:
            raise UsageError(
                "train.adversarial pushes vectors of words, and this model lets none be pushed: leave it out"
            )
        self._noted: list[Tensor] = []

    def ways(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        """Return what surrounds a step's two forward passes; each is followed by its backward pass."""
        return self.watching(), self.pushing()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Note the vectors of a forward pass; the next pass is pushed by the gradients that a backward pass leaves."""

        def note(_layer: nn.Module, _read: Any, given: Tensor) -> None:
            if given.requires_grad:
                given.retain_grad()
            else:  # of a layer that does not learn
                given.requires_grad_()
            self._noted.append(given)

        self._noted.clear()
        with self._hooked(note):
            yield

    @contextmanager
    def pushing(self) -> Iterator[None]:
        """Push the vectors of a forward pass, which asks the layers in the same order."""
        pushes = [_push(noted, self._size) for noted in reversed(self._noted)]
        self._noted.clear()
        with self._hooked(lambda _layer, _read, given: given + pushes.pop()):
            yield

    @contextmanager
    def _hooked(self, hook: Callable[[nn.Module, Any, Tensor], Tensor | None]) -> Iterator[None]:
        handles = [layer.register_forward_hook(hook) for layer in self._layers]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


@torch.no_grad()
def _push(given_BTD: Tensor, size: float) -> Tensor:
    """Return the push [B, T, D] of each row; steps that the loss does not reach neither move nor count."""
    gradient_BTD = torch.zeros_like(given_BTD) if given_BTD.grad is None else given_BTD.grad
    is_reached_BT1 = (gradient_BTD != 0).any(dim=-1, keepdim=True)
    axes = tuple(range(1, given_BTD.ndim))
    length_B = torch.linalg.vector_norm(given_BTD * is_reached_BT1, dim=axes, keepdim=True)
    steepness_B = torch.linalg.vector_norm(gradient_BTD, dim=axes, keepdim=True)
    return gradient_BTD / steepness_B.clamp(min=torch.finfo(steepness_B.dtype).tiny) * (size * length_B)

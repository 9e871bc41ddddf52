"""Numbers of a task that its loss needs beside every batch, kept on each device that asked for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def like(constant: Constant | None, tensor: Tensor) -> Tensor | None:
    """Return the numbers on the device of the tensor, None where there are none."""
    return None if constant is None else constant.like(tensor)


class Constant:
    """Numbers that are copied to a device once, not at every step."""

    def __init__(self, values: Any) -> None:
        self.values = values
        self._on_device: dict[Any, Tensor] = {}

    def like(self, tensor: Tensor) -> Tensor:
        """Return the numbers on the device of the tensor."""
        import torch

        if tensor.device not in self._on_device:
            with torch.inference_mode(False):  # made in validation, used in training
                self._on_device[tensor.device] = torch.tensor(self.values, device=tensor.device)
        return self._on_device[tensor.device]

"""Batch norm over the batch of a whole team: torch's SyncBatchNorm needs a GPU, this one exchanges tensors of any kind.

Shape legend: B rows, C channels, ... places.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.modules.batchnorm import _BatchNorm


def share_norms(network: nn.Module, group: Any) -> None:
    """Let every batch norm of a network use the mean and variance of all processes' rows in training."""
    for module in network.modules():
        if isinstance(module, _BatchNorm) and module.track_running_stats:
            module.forward = _sharing(module, module.forward, group)  # type: ignore[method-assign, assignment]


def _sharing(norm: _BatchNorm, alone: Callable[[Tensor], Tensor], group: Any) -> Callable[[Tensor], Tensor]:
    def forward(x: Tensor) -> Tensor:
        return _normalised(norm, x, group) if norm.training else alone(x)

    return forward


def _normalised(norm: _BatchNorm, x: Tensor, group: Any) -> Tensor:
    """Return (x - mean) / deviation * weight + bias over the rows and places of all processes, [B, C, ...].

    The processes' moments are joined in double precision, where the difference of the mean square and the squared mean
    loses nothing that matters.
    """
    axes = [axis for axis in range(x.ndim) if axis != 1]
    variance_C, mean_C = torch.var_mean(x.float(), axes, correction=0)
    count = x.numel() // x.shape[1]
    mean_C, square_C = mean_C.double(), variance_C.double() + mean_C.double().square()
    moments = torch.cat([mean_C * count, square_C * count, mean_C.new_full((1,), count)])
    total = _Total.apply(moments, group)
    mean_C, square_C = (part / total[-1] for part in total[:-1].chunk(2))
    variance_C = square_C - mean_C.square()
    _remember(norm, mean_C.detach(), variance_C.detach(), float(total[-1].detach()))
    scale_C = torch.rsqrt(variance_C + norm.eps)
    if norm.weight is not None:
        scale_C = scale_C * norm.weight
    shift_C = -mean_C * scale_C
    if norm.bias is not None:
        shift_C = shift_C + norm.bias
    shape = [1, -1] + [1] * (x.ndim - 2)
    return torch.addcmul(shift_C.to(x.dtype).view(shape), x, scale_C.to(x.dtype).view(shape))


@torch.no_grad()
def _remember(norm: _BatchNorm, mean_C: Tensor, variance_C: Tensor, count: float) -> None:
    """Move the running mean and (unbiased) variance towards the batch's, as torch's batch norm does."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    assert norm.momentum is not None, "a cumulative average is not shared"
    norm.num_batches_tracked += 1
    norm.running_mean.lerp_(mean_C.to(norm.running_mean.dtype), norm.momentum)
    unbiased_C = variance_C * (count / max(1.0, count - 1))
    norm.running_var.lerp_(unbiased_C.to(norm.running_var.dtype), norm.momentum)


class _Total(torch.autograd.Function):
    """Sum over the team. Every process's loss depends on every summand, so gradients are summed likewise."""

    @staticmethod
    def forward(context: Any, summand: Tensor, group: Any) -> Tensor:
        context.group = group
        total = summand.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        total = gradient.clone()
        dist.all_reduce(total, group=context.group)
        return total, None

"""Attention of steps to steps, and rotary positions.

Shape legend: B rows, A heads, T steps (of the queries), S steps (of the keys), E width of a head.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

ROPE_BASE = 10_000.0
"""Su et al. 2021, RoFormer, arXiv:2104.09864, section 3.2.2."""
NEVER = -1e9
"""Added to the score of a key that must not be read; not infinite, so that a row without keys stays finite."""


def attend(
    query_BATE: Tensor, key_BASE: Tensor, value_BASE: Tensor, mask: Tensor | None = None, *, is_causal: bool = False
) -> Tensor:
    """Return [B, A, T, E], in the precision of the values; under bf16 autocast on a CPU in float32.

    There the bf16 backward of attention is far slower than float32 (53 of 98 ms of a small GPT's training step).
    `mask`, added to the scores or bool (True: read), can be spread to [B, A, T, S]; `is_causal` stands for the mask
    that lets each step read up to itself.
    """
    if value_BASE.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        with torch.autocast("cpu", enabled=False):
            return F.scaled_dot_product_attention(
                query_BATE.float(), key_BASE.float(), value_BASE.float(), mask, is_causal=is_causal
            )
    dtype = value_BASE.dtype
    mask = mask if mask is None or mask.dtype == torch.bool else mask.to(dtype)
    return F.scaled_dot_product_attention(
        query_BATE.to(dtype), key_BASE.to(dtype), value_BASE, mask, is_causal=is_causal
    )


def reading_only(is_step_BS: Tensor) -> Tensor:
    """Return the mask [B, 1, 1, S] that lets every query read the steps that there are."""
    return torch.where(is_step_BS, 0.0, NEVER)[:, None, None, :]


def angles(num_steps: int, head_width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return cosines and sines [T, E] of the positions 0 to T - 1."""
    frequency = ROPE_BASE ** -(torch.arange(0, head_width, 2, device=device) / head_width)
    angle_TE = (torch.arange(num_steps, device=device)[:, None] * frequency).repeat(1, 2)
    return angle_TE.cos(), angle_TE.sin()


def turn(x_BATE: Tensor, cosine_TE: Tensor, sine_TE: Tensor) -> Tensor:
    """Turn the two halves of each head against each other by the angles of their steps."""
    left, right = x_BATE.chunk(2, dim=-1)
    return x_BATE * cosine_TE + torch.cat([-right, left], dim=-1) * sine_TE

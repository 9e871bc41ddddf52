"""Counter-based random numbers for augmentation: a function of (seed, epoch, row, call), never of a generator's state.

SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators") on int64 tensors.
"""

from __future__ import annotations

import torch
from torch import Tensor

_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15 as a signed number
_MIX_1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX_2 = -7723592293110705685  # 0x94D049BB133111EB


def mix(counter: Tensor) -> Tensor:
    """Return the SplitMix64 output of each int64 counter."""
    x = counter * _GOLDEN
    x = (x ^ ((x >> 30) & 0x3FFFFFFFF)) * _MIX_1
    x = (x ^ ((x >> 27) & 0x1FFFFFFFFF)) * _MIX_2
    return x ^ ((x >> 31) & 0x1FFFFFFFF)


def _to_unit(bits: Tensor) -> Tensor:
    return ((bits >> 40) & 0xFFFFFF).to(torch.float32) * 2.0**-24


class RowDraws:
    """Draws for the rows of one batch; `rows_B` are their numbers in the split, `place` the augmentation's position."""

    def __init__(self, seed: int, epoch: int, rows_B: Tensor, place: int) -> None:
        salt = torch.tensor([(seed << 20) + epoch, place + 1], dtype=torch.int64, device=rows_B.device)
        stream = mix(mix(salt[0]) + salt[1])
        self._rows_B = mix(rows_B + stream)
        self._batch = mix(self._rows_B[:1] + 1)
        self._calls = 0

    def uniform(self, count: int) -> Tensor:
        """Return float32 [B, count] in [0, 1); each call gives fresh numbers."""
        return _to_unit(mix(self._rows_B[:, None] + self._next(count)))

    def shared(self, count: int) -> Tensor:
        """Return float32 [count] in [0, 1), one draw for the whole batch."""
        return _to_unit(mix(self._batch + self._next(count)))

    def _next(self, count: int) -> Tensor:
        start = self._calls
        self._calls += count
        return torch.arange(start, start + count, dtype=torch.int64, device=self._rows_B.device)

"""The layers of transformers that write tokens one after another and remember keys and values in a cache.

Keys are kept before they are turned: positions count from the first key that is still there, so that a cache may drop
its oldest steps. Shape legend: B rows, T steps, S steps that can be looked at, D width, H hidden, A heads,
E width of a head.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dlw.models._attention import attend, turn
from dlw.models._dropout import Dropout

if TYPE_CHECKING:
    from dlw.models import encoder_decoder, gpt

Seen = tuple[Tensor, Tensor]
"""Keys, not turned yet, and values, each [B, A, S, E]."""


class Layer(nn.Module):
    """x + attention(norm(x)), where asked for x + across(norm(x), what was read), x + mlp(norm(x)).

    All branches start as zero.
    """

    def __init__(self, settings: gpt.Settings | encoder_decoder.Settings, *, has_across: bool = False) -> None:
        super().__init__()
        width = settings.width
        self.attention_norm = nn.LayerNorm(width, bias=False)
        self.attention = Attention(width, settings.heads)
        if has_across:
            self.across_norm = nn.LayerNorm(width, bias=False)
            self.across = Attention(width, settings.heads)
        self.mlp_norm = nn.LayerNorm(width, bias=False)
        self.mlp = FeedForward(width, settings.mlp_ratio, settings.activation)
        self.dropout = Dropout(settings.dropout)

    def forward(
        self,
        x_BTD: Tensor,
        turn_SE: tuple[Tensor, Tensor],
        mask: Tensor | None = None,
        *,
        past: Seen | None = None,
        read: tuple[Seen, Tensor] | None = None,
        is_causal: bool = False,
    ) -> tuple[Tensor, Seen]:
        """Return the steps' new vectors, and keys and values of all that can be looked at.

        `read` is what the attention across looks at, and bool where there is anything, spread to [B, A, T, S].
        """
        y_BTD = self.attention_norm(x_BTD)
        seen = self.attention.seen(y_BTD)
        if past is not None:
            seen = torch.cat([past[0], seen[0]], dim=2), torch.cat([past[1], seen[1]], dim=2)
        x_BTD = x_BTD + self.dropout(self.attention(y_BTD, *seen, turn_SE, mask, is_causal=is_causal))
        if read is not None:
            (memory, is_read) = read
            x_BTD = x_BTD + self.dropout(self.across(self.across_norm(x_BTD), *memory, None, is_read))
        return x_BTD + self.dropout(self.mlp(self.mlp_norm(x_BTD))), seen


class Attention(nn.Module):
    """Multi-head attention with normalised queries and keys (Dehghani et al. 2023, arXiv:2302.05442).

    `read` gives queries, `look` keys and values: of the same steps or of another sequence.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.read = nn.Linear(width, width, bias=False)
        self.look = nn.Linear(width, 2 * width, bias=False)
        self.query_norm = nn.LayerNorm(width // heads, bias=False)
        self.key_norm = nn.LayerNorm(width // heads, bias=False)
        self.mix = nn.Linear(width, width, bias=False)
        for matrix in (self.read, self.look):
            nn.init.normal_(matrix.weight, std=width**-0.5)
        nn.init.zeros_(self.mix.weight)

    def seen(self, x_BSD: Tensor) -> Seen:
        """Return keys, not turned yet, and values of some steps, each [B, A, S, E]."""
        key_BASE, value_BASE = self.look(x_BSD).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.key_norm(key_BASE), value_BASE

    def forward(
        self,
        x_BTD: Tensor,
        key_BASE: Tensor,
        value_BASE: Tensor,
        turn_SE: tuple[Tensor, Tensor] | None,
        mask: Tensor | None = None,
        *,
        is_causal: bool = False,
    ) -> Tensor:
        """Return [B, T, D]. The T queries stand at the last T of the S turned positions; `mask` is True where a query
        may look."""
        query_BATE = self.query_norm(self.read(x_BTD).unflatten(-1, (self.heads, -1)).transpose(1, 2))
        if turn_SE is not None:
            cosine_SE, sine_SE = turn_SE
            start = key_BASE.shape[2] - query_BATE.shape[2]
            query_BATE = turn(query_BATE, cosine_SE[start:], sine_SE[start:])
            key_BASE = turn(key_BASE, cosine_SE, sine_SE)
        y_BATE = attend(query_BATE, key_BASE, value_BASE, mask, is_causal=is_causal)
        y_BTD: Tensor = self.mix(y_BATE.transpose(1, 2).flatten(2))
        return y_BTD


class FeedForward(nn.Module):
    """Each step for itself: SwiGLU (Shazeer 2020, arXiv:2002.05202) or squared ReLU (So et al. 2021,
    arXiv:2109.08668); SwiGLU has two thirds of the hidden units, so that both have the same number of weights."""

    def __init__(self, width: int, ratio: float, activation: str) -> None:
        super().__init__()
        self.is_gated = activation == "swiglu"
        hidden = max(1, round(width * ratio * (2 / 3 if self.is_gated else 1)))
        self.rise = nn.Linear(width, 2 * hidden if self.is_gated else hidden, bias=False)
        self.fall = nn.Linear(hidden, width, bias=False)
        nn.init.normal_(self.rise.weight, std=width**-0.5)
        nn.init.zeros_(self.fall.weight)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Return [B, T, D]."""
        x_BTH = self.rise(x_BTD)
        if self.is_gated:
            gate_BTH, x_BTH = x_BTH.chunk(2, dim=-1)
            x_BTH = F.silu(gate_BTH) * x_BTH
        else:
            x_BTH = F.relu(x_BTH).square()
        y_BTD: Tensor = self.fall(x_BTH)
        return y_BTD


def within_window(steps: int, seen: int, window: int, device: torch.device) -> Tensor:
    """Return bool [T, S]: whether each of the last T of S steps may look at each: not ahead, `window` steps at most."""
    query_T = torch.arange(seen - steps, seen, device=device)[:, None]
    key_S = torch.arange(seen, device=device)
    return (key_S <= query_T) & (key_S > query_T - window)

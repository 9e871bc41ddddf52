"""The layers of `gpt`. Shape legend: B rows, T steps, S steps that can be looked at, D width, L layers, A heads,
E width of a head, V tokens."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dlw.models._attention import angles
from dlw.models._decoder import Attention, FeedForward, within_window
from dlw.models.gpt import Settings
from dlw.specs import FieldSpec, OutputSpec


class GPT(nn.Module):
    """Tokens to vectors, layers, logits by the same vectors."""

    def __init__(self, settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> None:
        super().__init__()
        (self.group,) = inputs
        self.window = output.steps
        self.heads, self.head_width = settings.heads, settings.width // settings.heads
        self.token_VD = nn.Parameter(torch.randn(output.size, settings.width) * 0.02)
        self.embedded_norm = nn.LayerNorm(settings.width, bias=False)
        self.dropout = nn.Dropout(settings.dropout)
        self.layers = nn.ModuleList(Layer(settings) for _ in range(settings.depth))
        self.norm = nn.LayerNorm(settings.width, bias=False)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the logits [B, T, V] of the token after each step."""
        x_BTD = self._embed(batch[self.group])
        steps = x_BTD.shape[1]
        turn_SE = angles(steps, self.head_width, x_BTD.device)
        is_short = steps <= self.window
        mask_TS = None if is_short else within_window(steps, steps, self.window, x_BTD.device)
        for layer in self.layers:
            x_BTD, _ = layer(x_BTD, None, turn_SE, mask_TS, is_causal=is_short)
        return self._logits(x_BTD)

    def begin(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return an empty cache for the rows of a batch."""
        rows = batch[self.group].shape[0]
        shape = (rows, len(self.layers), self.heads, 0, self.head_width)
        empty = torch.zeros(shape, dtype=self.token_VD.dtype, device=self.token_VD.device)
        return {"keys": empty, "values": empty}

    def step(self, token_BT: Tensor, state: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the logits [B, V] after the last of T more tokens, and the cache that knows them.

        The cache holds `keys` and `values` [B, L, A, S, E] of the tokens before.
        """
        x_BTD = self._embed(token_BT)
        seen = state["keys"].shape[3] + x_BTD.shape[1]
        turn_SE = angles(seen, self.head_width, x_BTD.device)
        mask_TS = within_window(x_BTD.shape[1], seen, self.window, x_BTD.device)
        found: list[tuple[Tensor, Tensor]] = []
        for place, layer in enumerate(self.layers):
            x_BTD, kept = layer(x_BTD, (state["keys"][:, place], state["values"][:, place]), turn_SE, mask_TS)
            found.append(kept)
        keys, values = (torch.stack(parts, dim=1) for parts in zip(*found, strict=True))
        return self._logits(x_BTD[:, -1]), {"keys": keys, "values": values}

    def _embed(self, token_BT: Tensor) -> Tensor:
        x_BTD: Tensor = self.dropout(self.embedded_norm(F.embedding(token_BT.long(), self.token_VD)))
        return x_BTD

    def _logits(self, x: Tensor) -> Tensor:
        return F.linear(self.norm(x), self.token_VD)


class Layer(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)); both branches start as zero."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(settings.width, bias=False)
        self.attention = Attention(settings.width, settings.heads)
        self.mlp_norm = nn.LayerNorm(settings.width, bias=False)
        self.mlp = FeedForward(settings.width, settings.mlp_ratio, settings.activation)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(
        self,
        x_BTD: Tensor,
        past: tuple[Tensor, Tensor] | None,
        turn_SE: tuple[Tensor, Tensor],
        mask_TS: Tensor | None = None,
        *,
        is_causal: bool = False,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return the steps' new vectors, and keys and values [B, A, S, E] of all that can be looked at."""
        y_BTD = self.attention_norm(x_BTD)
        seen = self.attention.seen(y_BTD)
        if past is not None:
            seen = torch.cat([past[0], seen[0]], dim=2), torch.cat([past[1], seen[1]], dim=2)
        x_BTD = x_BTD + self.dropout(self.attention(y_BTD, *seen, turn_SE, mask_TS, is_causal=is_causal))
        return x_BTD + self.dropout(self.mlp(self.mlp_norm(x_BTD))), seen

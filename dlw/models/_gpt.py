"""The layers of `gpt`. Shape legend: B rows, T steps, S steps that can be looked at, D width, L layers, A heads,
E width of a head, V tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dlw.models._attention import angles
from dlw.models._decoder import Layer, Seen, within_window
from dlw.models._dropout import Dropout
from dlw.models.gpt import Settings
from dlw.specs import FieldSpec, OutputSpec


class GPT(nn.Module):
    """Tokens to vectors, layers, logits by the same vectors."""

    def __init__(self, settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> None:
        super().__init__()
        (self.group,) = inputs
        self.window, self.end = output.steps, output.end
        self.heads, self.head_width = settings.heads, settings.width // settings.heads
        self.token_VD = nn.Parameter(torch.randn(output.size, settings.width) * 0.02)
        self.embedded_norm = nn.LayerNorm(settings.width, bias=False)
        self.dropout = Dropout(settings.dropout)
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
            x_BTD, _ = layer(x_BTD, turn_SE, mask_TS, is_causal=is_short)
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
        found: list[Seen] = []
        for place, layer in enumerate(self.layers):
            past = state["keys"][:, place], state["values"][:, place]
            x_BTD, kept = layer(x_BTD, turn_SE, mask_TS, past=past)
            found.append(kept)
        keys, values = (torch.stack(parts, dim=1) for parts in zip(*found, strict=True))
        return self._logits(x_BTD[:, -1]), {"keys": keys, "values": values}

    def as_transformers(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """See InTransformers."""
        from dlw.models import _stablelm

        return _stablelm.config_of(self), _stablelm.weights_of(self)

    def _embed(self, token_BT: Tensor) -> Tensor:
        x_BTD: Tensor = self.dropout(self.embedded_norm(F.embedding(token_BT.long(), self.token_VD)))
        return x_BTD

    def _logits(self, x: Tensor) -> Tensor:
        return F.linear(self.norm(x), self.token_VD)

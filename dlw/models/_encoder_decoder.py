"""The layers of `encoder_decoder`. Shape legend: B rows, S steps that are read, T steps that are written, D width,
L layers, A heads, E width of a head, V tokens."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dlw.models._attention import angles
from dlw.models._copying import Copier
from dlw.models._decoder import Layer, Seen, within_window
from dlw.models._dropout import Dropout
from dlw.models.encoder_decoder import Settings
from dlw.specs import TARGET, FieldSpec, OutputSpec


class EncoderDecoder(nn.Module):
    """Read a text into vectors, once; write another that looks at them and at what is written so far."""

    def __init__(self, settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> None:
        super().__init__()
        ((self.group, spec),) = inputs.items()
        width = settings.width
        self.window, self.end = output.steps, output.end
        self.heads, self.head_width = settings.heads, width // settings.heads
        copies = output.copied == self.group
        self.read_token_VD = None if copies else nn.Parameter(torch.randn(spec.sizes[0], width) * 0.02)
        self.token_VD = nn.Parameter(torch.randn(output.size, width) * 0.02)
        self.read_norm, self.embedded_norm = nn.LayerNorm(width, bias=False), nn.LayerNorm(width, bias=False)
        self.dropout = Dropout(settings.dropout)
        self.encoder = nn.ModuleList(Layer(settings) for _ in range(settings.depth))
        self.memory_norm = nn.LayerNorm(width, bias=False)
        self.decoder = nn.ModuleList(Layer(settings, has_across=True) for _ in range(settings.depth))
        self.norm = nn.LayerNorm(width, bias=False)
        self.copier = Copier(width) if copies else None

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the logits [B, T + 1, V] of each step of the target and of its end."""
        token_BS = batch[self.group]
        memory_BSD, is_read = self._encode(token_BS)
        x_BTD = self._embed(F.pad(batch[TARGET], (1, 0), value=self.end))
        turn_TE = angles(x_BTD.shape[1], self.head_width, x_BTD.device)
        for layer in self.decoder:
            assert isinstance(layer, Layer)
            x_BTD, _ = layer(x_BTD, turn_TE, read=(layer.across.seen(memory_BSD), is_read), is_causal=True)
        copied = None
        if self.copier is not None:
            copied = self.copier.keys(memory_BSD, self._vectors(token_BS)), is_read[:, 0, 0], token_BS
        return self._logits(x_BTD, copied)

    def begin(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what was read, as keys and values for each layer [B, L, A, S, E], and an empty cache.

        For copying also its tokens [B, S] and a key for each [B, S, D].
        """
        token_BS = batch[self.group]
        memory_BSD, is_read = self._encode(token_BS)
        seen = [layer.across.seen(memory_BSD) for layer in self.decoder if isinstance(layer, Layer)]
        shape = (token_BS.shape[0], len(self.decoder), self.heads, 0, self.head_width)
        empty = torch.zeros(shape, dtype=self.token_VD.dtype, device=self.token_VD.device)
        memory_keys, memory_values = (torch.stack(parts, dim=1) for parts in zip(*seen, strict=True))
        state = {
            "keys": empty,
            "values": empty.clone(),
            "memory_keys": memory_keys,
            "memory_values": memory_values,
            "is_read": is_read[:, 0, 0],
        }
        if self.copier is not None:
            keys_BSD = self.copier.keys(memory_BSD, self._vectors(token_BS))
            state |= {"copy_keys": keys_BSD, "tokens_read": token_BS}
        return state

    def step(self, token_BT: Tensor, state: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the logits [B, V] after the last of T more tokens, and the state that knows them."""
        x_BTD = self._embed(token_BT)
        seen = state["keys"].shape[3] + x_BTD.shape[1]
        turn_SE = angles(seen, self.head_width, x_BTD.device)
        mask_TS = within_window(x_BTD.shape[1], seen, self.window, x_BTD.device)
        is_read = state["is_read"][:, None, None]
        found: list[Seen] = []
        for place, layer in enumerate(self.decoder):
            past = state["keys"][:, place], state["values"][:, place]
            memory = state["memory_keys"][:, place], state["memory_values"][:, place]
            x_BTD, kept = layer(x_BTD, turn_SE, mask_TS, past=past, read=(memory, is_read))
            found.append(kept)
        keys, values = (torch.stack(parts, dim=1) for parts in zip(*found, strict=True))
        copied = None if self.copier is None else (state["copy_keys"], state["is_read"], state["tokens_read"])
        return self._logits(x_BTD[:, -1:], copied)[:, 0], {**state, "keys": keys, "values": values}

    def _encode(self, token_BS: Tensor) -> tuple[Tensor, Tensor]:
        """Return vectors [B, S, D] and which of the steps there are, bool [B, 1, 1, S]; a row has one at least."""
        is_first_S = torch.arange(token_BS.shape[1], device=token_BS.device) == 0
        is_read = ((token_BS != 0) | is_first_S)[:, None, None]
        table_VD = self.token_VD if self.read_token_VD is None else self.read_token_VD
        x_BSD = self.dropout(self.read_norm(F.embedding(token_BS.long(), table_VD)))
        turn_SE = angles(x_BSD.shape[1], self.head_width, x_BSD.device)
        for layer in self.encoder:
            x_BSD, _ = layer(x_BSD, turn_SE, is_read)
        return self.memory_norm(x_BSD), is_read

    def _embed(self, token_BT: Tensor) -> Tensor:
        x_BTD: Tensor = self.dropout(self._vectors(token_BT))
        return x_BTD

    def _vectors(self, token_BT: Tensor) -> Tensor:
        x_BTD: Tensor = self.embedded_norm(F.embedding(token_BT.long(), self.token_VD))
        return x_BTD

    def _logits(self, x_BTD: Tensor, copied: tuple[Tensor, Tensor, Tensor] | None) -> Tensor:
        """Return [B, T, V]; `copied` holds the keys, which steps there are and the tokens of what was read."""
        x_BTD = self.norm(x_BTD)
        logits_BTV = F.linear(x_BTD, self.token_VD)
        if self.copier is None or copied is None:
            return logits_BTV
        found_BTV: Tensor = self.copier(x_BTD, logits_BTV, *copied)
        return found_BTV

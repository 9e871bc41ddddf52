"""The layers of `transformer`. Shape legend: B rows, T steps, D width, A heads, E width of a head, K outputs."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dlw.models._attention import angles, attend, reading_only, turn
from dlw.models._dropout import Dropout
from dlw.models._output import start_at
from dlw.models._steps import Pool, entry, only_sequence
from dlw.models.transformer import Settings
from dlw.specs import FieldSpec, OutputSpec


class Transformer(nn.Module):
    """Steps to vectors, layers, norm, one vector, linear output."""

    def __init__(self, settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> None:
        super().__init__()
        self.group, spec = only_sequence(inputs, "transformer", ("tokens",))
        self.entry = entry(spec, settings.width, settings.dropout)
        self.first_D: nn.Parameter | None = None
        if settings.pool == "first":
            self.first_D = nn.Parameter(torch.randn(settings.width) * settings.width**-0.5)
        self.layers = nn.ModuleList(Layer(settings) for _ in range(settings.depth))
        self.norm = nn.LayerNorm(settings.width)
        self.head_width = settings.width // settings.heads
        self.pool = Pool(settings.pool, settings.width)
        self.output = nn.Linear(settings.width, output.size)
        nn.init.normal_(self.output.weight, std=0.02)
        start_at(self.output.bias, output, otherwise=0.0)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return [B, K]."""
        x_BTD, is_step_BT = self.entry(batch[self.group])
        if self.first_D is not None:
            x_BTD = torch.cat([self.first_D.expand(len(x_BTD), 1, -1), x_BTD], dim=1)
            is_step_BT = torch.nn.functional.pad(is_step_BT, (1, 0), value=True)
        cosine_TE, sine_TE = angles(x_BTD.shape[1], self.head_width, x_BTD.device)
        mask = reading_only(is_step_BT)
        for layer in self.layers:
            x_BTD = layer(x_BTD, mask, cosine_TE, sine_TE)
        x_BTD = self.norm(x_BTD)
        pooled_BD = x_BTD[:, 0] if self.first_D is not None else self.pool(x_BTD, is_step_BT)
        answer_BK: Tensor = self.output(pooled_BD)
        return answer_BK


class Layer(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)); both branches start as zero."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        width, hidden = settings.width, max(1, round(settings.width * settings.mlp_ratio))
        self.heads = settings.heads
        self.attention_norm = nn.LayerNorm(width)
        self.read = nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.dropout = Dropout(settings.dropout)
        for parameter in (*self.mlp[2].parameters(), *self.mix.parameters()):
            nn.init.zeros_(parameter)

    def forward(self, x_BTD: Tensor, mask: Tensor, cosine_TE: Tensor, sine_TE: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        read = self.read(self.attention_norm(x_BTD)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query_BATE, key_BATE = (turn(part.float(), cosine_TE, sine_TE) for part in (read[0], read[1]))
        y_BTD = self.mix(attend(query_BATE, key_BATE, read[2], mask).transpose(1, 2).flatten(2))
        x_BTD = x_BTD + self.dropout(y_BTD)
        z_BTD: Tensor = x_BTD + self.dropout(self.mlp(self.mlp_norm(x_BTD)))
        return z_BTD

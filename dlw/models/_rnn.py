"""The layers of `rnn`. Shape legend: B rows, T steps, D width in, H units, K outputs."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dlw.models._dropout import Dropout
from dlw.models._output import start_at
from dlw.models._recurrent import Recurrent
from dlw.models._steps import Pool, entry, only_sequence
from dlw.models.rnn import INPUTS, Settings
from dlw.specs import FieldSpec, OutputSpec


class Rnn(nn.Module):
    """Steps to vectors, recurrent layers, one vector, linear output."""

    def __init__(self, settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> None:
        super().__init__()
        self.group, spec = only_sequence(inputs, "rnn", INPUTS)
        self.entry = entry(spec, settings.embedding, settings.dropout)
        size = settings.embedding
        self.layers = nn.ModuleList()
        for _ in range(settings.depth):
            self.layers.append(BothWays(settings, size) if settings.bidirectional else OneWay(settings, size))
            size = settings.width * (2 if settings.bidirectional else 1)
        self.dropout = Dropout(settings.dropout)
        self.pool = Pool(settings.pool, size)
        self.output = nn.Linear(size, output.size)
        nn.init.xavier_uniform_(self.output.weight)
        start_at(self.output.bias, output, otherwise=0.0)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return [B, K]."""
        x_BTD, is_step_BT = self.entry(batch[self.group])
        for place, layer in enumerate(self.layers):
            x_BTD = layer(self.dropout(x_BTD) if place else x_BTD, is_step_BT)
        answer_BK: Tensor = self.output(self.dropout(self.pool(x_BTD, is_step_BT)))
        return answer_BK


class OneWay(nn.Module):
    """A recurrent layer that reads forwards."""

    def __init__(self, settings: Settings, size: int) -> None:
        super().__init__()
        self.forwards = Recurrent(settings.cell, size, settings.width)

    def forward(self, x_BTD: Tensor, is_step_BT: Tensor) -> Tensor:
        """Return [B, T, H]."""
        out_BTH: Tensor = self.forwards(x_BTD)
        return out_BTH


class BothWays(nn.Module):
    """Two recurrent layers side by side; the second reads each row from its own end."""

    def __init__(self, settings: Settings, size: int) -> None:
        super().__init__()
        self.forwards = Recurrent(settings.cell, size, settings.width)
        self.backwards = Recurrent(settings.cell, size, settings.width)

    def forward(self, x_BTD: Tensor, is_step_BT: Tensor) -> Tensor:
        """Return [B, T, 2H]."""
        place_BT = _turned_round(is_step_BT)
        behind_BTH = _at(self.backwards(_at(x_BTD, place_BT)), place_BT)
        return torch.cat([self.forwards(x_BTD), behind_BTH], dim=-1)


def _turned_round(is_step_BT: Tensor) -> Tensor:
    """Return the step to read at each step so that rows are read from their ends; the fill stays behind."""
    length_B1 = is_step_BT.sum(dim=1, keepdim=True)
    place_T = torch.arange(is_step_BT.shape[1], device=is_step_BT.device)
    return torch.where(place_T < length_B1, length_B1 - 1 - place_T, place_T)


def _at(x_BTD: Tensor, place_BT: Tensor) -> Tensor:
    return x_BTD.gather(1, place_BT.unsqueeze(-1).expand(-1, -1, x_BTD.shape[-1]))

"""The layers of `message_passing`.

Shape legend: B molecules, T atoms (0 after a molecule's end), P atom properties, N neighbours, D width, K outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from dlw.errors import UsageError
from dlw.models._columns import CategoryVectors
from dlw.models._dropout import Dropout
from dlw.models._output import start_at
from dlw.specs import FieldSpec, OutputSpec

if TYPE_CHECKING:
    from dlw.models.message_passing import Settings

TYPICAL_ATOMS = 20.0
"""Sums over atoms are divided by it, so that they start at the size of means."""


class MessagePassing(nn.Module):
    """Atoms and bonds to vectors, layers of messages, readout, output."""

    def __init__(self, settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> None:
        super().__init__()
        if len(inputs) != 1:
            raise UsageError(f"model message_passing takes one molecule input, the recipe gives {len(inputs)}")
        ((self.group, spec),) = inputs.items()
        *properties, bonds = spec.sizes
        self.num_properties = len(properties)
        width = settings.width
        self.atoms = CategoryVectors(FieldSpec("category", (len(properties),), "int64", sizes=tuple(properties)), width)
        self.layers = nn.ModuleList(Layer(settings, bonds) for _ in range(settings.depth))
        self.norm = nn.LayerNorm(width)
        self.hidden = nn.Sequential(nn.Linear(3 * width, width), nn.ReLU(), Dropout(settings.dropout))
        self.output = nn.Linear(width, output.size)
        start_at(self.output.bias, output)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return [B, K]."""
        graph_BTF = batch[self.group].long()
        property_BTP = graph_BTF[..., : self.num_properties]
        pairs_BTN2 = graph_BTF[..., self.num_properties :].unflatten(-1, (-1, 2))
        is_atom_BT1 = property_BTP[..., :1] > 0
        atom_BTD = self.atoms(property_BTP.flatten(0, 1)).sum(1).unflatten(0, property_BTP.shape[:2])
        atom_BTD = atom_BTD * is_atom_BT1
        for layer in self.layers:
            atom_BTD = layer(atom_BTD, pairs_BTN2[..., 0], pairs_BTN2[..., 1], is_atom_BT1)
        answer_BK: Tensor = self.output(self.hidden(_read_out(self.norm(atom_BTD), is_atom_BT1)))
        return answer_BK


class Layer(nn.Module):
    """x + mlp(norm(x) + sum over neighbours of relu(norm(neighbour) + bond))."""

    def __init__(self, settings: Settings, bonds: int) -> None:
        super().__init__()
        width = settings.width
        self.norm = nn.LayerNorm(width)
        self.bond_embedding = nn.Embedding(bonds, width)
        nn.init.normal_(self.bond_embedding.weight, std=0.5)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.ReLU(), Dropout(settings.dropout), nn.Linear(2 * width, width)
        )

    def forward(self, atom_BTD: Tensor, neighbour_BTN: Tensor, bond_BTN: Tensor, is_atom_BT1: Tensor) -> Tensor:
        """Return [B, T, D], zero after a molecule's end; neighbours are counted from 1, 0 is none."""
        normed_BTD = self.norm(atom_BTD)
        width = normed_BTD.shape[-1]
        place_BSD = (neighbour_BTN - 1).clamp(min=0).flatten(1).unsqueeze(-1).expand(-1, -1, width)
        said_BTND = normed_BTD.gather(1, place_BSD).unflatten(1, neighbour_BTN.shape[1:])
        message_BTND = torch.relu(said_BTND + self.bond_embedding(bond_BTN)) * (bond_BTN > 0).unsqueeze(-1)
        return (atom_BTD + self.mlp(normed_BTD + message_BTND.sum(2))) * is_atom_BT1


def _read_out(atom_BTD: Tensor, is_atom_BT1: Tensor) -> Tensor:
    """Return [B, 3 D]: scaled sum, mean and largest over the atoms of each molecule; of none, zeros."""
    sum_BD = (atom_BTD * is_atom_BT1).sum(1)
    count_B1 = is_atom_BT1.sum(1).clamp(min=1)
    lowest = torch.finfo(atom_BTD.dtype).min
    largest_BD = torch.where(is_atom_BT1, atom_BTD, lowest).amax(1)
    largest_BD = torch.where(is_atom_BT1.any(1), largest_BD, 0.0)
    return torch.cat([sum_BD / TYPICAL_ATOMS, sum_BD / count_B1, largest_BD], dim=1)

"""Directions of the training classes beside a network of vectors. Shape legend: B rows, D vector size, K classes."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dlw.specs import OutputSpec


class Proxies(nn.Module):
    """In training, the network's vectors with their cosine to each class behind; afterwards the vectors alone.

    Movshovitz-Attias et al. 2017, arXiv:1703.07464. The directions are trained and saved with the network, and left
    behind where it is used: `network` is the part that answers.
    """

    def __init__(self, network: nn.Module, output: OutputSpec) -> None:
        super().__init__()
        self.network = network
        self.class_embedding_KD = nn.Parameter(torch.randn(output.classes, output.size))

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return [B, D + K] in training, else [B, D]; an ensemble's members keep their axis in the middle."""
        vector_BD: Tensor = self.network(batch)
        if not self.training:
            return vector_BD
        with torch.autocast(vector_BD.device.type, enabled=False):
            vector_BD = vector_BD.float()
            unit_KD = F.normalize(self.class_embedding_KD, dim=-1)
            return torch.cat([vector_BD, F.linear(F.normalize(vector_BD, dim=-1), unit_KD)], dim=-1)

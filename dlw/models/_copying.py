"""Copying tokens of what was read. Shape legend: B rows, S steps that were read, T steps that are written, D width,
V tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn

LEAST = 1e-20
"""Added to probabilities before their logarithm; no token of any use is as rare."""


class Copier(nn.Module):
    """A share of each step's probability goes to the tokens that were read, by how much the step looks at each."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.share = nn.Linear(width, 1)
        for matrix in (self.query, self.key):
            nn.init.normal_(matrix.weight, std=width**-0.5)
        nn.init.zeros_(self.share.weight)
        nn.init.zeros_(self.share.bias)

    def forward(
        self, x_BTD: Tensor, logits_BTV: Tensor, key_BSD: Tensor, is_read_BS: Tensor, token_BS: Tensor
    ) -> Tensor:
        """Return log-probabilities, float32 [B, T, V], of what is written freely or copied."""
        score_BTS = (self.query(x_BTD) @ key_BSD.transpose(1, 2)).float() * key_BSD.shape[2] ** -0.5
        look_BTS = score_BTS.masked_fill(~is_read_BS[:, None], float("-inf")).softmax(dim=-1)
        share_BT1 = self.share(x_BTD).float()
        free_BTV = logits_BTV.float().softmax(dim=-1) * torch.sigmoid(-share_BT1)
        place_BTS = token_BS.long()[:, None].expand(look_BTS.shape)
        chance_BTV = free_BTV.scatter_add(-1, place_BTS, look_BTS * torch.sigmoid(share_BT1))
        return (chance_BTV + LEAST).log()

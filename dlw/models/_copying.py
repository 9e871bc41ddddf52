"""Copying tokens of what was read. Shape legend: B rows, S steps that were read, T steps that are written, D width,
V tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEAST = 1e-20
"""Added to probabilities before their logarithm; no token of any use is as rare."""


class Copier(nn.Module):
    """A share of each step's probability goes to the tokens that were read, by how much the step looks at each.

    What is looked for may be the token before: a passage is copied on from the token that was written last, as by the
    induction heads of Olsson et al. (2022, arXiv:2209.11895), without layers that would have to learn it first.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.after = nn.Linear(width, width, bias=False)
        self.share = nn.Linear(width, 1)
        for matrix in (self.query, self.key, self.after):
            nn.init.normal_(matrix.weight, std=width**-0.5)
        nn.init.zeros_(self.share.weight)
        nn.init.zeros_(self.share.bias)

    def keys(self, memory_BSD: Tensor, token_BSD: Tensor) -> Tensor:
        """Return what each step is looked up by [B, S, D]: what was read there, and the token before it."""
        before_BSD = F.pad(token_BSD, (0, 0, 1, -1))
        found_BSD: Tensor = self.key(memory_BSD) + self.after(before_BSD)
        return found_BSD

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

"""What the networks that score items share: items as vectors, the last steps of a history, what was taken before.

Shape legend: B rows, T steps of a history (0 after its end), L steps that are looked at, D width, K items.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dlw.errors import UsageError
from dlw.specs import LOWEST, FieldSpec, OutputSpec


class Items(nn.Module):
    """A vector and a bias for each item; the vectors serve histories and scores alike.

    Biases start as the logarithm of the items' shares, so that training begins at popularity.
    """

    def __init__(self, output: OutputSpec, width: int) -> None:
        super().__init__()
        self.is_new_only = output.is_new_only
        self.embedding = nn.Embedding(output.size + 1, width, padding_idx=0)
        nn.init.normal_(self.embedding.weight, std=0.02)
        with torch.no_grad():
            self.embedding.weight[0] = 0
        self.bias_K = nn.Parameter(torch.tensor(output.start) if output.start else torch.zeros(output.size))

    def score(self, wish: Tensor) -> Tensor:
        """Return [..., K] from vectors [..., D]."""
        return F.linear(wish, self.embedding.weight[1:], self.bias_K)

    def finish(self, score_BK: Tensor, item_BT: Tensor) -> Tensor:
        """Return scores that are LOWEST for the items of the history, where only new ones are asked for."""
        if not self.is_new_only:
            return score_BK
        taken_BK = torch.zeros(item_BT.shape[0], score_BK.shape[1] + 1, device=score_BK.device)
        taken_BK = taken_BK.scatter(1, item_BT.long(), 1.0)[:, 1:]
        return torch.where(taken_BK > 0, LOWEST, score_BK.float())


def only_items(inputs: Mapping[str, FieldSpec], output: OutputSpec, model: str) -> str:
    """Return the one input that holds items; UsageError where there is not one whose items are to be answered."""
    found = [name for name, spec in inputs.items() if spec.kind == "tokens"]
    if len(found) != 1:
        raise UsageError(f"model {model} takes exactly one input of items, the recipe gives {len(found)}")
    size = inputs[found[0]].sizes[0] - 1
    if size != output.size:
        raise UsageError(f"model {model}: {found[0]} knows {size} items, {output.size} are to be scored")
    return found[0]


def num_steps(item_BT: Tensor) -> Tensor:
    """Return int64 [B, 1]: the steps of each history."""
    step_T = torch.arange(1, item_BT.shape[1] + 1, device=item_BT.device)
    return ((item_BT > 0) * step_T).amax(dim=1, keepdim=True)


def last_steps(item_BT: Tensor, count: int) -> Tensor:
    """Return the last `count` items of each history [B, count], from the left; 0 after the end of shorter ones."""
    length_B1 = num_steps(item_BT)
    place_BL = (length_B1 - count).clamp(min=0) + torch.arange(count, device=item_BT.device)
    inside_BL = place_BL < length_B1
    return item_BT.gather(1, place_BL.clamp(max=item_BT.shape[1] - 1)) * inside_BL


def at_end(wish_BLD: Tensor, item_BL: Tensor) -> Tensor:
    """Return [B, D]: the vector of each history's last step; of an empty one, of the first."""
    last_B1 = (num_steps(item_BL) - 1).clamp(min=0)
    return wish_BLD.gather(1, last_B1.unsqueeze(-1).expand(-1, -1, wish_BLD.shape[-1])).squeeze(1)

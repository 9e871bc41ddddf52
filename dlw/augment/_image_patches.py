"""Patches of pictures and masks that hold pixels of drawn classes, anywhere: a middle would give the class away.

Shape legend: B rows, C channels, H rows of pixels, W columns of pixels, P pixels, K classes, S side of the patch.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from dlw.augment._base import Augment, Draws
from dlw.specs import TARGET, VOID, FieldSpec


def cut_patches(groups: Mapping[str, FieldSpec], size: int, focus: float, rare_rows: float) -> Augment:
    """Return an augmentation that cuts all pictures of a row, and its mask, at one place.

    Where less than the share `rare_rows` of a batch holds rare classes, its rows that do are repeated over others.
    """
    images = [name for name, spec in groups.items() if spec.kind == "image"]
    rarity_K = 1 / torch.tensor(groups[TARGET].statistics["counts"][0], dtype=torch.float64).clamp(min=1)
    common = commonest(groups[TARGET])

    def apply(batch: dict[str, Tensor], draws: Draws) -> dict[str, Tensor]:
        ids_BHW = batch[TARGET]
        height, width = ids_BHW.shape[-2:]
        row_B = torch.arange(len(ids_BHW), device=ids_BHW.device)
        if rare_rows:
            row_B = _with_rare(row_B, is_rare(ids_BHW, common).flatten(1).any(1), draws, rare_rows)
        pixel_B = _draw_pixel(ids_BHW[row_B].flatten(1), draws, rarity_K.to(ids_BHW.device), focus)
        before_B2 = (draws.uniform(2) * size).long()
        top_B = (pixel_B // width - before_B2[:, 0]).clamp(0, height - size)
        left_B = (pixel_B % width - before_B2[:, 1]).clamp(0, width - size)
        side_S = torch.arange(size, device=pixel_B.device)
        ys_BS1, xs_B1S = top_B[:, None, None] + side_S[:, None], left_B[:, None, None] + side_S
        row_B11 = row_B[:, None, None]
        cut = {name: batch[name].permute(0, 2, 3, 1)[row_B11, ys_BS1, xs_B1S].permute(0, 3, 1, 2) for name in images}
        return {**batch, **cut, TARGET: ids_BHW[row_B11, ys_BS1, xs_B1S]}

    return apply


def commonest(mask: FieldSpec) -> int:
    """Return the class that most pixels of training have."""
    return int(np.argmax(mask.statistics["counts"][0]))


def is_rare(ids_BHW: Tensor, common: int) -> Tensor:
    """Return bool [B, H, W], true where a pixel is known and of another class than the commonest."""
    return (ids_BHW != common) & (ids_BHW != VOID)


def _with_rare(row_B: Tensor, is_rare_B: Tensor, draws: Draws, share: float) -> Tensor:
    """Return row numbers in which rare rows, in turn, stand where some of the others were."""
    turn_B = draws.uniform(1)[:, 0].argsort()
    rare_R, other_O = turn_B[is_rare_B[turn_B]], turn_B[~is_rare_B[turn_B]]
    missing = max(0, round(share * len(row_B)) - len(rare_R)) if len(rare_R) else 0
    places_M = other_O[:missing]
    return row_B.index_copy(
        0, places_M, rare_R[torch.arange(missing, device=row_B.device) % len(rare_R)][: len(places_M)]
    )


def _draw_pixel(ids_BP: Tensor, draws: Draws, rarity_K: Tensor, focus: float) -> Tensor:
    """Return the number of a known pixel of each row; with chance `focus`, one of a class drawn by its rarity."""
    is_focused_B, at_B = draws.uniform(2).unbind(1)
    num_classes = len(rarity_K)
    class_BP = torch.where(ids_BP == VOID, num_classes, ids_BP.long())
    count_BK = torch.zeros(len(ids_BP), num_classes + 1, device=ids_BP.device, dtype=torch.float64)
    count_BK.scatter_add_(1, class_BP, torch.ones_like(class_BP, dtype=torch.float64))
    weight_BK = torch.where((is_focused_B < focus)[:, None], rarity_K / count_BK[:, :-1].clamp(min=1), 1.0)
    is_void_B1 = count_BK[:, :-1].sum(1, keepdim=True) == 0
    until_BP = torch.cat([weight_BK, is_void_B1.double()], dim=1).gather(1, class_BP).cumsum(1)
    pixel_B = torch.searchsorted(until_BP, (at_B * until_BP[:, -1])[:, None], right=True)[:, 0]
    return pixel_B.clamp(max=ids_BP.shape[1] - 1)

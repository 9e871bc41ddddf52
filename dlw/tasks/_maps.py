"""Losses over the pixels of a picture. Shape legend: B rows, K classes, H rows of pixels, W columns, P pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from dlw.specs import VOID


def pixel_loss(logits_BKHW: Tensor, target_BHW: Tensor, *, dice: float, weight_K: Tensor | None) -> Tensor:
    """Return the mean cross-entropy of the known pixels plus `dice` times the Dice loss, per row [B]."""
    log_p_BKP = logits_BKHW.float().flatten(2).log_softmax(1)
    is_known_BP = target_BHW.flatten(1) != VOID
    truth_BP = torch.where(is_known_BP, target_BHW.flatten(1), 0).long()
    known_BP = is_known_BP.float()
    log_p_BP = log_p_BKP.gather(1, truth_BP[:, None])[:, 0]
    weighted_BP = known_BP if weight_K is None else known_BP * weight_K[truth_BP]
    loss_B = -(log_p_BP * weighted_BP).sum(1) / known_BP.sum(1).clamp(min=1)
    if dice == 0:
        return loss_B
    return loss_B + dice * _dice_loss(log_p_BKP.exp(), log_p_BP.exp(), truth_BP, known_BP)


def _dice_loss(p_BKP: Tensor, p_BP: Tensor, truth_BP: Tensor, known_BP: Tensor) -> Tensor:
    """Return 1 - 2 |A B| / (|A| + |B|), averaged over the classes that occur in the row's truth; 0 where none does.

    The overlap is summed by class without one-hot maps, which would be as large as the probabilities.
    """
    zero_BK = p_BKP.new_zeros(p_BKP.shape[:2])
    overlap_BK = zero_BK.scatter_add(1, truth_BP, p_BP * known_BP)
    truth_BK = zero_BK.scatter_add(1, truth_BP, known_BP)
    answered_BK = torch.einsum("bkp,bp->bk", p_BKP, known_BP)
    is_there_BK = truth_BK > 0
    loss_BK = (1 - 2 * overlap_BK / (answered_BK + truth_BK).clamp(min=1)) * is_there_BK
    return loss_BK.sum(1) / is_there_BK.sum(1).clamp(min=1)

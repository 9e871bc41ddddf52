"""Losses per row, on tensors; kept apart so that the plug-ins import torch only when they compute.

Shape legend: B rows, K classes, L labels, T targets, Q quantile levels, H steps ahead, C channels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def cross_entropy(
    logits_BK: Tensor, target_B: Tensor, *, smoothing: float, gamma: float, weight_K: Tensor | None
) -> Tensor:
    """Return softmax cross-entropy [B]; `gamma` focuses on hard rows (Lin et al. 2017, arXiv:1708.02002, equation 4).

    With smoothing s the target is (1 - s) on the true class plus s / K on every class (Szegedy et al. 2016,
    arXiv:1512.00567, section 7).
    """
    if gamma == 0.0:
        loss_B = F.cross_entropy(logits_BK.float(), target_B, reduction="none", label_smoothing=smoothing)
    else:
        log_p_BK = F.log_softmax(logits_BK.float(), dim=1)
        log_p_B = log_p_BK.gather(1, target_B[:, None])[:, 0]
        loss_B = (smoothing - 1.0) * log_p_B - smoothing * log_p_BK.mean(1)
        loss_B = (1.0 - log_p_B.exp()).pow(gamma) * loss_B
    return loss_B if weight_K is None else loss_B * weight_K[target_B]


def binary_cross_entropy(
    logits_BL: Tensor,
    target_BL: Tensor,
    *,
    smoothing: float,
    gamma: float,
    weight_2L: Tensor | None,
    known_per_row: float,
) -> Tensor:
    """Return sigmoid cross-entropy [B] over the known labels of each row; gaps (-1) count nothing.

    The sum over known labels is divided by `known_per_row`, the average number of known labels in a training row, so
    that every known entry weighs the same whether its row has many gaps or few.
    """
    logits_BL = logits_BL.float()
    yes_BL = target_BL > 0
    goal_BL = yes_BL.float() * (1.0 - smoothing) + 0.5 * smoothing
    loss_BL = F.binary_cross_entropy_with_logits(logits_BL, goal_BL, reduction="none")
    if gamma != 0.0:
        miss_BL = torch.sigmoid(torch.where(yes_BL, -logits_BL, logits_BL))
        loss_BL = miss_BL.pow(gamma) * loss_BL
    if weight_2L is not None:
        loss_BL = loss_BL * torch.where(yes_BL, weight_2L[1], weight_2L[0])
    return (loss_BL * (target_BL >= 0)).sum(1) / known_per_row


def point_loss(out_BT: Tensor, goal_BT: Tensor, *, kind: str, huber_delta: float) -> Tensor:
    """Return the squared, absolute or Huber loss [B], averaged over the targets."""
    out_BT = out_BT.float()
    if kind == "mse":
        loss_BT = F.mse_loss(out_BT, goal_BT, reduction="none")
    elif kind == "mae":
        loss_BT = F.l1_loss(out_BT, goal_BT, reduction="none")
    else:
        loss_BT = F.huber_loss(out_BT, goal_BT, reduction="none", delta=huber_delta)
    return loss_BT.mean(1)


def pinball_loss(out_BTQ: Tensor, goal_BT: Tensor, level_Q: Tensor) -> Tensor:
    """Return max(q d, (q - 1) d) of the difference d, averaged over targets and levels (Koenker and Bassett 1978)."""
    difference_BTQ = goal_BT[:, :, None] - out_BTQ.float()
    return torch.maximum(level_Q * difference_BTQ, (level_Q - 1.0) * difference_BTQ).mean((1, 2))


def forecast_loss(out_BHCQ: Tensor, goal_BHC: Tensor, *, kind: str, levels: tuple[float, ...]) -> Tensor:
    """Return the mean loss [B] over the known steps and columns of a row: of points by `kind`, or of `levels`."""
    known_BHC = ~torch.isnan(goal_BHC)
    goal_BHC1 = torch.where(known_BHC, goal_BHC, 0.0).unsqueeze(-1)
    out_BHCQ = out_BHCQ.float()
    if levels:
        level_Q = torch.tensor(levels, device=out_BHCQ.device)
        difference_BHCQ = goal_BHC1 - out_BHCQ
        loss_BHC = torch.maximum(level_Q * difference_BHCQ, (level_Q - 1.0) * difference_BHCQ).mean(-1)
    else:
        difference_BHC = (out_BHCQ - goal_BHC1)[..., 0]
        if kind == "mse":
            loss_BHC = difference_BHC.square()
        else:
            size_BHC = difference_BHC.abs()
            loss_BHC = size_BHC if kind == "mae" else torch.where(size_BHC < 1, 0.5 * size_BHC.square(), size_BHC - 0.5)
    count_B = known_BHC.flatten(1).sum(1).clamp(min=1)
    return (loss_BHC * known_BHC).flatten(1).sum(1) / count_B


def proxy_loss(cosine_BK: Tensor, target_B: Tensor, *, temperature: float, margin: float) -> Tensor:
    """Return the cross-entropy [B] of cosines to class directions over a temperature (Zhai and Wu 2019,
    arXiv:1811.12649); `margin` is first taken off the own class (Wang et al. 2018, arXiv:1801.09414, equation 4).
    """
    own_BK = F.one_hot(target_B, cosine_BK.shape[1]) * margin
    return F.cross_entropy((cosine_BK.float() - own_BK) / temperature, target_B, reduction="none")


def contrastive_loss(out_BD: Tensor, target_B: Tensor, *, temperature: float) -> Tensor:
    """Return the supervised contrastive loss [B] among the rows of a batch (Khosla et al. 2020, arXiv:2004.11362,
    equation 2); a row whose class has no other row in the batch counts nothing.
    """
    unit_BD = F.normalize(out_BD.float(), dim=1)
    itself_BB = torch.eye(len(unit_BD), dtype=torch.bool, device=unit_BD.device)
    logits_BB = (unit_BD @ unit_BD.T / temperature).masked_fill(itself_BB, torch.finfo(torch.float32).min / 2)
    same_BB = (target_B[:, None] == target_B) & ~itself_BB
    near_BB = torch.where(same_BB, F.log_softmax(logits_BB, dim=1), 0.0)
    return -near_BB.sum(1) / same_BB.sum(1).clamp(min=1)


def items_loss(out: Tensor, target: Tensor) -> Tensor:
    """Return [B] from scores [B, T, K] and the item of each step [B, S], or from [B, K] and the last item alone.

    Items count from 1; 0 is no item, and above K one that has no score: neither adds to the loss.
    """
    is_known, target = is_learned(out, target)
    out = (out.unsqueeze(1) if out.ndim == 2 else out)[:, : target.shape[1]]
    losses = torch.zeros(target.shape, device=out.device)
    losses[is_known] = F.cross_entropy(out[is_known].float(), target[is_known] - 1, reduction="none")
    return losses.sum(1) * (len(target) / is_known.sum().clamp(min=1))


def is_learned(out: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return which steps have an item to learn, bool [B, S], and the items, int64 [B, S]; see `items_loss`."""
    if out.ndim == 2:
        step_S = torch.arange(1, target.shape[1] + 1, device=target.device)
        target = target.gather(1, ((target > 0) * step_S).argmax(dim=1, keepdim=True))
    else:
        target = target[:, : out.shape[1]]
    target = target.long()
    return (target > 0) & (target <= out.shape[-1]), target

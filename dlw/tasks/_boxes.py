"""Boxes on tensors: overlap, who learns which object, losses, and the choice of the best that lie apart.

Shape legend: B rows, P places, K classes, M true boxes, C candidates, D answered objects; boxes are left, top, right,
bottom in pixels.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

SCORE_POWER, OVERLAP_POWER = 1.0, 6.0
"""alpha and beta of task alignment (Feng et al. 2021, arXiv:2108.07755, section 3.2)."""
NEGATIVE_WEIGHT, FOCUS = 0.75, 2.0
"""alpha and gamma of the varifocal loss (Zhang et al. 2021, arXiv:2008.13367, equation 2)."""
ROUNDS = 32
"""How long a chain of boxes may be, each kept or dropped only because of the one before, until the choice is greedy no
more. Among 300 boxes drawn at random chains are shorter than 10."""


class Points(NamedTuple):
    """A network's output taken apart: middles [B, P, 2], strides [B, P, 1], boxes [B, P, 4], logits [B, P, K]."""

    middle: Tensor
    stride: Tensor
    box: Tensor
    logit: Tensor


class Assignment(NamedTuple):
    """For each place the true box it learns [B, P], and how well it should say so, 0 to 1 [B, P]; 0 is background."""

    owner: Tensor
    quality: Tensor


def take_apart(out_BPX: Tensor) -> Points:
    """Split the output [B, P, 7 + K] (see specs.OutputSpec)."""
    return Points(out_BPX[..., :2], out_BPX[..., 2:3], out_BPX[..., 3:7], out_BPX[..., 7:])


def overlap(one_4: Tensor, other_4: Tensor) -> tuple[Tensor, Tensor]:
    """Return intersection over union of boxes [..., 4] that broadcast, and the union."""
    sides_2 = torch.minimum(one_4[..., 2:], other_4[..., 2:]) - torch.maximum(one_4[..., :2], other_4[..., :2])
    both = sides_2.clamp(min=0).prod(-1)
    union = _area(one_4) + _area(other_4) - both
    return both / union.clamp(min=1e-9), union


def generalised_overlap(one_4: Tensor, other_4: Tensor) -> Tensor:
    """Return the overlap less the empty share of the hull, -1 to 1 (Rezatofighi et al. 2019, arXiv:1902.09630)."""
    shared, union = overlap(one_4, other_4)
    hull_2 = torch.maximum(one_4[..., 2:], other_4[..., 2:]) - torch.minimum(one_4[..., :2], other_4[..., :2])
    hull = hull_2.prod(-1).clamp(min=1e-9)
    return shared - (hull - union) / hull


@torch.no_grad()
def assign(points: Points, truth_BM5: Tensor, top: int) -> Assignment:
    """Give each true box the `top` places inside it whose score and box fit it best (task alignment).

    A box smaller than a place counts as large as the place, so that every box has one. A place inside several boxes
    learns the one it overlaps most. The best place of a box learns its overlap as its score, the others their share.
    """
    score_BKP = points.logit.sigmoid().transpose(1, 2)
    class_BM1 = truth_BM5[..., :1].long().clamp(min=0)
    score_BMP = score_BKP.gather(1, class_BM1.expand(-1, -1, score_BKP.shape[2]))
    overlap_BMP = overlap(truth_BM5[:, :, None, 1:], points.box[:, None])[0]
    inside_BMP = _is_inside(points, truth_BM5)
    fit_BMP = score_BMP.pow(SCORE_POWER) * (overlap_BMP.pow(OVERLAP_POWER) + 1e-9) * inside_BMP
    best_BMT = fit_BMP.topk(min(top, fit_BMP.shape[2]), dim=2).indices
    chosen_BMP = torch.zeros_like(inside_BMP).scatter_(2, best_BMT, True) & inside_BMP
    most_BP, owner_BP = torch.where(chosen_BMP, overlap_BMP, -1.0).max(dim=1)
    owned_BMP = torch.zeros_like(chosen_BMP).scatter_(1, owner_BP[:, None], most_BP[:, None] >= 0)
    fit_BMP = fit_BMP * owned_BMP
    share_BMP = fit_BMP / fit_BMP.amax(2, keepdim=True).clamp(min=1e-12)
    quality_BP = (share_BMP * (overlap_BMP * owned_BMP).amax(2, keepdim=True)).amax(1)
    return Assignment(owner_BP, quality_BP)


def losses(out_BPX: Tensor, truth_BM5: Tensor, *, top: int, box_weight: float) -> Tensor:
    """Return each row's loss [B]: varifocal loss of all scores and generalised overlap of the places that learn a box.

    A row's sums are divided by its qualities' sum, at least 1, so that a crowd weighs no more than a single object.
    """
    points = take_apart(out_BPX.float())
    if truth_BM5.device.type == "cpu":  # where looking is free, boxes that only fill up are not compared
        used = (truth_BM5[..., 0] >= 0).any(0).nonzero()
        truth_BM5 = truth_BM5[:, : int(used.max()) + 1 if len(used) else 1]
    owner_BP, quality_BP = assign(points, truth_BM5, top)
    learned_BP5 = truth_BM5.gather(1, owner_BP[..., None].expand(-1, -1, 5))
    class_BP1 = learned_BP5[..., :1].long().clamp(min=0)
    goal_BPK = torch.zeros_like(points.logit).scatter_(2, class_BP1, quality_BP[..., None])
    miss_BPK = F.binary_cross_entropy_with_logits(points.logit, goal_BPK, reduction="none")
    weight_BPK = torch.where(goal_BPK > 0, goal_BPK, NEGATIVE_WEIGHT * points.logit.detach().sigmoid().pow(FOCUS))
    apart_BP = 1.0 - generalised_overlap(points.box, learned_BP5[..., 1:])
    sum_B = (miss_BPK * weight_BPK).sum((1, 2)) + box_weight * (apart_BP * quality_BP).sum(1)
    return sum_B / quality_BP.sum(1).clamp(min=1.0)


def best_apart(
    out_BPX: Tensor, size: tuple[float, float], *, objects: int, candidates: int, largest_overlap: float, least: float
) -> Tensor:
    """Return float32 [B, objects, 6]: class, left, top, right, bottom, score, by place; class -1 fills up.

    Of the candidates of highest score a better one drops those of its class that it overlaps more than allowed. In the
    order of places near ties of score do not swap rows between two machines.
    """
    points = take_apart(out_BPX)
    classes = points.logit.shape[2]
    candidates = min(candidates, points.logit.shape[1] * classes)
    logit_BC, found_BC = points.logit.flatten(1).topk(candidates, dim=1)
    width, height = size
    edge_4 = torch.tensor([width, height, width, height], device=out_BPX.device)
    box_BP4 = torch.minimum(points.box.clamp(min=0.0), edge_4)
    box_BC4 = box_BP4.gather(1, (found_BC // classes)[..., None].expand(-1, -1, 4))
    class_BC, score_BC = found_BC % classes, logit_BC.sigmoid()
    is_kept_BC = apart(box_BC4, class_BC, largest_overlap) & (score_BC >= least)
    score_BC = torch.where(is_kept_BC, score_BC, -1.0)
    score_BD, best_BD = score_BC.topk(min(objects, candidates), dim=1)
    place_BD = torch.where(score_BD >= 0, found_BC.gather(1, best_BD), points.logit[0].numel())
    order_BD = place_BD.argsort(dim=1)
    best_BD, score_BD1 = best_BD.gather(1, order_BD), score_BD.gather(1, order_BD)[..., None]
    class_BD1 = class_BC.gather(1, best_BD)[..., None].float()
    box_BD4 = box_BC4.gather(1, best_BD[..., None].expand(-1, -1, 4))
    answer_BD6 = torch.cat([class_BD1, box_BD4, score_BD1], dim=2)
    empty_6 = torch.tensor([-1.0, 0.0, 0.0, 0.0, 0.0, 0.0], device=out_BPX.device)
    answer_BD6 = torch.where(score_BD1 >= 0, answer_BD6, empty_6)
    missing = objects - answer_BD6.shape[1]
    return torch.cat([answer_BD6, empty_6.expand(out_BPX.shape[0], missing, 6)], dim=1) if missing else answer_BD6


def apart(box_BC4: Tensor, class_BC: Tensor, largest_overlap: float) -> Tensor:
    """Return which of the boxes, best first, greedy suppression keeps [B, C].

    A box stays if no better one that stays overlaps it. Starting from all, each round is right for one more link of
    such chains (cluster NMS, Zheng et al. 2021, arXiv:2005.03572, section 4.2).
    """
    overlap_BCC = overlap(box_BC4[:, :, None], box_BC4[:, None])[0]
    drops_BCC = (overlap_BCC > largest_overlap) & (class_BC[:, :, None] == class_BC[:, None])
    ranks_C = torch.arange(box_BC4.shape[1], device=box_BC4.device)
    drops_BCC = (drops_BCC & (ranks_C[:, None] < ranks_C)).to(box_BC4.dtype)
    stays_B1C = torch.ones_like(box_BC4[..., 0])[:, None]
    for _ in range(ROUNDS):
        stays_B1C = (stays_B1C @ drops_BCC < 0.5).to(box_BC4.dtype)
    return stays_B1C[:, 0] > 0.5


def _is_inside(points: Points, truth_BM5: Tensor) -> Tensor:
    """Say which places lie inside which true boxes [B, M, P]."""
    middle_BM12 = ((truth_BM5[..., 1:3] + truth_BM5[..., 3:]) / 2)[:, :, None]
    half_BM12 = ((truth_BM5[..., 3:] - truth_BM5[..., 1:3]) / 2)[:, :, None]
    half_BMP2 = torch.maximum(half_BM12, points.stride[:, None] / 2)
    inside_BMP = ((points.middle[:, None] - middle_BM12).abs() <= half_BMP2).all(-1)
    return inside_BMP & (truth_BM5[..., 0] >= 0)[..., None]


def _area(box_4: Tensor) -> Tensor:
    return (box_4[..., 2:] - box_4[..., :2]).prod(-1)

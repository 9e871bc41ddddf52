"""Two rows become one: mixup, cutmix and copy_paste. Shape legend: B rows, C channels, H and W pixels.

Each row meets the row a common distance further on in the batch and draws its own share: the share of a row does not
depend on the batch it is in, its partner does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from dlw.augment._base import Augment, Draws
from dlw.augment._image_patches import commonest, is_rare
from dlw.augment._images import boxes, like
from dlw.specs import TARGET, VOID, FieldSpec

Mix = Callable[[Tensor, Tensor, Tensor, Draws], tuple[Tensor, Tensor]]
"""Pictures, the partners' pictures, the share wanted [B] and draws to mixed pictures and the share reached [B]."""

_POINTS = 4096


def mixing(inputs: Mapping[str, FieldSpec], alpha: float, probability: float, mix: Mix) -> Augment:
    """Return the augmentation for the only image group; batches that are mixed already stay as they are."""
    (name,) = (name for name, spec in inputs.items() if spec.kind == "image")
    quantiles = beta_quantiles(alpha)

    def apply(batch: dict[str, Tensor], draws: Draws) -> dict[str, Tensor]:
        pick, distance = draws.shared(2)
        if "partner" in batch or (probability < 1 and pick.item() >= probability):
            return batch
        image_BCHW = batch[name]
        partner_B = partners(image_BCHW, distance)
        share_B = _read(quantiles.to(image_BCHW.device), draws.uniform(1)[:, 0])
        mixed_BCHW, share_B = mix(image_BCHW, image_BCHW[partner_B], share_B, draws)
        return {**batch, name: mixed_BCHW, "partner": partner_B, "share": share_B}

    return apply


def paste_rare(groups: Mapping[str, FieldSpec], probability: float, match_light: bool) -> Augment:
    """Return the augmentation that pastes all known pixels of the partner but those of the commonest class."""
    (name,) = (name for name, spec in groups.items() if spec.kind == "image")
    common = commonest(groups[TARGET])

    def apply(batch: dict[str, Tensor], draws: Draws) -> dict[str, Tensor]:
        image_BCHW, ids_BHW = batch[name], batch[TARGET]
        partner_B = partners(image_BCHW, draws.shared(1)[0])
        other_BCHW, other_BHW = image_BCHW[partner_B], ids_BHW[partner_B]
        if match_light:
            light_BC11 = light(image_BCHW.float(), ids_BHW == common)
            other_BCHW = like(other_BCHW.float() + light_BC11 - light_BC11[partner_B], image_BCHW)
        is_met_B11 = (draws.uniform(1)[:, 0] < probability)[:, None, None]
        is_pasted_BHW = is_met_B11 & is_rare(other_BHW, common) & (ids_BHW != VOID)
        mixed_BCHW = torch.where(is_pasted_BHW[:, None], other_BCHW, image_BCHW)
        return {**batch, name: mixed_BCHW, TARGET: torch.where(is_pasted_BHW, other_BHW, ids_BHW)}

    return apply


def light(image_BCHW: Tensor, is_counted_BHW: Tensor) -> Tensor:
    """Return the mean of each channel over the pixels that count [B, C, 1, 1]; 0 where there are none."""
    weight_B1HW = is_counted_BHW[:, None].float()
    total_BC11 = (image_BCHW * weight_B1HW).sum((2, 3), keepdim=True)
    return total_BC11 / weight_B1HW.sum((2, 3), keepdim=True).clamp(min=1)


def partners(image_BCHW: Tensor, distance: Tensor) -> Tensor:
    """Return the row that each row meets, at a common distance of 1 and more; `distance` is drawn from [0, 1)."""
    rows = len(image_BCHW)
    row_B = torch.arange(rows, device=image_BCHW.device)
    return (row_B + 1 + (distance * max(1, rows - 1)).long()) % rows


def blend(image_BCHW: Tensor, partner_BCHW: Tensor, share_B: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
    """Mix every pixel by the share."""
    mixed = torch.lerp(partner_BCHW.float(), image_BCHW.float(), share_B[:, None, None, None])
    return like(mixed, image_BCHW), share_B


def paste(image_BCHW: Tensor, partner_BCHW: Tensor, share_B: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
    """Paste a box of the partner, of the picture's shape and about 1 - share of its area."""
    height, width = image_BCHW.shape[-2:]
    limits_2 = torch.tensor([height, width], device=share_B.device)
    sides_B2 = ((1 - share_B).sqrt()[:, None] * limits_2).round()
    top_left_B2 = (draws.uniform(2) * (limits_2 - sides_B2 + 1)).floor()
    mixed = torch.where(boxes(top_left_B2, sides_B2, height, width), partner_BCHW, image_BCHW)
    return mixed, 1 - sides_B2.prod(dim=1) / (height * width)


def beta_quantiles(alpha: float) -> Tensor:
    """Return quantiles of Beta(alpha, alpha) at even steps from 0 to 1, float32.

    With x = sin(t)^2 the density is proportional to (sin t cos t)^(2 alpha - 1), summed here over even steps of t.
    """
    t = (np.arange(64 * _POINTS) + 0.5) / (64 * _POINTS) * (np.pi / 2)
    mass = np.cumsum((np.sin(t) * np.cos(t)) ** (2 * alpha - 1))
    x = np.sin(t) ** 2
    return torch.from_numpy(np.interp(np.linspace(0, 1, _POINTS + 1), mass / mass[-1], x).astype(np.float32))


def _read(quantiles: Tensor, level_B: Tensor) -> Tensor:
    place_B = level_B * _POINTS
    below_B = place_B.long()
    return torch.lerp(quantiles[below_B], quantiles[below_B + 1], place_B - below_B)

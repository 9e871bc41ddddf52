"""Movements of pictures together with the mask or the boxes that lie on them.

Each movement is drawn once per row and then applied to pixels, class ids and corners alike. A box whose middle leaves
the picture is dropped (class -1), of the others the part inside is kept.
Shape legend: B rows, C channels, H rows of pixels, W columns of pixels, M boxes; boxes are class, left, top, right,
bottom in pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from dlw.augment._base import Augment, Draws
from dlw.augment._images import boxes as inside_boxes
from dlw.augment._images import like
from dlw.specs import TARGET, VOID, FieldSpec

Fill = Literal["zero", "edge", "reflect"]


class Move(Protocol):
    """One movement for each row of a batch."""

    def image(self, image_BCHW: Tensor) -> Tensor:
        """Return the pictures moved, in their number type."""
        ...

    def mask(self, ids_BHW: Tensor) -> Tensor:
        """Return class ids moved, never mixed; what enters from outside is void."""
        ...

    def corners(self, corners_BM4: Tensor) -> Tensor:
        """Return left, top, right, bottom moved, possibly outside the picture."""
        ...


Draw = Callable[[Tensor, Draws, FieldSpec], Move]
"""Pictures [B, C, H, W], draws and spec to the movement of these rows."""


def each_move(groups: Mapping[str, FieldSpec], draw: Draw) -> Augment:
    """Return an augmentation that moves every image group, and the mask or boxes of the target with it."""
    images = {name: spec for name, spec in groups.items() if spec.kind == "image"}
    lies_on = groups[TARGET].kind if TARGET in groups else ""

    def apply(batch: dict[str, Tensor], draws: Draws) -> dict[str, Tensor]:
        moved = dict(batch)
        for name, spec in images.items():
            move = draw(batch[name], draws, spec)
            moved[name] = move.image(batch[name])
            if lies_on == "mask":
                moved[TARGET] = move.mask(batch[TARGET])
            elif lies_on == "boxes":
                boxes_BM5 = batch[TARGET]
                moved[TARGET] = _settled(boxes_BM5[..., :1], move.corners(boxes_BM5[..., 1:]), batch[name])
        return moved

    return apply


def _settled(class_BM1: Tensor, corners_BM4: Tensor, image_BCHW: Tensor) -> Tensor:
    """Return boxes [B, M, 5] cut to the picture; those whose middle is outside, and rows that fill up, are -1 and 0."""
    height, width = image_BCHW.shape[-2:]
    limit_4 = torch.tensor([width, height, width, height], dtype=corners_BM4.dtype, device=corners_BM4.device)
    middle_BM2 = (corners_BM4[..., :2] + corners_BM4[..., 2:]) / 2
    is_inside_BM = ((middle_BM2 >= 0) & (middle_BM2 <= limit_4[:2])).all(-1, keepdim=True)
    is_kept_BM1 = is_inside_BM & (class_BM1 >= 0)
    cut_BM4 = corners_BM4.clamp(min=0).minimum(limit_4)
    return torch.cat([torch.where(is_kept_BM1, class_BM1, -1), torch.where(is_kept_BM1, cut_BM4, 0)], dim=-1)


@dataclass(frozen=True)
class Flip:
    """Mirror some rows along one axis of pixels: -1 left and right, -2 up and down."""

    is_flipped_B: Tensor
    axis: int
    size: int

    def image(self, image_BCHW: Tensor) -> Tensor:
        """See Move."""
        return torch.where(self.is_flipped_B[:, None, None, None], image_BCHW.flip(self.axis), image_BCHW)

    def mask(self, ids_BHW: Tensor) -> Tensor:
        """See Move."""
        return torch.where(self.is_flipped_B[:, None, None], ids_BHW.flip(self.axis), ids_BHW)

    def corners(self, corners_BM4: Tensor) -> Tensor:
        """See Move."""
        left, top, right, bottom = corners_BM4.unbind(-1)
        mirrored = [self.size - right, top, self.size - left, bottom]
        if self.axis == -2:
            mirrored = [left, self.size - bottom, right, self.size - top]
        return torch.where(self.is_flipped_B[:, None, None], torch.stack(mirrored, dim=-1), corners_BM4)


def draw_flip(image_BCHW: Tensor, draws: Draws, probability: float, axis: int) -> Flip:
    """Mirror a share of the rows."""
    return Flip(draws.uniform(1)[:, 0] < probability, axis, image_BCHW.shape[axis])


@dataclass(frozen=True)
class Turn:
    """Turn rows by quarters of a circle, counterclockwise; pictures must be square for odd quarters."""

    quarters_B: Tensor
    size: int

    def image(self, image_BCHW: Tensor) -> Tensor:
        """See Move."""
        return self._turned(image_BCHW)

    def mask(self, ids_BHW: Tensor) -> Tensor:
        """See Move."""
        return self._turned(ids_BHW)

    def corners(self, corners_BM4: Tensor) -> Tensor:
        """See Move."""
        for quarter in range(1, 4):
            left, top, right, bottom = corners_BM4.unbind(-1)
            turned = torch.stack([top, self.size - right, bottom, self.size - left], dim=-1)
            corners_BM4 = torch.where((self.quarters_B >= quarter)[:, None, None], turned, corners_BM4)
        return corners_BM4

    def _turned(self, values: Tensor) -> Tensor:
        shape = (-1, *[1] * (values.ndim - 1))
        for quarter in range(1, 4):
            turned = torch.rot90(values, 1, (-2, -1))
            values = torch.where((self.quarters_B >= quarter).view(shape), turned, values)
        return values


def draw_turn(image_BCHW: Tensor, draws: Draws) -> Turn:
    """Draw none to three quarters for each row."""
    return Turn((draws.uniform(1)[:, 0] * 4).long(), image_BCHW.shape[-1])


@dataclass(frozen=True)
class Shift:
    """Move rows by whole pixels, up and left by `shift_B2`; one gather for the whole batch."""

    shift_B2: Tensor
    fill: Fill

    def image(self, image_BCHW: Tensor) -> Tensor:
        """See Move."""
        height, width = image_BCHW.shape[-2:]
        row_B11, ys_BH1, xs_B1W = self._places(height, width)
        moved_BCHW = image_BCHW.permute(0, 2, 3, 1)[row_B11, ys_BH1, xs_B1W].permute(0, 3, 1, 2)
        return torch.where(self._is_inside(height, width), moved_BCHW, 0) if self.fill == "zero" else moved_BCHW

    def mask(self, ids_BHW: Tensor) -> Tensor:
        """See Move."""
        height, width = ids_BHW.shape[-2:]
        moved_BHW = ids_BHW[self._places(height, width)]
        return torch.where(self._is_inside(height, width)[:, 0], moved_BHW, VOID) if self.fill == "zero" else moved_BHW

    def corners(self, corners_BM4: Tensor) -> Tensor:
        """See Move."""
        return corners_BM4 - self.shift_B2.flip(-1).repeat(1, 2)[:, None]

    def _places(self, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
        device = self.shift_B2.device
        ys_BH = _inside(self.shift_B2[:, :1] + torch.arange(height, device=device), height, self.fill)
        xs_BW = _inside(self.shift_B2[:, 1:] + torch.arange(width, device=device), width, self.fill)
        return torch.arange(len(ys_BH), device=device)[:, None, None], ys_BH[:, :, None], xs_BW[:, None, :]

    def _is_inside(self, height: int, width: int) -> Tensor:
        """Return bool [B, 1, H, W]: where the old picture lies now."""
        whole_B2 = torch.tensor([height, width], device=self.shift_B2.device).expand(len(self.shift_B2), 2)
        return inside_boxes(-self.shift_B2, whole_B2, height, width)


def draw_shift(image_BCHW: Tensor, draws: Draws, padding: int, fill: Fill) -> Shift:
    """Draw moves of up to `padding` pixels in both directions."""
    return Shift((draws.uniform(2) * (2 * padding + 1)).long() - padding, fill)


def _inside(place: Tensor, size: int, fill: Fill) -> Tensor:
    """Return the pixel to read for each place, which may lie up to `size` - 1 pixels outside."""
    if fill == "reflect":
        place = place.abs()
        place = (size - 1) - ((size - 1) - place).abs()
    return place.clamp(0, size - 1)


@dataclass(frozen=True)
class Warp:
    """Read each pixel of the new picture at a place of the old one, places [B, H, W, 2] in -1..1.

    `mean_C11` is what enters from outside; None mirrors the picture at its edge.
    """

    places_BHW2: Tensor
    mean_C11: Tensor | None
    to_new: Callable[[Tensor], Tensor] | None = None
    """Points [B, P, 2] of the old picture to the new one, x and y in pixels."""

    def image(self, image_BCHW: Tensor) -> Tensor:
        """See Move."""
        mean_C11 = 0 if self.mean_C11 is None else self.mean_C11
        moved_BCHW = self._read(image_BCHW.float() - mean_C11, "bilinear") + mean_C11
        return like(moved_BCHW, image_BCHW)

    def mask(self, ids_BHW: Tensor) -> Tensor:
        """See Move."""
        # One is added, so that the zeros that enter from outside become -1 and so void.
        moved_BHW = self._read(ids_BHW[:, None].float() + 1, "nearest")[:, 0] - 1
        return torch.where(moved_BHW < 0, VOID, moved_BHW).to(ids_BHW.dtype)

    def corners(self, corners_BM4: Tensor) -> Tensor:
        """See Move; of a turned box, the upright box around its four corners."""
        assert self.to_new is not None, "this movement has no inverse"
        points = [corners_BM4[..., [x, y]] for x in (0, 2) for y in (1, 3)]
        moved_4BM2 = torch.stack([self.to_new(point_BM2) for point_BM2 in points])
        return torch.cat([moved_4BM2.amin(0), moved_4BM2.amax(0)], dim=-1)

    def _read(self, x_BCHW: Tensor, mode: str) -> Tensor:
        padding = "reflection" if self.mean_C11 is None else "zeros"
        return F.grid_sample(x_BCHW, self.places_BHW2, mode=mode, padding_mode=padding, align_corners=False)


def mean_of(spec: FieldSpec, image_BCHW: Tensor) -> Tensor:
    """Return the training mean of each channel [C, 1, 1]."""
    return torch.tensor(spec.statistics["mean"], dtype=torch.float32, device=image_BCHW.device)[:, None, None]

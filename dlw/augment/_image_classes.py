"""Turns that make a thing another thing: class k turned by q quarters becomes class k + q * classes."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from dlw.augment._base import Augment, Draws
from dlw.augment._image_moves import draw_turn
from dlw.specs import TARGET, FieldSpec


def turn_into_classes(groups: Mapping[str, FieldSpec]) -> Augment:
    """Return an augmentation that turns all pictures of a row alike, and its class id with them."""
    images = [name for name, spec in groups.items() if spec.kind == "image"]
    num_classes = groups[TARGET].sizes[0]

    def apply(batch: dict[str, Tensor], draws: Draws) -> dict[str, Tensor]:
        turn = draw_turn(batch[images[0]], draws)
        turned = {name: turn.image(batch[name]) for name in images}
        return {**batch, **turned, TARGET: batch[TARGET] + num_classes * turn.quarters_B}

    return apply

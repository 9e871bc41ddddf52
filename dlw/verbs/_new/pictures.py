"""The networks that read pictures, and how large the pictures are for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dlw.verbs._new.sizing import Network, Sizes, length

PIXELS_CLASSED, PIXELS_DETECTED, PIXELS_SEGMENTED = 1.2e8, 1.5e8, 2e8
LONGEST_SIDE = 96
"""Larger pictures are scaled down where only one label is asked for."""
LEAST_EPOCHS = 12
"""Passes that pictures with boxes or masks are scaled down for."""
MUON = {"type": "muon", "lr": 0.02, "weight_decay": 0.05, "adamw_lr": 3e-3}


def classified(sizes: Sizes) -> Network:
    """Return the network that tells what a picture shows."""
    assert sizes.picture is not None, "there is a picture"
    height, width, channels = sizes.picture
    block = scaled(height, width, channels, min(1.0, LONGEST_SIDE / max(height, width)))
    is_small = max(block["height"], block["width"]) < 16
    model: dict[str, Any] = {"type": "resnet", "widths": [32, 64, 128], "depths": [1, 1, 1], "stem_width": 16}
    model |= {"stem": "small", "first_stride": 2}
    if is_small:
        model = {"type": "resnet", "widths": [32, 64], "depths": [1, 1]}
    seen = PIXELS_CLASSED / (block["height"] * block["width"])
    ema = {"ema_decay": 0.99}
    return Network(
        model=model,
        optimizer={"type": "adamw", "lr": 3e-3, "weight_decay": 0.05},
        train=length(seen, sizes, 64 if sizes.rows < 10_000 else 128, 2, 40, **ema),
        task={"label_smoothing": 0.1},
        augment=[{"type": "random_crop", "padding": 1 if block["height"] < 40 else 4}],
        picture=block,
        notes={"augment": "add horizontal_flip if left and right are alike"},
    )


def detected(sizes: Sizes) -> Network:
    """Return the network that finds objects."""
    block, seen = _shrunk(sizes, PIXELS_DETECTED)
    train = length(seen, sizes, 8, 5, 100, ema_decay=0.99)
    return Network(
        model={"type": "detector", "widths": [24, 48, 96], "depths": [1, 1, 1], "neck_width": 48},
        optimizer=dict(MUON),
        train=train,
        lr_scheduler={"type": "one_cycle", "warmup_fraction": 0.1},
        augment=["horizontal_flip", {"type": "random_affine", "zoom": [0.8, 1.25], "stretch": 0.1}, "color"],
        picture=block,
        notes={"augment": "leave out horizontal_flip if left and right differ"},
    )


def segmented(sizes: Sizes) -> Network:
    """Return the network that tells the class of each pixel."""
    block, seen = _shrunk(sizes, PIXELS_SEGMENTED)
    stride = {"stride": 2} if block["height"] * block["width"] > 128 * 128 else {}
    affine = {"type": "random_affine", "zoom": [0.9, 1.3], "fill": "reflect"}
    return Network(
        model={"type": "unet", "widths": [16, 32, 64, 96], "depths": [1, 1, 1, 1], **stride},
        optimizer=dict(MUON),
        train=length(seen, sizes, 4 if sizes.rows < 200 else 8, 5, 60, ema_decay=0.95),
        lr_scheduler={"type": "one_cycle", "warmup_fraction": 0.15},
        augment=["horizontal_flip", affine, "color"],
        picture=block,
        notes={"augment": "leave out horizontal_flip if left and right differ"},
    )


def compared(sizes: Sizes) -> Network:
    """Return the network that lays pictures of one class close together."""
    found = classified(sizes)
    affine = {"type": "random_affine", "zoom": [0.8, 1.25], "stretch": 0.2, "turn": 10}
    return replace(found, task={"size": 64}, augment=[affine], notes={})


def strange(sizes: Sizes) -> Network:
    """Return what learns the looks of sound pictures, filled in one pass."""
    assert sizes.picture is not None, "there is a picture"
    height, width, channels = sizes.picture
    block = scaled(height, width, channels, min(1.0, 160 / max(height, width)))
    is_small = max(height, width) < 32
    if is_small:
        model: dict[str, Any] = {"type": "feature_memory", "widths": [32, 64], "depths": [1, 1]}
    else:
        model = {"type": "place_gaussians", "filters": 24, "scales": 4, "cell": 8, "standardise": "picture"}
    return Network(
        model=model,
        optimizer={"type": "adamw"},
        train={"batch_size": min(64, sizes.rows)},
        lr_scheduler={"type": "cosine"},
        picture=block,
        notes={"train": "filled in one pass"},
    )


def _shrunk(sizes: Sizes, pixels: float) -> tuple[dict[str, Any], float]:
    """Scale pictures so that the pixels of LEAST_EPOCHS passes fit; return them and the rows to see."""
    assert sizes.picture is not None, "there is a picture"
    height, width, channels = sizes.picture
    scale = min(1.0, (pixels / (LEAST_EPOCHS * sizes.rows * height * width)) ** 0.5)
    scale = max(scale, min(1.0, LONGEST_SIDE / max(height, width)))
    block = scaled(height, width, channels, scale)
    return block, pixels / (block["height"] * block["width"])


def scaled(height: int, width: int, channels: int, scale: float) -> dict[str, Any]:
    """Return the options of pictures scaled down, sides in eights."""
    if scale < 1:
        height, width = (max(8, round(side * scale / 8) * 8) for side in (height, width))
    return {"height": height, "width": width, "channels": channels}

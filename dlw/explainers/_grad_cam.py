"""The work of `grad_cam`. Shape legend: B rows, C channels, H and W pixels, h and w places of the last maps."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dlw.explainers._asking import widened
from dlw.explainers._base import Explanation, Map, Question


def misfit(question: Question) -> str:
    """Say that the network is several, or that no convolution of it sees what is around a place."""
    with torch.no_grad():
        if question.network(question.row).ndim > 2:
            return (
                "grad_cam looks into one network that answers one picture; here several answer together, "
                "or one of several mirror images (model.test_time_flips)"
            )
    return "" if _last_maps(question) else "this network has no convolutions that look around a place"


def explain(question: Question) -> Explanation:
    """Return one map of values >= 0, as large as the picture."""
    from captum.attr import LayerAttribution, LayerGradCam

    layer, group = _last_maps(question), _group(question)
    assert layer is not None, "misfit comes first"
    picture_BCHW = question.row[group].float().requires_grad_()

    def forward(picture: Tensor) -> Tensor:
        return question.score(question.network(widened(question, len(picture), {group: picture})))

    coarse_B1hw = LayerGradCam(forward, layer).attribute(picture_BCHW, relu_attributions=True)
    fine_B1HW = LayerAttribution.interpolate(coarse_B1hw, picture_BCHW.shape[2:], interpolate_mode="bilinear")
    with torch.no_grad():
        reached = float(forward(picture_BCHW))
    return Explanation({group: Map(fine_B1HW[0, 0].detach().cpu().numpy().astype(np.float64))}, reached)


def _group(question: Question) -> str:
    return next(name for name, spec in question.inputs.items() if spec.kind == "image")


def _last_maps(question: Question) -> nn.Module | None:
    """Return the layer that ends last of those that give maps [B, C, h, w], after a convolution that overlaps."""
    maps: list[nn.Module] = []
    is_seeing = False

    def watch(layer: nn.Module, given: tuple[Any, ...], out: Any) -> None:
        nonlocal is_seeing
        if isinstance(layer, nn.Conv2d):
            is_seeing |= any(size > step for size, step in zip(layer.kernel_size, layer.stride, strict=True))
        if is_seeing and isinstance(out, Tensor) and out.ndim == 4 and out.shape[2] * out.shape[3] > 1:
            maps.append(layer)

    handles = [layer.register_forward_hook(watch) for layer in question.network.modules()]
    try:
        with torch.no_grad():
            question.network(question.row)
    finally:
        for handle in handles:
            handle.remove()
    return maps[-1] if maps else None

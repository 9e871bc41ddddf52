"""safetensors: the plain weights beside the resolved recipe, for other programs and for dlw itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlw.errors import RunError
from dlw.exporters._base import Artifact, ExporterSettings
from dlw.runs import disk
from dlw.specs import Arrays

if TYPE_CHECKING:
    from torch import nn

MODEL_FILE = "model.safetensors"
FILES = (MODEL_FILE,)
WEIGHTS_ONLY = True
REOPENS = None


class Settings(ExporterSettings):
    """Plain weights have no options."""


def export(
    predictor: nn.Module, example: Arrays, folder: Path, settings: Settings, ragged: Collection[str] = ()
) -> None:
    """Write `model.safetensors` under the names of the state dict; a tied tensor is stored once, its other names in
    the metadata key `tied` (JSON: name -> stored name)."""
    from safetensors.torch import save

    stored = {}
    first_name: dict[tuple[int, tuple[int, ...]], str] = {}
    tied = {}
    for name, tensor in predictor.state_dict().items():
        key = (tensor.data_ptr(), tuple(tensor.shape))
        if tensor.numel() and key in first_name:
            tied[name] = first_name[key]
            continue
        first_name[key] = name
        stored[name] = tensor.contiguous().clone()
    disk.write_new(folder / MODEL_FILE, [save(stored, metadata={"tied": json.dumps(tied)})])


def open_model(artifact: Artifact) -> Callable[[Arrays], Arrays]:
    """Return a function that answers with the rebuilt network; raises RunError when the weights do not fit it."""
    import torch
    from safetensors.torch import load

    predictor = artifact.rebuild().eval()
    content = artifact.read(MODEL_FILE)
    tensors = load(content)
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    tied = json.loads(header.get("__metadata__", {}).get("tied", "{}"))
    tensors |= {name: tensors[stored] for name, stored in tied.items()}
    try:
        predictor.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        raise RunError(f"{MODEL_FILE} does not fit the network of its recipe: {error}") from error

    def answer(arrays: Arrays) -> Arrays:
        with torch.inference_mode():
            answers = predictor({name: torch.from_numpy(arrays[name]) for name in artifact.inputs})
        return {name: answers[name].numpy() for name in artifact.answers}

    return answer


def usage(inputs: Mapping[str, Any], answers: tuple[str, ...]) -> str:
    """Return Python that lists the weights; answering needs dlw, or the same network built from the recipe."""
    return (
        f'from safetensors.numpy import load_file\n\nweights = load_file("{MODEL_FILE}")\n'
        "print({name: array.shape for name, array in weights.items()})"
    )

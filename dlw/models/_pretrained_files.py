"""What is read from a folder in Hugging Face's format: config.json as plain data, and safetensors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dlw.errors import RunError, UsageError
from dlw.local_files import files_of

CONFIG_FILE = "config.json"
INDEX_FILE = "model.safetensors.index.json"
ADAPTER_FILE = "adapter_config.json"
MOST_BYTES = 2**24
_REFUSED = ("auto_map", "custom_pipelines", "quantization_config")
"""Keys that ask for code of the folder, or for kernels that are not here."""


def read_architecture(reference: str) -> dict[str, Any]:
    """Return config.json without private keys; RunError where it is none, UsageError where it asks for code."""
    path = files_of(reference) / CONFIG_FILE
    config = _read(path)
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise RunError(f"{path}: has no `model_type`; not the config.json of a network")
    refuse_code(config)
    return {key: value for key, value in config.items() if not key.startswith("_") and "attn_implementation" not in key}


def refuse_code(config: dict[str, Any]) -> None:
    """Raise UsageError where an architecture asks for more than the transformers library holds."""
    asked = next((key for key in _REFUSED if key in config), None)
    if asked:
        raise UsageError(f"model pretrained: its config.json has {asked}, which asks for code or kernels of its own")


def check_weights(folder: Path) -> None:
    """Raise RunError where reading the weights of a folder would read pickles, or files outside of it."""
    if (folder / ADAPTER_FILE).exists():
        raise RunError(f"{folder}: holds an adapter to a network elsewhere; merge the two, and name the folder of that")
    index = folder / INDEX_FILE
    if not index.exists():
        return
    tree = _read(index)
    files = tree.get("weight_map") if isinstance(tree, dict) else None
    if not isinstance(files, dict):
        raise RunError(f"{index}: has no `weight_map`; not an index of safetensors")
    for file in files.values():
        if not isinstance(file, str) or Path(file).name != file or not file.endswith(".safetensors"):
            raise RunError(f"{index}: names {file!r}; only safetensors beside it are read")


def _read(path: Path) -> Any:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise RunError(f"{path}: larger than {MOST_BYTES:,} bytes")
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path}: cannot be read: {error}") from error

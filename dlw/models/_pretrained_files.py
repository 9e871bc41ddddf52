"""What is read from a folder in Hugging Face's format: config.json as plain data, and safetensors."""

from __future__ import annotations

import json
from typing import Any

from dlw.errors import RunError, UsageError
from dlw.local_files import files_of

CONFIG_FILE = "config.json"
MOST_BYTES = 2**20
_REFUSED = ("auto_map", "custom_pipelines", "quantization_config")
"""Keys that ask for code of the folder, or for kernels that are not here."""


def read_architecture(reference: str) -> dict[str, Any]:
    """Return config.json without private keys; RunError where it is none, UsageError where it asks for code."""
    path = files_of(reference) / CONFIG_FILE
    try:
        if path.stat().st_size > MOST_BYTES:
            raise RunError(f"{path}: larger than {MOST_BYTES:,} bytes")
        config = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path}: cannot be read: {error}") from error
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise RunError(f"{path}: has no `model_type`; not the config.json of a network")
    refuse_code(config)
    return {key: value for key, value in config.items() if not key.startswith("_")}


def refuse_code(config: dict[str, Any]) -> None:
    """Raise UsageError where an architecture asks for more than the transformers library holds."""
    found = [key for key in config if key in _REFUSED or key.startswith("_") or "attn_implementation" in key]
    asked = [key for key in found if key in _REFUSED]
    if asked:
        raise UsageError(f"model pretrained: its config.json has {asked[0]}, which asks for code or kernels of its own")

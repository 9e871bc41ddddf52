"""What no recipe may hold: secrets (it is shared, printed and stored with every run), names of Python objects."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dlw.errors import SECRET
from dlw.recipe._nearest import plain
from dlw.recipe._show import find_secret, shown
from dlw.recipe._words import PYTHON_OBJECTS
from dlw.recipe.parse import Node

Path = tuple[str, ...]

_KEY = re.compile(
    r"(.+_)?(password|passwd|passphrase|secret|secret_key|api_?key|access_key|access_key_id|private_key|credentials?"
    r"|bearer|authorization|(auth|access|api|hf|hub|huggingface|bearer|security|session|refresh|wandb|github)_token)"
    r"|token|use_auth_token|pwd"
)
"""Keys that name a secret; `cls_token`, `pad_token`, `max_tokens` and their kin do not match."""

_VARIABLES = {
    "hf": "HF_TOKEN",
    "hub": "HF_TOKEN",
    "huggingface": "HF_TOKEN",
    "use_auth": "HF_TOKEN",
    "AKIA": "AWS_ACCESS_KEY_ID",
    "ASIA": "AWS_ACCESS_KEY_ID",
    "access": "AWS_SECRET_ACCESS_KEY",
    "secret": "AWS_SECRET_ACCESS_KEY",
    "wandb": "WANDB_API_KEY",
    "gh": "GITHUB_TOKEN",
}


def names_secret(key: str) -> bool:
    """Tell whether a key is one whose value is a secret."""
    return _KEY.fullmatch(plain(key[:64])) is not None


def find_secrets(node: Node, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield (path, message) of every value that looks like a secret; messages never repeat the value."""
    if isinstance(node.value, dict):
        for key, child in node.value.items():
            if isinstance(child.value, str) and child.value and names_secret(key):
                variable = _variable(child.value) or _variable(plain(key)) or plain(shown(key, 32)).upper()
                yield (*path, key), _message("a secret", variable)
            else:
                yield from find_secrets(child, (*path, key))
    elif isinstance(node.value, list):
        for place, child in enumerate(node.value):
            yield from find_secrets(child, (*path, str(place)))
    elif isinstance(node.value, str):
        secret = find_secret(node.value)
        if secret:
            what = "a password in a URL" if secret.startswith("://") else "what looks like an access token"
            yield path, _message(what, _variable(secret) or "an environment variable")


def find_objects(node: Node, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield (path, message) of every key by which other tools name Python objects; columns may be called anything."""
    if isinstance(node.value, dict):
        for key, child in node.value.items():
            if key in PYTHON_OBJECTS and path not in (("data", "inputs"), ("data", "target")):
                yield (*path, key), "unknown key; recipes cannot name Python objects, only what `dlw list` shows"
            else:
                yield from find_objects(child, (*path, key))
    elif isinstance(node.value, list):
        for place, child in enumerate(node.value):
            yield from find_objects(child, (*path, str(place)))


def _message(what: str, variable: str) -> str:
    where = variable if " " in variable else f"the environment variable {variable}"
    return f"{SECRET} {what}; set {where} instead, and replace this secret, which others may have read"


def _variable(text: str) -> str | None:
    return next((name for start, name in _VARIABLES.items() if text.startswith(start)), None)

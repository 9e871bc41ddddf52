"""Names of text encodings, checked when a recipe is: what bytes mean as text is for Python's codecs to say."""

from __future__ import annotations

import codecs
from typing import Annotated

from pydantic import AfterValidator

_NOT_OF_FILES = ("idna", "punycode", "undefined")
"""Codecs from and to text that are made for names of hosts, or always fail."""


def _known(name: str) -> str:
    try:
        found = codecs.lookup(name)
        is_text = found._is_text_encoding and found.name not in _NOT_OF_FILES
    except (LookupError, ValueError):  # a name with NUL is no name
        is_text = False
    if not is_text:
        raise ValueError(f"no text encoding is called {name!r}; examples are utf-8, latin-1, utf-16")
    return name


Encoding = Annotated[str, AfterValidator(_known)]
"""The name of a text encoding of Python."""

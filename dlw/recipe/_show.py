"""How text that strangers wrote is shown in messages: short, on one line, without control codes or secrets."""

from __future__ import annotations

import re
from typing import Any

_SECRET_VALUE = re.compile(
    r"\bhf_[A-Za-z0-9]{16,}|\bsk-[A-Za-z0-9_-]{16,}|\bgh[pousr]_[A-Za-z0-9]{16,}|\bgithub_pat_[A-Za-z0-9_]{16,}"
    r"|\bglpat-[A-Za-z0-9_-]{16,}|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[A-Za-z0-9_-]{30,}|\bxox[abprs]-[A-Za-z0-9-]{10,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY|\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}|://[^/\s:@]+:[^/\s@]+@"
)
"""Access tokens by their makers' prefixes, private keys, JSON web tokens, and passwords inside a URL."""


def find_secret(text: str) -> str | None:
    """Return the part of a text that looks like a secret, or None."""
    match = _SECRET_VALUE.search(text)
    return match.group() if match else None


def redact(text: str) -> str:
    """Return the text with everything that looks like a secret replaced by stars."""
    return _SECRET_VALUE.sub("***", text)


def shown(text: str, limit: int = 60) -> str:
    """Return a text fit for a message: control codes escaped, secrets starred, cut after `limit` characters."""
    text = redact(text)
    if len(text) > limit:
        text = text[: limit - 3] + "..."
    return on_one_line(text)


def on_one_line(text: str) -> str:
    """Return the text with line ends, control codes and characters that reorder text as escapes."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def value_shown(value: Any) -> str:
    """Say what a value is in plain words: `the text 'abc'`, `0`, `a list`."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text '{shown(value)}'"
    if isinstance(value, (int, float)):
        return shown(repr(value), 40)
    return "a list" if isinstance(value, (list, tuple)) else "a mapping"


def line_shown(text: str, line: int, column: int) -> str:
    """Return the line with a caret under the column, to stand below a message."""
    lines = text.replace("\r\n", "\n").split("\n")
    if not 1 <= line <= len(lines):
        return ""
    written = lines[line - 1].replace("\t", " ")
    start = max(0, column - 60)
    return f"\n    {shown(written[start : start + 100], 100)}\n    {' ' * (column - 1 - start)}^"

"""The words of a text in any script, in small letters."""

from __future__ import annotations

import re
import unicodedata

_ALONE = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
"""Kana and Chinese characters: written without spaces, each counts as a word."""


def words_of(text: str) -> list[str]:
    """Return what letters, their marks and digits make."""
    signs = [sign if unicodedata.category(sign)[0] in "LMN" else " " for sign in text.lower()]
    return _ALONE.sub(r" \g<0> ", "".join(signs)).split()

"""HTML as text, escaped: the only place where tags are made.

Every function takes plain text and returns markup; `Markup` marks what is already escaped, so that nothing is escaped
twice and nothing from the data reaches the page unescaped.
"""

from __future__ import annotations

import base64
import html
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

LONGEST_TEXT = 400
"""Characters of a value that a page shows."""

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn"}
"""Unicode categories that are replaced: control and format characters, among them those that turn text around."""


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def text(value: object) -> Markup:
    """Return a value as escaped text, shortened, without control characters; Markup passes as it is."""
    if isinstance(value, Markup):
        return value
    shown = str(value)
    if len(shown) > LONGEST_TEXT:
        shown = shown[: LONGEST_TEXT - 1] + "…"
    visible = "".join(" " if unicodedata.category(sign) in _HIDDEN else sign for sign in shown)
    return Markup(html.escape(visible, quote=True))


def figure(value: float | None) -> str:
    """Return a number for people: four digits that count, a dash where it is undefined."""
    if value is None or value != value:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def tag(name: str, *children: object, **attributes: str | float) -> Markup:
    """Return an element; a trailing underscore of an attribute's name is dropped and inner ones become hyphens."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value), quote=True)}"'
        for key, value in attributes.items()
    )
    return Markup(f"<{name}{written}>{''.join(text(child) for child in children)}</{name}>")


def join(parts: Iterable[Markup]) -> Markup:
    """Return markup one after the other."""
    return Markup("\n".join(parts))


def table(head: Sequence[object], rows: Iterable[Sequence[object]], caption: str = "") -> Markup:
    """Return a table whose first column names the rows; numbers given as text are right-aligned by the style."""
    top = tag("thead", tag("tr", *(tag("th", cell, scope="col") for cell in head)))
    body = [tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:])) for row in rows]
    title = [tag("caption", caption)] if caption else []
    return tag("div", tag("table", *title, top, tag("tbody", *body)), class_="wide")


def facts(pairs: Mapping[str, object]) -> Markup:
    """Return a list of names and what they are."""
    return tag("dl", *(part for name, value in pairs.items() for part in (tag("dt", name), tag("dd", value))))


def picture(png: bytes, alternative: str) -> Markup:
    """Return a picture that the page itself holds (RFC 2397)."""
    address = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    return Markup(f'<img src="{address}" alt="{html.escape(alternative, quote=True)}">')


def page(title: str, body: Markup, style: str) -> str:
    """Return a whole document that may load nothing and run nothing."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )

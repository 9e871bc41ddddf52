"""The recipe grammar: YAML 1.2 scalars, one document, every value with the place where it was written.

libyaml does the scanning; this file turns its events into a tree of Nodes and refuses what a recipe must not hold:
tags, anchors, aliases, merge keys, duplicate keys, plain text over several lines, and anything above the limits. Limits
are checked event by event, before a nested or repeated structure can cost anything. Keys are always text as written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from dlw.errors import Problem, RecipeError
from dlw.recipe._show import line_shown, shown

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_NODES = 10_000
MAX_PROBLEMS = 100

_NULL = re.compile(r"~|null|Null|NULL|")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,299})")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]{1,64}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITY = re.compile(r"[-+]?\.(inf|Inf|INF)")
_NAN = re.compile(r"\.(nan|NaN|NAN)")

_PLAIN_WORDS = {
    "mapping values are not allowed in this context": "a second `: ` on this line, or an indent that does not fit; "
    "quote the text, or start a new line",
    "did not find expected ',' or '}'": "a comma or the closing `}` is missing",
    "did not find expected ',' or ']'": "a comma or the closing `]` is missing",
    "did not find expected key": "the indent does not fit the lines above, or `:` is missing",
    "could not find expected ':'": "expected `key: value`",
    "did not find expected '-' indicator": "expected another `- item`, or a smaller indent",
    "did not find expected node content": "a value is missing here",
    "found unexpected end of stream": "a quote is opened and never closed",
    "found undefined tag handle": "YAML tags are not allowed; recipes cannot name Python objects",
    "found unexpected ':'": "`:` needs a space after it; text with `:` inside needs quotes",
    "exceeded maximum nesting depth": f"nested deeper than {MAX_DEPTH} levels, the limit for a recipe",
    "found unknown escape character": 'unknown escape in "..."; use single quotes for a plain backslash',
}


@dataclass(frozen=True)
class Place:
    """Where something was written: `line` and `column` count from 1, 0 means not in a file (`--set`)."""

    file: str
    line: int = 0
    column: int = 0

    def problem(self, path: str, message: str) -> Problem:
        """Return a Problem at this place."""
        return Problem(self.file, self.line, self.column, path, message)


@dataclass(frozen=True)
class Node:
    """A value with its place. `value` is text, a number, a truth value, None, a list of Nodes or a dict of Nodes.

    `key` is the place of the key that holds the value, None for list items and for the whole document; `origin` is the
    folder that relative paths in the value start at.
    """

    value: Any
    place: Place
    key: Place | None = None
    origin: Path = field(default_factory=Path)

    def plain(self) -> Any:
        """Return the value without places."""
        if isinstance(self.value, dict):
            return {name: node.plain() for name, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


def scalar(text: str) -> Any:
    """Read a plain (unquoted) scalar by the YAML 1.2 core schema, except that a leading zero makes text: `012`."""
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text):
        return True
    if _FALSE.fullmatch(text):
        return False
    if _INTEGER.fullmatch(text):
        return int(text)
    if _HEXADECIMAL.fullmatch(text):
        return int(text, 16)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITY.fullmatch(text):
        return float("-inf") if text.startswith("-") else float("inf")
    if _NAN.fullmatch(text):
        return float("nan")
    return text


def is_file(path: Path) -> bool:
    """Return whether a path is a file; names that no file system takes are none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def read_file(path: Path, name: str) -> tuple[Node, str]:
    """Read a recipe file, shown as `name` in problems; returns its tree and its text. Raises RecipeError."""
    try:
        if not is_file(path):
            raise RecipeError([Problem(name, 0, 0, "", "not a file" if path.exists() else "no such file")])
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise RecipeError([Problem(name, 0, 0, "", f"cannot be read: {error.strerror or error}")]) from error
    text = decode(data, name)
    return parse(text, name, path.parent), text


def decode(data: bytes, name: str) -> str:
    """Return the text of a recipe's bytes: UTF-8 with or without BOM, at most 256 KiB, no NUL."""
    if len(data) > MAX_BYTES:
        raise RecipeError([Problem(name, 0, 0, "", f"larger than {MAX_BYTES // 1024} KiB, the limit for a recipe")])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The codec does not count the three bytes of a BOM.
        offset = error.start + (3 if data.startswith(b"\xef\xbb\xbf") else 0)
        message = f"not UTF-8: byte 0x{data[offset]:02x} at offset {offset}; save the file as UTF-8"
        raise RecipeError([Problem(name, data.count(b"\n", 0, offset) + 1, 1, "", message)]) from error
    if "\0" in text:
        offset = data.index(b"\0")
        raise RecipeError([Problem(name, data.count(b"\n", 0, offset) + 1, 1, "", f"NUL byte at offset {offset}")])
    return text


def parse(text: str, name: str, origin: Path) -> Node:
    """Return the tree of a recipe's text, a mapping; raises RecipeError with every problem found."""
    root = _Reader(text, Place(name), origin, name).read()
    if root is None:
        message = "recipe is empty; start from a ready one: `dlw recipe copy digits`, `dlw recipe new data.csv`"
        raise RecipeError([Problem(name, 1, 1, "", message)])
    if not isinstance(root.value, dict):
        kind = {list: "a list", str: "text", bool: "a truth value", type(None): "nothing"}.get(type(root.value))
        message = f"expected a mapping, got {kind or 'a number'}"
        raise RecipeError([root.place.problem("", f"{message}; a recipe is lines of `key: value`")])
    return root


def parse_value(text: str, name: str, origin: Path) -> Node:
    """Return the tree of one value given outside a file (`--set`), all of it at the place `name`."""
    if len(text) > MAX_BYTES or "\0" in text or not _is_encodable(text):
        raise RecipeError([Problem(name, 0, 0, "", "the value must be UTF-8 text of at most 256 KiB without NUL")])
    return _Reader(text, Place(name), origin, None).read() or Node(None, Place(name), None, origin)


def _path_shown(path: tuple[str, ...]) -> str:
    return ".".join(shown(part) for part in path)


def _is_encodable(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


class _Reader:
    """Turns libyaml's events into Nodes; one use per text. `file` is None where lines mean nothing (`--set`)."""

    def __init__(self, text: str, outside: Place, origin: Path, file: str | None) -> None:
        self.text = text
        self.outside = outside
        self.origin = origin
        self.file = file
        self.num_nodes = 0
        self.problems: list[Problem] = []
        self.run_ons: list[Problem] = []

    def read(self) -> Node | None:
        """Return the document's root, None if there is none; raises RecipeError."""
        root = None
        events = self._events()
        try:
            for event in events:
                if isinstance(event, yaml.DocumentStartEvent):
                    if root is not None:
                        self._stop(event, "a second document starts here (`---`); one recipe per file")
                    root = self._node(next(events), events, 0, ())
        except yaml.YAMLError as error:
            self.problems.append(self._syntax_problem(error))
        else:
            self.problems.extend(self.run_ons)
        if self.problems:
            raise RecipeError(sorted(self.problems))
        return None if root is None or (self.file and root.value is None) else root

    def _events(self) -> Iterator[Any]:
        parser = yaml.CSafeLoader(self.text)
        while parser.check_event():
            yield parser.get_event()

    def _node(self, event: Any, events: Iterator[Any], depth: int, path: tuple[str, ...]) -> Node:
        self._refuse_marks(event, path)
        self.num_nodes += 1
        if self.num_nodes > MAX_NODES:
            self._stop(event, f"more than {MAX_NODES} values, the limit for a recipe")
        if isinstance(event, yaml.ScalarEvent):
            return Node(self._scalar(event, path), self._place(event), None, self.origin)
        if isinstance(event, yaml.AliasEvent):
            return Node(None, self._place(event), None, self.origin)
        if depth >= MAX_DEPTH:
            self._stop(event, _PLAIN_WORDS["exceeded maximum nesting depth"])
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Node] = []
            while not isinstance(item := next(events), yaml.SequenceEndEvent):
                items.append(self._node(item, events, depth + 1, (*path, str(len(items)))))
            return Node(items, self._place(event), None, self.origin)
        return Node(self._mapping(events, depth, path), self._place(event), None, self.origin)

    def _mapping(self, events: Iterator[Any], depth: int, path: tuple[str, ...]) -> dict[str, Node]:
        values: dict[str, Node] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key_place = self._place(event)
            if not isinstance(event, yaml.ScalarEvent):
                self._stop(event, "a key must be text")
            self._refuse_marks(event, path)
            key = event.value
            node = self._node(next(events), events, depth + 1, (*path, key))
            if key == "<<" and event.implicit[0]:
                self._add(key_place, path, "merge keys (`<<`) are not allowed; use `extends` or ${section.key}")
            elif key in values:
                first = values[key].key or key_place
                where = f", first on line {first.line}, again on line {key_place.line}" if first.line else ""
                self._add(key_place, (*path, key), f"duplicate key {shown(key)}{where}; keep one")
            else:
                values[key] = Node(node.value, node.place, key_place, self.origin)
        return values

    def _scalar(self, event: Any, path: tuple[str, ...]) -> Any:
        if not event.implicit[0] or event.style not in (None, ""):
            return event.value
        if event.end_mark.line > event.start_mark.line and "\n" in self._span(event):
            message = "this text runs on over the next line; quote it, or fix the indent"
            self.run_ons.append(self._place(event).problem(_path_shown(path), message))
        return scalar(event.value)

    def _span(self, event: Any) -> str:
        return self.text[event.start_mark.index : event.end_mark.index].strip()

    def _refuse_marks(self, event: Any, path: tuple[str, ...]) -> None:
        place = self._place(event)
        if getattr(event, "tag", None) is not None:
            message = f"YAML tags are not allowed: {shown(event.tag)}; recipes cannot name Python objects"
            self._add(place, path, message)
        if isinstance(event, yaml.AliasEvent):
            message = f"aliases are not allowed: *{shown(event.anchor or '')}; repeat the value or use ${{section.key}}"
            self._add(place, path, message)
        elif event.anchor is not None:
            message = f"anchors and aliases are not allowed: &{shown(event.anchor or '')}; use ${{section.key}}"
            self._add(place, path, message)

    def _place(self, event: Any) -> Place:
        if self.file is None:
            return self.outside
        return Place(self.file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _add(self, place: Place, path: tuple[str, ...], message: str) -> None:
        self.problems.append(place.problem(_path_shown(path), message))
        if len(self.problems) >= MAX_PROBLEMS:
            raise RecipeError(self.problems)

    def _stop(self, event: Any, message: str) -> None:
        self.problems.append(self._place(event).problem("", message))
        raise RecipeError(self.problems)

    def _syntax_problem(self, error: yaml.YAMLError) -> Problem:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        if mark is None:
            reason = getattr(error, "reason", None) or str(error)
            offset = getattr(error, "position", 0)
            line = self.text.encode("utf-8")[:offset].count(b"\n") + 1
            return self._at(line, 1, f"{reason} (byte {offset})")
        words = getattr(error, "problem", None) or "not YAML"
        line, column = mark.line + 1, mark.column + 1
        lines = self.text.splitlines() or [""]
        if "${" in lines[min(line, len(lines)) - 1] and "closing" in _PLAIN_WORDS.get(words, ""):
            words = "inside `{...}` and `[...]` a reference needs quotes: '${section.key}'"
        if "\t" in lines[min(line, len(lines)) - 1][: column + 1] or "tab" in words:
            words = "a tab cannot indent or separate here; use spaces"
        return self._at(line, column, _PLAIN_WORDS.get(words, words))

    def _at(self, line: int, column: int, message: str) -> Problem:
        if self.file is None:
            return self.outside.problem("", message)
        return Place(self.file, line, column).problem("", message + line_shown(self.text, line, column))

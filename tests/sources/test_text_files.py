"""Plain text files as rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dlw.errors import DataError
from dlw.progress import Silent
from dlw.sources import csv, text

CONTENT = "\n\na b\nc\n\n\nd\n\nlast"


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ("lines", ["a b", "c", "d", "last"]),
        ("paragraphs", ["a b\nc", "d", "last"]),
        ("documents", ["\n\na b\nc\n\n\nd\n\nlast"]),
    ],
)
def test_lines_paragraphs_and_documents(tmp_path: Path, rows: str, wanted: list[str]) -> None:
    path = tmp_path / "some.txt"
    path.write_bytes(b"\xef\xbb\xbf" + CONTENT.replace("\n", "\r\n").encode())
    settings = text.Settings.model_validate({"path": str(path), "rows": rows})
    assert text.open_tables(settings, tmp_path, Silent())["train"]["text"].to_pylist() == wanted
    kept = text.open_tables(settings.model_copy(update={"breaks": True}), tmp_path, Silent())["train"]["text"]
    assert "".join(kept.to_pylist()) == CONTENT


def test_a_carriage_return_ends_a_line_unless_breaks_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "old.txt"
    path.write_bytes(b"a\rb\r\rc\r\nd\r")
    wanted = {"lines": ["a", "b", "c", "d"], "paragraphs": ["a\nb", "c\nd"], "documents": ["a\nb\n\nc\nd"]}
    for rows, found in wanted.items():
        settings = text.Settings.model_validate({"path": str(path), "rows": rows})
        assert text.open_tables(settings, tmp_path, Silent())["train"]["text"].to_pylist() == found
        kept = text.open_tables(settings.model_copy(update={"breaks": True}), tmp_path, Silent())["train"]["text"]
        assert "".join(kept.to_pylist()) == "a\rb\r\rc\nd\r"


def test_a_folder_of_nothing_but_text_is_claimed(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("one\ntwo\n")
    (tmp_path / "validation.txt").write_text("three\n")
    assert text.claims(tmp_path)
    tables = text.open_tables(text.Settings(path=str(tmp_path)), tmp_path, Silent())
    assert {split: table["text"].to_pylist() for split, table in tables.items()} == {
        "train": ["one", "two"],
        "validation": ["three"],
    }
    (tmp_path / "table.csv").write_text("a\n1\n")
    assert not text.claims(tmp_path)


def test_another_encoding_is_named_with_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "old.txt"
    path.write_bytes("déjà".encode("latin-1"))
    with pytest.raises(DataError, match=r"old.txt: byte 1 is not utf-8 .*; save the file as utf-8, or set"):
        text.open_tables(text.Settings(path=str(path)), tmp_path, Silent())
    settings = text.Settings(path=str(path), encoding="latin-1")
    assert text.open_tables(settings, tmp_path, Silent())["train"]["text"].to_pylist() == ["déjà"]


@pytest.mark.parametrize("encoding", ["utf-99", "rot13", "hex", "idna", "punycode", "undefined", "utf-8\0", ""])
@pytest.mark.parametrize("source", [text, csv])
def test_an_encoding_that_is_none_of_text_is_refused_without_data(source: Any, encoding: str) -> None:
    with pytest.raises(ValidationError, match=r"no text encoding is called .*; examples are utf-8"):
        source.Settings(path="some", encoding=encoding)


@pytest.mark.parametrize(("encoding", "content"), [("utf-7", b"a\n+2AA-\n"), ("unicode_escape", b"a\n\\ud800\n")])
@pytest.mark.parametrize("source", [text, csv])
def test_text_of_surrogates_is_refused_by_file(tmp_path: Path, source: Any, encoding: str, content: bytes) -> None:
    path = tmp_path / "some.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"some\.txt: .*surrogate"):
        source.open_tables(source.Settings(path=str(path), encoding=encoding), tmp_path, Silent())

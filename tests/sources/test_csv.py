"""CSV: types from all rows, many spellings of missing, and errors with line or byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dlw.errors import DataError
from dlw.progress import Silent
from dlw.sources import csv


def read(path: Path, content: str | bytes, **options: Any) -> pa.Table:
    """Write a file and read it as the training table."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return csv.open_tables(csv.Settings(path=str(path), **options), path.parent, Silent())["train"]


def test_missing_cells_are_null_whatever_their_spelling(tmp_path: Path) -> None:
    table = read(tmp_path / "a.csv", "n,w\n1,x\n,\n?,?\nNA,NA\nnan,null\n2,None\n")
    assert table.to_pydict() == {"n": [1, None, None, None, None, 2], "w": ["x", None, None, None, None, "None"]}
    assert read(tmp_path / "a.csv", "n\n?\n-\n", missing=["-"])["n"].to_pylist() == ["?", None]


def test_types_come_from_all_rows(tmp_path: Path) -> None:
    rows = "".join(f"{number}\n" for number in range(600_000))
    assert read(tmp_path / "a.csv", f"n\n{rows}late\n").schema.field("n").type == pa.string()


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", "a,b\n1,2\n"), ("a.tsv", "a\tb\n1\t2\n"), ("a.csv", "a;b\n1;2\n"), ("a.csv", "a\tb\n1\t2\n")],
)
def test_the_delimiter_is_seen(tmp_path: Path, name: str, content: str) -> None:
    assert read(tmp_path / name, content).to_pydict() == {"a": [1], "b": [2]}


def test_decimal_commas_and_text_columns_can_be_asked_for(tmp_path: Path) -> None:
    table = read(tmp_path / "a.csv", "zip;price\n00123;1,5\n", decimal=",", text=["zip"])
    assert table.to_pydict() == {"zip": ["00123"], "price": [1.5]}


def test_text_in_one_file_is_text_in_all(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("code\n007\nA1\n")
    (tmp_path / "test.csv").write_text("code\n008\n")
    tables = csv.open_tables(csv.Settings(path=str(tmp_path)), tmp_path, Silent())
    assert tables["test"]["code"].to_pylist() == ["008"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n3\n", r":3: 1 cells where the header has 2: '3'"),
        ('a,b\n"x\ny",2\n3,4,5\n', r":4: 3 cells where the header has 2"),
        ('a,b\n1,2\n"3,4\n5,6\n', r":3: .*quote"),
        ("", "the file is empty: 0 rows found, a header and rows are needed"),
        ("a,b,a\n1,2,3\n", "duplicate column names: 'a' in columns 1, 3"),
        (b"a,b\nK\xf6ln,1\n", r"byte 5: 0xf6 is not utf-8 text; save the file as utf-8, or .* `encoding: latin-1`"),
        ("a,b\n1,ü".encode()[:-1], "byte 6: 0xc3 is not utf-8 text"),
        (b"\xff,b\n1,2\n", r"byte 0: 0xff is not utf-8 text"),
        ("a,b\nKöln,1\n".encode("utf-16"), r"byte 0: this is UTF-16 text; save the file .* `encoding: utf-16`"),
        (b"a,b\n1,\x002\n", "byte 6: a NUL byte"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path / "a.csv", content)
    assert str(tmp_path / "a.csv") in str(caught.value)


@pytest.mark.withstands("bad inputs", case="D14")
def test_a_wrong_byte_is_found_behind_the_first_block(tmp_path: Path) -> None:
    rows = b"word\n" + "Straße\n".encode() * 300_000
    with pytest.raises(DataError, match=f"byte {len(rows)}: 0xff is not"):
        read(tmp_path / "a.csv", rows + b"\xff\n")


@pytest.mark.withstands("bad inputs", case="D14")
def test_other_encodings_are_read_when_named(tmp_path: Path) -> None:
    for encoding in ("latin-1", "utf-16", "cp1252"):
        assert read(tmp_path / "a.csv", "a\nKöln\n".encode(encoding), encoding=encoding)["a"].to_pylist() == ["Köln"]
    assert read(tmp_path / "a.csv", b"\xef\xbb\xbfa\r\n1\r\n").to_pydict() == {"a": [1]}
    with pytest.raises(DataError, match=r"a\.csv: is not utf-16 text \(.*BOM"):
        read(tmp_path / "a.csv", "a\n1\n".encode("utf-16-le"), encoding="utf-16")


def test_files_of_a_split_need_the_same_columns(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "b.csv").write_text("x,z\n1,2\n")
    with pytest.raises(DataError, match=r"its columns differ from those of .*: y, z"):
        csv.open_tables(csv.Settings(path=str(tmp_path)), tmp_path, Silent())

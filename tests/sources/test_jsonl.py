"""JSON lines: types from all rows, errors with the line."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from dlw.errors import DataError
from dlw.progress import Silent
from dlw.sources import jsonl


def read(path: Path, content: str | bytes) -> pa.Table:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return jsonl.open_tables(jsonl.Settings(path=str(path)), path.parent, Silent())["train"]


def test_rows_may_leave_keys_out_and_types_widen_late(tmp_path: Path) -> None:
    content = '{"a": 1}\n' * 200_000 + '{"a": 0.5, "b": ["x"]}\n'
    table = read(tmp_path / "a.jsonl", content)
    assert table.schema.field("a").type == pa.float64()
    assert table["b"].to_pylist()[-1] == ["x"]
    assert read(tmp_path / "a.json", '[{"a": 1}, {"b": "x"}]').to_pydict() == {"a": [1, None], "b": [None, "x"]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"a": 1}\n{"a": \n', r"a\.jsonl:2: not JSON"),
        ('{"a": 1}\n[2]\n', r"a\.jsonl:2: not an object"),
        ('{"a": 1}\n{"a": "x"}\n', r"a\.jsonl: not readable as JSON lines"),
        ('null\n{"a": 1}\n', r"a\.jsonl:1: not an object"),
        (b'\xef\xbb\xbfnull{"a": 1}\n', r"a\.jsonl:1: not JSON"),
        ("  \n", "the file is empty"),
        (b'{"a": "\xff"}\n', "byte 7: not UTF-8 text"),
        ("[1, 2]", "a list of something else than objects"),
        ("[" * 100_000, "not readable as JSON: nested too deeply"),
        ('[{"a": 1}, {"a": "x"}]', "values of different types"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path / "a.jsonl", content)

"""Parquet and Arrow: class labels keep their names, broken files are named."""

from __future__ import annotations

from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dlw.errors import DataError
from dlw.progress import Silent
from dlw.sources import arrow, parquet

CLASSES = datasets.Features({"x": datasets.Value("int64"), "label": datasets.ClassLabel(names=["z", "a", "m"])})


def opened(path: Path) -> dict[str, pa.Table]:
    return parquet.open_tables(parquet.Settings(path=str(path)), path, Silent())


def test_class_labels_of_the_datasets_library_get_their_names(tmp_path: Path) -> None:
    rows = datasets.Dataset.from_dict({"x": [1, 2, 3], "label": [1, 0, -1]}, features=CLASSES)
    rows.to_parquet(str(tmp_path / "a.parquet"))
    column = opened(tmp_path / "a.parquet")["train"]["label"]
    assert column.to_pylist() == ["a", "z", None]
    assert column.type.ordered
    assert column.chunk(0).dictionary.to_pylist() == ["z", "a", "m"]


def test_a_class_without_a_name_is_refused(tmp_path: Path) -> None:
    table = pa.table({"x": [1], "label": [7]}, schema=CLASSES.arrow_schema)
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(DataError, match="column label: class 7 where the file names only 3 classes"):
        opened(tmp_path / "a.parquet")


@pytest.mark.parametrize("metadata", [b"not json", b"{}", b'{"info": {"features": [1]}}', b'{"info": {"features": 3}}'])
def test_foreign_metadata_is_ignored(tmp_path: Path, metadata: bytes) -> None:
    pq.write_table(pa.table({"x": [1, 2]}).replace_schema_metadata({"huggingface": metadata}), tmp_path / "a.parquet")
    assert opened(tmp_path / "a.parquet")["train"]["x"].to_pylist() == [1, 2]


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "the file is empty"), (b"PAR1 no more", "not a readable Parquet")]
)
def test_broken_files_are_named(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.parquet: {reason}"):
        opened(tmp_path / "a.parquet")


def test_text_that_is_no_utf_8_is_refused_where_it_is_read(tmp_path: Path) -> None:
    letters = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")])
    pq.write_table(pa.table({"a": letters}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"not a readable Parquet file: .*UTF8"):
        opened(tmp_path / "a.parquet")


@pytest.mark.withstands("bad inputs", case="D04")
def test_duplicate_columns_are_named(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"]), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="'a' in columns 1, 2"):
        opened(tmp_path / "a.parquet")


def test_numbers_of_several_files_find_a_common_type(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"a": [0.5]}), tmp_path / "2.parquet")
    assert opened(tmp_path)["train"]["a"].to_pylist() == [1.0, 0.5]
    pq.write_table(pa.table({"a": ["x"]}), tmp_path / "3.parquet")
    with pytest.raises(DataError, match="columns of different types"):
        opened(tmp_path)


def test_arrow_folders_keep_choice_order_and_class_names(tmp_path: Path) -> None:
    rows = datasets.Dataset.from_dict({"x": [1, 2, 3], "label": [1, 0, 2]}, features=CLASSES).select([2, 0])
    datasets.DatasetDict({"validation": rows, "train": rows}).save_to_disk(str(tmp_path / "saved"))
    tables = arrow.open_tables(arrow.Settings(path=str(tmp_path / "saved")), tmp_path, Silent())
    assert list(tables) == ["train", "validation"]
    assert tables["train"].to_pydict() == {"x": [3, 1], "label": ["m", "a"]}


def test_a_folder_that_is_no_arrow_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not an Arrow folder"):
        arrow.open_tables(arrow.Settings(path=str(tmp_path)), tmp_path, Silent())
    (tmp_path / "state.json").write_text("{}")
    with pytest.raises(DataError, match="not a readable Arrow folder"):
        arrow.open_tables(arrow.Settings(path=str(tmp_path)), tmp_path, Silent())

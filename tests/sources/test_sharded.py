"""Sources that leave their rows on disk or far away: the same rows as in memory, whatever the format."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dlw import registry
from dlw.errors import DataError
from dlw.progress import Silent
from dlw.shards import ShardedTable
from dlw.sources import _json_files, _sharded
from dlw.verbs._sources import open_source

ROWS = 300
SMALL = 5_000
"""A budget that the rows do not fit."""


def rows() -> list[dict[str, Any]]:
    return [{"x": number / 2 if number > 200 else number, "word": f"w{number % 5}" * 9} for number in range(ROWS)]


def write(folder: Path, kind: str) -> Path:
    """Write the rows in one of the formats that can stay on disk; numbers turn out not to be whole in the last ones."""
    path = folder / f"rows.{kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows()), path, row_group_size=50)
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows()))
    else:
        made = datasets.Dataset.from_list(rows()).class_encode_column("word")
        made.save_to_disk(path, num_shards=3)
    return path


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_json_files, "RUN_BYTES", 2000)
    monkeypatch.setattr(_sharded, "LEAST_BYTES", 1)
    datasets.disable_progress_bars()


def opened(path: Path | str, budget: int | None) -> dict[str, Any]:
    return open_source(str(path), Path("/"), Path("/nowhere"), Silent(), budget)


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "arrow"])
def test_rows_on_disk_are_those_in_memory(kind: str, tmp_path: Path) -> None:
    path = write(tmp_path, kind)
    whole, sharded = opened(path, 10**9)["train"], opened(path, SMALL)["train"]
    assert isinstance(sharded, ShardedTable)
    assert not isinstance(whole, ShardedTable)
    assert len(sharded.shards) > 2
    assert sharded.schema.types == whole.schema.types
    assert sharded.load().to_pylist() == whole.to_pylist()
    some = np.array([299, 0, 150])
    assert sharded.take(some).load().to_pylist() == whole.take(some).to_pylist()


def test_several_files_are_one_table_with_one_type_for_each_column(tmp_path: Path) -> None:
    for place, numbers in enumerate(([1, 2], [1.5, None])):
        pq.write_table(pa.table({"x": numbers * 50, "y": ["a"] * 100}), tmp_path / f"part-{place}.parquet")
    table = opened(tmp_path / "part-*.parquet", 100)["train"]
    assert isinstance(table, ShardedTable)
    assert table.schema.field("x").type == pa.float64()
    assert table.load()["x"].to_pylist() == [1, 2] * 50 + [1.5, None] * 50
    pq.write_table(pa.table({"x": [1], "z": ["a"]}), tmp_path / "part-2.parquet")
    with pytest.raises(DataError, match=r"part-2\.parquet: its columns differ .* y, z"):
        opened(tmp_path / "part-*.parquet", 100)


def test_a_first_file_without_rows_says_nothing_of_the_others(tmp_path: Path) -> None:
    whole = pa.Table.from_pylist(rows())
    pq.write_table(whole.slice(0, 0), tmp_path / "part-0.parquet")
    pq.write_table(whole, tmp_path / "part-1.parquet", row_group_size=50)
    table = opened(tmp_path / "part-*.parquet", SMALL)["train"]
    assert isinstance(table, ShardedTable)
    assert table.load()["x"].to_pylist() == whole["x"].to_pylist()


def test_numbers_that_the_type_of_all_files_cannot_hold_are_named(tmp_path: Path) -> None:
    for place, number in enumerate((2**53 + 1, 0.5)):
        pq.write_table(pa.table({"x": [number] * 100}), tmp_path / f"part-{place}.parquet")
    table = opened(tmp_path / "part-*.parquet", 100)["train"]
    with pytest.raises(DataError, match=r"part-0\.parquet, row group 0: not readable in the types"):
        table.load()


def test_text_that_looks_like_times_at_first_is_text_on_disk_as_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    days = [*(f"2024-01-{day:02}" for day in range(1, 31)), "unknown"] * 20
    path.write_text("".join(json.dumps({"day": day, "x": 1}) + "\n" for day in sorted(days)))
    sharded = opened(path, SMALL)["train"]
    assert isinstance(sharded, ShardedTable)
    assert sharded.load().to_pylist() == opened(path, None)["train"].to_pylist()


def test_files_are_known_by_length_time_and_end(tmp_path: Path) -> None:
    path = write(tmp_path, "parquet")
    first = opened(path, SMALL)["train"].digest()
    assert opened(path, SMALL)["train"].digest() == first
    path.write_bytes(path.read_bytes())
    assert opened(path, SMALL)["train"].digest() != first


BROKEN = {
    "parquet": (lambda data: data[:-9], r"rows\.parquet: not a readable Parquet file"),
    "jsonl": (lambda data: data + b"[1]\n", r"rows\.jsonl:301: not an object"),
    "jsonl list": (lambda data: b"[" + data.replace(b"\n", b",")[:-1] + b"]", r"write it as JSON lines"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_named_with_the_place(case: str, tmp_path: Path) -> None:
    path = write(tmp_path, case.split()[0])
    damage, message = BROKEN[case]
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=message):
        opened(path, SMALL)


def test_a_row_group_that_is_damaged_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "parquet")
    table = opened(path, SMALL)["train"]
    data = bytearray(path.read_bytes())
    data[5:300] = bytes(295)
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"rows\.parquet, row group 0: cannot be read"):
        table.slice(0, 10).load()


@pytest.fixture
def far() -> Iterator[fsspec.AbstractFileSystem]:
    """A file system that fsspec keeps in this process: as far as dlw can see, a remote one."""
    files = fsspec.filesystem("memory")
    yield files
    files.rm("/", recursive=True)


def send(files: fsspec.AbstractFileSystem, path: Path, name: str) -> None:
    with files.open(name, "wb") as opened:
        opened.write(path.read_bytes())


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
@pytest.mark.parametrize("budget", [None, SMALL])
def test_remote_rows_are_those_of_the_file(
    kind: str, budget: int | None, far: fsspec.AbstractFileSystem, tmp_path: Path
) -> None:
    path = write(tmp_path, kind)
    send(far, path, f"/bucket/rows.{kind}")
    table = opened(f"memory://bucket/rows.{kind}", budget)["train"]
    assert isinstance(table, ShardedTable) == (budget is not None)
    assert (table.load() if budget else table).to_pylist() == opened(path, None)["train"].to_pylist()


def test_remote_files_are_found_by_pattern_and_by_folder_with_their_splits(
    far: fsspec.AbstractFileSystem, tmp_path: Path
) -> None:
    path = write(tmp_path, "parquet")
    for name in ("train-0", "train-1", "test-0"):
        send(far, path, f"/bucket/set/{name}.parquet")
    send(far, path, "/bucket/set/notes.txt")
    for source in ("memory://bucket/set/*.parquet", {"type": "parquet", "path": "memory://bucket/set"}):
        module = registry.load("sources", "parquet")
        given = source if isinstance(source, str) else source["path"]
        found = module.open_shards(module.Settings(path=given), tmp_path, Silent(), SMALL)
        assert {split: len(table) for split, table in found.items()} == {"train": 2 * ROWS, "test": ROWS}


SILENT = {
    "the connection was lost": "rows.parquet: cannot be read: the connection was lost",
    "The HTTP server doesn't appear to support range requests.": "the server sends whole files only",
}


@pytest.mark.parametrize("reason", SILENT)
@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_a_service_that_fails_while_a_file_is_read_is_told(
    kind: str, reason: str, far: fsspec.AbstractFileSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(far, write(tmp_path, kind), f"/bucket/rows.{kind}")

    def fail(*_: object) -> bytes:
        raise ValueError(reason)

    monkeypatch.setattr(fsspec.implementations.memory.MemoryFile, "read", fail, raising=False)
    with pytest.raises(DataError, match=SILENT[reason].replace("parquet", kind)):
        opened(f"memory://bucket/rows.{kind}", None)


REFUSED = {
    "memory://bucket/none.parquet": "none.parquet: cannot be read: no such file",
    "ftp://host/rows.parquet": r"ftp:// is not read",
    "memory://bucket/rows.csv": "of URLs parquet and jsonl are read",
    "simplecache::memory://bucket/rows.parquet": "no such file",
}


@pytest.mark.parametrize("url", REFUSED)
def test_urls_that_cannot_be_read_are_refused(url: str, far: fsspec.AbstractFileSystem) -> None:
    with pytest.raises(DataError, match=REFUSED[url]):
        opened(url, None)

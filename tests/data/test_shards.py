"""Tables that stay on disk: which rows they give, and what is read for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest

from dlw.errors import DataError
from dlw.shards import Pool, Shard, ShardedTable, in_pieces, loaded, sampled

ROWS = pa.table({"x": np.arange(100), "word": [f"w{number % 7}" for number in range(100)], "fat": ["z" * 900] * 100})
SIZES = (10, 1, 39, 25, 25)


class Counted:
    """A table in five shards that counts how often each is read, and which columns."""

    def __init__(self, limit_bytes: int = 10**6) -> None:
        self.reads: Counter[int] = Counter()
        self.columns: set[str] = set()
        starts = np.cumsum([0, *SIZES]).tolist()
        shards = [self._shard(place, starts[place], size) for place, size in enumerate(SIZES)]
        self.table = ShardedTable(tuple(shards), ROWS.schema, Pool(limit_bytes), "bytes", range(100))

    def _shard(self, place: int, start: int, size: int) -> Shard:
        def read(names: Sequence[str]) -> pa.Table:
            self.reads[place] += 1
            self.columns |= set(names)
            return ROWS.select(list(names)).slice(start, size).combine_chunks()

        return Shard(f"shard {place}", size, size * 930, read)


CHOICES = {
    "all": lambda table: table,
    "slice": lambda table: table.slice(8, 44),
    "slice of a slice": lambda table: table.slice(8, 44).slice(10),
    "rows": lambda table: table.take(np.array([3, 99, 4, 10, 10, 60])),
    "rows of rows": lambda table: table.take(np.array([3, 40, 41, 90])).slice(1, 2),
    "rows of a slice": lambda table: table.slice(50).take(np.array([0, 49])),
    "columns": lambda table: table.select(["word", "x"]).take(np.array([1, 0])),
    "none": lambda table: table.slice(100),
    "no rows": lambda table: table.take(np.zeros(0, np.int64)),
}


@pytest.mark.parametrize("choice", CHOICES)
def test_rows_are_those_of_a_table_in_memory(choice: str) -> None:
    counted = Counted()
    chosen = CHOICES[choice](counted.table)
    expected = CHOICES[choice](ROWS)
    assert not counted.reads
    assert (len(chosen), chosen.column_names) == (len(expected), expected.column_names)
    assert loaded(chosen).to_pylist() == expected.to_pylist()


def test_only_the_shards_and_columns_that_are_asked_for_are_read() -> None:
    counted = Counted()
    counted.table.select(["x"]).take(np.array([12, 60, 61])).load()
    assert counted.reads == {2: 1, 3: 1}
    assert counted.columns == {"x"}


def test_a_pool_forgets_what_was_used_longest_ago_and_keeps_within_its_limit() -> None:
    counted = Counted(limit_bytes=2 * 25 * 930 + 1000)
    for place in (55, 80, 56, 5, 57, 81):
        counted.table.take(np.array([place])).load()
    assert counted.reads == {3: 1, 4: 2, 0: 1}
    held = counted.table.pool._held.values()
    assert sum(future.result().nbytes for future in held) <= counted.table.pool.limit_bytes


def test_threads_that_want_one_shard_read_it_once() -> None:
    counted = Counted()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda row: counted.table.take(np.array([row])).load(), range(50, 75)))
    assert counted.reads == {3: 1}


def test_an_error_of_a_shard_is_raised_each_time() -> None:
    pool = Pool(100)
    for _ in range(2):
        with pytest.raises(DataError, match="broken"):
            pool.get("key", lambda: (_ for _ in ()).throw(DataError("broken")))


def test_columns_that_fit_are_gathered_whole_in_one_pass() -> None:
    counted = Counted()
    found = counted.table.gather(["fat", "word", "x"], 5000)
    assert found.column_names == ["word", "x"]
    assert found.to_pylist() == ROWS.select(["word", "x"]).to_pylist()
    assert counted.table.gather(["fat"], 5000).column_names == []
    assert counted.table["word"].to_pylist() == ROWS["word"].to_pylist()


def test_a_whole_column_that_does_not_fit_is_refused_with_the_remedy() -> None:
    with pytest.raises(DataError, match=r"column fat of 100 rows .* data\.memory_budget"):
        Counted(limit_bytes=20_000).table["fat"]


def test_a_sample_is_always_the_same_and_within_its_bounds() -> None:
    table = Counted().table
    first, second = (sampled(table, 20 * 930) for _ in range(2))
    assert first.equals(second)
    assert len(first) == 20
    assert len(set(first["x"].to_pylist())) == 20
    assert first["x"].to_pylist() == sorted(first["x"].to_pylist())
    assert sampled(ROWS, 1) is ROWS


def test_pieces_are_all_rows_in_order_and_never_of_two_shards() -> None:
    table = Counted().table.take(np.arange(0, 100, 3))
    pieces = list(table.pieces(5))
    assert max(map(len, pieces)) == 5
    assert [row for piece in in_pieces(table, 5) for row in piece["x"].to_pylist()] == list(range(0, 100, 3))
    shard_of = np.repeat(np.arange(5), SIZES)
    assert all(len(set(shard_of[piece.rows].tolist())) == 1 for piece in pieces)
    assert len(table.bounds) == 5  # the shard of one row has none of these


def test_an_edited_column_is_edited_when_it_is_read() -> None:
    table = Counted().table.edited("x", lambda values: pa.array([-one for one in values.to_pylist()]), pa.int64())
    assert table.take(np.array([3, 70])).load()["x"].to_pylist() == [-3, -70]
    assert table.select(["word"]).slice(0, 1).load().to_pylist() == [{"word": "w0"}]


def test_as_many_shards_are_mixed_as_fit_and_too_large_ones_are_refused() -> None:
    assert Counted(10**9).table.window() == 5
    assert Counted(4 * 39 * 930).table.window() == 2
    with pytest.raises(DataError, match=r"shard 2: its 39 rows .* smaller row groups"):
        Counted(39 * 930).table.window()


def test_a_digest_is_of_the_files_and_of_the_choice() -> None:
    table = Counted().table
    digests = {each.digest() for each in (table, table.slice(1), table.take(np.arange(5)), table.take(np.arange(6)))}
    assert len(digests) == 4
    assert table.slice(1).digest() == table.slice(1).digest()

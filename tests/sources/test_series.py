"""Cells of series: right values, nothing across recordings, no future in the past, gaps marked, losses told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dlw.columns import to_cells
from dlw.errors import DataError
from dlw.progress import Silent
from dlw.sources import series


def write(folder: Path, split: str = "rows", first: int = 0, count: int = 8, **columns: list[Any]) -> None:
    """Write two recordings of `count` rows from moment `first` on, in reverse order; s is 10 times the moment."""
    moments = list(range(first, first + count))[::-1]
    table = {"unit": ["b"] * count + ["a"] * count, "t": moments * 2}
    table |= {"s": [10.0 * t for t in moments] + [100.0 + t for t in moments], "known": [float(t) for t in moments * 2]}
    pq.write_table(pa.table(table | columns), folder / f"{split}.parquet")


def opened(folder: Path, **options: Any) -> dict[str, pa.Table]:
    settings = {"path": str(folder), "by": "unit", "order": "t", "columns": ["s"], "length": 3, **options}
    return series.open_tables(series.Settings.model_validate(settings), folder, Silent())


def steps(table: pa.Table, name: str) -> list[list[float]]:
    """Return the first channel of each cell."""
    cells = to_cells(table[name])
    assert cells is not None
    return [row[:, 0].tolist() for row in cells.rows if row is not None]


def test_histories_hold_the_last_steps_of_one_recording(tmp_path: Path) -> None:
    write(tmp_path, count=4)
    train = opened(tmp_path)["train"]
    assert train["unit"].to_pylist() == ["a", "a", "b", "b"]
    assert train["t"].to_pylist() == [2, 3, 2, 3]
    assert steps(train, "history") == [[100, 101, 102], [101, 102, 103], [0, 10, 20], [10, 20, 30]]


def test_steps_ahead_lie_in_one_split_and_histories_reach_back(tmp_path: Path) -> None:
    write(tmp_path)
    tables = opened(tmp_path, ahead=2, borders={"train": 5, "validation": 7})
    assert steps(tables["train"], "window") == [[100, 101, 102, 103, 104], [0, 10, 20, 30, 40]]
    assert steps(tables["validation"], "window") == [[102, 103, 104, 105, 106], [20, 30, 40, 50, 60]]
    assert steps(tables["validation"], "history") == [[102, 103, 104], [20, 30, 40]]
    assert len(opened(tmp_path, borders={"train": 0.5, "test": 1})["test"]) == 8
    with pytest.raises(DataError, match="test: column t: no recording has 3 \\+ 2 rows"):
        opened(tmp_path, ahead=2, borders={"train": 5, "validation": 7, "test": 8})


def test_files_of_the_same_recordings_continue_one_another(tmp_path: Path) -> None:
    write(tmp_path, "train", 0, 4)
    write(tmp_path, "test", 4, 2)
    assert steps(opened(tmp_path, continues=True)["test"], "history")[:2] == [[102, 103, 104], [103, 104, 105]]
    assert steps(opened(tmp_path, partial=True)["test"], "history")[:2] == [[104], [104, 105]]
    write(tmp_path, "test", 3, 2)
    with pytest.raises(DataError, match=r"column t: .* unit a has 3 twice"):
        opened(tmp_path, continues=True)
    write(tmp_path, "test", -9, 2)
    with pytest.raises(DataError, match="comes before one of an earlier split"):
        opened(tmp_path, continues=True)


def test_borders_need_a_file_to_cut(tmp_path: Path) -> None:
    write(tmp_path, "test"), write(tmp_path, "validation")
    with pytest.raises(DataError, match="borders: cut the file of train, and there is none"):
        opened(tmp_path, borders={"train": 5})


def test_absent_moments_are_gaps(tmp_path: Path) -> None:
    write(tmp_path, count=4, t=[6, 3, 2, 0, 5, 4, 2, 0])
    train = opened(tmp_path, step=1.0)["train"]
    assert str(steps(train, "history")[-1]) == "[nan, nan, 30.0]"
    assert train["t"].to_pylist() == [2, 4, 5, 2, 3, 6]
    with pytest.raises(DataError, match=r"column t: 2 is 0\.5 steps of 4 after the first"):
        opened(tmp_path, step=4.0)


def test_the_latest_window_is_what_predict_goes_on_from(tmp_path: Path) -> None:
    unknown = [None, None, *[10.0 * t for t in range(6)][::-1]]
    write(tmp_path, s=unknown * 2)
    settings = {"path": str(tmp_path), "by": "unit", "order": "t", "columns": ["s"], "length": 3, "ahead": 2}
    latest = series.open_questions(series.Settings(**settings, known=["known"]), tmp_path, Silent())["test"]
    assert latest["t"].to_pylist() == [5, 5]
    assert steps(latest, "history") == [[30, 40, 50]] * 2
    assert steps(latest, "known") == [[3, 4, 5, 6, 7]] * 2
    with pytest.raises(DataError, match="must be known for 3 steps"):
        series.open_questions(series.Settings(**settings | {"ahead": 3}, known=["known"]), tmp_path, Silent())


@pytest.mark.withstands("bad inputs", case="D16")
@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({}, {"columns": ["ss"]}, "no column ss; did you mean s?"),
        ({}, {"length": 9}, "column t: no recording has 9 rows \\(the longest has 8\\)"),
        ({"t": [0] * 16}, {}, "column t: row 1: unit b has 0 twice"),
        ({"t": [None, *range(15)]}, {}, "column t: 1 values are missing \\(first: row 0\\)"),
        ({"s": ["x"] * 16}, {}, "column s holds string"),
    ],
)
def test_bad_tables_are_explained(
    tmp_path: Path, columns: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    write(tmp_path, **columns)
    with pytest.raises(DataError, match=message):
        opened(tmp_path, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"borders": {"train": 9, "test": 5}}, "must name train and rise"),
        ({"known": ["k"]}, "known has no effect without ahead"),
        ({"step": 1.0, "repeated": "keep"}, "two rows cannot have one place"),
    ],
)
def test_contradictions_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        series.Settings(path="x", order="t", columns=["s"], length=3, **options)

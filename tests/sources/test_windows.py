"""Windows: right values, right order, nothing across groups, told losses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from dlw.errors import DataError
from dlw.progress import Silent
from dlw.sources import windows
from tests.heard import Heard


def table() -> pa.Table:
    """Return three groups of 4, 3 and 1 rows in a shuffled order."""
    return pa.table(
        {
            "unit": ["b", "a", "a", "b", "a", "c", "b", "a"],
            "cycle": [2, 1, 2, 1, 3, 1, 3, 4],
            "s": [22, 11, 12, 21, 13, 31, 23, 14],
            "rul": [1, 3, 2, 2, 1, 9, 0, 0],
        }
    )


def opened(folder: Path, **options: Any) -> dict[str, pa.Table]:
    """Write train.parquet and test.parquet and open them as windows of 2."""
    for split in ("train", "test"):
        pq.write_table(table(), folder / f"{split}.parquet")
    settings = {"path": str(folder), "by": "unit", "order": "cycle", "columns": ["s"], "length": 2, **options}
    return windows.open_tables(windows.Settings(**settings), folder, Silent())


def test_windows_hold_the_last_steps_of_one_group(tmp_path: Path) -> None:
    train = opened(tmp_path)["train"].to_pydict()
    assert train == {
        "unit": ["a", "a", "a", "b", "b"],
        "cycle": [2, 3, 4, 2, 3],
        "rul": [2, 1, 0, 1, 0],
        "s@-1": [11.0, 12.0, 13.0, 21.0, 22.0],
        "s@0": [12.0, 13.0, 14.0, 22.0, 23.0],
    }


def test_last_only_keeps_one_window_per_group_of_that_split(tmp_path: Path) -> None:
    tables = opened(tmp_path, last_only=["test"])
    assert tables["test"]["s@0"].to_pylist() == [14.0, 23.0]
    assert len(tables["train"]) == 5


def test_partial_windows_have_gaps(tmp_path: Path) -> None:
    train = opened(tmp_path, partial=True)["train"]
    assert train["s@-1"].to_pylist() == [None, 11.0, 12.0, 13.0, None, 21.0, 22.0, None]
    assert train["s@0"].null_count == 0


def test_every_counts_from_the_end_of_a_group(tmp_path: Path) -> None:
    assert opened(tmp_path, every=2)["train"]["s@0"].to_pylist() == [12.0, 14.0, 23.0]


def test_cap_holds_values_down(tmp_path: Path) -> None:
    assert opened(tmp_path, cap={"rul": 1})["train"]["rul"].to_pylist() == [1.0, 1.0, 0.0, 1.0, 0.0]


@pytest.mark.withstands("bad inputs", case="D16")
def test_short_groups_are_told(tmp_path: Path) -> None:
    pc.write_csv(table(), tmp_path / "rows.csv")
    heard = Heard()
    settings = windows.Settings(path=str(tmp_path / "rows.csv"), by="unit", order="cycle", columns=["s"], length=4)
    assert len(windows.open_tables(settings, tmp_path, heard)["train"]) == 1
    assert heard.warnings == ["train: 2 groups are shorter than 4 rows and left out; `partial: true` keeps them"]


@pytest.mark.withstands("bad inputs", case="D16")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": ["ss"]}, "no column ss; did you mean s?"),
        ({"columns": ["unit"]}, "column unit holds string"),
        ({"cap": {"s": 1}}, "s is windowed"),
        ({"length": 9}, "no group has 9 rows \\(the longest has 4\\)"),
    ],
)
def test_wrong_options_are_explained(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        opened(tmp_path, **options)

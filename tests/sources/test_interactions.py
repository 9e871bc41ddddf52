"""Logs as sequences: order, ties, the last ones left out, no history that looks ahead, pieces, and rows to answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dlw.errors import DataError
from dlw.progress import Silent
from dlw.sources.interactions import Settings, open_questions, open_tables

Rows = list[dict[str, Any]]


def write(path: Path, rows: list[tuple[object, ...]], header: str = "user_id,item_id,timestamp") -> Path:
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def opened(path: Path, **options: Any) -> dict[str, Rows]:
    tables = open_tables(Settings(path=str(path), **options), path.parent, Silent())
    return {split: table.to_pylist() for split, table in tables.items()}


def test_the_last_is_test_the_one_before_validation_and_ties_keep_the_order_of_the_file(tmp_path: Path) -> None:
    log = [("b", 7, 1), ("a", 1, 5), ("a", 2, 3), ("a", 3, 5), ("b", 8, 2), ("a", 4, 5)]
    found = opened(write(tmp_path / "log.csv", log))
    assert found["train"] == [
        {"user_id": "b", "history": [7, 8], "next": [8]},
        {"user_id": "a", "history": [2, 1], "next": [1]},
    ]
    assert found["validation"] == [{"user_id": "a", "history": [2, 1], "next": [3]}]
    assert found["test"] == [{"user_id": "a", "history": [2, 1, 3], "next": [4]}]


def test_splits_named_by_files_are_kept(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", [("a", 1, 1), ("a", 2, 2)])
    write(tmp_path / "test.csv", [("a", 3, 3), ("b", 9, 1)])
    found = opened(tmp_path)
    assert list(found) == ["train", "test"]
    assert [(row["history"], row["next"]) for row in found["test"]] == [([1, 2], [3]), ([], [9])]


def test_a_history_never_looks_ahead(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", [("a", 1, 1), ("a", 2, 9)])
    write(tmp_path / "test.csv", [("a", 3, 3)])
    with pytest.raises(DataError, match="user a: an interaction of the train split comes after one of the test split"):
        opened(tmp_path)
    write(tmp_path / "train.csv", [("a", 1, 1)])
    write(tmp_path / "validation.csv", [("a", 2, 9)])
    with pytest.raises(DataError, match="user a: an interaction of the validation split comes after one of the test"):
        opened(tmp_path)


@pytest.mark.parametrize("count", [2, 4, 5, 8, 9, 12])
def test_long_histories_come_in_pieces_that_learn_every_step_once(tmp_path: Path, count: int) -> None:
    rows = [("a", item, item) for item in range(count + 2)]
    train = opened(write(tmp_path / "log.csv", rows), length=4)["train"]
    assert [item for row in train for item in row["next"]] == list(range(1, count))
    assert all(len(row["history"]) <= 5 for row in train)
    for row in train:
        assert row["next"] == [item + 1 for item in row["history"]][: len(row["next"])]
        assert len(row["history"]) - len(row["next"]) in (0, 1)


def test_titles_and_side_tables_are_joined(tmp_path: Path) -> None:
    write(tmp_path / "films.csv", [(1, "Alien"), (2, "Brazil"), (3, "Cube")], "item_id,title")
    write(tmp_path / "people.csv", [("a", 30)], "user_id,age")
    log = write(tmp_path / "log.csv", [("a", 1, 1), ("a", 2, 2), ("a", 3, 3), ("a", 9, 4), ("b", 1, 1), ("b", 2, 2)])
    side = {"item_id": "films.csv", "user_id": "people.csv"}
    found = opened(log, side=side, title="title")
    assert found["test"][0]["history"][2] == {"id": 3, "title": "Cube"}
    assert found["test"][0]["next"] == [{"id": 9, "title": None}]
    assert [row["age"] for row in found["train"]] == [30, None]
    assert opened(log, side=side, rows="interactions")["train"][1] == {
        "user_id": "a", "item_id": 2, "timestamp": 2, "title": "Brazil", "age": 30
    }  # fmt: skip
    with pytest.raises(DataError, match="title: name: no such column"):
        opened(log, side=side, title="name")
    with pytest.raises(DataError, match=r"side.user_id: .*nobody.csv: no such file"):
        opened(log, side={"user_id": "nobody.csv"})
    for outside in ("../people.csv", "/etc/passwd", "a/../../b"):
        with pytest.raises(ValidationError):
            Settings(path="log.csv", side={"user_id": outside})


def test_rows_to_answer_hold_everything_so_far(tmp_path: Path) -> None:
    log = write(tmp_path / "log.csv", [("a", 1, 2), ("b", 5, 1), ("a", 2, 1)])
    asked = open_questions(Settings(path=str(log), side={"item_id": "films.csv"}, title="title"), tmp_path, Silent())
    assert asked["train"].to_pylist() == [{"user_id": "a", "history": [2, 1]}, {"user_id": "b", "history": [5]}]
    (tmp_path / "parts").mkdir()
    write(tmp_path / "parts/train.csv", [("a", 1, 2)]), write(tmp_path / "parts/test.csv", [("a", 2, 1)])
    parts = open_questions(Settings(path=str(tmp_path / "parts")), tmp_path, Silent())
    assert parts["train"].to_pylist() == [{"user_id": "a", "history": [2, 1]}]
    own = write(tmp_path / "own.csv", [("1 2",)], "history")
    assert open_questions(Settings(path=str(own)), tmp_path, Silent())["train"].to_pylist() == [{"history": "1 2"}]


def test_ids_of_another_type_are_joined_as_text_and_a_gap_is_no_title(tmp_path: Path) -> None:
    write(tmp_path / "films.csv", [(1, "Alien"), (2, "")], "item_id,title")
    log = write(tmp_path / "log.csv", [("a", 1, 1), ("a", 2, 2), ("a", "x", 3)])
    found = opened(log, side={"item_id": "films.csv"}, title="title")["test"][0]
    assert found["history"] == [{"id": "1", "title": "Alien"}, {"id": "2", "title": None}]
    assert found["next"] == [{"id": "x", "title": None}]


def test_a_wrong_column_and_a_gap_are_named(tmp_path: Path) -> None:
    log = write(tmp_path / "log.csv", [("a", 1, 1), ("b", "", 2)])
    with pytest.raises(DataError, match="no column user; did you mean user_id"):
        opened(log, user="user")
    with pytest.raises(DataError, match="column item_id: 1 values are missing"):
        opened(log)
    with pytest.raises(DataError, match="log: has no rows"):
        opened(write(tmp_path / "log.csv", []))

"""Finding files: split names, lists, globs and folders; odd things are told and skipped and never block."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from dlw.errors import DataError
from dlw.progress import Silent
from dlw.sources._files import check_file, find, split_of, walk
from tests.heard import Heard


def made(folder: Path, *names: str) -> list[str]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("a\n1\n")
    return [str(folder / name) for name in names]


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("train.csv", "train"),
        ("data/train-00000-of-00002.parquet", "train"),
        ("adult_test.csv", "test"),
        ("val/a.csv", "validation"),
        ("dev.jsonl", "validation"),
        ("Training/x/a.png", "train"),
        ("houses.csv", None),
        ("trains.csv", None),
        ("latest.csv", None),
        ("train_test.csv", None),
    ],
)
def test_names_tell_splits(path: str, split: str | None) -> None:
    assert split_of(Path(path)) == split


def test_one_file_is_train_and_a_list_goes_by_names(tmp_path: Path) -> None:
    test, train, other = made(tmp_path, "test.csv", "train.csv", "other.csv")
    assert list(find([test], (".csv",), Silent())) == ["train"]
    assert find([test, train], (".csv",), Silent()) == {"train": [Path(train)], "test": [Path(test)]}
    with pytest.raises(DataError, match=r"other\.csv: its name says no split while others do"):
        find([train, other], (".csv",), Silent())


def test_folders_and_globs_leave_files_without_a_split_out_and_say_so(tmp_path: Path) -> None:
    made(tmp_path, "train.csv", "test.csv", "sample.csv", "notes.txt", ".hidden.csv")
    for text in (str(tmp_path), str(tmp_path / "*.csv")):
        heard = Heard()
        found = find([text], (".csv",), heard)
        assert {split: [file.name for file in files] for split, files in found.items()} == {
            "train": ["train.csv"],
            "test": ["test.csv"],
        }
        assert any("sample.csv: left out" in line for line in heard.lines)


def test_files_without_splits_are_all_train_in_sorted_order(tmp_path: Path) -> None:
    made(tmp_path, "b.csv", "a.csv", "sub/c.csv")
    assert [file.name for file in find([str(tmp_path)], (".csv",), Silent())["train"]] == ["a.csv", "b.csv", "c.csv"]


@pytest.mark.withstands("bad inputs", case="D24")
def test_loops_pipes_and_sockets_are_told_skipped_and_never_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path, "sub/train.csv")
    (tmp_path / "sub/again").symlink_to(tmp_path)
    (tmp_path / "sub/gone.csv").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.csv")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path)  # socket paths may not be long
        server.bind("door.csv")
        heard, start = Heard(), time.monotonic()
        files = list(walk(tmp_path, heard))
    assert time.monotonic() - start < 2
    assert [file.name for file in files] == ["train.csv"]
    told = " ".join(heard.warnings)
    assert all(reason in told for reason in ("a pipe", "a socket", "a link back", "gone.csv: skipped: cannot be read"))


@pytest.mark.withstands("bad inputs", case="D24")
def test_a_pipe_named_as_the_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(DataError, match=r"pipe\.csv: a pipe"):
        find([str(tmp_path / "pipe.csv")], (".csv",), Silent())


@pytest.mark.withstands("bad inputs", case="D01")
@pytest.mark.parametrize(("name", "reason"), [("none.csv", "no such file"), ("", "is a folder")])
def test_what_is_not_a_file_is_told(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        check_file(tmp_path / name)


def test_a_folder_without_such_files_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file ending in \.csv"):
        find([str(tmp_path)], (".csv",), Silent())

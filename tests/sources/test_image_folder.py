"""Picture folders: classes from folders, columns from metadata, nothing outside the folder."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from dlw.errors import DataError
from dlw.progress import Silent
from dlw.sources import image_folder


def made(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"not opened here")


def opened(path: Path | list[str]) -> dict[str, pa.Table]:
    settings = image_folder.Settings(path=path if isinstance(path, list) else str(path))
    return image_folder.open_tables(settings, Path(), Silent())


def names(table: pa.Table, column: str = "image") -> list[str]:
    return [Path(value["path"]).name for value in table[column].to_pylist()]


def test_folders_are_classes_with_one_order_for_all_splits(tmp_path: Path) -> None:
    made(tmp_path, "train/dog/1.png", "train/cat/2.JPG", "test/dog/3.png", "test/emu/4.png", "train/cat/notes.txt")
    tables = opened(tmp_path)
    assert tables["train"]["label"].to_pylist() == ["cat", "dog"]
    assert names(tables["train"]) == ["2.JPG", "1.png"]
    for table in tables.values():
        assert table["label"].type.ordered
        assert table["label"].chunk(0).dictionary.to_pylist() == ["cat", "dog", "emu"]
    assert Path(tables["test"]["image"][0].as_py()["path"]).is_absolute()


def test_pictures_without_folders_have_no_label(tmp_path: Path) -> None:
    made(tmp_path, "1.png", "2.png")
    assert opened(tmp_path)["train"].column_names == ["image"]
    made(tmp_path, "cat/3.png")
    with pytest.raises(DataError, match=r"1\.png: lies beside the class folders"):
        opened(tmp_path)


def test_globs_and_lists_take_classes_from_their_folders(tmp_path: Path) -> None:
    made(tmp_path, "cat/1.png", "dog/2.png")
    assert opened([str(tmp_path / "*" / "*.png")])["train"]["label"].to_pylist() == ["cat", "dog"]
    assert opened([str(tmp_path / "cat/1.png")])["train"].column_names == ["image"]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("metadata.csv", "file_name,mask_file_name,size\n1.png,masks/1.png,3\nsub/2.png,,4\n"),
        (
            "metadata.jsonl",
            '{"file_name": "1.png", "mask_file_name": "masks/1.png", "size": 3}\n'
            '{"file_name": "sub/2.png", "size": 4}\n',
        ),
    ],
)
def test_metadata_gives_the_columns(tmp_path: Path, file: str, content: str) -> None:
    made(tmp_path, "1.png", "sub/2.png", "masks/1.png", "unlisted.png")
    (tmp_path / file).write_text(content)
    table = opened(tmp_path)["train"]
    assert table.column_names == ["image", "mask", "size"]
    assert names(table) == ["1.png", "2.png"]
    assert table["mask"][1].as_py() is None
    assert table["size"].to_pylist() == [3, 4]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("file_name\n../../secret.png\n", "row 0: '../../secret.png' leads outside"),
        ("file_name\n/etc/passwd\n", "leads outside"),
        ("name\n1.png\n", "needs a column file_name"),
        ("file_name,image\n1.png,x\n", "has a column image beside file_name"),
    ],
)
def test_metadata_that_cannot_be_followed_is_refused(tmp_path: Path, content: str, message: str) -> None:
    made(tmp_path, "1.png")
    (tmp_path / "metadata.csv").write_text(content)
    with pytest.raises(DataError, match=message):
        opened(tmp_path)


def test_a_split_without_metadata_is_told(tmp_path: Path) -> None:
    made(tmp_path, "train/1.png", "test/2.png")
    (tmp_path / "train/metadata.csv").write_text("file_name\n1.png\n")
    with pytest.raises(DataError, match="the test folder has no metadata file"):
        opened(tmp_path)


def test_two_folders_of_one_split_are_told(tmp_path: Path) -> None:
    made(tmp_path, "val/a/1.png", "dev/a/2.png", "train/a/3.png")
    with pytest.raises(DataError, match="two folders are a validation split: dev and val"):
        opened(tmp_path)

"""Folders of texts follow the rules of picture folders; what is theirs is that the files are opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlw.errors import DataError
from dlw.progress import Silent
from dlw.sources import text, text_folder


def made(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{name}\nis here\n\n")


@pytest.mark.parametrize(
    ("names", "is_claimed"),
    [
        (("neg/1.txt", "pos/2.TXT"), True),
        (("train/neg/1.txt", "train/pos/2.txt", "test/pos/3.txt"), True),
        (("train/neg/1.txt", "test/pos/3.txt"), True),
        (("neg/a/1.txt", "pos/b/2.txt"), True),
        (("neg/1.txt",), False),
        (("1.txt", "2.txt"), False),
        (("train/1.txt", "test/2.txt"), False),
        (("train/neg/1.txt", "test/neg/2.txt"), False),
        (("neg/1.txt", "pos/2.txt", "3.txt"), False),
    ],
)
def test_a_folder_is_text_or_classes_of_texts(tmp_path: Path, names: tuple[str, ...], is_claimed: bool) -> None:
    made(tmp_path, *names)
    assert text_folder.claims(tmp_path) is is_claimed
    assert text.claims(tmp_path) is not is_claimed
    assert not text_folder.claims(tmp_path / names[0])
    (tmp_path / "table.csv").write_text("a\n1\n")
    assert not text_folder.claims(tmp_path)


def test_a_file_is_a_text_and_its_folder_the_label(tmp_path: Path) -> None:
    made(tmp_path, "train/neg/1.txt", "train/pos/2.txt", "test/pos/3.txt")
    tables = text_folder.open_tables(text_folder.Settings(path=str(tmp_path)), Path(), Silent())
    assert {split: table.to_pydict() for split, table in tables.items()} == {
        "train": {"text": ["train/neg/1.txt\nis here", "train/pos/2.txt\nis here"], "label": ["neg", "pos"]},
        "test": {"text": ["test/pos/3.txt\nis here"], "label": ["pos"]},
    }
    one = text_folder.Settings(path=str(tmp_path / "test/pos/3.txt"))
    assert text_folder.open_questions(one, Path(), Silent())["train"].to_pydict() == {
        "text": ["test/pos/3.txt\nis here"]
    }


def test_another_encoding_is_named_with_the_byte(tmp_path: Path) -> None:
    made(tmp_path, "neg/1.txt", "pos/2.txt")
    (tmp_path / "pos/2.txt").write_bytes("déjà".encode("latin-1"))
    with pytest.raises(DataError, match=r"2.txt: byte 1 is not utf-8 .*; save the file as utf-8, or set"):
        text_folder.open_tables(text_folder.Settings(path=str(tmp_path)), Path(), Silent())
    settings = text_folder.Settings(path=str(tmp_path), encoding="latin-1")
    assert text_folder.open_tables(settings, Path(), Silent())["train"]["text"].to_pylist()[1] == "déjà"


def test_metadata_names_texts(tmp_path: Path) -> None:
    made(tmp_path, "a.txt", "b.txt")
    (tmp_path / "metadata.csv").write_text("file_name,stars\nb.txt,5\n,1\n")
    table = text_folder.open_tables(text_folder.Settings(path=str(tmp_path)), Path(), Silent())["train"]
    assert table.to_pydict() == {"text": ["b.txt\nis here", None], "stars": [5, 1]}

"""Folders of texts follow the rules of picture folders; what is theirs is that the files are opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlw.errors import DataError
from dlw.progress import Silent
from dlw.sources import text, text_folder
from tests.heard import Heard


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
        (("train/neg/1.txt", "train/pos/2.txt", "train/urls.txt", "test/pos/3.txt"), True),
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


REVIEWS = ("train/neg/1.txt", "train/pos/2.txt", "test/neg/3.txt", "test/pos/4.txt")
NOTES = ("README", "imdb.vocab", "imdbEr.txt", "train/urls_pos.txt", "train/labeledBow.feat", "test/urls_pos.txt")


def test_notes_beside_the_class_folders_of_splits_are_left_out(tmp_path: Path) -> None:
    """As the Large Movie Review Dataset comes, with reviews that have no class, too."""
    made(tmp_path, *REVIEWS, *NOTES, "train/unsup/5.txt")
    assert text_folder.claims(tmp_path)
    assert not text.claims(tmp_path)
    heard = Heard()
    tables = text_folder.open_tables(text_folder.Settings(path=str(tmp_path)), Path(), heard)
    assert {split: table["label"].to_pylist() for split, table in tables.items()} == {
        "train": ["neg", "pos"],
        "test": ["neg", "pos"],
    }
    assert [f"{tmp_path / 'train'}: 3 files outside the class folders" in line for line in heard.lines].count(True) == 1
    made(tmp_path, "test/unsup/6.txt")
    tables = text_folder.open_tables(text_folder.Settings(path=str(tmp_path)), Path(), heard)
    assert tables["train"]["label"].to_pylist() == ["neg", "pos", "unsup"]
    (tmp_path / "train/table.csv").write_text("a\n1\n")
    assert not text_folder.claims(tmp_path)


def test_a_text_beside_class_folders_needs_one_where_no_folder_is_of_a_split(tmp_path: Path) -> None:
    made(tmp_path, "neg/1.txt", "pos/2.txt", "3.txt")
    with pytest.raises(DataError, match=r"3\.txt: lies beside the class folders"):
        text_folder.open_tables(text_folder.Settings(path=str(tmp_path)), Path(), Silent())


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

"""Folders of recordings follow the rules of picture folders; what is theirs is the column and the suffixes."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from dlw.progress import Silent
from dlw.sources import image_folder, sound_folder
from dlw.verbs._inference import examine, field_of_files


def test_metadata_names_recordings(tmp_path: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "a.flac").write_bytes(b"not opened here")
        (tmp_path / split / "metadata.csv").write_text("file_name,text\na.flac,hello there\n")
    assert sound_folder.claims(tmp_path)
    assert not image_folder.claims(tmp_path)
    tables = sound_folder.open_tables(sound_folder.Settings(path=str(tmp_path)), Path(), Silent())
    assert list(tables) == ["train", "test"]
    assert tables["train"].column_names == ["sound", "text"]
    assert tables["test"]["sound"][0].as_py() == {"bytes": None, "path": str(tmp_path / "test" / "a.flac")}


def test_folders_are_classes(tmp_path: Path) -> None:
    for name in ("ann/1.wav", "bob/2.OGG", "bob/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"not opened here")
    table = sound_folder.open_tables(sound_folder.Settings(path=str(tmp_path)), Path(), Silent())["train"]
    assert table["label"].to_pylist() == ["ann", "bob"]


def test_columns_of_recordings_are_guessed(tmp_path: Path) -> None:
    for name in ("ann/1.wav", "bob/2.wav"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"not opened here")
    table = sound_folder.open_tables(sound_folder.Settings(path=str(tmp_path)), Path(), Silent())["train"]
    table = table.append_column("other", pa.array(["1.wav", "2.flac"]))
    blocks, _ = examine(table, ["label"])
    assert blocks["sound"].type == "sound"
    assert field_of_files(table["other"]) == "sound"

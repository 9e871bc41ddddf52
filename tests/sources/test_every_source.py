"""What every source of the room does with every layout it claims: found by itself, no list to keep."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from dlw import registry
from dlw.progress import Silent
from dlw.verbs._sources import claiming

ROWS = {"age": [31, 45, 28, 60], "city": ["Bonn", "Ulm", "Bonn", "Köln"], "paid": [1.5, None, 0.25, 9.0]}


def picture(shade: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((4, 4), shade, np.uint8)).save(file, "PNG")
    return file.getvalue()


def write_layouts(root: Path) -> dict[str, Path]:
    """Write the same rows in every layout; return the path of each."""
    table = pa.table(ROWS)
    paths = {name: root / name for name in ("one.parquet", "one.csv", "one.tsv", "one.jsonl", "one.json", "one.png")}
    pq.write_table(table, paths["one.parquet"])
    lines = [list(ROWS), *([str(v) if v is not None else "" for v in row.values()] for row in table.to_pylist())]
    paths["one.csv"].write_text("".join(",".join(line) + "\n" for line in lines), encoding="utf-8")
    paths["one.tsv"].write_text("".join("\t".join(line) + "\n" for line in lines), encoding="utf-8")
    paths["one.jsonl"].write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    paths["one.json"].write_text(json.dumps(table.to_pylist()))
    paths["one.png"].write_bytes(picture(0))
    for name in ("parquet", "csv", "jsonl"):
        folder = root / f"{name}-splits"
        folder.mkdir()
        for split in ("train", "test"):
            (folder / f"{split}.{name}").write_bytes(paths[f"one.{name}"].read_bytes())
        paths[folder.name] = folder
    for place in ("classes/cat/a", "classes/dog/b", "classes-splits/train/cat/a", "classes-splits/test/cat/b"):
        file = root / f"{place}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(picture(9))
        paths[place.split("/")[0]] = root / place.split("/")[0]
    paths["one.txt"] = root / "one.txt"
    paths["one.txt"].write_text("a row\nanother row\n")
    for place in ("reviews", "reviews-splits/train", "reviews-splits/test"):
        for label, row in (("bad", "a row"), ("good", "another row")):
            file = root / place / label / "some.txt"
            file.parent.mkdir(parents=True)
            file.write_text(f"{row}\n")
        paths[place.split("/")[0]] = root / place.split("/")[0]
    for place in ("speakers/ann/a", "speakers/bob/b"):
        file = root / f"{place}.wav"
        file.parent.mkdir(parents=True)
        file.write_bytes(b"not opened here")
        paths["speakers"] = root / "speakers"
    rows = datasets.Dataset.from_dict(ROWS)
    rows.save_to_disk(str(root / "arrow"))
    datasets.DatasetDict({"train": rows, "test": rows}).save_to_disk(str(root / "arrow-splits"))
    return paths | {name: root / name for name in ("arrow", "arrow-splits")}


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    datasets.disable_progress_bars()
    return write_layouts(tmp_path_factory.mktemp("data"))


LAYOUTS = (
    *("one.parquet", "one.csv", "one.tsv", "one.jsonl", "one.json", "one.png", "one.txt"),
    *("parquet-splits", "csv-splits", "jsonl-splits", "classes", "classes-splits", "arrow", "arrow-splits"),
    *("speakers", "reviews", "reviews-splits"),
)
ASKED_BY_NAME = {"hub", "windows", "interactions", "series", "coco", "voc", "yolo", "mask_folder"}
"""Sources that claim no path of their own accord."""


@pytest.mark.parametrize("layout", LAYOUTS)
def test_exactly_one_source_claims_a_layout(layouts: dict[str, Path], layout: str) -> None:
    assert len(list(claiming(layouts[layout]))) == 1


@pytest.mark.parametrize("name", registry.names("sources"))
def test_every_source_claims_a_layout_or_is_asked_by_name(layouts: dict[str, Path], name: str) -> None:
    claimed = [layout for layout in LAYOUTS if list(claiming(layouts[layout])) == [name]]
    assert bool(claimed) != (name in ASKED_BY_NAME)
    module = registry.load("sources", name)
    assert "path" in module.Settings.model_fields
    assert hasattr(module, "SUFFIXES") or not hasattr(module, "open_questions")
    assert len(registry.summary("sources", name)) > 20


@pytest.mark.parametrize("layout", LAYOUTS)
def test_tables_hold_the_rows_and_only_the_cache_is_written(
    layouts: dict[str, Path], layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cache = tmp_path / "cache"
    cache.mkdir()
    before = listing(layouts["one.csv"].parent)
    module = registry.load("sources", next(claiming(layouts[layout])))
    tables = module.open_tables(module.Settings(path=str(layouts[layout])), cache, Silent())
    assert list(tables) == (["train", "test"] if layout.endswith("-splits") else ["train"])
    for table in tables.values():
        if "age" in table.column_names:
            assert table.select(list(ROWS)).to_pydict() == ROWS
        elif "text" in table.column_names:
            assert table["text"].to_pylist() == ["a row", "another row"]
        else:
            assert table.column(0)[0].as_py()["path"].endswith((".png", ".wav"))
    assert listing(layouts["one.csv"].parent) == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["cache"]


def listing(root: Path) -> list[tuple[str, int]]:
    """Return every file below a folder with the time it was last written."""
    found = []
    for folder, _, names in os.walk(root):
        found += [(os.path.join(folder, name), os.stat(os.path.join(folder, name)).st_mtime_ns) for name in names]
    return sorted(found)

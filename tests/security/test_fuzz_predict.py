"""Mutated tables, pictures and sounds: an answer or a DataError, in two seconds and 512 MiB, in a limited process."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from PIL import Image

from tests.verbs.small_sounds import RATE_HZ, melody
from tests.withstood import Tally

ROWS = {"age": [30, 60, 41], "wage": [1.5, None, 2.25], "town": ["Graz", "Wien", None]}
PROGRAM = Path(__file__).with_name("fuzz_predict.py")
TABLES, PICTURES = (".csv", ".jsonl", ".parquet"), (".png", ".jpg", ".webp")
SOUNDS = (".wav", ".flac", ".ogg")


def valid(suffix: str) -> bytes:
    """Return a small file that a bundle answers."""
    if suffix == ".csv":
        return b"age,wage,town\n30,1.5,Graz\n60,,Wien\n41,2.25,\n"
    if suffix == ".jsonl":
        return b'{"age": 30, "wage": 1.5, "town": "Graz"}\n{"age": 60, "wage": null, "town": "Wien"}\n'
    file = io.BytesIO()
    if suffix in SOUNDS:
        soundfile.write(file, melody("ab"), RATE_HZ, format=suffix[1:].upper())
    elif suffix == ".parquet":
        pq.write_table(pa.table(ROWS), file)
    else:
        picture = Image.linear_gradient("L").resize((24, 16)).convert("RGB")
        picture.save(file, {".png": "PNG", ".jpg": "JPEG", ".webp": "WEBP"}[suffix])
    return file.getvalue()


def predicted(bundle: Path, folder: Path, suffixes: tuple[str, ...], count: int, seed: int) -> int:
    """Return how many files held of `count` mutations of each kind."""
    for suffix in suffixes:
        (folder / f"valid{suffix}").write_bytes(valid(suffix))
    arguments = [str(bundle), str(folder), str(count), str(seed)]
    done = subprocess.run([sys.executable, str(PROGRAM), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return int(done.stdout.split()[-1])


@pytest.mark.withstands("fuzz: tables and pictures to predict")
@pytest.mark.parametrize("count", [500, pytest.param(2_000, marks=pytest.mark.slow)])
def test_mutated_tables(count: int, people: Path, tmp_path: Path, tally: Tally) -> None:
    held = predicted(people / "run/exports/onnx", tmp_path, TABLES, count, count)
    assert held == 3 * count
    tally(held, 3 * count)


@pytest.mark.withstands("fuzz: tables and pictures to predict")
@pytest.mark.parametrize("count", [500, pytest.param(2_000, marks=pytest.mark.slow)])
def test_mutated_pictures(count: int, squares: Path, tmp_path: Path, tally: Tally) -> None:
    held = predicted(squares / "run/exports/onnx", tmp_path, PICTURES, count, count)
    assert held == 3 * count
    tally(held, 3 * count)


@pytest.mark.withstands("fuzz: tables and pictures to predict")
@pytest.mark.parametrize("count", [200, pytest.param(2_000, marks=pytest.mark.slow)])
def test_mutated_recordings(count: int, melodies: Path, tmp_path: Path, tally: Tally) -> None:
    held = predicted(melodies / "run/exports/onnx", tmp_path, SOUNDS, count, count)
    assert held == 3 * count
    tally(held, 3 * count)

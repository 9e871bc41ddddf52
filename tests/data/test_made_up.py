"""The made-up data that come along are what their generators make."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

DATA = Path(__file__).parents[2] / "recipes" / "data"
MADE = {"film_nights": ("film_nights/log.csv", "film_nights/films.csv"), "made_molecules": ("made_molecules.csv",)}
"""By generator: the files; a single one is its argument, several go to the folder that is."""


@pytest.mark.parametrize("generator", MADE)
def test_the_generator_makes_the_same_files(generator: str, tmp_path: Path) -> None:
    files = MADE[generator]
    target = tmp_path / Path(files[0]).parent if len(files) > 1 else tmp_path / files[0]
    subprocess.run([sys.executable, str(DATA / f"{generator}.py"), str(target)], check=True)
    for name in files:
        assert (tmp_path / name).read_text() == (DATA / name).read_text()

"""The shipped film_nights is what its generator makes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

DATA = Path(__file__).parents[2] / "recipes" / "data"


def test_the_generator_makes_the_same_files(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(DATA / "film_nights.py"), str(tmp_path)], check=True)
    for name in ("log.csv", "films.csv"):
        assert (tmp_path / name).read_text() == (DATA / "film_nights" / name).read_text()

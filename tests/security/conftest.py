"""The real command line in this process, with its answer, and small runs to ask it about."""

from __future__ import annotations

from pathlib import Path

import pytest
from asking import Answer, Dlw

from dlw.cli.main import run
from dlw.verbs.export import export
from tests.verbs import small_runs, small_sounds


@pytest.fixture
def dlw(capsys: pytest.CaptureFixture[str]) -> Dlw:
    """Run `dlw WORDS...` here; a traceback or the exit code of a bug fails the test."""

    def asked(*words: object) -> Answer:
        capsys.readouterr()
        code = run([str(word) for word in words])
        told = capsys.readouterr()
        assert code != 1, told.err
        assert "Traceback" not in told.out + told.err
        return Answer(code, told.out, told.err)

    return asked


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with people.csv, a run trained on it and its ONNX bundle; tests that change it copy it first."""
    folder = tmp_path_factory.mktemp("people")
    small_runs.people(folder)
    export(small_runs.trained(folder, small_runs.TABLE_RECIPE))
    return folder


@pytest.fixture(scope="session")
def melodies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with melodies.csv, its recordings, a run trained on them and its ONNX bundle."""
    folder = tmp_path_factory.mktemp("melodies")
    small_sounds.melodies(folder)
    export(small_runs.trained(folder, small_sounds.MELODY_RECIPE))
    return folder


@pytest.fixture(scope="session")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of pictures."""
    folder = tmp_path_factory.mktemp("squares")
    small_runs.squares(folder)
    export(small_runs.trained(folder, small_runs.PICTURE_RECIPE))
    return folder

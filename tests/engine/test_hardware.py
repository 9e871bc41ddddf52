"""How many threads a process takes: those of the recipe, else of OMP_NUM_THREADS, else its share of the cores."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from dlw.engine.hardware import prepare
from dlw.ranks import Place
from dlw.recipe.schema import Train


@pytest.fixture(autouse=True)
def _threads_as_they_were() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("asked", "recipe", "processes", "wanted"),
    [
        ("1", None, 1, 1),
        ("3", None, 1, 3),
        ("1", 2, 1, 2),
        ("1", None, 2, 2),
        (None, None, 1, 4),
        (None, None, 2, 2),
        ("", None, 1, 4),
        ("0", None, 1, 4),
        ("2,1", None, 1, 4),
        ("99999", None, 1, 4),
    ],
)
def test_threads(
    asked: str | None, recipe: int | None, processes: int, wanted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3})
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if asked is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    place = Place(0, processes, 0, processes, "localhost", 29500) if processes > 1 else None
    assert prepare(Train(threads=recipe, device="cpu"), place).threads == wanted
    assert torch.get_num_threads() == wanted

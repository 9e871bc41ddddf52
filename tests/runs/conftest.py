"""Small runs to save and damage, and a door to the disk that tests can watch, break or stop at call k."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from dlw.runs import disk
from dlw.runs.layout import Run, create_run
from tests.heard import Heard

Door = Callable[..., Any]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the disk's own flush, which is all these tests would wait for: they never cut the power for real."""

    def call(operation: Door, *arguments: Any) -> Any:
        return None if operation is os.fsync else operation(*arguments)

    monkeypatch.setattr(disk, "_call", call)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A new run directory."""
    return create_run("sample", tmp_path / "run")


@pytest.fixture
def ears() -> Heard:
    """A Listener that remembers warnings."""
    return Heard()


@pytest.fixture
def tensors() -> Callable[[int], dict[str, dict[str, torch.Tensor]]]:
    """Tensors that differ from step to step: several dtypes, a tied pair, a column-major matrix."""

    def at(step: int) -> dict[str, dict[str, torch.Tensor]]:
        generator = torch.Generator().manual_seed(step)
        tied = torch.randn(3, 4, generator=generator)
        return {
            "model": {
                "encoder.weight": tied,
                "decoder.weight": tied,
                "matrix": torch.randn(4, 5, generator=generator).T,
                "steps": torch.tensor(step),
                "half": torch.randn(6, generator=generator).bfloat16(),
            },
            "optimizer": {"moment": torch.randn(30, generator=generator)},
        }

    return at

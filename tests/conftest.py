"""What every test shares: one thread per process, no network, no data folder of the machine's owner."""

from __future__ import annotations

import gc
import os

import pytest
from hypothesis import settings

from tests.withstood import (  # noqa: F401
    pytest_collection_modifyitems,
    pytest_terminal_summary,
    tally,
)

# The same examples in every run: a test that fails once fails again.
settings.register_profile("dlw", max_examples=200, deadline=None, derandomize=True, database=None)
settings.load_profile("dlw")

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_finish() -> None:
    """Keep what the collected tests hold, over a million objects, out of Python's full collections."""
    gc.freeze()


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget settings of the caller that change what dlw does or prints."""
    for name in ("DLW_DATA", "NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)

"""Hub ids: refused at once where the Hub may not or cannot be reached, quietly configured otherwise."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from dlw.errors import DataError
from dlw.progress import Silent
from dlw.sources import hub
from dlw.sources._datasets import quiet


def test_offline_is_obeyed_without_a_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(
        DataError, match="owner/set: not found here, and HF_HUB_OFFLINE forbids the Hub; put a copy named set"
    ):
        hub.open_tables(hub.Settings(path="owner/set"), tmp_path, Silent())


def test_no_network_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    start = time.monotonic()
    with pytest.raises(DataError, match=r"127\.0\.0\.1 cannot be reached"):
        hub.open_tables(hub.Settings(path="owner/set"), tmp_path, Silent())
    assert time.monotonic() - start < 5


def test_telemetry_is_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK", "HF_UPDATE_DOWNLOAD_COUNTS", "HF_HUB_CACHE"):
        monkeypatch.setenv(name, "unset")
    quiet(tmp_path, is_offline=True)
    assert os.environ["HF_HUB_DISABLE_TELEMETRY"] == os.environ["DO_NOT_TRACK"] == "1"
    assert os.environ["HF_UPDATE_DOWNLOAD_COUNTS"] == "0"


@pytest.mark.parametrize("path", ["../x", "a/b/c", "https://x/y", "-x/y", ""])
def test_only_ids_are_accepted(path: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        hub.Settings(path=path)

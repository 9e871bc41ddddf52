"""`dlw doctor`: what breaks exactness or speed on this machine is found, and every problem has a remedy."""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from dlw.cli import examination
from dlw.cli.main import run
from dlw.runs import environment

Patch = pytest.MonkeyPatch
CAUSES: dict[str, tuple[Callable[[Patch], None], str, str]] = {
    "threads": (lambda patch: patch.setenv("OMP_NUM_THREADS", "0001"), "OMP_NUM_THREADS=0001", "train.threads"),
    "precision": (lambda patch: patch.setattr(environment, "processor", lambda _: "avx2"), "no fast bf16", "amx"),
    "kernels": (lambda patch: patch.setenv("MKL_CBWR", "COMPATIBLE"), "MKL_CBWR set", "unset"),
    "load": (lambda patch: patch.setattr(os, "getloadavg", lambda: (99.0, 9.0, 9.0)), "99.0 on", "fewer threads"),
    "allocator": (lambda patch: patch.setattr(platform, "libc_ver", lambda: ("", "")), "not glibc", "glibc"),
    "extras": (
        lambda patch: patch.setattr("importlib.metadata.requires", lambda _: ["no-such>=1; extra == 'odd'"]),
        "not installed: odd (no-such)",
        "pip install 'dlw[odd]'",
    ),
    "libraries": (
        lambda patch: patch.setattr(examination, "_version", lambda name: None if name == "onnxruntime" else "1.2"),
        "missing: onnxruntime",
        "pip install dlw",
    ),
    "disk": (
        lambda patch: patch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2**30)),
        "1.0 GiB free",
        "--out",
    ),
    "DLW_DATA": (lambda patch: patch.setenv("DLW_DATA", "/no/such/folder"), "/no/such/folder", "correct or unset"),
    "Hub": (lambda patch: patch.setenv("HF_HUB_OFFLINE", "1"), "HF_HUB_OFFLINE is set", "unset it"),
    "torchvision": (
        lambda patch: (
            patch.setattr("importlib.util.find_spec", lambda name: name),
            patch.setattr(examination, "_version", lambda name: "0.1.0" if name == "torchvision" else "2.13.0"),
        )[0],
        "does not fit torch",
        "pip uninstall torchvision",
    ),
}


@pytest.mark.parametrize("subject", CAUSES)
def test_each_cause_is_found_with_its_remedy(subject: str, monkeypatch: Patch) -> None:
    cause, found, remedy = CAUSES[subject]
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3})
    cause(monkeypatch)
    told = [each for each in examination.examine() if each.subject == subject and each.state != "ok"]
    assert told, "the cause was not found"
    assert any(found in each.found and remedy in each.remedy for each in told), told


def test_whatever_is_not_ok_has_a_remedy(
    capsys: pytest.CaptureFixture[str], monkeypatch: Patch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["doctor", "--deep", "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert {"dlw", "python", "processor", "allocator", "extras", "disk", "torch"} <= {
        each["subject"] for each in findings
    }
    assert [each for each in findings if each["state"] != "ok" and not each["remedy"]] == []

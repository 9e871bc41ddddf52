"""The fingerprint says what the bits depend on, names what changed, and holds no secrets."""

from __future__ import annotations

import json

import pytest
import torch

from dlw.runs.environment import differences, fingerprint, has_fast_bf16


def test_fingerprint_survives_json_and_equals_itself() -> None:
    found = fingerprint()
    assert json.loads(json.dumps(found)) == found
    assert differences(found, fingerprint()) == []
    assert found["threads"] == torch.get_num_threads()


@pytest.mark.parametrize("name", sorted(fingerprint()))
def test_each_field_that_differs_is_named(name: str) -> None:
    saved = {**fingerprint(), name: "another"}
    (text,) = differences(saved, fingerprint())
    assert text.startswith(f"{name.replace('_', ' ')}: another then, ")


def test_thread_count_is_part_of_it() -> None:
    saved = fingerprint()
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        assert differences(saved, fingerprint()) == [f"threads: {threads} then, {threads + 1} now"]
    finally:
        torch.set_num_threads(threads)


def test_settings_of_the_math_libraries_are_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    saved = fingerprint()
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    assert differences(saved, fingerprint()) == ["math settings: none then, MKL_CBWR=COMPATIBLE now"]


def test_fields_of_the_caller_count_too() -> None:
    assert differences({"data": "ab"}, {"data": "cd"}) == ["data: ab then, cd now"]
    assert differences({}, {"data": "cd"}) == ["data: not known then, cd now"]


def test_patch_version_of_python_does_not_count() -> None:
    assert differences({"python": "3.11.7"}, {"python": "3.11.9"}) == []
    assert differences({"python": "3.11.7"}, {"python": "3.12.1"}) == ["python: 3.11 then, 3.12 now"]


def test_no_secret_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "MKL_SECRET"):
        monkeypatch.setenv(name, "canary-5f3a")
    monkeypatch.setenv("MKL_CBWR", "canary 5f3a, with spaces: no setting")
    assert "5f3a" not in json.dumps(fingerprint())


@pytest.mark.parametrize(
    ("flags", "vendor", "is_fast"),
    [
        ({"avx512_bf16", "amx_bf16"}, "GenuineIntel", True),
        ({"avx512_bf16"}, "AuthenticAMD", True),
        ({"avx512_bf16"}, "GenuineIntel", False),
        ({"avx2"}, "AuthenticAMD", False),
        (set(), "", False),
    ],
)
def test_bf16_is_fast_with_amx_or_on_amd(flags: set[str], vendor: str, is_fast: bool) -> None:
    assert has_fast_bf16(flags, vendor) is is_fast

"""Mutated tensor files, manifests and states: a CheckpointError, quickly and in little memory, or what was saved."""

from __future__ import annotations

import json
import random
import resource
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dlw.engine.progress import Progress
from dlw.errors import CheckpointError
from dlw.progress import Silent
from dlw.runs import disk, manifest, store, tensorfile
from dlw.runs.layout import Run, create_run
from dlw.runs.steps import step_folder
from tests.security.mutations import mutated
from tests.withstood import Tally

HEADER = [
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b"-",
    b"9" * 20,
    b":",
    b",",
    b"null",
    b"\\u0000",
    b"1e9",
    b"F64",
    b"BF16",
    b"\xff",
]
HEADER += [b"__metadata__", b'"shape":[', b'"data_offsets":[0,0]', b"\0\0\0\x80", b"\xff" * 8]
JSON = [
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b"-1",
    b"9" * 400,
    b"1e999",
    b"NaN",
    b"null",
    b"true",
    b"\\ud800",
    b"\xff",
    b"{" * 99,
]
JSON += [b"[" * 5_000, b'"step": 1', b'"files": {}', b'"aliases": {"model": {"a": "zz"}}', b'"state": {}']


def tensor_file() -> bytes:
    """Return a valid file of three dtypes."""
    tensors = {"a": torch.arange(3.0), "b": torch.ones(2, 2, dtype=torch.int8), "c": torch.tensor(True)}
    return b"".join(bytes(chunk) for chunk in tensorfile.pack(tensors).chunks)


def held(count: int, seed: int, valid: bytes, pieces: list[bytes], read: Callable[[bytes], object]) -> int:
    """Return how many of `count` mutated files were read or refused by a CheckpointError; anything else is raised."""
    chance, num_refused = random.Random(seed), 0
    for _ in range(count):
        data = mutated(valid, chance, pieces)
        try:
            read(data)
        except CheckpointError:
            num_refused += 1
    assert count // 2 < num_refused <= count
    return count


def peak_bytes() -> int:
    """Return the largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.withstands("fuzz: safetensors")
def test_mutated_tensor_files(tally: Tally) -> None:
    before = peak_bytes()
    tally(held(200_000, 1, tensor_file(), HEADER, lambda data: tensorfile.unpack(bytearray(data))), 200_000)
    assert peak_bytes() - before < 50e6


@pytest.mark.withstands("fuzz: safetensors")
@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(max_size=300), st.integers(0, 300))
def test_any_bytes_as_a_tensor_file(data: bytes, length: int) -> None:
    for file in (data, length.to_bytes(8, "little") + data, len(data).to_bytes(8, "little") + data):
        try:
            tensorfile.unpack(bytearray(file))
        except CheckpointError:
            continue


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run with one checkpoint; the disk is not waited for."""
    call = disk._call
    monkeypatch.setattr(
        disk, "_call", lambda operation, *rest: None if operation.__name__ == "fsync" else call(operation, *rest)
    )
    run = create_run("sample", tmp_path / "run")
    tied = torch.ones(2)
    state = {"progress": Progress(step=3).to_json(), "fingerprint": {"torch": "2"}}
    store.save(run, 3, {"model": {"a": tied, "b": tied}}, state, keep=2, is_best=True)
    return run


def read_manifests(run: Run, count: int, seed: int) -> int:
    """Load a run whose manifest is mutated, `count` times."""
    file = step_folder(run, 3) / manifest.FILE
    valid = file.read_bytes()

    def read(data: bytes) -> None:
        file.write_bytes(data)
        loaded = manifest.read_manifest(file.parent)
        assert loaded.to_bytes() == data, "accepted only as it was written"

    return held(count, seed, valid, JSON, read)


def read_states(run: Run, count: int, seed: int) -> int:
    """Load and restore a run whose state is mutated and whose manifest fits it, as a stranger would send it."""
    folder = step_folder(run, 3)
    valid = (folder / store.STATE).read_bytes()
    told = manifest.read_manifest(folder)

    def read(data: bytes) -> None:
        (folder / store.STATE).unlink()
        files = {**told.files, store.STATE: disk.write_new(folder / store.STATE, [data])}
        (folder / manifest.FILE).write_bytes(manifest.Manifest(**{**vars(told), "files": files}).to_bytes())
        state = store.load(run, 3, Silent()).state
        Progress.from_json(state.get("progress", {}))

    return held(count, seed, valid, JSON, read)


@pytest.mark.withstands("fuzz: state.json and manifest.json")
@pytest.mark.parametrize("read", [read_manifests, read_states])
def test_mutated_json_of_a_checkpoint(read: Callable[[Run, int, int], int], saved: Run, tally: Tally) -> None:
    tally(read(saved, 1_000, 1), 1_000)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.withstands("fuzz: state.json and manifest.json")
@pytest.mark.parametrize("read", [read_manifests, read_states])
def test_much_mutated_json_of_a_checkpoint(read: Callable[[Run, int, int], int], saved: Run, tally: Tally) -> None:
    tally(read(saved, 20_000, 2), 20_000)


@pytest.mark.withstands("fuzz: state.json and manifest.json")
@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists)
    | st.dictionaries(
        st.sampled_from(["step", "validated", "best", "loss_sum", "x"]), st.integers() | st.floats() | st.none()
    )
)
def test_any_value_as_the_progress_of_a_training(value: object) -> None:
    for tree in (value, {**json.loads(json.dumps(Progress().to_json())), "step": value}):
        if isinstance(tree, dict):
            try:
                assert isinstance(Progress.from_json(tree).step, int)
            except CheckpointError:
                continue

"""Bad inputs K01 to K08: checkpoints that are damaged, hostile, foreign or of another training.

All damage is done to a copy of a run and asked about by `dlw predict`, which must answer with exit code 4.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from asking import Dlw

from dlw.progress import Silent
from dlw.runs import manifest, store
from dlw.runs.disk import Digest
from dlw.runs.layout import Run
from dlw.runs.steps import saved_steps, step_folder
from tests.withstood import case


@pytest.fixture
def run(people: Path, tmp_path: Path) -> Run:
    """A copy of the table run with one checkpoint, which is last and best."""
    shutil.copytree(people / "run", tmp_path / "run")
    copy = Run(tmp_path / "run")
    for step in saved_steps(copy)[:-1]:
        shutil.rmtree(step_folder(copy, step))
    return copy


@pytest.fixture
def refusal(dlw: Dlw, run: Run, people: Path) -> Callable[[], str]:
    """Ask the run to predict and return the refusal."""

    def asked() -> str:
        answer = dlw("predict", run.folder, people / "people.csv")
        assert answer.code == 4, answer
        assert answer.out == ""
        return answer.err

    return asked


def checkpoint(run: Run) -> Path:
    """Return the folder of the only checkpoint."""
    return step_folder(run, saved_steps(run)[-1])


def rewrite(run: Run, name: str, content: bytes) -> None:
    """Replace a file of the checkpoint, and the manifest so that it fits: damage that no checksum shows."""
    folder = checkpoint(run)
    (folder / name).write_bytes(content)
    told = manifest.read_manifest(folder)
    files = {**told.files, name: Digest(len(content), hashlib.sha256(content).hexdigest())}
    (folder / manifest.FILE).write_bytes(manifest.Manifest(**{**vars(told), "files": files}).to_bytes())


def save_again(run: Run, change: Callable[[store.Saved], None]) -> None:
    """Load the checkpoint, change it and save it under the same step."""
    saved = store.load(run, "last", Silent())
    change(saved)
    store.save(run, saved.step, saved.tensors, saved.state, keep=2, is_best=True, is_final=True)


@pytest.mark.parametrize(
    "name", [case("K01", name) for name in ("w.pt", "w.ckpt", "w.pkl", "w.bin", "w.pth", "nowhere")]
)
def test_pickle_and_nothing_are_refused(name: str, dlw: Dlw, people: Path, tmp_path: Path) -> None:
    if "." in name:
        torch.save({"a": torch.ones(1)}, tmp_path / name)
    for words in (["evaluate"], ["predict"], ["export"], ["train", "--resume"]):
        answer = dlw(*words, tmp_path / name, *([people / "people.csv"] if words == ["predict"] else []))
        assert answer.code == 4
        assert ("never loads pickle" in answer.err and "safetensors" in answer.err) or "not found" in answer.err


@pytest.mark.withstands("bad inputs", case="K02")
@pytest.mark.parametrize("name", ["model.safetensors", "state.json", "manifest.json"])
def test_a_shortened_file_is_named_with_both_lengths(name: str, run: Run, refusal: Callable[[], str]) -> None:
    file = checkpoint(run) / name
    whole = file.read_bytes()
    for size in (0, 1, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:size])
        told = refusal()
        assert str(file) in told
        assert name == "manifest.json" or f"expected {len(whole)} bytes, found {size}" in told


@pytest.mark.withstands("bad inputs", case="K03")
@pytest.mark.parametrize("name", ["model.safetensors", "state.json", "manifest.json"])
def test_a_flipped_bit_is_noticed(name: str, run: Run, refusal: Callable[[], str]) -> None:
    file = checkpoint(run) / name
    whole = file.read_bytes()
    for bit in random.Random(0).sample(range(8 * len(whole)), 8):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        file.write_bytes(flipped)
        told = refusal()
        assert str(file) in told
        assert "checksum differs" in told


@pytest.mark.withstands("bad inputs", case="K04")
@pytest.mark.parametrize("name", ["model.safetensors", "state.json", "manifest.json"])
def test_a_missing_file_is_named(name: str, run: Run, refusal: Callable[[], str]) -> None:
    (checkpoint(run) / name).unlink()
    assert f"{name} is missing" in refusal()


@pytest.mark.withstands("bad inputs", case="K04")
def test_an_extra_file_is_named(run: Run, refusal: Callable[[], str]) -> None:
    (checkpoint(run) / "hook.py").write_text("print('never run')")
    assert "hook.py" in refusal()


def crafted(header: object, body: bytes = bytes(4)) -> bytes:
    """Return a tensor file with a header of our choice."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def one(name: str = "a", dtype: str = "F32", shape: object = (1,), offsets: object = (0, 4)) -> bytes:
    """Return a file of one tensor."""
    return crafted({name: {"dtype": dtype, "shape": shape, "data_offsets": offsets}})


ENTRY = b'"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
HEADERS = {
    "100 MB": ((10**8).to_bytes(8, "little") + bytes(99), "at most 16777216"),
    "1.5 million tensors": (
        crafted(b'{"a":{},' + b",".join(b'"%d":{}' % n for n in range(1_500_000)) + b"}"),
        "header",
    ),
    "the same key twice": (crafted(b"{" + ENTRY + b"," + ENTRY + b"}"), "stands twice"),
    "a wrong dtype": (one(dtype="F33"), "unknown dtype"),
    "a shape that overflows": (one(shape=[2**40, 2**40]), "not a shape"),
    "a negative shape": (one(shape=[-1]), "not a shape"),
    "a name with /": (one("../../a"), "U+002F"),
    "a name with NUL": (one("a\0"), "U+0000"),
    "a name with bidi": (one("a\u202eb"), "U+202E"),
}


@pytest.mark.withstands("bad inputs", case="K05")
@pytest.mark.parametrize(("content", "words"), HEADERS.values(), ids=HEADERS)
def test_a_hostile_header_is_refused_quickly(content: bytes, words: str, run: Run, refusal: Callable[[], str]) -> None:
    rewrite(run, "model.safetensors", content)
    start = time.process_time()
    told = refusal()
    assert time.process_time() - start < 1.5, "one second, and what it takes to start"
    assert "model.safetensors" in told
    assert words in told
    assert told.replace("\n", "").isprintable()


@pytest.mark.withstands("bad inputs", case="K06")
def test_weights_of_another_network_name_tensors_and_shapes(run: Run, refusal: Callable[[], str]) -> None:
    text = run.resolved.read_text()
    run.resolved.write_text(text.replace("width: 8", "width: 9"))
    assert run.resolved.read_text() != text
    told = refusal()
    assert "do not fit the recipe's network" in told
    assert "shape [8] in the checkpoint, [9] in the model" in told

    def rename(saved: store.Saved) -> None:
        saved.tensors["model"]["other"] = saved.tensors["model"].pop(next(iter(saved.tensors["model"])))

    run.resolved.write_text(text)
    save_again(run, rename)
    told = refusal()
    assert "missing in the checkpoint" in told
    assert "other: not in the model" in told


@pytest.mark.withstands("bad inputs", case="K07")
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_by_name(
    value: float, run: Run, refusal: Callable[[], str], dlw: Dlw
) -> None:
    def poison(saved: store.Saved) -> None:
        name = next(name for name, tensor in saved.tensors["model"].items() if tensor.is_floating_point())
        saved.tensors["model"][name].view(-1)[0] = value

    save_again(run, poison)
    told = refusal()
    assert "NaN or infinity in the weights" in told
    assert "(1 of " in told
    assert dlw("train", "--resume", run.folder).code == 4


@pytest.mark.withstands("bad inputs", case="K08")
def test_a_checkpoint_of_a_newer_dlw_names_both_versions(run: Run, refusal: Callable[[], str]) -> None:
    folder = checkpoint(run)
    tree = json.loads((folder / manifest.FILE).read_bytes())
    tree.pop("digest")
    tree |= {"format": manifest.FORMAT + 1, "dlw": "9.9"}
    tree["digest"] = hashlib.sha256(json.dumps(tree).encode()).hexdigest()
    (folder / manifest.FILE).write_bytes(json.dumps(tree, indent=1).encode() + b"\n")
    told = refusal()
    assert f"written by dlw 9.9 in checkpoint format {manifest.FORMAT + 1}" in told
    assert f"reads format {manifest.FORMAT}" in told


def other_torch(run: Run) -> None:
    """Let the checkpoint say that another torch made it."""

    def change(saved: store.Saved) -> None:
        saved.state["fingerprint"]["torch"] = "1.0"

    save_again(run, change)


def other_recipe(run: Run) -> None:
    """Change the recipe of the run behind its back."""
    text = run.resolved.read_text()
    run.resolved.write_text(text.replace("lr: 0.001", "lr: 0.002"))
    assert run.resolved.read_text() != text


@pytest.mark.withstands("bad inputs", case="K08")
@pytest.mark.parametrize(
    ("change", "words"),
    [(other_torch, "torch: 1.0 then, 2."), (other_recipe, "recipe: optimizer.lr: 0.001 then, 0.002 now")],
)
def test_going_on_with_another_torch_or_recipe_asks_first(
    change: Callable[[Run], Any], words: str, run: Run, dlw: Dlw
) -> None:
    change(run)
    answer = dlw("train", "--resume", run.folder)
    assert answer.code == 4
    assert words in answer.err
    assert "--allow-inexact" in answer.err
    answer = dlw("train", "--resume", run.folder, "--allow-inexact")
    assert answer.code == 0
    assert "continuing inexactly" in answer.err

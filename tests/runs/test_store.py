"""A checkpoint comes back bit for bit or not at all: retention, fallback, damage of every file, foreign files."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from dlw.errors import CheckpointError, ResourceError
from dlw.progress import Silent
from dlw.runs import disk, store
from dlw.runs.layout import Run
from dlw.runs.manifest import DamagedError, Manifest, read_manifest
from dlw.runs.steps import saved_steps, step_folder
from tests.withstood import Tally

Tensors = Callable[[int], dict[str, dict[str, torch.Tensor]]]


def save(run: Run, step: int, tensors: Tensors, *, is_best: bool = False, keep: int = 2) -> Path:
    """Save the sample tensors of a step."""
    return store.save(run, step, tensors(step), {"seen": step, "rng": [1, 2]}, keep=keep, is_best=is_best)


def same(saved: store.Saved, tensors: Tensors) -> bool:
    """Compare a loaded checkpoint with the sample tensors of its step."""
    expected = tensors(saved.step)
    return saved.state == {"seen": saved.step, "rng": [1, 2]} and all(
        torch.equal(saved.tensors[group][name], tensor)
        for group, members in expected.items()
        for name, tensor in members.items()
    )


def flip(path: Path, bit: int) -> None:
    """Flip one bit of a file in place."""
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << (bit % 8)
    path.write_bytes(data)


def test_tensors_and_state_come_back(run: Run, tensors: Tensors) -> None:
    folder = save(run, 7, tensors)
    saved = store.load(run, "last", Silent())
    assert same(saved, tensors)
    assert (saved.step, saved.path) == (7, folder)
    assert sorted(disk.names(folder)) == ["manifest.json", "model.safetensors", "optimizer.safetensors", "state.json"]


def test_tied_weights_are_stored_once_and_tied_again(run: Run, tensors: Tensors) -> None:
    save(run, 1, tensors)
    model = store.load(run, "last", Silent()).tensors["model"]
    assert model["encoder.weight"] is model["decoder.weight"]
    untied = {"model": {"a": torch.zeros(1000), "b": torch.zeros(1000)}}
    tied = {"model": dict.fromkeys("ab", untied["model"]["a"])}
    sizes = [
        (store.save(run, step, group, {}, keep=2, is_best=False) / "model.safetensors").stat().st_size
        for step, group in ((2, untied), (3, tied))
    ]
    assert sizes[0] - sizes[1] > 3900


def test_overlapping_views_are_stored_apart(run: Run) -> None:
    base = torch.arange(6.0)
    store.save(run, 1, {"model": {"a": base, "b": base[:3], "c": base.view(2, 3)}}, {}, keep=2, is_best=False)
    model = store.load(run, "last", Silent()).tensors["model"]
    assert torch.equal(model["b"], base[:3])
    assert torch.equal(model["c"], base.view(2, 3))


def test_newest_two_and_the_best_are_kept(run: Run, tensors: Tensors) -> None:
    for step in range(1, 8):
        save(run, step, tensors, is_best=step in (1, 3))
    assert saved_steps(run) == [3, 6, 7]
    assert [store.load(run, which, Silent()).step for which in ("last", "best", 6)] == [7, 3, 6]
    assert (run.checkpoints / "last").read_text() == "step-0000000007\n"
    assert (run.checkpoints / "best").read_text() == "step-0000000003\n"


def test_best_is_the_newest_where_none_was_best(run: Run, tensors: Tensors) -> None:
    save(run, 1, tensors)
    save(run, 2, tensors)
    assert store.load(run, "best", Silent()).step == 2


def test_saving_a_step_again_replaces_it(run: Run, tensors: Tensors) -> None:
    save(run, 1, tensors)
    store.save(run, 1, {"model": {"a": torch.ones(1)}}, {"again": True}, keep=2, is_best=False)
    assert store.load(run, 1, Silent()).state == {"again": True}
    assert disk.names(run.checkpoints) == ["last", "step-0000000001"]


def test_some_groups_can_be_read_alone(run: Run, tensors: Tensors) -> None:
    save(run, 1, tensors)
    assert store.load(run, "last", Silent(), groups=("model",)).tensors.keys() == {"model"}


def test_files_have_the_usual_mode(run: Run, tensors: Tensors) -> None:
    old = os.umask(0o027)
    try:
        folder = save(run, 1, tensors)
    finally:
        os.umask(old)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o640}


def test_damaged_newest_falls_back_loudly(run: Run, tensors: Tensors, ears: Any) -> None:
    save(run, 1, tensors)
    flip(save(run, 2, tensors) / "model.safetensors", 2500)
    saved = store.load(run, "last", ears)
    assert same(saved, tensors)
    assert saved.step == 1
    assert len(ears.warnings) == 1
    assert "model.safetensors: checksum differs" in ears.warnings[0]


def test_training_on_after_a_fallback_keeps_what_is_sound(run: Run, tensors: Tensors) -> None:
    for step in (10, 20, 30):
        save(run, step, tensors, keep=3)
    for step in (20, 30):
        flip(step_folder(run, step) / "state.json", 3)
    assert store.load(run, "last", Silent()).step == 10
    save(run, 15, tensors)
    assert saved_steps(run) == [10, 15]
    assert store.load(run, "last", Silent()).step == 15


@pytest.mark.withstands("faults", case="F11")
def test_all_damaged_is_an_error_and_nothing_is_lost(run: Run, tensors: Tensors) -> None:
    for step in (1, 2):
        flip(save(run, step, tensors) / "model.safetensors", 100)
    with pytest.raises(CheckpointError, match=r"every checkpoint is damaged[\s\S]*02/model[\s\S]*01/model"):
        store.load(run, "last", Silent())
    assert saved_steps(run) == [1, 2]


def test_no_checkpoint_is_an_error(run: Run) -> None:
    assert not store.has_checkpoint(run)
    for which in ("last", "best", 3):
        with pytest.raises(CheckpointError, match="no checkpoint"):
            store.load(run, which, Silent())


def test_a_step_that_is_not_there_is_an_error(run: Run, tensors: Tensors) -> None:
    save(run, 4, tensors)
    with pytest.raises(CheckpointError, match="no checkpoint of step 5; there are 4"):
        store.load(run, 5, Silent())


def test_a_removed_newest_is_noticed(run: Run, tensors: Tensors, ears: Any) -> None:
    save(run, 1, tensors)
    shutil.rmtree(save(run, 2, tensors))
    assert store.load(run, "last", ears).step == 1
    assert "step-0000000002 is missing" in ears.warnings[0]


def test_damaged_best_is_refused_rather_than_swapped(run: Run, tensors: Tensors) -> None:
    best = save(run, 1, tensors, is_best=True)
    save(run, 2, tensors)
    flip(best / "model.safetensors", 100)
    with pytest.raises(CheckpointError, match="checksum differs"):
        store.load(run, "best", Silent())
    flip(best / "manifest.json", 100)
    for step in range(3, 6):
        save(run, step, tensors)
    with pytest.raises(CheckpointError, match="cannot tell which checkpoint is best"):
        store.load(run, "best", Silent())


def test_pointers_are_no_authority(run: Run, tensors: Tensors) -> None:
    for step in (1, 2, 3):
        save(run, step, tensors, is_best=step == 1)
    (run.checkpoints / "last").write_text("step-0000000001\n")
    (run.checkpoints / "best").write_bytes(b"\xff\0")
    assert store.load(run, "last", Silent()).step == 3
    assert store.load(run, "best", Silent()).step == 1
    store.clean(run)
    assert (run.checkpoints / "last").read_text() == "step-0000000003\n"
    assert (run.checkpoints / "best").read_text() == "step-0000000001\n"


@pytest.mark.withstands("bit flips", case="F10")
@pytest.mark.parametrize("count", [300, pytest.param(2000, marks=pytest.mark.slow)])
def test_every_flipped_bit_is_noticed(run: Run, tensors: Tensors, count: int, tally: Tally) -> None:
    """Flip random bits over all files and one of each byte of the headers, one at a time."""
    folder = save(run, 1, tensors)
    chance = random.Random(count)
    files = sorted(folder.iterdir())
    plan = [(path, chance.randrange(path.stat().st_size * 8)) for path in chance.choices(files, k=count)]
    plan += [
        (path, byte * 8 + chance.randrange(8)) for path in files if path.suffix == ".safetensors" for byte in range(64)
    ]
    noticed = 0
    for path, bit in plan:
        flip(path, bit)
        try:
            store.load(run, 1, Silent())
        except DamagedError as error:
            noticed += str(path) in str(error) and "checksum differs" in str(error)
        flip(path, bit)
    assert same(store.load(run, 1, Silent()), tensors)
    tally(noticed, len(plan))


@pytest.mark.withstands("truncations")
@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json", "manifest.json"])
def test_every_truncation_is_noticed(run: Run, tensors: Tensors, name: str, tally: Tally) -> None:
    state = {"seen": 1, "padding": list(range(100))}
    path = store.save(run, 1, tensors(1), state, keep=2, is_best=False) / name
    whole = path.read_bytes()
    lengths = [0, 1, len(whole) - 1, *random.Random(0).sample(range(2, len(whole) - 1), 122)]
    noticed = 0
    for size in lengths:
        path.write_bytes(whole[:size])
        expected = "checksum differs" if name == "manifest.json" else f"expected {len(whole)} bytes, found {size}"
        try:
            store.load(run, 1, Silent())
        except DamagedError as error:
            noticed += f"{path}: {expected}" in str(error)
    path.write_bytes(whole + b"\0")
    with pytest.raises(DamagedError, match=r"checksum differs|found more than"):
        store.load(run, 1, Silent())
    tally(noticed, len(lengths))


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json", "manifest.json"])
def test_missing_file_is_named(run: Run, tensors: Tensors, name: str) -> None:
    (save(run, 1, tensors) / name).unlink()
    with pytest.raises(DamagedError, match=f"{name} is missing"):
        store.load(run, 1, Silent())


def test_extra_file_is_named(run: Run, tensors: Tensors) -> None:
    (save(run, 1, tensors) / "plugin.py").write_text("print('never run')")
    with pytest.raises(DamagedError, match=r"plugin\.py"):
        store.load(run, 1, Silent())


def test_checkpoint_of_another_step_is_refused(run: Run, tensors: Tensors) -> None:
    save(run, 1, tensors).rename(step_folder(run, 9))
    with pytest.raises(DamagedError, match="holds step 1"):
        store.load(run, 9, Silent())


def test_links_and_pipes_are_refused_and_never_block(run: Run, tensors: Tensors) -> None:
    folder = save(run, 1, tensors)
    model = folder / "model.safetensors"
    model.rename(run.folder / "elsewhere")
    model.symlink_to(run.folder / "elsewhere")
    with pytest.raises(DamagedError, match="symbolic link"):
        store.load(run, 1, Silent())
    model.unlink()
    os.mkfifo(model)
    with pytest.raises(DamagedError, match="not a regular file"):
        store.load(run, 1, Silent())


def test_checkpoints_are_not_written_through_a_planted_link(run: Run, tensors: Tensors, tmp_path: Path) -> None:
    run.checkpoints.rmdir()
    outside = tmp_path / "outside"
    outside.mkdir()
    run.checkpoints.symlink_to(outside)
    with pytest.raises(ResourceError, match="symbolic link"):
        save(run, 1, tensors)
    assert not any(outside.iterdir())


def test_newer_format_is_refused_with_both_versions(
    run: Run, tensors: Tensors, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(run, 1, tensors)
    with monkeypatch.context() as future:
        future.setattr("dlw.runs.manifest.FORMAT", 2)
        future.setattr("dlw.runs.manifest.__version__", "9.9")
        data = Manifest(2, {}, dlw="9.9").to_bytes()
    folder = step_folder(run, 2)
    folder.mkdir()
    (folder / "manifest.json").write_bytes(data)
    with pytest.raises(CheckpointError, match=r"by dlw 9\.9 in checkpoint format 2; this is dlw \S+, which reads"):
        store.load(run, "last", Silent())


@pytest.mark.parametrize(("value", "count"), [(float("nan"), 1), (float("inf"), 2), (-float("inf"), 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float8_e5m2, torch.complex64], ids=str)
def test_weights_that_are_not_finite_are_refused(run: Run, value: float, count: int, dtype: torch.dtype) -> None:
    weight = torch.ones(10)
    weight[:count] = value
    store.save(run, 1, {"model": {"head.weight": weight.to(dtype)}}, {}, keep=2, is_best=False)
    with pytest.raises(CheckpointError, match=rf"model: NaN or infinity .* head\.weight \({count} of 10 values\)"):
        store.load(run, "last", Silent())
    assert store.load(run, "last", Silent(), check_finite=False).step == 1


def test_large_finite_weights_are_accepted(run: Run) -> None:
    store.save(run, 1, {"model": {"a": torch.full((10,), 3e38)}}, {}, keep=2, is_best=False)
    assert store.load(run, "last", Silent()).step == 1


def test_mismatch_names_five_tensors_and_both_shapes() -> None:
    model = {f"layer{index}": torch.zeros(2, 3) for index in range(7)}
    assert store.mismatch(model, model) is None
    assert store.mismatch({**model, "layer1": torch.zeros(3, 2)}, model) == (
        "layer1: shape [3, 2] in the checkpoint, [2, 3] in the model"
    )
    text = store.mismatch({"other": torch.zeros(1)}, model)
    assert text is not None
    assert text.startswith("layer0: missing in the checkpoint; layer1: missing")
    assert text.endswith("layer4: missing in the checkpoint; and 3 more")


@pytest.mark.withstands("faults", case="F05")
def test_space_is_asked_for_first(run: Run, tensors: Tensors, monkeypatch: pytest.MonkeyPatch) -> None:
    save(run, 1, tensors)
    real = os.statvfs(run.folder)
    full = os.statvfs_result((*real[:4], 1, *real[5:]))
    monkeypatch.setattr(os, "statvfs", lambda _: full)
    with pytest.raises(ResourceError, match=r"disk is full: [\d,]+ bytes needed, [\d,]+ free") as caught:
        save(run, 2, tensors)
    assert caught.value.exit_code == 6
    assert disk.names(run.checkpoints) == ["last", "step-0000000001"]


def test_failed_save_leaves_nothing_behind(run: Run, tensors: Tensors, monkeypatch: pytest.MonkeyPatch) -> None:
    save(run, 1, tensors)
    before = disk.names(run.checkpoints)

    def door(operation: Callable[..., Any], *arguments: Any) -> Any:
        if operation is os.open and Path(arguments[0]).name == "state.json":
            raise OSError(errno.ENOSPC, "No space left on device")
        return operation(*arguments)

    with monkeypatch.context() as full:
        full.setattr(disk, "_call", door)
        with pytest.raises(ResourceError, match="No space left"):
            save(run, 2, tensors)
    assert disk.names(run.checkpoints) == before


def test_manifest_says_what_the_listing_needs(run: Run, tensors: Tensors) -> None:
    folder = store.save(
        run, 3, tensors(3), {}, keep=2, is_best=True, is_final=True, monitor="validation/accuracy", score=0.5
    )
    manifest = read_manifest(folder)
    assert (manifest.step, manifest.is_best, manifest.is_final) == (3, True, True)
    assert (manifest.monitor, manifest.score) == ("validation/accuracy", 0.5)
    assert json.loads((folder / "manifest.json").read_text())["digest"] == manifest.digest


def test_nan_score_does_not_spoil_the_checkpoint(run: Run, tensors: Tensors) -> None:
    store.save(run, 3, tensors(3), {}, keep=2, is_best=False, monitor="validation/loss", score=float("nan"))
    assert store.load(run, "last", Silent()).manifest.score is None


@pytest.mark.withstands("faults", case="F25")
@pytest.mark.parametrize("copy", ["moved", "copied", "packed"])
def test_run_elsewhere_loads_the_same(run: Run, tensors: Tensors, tmp_path: Path, copy: str) -> None:
    save(run, 1, tensors)
    target = tmp_path / "other place ü"
    if copy == "moved":
        run.folder.rename(target)
    elif copy == "copied":
        shutil.copytree(run.folder, target)
    else:
        shutil.unpack_archive(shutil.make_archive(str(tmp_path / "run"), "tar", run.folder), target, filter="data")
    moved = Run(target)
    store.clean(moved)
    assert same(store.load(moved, "last", Silent()), tensors)
    save(moved, 2, tensors)
    assert saved_steps(moved) == [1, 2]

"""Augmentations of recordings: the same row always changes the same way, and fill stays fill."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dlw import registry
from dlw.augment._base import Augment
from dlw.engine.draws import RowDraws
from dlw.ragged import lengths, stack
from dlw.specs import FieldSpec

SPEC = FieldSpec("sound", (4000,), "int16", ("sound",), statistics={"sample_rate_hz": [4000]}, is_ragged=True)
NAMES = [name for name in registry.names("augment") if "sound" in registry.load("augment", name).KINDS]


def build(name: str, **settings: object) -> Augment:
    module = registry.load("augment", name)
    made: Augment = module.build(module.Settings(**settings), {"sound": SPEC})
    return made


def batch(*counts: int) -> torch.Tensor:
    rng = np.random.default_rng(0)
    rows = [rng.integers(-20000, 20000, count).astype(np.int16) for count in counts]
    return torch.from_numpy(stack(rows, "sound", "int16"))


def changed(made: Augment, sound: torch.Tensor, rows: list[int], epoch: int = 1) -> torch.Tensor:
    return made({"sound": sound}, RowDraws(7, epoch, torch.tensor(rows), 0))["sound"]


@pytest.mark.parametrize("name", NAMES)
def test_a_row_changes_the_same_way_whatever_it_is_with(name: str) -> None:
    made, sound = build(name), batch(1000, 700, 0, 900)
    whole = changed(made, sound, [3, 4, 5, 6])
    assert whole.dtype == torch.int16
    torch.testing.assert_close(whole, changed(made, sound, [3, 4, 5, 6]))
    count = lengths(whole.numpy(), "sound")
    assert count[2] == 0
    alone = changed(made, sound[[3, 0]], [6, 3])
    for place, row in enumerate((3, 0)):
        assert np.array_equal(alone[place, : count[row]], whole[row, : count[row]])
    assert not torch.equal(changed(made, sound, [3, 4, 5, 6], epoch=2), whole)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "speed"])
def test_lengths_stay(name: str) -> None:
    sound = batch(1000, 700, 900)
    assert lengths(changed(build(name), sound, [0, 1, 2]).numpy(), "sound").tolist() == [1000, 700, 900]


def test_speed_changes_length_and_pitch_alike() -> None:
    tone = (9000 * np.sin(2 * np.pi * 200 * np.arange(4000) / 4000)).astype(np.int16)
    fast = changed(build("speed", factors=(1.25, 1.2501)), torch.from_numpy(tone[None]), [0])[0].numpy()
    assert abs(len(fast) - 3200) <= 1
    assert abs(np.abs(np.fft.rfft(fast[:3200].astype(float))).argmax() * 4000 / 3200 - 250) < 2


def test_noise_has_the_power_asked_for() -> None:
    sound = batch(4000)
    noise = changed(build("sound_noise", ratio_db=(20, 20)), sound, [0]).float() - sound.float()
    ratio = 10 * torch.log10(sound.float().square().mean() / noise.square().mean())
    assert abs(ratio.item() - 20) < 0.5


def test_spec_augment_takes_bands_and_stretches_out() -> None:
    sound = batch(4000)
    gapped = changed(build("spec_augment", bands=0, gaps=1, gap=0.5), sound, [0])
    assert (gapped == 0).sum() > 20
    banded = changed(build("spec_augment", bands=1, band=0.5, gaps=0), sound, [0])
    sizes = np.abs(np.fft.rfft(banded[0].numpy().astype(float)))
    assert (sizes < 1000).sum() > 20


def test_a_shift_loses_one_end_and_adds_silence_at_the_other() -> None:
    sound = batch(4000)
    shifted = changed(build("time_shift", seconds=0.1), sound, [0])[0]
    moved = [k for k in range(-400, 401) if torch.equal(shifted[400:-400], sound[0][400 - k : 4000 - 400 - k])]
    assert len(moved) == 1

"""Networks that hear: their spectrum is the Fourier transform's, and what follows a recording changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dlw import registry
from dlw.errors import UsageError
from dlw.models._log_mel import FLOOR, LogMel, mel_matrix
from dlw.ragged import stack
from dlw.specs import FieldSpec, OutputSpec

SPEC = FieldSpec("sound", (4000,), "int16", ("sound",), statistics={"sample_rate_hz": [4000]}, is_ragged=True)
HEARING = [name for name in registry.names("models") if "sound" in registry.load("models", name).INPUTS]


def network(name: str, seed: int = 0) -> nn.Module:
    plugin = registry.load("models", name)
    torch.manual_seed(seed)
    output = OutputSpec(plugin.OUTPUTS[0], 5, step_seconds=0.032)
    made: nn.Module = plugin.build(plugin.Settings(width=8, depth=2, mels=8, dropout=0.0), {"sound": SPEC}, output)
    return made


def sounds(*counts: int, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    rows = [rng.integers(-20000, 20000, count).astype(np.int16) for count in counts]
    return torch.from_numpy(stack(rows, "sound", "int16"))


def test_spectrum_is_that_of_a_short_time_fourier_transform() -> None:
    made = LogMel(4000, 32, 16, 1)
    sound_BT = sounds(2000, 2000)
    x_BT = F.pad(sound_BT.float() / 32768, (48, 200))
    window = torch.hann_window(128)
    wanted = torch.stft(x_BT, 128, 32, window=window, center=False, return_complex=True).abs().square()
    energy = made.mel_MF @ (wanted[..., :64] * (2 / window.sum()) ** 2)
    log = (energy[..., :63] + FLOOR).log()
    log = log - log.mean((1, 2), keepdim=True)
    log = log / log.square().mean((1, 2), keepdim=True).sqrt()
    found, mask = made(sound_BT)
    assert mask[0, 0].tolist() == [1.0] * 63 + [0.0]
    torch.testing.assert_close(found[..., :63], log, atol=2e-5, rtol=1e-4)


def test_mel_bands_rise_and_cover_the_spectrum() -> None:
    matrix = mel_matrix(8000, 256, 40)
    middles = (matrix * np.arange(129)).sum(1) / matrix.sum(1)
    assert (np.diff(middles) > 0).all()
    assert (matrix.sum(0)[1:-3] > 0.4).all()
    with pytest.raises(UsageError, match="mels: 80 bands"):
        mel_matrix(8000, 64, 80)


def test_loudness_says_nothing() -> None:
    made = LogMel(4000, 32, 16, 1)
    sound_BT = sounds(2000)
    quiet = (sound_BT.int() // 4).to(torch.int16)
    torch.testing.assert_close(made(sound_BT)[0], made(quiet)[0], atol=0.01, rtol=0.01)


@pytest.mark.withstands("properties", case="P6")
@pytest.mark.parametrize("name", HEARING)
def test_answers_do_not_depend_on_the_fill(name: str) -> None:
    made = network(name).eval()
    alone = sounds(700)
    beside = torch.full((1, 1900), -32768, dtype=torch.int16)
    beside[:, :700] = alone
    with torch.inference_mode():
        short, long = made({"sound": alone}), made({"sound": beside})
    if short.ndim == 3:
        ended = long[:, 6:]  # 700 samples are 5.5 steps
        assert (ended.argmax(-1) == 0).all()
        assert (ended.softmax(-1)[..., 0] == 1).all()
        short, long = short[:, :6], long[:, :6]
    torch.testing.assert_close(short, long, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", HEARING)
def test_every_parameter_learns(name: str) -> None:
    made = network(name)
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.2) if parameter.ndim > 1 else None
    for module in made.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            nn.init.ones_(module.weight)
    made({"sound": sounds(1500, 900, 1200)}).log_softmax(-1)[..., 1].square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in made.parameters())


@pytest.mark.parametrize("name", HEARING)
def test_another_input_is_refused(name: str) -> None:
    plugin = registry.load("models", name)
    output = OutputSpec(plugin.OUTPUTS[0], 5, step_seconds=0.032)
    with pytest.raises(UsageError, match="exactly one sound input"):
        plugin.build(plugin.Settings(), {"sound": SPEC, "other": SPEC}, output)

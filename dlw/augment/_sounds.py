"""Changes of recordings. Samples after the end of a row are fill and stay fill.

Shape legend: B rows, T samples, S frequencies, N masks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from dlw.augment._base import Augment, Draws
from dlw.ragged import FILL
from dlw.specs import FieldSpec

END = int(FILL["sound"])
LOUDEST = 32767

Change = Callable[[Tensor, Tensor, Draws, float], tuple[Tensor, Tensor]]
"""Samples float32 [B, T] with 0 after the end, lengths int64 [B], draws, the rate in Hz to new samples and lengths."""


def each_sound(groups: Mapping[str, FieldSpec], change: Change) -> Augment:
    """Return an augmentation that applies `change` to every sound group."""
    rates = {name: spec.statistics["sample_rate_hz"][0] for name, spec in groups.items() if spec.kind == "sound"}

    def apply(batch: dict[str, Tensor], draws: Draws) -> dict[str, Tensor]:
        changed = dict(batch)
        for name, rate_hz in rates.items():
            sound_BT = batch[name]
            is_sample_BT = sound_BT != END
            length_B = (is_sample_BT * torch.arange(1, sound_BT.shape[1] + 1, device=sound_BT.device)).amax(1)
            x_BT, length_B = change(torch.where(is_sample_BT, sound_BT, 0).float(), length_B, draws, rate_hz)
            changed[name] = _finished(x_BT, length_B)
        return changed

    return apply


def _finished(x_BT: Tensor, length_B: Tensor) -> Tensor:
    is_sample_BT = torch.arange(x_BT.shape[1], device=x_BT.device) < length_B[:, None]
    samples_BT = x_BT.round().clamp(-LOUDEST, LOUDEST)
    return torch.where(is_sample_BT, samples_BT, END).to(torch.int16)


def at_speed(x_BT: Tensor, length_B: Tensor, factor_B: Tensor) -> tuple[Tensor, Tensor]:
    """Play each row `factor` times as fast, pitch included: samples between samples are read off straight lines."""
    length_B = torch.where(length_B > 0, (length_B / factor_B).long().clamp(min=1), 0)
    place_BT = torch.arange(max(2, int(length_B.max())), device=x_BT.device) * factor_B[:, None]
    below_BT = place_BT.long().clamp(max=x_BT.shape[1] - 1)
    above_BT = (below_BT + 1).clamp(max=x_BT.shape[1] - 1)
    return torch.lerp(x_BT.gather(1, below_BT), x_BT.gather(1, above_BT), place_BT - below_BT), length_B


def shifted(x_BT: Tensor, length_B: Tensor, shift_B: Tensor) -> tuple[Tensor, Tensor]:
    """Move each row later by `shift` samples, int64, or earlier where it is below 0; silence enters at the free end."""
    place_BT = torch.arange(x_BT.shape[1], device=x_BT.device) - shift_B[:, None]
    is_inside_BT = (place_BT >= 0) & (place_BT < length_B[:, None])
    return x_BT.gather(1, place_BT.clamp(0, x_BT.shape[1] - 1)) * is_inside_BT, length_B


def noisy(x_BT: Tensor, length_B: Tensor, decibel_B: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
    """Add white noise so many decibels below the mean power of the row."""
    power_B = x_BT.square().sum(1) / length_B.clamp(min=1)
    width_B = (12 * power_B * 10 ** (-decibel_B / 10)).sqrt()  # of a uniform draw, whose power is width^2 / 12
    return x_BT + (draws.uniform(x_BT.shape[1]) - 0.5) * width_B[:, None], length_B


def silenced(x_BT: Tensor, length_B: Tensor, place_BN: Tensor, width_BN: Tensor) -> Tensor:
    """Turn stretches of each row into silence; place and width are shares of what can be chosen and of the row."""
    width_BN = (width_BN * length_B[:, None]).floor()
    start_BN = (place_BN * (length_B[:, None] - width_BN + 1)).floor()
    step_T = torch.arange(x_BT.shape[1], device=x_BT.device)
    is_hit_BT = _hit(step_T, start_BN, width_BN)
    return x_BT.masked_fill(is_hit_BT, 0)


def filtered(x_BT: Tensor, start_BN: Tensor, width_BN: Tensor) -> Tensor:
    """Take bands of frequencies out of each row; start and width are shares of the spectrum."""
    spectrum_BS = torch.fft.rfft(x_BT)
    size = spectrum_BS.shape[1]
    frequency_S = torch.arange(size, device=x_BT.device)
    is_hit_BS = _hit(frequency_S, start_BN * (1 - width_BN) * size, width_BN * size)
    return torch.fft.irfft(spectrum_BS.masked_fill(is_hit_BS, 0), n=x_BT.shape[1])


def _hit(place_T: Tensor, start_BN: Tensor, width_BN: Tensor) -> Tensor:
    """Return bool [B, T]: inside one of the N stretches."""
    inside_BNT = (place_T >= start_BN[..., None]) & (place_T < (start_BN + width_BN)[..., None])
    return inside_BNT.any(dim=1)

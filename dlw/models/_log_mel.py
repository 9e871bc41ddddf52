"""Raw samples to the logarithm of their mel spectrum: the first layer of the networks that hear.

Window by window, a matrix of sines and cosines gives the spectrum, so that every export takes raw samples of any
length. Shape legend: B rows, T samples, S steps (windows), W samples of a window, F frequencies, M mel bands.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dlw.errors import UsageError
from dlw.ragged import FILL
from dlw.specs import FieldSpec

HOPS_PER_WINDOW = 4
FLOOR = 1e-6
"""Added to the energy of a band before the logarithm; samples are in -1..1, so it is about -60 dB."""


class LogMel(nn.Module):
    """int16 [B, T] to the standardised log-mel spectrum [B, M, S] and its mask [B, 1, S], one step every `hop` samples.

    Mean and deviation are those of the recording itself over all its bands and steps: loudness says nothing. `stride`
    masked steps follow the longest row: what makes one step of that many has two at least, as tracers need it.
    """

    wave_2FxW: Tensor
    mel_MF: Tensor

    def __init__(self, sample_rate_hz: float, hop: int, mels: int, stride: int) -> None:
        super().__init__()
        self.hop, window = hop, hop * HOPS_PER_WINDOW
        self.spare = hop * stride
        self.register_buffer("wave_2FxW", torch.from_numpy(_waves(window)), persistent=False)
        self.register_buffer("mel_MF", torch.from_numpy(mel_matrix(sample_rate_hz, window, mels)), persistent=False)

    def forward(self, sound_BT: Tensor) -> tuple[Tensor, Tensor]:
        """Return spectrum and mask; a step belongs to a row where its first sample does."""
        if torch.is_autocast_enabled(sound_BT.device.type):
            with torch.autocast(sound_BT.device.type, enabled=False):
                return self._measured(sound_BT)
        return self._measured(sound_BT)

    def _measured(self, sound_BT: Tensor) -> tuple[Tensor, Tensor]:
        x_BT = sound_BT.to(self.mel_MF.dtype)
        is_sample_BT = (x_BT != FILL["sound"]).to(x_BT.dtype)
        x_BT = x_BT * is_sample_BT / 32768
        window = self.wave_2FxW.shape[1]
        left = (window - self.hop) // 2
        x_B1T = F.pad(x_BT[:, None], (left, window - 1 - left + self.spare))
        wave_BxS = F.conv1d(x_B1T, self.wave_2FxW[:, None], stride=self.hop)
        real_BFS, imaginary_BFS = wave_BxS.chunk(2, dim=1)
        energy_BMS = self.mel_MF @ (real_BFS.square() + imaginary_BFS.square())
        mask_B1S = every(F.pad(is_sample_BT[:, None], (0, self.spare)), self.hop)
        return _standardised((energy_BMS + FLOOR).log(), mask_B1S), mask_B1S


def every(mask_B1T: Tensor, stride: int) -> Tensor:
    """Return each step in a `stride`, [B, 1, ceil(T / stride)].

    A convolution, because tracers then know that its size is that of the convolutions beside it.
    """
    return F.conv1d(mask_B1T, mask_B1T.new_ones(1, 1, 1), stride=stride)


def _standardised(x_BMS: Tensor, mask_B1S: Tensor) -> Tensor:
    count_B11 = mask_B1S.sum(2, keepdim=True).clamp(min=1) * x_BMS.shape[1]
    x_BMS = (x_BMS - _total(x_BMS * mask_B1S) / count_B11) * mask_B1S
    deviation_B11 = (_total(x_BMS.square()) / count_B11).sqrt()
    return x_BMS / deviation_B11.clamp(min=0.1)


def _total(x_BMS: Tensor) -> Tensor:
    """Return the sum of each recording [B, 1, 1], bands apart first.

    ONNX Runtime adds one number after the other, so that the error of one long sum shows in the answers.
    """
    return x_BMS.sum(2, keepdim=True).sum(1, keepdim=True)


def _waves(window: int) -> np.ndarray:
    """Return the Fourier matrix under a Hann window, float32 [2F, W]: cosines, then sines; a full-scale sine has an
    energy of about 1."""
    sample_W, frequency_F = np.arange(window), np.arange(window // 2 + 1)
    angle_FW = 2 * math.pi * frequency_F[:, None] * sample_W / window
    hann_W = 0.5 - 0.5 * np.cos(2 * math.pi * sample_W / window)
    waves = np.concatenate([np.cos(angle_FW), np.sin(angle_FW)]) * hann_W * (2 / hann_W.sum())
    return waves.astype(np.float32)


def mel_matrix(sample_rate_hz: float, window: int, mels: int) -> np.ndarray:
    """Return triangles of equal height on Slaney's mel scale, float32 [M, F].

    Slaney 1998, Auditory Toolbox: linear below 1 kHz, logarithmic above; librosa's scale without its area norm.
    """
    frequency_F = np.arange(window // 2 + 1) * sample_rate_hz / window
    edges = _to_hz(np.linspace(0.0, _to_mel(sample_rate_hz / 2), mels + 2))
    rise_MF = (frequency_F - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall_MF = (edges[2:, None] - frequency_F) / (edges[2:] - edges[1:-1])[:, None]
    matrix_MF = np.maximum(0.0, np.minimum(rise_MF, fall_MF)).astype(np.float32)
    if not matrix_MF.any(axis=1).all():
        raise UsageError(
            f"model.mels: {mels} bands are more than windows of {window} samples can tell apart; set fewer"
        )
    return matrix_MF


_BREAK_HZ, _BREAK_MEL, _PER_MEL = 1000.0, 15.0, math.log(6.4) / 27


def _to_mel(hz: float) -> float:
    return hz * _BREAK_MEL / _BREAK_HZ if hz < _BREAK_HZ else _BREAK_MEL + math.log(hz / _BREAK_HZ) / _PER_MEL


def _to_hz(mel: np.ndarray) -> np.ndarray:
    return np.where(mel < _BREAK_MEL, mel * _BREAK_HZ / _BREAK_MEL, _BREAK_HZ * np.exp(_PER_MEL * (mel - _BREAK_MEL)))


def only_sound(inputs: Mapping[str, FieldSpec], model: str) -> tuple[str, float]:
    """Return the name and the rate in Hz of the single recording; raises UsageError if the inputs are anything else."""
    if [spec.kind for spec in inputs.values()] != ["sound"]:
        given = ", ".join(f"{name} ({spec.kind})" for name, spec in inputs.items())
        raise UsageError(f"model {model} takes exactly one sound input, the recipe gives {given or 'none'}")
    name, spec = next(iter(inputs.items()))
    return name, float(spec.statistics["sample_rate_hz"][0])

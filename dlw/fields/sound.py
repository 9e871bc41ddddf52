"""Recordings: int16 [samples], one channel, one rate; rows differ in length."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from dlw.columns import from_numbers
from dlw.errors import DataError
from dlw.fields._base import Encoded, FieldSettings, Role, State
from dlw.fields._files import read_files
from dlw.fields._sounds import (
    DECODING_ERRORS,
    LEAST_RATE_HZ,
    MAX_RATE_HZ,
    Layout,
    decode,
    encode_wav,
    open_sound,
    reason,
)
from dlw.ragged import lengths, stack
from dlw.specs import FieldSpec

if TYPE_CHECKING:
    import pyarrow as pa

KIND = "sound"
NUM_MEASURED = 20_000
"""Training recordings, evenly spaced, whose headers are read for the rate and the length."""


class Settings(FieldSettings):
    """Options of a column of recordings: wav, flac, ogg or mp3, up to 8 channels, which are mixed to one."""

    sample_rate: int | None = Field(
        None, ge=LEAST_RATE_HZ, le=MAX_RATE_HZ, description="Samples a second; default: the most common in training."
    )
    max_seconds: float = Field(3600, gt=0, le=3600, description="Longer recordings are refused before decoding.")


@dataclass(frozen=True)
class Sound:
    """One column of recordings."""

    settings: Settings
    name: str
    role: Role

    def fit(self, values: pa.ChunkedArray) -> State:
        """Learn the rate and the longest recording, from the headers."""
        if self.role == "target":
            raise DataError(f"target column {self.name}: a recording cannot be a target of this task")
        step = max(1, len(values) // NUM_MEASURED)
        files = read_files(values.take(from_numbers(np.arange(0, len(values), step))), self.name, "recording")
        seconds, rates, first = 0.0, Counter[int](), ""
        for file in files:
            try:
                with open_sound(file, self.settings.max_seconds) as opened:
                    rates[opened.samplerate] += 1
                    seconds = max(seconds, opened.frames / opened.samplerate)
            except DECODING_ERRORS as error:
                first = first or reason(file, error)
        if not rates:
            raise DataError(f"column {self.name}: none of {len(files)} recordings can be opened; the first: {first}")
        most = max(rates.values())
        rate = self.settings.sample_rate or max(rate for rate, count in rates.items() if count == most)
        return {"sample_rate_hz": rate, "longest": max(1, round(seconds * rate))}

    def encode(self, values: pa.ChunkedArray, state: State) -> Encoded:
        """Decode, mix, resample: int16 [N, T], -32768 after the end."""
        layout = Layout(state["sample_rate_hz"], self.settings.max_seconds)
        rows, bad = decode(read_files(values, self.name, "recording"), layout)
        return Encoded(stack(rows, KIND, "int16"), bad)

    def decode(self, array: np.ndarray, state: State) -> list[Any]:
        """Turn samples [N, T] into WAV files as `{bytes, path}`."""
        rate = state["sample_rate_hz"]
        return [
            {"bytes": encode_wav(row_T[:length], rate), "path": None}
            for row_T, length in zip(array, lengths(array, KIND), strict=True)
        ]

    def spec(self, state: State) -> FieldSpec:
        """Describe the samples."""
        statistics = {"sample_rate_hz": [state["sample_rate_hz"]]}
        return FieldSpec(KIND, (state["longest"],), "int16", (self.name,), statistics=statistics, is_ragged=True)


build = Sound

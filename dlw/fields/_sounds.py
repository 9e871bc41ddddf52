"""Opening recordings: wav, flac, ogg and mp3, channels mixed to one, one rate; every failure a reason.

Frames, channels and rate are read from the header, and refused there, before anything is decoded.
Shape legend: T samples, C channels.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from typing import TYPE_CHECKING

import numpy as np

from dlw.fields._files import File, in_threads

if TYPE_CHECKING:
    from soundfile import SoundFile

FORMATS = ("WAV", "WAVEX", "RF64", "FLAC", "OGG", "MP3")
MAX_CHANNELS = 8
LEAST_RATE_HZ, MAX_RATE_HZ = 1_000, 96_000
FULL_SCALE = 32_768
"""Sample value of 1.0; samples are kept within -32767 to 32767, -32768 marks the end of a row."""
DECODING_ERRORS = (RuntimeError, OSError, ValueError, TypeError, EOFError, ArithmeticError)
"""What soundfile raises for broken files: its own error is a RuntimeError."""
_BLOCK_FRAMES = 1 << 18
_ROWS_A_TASK = 64
_UNKNOWN_BYTES = (0, 0x7FFFFFFF, 0xFFFFFFFF)
"""What programs that write WAV into a pipe put where its length belongs."""


@dataclass(frozen=True)
class Layout:
    """What all recordings of a column become."""

    sample_rate_hz: int
    max_seconds: float


def open_sound(file: File, max_seconds: float) -> SoundFile:
    """Read the header; raises one of DECODING_ERRORS. The caller closes what is returned."""
    import soundfile

    file.check()
    if file.data is not None and not file.data:
        raise OSError("the file is empty")
    opened = soundfile.SoundFile(io.BytesIO(file.data) if file.data is not None else str(file.path))
    problem = _problem(opened, max_seconds)
    if problem:
        opened.close()
        raise ValueError(problem)
    return opened


def _problem(opened: SoundFile, max_seconds: float) -> str | None:
    frames, channels, rate = opened.frames, opened.channels, opened.samplerate
    told = f"{frames:,} frames x {channels} channels at {rate:,} Hz"
    if opened.format not in FORMATS:
        return f"{opened.format} is none of {', '.join(FORMATS)}"
    if not LEAST_RATE_HZ <= rate <= MAX_RATE_HZ:
        return f"{told}: rates from {LEAST_RATE_HZ:,} to {MAX_RATE_HZ:,} Hz are read"
    if channels > MAX_CHANNELS:
        return f"{told}: the limit is {MAX_CHANNELS} channels"
    if frames < 1:
        return f"{told}: has no samples"
    if frames > max_seconds * rate:
        return f"{told} = {frames / rate:,.0f} seconds, the limit is {max_seconds:,g} (max_seconds)"
    return None


def decode(files: Sequence[File], layout: Layout) -> tuple[list[np.ndarray], dict[int, str]]:
    """Return int16 [T] of each file, and the reason for each row that stays empty."""
    rows: list[np.ndarray] = [np.zeros(0, np.int16)] * len(files)
    bad: dict[int, str] = {}

    def work(places: range) -> None:
        for row in places:
            try:
                rows[row] = _decode_one(files[row], layout)
            except DECODING_ERRORS as error:
                bad[row] = reason(files[row], error)

    in_threads(work, len(files), _ROWS_A_TASK)
    return rows, dict(sorted(bad.items()))


def reason(file: File, error: BaseException) -> str:
    """Say in one line why a recording cannot be used."""
    if isinstance(error, OSError) and error.strerror:
        return f"{file.name}: {error.strerror}"
    told = " ".join(str(getattr(error, "error_string", error)).split()) or type(error).__name__
    return f"{file.name}: {told}"


def _decode_one(file: File, layout: Layout) -> np.ndarray:
    with open_sound(file, layout.max_seconds) as opened:
        _refuse_cut_wav(file, opened)
        mono_T = _mono(opened)
        rate = opened.samplerate
    if not np.isfinite(mono_T).all():
        raise ValueError("holds samples that are no numbers")
    mono_T = resample(mono_T, rate, layout.sample_rate_hz)
    return np.clip(np.rint(mono_T * FULL_SCALE), 1 - FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def _mono(opened: SoundFile) -> np.ndarray:
    """Return the mean of the channels, float32 [T].

    Read block by block: eight channels need not fit the memory, and a header that promises too much costs nothing.
    """
    blocks: list[np.ndarray] = []
    missing = opened.frames
    while missing:
        block_TC = opened.read(min(_BLOCK_FRAMES, missing), dtype="float32", always_2d=True)
        if not len(block_TC):
            raise ValueError(f"cut off: {opened.frames - missing:,} of {opened.frames:,} frames can be read")
        blocks.append(block_TC.mean(axis=1))
        missing -= len(block_TC)
    return np.concatenate(blocks)


def _refuse_cut_wav(file: File, opened: SoundFile) -> None:
    """Raise ValueError where a WAV file is shorter than it says: the library would read what is left without a word."""
    if not opened.format.startswith("WAV"):
        return
    data = file.read()
    said = int.from_bytes(data[4:8], "little")
    if data[:4] == b"RIFF" and said not in _UNKNOWN_BYTES and said + 8 > len(data) + 1:  # the last byte only fills up
        raise ValueError(f"cut off: {len(data):,} of {said + 8:,} bytes are there")


def resample(sound_T: np.ndarray, rate_hz: int, wanted_hz: int) -> np.ndarray:
    """Bring samples to another rate with a polyphase low-pass filter (scipy.signal.resample_poly)."""
    if rate_hz == wanted_hz:
        return sound_T
    from scipy.signal import resample_poly

    common = gcd(rate_hz, wanted_hz)
    return np.asarray(resample_poly(sound_T, wanted_hz // common, rate_hz // common), np.float32)


def encode_wav(sound_T: np.ndarray, sample_rate_hz: int) -> bytes:
    """Return samples as a WAV file of 16 bits."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, sound_T, sample_rate_hz, subtype="PCM_16", format="WAV")
    return file.getvalue()

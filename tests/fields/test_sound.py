"""Recordings: formats, channels and rates become one array; files that cannot be used become reasons, by name."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import soundfile

from dlw.errors import DataError
from dlw.fields import sound
from dlw.fields._base import Encoded
from dlw.fields._sounds import encode_wav, resample
from dlw.ragged import lengths

RATE = 8000


def tone(seconds: float, rate: int = RATE, hz: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)


def content(samples: np.ndarray, rate: int = RATE, kind: str = "WAV", subtype: str | None = None) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


def encoded(files: list[Any], rate: int = RATE, **settings: Any) -> Encoded:
    field = sound.build(sound.Settings(**settings), "sound", "input")
    values = pa.chunked_array([pa.array([{"bytes": file, "path": f"{row}.x"} for row, file in enumerate(files)])])
    return field.encode(values, {"sample_rate_hz": rate, "longest": 1})


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
def test_every_format_is_read(kind: str) -> None:
    samples = tone(0.5)
    (row,), bad, _ = encoded([content(samples, kind=kind)])
    assert not bad
    assert abs(len(row) - len(samples)) < (1500 if kind == "MP3" else 1)  # MP3 pads its first and last block
    spectrum = np.abs(np.fft.rfft(row[:4000].astype(float)))
    assert spectrum.argmax() == 220, "440 Hz in half a second"


def test_sixteen_bits_are_kept_exactly() -> None:
    samples = np.array([0, 1, -1, 32767, -32767, 1234], np.int16)
    assert encoded([content(samples, kind="FLAC")]).array[0].tolist() == samples.tolist()
    assert encoded([content(np.array([-32768, 5], np.int16))]).array[0].tolist() == [-32767, 5], "-32768 is the end"


def test_channels_are_mixed_and_rates_brought_to_one() -> None:
    both = np.stack([tone(0.25, 44100), tone(0.25, 44100) * 0], axis=1)
    (row,), _, _ = encoded([content(both, 44100)])
    assert len(row) == RATE // 4
    assert np.abs(row[200:-200] / 32768 - tone(0.25)[200:-200] / 2).max() < 2e-3


@pytest.mark.parametrize("rate", [16000, 11025, 44100])
def test_resampling_keeps_tones_below_and_drops_those_above_the_new_limit(rate: int) -> None:
    kept, dropped = (resample(tone(0.5, rate, hz).astype(np.float32), rate, RATE) for hz in (1000.0, 4900.0))
    assert np.abs(kept[300:-300] - tone(0.5, RATE, 1000.0)[300:-300]).max() < 0.01
    assert np.abs(dropped[300:-300]).max() < 0.02


def test_the_most_common_rate_and_the_longest_recording_are_learned() -> None:
    files = [content(tone(0.1, 16000), 16000), content(tone(0.2)), content(tone(0.1))]
    values = pa.chunked_array([pa.array([{"bytes": file, "path": None} for file in files])])
    state = sound.build(sound.Settings(), "sound", "input").fit(values)
    assert state == {"sample_rate_hz": 8000, "longest": 1600}


def _bomb() -> bytes:
    """Return a small FLAC file of 64 minutes of silence."""
    return content(np.zeros(64 * 60 * 1000, np.int16), 1000, "FLAC")


BAD = {
    "nothing": (b"", "the file is empty"),
    "no sound": (b"this is not a recording" * 9, "Format not recognised"),
    "zero length": (content(np.zeros(0)), "0 frames x 1 channels at 8,000 Hz: has no samples"),
    "cut FLAC": (content(np.random.default_rng(0).normal(0, 0.1, 9000), kind="FLAC")[:9000], ""),
    "cut WAV": (content(tone(0.5))[:4000], "cut off: 4,000 of 8,044 bytes are there"),
    "nine channels": (content(np.zeros((4, 9))), "the limit is 8 channels"),
    "192 kHz": (content(np.zeros(4), 192_000), "rates from 1,000 to 96,000 Hz"),
    "too long": (_bomb(), "= 3,840 seconds, the limit is 3,600 (max_seconds)"),
    "no numbers": (content(np.array([0.0, np.nan, 1.0]), subtype="FLOAT"), "holds samples that are no numbers"),
}


@pytest.mark.withstands("bad inputs", case="D19")
@pytest.mark.parametrize("case", BAD)
def test_unusable_files_are_reasons_by_name(case: str) -> None:
    file, reason = BAD[case]
    array, bad, _ = encoded([file, content(tone(0.1))])
    assert list(bad) == [0]
    assert bad[0].startswith("0.x: ")
    assert reason in bad[0]
    assert lengths(array, "sound").tolist() == [0, 800]


@pytest.mark.withstands("bad inputs", case="D19")
def test_eight_channels_at_96_khz_are_read() -> None:
    array, bad, _ = encoded([content(np.zeros((9600, 8)), 96_000)])
    assert not bad
    assert array.shape == (1, 800)


def test_a_pipe_an_absent_file_and_a_missing_value_are_reasons(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe.wav")
    files = [str(tmp_path / "pipe.wav"), str(tmp_path / "none.wav"), None]
    field = sound.build(sound.Settings(), "sound", "input")
    bad = field.encode(pa.chunked_array([pa.array(files)]), {"sample_rate_hz": RATE, "longest": 1}).bad
    assert [why.rpartition(": ")[2] for why in bad.values()] == [
        "not a regular file",
        "No such file or directory",
        "there is no recording",
    ]
    with pytest.raises(DataError, match="none of 3 recordings can be opened"):
        field.fit(pa.chunked_array([pa.array(files)]))


def test_wav_from_a_pipe_has_no_length_and_is_read_to_its_end() -> None:
    file = bytearray(encode_wav(np.arange(100, dtype=np.int16), RATE))
    file[4:8] = file[40:44] = b"\xff" * 4
    (row,), bad, _ = encoded([bytes(file)])
    assert not bad
    assert len(row) == 100

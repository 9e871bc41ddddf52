"""Small recordings: melodies in which every letter is a tone, and what is learned from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

RATE_HZ = 2000
TONES_HZ = {"a": 200, "b": 330, "c": 540, " ": 0}
TONE_SECONDS = 0.1

MELODY_RECIPE = """\
name: melodies
task: {type: transcription, beams: 4, language_weight: 0.3}
data:
  source: melodies.csv
  splits: {train: "train[:70%]", validation: "train[70%:80%]", test: "train[80%:]"}
  inputs: {sound: sound}
  target: {text: {type: text, tokenizer: characters, ngrams: 3}}
  augment: [speed, spec_augment, sound_noise, time_shift]
model: {type: speech, width: 16, depth: 1, heads: 2, mels: 12, kernel: 3}
optimizer: {type: adamw, lr: 3e-2}
train: {epochs: 2, batch_size: 16, threads: 1}
"""

TONE_RECIPE = """\
name: tones
task: classification
data:
  source: tones.csv
  splits: {train: "train[:70%]", validation: "train[70%:80%]", test: "train[80%:]"}
  inputs: {sound: sound}
  target: {answer: category}
model: {type: sound_conv, width: 8, depth: 1, kernel: 3, mels: 12}
train: {epochs: 2, batch_size: 16, threads: 1}
"""


def melody(letters: str) -> np.ndarray:
    """Return int16 samples: one tone of a tenth of a second after the other."""
    step = np.arange(round(TONE_SECONDS * RATE_HZ)) / RATE_HZ
    parts = [9000 * np.sin(2 * np.pi * TONES_HZ[letter] * step) for letter in letters]
    return np.concatenate(parts).astype(np.int16)


def _write(folder: Path, name: str, count: int, answer: str) -> Path:
    random = np.random.default_rng(0)
    lines = [f"sound,{answer}"]
    for number in range(count):
        letters = "".join(random.choice(list("abc"), random.integers(1, 5)))
        if answer == "text" and len(letters) > 3:
            letters = f"{letters[:2]} {letters[2:]}"
        soundfile.write(folder / f"{number}.wav", melody(letters), RATE_HZ)
        lines.append(f"{number}.wav,{letters if answer == 'text' else letters[0]}")
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


def melodies(folder: Path, count: int = 60) -> Path:
    """Write melodies.csv, recordings with their letters."""
    return _write(folder, "melodies.csv", count, "text")


def tones(folder: Path, count: int = 60) -> Path:
    """Write tones.csv, recordings with their first letter."""
    return _write(folder, "tones.csv", count, "answer")

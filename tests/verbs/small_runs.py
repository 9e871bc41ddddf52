"""Small trained runs for the tests of the verbs that start from one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from dlw.verbs.train import train

TABLE_RECIPE = """\
name: people
task: classification
data:
  source: {type: csv, path: people.csv, missing: ["", unknown]}
  splits: {train: "train[:70%]", validation: "train[70%:80%]", test: "train[80%:]"}
  inputs: {age: number, wage: number, town: category}
  target: {answer: category}
model: {type: mlp, width: 8, depth: 1, number_embedding: plain}
train: {epochs: 1, batch_size: 16, threads: 1}
"""

PRICE_RECIPE = """\
name: prices
task: {type: regression, loss: huber}
data:
  source: {type: csv, path: people.csv, missing: ["", unknown]}
  splits: {train: "train[:70%]", validation: "train[70%:80%]", test: "train[80%:]"}
  inputs: {age: number, town: category}
  target: {wage: number}
  drop_missing_target: true
model: {type: mlp, width: 8, depth: 1, number_embedding: plain}
train: {epochs: 1, batch_size: 16, threads: 1}
"""

PICTURE_RECIPE = """\
name: squares
task: classification
data:
  source: squares.csv
  inputs: {picture: {type: image, height: 8, width: 8, channels: 3}}
  target: {answer: category}
  splits: {train: "train[:80%]", validation: "train[80%:]"}
model: {type: resnet, widths: [4], depths: [1]}
train: {epochs: 1, batch_size: 8, threads: 1}
"""

CHAT_RECIPE = """\
name: chat
data:
  source: chat.jsonl
  splits: {train: "train[:80]", validation: "train[80:90]", test: "train[90:]"}
  inputs: {messages: {type: messages, vocabulary: 300}}
model: {type: gpt, width: 16, depth: 1, heads: 2}
optimizer: {lr: 0.02}
"""
"""Of task, training and evaluation whoever uses it says more."""

TOWNS = ("Graz", "Linz", "Wien")


def people(folder: Path, count: int = 120) -> Path:
    """Write people.csv: an id, two numbers (some missing), a town and an answer that follows from them."""
    random = np.random.default_rng(0)
    lines = ["id,age,wage,town,answer"]
    for number in range(count):
        age, wage, town = random.integers(18, 90), random.normal(50_000, 20_000), random.choice(TOWNS)
        shown = "" if number % 11 == 3 else f"{wage:.2f}" if number % 7 else "unknown"
        lines.append(f"p{number},{age},{shown},{town},{'yes' if age > 50 else 'no'}")
    path = folder / "people.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def squares(folder: Path, count: int = 40) -> Path:
    """Write pictures, dark ones and bright ones, and squares.csv that names them."""
    random = np.random.default_rng(0)
    lines = ["picture,answer"]
    for number in range(count):
        is_bright = number % 2
        pixels = random.integers(0, 100, (8, 8, 3), dtype=np.uint8) + 150 * np.uint8(is_bright)
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
        lines.append(f"{folder / f'{number:02}.png'},{'bright' if is_bright else 'dark'}")
    path = folder / "squares.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def sentences(folder: Path, count: int = 60) -> Path:
    """Write sentences.csv: texts of different length, some empty, and an answer that follows from one word."""
    random = np.random.default_rng(0)
    lines = ["note,answer"]
    for number in range(count):
        words = random.choice(["the", "cat", "sat", "on", "a", "mat"], random.integers(0, 12)).tolist()
        is_good = number % 2
        words += [["bad", "good"][is_good]] if number % 9 else []
        lines.append(f"{' '.join(words)},{'yes' if is_good else 'no'}")
    path = folder / "sentences.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


LINE_LENGTH = 9
"""Tokens of each of `lines`, its end included: a window of a language model."""


def lines(folder: Path, count: int = 60) -> Path:
    """Write lines.csv: words of a few letters in an order that can be learned."""
    random = np.random.default_rng(0)
    words = ["abcd", "bcda", "cdab", "dabc"]
    firsts = random.integers(0, 4, count)
    path = folder / "lines.csv"
    path.write_text("text\n" + "".join(f"{words[first]}{words[first - 1]}\n" for first in firsts))
    return path


def trained(folder: Path, recipe: str) -> Path:
    """Train a recipe whose data lie in the folder and return the run directory."""
    path = folder / "recipe.yaml"
    path.write_text(recipe)
    train(path, out=folder / "run")
    return folder / "run"

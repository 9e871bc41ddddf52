"""Distinct n-grams: counted as in the paper, and intervals as wide as fresh texts lie apart."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dlw import registry
from dlw.metrics._base import value_of
from dlw.specs import Outcome
from dlw.verbs import _intervals

METRICS = {name: registry.load("metrics", name) for name in ("distinct_1", "distinct_2")}


def outcome(texts: list[str]) -> Outcome:
    return Outcome("texts", np.array(texts, object), np.array(["so it goes"] * len(texts), object))


def talk(count: int, seed: int) -> Outcome:
    """Texts of some words each, few words frequent and many rare."""
    rng = np.random.default_rng(seed)
    chance = 1 / np.arange(1, 301)
    drawn = [rng.choice(300, rng.integers(1, 12), p=chance / chance.sum()) for _ in range(count)]
    return outcome([" ".join(f"w{word}" for word in words) for words in drawn])


def test_pairs_do_not_cross_texts_and_marks_do_not_count() -> None:
    rows = outcome(["I don't know.", "I don't KNOW", "know"])
    assert value_of(METRICS["distinct_1"], rows) == 4 / 9
    assert value_of(METRICS["distinct_2"], rows) == 3 / 6
    assert value_of(METRICS["distinct_2"], outcome(["猫在垫子"])) == 1
    assert math.isnan(value_of(METRICS["distinct_2"], outcome(["yes", "", "!"])))


@pytest.mark.parametrize("name", METRICS)
def test_the_interval_is_that_of_fresh_texts(name: str) -> None:
    """Texts drawn twice would put all of it below the figure."""
    others = [value_of(METRICS[name], talk(150, seed)) for seed in range(1, 100)]
    spread = float(np.quantile(others, 0.975) - np.quantile(others, 0.025))
    widths = []
    for seed in range(10):
        found = _intervals.score(talk(150, seed), {name: METRICS[name]}, 500, 0)[name]
        assert found.low < found.value < found.high
        widths.append(found.high - found.low)
    assert spread * 0.9 < np.mean(widths) < spread * 1.6


def test_the_figure_of_the_given_texts_is_told_beside_it() -> None:
    told = METRICS["distinct_2"].beside(outcome(["a b c", "a b"]))
    assert told.startswith("of 3 pairs of words")
    assert "0.5 of the 4 in the texts as they were given" in told

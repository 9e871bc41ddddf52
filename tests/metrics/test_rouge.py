"""ROUGE reads every script, and English exactly as the package does."""

from __future__ import annotations

import numpy as np
import pytest
from rouge_score.rouge_scorer import RougeScorer

from dlw import registry
from dlw.metrics._base import value_of
from dlw.specs import Outcome

KINDS = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}
OTHERS = (
    "кошка сидит на ковре",
    "猫はマットの上に座った",
    "猫坐在垫子上",
    "القطة جلست على السجادة",
    "बिल्ली चटाई पर बैठी",
    "η γάτα κάθισε",
)


def score(metric: str, text: str, truth: str) -> float:
    outcome = Outcome("texts", np.array([text], object), np.array([truth], object))
    return value_of(registry.load("metrics", metric), outcome)


@pytest.mark.parametrize("metric", KINDS)
@pytest.mark.parametrize("text", OTHERS)
def test_the_same_text_is_perfect_in_every_script(metric: str, text: str) -> None:
    assert score(metric, text, text) == 1
    assert score(metric, "the cat", text) == 0


def test_words_and_characters_are_shared_in_part() -> None:
    assert score("rouge_1", "Кошка спит, на ковре!", OTHERS[0]) == pytest.approx(3 / 4)
    assert score("rouge_1", "猫在垫子", OTHERS[2]) == pytest.approx(2 * 4 / (4 + 6))


@pytest.mark.parametrize("metric", KINDS)
@pytest.mark.parametrize("truth", ["The naïve café — it’s closing in 2 days", "Über Größe spräche", "", "...", "a 1"])
def test_text_of_mostly_plain_letters_scores_as_the_package_does(metric: str, truth: str) -> None:
    scorer = RougeScorer([KINDS[metric]], use_stemmer=True)
    for text in (truth, "the cafe closes", "кошка"):
        assert score(metric, text, truth) == scorer.score(truth, text)[KINDS[metric]].fmeasure


def test_the_protocol_says_which_texts_are_read_otherwise() -> None:
    assert "not a-z: words of any script" in registry.load("metrics", "rouge_l").signature()

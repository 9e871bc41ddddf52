"""The one of several texts that is most like the others."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from dlw.verbs._consensus import consensus


def likeness(one: str, other: str) -> float:
    """Return the F-measure of the pieces that two texts share, counted one by one."""
    ours, theirs = (
        Counter(text[at:end] for at in range(len(text)) for end in range(at + 1, min(at + 6, len(text)) + 1))
        for text in (one.lower(), other.lower())
    )
    both = ours.total() + theirs.total()
    return 2 * (ours & theirs).total() / both if both else 1.0


def test_it_is_most_like_all_of_them() -> None:
    chance, places = np.random.default_rng(0), set()
    for _ in range(100):
        texts = ["".join(chance.choice(list("aAbc "), chance.integers(0, 12))) for _ in range(6)]
        mean = np.array([np.mean([likeness(one, other) for other in texts]) for one in texts])
        place = consensus(texts)
        assert mean[place] == pytest.approx(mean.max(), abs=1e-12)
        places.add(place)
    assert len(places) == 6


@pytest.mark.parametrize(
    ("texts", "place"),
    [
        (["a draft of the agreement", "lunch", "Draft agreement", "the agreement draft"], 3),
        (["ja", "nein", "Nein", "vielleicht"], 1),
        (["会议改期", "会议取消", "周五会议改期"], 0),
        (["so", "", ""], 1),
        (["", ""], 0),
    ],
)
def test_a_text_that_only_stands_for_itself_is_not_taken(texts: list[str], place: int) -> None:
    assert consensus(texts) == place

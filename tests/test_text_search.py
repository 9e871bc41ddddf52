"""The search over a network of three lines: what is drawn, what is likeliest, and what the cache may forget."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest

from dlw import search
from dlw.search import State, Style, choose, log_softmax, stream, write
from dlw.specs import Arrays

END, WORDS = 3, 7


class Chain:
    """The next token depends on the two before it, by a table of random logits."""

    def __init__(self, seed: int = 0) -> None:
        self.table = np.random.default_rng(seed).normal(0, 2, (WORDS, WORDS, WORDS)).astype(np.float32)

    def begin(self, inputs: Arrays) -> State:
        return {"before": np.full(len(inputs["x"]), END)}

    def step(self, token_BT: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        before = state["before"] if token_BT.shape[1] == 1 else token_BT[:, -2]
        return self.table[before, token_BT[:, -1]], {"before": token_BT[:, -1]}


def texts(rows: int = 1, table: int = 0, **options: Any) -> list[list[int]]:
    style = Style(**{"end": END, "window": 8, "max_tokens": 5, **options})
    prompts = [np.array([END], np.int32)] * rows
    return [found.tolist() for found in write(Chain(table), {"x": np.zeros(rows)}, prompts, style, banned=(1,))]


def score(tokens: tuple[int, ...], seed: int, power: float) -> float:
    """Return the score of a whole text, its end included unless it fills the length."""
    table = Chain(seed).table.copy()
    table[:, :, [0, 1]] = -np.inf
    before, last, total = END, END, 0.0
    for token in tokens:
        total += log_softmax(table[before, last])[token]
        before, last = last, token
    return float(total / len(tokens) ** power)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("power", [0.0, 1.0])
def test_a_wide_beam_finds_the_best_text_of_all(seed: int, power: float) -> None:
    """Against the score of every text that ends within three tokens, or fills them."""
    every = [(*body, END) for length in range(3) for body in product([2, 4, 5, 6], repeat=length)]
    every += product([2, 4, 5, 6], repeat=3)
    best = max(every, key=lambda tokens: score(tokens, seed, power))
    (found,) = texts(table=seed, max_tokens=3, beams=64, length_penalty=power)
    assert (*found, END)[:3] == best


@pytest.mark.parametrize("seed", range(20))
def test_a_beam_is_never_worse_than_the_likeliest_step_by_step(seed: int) -> None:
    ways: list[dict[str, Any]] = [{"temperature": 0}, {"beams": 4, "length_penalty": 0.0}]
    greedy, beam = (score((*texts(table=seed, **how)[0], END)[:5], seed, 0) for how in ways)
    assert beam >= greedy - 1e-9


def test_draws_follow_seed_and_row_alone() -> None:
    many = texts(rows=40)
    assert many == texts(rows=40)
    assert many[:3] == texts(rows=3)
    assert many != texts(rows=40, seed=1)
    assert len({tuple(text) for text in many}) > 8


def test_a_row_that_is_over_ends_and_the_others_go_on() -> None:
    style, prompts = Style(END, window=8, max_tokens=5), [np.array([END], np.int32)] * 40
    found = write(
        Chain(), {"x": np.zeros(40)}, prompts, style, banned=(1,), is_over=lambda prompt, written: 5 in written
    )
    whole = texts(rows=40)
    assert [text.tolist() for text in found] == [text[: [*text, 5].index(5) + 1] for text in whole]
    assert len({len(text) for text in found}) > 2


@pytest.mark.parametrize("at_once", [1, 16, 512])
def test_of_candidates_the_one_that_is_picked_is_written(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(search, "CANDIDATES_AT_ONCE", at_once)
    style, prompt = Style(END, window=8, max_tokens=5, candidates=8), np.array([END], np.int32)
    asked: list[list[list[int]]] = []

    def pick(prompt_T: np.ndarray, candidates: Sequence[np.ndarray]) -> int:
        assert prompt_T.tolist() == [END]
        asked.append([text.tolist() for text in candidates])
        return len(asked)

    found = write(Chain(), {"x": np.zeros(3)}, [prompt] * 3, style, banned=(1,), pick=pick)
    assert [text.tolist() for text in found] == [texts[place] for place, texts in enumerate(asked, 1)]
    assert min(len({tuple(text) for text in texts}) for texts in asked) > 3
    drawn = np.stack(list(stream(Chain(), {"x": np.zeros(1)}, prompt[None], style, (1,), rows=[2])), axis=1)
    assert asked[2] == [row[: [*row, END].index(END)].tolist() for row in drawn]


def test_draws_have_the_chances_of_the_logits() -> None:
    logits = np.log(np.array([[0.5, 0.25, 0.15, 0.1]]))
    draws = (np.arange(1000) + 0.5) / 1000

    def shares(**options: Any) -> dict[int, float]:
        style = Style(end=0, window=2, **options)
        counts = Counter(int(choose(logits, style, np.array([draw]))[0]) for draw in draws)
        return {token: round(count / 1000, 2) for token, count in sorted(counts.items())}

    assert shares() == {0: 0.5, 1: 0.25, 2: 0.15, 3: 0.1}
    assert shares(top_k=2) == {0: 0.67, 1: 0.33}
    assert shares(top_p=0.8) == {0: 0.56, 1: 0.28, 2: 0.17}
    assert shares(temperature=0) == {0: 1.0}
    assert shares(temperature=0.01) == {0: 1.0}
    assert shares(temperature=0.5)[0] == pytest.approx(0.25 / 0.345, abs=0.01)


@pytest.mark.parametrize("temperature", [1e-38, 1e-40, 5e-324])
def test_a_temperature_of_almost_nothing_takes_the_likeliest(temperature: float) -> None:
    assert texts(rows=3, temperature=temperature) == texts(rows=3, temperature=0)


def test_repetition_is_made_less_likely_and_banned_tokens_never_come() -> None:
    plain, varied = texts(rows=60, max_tokens=30), texts(rows=60, max_tokens=30, repetition_penalty=5.0)
    assert not {0, 1} & {token for text in (*plain, *varied) for token in text}
    repeats = [np.mean([4 - len(set(text[:4])) for text in many if len(text) >= 4]) for many in (plain, varied)]
    assert repeats[1] < repeats[0]


def test_prompts_of_all_lengths_and_none_to_write() -> None:
    style = Style(end=END, window=8, max_tokens=4, temperature=0)
    prompts = [np.array(ids, np.int32) for ids in ([3], [3, 4, 5], [3, 5], [3, 4, 5])]
    found = [text.tolist() for text in write(Chain(), {"x": np.zeros(4)}, prompts, style)]
    assert found[1] == found[3]
    for prompt, text in zip(prompts, found, strict=True):
        assert [one.tolist() for one in write(Chain(), {"x": np.zeros(1)}, [prompt], style)] == [text]

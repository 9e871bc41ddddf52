"""From steps to text: greedy and beam search, alignment, times, and the language model, against other computations."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from dlw.errors import DataError
from dlw.specs import FieldSpec
from dlw.tasks import transcription
from dlw.tasks._ctc import align, beam_search, greedy
from dlw.tasks._ngrams import NGrams

TARGET = FieldSpec(
    "tokens",
    (4,),
    "int32",
    ("text",),
    (7,),
    ("", "\ufffd", "", "", " ", "a", "b"),
    {"unknown": [1], "start": [2], "end": [3], "ngrams": [[2, 5, 9], [5, 6, 8], [6, 3, 8], [5, 3, 1]]},
    is_ragged=True,
)


def task(**settings: object) -> transcription.TranscriptionTask:
    return transcription.build(transcription.Settings(**settings), TARGET)


def certain(path: list[int], size: int = 7) -> np.ndarray:
    return np.eye(size, dtype=np.float32)[path]


def collapsed(path: tuple[int, ...]) -> tuple[int, ...]:
    kept = [token for place, token in enumerate(path) if place == 0 or token != path[place - 1]]
    return tuple(token for token in kept if token)


def summed(probability_SK: np.ndarray) -> dict[tuple[int, ...], float]:
    """Return the probability of every transcript, by going through all paths."""
    found: dict[tuple[int, ...], float] = {}
    steps, size = probability_SK.shape
    for path in product(range(size), repeat=steps):
        share = float(np.prod(probability_SK[np.arange(steps), path]))
        found[collapsed(path)] = found.get(collapsed(path), 0.0) + share
    return found


def test_greedy_merges_repetitions_and_leaves_blanks_out() -> None:
    assert greedy(certain([0, 5, 5, 0, 5, 6, 0])) == (5, 5, 6)
    assert greedy(np.zeros((3, 7), np.float32)) == (), "rows of zeros follow the end"


@pytest.mark.parametrize("seed", range(5))
def test_a_wide_beam_finds_the_most_probable_transcript(seed: int) -> None:
    probability = np.random.default_rng(seed).dirichlet(np.ones(3) * 0.7, 5).astype(np.float32)
    exact = summed(probability)
    assert beam_search(probability, 200, None, 9) == max(exact, key=lambda text: exact[text])


def test_the_beam_listens_to_the_language_model() -> None:
    steps = np.array([[0, 0.51, 0.49]], np.float32)
    assert beam_search(steps, 8, None, 9) == (1,)
    assert beam_search(steps, 8, lambda before, token: 0.9 if token == 2 else 0.1, 9) == (2,)


@pytest.mark.parametrize("seed", range(5))
def test_alignment_is_the_most_probable_path(seed: int) -> None:
    probability = np.random.default_rng(seed).dirichlet(np.ones(3), 6).astype(np.float32)
    tokens = (1, 2, 2)
    paths = [path for path in product(range(3), repeat=6) if collapsed(path) == tokens]
    best = max(paths, key=lambda path: float(np.prod(probability[np.arange(6), path])))
    first, last = align(probability, tokens)
    told = [0] * 6
    for token, start, stop in zip(tokens, first, last, strict=True):
        told[start : stop + 1] = [token] * (stop - start + 1)
    assert tuple(told) == best


def test_words_have_times() -> None:
    made = task(step_ms=100)
    answers = {"probabilities": np.stack([certain([0, 5, 5, 6, 4, 0, 6, 0]), certain([0] * 8)])}
    rows = made.decode(answers)
    assert rows["text"] == ["ab b", ""]
    assert rows["words"][0] == [{"text": "ab", "start": 0.1, "end": 0.4}, {"text": "b", "start": 0.6, "end": 0.7}]
    assert rows["words"][1] == []
    condensed = made.decode(made.condense(answers))
    assert {name: list(column) for name, column in condensed.items()} == {
        name: list(column) for name, column in rows.items()
    }


def test_padded_steps_change_neither_loss_nor_answer() -> None:
    made = task()
    out = torch.randn(2, 9, 7, generator=torch.Generator().manual_seed(0))
    target = torch.tensor([[5, 6, 6], [5, 0, 0]])
    ended = torch.tensor([0.0] + [-1e4] * 6).expand(2, 4, 7)
    longer = torch.cat([out, ended], dim=1)
    torch.testing.assert_close(made.loss(longer, target), made.loss(out, target))
    left, right = (made.decode({k: v.numpy() for k, v in made.activate(o).items()}) for o in (out, longer))
    assert left["words"] == right["words"]


def test_more_characters_than_steps_teach_nothing() -> None:
    assert task().loss(torch.zeros(1, 2, 7), torch.tensor([[5, 5, 6]])).item() == 0


def test_probabilities_of_the_language_model_add_up_to_one() -> None:
    model = NGrams(TARGET.statistics["ngrams"], 7, 2)
    for before in ((), (5,), (6,), (5, 6, 4)):
        assert sum(model.probability(before, token) for token in range(7)) == pytest.approx(1)
    assert model.probability((5,), 6) > model.probability((5,), 5) > 0
    assert model.probability((), 5) > 0.8, "every text starts with it"


def test_targets_that_are_no_characters_are_refused() -> None:
    words = FieldSpec("tokens", (4,), "int32", ("text",), (7,), (), {"start": [2], "end": [3]}, is_ragged=True)
    with pytest.raises(DataError, match="tokenizer: characters"):
        transcription.build(transcription.Settings(), words)
    bare = FieldSpec(**{**vars(TARGET), "statistics": {"start": [2], "end": [3]}})
    with pytest.raises(DataError, match="set `ngrams` of target text"):
        transcription.build(transcription.Settings(beams=4, language_weight=0.5), bare)
    with pytest.raises(ValueError, match="no effect unless beams"):
        transcription.Settings(language_weight=0.5)

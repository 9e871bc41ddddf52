"""Writing tokens one after another: greedy, drawn, or by beam search, over any network that steps with a cache.

numpy alone, so that an exported bundle writes without torch. Draws are a function of (seed, row): what a row gets does
not depend on the rows beside it. Shape legend: B rows, T tokens, K beams, V tokens of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from dlw.specs import Arrays

IsOver = Callable[[np.ndarray, np.ndarray], bool]
"""Whether what was written after a prompt ends here; both int32 [T]."""
Pick = Callable[[np.ndarray, Sequence[np.ndarray]], int]
"""Which of the candidates after a prompt is taken; int32 [T] each."""
State = dict[str, Any]
"""What a network remembers of the tokens so far: arrays with the rows on the first axis. `keys` and `values` have the
steps on axis 3, the oldest first."""
CACHES = ("keys", "values")
CANDIDATES_AT_ONCE = 512
"""Texts that are drawn side by side where rows have several candidates."""
PROMPT_AT_ONCE = 256
"""Tokens of a prompt that are read in one piece."""


class Writer(Protocol):
    """A network that is asked step by step; see models._base.Writer for the same with tensors."""

    def begin(self, inputs: Arrays) -> State:
        """Return the state before the first token, from the encoded rows."""
        ...

    def step(self, token_BT: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        """Read T more tokens; return the logits, float32 [B, V], of the token after the last one, and the new state."""
        ...


@dataclass(frozen=True)
class Style:
    """How tokens are chosen. A temperature of 0 takes the likeliest, as does `top_k` 1; 0 and 1 switch `top_k` and
    `top_p` off. Each text is drawn `candidates` times. `window` is how many tokens the network looks back at most."""

    end: int
    window: int
    max_tokens: int = 200
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    candidates: int = 1
    beams: int = 1
    length_penalty: float = 1.0
    seed: int = 0


def write(
    writer: Writer,
    inputs: Arrays,
    prompts: Sequence[np.ndarray],
    style: Style,
    banned: Sequence[int] = (),
    numbers: np.ndarray | None = None,
    is_over: IsOver = lambda prompt_T, token_T: False,
    pick: Pick = lambda prompt_T, candidates: 0,
) -> list[np.ndarray]:
    """Return what is written after each row's prompt, int32, without the end; rows go together by prompt length.

    `banned` are ids that are never written; `numbers` [rows] seed the draws, from 0 on by default. A row that `is_over`
    is written no further; a beam search does not ask. `pick` chooses among `style.candidates`, by default the first.
    """
    numbers = np.arange(len(prompts)) if numbers is None else numbers
    written: list[np.ndarray] = [np.zeros(0, np.int32)] * len(prompts)
    lengths = np.array([len(prompt) for prompt in prompts])
    at_once = max(1, CANDIDATES_AT_ONCE // style.candidates) if style.candidates > 1 else len(prompts)
    alike = (np.flatnonzero(lengths == length) for length in np.unique(lengths))
    for rows in (some[start : start + at_once] for some in alike for start in range(0, len(some), at_once)):
        prompt_BT = np.stack([prompts[int(row)] for row in rows]).astype(np.int32)
        own = {name: array[rows] for name, array in inputs.items()}
        if style.beams > 1:
            found = _beam_search(writer, own, prompt_BT, style, banned)
        else:
            steps = list(stream(writer, own, prompt_BT, style, banned, numbers[rows], is_over))
            drawn = _cut(np.stack(steps, axis=1), style.end)
            groups = [drawn[at : at + style.candidates] for at in range(0, len(drawn), style.candidates)]
            found = [group[pick(prompt, group)] for prompt, group in zip(prompt_BT, groups, strict=True)]
        for row, tokens in zip(rows, found, strict=True):
            written[row] = tokens
    return written


def stream(
    writer: Writer,
    inputs: Arrays,
    prompt_BT: np.ndarray,
    style: Style,
    banned: Sequence[int] = (),
    rows: Sequence[int] | np.ndarray = (0,),
    is_over: IsOver = lambda prompt_T, token_T: False,
) -> Iterator[np.ndarray]:
    """Yield the next token of each row, int32 [B], until all have ended; a row that has ended goes on with the end.

    `rows` seed the draws. `is_over`, asked after each token, ends a row early. Each row is written `style.candidates`
    times, one behind the other.
    """
    keys = ([style.seed, int(row) * style.candidates + each] for row in rows for each in range(style.candidates))
    draws = [np.random.Generator(np.random.Philox(key=key)) for key in keys]
    logits_BV, state = _read_prompt(writer, inputs, prompt_BT, style)
    place_B = np.repeat(np.arange(len(prompt_BT)), style.candidates)
    logits_BV, state, prompt_BT = logits_BV[place_B], _rows(state, place_B), prompt_BT[place_B]
    past_BT, open_B = prompt_BT, np.arange(len(prompt_BT))
    for count in range(style.max_tokens):
        scores_BV = _allowed(logits_BV, banned)
        if style.repetition_penalty != 1:
            scores_BV = _penalised(scores_BV, past_BT[open_B], style)
        token_B = np.full(len(prompt_BT), style.end, np.int32)
        token_B[open_B] = choose(scores_BV, style, np.array([draws[row].random() for row in open_B]))
        yield token_B
        past_BT = np.concatenate([past_BT, token_B[:, None]], axis=1)
        goes_on = [
            token_B[row] != style.end and not is_over(prompt_BT[row], past_BT[row, prompt_BT.shape[1] :])
            for row in open_B
        ]
        if not any(goes_on) or count + 1 == style.max_tokens:
            return
        if not all(goes_on):
            open_B, state = open_B[goes_on], _rows(state, np.flatnonzero(goes_on))
        logits_BV, state = writer.step(token_B[open_B, None], _recent(state, style.window))


def choose(logits_BV: np.ndarray, style: Style, draw_B: np.ndarray) -> np.ndarray:
    """Return a token per row, int64 [B]: the likeliest, or one drawn with `draw_B` in [0, 1) from what is left after
    temperature, top-k and top-p (nucleus sampling: Holtzman et al. 2020, arXiv:1904.09751)."""
    if style.temperature == 0:
        return np.asarray(logits_BV.argmax(axis=1))
    order_BV = _likeliest(logits_BV, style.top_k or logits_BV.shape[1])
    sorted_BV = np.take_along_axis(logits_BV, order_BV, axis=1).astype(np.float64)
    with np.errstate(over="ignore"):  # a temperature of almost nothing leaves the likeliest alone
        share_BV = np.exp(log_softmax((sorted_BV - sorted_BV[:, :1]) / style.temperature))
    before_BV = np.cumsum(share_BV, axis=1) - share_BV
    share_BV[before_BV >= style.top_p * share_BV.sum(axis=1, keepdims=True)] = 0
    total_BV = np.cumsum(share_BV, axis=1)
    place_B = (total_BV <= draw_B[:, None] * total_BV[:, -1:]).sum(axis=1)
    last_B = (share_BV > 0).sum(axis=1) - 1
    return np.take_along_axis(order_BV, np.minimum(place_B, last_B)[:, None], axis=1)[:, 0]


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return the logarithms of the probabilities, float64, over the last axis."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def _beam_search(
    writer: Writer, inputs: Arrays, prompt_BT: np.ndarray, style: Style, banned: Sequence[int]
) -> list[np.ndarray]:
    """Return the best text of each row: sum of log probabilities over length ** `length_penalty`.

    A row is done once it has K ended texts or none of its beams can become better than its best one; a beam that fills
    the length counts like one that has ended.
    """
    rows, beams = len(prompt_BT), style.beams
    best: list[tuple[float, np.ndarray]] = [(-np.inf, np.zeros(0, np.int32)) for _ in range(rows)]
    ended = np.zeros(rows, dtype=np.int64)
    logits, state = _read_prompt(writer, inputs, prompt_BT, style)
    place_B = np.repeat(np.arange(rows), beams)
    logits, state = logits[place_B], _rows(state, place_B)
    score_BK = np.tile(np.where(np.arange(beams) == 0, 0.0, -np.inf), (rows, 1))
    text_BKT = np.zeros((rows, beams, 0), np.int32)
    open_B = np.arange(rows)
    for length in range(1, style.max_tokens + 1):
        total = score_BK[:, :, None] + log_softmax(_allowed(logits, banned)).reshape(len(open_B), beams, -1)
        flat = total.reshape(len(open_B), -1)
        top = _likeliest(flat, 2 * beams)
        score, beam, token = np.take_along_axis(flat, top, axis=1), top // total.shape[2], top % total.shape[2]
        is_end = token == style.end
        for row, rank in zip(*np.nonzero(is_end[:, :beams] & np.isfinite(score[:, :beams])), strict=True):
            found = score[row, rank] / length**style.length_penalty, text_BKT[row, beam[row, rank]]
            best[open_B[row]] = max(best[open_B[row]], found, key=lambda one: one[0])
            ended[open_B[row]] += 1
        kept = np.argsort(is_end, axis=1, kind="stable")[:, :beams]
        score_BK, beam, token = (np.take_along_axis(of, kept, axis=1) for of in (score, beam, token))
        text_BKT = np.concatenate([np.take_along_axis(text_BKT, beam[:, :, None], axis=1), token[:, :, None]], axis=2)
        hope = score_BK[:, 0] / (style.max_tokens if style.length_penalty > 0 else length) ** style.length_penalty
        goes_on = (ended[open_B] < beams) & (hope > [best[row][0] for row in open_B])
        if length == style.max_tokens:
            for place, row in enumerate(open_B):
                full = score_BK[place, 0] / length**style.length_penalty, text_BKT[place, 0]
                best[row] = max(best[row], full, key=lambda one: one[0])
        if length == style.max_tokens or not goes_on.any():
            break
        from_BK = (np.arange(len(open_B))[:, None] * beams + beam)[goes_on].reshape(-1)
        open_B, score_BK, text_BKT = open_B[goes_on], score_BK[goes_on], text_BKT[goes_on]
        state = _recent(_rows(state, from_BK), style.window)
        logits, state = writer.step(text_BKT[:, :, -1].reshape(-1, 1).astype(np.int32), state)
    return [tokens.astype(np.int32) for _, tokens in best]


def _likeliest(score_BV: np.ndarray, count: int) -> np.ndarray:
    """Return the places of the `count` highest scores of each row, int64 [B, count], the highest first; which of equal
    ones are the last to count is left open."""
    if count >= score_BV.shape[1]:
        return np.argsort(-score_BV, axis=1, kind="stable")
    top = np.sort(np.argpartition(-score_BV, count - 1, axis=1)[:, :count], axis=1)
    order = np.argsort(-np.take_along_axis(score_BV, top, axis=1), axis=1, kind="stable")
    return np.take_along_axis(top, order, axis=1)


def _read_prompt(writer: Writer, inputs: Arrays, prompt_BT: np.ndarray, style: Style) -> tuple[np.ndarray, State]:
    state = writer.begin(inputs)
    logits = np.zeros((0, 0), np.float32)
    for start in range(0, prompt_BT.shape[1], PROMPT_AT_ONCE):
        piece = prompt_BT[:, start : start + PROMPT_AT_ONCE]
        logits, state = writer.step(piece, _recent(state, style.window))
    return logits, state


def _recent(state: State, window: int) -> State:
    """Drop the steps of the caches that no later token looks at."""
    return {name: part[:, :, :, -(window - 1) :] if name in CACHES else part for name, part in state.items()}


def _rows(state: Mapping[str, Any], rows: np.ndarray) -> State:
    return {name: part[rows] for name, part in state.items()}


def _allowed(logits_BV: np.ndarray, banned: Sequence[int]) -> np.ndarray:
    """Return the logits with the fill, which is no token, and the banned ids out of reach."""
    logits_BV = logits_BV.copy()
    logits_BV[:, [0, *banned]] = -np.inf
    return logits_BV


def _penalised(logits_BV: np.ndarray, past_BT: np.ndarray, style: Style) -> np.ndarray:
    """Make what was written less likely, but for the end (Keskar et al. 2019, arXiv:1909.05858, section 4.1)."""
    logits_BV, penalty = logits_BV.copy(), style.repetition_penalty
    for logits_V, past_T in zip(logits_BV, past_BT, strict=True):
        ids = np.setdiff1d(past_T, [style.end])
        logits_V[ids] = np.where(logits_V[ids] > 0, logits_V[ids] / penalty, logits_V[ids] * penalty)
    return logits_BV


def _cut(token_BT: np.ndarray, end: int) -> list[np.ndarray]:
    """Return each row up to its first end."""
    return [row[: np.argmax(row == end)] if (row == end).any() else row for row in token_BT]

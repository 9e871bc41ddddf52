"""Texts become one stream; its windows predict every token, in judging each exactly once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dlw.packing import Packing, Windows, join, judging_windows, training_windows

END = 3
ROWS = [np.array([[5, 6, 7, 0], [4, 0, 0, 0]], np.int32), np.array([[0, 0], [8, 9]], np.int32)]


def test_rows_are_joined_with_the_end_between_or_as_they_are(tmp_path: Path) -> None:
    stream = join(ROWS, END)
    assert stream.token_S.tolist() == [3, 5, 6, 7, 3, 4, 3, 3, 8, 9, 3]
    assert stream.starts.tolist() == [1, 5, 7, 8]
    running = join(ROWS, END, is_separate=False)
    assert running.token_S.tolist() == [3, 5, 6, 7, 4, 8, 9, 3]
    on_disk = join(ROWS, END, file=tmp_path / "tokens.bin")
    assert isinstance(on_disk.token_S, np.memmap)
    assert on_disk.token_S.tolist() == stream.token_S.tolist()


@pytest.mark.parametrize("length", [2, 5, 31, 32, 33, 100])
@pytest.mark.parametrize(("context", "stride"), [(8, 8), (8, 4), (8, 3), (8, 1), (40, 20)])
def test_every_token_but_the_first_is_judged_once(length: int, context: int, stride: int) -> None:
    text = np.arange(4, 4 + length, dtype=np.int32)[None]
    windows = judging_windows(join([text], END), Packing(context, context, stride), END, {})
    token, target = windows.take(np.arange(len(windows.starts)))
    assert sorted(target[target != 0].tolist()) == [3, *range(4, 4 + length)]
    assert token.shape[1] <= context
    knows = context - stride
    for row, (seen, wanted) in enumerate(zip(token, target, strict=True)):
        places = np.flatnonzero(wanted)
        assert all(wanted[place] == seen[place + 1] for place in places[:-1])
        assert row == 0 or places[0] >= min(knows, len(seen) - 1)


def test_training_windows_cover_the_text_and_say_which_text_they_begin_in() -> None:
    stream = join(ROWS, END)
    windows = training_windows(stream, Packing(4, 4, 2), END, {})
    token, target = windows.take(np.arange(len(windows.starts)))
    assert token.tolist() == [[3, 5, 6, 7], [3, 4, 3, 3], [3, 3, 8, 9]]
    assert target.tolist() == [[5, 6, 7, 3], [4, 3, 3, 8], [3, 8, 9, 3]]
    assert windows.rows.tolist() == [0, 1, 2]


@pytest.mark.parametrize(("context", "stride"), [(4, 4), (4, 2), (6, 3), (100, 50)])
def test_all_that_the_assistant_says_is_learned_and_judged_and_nothing_else(
    context: int, stride: int, tmp_path: Path
) -> None:
    """Also in windows that begin inside a turn, which do not show whose it is."""
    roles = {"user": 50, "assistant": 51}
    row = [50, 5, 3, 51, 6, 7, 3, 50, *range(20, 29), 3, 51, *range(30, 45), 3, 50, 8, 3]
    said = [3, 3, 6, 7, *range(30, 45)]
    for file in (None, tmp_path / "tokens.bin"):
        stream = join([np.array([row], np.int32)], END, file=file)
        packing = Packing(context, context, stride)
        for windows in (training_windows(stream, packing, END, roles), judging_windows(stream, packing, END, roles)):
            target = windows.take(np.arange(len(windows.starts)))[1]
            assert set(target[target != 0].tolist()) == set(said)
        assert sorted(target[target != 0].tolist()) == said, "judged once"


def test_windows_without_a_word_of_the_assistant_are_left_out() -> None:
    roles = {"user": 10, "assistant": 11}
    stream = join([np.array([[10, 5, 6, 7, 8, 9, 5, 3, 11, 4, 3]], np.int32)], END)
    windows: Windows = training_windows(stream, Packing(4, 4, 4), END, roles)
    assert len(windows.starts) == 1
    assert windows.take(np.arange(1))[1].any()

"""Evaluating while training: loads see whole checkpoints while another process saves and prunes."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
import torch

from dlw.progress import Silent
from dlw.runs import store
from dlw.runs.layout import Run
from dlw.runs.lock import hold
from tests.forks import fork

Tensors = Callable[[int], dict[str, dict[str, torch.Tensor]]]


@pytest.mark.withstands("faults", case="F22")
@pytest.mark.parametrize("which", ["last", "best"])
def test_every_load_during_saves_is_whole(run: Run, tensors: Tensors, ears: Any, which: store.Which) -> None:
    saves = 200
    store.save(run, 1, tensors(1), {}, keep=2, is_best=True)
    child = fork()
    if child == 0:
        status = 1
        try:
            with hold(run):
                for step in range(2, saves + 1):
                    store.save(run, step, tensors(step), {}, keep=2, is_best=step % 3 == 0)
            status = 0
        finally:
            os._exit(status)
    seen = []
    while not seen or os.waitpid(child, os.WNOHANG)[0] == 0:
        saved = store.load(run, which, ears)
        seen.append(saved.step)
        for group, members in tensors(saved.step).items():
            assert all(torch.equal(saved.tensors[group][name], tensor) for name, tensor in members.items())
    assert store.load(run, which, Silent()).step == (saves if which == "last" else 198)
    assert seen == sorted(seen)
    assert len(set(seen)) > 20
    assert ears.warnings == []

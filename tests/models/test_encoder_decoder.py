"""encoder_decoder: asking step by step gives the same as all at once, and what is read can be copied."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from dlw.models import encoder_decoder
from dlw.specs import TARGET, FieldSpec, OutputSpec

V, END = 40, 3
SPEC = {"text": FieldSpec("tokens", (9,), "int32", ("text",), (V,), is_ragged=True)}


def network(copied: str) -> torch.nn.Module:
    torch.manual_seed(0)
    settings = encoder_decoder.Settings(width=32, depth=1, heads=2, dropout=0.0)
    return encoder_decoder.build(settings, SPEC, OutputSpec("told_tokens", V, steps=8, end=END, copied=copied))


def stirred(copied: str) -> torch.nn.Module:
    """Return a network whose branches do not start as zero."""
    made = network(copied).eval()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.3) if parameter.ndim > 1 else parameter.data.add_(0.1)
    return made


def tokens(rows: int, steps: int, low: int = 4, high: int = V, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(low, high, (rows, steps)).astype(np.int32))


@pytest.mark.parametrize("copied", ["", "text"])
def test_steps_of_any_size_give_the_logits_of_the_whole(copied: str) -> None:
    made = stirred(copied)
    batch = {"text": F.pad(tokens(3, 9), (0, 2)), TARGET: tokens(3, 6, seed=1)}
    given = F.pad(batch[TARGET], (1, 0), value=END)
    with torch.no_grad():
        wanted = made(batch)
        assert not torch.allclose(wanted[0], wanted[1], atol=1e-3)
        state, place = made.begin(batch), 0
        for size in (1, 1, 3, 2):
            logits, state = made.step(given[:, place : place + size], state)
            place += size
            torch.testing.assert_close(logits, wanted[:, place - 1], atol=1e-5, rtol=1e-4)


@pytest.mark.withstands("properties", case="P6")
@pytest.mark.parametrize("copied", ["", "text"])
def test_what_follows_the_end_changes_nothing(copied: str) -> None:
    made = stirred(copied)
    batch = {"text": tokens(3, 9), TARGET: tokens(3, 6, seed=1)}
    with torch.no_grad():
        longer = made({**batch, "text": F.pad(batch["text"], (0, 5))})
        torch.testing.assert_close(longer, made(batch), atol=1e-5, rtol=1e-4)


def test_copied_and_free_tokens_share_one_probability() -> None:
    made = stirred("text")
    batch = {"text": tokens(4, 9), TARGET: tokens(4, 6, seed=1)}
    batch["text"][0] = 0  # an empty text
    with torch.no_grad():
        answer = made(batch)
    assert answer.dtype == torch.float32
    torch.testing.assert_close(answer.exp().sum(-1), torch.ones(4, 7), atol=1e-5, rtol=1e-5)


def test_what_is_read_is_copied_long_before_it_is_learned() -> None:
    """Answer with the token behind a 4, out of 35 tokens: 75 steps do with copying, and are nothing without."""
    chance = {}
    for copied in ("", "text"):
        made = network(copied).train()
        optimizer = torch.optim.Adam(made.parameters(), lr=1e-2)
        for step in range(75):
            batch = marked(step)
            wanted = F.pad(batch[TARGET], (0, 1), value=END).long()
            loss = F.cross_entropy(made(batch).flatten(0, 1), wanted.flatten())
            optimizer.zero_grad()
            loss.backward()
            if step == 3:
                assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in made.parameters())
            optimizer.step()
        batch = marked(75)
        with torch.no_grad():
            found = made.eval()(batch)[:, 0].softmax(-1)
        chance[copied] = float(found.gather(1, batch[TARGET].long()).mean())
    assert chance["text"] > 0.9 > 0.4 > chance[""]


def test_a_passage_is_copied_on_from_its_last_token() -> None:
    """Answer with the three tokens behind a 4: 50 steps do, as a step is also looked up by the token before it."""
    made = network("text").train()
    optimizer = torch.optim.Adam(made.parameters(), lr=1e-2)
    for step in range(51):
        batch = marked(step, steps=12, answered=3)
        found = made(batch)
        wanted = F.pad(batch[TARGET], (0, 1), value=END).long()
        optimizer.zero_grad()
        F.cross_entropy(found.flatten(0, 1), wanted.flatten()).backward()
        optimizer.step()
    assert found.exp().gather(2, wanted[..., None]).mean(0).min() > 0.8


def marked(seed: int, steps: int = 6, answered: int = 1) -> dict[str, Tensor]:
    """Return 32 rows of tokens, among them a 4 before those that are the answer."""
    given = tokens(32, steps, low=5, seed=seed)
    row = torch.arange(32)
    at = torch.from_numpy(np.random.default_rng(seed + 1000).integers(0, steps - answered, 32))
    given[row, at] = 4
    return {"text": given, TARGET: torch.stack([given[row, at + place] for place in range(1, answered + 1)], 1)}

"""gpt: what each step may see, and that asking step by step gives the same as all at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dlw.engine.writing import NetworkWriter
from dlw.models import gpt
from dlw.search import Style, write
from dlw.specs import FieldSpec, OutputSpec

SPEC = {"text": FieldSpec("tokens", (20,), "int32", ("text",), (12,), is_ragged=True)}


def network(window: int = 40, **options: object) -> torch.nn.Module:
    torch.manual_seed(0)
    settings = gpt.Settings.model_validate({"width": 16, "depth": 2, "heads": 2, **options})
    made = gpt.build(settings, SPEC, OutputSpec("tokens", 12, steps=window, end=3)).eval()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.3) if parameter.ndim > 1 else parameter.data.add_(0.1)
    return made


def tokens(rows: int = 3, steps: int = 20) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(1, 12, (rows, steps)).astype(np.int32))


@pytest.mark.parametrize("activation", ["swiglu", "relu_squared"])
@pytest.mark.parametrize("window", [7, 40])
def test_steps_see_what_is_before_them_within_the_window(window: int, activation: str) -> None:
    """A changed token changes its own logits and later ones, as far as two layers of the window reach."""
    made = network(window, activation=activation)
    given, changed = tokens(), tokens()
    changed[:, 5] = changed[:, 5] % 11 + 1
    with torch.no_grad():
        difference = (made({"text": given}) - made({"text": changed})).abs().amax(dim=(0, 2))
    assert difference[:5].max() == 0
    assert difference[5 : 5 + window].min() > 1e-6
    reach = 5 + 2 * (window - 1)
    assert difference[reach + 1 :].numel() == 0 or difference[reach + 1 :].max() == 0


@pytest.mark.withstands("properties", case="P6")
def test_what_follows_the_end_changes_nothing() -> None:
    made = network()
    given = tokens()
    with torch.no_grad():
        longer = made({"text": torch.nn.functional.pad(given, (0, 9))})[:, :20]
        torch.testing.assert_close(longer, made({"text": given}), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("window", [7, 40])
@pytest.mark.parametrize("pieces", [(20,), (1, 1, 18), (7, 3, 10), (1,) * 20])
def test_steps_of_any_size_give_the_logits_of_the_whole(window: int, pieces: tuple[int, ...]) -> None:
    made = network(window)
    given = tokens()
    with torch.no_grad():
        wanted = made({"text": given})
        state, place = made.begin({"text": given}), 0
        for size in pieces:
            logits, state = made.step(given[:, place : place + size], state)
            place += size
            torch.testing.assert_close(logits, wanted[:, place - 1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("window", [9, 64])
def test_the_cache_writes_what_reading_everything_again_would(window: int) -> None:
    """Greedy, 40 tokens, also beyond the window."""
    made = network(window)
    prompt = np.array([3, 5, 6], np.int32)
    style = Style(end=0, window=window, max_tokens=40, temperature=0)
    (cached,) = write(NetworkWriter(made), {"text": prompt[None]}, [prompt], style)
    seen = prompt.tolist()
    with torch.no_grad():
        for _ in range(40):
            logits = made({"text": torch.tensor([seen], dtype=torch.int32)})[0, -1]
            logits[0] = -torch.inf
            seen.append(int(logits.argmax()))
    assert cached.tolist() == seen[3:]
    assert len(set(seen)) > 2


def test_every_parameter_learns_and_one_batch_is_learned_by_heart() -> None:
    torch.manual_seed(0)
    made = gpt.build(gpt.Settings(width=32, depth=2, heads=2), SPEC, OutputSpec("tokens", 12, steps=20, end=3)).train()
    given = tokens(4, 20)
    optimizer = torch.optim.Adam(made.parameters(), lr=1e-2)
    for step in range(80):
        loss = torch.nn.functional.cross_entropy(
            made({"text": given[:, :-1]}).flatten(0, 1), given[:, 1:].flatten().long()
        )
        optimizer.zero_grad()
        loss.backward()
        if step == 3:
            assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in made.parameters())
        optimizer.step()
    assert loss < 0.3


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="multiple of 2 x heads"):
        gpt.Settings(width=18, heads=4)

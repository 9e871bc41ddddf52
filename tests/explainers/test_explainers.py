"""Explainers against what can be known: sums that must come out, plain networks, what does not fit."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dlw import registry
from dlw.explainers._base import Explanation, Part, Question, Survey
from dlw.specs import FieldSpec, OutputSpec, rows_at_once

PICTURE = FieldSpec("image", (2, 12, 16), "uint8", ("image",), statistics={"mean": [90.0, 60.0], "std": [50.0, 40.0]})
TEXT = FieldSpec("tokens", (9,), "int32", ("text",), (20,), statistics={"characters": [1] * 20}, is_ragged=True)
SOUND = FieldSpec("sound", (4000,), "int16", ("sound",), statistics={"sample_rate_hz": [4000]}, is_ragged=True)
SERIES = FieldSpec(
    "series", (20, 3), "float32", tuple("abc"), statistics={"mean": [0.0, 1.0, 2.0], "std": [1.0] * 3}, is_ragged=True
)
NUMBERS = FieldSpec(
    "number",
    (2,),
    "float32",
    ("speed", "load"),
    statistics={"mean": [0.5, 1.0], "std": [1.0] * 2, "edges": [[-1.0, 0.0, 1.0, 2.0]] * 2},
)
CATEGORY = FieldSpec("category", (2,), "int64", ("road", "sky"), sizes=(4, 5))

SMALL: Mapping[str, tuple[dict[str, Any], dict[str, FieldSpec]]] = {
    "resnet": ({"widths": [4, 8], "depths": [1, 1]}, {"image": PICTURE}),
    "vit": ({"width": 8, "heads": 2, "depth": 1, "patch": 4}, {"image": PICTURE}),
    "rnn": ({"embedding": 6, "width": 6, "depth": 1}, {"text": TEXT}),
    "transformer": ({"width": 8, "heads": 2, "depth": 1}, {"text": TEXT}),
    "ngram_bag": ({"width": 8, "buckets": 64}, {"text": TEXT}),
    "sound_conv": ({"width": 8, "depth": 1, "mels": 8}, {"sound": SOUND}),
    "sound_resnet": ({"width": 4, "stages": 2, "mels": 8}, {"sound": SOUND}),
    "series_conv": ({"width": 4, "depth": 1, "kernels": [3]}, {"series": SERIES}),
    "mlp": ({"width": 8, "members": 3}, {"number": NUMBERS, "category": CATEGORY}),
    "fusion": (
        {"widths": [4, 8], "depths": [1, 1], "width": 8, "picture_size": 6},
        {"image": PICTURE, "number": NUMBERS, "category": CATEGORY},
    ),
}
ROWS: Mapping[str, Callable[[np.random.Generator], np.ndarray]] = {
    "image": lambda rng: rng.integers(0, 256, (1, 2, 12, 16), dtype=np.uint8),
    "tokens": lambda rng: rng.integers(1, 20, (1, 7), dtype=np.int32),
    "sound": lambda rng: rng.integers(-20000, 20000, (1, 1500)).astype(np.int16),
    "series": lambda rng: rng.normal(size=(1, 15, 3)).astype(np.float32),
    "number": lambda rng: rng.normal(size=(1, 2)).astype(np.float32),
    "category": lambda rng: rng.integers(1, 4, (1, 2)),
}


def network(model: str) -> nn.Module:
    """Return a small network in evaluation mode, as far from its start as some random steps would take it."""
    options, inputs = SMALL[model]
    plugin = registry.load("models", model)
    torch.manual_seed(0)
    made: nn.Module = plugin.build(plugin.Settings(**options), inputs, OutputSpec("vector", 3))
    for name, parameter in made.named_parameters():
        parameter.data += torch.randn_like(parameter) * (0.3 if "norm" in name or parameter.ndim == 1 else 0.05)
    return made.eval().requires_grad_(False)


def question(model: str | nn.Module, inputs: Mapping[str, FieldSpec] | None = None, **changes: Any) -> Question:
    """Return a question about a random row, the score is output 1."""
    inputs = SMALL[model][1] if isinstance(model, str) else inputs
    assert inputs is not None
    rng = np.random.default_rng(1)
    row = {name: torch.from_numpy(ROWS[spec.kind](rng)) for name, spec in inputs.items()}
    parts = [
        Part(name, group, slice(place, place + 1))
        for group, spec in inputs.items()
        if spec.kind in ("number", "category")
        for place, name in enumerate(spec.columns)
    ]
    given: dict[str, Any] = {
        "network": network(model) if isinstance(model, str) else model,
        "score": lambda out: (out if out.ndim == 2 else out.mean(1))[:, 1],
        "row": row,
        "inputs": inputs,
        "parts": tuple(parts),
        "background": {},
        "seed": 0,
    }
    return Question(**{**given, **changes})


def explained(method: str, asked: Question, **options: Any) -> Explanation:
    """Return the explanation of a method that must fit."""
    plugin = registry.load("explainers", method)
    assert plugin.misfit(asked) == ""
    found: Explanation = plugin.build(plugin.Settings(**options))(asked)
    return found


@pytest.mark.parametrize("model", sorted(set(SMALL) - {"ngram_bag"}))
def test_integrated_gradients_add_up(model: str) -> None:
    asked = question(model)
    found = explained("integrated_gradients", asked, steps=256)
    assert found.base is not None
    span = abs(found.score - found.base)
    assert span > 1e-3, "the row differs from the plain one"
    assert abs(found.gap) < 0.02 * span
    with torch.no_grad():
        assert found.score == pytest.approx(float(asked.score(asked.network(asked.row))), abs=1e-5)
    assert set(found.maps) == set(asked.inputs)
    for group, one in found.maps.items():
        kind, shape = asked.inputs[group].kind, tuple(asked.row[group].shape[1:])
        wanted = shape[1:] if kind == "image" else one.under.shape if one.under is not None else shape
        assert one.values.shape == wanted
        assert np.isfinite(one.values).all()


@pytest.mark.parametrize("method", ["integrated_gradients", "grad_cam", "occlusion"])
def test_networks_stay_as_they_were(method: str) -> None:
    asked = question("resnet")
    before = {name: tensor.clone() for name, tensor in asked.network.state_dict().items()}
    explained(method, asked)
    assert not any(layer._forward_hooks or layer._backward_hooks for layer in asked.network.modules())
    assert not any(layer.training for layer in asked.network.modules())
    for name, tensor in asked.network.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_gaps_and_missing_categories_have_no_reasons() -> None:
    asked = question("mlp")
    asked.row["number"][0, 1] = float("nan")
    asked.row["category"][0, 0] = 0
    found = explained("integrated_gradients", asked)
    assert found.maps["number"].values[1] == 0
    assert found.maps["category"].values[0] == 0
    assert found.maps["number"].values[0] != 0
    lost = explained("occlusion", asked)
    assert lost.maps["number"].values[1] == pytest.approx(0, abs=1e-6)
    assert lost.maps["number"].values[0] != 0


class Weighted(nn.Module):
    """Output 1 is a weighted sum of two pixels, of numbers, or of how often token 5 comes less token 3."""

    def __init__(self, weights: tuple[float, ...] = (1.0, -2.0), is_product: bool = False) -> None:
        super().__init__()
        self.weight_F = torch.tensor(weights)
        self.is_product = is_product

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        if "image" in batch:
            picture_BCHW = batch["image"].float()
            out_B = picture_BCHW[:, 0, 2, 3] - 2 * picture_BCHW[:, 1, 9, 12]
        elif "text" in batch:
            out_B = (batch["text"] == 5).sum(1).float() - (batch["text"] == 3).sum(1).float()
        else:
            number_BF = batch["number"]
            out_B = (number_BF * self.weight_F).sum(1)
            out_B = out_B * number_BF[:, 0] if self.is_product else out_B
        return torch.stack([torch.zeros_like(out_B), out_B], dim=1)


def test_pixels_that_count_are_found() -> None:
    asked = question(Weighted(), {"image": PICTURE})
    row = asked.row["image"]
    row[0, 0, 2, 3], row[0, 1, 9, 12] = 250, 250
    value = explained("integrated_gradients", asked, steps=8).maps["image"].values
    assert np.flatnonzero(np.abs(value) > 1e-3).tolist() == [2 * 16 + 3, 9 * 16 + 12]
    assert value[2, 3] == pytest.approx(250 - 90)
    assert value[9, 12] == pytest.approx(-2 * (250 - 60))
    covered = explained("occlusion", asked).maps["image"].values
    assert np.unravel_index(covered.argmax(), covered.shape) in [(y, x) for y in (1, 2, 3) for x in (2, 3, 4)]
    assert covered[9, 12] == covered.min() < 0 == covered[6, 0]


def test_tokens_that_count_are_found() -> None:
    asked = question(Weighted(), {"text": TEXT})
    asked.row["text"][0] = torch.tensor([5, 1, 3, 3, 2, 1, 1])
    found = explained("occlusion", asked)
    assert found.maps["text"].values.tolist() == [1, 0, -1, -1, 0, 0, 0]


def numbers(count: int) -> dict[str, FieldSpec]:
    """Return a spec of so many number columns."""
    names = tuple(f"x{place}" for place in range(count))
    return {"number": FieldSpec("number", (count,), "float32", names, statistics={"mean": [0.0] * count})}


def shares(count: int, is_product: bool, permutations: int = 48) -> tuple[np.ndarray, Explanation, Question]:
    """Return Shapley values of a sum (or a product) of numbers, over a background of 5 rows."""
    random = np.random.default_rng(3)
    row_1F, background_BF = (random.normal(size=(rows, count)).astype(np.float32) for rows in (1, 5))
    inputs = numbers(count)
    asked = Question(
        network=Weighted(tuple(float(place - 2) for place in range(count)), is_product),
        score=lambda out: out[:, 1],
        row={"number": torch.from_numpy(row_1F)},
        inputs=inputs,
        parts=tuple(Part(f"x{place}", "number", slice(place, place + 1)) for place in range(count)),
        background={"number": torch.from_numpy(background_BF)},
        seed=4,
    )
    found = explained("shapley", asked, permutations=permutations)
    return found.maps["number"].values, found, asked


@pytest.mark.parametrize("count", [4, 11])
def test_shapley_values_of_a_sum_are_its_terms(count: int) -> None:
    value_F, found, asked = shares(count, is_product=False, permutations=2)
    wanted_F = (asked.row["number"] - asked.background["number"]).mean(0).numpy() * (np.arange(count) - 2)
    np.testing.assert_allclose(value_F, wanted_F, atol=1e-5)
    assert found.gap == pytest.approx(0, abs=1e-5)


def test_shapley_values_are_the_mean_over_all_orders() -> None:
    value_F, found, asked = shares(4, is_product=True)
    row_F, background_BF = asked.row["number"][0], asked.background["number"]

    def worth(known: tuple[int, ...]) -> float:
        mixed_BF = background_BF.clone()
        mixed_BF[:, list(known)] = row_F[list(known)]
        return float(asked.network({"number": mixed_BF})[:, 1].mean())

    wanted_F = np.zeros(4)
    orders = list(itertools.permutations(range(4)))
    for order in orders:
        for place, column in enumerate(order):
            wanted_F[column] += (worth(order[: place + 1]) - worth(order[:place])) / len(orders)
    np.testing.assert_allclose(value_F, wanted_F, atol=1e-5)
    assert found.base == pytest.approx(worth(()))


def test_drawn_orders_are_those_of_the_seed_and_leave_torch_alone() -> None:
    torch.manual_seed(9)
    first, found, _ = shares(11, is_product=True, permutations=5)
    after = torch.rand(1)
    second, *_ = shares(11, is_product=True, permutations=5)
    np.testing.assert_array_equal(first, second)
    torch.manual_seed(9)
    assert torch.equal(torch.rand(1), after)
    assert found.gap == pytest.approx(0, abs=1e-4), "each order adds up"


def test_grad_cam_looks_where_the_answer_comes_from() -> None:
    class Brightest(nn.Module):
        """A blur, then the largest value: the maps light up where the picture does."""

        def __init__(self) -> None:
            super().__init__()
            self.blur = nn.Conv2d(2, 1, 3, padding=1)
            nn.init.constant_(self.blur.weight, 1 / 18)

        def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
            out_B = self.blur(batch["image"].float()).amax((1, 2, 3))
            return torch.stack([torch.zeros_like(out_B), out_B], dim=1)

    row = torch.zeros(1, 2, 12, 16, dtype=torch.uint8)
    row[:, :, 8:10, 3:5] = 255
    asked = question(Brightest().eval().requires_grad_(False), {"image": PICTURE}, row={"image": row})
    value = explained("grad_cam", asked).maps["image"].values
    assert value.shape == (12, 16)
    assert value.min() >= 0
    assert np.unravel_index(value.argmax(), value.shape) in [(8, 3), (8, 4), (9, 3), (9, 4)]
    assert value[0, 15] < 0.1 * value.max()


@pytest.mark.parametrize(
    ("method", "model", "reason"),
    [
        ("integrated_gradients", "ngram_bag", "no vector for each token"),
        ("grad_cam", "vit", "no convolutions that look around a place"),
        ("shapley", "resnet", "between columns"),
    ],
)
def test_what_does_not_fit_is_said(method: str, model: str, reason: str) -> None:
    assert reason in registry.load("explainers", method).misfit(question(model))


def test_an_input_is_worth_what_the_metric_loses() -> None:
    random = np.random.default_rng(0)
    arrays = {"number": random.normal(size=(400, 3)).astype(np.float32)}
    target = arrays["number"] @ np.array([3.0, 1.0, 0.0])
    parts = tuple(Part(name, "number", slice(place, place + 1)) for place, name in enumerate("abc"))

    def measure(given: dict[str, np.ndarray]) -> np.ndarray:
        error_N = -((given["number"] @ np.array([3.0, 1.0, 0.0]) - target) ** 2)
        draws = np.random.default_rng(1).integers(0, 400, (50, 400))
        return np.array([error_N.mean(), *(error_N[rows].mean() for rows in draws)])

    plugin = registry.load("explainers", "permutation")
    told: list[tuple[int, int]] = []
    survey = Survey(arrays, parts, measure, 0, lambda done, of: told.append((done, of)))
    found = plugin.build(plugin.Settings())(survey)
    assert [worth.name for worth in found] == ["a", "b", "c"]
    assert found[0].value == pytest.approx(2 * 9, rel=0.2), "twice the variance of the term"
    assert found[1].value == pytest.approx(2 * 1, rel=0.2)
    assert found[2].value == found[2].low == found[2].high == 0
    assert all(worth.low <= worth.value <= worth.high for worth in found)
    assert told[-1] == (3, 3)


def test_a_part_is_exchanged_and_nothing_else() -> None:
    from dlw.explainers.permutation import shuffled

    arrays = {"a": np.arange(12).reshape(4, 3), "b": np.arange(8).reshape(4, 2)}
    changed = shuffled(arrays, Part("x", "a", slice(1, 2)), np.array([3, 2, 1, 0]))
    assert changed["a"][:, 1].tolist() == [10, 7, 4, 1]
    assert (changed["a"][:, [0, 2]] == arrays["a"][:, [0, 2]]).all()
    assert changed["b"] is arrays["b"]
    whole = shuffled(arrays, Part("b", "b"), np.array([1, 0, 2, 3]))
    assert whole["b"].tolist() == [[2, 3], [0, 1], [4, 5], [6, 7]]


def test_large_inputs_are_asked_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = explained("occlusion", question("fusion"))
    asked_sizes: list[int] = []
    monkeypatch.setattr("dlw.specs.VALUES_AT_ONCE", 5 * 12 * 16)
    assert rows_at_once([(2, 12, 16)]) == 2
    asked = question("fusion")
    asked.network.register_forward_hook(lambda _, given, out: asked_sizes.append(len(out)))
    found = explained("occlusion", asked)
    assert max(asked_sizes) == 2
    for group, one in found.maps.items():
        np.testing.assert_allclose(one.values, whole.maps[group].values, atol=1e-5)

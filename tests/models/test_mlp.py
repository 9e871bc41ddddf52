"""The feed-forward network: what must hold for every choice of inputs and number embedding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dlw.fields._statistics import describe
from dlw.models import mlp
from dlw.models._columns import PiecewiseLinear
from dlw.models._dropout import Dropout
from dlw.models._mlp import MemberLinear
from dlw.specs import FieldSpec, OutputSpec

ROWS = 96
INPUTS = [("number",), ("category",), ("number", "category"), ("picture",), ("number", "picture")]
OPTIONS: list[dict[str, Any]] = [
    {"number_embedding": "piecewise_linear"},
    {"number_embedding": "periodic"},
    {"number_embedding": "plain"},
    {"members": 4},
    {"members": 4, "norm": "batch", "depth": 1},
    {"norm": "layer", "activation": "gelu", "dropout": 0.0},
]


def table(groups: tuple[str, ...]) -> tuple[dict[str, FieldSpec], dict[str, Tensor]]:
    """Return packed specs and ROWS rows; numbers have gaps, a heavy tail and a column of zeros and ones."""
    random = np.random.default_rng(0)
    columns = [random.normal(size=ROWS), random.lognormal(8, 3, ROWS), random.integers(0, 2, ROWS)]
    number = np.stack(columns, axis=1).astype(np.float32)
    described = [describe(number[:, f]) for f in range(3)]
    number[random.random(number.shape) < 0.2] = np.nan
    sizes = (4, 2, 9)
    specs = {
        "number": FieldSpec(
            "number",
            (3,),
            "float32",
            ("a", "b", "c"),
            statistics={key: [column[key] for column in described] for key in described[0]},
        ),
        "category": FieldSpec("category", (3,), "int64", ("d", "e", "f"), sizes),
        "picture": FieldSpec("image", (2, 4, 3), "uint8", statistics={"mean": [100.0, 120.0], "std": [50.0, 0.0]}),
    }
    arrays = {
        "number": number,
        "category": np.stack([random.integers(0, size, ROWS) for size in sizes], axis=1),
        "picture": random.integers(0, 256, (ROWS, 2, 4, 3), dtype=np.uint8),
    }
    return {group: specs[group] for group in groups}, {group: torch.from_numpy(arrays[group]) for group in groups}


def built(groups: tuple[str, ...], size: int = 3, **options: Any) -> tuple[nn.Module, dict[str, Tensor]]:
    """Return a small network and rows for it."""
    torch.manual_seed(0)
    specs, rows = table(groups)
    return mlp.build(mlp.Settings(**{"width": 32, **options}), specs, OutputSpec("vector", size)), rows


@pytest.mark.parametrize("groups", INPUTS)
@pytest.mark.parametrize("options", OPTIONS)
def test_every_input_gives_finite_answers_and_reaches_every_parameter(
    groups: tuple[str, ...], options: dict[str, Any]
) -> None:
    network, rows = built(groups, **options)
    answer = network(rows)
    members = options.get("members", 1)
    assert answer.shape == ((ROWS, 3) if members == 1 else (ROWS, members, 3))
    assert answer.isfinite().all()
    answer.square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("options", OPTIONS)
def test_learns_one_batch_by_heart(options: dict[str, Any]) -> None:
    network, rows = built(("number", "category"), **{**options, "dropout": 0.0})
    target = torch.from_numpy(np.random.default_rng(1).integers(0, 3, ROWS))
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    for _ in range(150):
        answer = network(rows).reshape(ROWS, -1, 3)
        loss = F.cross_entropy(answer.flatten(0, 1), target.repeat_interleave(answer.shape[1]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    predicted = network.eval()(rows).reshape(ROWS, -1, 3).softmax(-1).mean(1).argmax(-1)
    assert (predicted == target).float().mean() > 0.97


@pytest.mark.parametrize("options", OPTIONS)
def test_a_row_is_answered_alike_in_any_company(options: dict[str, Any]) -> None:
    network, rows = built(("number", "category"), **options)
    network.eval()
    alone = torch.cat([network({group: column[i : i + 1] for group, column in rows.items()}) for i in range(5)])
    torch.testing.assert_close(alone, network(rows)[:5])


def test_gaps_and_unknown_values_are_told_from_known_ones() -> None:
    network, rows = built(("number", "category"))
    network.eval()
    gaps = {"number": torch.full_like(rows["number"], torch.nan), "category": torch.zeros_like(rows["category"])}
    assert network(gaps).isfinite().all()
    assert not torch.allclose(network(gaps), network(rows))


def test_columns_keep_their_order() -> None:
    network, rows = built(("number", "category"))
    network.eval()
    swapped = network({"category": rows["category"], "number": rows["number"]})
    torch.testing.assert_close(swapped, network(rows))
    assert not torch.allclose(network({**rows, "category": rows["category"].flip(1) % 2}), network(rows))


def test_output_bias_starts_where_the_task_says() -> None:
    specs, rows = table(("number",))
    for members in (1, 3):
        settings = mlp.Settings(width=8, members=members)
        network = mlp.build(settings, specs, OutputSpec("vector", 2, start=(5.0, -5.0)))
        assert network(rows).reshape(-1, 2).mean(0).sign().tolist() == [1.0, -1.0]


def test_piecewise_linear_encoding_follows_the_paper() -> None:
    spec = FieldSpec("number", (2,), "float32", statistics={"edges": [[0.0, 1.0, 3.0, 10.0], [5.0, 5.0]]})
    encoding = PiecewiseLinear(spec, bins=64)
    expected = [[0.0, 0.0, 0.0], [0.5, 0.0, 0.0], [1.0, 0.5, 0.0], [1.0, 1.0, 1.0]]
    got = encoding(torch.tensor([[-7.0, 5.0], [0.5, 5.0], [2.0, 5.0], [99.0, 5.0]]))
    torch.testing.assert_close(got[:, 0], torch.tensor(expected))
    torch.testing.assert_close(got[:, 1, 0], torch.full((4,), 0.5))
    assert PiecewiseLinear(spec, bins=2).size == 2


def test_member_layer_equals_signed_inputs() -> None:
    torch.manual_seed(0)
    layer, x_BD = MemberLinear(5, 4, 3), torch.randn(7, 5)
    by_hand = [F.linear(x_BD * layer.scale_MD[m], layer.weight_HD, layer.bias_MH[m]) for m in range(3)]
    torch.testing.assert_close(layer(x_BD), torch.stack(by_hand, dim=1))
    assert set(layer.scale_MD.unique().tolist()) == {-1.0, 1.0}


def test_dropout_keeps_the_share_and_the_mean() -> None:
    torch.manual_seed(0)
    layer, x = Dropout(0.25), torch.ones(333, 301)
    dropped = layer(x)
    assert (dropped == 0).float().mean() == pytest.approx(0.25, abs=0.01)
    assert dropped.mean() == pytest.approx(1.0, abs=0.01)
    torch.manual_seed(0)
    torch.testing.assert_close(layer(x), dropped, rtol=0, atol=0)
    assert layer.eval()(x) is x


@pytest.mark.parametrize("options", OPTIONS)
def test_exported_graph_agrees_at_any_number_of_rows(options: dict[str, Any]) -> None:
    network, rows = built(("number", "category"), **options)
    network.eval()
    free = {group: {0: torch.export.Dim("rows")} for group in rows}
    program = torch.export.export(network, ({group: t[:2] for group, t in rows.items()},), dynamic_shapes=(free,))
    for count in (1, 2, 7):
        some = {group: column[:count] for group, column in rows.items()}
        torch.testing.assert_close(program.module()(some), network(some))

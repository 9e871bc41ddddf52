"""embedding: both losses against their formulas, vectors of length 1, class directions that fall away."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dlw.errors import DataError
from dlw.models._proxies import Proxies
from dlw.specs import FieldSpec
from dlw.tasks import embedding

TARGET = FieldSpec("category", (), "int64", ("kind",), (3,), ("a", "b", "c"), {"counts": [[5, 3, 2]]})


def task(**options: object) -> embedding.EmbeddingTask:
    return embedding.build(embedding.Settings.model_validate({"size": 4, **options}), TARGET)


def test_contrastive_loss_is_the_papers_sum() -> None:
    torch.manual_seed(0)
    out, target = torch.randn(6, 4), torch.tensor([0, 0, 1, 1, 1, 2])
    unit = F.normalize(out, dim=1)
    wanted = []
    for row in range(6):
        others = [other for other in range(6) if other != row]
        total = sum(torch.exp(unit[row] @ unit[other] / 0.1) for other in others)
        same = [other for other in others if target[other] == target[row]]
        logs = [torch.log(torch.exp(unit[row] @ unit[other] / 0.1) / total) for other in same]
        wanted.append(-sum(logs) / len(same) if same else torch.tensor(0.0))
    made = task(loss="contrastive", temperature=0.1).loss(out, target)
    torch.testing.assert_close(made, torch.stack(wanted))
    assert made[5] == 0, "a class of one row has nothing to be near to"


def test_proxy_loss_takes_the_margin_off_the_own_class() -> None:
    torch.manual_seed(0)
    cosine, target = torch.rand(5, 3) * 2 - 1, torch.tensor([0, 1, 2, 1, 0])
    out = torch.cat([torch.randn(5, 4), cosine], dim=1)
    lowered = cosine.clone()
    lowered[torch.arange(5), target] -= 0.2
    wanted = F.cross_entropy(lowered / 0.05, target, reduction="none")
    torch.testing.assert_close(task(margin=0.2).loss(out, target), wanted)


def test_margin_needs_directions() -> None:
    with pytest.raises(ValueError, match="margin has no effect"):
        embedding.Settings(loss="contrastive", margin=0.1)


def test_directions_are_there_in_training_only() -> None:
    torch.manual_seed(0)
    made = task()
    network = Proxies(nn.Linear(3, 4), made.output)
    rows = torch.randn(2, 3)
    out = network(rows)
    assert out.shape == (2, 4 + 3)
    torch.testing.assert_close(out[:, 4:], F.normalize(out[:, :4]) @ F.normalize(network.class_embedding_KD).T)
    made.loss(out, torch.tensor([0, 2])).mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert network.eval()(rows).shape == (2, 4)


def test_vectors_have_length_1_also_as_the_mean_of_members() -> None:
    made = task()
    vector = made.activate(torch.randn(3, 4))["vector"].numpy()
    np.testing.assert_allclose(np.linalg.norm(vector, axis=1), 1, atol=1e-6)
    condensed = made.condense({"vector": vector / 2})
    np.testing.assert_allclose(condensed["vector"], vector, atol=1e-6)


def test_one_class_has_nothing_to_be_told_from() -> None:
    lonely = FieldSpec("category", (), "int64", ("kind",), (1,), ("a",), {"counts": [[5]]})
    with pytest.raises(DataError, match="two or more; kind has 1"):
        embedding.build(embedding.Settings(), lonely)

"""cluster_autoencoder: any input learns, gaps cost nothing, clusters as scikit-learn finds them, the same twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture
from torch import Tensor, nn

from dlw.errors import UsageError
from dlw.models import cluster_autoencoder
from dlw.models._base import Filled, Refitted
from dlw.models._mixture import Mixture
from dlw.specs import FieldSpec, OutputSpec

NUMBER = FieldSpec(
    "number", (3,), "float32", ("a", "b", "c"), statistics={"mean": [1.0, 2.0, 3.0], "std": [1.0, 2.0, 0.0]}
)
CATEGORY = FieldSpec("category", (2,), "int64", ("d", "e"), sizes=(4, 3))


def picture(shape: tuple[int, ...]) -> FieldSpec:
    return FieldSpec("image", shape, "uint8", statistics={"mean": [100.0] * shape[0], "std": [60.0] * shape[0]})


CASES = {
    "numbers": {"number": NUMBER},
    "categories": {"category": CATEGORY},
    "table": {"number": NUMBER, "category": CATEGORY},
    "picture": {"image": picture((1, 8, 8))},
    "uneven picture": {"image": picture((3, 13, 22))},
}


def network(inputs: dict[str, FieldSpec], **options: Any) -> nn.Module:
    torch.manual_seed(0)
    settings = cluster_autoencoder.Settings(**{"widths": [8, 6], "code": 4, **options})
    return cluster_autoencoder.build(settings, inputs, OutputSpec("clusters", 3))


def rows(inputs: dict[str, FieldSpec], count: int) -> dict[str, Tensor]:
    random = np.random.default_rng(0)
    made: dict[str, Any] = {}
    for name, spec in inputs.items():
        if spec.kind == "number":
            made[name] = random.normal(size=(count, 3)).astype(np.float32)
        elif spec.kind == "category":
            made[name] = random.integers(0, spec.sizes, (count, 2))
        else:
            made[name] = random.integers(0, 256, (count, *spec.shape), dtype=np.uint8)
    return {name: torch.from_numpy(array) for name, array in made.items()}


def refit(net: nn.Module, batch: dict[str, Tensor]) -> None:
    assert isinstance(net, Refitted)
    assert not isinstance(net, Filled)
    with torch.no_grad():
        net.eval()
        net.look(batch)
        net.refit()


@pytest.mark.parametrize("name", CASES)
def test_every_input_gives_an_output_and_a_gradient_to_every_parameter(name: str) -> None:
    """The layout is that of the output `clusters`; the last values are the row's position."""
    inputs = CASES[name]
    net, batch = network(inputs), rows(inputs, 20)
    out = net(batch)
    assert out.shape[0] == 20
    out[:, 0].mean().backward()
    assert [label for label, p in net.named_parameters() if p.grad is None] == []
    refit(net, batch)
    out = net(batch)
    assert torch.isfinite(out).all()
    assert out[:, 4:7].min() >= 0
    assert torch.isclose(out[:, 1:4].softmax(1).sum(1), torch.ones(20)).all()
    positions = out.shape[1] - 7
    expected = {"numbers": 3, "categories": 5, "table": 8, "picture": 64, "uneven picture": 3 * 7 * 11}
    assert positions == expected[name]


@pytest.mark.parametrize("name", ["table", "picture"])
def test_learns_to_rebuild_one_batch(name: str) -> None:
    net, batch = network(CASES[name], widths=[32], code=12, noise=0.0), rows(CASES[name], 8)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    first = net(batch)[:, 0].mean().item()
    for _ in range(150):
        optimizer.zero_grad()
        net(batch)[:, 0].mean().backward()
        optimizer.step()
    assert net(batch)[:, 0].mean().item() < first / 4


def test_gaps_and_unknown_categories_are_no_error() -> None:
    inputs = CASES["table"]
    net, batch = network(inputs).eval(), rows(inputs, 2)
    batch["number"][0] = torch.nan
    batch["category"][0] = 0
    out = net(batch)
    assert torch.isfinite(out).all()
    assert out[0, 0] == 0
    assert out[0, -8:].tolist() == [0.0] * 8


def test_noise_is_for_training() -> None:
    net, batch = network(CASES["numbers"], noise=1.0), rows(CASES["numbers"], 4)
    assert not torch.equal(net(batch), net(batch))
    assert torch.equal(net.eval()(batch), net(batch))


def test_a_picture_and_a_table_together_are_refused() -> None:
    with pytest.raises(UsageError, match="takes one picture, or numbers and categories, not both"):
        network({**CASES["numbers"], **CASES["picture"]})


def blobs(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Four long clusters of different sizes that lie side by side."""
    random = np.random.default_rng(seed)
    counts = [200, 150, 100, 50]
    owner = np.repeat(np.arange(4), counts)
    middle = np.array([[0, 0, 0], [0, 6, 0], [9, 3, 2], [-9, 3, -2]])
    stretched = random.normal(size=(500, 3)) * [3.0, 1.0, 1.0]
    return (middle[owner] + stretched).astype(np.float32), owner


@pytest.mark.parametrize("head", ["k_means", "shared_covariance", "full_covariance"])
def test_the_heads_find_what_scikit_learn_finds(head: str) -> None:
    """The same sum of squares or likelihood, and nearly the same groups, the largest first."""
    x, _ = blobs()
    mixture = Mixture(3, 4, head)
    mixture.fit(torch.from_numpy(x))
    density, square = mixture(torch.from_numpy(x))
    own = density.argmax(1).numpy()
    assert np.bincount(own).argmax() == 0
    if head == "k_means":
        reference = KMeans(4, n_init=20, random_state=0).fit(x)
        centre = mixture.centre_KE.numpy()
        assert ((x - centre[own]) ** 2).sum() == pytest.approx(reference.inertia_, rel=1e-3)
        assert adjusted_rand_score(reference.labels_, own) > 0.99
        return
    kind = "tied" if head == "shared_covariance" else "full"
    made = GaussianMixture(4, covariance_type=kind, n_init=10, random_state=0, tol=1e-6).fit(x)
    assert adjusted_rand_score(made.predict(x), own) > 0.97
    # ||W (x - m)||^2 is the distance of Mahalanobis by the covariance that scikit-learn finds.
    centre = mixture.centre_KE.numpy()
    for place in range(4):
        other = int(np.linalg.norm(made.means_ - centre[place], axis=1).argmin())
        precision = made.precisions_ if kind == "tied" else made.precisions_[other]
        from_centre = x - centre[place]
        expected = np.einsum("nd,de,ne->n", from_centre, precision, from_centre)
        assert square[:, place].numpy() == pytest.approx(expected, rel=0.05, abs=0.1)


def test_a_fit_is_a_function_of_the_codes_alone() -> None:
    """Neither what was fitted before nor torch's own generator changes a bit."""
    x, _ = blobs()
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        mixture = Mixture(3, 4, "full_covariance")
        if seed == 2:
            mixture.fit(torch.randn(50, 3))
        mixture.fit(torch.from_numpy(x))
        found.append(mixture.state_dict())
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


@pytest.mark.parametrize("head", ["k_means", "shared_covariance", "full_covariance"])
def test_codes_that_are_all_alike_and_too_few_rows(head: str) -> None:
    """Nothing to tell apart stays finite; fewer rows than clusters is told."""
    mixture = Mixture(3, 4, head)
    mixture.fit(torch.ones(20, 3))
    assert all(torch.isfinite(answer).all() for answer in mixture(torch.randn(5, 3)))
    with pytest.raises(UsageError, match=r"task\.clusters: 4 groups cannot be made of 3 training rows"):
        mixture.fit(torch.ones(3, 3))

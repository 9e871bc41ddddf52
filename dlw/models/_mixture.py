"""Clusters among codes: k-means (Lloyd 1982, started by k-means++) and Gaussian mixtures (EM), in double precision.

What is fitted is a function of the codes alone: every random choice comes from a generator of its own.
Shape legend: B, N rows, E values of a code, K clusters.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from dlw.errors import UsageError

FIT_ROWS = 10_000
"""Of more codes, this many are looked at, evenly spread."""
TRIES = 5
ROUNDS = 100
FLOOR = 1e-3
"""Share of the mean variance that is added to every covariance."""


class Mixture(nn.Module):
    """K Gaussians over codes, those of k-means round and of one size; nothing before the first fit."""

    centre_KE: Tensor
    whiten_KEE: Tensor
    offset_K: Tensor

    def __init__(self, code: int, clusters: int, head: str) -> None:
        super().__init__()
        self.head = head
        self.register_buffer("centre_KE", torch.zeros(clusters, code))
        self.register_buffer("whiten_KEE", torch.zeros(clusters, code, code))
        self.register_buffer("offset_K", torch.zeros(clusters))

    def forward(self, code_BE: Tensor) -> tuple[Tensor, Tensor]:
        """Return the log-density, but for a constant, and the squared distance in deviations, [B, K] each."""
        from_centre_BKE = code_BE[:, None] - self.centre_KE
        square_BK = torch.einsum("kde,bke->bkd", self.whiten_KEE, from_centre_BKE).square().sum(2)
        return self.offset_K - 0.5 * square_BK, square_BK

    def fit(self, code_NE: Tensor) -> None:
        """Fit to the codes of the training rows; the largest cluster comes first."""
        step = -(-len(code_NE) // FIT_ROWS)
        x_NE = code_NE[::step].detach().cpu().double()
        centre_KE, owner_N = k_means(x_NE, len(self.centre_KE))
        share_NK = torch.nn.functional.one_hot(owner_N, len(centre_KE)).double()
        if self.head == "k_means":
            weight_K = share_NK.mean(0)
            variance = (x_NE - centre_KE[owner_N]).square().mean().clamp(min=1e-12)
            whiten_KEE = (torch.eye(x_NE.shape[1]).double() / variance.sqrt()).expand(len(weight_K), -1, -1)
            offset_K = torch.zeros_like(weight_K)
        else:
            weight_K, centre_KE, whiten_KEE = expectation_maximisation(
                x_NE, share_NK, is_shared=self.head == "shared_covariance"
            )
            offset_K = weight_K.log() + _log_determinant(whiten_KEE)
        order_K = torch.argsort(weight_K, descending=True, stable=True)
        for own, found in (
            (self.centre_KE, centre_KE),
            (self.whiten_KEE, whiten_KEE),
            (self.offset_K, offset_K - offset_K.max()),
        ):
            own.copy_(found[order_K])


def k_means(x_NE: Tensor, clusters: int) -> tuple[Tensor, Tensor]:
    """Return centres [K, E] and the cluster of each row [N]: the best of several starts by the sum of squares."""
    if len(x_NE) < clusters:
        raise UsageError(f"task.clusters: {clusters} groups cannot be made of {len(x_NE)} training rows")
    generator = torch.Generator().manual_seed(0)
    found = [_lloyd(x_NE, _spread(x_NE, clusters, generator)) for _ in range(TRIES)]
    centre_KE, owner_N, _ = min(found, key=lambda result: result[2])
    return centre_KE, owner_N


def _spread(x_NE: Tensor, clusters: int, generator: torch.Generator) -> Tensor:
    """Draw rows as centres, each with a chance by its squared distance from those before (k-means++, 2007)."""
    first = torch.randint(len(x_NE), (1,), generator=generator)
    centre_KE = x_NE[first]
    square_N = _squares(x_NE, centre_KE)[:, 0]
    for _ in range(clusters - 1):
        chance_N = square_N if square_N.sum() > 0 else torch.ones_like(square_N)
        drawn = torch.multinomial(chance_N, 1, generator=generator)
        centre_KE = torch.cat([centre_KE, x_NE[drawn]])
        square_N = torch.minimum(square_N, _squares(x_NE, x_NE[drawn])[:, 0])
    return centre_KE


def _lloyd(x_NE: Tensor, centre_KE: Tensor) -> tuple[Tensor, Tensor, float]:
    """Move centres to the mean of their rows until nothing changes; one without rows goes to the farthest row."""
    owner_N = torch.full((len(x_NE),), -1)
    for _ in range(ROUNDS):
        square_N, nearest_N = _squares(x_NE, centre_KE).min(1)
        if torch.equal(nearest_N, owner_N):
            break
        owner_N = nearest_N
        count_K = torch.bincount(owner_N, minlength=len(centre_KE))
        sum_KE = torch.zeros_like(centre_KE).index_add_(0, owner_N, x_NE)
        centre_KE = sum_KE / count_K.clamp(min=1)[:, None]
        is_empty_K = count_K == 0
        centre_KE[is_empty_K] = x_NE[square_N.topk(int(is_empty_K.sum())).indices]
    return centre_KE, owner_N, float(square_N.sum())


def expectation_maximisation(x_NE: Tensor, share_NK: Tensor, *, is_shared: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Return weights [K], centres [K, E] and the inverse Cholesky factors of the covariances [K, E, E].

    From the shares of the rows in each cluster on (Dempster, Laird and Rubin 1977), until the likelihood stays.
    """
    unit_EE = torch.eye(x_NE.shape[1], dtype=x_NE.dtype)
    floor_EE = (FLOOR * x_NE.var(0, correction=0).mean() + 1e-12) * unit_EE
    before = -math.inf
    for _ in range(ROUNDS):
        total_K = share_NK.sum(0).clamp(min=1e-9)
        centre_KE = share_NK.T @ x_NE / total_K[:, None]
        scatter_KEE = torch.stack([_scatter(x_NE - centre_KE[k], share_NK[:, k]) for k in range(len(centre_KE))])
        if is_shared:
            covariance_KEE = (scatter_KEE.sum(0) / len(x_NE)).expand_as(scatter_KEE)
        else:
            covariance_KEE = scatter_KEE / total_K[:, None, None]
        factor_KEE = torch.linalg.cholesky(covariance_KEE + floor_EE)
        whiten_KEE = torch.linalg.solve_triangular(factor_KEE, unit_EE.expand_as(factor_KEE), upper=False)
        weight_K = total_K / len(x_NE)
        square_NK = torch.stack(
            [((x_NE - c_E) @ w_EE.T).square().sum(1) for c_E, w_EE in zip(centre_KE, whiten_KEE, strict=True)], 1
        )
        density_NK = weight_K.log() + _log_determinant(whiten_KEE) - 0.5 * square_NK
        share_NK = density_NK.softmax(1)
        likelihood = float(density_NK.logsumexp(1).mean())
        if likelihood - before < 1e-7:
            break
        before = likelihood
    return weight_K, centre_KE, whiten_KEE


def _scatter(from_centre_NE: Tensor, share_N: Tensor) -> Tensor:
    return (from_centre_NE * share_N[:, None]).T @ from_centre_NE


def _squares(x_NE: Tensor, centre_KE: Tensor) -> Tensor:
    return torch.cdist(x_NE, centre_KE, compute_mode="donot_use_mm_for_euclid_dist").square()


def _log_determinant(whiten_KEE: Tensor) -> Tensor:
    return whiten_KEE.diagonal(dim1=-2, dim2=-1).log().sum(-1)

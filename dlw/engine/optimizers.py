"""AdamW and SGD as torch's fused kernels over flat lists, and Muon; their state is plain named tensors.

AdamW and SGD call the kernels behind torch.optim's `fused=True` directly: the first construction of a torch.optim class
imports the compiler stack (about a second). The numbers are the same, and a test says so.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from dlw.recipe.schema import SGD, AdamW, Muon

NO_DECAY_NAMES = ("embedding", "norm", "position", "scale", "token")
"""Parameters whose dotted name holds one of these parts, like every vector, are spared from weight decay."""


class Optimizer(Protocol):
    """Updates parameters from their gradients."""

    def step(self, factor: float) -> None:
        """Update once with the learning rate times `factor`, then drop the gradients."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Return the state by name; the tensors are live."""
        ...


def build(settings: AdamW | SGD | Muon, network: nn.Module) -> Optimizer:
    """Return the optimizer of a network's trainable parameters."""
    return build_for(settings, {name: p for name, p in network.named_parameters() if p.requires_grad})


def build_for(settings: AdamW | SGD | Muon, named: dict[str, nn.Parameter]) -> Optimizer:
    """Return the optimizer of some parameters, by the names that they have in their network."""
    if isinstance(settings, AdamW):
        return FusedAdamW(named, settings)
    if isinstance(settings, SGD):
        return FusedSGD(named, settings)
    return MuonWithAdamW(named, settings)


def decays(name: str, parameter: Tensor) -> bool:
    """Say whether weight decay applies: to matrices and kernels, not to biases, norms and embeddings."""
    return parameter.ndim >= 2 and not any(part in name for part in NO_DECAY_NAMES)


class _Group:
    """Parameters that share a weight decay, beside one state tensor each per slot."""

    def __init__(self, named: dict[str, nn.Parameter], weight_decay: float, slots: tuple[str, ...]) -> None:
        self.named = named
        self.parameters: list[Tensor] = list(named.values())
        self.weight_decay = weight_decay
        self.slots = {slot: [torch.zeros_like(parameter) for parameter in self.parameters] for slot in slots}
        self.steps = [torch.zeros((), dtype=torch.float32, device=p.device) for p in self.parameters]

    def gradients(self) -> list[Tensor]:
        """Return the gradients and let go of them; a parameter the loss does not reach counts as zero."""
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters]
        for parameter in self.parameters:
            parameter.grad = None
        return gradients

    def state(self) -> dict[str, Tensor]:
        state = {f"{name}.step": step for name, step in zip(self.named, self.steps, strict=True)}
        for slot, tensors in self.slots.items():
            state.update({f"{name}.{slot}": tensor for name, tensor in zip(self.named, tensors, strict=True)})
        return state


def _groups(named: dict[str, nn.Parameter], weight_decay: float, slots: tuple[str, ...]) -> list[_Group]:
    decayed = {name: p for name, p in named.items() if decays(name, p)}
    spared = {name: p for name, p in named.items() if name not in decayed}
    return [_Group(part, decay, slots) for part, decay in ((decayed, weight_decay), (spared, 0.0)) if part]


class FusedAdamW:
    """AdamW (Loshchilov and Hutter 2019) in one kernel per group."""

    def __init__(self, named: dict[str, nn.Parameter], settings: AdamW) -> None:
        self._settings = settings
        self._groups = _groups(named, settings.weight_decay, ("mean", "square"))

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """Update once; see Optimizer."""
        for group in self._groups:
            torch._foreach_add_(group.steps, 1)
            torch._fused_adamw_(
                group.parameters,
                group.gradients(),
                group.slots["mean"],
                group.slots["square"],
                [],
                group.steps,
                lr=self._settings.lr * factor,
                beta1=self._settings.betas[0],
                beta2=self._settings.betas[1],
                weight_decay=group.weight_decay,
                eps=self._settings.eps,
                amsgrad=False,
                maximize=False,
            )

    def state(self) -> dict[str, Tensor]:
        """Return moments and step counts; see Optimizer."""
        return {name: tensor for group in self._groups for name, tensor in group.state().items()}


class FusedSGD:
    """SGD with momentum in one kernel per group."""

    def __init__(self, named: dict[str, nn.Parameter], settings: SGD) -> None:
        self._settings = settings
        self._groups = _groups(named, settings.weight_decay, ("momentum",) if settings.momentum else ())

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """Update once; see Optimizer."""
        for group in self._groups:
            torch._fused_sgd_(
                group.parameters,
                group.gradients(),
                group.slots.get("momentum", []),
                weight_decay=group.weight_decay,
                momentum=self._settings.momentum,
                lr=self._settings.lr * factor,
                dampening=0.0,
                nesterov=self._settings.nesterov and self._settings.momentum > 0,
                maximize=False,
                is_first_step=False,
            )

    def state(self) -> dict[str, Tensor]:
        """Return the momenta, where there are any, and step counts; see Optimizer."""
        return {name: tensor for group in self._groups for name, tensor in group.state().items()}


class MuonWithAdamW:
    """Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon) on matrices and flattened kernels, AdamW elsewhere.

    The same update as torch.optim.Muon, which works in bfloat16: that is emulated, and slow, on most CPUs.
    """

    def __init__(self, named: dict[str, nn.Parameter], settings: Muon) -> None:
        self._settings = settings
        self._matrices = {name: p for name, p in named.items() if decays(name, p)}
        self._momenta = {name: torch.zeros_like(_as_matrix(p.detach(), p)) for name, p in self._matrices.items()}
        others = {name: p for name, p in named.items() if name not in self._matrices}
        self._adamw = FusedAdamW(others, AdamW(lr=settings.adamw_lr, weight_decay=0.0))

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """Update once; see Optimizer."""
        lr = self._settings.lr * factor
        for name, parameter in self._matrices.items():
            if parameter.grad is None:
                continue
            gradient, momentum = _as_matrix(parameter.grad, parameter), self._momenta[name]
            parameter.grad = None
            momentum.lerp_(gradient, 1 - self._settings.momentum)
            update = orthogonalise(gradient.lerp(momentum, self._settings.momentum))
            height, width = update.shape
            matrix = _as_matrix(parameter, parameter)
            matrix.mul_(1 - lr * self._settings.weight_decay)
            matrix.add_(update, alpha=-lr * max(1.0, height / width) ** 0.5)
        self._adamw.step(factor)

    def state(self) -> dict[str, Tensor]:
        """Return momenta and AdamW's state; see Optimizer."""
        momenta = {f"{name}.momentum": tensor for name, tensor in self._momenta.items()}
        return {**momenta, **self._adamw.state()}


def orthogonalise(matrix: Tensor, steps: int = 5) -> Tensor:
    """Push the singular values of a matrix [O, I] towards one by Newton-Schulz steps with Muon's quintic.

    A step multiplies X by aI + bA + cA^2 with A = X X^T. All these commute, so the steps are taken on the small square
    matrix alone and applied to X once: a third of the work for wide matrices.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / x.norm().clamp(min=1e-7)
    gram, total = x @ x.T, None
    identity = torch.eye(len(x), dtype=x.dtype, device=x.device)
    for left in reversed(range(steps)):
        polynomial = torch.addmm(gram, gram, gram, beta=b, alpha=c).add_(identity, alpha=a)
        total = polynomial if total is None else polynomial @ total
        if left:
            gram = polynomial @ gram @ polynomial
    assert total is not None
    x = total @ x
    return x.T if matrix.shape[0] > matrix.shape[1] else x


def _as_matrix(tensor: Tensor, parameter: Tensor) -> Tensor:
    """Lay a kernel [O, ...] out as a matrix [O, rest] in the order of the parameter's memory."""
    if parameter.ndim == 4 and not parameter.is_contiguous():
        tensor = tensor.permute(0, 2, 3, 1)
    return tensor.flatten(1)

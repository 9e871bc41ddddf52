"""Numbers out: one or several targets, as points or as quantiles.

The network works in scaled units; the activation returns the user's units with the training statistics written into
it as plain numbers, so every export carries them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from dlw.errors import DataError
from dlw.specs import FieldSpec, Outcome, OutputSpec
from dlw.tasks._base import Explained, Task, TaskSettings
from dlw.tasks._constants import Constant
from dlw.tasks._levels import Level, check_levels, middle

if TYPE_CHECKING:
    from torch import Tensor

TARGETS = {"number": ("values", "quantiles")}
OUTPUT = "vector"


class Settings(TaskSettings):
    """Options of the task `regression`."""

    scale: Literal["standard", "log", "none"] = Field(
        "standard",
        description="Units the network works in: standard (mean 0, deviation 1), log (log(1 + y), then standard; "
        "for targets of 0 and above), none.",
    )
    loss: Literal["mse", "mae", "huber"] | None = Field(
        None, description="Loss of a point, in scaled units; default mse. Quantiles have their own, the pinball loss."
    )
    huber_delta: float | None = Field(
        None, gt=0, le=1e6, description="Where the Huber loss turns from square to straight; default 1."
    )
    quantiles: list[Level] | None = Field(
        None, min_length=1, max_length=99, description="Levels to answer instead of a point, such as [0.1, 0.5, 0.9]."
    )

    @model_validator(mode="after")
    def _check(self) -> Settings:
        check_levels(self.quantiles, self.loss)
        if self.huber_delta is not None and self.loss != "huber":
            raise ValueError("huber_delta has no effect unless loss is huber")
        return self


def build(settings: Settings, target: FieldSpec) -> RegressionTask:
    """Bind the task to its target columns; raises DataError where `scale: log` meets negative targets."""
    return RegressionTask(settings, target)


class RegressionTask(Task):
    """Numbers. Answers {"values": [B, T]}, with quantiles also {"quantiles": [B, T, Q]}, in the user's units."""

    def __init__(self, settings: Settings, target: FieldSpec) -> None:
        self.settings = settings
        self.columns = target.columns
        self.levels = tuple(settings.quantiles or ())
        self.output = OutputSpec("vector", target.shape[0] * max(len(self.levels), 1))
        self.monitor = "pinball" if self.levels else "rmse"
        self.metrics: tuple[str, ...] = ("rmse", "mae", "r2")
        if self.levels:
            self.metrics = (*self.metrics, "pinball", "coverage")
        self._shift, self._width = map(Constant, _scaling(settings.scale, target))
        self._levels = Constant(self.levels)

    def loss(self, out: Tensor, target: Tensor) -> Tensor:
        """Return each row's loss [B] from [B, T] or [B, T * Q] and the target float32 [B, T] in the user's units."""
        from dlw.tasks._losses import pinball_loss, point_loss

        goal_BT = target.log1p() if self.settings.scale == "log" else target
        goal_BT = (goal_BT - self._shift.like(out)) / self._width.like(out)
        if self.levels:
            return pinball_loss(out.unflatten(-1, (-1, len(self.levels))), goal_BT, self._levels.like(out))
        return point_loss(out, goal_BT, kind=self.settings.loss or "mse", huber_delta=self.settings.huber_delta or 1.0)

    def activate(self, out: Tensor) -> dict[str, Tensor]:
        """Return the answers in the user's units; quantiles are sorted, so they never cross.

        Sorting never worsens the pinball loss (Chernozhukov, Fernández-Val and Galichon 2010, Econometrica 78(3)).
        """
        import torch

        # Written as constants of the traced graph, so not taken from the tensors kept for the loss.
        shift_T, width_T = (torch.tensor(part.values, device=out.device) for part in (self._shift, self._width))
        if not self.levels:
            values_BT = out.float() * width_T + shift_T
            return {"values": self._unscale(values_BT)}
        sorted_BTQ = out.float().unflatten(-1, (-1, len(self.levels))).sort(-1).values
        quantiles_BTQ = self._unscale(sorted_BTQ * width_T[:, None] + shift_T[:, None])
        return {"values": quantiles_BTQ[..., middle(self.levels)], "quantiles": quantiles_BTQ}

    def outcome(self, answers: Mapping[str, np.ndarray], target: np.ndarray) -> Outcome:
        """Lay answers beside the true values."""
        truth = np.asarray(target, np.float64)
        if self.levels:
            return Outcome("quantiles", np.asarray(answers["quantiles"], np.float64), truth, self.columns, self.levels)
        return Outcome("values", np.asarray(answers["values"], np.float64), truth, self.columns)

    @property
    def explained(self) -> Explained:
        """Each target has its value."""
        return Explained(self.columns, "value", is_choice=False)

    def score(self, out: Tensor, place: int) -> Tensor:
        """Return the value of a target [B], of quantiles the middle one."""
        return self.activate(out)["values"][:, place]

    def decode(self, answers: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Return one column per target, and with quantiles `<target>_q<percent>` for each level."""
        columns: dict[str, Any] = {}
        for place, name in enumerate(self.columns):
            columns[name] = np.asarray(answers["values"])[:, place]
            for q, level in enumerate(self.levels):
                columns[f"{name}_q{100 * level:g}"] = np.asarray(answers["quantiles"])[:, place, q]
        return columns

    def _unscale(self, values: Tensor) -> Tensor:
        return values.exp() - 1.0 if self.settings.scale == "log" else values


def _scaling(scale: str, target: FieldSpec) -> tuple[list[float], list[float]]:
    count = target.shape[0]
    if scale == "none":
        return [0.0] * count, [1.0] * count
    shift = [float(value) for value in target.statistics["mean"]]
    width = [float(value) or 1.0 for value in target.statistics["std"]]
    if scale == "standard":
        return shift, width
    logs = []
    for name, quantiles in zip(target.columns, target.statistics["quantiles"], strict=True):
        if quantiles[0] < 0:
            raise DataError(f"task: scale: log needs targets of 0 and above, but {name} starts at {quantiles[0]:g}")
        logs.append(np.log1p(quantiles))
    # The quantiles stand for the column: good enough for a choice of units.
    return [float(values.mean()) for values in logs], [float(values.std()) or 1.0 for values in logs]

"""What a series does next: several steps ahead, as points or as quantiles.

The target is a cell of series whose steps come right after the input's. Errors are measured in units of each column's
deviation in training, so that columns of different size count alike; answers are in the user's units.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from dlw.errors import DataError
from dlw.specs import Arrays, FieldSpec, Outcome, OutputSpec
from dlw.tasks._base import Task, TaskSettings
from dlw.tasks._constants import Constant
from dlw.tasks._levels import Level, check_levels, middle

if TYPE_CHECKING:
    from torch import Tensor

TARGETS = {"series": ("forecast", "forecast_quantiles")}
OUTPUT = "forecast"


class Settings(TaskSettings):
    """Options of the task `forecasting`."""

    loss: Literal["mse", "mae", "huber"] | None = Field(
        None,
        description="Loss of a point, in training deviations; default mse. Quantiles have the pinball loss.",
    )
    quantiles: list[Level] | None = Field(
        None, min_length=1, max_length=99, description="Levels to answer instead of a point, such as [0.1, 0.5, 0.9]."
    )

    @model_validator(mode="after")
    def _check(self) -> Settings:
        check_levels(self.quantiles, self.loss)
        return self


def build(settings: Settings, target: FieldSpec) -> ForecastingTask:
    """Bind the task to its target; raises DataError where target rows differ in length."""
    return ForecastingTask(settings, target)


class ForecastingTask(Task):
    """Steps ahead in the user's units: {"forecast": [B, H, C]}, with quantiles also {"quantiles": [B, H, C, Q]}."""

    def __init__(self, settings: Settings, target: FieldSpec) -> None:
        if target.is_ragged:
            raise DataError("task forecasting: the target's rows differ in length; set the `length` of its field")
        self.settings = settings
        self.columns = target.columns
        self.levels = tuple(settings.quantiles or ())
        self.scale = tuple(float(value) for value in target.statistics["std"])
        self._scale = Constant(self.scale)
        self.season = int(target.statistics.get("season", [0])[0])
        self.seasonal_error = tuple(target.statistics.get("seasonal_error", ()))
        steps, channels = target.shape
        self.output = OutputSpec("forecast", channels * max(len(self.levels), 1), steps=steps, columns=self.columns)
        self.monitor = "pinball" if self.levels else "mse"
        self.metrics: tuple[str, ...] = ("mse", "mae", *(("mase",) if self.season else ()))
        if self.levels:
            self.metrics = (*self.metrics, "pinball", "crps", "coverage")

    def loss(self, out: Tensor, target: Tensor) -> Tensor:
        """Return each row's loss [B] from [B, H, C * Q] and the target float32 [B, H, C]; unknown values count 0."""
        from dlw.tasks._losses import forecast_loss

        scale_C = self._scale.like(out)
        return forecast_loss(
            out.unflatten(-1, (len(self.columns), -1)) / scale_C[:, None],
            target / scale_C,
            kind=self.settings.loss or "mse",
            levels=self.levels,
        )

    def activate(self, out: Tensor) -> dict[str, Tensor]:
        """Return the answers; quantiles are sorted, so they never cross (as in regression)."""
        values_BHCQ = out.float().unflatten(-1, (len(self.columns), -1))
        if not self.levels:
            return {"forecast": values_BHCQ[..., 0]}
        quantiles_BHCQ = values_BHCQ.sort(-1).values
        return {"forecast": quantiles_BHCQ[..., middle(self.levels)], "quantiles": quantiles_BHCQ}

    def condense(self, answers: Arrays) -> Arrays:
        """Keep the quantiles alone where there are some: the point is one of them."""
        return {name: array for name, array in answers.items() if name == "quantiles" or not self.levels}

    def outcome(self, answers: Mapping[str, np.ndarray], target: np.ndarray) -> Outcome:
        """Lay answers beside what came."""
        kind, name = ("forecast_quantiles", "quantiles") if self.levels else ("forecast", "forecast")
        return Outcome(
            kind,
            np.asarray(answers[name]),
            np.asarray(target),
            self.columns,
            self.levels,
            scale=self.scale,
            season=self.season,
            seasonal_error=self.seasonal_error,
        )

    def layers(self, answers: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Return what comes after the series [N, H, C, Q], points as one level."""
        if self.levels:
            return np.asarray(answers["quantiles"])
        return np.asarray(answers["forecast"])[..., None]

    def decode(self, answers: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Return one column [N, H] per channel, and with quantiles `<channel>_q<percent>` for each level."""
        if not self.levels:
            return {name: np.asarray(answers["forecast"])[:, :, place] for place, name in enumerate(self.columns)}
        quantiles_NHCQ = np.asarray(answers["quantiles"])
        columns: dict[str, Any] = {}
        for place, name in enumerate(self.columns):
            columns[name] = quantiles_NHCQ[:, :, place, middle(self.levels)]
            for q, level in enumerate(self.levels):
                columns[f"{name}_q{100 * level:g}"] = quantiles_NHCQ[:, :, place, q]
        return columns

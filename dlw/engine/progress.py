"""How far a run is, and what is due when."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import NoneType
from typing import Any

import torch
from torch import Tensor

from dlw.errors import CheckpointError, UsageError
from dlw.recipe.schema import DEFAULT_EPOCHS, EarlyStopping, Train

Calibration = dict[str, float | dict[str, float]]


@dataclass
class Progress:
    """How far a run is; stored in every checkpoint."""

    step: int = 0
    """Optimizer steps done."""
    validated: int = 0
    """Step of the last validation."""
    best: float | None = None
    best_step: int | None = None
    stale: int = 0
    """Validations since the best one."""
    is_finished: bool = False
    calibration: Calibration = field(default_factory=dict)
    """Options of the task found at the last validation."""
    loss_count: int = 0
    loss_sum: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.float64))
    """Sum of the batch losses since the last validation; on the device, read rarely."""

    def add_loss(self, loss: Tensor) -> None:
        """Count a batch's loss without waiting for the device."""
        self.loss_sum = self.loss_sum.to(loss.device) + loss
        self.loss_count += 1

    def interval_loss(self) -> dict[str, float]:
        """Return the mean training loss since the last validation."""
        return {"train/loss": self.loss_sum.item() / self.loss_count} if self.loss_count else {}

    def start_interval(self) -> None:
        """Begin a new mean of the training loss; called once a validation is recorded."""
        self.validated = self.step
        self.loss_count, self.loss_sum = 0, torch.zeros((), dtype=torch.float64)

    def note(self, value: float | None, is_higher_better: bool, stopping: EarlyStopping | None) -> bool:
        """Take in the monitored value of a validation and say whether it is the best so far; NaN never is."""
        if value is None:
            return False
        margin = stopping.min_delta if stopping else 0.0
        sign = 1 if is_higher_better else -1
        is_best = not math.isnan(value) and (self.best is None or sign * (value - self.best) > margin)
        if is_best:
            self.best, self.best_step, self.stale = value, self.step, 0
        else:
            self.stale += 1
        return is_best

    def is_out_of_patience(self, stopping: EarlyStopping | None) -> bool:
        """Say whether validation has stopped improving."""
        return stopping is not None and self.stale >= stopping.patience

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able mapping that `from_json` restores exactly."""
        values = {key: value for key, value in vars(self).items() if key != "loss_sum"}
        return {**values, "loss_sum": self.loss_sum.item()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Progress:
        """Restore what `to_json` gave; raises CheckpointError for anything else."""
        data = {"calibration": {}, **data}  # checkpoints of dlw 0.1 may lack it
        counts = ("step", "validated", "stale", "loss_count")
        kinds: dict[str, tuple[type, ...]] = {
            **dict.fromkeys(counts, (int,)),
            "best": (float, int, NoneType),
            "best_step": (int, NoneType),
            "is_finished": (bool,),
            "loss_sum": (float,),
            "calibration": (dict,),
        }
        wrong = [name for name in kinds if type(data.get(name, ...)) not in kinds[name]]
        wrong += [name for name in counts if name not in wrong and not 0 <= data[name] < 2**63]
        wrong += [name for name in data if name not in kinds]
        if "calibration" not in wrong and not all(map(_is_found, data["calibration"].values())):
            wrong.append("calibration")
        if wrong:
            raise CheckpointError(f"the state of the training is not what dlw writes: {', '.join(wrong)[:100]}")
        return cls(**{**data, "loss_sum": torch.tensor(data["loss_sum"], dtype=torch.float64)})


def _is_found(value: Any) -> bool:
    """Say whether a value is what a task finds: a number, or one for each of some names."""
    numbers = value.values() if type(value) is dict else [value]
    return all(type(number) is float for number in numbers)


class Plan:
    """Turns a recipe's durations into steps of this data."""

    def __init__(self, settings: Train, save_every: str, num_rows: int) -> None:
        self.batch_size = settings.batch_size
        rows_per_step = settings.batch_size * settings.accumulate
        if rows_per_step > num_rows:
            what = f"train.batch_size {settings.batch_size}"
            if settings.accumulate > 1:
                what += f" x train.accumulate {settings.accumulate}"
            raise UsageError(f"{what} is larger than the training split of {num_rows} rows; use a smaller batch")
        self.steps_per_epoch = num_rows // rows_per_step
        self.batches_per_epoch = self.steps_per_epoch * settings.accumulate
        self.total_steps = settings.steps or (settings.epochs or DEFAULT_EPOCHS) * self.steps_per_epoch
        self._accumulate = settings.accumulate
        self._validate_every = self._steps(settings.validate_every)
        self._save_every = self._steps(save_every)
        self._save_seconds = self._seconds(save_every)
        self._saved_at = time.monotonic()
        self._saved_step = -1
        self.agree: Callable[[bool], bool] = bool
        """Makes one answer of what the clocks of several processes say."""

    def first_batch(self, step: int) -> int:
        """Return the number, in the run, of the first batch of a step (from 0)."""
        return step * self._accumulate

    def epoch(self, progress: Progress) -> int:
        """Return the epoch, from 0, that the next step belongs to."""
        return progress.step // self.steps_per_epoch

    def passes(self, progress: Progress) -> float:
        """Return how many times the training split has been seen."""
        return round(progress.step / self.steps_per_epoch, 4)

    def is_validation_due(self, progress: Progress) -> bool:
        """Say whether the validation split is to be scored now."""
        if progress.validated >= progress.step:
            return False
        return progress.step >= self.total_steps or progress.step % self._validate_every == 0

    def is_save_due(self, progress: Progress) -> bool:
        """Say whether a checkpoint is to be saved now."""
        if progress.step == 0 or self._saved_step == progress.step:
            return False
        if self._save_seconds:
            return self.agree(time.monotonic() - self._saved_at >= self._save_seconds)
        return progress.step % self._save_every == 0

    def note_save(self, progress: Progress) -> None:
        """Remember that a checkpoint was saved now."""
        self._saved_at, self._saved_step = time.monotonic(), progress.step

    def _steps(self, interval: str) -> int:
        number, unit = interval.split()
        return int(number) * (self.steps_per_epoch if unit.startswith("epoch") else 1)

    @staticmethod
    def _seconds(interval: str) -> float:
        number, unit = interval.split()
        return int(number) * 60.0 if unit.startswith("minute") else 0.0

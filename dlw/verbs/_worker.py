"""One process of a sweep: makes trials as ordinary runs in the sweep's folder, and keeps the best run and recipe."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna

from dlw.errors import (
    Interrupted,
    NonFiniteError,
    RecipeError,
    RunError,
    RunInUseError,
    UsageError,
    out_of_memory,
)
from dlw.progress import Listener
from dlw.recipe.compose import dump, resolve
from dlw.runs import disk
from dlw.runs.layout import Run
from dlw.verbs import _study
from dlw.verbs._space import Space, shown
from dlw.verbs._study import Row
from dlw.verbs.train import train

BEST = "best.yaml"

_WAIT_SECONDS = 1.0


@dataclass
class Worker:
    """Makes trials of one sweep in this process; `stop_signal` returns the signal that asks it to stop, or None."""

    folder: Path
    study: optuna.Study
    space: Space
    monitor: str
    code: Sequence[Path]
    listener: Listener
    stop_signal: Callable[[], int | None]
    warned: set[str] = field(default_factory=set)

    def work(self, trials: int) -> None:
        """Make trials, and wait for those of other workers, until `trials` have ended."""
        is_told = False
        while True:
            self.stop_if_asked()
            _study.put_back_silent(self.study)
            rows = _study.rows(self.study)
            running = [str(row.number) for row in rows if row.state == "running"]
            if len(rows) < trials or any(row.state == "waiting" for row in rows):
                self._make_one(trials)
            elif running:
                if not is_told:
                    self.listener.line(f"waiting for other workers, who make trial {', '.join(running)}")
                is_told = True
                time.sleep(_WAIT_SECONDS)
            else:
                self._tidy(is_over=True)
                return

    def stop_if_asked(self) -> None:
        """Raise Interrupted where a signal came."""
        if (number := self.stop_signal()) is not None:
            raise Interrupted("stopped", number)

    def _make_one(self, trials: int) -> None:
        """Begin the next trial, or go on with one that was put back, and see it to its end."""
        begun: list[optuna.Trial] = []

        def objective(trial: optuna.Trial) -> float:
            begun.append(trial)
            if _study.is_beyond(self.study, trial, trials):
                raise _study.WithdrawnError
            return self._learned(trial)

        try:
            self.study.optimize(objective, n_trials=1, catch=(_study.FailedError, _study.WithdrawnError))
        except Interrupted:
            if not _study.is_put_back(self.study, begun[0]):
                _study.put_back(self.study, _study.newest(self.study)[_study.number_of(self.study, begun[0])])
            raise
        except (ValueError, RuntimeError):
            # Optuna will not hear of a trial that was put back because its worker was silent for too long.
            if not begun or not _study.is_put_back(self.study, begun[0]):
                raise
            number = _study.number_of(self.study, begun[0])
            self.listener.warn(f"trial {number} was taken over by another worker")
            return
        self._tell(_study.number_of(self.study, begun[0]))
        self._tidy()

    def _learned(self, trial: optuna.Trial) -> float:
        """Train a trial's recipe; return its best score, or raise what became of it instead."""
        number = _study.number_of(self.study, trial)
        tried = self.space.suggest(trial, is_written=number == 0)
        try:
            score = self._train(trial, number, {} if number == 0 else tried)
        except NonFiniteError as error:
            raise _study.fail(trial, str(error)) from None
        except RunInUseError as error:
            raise _study.WithdrawnError from error
        except (RecipeError, UsageError) as error:
            raise UsageError(f"trial {number} ({_listed(tried)}): {error}") from error
        except (MemoryError, RuntimeError) as error:
            if (memory := out_of_memory(error)) is None:
                raise
            raise _study.fail(trial, str(memory)) from None
        if score is None or not math.isfinite(score):
            raise _study.fail(trial, f"{self.monitor} was never a number")
        return score

    def _train(self, trial: optuna.Trial, number: int, tried: Mapping[str, Any]) -> float | None:
        """Train by a trial's recipe, or go on with its run where that was begun here; return the best score."""
        file, run = self.folder / "trials" / f"{number}.yaml", Run(self.folder / "trials" / str(number))
        disk.write_atomic(file, dump(resolve(self.space.recipe(tried))).encode())
        listener = _TrialListener(self, trial, number)
        if run.recipe.exists():
            try:
                return train(resume=run.folder, code=self.code, listener=listener).best
            except RunInUseError:
                raise
            except RunError as error:
                self.listener.warn(f"trial {number} begins again: {error}")
                disk.remove_tree(run.folder)
        return train(file, out=run.folder, code=self.code, listener=listener).best

    def _tell(self, number: int) -> None:
        """Say what became of a trial that has just ended."""
        best = _study.best(self.study)
        for row in _study.rows(self.study):
            if row.number == number:
                ended = row.reason if row.score is None else f"{self.monitor} {row.score:.4g}"
                lead = "" if best is None else f", best {best.score:.4g} by trial {best.number}"
                self.listener.line(f"trial {number} {row.state}: {ended}{lead} ({_listed(row.params)})")

    def _tidy(self, *, is_over: bool = False) -> None:
        """Write the best recipe, and delete the runs of trials that have ended; of all but the best once it is over."""
        rows, best = _study.rows(self.study), _study.best(self.study)
        kept = "" if best is None else str(best.number)
        ended = {str(row.number) for row in rows if row.is_finished}
        for name in disk.names(self.folder / "trials"):
            run = Run(self.folder / "trials" / name)
            is_left = is_over and name.isdecimal() and not disk.is_locked(run.lock)
            if name != kept and (name in ended or is_left):
                disk.remove_tree(run.folder)
        if best is not None:
            tree = resolve(self.space.recipe({} if best.number == 0 else best.params))
            disk.write_atomic(self.folder / BEST, (self._head(best, rows) + dump(tree)).encode())

    def _head(self, best: Row, rows: Sequence[Row]) -> str:
        """Return the lines above the best recipe: where it comes from, and how far to trust its score."""
        written = next((row for row in rows if row.number == 0 and row.score is not None), None)
        beside = f"; as written {written.score:.6g}" if written and written.number != best.number else ""
        return (
            f"# Trial {best.number} of {len(rows)} that `dlw sweep` made in {self.folder.name}: "
            f"{self.monitor} {best.score:.6g}{beside}.\n"
            f"# It was chosen by that score; the test split, which no trial was scored on, says what it is worth.\n"
            f"# Values: {_listed(best.params)}.\n"
        )


@dataclass(frozen=True)
class _TrialListener:
    """Hears a trial's training: its lines stay in the run's log, its scores decide whether it goes on."""

    worker: Worker
    trial: optuna.Trial
    number: int

    def line(self, text: str) -> None:
        """Leave it to the log."""

    def warn(self, text: str) -> None:
        """Pass on what no trial has said yet."""
        if text not in self.worker.warned:
            self.worker.warned.add(text)
            self.worker.listener.warn(text)

    def progress(self, stage: str, done: int, total: int, values: Mapping[str, float]) -> None:
        """Pass it on; end the training where a signal came or where it is behind most others."""
        self.worker.stop_if_asked()
        self.worker.listener.progress(f"trial {self.number}", done, total, values)
        score = values.get(self.worker.monitor) if stage == "validation" else None
        if score is None or not math.isfinite(score) or done >= total:
            return
        # Trials may differ in their number of steps: what they have in common is the share that is behind them.
        self.trial.report(score, done * 1000 // total)
        if self.trial.should_prune():
            raise optuna.TrialPruned


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {shown(value)}" for key, value in values.items()) or "as written"

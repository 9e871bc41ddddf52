"""A sweep's trials in Optuna: what the next one tries, which ones count, and who goes on with one left behind.

A trial keeps its number for good. Where its worker falls silent, or is stopped, its row in the storage ends and a new
row, with the trial's number as an attribute, waits for whoever comes next; only the newest row of a trial counts.
"""

from __future__ import annotations

import fcntl
import json
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from dlw.errors import ResourceError, UsageError
from dlw.verbs._space import plain, shown

HEARTBEAT_SECONDS = 10
SILENT_SECONDS = 60
"""A worker that has not been heard for so long is taken for dead."""

MOST_DEATHS = 3
"""Workers that a trial may take with it before it counts as failed."""

BUSY_SECONDS = 60
"""How long a process waits for another one to let go of the SQLite file."""

_NUMBER, _DEATHS, _REASON, _RECIPE = "number", "deaths", "reason", "recipe"
_STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


@dataclass(frozen=True)
class Row:
    """One trial. `params` are values by their keys in the recipe, `score` the best of the monitored metric."""

    number: int
    state: str
    score: float | None
    params: dict[str, Any]
    seconds: float | None
    """From its start to its end, in the worker that ended it."""
    reason: str | None
    """Why it failed."""

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state in ("complete", "pruned", "failed")

    def shown(self) -> dict[str, str]:
        """Return the values for people, by key."""
        return {key: shown(value) for key, value in self.params.items()}


class FailedError(Exception):
    """The trial failed, and counts."""


class WithdrawnError(Exception):
    """The trial is given up and does not count."""


class Sampler(optuna.samplers.BaseSampler):
    """Tree-structured Parzen estimator (Bergstra et al. 2011, NeurIPS 24; Optuna's), drawn anew for every trial.

    The randomness of a trial is a function of (seed, trial), so one worker alone makes the same trials again. Trial 0
    is the recipe as written; `written` are its values, as far as the search holds them.
    """

    def __init__(self, seed: int, written: Mapping[str, Any]) -> None:
        self._seed, self._written, self._number = seed, written, 0
        self._tpe = optuna.samplers.TPESampler(seed=seed)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Begin a trial; see BaseSampler."""
        self._number = number_of(study, trial)
        seed = np.random.SeedSequence([self._seed, self._number]).generate_state(1)[0]
        self._tpe = optuna.samplers.TPESampler(seed=int(seed))
        return self._tpe.infer_relative_search_space(study, trial) if self._number else {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """See BaseSampler."""
        return self._tpe.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """See BaseSampler."""
        if not self._number:
            return self._written[param_name]
        return self._tpe.sample_independent(study, trial, param_name, param_distribution)


def open_study(
    url: str | None, folder: Path, name: str, recipe: Mapping[str, Any], sampler: Sampler, *, is_higher_better: bool
) -> optuna.Study:
    """Open or create a study at a database URL, else in a SQLite file of the sweep's folder.

    `recipe` is what all workers must agree on: UsageError names the differences. ResourceError where the database
    cannot be used.
    """
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    # Median stopping rule (Golovin et al. 2017, KDD: Google Vizier), from a quarter of the training on (in thousandths)
    # and once five trials have come that far.
    pruner = optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=250, n_min_trials=5)
    with _alone(folder), told():
        study = optuna.create_study(
            storage=_storage(url, folder),
            study_name=name,
            direction="maximize" if is_higher_better else "minimize",
            load_if_exists=True,
            sampler=sampler,
            pruner=pruner,
        )
        stored = study.user_attrs.get(_RECIPE)
        if stored is None:
            study.set_user_attr(_RECIPE, json.dumps(recipe))
            return study
    before, now = json.loads(stored), json.loads(json.dumps(recipe))
    changed = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    if changed:
        said = "; ".join(f"{key} was {_shown(before.get(key))} and is {_shown(now.get(key))}" for key in changed[:5])
        raise UsageError(
            f"{folder}: holds a sweep over another recipe: {said}; choose another folder with --out"
            + (" and another name with --set name=..." if url else "")
        )
    return study


def number_of(study: optuna.Study, row: FrozenTrial | optuna.Trial) -> int:
    """Return the number of the trial that a row of the storage belongs to: rows that go on with one count for none."""
    if _NUMBER in row.user_attrs:
        return int(row.user_attrs[_NUMBER])
    return sum(other.number < row.number and _NUMBER not in other.user_attrs for other in _all(study))


def newest(study: optuna.Study) -> dict[int, FrozenTrial]:
    """Return the newest row of every trial, by the trial's number."""
    found, fresh = {}, 0
    for row in sorted(_all(study), key=lambda row: row.number):
        found[row.user_attrs.get(_NUMBER, fresh)] = row
        fresh += _NUMBER not in row.user_attrs
    return found


def _all(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False)


def rows(study: optuna.Study) -> list[Row]:
    """Return every trial that counts, by number."""
    found = newest(study).items()
    counted = {n: row for n, row in found if row.state != TrialState.FAIL or _REASON in row.user_attrs}
    return [_row(number, counted[number]) for number in sorted(counted)]


def _row(number: int, row: FrozenTrial) -> Row:
    return Row(
        number=number,
        state=_STATES[row.state],
        score=row.value if row.state in (TrialState.COMPLETE, TrialState.PRUNED) else None,
        params={key: plain(held) for key, held in sorted(row.params.items())},
        seconds=None if row.duration is None else round(row.duration.total_seconds(), 3),
        reason=row.user_attrs.get(_REASON) if row.state == TrialState.FAIL else None,
    )


def best(study: optuna.Study) -> Row | None:
    """Return the complete trial with the best score, the first of equals; None where none is complete."""
    complete = [row for row in rows(study) if row.state == "complete" and row.score is not None]
    sign = -1 if study.direction == optuna.study.StudyDirection.MAXIMIZE else 1
    return min(complete, key=lambda row: (sign * (row.score or 0.0), row.number), default=None)


def is_beyond(study: optuna.Study, trial: optuna.Trial, trials: int) -> bool:
    """Say whether a trial just begun is one too many, as other workers began theirs at the same time."""
    own = number_of(study, trial)
    return sum(row.number < own for row in rows(study)) >= trials


def fail(trial: optuna.Trial, reason: str) -> FailedError:
    """Note why a trial failed; raise what this returns."""
    trial.set_user_attr(_REASON, reason)
    return FailedError(reason)


def put_back(study: optuna.Study, row: FrozenTrial, *, deaths: int = 0) -> None:
    """Let whoever comes next go on with a trial whose row has ended, with what it has reported."""
    deaths += row.user_attrs.get(_DEATHS, 0)
    kept = {name: value for name, value in row.user_attrs.items() if name != _REASON}
    attributes = {**kept, _NUMBER: number_of(study, row), _DEATHS: deaths}
    if deaths >= MOST_DEATHS:
        attributes[_REASON] = f"its worker died, {deaths} times"
    study.add_trial(
        optuna.create_trial(
            state=TrialState.FAIL if deaths >= MOST_DEATHS else TrialState.WAITING,
            params=row.params,
            distributions=row.distributions,
            user_attrs=attributes,
            intermediate_values=row.intermediate_values,
        )
    )


def is_put_back(study: optuna.Study, trial: optuna.Trial) -> bool:
    """Say whether somebody else goes on with a trial."""
    return newest(study)[number_of(study, trial)].number != trial.number


def put_back_silent(study: optuna.Study) -> None:
    """Put back the trials whose workers have fallen silent."""
    with _quiet(), told():
        optuna.storages.fail_stale_trials(study)


def importances(study: optuna.Study) -> dict[str, float]:
    """Return the share of each key in what makes a trial good, largest first; empty where too few are complete.

    PED-ANOVA (Watanabe et al. 2023, arXiv:2304.10255).
    """
    complete = [row for row in rows(study) if row.state == "complete" and row.params]
    if len({row.score for row in complete}) < 2 or len(complete) < 4:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that some values were tried only once
        return {key: float(share) for key, share in optuna.importance.get_param_importances(study).items()}


def shown_url(url: str) -> str:
    """Return a database URL without its password."""
    return make_url(url).render_as_string(hide_password=True)


@contextmanager
def told() -> Iterator[None]:
    """Turn the failures of a database into a ResourceError that says what it said, without the password."""
    try:
        yield
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        cause = error.__cause__ or error
        raise ResourceError(f"the sweep's storage failed: {str(cause).partition(chr(10))[0]}") from None


def _storage(url: str | None, folder: Path) -> optuna.storages.RDBStorage:
    """Connect to a database; raises UsageError where the URL is wrong or its driver is missing."""
    arguments: dict[str, Any] = {"pool_pre_ping": True}
    if url is None:
        url = URL.create("sqlite", database=str((folder / "trials.db").resolve())).render_as_string()
        arguments = {"connect_args": {"timeout": BUSY_SECONDS}}
    try:
        with _quiet():
            return optuna.storages.RDBStorage(
                url.replace("{", "{{").replace("}", "}}"),
                engine_kwargs=arguments,
                heartbeat_interval=HEARTBEAT_SECONDS,
                grace_period=SILENT_SECONDS,
                heartbeat_stale_trial_callback=lambda study, row: put_back(study, row, deaths=1),
            )
    except ImportError as error:
        raise UsageError(f"--storage: {error.__cause__ or error}; install the database's driver for Python") from None
    except (ArgumentError, NoSuchModuleError):
        raise UsageError("--storage: expected a URL such as postgresql://user@host/database") from None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other workers of this folder waiting: the tables of a new file are made once."""
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back the warnings that parts of Optuna are experimental."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


def _shown(value: Any) -> str:
    return "not there" if value is None else json.dumps(value)

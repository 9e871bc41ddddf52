"""What several processes of one verb do differently from one alone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlw.errors import DataError, DistributedError, UsageError
from dlw.progress import Listener
from dlw.ranks import Place, find_place
from dlw.recipe.schema import Recipe
from dlw.runs import store
from dlw.runs.disk import TEMPORARY
from dlw.runs.layout import Run

if TYPE_CHECKING:
    from dlw.engine.loop import Job
    from dlw.engine.progress import Plan, Progress
    from dlw.engine.signals import StopRequest
    from dlw.engine.team import Team


@contextmanager
def together(listener: Listener) -> Iterator[Team | None]:
    """Join the other processes that the environment tells of, for the block; None where this process is alone."""
    place = find_place()
    if place is None:
        yield None
        return
    from dlw.engine.team import join

    try:
        with join(place, listener.warn) as team:
            yield team
    except DistributedError as error:
        tell_launcher(place, str(error))
        raise


def tell_launcher(place: Place, message: str) -> None:
    """Say what failed to the process that `--devices` made the launcher, which speaks for all."""
    if place.launcher is not None:
        os.write(place.launcher[1], f"{message}\n".encode()[:4096])


def is_first(team: Team | None) -> bool:
    """Say whether this process keeps the run directory and speaks."""
    return team is None or team.is_first


def refuse_unequal(recipe: Recipe, processes: int) -> None:
    """Raise UsageError where a recipe cannot be learned by so many processes."""
    size = recipe.train.batch_size
    if size % processes:
        raise UsageError(
            f"train.batch_size: {size} rows cannot be shared equally by {processes} processes; "
            f"{size // processes * processes or processes} or {(size // processes + 1) * processes} can"
        )
    if processes == 1 and recipe.train.shard:
        raise UsageError("train.shard: has no effect in one process; give --devices, or leave it out")


def begun_before(team: Team | None, out: Path | None) -> Path | None:
    """Return the run to go on with where torchrun or SLURM started these processes again."""
    if team is None or not team.place.restarts:
        return None
    if out is None:
        raise UsageError("started again, and which run to go on with? Name it by --out, then a restart continues it")
    return out if Run(out).recipe.exists() else None


def cache_of(run: Run, team: Team | None) -> Path:
    """Return the folder that sources may write to: each process has its own."""
    return run.folder / (f"{TEMPORARY}cache-{team.rank}" if team and not team.is_first else ".cache")


def first_home(recipe: Recipe) -> Any:
    """Return where a network is built that no device may hold in full: in the host's memory; None for the device."""
    if not recipe.train.shard:
        return None
    import torch

    return torch.device("cpu")


def has_checkpoint(run: Run, team: Team | None) -> bool:
    """Say whether anything was saved, as rank 0 sees it."""
    if team is None:
        return store.has_checkpoint(run)
    return bool(team.tell(store.has_checkpoint(run) if team.is_first else None))


def spread_over(team: Team, job: Job, plan: Plan, recipe: Recipe) -> Job:
    """Return a job that has its first weights, or those of a checkpoint, for all processes together."""
    from dlw.engine.spread import spread

    plan.agree = lambda is_due: bool(team.highest(int(is_due)))
    return spread(job, recipe.optimizer, team)


def refuse_dry_run_together() -> None:
    """Raise UsageError: a trial is made by one process."""
    if find_place() is not None:
        raise UsageError("--dry-run tries a recipe in one process; start it without torchrun, srun or --devices")


def require_same_data(team: Team, prints: Mapping[str, Any]) -> None:
    """Raise DataError naming the processes that read other rows than rank 0."""
    found = team.gather(str(prints["data"]).encode())
    others = [str(rank) for rank, digest in enumerate(found) if digest != found[0]]
    if others:
        raise DataError(f"rank {', '.join(others)} reads other data than rank 0: all must see the same files")


class Onlooker:
    """The sink of a process that leaves the run directory to rank 0; see engine.loop.Sink."""

    def record(self, values: Mapping[str, float | int]) -> None:
        """Leave it to rank 0."""

    def save(self, job: Job, progress: Progress, *, is_best: bool) -> None:
        """Hand over this process's parts."""
        from dlw.engine.loop import tensors

        tensors(job)

    def reset(self) -> None:
        """Leave it to rank 0."""

    def at(self, step: int | None) -> dict[str, float]:
        """Nothing is known here."""
        return {}


class Agreed:
    """A request to stop that came to any of the processes; all see it at the same step."""

    def __init__(self, own: StopRequest, team: Team) -> None:
        self._own, self._team = own, team
        self.signal_number: int | None = None

    def __call__(self) -> bool:
        self.signal_number = self._team.highest(self._own.signal_number or 0) or None
        return self.signal_number is not None

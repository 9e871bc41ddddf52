"""What a training took: time, processor time, memory, and an estimate of the energy, kept in the run's cost.json.

Energy is estimated as by Green Algorithms (Lannelongue, Grealey and Inouye 2021, doi:10.1002/advs.202100707): 12 W for
a core that is busy, 0.3725 W for a gigabyte of memory; without cooling, and without a GPU, whose draw is not known.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from dlw.runs.disk import write_json
from dlw.runs.layout import Run
from dlw.verbs._machine import peak_memory_bytes

if TYPE_CHECKING:
    from dlw.engine.progress import Progress

WATTS_OF_A_CORE = 12.0
WATTS_OF_A_GIGABYTE = 0.3725
JOULES_OF_A_WATT_HOUR = 3600.0


@dataclass(frozen=True)
class Sitting:
    """One stretch of training without a stop; a training that was killed leaves none."""

    first_step: int
    last_step: int
    seconds: float
    cpu_seconds: float
    peak_memory_bytes: int
    """Of the whole process so far."""


@dataclass(frozen=True)
class Cost:
    """All sittings of a training together."""

    sittings: tuple[Sitting, ...]

    @property
    def steps(self) -> int:
        """Steps that were taken in these sittings; fewer than the run has where one was killed."""
        return sum(one.last_step - one.first_step for one in self.sittings)

    @property
    def seconds(self) -> float:
        """Time on the clock."""
        return sum(one.seconds for one in self.sittings)

    @property
    def cpu_seconds(self) -> float:
        """Processor time over all cores."""
        return sum(one.cpu_seconds for one in self.sittings)

    @property
    def peak_memory_bytes(self) -> int:
        """The most memory of a sitting."""
        return max((one.peak_memory_bytes for one in self.sittings), default=0)

    @property
    def watt_hours(self) -> float:
        """The energy estimate."""
        memory = sum(one.peak_memory_bytes / 1e9 * one.seconds for one in self.sittings)
        return (WATTS_OF_A_CORE * self.cpu_seconds + WATTS_OF_A_GIGABYTE * memory) / JOULES_OF_A_WATT_HOUR


@contextmanager
def measured(run: Run, progress: Progress) -> Iterator[None]:
    """Add a sitting to the run's cost.json when the block ends, also by an error."""
    first, start, cpu = progress.step, time.perf_counter(), time.process_time()
    try:
        yield
    finally:
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
        sitting = Sitting(first, progress.step, round(seconds, 3), round(cpu_seconds, 3), peak_memory_bytes())
        write_json(run.cost, {"sittings": [asdict(one) for one in (*cost_of(run).sittings, sitting)]})


def cost_of(run: Run) -> Cost:
    """Return what is known of a run's cost: no sittings where it has no cost.json."""
    if not run.cost.exists():
        return Cost(())
    return Cost(tuple(Sitting(**one) for one in json.loads(run.cost.read_bytes())["sittings"]))

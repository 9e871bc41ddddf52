"""Which process of how many this one is, read from what torchrun, Kubernetes or SLURM put into the environment.

No torch: the command line asks too. A process alone has no place.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from dlw.errors import UsageError

LAUNCHER = "DLW_LAUNCHER"
"""Set for the processes that `--devices` starts: the launcher's process id and the file descriptor it reads."""

GONE = "is gone"
"""How the message about a process ends of which nothing is known but that it no longer is there."""


@dataclass(frozen=True)
class Place:
    """One process among several: its rank from 0, here and on its machine, and where rank 0 is met."""

    rank: int
    size: int
    local_rank: int
    local_size: int
    address: str
    port: int
    restarts: int = 0
    """How often these processes were started again."""
    launcher: tuple[int, int] | None = None
    """Process id and file descriptor of the launcher, where it is dlw's own."""


def find_place(environment: Mapping[str, str] | None = None) -> Place | None:
    """Return this process's place, None where it is alone; UsageError where the variables contradict one another."""
    variables = os.environ if environment is None else environment
    if "RANK" in variables or "WORLD_SIZE" in variables:
        return _named(variables)
    if "SLURM_PROCID" in variables:
        return _of_slurm(variables)
    return None


def is_first() -> bool:
    """Say whether this process speaks for all: it is rank 0, or alone."""
    place = find_place()
    return place is None or place.rank == 0


def first_host(nodes: str) -> str:
    """Return the first host of a SLURM node list: `gpu[07-09,12],big1` is gpu07."""
    match = re.match(r"([^,\[]+)(?:\[(\w+)[^\]]*\]([^,\[]*))?", nodes)
    if match is None:
        raise UsageError(f"the list of nodes {nodes!r} is not SLURM's; set MASTER_ADDR to the host of rank 0")
    return "".join(part or "" for part in match.groups())


def _named(variables: Mapping[str, str]) -> Place | None:
    """What torchrun sets, and a PyTorchJob of Kubernetes."""
    size = _number(variables, "WORLD_SIZE", 1)
    if size == 1:
        return None
    rank = _number(variables, "RANK")
    _require(rank < size, f"RANK {rank} of WORLD_SIZE {size}: ranks count from 0")
    address, launcher = variables.get("MASTER_ADDR", ""), variables.get(LAUNCHER)
    _require(bool(address), "MASTER_ADDR is missing: the host of rank 0")
    return Place(
        rank,
        size,
        _number(variables, "LOCAL_RANK", 0),
        _number(variables, "LOCAL_WORLD_SIZE", 1),
        address,
        _number(variables, "MASTER_PORT", 29500),
        _number(variables, "TORCHELASTIC_RESTART_COUNT", 0),
        (int(launcher.split(":")[0]), int(launcher.split(":")[1])) if launcher else None,
    )


def _of_slurm(variables: Mapping[str, str]) -> Place | None:
    """What srun sets. The batch script itself has a SLURM_PROCID too, but is no step: it is alone."""
    if "SLURM_STEP_ID" not in variables and "SLURM_STEP_NUM_TASKS" not in variables:
        return None
    size = _number(variables, "SLURM_STEP_NUM_TASKS", _number(variables, "SLURM_NTASKS", 1))
    if size == 1:
        return None
    here = variables.get("SLURM_STEP_TASKS_PER_NODE") or variables.get("SLURM_TASKS_PER_NODE") or "1"
    counts = [int(count) for count, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", here) for _ in range(int(times or 1))]
    node = _number(variables, "SLURM_NODEID", 0)
    local_size = counts[node] if node < len(counts) else counts[-1]
    nodes = variables.get("SLURM_STEP_NODELIST") or variables.get("SLURM_JOB_NODELIST") or "localhost"
    job = f"{variables.get('SLURM_JOB_ID', '')}.{variables.get('SLURM_STEP_ID', '')}"
    return Place(
        _number(variables, "SLURM_PROCID"),
        size,
        _number(variables, "SLURM_LOCALID", 0),
        local_size,
        variables.get("MASTER_ADDR") or ("127.0.0.1" if local_size == size else first_host(nodes)),
        _number(variables, "MASTER_PORT", 20_000 + zlib.crc32(job.encode()) % 10_000),
        _number(variables, "SLURM_RESTART_COUNT", 0),
    )


def _number(variables: Mapping[str, str], name: str, default: int | None = None) -> int:
    text = variables.get(name, "" if default is None else str(default))
    _require(text.isdecimal(), f"{name}={text}: expected a whole number; torchrun, srun and PyTorchJob set it")
    return int(text)


def _require(is_met: bool, message: str) -> None:
    if not is_met:
        raise UsageError(f"the variables that say which process this is contradict one another: {message}")

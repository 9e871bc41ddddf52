"""Where a process finds its place: torchrun, Kubernetes, srun, and what is not one of several."""

from __future__ import annotations

import pytest

from dlw.errors import UsageError
from dlw.ranks import Place, find_place, first_host

TORCHRUN = {
    "RANK": "3",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "node1",
    "MASTER_PORT": "1234",
    "TORCHELASTIC_RESTART_COUNT": "2",
}
KUBERNETES = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "digits-master-0", "MASTER_PORT": "23456"}
SRUN = {
    "SLURM_PROCID": "5",
    "SLURM_NTASKS": "8",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "1",
    "SLURM_STEP_ID": "0",
    "SLURM_STEP_TASKS_PER_NODE": "4(x2)",
    "SLURM_JOB_ID": "77",
    "SLURM_JOB_NODELIST": "gpu[07-08]",
    "SLURM_RESTART_COUNT": "1",
}


def test_torchrun() -> None:
    assert find_place(TORCHRUN) == Place(3, 4, 1, 2, "node1", 1234, 2)


def test_a_pod_of_a_pytorch_job() -> None:
    assert find_place(KUBERNETES) == Place(1, 2, 0, 1, "digits-master-0", 23456)


def test_a_task_of_srun() -> None:
    place = find_place(SRUN)
    assert place is not None
    assert (place.rank, place.size, place.local_rank, place.local_size) == (5, 8, 1, 4)
    assert (place.address, place.restarts) == ("gpu07", 1)
    others = [
        find_place({**SRUN, "SLURM_PROCID": "0", "SLURM_NODEID": "0"}),
        find_place({**SRUN, "SLURM_JOB_ID": "78"}),
    ]
    assert [other is not None and other.port == place.port for other in others] == [True, False]


def test_tasks_of_one_machine_meet_there() -> None:
    place = find_place({**SRUN, "SLURM_NTASKS": "4", "SLURM_STEP_TASKS_PER_NODE": "4", "SLURM_NODEID": "0"})
    assert place is not None
    assert place.address == "127.0.0.1"


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"RANK": "0", "WORLD_SIZE": "1"},
        {**SRUN, "SLURM_NTASKS": "1"},
        {name: value for name, value in SRUN.items() if "STEP" not in name},
    ],
    ids=["nothing", "one of one", "one task", "the batch script itself"],
)
def test_alone(variables: dict[str, str]) -> None:
    assert find_place(variables) is None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"RANK": "4"}, "RANK 4 of WORLD_SIZE 4"),
        ({"RANK": "x"}, "RANK=x"),
        ({"MASTER_ADDR": ""}, "MASTER_ADDR is missing"),
        ({"MASTER_PORT": "-1"}, "MASTER_PORT=-1"),
    ],
)
def test_contradictions(changes: dict[str, str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        find_place({**TORCHRUN, **changes})


@pytest.mark.parametrize(
    ("nodes", "first"),
    [("gpu[07-09,12],big1", "gpu07"), ("big1,gpu2", "big1"), ("c[3,5]-ib", "c3-ib"), ("solo", "solo")],
)
def test_the_first_host_of_a_list(nodes: str, first: str) -> None:
    assert first_host(nodes) == first

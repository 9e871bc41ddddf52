"""One of two processes that train, judge and answer together: `python -m tests.verbs.two_processes FOLDER`.

Trains every recipe `NAME.yaml` of the folder into `NAME`, and asks some of the runs. Started by test_together.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from dlw.engine.team import Team, join
from dlw.progress import Listener
from dlw.ranks import find_place
from dlw.verbs import train as training
from dlw.verbs.evaluate import assist, evaluate
from dlw.verbs.predict import predict

ROOT = Path(__file__).parents[2]
ASKED = {"cnn_ddp": "squares.csv", "gpt_ddp": "lines.csv", "mlp_ddp": "people.csv"}
"""Runs that answer, and the rows they answer for."""


def places(processes: int = 2) -> list[dict[str, str]]:
    """Return the environment of each of some processes on this machine."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    place = {"WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    quiet = {"GLOO_SOCKET_IFNAME": "lo", "TORCH_CPP_LOG_LEVEL": "ERROR"}
    return [
        {**os.environ, **{k: str(v) for k, v in place.items()}, **quiet, "RANK": str(r), "LOCAL_RANK": str(r)}
        for r in range(processes)
    ]


def run_both(folder: Path) -> None:
    """Run this file in two processes; what they print is shown if one fails."""
    command = [sys.executable, "-m", __name__, str(folder)]
    both = [
        subprocess.Popen(command, env=place, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for place in places()
    ]
    told = [process.communicate(timeout=240)[0].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0], "\n".join(told)


def _work(folder: Path, team: Team) -> None:
    @contextmanager
    def same(listener: Listener) -> Iterator[Team]:
        yield team

    recipes = sorted(folder.glob("*.yaml"))
    with mock.patch.object(training, "together", same):
        for recipe in recipes:
            training.train(recipe, out=folder / recipe.stem)
    for recipe in (recipe for recipe in recipes if recipe.stem in ASKED):
        if team.is_first:
            found = evaluate(folder / recipe.stem, split="validation", team=team).to_json()
            (folder / f"{recipe.stem}.json").write_text(json.dumps(found))
        else:
            assist(folder / recipe.stem, team, split="validation")
        rows = str(folder / ASKED[recipe.stem])
        predict(folder / recipe.stem, [rows], output=folder / f"{recipe.stem}.csv", team=team)


if __name__ == "__main__":
    place = find_place()
    assert place is not None
    with join(place, print) as team:
        _work(Path(sys.argv[1]), team)

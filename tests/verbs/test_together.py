"""Two processes on one machine end where one ends: the same weights, scores and answers; and how they fail."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
import safetensors.torch
import torch

from dlw.errors import RunError
from dlw.verbs.evaluate import evaluate
from dlw.verbs.predict import predict
from dlw.verbs.train import train
from tests.verbs import small_runs
from tests.verbs.two_processes import ASKED, ROOT, run_both

TRAIN = "train: {steps: 50, batch_size: 16, threads: 1, precision: fp32, clip_norm: 1.0, validate_every: 25 steps"
MODELS = {
    "cnn": small_runs.PICTURE_RECIPE.replace("depths: [1]", "depths: [1], activation: silu")
    .replace("train: {epochs: 1, batch_size: 8, threads: 1}", TRAIN + ", ema_decay: 0.9}")
    .replace("model:", "optimizer: {type: sgd, lr: 0.02}\nmodel:"),
    "gpt": """\
name: lines
task: {type: language_modeling, context: 16, max_tokens: 8, temperature: 0}
data:
  source: lines.csv
  splits: {train: "train[:100]", validation: "train[100:]"}
  inputs: {text: {type: text, tokenizer: characters}}
model: {type: gpt, width: 16, depth: 2, heads: 2}
"""
    + TRAIN
    + ", accumulate: 2}\n",
    "rnn": """\
name: notes
task: classification
data:
  source: sentences.csv
  splits: {train: "train[:100]", validation: "train[100:]"}
  inputs: {note: {type: text, tokenizer: words}}
  target: {answer: category}
model: {type: rnn, embedding: 8, width: 8, dropout: 0}
"""
    + TRAIN
    + ", accumulate: 2, adversarial: 0.1}\n",
    "mlp": small_runs.TABLE_RECIPE.replace("depth: 1", "depth: 2, dropout: 0").replace(
        "train: {epochs: 1, batch_size: 16, threads: 1}", TRAIN + "}"
    ),
}
TOLERANCE = 1e-5
PATIENT = 180


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with NAME_ddp and NAME_fsdp, trained by two processes, and NAME_one, by this one."""
    return trained_both_ways(tmp_path_factory.mktemp("together"), MODELS, ("ddp", "fsdp"))


def trained_both_ways(made: Path, names: Iterable[str], ways: Sequence[str]) -> Path:
    small_runs.people(made)
    small_runs.squares(made)
    small_runs.lines(made, 120)
    small_runs.sentences(made, 120)
    for name in names:
        for way in ways:
            shard = "shard: true, " if way == "fsdp" else ""
            (made / f"{name}_{way}.yaml").write_text(MODELS[name].replace("precision:", f"{shard}precision:"))
    run_both(made)
    for name in names:
        path = made / "one.yml"
        path.write_text(MODELS[name])
        train(path, out=made / f"{name}_one")
    return made


def weights(run: Path, step: int = 50, part: str = "model") -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(run / "checkpoints" / f"step-{step:010}" / f"{part}.safetensors")


def difference(run: Path, other: Path, part: str = "model") -> float:
    mine, theirs = weights(run, part=part), weights(other, part=part)
    assert mine.keys() == theirs.keys()
    return max(float((mine[name].double() - theirs[name].double()).abs().max()) for name in mine)


@pytest.mark.parametrize("how", ["ddp", "fsdp"])
@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.slow
def test_two_processes_learn_what_one_learns(folder: Path, name: str, how: str) -> None:
    one, both = folder / f"{name}_one", folder / f"{name}_{how}"
    found = difference(one, both)
    print(f"{name} {how}: {found:.2g}")
    assert found < TOLERANCE
    assert difference(one, both, "optimizer") < TOLERANCE
    if name == "cnn":
        assert difference(one, both, "ema") < TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize(("name", "rows"), ASKED.items())
def test_scores_and_answers_are_those_of_one_process(folder: Path, name: str, rows: str) -> None:
    check_answers(folder, name, rows)


def test_two_processes_learn_judge_and_answer_as_one(tmp_path: Path) -> None:
    made = trained_both_ways(tmp_path, ["mlp"], ["ddp"])
    assert difference(made / "mlp_one", made / "mlp_ddp") < TOLERANCE
    check_answers(made, "mlp_ddp", ASKED["mlp_ddp"])


def check_answers(folder: Path, name: str, rows: str) -> None:
    together = json.loads((folder / f"{name}.json").read_text())
    alone = json.loads(json.dumps(evaluate(folder / name, split="validation").to_json()))
    assert together["scores"] == alone["scores"]
    predict(folder / name, [str(folder / rows)], output=folder / "alone.csv")
    assert (folder / f"{name}.csv").read_text() == (folder / "alone.csv").read_text()


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.slow
def test_validations_are_those_of_one_process(folder: Path, name: str) -> None:
    alone, both = (_journal(folder / f"{name}_{how}") for how in ("one", "ddp"))
    assert [line["step"] for line in alone] == [line["step"] for line in both] == [25, 50]
    for mine, theirs in zip(alone, both, strict=True):
        assert mine == pytest.approx(theirs, abs=1e-4)


def _journal(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_another_number_of_processes_is_refused_or_inexact(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(folder / "mlp_fsdp", run)
    resolved = run / "recipe.resolved.yaml"
    resolved.write_text(resolved.read_text().replace("shard: true", "shard: false"))
    shutil.rmtree(run / "checkpoints" / "step-0000000050")
    with pytest.raises(RunError, match="processes: 2, each with a part of the weights then, not known now"):
        train(resume=run)
    assert train(resume=run, allow_inexact=True).step == 50


SOURCE = """\
\"\"\"Rows that one process cannot read.\"\"\"
import os
from dlw.errors import DataError
from dlw.sources import csv

SUFFIXES = ()
Settings = csv.Settings

def open_tables(settings, cache, listener):
    if os.environ["RANK"] == "1":
        raise DataError("row 7 is torn")
    return csv.open_tables(settings, cache, listener)
"""


def dlw(*words: str, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "dlw", *words]
    with (folder / "told").open("wb") as told:
        return subprocess.Popen(command, cwd=ROOT, stdout=told, stderr=subprocess.STDOUT)


def test_a_process_that_cannot_read_its_rows_is_named(tmp_path: Path) -> None:
    small_runs.people(tmp_path)
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "torn.py").write_text(SOURCE)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(small_runs.TABLE_RECIPE.replace("type: csv", "type: torn"))
    words = ["train", str(recipe), "--out", str(tmp_path / "run"), "--code", str(tmp_path / "sources" / "torn.py")]
    process = dlw(*words, "--devices", "2", folder=tmp_path)
    assert process.wait(PATIENT) == 3
    told = (tmp_path / "told").read_text()
    assert "error: rank 1: row 7 is torn" in told
    assert told.count("row 7 is torn") == 1
    assert "Traceback" not in told


def test_what_cannot_be_shared_is_refused_at_once(tmp_path: Path) -> None:
    process = dlw("train", "digits", "--devices", "3", "--out", str(tmp_path / "run"), folder=tmp_path)
    assert process.wait(PATIENT) == 2
    assert (
        "train.batch_size: 64 rows cannot be shared equally by 3 processes; 63 or 66 can"
        in (tmp_path / "told").read_text()
    )
    assert not (tmp_path / "run").exists()


LONG = small_runs.TABLE_RECIPE.replace("epochs: 1,", "steps: STEPS, validate_every: 40 steps,") + (
    "checkpoint: {every: 20 steps}\n"
)


def _long_recipe(folder: Path, steps: int) -> str:
    small_runs.people(folder)
    path = folder / "recipe.yaml"
    path.write_text(LONG.replace("STEPS", str(steps)))
    return str(path)


def _children(process: subprocess.Popen[bytes]) -> list[int]:
    """Return the process ids of the ranks, once they are started."""
    found: list[int] = []
    while process.poll() is None and len(found) < 2:
        listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, check=False)
        found = [int(word) for word in listed.stdout.split()]
    assert process.poll() is None, "still at work"
    return found


def _wait_for_step(run: Path, step: int) -> None:
    deadline = time.monotonic() + PATIENT
    while not any(int(path.name[5:]) >= step for path in (run / "checkpoints").glob("step-*")):
        assert time.monotonic() < deadline, "no checkpoint came"
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_kills_of_one_process_change_no_bit(tmp_path: Path) -> None:
    steps, run, whole = 2400, tmp_path / "killed", tmp_path / "whole"
    recipe, draws, waits = _long_recipe(tmp_path, steps), random.Random(0), []
    for kill in range(10):
        words = ["--resume", str(run)] if (run / "recipe.yaml").exists() else [recipe, "--out", str(run)]
        process = dlw("train", *words, "--devices", "2", folder=tmp_path)
        if kill % 5:  # the others while starting
            _wait_for_step(run, 200 * kill + draws.randrange(200))
        ranks = _children(process)
        time.sleep(draws.random())
        os.kill(ranks[draws.randrange(2)], signal.SIGKILL)
        start = time.monotonic()
        assert process.wait(PATIENT) == 8
        waits.append(time.monotonic() - start)
        assert "was ended by SIGKILL" in (tmp_path / "told").read_text()
        assert not any(Path(f"/proc/{rank}").exists() for rank in ranks)
    assert dlw("train", "--resume", str(run), "--devices", "2", folder=tmp_path).wait(PATIENT) == 0
    print(f"ended after {min(waits):.1f} to {max(waits):.1f} s")
    assert max(waits) < 10
    assert dlw("train", recipe, "--devices", "2", "--out", str(whole), folder=tmp_path).wait(PATIENT) == 0
    for part in ("model", "optimizer"):
        mine, theirs = weights(run, steps, part), weights(whole, steps, part)
        assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
    assert (run / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_stopped_process_is_named_within_a_minute(tmp_path: Path, rank: int) -> None:
    process = dlw(
        "train", _long_recipe(tmp_path, 10**6), "--devices", "2", "--out", str(tmp_path / "run"), folder=tmp_path
    )
    _wait_for_step(tmp_path / "run", 20)
    ranks = _children(process)
    os.kill(ranks[rank], signal.SIGSTOP)
    start = time.monotonic()
    assert process.wait(PATIENT) == 8
    seconds = time.monotonic() - start
    print(f"rank {rank} stopped: ended after {seconds:.1f} s")
    assert seconds < 60
    assert f"rank {rank} of 2 (process {ranks[rank]}" in (tmp_path / "told").read_text()
    assert not any(Path(f"/proc/{rank}").exists() for rank in ranks)


@pytest.mark.slow
@pytest.mark.parametrize("whom", ["one rank", "the launcher"])
def test_a_signal_stops_all_at_one_step(tmp_path: Path, whom: str) -> None:
    run = tmp_path / "run"
    process = dlw("train", _long_recipe(tmp_path, 10**6), "--devices", "2", "--out", str(run), folder=tmp_path)
    _wait_for_step(run, 20)
    os.kill(_children(process)[1] if whom == "one rank" else process.pid, signal.SIGTERM)
    assert process.wait(30) == 143
    assert "everything is saved; continue with: dlw train --resume" in (tmp_path / "told").read_text()


@pytest.mark.slow
def test_a_killed_process_is_started_again(tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ["--devices", "2", "--restarts", "1", "--out", str(run), "--json"]
    process = dlw("train", _long_recipe(tmp_path, 600), *words, folder=tmp_path)
    _wait_for_step(run, 60)
    os.kill(_children(process)[1], signal.SIGKILL)
    assert process.wait(PATIENT) == 0
    told = (tmp_path / "told").read_text()
    assert "starting again from the last checkpoint (1 of 1 restarts left)" in told
    assert json.loads(told[told.index("\n{\n") :])["step"] == 600


@pytest.mark.slow
def test_torchrun_starts_it_too(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29531"]
    words = ["-m", "dlw", "train", _long_recipe(tmp_path, 40), "--out", str(tmp_path / "run"), "--json"]
    done = subprocess.run([*command, *words], cwd=ROOT, capture_output=True, timeout=PATIENT, check=True)
    assert json.loads(done.stdout)["step"] == 40


@pytest.mark.slow
def test_tasks_of_srun_find_one_another(tmp_path: Path) -> None:
    recipe = _long_recipe(tmp_path, 40)
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "MASTER"))}
    tasks = {"SLURM_NTASKS": "2", "SLURM_STEP_ID": "0", "SLURM_STEP_TASKS_PER_NODE": "2", "SLURM_JOB_ID": "4711"}
    command = [sys.executable, "-m", "dlw", "train", recipe, "--out", str(tmp_path / "run"), "--json"]
    both = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env={**plain, **tasks, "SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)},
            stdout=subprocess.PIPE,
        )
        for rank in range(2)
    ]
    told = [process.communicate(timeout=PATIENT)[0] for process in both]
    assert json.loads(told[0])["step"] == 40
    assert told[1] == b""

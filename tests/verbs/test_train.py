"""The train verb on a small table: what it writes, exact continuation, signals, streaming, dry run."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from dlw.errors import DataError, Interrupted, RunError, UsageError
from dlw.runs.layout import Run
from dlw.verbs.train import train
from tests.verbs import small_runs
from tests.withstood import Tally

RECIPE = """\
name: small
task: classification
seed: 3
data:
  source: table.csv
  splits: {type: random, train: 0.8, validation: 0.2, test: 0.0}
  inputs: {a: number, b: number, c: category}
  target: {label: category}
  augment: [{type: column_dropout, probability: 0.1}]
model: {type: mlp, width: 32, dropout: 0.2}
train: {epochs: 6, batch_size: 16, ema_decay: 0.9, threads: 1}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe beside 200 rows whose label follows from two of its three columns."""
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=(2, 200))
    c = generator.choice(["red", "green", "blue"], 200)
    label = np.where(a + (c == "red") > b, "yes", "no")
    rows = [f"{x:.4f},{y:.4f},{z},{w}" for x, y, z, w in zip(a, b, c, label, strict=True)]
    (tmp_path / "table.csv").write_text("\n".join(["a,b,c,label", *rows]) + "\n")
    path = tmp_path / "small.yaml"
    path.write_text(RECIPE)
    return path


def weights(run: Path) -> dict[str, bytes]:
    """Return the bytes that must not depend on interruptions."""
    last = run / "checkpoints" / (run / "checkpoints" / "last").read_text().strip()
    tensors = {path.name: path.read_bytes() for path in sorted(last.glob("*.safetensors"))}
    assert tensors
    return {**tensors, "metrics": (run / "metrics.jsonl").read_bytes()}


def test_writes_a_complete_run(recipe: Path, tmp_path: Path) -> None:
    result = train(recipe, out=tmp_path / "run")
    run = Run(tmp_path / "run")
    assert result.is_finished
    assert result.step == result.total_steps == 60
    assert result.validation["validation/accuracy"] == result.best
    assert run.recipe.read_text() == RECIPE
    assert len(run.metrics.read_text().splitlines()) == 6
    assert {"threads", "torch", "data"} <= json.loads(run.environment.read_text()).keys()
    assert result.best is not None
    assert result.best > 0.8
    assert not (run.folder / ".cache").exists()


@pytest.mark.withstands("properties", case="P3")
def test_the_resolved_recipe_trains_to_the_same_bits(recipe: Path, tmp_path: Path) -> None:
    train(recipe, out=tmp_path / "first")
    train(tmp_path / "first" / "recipe.resolved.yaml", out=tmp_path / "second")
    assert weights(tmp_path / "first") == weights(tmp_path / "second")


def test_streamed_rows_train_to_the_same_bits(recipe: Path, tmp_path: Path) -> None:
    train(recipe, out=tmp_path / "resident")
    train(recipe, out=tmp_path / "streamed", sets=["data.resident=false", "train.workers=2"])
    assert weights(tmp_path / "resident") == weights(tmp_path / "streamed")


def test_streamed_rows_that_changed_are_not_continued(recipe: Path, tmp_path: Path) -> None:
    train(recipe, out=tmp_path / "run", sets=["data.resident=false"])
    table = tmp_path / "table.csv"
    header, first, *rows = table.read_text().splitlines()
    table.write_text("\n".join([header, f"9.5,{first.partition(',')[2]}", *rows]) + "\n")
    with pytest.raises(RunError, match="would not give the same weights: data"):
        train(resume=tmp_path / "run")


def test_a_streamed_picture_that_does_not_open_is_left_out(tmp_path: Path) -> None:
    small_runs.squares(tmp_path)
    (tmp_path / "07.png").write_bytes(b"no picture")
    (tmp_path / "squares.yaml").write_text(small_runs.PICTURE_RECIPE)
    streamed = ["data.resident=false", "data.max_bad=0.1"]
    train(tmp_path / "squares.yaml", out=tmp_path / "run", sets=streamed)
    assert "row 7 is left out" in (tmp_path / "run" / "log.txt").read_text()
    with pytest.raises(DataError, match=r"07\.png.*more than `data\.max_bad` allows"):
        train(tmp_path / "squares.yaml", out=tmp_path / "strict", sets=[*streamed, "data.max_bad=0"])


def test_a_finished_run_has_nothing_left_to_train(recipe: Path, tmp_path: Path) -> None:
    first = train(recipe, out=tmp_path / "run")
    before = weights(tmp_path / "run")
    again = train(resume=tmp_path / "run")
    assert (again.step, again.best, again.validation) == (first.step, first.best, first.validation)
    assert weights(tmp_path / "run") == before


def test_changes_to_a_continued_run_are_refused(recipe: Path, tmp_path: Path) -> None:
    train(recipe, out=tmp_path / "run")
    with pytest.raises(UsageError, match=r"train\.epochs=9"):
        train(resume=tmp_path / "run", sets=["train.epochs=9"])


def test_an_inexact_continuation_is_refused_by_name(recipe: Path, tmp_path: Path, stop_after: object) -> None:
    with pytest.raises(Interrupted):
        train(recipe, out=tmp_path / "run")
    table = tmp_path / "table.csv"
    table.write_text(table.read_text().replace("red", "green"))
    with pytest.raises(RunError, match=r"data: .*--allow-inexact"):
        train(resume=tmp_path / "run")


@pytest.fixture
def stop_after(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send this process one SIGTERM, when the first checkpoint is saved."""
    import os

    from dlw.verbs import _session

    original = _session.RunSink.save

    def save(self: _session.RunSink, *arguments: object, **options: object) -> None:
        monkeypatch.setattr(_session.RunSink, "save", original)
        original(self, *arguments, **options)  # type: ignore[arg-type]
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(_session.RunSink, "save", save)


def test_a_signal_saves_and_says_how_to_go_on(recipe: Path, tmp_path: Path, stop_after: object) -> None:
    with pytest.raises(Interrupted, match=r"dlw train --resume '.*/a run'") as caught:
        train(recipe, out=tmp_path / "a run")
    assert caught.value.exit_code == 143


@pytest.mark.parametrize("mode", ["", ", dry_run=True"])
def test_a_typo_is_answered_before_torch_is_imported(mode: str) -> None:
    script = f"""
import sys
from dlw.errors import RecipeError
from dlw.verbs.train import train
try:
    train("digits", sets=["optimizer.learning_rate=1"]{mode})
except RecipeError as error:
    assert "did you mean lr?" in str(error)
    sys.exit("torch" in sys.modules)
sys.exit(3)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize(
    "change",
    ["train.batch_size=1000", "train.device=cuda:7", "data.inputs={nothing: number}", "evaluate.slices=[colour]"],
    ids=str,
)
def test_a_refused_training_leaves_nothing(recipe: Path, tmp_path: Path, change: str) -> None:
    with pytest.raises((UsageError, DataError)):
        train(recipe, out=tmp_path / "run", sets=[change])
    assert not (tmp_path / "run").exists()


def test_a_dry_run_estimates_and_keeps_nothing(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    result = train(recipe, dry_run=True)
    assert sorted(tmp_path.iterdir()) == before
    assert result.total_steps == 60
    assert result.dry_run["seconds"] > 0
    assert result.dry_run["rows"] == {"train": 160, "validation": 40}


def _command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "dlw", "train", *map(str, arguments), "--quiet"]


def kill_until_done(recipe: Path, out: Path, kills: int, seed: int, longest_seconds: float) -> int:
    """Train by the command line, kill it `kills` times at random moments, let it end; return how many kills hit it."""
    chance, hits = random.Random(seed), 0
    for attempt in range(kills + 1):
        started = (out / "fields.json").exists()
        process = subprocess.Popen(_command("--resume", out) if started else _command(recipe, "--out", out))
        if attempt < kills:
            time.sleep(chance.uniform(0.2, longest_seconds))
            process.kill()
            hits += process.wait() == -signal.SIGKILL
        else:
            assert process.wait() == 0
    return hits


@pytest.mark.withstands("SIGKILLs of the command line", case="F03")
def test_killed_runs_end_with_the_same_bytes(recipe: Path, tmp_path: Path, tally: Tally) -> None:
    recipe.write_text(RECIPE.replace("epochs: 6", "epochs: 60"))
    subprocess.run(_command(recipe, "--out", tmp_path / "straight"), check=True)
    hits = kill_until_done(recipe, tmp_path / "killed", kills=2, seed=1, longest_seconds=6)
    tally(hits if weights(tmp_path / "killed") == weights(tmp_path / "straight") else 0, hits)


STAGES = ("train", "evaluate", "predict", "export")


def stage(name: str, recipe: Path, run: Path) -> list[str]:
    """Return the command line of a stage; a training that has begun is continued."""
    if name == "train":
        return _command("--resume", run) if (run / "recipe.yaml").exists() else _command(recipe, "--out", run)
    options = {
        "evaluate": ["--split", "validation"],
        "predict": [recipe.parent / "table.csv", "-o", run / "predictions.csv"],
        "export": [],
    }
    return [sys.executable, "-m", "dlw", name, str(run), *map(str, options[name])]


def products(run: Path) -> dict[str, bytes]:
    """Return the bytes of weights, journal, scores, predictions and bundle; nothing half-written lies about."""
    assert not [path for path in run.rglob(".*") if path.name != ".lock"]
    files = [run / "evaluation" / "validation" / "predictions.parquet", run / "predictions.csv"]
    files += (path for path in (run / "exports").rglob("*") if path.is_file())
    scores = json.loads((run / "evaluation" / "validation" / "metrics.json").read_bytes())["scores"]
    found = {str(path.relative_to(run)): path.read_bytes() for path in files}
    return {**weights(run), **found, "scores": json.dumps(scores).encode()}


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.withstands("SIGKILLs of the command line", case="F03")
def test_killed_commands_end_with_the_same_bytes(recipe: Path, tmp_path: Path, tally: Tally) -> None:
    recipe.write_text(RECIPE.replace("epochs: 6", "epochs: 100") + "evaluate: {baseline: false, bootstrap: 50}\n")
    longest_seconds = {}
    for name in STAGES:
        start = time.monotonic()
        subprocess.run(stage(name, recipe, tmp_path / "straight"), check=True, stdout=subprocess.DEVNULL)
        longest_seconds[name] = time.monotonic() - start
    straight = products(tmp_path / "straight")
    chance, hits, held = random.Random(0), 0, 0
    for run in map(tmp_path.joinpath, map(str, range(10))):
        hits_before = hits
        for name in STAGES:
            aim, window = hits + (8 if name == "train" else 4), longest_seconds[name]
            while hits < aim:
                start = time.monotonic()
                process = subprocess.Popen(stage(name, recipe, run), stdout=subprocess.DEVNULL)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(chance.uniform(0.0, window))
                    window = time.monotonic() - start  # it ended first: aim earlier
                process.kill()
                hits += process.wait() == -signal.SIGKILL
            subprocess.run(stage(name, recipe, run), check=True, stdout=subprocess.DEVNULL)
        unequal = [name for name, data in products(run).items() if straight[name] != data]
        print(run.name, unequal)
        held += 0 if unequal else hits - hits_before
    tally(held, hits)

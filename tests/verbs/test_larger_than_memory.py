"""Training, judging and answering by rows that stay on disk."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from pyarrow import csv

from dlw import shards
from dlw.errors import DataError
from dlw.recipe.check import load_recipe
from dlw.runs.layout import Run
from dlw.runs.seal import read_seal
from dlw.sources import _sharded
from dlw.verbs import _cache, _inputs
from dlw.verbs._fit import fit
from dlw.verbs.evaluate import evaluate
from dlw.verbs.predict import predict
from dlw.verbs.train import train
from tests.benchmarks.big_parquet import write
from tests.verbs.resumed_runs import (
    TRAIN_ROWS,
    Moment,
    first_differences,
    outcome,
    small_batches_without_waiting,  # noqa: F401
    train_interrupted,
)
from tests.verbs.small_runs import PICTURE_RECIPE, squares

ROWS = TRAIN_ROWS + 24


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep row groups apart, and mix few of them, as if they were large."""
    monkeypatch.setattr(_sharded, "LEAST_BYTES", 1)
    monkeypatch.setattr(shards, "MOST_MIXED", 2)


def people(folder: Path, count: int = ROWS) -> Path:
    """Write people.parquet: two numbers, a town, an answer that follows from them, and much that nobody reads."""
    random = np.random.default_rng(0)
    age, town = random.integers(18, 90, count), random.choice([f"T{place}" for place in range(12)], count)
    pad = [random.bytes(4000) for _ in range(count)]
    answer = np.where(age > 50, "yes", "no")
    path = folder / "people.parquet"
    pq.write_table(pa.table({"age": age, "town": town, "answer": answer, "pad": pad}), path, row_group_size=5)
    return path


def recipe(folder: Path, **changes: Any) -> Path:
    data = {
        "source": "people.parquet",
        "splits": {"train": f"train[:{TRAIN_ROWS}]", "validation": f"train[{TRAIN_ROWS}:]"},
        "inputs": {"age": "number", "town": "category"},
        "target": {"answer": "category"},
        "resident": False,
        "memory_budget": "100 KB",
        **changes,
    }
    train_by = {"epochs": 3, "batch_size": 8, "threads": 1, "ema_decay": 0.9}
    tree = {
        "name": "disk",
        "task": "classification",
        "data": data,
        "train": train_by,
        "checkpoint": {"every": "2 steps"},
    }
    tree["model"] = {"type": "mlp", "width": 8, "depth": 1, "dropout": 0.2}
    path = folder / "disk.yaml"
    path.write_text(json.dumps(tree))
    return path


@pytest.mark.withstands("exact resume")
@pytest.mark.parametrize(("moment", "resumes"), [("step 1", 1), ("mid-epoch", 1), ("epoch end", 5), ("last step", 1)])
def test_a_run_that_reads_from_disk_resumes_to_the_same_bytes(moment: Moment, resumes: int, tmp_path: Path) -> None:
    people(tmp_path)
    path = recipe(tmp_path)
    train(path, out=tmp_path / "straight")
    assert "mixed at a time" in (tmp_path / "straight" / "log.txt").read_text()
    train_interrupted(path, tmp_path / "resumed", moment, 1, resumes)
    asked = tmp_path / "asked.csv"
    asked.write_text("age,town\n40,T1\n60,T2\n")
    assert first_differences(outcome(tmp_path / "straight", asked), outcome(tmp_path / "resumed", asked)) == []


def test_with_a_cache_a_second_run_passes_over_no_rows_before_its_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = people(tmp_path)
    path = recipe(tmp_path)
    monkeypatch.setattr(_cache, "_LEAST_FILE_BYTES", 1)
    monkeypatch.setattr(_cache, "_SETTLED_SECONDS", -1.0)
    for name in ("first", "second"):
        train(path, out=tmp_path / name, cache=tmp_path / "cache")
        for looked_at in ("known", "fit", "of_file"):
            monkeypatch.setattr(_cache, looked_at, lambda *_: pytest.fail("the rows were passed over again"))
    asked = tmp_path / "asked.csv"
    asked.write_text("age,town\n40,T1\n60,T2\n")
    assert first_differences(outcome(tmp_path / "first", asked), outcome(tmp_path / "second", asked)) == []
    assert read_seal(Run(tmp_path / "first"))["data"] == read_seal(Run(tmp_path / "second"))["data"]
    table.write_bytes(table.read_bytes())
    with pytest.raises(pytest.fail.Exception, match="passed over again"):
        train(path, out=tmp_path / "third", cache=tmp_path / "cache")


def test_rows_on_disk_that_name_pictures_are_looked_at_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in the table tells that a picture has changed."""
    pq.write_table(csv.read_csv(squares(tmp_path)), tmp_path / "squares.parquet", row_group_size=5)
    fitted: list[str] = []
    monkeypatch.setattr(_cache, "fit", lambda *given: (fitted.append("again"), fit(*given))[1])
    tree = yaml.safe_load(PICTURE_RECIPE)
    tree["data"] |= {"source": "squares.parquet", "memory_budget": "2 KB"}
    (tmp_path / "disk.yaml").write_text(json.dumps(tree))
    for name in ("first", "second"):
        train(tmp_path / "disk.yaml", out=tmp_path / name, cache=tmp_path / "cache")
    assert "read from" in (tmp_path / "first" / "log.txt").read_text()
    assert fitted == ["again", "again"]


SPLITS: dict[str, Any] = {
    "slices": {"train": "train[:70%]", "validation": "train[70%:85%]", "test": "train[85%:]"},
    "random": {"type": "random"},
    "stratified": {"type": "stratified"},
    "group": {"type": "group", "by": "town", "train": 0.5, "validation": 0.0, "test": 0.5},
    "time": {"type": "time", "by": "age"},
    "position": {"type": "position"},
}


@pytest.mark.parametrize("kind", SPLITS)
def test_every_way_to_split_gives_the_rows_that_it_gives_in_memory(kind: str, tmp_path: Path) -> None:
    from dlw.progress import Silent
    from dlw.verbs._rows import load_tables

    people(tmp_path, 120)
    loaded = load_recipe(recipe(tmp_path, splits=SPLITS[kind]))
    on_disk = load_tables(loaded.recipe, tmp_path, tmp_path, Silent())
    in_memory = load_tables(loaded.recipe, tmp_path, tmp_path, Silent(), 10**9)
    assert {name: shards.loaded(table).to_pylist() for name, table in on_disk.items()} == {
        name: table.to_pylist() for name, table in in_memory.items()
    }
    assert any(isinstance(table, shards.ShardedTable) for table in on_disk.values())


def test_judging_and_answering_from_disk_are_judging_and_answering_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = people(tmp_path, 300)
    splits = {"train": "train[:80]", "validation": "train[80:90]", "test": "train[90:]"}
    train(recipe(tmp_path, splits=splits), out=tmp_path / "run")
    found = evaluate(tmp_path / "run")
    resolved = Run(tmp_path / "run").resolved
    resolved.write_text(resolved.read_text().replace("100 KB", "5 KB"))
    streamed = evaluate(tmp_path / "run")
    resolved.write_text(resolved.read_text().replace("5 KB", "100 MB"))
    whole = evaluate(tmp_path / "run")
    scores = [{one.metric: one.value for one in each.scores} for each in (found, streamed, whole)]
    assert scores[0] == scores[1] == scores[2]
    assert any("not looked for" in sentence for sentence in found.protocol)
    assert [fit.name for fit in streamed.baselines] == ["constant"]
    assert len(whole.baselines) > 1
    answers = predict(tmp_path / "run", [str(path)]).columns
    monkeypatch.setattr(_inputs, "free_bytes", lambda: 10_000)
    in_pieces = predict(tmp_path / "run", [str(path)]).columns
    # Batches of other sizes meet other kernels on some processors: one unit in the last place.
    for name, column in answers.items():
        near = pytest.approx(column, rel=1e-6) if name.startswith("probability") else column
        assert in_pieces[name] == near, name
    assert answers["row"] == list(range(300))


def test_encoded_rows_that_fit_are_held_and_learn_as_rows_in_memory_do(tmp_path: Path) -> None:
    people(tmp_path)
    results = []
    for place, changes in enumerate(({"resident": True}, {"memory_budget": "100 MB", "resident": True})):
        train(recipe(tmp_path, **changes), out=tmp_path / str(place))
        results.append(outcome(tmp_path / str(place), tmp_path / "people.parquet"))
    assert first_differences(*results) == []


def test_the_budget_that_was_free_is_kept_with_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dlw.verbs import _memory

    people(tmp_path, 600)
    monkeypatch.setattr(_memory.os, "sysconf", lambda name: {"SC_AVPHYS_PAGES": 1500}.get(name, 4096))
    splits = {"train": "train[:500]", "validation": "train[500:]"}
    train(recipe(tmp_path, memory_budget=None, splits=splits, inputs="auto", drop=["pad"]), out=tmp_path / "run")
    resolved = load_recipe(Run(tmp_path / "run").resolved).recipe
    assert resolved.data.memory_budget == "2 MiB"
    assert sorted(resolved.data.inputs) == ["age", "town"]


def test_pictures_on_disk_are_fitted_on_a_sample_and_bad_ones_left_out(tmp_path: Path) -> None:
    squares(tmp_path, 60)
    (tmp_path / "07.png").write_bytes(b"no picture")
    rows = [line.split(",") for line in (tmp_path / "squares.csv").read_text().splitlines()[1:]]
    # Each file's path is as long as its picture would be, so that a sample has to do.
    with (tmp_path / "squares.jsonl").open("w") as file:
        for path, answer in rows:
            file.write(json.dumps({"picture": Path(path).name, "answer": answer, "pad": "x" * 4000}) + "\n")
    changes = {
        "source": "squares.jsonl",
        "splits": {"train": "train[:40]", "validation": "train[40:]"},
        "inputs": {"picture": {"type": "image", "height": 8, "width": 8, "channels": 3}},
        "max_bad": 0.1,
    }
    train(recipe(tmp_path, **changes), out=tmp_path / "run")
    told = (tmp_path / "run" / "log.txt").read_text()
    assert "row 7 is left out" in told
    with pytest.raises(DataError, match=r"07\.png.*more than `data\.max_bad` allows"):
        train(recipe(tmp_path, **changes | {"max_bad": 0.0}), out=tmp_path / "strict")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "strict": ({"strict": True}, r"data\.strict .* data\.memory_budget"),
    "missing target": ({"target": {"gaps": "category"}}, "target gaps: 11 of 32 rows"),
    "large groups": ({"memory_budget": "1 KB"}, "smaller row groups"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_go_on_disk_is_refused(case: str, tmp_path: Path) -> None:
    table = pq.read_table(people(tmp_path))
    gaps = pa.array(["a" if place % 3 else None for place in range(ROWS)])
    pq.write_table(table.append_column("gaps", gaps), tmp_path / "people.parquet", row_group_size=30)
    changes, message = REFUSED[case]
    with pytest.raises(DataError, match=message):
        train(recipe(tmp_path, **changes), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


PEAK = """
import resource, sys
from pathlib import Path
from dlw.verbs.train import train
import dlw.engine.loop, torch.nn.functional, PIL.Image, pyarrow.parquet
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
sets = ["data.memory_budget=" + sys.argv[2], "train.steps=8", "train.batch_size=16", "train.threads=1",
        "train.validate_every=8 steps", "checkpoint.every=8 steps", "data.splits.validation=train[99%:]"]
train(Path(sys.argv[1]) / "recipe.yaml", out=Path(sys.argv[1]) / sys.argv[3], sets=sets)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**10)
"""


def test_memory_is_bounded_by_the_budget_and_not_by_the_data(tmp_path: Path) -> None:
    write(tmp_path, 100 * 2**20, group_rows=100)

    def peak_mib(budget: str) -> float:
        command = [sys.executable, "-c", PEAK, str(tmp_path), budget, budget.replace(" ", "")]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert peak_mib("16 MiB") < 80

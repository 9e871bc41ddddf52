"""Properties that hold for any rows, order, batch size and text; those not here stand beside their parts."""

from __future__ import annotations

import csv
import io
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dlw.engine.batches import Streamed, training_plan
from dlw.progress import Silent
from dlw.runs import store
from dlw.runs.layout import Run, create_run
from dlw.verbs._bundle import Answerer, open_target
from dlw.verbs._tables import FORMULA_STARTS, table_bytes
from dlw.verbs.train import train

NUMBERS = st.none() | st.floats(-1e6, 1e6, width=32)
ROWS = st.lists(
    st.tuples(NUMBERS, NUMBERS, st.sampled_from(["Graz", "Linz", "Wien", "Atlantis", None])), min_size=1, max_size=12
)
Row = tuple[float | None, float | None, str | None]


@pytest.fixture(scope="module")
def bundle(people: Path) -> Answerer:
    """The bundle of the table run."""
    return open_target(people / "run/exports/onnx")


@pytest.fixture(scope="module")
def network(people: Path) -> Answerer:
    """The table run itself."""
    return open_target(people / "run")


def answers(answerer: Answerer, rows: list[Row]) -> np.ndarray:
    """Return the network's answers to rows of people.csv, [N, K]."""
    columns = zip(
        ("age", "wage", "town"), zip(*rows, strict=True), (pa.float64(), pa.float64(), pa.string()), strict=True
    )
    table = pa.table({name: pa.array(values, kind) for name, values, kind in columns})
    encoded = answerer.fitted.encode(table, with_target=False, listener=Silent(), max_bad=None)
    (answer,) = answerer.answer_rows(encoded.arrays).values()
    return answer


@pytest.mark.withstands("properties", case="P4")
@settings(max_examples=200)
@given(rows=ROWS, chance=st.randoms(use_true_random=False), rows_at_once=st.integers(1, 5))
def test_an_answer_depends_on_its_row_alone(rows: list[Row], chance: Any, rows_at_once: int, bundle: Answerer) -> None:
    whole = answers(bundle, rows)
    np.testing.assert_array_equal(answers(bundle, rows), whole)
    pieces = [answers(bundle, rows[start : start + rows_at_once]) for start in range(0, len(rows), rows_at_once)]
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-6, rtol=1e-5)
    order = list(range(len(rows)))
    chance.shuffle(order)
    np.testing.assert_allclose(answers(bundle, [rows[place] for place in order]), whole[order], atol=1e-6, rtol=1e-5)


@pytest.mark.withstands("properties", case="P9")
@settings(max_examples=200)
@given(rows=ROWS)
def test_bundle_and_network_answer_alike_on_any_rows(rows: list[Row], bundle: Answerer, network: Answerer) -> None:
    np.testing.assert_allclose(answers(bundle, rows), answers(network, rows), atol=1e-4, rtol=1e-4)


@pytest.mark.withstands("properties", case="P10")
@pytest.mark.parametrize("every", ["1 steps", "3 steps", "2 epochs", "1 minutes"])
def test_how_often_is_saved_never_changes_the_weights(every: str, people: Path, tmp_path: Path) -> None:
    run = train(people / "recipe.yaml", out=tmp_path / "run", sets=[f"checkpoint.every={every}"]).run
    saved, usual = (store.load(Run(Path(folder)), "last", Silent()) for folder in (run, people / "run"))
    assert saved.step == usual.step
    assert all(torch.equal(saved.tensors["model"][name], weight) for name, weight in usual.tensors["model"].items())


@pytest.mark.withstands("properties", case="P11")
@settings(max_examples=200)
@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 8), st.integers(0, 4))
def test_workers_never_change_the_order(seed: int, num_rows: int, batch_size: int, workers: int) -> None:
    batch_size = min(batch_size, num_rows)
    plan = list(islice(training_plan(seed, num_rows, batch_size, num_rows // batch_size, 0), 9))
    streamed = Streamed(lambda rows: {"x": rows * 3}, num_rows, torch.device("cpu"), workers)
    for rows, batch in zip(plan, streamed.stream(iter(plan)), strict=True):
        assert batch["index"].tolist() == rows.tolist()
        assert batch["x"].tolist() == (rows * 3).tolist()


def peak_and_now() -> tuple[int, int]:
    """Return the largest resident memory since the mark was cleared, and the memory now."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) * 1024, int(status["VmRSS"].split()[0]) * 1024


@pytest.mark.withstands("properties", case="P13")
def test_loading_takes_little_more_than_twice_the_file(tmp_path: Path) -> None:
    run = create_run("large", tmp_path / "run")
    store.save(run, 1, {"model": {f"w{n}": torch.ones(2**20) for n in range(24)}}, {}, keep=2, is_best=True)
    size = sum(path.stat().st_size for path in (run.checkpoints / "step-0000000001").iterdir())
    store.load(run, "last", Silent())
    Path("/proc/self/clear_refs").write_text("5")
    before = peak_and_now()[1]
    store.load(run, "last", Silent())
    assert size > 90e6
    assert peak_and_now()[0] - before < 2.2 * size


@pytest.mark.withstands("properties", case="P14")
@settings(max_examples=200)
@given(
    st.lists(
        st.text(max_size=8)
        | st.sampled_from(FORMULA_STARTS).flatmap(lambda mark: st.text(max_size=6).map(mark.__add__)),
        min_size=1,
    )
)
def test_no_cell_of_a_csv_file_is_a_formula(values: list[str]) -> None:
    content = table_bytes({"a": values, "=b": values}, ".csv").decode()
    header, *lines = csv.reader(io.StringIO(content, newline=""))
    assert header == ["a", "'=b"]
    for value, line in zip(values, lines, strict=True):
        plain = value.encode("utf-8", "backslashreplace").decode()
        assert line == [line[0]] * 2
        assert line[0] in (plain, f"'{plain}")
        if line[0].startswith(FORMULA_STARTS):
            assert np.isreal(float(line[0]))

"""Splits: the grammar, and for every plan that rows are in exactly one split, stably and with groups whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlw.errors import DataError
from dlw.progress import Silent
from dlw.recipe.schema import SplitPlan
from dlw.splits import apply, assign, parse

SHARES = {"train": 0.7, "validation": 0.1, "test": 0.2}
PLANS = ("random", "stratified", "group", "time", "position")


def rows(count: int, seed: int = 0) -> pa.Table:
    """Return numbered rows with a class, a group and a time, none of them sorted."""
    random = np.random.default_rng(seed)
    return pa.table(
        {
            "row": np.arange(count),
            "class": random.choice(["a", "b", "c"], count, p=[0.7, 0.2, 0.1]),
            "group": random.integers(0, 40, count),
            "time": random.integers(0, 60, count),
        }
    )


def plan(kind: str, **options: Any) -> SplitPlan:
    by = {"group": "group", "time": "time"}.get(kind)
    return SplitPlan.model_validate({"type": kind, "by": by, **SHARES, **options})


def cut(splits: Any, count: int = 100, **tables: pa.Table) -> dict[str, list[int]]:
    """Return the row numbers of each split."""
    found = apply(splits, tables or {"train": rows(count)}, ["class"], Silent())
    return {name: table["row"].to_pylist() for name, table in found.items()}


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("train", (0, 10)),
        ("train[:80%]", (0, 8)),
        ("train[80%:]", (8, 10)),
        ("train[10%:90%]", (1, 9)),
        ("train[3:]", (3, 10)),
        ("train[:-2]", (0, 8)),
        ("train[-20%:]", (8, 10)),
        ("train[ 2 : 5 ]", (2, 5)),
        ("train[:99]", (0, 10)),
        ("train[7:3]", (7, 7)),
    ],
)
def test_slices_mean_rows_or_percent(text: str, bounds: tuple[int, int]) -> None:
    part = parse(text)
    assert part.split == "train"
    assert part.bounds(10) == bounds


@pytest.mark.parametrize(
    "text", ["", "train[80%]", "train[:0.5]", "train[:80%", "train[::2]", "train[:8 0]", "a b", "[1:2]"]
)
def test_other_text_is_no_slice(text: str) -> None:
    with pytest.raises(DataError, match="is not a slice; examples: train"):
        parse(text)


def test_more_than_all_is_refused() -> None:
    with pytest.raises(DataError, match="180% is beyond 100%"):
        parse("train[:180%]")


@given(st.integers(1, 500), st.integers(0, 100))
def test_both_sides_of_a_percentage_meet(count: int, percent: int) -> None:
    assert parse(f"train[:{percent}%]").bounds(count)[1] == parse(f"train[{percent}%:]").bounds(count)[0]


def test_slices_cut_what_they_say() -> None:
    found = cut({"train": "train[:55]", "validation": "train[55:]", "test": "test"}, train=rows(60), test=rows(5))
    assert {name: len(values) for name, values in found.items()} == {"train": 55, "validation": 5, "test": 5}
    assert found["validation"] == [55, 56, 57, 58, 59]


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"train": "train[:80%]", "validation": "train[70%:]"}, "validation and train share 10 rows of train"),
        ({"train": "train", "test": "tset"}, r"test: the source has no split tset \(it has train\)"),
        ({"train": "trian"}, r"no split trian; did you mean train\? \(it has train\)"),
        ({"train": "train[200:]"}, r"train\[200:\] is empty \(train has 100 rows\)"),
        ({"validation": "train"}, "no train split"),
    ],
)
def test_impossible_slices_are_told(splits: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        cut(splits)


@pytest.mark.withstands("properties", case="P7")
@settings(deadline=None)
@given(st.sampled_from(PLANS), st.integers(60, 400), st.integers(0, 5))
def test_every_row_is_in_exactly_one_split(kind: str, count: int, seed: int) -> None:
    found = cut(plan(kind, seed=seed), count)
    assert sorted(row for values in found.values() for row in values) == list(range(count))
    assert found == cut(plan(kind, seed=seed), count)


@pytest.mark.withstands("properties", case="P7")
@settings(deadline=None)
@given(st.sampled_from(["random", "stratified", "group"]), st.integers(60, 200), st.integers(0, 200))
def test_appended_rows_move_no_earlier_row(kind: str, count: int, more: int) -> None:
    table = rows(count + more)
    whole = assign(plan(kind), table, ["class"], SHARES)
    start = assign(plan(kind), table.slice(0, count), ["class"], SHARES)
    np.testing.assert_array_equal(whole[:count], start)


@pytest.mark.withstands("properties", case="P7")
@settings(deadline=None)
@given(st.integers(60, 300), st.integers(0, 9))
def test_groups_and_moments_stay_whole(count: int, seed: int) -> None:
    table = rows(count)
    for kind in ("group", "time"):
        members = assign(plan(kind, seed=seed), table, [], SHARES)
        for value in set(table[kind].to_pylist()):
            assert len(set(members[table[kind].to_numpy() == value])) == 1


def test_shares_are_met_closely_and_by_class_when_stratified() -> None:
    sizes = {name: len(values) for name, values in cut(plan("random"), 1000).items()}
    assert sizes == pytest.approx({"train": 700, "validation": 100, "test": 200}, abs=3)
    table = rows(1000)
    members = assign(plan("stratified"), table, ["class"], SHARES)
    for label in "abc":
        chosen = members[table["class"].to_numpy(zero_copy_only=False) == label]
        assert (chosen == 0).mean() == pytest.approx(0.7, abs=0.03)


def test_seeds_matter_and_classes_are_dealt_independently() -> None:
    assert cut(plan("random", seed=1)) != cut(plan("random", seed=2))
    assert cut(plan("stratified", seed=1)) != cut(plan("stratified", seed=2))


def test_time_puts_the_latest_rows_into_test() -> None:
    table = rows(300)
    members = assign(plan("time"), table, [], SHARES)
    times = table["time"].to_numpy()
    assert (
        times[members == 0].max() < times[members == 1].min() <= times[members == 1].max() < times[members == 2].min()
    )
    assert (members == 0).mean() == pytest.approx(0.7, abs=0.05)


def test_position_keeps_the_file_order() -> None:
    assert cut(plan("position"), 10) == {"train": list(range(7)), "validation": [7], "test": [8, 9]}


def test_a_plan_leaves_the_sources_own_splits_alone() -> None:
    found = cut(SplitPlan(type="random", train=0.9, validation=0.1), train=rows(200), test=rows(5))
    assert found["test"] == [0, 1, 2, 3, 4]
    assert len(found["validation"]) == 20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"type": "random", "train": 0.9},
            r"train 0.9 \+ validation 0.1 \+ test 0.1 = 1.1; the shares must add up to 1",
        ),
        ({"type": "group"}, "a group split needs `by`, the column that groups the rows"),
        ({"type": "time", "by": "tmie"}, r"no column tmie; did you mean time\?"),
        (
            {"type": "position", "train": 0.999, "validation": 0.001, "test": 0},
            "none of 100 rows falls into validation",
        ),
        ({"type": "random", "train": 0, "validation": 0.5, "test": 0.5}, "train: 0 leaves nothing to learn from"),
    ],
)
def test_impossible_plans_are_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        cut(SplitPlan.model_validate(options))


def test_a_split_by_time_needs_every_time() -> None:
    table = pa.table({"row": [0, 1, 2], "class": ["a", "b", "a"], "time": [1, None, 2]})
    with pytest.raises(DataError, match="column time has 1 gaps"):
        cut(plan("time"), train=table)


def test_several_targets_need_a_column_to_stratify_by() -> None:
    with pytest.raises(DataError, match="stratified over several targets needs `by`"):
        assign(plan("stratified"), rows(10), ["class", "group"], SHARES)
    assert len(assign(plan("stratified", by="class"), rows(10), ["class", "group"], SHARES)) == 10


def test_scaffolds_stay_together_and_the_frequent_ones_go_to_train() -> None:
    smiles = [
        "CCO",
        *(f"c1ccccc1{'C' * n}" for n in range(1, 9)),
        *(f"C1CCNCC1{'C' * n}" for n in range(1, 4)),
        "c1ccsc1",
    ]
    plan = SplitPlan(type="scaffold", by="smiles")
    members = assign(plan, pa.table({"smiles": smiles}), [], {"train": 0.7, "validation": 0.2, "test": 0.1})
    assert members.tolist() == [0, *[0] * 8, *[2] * 3, 1]


@pytest.mark.parametrize("plan", ["random", "stratified", "group"])
def test_folds_test_every_row_once(plan: str) -> None:
    table = pa.table({"kind": [f"k{row % 7}" for row in range(200)]})
    shares = {"train": 0.75, "validation": 0.05, "test": 0.2}
    members = [
        assign(SplitPlan(type=plan, by=None if plan == "random" else "kind", fold=fold), table, [], shares)
        for fold in range(5)
    ]
    tested = sum((one == 2).astype(int) for one in members)
    assert set(tested) == {1}
    assert np.array_equal(members[0], assign(SplitPlan(type=plan, by="kind"), table, [], shares))

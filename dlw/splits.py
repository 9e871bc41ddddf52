"""Cutting tables into splits: slices such as `train[:80%]`, and plans (random, stratified, group, time, position,
scaffold).

All choices are functions of the plan's seed and the rows' places, so that appended rows never move earlier ones
(random, stratified, group), rows are in exactly one split, and groups stay whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dlw.columns import from_numbers, to_codes, to_numpy
from dlw.errors import DataError, did_you_mean
from dlw.molecules import scaffold
from dlw.progress import Listener
from dlw.recipe.schema import SplitName, SplitPlan

if TYPE_CHECKING:
    import pyarrow as pa

NAMES = ("train", "validation", "test")
_SLICE = re.compile(r"^\s*(?P<split>[\w.-]+)\s*(?:\[\s*(?P<start>-?\d+%?)?\s*:\s*(?P<stop>-?\d+%?)?\s*\])?\s*$")
_BLOCK = 20
"""Rows dealt out together: shares that are multiples of 5 % are met exactly in each block."""


@dataclass(frozen=True)
class Slice:
    """Part of a source's split; bounds are rows or, with a percent sign, shares of it."""

    split: str
    start: str | None
    stop: str | None

    def bounds(self, num_rows: int) -> tuple[int, int]:
        """Return first and last-but-one row, within the split."""
        start = _place(self.start, num_rows, 0)
        return start, max(start, _place(self.stop, num_rows, num_rows))


def parse(text: str) -> Slice:
    """Read `name` or `name[start:stop]`; DataError says what is expected."""
    match = _SLICE.match(text)
    if match is None:
        raise DataError(f"splits: {text!r} is not a slice; examples: train, train[:80%], train[55000:], train[10%:90%]")
    for bound in (match["start"], match["stop"]):
        if bound and bound.endswith("%") and abs(int(bound[:-1])) > 100:
            raise DataError(f"splits: {text!r}: {bound} is beyond 100%")
    return Slice(match["split"], match["start"], match["stop"])


def _place(bound: str | None, num_rows: int, default: int) -> int:
    if bound is None:
        return default
    if bound.endswith("%"):
        place = round(num_rows * int(bound[:-1]) / 100)
    else:
        place = int(bound)
    return min(max(place + num_rows if place < 0 else place, 0), num_rows)


def apply(
    splits: Mapping[SplitName, str] | SplitPlan | None,
    tables: Mapping[str, pa.Table],
    targets: list[str],
    listener: Listener,
) -> dict[str, pa.Table]:
    """Return the splits of the recipe, cut from the splits of the source; DataError if they overlap or are empty."""
    if isinstance(splits, SplitPlan):
        return _planned(splits, tables, targets, listener)
    if splits is None:
        found = {name: tables[name] for name in NAMES if name in tables}
    else:
        found = _sliced(splits, tables)
    if "train" not in found:
        raise DataError(f"no train split; the source has {', '.join(tables)}: name one under `data.splits`")
    return found


def _sliced(splits: Mapping[SplitName, str], tables: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    cut: dict[str, tuple[str, int, int]] = {}
    for name, text in splits.items():
        part = parse(text)
        if part.split not in tables:
            near = did_you_mean(part.split, tables)
            raise DataError(f"splits: {name}: the source has no split {part.split}{near} (it has {', '.join(tables)})")
        start, stop = part.bounds(len(tables[part.split]))
        if start == stop:
            raise DataError(f"splits: {name}: {text} is empty ({part.split} has {len(tables[part.split])} rows)")
        for other, (split, first, last) in cut.items():
            shared = min(stop, last) - max(start, first)
            if split == part.split and shared > 0:
                raise DataError(f"splits: {name} and {other} share {shared} rows of {split}")
        cut[name] = (part.split, start, stop)
    return {name: tables[split].slice(start, stop - start) for name, (split, start, stop) in cut.items()}


def _planned(
    plan: SplitPlan, tables: Mapping[str, pa.Table], targets: list[str], listener: Listener
) -> dict[str, pa.Table]:
    if "train" not in tables:
        raise DataError(f"splits: a plan cuts the train split, and the source has {', '.join(tables)}")
    given = [name for name in NAMES[1:] if name in tables]
    wanted = {name: getattr(plan, name) for name in NAMES if name not in given}
    total = sum(wanted.values())
    if not given and abs(total - 1) > 1e-6:
        told = " + ".join(f"{name} {share:g}" for name, share in wanted.items())
        raise DataError(f"splits: {told} = {total:g}; the shares must add up to 1")
    if wanted["train"] == 0:
        raise DataError("splits: train: 0 leaves nothing to learn from")
    if given:
        listener.line(f"splits: the source's own {' and '.join(given)} stay; the plan cuts its train split")
    shares = {name: share / total for name, share in wanted.items() if share > 0}
    table = tables["train"]
    members = assign(plan, table, targets, shares)
    found = {}
    for name in NAMES:
        if name in given:
            found[name] = tables[name]
        elif name in shares:
            rows = np.flatnonzero(members == list(shares).index(name))
            if not len(rows):
                raise DataError(
                    f"splits: none of {len(table)} rows falls into {name} ({plan.type}); change seed or share"
                )
            found[name] = table.take(from_numbers(rows))
    return found


def assign(plan: SplitPlan, table: pa.Table, targets: list[str], shares: Mapping[str, float]) -> np.ndarray:
    """Return int64 [N]: for each row, which of `shares` it belongs to."""
    borders = np.cumsum(list(shares.values()))[:-1]
    num_rows = len(table)
    turn = plan.fold * shares.get("test", 0.0)
    if plan.type == "position":
        return np.searchsorted(np.round(borders * num_rows), np.arange(num_rows), side="right")
    if plan.type == "random":
        return np.searchsorted(borders, _turned(_draws(plan.seed, 0, num_rows), turn), side="right")
    if plan.type == "time":
        return _by_time(table, _by(plan, table), borders)
    if plan.type == "scaffold":
        return _by_scaffold(table[_by(plan, table)], list(shares.values()))
    if plan.type == "stratified":
        column = plan.by or _single(targets)
        codes = _codes(table, column)
        draws = np.empty(num_rows)
        for code in range(codes.max(initial=-1) + 1):
            rows = np.flatnonzero(codes == code)
            draws[rows] = _draws(plan.seed, code + 1, len(rows))
        return np.searchsorted(borders, _turned(draws, turn), side="right")
    groups = _codes(table, _by(plan, table))
    draws = _turned(_draws(plan.seed, 0, groups.max(initial=-1) + 1), turn)
    return np.searchsorted(borders, draws, side="right")[groups]


def _turned(draws: np.ndarray, turn: float) -> np.ndarray:
    """Return draws in [0, 1) moved on by the folds before, so that other rows come last, where the test rows are."""
    return (draws + turn) % 1 if turn else draws


def _draws(seed: int, stream: int, count: int) -> np.ndarray:
    """Return float64 [count] in [0, 1), evenly filled in every block of 20; the first n never depend on the count."""
    num_blocks = -(-count // _BLOCK)
    generator = np.random.Generator(np.random.Philox(key=[seed, stream]))
    keys = generator.random((num_blocks, _BLOCK + 1))
    places = np.argsort(keys[:, :_BLOCK], axis=1)
    return ((places + keys[:, _BLOCK:]) / _BLOCK).ravel()[:count]


def _by_time(table: pa.Table, column: str, borders: np.ndarray) -> np.ndarray:
    """Earliest rows first; rows of one moment stay together, so no split sees a moment of a later one."""
    import pyarrow.compute as pc

    values = table[column]
    if values.null_count:
        raise DataError(f"splits: column {column} has {values.null_count} gaps; a split by time needs every time")
    moments = to_numpy(pc.rank(values, tiebreaker="min"), np.uint64)[0].astype(np.int64)
    ordered = np.sort(moments)
    ends = [ordered[min(round(border * len(ordered)), len(ordered) - 1)] for border in borders]
    return np.searchsorted(np.array(ends), moments, side="right")


def _by_scaffold(smiles: pa.ChunkedArray, shares: list[float]) -> np.ndarray:
    """Molecules of one scaffold stay together; the largest groups go where there is room first, train before the rest.

    As MoleculeNet does it (Wu et al. 2018, arXiv:1703.00564): the last split holds what is unlike the first.
    """
    codes, words = to_codes(smiles)
    scaffolds = [scaffold(str(word)) for word in words]
    places = {name: place for place, name in enumerate(dict.fromkeys([*scaffolds, ""]))}
    group_N = np.array([places[name] for name in (*scaffolds, "")])[codes]
    sizes = np.bincount(group_N, minlength=len(places))
    room = [share * len(group_N) for share in shares]
    split_of_group = np.zeros(len(places), np.int64)
    for group in np.argsort(-sizes, kind="stable"):
        fitting = [place for place, free in enumerate(room) if sizes[group] <= free + 1e-9]
        chosen = fitting[0] if fitting else len(room) - 1
        split_of_group[group], room[chosen] = chosen, room[chosen] - sizes[group]
    return split_of_group[group_N]


def _codes(table: pa.Table, column: str) -> np.ndarray:
    codes, words = to_codes(table[column])
    return np.where(codes < 0, len(words), codes)


def _by(plan: SplitPlan, table: pa.Table) -> str:
    if plan.by is None:
        what = {"time": "orders the rows", "scaffold": "holds SMILES"}.get(plan.type, "groups the rows")
        raise DataError(f"splits: a {plan.type} split needs `by`, the column that {what}")
    if plan.by not in table.column_names:
        near = did_you_mean(plan.by, table.column_names)
        raise DataError(f"splits: by: no column {plan.by}{near} (there are {', '.join(table.column_names[:30])})")
    return plan.by


def _single(targets: list[str]) -> str:
    if len(targets) > 1:
        raise DataError("splits: stratified over several targets needs `by`, the column whose shares are kept")
    return targets[0]

"""What the data can mean: every task and target that fits them, and which one was meant."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlw import registry
from dlw.columns import to_codes
from dlw.errors import DataError, UsageError, did_you_mean
from dlw.sources import text_folder
from dlw.sources._text_files import COLUMN
from dlw.verbs._new.columns import MEDIA, Column, Learnable, describe, is_flag, learnable
from dlw.verbs._new.timelines import Log, Recordings, log, recordings

if TYPE_CHECKING:
    import pyarrow as pa

OBVIOUS = frozenset({"label", "labels", "target", "class", "y"})
"""Names of columns that are the answer wherever they occur."""
BY_ITSELF, BY_TARGET, BY_TASK = range(3)
"""What decides for a reading: the data, `--target`, or only `--task`."""
RICH = (*MEDIA, "text", "molecule", "series", "messages")
"""Inputs that one column alone is enough of."""
MAX_LISTED = 30
_STRANGE = re.compile(r"anomal|outlier", re.IGNORECASE)


@dataclass(frozen=True)
class Facts:
    """What is known of the data before a task is chosen."""

    data: Path
    source: str | dict[str, Any]
    tables: Mapping[str, pa.Table]
    columns: Mapping[str, Column]
    recordings: Recordings | None
    log: Log | None
    is_plain_text: bool

    @property
    def train(self) -> pa.Table:
        """The rows that decide."""
        return self.tables["train"]

    def of_kind(self, *kinds: str) -> list[str]:
        """Return the columns of some kinds."""
        return [name for name, column in self.columns.items() if column.kind in kinds]


@dataclass(frozen=True)
class Reading:
    """One thing that the data can be used for."""

    task: str
    targets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    why: str = ""
    rank: int = BY_TARGET


def look(data: Path, source: str | dict[str, Any], tables: Mapping[str, pa.Table]) -> Facts:
    """Find out about the data; DataError where there are no training rows."""
    if "train" not in tables:
        raise DataError(f"{data}: no training rows; it has {', '.join(tables)}")
    train = tables["train"]
    if len(train) < 2:
        raise DataError(f"{data}: {len(train)} training rows found, at least 2 needed")
    columns = describe(train)
    is_table = isinstance(source, str) and not any(column.kind in MEDIA for column in columns.values())
    is_plain_text = isinstance(source, dict) and source["type"] == "text"
    if is_plain_text or text_folder.claims(data):
        codes, words = to_codes(train[COLUMN])
        columns[COLUMN] = Column(COLUMN, "text", codes=codes, words=tuple(words))
    logged = log(data, columns) if is_table else None
    found = recordings(train, columns) if is_table and logged is None else None
    return Facts(data, source, tables, columns, found, logged, is_plain_text)


def choose(facts: Facts, targets: Sequence[str], task: str | None) -> Reading:
    """Return the reading that was asked for; UsageError that lists what to say where it is not one alone."""
    _check_words(facts, targets, task)
    refused: dict[str, str] = {}
    readings = [*_of_the_whole(facts), *_of_columns(facts, refused)]
    readings += _together(facts, readings, targets)
    fitting = [one for one in readings if one.task == task or (task is None and one.rank < BY_TASK)]
    if targets:
        fitting = [one for one in fitting if list(one.targets) == list(targets)]
    else:
        odd = {name for name, column in facts.columns.items() if column.kind == ""}
        fitting = [one for one in fitting if one.rank == BY_ITSELF or not odd & set(one.targets)]
        fitting = [one for one in fitting if one.rank == BY_ITSELF] or fitting
        fitting = [one for one in fitting if not one.targets and task] or fitting
    if len(fitting) == 1 and (targets or task or fitting[0].rank == BY_ITSELF):
        return fitting[0]
    if fitting:
        raise UsageError(f"{facts.data}: say what to learn:\n" + "\n".join(_listed(fitting, readings)))
    if len(targets) == 1 and targets[0] in refused:
        raise DataError(refused[targets[0]])
    raise UsageError(_nothing(facts, targets, task, readings))


def _check_words(facts: Facts, targets: Sequence[str], task: str | None) -> None:
    known, names = list(facts.columns), registry.names("tasks")
    for name in targets:
        if name not in known:
            near = did_you_mean(name, known)
            raise UsageError(f"--target {name}: no such column{near} (there are {', '.join(known[:MAX_LISTED])})")
    if task is not None and task not in names:
        raise UsageError(f"--task {task}: no such task{did_you_mean(task, names)} (there are {', '.join(names)})")


def _listed(fitting: Sequence[Reading], readings: Sequence[Reading]) -> Iterator[str]:
    """Yield for each reading what to say to get it, and what it is."""
    for one in fitting[:MAX_LISTED]:
        rivals = [other for other in readings if list(other.targets) == list(one.targets) and other.rank < BY_TASK]
        named = [f"--target {shlex.quote(name)}" for name in one.targets]
        flags = [f"--task {one.task}"] if not named or one.rank == BY_TASK or len(rivals) > 1 else []
        yield f"  {' '.join([*flags, *named])}   # {one.task}: {one.why}"
    if len(fitting) > MAX_LISTED:
        yield f"  and {len(fitting) - MAX_LISTED} more"


def _nothing(facts: Facts, targets: Sequence[str], task: str | None, readings: Sequence[Reading]) -> str:
    asked = " ".join([*(f"--target {name}" for name in targets), *([f"--task {task}"] if task else [])])
    kinds = [f"{name}: {column.kind or 'not read'}" for name, column in list(facts.columns.items())[:MAX_LISTED]]
    offers = ", ".join(sorted({one.task for one in readings})) or "no task known here"
    told = f"{facts.data}: {asked or 'nothing to learn'}: these data are good for {offers} ({', '.join(kinds)})"
    ways = [one for one in readings if one.rank < BY_TASK] or readings
    return "\n".join([f"{told}; say instead:", *_listed(ways, readings)]) if ways else told


def _together(facts: Facts, readings: Sequence[Reading], targets: Sequence[str]) -> list[Reading]:
    """Return the reading that learns several columns at once: numbers, or labels that are each yes or no."""
    parts = [one for name in targets for one in readings if list(one.targets) == [name] and one.rank < BY_TASK]
    tasks = {one.task for one in parts}
    if len(targets) < 2 or len(parts) != len(targets) or len(tasks) != 1:
        return []
    blocks = {name: block for one in parts for name, block in one.targets.items()}
    if tasks == {"classification"} and all(is_flag(facts.columns[name]) for name in targets):
        blocks = {name: {"type": "labels"} for name in targets}
    elif not tasks <= {"regression", "forecasting"}:
        return []
    return [Reading(tasks.pop(), blocks, "together")]


def _of_the_whole(facts: Facts) -> Iterator[Reading]:
    """Yield the readings that need no target."""
    texts, rows = facts.of_kind("text"), facts.recordings
    if facts.is_plain_text:
        yield Reading("language_modeling", {}, "how the text goes on", BY_ITSELF)
    elif len(texts) == 1:
        yield Reading("language_modeling", {}, f"how {texts[0]} goes on", BY_TASK)
    if facts.of_kind("messages"):
        yield Reading("language_modeling", {}, "what the assistant says in a chat", BY_ITSELF)
    if facts.log:
        yield Reading("recommendation", {}, f"which {facts.log.item} a {facts.log.user} takes next", BY_ITSELF)
    if rows and rows.is_regular and (series := channels(facts)):
        rank = BY_ITSELF if rows.is_time else BY_TASK
        yield Reading("forecasting", {}, f"the next values of {', '.join(series[:8])}", rank)
        if rows.is_time:
            yield from (Reading("forecasting", {name: {"type": "series"}}, "its next values") for name in series)
    yield Reading("clustering", {}, "groups of rows that are alike", BY_TASK)


def channels(facts: Facts) -> list[str]:
    """Return the number columns of recordings that vary; what is only ever one of two values is no measurement."""
    rows = facts.recordings
    assert rows is not None, "asked only of recordings"
    numbers = [name for name in facts.of_kind("number") if name not in (rows.by, rows.order)]
    return [name for name in numbers if len(facts.columns[name].words) > 2]


def _of_columns(facts: Facts, refused: dict[str, str]) -> list[Reading]:
    """Return the readings that learn one column; `refused` gets the reason for each column that cannot be learned."""
    ways: dict[str, Learnable] = {}
    for name, column in facts.columns.items():
        if column.kind not in ("image", "sound", "series", "messages", "molecule") and not facts.is_plain_text:
            try:
                ways[name] = learnable(column, facts.train[name])
            except DataError as error:
                refused[name] = str(error)
    found: list[Reading] = []
    for name, way in ways.items():
        if way.block["type"] == "text":
            found += _written(facts, name, way, refused)
        else:
            found += _told(facts, name, way)
    return _with_obvious(facts, found)


def _written(facts: Facts, name: str, way: Learnable, refused: dict[str, str]) -> Iterator[Reading]:
    """Yield how a column of many texts can be written: what is said, or from another text."""
    others = [other for other in facts.of_kind("text") if other != name]
    if facts.of_kind("sound"):
        yield Reading("transcription", {name: {"type": "text"}}, f"what is said; {way.why}")
    elif others and facts.columns[name].kind == "text":
        yield Reading("sequence_to_sequence", {name: {"type": "text"}}, f"written from {others[0]}; {way.why}")
    else:
        refused[name] = f"target {name}: {way.why} are not classes"


def _told(facts: Facts, name: str, way: Learnable) -> Iterator[Reading]:
    target = {name: way.block}
    if way.block["type"] != "category":
        yield Reading(way.task, target, way.why)
        return
    is_new = _has_new_classes(facts, name)
    is_single = len(facts.columns[name].words) < 2
    if not is_new and not is_single:
        yield Reading(way.task, target, way.why)
    if facts.columns[name].kind == "number" and len(facts.columns[name].words) > 2:
        yield Reading("regression", {name: {"type": "number"}}, f"{way.why}, taken for numbers", BY_TASK)
    if facts.of_kind(*MEDIA, "text"):
        why = f"{way.why}, rows of one close together"
        yield Reading("embedding", target, why, BY_TARGET if is_new else BY_TASK)
    rank = BY_ITSELF if facts.recordings and _STRANGE.search(name) else BY_TASK
    yield Reading("anomaly", target, "which rows are strange; the label only judges", rank)
    yield Reading("clustering", target, "groups of rows that are alike; the label only judges", BY_TASK)


def _has_new_classes(facts: Facts, name: str) -> bool:
    """Tell whether the splits that judge hold none of the training classes: rows are to be compared, not named."""
    others = [table for split, table in facts.tables.items() if split != "train" and name in table.column_names]
    known = set(map(str, facts.columns[name].words))
    return bool(others) and not any(known & set(map(str, to_codes(table[name])[1])) for table in others)


def _with_obvious(facts: Facts, found: list[Reading]) -> list[Reading]:
    """Let the data decide where one column is plainly the answer."""
    asked = [one for one in found if one.rank == BY_TARGET]
    plain = [one for one in asked if _name(one).lower() in OBVIOUS or one.task in ("detection", "segmentation")]
    inputs = facts.of_kind(*RICH)
    rest = [one for one in asked if facts.columns[_name(one)].kind != "" or one.task == "transcription"]
    if inputs and not plain and facts.recordings is None:
        flags = [_name(one) for one in rest if is_flag(facts.columns[_name(one)])]
        if len(flags) > 1 and len(flags) == len(rest):
            blocks: dict[str, Mapping[str, Any]] = {name: {"type": "labels"} for name in flags}
            found = [*found, Reading("classification", blocks, f"{len(flags)} labels, each yes or no", BY_ITSELF)]
        plain = rest if len(rest) == 1 else []
    return [replace(one, rank=BY_ITSELF) if one in plain else one for one in found]


def _name(reading: Reading) -> str:
    return next(iter(reading.targets))

"""The rows that the network got most wrong, with what it saw: pictures, texts or the columns of the row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dlw.specs import Arrays, FieldSpec, Outcome
from dlw.verbs._drawings import as_picture, picture_group, png
from dlw.verbs._report.html import Markup, facts, figure, picture, tag

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN = 12
MOST_COLUMNS = 8
LARGEST_SIDE = 320


def badness(outcome: Outcome) -> np.ndarray | None:
    """Return how wrong each row is, float64 [N]; None for kinds that have no order of mistakes."""
    rows = np.arange(len(outcome.target))
    if outcome.kind == "classes":
        wrong = outcome.decision != outcome.target
        return np.where(wrong, 1.0 - outcome.prediction[rows, outcome.target].astype(np.float64), -1.0)
    if outcome.kind == "values":
        spread = np.maximum(outcome.target.std(0), 1e-12)
        return np.asarray((np.abs(outcome.prediction - outcome.target) / spread).max(1))
    return None


def worst(
    outcome: Outcome, table: pa.Table, places: np.ndarray, arrays: Arrays, inputs: Mapping[str, FieldSpec]
) -> Markup | None:
    """Return the worst rows of `table.take(places)`; None where there is nothing to show."""
    wrong = badness(outcome)
    if wrong is None:
        return None
    chosen = [int(row) for row in np.argsort(-wrong, kind="stable")[:SHOWN] if wrong[row] > 0]
    if not chosen:
        return None
    group = picture_group(inputs)
    columns = [] if group is not None else _shown_columns(table)
    cards = []
    for row in chosen:
        seen: list[Markup] = []
        if group is not None:
            image = as_picture(arrays[group][row])
            image.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
            seen.append(picture(png(image), f"row {places[row]}"))
        values = {name: table[name][int(places[row])].as_py() for name in columns}
        cards.append(tag("div", *seen, facts({"row": int(places[row]), **_said(outcome, row), **values})))
    return tag("div", *cards, class_="mistakes")


def _shown_columns(table: pa.Table) -> list[str]:
    import pyarrow.types as types

    plain = [field.name for field in table.schema if not (types.is_nested(field.type) or types.is_binary(field.type))]
    return plain[:MOST_COLUMNS]


def _said(outcome: Outcome, row: int) -> dict[str, Any]:
    if outcome.kind == "classes":
        names: Sequence[Any] = outcome.names or range(outcome.prediction.shape[1])
        answer, truth = int(outcome.decision[row]), int(outcome.target[row])
        said, given = outcome.prediction[row, answer], outcome.prediction[row, truth]
        return {"true": f"{names[truth]} ({given:.1%})", "answered": f"{names[answer]} ({said:.1%})"}
    names = outcome.names or [f"target {place}" for place in range(outcome.target.shape[1])]
    return {
        str(name): f"true {figure(outcome.target[row, t])}, answered {figure(outcome.prediction[row, t])}"
        for t, name in enumerate(names[:3])
    }

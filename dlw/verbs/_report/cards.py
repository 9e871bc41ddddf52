"""Rows to be looked at, one card each: what the network saw, what was true, what it answered.

Worst mistakes come first; of answers that are pictures, texts, neighbours or forecasts a few ordinary rows as well.
Shape legend: N rows, T steps given, H steps ahead, C channels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dlw.metrics._neighbours import nearest
from dlw.metrics._values import error, point
from dlw.shards import loaded
from dlw.specs import TARGET, Outcome
from dlw.verbs._drawings import as_picture, enlarged, picture_group, png
from dlw.verbs._report import charts
from dlw.verbs._report.badness import badness
from dlw.verbs._report.html import Markup, facts, figure, picture, tag

if TYPE_CHECKING:
    from PIL.Image import Image

    from dlw.verbs._trained import Trained
    from dlw.verbs.evaluate import Judged

SHOWN = 12
ORDINARY = 6
MOST_COLUMNS = 8
MOST_NAMES = 3
NEIGHBOURS = 3
LARGEST_SIDE = 320
SEEN_KINDS = ("map", "boxes", "vectors", "texts", "forecast", "forecast_quantiles", "ranking")
"""Kinds whose ordinary answers are worth a look: a score alone does not say what they are like."""


def worst(trained: Trained, judged: Judged) -> Markup | None:
    """Return the rows that were answered worst; None where there is nothing to show."""
    wrong = badness(judged.outcome)
    if wrong is None:
        return None
    return _cards(trained, judged, _apart(np.argsort(-wrong, kind="stable"), wrong, judged.outcome))


def ordinary(trained: Trained, judged: Judged) -> Markup | None:
    """Return a few rows, spread evenly, of kinds that have to be looked at; None for others."""
    if judged.outcome.kind not in SEEN_KINDS:
        return None
    rows = np.unique(np.linspace(0, len(judged.outcome.target) - 1, ORDINARY).round().astype(int))
    return _cards(trained, judged, rows.tolist())


def _apart(order_N: np.ndarray, wrong_N: np.ndarray, outcome: Outcome) -> list[int]:
    """Return the first rows of an order that are wrong; forecasts of overlapping windows count as one mistake."""
    width = outcome.target.shape[1] if outcome.kind.startswith("forecast") else 0
    chosen: list[int] = []
    for row in order_N.tolist():
        if len(chosen) == SHOWN or not wrong_N[row] > 0:
            break
        if all(abs(row - other) >= width for other in chosen):
            chosen.append(row)
    return chosen


def _cards(trained: Trained, judged: Judged, rows: Sequence[int]) -> Markup | None:
    if not rows:
        return None
    columns = _shown_columns(trained, judged)
    cards = []
    for row in rows:
        place = int(judged.rows[row])
        cells = loaded(judged.table.select(columns).take(judged.rows[[row]]))
        values = {name: cells[name][0].as_py() for name in columns}
        cards.append(tag("div", *_seen(trained, judged, row), facts({"row": place, **_said(judged, row), **values})))
    return tag("div", *cards, class_="mistakes")


def _shown_columns(trained: Trained, judged: Judged) -> list[str]:
    """Return plain columns that say what a row is; none where its picture does."""
    import pyarrow.types as types

    if picture_group(trained.fitted.inputs) is not None:
        return []
    told = {column.name for column in trained.fitted.columns if column.role == "target"}
    plain = [
        field.name
        for field in judged.table.schema
        if field.name not in told and not (types.is_nested(field.type) or types.is_binary(field.type))
    ]
    return plain[:MOST_COLUMNS]


def _seen(trained: Trained, judged: Judged, row: int) -> Iterator[Markup]:
    """Yield the pictures of a row: the picture itself, or with truth and answer over it, its neighbours, its series."""
    group = picture_group(trained.fitted.inputs)
    kind = judged.outcome.kind
    if group is not None and kind in ("map", "boxes"):
        yield from _over_picture(trained, judged, group, row)
    elif group is not None:
        yield _shown(as_picture(judged.encoded(row, trained.fitted)[group]), f"row {judged.rows[row]}")
        if kind == "vectors":
            for other in nearest(judged.outcome, row, NEIGHBOURS):
                yield _shown(
                    as_picture(judged.encoded(other, trained.fitted)[group]), f"found: row {judged.rows[other]}"
                )
    elif kind in ("forecast", "forecast_quantiles"):
        yield _coming(trained, judged, row)


def _over_picture(trained: Trained, judged: Judged, group: str, row: int) -> Iterator[Markup]:
    task, encoded = trained.task, judged.encoded(row, trained.fitted)
    layers = task.layers({name: array[row : row + 1] for name, array in judged.answers.items()})
    if layers is None:
        return
    pixels = encoded[group]
    for layer, told in ((encoded[TARGET], "true"), (layers[0], "answered")):
        drawn = enlarged(task.draw(as_picture(pixels), layer))
        yield tag("figure", _shown(drawn, f"row {judged.rows[row]}, {told}"), tag("figcaption", told))


def _shown(image: Image, alternative: str) -> Markup:
    image.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    return picture(png(image), alternative)


def _coming(trained: Trained, judged: Judged, row: int) -> Markup:
    """Return the channel that was forecast worst: what came before and after, and what was said."""
    outcome = judged.outcome
    said_HC, came_HC = point(outcome)[row], outcome.target[row]
    channel = int(np.nan_to_num(np.abs(error(outcome.take(np.array([row])))[0])).mean(0).argmax())
    name = outcome.names[channel] if outcome.names else f"channel {channel}"
    history_T = _history(trained, judged, row, name)[-len(came_HC) :]
    true_S = np.concatenate([history_T, came_HC[:, channel]])
    steps_S = np.arange(1 - len(history_T), len(came_HC) + 1)
    true = [(float(step), float(value)) for step, value in zip(steps_S, true_S, strict=True) if np.isfinite(value)]
    said = [(float(step + 1), float(value)) for step, value in enumerate(said_HC[:, channel])]
    return charts.lines({"answered": said, "true": true}, "steps ahead", f"{name}, from row {judged.rows[row]} on")


def _history(trained: Trained, judged: Judged, row: int, channel: str) -> np.ndarray:
    """Return what a row gives of a channel [T], without the gaps; empty where no input holds it."""
    for group, spec in trained.fitted.inputs.items():
        if spec.kind == "series" and channel in spec.columns:
            given_T: np.ndarray = judged.encoded(row, trained.fitted)[group][:, spec.columns.index(channel)]
            return given_T[np.isfinite(given_T)]
    return np.empty(0)


def _said(judged: Judged, row: int) -> dict[str, Any]:
    """Return truth and answer in words, as far as these fit on a card."""
    outcome = judged.outcome
    names = outcome.names
    match outcome.kind:
        case "classes":
            answer, truth = int(outcome.decision[row]), int(outcome.target[row])
            said, given = outcome.prediction[row, answer], outcome.prediction[row, truth]
            known: Sequence[Any] = names or range(outcome.prediction.shape[1])
            return {"true": f"{known[truth]} ({given:.1%})", "answered": f"{known[answer]} ({said:.1%})"}
        case "values" | "quantiles":
            shown = names or [f"target {place}" for place in range(outcome.target.shape[1])]
            pairs = zip(shown[:MOST_NAMES], outcome.target[row], point(outcome)[row], strict=False)
            return {str(name): f"true {figure(true)}, answered {figure(said)}" for name, true, said in pairs}
        case "labels":
            wrong = np.flatnonzero((outcome.target[row] >= 0) & (outcome.decision[row] != (outcome.target[row] == 1)))
            words = [
                f"{names[k]}: {outcome.prediction[row, k]:.1%}, true {'yes' if outcome.target[row, k] else 'no'}"
                for k in wrong
            ]
            return {"wrong": "; ".join(words[:MOST_NAMES]) or "nothing"}
        case "scores":
            return {
                "true": "strange" if outcome.target[row] else "ordinary",
                "score": figure(float(outcome.prediction[row])),
            }
        case "vectors":
            near = [_class_name(outcome, int(outcome.target[other])) for other in nearest(outcome, row, NEIGHBOURS)]
            return {"true": _class_name(outcome, int(outcome.target[row])), "found": ", ".join(near)}
        case "ranking":
            first = [names[item] for item in outcome.prediction[row, :MOST_NAMES] if item >= 0]
            truth = int(outcome.target[row])
            return {"true": names[truth] if truth >= 0 else "new", "answered first": ", ".join(map(str, first))}
        case "nats":
            tokens = max(1.0, float(outcome.target[row, 0]))
            return {"nats per token": figure(float(outcome.prediction[row]) / tokens), "tokens": f"{tokens:,.0f}"}
        case "texts":
            return {"true": str(outcome.target[row]), "answered": str(outcome.prediction[row])}
        case _:
            return {}


def _class_name(outcome: Outcome, place: int) -> str:
    """Return the name of a class; rows to search may hold classes that training did not name."""
    return str(outcome.names[place]) if place < len(outcome.names) else f"class {place}"

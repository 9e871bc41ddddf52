"""report.html of a sweep: the best trial, what mattered, how the best came about, and every trial."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlw.verbs._report import charts, html
from dlw.verbs._report.html import Markup, facts, figure, join, tag
from dlw.verbs._report.style import STYLE

if TYPE_CHECKING:
    from dlw.verbs.sweep import SweepResult


def report(result: SweepResult) -> str:
    """Return the page as HTML."""
    sections = {
        "What mattered": _importance(result),
        "How it went": _history(result),
        "The trials": _trials(result),
    }
    parts = [_head(result)]
    parts += [tag("section", tag("h2", title), content) for title, content in sections.items() if content is not None]
    return html.page(f"{result.name}: sweep", join(parts), STYLE)


def _head(result: SweepResult) -> Markup:
    aim = "higher is better" if result.is_higher_better else "lower is better"
    parts = [tag("h1", result.name), tag("p", f"{len(result.trials)} trials, {aim}", class_="soft")]
    if result.best is not None:
        line = [tag("strong", figure(result.best.score)), tag("span", f"{result.monitor}, trial {result.best.number}")]
        parts.append(tag("div", *line, class_="headline"))
        parts.append(facts(result.best.shown()))
    if result.written is not None:
        parts.append(tag("p", f"the recipe as written, trial 0, reaches {figure(result.written.score)}"))
    note = "The best of many scores on one split is too good; the test split, which no trial was scored on, tells."
    return tag("header", *parts, tag("p", note, class_="soft"))


def _importance(result: SweepResult) -> Markup | None:
    if not result.importance:
        return None
    caption = "share in what makes a trial good (PED-ANOVA over the complete trials)"
    return tag("div", charts.shares(result.importance, caption), class_="figures")


def _history(result: SweepResult) -> Markup | None:
    """Return the score of each complete trial, and the best so far."""
    scored = [
        (float(row.number), row.score) for row in result.trials if row.state == "complete" and row.score is not None
    ]
    if len(scored) < 2:
        return None
    better = max if result.is_higher_better else min
    best = [(number, better(score for _, score in scored[: place + 1])) for place, (number, _) in enumerate(scored)]
    drawn = charts.lines({"best so far": best, "trial": scored}, "trial", result.monitor)
    return tag("div", drawn, class_="figures")


def _trials(result: SweepResult) -> Markup:
    keys = sorted({key for row in result.trials for key in row.params})
    rows = [
        [
            row.number,
            row.state,
            figure(row.score),
            *(row.shown().get(key, "–") for key in keys),
            figure(row.seconds),
            row.reason or "",
        ]
        for row in result.trials
    ]
    return html.table(["trial", "state", result.monitor, *keys, "seconds", "reason"], rows)

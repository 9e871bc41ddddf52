"""report.html of a training: what was learned, how it went, what it took, how to go on."""

from __future__ import annotations

from collections.abc import Mapping

from dlw.runs.journal import Journal
from dlw.verbs._report import html, sections
from dlw.verbs._report.html import Markup, figure, join, picture, tag
from dlw.verbs._report.style import STYLE
from dlw.verbs._session import Session

SAMPLES = {"train.png": "the first training batch with its targets", "validation.png": "truth, and answers below it"}


def report(session: Session, *, step: int, parameters: int, weight_bytes: int, scores: Mapping[str, float]) -> str:
    """Return the page as HTML; `scores` are the validation values of the checkpoint at `step`."""
    recipe, run = session.recipe, session.run
    rows = {split: len(table) for split, table in session.tables.items()}
    parts = {
        "What was learned": sections.learned(recipe, session.fitted, parameters, rows),
        "Validation scores of the kept checkpoint": _scores(scores),
        "Learning": sections.curves(Journal(run.metrics).read(), step),
        "Samples": _samples(session),
        "What it took": sections.cost(run, step, weight_bytes),
        "How to repeat it, and to judge it": sections.repeat([f"dlw train {run.resolved.name}", "dlw evaluate RUN"]),
    }
    told = "These rows chose the checkpoint, so that its scores flatter; dlw evaluate judges it on rows it never saw."
    head = tag("header", tag("h1", recipe.name), tag("p", told, class_="soft"))
    return html.page(f"{recipe.name}: training", join([head, *sections.titled(parts)]), STYLE)


def _scores(scores: Mapping[str, float]) -> Markup | None:
    rows = [[name.rpartition("/")[2], figure(value)] for name, value in scores.items()]
    return html.table(["metric", "value"], rows) if rows else None


def _samples(session: Session) -> Markup | None:
    folder = session.run.folder / "samples"
    found = [
        tag("figure", picture((folder / name).read_bytes(), told), tag("figcaption", told))
        for name, told in SAMPLES.items()
        if (folder / name).is_file()
    ]
    return tag("div", *found, class_="samples") if found else None

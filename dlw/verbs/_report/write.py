"""report.html of an evaluation: what was learned from which data, how well, beside what, and where it fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dlw.runs.journal import Journal
from dlw.verbs._report import cards, html, sections
from dlw.verbs._report.figures import FIGURES
from dlw.verbs._report.html import Markup, figure, join, tag
from dlw.verbs._report.style import STYLE

if TYPE_CHECKING:
    from dlw.verbs._intervals import Interval
    from dlw.verbs._scores import Evaluation, Gap, Group, Score
    from dlw.verbs._trained import Trained
    from dlw.verbs.evaluate import Judged


def report(trained: Trained, judged: Judged, evaluation: Evaluation) -> str:
    """Return the page as HTML."""
    recipe = trained.recipe
    drawn = FIGURES[judged.outcome.kind](judged.outcome, recipe.seed) if judged.outcome.kind in FIGURES else []
    parts = {
        "What was learned": sections.learned(recipe, trained.fitted, _parameters(trained)),
        "Scores": _scores(evaluation),
        "Learning": sections.curves(Journal(trained.run.metrics).read(), trained.step),
        "Answers": tag("div", *drawn, class_="figures") if drawn else None,
        "By target or class": _groups(evaluation.parts),
        "By group of rows": _groups(evaluation.slices),
        "Between groups": _gaps(evaluation.gaps),
        "Some rows": cards.ordinary(trained, judged),
        "Worst mistakes": cards.worst(trained, judged),
        "How the scores came about": tag("ul", *(tag("li", sentence) for sentence in evaluation.protocol)),
        "What it took": sections.cost(trained.run, trained.step, _weight_bytes(trained)),
        "How to repeat it": sections.repeat(_commands(trained, evaluation)),
    }
    body = join([_head(trained, evaluation), *sections.titled(parts)])
    return html.page(f"{recipe.name}: {evaluation.split}", body, STYLE)


def _head(trained: Trained, evaluation: Evaluation) -> Markup:
    best = next(one for one in evaluation.scores if one.metric == evaluation.headline)
    where = f"{evaluation.rows:,} {evaluation.unit} of {evaluation.split}, step {evaluation.step:,}"
    line = [
        tag("strong", figure(best.value)),
        tag("span", f"{best.metric}, 95 % interval {_between(best.low, best.high)}"),
    ]
    parts = [tag("h1", trained.recipe.name), tag("p", where, class_="soft"), tag("div", *line, class_="headline")]
    parts += [tag("p", _beaten(best, name)) for name in best.baselines]
    parts += [
        tag(
            "p",
            f"{'met' if verdict.is_met else 'NOT met'}: {verdict.text} (found {figure(verdict.value)})",
            class_="good" if verdict.is_met else "bad",
        )
        for verdict in evaluation.requirements
    ]
    parts += [tag("p", warning, class_="bad") for warning in evaluation.warnings]
    return tag("header", *parts)


def _beaten(score: Score, name: str) -> str:
    versus = score.baselines[name]
    gap = versus.difference
    return (
        f"{name} reaches {figure(versus.score.value)}: difference {figure(gap.value)} ({_between(gap.low, gap.high)})"
    )


def _scores(evaluation: Evaluation) -> Markup:
    names = [fit.name for fit in evaluation.baselines]
    rows = []
    for score in evaluation.scores:
        beside = [figure(score.baselines[name].score.value) if name in score.baselines else "" for name in names]
        aim = "higher" if score.higher_is_better else "lower"
        rows.append([score.metric, figure(score.value), _between(score.low, score.high), *beside, aim])
    return html.table(["metric", "network", "95 % interval", *names, "better"], rows)


def _groups(groups: Sequence[Group]) -> Markup | None:
    if not groups:
        return None
    metrics = list(groups[0].scores)
    rows = [
        [
            f"{group.column} = {group.value}" if group.column else group.value,
            f"{group.rows:,}" + (" (few)" if group.is_small else ""),
            *(_with_interval(group.scores[metric]) for metric in metrics),
        ]
        for group in groups
    ]
    return html.table(["group", "rows", *metrics], rows)


def _gaps(gaps: Sequence[Gap]) -> Markup | None:
    if not gaps:
        return None
    rows = [[gap.metric, gap.column, _with_interval(gap.difference), gap.highest, gap.lowest, gap.name] for gap in gaps]
    return html.table(["largest gap", "in", "difference", "highest", "lowest", ""], rows)


def _parameters(trained: Trained) -> int:
    return sum(parameter.numel() for parameter in trained.predictor.parameters())


def _weight_bytes(trained: Trained) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in trained.predictor.state_dict().values())


def _commands(trained: Trained, evaluation: Evaluation) -> list[str]:
    split = "" if evaluation.split == "test" else f" --split {evaluation.split}"
    return [f"dlw train {trained.run.resolved.name}", f"dlw evaluate RUN{split}"]


def _between(low: float, high: float) -> str:
    return "not known" if low != low else f"{figure(low)} to {figure(high)}"


def _with_interval(found: Interval) -> str:
    return (
        figure(found.value) if found.low != found.low else f"{figure(found.value)} ({_between(found.low, found.high)})"
    )

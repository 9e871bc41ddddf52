"""report.html of an evaluation: what was learned from which data, how well, beside what, and where it fails."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dlw.runs.journal import Journal
from dlw.verbs._report import charts, html
from dlw.verbs._report.figures import FIGURES
from dlw.verbs._report.html import Markup, facts, figure, join, tag
from dlw.verbs._report.mistakes import worst
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
    mistakes = worst(judged.outcome, judged.table, judged.rows, judged.arrays, trained.fitted.inputs)
    sections = {
        "What was learned": facts(_learned(trained, evaluation)),
        "Scores": _scores(evaluation),
        "Learning": _curves(Journal(trained.run.metrics).read(), trained.step),
        "Answers": tag("div", *drawn, class_="figures") if drawn else None,
        "By target or class": _groups(evaluation.parts),
        "By group of rows": _groups(evaluation.slices),
        "Between groups": _gaps(evaluation.gaps),
        "Worst mistakes": mistakes,
        "How the scores came about": tag("ul", *(tag("li", sentence) for sentence in evaluation.protocol)),
        "What it took": facts(_cost(trained)),
        "How to repeat it": _repeat(trained, evaluation),
    }
    parts = [_head(trained, evaluation)]
    for title, content in sections.items():
        if content is not None:
            parts.append(tag("section", tag("h2", title), content))
    return html.page(f"{recipe.name}: {evaluation.split}", join(parts), STYLE)


def _head(trained: Trained, evaluation: Evaluation) -> Markup:
    best = next(one for one in evaluation.scores if one.metric == evaluation.headline)
    where = f"{evaluation.rows:,} rows of {evaluation.split}, step {evaluation.step:,}"
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


def _learned(trained: Trained, evaluation: Evaluation) -> dict[str, Any]:
    recipe = trained.recipe
    inputs = [f"{column.name} ({column.type})" for column in trained.fitted.columns if column.role == "input"]
    targets = [f"{column.name} ({column.type})" for column in trained.fitted.columns if column.role == "target"]
    parameters = sum(parameter.numel() for parameter in trained.predictor.parameters())
    return {
        "task": recipe.task.type,
        "target": ", ".join(targets) or "the input itself",
        "inputs": ", ".join(inputs[:20]) + (f" and {len(inputs) - 20} more" if len(inputs) > 20 else ""),
        "network": f"{recipe.model.type}, {parameters:,} parameters",
        "optimizer": f"{recipe.optimizer.type}, batches of {recipe.train.batch_size * recipe.train.accumulate:,} rows",
        "seed": recipe.seed,
    }


def _scores(evaluation: Evaluation) -> Markup:
    names = [fit.name for fit in evaluation.baselines]
    rows = []
    for score in evaluation.scores:
        beside = [figure(score.baselines[name].score.value) if name in score.baselines else "" for name in names]
        aim = "higher" if score.higher_is_better else "lower"
        rows.append([score.metric, figure(score.value), _between(score.low, score.high), *beside, aim])
    return html.table(["metric", "network", "95 % interval", *names, "better"], rows)


def _curves(journal: Sequence[Mapping[str, Any]], step: int) -> Markup | None:
    """Return training and validation loss, and each other validation metric, over the steps."""
    if len(journal) < 2:
        return None
    keys = dict.fromkeys(key for line in journal for key in line if "/" in key)
    curves = {key: _curve(journal, key) for key in keys}
    losses = {name: curves.pop(name) for name in ("train/loss", "validation/loss") if curves.get(name)}
    drawn = [charts.lines(losses, "step", _gap(losses), mark=step)] if losses else []
    drawn += [charts.lines({name: curve}, "step", name, mark=step) for name, curve in curves.items() if len(curve) > 1]
    return tag("div", *drawn, class_="figures") if drawn else None


def _curve(journal: Sequence[Mapping[str, Any]], key: str) -> Sequence[tuple[float, float]]:
    return [(float(line["step"]), float(line[key])) for line in journal if line.get(key) is not None]


def _gap(losses: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    told = "loss; the dashed line is the checkpoint that is judged"
    if len(losses) < 2:
        return told
    train, validation = (curve[-1][1] for curve in losses.values())
    return f"{told}; at the end validation minus training is {figure(validation - train)}"


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


def _cost(trained: Trained) -> dict[str, Any]:
    found = json.loads(trained.run.environment.read_bytes()) if trained.run.environment.exists() else {}
    size = sum(tensor.numel() * tensor.element_size() for tensor in trained.predictor.state_dict().values())
    shown = {name: found[name] for name in ("processor", "gpu", "threads", "device", "torch", "dlw") if name in found}
    return {"steps": f"{trained.step:,}", "weights": f"{size / 2**20:,.2f} MiB", **shown}


def _repeat(trained: Trained, evaluation: Evaluation) -> Markup:
    split = "" if evaluation.split == "test" else f" --split {evaluation.split}"
    commands = [f"dlw train {trained.run.resolved.name}", f"dlw evaluate RUN{split}"]
    note = (
        "The run's recipe.resolved.yaml holds every setting and trains alone; the same machine gives the same weights."
    )
    return tag("div", tag("p", note), tag("pre", "\n".join(commands)))


def _between(low: float, high: float) -> str:
    return "not known" if low != low else f"{figure(low)} to {figure(high)}"


def _with_interval(found: Interval) -> str:
    return (
        figure(found.value) if found.low != found.low else f"{figure(found.value)} ({_between(found.low, found.high)})"
    )

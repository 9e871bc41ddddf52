"""How a score came about, in sentences: what stands between a figure and being believed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from dlw.recipe.schema import Block, Recipe, SplitPlan
from dlw.specs import VOID, Outcome

if TYPE_CHECKING:
    from dlw.verbs._scores import BaselineFit, Score, Versus


@dataclass(frozen=True)
class Facts:
    """What the protocol tells beside recipe and outcome."""

    split: str
    source: str
    left_out: int
    repeated: int | None
    """Rows whose inputs also occur in train; None where nobody looked."""
    checkpoint: str
    positive_from: str
    temperature: float | None
    found: frozenset[str]
    """Options of the task that had others found on the validation split."""
    resamples: int
    seed: int
    told: tuple[str, ...] = ()
    """What the task and the metrics have to say themselves."""
    look_back: int = 0
    """Steps of the longest input series, 0 where there is none."""


def sentences(recipe: Recipe, outcome: Outcome, facts: Facts, baselines: Sequence[BaselineFit]) -> tuple[str, ...]:
    """Return the protocol, one sentence a line."""
    rows = len(outcome.target)
    what = f"{rows:,} windows" if outcome.kind == "nats" else f"{rows:,}"
    told = [f"rows: {what} of the {facts.split} split" + _also(facts.left_out, "unusable and left out")]
    told.append(f"source: {facts.source}")
    told.append(_repeats(facts.repeated))
    told.append(f"checkpoint: {facts.checkpoint}")
    told += _averaging(outcome, facts)
    told += facts.told
    if facts.temperature is not None and outcome.kind in ("classes", "labels"):
        by = "of the least log loss on validation" if "calibrate" in facts.found else "set by the recipe"
        told.append(f"probabilities: at temperature {facts.temperature:.4g}, {by}")
    if facts.found and baselines:
        told.append("baselines: given the same search on their own answers for validation")
    told.append(
        f"intervals: 95 %, {facts.resamples:,} bootstrap draws of single rows (percentiles), seed {facts.seed}"
        if facts.resamples
        else "intervals: none (evaluate.bootstrap is 0)"
    )
    told += [f"baseline {fit.name}: {fit.note}, {fit.seconds:.1f} s" for fit in baselines]
    return tuple(told)


def differences(headline: Score) -> tuple[str, ...]:
    """Return how far from each baseline the network is, by the metric that warnings speak of."""
    return tuple(
        f"difference to {name}, network minus baseline: {headline.metric} {_difference(versus)}"
        + ("" if math.isnan(versus.difference.low) else ", on the same draws of rows")
        for name, versus in headline.baselines.items()
    )


def _difference(versus: Versus) -> str:
    found = versus.difference
    told = f"{found.value:.4g}"
    return told if math.isnan(found.low) else f"{told} (95 % interval {found.low:.4g} to {found.high:.4g})"


def _repeats(count: int | None) -> str:
    if count is None:
        return "duplicates: not looked for, the rows do not fit data.memory_budget"
    return f"duplicates: {f'{count:,} of these rows have' if count else 'no row has'} inputs that also occur in train"


def comparisons(headline: Score, split: str) -> tuple[str, ...]:
    """Return a warning for each baseline that the network does not clearly beat, and for rows that flatter."""
    told = []
    for name, versus in headline.baselines.items():
        ahead = versus.difference.value if headline.higher_is_better else -versus.difference.value
        low = versus.difference.low if headline.higher_is_better else -versus.difference.high
        said = (
            f"{headline.metric} {headline.value:.5g} against {versus.score.value:.5g}, difference {_difference(versus)}"
        )
        if not ahead > 0:
            told.append(f"the network does not beat the baseline {name}: {said}")
        elif low <= 0:
            told.append(f"the network's lead over the baseline {name} is within chance: {said}")
    if split == "train":
        told.append("these are the rows that the network learned from: the scores flatter")
    if split == "validation":
        told.append("the checkpoint was chosen on these rows: the scores flatter")
    return tuple(told)


def source(recipe: Recipe) -> str:
    """Return the recipe's data source and how it is split, in words."""
    given = recipe.data.source
    if isinstance(given, Block):
        options = ", ".join(f"{key} {value}" for key, value in given.options.items() if value is not None)
        told = f"{given.type} ({options})"
    else:
        told = given if isinstance(given, str) else ", ".join(given)
    episodes = f"; test: the episodes of {recipe.evaluate.episodes.source}" if recipe.evaluate.episodes else ""
    return f"{told}; splits: {_splits(recipe)}{episodes}"


def _splits(recipe: Recipe) -> str:
    plan = recipe.data.splits
    if plan is None:
        return "the source's own"
    if isinstance(plan, SplitPlan):
        by = f" by {plan.by}" if plan.by else ""
        fold = f", fold {plan.fold}" if plan.fold else ""
        return f"{plan.type}{by}, {plan.train:g} / {plan.validation:g} / {plan.test:g}, seed {plan.seed}{fold}"
    return ", ".join(f"{name} = {part}" for name, part in plan.items())


def _averaging(outcome: Outcome, facts: Facts) -> list[str]:
    if outcome.kind == "vectors":
        return [_search(outcome)]
    if outcome.kind == "boxes":
        return [_objects(outcome)]
    if outcome.kind == "map":
        return [_pixels(outcome, facts)]
    if outcome.kind in ("forecast", "forecast_quantiles"):
        return _forecasts(outcome, facts)
    if outcome.kind == "clusters":
        return [_clusters(outcome)]
    if outcome.kind == "ranking":
        return [_ranking(outcome)]
    if outcome.kind not in ("classes", "labels", "values", "quantiles"):
        return []
    columns = outcome.prediction.shape[1]
    if outcome.kind == "classes" and columns == 2:
        name = outcome.names[outcome.positive] if outcome.names else str(outcome.positive)
        return [f"positive class: {name} ({facts.positive_from}); decided {_decided(outcome, (name,), facts)}"]
    if outcome.kind == "classes":
        return [f"averaging: f1, precision, recall and ranking metrics are means over {columns} classes"]
    if outcome.kind == "labels":
        gaps = int((outcome.target < 0).sum())
        decided = _decided(outcome, outcome.names, facts)
        return [f"averaging: means over {columns} labels, {gaps:,} unknown entries left out, decided {decided}"]
    if columns > 1:
        return [f"averaging: means over {columns} targets, each in its own units"]
    return []


def _decided(outcome: Outcome, names: Sequence[str], facts: Facts) -> str:
    """Say from which probability on the answer is yes, and who says so."""
    if not outcome.thresholds:
        return "by the more probable class" if outcome.kind == "classes" else "at 0.5"
    shown = [f"{least:.4g}" for least in outcome.thresholds]
    if len(set(shown)) == 1:
        told = f"from probability {shown[0]} on"
    else:
        parts = [f"{least} ({name})" for least, name in zip(shown, names, strict=True)]
        told = f"from probabilities {', '.join(parts[:10])}{', ...' if len(parts) > 10 else ''} on"
    if "costs" not in facts.found:
        return f"{told}, set by the recipe"
    wrong_yes, wrong_no = outcome.costs
    return f"{told}, the cheapest on validation (a false positive costs {wrong_yes:g}, a false negative {wrong_no:g})"


def _forecasts(outcome: Outcome, facts: Facts) -> list[str]:
    rows, steps, columns = outcome.target.shape
    unknown = float(np.isnan(outcome.target).mean())
    season = f"; mase: over the mean change in {outcome.season} steps of training" if outcome.season else ""
    return [
        f"forecasts: {rows:,} origins, every window of the split, {steps} steps ahead of {columns} columns, "
        f"look-back {facts.look_back} steps; {100 * unknown:.3g} % of the values are unknown and left out",
        f"units: errors of each column are divided by its deviation in training{season}",
        "windows overlap: they are not independent, so that the intervals are too narrow",
    ]


def _objects(outcome: Outcome) -> str:
    least = outcome.prediction[..., 5][outcome.prediction[..., 0] >= 0].min(initial=1.0)
    return (
        f"averaging: means over the classes of {len(outcome.names)} that the truth holds; COCO's rules, all sizes of "
        f"boxes, at most {outcome.prediction.shape[1]:,} objects a picture, scores from {least:.2g} on"
    )


def _pixels(outcome: Outcome, facts: Facts) -> str:
    height, width = outcome.target.shape[1:]
    void = (outcome.target == VOID).mean()
    told = f"pixels: counted over all pictures at {width}x{height}, {100 * void:.3g} % not known and left out"
    if len(outcome.names) == 2:
        return f"{told}; dice is that of {outcome.names[outcome.positive]} ({facts.positive_from})"
    return f"{told}; mean_iou and dice are means over {len(outcome.names)} classes"


def _clusters(outcome: Outcome) -> str:
    told = f"clusters: {outcome.prediction.shape[1]}, found in the training rows without labels"
    known = int((outcome.target >= 0).sum())
    if known:
        told += f"; ari and nmi compare them with the classes of {known:,} rows, hidden until now"
    return f"{told}; silhouette is measured among the standardised inputs"


def _ranking(outcome: Outcome) -> str:
    unseen = int((outcome.target < 0).sum())
    return (
        f"ranking: of all {len(outcome.names):,} items of training, not of a sample; {unseen:,} rows ask for an item "
        f"that training never saw and count as not found; mrr reads the first {outcome.prediction.shape[1]} places"
    )


def _search(outcome: Outcome) -> str:
    if outcome.is_found is None or outcome.group is None:
        return "search: each row among all other rows, by cosine, exact; rows without another of their class left out"
    searching, episodes = int((~outcome.is_found).sum()), len(np.unique(outcome.group))
    return (
        f"search: {searching:,} rows in {episodes:,} episodes, each among the rows of its episode that can be found "
        f"({int(outcome.is_found.sum()) / episodes:g} on average), by cosine; recall_at_1 is the share of right answers"
    )


def explained(metrics: Mapping[str, ModuleType], outcome: Outcome) -> tuple[str, ...]:
    """Return how each metric that has versions and settings says that it was computed, and what belongs beside it."""
    told = [(name, module.signature()) for name, module in metrics.items() if hasattr(module, "signature")]
    told += [(name, module.beside(outcome)) for name, module in metrics.items() if hasattr(module, "beside")]
    return tuple(f"{name}: {text}" for name, text in told)


def _also(count: int, what: str) -> str:
    return f", {count:,} more {what}" if count else ""

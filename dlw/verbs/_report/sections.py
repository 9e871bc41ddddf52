"""The parts that the pages of a training and of an evaluation share."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dlw.recipe.schema import Recipe
from dlw.runs.layout import Run
from dlw.verbs._cost import cost_of
from dlw.verbs._report import charts
from dlw.verbs._report.html import Markup, facts, figure, join, tag, text

if TYPE_CHECKING:
    from dlw.verbs._fitted import Fitted

MOST_INPUTS = 20
ENVIRONMENT = ("processor", "gpu", "threads", "device", "torch", "dlw")


def titled(parts: Mapping[str, Markup | None]) -> Iterator[Markup]:
    """Yield a section for each title that has something below it."""
    for title, content in parts.items():
        if content is not None:
            yield tag("section", tag("h2", title), content)


def learned(recipe: Recipe, fitted: Fitted, parameters: int, rows: Mapping[str, int] | None = None) -> Markup:
    """Return what was learned from which data, and with what."""
    inputs, targets = (
        [f"{column.name} ({column.type})" for column in fitted.columns if column.role == role]
        for role in ("input", "target")
    )
    more = f" and {len(inputs) - MOST_INPUTS} more" if len(inputs) > MOST_INPUTS else ""
    told: dict[str, Any] = {
        "task": recipe.task.type,
        "target": ", ".join(targets) or "the input itself",
        "inputs": ", ".join(inputs[:MOST_INPUTS]) + more,
    }
    if rows:
        told["rows"] = ", ".join(f"{count:,} {split}" for split, count in rows.items())
    told |= {
        "network": f"{recipe.model.type}, {parameters:,} parameters",
        "optimizer": f"{recipe.optimizer.type}, batches of {recipe.train.batch_size * recipe.train.accumulate:,} rows",
        "seed": recipe.seed,
    }
    return facts(told)


def curves(journal: Sequence[Mapping[str, Any]], step: int) -> Markup | None:
    """Return training and validation loss, and each other validation metric, over the steps."""
    if len(journal) < 2:
        return None
    keys = dict.fromkeys(key for line in journal for key in line if "/" in key)
    by_name = {key: _curve(journal, key) for key in keys}
    losses = {name: by_name.pop(name) for name in ("train/loss", "validation/loss") if by_name.get(name)}
    drawn = [charts.lines(losses, "step", _gap(losses), mark=step)] if losses else []
    drawn += [charts.lines({name: curve}, "step", name, mark=step) for name, curve in by_name.items() if len(curve) > 1]
    return tag("div", *drawn, class_="figures") if drawn else None


def _curve(journal: Sequence[Mapping[str, Any]], key: str) -> Sequence[tuple[float, float]]:
    return [(float(line["step"]), float(line[key])) for line in journal if line.get(key) is not None]


def _gap(losses: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    told = "loss; the dashed line is the checkpoint that is judged"
    if len(losses) < 2:
        return told
    train, validation = (curve[-1][1] for curve in losses.values())
    return f"{told}; at the end validation minus training is {figure(validation - train)}"


def cost(run: Run, step: int, weight_bytes: int) -> Markup:
    """Return steps, time, memory and energy of a training, and the machine it ran on."""
    found = json.loads(run.environment.read_bytes()) if run.environment.exists() else {}
    took = cost_of(run)
    told: dict[str, Any] = {"steps": f"{step:,}", "weights": f"{weight_bytes / 2**20:,.2f} MiB"}
    if took.sittings:
        energy = f"about {figure(took.watt_hours)} Wh of processor and memory, estimated at 12 W a busy core"
        told |= {
            "time": f"{figure(took.seconds)} s, {figure(took.cpu_seconds)} s of processor time",
            "memory": f"{took.peak_memory_bytes / 2**20:,.0f} MiB at most",
            "energy": energy + (" (the GPU not counted)" if "gpu" in found else ""),
        }
    return facts({**told, **{name: found[name] for name in ENVIRONMENT if name in found}})


def repeat(commands: Sequence[str]) -> Markup:
    """Return the commands that do it all again."""
    note = (
        "The run's recipe.resolved.yaml holds every setting and trains alone; the same machine gives the same weights."
    )
    return tag("div", tag("p", note), tag("pre", join(map(text, commands))))

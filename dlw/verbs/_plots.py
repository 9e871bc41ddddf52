"""Series as SVG files: what was given, and what comes next with the range it likely lies in, or what is strange in it.

One panel per channel, under one another. Drawn without a plotting library: a bundle plots, too.
Shape legend: T steps given, H steps ahead, C channels, Q levels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from dlw.errors import UsageError
from dlw.runs.disk import write_atomic
from dlw.specs import Arrays, FieldSpec
from dlw.tasks._base import Task
from dlw.verbs._asked import FreeNames
from dlw.verbs._report.html import text

WIDTH, HEIGHT, LEFT, GAP = 720, 120, 64, 26
MOST_PANELS = 12
GIVEN, AHEAD, STRANGE = "#59636e", "#0a5fb4", "#b3261e"


class Plots:
    """A folder that gets one SVG per answered row."""

    def __init__(self, folder: Path, task: Task, inputs: Mapping[str, FieldSpec]) -> None:
        self._folder, self._task, self._names = folder, task, FreeNames()
        wanted = set(task.output.columns)
        found = [name for name, spec in inputs.items() if spec.kind == "series" and wanted <= set(spec.columns)]
        if not found or type(task).layers is Task.layers:
            raise UsageError("--draw: the answers of this task do not lie on a series: there is nothing to draw")
        self._group, self._spec = found[0], inputs[found[0]]

    def add(self, names: Sequence[str], arrays: Arrays, answers: Arrays) -> None:
        """Draw some rows."""
        layers = self._task.layers(answers)
        assert layers is not None
        self._folder.mkdir(parents=True, exist_ok=True)
        channels = self._task.output.columns or self._spec.columns
        order = [self._spec.columns.index(name) for name in channels]
        for name, series_TC, layer in zip(names, arrays[self._group][:, :, order], layers, strict=True):
            write_atomic(self._folder / f"{self._names.free(name)}.svg", svg(channels, series_TC, layer).encode())


def svg(channels: Sequence[str], series_TC: np.ndarray, layer: np.ndarray) -> str:
    """Return a picture of a series with a forecast [H, C, Q] after it, or errors or reasons [T, C] under it."""
    shown = range(min(len(channels), MOST_PANELS))
    height = len(shown) * (HEIGHT + GAP)
    panels = "".join(
        f'<g transform="translate(0 {place * (HEIGHT + GAP)})">'
        + _panel(channels[place], series_TC[:, place], layer[:, place])
        + "</g>"
        for place in shown
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="white"/>{panels}</svg>\n'
    )


def _panel(name: str, given_T: np.ndarray, layer: np.ndarray) -> str:
    is_forecast = layer.ndim == 2
    values = np.concatenate([given_T, layer.reshape(-1) if is_forecast else []]).astype(np.float64)
    known = values[~np.isnan(values)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
    span = high - low or 1.0
    total = len(given_T) + (len(layer) if is_forecast else 0)

    def at(step: float, value: float) -> str:
        across = LEFT + (WIDTH - LEFT - 8) * step / max(total - 1, 1)
        return f"{across:.1f},{GAP / 2 + HEIGHT * (1 - (value - low) / span):.1f}"

    drawn = [f'<text x="4" y="{GAP / 2 + HEIGHT / 2:.0f}">{text(name)}</text>']
    drawn += [f'<text x="4" y="{y:.0f}" fill="{GIVEN}">{value:.4g}</text>' for y, value in ((GAP, high), (HEIGHT, low))]
    if not is_forecast:
        worst = float(np.nanmax(np.abs(layer), initial=0.0)) or 1.0
        side = (WIDTH - LEFT - 8) / max(total - 1, 1)
        drawn += [
            f'<rect x="{LEFT + side * (step - 0.5):.1f}" y="{GAP / 2}" width="{side:.2f}" height="{HEIGHT}" '
            f'fill="{STRANGE if size > 0 else AHEAD}" fill-opacity="{0.6 * abs(float(size)) / worst:.2f}"/>'
            for step, size in enumerate(layer)
            if size
        ]
    drawn.append(_line(list(enumerate(given_T)), at, GIVEN))
    if is_forecast:
        steps = [len(given_T) + step for step in range(len(layer))]
        if layer.shape[1] > 1:
            around = [*zip(steps, layer[:, 0], strict=True), *reversed([*zip(steps, layer[:, -1], strict=True)])]
            corners = " ".join(at(step, float(value)) for step, value in around)
            drawn.append(f'<polygon points="{corners}" fill="{AHEAD}" fill-opacity="0.2"/>')
        drawn.append(_line([*zip(steps, layer[:, layer.shape[1] // 2], strict=True)], at, AHEAD))
    return "".join(drawn)


def _line(points: Sequence[tuple[int, float]], at: Callable[[float, float], str], colour: str) -> str:
    """Return a line through the known values, broken at gaps."""
    parts: list[list[str]] = [[]]
    for step, value in points:
        if np.isnan(value):
            parts.append([])
        else:
            parts[-1].append(at(step, float(value)))
    style = f'fill="none" stroke="{colour}" stroke-width="1.5"'
    return "".join(f'<polyline points="{" ".join(part)}" {style}/>' for part in parts if part)

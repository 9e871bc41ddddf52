"""Small charts as SVG: lines, points and bars, with axes that carry round numbers. Lengths in SVG units."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dlw.verbs._report.html import Markup, join, tag

WIDTH, HEIGHT = 420, 260
LEFT, RIGHT, TOP, BOTTOM = 62, 28, 10, 40
TICKS = 5
MOST_POINTS = 1500
EVEN = 1e-9
"""Values that differ by a smaller share of the largest are drawn as one: rounding is all that tells them apart."""
LARGEST = 1e300
"""Values further from 0 leave the chart: their differences are not numbers any more."""
CLASSES = ("one", "two")


@dataclass(frozen=True)
class Frame:
    """The rectangle of values that a chart shows."""

    left: float
    right: float
    bottom: float
    top: float

    @classmethod
    def around(cls, xs: np.ndarray, ys: np.ndarray) -> Frame:
        """Return the frame of some points, ends on round numbers, never without width or height."""
        return cls(*_rounded(xs), *_rounded(ys))

    def x(self, value: float) -> float:
        """Return the place of a value on the horizontal axis."""
        return LEFT + (value - self.left) / (self.right - self.left) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Return the place of a value on the vertical axis, which points up."""
        return HEIGHT - BOTTOM - (value - self.bottom) / (self.top - self.bottom) * (HEIGHT - TOP - BOTTOM)


def lines(
    curves: Mapping[str, Sequence[tuple[float, float]]], across: str, caption: str, mark: float | None = None
) -> Markup:
    """Return up to two curves over a common axis; `mark` is a place on it that a dashed line shows."""
    points = np.array([point for curve in curves.values() for point in curve], dtype=np.float64)
    frame = Frame.around(points[:, 0], points[:, 1])
    drawn = [_axes(frame, across)]
    if mark is not None:
        drawn.append(_segment(frame, (mark, frame.bottom), (mark, frame.top), "even"))
    keys = []
    for style, (name, curve) in zip(CLASSES, curves.items(), strict=False):
        path = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in curve)
        drawn.append(tag("polyline", points=path, class_=f"line {style}"))
        keys.append(tag("span", f"— {name} ", class_=f"key-{style}"))
    keys = keys if len(curves) > 1 else []
    return _figure(drawn, caption, keys)


def points(xs: np.ndarray, ys: np.ndarray, across: str, caption: str, seed: int) -> Markup:
    """Return a cloud of points with the line on which both are equal; of many, MOST_POINTS drawn at random."""
    chosen = np.sort(np.random.default_rng(seed).permutation(len(xs))[:MOST_POINTS])
    xs, ys = xs[chosen], ys[chosen]
    both = np.concatenate([xs, ys])
    frame = Frame.around(both, both)
    dots = [
        tag("circle", cx=f"{frame.x(x):.1f}", cy=f"{frame.y(y):.1f}", r=2.5, class_="dot")
        for x, y in zip(xs, ys, strict=True)
    ]
    even = _segment(frame, (frame.left, frame.bottom), (frame.right, frame.top), "even")
    return _figure([_axes(frame, across), even, *dots], caption)


def bars(edges: np.ndarray, heights: np.ndarray, across: str, caption: str, *, is_even: bool = False) -> Markup:
    """Return bars [B] between edges [B + 1]; `is_even` adds the diagonal where height equals place."""
    frame = Frame(float(edges[0]), float(edges[-1]), 0.0, _rounded(np.append(heights, 0.0))[1])
    drawn = [_axes(frame, across)]
    for low, high, height in zip(edges[:-1], edges[1:], heights, strict=True):
        if not math.isfinite(height) or height <= 0:
            continue
        top, foot = frame.y(height), frame.y(0.0)
        width = max(1.0, frame.x(high) - frame.x(low) - 1)
        drawn.append(
            tag(
                "rect",
                x=f"{frame.x(low):.1f}",
                y=f"{top:.1f}",
                width=f"{width:.1f}",
                height=f"{foot - top:.1f}",
                class_="bar",
            )
        )
    if is_even:
        drawn.append(_segment(frame, (0.0, 0.0), (min(frame.right, frame.top),) * 2, "even"))
    return _figure(drawn, caption)


def shares(parts: Mapping[str, float], caption: str) -> Markup:
    """Return a horizontal bar for each named share of a whole."""
    line, label = 22, 150
    drawn = []
    for place, (name, share) in enumerate(parts.items()):
        foot = TOP + place * line + 14
        width = share * (WIDTH - label - 50)
        drawn += [
            tag("text", name, x=label - 6, y=foot, class_="tick", text_anchor="end"),
            tag("rect", x=label, y=foot - 11, width=f"{max(1.0, width):.1f}", height=14, class_="bar"),
            tag("text", f"{share:.0%}", x=f"{label + width + 6:.1f}", y=foot, class_="tick"),
        ]
    return _figure(drawn, caption, height=2 * TOP + line * len(parts))


def _figure(drawn: Sequence[Markup], caption: str, keys: Sequence[Markup] = (), height: int = HEIGHT) -> Markup:
    picture = tag(
        "svg", *drawn, viewBox=f"0 0 {WIDTH} {height}", width=WIDTH, height=height, role="img", aria_label=caption
    )
    return tag("figure", picture, tag("figcaption", *keys, caption))


def _axes(frame: Frame, across: str) -> Markup:
    parts = []
    for value in _ticks(frame.left, frame.right):
        parts.append(
            tag(
                "text",
                _short(value),
                x=f"{frame.x(value):.1f}",
                y=HEIGHT - BOTTOM + 16,
                class_="tick",
                text_anchor="middle",
            )
        )
    for value in _ticks(frame.bottom, frame.top):
        parts.append(_segment(frame, (frame.left, value), (frame.right, value), "axis"))
        parts.append(
            tag("text", _short(value), x=LEFT - 6, y=f"{frame.y(value) + 4:.1f}", class_="tick", text_anchor="end")
        )
    parts.append(tag("text", across, x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 6, class_="tick", text_anchor="middle"))
    return join(parts)


def _segment(frame: Frame, start: tuple[float, float], end: tuple[float, float], style: str) -> Markup:
    places = {"x1": frame.x(start[0]), "y1": frame.y(start[1]), "x2": frame.x(end[0]), "y2": frame.y(end[1])}
    return tag("line", **{name: f"{place:.1f}" for name, place in places.items()}, class_=style)


def _step(low: float, high: float) -> float:
    """Return 1, 2 or 5 times a power of ten: about TICKS of them fit between two values."""
    raw = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)


def _rounded(values: np.ndarray) -> tuple[float, float]:
    """Return round numbers around the finite values."""
    finite = np.clip(values[np.isfinite(values)], -LARGEST, LARGEST)
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    size = max(abs(low), abs(high), 1 / LARGEST)
    if high - low < EVEN * size:
        half = max(size, 1.0) / 2
        low, high = low - half, high + half
    step = _step(low, high)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step


def _ticks(low: float, high: float) -> list[float]:
    step = _step(low, high)
    first = math.ceil(low / step - 1e-9)
    return [place * step for place in range(first, math.floor(high / step + 1e-9) + 1)]


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"

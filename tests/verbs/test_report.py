"""The page of an evaluation: complete, readable by assistive programs, unable to run or fetch anything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from dlw.specs import Outcome
from dlw.verbs._report import charts, html
from dlw.verbs._report.badness import badness
from dlw.verbs._report.figures import FIGURES
from dlw.verbs._report.style import STYLE
from dlw.verbs.evaluate import evaluate
from tests.verbs import small_detections, small_masks
from tests.verbs.small_runs import PICTURE_RECIPE, PRICE_RECIPE, TABLE_RECIPE, people, squares, trained

HOSTILE = (
    "<script>alert(1)</script>",
    '"onerror="alert(1)',
    "javascript:alert(1)",
    "</title><svg onload=alert(1)>",
    "{{7*7}}",
    "\x1b]8;;http://example.org\x1b\\",
    "\u202egnp.exe",
    "=HYPERLINK(1)",
)


RUNS = {
    "table": (TABLE_RECIPE, people),
    "price": (PRICE_RECIPE, people),
    "picture": (PICTURE_RECIPE, squares),
    "mask": (small_masks.RECIPE, small_masks.blocks),
    "box": (small_detections.RECIPE, small_detections.rectangles),
}


class Seen(HTMLParser):
    """Every tag with its attributes; raises on tags that do not nest."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: str) -> Seen:
    """Parse a page and hold it against what no page may have."""
    seen = Seen()
    seen.feed(page)
    seen.close()
    assert seen.open == []
    assert not {tag for tag, _ in seen.tags} & {"script", "iframe", "object", "embed", "link", "form", "a", "base"}
    for tag, attributes in seen.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), f"{tag} {name}"
            assert name not in ("href", "srcset", "action"), f"{tag} {name}"
            assert name != "src" or str(value).startswith("data:image/png;base64,")
        if tag == "img":
            assert attributes["alt"]
        if attributes.get("role") == "img":
            assert attributes["aria-label"]
    policy = [a["content"] for tag, a in seen.tags if tag == "meta" and "http-equiv" in a]
    assert policy
    assert "default-src 'none'" in str(policy[0])
    assert "script" not in str(policy[0])
    return seen


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the pages of evaluations of tables and pictures, and that of a training."""
    found = {}
    for name, (recipe, make) in RUNS.items():
        folder = tmp_path_factory.mktemp(name)
        make(folder)
        run = trained(folder, recipe)
        evaluate(run, split="validation", slices=["town"] if name in ("table", "price") else [])
        found[name] = (run / "evaluation" / "validation" / "report.html").read_text(encoding="utf-8")
        found[f"training of {name}"] = (run / "report.html").read_text(encoding="utf-8")
    return found


@pytest.mark.parametrize("name", RUNS)
def test_a_page_has_all_sections_and_no_way_out(name: str, pages: dict[str, str]) -> None:
    seen = read(pages[name])
    for title in ("What was learned", "Scores", "How the scores came about", "What it took", "How to repeat it"):
        assert title in seen.text
    assert "95 % interval" in seen.text
    assert "<pre>dlw train recipe.resolved.yaml\ndlw evaluate RUN" in pages[name]


def test_each_kind_shows_what_belongs_to_it(pages: dict[str, str]) -> None:
    table, price, picture = (read(pages[name]) for name in ("table", "price", "picture"))
    assert "true \\ answered" in table.text
    assert "precision (up) against recall" in table.text
    assert "town = Wien" in table.text
    assert "demographic parity difference" in table.text
    assert "predicted (up) against true (across)" in price.text
    assert any(tag == "img" for tag, _ in picture.tags)


@pytest.mark.parametrize("name", ["mask", "box"])
def test_answers_on_pictures_are_drawn_beside_the_truth(name: str, pages: dict[str, str]) -> None:
    seen = read(pages[name])
    assert "Some rows" in seen.text
    told = [str(attributes["alt"]) for tag, attributes in seen.tags if tag == "img"]
    assert sum(alternative.endswith("true") for alternative in told) >= 2
    assert sum(alternative.endswith("answered") for alternative in told) >= 2


@pytest.mark.parametrize("name", RUNS)
def test_a_training_leaves_a_page_with_what_it_took(name: str, pages: dict[str, str]) -> None:
    seen = read(pages[f"training of {name}"])
    for title in ("What was learned", "Validation scores of the kept checkpoint", "What it took", "How to repeat it"):
        assert title in seen.text
    assert " train, " in seen.text
    assert re.search(r"about [\d.e-]+ Wh", seen.text)
    assert any(tag == "img" for tag, _ in seen.tags) == (name in ("mask", "box"))


@pytest.mark.withstands("security", case="X8")
@pytest.mark.parametrize("name", HOSTILE)
def test_names_from_the_data_stay_text(name: str) -> None:
    outcome = Outcome("classes", np.eye(3)[[0, 1, 2, 0]], np.array([0, 1, 1, 2]), (name, "b", "c"))
    body = html.join([*FIGURES["classes"](outcome, 0), html.table([name], [[name]], name), html.facts({name: name})])
    page = html.page(name, body, "")
    seen = read(page)
    visible = "".join(" " if ord(sign) < 32 or sign == "\u202e" else sign for sign in name)
    assert visible in seen.text
    assert "\x1b" not in page
    assert "\u202e" not in page


def outcomes() -> Iterator[Outcome]:
    """Yield small outcomes that are easy to get wrong: one row, all right, constant, not finite."""
    for count in (1, 5):
        yield Outcome("classes", np.full((count, 2), 0.5), np.zeros(count, np.int64))
        yield Outcome("values", np.ones((count, 1)), np.ones((count, 1)), ("y",))
        yield Outcome("values", np.full((count, 1), 1e30), np.zeros((count, 1)), ("y",))
        yield Outcome("quantiles", np.zeros((count, 1, 3)), np.zeros((count, 1)), ("y",), (0.1, 0.5, 0.9))
        yield Outcome("clusters", np.eye(2)[np.zeros(count, int)], np.array([-1, 0, 1, 9, 0])[:count], ("y", "z"))
        yield Outcome("scores", np.arange(count, dtype=np.float64), np.zeros(count, np.int64))
        yield Outcome("labels", np.full((count, 2), 0.5), np.full((count, 2), -1, np.int8), ("a", "b"))
        yield Outcome("nats", np.zeros(count), np.zeros((count, 2)))
        yield Outcome("texts", np.full(count, "", object), np.full(count, "", object))
        yield Outcome("map", np.zeros((count, 2, 3), np.uint8), np.full((count, 2, 3), 255, np.uint8), ("a", "b"))
        yield Outcome("boxes", np.full((count, 2, 6), -1, np.float32), np.full((count, 1, 5), -1, np.float32), ("a",))
        yield Outcome("ranking", np.full((count, 12), -1), np.full(count, -1), ("a",))
        yield Outcome("forecast", np.zeros((count, 3, 1)), np.full((count, 3, 1), np.nan), ("y",), scale=(1.0,))
        yield Outcome(
            "forecast_quantiles",
            np.zeros((count, 3, 1, 3)),
            np.zeros((count, 3, 1)),
            ("y",),
            (0.1, 0.5, 0.9),
            scale=(1.0,),
        )


@pytest.mark.parametrize("outcome", list(outcomes()), ids=lambda outcome: f"{outcome.kind}-{len(outcome.target)}")
def test_odd_outcomes_are_drawn_too(outcome: Outcome) -> None:
    page = html.page("odd", html.join(FIGURES[outcome.kind](outcome, 0)), "")
    read(page)
    assert "nan" not in page
    assert "inf" not in page


@pytest.mark.parametrize("outcome", list(outcomes()), ids=lambda outcome: f"{outcome.kind}-{len(outcome.target)}")
def test_odd_outcomes_have_an_order_of_mistakes_without_holes(outcome: Outcome) -> None:
    wrong = badness(outcome)
    if wrong is None:
        assert outcome.kind == "clusters"
    else:
        assert wrong.shape == (len(outcome.target),)
        assert np.isfinite(wrong).all()


MISTAKES = {
    "labels": Outcome("labels", np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([[1, 0], [0, 0]], np.int8), ("a", "b")),
    "map": Outcome("map", np.zeros((2, 2, 2), np.uint8), np.array([[[0, 255]] * 2, [[0, 1]] * 2], np.uint8)),
    "scores": Outcome("scores", np.array([3.0, 1.0, 2.0, 0.0]), np.array([1, 1, 0, 0])),
    "texts": Outcome("texts", np.array(["same", "other"], object), np.array(["same", "same"], object)),
    "ranking": Outcome("ranking", np.array([[3, 1], [3, 1]]), np.array([3, 1]), tuple("abcd")),
    "nats": Outcome("nats", np.array([4.0, 4.0]), np.array([[4.0, 9], [1.0, 9]])),
    "vectors": Outcome("vectors", np.eye(4)[[0, 2, 0, 2, 0]], np.array([0, 0, 0, 1, 0])),
    "forecast": Outcome(
        "forecast", np.zeros((2, 3, 1)), np.array([[[0.0]] * 3, [[0.0], [2.0], [np.nan]]]), ("y",), scale=(1.0,)
    ),
    "quantiles": Outcome("quantiles", np.array([[[0.0, 1, 2]], [[0.0, 1, 2]]]), np.array([[1.0], [5.0]]), ("y",)),
    "boxes": Outcome(
        "boxes",
        np.array([[[0, 0, 0, 9, 9, 0.9]], [[0, 50, 50, 59, 59, 0.9]]], np.float32),
        np.array([[[0, 0, 0, 9, 9]], [[0, 0, 0, 9, 9]]], np.float32),
        ("cell",),
    ),
}


@pytest.mark.parametrize("kind", MISTAKES)
def test_the_row_that_is_wrong_comes_first(kind: str) -> None:
    wrong = badness(MISTAKES[kind])
    assert wrong is not None
    assert wrong.argmax() == 1


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours #rrggbb, 1 to 21 (WCAG 2.2, relative luminance)."""
    light = []
    for colour in (one, other):
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        light.append(0.2126 * red + 0.7152 * green + 0.0722 * blue)
    return (max(light) + 0.05) / (min(light) + 0.05)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(mode: str) -> None:
    blocks = re.findall(r":root \{([^}]*)\}", STYLE)
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", blocks[0]))
    if mode == "dark":
        colours |= dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", blocks[1]))
    for behind in ("back", "panel"):
        for ink in ("ink", "soft", "one", "two", "good", "bad"):
            assert contrast(colours[ink], colours[behind]) >= 4.5, f"{ink} on {behind}"


def test_the_worst_row_is_the_most_certain_mistake() -> None:
    outcome = Outcome("classes", np.array([[0.9, 0.1], [0.4, 0.6], [0.99, 0.01]]), np.array([0, 0, 1]))
    wrong = badness(outcome)
    assert wrong is not None
    assert wrong.argmax() == 2
    assert wrong[0] < 0, "a right answer is no mistake"


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (-3.2, 7.9), (0.01, 0.013), (19_000, 76_000), (-1e-9, 1e-9), (5, 5), (1e12, 2e12)]
)
def test_axes_carry_round_numbers_around_the_values(low: float, high: float) -> None:
    ends = np.array([low, high], dtype=np.float64)
    frame = charts.Frame.around(ends, ends)
    assert frame.left <= low
    assert frame.right >= high
    drawn = charts.lines({"a": [(low, low), (high, high)]}, "x", "caption")
    ticks = re.findall(r'text-anchor="middle">([^<]+)<', drawn)
    assert 2 <= len(ticks) - 1 <= 12


@pytest.mark.parametrize(
    ("low", "high"), [(-1.0, np.nextafter(-1.0, 0)), (0.0, 5e-324), (1e15, 1e15 + 0.25), (-1.7e308, 1.7e308)]
)
def test_values_that_only_rounding_tells_apart_or_of_any_size_are_drawn(low: float, high: float) -> None:
    drawn = charts.lines({"a": [(low, low), (high, high)]}, "x", "caption")
    assert "polyline" in drawn
    assert not re.search(r"\b(nan|inf)\b", drawn)


def test_the_whole_page_is_a_function_of_the_run(tmp_path: Path) -> None:
    people(tmp_path)
    run = trained(tmp_path, TABLE_RECIPE)
    file = run / "evaluation" / "validation" / "report.html"
    written = []
    for _ in range(2):
        evaluate(run, split="validation")
        written.append(re.sub(r"\d+\.\d s", "", file.read_text(encoding="utf-8")))
    assert written[0] == written[1]

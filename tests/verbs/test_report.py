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
from dlw.verbs._report.figures import FIGURES
from dlw.verbs._report.mistakes import badness
from dlw.verbs.evaluate import evaluate
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
    """Return the page of a classification and a regression on a table and of a classification of pictures."""
    found = {}
    for name, recipe in (("table", TABLE_RECIPE), ("price", PRICE_RECIPE), ("picture", PICTURE_RECIPE)):
        folder = tmp_path_factory.mktemp(name)
        people(folder)
        squares(folder)
        run = trained(folder, recipe)
        evaluate(run, split="validation", slices=["town"] if name != "picture" else [])
        found[name] = (run / "evaluation" / "validation" / "report.html").read_text(encoding="utf-8")
    return found


@pytest.mark.parametrize("name", ["table", "price", "picture"])
def test_a_page_has_all_sections_and_no_way_out(name: str, pages: dict[str, str]) -> None:
    seen = read(pages[name])
    for title in ("What was learned", "Scores", "How the scores came about", "What it took", "How to repeat it"):
        assert title in seen.text
    assert "95 % interval" in seen.text


def test_each_kind_shows_what_belongs_to_it(pages: dict[str, str]) -> None:
    table, price, picture = (read(pages[name]) for name in ("table", "price", "picture"))
    assert "true \\ answered" in table.text
    assert "precision (up) against recall" in table.text
    assert "town = Wien" in table.text
    assert "demographic parity difference" in table.text
    assert "predicted (up) against true (across)" in price.text
    assert any(tag == "img" for tag, _ in picture.tags)


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


@pytest.mark.parametrize("outcome", list(outcomes()), ids=lambda outcome: f"{outcome.kind}-{len(outcome.target)}")
def test_odd_outcomes_are_drawn_too(outcome: Outcome) -> None:
    page = html.page("odd", html.join(FIGURES[outcome.kind](outcome, 0)), "")
    read(page)
    assert "nan" not in page
    assert "inf" not in page


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


def test_the_whole_page_is_a_function_of_the_run(tmp_path: Path) -> None:
    people(tmp_path)
    run = trained(tmp_path, TABLE_RECIPE)
    file = run / "evaluation" / "validation" / "report.html"
    written = []
    for _ in range(2):
        evaluate(run, split="validation")
        written.append(re.sub(r"\d+\.\d s", "", file.read_text(encoding="utf-8")))
    assert written[0] == written[1]

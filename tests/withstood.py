"""Counts what dlw withstands: `python -m pytest -m withstands -n auto` prints one line per kind of fault or bad input.

A test marked `withstands("bad inputs", case="B07")` counts as one case, which holds if all its tests pass. A test that
tries many things by itself takes the fixture `tally` and says how many held, which fails the test unless all did.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

import pytest
from _pytest.mark.structures import ParameterSet

Tally = Callable[[int, int], None]


def case(name: str, *values: object) -> ParameterSet:
    """Return a parameter set that counts for this case of the bad inputs."""
    return pytest.param(*values, marks=pytest.mark.withstands("bad inputs", case=name))


@pytest.fixture
def tally(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Tally:
    """Return a function that records `held` of `tried` for the test's marker and fails unless they are equal."""
    assert request.node.get_closest_marker("withstands"), "a test that tallies says of what: mark it withstands(...)"

    def record(held: int, tried: int) -> None:
        record_property("held", held)
        record_property("tried", tried)
        assert tried > 0
        assert held == tried

    return record


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what a marker says onto the reports, which also travel between processes."""
    for item in items:
        if marker := item.get_closest_marker("withstands"):
            what, case = marker.args[0], marker.kwargs.get("case", item.nodeid)
            item.user_properties += [("withstands", what), ("case", case)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print `what: held of tried` where tests were chosen by their marker."""
    if "withstands" not in terminalreporter.config.option.markexpr.split():
        return
    terminalreporter.section("withstood")
    for what, (held, tried) in sorted(_counts(_reports(terminalreporter))):
        terminalreporter.line(f"{what}: {held} of {tried}")


def _reports(terminalreporter: pytest.TerminalReporter) -> Iterator[tuple[dict[str, object], bool]]:
    for outcome in ("passed", "failed", "error"):
        for report in terminalreporter.stats.get(outcome, []):
            properties = dict(report.user_properties)
            if "withstands" in properties:
                yield properties, outcome == "passed"


def _counts(reports: Iterator[tuple[dict[str, object], bool]]) -> list[tuple[str, tuple[int, int]]]:
    tallies: dict[str, dict[object, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
    for properties, passed in reports:
        what, case = str(properties["withstands"]), properties["case"]
        held, tried = int(str(properties.get("held", int(passed)))), int(str(properties.get("tried", 1)))
        counted = "tried" in properties
        tallies[what][(case, counted)].append((held, tried))
    totals = []
    for what, cases in tallies.items():
        held = tried = 0
        for (_, counted), results in cases.items():  # type: ignore[misc]
            if counted:
                held, tried = held + sum(h for h, _ in results), tried + sum(t for _, t in results)
            else:
                held, tried = held + int(all(h for h, _ in results)), tried + 1
        totals.append((what, (held, tried)))
    return totals

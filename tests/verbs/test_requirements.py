"""Requirements: the forms that are read, the forms that are refused, and when a figure meets one."""

from __future__ import annotations

import math

import pytest

from dlw.errors import UsageError
from dlw.recipe.conditions import Condition
from dlw.verbs import _requirements


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("test/accuracy >= 0.9", ("test", "accuracy", ">=", 0.9)),
        ("rmse<=2.99e4", ("", "rmse", "<=", 29900.0)),
        (" validation/r2 > -.5 ", ("validation", "r2", ">", -0.5)),
        ("ece < 1", ("", "ece", "<", 1.0)),
        ("max_gap(tpr, sex) <= 0.1", ("", "tpr", "<=", 0.1, "sex")),
        ("test/max_gap( fpr ,marital-status )<.2", ("test", "fpr", "<", 0.2, "marital-status")),
        ("max_gap(rmse, income (k $)) < 1", ("", "rmse", "<", 1.0, "income (k $)")),
    ],
)
def test_forms(text: str, expected: tuple[str, str, str, float]) -> None:
    assert _requirements.read(text) == Condition(text, *expected)


@pytest.mark.parametrize(
    "text",
    [
        *("", "accuracy", "accuracy = 0.9", "accuracy >= high", "0.9 <= accuracy", "a/b/c > 1"),
        *("max_gap(tpr) < 1", "max_gap(tpr, ) < 1", "max_gap(, sex) < 1", "gap(tpr, sex) < 1"),
    ],
)
def test_other_forms_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match=r'expected the form "test/accuracy >= 0.9"'):
        _requirements.read(text)


def test_an_unknown_metric_is_named_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="no metric is called acuracy; did you mean accuracy"):
        _requirements.read("test/acuracy >= 0.9")
    with pytest.raises(UsageError, match="no metric is called trp; did you mean tpr"):
        _requirements.read("max_gap(trp, sex) <= 0.1")


@pytest.mark.parametrize(
    ("text", "value", "is_met"),
    [
        ("accuracy >= 0.9", 0.9, True),
        ("accuracy > 0.9", 0.9, False),
        ("rmse <= 2", 2.1, False),
        ("rmse < 2", 1.9, True),
        ("auroc >= 0", math.nan, False),
        ("rmse <= 9", math.nan, False),
        ("max_gap(tpr, sex) <= 0.1", 0.1, True),
        ("max_gap(tpr, sex) <= 0.1", math.nan, False),
    ],
)
def test_verdicts(text: str, value: float, is_met: bool) -> None:
    condition = _requirements.read(text)
    assert _requirements.judge(condition, {(condition.metric, condition.column): value}).is_met is is_met

"""What differs between two recipes, defaults included."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlw.recipe.check import Loaded, load_text
from dlw.recipe.difference import diff

TEXT = """\
name: prices
task: regression
data: {source: prices.csv, inputs: {image: image}, target: {price: number}, augment: [{type: random_crop, padding: 2}]}
model: {type: resnet, widths: [8, 16], depths: [1, 1]}
train: {epochs: 3}
"""


def loaded(old: str = "", new: str = "") -> Loaded:
    return load_text(TEXT.replace(old, new) if old else TEXT, Path())


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("name: prices", "name: 'prices' # quoted", []),
        ("epochs: 3", "epochs: 3, batch_size: 64", []),
        ("task: regression", "task: {type: regression, scale: standard}", []),
        ("epochs: 3", "epochs: 4", [("train.epochs", 3, 4)]),
        ("epochs: 3", "steps: 5", [("train.epochs", 3, None), ("train.steps", None, 5)]),
        ("[8, 16]", "[8, 8]", [("model.widths", [8, 16], [8, 8])]),
        ("padding: 2", "padding: 1", [("data.augment.0.padding", 2, 1)]),
        (
            "price: number",
            "y: number",
            [("data.target.price.type", "number", None), ("data.target.y.type", None, "number")],
        ),
    ],
)
def test_differences_are_named_by_path(old: str, new: str, expected: list[tuple[str, object, object]]) -> None:
    found = diff(loaded(), loaded(old, new))
    assert [change for change in found if not change[0].endswith((".missing", ".infinite"))] == expected
    assert diff(loaded(old, new), loaded(old, new)) == []


def test_what_one_recipe_leaves_out_and_the_other_does_not_know_is_no_difference() -> None:
    table = "name: p\ntask: regression\nmodel: mlp\ndata: {source: a.csv, inputs: {a: KIND}, target: {y: number}}\n"
    numbers, words = (load_text(table.replace("KIND", kind), Path()) for kind in ("number", "category"))
    assert ("data.inputs.a.type", "number", "category") in diff(numbers, words)
    assert all(left is not None or right is not None for _, left, right in diff(numbers, words))

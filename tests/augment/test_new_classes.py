"""Augmentations that make classes: turned pictures get ids of their own, and the network learns directions for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dlw import registry
from dlw.engine.draws import RowDraws
from dlw.errors import RecipeError
from dlw.progress import Silent
from dlw.recipe.check import load_recipe
from dlw.runs import store
from dlw.runs.layout import Run
from dlw.specs import FieldSpec
from tests.verbs.small_runs import PICTURE_RECIPE, squares, trained

ROWS = 40
TURNED = PICTURE_RECIPE.replace("  splits:", "  augment: [{type: quarter_turn, as_classes: true}]\n  splits:")


def test_a_turned_row_is_of_the_class_of_its_turn() -> None:
    module = registry.load("augment", "quarter_turn")
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (ROWS, 1, 8, 8), dtype=np.uint8))
    target = torch.arange(ROWS) % 3
    groups = {
        "image": FieldSpec("image", (1, 8, 8), "uint8"),
        "target": FieldSpec("category", (), "int64", ("kind",), (3,), ("a", "b", "c")),
    }
    augment = module.build(module.Settings(as_classes=True), groups)
    changed = augment({"image": image, "target": target}, RowDraws(3, 0, torch.arange(ROWS), place=0))
    quarters = changed["target"] // 3
    assert torch.equal(changed["target"] % 3, target)
    assert set(quarters.tolist()) == {0, 1, 2, 3}
    for row in range(ROWS):
        assert torch.equal(changed["image"][row], torch.rot90(image[row], int(quarters[row]), (-2, -1)))


def test_a_class_gets_a_direction_for_each_of_its_turns(tmp_path: Path) -> None:
    squares(tmp_path)
    run = trained(tmp_path, TURNED.replace("classification", "{type: embedding, size: 4}"))
    tensors = store.load(Run(run), "last", Silent()).tensors["model"]
    assert tensors["class_embedding_KD"].shape == (2 * 4, 4)


def test_a_task_that_answers_with_the_known_classes_refuses_new_ones(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(TURNED)
    with pytest.raises(RecipeError, match=r"augment.0.as_classes: makes classes for answers that are vectors"):
        load_recipe(tmp_path / "recipe.yaml")

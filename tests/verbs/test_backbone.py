"""Starting from another run: the trunk is copied wherever it lies, the head is fresh, nothing goes unsaid."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from dlw.errors import RunError
from dlw.progress import Silent
from dlw.runs import store
from dlw.runs.layout import Run
from dlw.verbs._backbone import matching
from dlw.verbs.export import export
from dlw.verbs.train import train
from tests.verbs.small_runs import PICTURE_RECIPE, squares, trained

NEXT = PICTURE_RECIPE.replace("model: {", "model: {backbone: {from: first}, ")


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """A trained run, `first`, beside the pictures it learned from."""
    squares(tmp_path)
    trained(tmp_path, PICTURE_RECIPE).rename(tmp_path / "first")
    return tmp_path / "first"


def weights(run: Path, step: store.Which = "best") -> dict[str, torch.Tensor]:
    return store.load(Run(run), step, Silent()).tensors["model"]


def start(folder: Path, recipe: str, *sets: str) -> Path:
    """Train so slowly that the first weights are still there, and return the run."""
    (folder / "next.yaml").write_text(recipe)
    train(folder / "next.yaml", out=folder / "next", sets=["optimizer={type: sgd, lr: 1e-30, weight_decay: 0}", *sets])
    return folder / "next"


def test_the_trunk_is_copied_and_the_head_is_fresh(first: Path) -> None:
    run = start(first.parent, NEXT)
    old, new = weights(first), weights(run)
    is_same = {name: torch.equal(old[name], new[name]) for name in new if "running" not in name and "num_" not in name}
    assert {name for name, same in is_same.items() if not same} == {"output.weight"} | (
        {"output.bias"} & is_same.keys()
    )
    assert "fresh: output.weight, output.bias" in (run / "log.txt").read_text()
    note = json.loads((run / "backbone.json").read_text())
    assert note["sha256"] == store.load(Run(first), "best", Silent()).manifest.files["model.safetensors"][1]


def test_the_head_is_kept_where_it_is_asked_for(first: Path) -> None:
    run = start(first.parent, NEXT.replace("from: first", "from: first, head: kept"))
    assert torch.equal(weights(run)["output.weight"], weights(first)["output.weight"])
    assert "fresh: none" in (run / "log.txt").read_text()


def test_a_trunk_inside_another_network_is_found(first: Path) -> None:
    recipe = NEXT.replace("classification", "{type: embedding, size: 4}")
    old, new = weights(first), weights(start(first.parent, recipe))
    assert torch.equal(new["network.stem.0.weight"], old["stem.0.weight"])


def test_afterwards_the_other_run_is_not_needed(first: Path) -> None:
    run = start(first.parent, NEXT)
    shutil.rmtree(first)
    assert train(resume=run).is_finished
    assert export(run).difference < 1e-4


def test_nothing_that_fits_is_an_error_and_leaves_no_run(first: Path) -> None:
    recipe = NEXT.replace("type: resnet, widths: [4], depths: [1]", "type: vit, width: 8, depth: 1, heads: 2")
    with pytest.raises(RunError, match="no weight of its network fits"):
        start(first.parent, recipe)
    assert not (first.parent / "next").exists()


def test_of_all_parts_the_pair_that_shares_most_counts() -> None:
    inner = {"stem.0.weight": torch.ones(3), "blocks.0.weight": torch.ones(5), "output.weight": torch.ones(7)}
    outer = {f"picture.{name}": torch.zeros_like(tensor) for name, tensor in inner.items()}
    outer["stem.0.weight"] = torch.zeros(3)
    assert set(matching(inner, outer)) == {"picture.stem.0.weight", "picture.blocks.0.weight"}
    ensemble = {f"members.1.{name}": tensor for name, tensor in inner.items()}
    assert set(matching(ensemble, inner)) == {"stem.0.weight", "blocks.0.weight"}
    assert matching(inner, {"stem.0.weight": torch.zeros(4)}) == {}


def test_every_member_of_an_ensemble_starts_from_a_member_in_its_place() -> None:
    inner = {"stem.weight": torch.zeros(3), "output.weight": torch.zeros(7)}
    ensemble = {f"network.members.{k}.{name}": tensor + k for k in range(3) for name, tensor in inner.items()}
    alone = matching(inner, ensemble)
    assert set(alone) == {f"network.members.{k}.stem.weight" for k in range(3)}
    pair = {f"members.{k}.{name}": tensor + k for k in range(2) for name, tensor in inner.items()}
    each = matching(pair, ensemble, is_head_kept=True)
    assert {name: float(tensor[0]) for name, tensor in each.items()} == {
        f"network.members.{k}.{name}": k % 2 for k in range(3) for name in inner
    }


def test_heads_are_left_fresh_whatever_they_are_called_and_on_both_sides() -> None:
    plain = {"first.weight": torch.zeros(3), "last.weight": torch.zeros(9)}
    assert set(matching(plain, plain)) == {"first.weight"}
    assert matching({"proj.weight": torch.zeros(9)}, {"output.weight": torch.zeros(9)}) == {}
    encoder = {"layer.0.attention.output.dense.weight": torch.zeros(9)}
    assert set(matching(encoder, encoder)) == encoder.keys()


def test_a_head_is_kept_as_a_whole_or_not_at_all() -> None:
    """A bias alone belongs to other weights."""
    stored = {"first.weight": torch.zeros(3), "output.weight": torch.zeros(2, 9), "output.bias": torch.zeros(2)}
    live = {**stored, "output.weight": torch.zeros(2, 5)}
    assert set(matching(stored, live, is_head_kept=True)) == {"first.weight"}
    assert matching(stored, stored, is_head_kept=True).keys() == stored.keys()


def test_what_lies_beside_the_members_is_taken_too() -> None:
    pair = {f"network.members.{k}.stem.weight": torch.zeros(3) for k in range(2)} | {"class_KD": torch.zeros(4)}
    assert set(matching(pair, pair)) == pair.keys()


def test_members_that_would_stay_alike_are_refused(first: Path) -> None:
    recipe = NEXT.replace("model: {", "model: {ensemble: 2, ").replace("from: first", "from: first, head: kept")
    with pytest.raises(RunError, match="holds 1 of 2 networks"):
        start(first.parent, recipe)


def test_a_trained_ensemble_starts_whole_from_one_run(first: Path) -> None:
    run = start(first.parent, NEXT.replace("model: {", "model: {ensemble: 2, "))
    old, new = weights(first), weights(run)
    assert torch.equal(new["members.0.stem.0.weight"], old["stem.0.weight"])
    assert torch.equal(new["members.1.stem.0.weight"], old["stem.0.weight"])

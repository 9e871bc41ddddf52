"""Mirror images answered beside the picture: in evaluation only, maps turned back, under every verb."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from dlw.engine.inference import answered_at_once, row_losses
from dlw.models import resnet, unet, vit
from dlw.models._flipped import Flipped
from dlw.specs import FieldSpec
from dlw.tasks import embedding
from dlw.verbs._bundle import open_target
from dlw.verbs._trained import open_trained
from dlw.verbs.evaluate import evaluate
from dlw.verbs.export import export
from tests.verbs import small_masks, small_runs

SPEC = {"image": FieldSpec("image", (1, 2, 3), "float32"), "age": FieldSpec("numbers", (1,), "float32")}
PICTURE = {"image": torch.arange(12.0).reshape(2, 1, 2, 3), "age": torch.ones(2, 1)}


class Place(nn.Module):
    """A map [B, 1, H, W] that is the picture times a weight of its places, so that mirror images differ."""

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return batch["image"] * torch.arange(6.0).reshape(2, 3) * batch["age"].reshape(-1, 1, 1, 1)


class Corner(nn.Module):
    """A vector [B, 1]: the upper left pixel."""

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return batch["image"][:, :, 0, 0]


def test_every_mirror_image_is_answered_and_maps_lie_as_the_picture_does() -> None:
    """Four views for two flips; a pixel keeps its place while the weights come from the mirrored one."""
    out = Flipped(Place(), ["horizontal", "vertical"], SPEC, is_map=True).eval()(PICTURE)
    weight = torch.arange(6.0).reshape(2, 3)
    flipped = torch.stack([weight, weight.flip(1), weight.flip(0), weight.flip(0, 1)])
    assert sorted(out[0, :, 0].tolist()) == sorted((PICTURE["image"][0] * flipped).tolist())
    corners = Flipped(Corner(), ["horizontal", "vertical"], SPEC, is_map=False).eval()(PICTURE)
    assert sorted(corners[0, :, 0].tolist()) == [0.0, 2.0, 3.0, 5.0]
    assert Flipped(Corner(), ["horizontal"], SPEC, is_map=False).eval()(PICTURE)[0, :, 0].tolist() == [0.0, 2.0]


def test_in_training_the_picture_alone_is_answered() -> None:
    net = Flipped(Corner(), ["vertical"], SPEC, is_map=False).train()
    assert net(PICTURE).shape == (2, 1)


@pytest.mark.parametrize("plugin", [resnet, unet, vit])
def test_a_flip_is_named_once(plugin: ModuleType) -> None:
    assert plugin.Settings(test_time_flips=["vertical"]).test_time_flips == ["vertical"]
    with pytest.raises(ValidationError, match="names a flip twice"):
        plugin.Settings(test_time_flips=["vertical", "vertical"])


def test_a_recipe_with_flips_is_trained_judged_and_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an ensemble, whose members' views lie side by side: what is mirrored is answered mirrored."""
    monkeypatch.chdir(tmp_path)
    small_masks.blocks(tmp_path)
    model = "{type: unet, ensemble: 2, test_time_flips: [horizontal, vertical]"
    run = small_runs.trained(tmp_path, small_masks.RECIPE.replace("{type: unet", model))
    assert evaluate(run, split="validation").rows == 8
    exported = export(run)
    assert exported.difference < 1e-4
    assert [open_target(folder).rows_a_row for folder in (run, exported.folder)] == [4, 4]
    trained = open_trained(run)
    group, spec = next(iter(trained.fitted.inputs.items()))
    picture = torch.rand(3, *spec.shape, generator=torch.Generator().manual_seed(1)) * 255
    assert trained.predictor.network({group: picture}).shape[:2] == (3, 8)
    straight, mirrored = (trained.predictor({group: seen})["probabilities"] for seen in (picture, picture.flip(-1)))
    torch.testing.assert_close(mirrored.flip(-1), straight)
    assert not torch.allclose(straight, straight.flip(-1))


def test_members_that_are_compared_row_by_row_keep_to_themselves() -> None:
    """A picture's mirror image is no other row of its class."""
    target = FieldSpec("category", (1,), "int64", ("kind",), (5,), tuple("abcde"))
    task = embedding.build(embedding.Settings(size=3), target)
    out = torch.randn(6, 2, 3, generator=torch.Generator().manual_seed(1))
    ids = torch.tensor([0, 0, 1, 2, 3, 4])
    alone = torch.stack([task.loss(out[:, view], ids) for view in range(2)]).mean(0)
    torch.testing.assert_close(row_losses(out, ids, task), alone)


def test_fewer_rows_are_answered_at_once() -> None:
    views = Flipped(Corner(), ["horizontal", "vertical"], SPEC, is_map=False)
    shapes = [(1, 512, 512)]
    assert answered_at_once(Corner(), shapes) == 4 * answered_at_once(nn.ModuleList([views]), shapes) == 16

"""Segmentation under the verbs: what is kept, scored, predicted, drawn, exported and resumed."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from dlw.errors import DataError, RecipeError, UsageError
from dlw.progress import Silent
from dlw.recipe.check import load_recipe
from dlw.specs import TARGET
from dlw.verbs import _answer_speed, _machine
from dlw.verbs._fit import fit
from dlw.verbs._masks import on_given_pictures
from dlw.verbs._network import build_task
from dlw.verbs.benchmark import benchmark
from dlw.verbs.evaluate import evaluate
from dlw.verbs.export import export
from dlw.verbs.predict import predict
from dlw.verbs.train import train
from tests.verbs import small_runs
from tests.verbs.resumed_runs import first_differences, outcome, train_interrupted
from tests.verbs.small_masks import HEIGHT, RECIPE, WIDTH, blocks

NAMES = ("picture", "mask")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run with its data beside it and its ONNX bundle inside."""
    folder = tmp_path_factory.mktemp("blocks")
    blocks(folder)
    export(small_runs.trained(folder, RECIPE.replace("[0, 200], classes", "[0, 200], void: 255, classes")))
    return folder


def test_training_keeps_what_it_looked_at(folder: Path) -> None:
    """Mosaics of whole pictures: coloured, since classes are drawn over grey."""
    for name, lines in (("train.png", 2), ("validation.png", 4)):
        with Image.open(folder / "run" / "samples" / name) as mosaic:
            assert mosaic.height == lines * (10 * HEIGHT + 4) - 4
            pixels = np.asarray(mosaic.convert("RGB"))
        assert (pixels.max(-1) != pixels.min(-1)).any()


def test_tasks_that_draw_nothing_keep_nothing(tmp_path: Path) -> None:
    small_runs.people(tmp_path)
    assert not (small_runs.trained(tmp_path, small_runs.TABLE_RECIPE) / "samples").exists()


def test_evaluate_scores_each_class_beside_the_baselines(folder: Path) -> None:
    evaluation = evaluate(folder / "run", split="validation")
    scores = {score.metric: score for score in evaluation.scores}
    assert list(scores) == ["mean_iou", "dice", "pixel_accuracy"]
    assert scores["dice"].value > 0.8
    assert set(scores["dice"].baselines) == {"constant", "grey_value"}
    assert [part.value for part in evaluation.parts] == ["ground", "block"]
    assert evaluation.parts[1].scores["dice"].value == scores["dice"].value
    assert scores["mean_iou"].value == pytest.approx(
        np.mean([part.scores["mean_iou"].value for part in evaluation.parts])
    )
    assert scores["dice"].low <= scores["dice"].value <= scores["dice"].high
    told = next(line for line in evaluation.protocol if line.startswith("pixels:"))
    assert "24x16, 0.26 % not known and left out; dice is that of block" in told
    table = pq.read_table(folder / "run" / "evaluation" / "validation" / "predictions.parquet")
    assert {"row", "truth", "mask", "share_ground", "share_block"} <= set(table.column_names)


def test_run_and_bundle_answer_alike_and_in_every_format(folder: Path, tmp_path: Path) -> None:
    by_run = predict(folder / "run", [str(folder / "picture00.png"), str(folder / "picture01.png")])
    outputs = {}
    for suffix in ("parquet", "jsonl", "csv"):
        outputs[suffix] = tmp_path / f"out.{suffix}"
        predict(folder / "run" / "exports" / "onnx", [str(folder / "picture0[01].png")], output=outputs[suffix])
    kept = pq.read_table(outputs["parquet"])["mask"].to_pylist()
    for one, other in zip(by_run.columns["mask"], kept, strict=True):
        ids = np.asarray(Image.open(io.BytesIO(one["bytes"])))
        assert ids.shape == (HEIGHT, WIDTH)
        assert (ids == np.asarray(Image.open(io.BytesIO(other["bytes"])))).mean() > 0.99
    line = json.loads(outputs["jsonl"].read_text().splitlines()[0])
    assert line["mask"].startswith("data:image/png;base64,iVBOR")
    assert line["share_ground"] + line["share_block"] == pytest.approx(1)
    assert "data:image/png;base64," in outputs["csv"].read_text()
    assert json.dumps(by_run.to_json()).count("data:image/png;base64,") == 2


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("size", [(40, 30), (10, 60), (24, 16)])
def test_masks_are_as_large_as_the_pictures_given(resize: str, size: tuple[int, int], tmp_path: Path) -> None:
    """A mask brought to the network's size and back lies where it lay, but for what was cut off."""
    ids = np.zeros((size[1], size[0]), np.uint8)
    ids[size[1] // 3 :, : size[0] // 2] = 1
    for name in NAMES:
        Image.fromarray(ids).save(tmp_path / f"{name}.png")
    table = pa.table({name: pa.array([{"bytes": None, "path": str(tmp_path / f"{name}.png")}] * 2) for name in NAMES})
    path = tmp_path / "recipe.yaml"
    path.write_text(
        RECIPE.replace("image}", f"{{type: image, height: 48, width: 64, resize: {resize}}}}}").replace(
            "[0, 200]", "[0, 1]"
        )
    )
    recipe = load_recipe(path).recipe
    fitted = fit(recipe, table, Silent())
    encoded = fitted.encode(table, with_target=True, listener=Silent())
    columns = build_task(recipe, fitted).decode({"ids": encoded.arrays[TARGET]})
    back = on_given_pictures(columns, fitted, table, encoded.rows)["mask"][1]
    found = np.asarray(Image.open(io.BytesIO(back["bytes"])))
    assert found.shape == ids.shape
    is_known = found != 255
    assert is_known.all() == (resize != "crop" or size == (40, 30))
    assert (found == ids)[is_known].mean() > 0.94
    assert is_known.mean() > 0.1


def test_large_pictures_are_answered_tile_by_tile(folder: Path, tmp_path: Path) -> None:
    """Blocks on a canvas of three by four training pictures and a bit are found at their places."""
    random = np.random.default_rng(5)
    pixels = random.integers(20, 90, (3 * HEIGHT + 5, 4 * WIDTH + 7), dtype=np.uint8)
    ids = np.zeros(pixels.shape, np.uint8)
    for top, left in ((3, 5), (20, 60), (38, 30), (30, 85)):
        pixels[top : top + 8, left : left + 9] += 120
        ids[top : top + 8, left : left + 9] = 1
    Image.fromarray(pixels).save(tmp_path / "large.png")
    Image.fromarray(pixels[:10, :70]).save(tmp_path / "low.png")
    for target in (folder / "run", folder / "run" / "exports" / "onnx"):
        inputs = [str(tmp_path / name) for name in ("large.png", "low.png")]
        answered = predict(target, inputs, is_tiled=True, draw=tmp_path / "drawn")
        large, low = (np.asarray(Image.open(io.BytesIO(mask["bytes"]))) for mask in answered.columns["mask"])
        assert large.shape == ids.shape
        assert low.shape == (10, 70)
        assert ((large == 1) & (ids == 1)).sum() / ((large == 1) | (ids == 1)).sum() > 0.7
        assert answered.columns["share_block"][0] == pytest.approx((large == 1).mean())
    with Image.open(tmp_path / "drawn" / "large.png") as drawn:
        assert drawn.width % pixels.shape[1] == 0


def test_a_picture_of_the_training_size_is_one_tile(folder: Path) -> None:
    inputs = [str(folder / "picture00.png")]
    whole, tiled = (predict(folder / "run", inputs, is_tiled=is_tiled).columns["mask"][0] for is_tiled in (False, True))
    assert whole == tiled


def test_tiles_are_for_maps(tmp_path: Path) -> None:
    small_runs.people(tmp_path)
    with pytest.raises(UsageError, match="--tile is for segmentation"):
        predict(small_runs.trained(tmp_path, small_runs.TABLE_RECIPE), [str(tmp_path / "people.csv")], is_tiled=True)


def test_a_bundle_draws_without_torch(folder: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from dlw.verbs.predict import predict\n"
        f"predict(Path({str(folder / 'run' / 'exports' / 'onnx')!r}), [{str(folder / 'picture*.png')!r}],"
        f" draw=Path({str(tmp_path / 'drawn')!r}))\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    names = [path.name for path in sorted((tmp_path / "drawn").iterdir())]
    assert names == [f"picture{number:02}.png" for number in range(32)]
    with Image.open(tmp_path / "drawn" / "picture00.png") as drawn:
        assert drawn.size == (10 * WIDTH, 10 * HEIGHT)


def test_drawing_needs_answers_that_lie_on_a_picture(tmp_path: Path) -> None:
    small_runs.squares(tmp_path)
    run = small_runs.trained(tmp_path, small_runs.PICTURE_RECIPE)
    with pytest.raises(UsageError, match="do not lie on a picture"):
        predict(run, [str(tmp_path / "00.png")], draw=tmp_path / "drawn")
    assert not (tmp_path / "drawn").exists()


def test_benchmark_measures_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_answer_speed, "COLD_STARTS", 1)
    monkeypatch.setattr(_machine, "LOOK_SECONDS", 0.01)
    brief = "import dlw.verbs._answer_speed as speed; speed.WARMUP_SECONDS = speed.MEASURE_SECONDS = 0.01; speed.main()"
    monkeypatch.setattr(_answer_speed, "PROGRAM", brief)
    result = benchmark(folder / "run" / "exports" / "onnx", batch_sizes=[2], threads=1)
    assert json.dumps(result.to_json())


@pytest.mark.withstands("exact resume")
def test_a_resumed_run_ends_with_the_same_bytes(tmp_path: Path) -> None:
    blocks(tmp_path)
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE + "checkpoint: {every: 2 steps}\n")
    train(path, out=tmp_path / "straight")
    train_interrupted(path, tmp_path / "resumed", "mid-epoch", 1, 1)
    ends = [outcome(tmp_path / name, tmp_path / "blocks.csv") for name in ("straight", "resumed")]
    assert first_differences(*ends) == []


@pytest.mark.withstands("bad inputs", case="D20")
def test_a_class_that_is_not_there_ends_with_its_file(tmp_path: Path) -> None:
    blocks(tmp_path)
    Image.fromarray(np.full((HEIGHT, WIDTH), 7, np.uint8)).save(tmp_path / "mask03.png")
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    with pytest.raises(DataError, match=r"row 3: .*mask03\.png: holds the class id 7, allowed are 0, 200 and 255"):
        train(path, out=tmp_path / "run")


@pytest.mark.parametrize("name", ["mixup", "cutmix", "rand_augment"])
def test_augmentations_that_leave_the_mask_behind_are_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE.replace("[horizontal_flip,", f"[{name},"))
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    told = f"{name} does not move the mask of the target with the picture; augmentations for mask: "
    assert told in str(caught.value)
    assert "horizontal_flip" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("task: segmentation", "task: classification"), "task classification learns"),
        (("type: unet", "type: resnet"), "needs a map; models for task segmentation and these inputs: unet"),
    ],
)
def test_what_does_not_go_together_is_refused_before_data_is_read(
    change: tuple[str, str], reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE.replace(*change).replace(", dropout: 0.1", ""))
    with pytest.raises(RecipeError, match=reason):
        load_recipe(path)

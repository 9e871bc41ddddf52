"""Detection under the verbs: boxes come back in pixels of the pictures as given, from runs and bundles alike."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from dlw.errors import UsageError
from dlw.progress import Silent
from dlw.recipe.check import load_recipe
from dlw.specs import TARGET
from dlw.verbs._fit import fit
from dlw.verbs._network import build_task
from dlw.verbs._objects import coco_results, in_given_pixels
from dlw.verbs.evaluate import evaluate
from dlw.verbs.export import export
from dlw.verbs.predict import predict
from tests.verbs import small_runs
from tests.verbs.small_detections import HEIGHT, RECIPE, WIDTH, rectangles


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run with its data beside it and its ONNX bundle inside."""
    folder = tmp_path_factory.mktemp("rectangles")
    rectangles(folder)
    export(small_runs.trained(folder, RECIPE))
    return folder


@pytest.mark.parametrize("resize", ["stretch", "pad"])
def test_true_boxes_go_through_the_network_s_pixels_and_back(tmp_path: Path, resize: str) -> None:
    """Encoded, answered as they are and placed back, boxes are where they were."""
    table = pq.read_table(rectangles(tmp_path, 6))
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE.replace("height: 20, width: 24,", f"height: 30, width: 24, resize: {resize},"))
    recipe = load_recipe(path).recipe
    fitted = fit(recipe, table, Silent())
    encoded = fitted.encode(table, with_target=True, listener=Silent())
    boxes = encoded.arrays[TARGET]
    answers = np.concatenate([boxes, np.ones_like(boxes[..., :1])], axis=2)
    columns = in_given_pixels(build_task(recipe, fitted).decode({"objects": answers}), fitted, table, encoded.rows)
    assert [len(found) for found in columns["objects"]] == [2] * 6
    for found, given in zip(columns["objects"], table["objects"].to_pylist(), strict=True):
        by_name = {one["category_name"]: one["bbox"] for one in found}
        wanted = dict(zip(given["category_name"], given["bbox"], strict=True))
        assert by_name == {name: pytest.approx(wanted[name], abs=0.02) for name in wanted}


def test_run_and_bundle_answer_alike_inside_the_picture(folder: Path) -> None:
    inputs = [str(folder / "rectangles.parquet")]
    by_run = predict(folder / "run", inputs)
    by_bundle = predict(folder / "run" / "exports" / "onnx", inputs)
    assert list(by_run.columns) == ["file", "row", "id", "found", "objects"]
    pairs = list(zip(by_run.columns["objects"], by_bundle.columns["objects"], strict=True))
    assert sum(len(found) for found, _ in pairs) > 100
    for one, other in pairs:
        assert sorted(found["score"] for found in one) == pytest.approx(
            sorted(found["score"] for found in other), abs=2e-4
        )
    for left, top, width, height in (found["bbox"] for one, _ in pairs for found in one):
        assert 0 <= left <= left + width <= WIDTH + 0.01
        assert 0 <= top <= top + height <= HEIGHT + 0.01


def test_every_kind_of_file_holds_the_objects(folder: Path, tmp_path: Path) -> None:
    inputs = [str(folder / "rectangles.parquet")]
    wanted = predict(folder / "run", inputs, output=tmp_path / "a.parquet").columns["objects"]
    assert pq.read_table(tmp_path / "a.parquet")["objects"].to_pylist() == wanted
    predict(folder / "run", inputs, output=tmp_path / "a.jsonl")
    lines = (tmp_path / "a.jsonl").read_text().splitlines()
    assert [json.loads(line)["objects"] for line in lines] == wanted
    predict(folder / "run", inputs, output=tmp_path / "a.json")
    results = json.loads((tmp_path / "a.json").read_text())
    assert len(results) == sum(map(len, wanted))
    assert {result["category_id"] for result in results} <= {3, 7}
    assert {result["image_id"] for result in results} <= set(range(100, 140))
    assert {"image_id", "category_id", "bbox", "score"} == set(results[0])


def test_coco_results_name_pictures_by_number_or_by_file(folder: Path) -> None:
    fitted = fit(load_recipe(folder / "recipe.yaml").recipe, pq.read_table(folder / "rectangles.parquet"), Silent())
    one = [{"category_name": "dark", "bbox": [1.0, 2.0, 3.0, 4.0], "score": 0.5}]
    columns = {"file": ["a/000139.jpg", "b/cat.png"], "objects": [one, one]}
    wanted = {"category_id": 3, "bbox": [1.0, 2.0, 3.0, 4.0], "score": 0.5}
    assert json.loads(coco_results(columns, fitted)) == [{"image_id": 139, **wanted}, {"image_id": "cat.png", **wanted}]


def test_coco_results_are_for_detections(tmp_path: Path) -> None:
    small_runs.people(tmp_path)
    run = small_runs.trained(tmp_path, small_runs.TABLE_RECIPE)
    with pytest.raises(UsageError, match="is for detections"):
        predict(run, [str(tmp_path / "people.csv")], output=tmp_path / "a.json")


def test_objects_are_drawn_without_torch(folder: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from dlw.verbs.predict import predict\n"
        f"predict(Path({str(folder / 'run' / 'exports' / 'onnx')!r}), [{str(folder / 'rectangles.parquet')!r}],"
        f" draw=Path({str(tmp_path / 'drawn')!r}))\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    drawn = sorted((tmp_path / "drawn").iterdir())
    assert len(drawn) == 40
    colours = {pixel for _, pixel in Image.open(drawn[0]).getcolors(100_000)}
    assert any(len(set(pixel)) > 1 for pixel in colours), "grey pictures, coloured boxes"


def test_evaluate_scores_each_class_beside_boxes_that_recur(folder: Path) -> None:
    evaluation = evaluate(folder / "run", split="validation")
    assert [score.metric for score in evaluation.scores] == ["map", "map50"]
    assert [part.value for part in evaluation.parts] == ["dark", "bright"]
    mean = np.mean([part.scores["map"].value for part in evaluation.parts])
    assert evaluation.scores[0].value == pytest.approx(mean)
    assert set(evaluation.scores[0].baselines) == {"recurring_boxes"}
    assert any("COCO's rules" in sentence for sentence in evaluation.protocol)
    written = pq.read_table(Path(evaluation.folder) / "predictions.parquet")
    assert pa.types.is_list(written["objects"].type)

"""Embedding through the verbs: new classes are scored, nearest pictures found, episodes judged within themselves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dlw.errors import DataError, RequirementError, UsageError
from dlw.verbs._nearest import nearest
from dlw.verbs.evaluate import evaluate
from dlw.verbs.export import export
from dlw.verbs.predict import predict
from tests.verbs.small_runs import PICTURE_RECIPE, squares, trained

RECIPE = (
    PICTURE_RECIPE.replace("task: classification", "task: {type: embedding, size: 8}")
    + """\
evaluate:
  require: ["recall_at_1 >= 0"]
  episodes: {source: episodes.csv, within: game, answer: name, role: role, found: shelf}
"""
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose validation split holds a class that training never saw, and whose test split are two episodes."""
    folder = tmp_path_factory.mktemp("search")
    table = squares(folder)
    lines = table.read_text().splitlines()
    lines[-8:] = [f"{line.rpartition(',')[0]},new{number % 2}" for number, line in enumerate(lines[-8:])]
    table.write_text("\n".join(lines) + "\n")
    random = np.random.default_rng(1)
    rows = ["picture,game,role,name"]
    for game in range(2):
        for number, role in enumerate(("shelf", "shelf", "asks", "asks")):
            pixels = random.integers(0, 100, (8, 8, 3), dtype=np.uint8) + 150 * np.uint8(number % 2)
            Image.fromarray(pixels).save(folder / f"{game}{number}e.png")
            rows.append(f"{folder / f'{game}{number}e.png'},g{game},{role},{'bright' if number % 2 else 'dark'}")
    (folder / "episodes.csv").write_text("\n".join(rows) + "\n")
    return trained(folder, RECIPE)


def test_classes_that_training_never_saw_are_scored(run: Path) -> None:
    journal = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert 0 <= journal[-1]["validation/recall_at_1"] <= 1
    assert evaluate(run, split="validation").rows == 8


def test_episodes_are_the_test_split(run: Path) -> None:
    evaluation = evaluate(run)
    assert evaluation.rows == 8
    assert {score.metric for score in evaluation.scores} == {"map_at_r", "recall_at_1"}
    assert any("4 rows in 2 episodes" in sentence for sentence in evaluation.protocol)
    assert evaluation.baselines[0].name == "raw_inputs"


def test_requirements_are_judged_on_the_episodes(run: Path) -> None:
    with pytest.raises(RequirementError, match="recall_at_1"):
        evaluate(run, require=["recall_at_1 > 1"])


def test_run_and_bundle_find_the_same_nearest_pictures(run: Path) -> None:
    folder = run.parent
    pictures = str(folder / "0*.png")
    found = predict(run, [pictures], index=[str(folder)], matches=3)
    assert found.columns["rank"][:3] == [1, 2, 3]
    assert all(file != match for file, match in zip(found.columns["file"], found.columns["match"], strict=True))
    assert "vector" not in found.columns
    bundle = export(run, out=folder / "bundle").folder
    again = predict(bundle, [pictures], index=[str(folder)], matches=3)
    assert again.columns["match"] == found.columns["match"]
    np.testing.assert_allclose(again.columns["similarity"], found.columns["similarity"], atol=1e-5)


def test_predict_writes_vectors_of_length_1(run: Path) -> None:
    vectors = np.array(predict(run, [str(run.parent / "00.png"), str(run.parent / "01.png")]).columns["vector"])
    assert vectors.shape == (2, 8)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_the_search_is_exact() -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(300, 5))
    vectors[7] = vectors[9]
    index = {"file": [f"{n}" for n in range(300)], "row": [0] * 300, "vector": vectors.tolist()}
    found = nearest(index, index, 4)
    for row in range(300):
        similarity = vectors.astype(np.float32) @ vectors[row].astype(np.float32)
        similarity[row] = -np.inf
        wanted = np.argsort(-similarity, kind="stable")[:4]
        assert found["match"][4 * row : 4 * row + 4] == [str(place) for place in wanted]


def test_only_vectors_are_searched(tmp_path: Path) -> None:
    squares(tmp_path)
    other = trained(tmp_path, PICTURE_RECIPE)
    with pytest.raises(UsageError, match="task embedding"):
        predict(other, [str(tmp_path / "00.png")], index=[str(tmp_path)])


def test_a_wrong_column_of_the_episodes_is_named(run: Path) -> None:
    from dlw.progress import Silent
    from dlw.recipe.check import load_recipe
    from dlw.verbs._rows import load_tables

    for change, message in (("role=rolle", "evaluate.episodes: missing column: rolle"), ("found=floor", "no row has")):
        loaded = load_recipe(run.parent / "recipe.yaml", [f"evaluate.episodes.{change}"])
        with pytest.raises(DataError, match=message):
            load_tables(loaded.recipe, loaded.root, run.parent / "cache", Silent())

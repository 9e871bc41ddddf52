"""The explain verb on trained runs: reasons follow what was learned, and change with the weights (arXiv:1810.03292)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dlw.cli.main import run as command_line
from dlw.engine.inference import Predictor
from dlw.errors import DataError, UsageError
from dlw.explainers._base import Map, Worth
from dlw.specs import FieldSpec
from dlw.verbs import _trained
from dlw.verbs._network import build_network
from dlw.verbs._reason_drawings import drawn
from dlw.verbs.evaluate import evaluate
from dlw.verbs.explain import InputWorth, explain_rows, explain_split
from dlw.verbs.export import export
from dlw.verbs.train import train
from tests.heard import Heard
from tests.verbs import small_runs

ROOT = Path(__file__).parents[2]
DRIVERS = ("fuel", "town")
OTHERS = ("age", "wage", "height", "room")

DRIVEN_RECIPE = """\
name: driven
task: classification
data:
  source: driven.csv
  splits: {train: "train[:60%]", validation: "train[60%:70%]", test: "train[70%:]"}
  target: {answer: category}
model: {type: mlp, width: 32, depth: 1, number_embedding: plain, dropout: 0}
optimizer: {type: adamw, lr: 1e-2}
train: {epochs: 12, batch_size: 64, threads: 1}
"""

TEXT_RECIPE = """\
name: notes
task: classification
data:
  source: sentences.csv
  splits: {train: "train[:80%]", validation: "train[80%:]"}
  inputs: {note: {type: text, tokenizer: words}}
  target: {answer: category}
model: {type: rnn, embedding: 8, width: 8, depth: 1}
optimizer: {type: adamw, lr: 3e-2}
train: {epochs: 10, batch_size: 16, threads: 1}
"""


@pytest.fixture(scope="module")
def driven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on a table whose answer follows from `fuel` and `town` alone; four more columns say nothing."""
    folder = tmp_path_factory.mktemp("driven")
    random = np.random.default_rng(7)
    columns: dict[str, Any] = {name: random.normal(size=800).round(4) for name in ("fuel", "age", "wage", "height")}
    columns |= {name: random.choice(["north", "south", "west"], 800) for name in ("town", "room")}
    strength = 2.0 * columns["fuel"] + np.where(columns["town"] == "north", 2.0, -1.0)
    columns["answer"] = np.where(strength + random.normal(size=800) * 0.3 > 0, "yes", "no")
    order = ["age", "room", "fuel", "wage", "town", "height", "answer"]
    rows = [",".join(map(str, row)) for row in zip(*(columns[name] for name in order), strict=True)]
    (folder / "driven.csv").write_text("\n".join([",".join(order), *rows]) + "\n")
    (folder / "some.csv").write_text("\n".join([",".join(order), *rows[600:630]]) + "\n")
    return small_runs.trained(folder, DRIVEN_RECIPE)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on digits of a small network, trained for a few steps, with three pictures beside it."""
    import datasets

    folder = tmp_path_factory.mktemp("digits")
    changes = ["model.widths=[16, 32]", "train.epochs=4", "train.ema_decay=null"]
    train(ROOT / "recipes" / "image" / "digits.yaml", out=folder / "run", sets=changes)
    rows = datasets.Dataset.from_parquet(str(ROOT / "recipes/data/digits.parquet"), cache_dir=str(folder / "cache"))
    for number in range(12):
        rows[number]["image"].save(folder / f"{number:02}.png")
    return folder / "run"


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on texts whose answer follows from one word, which stands anywhere."""
    folder = tmp_path_factory.mktemp("notes")
    rows = [f"{note},{'yes' if 'good' in note else 'no'}" for note in sentences(200)]
    (folder / "sentences.csv").write_text("\n".join(["note,answer", *rows]) + "\n")
    return small_runs.trained(folder, TEXT_RECIPE)


def sentences(count: int, seed: int = 0) -> list[str]:
    """Return texts of some words that say nothing, with `good` or `bad` among them."""
    random = np.random.default_rng(seed)
    notes = []
    for number in range(count):
        words = random.choice(["the", "cat", "sat", "on", "a", "mat", "and", "dog"], random.integers(7, 12)).tolist()
        words.insert(int(random.integers(len(words))), ["bad", "good"][number % 2])
        notes.append(" ".join(words))
    return notes


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on pictures."""
    folder = tmp_path_factory.mktemp("squares")
    small_runs.squares(folder)
    return small_runs.trained(folder, small_runs.PICTURE_RECIPE)


def test_planted_drivers_are_worth_most(driven: Path) -> None:
    worth = explain_split(driven)
    assert worth.metric == "accuracy"
    assert worth.score > 0.9
    assert worth.rows == 240
    names = [one.name for one in worth.inputs]
    assert set(names[:2]) == set(DRIVERS)
    assert set(names) == {*DRIVERS, *OTHERS}
    assert all(one.low > 0.1 for one in worth.inputs[:2])
    assert all(one.high < 0.1 for one in worth.inputs[2:])


def test_planted_drivers_have_the_largest_shapley_values(driven: Path) -> None:
    reasons = explain_rows(driven, [str(driven.parent / "some.csv")], most=30)
    assert {row.method for row in reasons.rows} == {"shapley"}
    size: dict[str, float] = {}
    for row in reasons.rows:
        assert row.gap == pytest.approx(0, abs=1e-3)
        for one in row.inputs.values():
            for name, value in zip(one.names, one.values, strict=True):
                size[name] = size.get(name, 0.0) + abs(float(value)) / len(reasons.rows)
    ranked = sorted(size, key=lambda name: -size[name])
    assert set(ranked[:2]) == set(DRIVERS)
    assert size[ranked[1]] > 2 * size[ranked[2]]


@pytest.mark.parametrize("metric", ["log_loss", "accuracy"])
def test_a_metric_that_falls_is_lost_upwards(driven: Path, metric: str) -> None:
    worth = explain_split(driven, metric=metric, split="validation", sets=["repeats=2"])
    assert worth.inputs[0].name in DRIVERS
    assert worth.inputs[0].value > 0.1


def randomised(monkeypatch: pytest.MonkeyPatch, run: Path) -> None:
    """Let runs open with the weights of another seed in place of the trained ones."""
    real: Callable[..., Any] = _trained.open_trained

    def opened(*arguments: Any, **options: Any) -> Any:
        found = real(*arguments, **options)
        fresh = build_network(found.recipe.model_copy(update={"seed": 123}), found.fitted, found.task)
        for parameter in fresh.parameters():
            if parameter.ndim == 1 and not parameter.any():  # branches and biases that start at zero say nothing
                torch.nn.init.normal_(parameter, std=0.5)
        predictor = Predictor(fresh, found.task).eval().requires_grad_(False)
        return replace(found, predictor=predictor)

    monkeypatch.setattr(_trained, "open_trained", opened)


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return Spearman's correlation of two maps."""
    ranks = [np.argsort(np.argsort(values.ravel(), kind="stable")) for values in (first, second)]
    return float(np.corrcoef(*ranks)[0, 1])


MOST_ALIKE = 0.4
"""Mean rank correlation of the maps of a trained and a random network, signs included, stays under this."""


@pytest.mark.parametrize("method", ["integrated_gradients", "grad_cam", "occlusion"])
def test_reasons_of_pictures_change_with_the_weights(
    digits: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = sorted(map(str, digits.parent.glob("*.png")))
    trained = explain_rows(digits, pictures, name=method).rows
    again = explain_rows(digits, pictures[:2], name=method).rows
    randomised(monkeypatch, digits)
    pairs = zip(pictures, trained, strict=True)
    after = [explain_rows(digits, [one], name=method, of=row.of).rows[0] for one, row in pairs]
    alike = [
        rank_correlation(one.inputs["image"].values, other.inputs["image"].values)
        for one, other in zip(trained, after, strict=True)
    ]
    assert np.mean(alike) < MOST_ALIKE
    for one, other in zip(trained, again, strict=False):
        np.testing.assert_array_equal(one.inputs["image"].values, other.inputs["image"].values)


@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion"])
def test_the_word_that_decides_is_found_and_lost_with_the_weights(
    notes: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = sentences(12, seed=1)
    trained = explain_rows(notes, text=texts, name=method, of="yes").rows
    for row in trained:
        one = row.inputs["note"]
        word = one.names[int(np.abs(one.values).argmax())]
        assert word in ("good", "bad")
        assert (one.values[one.names.index(word)] > 0) == (word == "good")
    randomised(monkeypatch, notes)
    after = explain_rows(notes, text=texts, name=method, of="yes").rows
    alike = [
        rank_correlation(one.inputs["note"].values, other.inputs["note"].values)
        for one, other in zip(trained, after, strict=True)
    ]
    assert np.mean(alike) < MOST_ALIKE


STRANGE_RECIPE = """\
name: strange
task: {type: anomaly, normal: ["0"]}
data:
  source: strange.csv
  splits: {train: "train[:60%]", validation: "train[60%:70%]", test: "train[70%:]"}
  inputs: {a: number, b: number}
  target: {label: category}
model: {type: autoencoder, widths: [8], code: 1}
train: {epochs: 3, batch_size: 32, threads: 1}
evaluate: {within: machine, metrics: [auroc], baseline: false, bootstrap: 0}
"""


def test_the_metric_that_an_input_is_worth_is_that_of_evaluate(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = [(place % 4, int(random.random() < 0.2), *random.normal(size=2)) for place in range(400)]
    lines = [f"m{machine},{a * (1 + machine) + 6 * bad},{b + 3 * machine},{bad}" for machine, bad, a, b in rows]
    (tmp_path / "strange.csv").write_text("\n".join(["machine,a,b,label", *lines]) + "\n")
    run = small_runs.trained(tmp_path, STRANGE_RECIPE)
    assert explain_split(run).score == evaluate(run).scores[0].value


@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion"])
def test_a_single_word_has_one_reason(notes: Path, method: str) -> None:
    one = explain_rows(notes, text=["good"], name=method).rows[0].inputs["note"]
    assert (one.names, one.values.shape) == (("good",), (1,))


def test_classes_are_explained_one_by_one(digits: Path) -> None:
    picture = str(digits.parent / "00.png")
    answer = explain_rows(digits, [picture], name="occlusion").rows[0]
    scores = {name: explain_rows(digits, [picture], name="occlusion", of=name).rows[0].score for name in "0123456789"}
    assert answer.of == max(scores, key=lambda name: scores[name])
    p = 1 / (1 + np.exp(-np.array(list(scores.values()))))
    assert p.sum() == pytest.approx(1, abs=1e-4), "log-odds of all classes are those of one distribution"
    with pytest.raises(UsageError, match="--class tne"):
        explain_rows(digits, [picture], of="tne")


def test_numbers_and_drawings_go_where_the_user_says(digits: Path, tmp_path: Path) -> None:
    pictures = [str(digits.parent / f"0{number}.png") for number in (0, 1, 0)]
    before = set(digits.parent.rglob("*"))
    reasons = explain_rows(digits, pictures, output=tmp_path / "why")
    written = sorted(path.name for path in (tmp_path / "why").iterdir())
    assert written == ["00-1.png", "00.png", "01.png", "reasons.json"]
    assert json.loads((tmp_path / "why" / "reasons.json").read_text()) == json.loads(json.dumps(reasons.to_json()))
    pixels = np.asarray(Image.open(tmp_path / "why" / "00.png"))
    left, right = pixels[:, : pixels.shape[1] // 2 - 4], pixels[:, pixels.shape[1] // 2 + 4 :]
    assert (left[..., 0] == left[..., 2]).all(), "the picture as it was"
    assert (right[..., 0] > right[..., 2]).any(), "red for"
    assert (right[..., 0] < right[..., 2]).any(), "blue against"
    assert set(digits.parent.rglob("*")) == before
    explain_rows(digits, pictures)
    assert set(digits.parent.rglob("*")) == before, "no folder, no file"


def test_only_so_many_rows_are_explained_and_the_rest_is_counted(driven: Path) -> None:
    reasons = explain_rows(driven, [str(driven.parent / "some.csv")], name="occlusion", most=3)
    assert len(reasons.rows) == 3
    assert reasons.left_out == 27


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (
            {"name": "shapley"},
            "shapley: reads number, category, and this run reads image; grad_cam",
        ),
        ({"name": "permutation"}, "about all rows of a split; of one row there are grad_cam"),
        ({"name": "occlusion", "sets": ["window=3"]}, "no option window; did you mean windows"),
        ({"name": "occlusion", "sets": ["windows=1"]}, "windows"),
        ({"sets": ["windows=3"]}, "name it by --method"),
    ],
)
def test_methods_that_do_not_fit_are_refused_with_those_that_do(
    squares: Path, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UsageError, match=reason):
        explain_rows(squares, [str(squares.parent / "00.png")], **options)


def test_what_cannot_be_explained_is_said(squares: Path, driven: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="reads one input, picture"):
        explain_split(squares, split="validation")
    with pytest.raises(UsageError, match="about single rows: name some"):
        explain_split(squares, name="occlusion")
    with pytest.raises(UsageError, match="metrics rmse do not read classes"):
        explain_split(driven, metric="rmse")
    with pytest.raises(UsageError, match="is an exported bundle"):
        explain_rows(export(squares, format="safetensors").folder, [str(squares.parent / "00.png")])
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    with pytest.raises(DataError, match="none of 1 rows"):
        explain_rows(squares, [str(tmp_path / "broken.png")])


def test_a_missing_package_names_the_extra(squares: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name, package=None: None)
    with pytest.raises(UsageError, match=r"pip install 'dlw\[explain\]'"):
        explain_rows(squares, [str(squares.parent / "00.png")])


FUSION_RECIPE = """\
name: both
task: {type: regression}
data:
  source: squares.csv
  inputs: {picture: {type: image, height: 8, width: 8, channels: 3}, size: number}
  target: {weight: number}
  splits: {train: "train[:80%]", validation: "train[80%:]"}
model: {type: fusion, widths: [4], depths: [1], width: 8, picture_size: 4}
train: {epochs: 1, batch_size: 8, threads: 1}
"""


def test_several_inputs_have_a_map_each_and_are_worth_one_each(tmp_path: Path) -> None:
    lines = small_runs.squares(tmp_path).read_text().splitlines()
    sizes = np.random.default_rng(0).normal(size=len(lines)).round(3)
    rows = [f"{line},{size},{size * 2}" for line, size in zip(lines[1:], sizes, strict=False)]
    (tmp_path / "squares.csv").write_text("\n".join([f"{lines[0]},size,weight", *rows]) + "\n")
    folder = small_runs.trained(tmp_path, FUSION_RECIPE)
    listener = Heard()
    table = [str(tmp_path / "squares.csv")]
    (row,) = explain_rows(folder, table, most=1, output=tmp_path / "why", listener=listener).rows
    assert {name: one.values.shape for name, one in row.inputs.items()} == {"picture": (8, 8), "number": (1,)}
    assert row.base is not None
    assert sum(one.values.sum() for one in row.inputs.values()) == pytest.approx(row.score - row.base, rel=0.05)
    assert (tmp_path / "why" / "squares-0-picture.png").is_file()
    assert not [line for line in listener.lines if "no reasons for" in line]
    (row,) = explain_rows(folder, table, name="grad_cam", most=1, listener=listener).rows
    assert set(row.inputs) == {"picture"}
    assert "grad_cam gives no reasons for number" in listener.lines
    worth = explain_split(folder, split="validation", sets=["repeats=2"])
    assert {one.name for one in worth.inputs} == {"picture", "size"}


def test_the_value_of_a_regression_is_explained(tmp_path: Path) -> None:
    small_runs.people(tmp_path)
    folder = small_runs.trained(tmp_path, small_runs.PRICE_RECIPE)
    (row,) = explain_rows(folder, [str(tmp_path / "people.csv")], most=1).rows
    assert row.of == "wage"
    assert 1_000 < row.score < 200_000
    assert row.base is not None
    assert sum(one.values.sum() for one in row.inputs.values()) == pytest.approx(row.score - row.base, abs=1)


def test_the_command_shows_reasons_and_prints_one_json_object(
    driven: Path, digits: Path, notes: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rows = str(driven.parent / "some.csv")
    assert command_line(["explain", str(driven), rows, "--most", "1", "-o", str(tmp_path / "a"), "-q"]) == 0
    told = capsys.readouterr().out
    assert "by shapley" in told
    assert "fuel" in told
    assert command_line(["explain", str(driven), "--split", "validation", "-o", str(tmp_path / "b"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["inputs"][0]["name"] in DRIVERS
    assert json.loads((tmp_path / "b" / "permutation-validation.json").read_text()) == found
    assert command_line(["explain", str(driven)]) == 0
    assert (driven / "explanations" / "permutation-test.json").is_file()
    assert "fuel" in capsys.readouterr().out
    picture = str(digits.parent / "00.png")
    assert command_line(["predict", str(digits), "--explain", picture, "--draw", str(tmp_path / "c"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["reasons"]
    assert found["rows"][0]["method"] == "integrated_gradients"
    assert np.shape(found["rows"][0]["inputs"]["image"]["values"]) == (8, 8)
    assert (tmp_path / "c" / "00.png").is_file()
    assert command_line(["predict", str(notes), "--text", "a good mat", "--explain", "occlusion"]) == 0
    told = capsys.readouterr().out
    assert "by occlusion" in told
    assert "good" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["explain", "RUN", "--class", "yes"], "--class yes: has no effect unless rows"),
        (["explain", "RUN", "rows.csv", "--metric", "accuracy"], "--metric accuracy: has no effect where rows"),
        (["explain", "RUN", "--split", "test", "--data", "ROWS"], "--split test: has no effect beside --data"),
        (["explain", "RUN", "ROWS", "--method", "occlusion", "--data", "ROWS"], "occlusion compares a row with no"),
        (["explain", "RUN", "ROWS", "--method", "occlusion", "--split", "test"], "--split test: has no effect"),
        (["explain", "RUN", "--method", "permutatoin"], "did you mean permutation"),
        (["predict", "RUN", "ROWS", "--explain", "shaply"], "did you mean shapley"),
        (["predict", "RUN", "--explain", "-"], "stdin"),
    ],
)
def test_wrong_options_are_answered(
    driven: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {"RUN": str(driven), "ROWS": str(driven.parent / "some.csv")}
    assert command_line([places.get(word, word) for word in words]) == 2
    assert told in capsys.readouterr().err


SPEC = FieldSpec("series", (4, 2), "float32", ("speed", "load"), is_ragged=True)


@pytest.mark.parametrize(
    ("kind", "found", "array", "suffix", "holds"),
    [
        ("series", Map(np.array([[1.0, 0], [0, -1], [0, 0]])), np.ones((3, 2), np.float32), ".svg", b"#b3261e"),
        ("sound", Map(np.arange(1000.0)), np.ones(1000, np.int16), ".svg", b"#b3261e"),
        ("sound", Map(np.eye(8), np.ones((8, 8))), np.ones(1000, np.int16), ".png", b"PNG"),
        ("tokens", Map(np.array([1.0, -2.0])), np.array([3, 4]), ".html", b"&lt;b&gt;"),
        ("image", Map(np.zeros((3, 4))), np.zeros((3, 3, 4), np.uint8), ".png", b"PNG"),
    ],
)
def test_every_kind_is_drawn(kind: str, found: Map, array: np.ndarray, suffix: str, holds: bytes) -> None:
    spec = SPEC if kind == "series" else replace(SPEC, kind=kind, columns=("one",))
    made = drawn(found, array, spec, ("<b>", "b"), "why")
    assert made is not None
    assert made[0] == suffix
    assert holds in made[1]
    assert drawn(Map(np.zeros(2)), np.zeros(2), replace(SPEC, kind="number"), (), "why") is None


def test_an_undefined_score_is_null_in_json() -> None:
    worth = InputWorth("run", "permutation", "test", 3, "auroc", float("nan"), (Worth("age", float("nan"), 0.0, 0.1),))
    assert worth.to_json()["score"] is None
    assert worth.to_json()["inputs"] == [{"name": "age", "loss": None, "low": 0.0, "high": 0.1}]

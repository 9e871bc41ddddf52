"""Every baseline of the room answers each kind it claims, in the layout of the network, the same way twice.

The room is listed, so that a new baseline is held to the contract without an edit here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dlw import registry
from dlw.baselines import _rows, constant, linear, ngram, principal_components, recurring_boxes
from dlw.baselines._base import Answer, Ask, answered
from dlw.baselines._features import Features, width
from dlw.metrics._base import value_of
from dlw.specs import Arrays, FieldSpec, Outcome

TRAIN_ROWS, TEST_ROWS = 300, 50
LEVELS = (0.1, 0.5, 0.9)
SPECS = {
    "number": FieldSpec("number", (3,), "float32", ("a", "b", "c")),
    "category": FieldSpec("category", (2,), "int64", ("d", "e"), sizes=(4, 300)),
    "labels": FieldSpec("labels", (2,), "int8", ("f", "g"), labels=("f", "g")),
    "image": FieldSpec("image", (1, 40, 33), "uint8"),
    "tokens": FieldSpec("tokens", (6,), "int32", sizes=(13,), is_ragged=True),
    "graph": FieldSpec("graph", (3, 5), "int16", sizes=(4, 3), is_ragged=True),
    "series": FieldSpec("series", (8, 2), "float32", ("p", "q"), statistics={"mean": [0.0, 0.0], "std": [1.0, 1.0]}),
    "sound": FieldSpec("sound", (400,), "int16", ("s",), statistics={"sample_rate_hz": [1000]}, is_ragged=True),
}
SCORES = {"classes": "log_loss", "labels": "log_loss", "values": "rmse", "quantiles": "pinball"}
SAY_OTHERWISE = {
    *("lead", "matrix_profile", "most_frequent_text", "ngram", "repeat_last", "seasonal_naive", "z_score"),
}
"""Baselines that count steps, texts or nothing at all instead of rows."""
CASES = [(name, kind) for name in registry.names("baselines") for kind in registry.load("baselines", name).KINDS]


def arrays(rows: int, seed: int) -> Arrays:
    rng = np.random.default_rng(seed)
    number = rng.normal(5, 3, (rows, 3)).astype(np.float32)
    number[rng.random((rows, 3)) < 0.1] = np.nan
    category = np.stack([rng.integers(0, 4, rows), rng.integers(0, 300, rows)], axis=1)
    image = rng.integers(0, 256, (rows, 1, 40, 33), dtype=np.uint8)
    labels = rng.integers(-1, 2, (rows, 2), np.int8)
    signal = np.nan_to_num(number[:, :1], nan=5.0)
    graph = np.zeros((rows, 3, 5), np.int16)
    graph[:, :1, 0] = 1 + np.digitize(signal, [3, 7])
    graph[category[:, 0] == 2, 1] = [3, 1, 1, 0, 0]
    series = np.concatenate([rng.normal(size=(rows, 7, 2)), np.repeat(signal[:, None] - 5, 2, axis=2)], axis=1)
    sound = (rng.normal(size=(rows, 400)) * (1000 + 100 * signal.clip(0, 10))).astype(np.int16)
    tokens = np.tile(np.arange(1, 7, dtype=np.int32), (rows, 1)) + 6 * (category[:, :1] % 2).astype(np.int32)
    tokens[rng.random(rows) < 0.3, 3:] = 0
    token = np.cumsum(rng.integers(1, 3, (rows, 13)), axis=1).astype(np.int32) % 6 + 1
    return {
        "number": number,
        "category": category,
        "labels": labels,
        "image": image,
        "graph": graph,
        "tokens": tokens,
        "series": series.astype(np.float32),
        "sound": sound,
        "words": token,
    }


def truth(kind: str, given: Arrays) -> np.ndarray:
    """A target that hangs on the first number and the first category; classes 0, 2 and 3 of 4 occur."""
    signal = np.nan_to_num(given["number"][:, 0], nan=5.0) - 5 + 4 * (given["category"][:, 0] == 2)
    if kind in ("classes", "vectors"):
        return np.digitize(signal, [-2, 2]).astype(np.int64) + (signal > -2)
    if kind == "labels":
        gaps = given["labels"][:, 1] < 0
        return np.stack([signal > 0, np.where(gaps, -1, signal > 2), np.full(len(signal), -1)], axis=1).astype(np.int8)
    if kind == "boxes":
        boxes = np.tile(np.array([[0, 2, 2, 12, 12], [3, 10, 5, 30, 25]], np.float32), (len(signal), 1, 1))
        boxes[signal < 0, 1, 0] = -1
        return boxes
    if kind == "map":
        ids = (given["image"][:, 0] > 160).astype(np.uint8)
        ids[:, :2] = 255
        return ids
    if kind == "nats":
        return np.pad(given["tokens"][:, 1:], [(0, 0), (0, 1)])
    if kind == "scores":
        return np.zeros(len(signal), np.int64)
    if kind == "ranking":
        return given["tokens"][:, 1:]
    if kind == "texts":
        return given["tokens"][:, :3]
    if kind.startswith("forecast"):
        return np.repeat(given["series"][:, -1:], 3, axis=1)
    return np.stack([signal, 100 - 10 * signal], axis=1).astype(np.float32)


def ask(name: str, kind: str) -> Ask:
    inputs = {key: spec for key, spec in SPECS.items() if key in registry.load("baselines", name).INPUTS}
    size = {"classes": 4, "labels": 3, "values": 2, "quantiles": 2, "boxes": 5, "map": 2, "ranking": 8}.get(kind, 1)
    words = ["red", "a b", "red"]
    return Ask(
        kind,
        size,
        inputs,
        LEVELS if kind in ("quantiles", "forecast_quantiles") else (),
        seed=1,
        names=("p", "q") if kind.startswith("forecast") else tuple("abcdefghijklmn"),
        season=4,
        truth=truth(kind, arrays(TEST_ROWS, 1)) if kind == "nats" else None,
        read_texts=[f"one two {row}" for row in range(TEST_ROWS)] if kind == "texts" else (),
        learned_from=[f"one two {row}" for row in range(len(words) * (TRAIN_ROWS // 3))] if kind == "texts" else (),
        learned_texts=words * (TRAIN_ROWS // 3) if kind == "texts" else (),
    )


def answer(name: str, kind: str) -> Any:
    train, test, asked = arrays(TRAIN_ROWS, 0), arrays(TEST_ROWS, 1), ask(name, kind)
    picked = [{key: part[key] for key in asked.specs} for part in (train, test)]
    return answered(registry.load("baselines", name).predict, picked[0], truth(kind, train), picked[1], asked)


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (["one two three"], 3),
        (["ONE two four"], 4),
        (["two", "two three", "three"], 3),
        (["six seven"], 1),
        (["", ""], 1),
    ],
)
def test_the_lead_is_as_long_as_serves_the_training_rows(answers: list[str], words: int) -> None:
    text = "one two three four five"
    texts = Ask("texts", 1, {}, read_texts=[text, "a"], learned_from=[text] * len(answers), learned_texts=answers)
    found = registry.load("baselines", "lead").predict({}, np.zeros(0), {}, texts)
    assert found.prediction.tolist() == [" ".join(text.split()[:words]), "a"]
    assert f"first {words} words" in found.note


def test_flags_of_the_processor_are_no_warnings() -> None:
    """As where a BLAS kernel raises them on lanes that it throws away."""

    def predict(train: Arrays, target: np.ndarray, test: Arrays, ask: Ask) -> Answer:
        return Answer(test["number"] * 0, "nothing was fitted")

    test = {"number": np.array([np.inf], np.float32)}
    assert np.isnan(answered(predict, {}, np.zeros(1), test, Ask("values", 1, {})).prediction).all()


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_answers_are_laid_out_like_the_networks(name: str, kind: str) -> None:
    """Shape, finiteness, probabilities that are probabilities, quantiles that rise; twice the same; rows are told."""
    result = answer(name, kind)
    shapes = {"classes": (4,), "labels": (3,), "values": (2,), "quantiles": (2, 3), "boxes": (5, 6), "scores": ()}
    shapes |= {"nats": (), "texts": (), "forecast": (3, 2), "forecast_quantiles": (3, 2, 3)}
    shapes["map"] = (40, 33)
    assert result.prediction.shape == (TEST_ROWS, *shapes.get(kind, result.prediction.shape[1:]))
    assert kind == "texts" or np.isfinite(result.prediction).all()
    if kind in ("classes", "labels"):
        assert ((result.prediction >= 0) & (result.prediction <= 1)).all()
    if kind == "classes":
        assert np.allclose(result.prediction.sum(1), 1)
        assert np.allclose(result.prediction[:, 1], 0, atol=1e-6)
    if kind == "ranking":
        for items, seen in zip(result.prediction, arrays(TEST_ROWS, 1)["tokens"] - 1, strict=True):
            assert not set(items[items >= 0]) & set(seen)
    if kind == "vectors":
        assert np.allclose(np.linalg.norm(result.prediction, axis=1), 1, atol=1e-5)
    if kind in ("quantiles", "forecast_quantiles"):
        assert (np.diff(result.prediction, axis=-1) >= 0).all()
    assert result.note
    assert (f"{TRAIN_ROWS} training rows" in result.note) != (name in SAY_OTHERWISE)
    assert np.array_equal(answer(name, kind).prediction, result.prediction)


@pytest.mark.parametrize(("name", "kind"), [case for case in CASES if case[1] in SCORES and case[0] != "constant"])
def test_learners_beat_the_constant(name: str, kind: str) -> None:
    """A learner that sees the cause scores better than the training frequencies."""

    def score(prediction: np.ndarray) -> float:
        target = truth(kind, arrays(TEST_ROWS, 1))
        return float(value_of(registry.load("metrics", SCORES[kind]), Outcome(kind, prediction, target, (), LEVELS)))

    learned = answer(name, kind).prediction
    if name == "linear":  # noise in 1,320 pixels drowns 300 rows: ask for the table alone
        asked = ask("boosted_trees", kind)
        train, test = arrays(TRAIN_ROWS, 0), arrays(TEST_ROWS, 1)
        learned = linear.predict(train, truth(kind, train), test, asked).prediction
    assert score(learned) < score(answer("constant", kind).prediction)


def test_a_threshold_on_grey_is_found() -> None:
    """The truth is a threshold: one class or three, on grey and on colours."""
    result = answer("grey_value", "map")
    assert np.array_equal(result.prediction[:, 2:], truth("map", arrays(TEST_ROWS, 1))[:, 2:])
    assert "above 160" in result.note
    grey = np.random.default_rng(0).integers(0, 256, (9, 1, 8, 8), dtype=np.uint8).repeat(3, 1)
    ids = np.digitize(grey[:, 0], [90, 150]).astype(np.uint8)
    answered = registry.load("baselines", "grey_value").predict({"x": grey}, ids, {"x": grey}, Ask("map", 3, {}))
    assert np.array_equal(answered.prediction, ids)


def test_constant_by_hand() -> None:
    """Frequencies, means, quantiles; gaps are left out."""
    test = {"number": np.zeros((2, 1))}
    assert constant.predict({}, np.array([0, 2, 2, 2]), test, Ask("classes", 3, {})).prediction[1].tolist() == [
        0.25,
        0.0,
        0.75,
    ]
    gaps = np.array([[1, -1], [0, 1], [-1, -1]], np.int8)
    assert constant.predict({}, gaps, test, Ask("labels", 2, {})).prediction[0].tolist() == [0.5, 1.0]
    maps = np.array([[[0, 2]], [[0, 1]], [[1, 1]], [[255, 1]]], np.uint8)
    assert constant.predict({}, maps, test, Ask("map", 3, {})).prediction[1].tolist() == [[0, 1]]
    values = np.array([[1.0], [3.0]])
    assert constant.predict({}, values, test, Ask("values", 1, {})).prediction.tolist() == [[2.0], [2.0]]
    assert constant.predict({}, values, test, Ask("quantiles", 1, {}, (0.5,))).prediction.tolist() == [[[2.0]], [[2.0]]]


def test_boxes_that_recur_are_answered_once_with_the_share_of_pictures() -> None:
    """One box on every picture, one of another class on half of them, near copies taken together."""
    target = np.full((4, 2, 5), -1.0, np.float32)
    target[:, 0] = [0, 2, 2, 12, 12]
    target[0, 0, 1] = 1
    target[:2, 1] = [1, 20, 20, 30, 30]
    answered = recurring_boxes.predict({}, target, {"image": np.zeros((3, 1))}, Ask("boxes", 4, {})).prediction
    assert answered.shape == (3, 4, 6)
    assert answered[2, :, 0].tolist() == [0, 1, -1, -1]
    assert answered[2, :2, 5].tolist() == [1.0, 0.5]
    assert answered[2, 1, 1:5].tolist() == [20, 20, 30, 30]


def test_a_sample_holds_every_class_once_at_least() -> None:
    """Rows are drawn without repetition and a class of one row among thousands is never lost."""
    target = np.zeros(5000, np.int64)
    target[4321] = 1
    rows = _rows.sample(target, 100, 0, has_classes=True)
    assert len(np.unique(rows)) == 100
    assert 4321 in rows
    assert _rows.told(100, 5000) == "100 of 5,000 training rows, drawn at random"
    assert len(_rows.sample(target, 9000, 0, has_classes=True)) == 5000


@pytest.mark.parametrize("columns", [40, 3000])
def test_dense_and_sparse_features_hold_the_same(columns: int) -> None:
    """One column per category value, id 0 included; numbers standardised on the training rows; gaps flagged."""
    specs = {
        "number": FieldSpec("number", (2,), "float32", ("a", "b")),
        "category": FieldSpec("category", (2,), "int64", ("c", "d"), sizes=(3, columns)),
    }
    train = {
        "number": np.array([[1, 2], [3, np.nan], [5, 4]], np.float32),
        "category": np.array([[0, 1], [1, 2], [2, columns - 1]]),
    }
    features = Features(train, specs)
    assert features.is_sparse == (columns == 3000)
    matrix = features(train)
    dense = matrix.toarray() if features.is_sparse else matrix
    assert dense.shape == (3, 3 + 3 + columns)
    assert np.allclose(dense[:, :2].mean(0), 0, atol=1e-6)
    assert dense[:, 2].tolist() == [0, 1, 0]
    assert np.argwhere(dense[:, 3:])[:, 1].tolist() == [0, 4, 1, 5, 2, 3 + columns - 1]


def test_pictures_are_shrunk_by_the_mean_over_blocks() -> None:
    """No side above 32; uneven borders are averaged over what is there."""
    specs = {"image": FieldSpec("image", (1, 33, 64), "uint8")}
    image = np.random.default_rng(0).integers(0, 256, (2, 1, 33, 64), dtype=np.uint8)
    matrix = Features({"image": image}, specs)({"image": image})
    assert matrix.shape == (2, width(specs)) == (2, 17 * 32)
    assert matrix[0, 0] == pytest.approx(image[0, 0, :2, :2].mean() / 255, rel=1e-5)
    assert matrix[0, 16 * 32] == pytest.approx(image[0, 0, 32:, :2].mean() / 255, rel=1e-5)


def test_principal_components_measure_the_distance_to_the_plane() -> None:
    """Training rows on a line: a row off the line is as strange as it is far away."""
    along = np.linspace(-1, 1, 50, dtype=np.float32)
    image = np.stack([along, -along], axis=1).reshape(50, 1, 1, 2) * 100 + 128
    probe = np.array([[128, 128], [228, 28], [178, 178]], np.float32).reshape(3, 1, 1, 2)
    asked = Ask("scores", 1, {"image": FieldSpec("image", (1, 1, 2), "uint8")})
    scores = principal_components.predict({"image": image}, np.zeros(50), {"image": probe}, asked).prediction
    assert scores == pytest.approx([0, 0, 2 * (50 / 255) ** 2], abs=1e-6)


def test_ratings_are_found_from_biases_and_factors() -> None:
    """Ratings that are sums and products of what users and items are, some of them hidden."""
    rng = np.random.default_rng(0)
    user, item = rng.normal(size=(2, 40, 2))
    pairs = np.stack(np.meshgrid(np.arange(40), np.arange(40)), axis=-1).reshape(-1, 2)
    value = (user[pairs[:, 0]] * item[pairs[:, 1]]).sum(1) + user[pairs[:, 0], 0] + item[pairs[:, 1], 1] + 3
    is_hidden = rng.random(len(pairs)) < 0.2
    specs = {"category": FieldSpec("category", (3,), "int64", ("user", "sex", "item"), sizes=(41, 3, 41))}
    ids = np.stack([pairs[:, 0] + 1, np.ones(len(pairs), np.int64), pairs[:, 1] + 1], axis=1)
    answer = registry.load("baselines", "matrix_factorization").predict(
        {"category": ids[~is_hidden]}, value[~is_hidden, None], {"category": ids[is_hidden]}, Ask("values", 1, specs)
    )
    assert "user and item" in answer.note
    assert np.square(answer.prediction[:, 0] - value[is_hidden]).mean() < 0.1 * value.var()


def test_counts_find_a_chain_and_share_the_rest() -> None:
    """Of a chain in which each token has two that follow, n-grams come close to one bit, and chances add up to one."""
    train, test = arrays(300, 0)["words"], arrays(50, 1)["words"]
    spec = {"tokens": FieldSpec("tokens", (12,), "int32", sizes=(7,))}
    learned = {"tokens": train[:, :-1]}
    asked = Ask("nats", 1, spec, truth=test[:, 1:])
    nats = ngram.predict(learned, train[:, 1:], {"tokens": test[:, :-1]}, asked).prediction
    assert 0.69 < nats.sum() / (50 * 12) < 0.78
    window = np.array([[1, 2, 3, 5]] * 6, np.int32)
    every = np.zeros((6, 4), np.int32)
    every[:, -1] = np.arange(1, 7)
    asked = Ask("nats", 1, spec, truth=every)
    chances = np.exp(-ngram.predict(learned, train[:, 1:], {"tokens": window}, asked).prediction)
    assert chances.sum() == pytest.approx(1)

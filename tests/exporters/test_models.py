"""Every model of the registry exports to ONNX and answers there like here, gaps and unknown categories included."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from dlw import registry
from dlw.engine.inference import Predictor, answer_arrays
from dlw.engine.writing import NetworkWriter
from dlw.exporters._base import Artifact
from dlw.exporters._graph import exported, quiet
from dlw.models._base import Refitted
from dlw.models._log_mel import LogMel
from dlw.ragged import stack
from dlw.search import Style, write
from dlw.specs import NO_TARGET, Arrays, FieldSpec, OutputSpec, ragged_kinds
from dlw.verbs._writers import probe

EDGES = [sorted({-2.0, -1.0, 0.0, float(column + 1)}) for column in range(3)]
SPECS = {
    "number": FieldSpec(
        "number", (3,), "float32", ("a", "b", "c"), statistics={"mean": [0.0] * 3, "std": [1.0] * 3, "edges": EDGES}
    ),
    "category": FieldSpec("category", (2,), "int64", ("d", "e"), sizes=(4, 9)),
    "molecule": FieldSpec("graph", (6, 6), "int16", sizes=(4, 3, 5), is_ragged=True),
    "items": FieldSpec("tokens", (6,), "int32", sizes=(8,), is_ragged=True),
    "image": FieldSpec("image", (3, 16, 16), "uint8", ("image",), statistics={"mean": [90.0] * 3, "std": [50.0] * 3}),
    "sound": FieldSpec("sound", (400,), "int16", ("sound",), statistics={"sample_rate_hz": [1000]}, is_ragged=True),
}
SPECS_OF_STEPS = {
    "tokens": FieldSpec("tokens", (12,), "int32", ("text",), sizes=(30,), is_ragged=True),
    "series": FieldSpec(
        "series", (12, 2), "float32", ("s",), statistics={"mean": [0.0, 1.0], "std": [1.0, 2.0]}, is_ragged=True
    ),
}
"""Kinds whose rows differ in length."""
TOKENS = FieldSpec(
    "tokens",
    (9,),
    "int32",
    ("text",),
    (12,),
    statistics={"unknown": [1], "start": [2], "end": [3], "characters": [0, 1, 0, 0, *[1] * 8]},
    is_ragged=True,
)
LABELS = ("x", "y", "z")
TASKS = {
    "vector": ("classification", FieldSpec("category", (), "int64", ("label",), (3,), LABELS, {"counts": [[5, 5, 5]]})),
    "map": ("segmentation", FieldSpec("mask", (16, 16), "uint8", ("m",), (3,), LABELS, {"counts": [[5, 5, 5]]})),
    "points": (
        "detection",
        FieldSpec("boxes", (4, 5), "float32", ("o",), (3,), LABELS, {"counts": [[5, 5, 5]], "picture": [[16, 16]]}),
    ),
    "clusters": ("clustering", NO_TARGET),
    "items": (
        "recommendation",
        FieldSpec("tokens", (6,), "int32", (), (8,), tuple("abcdefg"), {"counts": [[1] * 7], "titles": [[]]}, True),
    ),
    "steps": (
        "transcription",
        FieldSpec("tokens", (3,), "int32", ("t",), (5,), ("", "", "", "", "a"), {"end": [3]}, is_ragged=True),
    ),
    "error": ("anomaly", FieldSpec("category", (), "int64", ("label",), (1,), ("fine",), {"counts": [[5]]})),
}
"""For every kind of output a task, with its target."""

SMALL = {"depth": 1, "widths": [8, 16], "depths": [1, 1], "width": 16, "heads": 2, "buckets": 64, "mels": 4}
"""Options that keep a network small, for the models that have them."""


def first_input(model: str) -> str:
    """Return the kind a model is mainly for; those for series are held to the same in test_series_models.py."""
    kinds: tuple[str, ...] = registry.load("models", model).INPUTS
    return kinds[0]


def inputs_of(model: str) -> dict[str, FieldSpec]:
    """Return columns where the model takes them, else what else it takes, and all for the model that joins them."""
    if model == "fusion":
        return {name: spec for name, spec in SPECS.items() if spec.kind in registry.load("models", model).INPUTS}
    kinds = registry.load("models", model).INPUTS
    columns = {kind: SPECS[kind] for kind in ("number", "category") if kind in kinds}
    if "items" in registry.load("models", model).OUTPUTS:
        return {"items": SPECS["items"], **columns}
    if kinds[0] in SPECS_OF_STEPS:
        return {kinds[0]: SPECS_OF_STEPS[kinds[0]]}
    others = {name: spec for name, spec in SPECS.items() if spec.kind in kinds}
    return columns or dict(list(others.items())[:1])


def rows(inputs: dict[str, FieldSpec], count: int, steps: int = 6) -> Arrays:
    """Return random rows; the first holds nothing but gaps. Ragged ones have this many steps and less."""
    random = np.random.default_rng(count)
    arrays: Arrays = {}
    lengths = np.array([0, *random.integers(1, steps + 1, count - 1)]) if count > 1 else [steps]
    if "tokens" in inputs:
        ids = [random.integers(1, 30, length).astype(np.int32) for length in lengths]
        arrays["tokens"] = stack(ids, "tokens", "int32")
    if "series" in inputs:
        values = [random.normal(size=(length, 2)).astype(np.float32) for length in lengths]
        arrays["series"] = stack(values, "series", "float32", (2,))
    if "number" in inputs:
        arrays["number"] = random.normal(size=(count, 3)).astype(np.float32)
        arrays["number"][0] = np.nan
    if "category" in inputs:
        arrays["category"] = random.integers(0, inputs["category"].sizes, (count, 2))
        arrays["category"][0] = 0
    if "image" in inputs:
        arrays["image"] = random.integers(0, 256, (count, 3, 16, 16), dtype=np.uint8)
    if "items" in inputs:
        arrays["items"] = random.integers(1, 8, (count, steps)).astype(np.int32)
        arrays["items"][0] = 0
        arrays["items"][-1, steps // 2 :] = 0
    if "molecule" in inputs:
        arrays["molecule"] = chains(random.integers(1, steps + 1, count), steps)
        arrays["molecule"][0] = 0
    if "sound" in inputs:
        lengths = random.integers(1, SAMPLES_PER_STEP * steps + 1, count)
        sounds = [random.integers(-9000, 9000, length).astype(np.int16) for length in lengths]
        arrays["sound"] = stack([sounds[0][:0], *sounds[1:]], "sound", "int16")
    return arrays


SAMPLES_PER_STEP = 30


def chains(lengths: np.ndarray, steps: int) -> np.ndarray:
    """Return molecules whose atoms follow one another."""
    array = np.zeros((len(lengths), steps, 6), np.int16)
    for row, length in zip(array, lengths, strict=True):
        row[:length, 0] = 1 + np.arange(length) % 3
        row[1:length, 2], row[1:length, 3] = np.arange(1, length), 2
        row[: length - 1, 4], row[: length - 1, 5] = np.arange(2, length + 1), 2
    return array


WRITERS = [
    name for name in registry.names("models") if {"tokens", "told_tokens"} & set(registry.load("models", name).OUTPUTS)
]
ELSEWHERE = (*WRITERS, "pretrained")
ANSWERERS = [name for name in registry.names("models") if name not in ELSEWHERE and first_input(name) != "series"]


@pytest.mark.withstands("properties", case="P9")
@pytest.mark.parametrize(
    ("model", "options"),
    [
        *((model, {}) for model in ANSWERERS),
        ("resnet", {"squeeze_excite": True, "block": "bottleneck", "stem": "large"}),
        ("vit", {"positions": "learned"}),
    ],
    ids=str,
)
def test_model_answers_from_onnx(model: str, options: dict[str, Any], tmp_path: Path) -> None:
    torch.manual_seed(0)
    inputs = inputs_of(model)
    plugin = registry.load("models", model)
    name, target = TASKS[plugin.OUTPUTS[0]]
    tasks = registry.load("tasks", name)
    task = tasks.build(tasks.Settings(), target)
    small = {key: value for key, value in SMALL.items() if key in plugin.Settings.model_fields}
    network = plugin.build(plugin.Settings.model_validate(small | options), inputs, task.output)
    for parameter in network.parameters():  # some networks begin as constants, which every export gets right
        torch.nn.init.normal_(parameter, std=0.1) if parameter.ndim > 1 else parameter.data.add_(0.1)
    if isinstance(network, Refitted):
        with torch.no_grad():
            network.eval().look({key: torch.from_numpy(array) for key, array in rows(inputs, 40).items()})
            network.refit()
    predictor = Predictor(network, task).eval()
    onnx = registry.load("exporters", "onnx")
    onnx.export(predictor, rows(inputs, 3), tmp_path, onnx.Settings(), tuple(ragged_kinds(inputs)))
    name = next(iter(answer_arrays(predictor, rows(inputs, 2))))
    artifact = Artifact(lambda file: (tmp_path / file).read_bytes(), tuple(inputs), (name,), lambda: predictor, 1)
    answer = onnx.open_model(artifact)
    for count, steps in ((1, 6), (2, 2), (7, 11)):
        arrays = rows(inputs, count, steps)
        wanted = answer_arrays(predictor, arrays)[name]
        np.testing.assert_allclose(answer(arrays)[name], wanted, atol=1e-5 * max(1.0, np.abs(wanted).max()))
    assert wanted.std(0).max() > 1e-4, "the answers depend on the rows"


@pytest.mark.withstands("properties", case="P9")
@pytest.mark.parametrize(
    ("model", "window"),
    [
        pytest.param(model, window, marks=[] if (model, window) == ("gpt", 6) else pytest.mark.slow)
        for window in (6, 40)
        for model in WRITERS
    ],
)
def test_model_writes_from_onnx(model: str, window: int, tmp_path: Path) -> None:
    """Step by step, within and beyond the window, the graphs give the network's logits and its texts.

    The longer window comes with copying, where there is any.
    """
    network, output = writer(model, window, "text" if window == 40 else "")
    onnx = registry.load("exporters", "onnx")
    inputs = {"text": np.random.default_rng(0).integers(4, 12, (3, 9)).astype(np.int32)}
    onnx.export_writer(network, inputs, tmp_path, onnx.Settings())
    bundle = onnx.open_writer(Artifact(lambda file: (tmp_path / file).read_bytes(), (), (), lambda: network, 1))
    for rows, steps in ((1, 1), (2, 2), (7, 9)):
        piece = {"text": np.resize(inputs["text"], (rows, max(2, steps)))}
        wanted = probe(NetworkWriter(network), output, piece)["logits"]
        np.testing.assert_allclose(probe(bundle, output, piece)["logits"], wanted, atol=1e-5 * np.abs(wanted).max())
    for beams in (1, 3):
        style = Style(end=3, window=window, max_tokens=12, temperature=0, beams=beams)
        prompts = [np.array([3], np.int32), np.array([3, 5, 6], np.int32), np.array([3, 7, 8], np.int32)]
        texts = [write(one, inputs, prompts, style) for one in (NetworkWriter(network), bundle)]
        assert [text.tolist() for text in texts[0]] == [text.tolist() for text in texts[1]]


def writer(model: str, window: int, copied: str) -> tuple[torch.nn.Module, OutputSpec]:
    """Return a small network that writes, with weights that make its words differ."""
    torch.manual_seed(0)
    plugin = registry.load("models", model)
    output = OutputSpec(plugin.OUTPUTS[0], 12, steps=window, end=3, copied=copied)
    settings = plugin.Settings.model_validate({"width": 16, "depth": 2, "heads": 2})
    network: torch.nn.Module = plugin.build(settings, {"text": TOKENS}, output).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3) if parameter.ndim > 1 else parameter.data.add_(0.1)
    return network, output


@pytest.mark.withstands("properties", case="P9")
def test_the_spectrum_of_a_long_recording_is_the_same_in_onnx_runtime() -> None:
    """Twenty seconds: sums over all bands and steps at once differed by 9e-5, and answers by more than the limit."""
    made = LogMel(8000, 64, 40, 1).eval()
    sound = torch.from_numpy((np.random.default_rng(0).normal(size=(2, 160_000)) * 50).astype(np.int16))
    program = exported(made, (sound,), ({1: torch.export.Dim("samples", min=256)},))
    file = io.BytesIO()
    with quiet():
        made_onnx = torch.onnx.export(program, dynamo=True, verbose=False)
        assert made_onnx is not None
        made_onnx.save(file)
    session = onnxruntime.InferenceSession(file.getvalue())
    (found, _) = session.run(None, {session.get_inputs()[0].name: sound.numpy()})
    np.testing.assert_allclose(found, made(sound)[0].numpy(), atol=4e-5)

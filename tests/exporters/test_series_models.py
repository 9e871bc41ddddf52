"""Every model of series exports to ONNX and answers there like here: gaps, shorter rows and any number of steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dlw import registry
from dlw.engine.inference import Predictor, answer_arrays
from dlw.exporters._base import Artifact
from dlw.specs import Arrays, FieldSpec, ragged_kinds
from tests.exporters.test_models import SPECS, TASKS

CHANNELS = {"mean": [0.0, 5.0], "std": [1.0, 2.0]}
STEPS = 12
TARGETS = {
    **TASKS,
    "forecast": ("forecasting", FieldSpec("series", (3, 2), "float32", ("p", "q"), statistics=CHANNELS)),
}
SMALL = {"depth": 1, "widths": [8, 16], "depths": [1, 1], "width": 8, "features": 500}


def cases() -> list[tuple[str, bool, str]]:
    """Return every model that reads series with each output it gives and, of vectors, for rows of any length, too."""
    found = []
    for model in registry.names("models"):
        plugin = registry.load("models", model)
        if "series" in plugin.INPUTS:
            found += [(model, False, output) for output in plugin.OUTPUTS]
            found += [(model, True, "vector")] if "vector" in plugin.OUTPUTS else []
    return found


def predictor(model: str, is_ragged: bool, output: str) -> tuple[Predictor, dict[str, FieldSpec]]:
    """Return an untrained network with what it reads; forecasts also read what stands beside a series."""
    torch.manual_seed(0)
    plugin = registry.load("models", model)
    spec = FieldSpec("series", (STEPS, 2), "float32", ("p", "q"), statistics=CHANNELS, is_ragged=is_ragged)
    beside = set(plugin.INPUTS) & {"number", "category"} if output == "forecast" else ()
    inputs = {"series": spec, **{kind: SPECS[kind] for kind in sorted(beside)}}
    name, target = TARGETS[output]
    tasks = registry.load("tasks", name)
    task = tasks.build(tasks.Settings(), target)
    small = {key: value for key, value in SMALL.items() if key in plugin.Settings.model_fields}
    network = plugin.build(plugin.Settings.model_validate(small), inputs, task.output)
    for parameter in network.parameters():  # some networks begin as constants, which every export gets right
        torch.nn.init.normal_(parameter, std=0.1) if parameter.ndim > 1 else parameter.data.add_(0.1)
    return Predictor(network, task).eval(), inputs


def rows(inputs: dict[str, FieldSpec], count: int, steps: int = STEPS) -> Arrays:
    """Return random rows with gaps; the last is half as long, the first holds a single value."""
    random = np.random.default_rng(count)
    series = random.normal(size=(count, steps, 2)).astype(np.float32)
    series[random.random(series.shape) < 0.1] = np.nan
    series[-1, steps // 2 :] = np.nan
    series[0] = np.nan
    series[0, 0, 0] = 1.0
    arrays: Arrays = {"series": series}
    if "number" in inputs:
        arrays["number"] = random.normal(size=(count, 3)).astype(np.float32)
    if "category" in inputs:
        arrays["category"] = random.integers(0, inputs["category"].sizes, (count, 2))
    return arrays


@pytest.mark.withstands("properties", case="P9")
@pytest.mark.parametrize(("model", "is_ragged", "output"), cases())
def test_model_answers_from_onnx(model: str, is_ragged: bool, output: str, tmp_path: Path) -> None:
    made, inputs = predictor(model, is_ragged, output)
    onnx = registry.load("exporters", "onnx")
    onnx.export(made, rows(inputs, 3), tmp_path, onnx.Settings(), tuple(ragged_kinds(inputs)))
    name = next(iter(answer_arrays(made, rows(inputs, 2))))
    artifact = Artifact(lambda file: (tmp_path / file).read_bytes(), tuple(inputs), (name,), lambda: made, 1)
    answer = onnx.open_model(artifact)
    for count, steps in ((1, 2), (2, 70), (7, 9)):
        arrays = rows(inputs, count, steps if is_ragged else STEPS)
        wanted = answer_arrays(made, arrays)[name]
        np.testing.assert_allclose(answer(arrays)[name], wanted, atol=1e-5 * max(1.0, np.abs(wanted).max()))
    assert wanted.std(0).max() > 1e-4, "the answers depend on the rows"


@pytest.mark.withstands("properties", case="P6")
@pytest.mark.parametrize("model", [model for model, is_ragged, _ in cases() if is_ragged])
def test_what_follows_the_end_of_a_row_changes_nothing(model: str) -> None:
    made, inputs = predictor(model, True, "vector")
    short = rows(inputs, 3, 9)
    filled = {**short, "series": np.pad(short["series"], [(0, 0), (0, 17), (0, 0)], constant_values=np.nan)}
    name, wanted = next(iter(answer_arrays(made, short).items()))
    np.testing.assert_allclose(answer_arrays(made, filled)[name], wanted, atol=1e-6)


@pytest.mark.parametrize(("model", "is_ragged", "output"), cases())
def test_every_parameter_learns(model: str, is_ragged: bool, output: str) -> None:
    made, inputs = predictor(model, is_ragged, output)
    network = made.network.train()
    batch = {name: torch.from_numpy(array) for name, array in rows(inputs, 6).items()}
    network(batch).square().sum().backward()
    still = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert not still

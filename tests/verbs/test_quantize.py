"""Quantised exports: judged on validation rows, kept with their figures or refused with them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dlw.errors import RunError, UsageError
from dlw.exporters import onnx as exporter_module
from dlw.specs import Outcome
from dlw.verbs import _quantized
from dlw.verbs._bundle import open_bundle
from dlw.verbs._exam import agreement
from dlw.verbs.export import Exported, export
from dlw.verbs.predict import predict
from tests.verbs import small_runs

LOOSE = {"max_score_loss": 100.0, "min_agreement": 0.0}


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_quantized, "SPEED_SECONDS", 0.01)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained picture run."""
    folder = tmp_path_factory.mktemp("pictures")
    small_runs.squares(folder)
    return small_runs.trained(folder, small_runs.PICTURE_RECIPE.replace("epochs: 1", "epochs: 8"))


@pytest.fixture(scope="module")
def small(run: Path) -> Exported:
    """The run's int8 bundle."""
    return export(run, quantize="int8", limits=LOOSE)


def test_the_bundle_holds_whole_numbers_and_the_figures(run: Path, small: Exported) -> None:
    import onnx

    assert small.folder == run / "exports" / "onnx_int8"
    graph = onnx.load(small.folder / "model.onnx").graph
    assert any(tensor.data_type == onnx.TensorProto.INT8 for tensor in graph.initializer)
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    made_by = {name: node.op_type for node in graph.node for name in node.output}
    assert convolutions
    assert all(made_by[name] == "DequantizeLinear" for node in convolutions for name in node.input[:2])
    parity = json.loads((small.folder / "parity.json").read_text())
    assert parity["difference"] <= parity["tolerance"], "of the float artifact"
    found = parity["quantized"]
    assert (found["type"], found["rows"], found["metric"]) == ("int8", 8, "accuracy")
    assert found["score_loss"] == pytest.approx(100 * (found["network"] - found["artifact"]))
    assert 0 <= found["agreement"] <= 1
    assert found["speedup"] > 0
    assert json.loads((small.folder / "bundle.json").read_text())["quantized"] == "int8"
    assert "int8" in (small.folder / "README.md").read_text()
    assert small.to_json()["quantized"] == found
    assert not [path.name for path in small.folder.parent.iterdir() if path.name.startswith(".")]


def test_openvino_holds_whole_numbers_too_without_torch_and_without_a_word_to_its_makers(
    run: Path, small: Exported
) -> None:
    exported = export(run, format="openvino", quantize="int8", limits=LOOSE)
    assert exported.folder == run / "exports" / "openvino_int8"
    assert 'element_type="i8"' in (exported.folder / "model.xml").read_text()
    program = (
        "import json, sys\nfrom pathlib import Path\nimport numpy as np\nfrom dlw.verbs._bundle import open_bundle\n"
        f"answer = open_bundle(Path({str(exported.folder)!r}), 1).answer\n"
        "(found,) = answer({'picture': np.arange(192, dtype=np.uint8).reshape(1, 3, 8, 8)}).values()\n"
        "print(json.dumps([found.tolist(), 'torch' in sys.modules, sys.modules['openvino_telemetry']]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    found, imports_torch, telemetry = json.loads(done.stdout)
    picture = np.arange(192, dtype=np.uint8).reshape(1, 3, 8, 8)
    (wanted,) = open_bundle(small.folder).answer({"picture": picture}).values()
    np.testing.assert_allclose(found, wanted, atol=0.02)
    assert not imports_torch
    assert telemetry is None, "the package that sends messages is never imported"


def test_the_weights_leave_room_for_sums_of_16_bits(small: Exported) -> None:
    import onnx
    from onnx import numpy_helper

    tensors = onnx.load(small.folder / "model.onnx").graph.initializer
    weights = [numpy_helper.to_array(each) for each in tensors if each.data_type == onnx.TensorProto.INT8]
    assert max(int(np.abs(each.astype(int)).max()) for each in weights if each.ndim > 1) <= 64


def test_it_answers_nearly_like_the_network(run: Path, small: Exported) -> None:
    rows = {"picture": np.random.default_rng(0).integers(0, 256, (5, 3, 8, 8), dtype=np.uint8)}
    (name,) = open_bundle(small.folder).answer(rows)
    found = open_bundle(small.folder).answer(rows)[name]
    wanted = open_bundle(export(run).folder).answer(rows)[name]
    assert not np.array_equal(found, wanted), "it is another network"
    np.testing.assert_allclose(found, wanted, atol=0.05)


def test_what_costs_too_much_is_refused_with_the_figures(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every limit that is crossed is named."""
    limits = {"min_agreement": 1.0, "max_score_loss": 0.0, "min_speedup": 500.0}
    told = (
        r"the score may lose 0 points \(max_score_loss\).*100\.00% of rows must keep their answer \(min_agreement\)"
        r".*it must be 500 times as fast \(min_speedup\)"
    )
    opened = exporter_module.open_model

    def forgetful(artifact: object) -> object:
        answer = opened(artifact)  # type: ignore[arg-type]
        return lambda arrays: {name: value[:, ::-1].copy() for name, value in answer(arrays).items()}

    quantize = exporter_module.quantize

    def broken(*arguments: object) -> None:
        quantize(*arguments)  # type: ignore[arg-type]
        monkeypatch.setattr(exporter_module, "open_model", forgetful)

    monkeypatch.setattr(exporter_module, "quantize", broken)
    with pytest.raises(RunError, match=rf"(?s)int8: accuracy .*{told}.*nothing is written"):
        export(run, quantize="int8", limits=limits, out=tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_the_recipe_asks_and_the_command_line_goes_on_top(tmp_path: Path) -> None:
    small_runs.people(tmp_path)
    asked = "export: {quantize: {type: int8, rows: 40, max_score_loss: 100, min_agreement: 1, min_speedup: 900}}\n"
    run = small_runs.trained(tmp_path, small_runs.PRICE_RECIPE + asked)
    with pytest.raises(RunError, match=r"rmse .*percent.*900 times as fast"):
        export(run)
    found = export(run, limits={"min_speedup": 0.001}).quantized
    assert found is not None
    assert (found.calibration_rows, found.unit, found.agreement) == (40, "percent", None)
    assert found.score_loss == pytest.approx(100 * (found.artifact / found.network - 1))


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"quantize": "int4"}, "--quantize int4: input should be 'int8'"),
        ({"quantize": "int8", "limits": {"min_agreement": 1.5}}, "--min-agreement 1.5: .*less than or equal to 1"),
        ({"limits": {"min_speedup": 2.0}}, "--min-speedup: no effect without --quantize"),
        ({"quantize": "int8", "format": "safetensors"}, "safetensors holds the network as it is"),
    ],
)
def test_what_cannot_be_is_refused(run: Path, asked: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        export(run, **asked)  # type: ignore[arg-type]


def test_a_network_that_writes_stays_float(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("".join(f"{n} is less than {n + 1}\n" for n in range(60)))
    recipe = (
        "name: text\ntask: {type: language_modeling, context: 8}\n"
        "data: {source: {type: text, path: text.txt, rows: lines},\n"
        "       inputs: {text: {type: text, tokenizer: characters}},\n"
        '       splits: {train: "train[:80%]", validation: "train[80%:90%]", test: "train[90%:]"}}\n'
        "model: {type: gpt, width: 8, depth: 1, heads: 1}\ntrain: {steps: 2, batch_size: 4, threads: 1}\n"
    )
    with pytest.raises(UsageError, match="writes step by step stays float32"):
        export(small_runs.trained(tmp_path, recipe), quantize="int8")


def test_choices_are_compared_kind_by_kind() -> None:
    target = np.zeros(2, np.int64)
    classes = [Outcome("classes", np.array(p), target) for p in ([[0.9, 0.1], [0.4, 0.6]], [[0.6, 0.4], [0.7, 0.3]])]
    assert agreement(*classes) == 0.5
    maps = [Outcome("map", np.array(p, np.uint8), np.zeros((1, 1, 4))) for p in ([[[0, 1, 2, 3]]], [[[0, 1, 2, 0]]])]
    assert agreement(*maps) == 0.75
    values = Outcome("values", np.zeros((2, 1)), np.zeros((2, 1)))
    assert agreement(values, values) is None


def test_the_bundle_predicts_from_raw_rows(small: Exported, run: Path) -> None:
    predictions = predict(small.folder, [str(run.parent / "00.png"), str(run.parent / "01.png")])
    assert len(predictions.columns["file"]) == 2

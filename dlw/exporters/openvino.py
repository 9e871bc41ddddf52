"""OpenVINO: the graph and its weights for Intel's runtime, which is fast on any x86 processor and at 8 bits.

Made from the same ONNX model as the exporter `onnx`. Numbers are float32 where the processor would take bfloat16 by
itself (INFERENCE_PRECISION_HINT): an answer must not depend on the machine.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from dlw.errors import RunError, UsageError
from dlw.exporters import _onnx
from dlw.exporters._base import Artifact, ExporterSettings
from dlw.exporters._int8 import QUANTIZE, Quantize
from dlw.runs import disk
from dlw.specs import Arrays

if TYPE_CHECKING:
    from torch import nn

MODEL_FILE, WEIGHTS_FILE = "model.xml", "model.bin"
FILES = (MODEL_FILE, WEIGHTS_FILE)
NEEDS = ("openvino", "openvino")
WEIGHTS_ONLY = False
REOPENS = None
OPSET = 20
TELEMETRY = "openvino_telemetry"


class Settings(ExporterSettings):
    """Options of an OpenVINO export."""

    quantize: Quantize = Field(None, description=QUANTIZE)


def export(
    predictor: nn.Module, example: Arrays, folder: Path, settings: Settings, ragged: Collection[str] = ()
) -> None:
    """Write `model.xml` and `model.bin`; raises RunError where OpenVINO cannot hold the network."""
    _write(_onnx.model_of(predictor, example, OPSET, ragged), folder)


def quantize(
    predictor: nn.Module,
    example: Arrays,
    folder: Path,
    settings: Settings,
    ragged: Collection[str],
    pieces: Iterable[Arrays],
) -> None:
    """Write both files with weights and activations of 8 bits."""
    _write(_onnx.quantized(_onnx.model_of(predictor, example, OPSET, ragged), pieces), folder)


def _write(model: Any, folder: Path) -> None:
    openvino = _imported()
    # The runtime writes to paths only; both files are read back, so that what lies there is on the disk as a whole.
    graph, weights = (folder / f"{disk.TEMPORARY}{file}" for file in FILES)
    try:
        openvino.serialize(openvino.Core().read_model(model.SerializeToString()), str(graph), str(weights))
    except RuntimeError as error:
        raise RunError(f"OpenVINO cannot hold this network: {error}") from error
    for written, file in ((graph, MODEL_FILE), (weights, WEIGHTS_FILE)):
        disk.write_new(folder / file, [written.read_bytes()])
        disk.remove_tree(written)


def open_model(artifact: Artifact) -> Callable[[Arrays], Arrays]:
    """Return a function that answers with OpenVINO on the CPU; raises RunError when the files are no model."""
    openvino = _imported()
    core = openvino.Core()
    options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    if artifact.threads is not None:
        options["INFERENCE_NUM_THREADS"] = artifact.threads
    try:
        model = core.read_model(artifact.read(MODEL_FILE), artifact.read(WEIGHTS_FILE))
        compiled = core.compile_model(model, "CPU", options)
    except RuntimeError as error:
        raise RunError(f"{MODEL_FILE}: OpenVINO cannot open it: {error}") from error
    names = [_onnx.input_name(name, artifact.answers) for name in artifact.inputs]

    def answer(arrays: Arrays) -> Arrays:
        found = compiled({name: arrays[group] for name, group in zip(names, artifact.inputs, strict=True)})
        return {name: found[name] for name in artifact.answers}

    return answer


def _imported() -> Any:
    """Return the package; UsageError if it is not installed.

    Importing it sends a message to its makers through `openvino_telemetry`, where that is there: dlw sends nothing, so
    the package is told that it is not.
    """
    sys.modules.setdefault(TELEMETRY, None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise UsageError("openvino needs an optional package: pip install 'dlw[openvino]'") from error
    return openvino


def usage(inputs: Mapping[str, Any], answers: tuple[str, ...]) -> str:
    """Return Python that answers two rows with openvino and numpy."""
    return (
        "import numpy as np\nimport openvino\n\n"
        f'options = {{"INFERENCE_PRECISION_HINT": "f32"}}\n'
        f'model = openvino.Core().compile_model("{MODEL_FILE}", "CPU", options)\n'
        f"rows = {_onnx.made_up_rows(inputs, answers)}\n"
        f"answers = [model(rows)[name] for name in {json.dumps(list(answers))}]\n"
        "print([answer.shape for answer in answers])"
    )

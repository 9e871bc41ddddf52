"""ONNX: one self-contained file that ONNX Runtime answers from, preprocessing inside, any number of rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from dlw.exporters import _onnx
from dlw.exporters._base import Artifact, ExporterSettings, example_shape
from dlw.exporters._int8 import QUANTIZE, Quantize
from dlw.exporters._wire import refuse_external_data
from dlw.runs import disk
from dlw.search import State, Writer
from dlw.specs import Arrays

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

MODEL_FILE = "model.onnx"
FILES = (MODEL_FILE,)
WRITER_FILES = ("begin.onnx", "step.onnx")
WEIGHTS_ONLY = False
REOPENS = None


class Settings(ExporterSettings):
    """Options of an ONNX export."""

    opset: int = Field(20, ge=18, le=23, description="Version of the ONNX operator set to write.")
    quantize: Quantize = Field(None, description=QUANTIZE)


def export(
    predictor: nn.Module, example: Arrays, folder: Path, settings: Settings, ragged: Collection[str] = ()
) -> None:
    """Write `model.onnx`; raises RunError if the traced shapes are not those of any number of rows."""
    model = _onnx.model_of(predictor, example, settings.opset, ragged)
    disk.write_new(folder / MODEL_FILE, [model.SerializeToString()])


def quantize(
    predictor: nn.Module,
    example: Arrays,
    folder: Path,
    settings: Settings,
    ragged: Collection[str],
    pieces: Iterable[Arrays],
) -> None:
    """Write `model.onnx` with weights and activations of 8 bits."""
    model = _onnx.quantized(_onnx.model_of(predictor, example, settings.opset, ragged), pieces)
    disk.write_new(folder / MODEL_FILE, [model.SerializeToString()])


def export_writer(network: nn.Module, example: Arrays, folder: Path, settings: Settings) -> None:
    """Write `begin.onnx` and `step.onnx` of a network that writes."""
    import onnx

    from dlw.exporters import _steps

    for file, graph in zip(WRITER_FILES, _steps.trace(network, example), strict=True):
        model = _onnx.converted(graph.program, graph.inputs, graph.outputs, settings.opset, file)
        onnx.checker.check_model(model, full_check=True)
        disk.write_new(folder / file, [model.SerializeToString()])


def open_model(artifact: Artifact) -> Callable[[Arrays], Arrays]:
    """Return a function that answers with ONNX Runtime on the CPU."""
    session = _session(artifact, MODEL_FILE)
    names = [_onnx.input_name(name, artifact.answers) for name in artifact.inputs]

    def answer(arrays: Arrays) -> Arrays:
        feeds = {name: arrays[group] for name, group in zip(names, artifact.inputs, strict=True)}
        return dict(zip(artifact.answers, session.run(list(artifact.answers), feeds), strict=True))

    return answer


def open_writer(artifact: Artifact) -> Writer:
    """Return the two graphs of a network that writes, answered by ONNX Runtime on the CPU."""
    begin, step = (_session(artifact, file) for file in WRITER_FILES)
    return OnnxWriter(begin, step)


class OnnxWriter:
    """Two sessions as a search.Writer."""

    def __init__(self, begin: Any, step: Any) -> None:
        self._begin, self._step = begin, step
        self._inputs = [value.name for value in begin.get_inputs()]
        self._state = [value.name for value in step.get_inputs()[1:]]
        self._tokens = step.get_inputs()[0].name

    def begin(self, inputs: Arrays) -> State:
        """See search.Writer."""
        found = self._begin.run(None, {name: inputs[name] for name in self._inputs})
        return dict(zip(self._state, found, strict=True))

    def step(self, token_BT: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        """See search.Writer."""
        logits_BV, *new = self._step.run(None, {self._tokens: token_BT, **{name: state[name] for name in self._state}})
        return logits_BV, dict(zip(self._state, new, strict=True))


def _session(artifact: Artifact, file: str) -> Any:
    import onnxruntime

    model = artifact.read(file)
    refuse_external_data(model, file)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.inter_op_num_threads = 1
    if artifact.threads is not None:
        options.intra_op_num_threads = artifact.threads
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def usage(inputs: Mapping[str, Any], answers: tuple[str, ...]) -> str:
    """Return Python that answers two rows with onnxruntime and numpy."""
    return (
        "import numpy as np\nimport onnxruntime\n\n"
        f'session = onnxruntime.InferenceSession("{MODEL_FILE}", providers=["CPUExecutionProvider"])\n'
        f"rows = {_onnx.made_up_rows(inputs, answers)}\n"
        f"answers = session.run({json.dumps(list(answers))}, rows)\n"
        "print([answer.shape for answer in answers])"
    )


def writer_usage(inputs: Mapping[str, Any], answers: tuple[str, ...]) -> str:
    """Return Python that writes the likeliest tokens after two prompts with onnxruntime and numpy."""
    feeds = "".join(
        f"    {json.dumps(group)}: np.ones({example_shape(entry['shape'])}, np.{entry['dtype']}),\n"
        for group, entry in inputs.items()
    )
    begin, step = WRITER_FILES
    return (
        "import numpy as np\nimport onnxruntime\n\n"
        f"begin, step = (onnxruntime.InferenceSession(file) for file in ({begin!r}, {step!r}))\n"
        f"state = begin.run(None, {{\n{feeds}}})\n"
        "tokens = np.ones((2, 3), np.int32)  # what the texts begin with\n"
        "names = [value.name for value in step.get_inputs()]\n"
        "for _ in range(20):\n"
        "    logits, *state = step.run(None, dict(zip(names, [tokens, *state])))\n"
        "    tokens = logits.argmax(axis=1).astype(np.int32)[:, None]\n"
        "    print(tokens[:, 0])"
    )

"""ONNX: one self-contained file that ONNX Runtime answers from, preprocessing inside, any number of rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from dlw.errors import RunError
from dlw.exporters._base import Artifact, ExporterSettings, example_shape
from dlw.exporters._wire import refuse_external_data
from dlw.runs import disk
from dlw.specs import Arrays

if TYPE_CHECKING:
    from torch import nn

MODEL_FILE = "model.onnx"
FILES = (MODEL_FILE,)
NEEDS_TORCH = False
WEIGHTS_ONLY = False
REOPENS = None
ROWS = "rows"
"""Name of the free first axis of every input and output."""
LARGEST_BYTES = 2**31 - 1
"""What one protobuf message can hold."""


class Settings(ExporterSettings):
    """Options of an ONNX export."""

    opset: int = Field(20, ge=18, le=23, description="Version of the ONNX operator set to write.")


def export(
    predictor: nn.Module, example: Arrays, folder: Path, settings: Settings, ragged: Collection[str] = ()
) -> None:
    """Write `model.onnx`; raises RunError if the traced shapes are not those of any number of rows."""
    import onnx
    import torch

    from dlw.exporters import _graph

    traced = _graph.trace(predictor, example, ragged)
    inputs = [_input_name(name, traced.answers) for name in traced.inputs]
    with _graph.quiet():
        program = torch.onnx.export(
            traced.program,
            dynamo=True,
            input_names=inputs,
            output_names=list(traced.answers),
            opset_version=settings.opset,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    if model.ByteSize() > LARGEST_BYTES:
        raise RunError(f"{MODEL_FILE}: {model.ByteSize():,} bytes do not fit one ONNX file; export as safetensors")
    _clean(model)
    free = {_input_name(name, traced.answers) for name in ragged}
    _check_signature(model, inputs, traced.answers, settings.opset, free)
    onnx.checker.check_model(model, full_check=True)
    disk.write_new(folder / MODEL_FILE, [model.SerializeToString()])


def open_model(artifact: Artifact) -> Callable[[Arrays], Arrays]:
    """Return a function that answers with ONNX Runtime on the CPU."""
    import onnxruntime

    model = artifact.read(MODEL_FILE)
    refuse_external_data(model, MODEL_FILE)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.inter_op_num_threads = 1
    if artifact.threads is not None:
        options.intra_op_num_threads = artifact.threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [_input_name(name, artifact.answers) for name in artifact.inputs]

    def answer(arrays: Arrays) -> Arrays:
        feeds = {name: arrays[group] for name, group in zip(names, artifact.inputs, strict=True)}
        return dict(zip(artifact.answers, session.run(list(artifact.answers), feeds), strict=True))

    return answer


def usage(inputs: Mapping[str, Any], answers: tuple[str, ...]) -> str:
    """Return Python that answers two rows with onnxruntime and numpy."""
    names = {_input_name(group, answers): entry for group, entry in inputs.items()}
    feeds = "".join(
        f"    {json.dumps(name)}: np.zeros({example_shape(entry['shape'])}, np.{entry['dtype']}),\n"
        for name, entry in names.items()
    )
    return (
        "import numpy as np\nimport onnxruntime\n\n"
        f'session = onnxruntime.InferenceSession("{MODEL_FILE}", providers=["CPUExecutionProvider"])\n'
        f"rows = {{\n{feeds}}}\n"
        f"answers = session.run({json.dumps(list(answers))}, rows)\n"
        "print([answer.shape for answer in answers])"
    )


def _input_name(group: str, answers: tuple[str, ...]) -> str:
    # An ONNX graph has one name space: a picture column may be called like an answer.
    return f"input_{group}" if group in answers else group


def _clean(model: Any) -> None:
    """Name the free axis and drop the tracer's notes: they hold source paths of this machine."""
    free = next(dim.dim_param for value in model.graph.input for dim in value.type.tensor_type.shape.dim[:1])
    graph = model.graph
    for value in [*graph.input, *graph.output, *graph.value_info]:
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param == free:
                dim.dim_param = ROWS
    for part in [model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer]:
        del part.metadata_props[:]
        part.doc_string = ""
    model.producer_name, model.producer_version = "dlw", ""


def _check_signature(
    model: Any, inputs: list[str], answers: tuple[str, ...], opset: int, ragged: Collection[str]
) -> None:
    """Raise RunError where an axis that must be free was written as a constant, or the other way round."""
    written = [value.name for value in model.graph.input], [value.name for value in model.graph.output]
    if written != (inputs, list(answers)):
        raise RunError(f"{MODEL_FILE}: the exporter wrote inputs and outputs {written}, wanted {(inputs, answers)}")
    for value in [*model.graph.input, *model.graph.output]:
        dims = [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        steps, fixed = (dims[1:2], dims[2:]) if value.name in ragged else ([], dims[1:])
        if value.name in answers and ragged:
            fixed = [dim for dim in fixed if not isinstance(dim, str)]
        is_free = dims[:1] == [ROWS] and all(isinstance(dim, str) for dim in steps)
        if not is_free or not all(isinstance(dim, int) and dim > 0 for dim in fixed):
            wanted = [ROWS, *(["free"] if steps else []), "fixed sizes"]
            raise RunError(f"{MODEL_FILE}: {value.name} has the shape {dims}, wanted {wanted}")
    versions = {entry.domain: entry.version for entry in model.opset_import}
    if versions.get("") != opset:
        raise RunError(
            f"{MODEL_FILE}: this network needs opset {versions.get('')}: set export.opset to it, not {opset}"
        )

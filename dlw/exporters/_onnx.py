"""A predictor as an ONNX model: what the exporters share that write ONNX or start from it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dlw.errors import RunError
from dlw.exporters._base import example_shape
from dlw.specs import Arrays

if TYPE_CHECKING:
    from torch import nn

ROWS = "rows"
"""Name of the free first axis of every input and output."""
LARGEST_BYTES = 2**31 - 1
"""What one protobuf message can hold."""


def model_of(predictor: nn.Module, example: Arrays, opset: int, ragged: Collection[str]) -> Any:
    """Return an onnx.ModelProto; raises RunError if the traced shapes are not those of any number of rows."""
    import onnx

    from dlw.exporters import _graph

    traced = _graph.trace(predictor, example, ragged)
    inputs = [input_name(name, traced.answers) for name in traced.inputs]
    model = converted(traced.program, inputs, traced.answers, opset, "the model")
    free = {input_name(name, traced.answers) for name in ragged}
    _check_signature(model, inputs, traced.answers, opset, free)
    onnx.checker.check_model(model, full_check=True)
    return model


def quantized(model: Any, pieces: Iterable[Arrays]) -> Any:
    """Return the model with weights and activations of 8 bits; `pieces` show the ranges of activations."""
    import onnx

    from dlw.exporters import _int8

    answers = tuple(value.name for value in model.graph.output)
    small = _int8.quantized(
        model, ({input_name(group, answers): array for group, array in piece.items()} for piece in pieces)
    )
    _clean(small)
    onnx.checker.check_model(small, full_check=True)
    return small


def converted(program: Any, inputs: Sequence[str], outputs: Sequence[str], opset: int, file: str) -> Any:
    """Return an exported program as an ONNX model; raises RunError where it does not fit one file."""
    import torch

    from dlw.exporters import _graph

    with _graph.quiet():
        converted = torch.onnx.export(
            program,
            dynamo=True,
            input_names=list(inputs),
            output_names=list(outputs),
            opset_version=opset,
            external_data=False,
            verbose=False,
        )
    assert converted is not None
    model = converted.model_proto
    if model.ByteSize() > LARGEST_BYTES:
        raise RunError(f"{file}: {model.ByteSize():,} bytes do not fit one ONNX file; export as safetensors")
    _clean(model)
    return model


def input_name(group: str, answers: tuple[str, ...]) -> str:
    """Return what an input group is called in the graph."""
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
        raise RunError(f"the exporter wrote inputs and outputs {written}, wanted {(inputs, answers)}")
    for value in [*model.graph.input, *model.graph.output]:
        dims = [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        steps, fixed = (dims[1:2], dims[2:]) if value.name in ragged else ([], dims[1:])
        if value.name in answers and ragged:
            fixed = [dim for dim in fixed if not isinstance(dim, str)]
        is_free = dims[:1] == [ROWS] and all(isinstance(dim, str) for dim in steps)
        if not is_free or not all(isinstance(dim, int) and dim > 0 for dim in fixed):
            wanted = [ROWS, *(["free"] if steps else []), "fixed sizes"]
            raise RunError(f"{value.name} has the shape {dims}, wanted {wanted}")
    versions = {entry.domain: entry.version for entry in model.opset_import}
    if versions.get("") != opset:
        raise RunError(f"this network needs opset {versions.get('')}: set export.opset to it, not {opset}")


def made_up_rows(inputs: Mapping[str, Any], answers: tuple[str, ...]) -> str:
    """Return Python: a dictionary of two rows of zeros for each input of a graph, by the names that the graph has."""
    named = {json.dumps(input_name(group, answers)): entry for group, entry in inputs.items()}
    feeds = "".join(
        f"    {name}: np.zeros({example_shape(entry['shape'])}, np.{entry['dtype']}),\n"
        for name, entry in named.items()
    )
    return f"{{\n{feeds}}}"

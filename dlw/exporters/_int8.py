"""Weights and activations of an ONNX model as whole numbers of 8 bits, by ONNX Runtime's static quantisation.

What is chosen here, and why (onnxruntime.ai/docs/performance/model-optimizations/quantization.html):
- QDQ form: pairs of QuantizeLinear and DequantizeLinear around float nodes, which every runtime reads; ONNX Runtime
  fuses them to integer kernels when it opens the model.
- Static: the ranges of activations are found once, on real training rows. Found anew at each call (dynamic) they cost
  more than the 8 bits save.
- Convolutions and products with weights that are constant carry the work. What stands between them (sums of residual
  branches, ReLU, pooling, reshaping) is quantised along, so that numbers stay whole from one to the next. The rest
  (scaling of raw inputs, softmax, normalisation) stays float.
- Weights are signed, symmetric, with a range for each output channel; activations unsigned with a zero point.
- Weights use 7 of their 8 bits (`reduce_range`): processors without VNNI (AVX2, the first AVX-512) add two products
  in 16 signed bits, where two of 255 * 127 saturate without a word and two of 255 * 64 do not. A bundle may be opened
  on any processor.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from dlw.exporters._base import ExporterSettings

CARRYING = ("Conv", "ConvTranspose", "Gemm", "MatMul")
BETWEEN = ("Add", "AveragePool", "Clip", "Flatten", "GlobalAveragePool", "MaxPool", "Relu", "Reshape", "Transpose")


class Int8(ExporterSettings):
    """Whole numbers of 8 bits instead of float32, and what they may cost on the validation split."""

    type: Literal["int8"] = Field("int8", description="Weights and activations of 8 bits.")
    rows: int = Field(
        256, ge=1, le=100_000, description="Training rows from which the ranges of activations are found."
    )
    max_score_loss: float = Field(
        0.5,
        ge=0,
        le=100,
        description="Most that the validation score may lose: points (hundredths) of a score that should be high, "
        "percent of an error that should be low.",
    )
    min_agreement: float = Field(
        0.98, ge=0, le=1, description="Least share of validation rows with the same answer, where answers are choices."
    )
    min_speedup: float | None = Field(
        None,
        gt=0,
        le=1000,
        description="How many times as fast as the float artifact it must be, 64 rows on one thread.",
    )


def _named(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


Quantize = Annotated[Int8 | None, BeforeValidator(_named)]
"""The option `quantize` of an exporter's Settings: `int8`, `{type: int8, ...}` or nothing."""
QUANTIZE = "`int8`: smaller and faster, judged on validation rows or refused; `{type: int8, ...}`."


def quantized(model: Any, feeds: Iterable[dict[str, np.ndarray]]) -> Any:
    """Return an onnx.ModelProto with weights and activations of 8 bits; `feeds` are real inputs for calibration."""
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    del model.graph.value_info[:]  # the tracer's shapes do not survive the quantiser's own changes
    with tempfile.TemporaryDirectory(prefix="dlw-int8-") as name, _quiet():
        plain, prepared, result = (str(Path(name) / f"{stage}.onnx") for stage in ("plain", "prepared", "int8"))
        onnx.save(model, plain)
        quant_pre_process(plain, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            result,
            _Reader(iter(feeds)),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            calibrate_method=CalibrationMethod.MinMax,
            op_types_to_quantize=[*CARRYING, *BETWEEN],
            extra_options={"MatMulConstBOnly": True},
        )
        return onnx.load(result)


class _Reader:
    """Feeds in the form that ONNX Runtime's calibration asks for."""

    def __init__(self, feeds: Iterator[dict[str, np.ndarray]]) -> None:
        self._feeds = feeds

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next feeds, None at the end."""
        return next(self._feeds, None)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the quantiser's remarks from the user: it speaks through the root logger, of nodes it leaves alone."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)

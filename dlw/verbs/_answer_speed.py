"""How fast a run or bundle answers, measured in processes of their own: nothing of the caller is already warm.

The caller starts this module with a JSON request on stdin; the figures come back as JSON on the file it names.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlw.errors import DlwError, RunError
from dlw.ragged import LEAST_STEPS

if TYPE_CHECKING:
    import numpy as np

    from dlw.specs import Arrays, FieldSpec
    from dlw.verbs._bundle import Answerer

MOST_STEPS = 512
"""Tokens of a row: training may have had far longer ones."""
WRITTEN_TOKENS = 256
COLD_STARTS = 3
WARMUP_SECONDS = 0.3
MEASURE_SECONDS = 1.5
SOUND_SECONDS = 5.0
FEWEST_CALLS, MOST_CALLS = 20, 5000
PROGRAM = "from dlw.verbs._answer_speed import main; main()"


def measure(target: Path, batch_sizes: Sequence[int], threads: int | None, code: Sequence[Path]) -> dict[str, Any]:
    """Return `cold_start_seconds` and `cold_start_cpu_seconds` (medians), `peak_memory_bytes`, `model_bytes`, `format`,
    `sound_seconds` (of the
    recordings of a row), and for each batch size of `latency` the milliseconds `p50`, `p95`, `p99` of a call, and
    `calls`."""
    request = {"target": str(target), "threads": threads, "code": [str(file) for file in code]}
    starts = [_child({**request, "batch_sizes": []}) for _ in range(COLD_STARTS - 1)]
    result = _child({**request, "batch_sizes": list(batch_sizes)})
    for key in ("cold_start_seconds", "cold_start_cpu_seconds"):
        result[key] = sorted(start[key] for start in [*starts, result])[COLD_STARTS // 2]
    return result


def main() -> None:
    """Measure what the request on stdin asks for; the process's whole work."""
    request = json.load(sys.stdin)
    try:
        result = _measure_here(request)
    except DlwError as error:
        result = {"error": str(error)}
    Path(request["answer"]).write_text(json.dumps(result), encoding="utf-8")


def random_rows(inputs: Mapping[str, FieldSpec], count: int) -> Arrays:
    """Return plausible rows for the specs: normal numbers of the training moments, known categories, pixels."""
    import numpy as np

    random = np.random.default_rng(0)
    arrays: Arrays = {}
    for name, spec in inputs.items():
        if spec.kind in ("number", "series"):
            moments = np.array([spec.statistics["mean"], spec.statistics["std"]])
            arrays[name] = random.normal(moments[0], moments[1], (count, *spec.shape)).astype(spec.dtype)
        elif spec.kind == "category":
            arrays[name] = random.integers(0, spec.sizes, (count, *spec.shape)).astype(spec.dtype)
        elif spec.kind == "tokens":
            steps = min(max(2, spec.shape[0] // 2), MOST_STEPS)
            arrays[name] = random.integers(1, spec.sizes[0], (count, steps)).astype(spec.dtype)
        elif spec.kind == "sound":
            arrays[name] = random.integers(-3000, 3000, (count, seconds_of(spec)[1])).astype(spec.dtype)
        elif spec.kind == "graph":
            arrays[name] = _chains(spec, count)
        else:
            arrays[name] = random.integers(0, 256, (count, *spec.shape)).astype(spec.dtype)
    return arrays


def seconds_of(spec: FieldSpec) -> tuple[float, int]:
    """Return the length of the recordings that are measured, in seconds and in samples: half the longest of training,
    at most SOUND_SECONDS."""
    rate_hz = spec.statistics["sample_rate_hz"][0]
    samples = max(LEAST_STEPS, min(spec.shape[0] // 2, round(SOUND_SECONDS * rate_hz)))
    return samples / rate_hz, samples


def _chains(spec: FieldSpec, count: int) -> np.ndarray:
    """Return rings of single bonds, half as large as the largest molecule of training."""
    import numpy as np

    atoms = max(2, spec.shape[0] // 2)
    array = np.zeros((count, atoms, spec.shape[1]), spec.dtype)
    properties = len(spec.sizes) - 1
    array[..., :properties] = 1
    place = np.arange(atoms)
    array[:, :, properties] = (place - 1) % atoms + 1
    array[:, :, properties + 2] = (place + 1) % atoms + 1
    array[..., [properties + 1, properties + 3]] = 1
    return array


def latency(call: Callable[[], object]) -> dict[str, float]:
    """Return percentiles in milliseconds of repeated calls, after a warm-up."""
    import numpy as np

    end = time.perf_counter() + WARMUP_SECONDS
    while time.perf_counter() < end:
        call()
    seconds: list[float] = []
    end = time.perf_counter() + MEASURE_SECONDS
    while len(seconds) < FEWEST_CALLS or (time.perf_counter() < end and len(seconds) < MOST_CALLS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    p50, p95, p99 = (float(value) for value in np.percentile(seconds, [50, 95, 99]) * 1e3)
    return {"p50": p50, "p95": p95, "p99": p99, "calls": len(seconds)}


def writing_speed(answerer: Answerer, rows: int) -> float:
    """Return tokens per second, over all of some rows that are written side by side, none of which ends early."""
    import numpy as np

    from dlw.search import stream
    from dlw.verbs._writing import Scribe

    assert answerer.writer is not None
    scribe = Scribe(answerer.task, answerer.fitted, answerer.writer)
    inputs = random_rows(answerer.fitted.inputs, rows)
    prompt_BT = np.full((rows, 1), answerer.task.output.end, np.int32)
    style = replace(scribe.style, max_tokens=WRITTEN_TOKENS, beams=1)
    banned = (*answerer.task.banned, answerer.task.output.end)
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < MEASURE_SECONDS:
        count += sum(len(token_B) for token_B in stream(answerer.writer, inputs, prompt_BT, style, banned, range(rows)))
    return count / (time.perf_counter() - start)


def _measure_here(request: Mapping[str, Any]) -> dict[str, Any]:
    from dlw import registry
    from dlw.verbs._bundle import open_target
    from dlw.verbs._machine import peak_memory_bytes

    for file in request["code"]:
        registry.add_code(Path(file))
    answerer = open_target(Path(request["target"]), request["threads"])
    answerer.answer_rows(random_rows(answerer.fitted.inputs, 1))
    result: dict[str, Any] = {
        # The monotonic clock is one for all processes of a machine.
        "cold_start_seconds": time.monotonic() - request["started"],
        "cold_start_cpu_seconds": time.process_time(),
        "format": answerer.format,
        "model_bytes": answerer.model_bytes,
        "imports_torch": "torch" in sys.modules,
        "sound_seconds": sum(seconds_of(s)[0] for s in answerer.fitted.inputs.values() if s.kind == "sound"),
        "latency": {},
        "tokens_per_second": {},
    }
    if answerer.writer is not None:
        for size in request["batch_sizes"]:
            result["tokens_per_second"][str(size)] = writing_speed(answerer, size)
    for size in request["batch_sizes"] if answerer.writer is None else ():
        arrays = random_rows(answerer.fitted.inputs, size)
        result["latency"][str(size)] = latency(lambda arrays=arrays: answerer.answer_rows(arrays))  # type: ignore[misc]
    result["peak_memory_bytes"] = peak_memory_bytes()
    return result


def _child(request: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="dlw-benchmark-") as folder:
        answer = Path(folder) / "answer.json"
        content = json.dumps({**request, "answer": str(answer), "started": time.monotonic()})
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], input=content, text=True, capture_output=True, check=False
        )
        if not answer.exists():
            raise RunError(
                f"{request['target']}: the measuring process ended with {done.returncode}: {done.stderr[-2000:]}"
            )
        result: dict[str, Any] = json.loads(answer.read_bytes())
    if "error" in result:
        raise RunError(result["error"])
    return result

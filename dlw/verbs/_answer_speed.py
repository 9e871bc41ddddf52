"""How fast runs and bundles answer, measured in processes of their own: nothing of the caller is already warm.

Several are measured by turns, so that a busy moment of the machine hits all of them alike.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlw.ragged import LEAST_STEPS
from dlw.verbs._workers import STARTED, Ask, serve, worker

if TYPE_CHECKING:
    import numpy as np

    from dlw.specs import Arrays, FieldSpec
    from dlw.verbs._bundle import Answerer

MOST_STEPS = 512
"""Tokens of a row: training may have had far longer ones."""
WRITTEN_TOKENS = 256
"""Tokens of each text whose speed is measured; fewer where the task turns texts into ones that are shorter."""
COLD_STARTS = 3
TURNS = 5
"""Of each target at each batch size, where there are several."""
WARMUP_SECONDS = 0.3
MEASURE_SECONDS = 1.5
SOUND_SECONDS = 5.0
FEWEST_CALLS, MOST_CALLS = 20, 5000
PROGRAM = "from dlw.verbs._answer_speed import main; main()"


def measure(
    targets: Sequence[Path], batch_sizes: Sequence[int], threads: int | None, code: Sequence[Path]
) -> list[dict[str, Any]]:
    """Return for each target `cold_start_seconds` and `cold_start_cpu_seconds` (medians), `peak_memory_bytes`,
    `model_bytes`, `format`, `imports_torch`, `sound_seconds` (of the recordings of a row), `written_tokens` and `way`
    (how many are written, and how they are chosen), and for each batch size of `latency` the milliseconds `p50`, `p95`,
    `p99` of a call, or of `tokens_per_second` the speed of writing."""
    with ExitStack() as stack:
        workers, results = [], []
        for target in targets:
            request = {"open": str(target), "threads": threads, "code": [str(file) for file in code]}
            workers.append(stack.enter_context(worker(PROGRAM, str(target))))
            results.append(_with_cold_starts(workers[-1](request), request))
        for size in batch_sizes:
            for result, calls in zip(results, _by_turns(workers, size), strict=True):
                if result["is_written"]:
                    result["tokens_per_second"][str(size)] = calls[0]
                else:
                    result["latency"][str(size)] = _percentiles(calls)
        for result, ask in zip(results, workers, strict=True):
            result |= ask({"close": True})
    return results


def _with_cold_starts(result: dict[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    starts = [result]
    for _ in range(COLD_STARTS - 1):
        with worker(PROGRAM, request["open"]) as ask:
            starts.append(ask(request))
    for key in ("cold_start_seconds", "cold_start_cpu_seconds"):
        result[key] = sorted(start[key] for start in starts)[len(starts) // 2]
    return result


def _by_turns(workers: Sequence[Ask], size: int) -> list[list[float]]:
    """Return each worker's figures for batches of some rows: seconds of calls."""
    turns = TURNS if len(workers) > 1 else 1
    found: list[list[float]] = [[] for _ in workers]
    for turn in range(turns):
        for place, ask in enumerate(workers):
            found[place] += ask({"rows": size, "turns": turns, "is_warm": turn > 0})["figures"]
    return found


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    import numpy as np

    p50, p95, p99 = (float(value) for value in np.percentile(seconds, [50, 95, 99]) * 1e3)
    return {"p50": p50, "p95": p95, "p99": p99, "calls": len(seconds)}


def main() -> None:
    """Measure what the requests on stdin ask for; the process's whole work."""
    opened: list[Answerer] = []

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        if "open" in request:
            answerer, found = _open(request)
            opened.append(answerer)
            return found
        if "close" in request:
            from dlw.verbs._machine import peak_memory_bytes

            return {"peak_memory_bytes": peak_memory_bytes()}
        return {"figures": _figures(opened[0], request["rows"], request["turns"], request["is_warm"])}

    serve(answer)


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


def call_seconds(call: Callable[[], object], turns: int, is_warm: bool) -> list[float]:
    """Return the seconds of repeated calls, for a share of the whole time, after a warm-up."""
    end = time.perf_counter() + WARMUP_SECONDS
    call()
    while not is_warm and time.perf_counter() < end:
        call()
    seconds: list[float] = []
    end = time.perf_counter() + MEASURE_SECONDS / turns
    while len(seconds) * turns < FEWEST_CALLS or (time.perf_counter() < end and len(seconds) * turns < MOST_CALLS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return seconds


def writing_speed(answerer: Answerer, rows: int) -> float:
    """Return tokens per second, over all of some rows that are written side by side as the task writes, none of which
    ends early; of beams and candidates the tokens of the text that is taken count."""
    import numpy as np

    from dlw.search import write
    from dlw.verbs._writing import Scribe

    assert answerer.writer is not None
    scribe = Scribe(answerer.task, answerer.fitted, answerer.writer)
    inputs = random_rows(answerer.fitted.inputs, rows)
    prompts = [np.array([answerer.task.output.end], np.int32)] * rows
    style = replace(scribe.style, max_tokens=written_tokens(answerer))
    banned = (*answerer.task.banned, answerer.task.output.end)
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < MEASURE_SECONDS:
        count += sum(map(len, write(answerer.writer, inputs, prompts, style, banned, pick=scribe.pick)))
    return count / (time.perf_counter() - start)


def written_tokens(answerer: Answerer) -> int:
    """Return how many tokens `writing_speed` writes in each text; 0 where nothing is written."""
    if answerer.task.writing is None:
        return 0
    return min(WRITTEN_TOKENS, answerer.task.writing.max_tokens) if answerer.task.output.is_told else WRITTEN_TOKENS


def _open(request: Mapping[str, Any]) -> tuple[Answerer, dict[str, Any]]:
    from dlw import registry
    from dlw.verbs._bundle import open_target

    for file in request["code"]:
        registry.add_code(Path(file))
    answerer = open_target(Path(request["open"]), request["threads"])
    answerer.answer_rows(random_rows(answerer.fitted.inputs, 1))
    return answerer, {
        "cold_start_seconds": time.monotonic() - request[STARTED],
        "cold_start_cpu_seconds": time.process_time(),
        "format": answerer.format,
        "model_bytes": answerer.model_bytes,
        "imports_torch": "torch" in sys.modules,
        "sound_seconds": sum(seconds_of(s)[0] for s in answerer.fitted.inputs.values() if s.kind == "sound"),
        "is_written": answerer.writer is not None,
        "written_tokens": written_tokens(answerer),
        "way": answerer.task.writing.way() if answerer.task.writing else "",
        "latency": {},
        "tokens_per_second": {},
    }


def _figures(answerer: Answerer, rows: int, turns: int, is_warm: bool) -> list[float]:
    if answerer.writer is not None:
        return [] if is_warm else [writing_speed(answerer, rows)]
    arrays = random_rows(answerer.fitted.inputs, rows)
    return call_seconds(lambda: answerer.answer_rows(arrays), turns, is_warm)

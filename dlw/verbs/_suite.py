"""A suite of recipes: each is trained and evaluated in a process of its own and held against what it claims.

Claims are the recipe's `evaluate.require` and `benchmark.claims`. A recipe whose data or extra is not here is told as
such; one that fails does not stop the others. Nothing is fetched: a source that only the Hub has is not here.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dlw import registry
from dlw.errors import RecipeError, RequirementError, RunError
from dlw.progress import Listener, Silent
from dlw.recipe.check import load_recipe
from dlw.recipe.schema import Recipe
from dlw.verbs._figures import Figure, Trial
from dlw.verbs._sources import missing
from dlw.verbs._workers import STARTED, serve, worker

PROGRAM = "from dlw.verbs._suite import main; main()"
EXTRA = "pip install 'dlw["
"""What a problem says where an optional package is missing."""
MIB = {"MiB": 1, "GiB": 1024}


def run(
    targets: Sequence[Path | str], sets: Sequence[str], is_sandboxed: bool, listener: Listener
) -> tuple[list[Trial], list[Figure], list[str]]:
    """Return a trial and the figures of each recipe, and notes."""
    references = [reference for target in targets for reference in _recipes(target)]
    trials, figures = [], []
    start = time.monotonic()
    for place, reference in enumerate(references, 1):
        name = reference.stem if isinstance(reference, Path) else reference
        trial, found = _trial(name, reference, sets, is_sandboxed)
        trials.append(trial)
        figures += found
        listener.line(f"{place}/{len(references)} {name}: {': '.join(filter(None, (trial.status, trial.told)))}")
    took = (time.monotonic() - start) / 60
    counts = Counter(trial.status for trial in trials)
    notes = [
        f"{len(trials)} recipes in {took:.1f} minutes: {', '.join(f'{n} {status}' for status, n in counts.items())}",
        "minutes: from starting a process to the last score, baselines included; processor: of its threads together",
        "a claim of minutes holds for the lesser of the two: other work on the machine does not count",
        "memory: the peak of that process",
    ]
    return trials, figures, notes


def _recipes(target: Path | str) -> list[Path | str]:
    folder = Path(target)
    if not folder.is_dir():
        return [folder if folder.is_file() else str(target)]
    return [path for path in sorted(folder.rglob("*.yaml")) if not path.name.startswith("_")]


def _trial(name: str, reference: Path | str, sets: Sequence[str], is_sandboxed: bool) -> tuple[Trial, list[Figure]]:
    try:
        loaded = load_recipe(reference, sets, is_sandboxed=is_sandboxed)
    except RecipeError as error:
        needed = all(EXTRA in problem.message for problem in error.problems)
        return Trial(name, "not here" if needed else "failed", str(error)), []
    absent = missing(loaded.recipe, loaded.root)
    if absent:
        return Trial(name, "not here", absent), []
    with tempfile.TemporaryDirectory(prefix="dlw-benchmark-") as folder:
        request = {
            "recipe": str(reference),
            "out": str(Path(folder) / "run"),
            "sets": list(sets),
            "is_sandboxed": is_sandboxed,
            "code": [str(file) for file in registry.code_files()],
        }
        try:
            with worker(PROGRAM, name) as ask:
                found = ask(request)
        except RunError as error:
            return Trial(name, "failed", str(error)), []
    figures = [
        Figure("score", found["score"], found["metric"], found["is_higher_better"], name),
        Figure("minutes", found["seconds"] / 60, "min", False, name),
        Figure("processor", found["cpu_seconds"] / 60, "min", False, name),
        Figure("memory", found["peak_memory_bytes"] / 2**20, "MiB", False, name),
    ]
    return _judged(name, loaded.recipe, found), figures


def _judged(name: str, recipe: Recipe, found: dict[str, Any]) -> Trial:
    """Hold what was found against what the recipe claims."""
    claims = [(each["is_met"], f"{each['text']}: {each['value']:.4g}") for each in found["requirements"]]
    asked = recipe.benchmark.claims
    # What other programs take away is not the recipe's: on a quiet machine it takes no longer than on one core alone.
    minutes, mib = min(found["seconds"], found["cpu_seconds"]) / 60, found["peak_memory_bytes"] / 2**20
    if asked.minutes is not None:
        claims.append((minutes <= asked.minutes, f"minutes <= {asked.minutes:g}: {minutes:.2g}"))
    if asked.memory is not None:
        most, _, unit = asked.memory.partition(" ")
        claims.append((mib <= int(most) * MIB[unit], f"memory <= {asked.memory}: {mib:.0f} MiB"))
    short = [text for is_met, text in claims if not is_met]
    status = "short" if short else "met" if claims else "no claim"
    return Trial(name, status, "; ".join(short or [text for _, text in claims]), tuple(text for _, text in claims))


def main() -> None:
    """Train and evaluate the recipe of the request on stdin; the process's whole work."""
    serve(_train_and_evaluate)


def _train_and_evaluate(request: dict[str, Any]) -> dict[str, Any]:
    from dlw.verbs._machine import peak_memory_bytes
    from dlw.verbs._scores import Evaluation
    from dlw.verbs.evaluate import evaluate
    from dlw.verbs.train import train

    out = Path(request["out"])
    code = [Path(file) for file in request["code"]]
    train(
        request["recipe"],
        out=out,
        sets=request["sets"],
        is_sandboxed=request["is_sandboxed"],
        code=code,
        listener=Silent(),
    )
    try:
        found: object = evaluate(out)
    except RequirementError as error:
        found = error.result
    assert isinstance(found, Evaluation)
    score = next(one for one in found.scores if one.metric == found.headline)
    return {
        "metric": score.metric,
        "score": score.value,
        "is_higher_better": score.higher_is_better,
        "requirements": [vars(verdict) for verdict in found.requirements],
        "seconds": time.monotonic() - request[STARTED],
        "cpu_seconds": time.process_time(),
        "peak_memory_bytes": peak_memory_bytes(),
    }

"""`dlw sweep`: train a recipe many times, each with other values of its `search` section; write the best one down.

The folder of a sweep holds `trials.db` (unless the storage is elsewhere), `trials/N.yaml` for every trial, `trials/N/`
for the run of the best one, `best.yaml` and `report.html`. Runs of other trials are deleted when they end, so the disk
holds one finished run and those under way.
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlw import registry
from dlw.errors import DataError, Interrupted, UsageError
from dlw.progress import Listener, Silent
from dlw.recipe.check import load_recipe
from dlw.recipe.schema import Recipe
from dlw.runs import disk
from dlw.verbs._fit import fit
from dlw.verbs._network import build_task, monitored
from dlw.verbs._pinned import pinned
from dlw.verbs._report import sweep as page
from dlw.verbs._rows import load_tables, resolve_inputs
from dlw.verbs._session import decisive

if TYPE_CHECKING:
    from dlw.verbs._study import Row

DEFAULT_TRIALS = 50


@dataclass(frozen=True)
class SweepResult:
    """What a sweep came to; trials by number, importance by key of the recipe."""

    folder: str
    name: str
    storage: str
    monitor: str
    is_higher_better: bool
    trials: tuple[Row, ...]
    best: Row | None
    written: Row | None
    """The recipe as written: trial 0."""
    recipe: str | None
    """The file of the best recipe."""
    importance: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able mapping."""
        return asdict(self)


def sweep(
    reference: str | Path,
    *,
    trials: int = DEFAULT_TRIALS,
    out: Path | None = None,
    storage: str | None = None,
    sets: Sequence[str] = (),
    code: Sequence[Path] = (),
    listener: Listener | None = None,
) -> SweepResult:
    """Make trials until there are `trials` of them in all, those of earlier and of other workers included.

    Workers that name the same folder, or the same `storage`, share one sweep; each ends when all trials have ended.
    Raises Interrupted where a signal stopped it: the same call goes on.
    """
    listener = listener or Silent()
    for file in code:
        registry.add_code(file)
    recipe, root = _searched(reference, sets)
    if importlib.util.find_spec("optuna") is None:
        raise UsageError("dlw sweep needs an optional package: pip install 'dlw[sweep]'")
    from dlw.engine.signals import catch_stop
    from dlw.verbs import _study
    from dlw.verbs._space import space_of
    from dlw.verbs._worker import BEST, Worker

    monitor, is_higher_better = _judge(recipe, root)
    checkpoint = recipe.checkpoint.model_copy(update={"monitor": monitor})
    recipe = pinned(recipe.model_copy(update={"checkpoint": checkpoint}), root)
    space = space_of(recipe, root)
    folder = _make_folder(out or Path("runs") / f"{recipe.name}-sweep")
    agreed = {**decisive(recipe), "search": recipe.model_dump(mode="json", include={"search"})["search"]}
    sampler = _study.Sampler(recipe.seed, space.written)
    study = _study.open_study(storage, folder, recipe.name, agreed, sampler, is_higher_better=is_higher_better)
    with catch_stop() as request, _study.told():
        worker = Worker(folder, study, space, monitor, code, listener, lambda: request.signal_number)
        try:
            worker.work(trials)
        except Interrupted as stop:
            done = sum(row.is_finished for row in _study.rows(study))
            raise Interrupted(
                f"stopped after {done} of {trials} trials, nothing is lost; the same command goes on",
                stop.exit_code - 128,
            ) from None
        rows, best = _study.rows(study), _study.best(study)
        result = SweepResult(
            folder=str(folder),
            name=recipe.name,
            storage="trials.db" if storage is None else _study.shown_url(storage),
            monitor=monitor,
            is_higher_better=is_higher_better,
            trials=tuple(rows),
            best=best,
            written=next((row for row in rows if row.number == 0), None),
            recipe=None if best is None else str(folder / BEST),
            importance=_study.importances(study),
        )
    disk.write_atomic(folder / "report.html", page.report(result).encode())
    return result


def _searched(reference: str | Path, sets: Sequence[str]) -> tuple[Recipe, Path]:
    loaded = load_recipe(reference, sets)
    if not loaded.recipe.search:
        raise UsageError(
            f"{reference}: has no `search` section: say what to try, for example "
            "`search: {optimizer.lr: {low: 1e-4, high: 1e-2, log: true}}`"
        )
    return loaded.recipe, loaded.root


def _judge(recipe: Recipe, root: Path) -> tuple[str, bool]:
    """Return by what trials are compared, and whether higher is better; raises where that cannot be, or data is wrong.

    The rows are read once before any trial, so that what is wrong with them is said before a folder is made.
    """
    with tempfile.TemporaryDirectory(prefix="dlw-sweep-") as cache:
        tables = load_tables(recipe, root, Path(cache), Silent())
        if "validation" not in tables:
            raise DataError("trials are compared on a validation split, and there is none: name one in data.splits")
        decided = resolve_inputs(recipe, tables["train"], Silent())
        monitor, is_higher_better = monitored(decided, build_task(decided, fit(decided, tables["train"], Silent())))
    shifting = [key for key in recipe.search if key.split(".")[0] == "task"]
    if monitor == "validation/loss" and shifting:
        raise UsageError(
            f"search.{shifting[0]}: another task has another loss, and trials are compared by validation/loss; "
            "name a metric in checkpoint.monitor"
        )
    return monitor, is_higher_better


def _make_folder(folder: Path) -> Path:
    """Make the folder of a sweep, or find one there."""
    if folder.exists() and not (folder / "trials").is_dir() and (not folder.is_dir() or disk.names(folder)):
        raise UsageError(f"{folder}: holds something else than a sweep; choose another folder with --out")
    disk.refuse_link(folder)
    disk.make_folders(folder / "trials")
    return folder

"""From a session to what the training loop takes: encoded batches, a network, a plan."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dlw.models._base import Filled
from dlw.progress import Listener
from dlw.recipe.schema import Recipe
from dlw.specs import Arrays
from dlw.verbs._batches import make_batches
from dlw.verbs._network import build_job, build_task, refuse_without_validation
from dlw.verbs._session import Session, fingerprint
from dlw.verbs._together import first_home, require_same_data

if TYPE_CHECKING:
    from dlw.engine.batches import Batches
    from dlw.engine.loop import Job
    from dlw.engine.progress import Plan


def prepared(
    session: Session, recipe: Recipe, plugins: Sequence[tuple[str, str, str]], listener: Listener
) -> tuple[Job, dict[str, Any]]:
    """Encode the data and build the job; return it with the fingerprint that an exact resume needs."""
    from dlw.engine.hardware import prepare

    team = session.team
    hardware = prepare(recipe.train, team.place if team else None)
    listener.line(f"training on {f'{team.size} x ' if team else ''}{hardware}")
    splits: dict[str, Batches] = {}
    printed: Arrays = {}
    packing = build_task(recipe, session.fitted).packing
    for split in ("train", "validation"):
        if split in session.tables:
            splits[split], arrays = make_batches(
                recipe,
                session.fitted,
                packing,
                session.tables[split],
                split,
                hardware,
                session.cache,
                listener,
                session.kept,
            )
            printed |= {f"{split}/{name}": array for name, array in arrays.items()}
    shutil.rmtree(session.cache, ignore_errors=True)
    job = build_job(recipe, session.fitted, hardware, splits, first_home(recipe))
    if job.validation is None:
        refuse_without_validation(recipe)
        listener.warn("there is no validation split: the last checkpoint counts as the best")
    parameters = sum(parameter.numel() for parameter in job.network.parameters())
    told = f"{splits['train'].num_rows:,} training {job.task.unit}"
    listener.line(f"{recipe.model.type} with {parameters:,} parameters, {told}")
    prints = fingerprint(printed, plugins, hardware.device.type if team else str(hardware.device), recipe, team)
    if team:
        require_same_data(team, prints)
    return job, prints


def plan_of(recipe: Recipe, job: Job) -> Plan:
    """Return the steps to take: one where the network is filled in one pass over the rows."""
    from dlw.engine.progress import Plan

    plan = Plan(recipe.train, recipe.checkpoint.every, job.train.num_rows)
    if isinstance(job.network, Filled):
        plan.total_steps = 1
    return plan

"""Weights of another run as a start: `model.backbone: {from: RUN}`.

Tensors go where name and shape are the same, below the parts of both networks that fit best; the last layer stays fresh
unless `head: kept` asks for it. Each member of an ensemble starts from the member of the other run in its place, in
turn where that has fewer. What was taken is written into the run, which needs the other one no more once it has a
checkpoint.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dlw.errors import RunError
from dlw.models._base import Started
from dlw.progress import Listener
from dlw.recipe.check import settings
from dlw.recipe.schema import Recipe
from dlw.runs import store
from dlw.runs.disk import write_json
from dlw.runs.layout import Run, open_run
from dlw.verbs._network import answering

if TYPE_CHECKING:
    from torch import Tensor

    from dlw.engine.loop import Job

FILE = "backbone.json"
_HEADS = ("output", "last", "picture")
"""What networks call their last layer."""
_SHOWN = 5
_MEMBER = re.compile(r"(\w+\.)*?members\.\d+\.")


def start_from_files(job: Job, listener: Listener) -> None:
    """Let a network that has them take its first weights from files, before the first step."""
    network = answering(job.network)
    started = [part for part in network.modules() if isinstance(part, Started)]
    for part in started:
        listener.line(f"weights: {part.read_start()}")
    if started and job.average:
        job.average.network.load_state_dict(job.network.state_dict())


def start_from_backbone(job: Job, recipe: Recipe, run: Run, listener: Listener, *, is_noted: bool = True) -> None:
    """Copy the weights of the run that the recipe names, if any, into a job that has not begun.

    `is_noted`: write what was taken into the run.

    Raises RunError where nothing fits, or where a run that begins again finds other weights than the first time.
    """
    import torch

    wanted = getattr(settings("models", recipe.model), "backbone", None)
    if wanted is None:
        return
    other = open_run(Path(wanted.from_))
    saved = store.load(other, "best", listener, groups=("model", "ema"))
    group = "ema" if "ema" in saved.tensors else "model"
    digest = saved.manifest.files[f"{group}.safetensors"][1]
    _refuse_change(run, digest, other)
    live = job.network.state_dict()
    if wanted.head == "kept" and len(_members(live)) > (networks := len(_members(saved.tensors[group])) or 1):
        raise RunError(
            f"{other.folder}: holds {networks} of {len(_members(live))} networks, and with head: kept those that start "
            "alike stay alike; leave the head fresh, or start from an ensemble of the same size"
        )
    found = matching(saved.tensors[group], live, is_head_kept=wanted.head == "kept")
    if not any(name in found for name, _ in job.network.named_parameters()):
        raise RunError(
            f"{other.folder}: no weight of its network fits by name and shape: "
            "the networks must have a part in common, of the same widths and depths"
        )
    with torch.no_grad():
        for name, tensor in found.items():
            live[name].copy_(tensor)
    if job.average:
        job.average.network.load_state_dict(live)
    fresh = [name for name in live if name not in found]
    count = sum(tensor.numel() for tensor in found.values())
    more = f" and {len(fresh) - _SHOWN} more" if len(fresh) > _SHOWN else ""
    listener.line(
        f"backbone: {len(found)} of {len(live)} tensors ({count:,} values) from {other.folder}, step {saved.step}; "
        f"fresh: {', '.join(fresh[:_SHOWN]) or 'none'}{more}"
    )
    note = {"run": str(other.folder), "step": saved.step, "weights": group, "sha256": digest, "tensors": sorted(found)}
    if is_noted:
        write_json(run.folder / FILE, note)


def matching(
    tensors: Mapping[str, Tensor], live: Mapping[str, Tensor], *, is_head_kept: bool = False
) -> dict[str, Tensor]:
    """Return the stored tensors that fit a network, by the network's names.

    A network may lie inside another on either side: of all pairs of parts, the one that shares the most values counts.
    """
    members = _members(live)
    if not members:
        return _best_pair(tensors, live, is_head_kept)
    stored = _members(tensors) or [""]
    found = {
        name: tensor
        for name, tensor in tensors.items()
        if not name.startswith((*members, *stored))
        and _fits(tensor, live.get(name))
        and (is_head_kept or not _is_head(name))
    }
    for place, member in enumerate(members):
        one = _best_pair(_inside(tensors, stored[place % len(stored)]), _inside(live, member), is_head_kept)
        found |= {member + name: tensor for name, tensor in one.items()}
    return found


def _best_pair(tensors: Mapping[str, Tensor], live: Mapping[str, Tensor], is_head_kept: bool) -> dict[str, Tensor]:
    """Return what fits between the two parts that share the most values."""
    best: dict[str, Tensor] = {}
    most = 0
    for stored_part in _parts(tensors):
        inside = _inside(tensors, stored_part)
        for part in _parts(live):
            fitting = {name: t for name, t in inside.items() if _fits(t, live.get(part + name))}
            heads = [n for n in fitting if _is_head(stored_part + n) or _is_head(part + n)]
            if is_head_kept:  # a head is of one piece
                torn = {_layer(n) for n in inside if part + n in live and n not in fitting}
                heads = [n for n in heads if _layer(n) in torn]
            found = {part + name: tensor for name, tensor in fitting.items() if name not in heads}
            count = sum(tensor.numel() for tensor in found.values())
            if count > most:
                best, most = found, count
    return best


def _inside(tensors: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    return {name.removeprefix(part): tensor for name, tensor in tensors.items() if name.startswith(part)}


def _members(tensors: Mapping[str, Tensor]) -> list[str]:
    """Return the prefixes under which the members of an ensemble lie, in order; none for a single network."""
    found = (_MEMBER.match(name) for name in tensors)
    return list(dict.fromkeys(match[0] for match in found if match))


def _fits(tensor: Tensor, place: Tensor | None) -> bool:
    return place is not None and place.shape == tensor.shape


def _layer(name: str) -> str:
    return name.rpartition(".")[0]


def _is_head(name: str) -> bool:
    return _layer(name).rpartition(".")[2] in _HEADS


def _parts(tensors: Mapping[str, Tensor]) -> Iterator[str]:
    """Yield the prefixes under which a whole network may lie: the top, named parts, members of an ensemble."""
    parts = {""}
    for name in tensors:
        steps = name.split(".")[:-1]
        for depth in range(1, len(steps) + 1):
            part = steps[:depth]
            if all(not step.isdigit() or part[place - 1] == "members" for place, step in enumerate(part)):
                parts.add(".".join(part) + ".")
    yield from sorted(parts, key=lambda part: (part.count("."), part))


def _refuse_change(run: Run, digest: str, other: Run) -> None:
    path = run.folder / FILE
    if path.exists() and json.loads(path.read_bytes()).get("sha256") != digest:
        raise RunError(f"{other.folder}: its best weights are not those that {run.folder} started from; train anew")

"""What training looked at, to be looked at: mosaics in the run's folder `samples`, where answers lie on a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from dlw.runs.disk import write_atomic
from dlw.runs.layout import Run
from dlw.specs import INDEX, TARGET, FieldSpec
from dlw.tasks._base import Task
from dlw.verbs._drawings import as_picture, enlarged, mosaic, picture_group, png

if TYPE_CHECKING:
    from PIL.Image import Image

    from dlw.engine.batches import Batch
    from dlw.engine.loop import Job
    from dlw.engine.progress import Plan

MOST_PICTURES = 12
LARGEST_SIDE = 320
COLUMNS = 4


def keep_first_batch(run: Run, job: Job, plan: Plan, inputs: Mapping[str, FieldSpec]) -> None:
    """Write samples/train.png: pictures of the first training batch as the network gets them, with their targets."""
    from dlw.engine.draws import RowDraws
    from dlw.engine.loop import training_batches
    from dlw.engine.progress import Progress

    group = _drawn_group(job.task, inputs)
    if group is None:
        return
    start = Progress()
    batch = {name: tensor[:MOST_PICTURES] for name, tensor in next(training_batches(job, plan, start, 1)).items()}
    for place, augment in enumerate(job.augments):
        batch = augment(batch, RowDraws(job.seed, plan.epoch(start), batch[INDEX], place))
    pictures = _drawn(job.task, batch[group].cpu().numpy(), batch[TARGET].cpu().numpy())
    write_atomic(
        run.folder / "samples" / "train.png",
        png(mosaic([pictures[start : start + COLUMNS] for start in range(0, len(pictures), COLUMNS)])),
    )


def keep_answers(run: Run, job: Job, inputs: Mapping[str, FieldSpec]) -> None:
    """Write samples/validation.png: the truth of some validation rows, and under each the network's answer.

    Every process of a team must ask, for a network in parts; rank 0 writes.
    """
    import torch

    from dlw.engine.inference import Predictor

    group = _drawn_group(job.task, inputs)
    if group is None or job.validation is None:
        return
    rows = np.unique(np.linspace(0, job.validation.num_rows - 1, COLUMNS * 2).round().astype(np.int64))
    batch: Batch = next(job.validation.stream(iter([rows])))
    predictor = Predictor(job.average.network if job.average else job.network, job.task)
    with torch.inference_mode():
        answered = predictor.eval()({name: tensor for name, tensor in batch.items() if name in job.inputs})
    if job.team and not job.team.is_first:
        return
    layers = job.task.layers(job.task.condense({name: answer.cpu().numpy() for name, answer in answered.items()}))
    assert layers is not None
    pixels = batch[group].cpu().numpy()
    parts = [_drawn(job.task, pixels, of) for of in (batch[TARGET].cpu().numpy(), layers)]
    lines = [part[start : start + COLUMNS] for start in range(0, len(rows), COLUMNS) for part in parts]
    write_atomic(run.folder / "samples" / "validation.png", png(mosaic(lines)))


def _drawn_group(task: Task, inputs: Mapping[str, FieldSpec]) -> str | None:
    """Return the picture input if this task draws, None otherwise."""
    return None if type(task).layers is Task.layers else picture_group(inputs)


def _drawn(task: Task, pixels: np.ndarray, layers: np.ndarray) -> list[Image]:
    drawn = [enlarged(task.draw(as_picture(p), layer)) for p, layer in zip(pixels, layers, strict=True)]
    for picture in drawn:
        picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    return drawn

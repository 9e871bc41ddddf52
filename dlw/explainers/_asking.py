"""Ask a network about changed rows: what every method does that takes parts of a row away.

Shape legend: N changed rows, B rows answered at once.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from dlw.explainers._base import Question
from dlw.specs import rows_at_once


def widened(question: Question, count: int, changed: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return `count` rows: the changed groups [count, ...], and the row itself again and again in the others."""
    return {
        name: changed[name] if name in changed else tensor.expand(count, *tensor.shape[1:])
        for name, tensor in question.row.items()
    }


@torch.inference_mode()
def ask(question: Question, changed: Mapping[str, Tensor]) -> Tensor:
    """Return the scores [N] of rows with some groups changed [N, ...], in pieces; without any, of the row itself."""
    count = len(next(iter(changed.values()))) if changed else 1
    size = rows_at_once(tensor.shape[1:] for tensor in question.row.values())
    scores = []
    for start in range(0, count, size):
        piece = {name: tensor[start : start + size] for name, tensor in changed.items()}
        batch = widened(question, len(next(iter(piece.values()))) if piece else 1, piece)
        scores.append(question.score(question.network(batch)))
    return torch.cat(scores)

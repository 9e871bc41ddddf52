"""The proof that a bundle answers like its network: real rows through both, the largest difference told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlw.errors import RunError
from dlw.ragged import trimmed
from dlw.specs import Arrays
from dlw.verbs._bundle import open_bundle
from dlw.verbs._writers import probe

if TYPE_CHECKING:
    from dlw.engine.inference import Predictor

ROW_COUNTS = (1, 2, 7)
"""How many rows go through network and artifact at once: 0 and 1 are the sizes a tracer takes for constants."""
MEASURE = "|artifact - network| / max(1, |network|)"


def prove(predictor: Predictor, rows: Arrays, folder: Path, limit: float, ragged: Mapping[str, str]) -> dict[str, Any]:
    """Answer 1, 2 and 7 rows by network and bundle; raises RunError when they differ by more than `limit`.

    The groups of `ragged` (group -> kind) are cut to the longest of those rows, so that lengths differ, too.
    """
    answer = open_bundle(folder, own=True).answer
    largest: dict[str, float] = {}
    largest_absolute: dict[str, float] = {}
    start = 0
    for count in ROW_COUNTS:
        piece = trimmed({group: array[start : start + count] for group, array in rows.items()}, ragged)
        start += count
        wanted, got = network_answers(predictor, piece), answer(piece)
        for name, value in wanted.items():
            if got[name].shape != value.shape or got[name].dtype != value.dtype:
                raise RunError(
                    f"{name} of {count} rows: the artifact answers {got[name].dtype}{got[name].shape}, "
                    f"the network {value.dtype}{value.shape}; nothing is written"
                )
            if not np.isfinite(value).all():
                raise RunError(
                    f"{name}: the network itself answers with values that are not finite; nothing is written"
                )
            absolute = np.abs(got[name].astype(np.float64) - value)
            largest_absolute[name] = max(largest_absolute.get(name, 0.0), float(absolute.max()))
            relative = float((absolute / np.maximum(1.0, np.abs(value))).max())
            if not relative <= limit:
                raise RunError(
                    f"{name} of {count} rows differs by {relative:.3g} from the network, the limit is {limit:.3g}; "
                    "nothing is written (--tolerance sets the limit)"
                )
            largest[name] = max(largest.get(name, 0.0), relative)
    return {
        "rows": list(ROW_COUNTS),
        "measure": MEASURE,
        "tolerance": limit,
        "difference": max(largest.values()),
        "differences": largest,
        "absolute_differences": largest_absolute,
    }


def network_answers(predictor: Predictor, arrays: Arrays) -> Arrays:
    """Return the answers of the network itself; logits of a network that writes."""
    from dlw.engine.inference import answer_arrays
    from dlw.engine.writing import NetworkWriter

    output = predictor.task.output
    if output.is_written:
        return probe(NetworkWriter(predictor.network), output, arrays)
    return answer_arrays(predictor, arrays)

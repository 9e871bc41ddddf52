"""A made-up long table of waves, for tests that train on series."""

from __future__ import annotations

from pathlib import Path

import numpy as np

LENGTH, AHEAD = 8, 3
SOURCE = {
    "type": "series",
    "path": "waves.csv",
    "by": "machine",
    "order": "hour",
    "columns": ["heat", "load"],
    "length": LENGTH,
}


def waves(folder: Path, count: int) -> Path:
    """Write waves.csv: two machines, two columns with gaps; together about `count` windows of LENGTH + AHEAD steps."""
    rng = np.random.default_rng(0)
    lines = ["machine,hour,heat,load,answer"]
    for machine in ("a", "b"):
        for hour in range(count // 2 + LENGTH + AHEAD - 1):
            heat = 20 + 5 * np.sin(hour / 2) + rng.normal(0, 0.3)
            load = "" if rng.random() < 0.05 else f"{heat / 10 + rng.normal(0, 0.1):.4f}"
            lines.append(f"{machine},{hour},{heat:.4f},{load},{'rising' if np.cos(hour / 2) > 0 else 'falling'}")
    path = folder / "waves.csv"
    path.write_text("\n".join(lines) + "\n")
    return path

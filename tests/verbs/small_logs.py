"""Small made-up data for the networks of people and molecules: a log of who took what, and SMILES with an answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np

SMILES = ("CCO", "c1ccccc1", "CC(=O)O", "CCN", "C1CCCCC1Cl", "c1ccncc1C", "CC#N", "OCC(O)CO")


def log(folder: Path, count: int = 40) -> Path:
    """Write log.csv: `count` users who each took 5 to 8 of 12 items."""
    random = np.random.default_rng(0)
    lines = ["user_id,item_id,timestamp"]
    for user in range(count):
        for moment, item in enumerate(random.permutation(12)[: random.integers(5, 9)]):
            lines.append(f"{user},{item},{moment}")
    path = folder / "log.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def molecules(folder: Path, count: int = 40) -> Path:
    """Write molecules.csv: chains on common molecules, and whether they hold a ring."""
    lines = ["smiles,answer"]
    for row in range(count):
        smiles = "C" * (row % 5) + SMILES[row % len(SMILES)]
        lines.append(f"{smiles},{'ring' if '1' in smiles else 'chain'}")
    path = folder / "molecules.csv"
    path.write_text("\n".join(lines) + "\n")
    return path

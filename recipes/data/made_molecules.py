"""Write the made-up molecules of recipes/data/made_molecules.csv: SMILES, and a number that follows from them.

  python recipes/data/made_molecules.py FILE

600 molecules: a core with up to three groups on a chain. `mixes` falls with each carbon, rises with each oxygen and
nitrogen, and falls with each aromatic ring that carries no oxygen or nitrogen. No molecule was measured. The random
generator is seeded: the same file each time.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

ROWS, SEED = 600, 11
CORES = ("c1ccc({})cc1", "C1CCC({})CC1", "c1ccnc({})c1", "c1cc({})sc1", "C1COCCN1{}", "C({})C", "N({})C")
GROUPS = ("O", "N", "Cl", "F", "C#N", "C(=O)O", "C(=O)N", "OC", "C(C)C", "c1ccccc1")


def rows() -> list[tuple[str, float]]:
    """Return different molecules with their number."""
    random = np.random.default_rng(SEED)
    found: dict[str, float] = {}
    while len(found) < ROWS:
        chain = ""
        for _ in range(int(random.integers(1, 4))):
            chain += "C" * int(random.integers(0, 4)) + f"C({random.choice(GROUPS)})"
        smiles = str(random.choice(CORES)).format(chain + "C")
        found.setdefault(smiles, _mixes(smiles))
    return list(found.items())


def _mixes(smiles: str) -> float:
    """Return the made-up number of a molecule of this grammar."""
    carbons = sum(letter in "Cc" for letter in smiles) - smiles.count("Cl")
    polar = sum(letter in "ONon" for letter in smiles)
    bare_rings = smiles.count("c1ccccc1") + smiles.startswith("c1ccc(")
    return round(1.0 - 0.3 * carbons + 0.8 * polar - 0.7 * bare_rings - 0.4 * smiles.count("Cl"), 2)


if __name__ == "__main__":
    lines = ["smiles,mixes", *(f"{smiles},{mixes}" for smiles, mixes in rows())]
    Path(sys.argv[1]).write_text("\n".join(lines) + "\n", encoding="utf-8")

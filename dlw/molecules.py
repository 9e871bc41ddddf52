"""Molecules as arrays of atoms and their bonds, from SMILES and back; the one place that calls RDKit.

Legend: A atoms, P atom properties, D neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from rdkit.Chem import Mol

NEEDS = ("rdkit", "molecules")
HYBRIDISATIONS = ("SP", "SP2", "SP3", "SP3D", "SP3D2", "S")
BONDS = ("SINGLE", "DOUBLE", "TRIPLE", "AROMATIC")
MOST_CHARGE, MOST_HYDROGENS = 3, 4
RINGS = (0, 3, 4, 5, 6, 7)
"""Sizes of the smallest ring of an atom that are told apart; larger rings count as the last."""

PROPERTY_SIZES = (2 * MOST_CHARGE + 1, MOST_HYDROGENS + 1, len(HYBRIDISATIONS) + 1, 2, len(RINGS))
"""Values of charge, hydrogens, hybridisation, aromatic and ring size, each from 0 on; the element goes before them."""
BOND_SIZE = 4 * (len(BONDS) + 1) + 1
"""Values of a bond, 0 is none: type, conjugated or not, in a ring or not."""
NUM_PROPERTIES = 1 + len(PROPERTY_SIZES)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep RDKit from writing about molecules to the terminal."""
    from rdkit import rdBase

    with rdBase.BlockLogs():
        yield


def read(text: str) -> Mol | None:
    """Return the molecule that SMILES stand for, flat and without isotopes, its atoms in canonical order; None if none.

    Two ways to write one molecule give the same atoms in the same order.
    """
    from rdkit import Chem

    molecule = Chem.MolFromSmiles(text)
    if molecule is None or not molecule.GetNumAtoms():
        return None
    Chem.RemoveStereochemistry(molecule)
    for atom in molecule.GetAtoms():
        atom.SetIsotope(0)
    return Chem.MolFromSmiles(Chem.MolToSmiles(Chem.RemoveHs(molecule)))


def atoms(molecule: Mol, elements: dict[int, int], neighbours: int) -> np.ndarray:
    """Return int16 [A, P + 2 D]: properties of each atom, then (neighbour's place from 1, bond) for each neighbour.

    `elements` maps an atomic number to its id from 2 on; others are 1.
    """
    rings = molecule.GetRingInfo()
    array = np.zeros((molecule.GetNumAtoms(), NUM_PROPERTIES + 2 * neighbours), np.int16)
    for place, atom in enumerate(molecule.GetAtoms()):
        hybridisation = str(atom.GetHybridization())
        array[place, :NUM_PROPERTIES] = (
            elements.get(atom.GetAtomicNum(), 1),
            min(max(atom.GetFormalCharge(), -MOST_CHARGE), MOST_CHARGE) + MOST_CHARGE,
            min(atom.GetTotalNumHs(), MOST_HYDROGENS),
            HYBRIDISATIONS.index(hybridisation) + 1 if hybridisation in HYBRIDISATIONS else 0,
            atom.GetIsAromatic(),
            RINGS.index(min(rings.MinAtomRingSize(place), RINGS[-1])),
        )
        for slot, bond in enumerate(atom.GetBonds()):
            start = NUM_PROPERTIES + 2 * slot
            array[place, start : start + 2] = bond.GetOtherAtomIdx(place) + 1, _bond_id(bond)
    return array


def written(array: np.ndarray, numbers: Sequence[int]) -> str:
    """Return canonical SMILES of [A, P + 2 D]; `numbers` are the atomic numbers of the ids from 2 on, id 1 is `*`."""
    from rdkit import Chem

    molecule = Chem.RWMol()
    for row in array:
        atom = Chem.Atom(int(numbers[row[0] - 2]) if row[0] > 1 else 0)
        atom.SetFormalCharge(int(row[1]) - MOST_CHARGE)
        atom.SetNumExplicitHs(int(row[2]))
        atom.SetNoImplicit(True)
        atom.SetIsAromatic(bool(row[4]))
        molecule.AddAtom(atom)
    for place, row in enumerate(array):
        for other, bond in row[NUM_PROPERTIES:].reshape(-1, 2).tolist():
            if other - 1 > place:
                kind = (bond - 1) % (len(BONDS) + 1)
                molecule.AddBond(place, other - 1, Chem.BondType.names[BONDS[kind] if kind < len(BONDS) else "DATIVE"])
    Chem.SanitizeMol(molecule)
    return str(Chem.MolToSmiles(molecule))


def scaffold(text: str) -> str:
    """Return the Bemis-Murcko scaffold of SMILES (rings and what links them), empty where there is no ring."""
    from rdkit.Chem.Scaffolds import MurckoScaffold

    with quiet():
        molecule = read(text)
    return "" if molecule is None else str(MurckoScaffold.MurckoScaffoldSmiles(mol=molecule))


def _bond_id(bond: Any) -> int:
    name = str(bond.GetBondType())
    kind = BONDS.index(name) if name in BONDS else len(BONDS)
    return 1 + kind + (len(BONDS) + 1) * (bond.GetIsConjugated() + 2 * bond.IsInRing())

"""Molecules: SMILES as a graph of atoms and bonds, read by RDKit (extra `molecules`).

Stereochemistry, isotopes and hydrogens as atoms are left out; the order of the atoms does not depend on how the SMILES
were written. SMILES that RDKit does not read make a row that cannot be used.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from dlw import molecules
from dlw.errors import DataError
from dlw.fields._base import Encoded, FieldSettings, Role, State
from dlw.fields._columns import family, shown
from dlw.fields._words import to_words
from dlw.ragged import lengths, stack
from dlw.specs import FieldSpec

if TYPE_CHECKING:
    import pyarrow as pa
    from rdkit.Chem import Mol

KIND = "graph"
NEEDS = molecules.NEEDS
LEAST_NEIGHBOURS = 4
LETTERS_PER_ATOM = 20
"""Longer SMILES than this are not even read: a bracket atom with its bond takes about that."""


class Settings(FieldSettings):
    """Options of a molecule column."""

    max_atoms: int = Field(500, ge=1, le=30_000, description="Larger molecules are rows that cannot be used.")


@dataclass(frozen=True)
class Molecule:
    """One column of SMILES."""

    settings: Settings
    name: str

    def fit(self, values: pa.ChunkedArray) -> State:
        """Learn the elements, most neighbours and most atoms of the training molecules."""
        _, words = self._words(values)
        with molecules.quiet():
            read = [molecule for molecule in map(self._read, words) if not isinstance(molecule, str)]
        if not read:
            first = f" (first: {shown(words[0])})" if words else ""
            raise DataError(f"column {self.name}: none of {len(words)} different values is a molecule{first}")
        found = Counter(atom.GetAtomicNum() for molecule in read for atom in molecule.GetAtoms())
        degree = max(atom.GetDegree() for molecule in read for atom in molecule.GetAtoms())
        return {
            "elements": sorted(found),
            "neighbours": max(degree, LEAST_NEIGHBOURS),
            "atoms": max(molecule.GetNumAtoms() for molecule in read),
        }

    def encode(self, values: pa.ChunkedArray, state: State) -> Encoded:
        """Turn SMILES into int16 [N, T, P + 2 D]."""
        codes, words = self._words(values)
        elements = {number: place for place, number in enumerate(state["elements"], start=2)}
        neighbours = state["neighbours"]
        graphs: list[np.ndarray] = []
        reasons: list[str] = []
        with molecules.quiet():
            for word in words:
                graph, why = self._graph(word, elements, neighbours)
                graphs.append(graph)
                reasons.append(why)
        width = molecules.NUM_PROPERTIES + 2 * neighbours
        nothing = np.zeros((0, width), np.int16)
        array = stack([graphs[code] if code >= 0 else nothing for code in codes], KIND, "int16", (width,))
        whys = [*reasons, f"{self.name} is missing"]
        bad = {row: whys[code] for row, code in enumerate(codes.tolist()) if whys[code]}
        return Encoded(array, bad, self._notes(array))

    def decode(self, array: np.ndarray, state: State) -> list[Any]:
        """Turn arrays into canonical SMILES without stereochemistry, None for an empty row."""
        steps = lengths(array, KIND)
        with molecules.quiet():
            return [
                molecules.written(row[:count], state["elements"]) if count else None
                for row, count in zip(array, steps.tolist(), strict=True)
            ]

    def spec(self, state: State) -> FieldSpec:
        """Describe atoms with their properties and neighbours."""
        sizes = (len(state["elements"]) + 2, *molecules.PROPERTY_SIZES, molecules.BOND_SIZE)
        width = molecules.NUM_PROPERTIES + 2 * state["neighbours"]
        return FieldSpec(KIND, (state["atoms"], width), "int16", sizes=sizes, is_ragged=True)

    def _words(self, values: pa.ChunkedArray) -> tuple[np.ndarray, list[str]]:
        held = family(values.type)
        if held not in ("text", "nothing"):
            raise DataError(f"column {self.name}: holds {held} ({values.type}) where SMILES are needed")
        return to_words(values, self.name)

    def _read(self, text: str) -> Mol | str:
        """Return the molecule, or the reason why there is none."""
        most = self.settings.max_atoms
        molecule = molecules.read(text) if len(text) <= LETTERS_PER_ATOM * most else None
        if molecule is None:
            return f"{self.name} is {shown(text)}, not SMILES that RDKit reads"
        if molecule.GetNumAtoms() > most:
            return f"{self.name} has {molecule.GetNumAtoms()} atoms, the limit is {most}"
        return molecule

    def _graph(self, text: str, elements: dict[int, int], neighbours: int) -> tuple[np.ndarray, str]:
        """Return the array of one molecule, or an empty one and the reason."""
        molecule = self._read(text)
        nothing = np.zeros((0, molecules.NUM_PROPERTIES + 2 * neighbours), np.int16)
        if isinstance(molecule, str):
            return nothing, molecule
        most = max(atom.GetDegree() for atom in molecule.GetAtoms())
        if most > neighbours:
            return nothing, f"{self.name} has an atom with {most} neighbours, training had {neighbours} at most"
        return molecules.atoms(molecule, elements, neighbours), ""

    def _notes(self, array: np.ndarray) -> tuple[str, ...]:
        unseen = int((array[..., 0] == 1).any(axis=1).sum())
        return (f"column {self.name}: {unseen} molecules hold elements not seen in training",) if unseen else ()


def build(settings: Settings, name: str, role: Role) -> Molecule:
    """Bind the settings to a column; DataError where it is to be answered."""
    if role == "target":
        raise DataError(f"column {name}: a molecule can be an input, not a target")
    return Molecule(settings, name)

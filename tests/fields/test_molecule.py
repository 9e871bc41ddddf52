"""Molecules: one graph however they are written, back to SMILES, bad ones by name, elements that training lacked."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from dlw.errors import DataError
from dlw.fields import molecule
from dlw.molecules import NUM_PROPERTIES, scaffold

SMILES = ["CCO", "c1ccccc1C(=O)O", "C[N+](C)(C)CC#N", "[2H]C([2H])([2H])O", "ClC=C/Br", "[Na+].[Cl-]"]


def column(values: list[str | None]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, pa.string())])


def field(**options: int) -> molecule.Molecule:
    return molecule.build(molecule.Settings(**options), "smiles", "input")


def test_a_molecule_is_one_array_however_it_is_written() -> None:
    state = field().fit(column(SMILES))
    for one, other in (("CCO", "OCC"), ("c1ccccc1C(=O)O", "OC(=O)C1=CC=CC=C1"), ("[2H]C([2H])([2H])O", "CO")):
        left, right = (field().encode(column([text]), state).array for text in (one, other))
        assert np.array_equal(left, right)


def test_arrays_become_the_same_molecules_again() -> None:
    state = field().fit(column(SMILES))
    array = field().encode(column(SMILES), state).array
    decoded = field().decode(array, state)
    assert decoded[:2] == ["CCO", "O=C(O)c1ccccc1"]
    assert np.array_equal(field().encode(column(decoded), state).array, array)


def test_neighbours_are_each_others() -> None:
    state = field().fit(column(SMILES))
    (atoms,) = field().encode(column(["O=C=N"]), state).array
    pairs = atoms[:, NUM_PROPERTIES:].reshape(len(atoms), -1, 2)
    beside = {(place + 1, int(other), int(bond)) for place, row in enumerate(pairs) for other, bond in row if other}
    assert beside == {(other, place, bond) for place, other, bond in beside}
    assert len(beside) == 4


def test_what_is_no_molecule_is_told_by_row() -> None:
    state = field().fit(column(SMILES))
    encoded = field(max_atoms=3).encode(column(["CCO", "C1CC", None, "CCCC", "FS(F)(F)(F)(F)F", "x" * 100]), state)
    assert encoded.bad == {
        1: "smiles is 'C1CC', not SMILES that RDKit reads",
        2: "smiles is missing",
        3: "smiles has 4 atoms, the limit is 3",
        4: "smiles has 7 atoms, the limit is 3",
        5: f"smiles is {repr('x' * 100)[:37]}..., not SMILES that RDKit reads",
    }
    assert field().encode(column(["FS(F)(F)(F)(F)F"]), state).bad[0].startswith("smiles has an atom with 6 neighbours")


def test_elements_that_training_lacked_share_an_id_and_are_told() -> None:
    state = field().fit(column(SMILES))
    encoded = field().encode(column(["CSC", "CCC"]), state)
    assert encoded.array[0, :, 0].max() > 1
    assert (encoded.array[0, :, 0] == 1).sum() == 1
    assert encoded.notes == ("column smiles: 1 molecules hold elements not seen in training",)


def test_other_columns_are_refused() -> None:
    with pytest.raises(DataError, match="none of 2 different values is a molecule"):
        field().fit(column(["yes", "no"]))
    with pytest.raises(DataError, match="not a target"):
        molecule.build(molecule.Settings(), "smiles", "target")


def test_scaffolds_are_rings_and_what_links_them() -> None:
    assert scaffold("CCc1ccc(Cc2ccncc2)cc1") == scaffold("c1ccc(Cc2ccncc2)cc1") != ""
    assert scaffold("CCO") == scaffold("not smiles") == ""


def test_rdkit_stays_quiet() -> None:
    code = (
        "import pyarrow as pa; from dlw.fields import molecule as m\n"
        "f = m.build(m.Settings(), 's', 'input'); f.fit(pa.chunked_array([['CCO', 'C1CC', 'c1cccc1', 'junk']]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")

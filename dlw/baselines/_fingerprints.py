"""Circular fingerprints of molecules: which surroundings its atoms have, folded into a row of counts.

Extended-connectivity fingerprints of diameter 4 (ECFP4; Rogers and Hahn 2010, doi:10.1021/ci100050t), on the atom
properties of the field `molecule`. Legend: A atoms, P properties, N neighbours, W bits.
"""

from __future__ import annotations

import zlib

import numpy as np

from dlw.ragged import lengths

ROUNDS = 2
BITS = 2048


def fingerprints(graph: np.ndarray, num_properties: int) -> np.ndarray:
    """Return uint8 [rows, W]: how often each folded surrounding occurs in a molecule."""
    counts = np.zeros((len(graph), BITS), np.uint8)
    for row, (atoms, count) in enumerate(zip(graph, lengths(graph, "graph").tolist(), strict=True)):
        np.add.at(counts[row], _surroundings(atoms[:count], num_properties) % BITS, 1)
    return counts


def _surroundings(atom_AF: np.ndarray, num_properties: int) -> np.ndarray:
    """Return one number for each atom and each radius from 0 to ROUNDS."""
    bonds = [
        [(other - 1, bond) for other, bond in row[num_properties:].reshape(-1, 2).tolist() if other] for row in atom_AF
    ]
    codes = [_number(row[:num_properties].tobytes()) for row in atom_AF]
    found = list(codes)
    for _ in range(ROUNDS):
        around = [sorted((bond, codes[other]) for other, bond in beside) for beside in bonds]
        codes = [_number(repr((code, seen)).encode()) for code, seen in zip(codes, around, strict=True)]
        found += codes
    return np.array(found, np.int64)


def _number(content: bytes) -> int:
    return zlib.crc32(content)

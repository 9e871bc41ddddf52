"""The one plain mutator of all fuzz tests: a seeded chance turns valid bytes into broken ones."""

from __future__ import annotations

import random
from collections.abc import Sequence


def mutated(data: bytes, chance: random.Random, pieces: Sequence[bytes]) -> bytes:
    """Return the bytes after one to five changes; `pieces` are what the format gives a meaning to."""
    for _ in range(chance.randrange(1, 6)):
        at, to = chance.randrange(len(data) + 1), chance.randrange(len(data) + 1)
        kind = chance.randrange(8)
        if kind == 0:
            data = data[:at] + chance.choice(pieces) + data[at:]
        elif kind == 1:
            data = data[:at] + data[at + chance.randrange(1, 12) :]
        elif kind == 2:
            data = data[:at] + chance.choice(pieces) + data[at + chance.randrange(1, 8) :]
        elif kind == 3:
            data = data[:at] + data[to : to + chance.randrange(1, 60)] + data[at:]
        elif kind == 4:
            data = data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
        elif kind == 5 and at < len(data):
            data = data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
        elif kind == 6:
            lines = data.split(b"\n")
            chance.shuffle(lines)
            data = b"\n".join(lines)
        elif chance.random() < 0.2:
            data = data[:at]
    return data

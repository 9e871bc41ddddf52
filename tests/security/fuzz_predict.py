"""A process of its own that predicts mutated files: `python fuzz_predict.py BUNDLE FOLDER COUNT SEED`.

Each file of the folder is valid and is mutated `COUNT` times.
Memory is limited to 2 GiB of addresses and 512 MiB more than at the start, processor time to two seconds a file.
Prints how many files were answered or refused by a DataError; whatever else comes out ends the process.
"""

from __future__ import annotations

import random
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from dlw.errors import DataError
from dlw.verbs import predict as verb
from tests.security.mutations import mutated

MARKS = {
    ".csv": [
        b",",
        b'"',
        b"\n",
        b"\r",
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
        b"1e999",
        b"nan",
        b";",
        b"9" * 400,
        b"age",
        b"\xff\xfe",
    ],
    ".jsonl": [
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b":",
        b",",
        b"null",
        b"NaN",
        b"1e999",
        b"\\ud800",
        b"\n",
        b"[" * 3000,
        b"\xff",
    ],
    ".parquet": [b"PAR1", b"\0", b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x15", b"age", b"\0\0\0\x80"],
    ".png": [b"IHDR", b"IDAT", b"IEND", b"tRNS", b"PLTE", b"eXIf", b"\xff" * 4, b"\0", b"\x7f\xff\xff\xff"],
    ".jpg": [b"\xff\xd8", b"\xff\xd9", b"\xff\xc0", b"\xff\xda", b"\xff\xe1", b"\xff\xff", b"\0", b"Exif\0\0"],
    ".wav": [b"RIFF", b"WAVE", b"fmt ", b"data", b"LIST", b"\xff" * 4, b"\0", b"\x7f\xff\xff\xff", b"\x03\0"],
    ".flac": [b"fLaC", b"\0\0\0\x22", b"\xff\xf8", b"\x84", b"\xff" * 4, b"\0", b"\x7f\xff\xff\xff"],
    ".ogg": [b"OggS", b"vorbis", b"\x01", b"\x05", b"\xff" * 4, b"\0", b"\x7f\xff\xff\xff"],
    ".webp": [b"RIFF", b"WEBP", b"VP8 ", b"VP8L", b"VP8X", b"\xff" * 4, b"\0", b"ANIM"],
}


def resident_bytes() -> int:
    """Return the resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def main(bundle: Path, folder: Path, count: int, seed: int) -> int:
    """Return how many mutated files were answered or refused in time."""
    answerer = verb.open_target(bundle)
    verb.open_target = lambda *_: answerer  # opened once, not once a file
    valid = sorted(folder.iterdir())
    verb.predict(bundle, [str(file) for file in valid])
    start_bytes = resident_bytes()
    resource.setrlimit(resource.RLIMIT_AS, (2 * 2**30, 2 * 2**30))
    chance, found = random.Random(seed), 0
    for file in valid:
        content, refused = file.read_bytes(), 0
        for _ in range(count):
            file.write_bytes(mutated(content, chance, MARKS[file.suffix]))
            started = time.process_time()
            try:
                verb.predict(bundle, [str(file)])
            except DataError:
                refused += 1
            found += time.process_time() - started < 2
        assert refused > 0, file
    assert resident_bytes() - start_bytes < 512 * 2**20
    return found


if __name__ == "__main__":
    target, place, number, first = sys.argv[1:]
    print(main(Path(target), Path(place), int(number), int(first)))

"""A process with 512 MiB of addresses above what its imports take: `python limited.py FOLDER`.

Hands each bomb to the reader that would meet it and prints the refusal and the seconds it took.
"""

from __future__ import annotations

import json
import resource
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import pyarrow.json
import pyarrow.parquet  # noqa: F401 - imported before the limits hold
import torch
from PIL import Image  # noqa: F401

from dlw.errors import DlwError
from dlw.recipe import check
from dlw.runs import tensorfile
from dlw.sources import _csv_files, _json_files

ROOM_BYTES = 512 * 2**20


def picture(folder: Path) -> object:
    """Decode a PNG of 169 megapixels that is 20 KiB long."""
    from dlw.fields._files import File
    from dlw.fields._pictures import Layout, decode

    side = 13_000
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(20_000_000))),
    ]
    content = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in [*chunks, (b"IEND", b"")]
    )
    assert len(content) < 40_000
    _, bad = decode([File(content, "bomb.png")], Layout(8, 8, 3, "stretch", 50_000_000))
    raise DlwError(bad[0])


def recipe(text: str) -> Callable[[Path], object]:
    """Return a reader of a recipe."""
    return lambda folder: check.load_text(text, folder)


def recipe_file(folder: Path) -> object:
    """Read a recipe of 512 MB, most of it a hole."""
    with (folder / "big.yaml").open("wb") as file:
        file.truncate(2**29)
    return check.load_recipe(folder / "big.yaml")


def table(name: str, content: str) -> Callable[[Path], object]:
    """Return a reader of a table file."""

    def read(folder: Path) -> object:
        (folder / name).write_text(content)
        return (_csv_files if name.endswith("csv") else _json_files).read(folder / name)

    return read


def tensors(header: bytes) -> Callable[[Path], object]:
    """Return a reader of a tensor file."""
    return lambda _: tensorfile.unpack(bytearray(len(header).to_bytes(8, "little") + header))


BOMBS: dict[str, Callable[[Path], object]] = {
    "aliases": recipe("a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [{'*a, ' * 9}x]\n" for n in range(9))),
    "deep recipe": recipe("a: " + "[" * 100_000),
    "long recipe": recipe_file,
    "picture": picture,
    "deep json": table("a.json", "[" * 1_000_000),
    "deep json line": table("a.jsonl", '{"a":' * 100_000),
    "long csv field": table("a.csv", 'a,b\n1,"' + "x" * 20_000_000),
    "many tensors": tensors(b"{" + b",".join(b'"%d":{}' % n for n in range(1_500_000)) + b"}"),
    "large tensor": tensors(json.dumps({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()),
    "long header": lambda _: tensorfile.unpack(bytearray((10**8).to_bytes(8, "little") + bytes(9))),
}

if __name__ == "__main__":
    torch.zeros(1)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + ROOM_BYTES, size + ROOM_BYTES))
    for bomb in BOMBS:
        used = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        try:
            BOMBS[bomb](Path(sys.argv[1]))
        except DlwError as error:
            seconds = resource.getrusage(resource.RUSAGE_SELF).ru_utime - used
            print(json.dumps({"bomb": bomb, "refusal": str(error)[:500], "seconds": seconds}), flush=True)

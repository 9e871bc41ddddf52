"""Many small PNG pictures of one size at once: what Pillow does one by one, done for thousands in numpy.

Only the plainest files qualify (8 bits, no palette, no interlacing, exactly the size and channels wanted); everything
else, and everything broken, is left to Pillow. Decoding follows the PNG specification (ISO/IEC 15948:2004, section 9).
Shape legend: N pictures, H rows, S bytes in a row (width x channels).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPE = {1: 0, 3: 2, 4: 6}
_HEADER_BYTES = 33
_MAX_PIXELS = 128 * 128
"""Above this a picture's own decoding outweighs the cost of a call."""
_MEANING_CHUNKS = (b"tRNS", b"eXIf")
"""Chunks that change what the pixels mean."""


def decode_plain(files: Sequence[bytes | None], shape_CHW: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the places that qualified, int64 [N], and their pixels, uint8 [N, C, H, W]."""
    channels, height, width = shape_CHW
    stride = width * channels
    places: list[int] = []
    raw: list[bytes] = []
    if height * width <= _MAX_PIXELS:
        start = _SIGNATURE + struct.pack(">I4sIIBBBBB", 13, b"IHDR", width, height, 8, _COLOUR_TYPE[channels], 0, 0, 0)
        for place, file in enumerate(files):
            if file is not None and file.startswith(start):
                data = _inflate(file, height * (stride + 1))
                if data is not None:
                    places.append(place)
                    raw.append(data)
    if not places:
        return np.zeros(0, np.int64), np.zeros((0, *shape_CHW), np.uint8)
    rows_NHS = np.frombuffer(b"".join(raw), np.uint8).reshape(len(raw), height, stride + 1)
    pixels_HSN = _unfilter(rows_NHS[:, :, 0], np.ascontiguousarray(rows_NHS[:, :, 1:].transpose(1, 2, 0)), channels)
    pixels = pixels_HSN.reshape(height, width, channels, len(raw)).transpose(3, 2, 0, 1)
    sound = (rows_NHS[:, :, 0] <= 4).all(axis=1)
    return np.array(places, np.int64)[sound], pixels[sound]


def _inflate(file: bytes, size: int) -> bytes | None:
    """Return the filtered rows, None if the file is not plain and whole."""
    place, packed = _HEADER_BYTES, b""
    while place + 12 <= len(file):
        (length,) = struct.unpack_from(">I", file, place)
        kind = file[place + 4 : place + 8]
        if kind == b"IEND":
            break
        if kind in _MEANING_CHUNKS:
            return None
        if kind == b"IDAT":
            packed += file[place + 8 : place + 8 + length]
        place += 12 + length
    else:
        return None
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(packed, size + 1)
    except zlib.error:
        return None
    return data if len(data) == size and inflater.eof else None


def _unfilter(filters_NH: np.ndarray, rows_HSN: np.ndarray, channels: int) -> np.ndarray:
    """Undo the row filters (section 9.2) in place; uint8 arithmetic wraps as the specification asks."""
    height, stride, num = rows_HSN.shape
    above_SN = np.zeros((stride, num), np.uint8)
    for y in range(height):
        row_SN = rows_HSN[y]
        for kind in np.unique(filters_NH[:, y]):
            chosen = np.flatnonzero(filters_NH[:, y] == kind)
            every = slice(None) if len(chosen) == num else chosen
            if kind == 1:
                row_SN[:, every] = _sub(row_SN[:, every], channels)
            elif kind == 2:
                row_SN[:, every] += above_SN[:, every]
            elif kind in (3, 4):
                undo = _average if kind == 3 else _paeth
                row_SN[:, every] = undo(row_SN[:, every], above_SN[:, every], channels)
        above_SN = row_SN
    return rows_HSN


def _sub(row_SN: np.ndarray, channels: int) -> np.ndarray:
    stride, num = row_SN.shape
    summed = np.cumsum(row_SN.reshape(stride // channels, channels, num), axis=0, dtype=np.uint8)
    return summed.reshape(stride, num)


def _average(row_SN: np.ndarray, above_SN: np.ndarray, channels: int) -> np.ndarray:
    above = above_SN.astype(np.uint16)
    out = row_SN.astype(np.uint16)
    for x in range(len(out)):
        left = out[x - channels] if x >= channels else 0
        out[x] = (out[x] + ((left + above[x]) >> 1)) & 255
    return out.astype(np.uint8)


def _paeth(row_SN: np.ndarray, above_SN: np.ndarray, channels: int) -> np.ndarray:
    above = above_SN.astype(np.int16)
    out = row_SN.astype(np.int16)
    zero = np.zeros(out.shape[1], np.int16)
    for x in range(len(out)):
        left, corner = (out[x - channels], above[x - channels]) if x >= channels else (zero, zero)
        from_left, from_above = np.abs(above[x] - corner), np.abs(left - corner)
        from_corner = np.abs(left + above[x] - 2 * corner)
        nearest = np.where(from_above <= from_corner, above[x], corner)
        nearest = np.where((from_left <= from_above) & (from_left <= from_corner), left, nearest)
        out[x] = (out[x] + nearest) & 255
    return out.astype(np.uint8)

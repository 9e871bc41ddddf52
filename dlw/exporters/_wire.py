"""Finding references to other files in an ONNX model, without the onnx package.

A tensor of a model may say "my bytes are in that file", any file of the reader's disk. dlw writes one self-contained
file and refuses every other kind. The walk follows the protobuf wire format (protobuf.dev/programming-guides/encoding)
through the few messages that can hold a tensor; field numbers are those of onnx.proto (github.com/onnx/onnx).
"""

from __future__ import annotations

from collections.abc import Iterator

from dlw.errors import RunError

_Children = dict[int, str]

MESSAGES: dict[str, _Children] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
"""Message -> field number -> the message in that field."""

EXTERNAL_DATA, DATA_LOCATION = 13, 14
"""Fields of a tensor that point to another file."""


def refuse_external_data(model: bytes, name: str) -> None:
    """Raise RunError if a tensor of the serialized ONNX `model` lies in another file, or the bytes are no model."""
    pending = [("model", memoryview(model))]
    while pending:
        kind, message = pending.pop()
        children = MESSAGES[kind]
        for number, value in _fields(message, name):
            if kind == "tensor" and (number == EXTERNAL_DATA or (number == DATA_LOCATION and value != 0)):
                raise RunError(f"{name}: a weight lies in another file; dlw opens self-contained models only")
            if number in children and isinstance(value, memoryview):
                pending.append((children[number], value))


def _fields(message: memoryview, name: str) -> Iterator[tuple[int, int | memoryview]]:
    place, end = 0, len(message)
    while place < end:
        key, place = _varint(message, place, name)
        number, wire_type = key >> 3, key & 7
        if wire_type == 0:
            value, place = _varint(message, place, name)
            yield number, value
            continue
        if wire_type == 2:
            length, place = _varint(message, place, name)
        elif wire_type in (1, 5):
            length = 8 if wire_type == 1 else 4
        else:
            raise RunError(f"{name}: not an ONNX model (byte {place})")
        if place + length > end:
            raise RunError(f"{name}: not an ONNX model: cut short")
        yield number, message[place : place + length]
        place += length


def _varint(message: memoryview, place: int, name: str) -> tuple[int, int]:
    value = shift = 0
    while place < len(message) and shift < 70:
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place += 1
        if byte < 0x80:
            return value, place
        shift += 7
    raise RunError(f"{name}: not an ONNX model (byte {place})")

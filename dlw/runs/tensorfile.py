"""Tensors as one safetensors file: written straight from their memory, read back with every claim checked.

The format is https://github.com/huggingface/safetensors#format: eight bytes of header length, a JSON header that gives
each tensor a dtype, a shape and a range of bytes, then the bytes without a hole. The writer makes no copy of a
contiguous CPU tensor; the reader hands out tensors in torch's own memory, whose alignment some kernels' bits depend on.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from dlw.errors import CheckpointError
from dlw.runs.disk import Data

if TYPE_CHECKING:
    from torch import Tensor, dtype

MAX_HEADER_BYTES = 16 * 2**20
MAX_TENSORS = 100_000
MAX_NAME = 1024
MAX_RANK = 64
MAX_ELEMENTS = 2**48

_DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "C64": "complex64",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
}
_METADATA = "__metadata__"
_LENGTH_BYTES = 8


class Entry(NamedTuple):
    """One tensor of a file: the range [begin, end) counts from the end of the header."""

    name: str
    dtype: dtype
    shape: tuple[int, ...]
    begin: int
    end: int


class Packed(NamedTuple):
    """Tensors ready to be written: the chunks of the file in order, and its length."""

    chunks: list[Data]
    size_bytes: int


def pack(tensors: Mapping[str, Tensor]) -> Packed:
    """Lay tensors out as a file; raises CheckpointError for a name or dtype that the format cannot keep."""
    words = {value: key for key, value in _dtypes().items()}
    for name, tensor in tensors.items():
        problem = name_problem(name) or (None if tensor.dtype in words else f"has the dtype {tensor.dtype}")
        if problem:
            raise CheckpointError(f"tensor {name!r} cannot be saved: it {problem}")
    # Widest first, so that every tensor begins at a multiple of its item size.
    order = sorted(tensors, key=lambda name: -tensors[name].dtype.itemsize)
    header: dict[str, Any] = {_METADATA: {"format": "pt"}}
    chunks: list[Data] = []
    position = 0
    for name in order:
        view = _memory(tensors[name])
        header[name] = {
            "dtype": words[tensors[name].dtype],
            "shape": list(tensors[name].shape),
            "data_offsets": [position, position + len(view)],
        }
        chunks.append(view)
        position += len(view)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=True).encode()
    text += b" " * (-len(text) % 8)
    start = len(text).to_bytes(_LENGTH_BYTES, "little") + text
    return Packed([start, *(chunk for chunk in chunks if len(chunk))], len(start) + position)


def unpack(data: bytearray) -> dict[str, Tensor]:
    """Return the tensors of a file's bytes, on the CPU; raises CheckpointError for any rule that the file breaks."""
    import torch

    start = _LENGTH_BYTES + _header_length(data)
    tensors = {}
    with memoryview(data) as view:
        for entry in entries(data):
            raw = torch.empty(entry.end - entry.begin, dtype=torch.uint8)
            # A plain copy: torch's own wakes all threads, which costs more than it saves on a busy machine.
            raw.numpy().data[:] = view[start + entry.begin : start + entry.end]
            tensors[entry.name] = raw.view(entry.dtype).view(entry.shape)
    return tensors


def entries(data: bytearray) -> list[Entry]:
    """Read and check the header; the entries come in the order of their bytes."""
    length = _header_length(data)
    header = _parse_header(data[_LENGTH_BYTES : _LENGTH_BYTES + length])
    metadata = header.pop(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise CheckpointError(f"header: {_METADATA} is not a mapping of texts")
    if len(header) > MAX_TENSORS:
        raise CheckpointError(f"header: {len(header)} tensors; at most {MAX_TENSORS} are allowed")
    dtypes = _dtypes()
    found = [_entry(name, value, dtypes) for name, value in header.items()]
    found.sort(key=lambda entry: (entry.begin, entry.end))
    position = 0
    for entry in found:
        if entry.begin != position:
            raise CheckpointError(f"header: tensor {entry.name!r} begins at byte {entry.begin}, expected {position}")
        position = entry.end
    body = len(data) - _LENGTH_BYTES - length
    if position != body:
        raise CheckpointError(f"header: the tensors take {position} bytes, the file has {body}")
    return found


def name_problem(name: str) -> str | None:
    """Say what is wrong with a tensor's name, or return None: names must be printable and never look like paths."""
    if not name or len(name) > MAX_NAME:
        return f"has a name of {len(name)} characters (1 to {MAX_NAME} are allowed)"
    if name == _METADATA:
        return "has a name that the format reserves"
    for character in name:
        if character in "/\\" or unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
            return f"has the character U+{ord(character):04X} in its name"
    return None


def _dtypes() -> dict[str, dtype]:
    import torch

    return {word: getattr(torch, name) for word, name in _DTYPES.items()}


def _memory(tensor: Tensor) -> memoryview:
    import torch

    if not tensor.numel():
        return memoryview(b"")
    plain = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous()
    # A dimension of size 1 may keep any stride, which `view` minds: as_strided states what contiguous means.
    return plain.as_strided((plain.numel(),), (1,)).view(torch.uint8).numpy().data


def _header_length(data: bytearray) -> int:
    if len(data) < _LENGTH_BYTES:
        raise CheckpointError(f"{len(data)} bytes are too few for a safetensors file")
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    if length > MAX_HEADER_BYTES:
        raise CheckpointError(f"header: {length} bytes long; at most {MAX_HEADER_BYTES} are allowed")
    if length > len(data) - _LENGTH_BYTES:
        raise CheckpointError(f"header: {length} bytes long in a file of {len(data)} bytes")
    return length


def _parse_header(text: bytearray) -> dict[str, Any]:
    # Counting brackets first keeps a hostile header from unfolding into gigabytes of Python objects.
    if text.count(b"{") > MAX_TENSORS + 2 or text.count(b",") > 8 * MAX_TENSORS:
        raise CheckpointError(f"header: more than {MAX_TENSORS} tensors")
    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"header: not JSON: {str(error)[:200]}") from error
    if not isinstance(header, dict):
        raise CheckpointError("header: not a JSON object")
    return header


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise CheckpointError(f"header: the key {twice[:100]!r} stands twice")
    return result


def _entry(name: str, value: Any, dtypes: Mapping[str, dtype]) -> Entry:
    problem = name_problem(name)
    if problem:
        raise CheckpointError(f"header: tensor {name[:100]!r} {problem}")
    where = f"header: tensor {name[:100]!r}"
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise CheckpointError(f"{where}: expected exactly dtype, shape and data_offsets")
    word = value["dtype"]
    if not isinstance(word, str) or word not in dtypes:
        raise CheckpointError(f"{where}: unknown dtype {str(word)[:40]!r}")
    shape, offsets = _naturals(value["shape"]), _naturals(value["data_offsets"])
    if shape is None or len(shape) > MAX_RANK or math.prod(max(size, 1) for size in shape) > MAX_ELEMENTS:
        raise CheckpointError(f"{where}: not a shape: {str(value['shape'])[:100]}")
    if offsets is None or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise CheckpointError(f"{where}: not a range of bytes: {str(value['data_offsets'])[:100]}")
    begin, end = offsets
    size_bytes = math.prod(shape) * dtypes[word].itemsize
    if end - begin != size_bytes:
        raise CheckpointError(f"{where}: {word} {list(shape)} takes {size_bytes} bytes, its range has {end - begin}")
    return Entry(name, dtypes[word], shape, begin, end)


def _naturals(value: Any) -> tuple[int, ...] | None:
    if isinstance(value, list) and all(type(item) is int and item >= 0 for item in value):
        return tuple(value)
    return None

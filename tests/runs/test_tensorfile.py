"""The tensor file keeps every bit, agrees with the safetensors library, and refuses every broken header."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dlw.errors import CheckpointError
from dlw.runs import tensorfile
from tests.clock import clocked

DTYPES = sorted(tensorfile._dtypes().values(), key=str)
SHAPES = st.lists(st.integers(0, 4), max_size=4)
NAMES = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S"), exclude_characters="/\\"), min_size=1
).filter(lambda name: tensorfile.name_problem(name) is None)


def to_bytes(tensors: dict[str, torch.Tensor]) -> bytearray:
    """Return the file that would be written."""
    packed = tensorfile.pack(tensors)
    data = bytearray().join(packed.chunks)
    assert len(data) == packed.size_bytes
    return data


def same_bits(left: torch.Tensor, right: torch.Tensor) -> bool:
    """Compare dtype, shape and bits; NaN equals the same NaN."""
    if left.dtype != right.dtype or left.shape != right.shape:
        return False
    raw = [torch.empty(t.shape, dtype=t.dtype).copy_(t).reshape(-1).view(torch.uint8) for t in (left, right)]
    return torch.equal(*raw)


def random_tensor(dtype: torch.dtype, shape: list[int], layout: str, seed: int) -> torch.Tensor:
    """Return a tensor of random bits, laid out in memory as asked."""
    count = max(1, torch.Size(shape).numel())
    bits = torch.randint(0, 256, (count * dtype.itemsize,), generator=torch.Generator().manual_seed(seed))
    if dtype == torch.bool:
        bits = bits % 2
    tensor = bits.to(torch.uint8).view(dtype)[: torch.Size(shape).numel()].view(shape)
    if layout == "transposed" and len(shape) > 1:
        return tensor.transpose(0, -1).contiguous().transpose(0, -1)
    if layout == "strided":
        return tensor.repeat_interleave(2, dim=-1)[..., ::2] if shape else tensor
    if layout == "expanded" and shape:
        return tensor[:1].expand(shape) if shape[0] else tensor
    return tensor


LAYOUTS = ("plain", "transposed", "strided", "expanded")


@pytest.mark.withstands("properties", case="P1")
@settings(max_examples=200, deadline=None)
@given(st.dictionaries(NAMES, st.tuples(st.sampled_from(DTYPES), SHAPES, st.sampled_from(LAYOUTS)), max_size=4))
def test_every_bit_comes_back(plans: dict[str, tuple[torch.dtype, list[int], str]]) -> None:
    tensors = {name: random_tensor(*plan, seed=seed) for seed, (name, plan) in enumerate(plans.items())}
    loaded = tensorfile.unpack(to_bytes(tensors))
    assert loaded.keys() == tensors.keys()
    assert all(same_bits(loaded[name], tensor) for name, tensor in tensors.items())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_safetensors_library_reads_and_writes_the_same(dtype: torch.dtype) -> None:
    tensors = {"a": random_tensor(dtype, [3, 5], "plain", 1), "b": random_tensor(dtype, [], "plain", 2)}
    theirs = safetensors.torch.load(bytes(to_bytes(tensors)))
    ours = tensorfile.unpack(bytearray(safetensors.torch.save(tensors)))
    assert all(same_bits(theirs[name], tensor) and same_bits(ours[name], tensor) for name, tensor in tensors.items())


def test_contiguous_memory_is_not_copied() -> None:
    tensor = torch.arange(6.0)
    chunk = tensorfile.pack({"a": tensor}).chunks[1]
    tensor[0] = 7.0
    assert torch.frombuffer(bytearray(chunk), dtype=torch.float32)[0] == 7.0


def test_loaded_memory_is_aligned_and_free_of_the_file() -> None:
    data = to_bytes({"a": torch.zeros(1, dtype=torch.uint8), "b": torch.ones(5)})
    loaded = tensorfile.unpack(data)
    data[:] = bytes(len(data))
    assert loaded["b"].data_ptr() % 64 == 0
    assert torch.equal(loaded["b"], torch.ones(5))


def crafted(header: Any, body: bytes = b"") -> bytearray:
    """Return a file with a header of our choice."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return bytearray(len(text).to_bytes(8, "little") + text + body)


def one(name: str = "a", dtype: Any = "F32", shape: Any = (1,), offsets: Any = (0, 4), **more: Any) -> bytearray:
    """Return a file with one tensor and four bytes."""
    return crafted({name: {"dtype": dtype, "shape": shape, "data_offsets": offsets, **more}}, bytes(4))


TWICE = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
BROKEN = {
    "empty file": (bytearray(), "too few"),
    "seven bytes": (bytearray(7), "too few"),
    "header of 100 MB": (bytearray((100_000_000).to_bytes(8, "little") + bytes(100)), "at most"),
    "header beyond the file": (bytearray((1000).to_bytes(8, "little") + b"{}"), "in a file of"),
    "header of 2**64-1": (bytearray(b"\xff" * 8 + b"{}"), "at most"),
    "not JSON": (crafted(b"{"), "not JSON"),
    "not UTF-8": (crafted(b'{"\xff":1}'), "not JSON"),
    "deep nesting": (crafted(b"[" * 100_000), "not JSON"),
    "a list": (crafted(b"[]"), "not a JSON object"),
    "a long number": (crafted(b'{"a":' + b"9" * 10_000 + b"}"), "not JSON"),
    "duplicate key": (crafted(TWICE, bytes(4)), "stands twice"),
    "unknown dtype": (one(dtype="F33"), "unknown dtype"),
    "dtype not a text": (one(dtype=["F32"]), "unknown dtype"),
    "dtype of other width": (one(dtype="F64"), "takes 8 bytes"),
    "overflowing shape": (one(shape=[2**40, 2**40]), "not a shape"),
    "overflow beside a zero": (one(shape=[0, 2**63], offsets=[0, 0]), "not a shape"),
    "negative shape": (one(shape=[-1]), "not a shape"),
    "shape of booleans": (one(shape=[True]), "not a shape"),
    "shape of floats": (one(shape=[1.0]), "not a shape"),
    "rank 65": (one(shape=[1] * 65), "not a shape"),
    "negative range": (one(offsets=[-4, 0]), "not a range"),
    "reversed range": (one(offsets=[4, 0]), "not a range"),
    "three offsets": (one(offsets=[0, 4, 4]), "not a range"),
    "range beyond the file": (one(shape=[2], offsets=[0, 8]), "take 8 bytes"),
    "hole before": (crafted({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}, bytes(8)), "expected 0"),
    "bytes left over": (one() + b"\0", "the file has 5"),
    "extra key": (one(code="rm"), "exactly"),
    "missing key": (crafted({"a": {"dtype": "F32", "shape": [1]}}, bytes(4)), "exactly"),
    "entry is a list": (crafted({"a": []}), "exactly"),
    "name with a slash": (one("../../a"), "U\\+002F"),
    "name with a backslash": (one("..\\a"), "U\\+005C"),
    "name with NUL": (one("a\0"), "U\\+0000"),
    "name with an escape code": (one("\x1b[31m"), "U\\+001B"),
    "name with bidi": (one("a\u202eb"), "U\\+202E"),
    "empty name": (one(""), "0 characters"),
    "long name": (one("a" * 1025), "1025 characters"),
    "metadata not texts": (crafted({"__metadata__": {"a": 1}}), "__metadata__"),
    "overlap": (
        crafted({n: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for n in "ab"}, bytes(4)),
        "begins at byte 0",
    ),
}


@pytest.mark.parametrize(("data", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_header_is_refused(data: bytearray, words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        tensorfile.unpack(data)


BOMBS = {
    "1.5 million tensors": b'{"a":{},' + b",".join(b'"%d":{}' % i for i in range(1_500_000)) + b"}",
    "300,000 tensors": b"{" + b",".join(b'"%d":{}' % i for i in range(300_000)) + b"}",
    "a long shape": b'{"a":{"dtype":"U8","data_offsets":[0,1],"shape":[' + b"1," * 8_000_000 + b"1]}}",
    "a list of lists": b'{"a":[' + b"[]," * 5_000_000 + b"[]]}",
    "a list of numbers": b'{"a":[' + b"1234567,".ljust(20) * 300_000 + b"1]}",
}


@pytest.mark.parametrize("header", BOMBS.values(), ids=BOMBS.keys())
def test_header_bomb_is_refused_quickly_and_in_little_memory(header: bytes) -> None:
    data = crafted(header)
    with clocked() as clock, pytest.raises(CheckpointError, match="header"):
        tensorfile.unpack(data)
    assert clock.seconds < 1
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError, match="header"):
            tensorfile.unpack(data)
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["a/b", "a\0", "", "\u202e", "__metadata__", "x" * 1025])
def test_name_that_could_not_be_loaded_is_not_saved(name: str) -> None:
    with pytest.raises(CheckpointError, match="cannot be saved"):
        tensorfile.pack({name: torch.zeros(1)})


def test_dtype_without_a_word_is_not_saved() -> None:
    with pytest.raises(CheckpointError, match="complex128"):
        tensorfile.pack({"a": torch.zeros(1, dtype=torch.complex128)})

"""What outlives a batch lies apart from the heap, which then does not grow with the batches."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from dlw.engine.allocator import Shelf

LOOP = """\
import resource
import numpy as np
import torch
from dlw.engine.allocator import Shelf, keep_freed_memory

keep_freed_memory()
torch.set_num_threads(1)
shelf, kept = Shelf(), []
for _ in range(60):
    nats = torch.ones(4, 256, 4000).mul(2).logsumexp(-1).sum(1).numpy()
    kept += [shelf.put(nats), shelf.put(np.zeros((4, 256), np.int32))]
    if len(kept) == 20:
        early = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - early) // 1024)
"""


def test_what_is_put_is_what_is_kept() -> None:
    shelf = Shelf()
    random = np.random.default_rng(0)
    kinds = [np.float32, np.int64, np.uint8, np.bool_, np.float64]
    shapes = [(), (3,), (0, 4), (5, 7), (2, 400, 300), (1,)]
    given = [random.integers(0, 99, shape).astype(kind) for shape in shapes for kind in kinds]
    kept = [shelf.put(array) for array in given]
    for array, copy in zip(given, kept, strict=True):
        assert copy.dtype == array.dtype
        np.testing.assert_array_equal(copy, array)
        assert not np.shares_memory(copy, array)


def test_the_heap_does_not_grow_by_the_logits_of_every_batch() -> None:
    done = subprocess.run([sys.executable, "-c", LOOP], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 100, "MiB more after 50 batches of 16 MiB; 800 where the small arrays stay in the heap"

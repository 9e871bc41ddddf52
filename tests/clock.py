"""The processor time of one piece of work, without what other tests of the same process leave behind."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """The `seconds` that this thread computed within `clocked()`, known at its end."""

    seconds: float


@contextmanager
def clocked() -> Iterator[Clock]:
    """Measure the processor time of the body and of collecting what it made.

    A full collection would look through all that earlier tests left as well: half a second late in the suite.
    """
    clock = Clock()
    gc.disable()
    start = time.thread_time()
    try:
        yield clock
    finally:
        gc.collect(1)  # the generations that hold what is new
        clock.seconds = time.thread_time() - start
        gc.enable()

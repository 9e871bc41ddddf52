"""Forked processes of tests."""

from __future__ import annotations

import gc
import os


def fork() -> int:
    """Fork as os.fork does; the child never frees what it inherits in cycles.

    A session of ONNX Runtime that is freed waits for its threads, which a forked child does not have.
    """
    pid = os.fork()
    if pid == 0:
        gc.freeze()
    return pid

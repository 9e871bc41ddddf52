"""Processes of their own for measurements: nothing of the caller is warm, and their memory is theirs alone.

A worker runs a line of Python that calls `serve`. Requests and answers are lines of JSON on its stdin and stdout; what
libraries print meanwhile goes to its stderr, which is told where the worker ends without an answer.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

from dlw.errors import DlwError, RunError

Ask = Callable[[Mapping[str, Any]], dict[str, Any]]
STARTED = "started"
"""Key of every request: when the process was started, on the monotonic clock, one for all processes of a machine."""
TOLD_CHARACTERS = 2000


@contextlib.contextmanager
def worker(program: str, name: str) -> Iterator[Ask]:
    """Start a process that ends with the block; give what asks it, which raises RunError where it cannot answer."""
    started = time.monotonic()
    with (
        tempfile.TemporaryFile(prefix="dlw-benchmark-") as words,
        subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=words,
            text=True,
            encoding="utf-8",
        ) as process,
    ):
        try:
            yield lambda request: _ask(process, words, name, {**request, STARTED: started})
        except BaseException:
            process.terminate()
            raise


def _ask(process: subprocess.Popen[str], words: IO[bytes], name: str, request: Mapping[str, Any]) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        code = process.wait()
        words.seek(0)
        told = words.read().decode(errors="replace")[-TOLD_CHARACTERS:]
        raise RunError(f"{name}: the measuring process ended with {code}: {told}")
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise RunError(answer["error"])
    return answer


def serve(answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Answer the requests on stdin until it ends; a deliberate error is an answer, too."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as channel:
        os.dup2(2, 1)
        for line in sys.stdin:
            try:
                found = answer(json.loads(line))
            except DlwError as error:
                found = {"error": str(error)}
            channel.write(json.dumps(found) + "\n")
            channel.flush()

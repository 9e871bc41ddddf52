"""A process that is ended by what dlw must never do: `python watched.py WORK DATA` leads a run through all verbs.

An audit hook, which nothing can take away, ends the process with 70 and a line of text at the first class that pickle
looks up, at a process started, at a name resolved or a connection made, and at a write outside of WORK.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

NEVER = ("pickle.find_class", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty")
NEVER += (
    "socket.connect",
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "socket.sendto",
    "socket.bind",
)
CHANGES = (
    "os.rename",
    "os.mkdir",
    "os.remove",
    "os.rmdir",
    "os.symlink",
    "os.link",
    "os.truncate",
    "os.chmod",
    "os.chown",
)
WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
DEVICES = ("/dev/null", "/dev/tty")


def watch(allowed: Path) -> None:
    """End this process at the first forbidden event from now on."""

    def end(text: str) -> None:
        os.write(2, f"FORBIDDEN {text}\n".encode())
        os._exit(70)

    def outside(path: Any, folder: int = -1) -> bool:
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        start = f"/proc/self/fd/{folder}" if folder >= 0 else "."
        place = os.path.realpath(os.path.join(start, os.fsdecode(path)))
        return place not in DEVICES and not Path(place).is_relative_to(allowed)

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if event in NEVER:
            end(f"{event} {arguments!r:.300}")
        elif event == "open":
            path, mode, flags = arguments
            is_write = any(letter in mode for letter in "wax+") if isinstance(mode, str) else flags & WRITE_FLAGS
            if is_write and outside(path):
                end(f"open for writing {path!r}")
        elif event in CHANGES:
            paths, folders = arguments[:1], arguments[-1:]
            if event in ("os.rename", "os.link"):
                paths, folders = arguments[:2], arguments[2:4]
            elif event in ("os.symlink", "os.truncate"):
                paths, folders = (arguments[1:2], arguments[2:]) if event == "os.symlink" else (arguments[:1], (-1,))
            for path, folder in zip(paths, folders, strict=True):
                if outside(path, folder if isinstance(folder, int) else -1):
                    end(f"{event} {path!r}")

    sys.addaudithook(hear)


def whole_life(work: Path, data: Path) -> None:
    """Train with an interruption, resume, evaluate, predict and export; exit codes as they must be."""
    from dlw.cli.main import run
    from dlw.verbs import _session

    save = _session.RunSink.save

    def stopped(*arguments: Any, **options: Any) -> None:
        _session.RunSink.save = save  # type: ignore[method-assign]
        save(*arguments, **options)
        os.kill(os.getpid(), signal.SIGTERM)

    out = str(work / "run")
    _session.RunSink.save = stopped  # type: ignore[method-assign]
    lines = [
        (["train", str(data / "recipe.yaml"), "--out", out, "-s", "train.epochs=3"], 143),
        (["train", "--resume", out], 0),
        (["evaluate", out], 0),
        (["predict", out, str(data / "people.csv"), "-o", str(work / "answers.csv")], 0),
        (["export", out], 0),
        (["export", out, "--format", "safetensors"], 0),
        (["predict", f"{out}/exports/onnx", str(data / "people.csv"), "-o", str(work / "answers.parquet")], 0),
        (["predict", f"{out}/exports/safetensors", str(data / "people.csv"), "-o", str(work / "answers.jsonl")], 0),
        (["train", str(data / "recipe.yaml"), "--dry-run"], 0),
        (["recipe", "check", str(data / "recipe.yaml")], 0),
        (["runs", str(work)], 0),
        (["doctor"], 0),
    ]
    for words, wanted in lines:
        code = run(words)
        assert code == wanted, (words, code)


CONTROLS: dict[str, Callable[[], object]] = {
    "pickle": lambda: pickle.loads(b"cos\nsystem\n."),  # noqa: S301 - the control
    "network": lambda: socket.getaddrinfo("localhost", 80),
    "connect": lambda: socket.socket().connect(("127.0.0.1", 9)),
    "write": lambda: Path("outside").write_text(""),
    "mkdir": lambda: Path("outside").mkdir(),
    "process": lambda: subprocess.run(["true"], check=True),
}
"""What must end the process, so that the watch can fail."""

if __name__ == "__main__":
    target, source = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    watch(target)
    CONTROLS[sys.argv[3]]() if len(sys.argv) > 3 else whole_life(target, source)
    print("END")

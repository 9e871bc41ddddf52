"""Stop politely: the first SIGINT, SIGTERM or SIGHUP asks the loop to save and end, the second ends at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class StopRequest:
    """Remembers the first signal; calling it says whether one has come."""

    def __init__(self) -> None:
        self.signal_number: int | None = None

    def __call__(self) -> bool:
        return self.signal_number is not None


@contextmanager
def catch_stop() -> Iterator[StopRequest]:
    """Turn the first stop signal into a request; a second one meets the default action and ends the process.

    Ending there is harmless: a checkpoint is complete or absent. In a thread other than the main one, where Python
    allows no handlers, nothing is caught.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def remember(number: int, frame: FrameType | None) -> None:
        request.signal_number = number
        for other in SIGNALS:
            signal.signal(other, signal.SIG_DFL)

    with handled(remember):
        yield request


@contextmanager
def handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Give every stop signal to a handler, and back to those before at the end."""
    previous = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)

"""What the machine under a measurement is, and how busy others keep it. Free of torch."""

from __future__ import annotations

import platform
import time
from pathlib import Path
from typing import Any

from dlw.runs.environment import cores, processor

BUSY = 0.15
"""Share of the processor time taken by others above which figures are not to be trusted."""
LOOK_SECONDS = 0.3


def describe() -> dict[str, Any]:
    """Return processor, cores this process may use, system."""
    return {"processor": processor(), "cores": cores(), "system": platform.platform(terse=True)}


def busy_share() -> float:
    """Return the share of all processor time that is in use now, 0 to 1, while this process sleeps; 0 if not known."""
    before = _ticks()
    time.sleep(LOOK_SECONDS)
    after = _ticks()
    if before is None or after is None or after[1] == before[1]:
        return 0.0
    return 1 - (after[0] - before[0]) / (after[1] - before[1])


def peak_memory_bytes() -> int:
    """Return the largest resident memory of this process so far."""
    # Not ru_maxrss: across fork and exec it keeps the parent's peak.
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) * 1024
    except (OSError, StopIteration):
        import resource

        unit = 1 if platform.system() == "Darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _ticks() -> tuple[int, int] | None:
    """Return idle and all clock ticks of the machine since it started."""
    try:
        counts = [int(word) for word in Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
    except OSError:
        return None
    return counts[3] + counts[4], sum(counts)

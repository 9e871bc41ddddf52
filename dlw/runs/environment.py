"""What the bits of a training depend on besides recipe and data: versions, threads, processor, math library settings.

Only the fields listed here are stored; the environment of the process is never dumped.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from dlw import __version__

VARIABLES = (
    "ATEN_CPU_CAPABILITY",
    "CUBLAS_WORKSPACE_CONFIG",
    "DNNL_MAX_CPU_ISA",
    "MKL_CBWR",
    "MKL_DEBUG_CPU_TYPE",
    "MKL_ENABLE_INSTRUCTIONS",
    "NVIDIA_TF32_OVERRIDE",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "ONEDNN_MAX_CPU_ISA",
)
"""Settings of the math libraries that change bits; their values are short words, anything else is not stored."""

MOST_THREADS = 1024
_WORD = re.compile(r"[A-Za-z0-9_.,:-]{0,64}")


def fingerprint(device: str = "cpu") -> dict[str, Any]:
    """Return the fingerprint of this process, JSON-able; call it when the number of threads is set."""
    import numpy as np
    import torch

    found: dict[str, Any] = {
        "dlw": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "platform": f"{platform.system()}-{platform.machine()}",
        "processor": processor(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "mkl": torch.backends.mkl.is_available(),
        "onednn": torch.backends.mkldnn.is_available(),
        "math_settings": {name: os.environ[name] for name in VARIABLES if _WORD.fullmatch(os.environ.get(name, "\n"))},
        "float32_matmul": torch.get_float32_matmul_precision(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "device": device,
    }
    if device.startswith("cuda"):
        found["gpu"] = torch.cuda.get_device_name(device)
        found["cuda"] = torch.version.cuda
    return found


def differences(saved: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return one text per field that differs, "threads: 2 then, 4 now"; empty means that a resume is exact.

    Every field counts, also those that a caller added to its fingerprints, but not the patch version of Python.
    """
    texts = []
    for name in {**now, **saved}:
        then, here = _comparable(name, saved.get(name)), _comparable(name, now.get(name))
        if then != here:
            texts.append(f"{name.replace('_', ' ')}: {_shown(then)} then, {_shown(here)} now")
    return texts


def _comparable(name: str, value: Any) -> Any:
    if name == "python" and isinstance(value, str):
        return ".".join(value.split(".")[:2])
    return value


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={item}" for key, item in value.items()) or "none"
    return "not known" if value is None else str(value)


def processor(key: str = "model name") -> str:
    """Return the model name of the processor (math libraries choose their kernels by it) or another line of
    /proc/cpuinfo, such as `vendor_id`.
    """
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or platform.machine()
    match = re.search(rf"^{re.escape(key)}\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1].strip() if match else platform.processor() or platform.machine()


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def asked_threads() -> int | None:
    """Return the threads that OMP_NUM_THREADS asks for, None where it is not set to a number of them."""
    asked = os.environ.get("OMP_NUM_THREADS", "").strip()
    return int(asked) if asked.isdecimal() and 1 <= int(asked) <= MOST_THREADS else None


def threads(processes: int = 1) -> int:
    """Return how many threads this process is to use, one of so many on this machine.

    Alone, as many as OMP_NUM_THREADS says; for several torchrun sets it by itself, to 1: these share the cores.
    """
    return (asked_threads() if processes == 1 else None) or max(1, cores() // processes)


def has_fast_bf16(flags: Set[str], vendor: str) -> bool:
    """Tell from the flags and the vendor in /proc/cpuinfo whether a processor multiplies bf16 faster than fp32.

    AMX does many times over, AMD's avx512_bf16 twice. Intel's avx512_bf16 without AMX is slower than its fp32: 180
    against 300 GFLOP/s on two Sapphire Rapids cores, for matrices as for convolutions.
    """
    return "amx_bf16" in flags or (vendor == "AuthenticAMD" and "avx512_bf16" in flags)

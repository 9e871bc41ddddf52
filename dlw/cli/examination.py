"""What `dlw doctor` looks at: versions, processor, threads, allocator, extras, disk, and what to do about each."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dlw import __version__
from dlw.runs import environment

_LIBRARIES = ("torch", "numpy", "pyarrow", "datasets", "onnxruntime", "pydantic", "typer", "rich", "safetensors")
_KERNELS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
_TIGHT_DISK_BYTES = 5 * 2**30


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `state` is ok, note or problem; `remedy` is empty when there is nothing to do."""

    subject: str
    state: str
    found: str
    remedy: str = ""


def examine(deep: bool = False) -> list[Finding]:
    """Return every finding; without `deep`, nothing heavy is imported."""
    checks: list[Callable[[], list[Finding]]] = [
        _versions, _processor, _allocator, _torchvision, _extras, _disk, _offline, *([_torch] if deep else [])
    ]  # fmt: skip
    return [finding for check in checks for finding in check()]


def _versions() -> list[Finding]:
    python = Finding("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.release()}")
    found = {name: _version(name) for name in _LIBRARIES}
    libraries = Finding("libraries", "ok", ", ".join(f"{name} {version}" for name, version in found.items() if version))
    missing = [name for name, version in found.items() if version is None]
    broken = [Finding("libraries", "problem", f"missing: {', '.join(missing)}", "pip install dlw")] if missing else []
    return [Finding("dlw", "ok", __version__), python, libraries, *broken]


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> list[Finding]:
    cores, flags = environment.cores(), set(environment.processor("flags").split())
    kernels = [name for name in _KERNELS if name in flags]
    threads = os.environ.get("OMP_NUM_THREADS")
    findings = [Finding("processor", "ok", f"{cores} cores; {', '.join(kernels) or 'kernels not known'}")]
    if threads and threads.isdigit() and int(threads) < cores:
        findings.append(
            Finding("threads", "note", f"OMP_NUM_THREADS={threads} of {cores} cores", "unset it, or set train.threads")
        )
    if not environment.has_fast_bf16(flags, environment.processor("vendor_id")):
        findings.append(
            Finding(
                "precision",
                "note",
                "no fast bf16 in the processor: `precision: auto` means fp32 here",
                "a processor with amx, or AMD's avx512_bf16, trains about twice as fast; nothing is wrong",
            )
        )
    changed = [name for name in environment.VARIABLES if name in os.environ]
    if changed:
        findings.append(
            Finding(
                "kernels",
                "note",
                f"{', '.join(changed)} set: other bits than without",
                "set the same wherever a run is to be resumed, or unset",
            )
        )
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > cores * 0.75:
        findings.append(
            Finding(
                "load", "note", f"{load:.1f} on {cores} cores", "other work slows small networks; try fewer threads"
            )
        )
    return findings


def _allocator() -> list[Finding]:
    library, version = platform.libc_ver()
    if library == "glibc":
        return [Finding("allocator", "ok", f"glibc {version}: tuned at the start of training")]
    found = f"{library or 'not glibc'}: not tuned; networks of convolutions run slower"
    return [Finding("allocator", "note", found, "train on a Linux with glibc (Debian, Ubuntu, Fedora), not on musl")]


def _torchvision() -> list[Finding]:
    if importlib.util.find_spec("torchvision") is None:
        return []
    vision, torch = _version("torchvision"), _version("torch")
    remedy = "pip uninstall torchvision (dlw does not use it; one that does not fit torch breaks other packages)"
    if vision and torch and not _fits(vision, torch):
        return [Finding("torchvision", "problem", f"{vision} does not fit torch {torch}", remedy)]
    return [Finding("torchvision", "ok", f"{vision} (not used)")]


def _fits(vision: str, torch: str) -> bool:
    """Return whether torchvision 0.N belongs to torch 2.(N - 15), with the same build tag where both have one."""
    vision_minor, torch_minor = int(vision.split(".")[1]), int(torch.split(".")[1])
    tags = {version.partition("+")[2] for version in (vision, torch) if "+" in version}
    return vision_minor - torch_minor == 15 and len(tags) <= 1


def _extras() -> list[Finding]:
    """Look at what the installed dlw says its extras need."""
    wanted: dict[str, list[str]] = {}
    try:
        requirements = importlib.metadata.requires("dlw") or []
    except importlib.metadata.PackageNotFoundError:
        return [Finding("extras", "note", "dlw runs without being installed: not known", "pip install -e .")]
    for text in requirements:
        name, extra = re.match(r"[\w.-]+", text), re.search(r"""extra == ['"]([\w.-]+)""", text)
        if name and extra:
            wanted.setdefault(extra[1], []).append(name[0])
    missing = [extra for extra, names in wanted.items() if any(_version(name) is None for name in names)]
    there = [Finding("extras", "ok", ", ".join(extra for extra in wanted if extra not in missing) or "none")]
    return there + [
        Finding("extras", "note", f"not installed: {extra} ({', '.join(wanted[extra])})", f"pip install 'dlw[{extra}]'")
        for extra in missing
    ]


def _disk() -> list[Finding]:
    free = shutil.disk_usage(Path.cwd()).free
    text = f"{free / 2**30:.1f} GiB free here"
    if free < _TIGHT_DISK_BYTES:
        return [Finding("disk", "note", text, "runs keep two checkpoints and the best; use --out on a larger disk")]
    return [Finding("disk", "ok", text)]


def _offline() -> list[Finding]:
    mirror = os.environ.get("DLW_DATA")
    findings = []
    if mirror:
        state = "ok" if Path(mirror).is_dir() else "problem"
        findings.append(
            Finding("DLW_DATA", state, mirror, "" if state == "ok" else "no such folder: correct or unset it")
        )
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in {"1", "true", "yes", "on"}:
        findings.append(
            Finding("Hub", "note", "HF_HUB_OFFLINE is set: Hub ids are not fetched", "unset it to use remote sources")
        )
    return findings


def _torch() -> list[Finding]:
    import torch

    findings = [
        Finding("torch", "ok", f"{torch.get_num_threads()} threads, kernels {torch.backends.cpu.get_cpu_capability()}")
    ]
    for index in range(torch.cuda.device_count()):
        findings.append(Finding(f"cuda:{index}", "ok", torch.cuda.get_device_name(index)))
    return findings

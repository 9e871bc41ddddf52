"""The formats that a run can be exported to; one of them needs a C++ compiler, and its time."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from dlw import registry

COMPILED = "aot_inductor"


def each() -> list[Any]:
    """Return every format of networks that answer at once; the compiled one is slow: half a minute of compiling."""
    marks = [pytest.mark.skipif(not shutil.which("g++"), reason="no C++ compiler is installed"), pytest.mark.slow]
    names = [name for name in registry.names("exporters") if registry.load("exporters", name).FILES]
    return [pytest.param(name, marks=marks if name == COMPILED else []) for name in names]

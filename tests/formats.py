"""The formats that a run can be exported to on this machine: one of them needs a C++ compiler."""

from __future__ import annotations

import shutil

import pytest

from dlw import registry

HERE = [name for name in registry.names("exporters") if name != "aot_inductor" or shutil.which("g++")]
EACH = [
    pytest.param(name, marks=pytest.mark.skipif(name not in HERE, reason="no C++ compiler is installed"))
    for name in registry.names("exporters")
]

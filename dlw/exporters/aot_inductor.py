"""AOTInductor: the network compiled to machine code by PyTorch, for this kind of processor; any number of rows.

Needs a C++ compiler where it is written, and torch where it answers. The compiled code takes the number of threads
that torch has when it runs; processors without the instructions of the one that compiled it cannot run it. It checks
nothing: inputs that are not contiguous get wrong answers. Recurrent layers over any number of steps are not taken.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from dlw.errors import RunError, UsageError
from dlw.exporters import _program
from dlw.exporters._base import Artifact, ExporterSettings
from dlw.runs import disk
from dlw.specs import Arrays

if TYPE_CHECKING:
    from torch import nn

MODEL_FILE = "model.pt2"
FILES = (MODEL_FILE,)
WEIGHTS_ONLY = False
REOPENS = (
    "an AOTInductor package is machine code, and opening it can run code of any kind; "
    "open it yourself with torch._inductor.aoti_load_package"
)
OPTIONS: dict[str, Any] = {
    "aot_inductor.package": True,
    "aot_inductor.enable_line_tables": False,  # they hold paths of this machine
    "cpp.dynamic_threads": True,
}


class Settings(ExporterSettings):
    """An AOTInductor package has no options."""


def export(
    predictor: nn.Module, example: Arrays, folder: Path, settings: Settings, ragged: Collection[str] = ()
) -> None:
    """Write `model.pt2`; UsageError without a C++ compiler, RunError where the compiler cannot take the network."""
    from torch._inductor import aot_compile, config, utils
    from torch._inductor.package import package_aoti

    from dlw.exporters import _graph

    if not any(compiler and shutil.which(compiler) for compiler in config.cpp.cxx):
        raise UsageError("aot_inductor needs a C++ compiler; on Debian: apt install g++")
    program = _graph.trace(predictor, example, ragged).program
    given, _ = program.example_inputs
    package = io.BytesIO()
    # A cache of its own, gone at the end: torch's lies outside every run and would be filled for one program.
    with _graph.quiet(), TemporaryDirectory() as cache, utils.fresh_cache(dir=cache):
        try:
            files = aot_compile(program.module(), given, options=OPTIONS)
        except RuntimeError as error:
            raise RunError(f"AOTInductor cannot compile this network: {error}") from error
        assert isinstance(files, list), "what a package is made of"
        # Without the C++ that torch keeps beside the machine code: its comments hold paths of this machine.
        kept = [file for file in files if not str(file).endswith(".cpp")]
        for file in kept:
            if str(file).endswith(".so"):
                _hide_paths(Path(str(file)))
        package_aoti(package, kept)
    disk.write_new(folder / MODEL_FILE, [package.getbuffer()])


def _hide_paths(library: Path) -> None:
    """Overwrite, length for length, where torch lies on this machine: its headers name themselves in their checks."""
    import torch

    place = str(Path(torch.__file__).parent.parent).encode()
    library.write_bytes(library.read_bytes().replace(place, b".".ljust(len(place), b"/")))


def open_model(artifact: Artifact) -> Callable[[Arrays], Arrays]:
    """Return a function that answers with the compiled code; for files this process wrote only."""
    import torch._inductor

    from dlw.exporters import _graph

    with _graph.quiet():
        compiled = torch._inductor.aoti_load_package(io.BytesIO(artifact.read(MODEL_FILE)))
    return _program.answering(compiled, artifact)


def usage(inputs: Mapping[str, Any], answers: tuple[str, ...]) -> str:
    """Return Python that answers two rows with torch."""
    shown = _program.usage(f'torch._inductor.aoti_load_package("{MODEL_FILE}")', inputs, answers)
    return shown.replace("answers = model(\n", "answers = model(  # contiguous tensors: nothing is checked\n")

"""Make docstrings.csv: what functions and classes of Python's standard library say of themselves, and their module.

    python recipes/data/docstrings.py FILE

The first paragraph of each docstring of 4 to 60 words in MODULES, each text once, at most MOST of a module, in an order
that its own digest decides. The rows depend on the Python that runs this; those in this folder are of 3.11.7.
"""

from __future__ import annotations

import ast
import csv
import hashlib
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

MODULES = (
    *("asyncio", "email", "http", "importlib", "logging", "mailbox", "multiprocessing", "tarfile", "tkinter"),
    *("turtle", "unittest", "xml"),
)
MOST = 250
WORDS = (4, 60)


def paragraphs(module: str) -> Iterator[str]:
    """Yield the first paragraph of every docstring of a module or package, on one line."""
    library = Path(sysconfig.get_path("stdlib"))
    files = sorted((library / module).rglob("*.py")) if (library / module).is_dir() else [library / f"{module}.py"]
    for file in files:
        if "test" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                yield " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())


def digest(text: str) -> str:
    """Return what orders the rows."""
    return hashlib.sha256(text.encode()).hexdigest()


def main(file: Path) -> None:
    """Write the rows."""
    found: dict[str, str] = {}
    for module in MODULES:
        texts = {text for text in paragraphs(module) if WORDS[0] <= len(text.split()) <= WORDS[1] and text not in found}
        found |= dict.fromkeys(sorted(texts, key=digest)[:MOST], module)
    with file.open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(["text", "module"])
        rows.writerows((text, found[text]) for text in sorted(found, key=digest))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

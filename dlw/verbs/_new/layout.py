"""Which source reads the data: most are recognised by their files, annotations by how their folder is laid out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dlw.errors import UsageError
from dlw.sources import text
from dlw.sources._files import PICTURE_SUFFIXES, check_file, has_suffix, walk
from dlw.verbs._new.timelines import log_beside

MAX_JSON_BYTES = 256 * 2**20
"""Larger JSON files are not opened to see whether they are annotations."""


def find(data: Path, source: str) -> str | dict[str, Any]:
    """Return `data.source` for a path that the recipe calls `source`; UsageError where two layouts fit."""
    if not data.is_dir():
        check_file(data)
    files = list(walk(data)) if data.is_dir() else [data]
    pictures = [file for file in files if has_suffix(file, PICTURE_SUFFIXES)]
    found: list[str] = []
    notes = [file for file in files if has_suffix(file, (".json",))]
    if notes and all(map(_is_coco, notes)):
        found.append("coco")
    if pictures and data.is_dir():
        if any(has_suffix(file, (".xml",)) for file in files):
            found.append("voc")
        if any((data / name).is_file() for name in ("data.yaml", "classes.txt")):
            found.append("yolo")
        folders = {part for file in pictures for part in file.relative_to(data).parts[:-1]}
        if {"images", "masks"} <= folders and not any(file.name.startswith("metadata.") for file in files):
            found.append("mask_folder")
    if len(found) > 1:
        raise UsageError(
            f"{data}: could be read as {' or '.join(found)}; keep one kind of annotations in the folder, or copy a "
            f"recipe and write the source by hand: `source: {{type: {found[0]}, path: {source}}}`"
        )
    for name in found:
        return {"type": name, "path": source}
    if text.claims(data):
        return {"type": "text", "path": source, "rows": "paragraphs", "breaks": True}
    log = log_beside(data, files) if data.is_dir() else None
    return source if log is None else f"{source}/{log.relative_to(data).as_posix()}"


def _is_coco(file: Path) -> bool:
    if file.stat().st_size > MAX_JSON_BYTES:
        return False
    try:
        tree = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        return False
    return isinstance(tree, dict) and {"images", "annotations", "categories"} <= tree.keys()

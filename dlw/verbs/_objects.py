"""Objects found on pictures: their boxes in pixels of the pictures as they were given, and as COCO results."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlw.fields._pictures import Layout, placement
from dlw.specs import FieldSpec
from dlw.verbs._fitted import Fitted
from dlw.verbs._given_pictures import given_pictures

if TYPE_CHECKING:
    import pyarrow as pa

OBJECTS = "objects"
"""Column of the task detection: for each row a list of {category_name, bbox, score}."""


def are_objects(target: FieldSpec) -> bool:
    """Say whether a run answers with objects."""
    return target.kind == "boxes"


def in_given_pixels(columns: Mapping[str, Any], fitted: Fitted, table: pa.Table, rows: np.ndarray) -> dict[str, Any]:
    """Return a task's columns with each bbox on the picture as given, where they hold objects found on its encoding."""
    if not are_objects(fitted.target):
        return dict(columns)
    layout, sizes = given_pictures(fitted, table, rows)
    placed = [
        [{**one, "bbox": _placed_back(one["bbox"], size, layout)} for one in found]
        for found, size in zip(columns[OBJECTS], sizes, strict=True)
    ]
    return {**columns, OBJECTS: placed}


def coco_results(columns: Mapping[str, Sequence[Any]], fitted: Fitted) -> bytes:
    """Return COCO's results format (cocodataset.org/#format-results), one record per object.

    `image_id` is the row's kept column image_id or id, else the number that names the picture's file, else that name;
    `category_id` is the number that the class has in the training data.
    """
    boxes = next(column for column in fitted.columns if column.role == "target")
    numbers = dict(zip(boxes.state["labels"], boxes.state["ids"], strict=True))
    given = columns.get("image_id", columns.get("id", columns["file"]))
    results = [
        {"image_id": _image_id(image), "category_id": numbers[one["category_name"]], **_plain(one)}
        for image, found in zip(given, columns[OBJECTS], strict=True)
        for one in found
    ]
    return json.dumps(results).encode()


def _placed_back(bbox: Sequence[float], size: tuple[int, int], layout: Layout) -> list[float]:
    place = placement(*size, layout)
    left, top, width, height = bbox
    corners = np.array([left, top, left + width, top + height]) - [place.shift_x, place.shift_y] * 2
    corners = np.clip(corners / ([place.scale_x, place.scale_y] * 2), 0, [*size, *size])
    return [round(float(value), 2) for value in (*corners[:2], *(corners[2:] - corners[:2]))]


def _image_id(given: Any) -> Any:
    if isinstance(given, str):
        stem = Path(given).stem
        return int(stem) if stem.isdecimal() else Path(given).name
    return given


def _plain(found: Mapping[str, Any]) -> dict[str, Any]:
    return {"bbox": found["bbox"], "score": found["score"]}

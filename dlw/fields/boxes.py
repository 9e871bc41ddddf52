"""Boxes: what lies where on the picture beside them, float32 [M, 5]: class, left, top, right, bottom in pixels.

A value is a record of lists, `{bbox: [[x, y, w, h], ...], category: [...], category_name: [...]}`, or a list of records
`[{bbox, category, category_name}, ...]`; either of the two names of a class will do, and without both there is one
class, `object`. Boxes move with their picture into the recipe's picture size; rows of class -1 fill up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field, model_validator

from dlw.columns import one_array
from dlw.errors import DataError, did_you_mean
from dlw.fields._base import Beside, Encoded, FieldSettings, Role, State
from dlw.fields._columns import family, shown
from dlw.fields._files import File, read_files
from dlw.fields._pictures import DECODING_ERRORS, Layout, open_picture, placement, reason, upright_size
from dlw.specs import FieldSpec

if TYPE_CHECKING:
    import pyarrow as pa

KIND = "boxes"
FOLLOWS = "image"
ONE_CLASS = "object"
LEAST_BOXES = 16
ROUNDING_PIXELS = 1.0
"""How far a box may reach over the edge: annotation tools count pixels from 0 or from 1."""


class Settings(FieldSettings):
    """Options of a column of boxes."""

    format: Literal["coco", "xyxy", "relative"] = Field(
        "coco",
        description="coco: left, top, width, height in pixels; xyxy: left, top, right, bottom in pixels; relative: "
        "middle x, middle y, width, height as shares of the picture.",
    )
    classes: list[str] | None = Field(
        None, min_length=1, max_length=10_000, description="Names of the classes; default: those that training holds."
    )
    outside: Literal["refuse", "clip"] = Field(
        "refuse", description="A box that reaches over the picture's edge: an error, or its part inside is kept."
    )
    max_boxes: int | None = Field(
        None, ge=1, le=100_000, description="Boxes a picture may hold; default: twice the most in training."
    )

    @model_validator(mode="after")
    def _check(self) -> Settings:
        if self.classes is not None and len(set(self.classes)) < len(self.classes):
            raise ValueError("classes names a class twice")
        return self


class Object(NamedTuple):
    """One box as given."""

    box: Any
    category: int | None
    name: str | None


@dataclass(frozen=True)
class Boxes:
    """One column of boxes."""

    settings: Settings
    name: str
    role: Role

    def fit(self, values: pa.ChunkedArray, beside: Beside) -> State:
        """Learn the classes and the most boxes of a picture."""
        if self.role == "input":
            raise DataError(f"column {self.name}: boxes are a target, never an input")
        rows = list(self._rows(values))
        most = max((len(objects) for objects in rows), default=0)
        if most == 0:
            raise DataError(f"target column {self.name}: no box in {len(rows)} training rows")
        size = {key: beside.state[key] for key in ("height", "width")}
        labels, ids = self._classes(rows)
        state: State = {**size, "labels": labels, "ids": ids}
        state["most"] = self.settings.max_boxes or max(LEAST_BOXES, 2 * most)
        array, bad, _ = self.encode(values, state, beside)
        if len(bad) == len(rows):
            raise DataError(f"target column {self.name}: no row can be used; the first: {next(iter(bad.values()))}")
        counts = np.bincount(array[..., 0][array[..., 0] >= 0].astype(np.int64), minlength=len(labels))
        notes = [
            f"target {self.name}: no training box of class {label!r}"
            for label, count in zip(labels, counts.tolist(), strict=True)
            if count == 0
        ]
        return {**state, "counts": counts.tolist(), "notes": notes[:5]}

    def encode(self, values: pa.ChunkedArray, state: State, beside: Beside) -> Encoded:
        """Turn records into float32 [N, M, 5] in pixels of the encoded picture; boxes whose middle is cut off go."""
        pictures = read_files(beside.values, self.name)
        limit = int(beside.settings["max_pixels"])
        layout = Layout(state["height"], state["width"], 1, str(beside.settings["resize"]), limit)
        array = np.zeros((len(pictures), state["most"], 5), np.float32)
        array[..., 0] = -1
        bad: dict[int, str] = {}
        for row, (objects, picture) in enumerate(zip(self._rows(values), pictures, strict=True)):
            try:
                boxes = self._placed(objects, picture, layout, state)
            except DECODING_ERRORS as error:
                bad[row] = reason(picture, error)
                continue
            array[row, : len(boxes)] = boxes
        return Encoded(array, bad)

    def decode(self, array: np.ndarray, state: State) -> list[Any]:
        """Turn boxes [N, M, 5] into records in the recipe's format, on a picture of the encoded size."""
        size = np.array([state["width"], state["height"]] * 2, np.float64)
        decoded = []
        for boxes in array:
            used = boxes[boxes[:, 0] >= 0]
            ids = used[:, 0].astype(int).tolist()
            corners = used[:, 1:].astype(np.float64)
            decoded.append(
                {
                    "bbox": _from_corners(corners, self.settings.format, size).tolist(),
                    "category": [state["ids"][place] for place in ids],
                    "category_name": [state["labels"][place] for place in ids],
                }
            )
        return decoded

    def spec(self, state: State) -> FieldSpec:
        """Describe the boxes: how many of each class training holds, and width and height of the encoded picture."""
        labels = tuple(state["labels"])
        known = {"counts": [state["counts"]], "picture": [[state["width"], state["height"]]]}
        return FieldSpec(
            KIND, (state["most"], 5), "float32", (self.name,), sizes=(len(labels),), labels=labels, statistics=known
        )

    def _rows(self, values: pa.ChunkedArray) -> Iterator[list[Object]]:
        what = family(values.type)
        if what not in ("records", "lists", "nothing"):
            raise DataError(f"column {self.name}: holds {what} ({values.type}) where records with a bbox are needed")
        for row, value in enumerate(one_array(values).to_pylist()):
            try:
                yield list(_objects(value))
            except (KeyError, TypeError, ValueError) as error:
                why = f"has no {error}" if isinstance(error, KeyError) else str(error)
                raise DataError(
                    f"column {self.name}: row {row}: {shown(value)} {why}; a record needs bbox, and category or "
                    "category_name"
                ) from error

    def _classes(self, rows: list[list[Object]]) -> tuple[list[str], list[int]]:
        """Return the names of the classes and the category number of each."""
        if self.settings.classes is not None:
            return self.settings.classes, list(range(len(self.settings.classes)))
        pairs = {(found.category, found.name) for objects in rows for found in objects}
        numbers = sorted({category for category, _ in pairs if category is not None})
        if not numbers:
            names = sorted({name for _, name in pairs if name is not None}) or [ONE_CLASS]
            return names, list(range(len(names)))
        names = []
        for number in numbers:
            called = sorted({name for category, name in pairs if category == number and name is not None})
            if len(called) > 1:
                raise DataError(f"target column {self.name}: category {number} has two names: {', '.join(called[:5])}")
            names.append(called[0] if called else str(number))
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise DataError(f"target column {self.name}: two categories are called {twice!r}")
        return names, numbers

    def _placed(self, objects: list[Object], picture: File, layout: Layout, state: State) -> np.ndarray:
        """Return float [m, 5]; raises ValueError naming the box and what is allowed."""
        width, height = upright_size(open_picture(picture, layout.max_pixels))
        if not objects:
            return np.zeros((0, 5))
        classes = [self._class_of(found, state) for found in objects]
        given = np.array([found.box for found in objects], np.float64)
        corners = _to_corners(given, self.settings.format, np.array([width, height] * 2, np.float64))
        self._check_inside(given, corners, width, height)
        corners = np.clip(corners, 0, [width, height, width, height])
        place = placement(width, height, layout)
        moved = corners * ([place.scale_x, place.scale_y] * 2) + [place.shift_x, place.shift_y] * 2
        middle = (moved[:, :2] + moved[:, 2:]) / 2
        is_kept = ((middle >= 0) & (middle <= [layout.width, layout.height])).all(1)
        moved = np.clip(moved, 0, [layout.width, layout.height] * 2)
        boxes = np.concatenate([np.array(classes, np.float64)[:, None], moved], axis=1)[is_kept]
        if len(boxes) > state["most"]:
            raise ValueError(f"holds {len(boxes)} boxes, the limit is {state['most']} (max_boxes)")
        return boxes

    def _class_of(self, found: Object, state: State) -> int:
        labels, ids = state["labels"], state["ids"]
        if found.name is not None:
            if found.name not in labels:
                told = ", ".join(labels[:20])
                raise ValueError(f"category_name {found.name!r}{did_you_mean(found.name, labels)}, allowed are {told}")
            return int(labels.index(found.name))
        if found.category is not None:
            if found.category not in ids:
                raise ValueError(f"category {found.category}, allowed are {', '.join(map(str, ids[:20]))}")
            return int(ids.index(found.category))
        if len(labels) > 1:
            raise ValueError(f"a box without category or category_name, allowed are {', '.join(labels[:20])}")
        return 0

    def _check_inside(self, given: np.ndarray, corners: np.ndarray, width: int, height: int) -> None:
        size = np.array([width, height])
        is_empty = ~(corners[:, 2:] > corners[:, :2]).all(1)
        is_away = ((corners[:, 2:] <= 0) | (corners[:, :2] >= size)).any(1)
        over = np.maximum(-corners[:, :2], corners[:, 2:] - size).max(1)
        for wrong, why in (
            (is_empty, "has no width or no height"),
            (is_away, "lies outside"),
            ((over > ROUNDING_PIXELS) & (self.settings.outside == "refuse"), "reaches over the edge"),
        ):
            if wrong.any():
                box = ", ".join(f"{number:g}" for number in given[int(np.argmax(wrong))])
                hint = "; correct it, or set `outside: clip`" if why.startswith("reaches") else ""
                raise ValueError(f"box [{box}] {why}, allowed is 0 to {width} x 0 to {height} pixels{hint}")


def _objects(value: Any) -> Iterator[Object]:
    """Yield the boxes of one value, a record of lists or a list of records."""
    if value is None:
        return
    if isinstance(value, Mapping):
        boxes = value["bbox"] or []
        columns = [value.get("category"), value.get("category_name")]
        for column in columns:
            if column is not None and len(column) != len(boxes):
                raise ValueError(f"has {len(boxes)} boxes and {len(column)} categories")
        categories, names = (column or [None] * len(boxes) for column in columns)
        records = [
            {"bbox": box, "category": category, "category_name": name}
            for box, category, name in zip(boxes, categories, names, strict=True)
        ]
    else:
        records = value
    for record in records:
        box = record["bbox"]
        if box is None or len(box) != 4 or not all(number is not None and math.isfinite(number) for number in box):
            raise ValueError(f"has the box {shown(box)}; four numbers are needed")
        category, name = record.get("category"), record.get("category_name")
        if isinstance(category, str):
            category, name = None, name or category
        yield Object(box, None if category is None else int(category), name)


def _to_corners(boxes_M4: np.ndarray, format: str, size_4: np.ndarray) -> np.ndarray:
    """Return left, top, right, bottom in pixels."""
    if format == "xyxy":
        return boxes_M4
    if format == "relative":
        boxes_M4 = boxes_M4 * size_4
        boxes_M4 = np.concatenate([boxes_M4[:, :2] - boxes_M4[:, 2:] / 2, boxes_M4[:, 2:]], axis=1)
    return np.concatenate([boxes_M4[:, :2], boxes_M4[:, :2] + boxes_M4[:, 2:]], axis=1)


def _from_corners(corners_M4: np.ndarray, format: str, size_4: np.ndarray) -> np.ndarray:
    if format == "xyxy":
        return corners_M4
    sides = corners_M4[:, 2:] - corners_M4[:, :2]
    if format == "relative":
        return np.concatenate([(corners_M4[:, :2] + corners_M4[:, 2:]) / 2, sides], axis=1) / size_4
    return np.concatenate([corners_M4[:, :2], sides], axis=1)


build = Boxes

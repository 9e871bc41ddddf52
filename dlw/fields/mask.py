"""Masks: the class of each pixel of the picture beside them, uint8 [height, width], 255 where it is not known.

A mask is a picture file of the same size as its picture, with a class id in each pixel: grey, palette or black and
white. It is fitted into the recipe's picture size exactly as the picture is, without mixing neighbours; borders that
`resize: pad` adds are not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field, model_validator

from dlw.columns import from_numbers
from dlw.errors import DataError
from dlw.fields._base import Beside, Encoded, FieldSettings, Role, State
from dlw.fields._files import File, in_threads, read_files
from dlw.fields._pictures import (
    DECODING_ERRORS,
    Layout,
    encode_png,
    fit_size,
    open_picture,
    reason,
    upright,
    upright_size,
)
from dlw.specs import VOID, FieldSpec

if TYPE_CHECKING:
    import PIL.Image
    import pyarrow as pa

KIND = "mask"
FOLLOWS = "image"
NUM_MEASURED = 1000
"""Training masks, evenly spaced, that pixels are counted in where the recipe names the classes."""
_ROWS_A_TASK = 16

Grey = Annotated[int, Field(ge=0, le=255)]


class Settings(FieldSettings):
    """Options of a mask column."""

    classes: list[str] | None = Field(
        None,
        min_length=2,
        max_length=255,
        description="Names of the classes 0, 1, ...; default: the ids that training holds, as words.",
    )
    greys: list[Grey] | None = Field(
        None,
        min_length=2,
        max_length=255,
        description="Grey value of class 0, 1, ... in the files, such as [0, 255]; default: the id itself.",
    )
    void: Grey | list[Grey] | None = Field(
        None,
        description="Grey values of pixels whose class is not known; default 255, unless `greys` gives that a class.",
    )

    @model_validator(mode="after")
    def _check(self) -> Settings:
        if self.classes is not None and len(set(self.classes)) < len(self.classes):
            raise ValueError("classes names a class twice")
        if self.greys is not None and len(set(self.greys)) < len(self.greys):
            raise ValueError("greys names a value twice")
        if self.greys is not None and self.classes is not None and len(self.greys) != len(self.classes):
            raise ValueError(f"greys names {len(self.greys)} classes and classes {len(self.classes)}")
        both = set(self.void_greys) & set(self.greys or ())
        if both:
            raise ValueError(f"{min(both)} is in greys and in void")
        return self

    @property
    def void_greys(self) -> tuple[int, ...]:
        """The grey values of pixels whose class is not known."""
        if self.void is None:
            return () if VOID in (self.greys or ()) else (VOID,)
        return (self.void,) if isinstance(self.void, int) else tuple(self.void)


@dataclass(frozen=True)
class Mask:
    """One mask column."""

    settings: Settings
    name: str
    role: Role

    def fit(self, values: pa.ChunkedArray, beside: Beside) -> State:
        """Learn the classes and count their pixels."""
        if self.role == "input":
            raise DataError(f"column {self.name}: a mask is a target, never an input")
        named = self.settings.classes or [str(grey) for grey in self.settings.greys or ()]
        pictures = beside.values
        step = max(1, len(values) // NUM_MEASURED)
        if named and step > 1:
            every = from_numbers(np.arange(0, len(values), step))
            values, pictures = values.take(every), pictures.take(every)
        state: State = {"height": beside.state["height"], "width": beside.state["width"], "labels": named}
        state["labels"] = named or [str(place) for place in range(VOID)]
        array, bad, _ = self.encode(values, state, beside._replace(values=pictures))
        good = np.delete(array, list(bad), axis=0)
        counts = np.bincount(good.ravel(), minlength=256)[:VOID]
        if not counts.any():
            why = next(iter(bad.values()), "every pixel is void")
            raise DataError(f"target column {self.name}: no mask of this column can be used; the first: {why}")
        if not named:
            state["labels"] = [str(place) for place in range(int(np.flatnonzero(counts)[-1]) + 1)]
        labels = state["labels"]
        told = ", ".join(f"{label}: {count}" for label, count in zip(labels[:20], counts.tolist(), strict=False))
        if (counts > 0).sum() < 2:
            raise DataError(f"target column {self.name}: two classes need training pixels ({told})")
        empty = [label for label, count in zip(labels, counts.tolist(), strict=False) if count == 0]
        notes = [f"target {self.name}: no training pixel of class {label!r}" for label in empty[:5]]
        return {**state, "counts": counts[: len(labels)].tolist(), "notes": notes}

    def encode(self, values: pa.ChunkedArray, state: State, beside: Beside) -> Encoded:
        """Turn files into class ids, uint8 [N, H, W]."""
        masks = read_files(values, self.name)
        pictures = read_files(beside.values, self.name)
        limit = int(beside.settings["max_pixels"])
        layout = Layout(state["height"], state["width"], 1, str(beside.settings["resize"]), limit)
        ids = self._table(len(state["labels"]))
        array = np.full((len(masks), layout.height, layout.width), VOID, np.uint8)
        bad: dict[int, str] = {}

        def work(rows: range) -> None:
            for row in rows:
                try:
                    array[row] = self._read(masks[row], pictures[row], layout, ids)
                except DECODING_ERRORS as error:
                    bad[row] = reason(masks[row], error)

        in_threads(work, len(masks), _ROWS_A_TASK)
        return Encoded(array, dict(sorted(bad.items())))

    def decode(self, array: np.ndarray, state: State) -> list[Any]:
        """Turn class ids [N, H, W] into PNG files as `{bytes, path}`, in the grey values of the recipe."""
        greys = np.full(256, (*self.settings.void_greys, VOID)[0], np.uint8)
        greys[: len(state["labels"])] = self.settings.greys or np.arange(len(state["labels"]))
        return [{"bytes": encode_png(greys[ids][None]), "path": None} for ids in array]

    def spec(self, state: State) -> FieldSpec:
        """Describe the ids; counts are pixels of each class in training."""
        labels = tuple(state["labels"])
        return FieldSpec(
            KIND,
            (state["height"], state["width"]),
            "uint8",
            (self.name,),
            sizes=(len(labels),),
            labels=labels,
            statistics={"counts": [state["counts"]]},
        )

    def _table(self, num_classes: int) -> np.ndarray:
        """Return the class id of each grey value, int16 [256], -1 where it has none."""
        ids = np.full(256, -1, np.int16)
        ids[self.settings.greys or list(range(num_classes))] = np.arange(num_classes)
        ids[list(self.settings.void_greys)] = VOID
        return ids

    def _allowed(self, ids: np.ndarray) -> str:
        classes = np.flatnonzero((ids >= 0) & (ids != VOID)).tolist()
        told = f"{classes[0]} to {classes[-1]}" if self.settings.greys is None else ", ".join(map(str, classes))
        void = ", ".join(map(str, self.settings.void_greys))
        return f"{told} and {void} for not known" if void else told

    def _read(self, mask: File, picture: File, layout: Layout, ids: np.ndarray) -> np.ndarray:
        from PIL import Image

        opened = open_picture(mask, layout.max_pixels)
        lies_on = upright_size(open_picture(picture, layout.max_pixels))
        if upright_size(opened) != lies_on:
            raise ValueError(f"is {_size(upright_size(opened))}, its picture {picture.name} is {_size(lies_on)}")
        greys = _greys(upright(opened))
        found = np.bincount(greys.ravel(), minlength=256) > 0
        unknown = np.flatnonzero(found & (ids < 0))
        if len(unknown):
            raise ValueError(f"holds the class id {', '.join(map(str, unknown[:5]))}, allowed are {self._allowed(ids)}")
        placed = fit_size(Image.fromarray(ids.astype(np.uint8)[greys]), layout, VOID, is_smooth=False)
        return np.asarray(placed)


def _greys(image: PIL.Image.Image) -> np.ndarray:
    """Return the grey value or palette index of each pixel; raises ValueError where a pixel has no single one."""
    values = np.asarray(image)
    if values.ndim == 3:
        colours = values[..., :1] if image.mode in ("LA", "PA", "La") else values[..., :3]
        if (colours != colours[..., :1]).any():
            raise ValueError(f"mode {image.mode} holds colours; a mask has one class id a pixel, grey or a palette")
        values = colours[..., 0]
    if values.dtype != bool and (values.max(initial=0) > 255 or values.min(initial=0) < 0):
        raise ValueError(f"holds {int(values.max())}; class ids are 0 to 255")
    return values.astype(np.uint8)


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


build = Mask

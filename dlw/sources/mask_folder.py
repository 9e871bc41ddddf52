"""Folders of pictures and masks of equal names: images/a.jpg with masks/a.png.

The columns are `image` and `mask`. Folders named after splits (train/images, images/train) tell the splits. Pictures
without a mask, and masks without a picture, are left out and told.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from dlw.errors import DataError
from dlw.progress import Listener
from dlw.sources._base import SourceSettings
from dlw.sources._files import PICTURE_SUFFIXES, SPLITS, has_suffix, split_of, walk
from dlw.sources._tables import pictures_at

if TYPE_CHECKING:
    import pyarrow as pa


class Settings(SourceSettings):
    """Options of a mask folder."""

    path: str = Field(description="The folder.")
    images: str = Field("images", min_length=1, description="Name of the folders that hold pictures.")
    masks: str = Field("masks", min_length=1, description="Name of the folders that hold masks.")
    suffix: str = Field("", description="What a mask's name has behind its picture's: `_mask` for a_mask.png.")


def open_tables(settings: Settings, cache: Path, listener: Listener) -> dict[str, pa.Table]:
    """Pair pictures with masks, split by split."""
    import pyarrow as pa

    root = Path(settings.path)
    if not root.is_dir():
        raise DataError(f"{root}: pictures and masks are a folder")
    pictures, masks = (
        _files(root, settings.images, "", listener),
        _files(root, settings.masks, settings.suffix, listener),
    )
    pairs = sorted(pictures.keys() & masks.keys())
    if not pairs:
        raise DataError(
            f"{root}: no pair: {len(pictures)} pictures below a folder {settings.images}, {len(masks)} masks below a "
            f"folder {settings.masks}; name the folders as `images` and `masks`"
        )
    for what, alone in (("pictures without a mask", pictures), ("masks without a picture", masks)):
        left = sorted(alone.keys() - set(pairs))
        if left:
            listener.line(f"{root}: {len(left)} {what} left out, such as {alone[left[0]]}")
    found: dict[str, list[str]] = {}
    for name in pairs:
        found.setdefault(split_of(Path(name).parent / "x") or "", []).append(name)
    silent = found.pop("", [])
    if silent and found:
        listener.line(f"{root}: {len(silent)} pairs outside the split folders left out, such as {silent[0]}")
    found = found or {"train": silent}
    return {
        split: pa.table(
            {
                "image": pictures_at([str(pictures[name].absolute()) for name in found[split]]),
                "mask": pictures_at([str(masks[name].absolute()) for name in found[split]]),
            }
        )
        for split in SPLITS
        if split in found
    }


def _files(root: Path, folder: str, suffix: str, listener: Listener) -> dict[str, Path]:
    """Return the picture files below folders of this name, by their path without that folder, suffixes and ending."""
    found: dict[str, Path] = {}
    for file in walk(root, listener):
        parts = list(file.relative_to(root).parts[:-1])
        if folder in parts and has_suffix(file, PICTURE_SUFFIXES) and file.stem.endswith(suffix):
            parts.remove(folder)
            name = "/".join([*parts, file.stem.removesuffix(suffix)])
            if name in found:
                raise DataError(f"{file}: has the name of {found[name]}; keep one of each")
            found[name] = file
    return found

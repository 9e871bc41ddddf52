"""The pictures of rows as they were given, for answers that lie on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dlw.fields._files import read_files
from dlw.fields._pictures import Layout, open_picture, upright_size
from dlw.shards import in_pieces
from dlw.verbs._fitted import ROWS_AT_ONCE, Fitted

if TYPE_CHECKING:
    import pyarrow as pa


def given_pictures(fitted: Fitted, table: pa.Table, rows: np.ndarray) -> tuple[Layout, list[tuple[int, int]]]:
    """Return the layout that the picture column was encoded in, and the upright width and height of each given file."""
    picture = next(column for column in fitted.columns if column.role == "input" and column.spec.kind == "image")
    limit = int(picture.settings["max_pixels"])
    height, width = (int(picture.state[key]) for key in ("height", "width"))
    layout = Layout(height, width, 1, str(picture.settings["resize"]), limit)
    asked = table.select([picture.name]).take(rows)
    files = (file for piece in in_pieces(asked, ROWS_AT_ONCE) for file in read_files(piece[picture.name], picture.name))
    return layout, [upright_size(open_picture(file, limit)) for file in files]

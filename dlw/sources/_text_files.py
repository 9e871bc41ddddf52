"""Files of plain text: how they are read, and which folders hold nothing else."""

from __future__ import annotations

from pathlib import Path

from dlw.errors import DataError
from dlw.sources._files import has_suffix, split_of, walk

SUFFIXES = (".txt",)
COLUMN = "text"


def read(file: Path, encoding: str) -> str:
    """Return a file's text with `\\n` between its lines; DataError names the first byte that is not text."""
    cure = f"save the file as {encoding}, or set the encoding of the recipe's source to the file's own"
    try:
        content = file.read_bytes().decode(encoding)
        content.encode()  # some encodings give surrogates, which no text holds
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: byte {error.start} is not {encoding} ({error.reason}); {cure}") from error
    except UnicodeEncodeError as error:
        raise DataError(f"{file}: character {error.start} is a surrogate as {encoding}; {cure}") from error
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror})") from error
    return content.removeprefix("\ufeff").replace("\r\n", "\n")


def holds_texts(folder: Path) -> bool:
    """Tell whether a folder holds text files and nothing else."""
    files = list(walk(folder))
    return bool(files) and all(has_suffix(file, SUFFIXES) for file in files)


def has_classes(folder: Path) -> bool:
    """Tell whether every file lies in a class folder, of two or more, which may be in the folder of a split."""
    places = [file.relative_to(folder).parts[:-1] for file in walk(folder)]
    inner = [place[1:] if place and split_of(Path(place[0])) else place for place in places]
    return all(inner) and len({place[-1] for place in inner}) > 1

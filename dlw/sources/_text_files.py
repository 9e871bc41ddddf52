"""Files of plain text: how they are read, and which folders hold nothing else."""

from __future__ import annotations

from pathlib import Path

from dlw.errors import DataError
from dlw.sources import _csv_files, _json_files, _parquet_files
from dlw.sources._files import PICTURE_SUFFIXES, SOUND_SUFFIXES, has_suffix, split_of, walk

SUFFIXES = (".txt",)
COLUMN = "text"
_TABLES = (*_csv_files.SUFFIXES, *_json_files.SUFFIXES, *_parquet_files.SUFFIXES)
_OTHER_DATA = (*_TABLES, *PICTURE_SUFFIXES, *SOUND_SUFFIXES)


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
    """Tell whether texts, and nothing else, lie in class folders, of two or more, perhaps in folders of splits.

    Beside class folders in folders of splits there may be notes (a README, a vocabulary, lists of addresses), but
    nothing that could be the data itself: tables, pictures or recordings.
    """
    places = {file: file.relative_to(folder).parts[:-1] for file in walk(folder)}
    inner = {file: place[1:] if place and split_of(Path(place[0])) else place for file, place in places.items()}
    beside = [file for file, place in inner.items() if not place]
    if beside and (inner == places or any(has_suffix(file, _OTHER_DATA) for file in beside)):
        return False
    is_text = all(has_suffix(file, SUFFIXES) for file, place in inner.items() if place)
    return is_text and len({place[-1] for place in inner.values() if place}) > 1

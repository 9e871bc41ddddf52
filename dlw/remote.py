"""Files that are not on this machine: URLs such as `s3://bucket/part-*.parquet`, opened through fsspec.

Credentials come from the environment, as each service's own package finds them; a recipe holds none.
"""

from __future__ import annotations

import glob
import importlib.util
import io
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeVar

from dlw.errors import DataError

Answer = TypeVar("Answer")
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://")
SCHEMES: Mapping[str, str] = {
    "s3": "s3fs",
    "gs": "gcsfs",
    "hf": "huggingface_hub",
    "https": "aiohttp",
    "http": "aiohttp",
    "memory": "fsspec",
}
"""What a URL may begin with, and the package that opens it; `memory` holds what this process wrote there itself."""
_TAGS = ("mtime", "LastModified", "last_modified", "updated", "created", "ETag", "etag", "md5Hash", "generation", "oid")


@dataclass(frozen=True)
class RemoteFile:
    """A file by its URL; `tag` changes when its bytes do, where the service tells anything of that kind."""

    url: str
    size_bytes: int
    tag: str

    def open(self) -> BinaryIO:
        """Open for reading; DataError where that fails, now or while it is read."""
        filesystem, path = _filesystem(self.url)
        try:
            opened: BinaryIO = filesystem.open(path, "rb")
        except _failures() as error:
            raise DataError(f"{self.url}: cannot be opened: {_said(error)}") from error
        return io.BufferedReader(_Stream(self.url, opened))


class _Stream(io.RawIOBase):
    """The bytes of a remote file: what its package raises while they are read becomes a DataError."""

    def __init__(self, url: str, opened: BinaryIO) -> None:
        super().__init__()
        self._url, self._opened = url, opened

    def readable(self) -> bool:
        """See RawIOBase."""
        return True

    def seekable(self) -> bool:
        """See RawIOBase."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """See RawIOBase."""
        return self._told(lambda: self._opened.seek(offset, whence))

    def tell(self) -> int:
        """See RawIOBase."""
        return self._opened.tell()

    def readinto(self, buffer: Any) -> int:
        """See RawIOBase."""
        found = self._told(lambda: self._opened.read(len(buffer)))
        buffer[: len(found)] = found
        return len(found)

    def readall(self) -> bytes:
        """See RawIOBase."""
        return self._told(self._opened.read)

    def close(self) -> None:
        """See RawIOBase."""
        self._opened.close()
        super().close()

    def _told(self, ask: Callable[[], Answer]) -> Answer:
        try:
            return ask()
        except _failures() as error:
            raise DataError(f"{self._url}: cannot be read: {_said(error)}") from error


def is_remote(text: str) -> bool:
    """Tell whether a word of a recipe is a URL."""
    return _URL.match(text) is not None


def problem_of(url: str) -> str | None:
    """Say why a URL cannot be opened here, None if it may be; nothing is looked up in the network."""
    match = _URL.match(url)
    assert match is not None, "a URL"
    scheme, known = match["scheme"], ", ".join(f"{name}://" for name in SCHEMES if name != "memory")
    if scheme not in SCHEMES:
        return f"{scheme}:// is not read; remote data may begin with {known}"
    if "::" in url:
        return "one URL inside another (::) is not read"
    if importlib.util.find_spec(SCHEMES[scheme]) is None:
        return f"{scheme}:// needs an optional package: pip install 'dlw[remote]'"
    return None


def listed(url: str) -> list[RemoteFile]:
    """Return the files that a URL means: itself, those that its wildcards match, or all below a folder.

    DataError where there is none, or where the service cannot be reached.
    """
    problem = problem_of(url)
    if problem:
        raise DataError(f"{url}: {problem}")
    filesystem, path = _filesystem(url)
    try:
        if url.startswith("http"):  # a web server lists no folders
            names = [path]
        elif glob.has_magic(path):
            names = sorted(filesystem.glob(path))
        else:
            names = sorted(filesystem.find(path)) if filesystem.isdir(path) else [path]
        return [_file(filesystem, name) for name in names]
    except _failures() as error:
        raise DataError(f"{url}: cannot be read: {_said(error)}") from error


def _file(filesystem: Any, name: str) -> RemoteFile:
    info = filesystem.info(name)
    size, url = info.get("size"), filesystem.unstrip_protocol(name)
    if size is None:
        raise DataError(f"{url}: the server does not tell how long it is; it must, and allow to read parts")
    return RemoteFile(url, int(size), " ".join(f"{key}={info[key]}" for key in _TAGS if key in info))


def _filesystem(url: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    try:
        filesystem, path = url_to_fs(url)
    except _failures() as error:
        raise DataError(f"{url}: cannot be opened: {_said(error)}") from error
    return filesystem, path


def _failures() -> tuple[type[Exception], ...]:
    """Return what remote file systems raise: their packages keep some errors of their own."""
    own = {"aiohttp": "ClientError", "botocore.exceptions": "BotoCoreError"}
    found = [getattr(sys.modules[module], name) for module, name in own.items() if module in sys.modules]
    return (OSError, ValueError, RuntimeError, ImportError, *found)


def _said(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if "range requests" in str(error):  # said by fsspec of web servers
        return "the server sends whole files only, and parts of them are needed; download it and name it by its path"
    return (str(error).splitlines() or [type(error).__name__])[0]

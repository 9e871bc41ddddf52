"""Every disk call of a run directory, so that tests can count, fail or stop the program at call k.

All calls pass through `_call`. Files are created with O_EXCL and O_NOFOLLOW and get the usual mode of the umask;
nothing is opened through a symbolic link. A failing call becomes a ResourceError with the path, the reason and the
remedy; a missing file stays a FileNotFoundError, and one that cannot be read or is no regular file is a RunError.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import math
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from dlw.errors import ResourceError, RunError

Data = bytes | bytearray | memoryview

TEMPORARY = ".tmp-"
"""Prefix of what is being written; under a run's lock it is litter of a stopped process."""

DELETED = ".del-"
"""Prefix of what is being deleted; under a run's lock it is litter of a stopped process."""

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Digest(NamedTuple):
    """What a file holds: its length and the sha256 of its bytes in hexadecimal."""

    size_bytes: int
    sha256: str


def _call(operation: Callable[..., Any], *arguments: Any) -> Any:
    """Make one call of the operating system: the one door that tests replace."""
    return operation(*arguments)


def make_folders(folder: Path) -> None:
    """Create a folder and its parents; a folder that is there already is fine."""
    with _blaming(folder, "create"):
        if not folder.is_dir():
            make_folders(folder.parent)
            with suppress(FileExistsError):
                _call(os.mkdir, folder)
            if not folder.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, "not a folder")


def make_new_folder(folder: Path) -> bool:
    """Create a folder; returns False if something of that name is already there."""
    with _blaming(folder, "create"):
        try:
            _call(os.mkdir, folder)
        except FileExistsError:
            return False
    return True


def write_new(path: Path, chunks: Iterable[Data], *, is_durable: bool = True) -> Digest:
    """Create a file, write the chunks, bring it to the disk if `is_durable`, and return what it holds."""
    digest, size_bytes = hashlib.sha256(), 0
    with _blaming(path, "write"):
        descriptor = _call(os.open, path, _CREATE, 0o666)
        try:
            for chunk in chunks:
                digest.update(chunk)
                size_bytes += _write_all(descriptor, chunk)
            if is_durable:
                _call(os.fsync, descriptor)
        finally:
            _call(os.close, descriptor)
    return Digest(size_bytes, digest.hexdigest())


def write_atomic(path: Path, data: bytes, *, is_durable: bool = True) -> None:
    """Write a whole file or leave what was there: temporary file beside it, fsync, rename. Creates parent folders.

    Without `is_durable` it is not waited for: a power loss may leave the old file, or an empty one.
    """
    write_chunks(path, [data], is_durable=is_durable)


def write_chunks(path: Path, chunks: Iterable[Data], *, is_durable: bool = True) -> Digest:
    """Write a whole file in chunks, as `write_atomic` does, and return what it holds."""
    make_folders(path.parent)
    refuse_link(path)
    sweep(path)
    temporary = path.with_name(f"{TEMPORARY}{path.name}.{os.getpid()}")
    try:
        written = write_new(temporary, chunks, is_durable=is_durable)
        rename(temporary, path)
        if is_durable:
            sync_folder(path.parent)
    except ResourceError:
        discard(temporary)
        raise
    return written


def write_json(path: Path, tree: Mapping[str, Any]) -> None:
    """Write a mapping as indented JSON, whole or not at all."""
    write_atomic(path, json.dumps(tree, indent=1, ensure_ascii=False).encode() + b"\n")


def finite(tree: Any) -> Any:
    """Return a tree as JSON can hold it: null for numbers that are not finite."""
    if isinstance(tree, Mapping):
        return {str(key): finite(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [finite(value) for value in tree]
    return None if isinstance(tree, float) and not math.isfinite(tree) else tree


def append(path: Path, data: bytes) -> None:
    """Add bytes at the end of a file in one go; creates the file."""
    with _blaming(path, "write"):
        descriptor = _call(os.open, path, _APPEND, 0o666)
        try:
            _write_all(descriptor, data)
        finally:
            _call(os.close, descriptor)


def truncate(path: Path, size_bytes: int) -> None:
    """Cut a file to its first bytes and bring that to the disk."""
    with _blaming(path, "write"):
        descriptor = _call(os.open, path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _call(os.ftruncate, descriptor, size_bytes)
            _call(os.fsync, descriptor)
        finally:
            _call(os.close, descriptor)


def read(path: Path, limit_bytes: int) -> bytearray:
    """Return the bytes of a regular file, at most `limit_bytes + 1` of them, so that a longer one shows.

    Raises FileNotFoundError, and RunError for a link, folder, pipe or device and for a disk that fails to read.
    """
    with _blaming(path, "read"), _unreadable(path):
        descriptor = _open_regular(path)
        try:
            room = min(_call(os.fstat, descriptor).st_size, limit_bytes) + 1
            data = bytearray(room)
            view, filled = memoryview(data), 0
            while filled < room:
                count = _call(os.readv, descriptor, [view[filled:]])
                if not count:
                    break
                filled += count
            view.release()
        finally:
            _call(os.close, descriptor)
    del data[filled:]
    return data


def sync_file(path: Path) -> None:
    """Bring what was written to a file to the disk; a file that is not there is fine."""
    with _blaming(path, "write"), suppress(FileNotFoundError):
        _sync(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)


def sync_folder(folder: Path) -> None:
    """Bring a folder's entries (new files, renames) to the disk."""
    with _blaming(folder, "write"):
        try:
            _sync(folder, _FOLDER)
        except OSError as error:
            # Some network file systems have no such call: entries there are durable when the rename returns.
            if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):
                raise


def rename(old: Path, new: Path) -> None:
    """Rename a file (over an old one) or a folder."""
    with _blaming(new, "write"):
        _call(os.rename, old, new)


def remove_tree(path: Path) -> None:
    """Delete a file or a whole folder without following links; what is not there is fine."""
    with _blaming(path, "delete"), suppress(FileNotFoundError):
        if not stat.S_ISDIR(_call(os.lstat, path).st_mode):
            _call(os.unlink, path)
            return
        for name in names(path):
            remove_tree(path / name)
        _call(os.rmdir, path)


def discard(path: Path) -> None:
    """Delete after a failure, as far as the disk still allows; the next start clears the rest."""
    with suppress(ResourceError):
        remove_tree(path)


def sweep(path: Path) -> None:
    """Delete what killed processes left beside `path`: `.tmp-<name>.<pid>` and `.del-<name>.<pid>`."""
    for prefix in (f"{TEMPORARY}{path.name}.", f"{DELETED}{path.name}."):
        for name in names(path.parent):
            owner = name.removeprefix(prefix)
            if name.startswith(prefix) and owner.isdecimal() and not _is_alive(int(owner)):
                remove_tree(path.with_name(name))


def names(folder: Path) -> list[str]:
    """Return the names in a folder, sorted; none if there is no such folder."""
    with _blaming(folder, "read"):
        try:
            return sorted(_call(os.listdir, folder))
        except FileNotFoundError:
            return []


def refuse_link(path: Path) -> None:
    """Raise ResourceError if something planted a symbolic link where dlw is going to write."""
    if path.is_symlink():
        raise ResourceError(
            f"{path}: is a symbolic link; dlw does not write through links: remove it or choose another path"
        )


def is_locked(path: Path) -> bool:
    """Say whether a process holds the lock on this file; takes the lock for an instant where none does."""
    try:
        descriptor = _call(os.open, path, _READ)
    except OSError:
        return False
    try:
        _call(fcntl.flock, descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        _call(os.close, descriptor)
    return False


def require_space(folder: Path, needed_bytes: int) -> None:
    """Raise ResourceError with both numbers if the disk under `folder` has less than `needed_bytes` free."""
    with _blaming(folder, "read"):
        status = _call(os.statvfs, folder)
    free_bytes = status.f_bavail * status.f_frsize
    if free_bytes < needed_bytes:
        raise ResourceError(
            f"{folder}: the disk is full: {needed_bytes:,} bytes needed, {free_bytes:,} free; "
            "free some space, or move the run to a larger disk, and resume"
        )


def _open_regular(path: Path) -> int:
    try:
        descriptor: int = _call(os.open, path, _READ)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise RunError(f"{path}: is a symbolic link; expected a regular file") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise RunError(f"{path}: is not a regular file")
    return descriptor


def _sync(path: Path, flags: int) -> None:
    descriptor = _call(os.open, path, flags)
    try:
        _call(os.fsync, descriptor)
    finally:
        _call(os.close, descriptor)


def _write_all(descriptor: int, chunk: Data) -> int:
    view = memoryview(chunk).cast("B")
    written = 0
    while written < len(view):
        written += _call(os.write, descriptor, view[written:])
    return len(view)


def _is_alive(pid: int) -> bool:
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def _blaming(path: Path, verb: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        if verb == "read":
            raise
        raise ResourceError(f"{path}: cannot {verb}: the folder is gone") from None
    except OSError as error:
        raise ResourceError(f"{path}: cannot {verb}: {_reason(path, error)}") from error


@contextmanager
def _unreadable(path: Path) -> Iterator[None]:
    """Blame the file, not the disk as a whole, where some of its bytes cannot be read: there may be a sound one."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        raise RunError(f"{path}: cannot read: the disk reports: {error.strerror}") from error


def _reason(path: Path, error: OSError) -> str:
    text = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        free = ""
        with suppress(OSError):
            status = os.statvfs(path.parent)
            free = f" ({status.f_bavail * status.f_frsize:,} bytes free)"
        return f"{text}{free}; free some space, or use another disk, and run again"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        holder = path if path.exists() else path.parent
        with suppress(OSError):
            status_of = os.stat(holder)
            text += f" ({holder}: owner {status_of.st_uid}, mode {stat.S_IMODE(status_of.st_mode):o})"
        return f"{text}; choose a folder that you may write to"
    if error.errno == errno.EIO:
        return f"{text}; the disk is failing: copy the run elsewhere"
    return text

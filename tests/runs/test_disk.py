"""Small files are written whole or not at all, never through a link, and with an error that says what to do."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlw.errors import ResourceError, RunError
from dlw.runs import disk
from tests.forks import fork


def failing(operation: Callable[..., Any], error: int) -> Callable[..., Any]:
    """Return a door to the disk through which one kind of call fails."""

    def door(called: Callable[..., Any], *arguments: Any) -> Any:
        if called is operation:
            raise OSError(error, os.strerror(error))
        return called(*arguments)

    return door


def test_file_and_its_folders_are_written(tmp_path: Path) -> None:
    path = tmp_path / "evaluation" / "test" / "metrics.json"
    disk.write_json(path, {"accuracy": 0.5, "name": "ü"})
    assert path.read_text(encoding="utf-8") == '{\n "accuracy": 0.5,\n "name": "ü"\n}\n'
    assert disk.names(path.parent) == ["metrics.json"]


def test_mode_follows_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        disk.write_atomic(tmp_path / "a", b"")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644


@pytest.mark.parametrize(
    "operation", [os.open, os.write, os.fsync, os.rename], ids=lambda operation: operation.__name__
)
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
def test_failure_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: Callable[..., Any], error: int
) -> None:
    path = tmp_path / "report.html"
    disk.write_atomic(path, b"old")
    monkeypatch.setattr(disk, "_call", failing(operation, error))
    with pytest.raises(ResourceError, match=os.strerror(error)) as caught:
        disk.write_atomic(path, b"new")
    assert caught.value.exit_code == 6
    assert str(tmp_path) in str(caught.value)
    assert path.read_bytes() == b"old"
    assert disk.names(tmp_path) == ["report.html"]


def test_full_disk_says_what_is_free_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_call", failing(os.write, errno.ENOSPC))
    with pytest.raises(ResourceError, match=r"[\d,]+ bytes free\); free some space"):
        disk.write_atomic(tmp_path / "a", b"x")


def test_forbidden_path_says_owner_and_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_call", failing(os.mkdir, errno.EACCES))
    with pytest.raises(ResourceError, match=r"Permission denied \(.*owner \d+, mode 7\d\d\); choose a folder"):
        disk.make_folders(tmp_path / "a" / "b")


def test_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="file"):
        disk.make_folders(tmp_path / "file" / "folder")


@pytest.mark.parametrize("is_dangling", [True, False])
def test_planted_link_is_refused(tmp_path: Path, *, is_dangling: bool) -> None:
    target, path = tmp_path / "target", tmp_path / "metrics.json"
    if not is_dangling:
        target.write_bytes(b"precious")
    path.symlink_to(target)
    for write in (disk.write_atomic, disk.append):
        with pytest.raises(ResourceError, match="link"):
            write(path, b"{}")
    assert target.exists() != is_dangling
    assert is_dangling or target.read_bytes() == b"precious"


def test_leftovers_of_dead_processes_are_cleared(tmp_path: Path) -> None:
    dead = fork()
    if dead == 0:
        os._exit(0)
    os.waitpid(dead, 0)
    (tmp_path / f".tmp-a.{dead}").write_bytes(b"half")
    (tmp_path / f".tmp-a.{os.getppid()}").write_bytes(b"of a living process")
    (tmp_path / f".tmp-b.{dead}").write_bytes(b"of another file")
    disk.write_atomic(tmp_path / "a", b"whole")
    assert disk.names(tmp_path) == [*sorted([f".tmp-a.{os.getppid()}", f".tmp-b.{dead}"]), "a"]


def test_reading_stops_one_byte_beyond_the_limit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert disk.read(tmp_path / "a", 5) == b"12345"
    assert disk.read(tmp_path / "a", 3) == b"1234"
    with pytest.raises(FileNotFoundError):
        disk.read(tmp_path / "b", 3)


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for name in ("pipe", "link", "."):
        with pytest.raises(RunError, match=r"link|not a regular file"):
            disk.read(tmp_path / name, 10)


def test_unreadable_bytes_are_a_fault_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"1")
    monkeypatch.setattr(disk, "_call", failing(os.readv, errno.EIO))
    with pytest.raises(RunError, match="cannot read: the disk reports"):
        disk.read(tmp_path / "a", 10)


def test_trees_are_removed_without_following_links(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("stays")
    litter = tmp_path / "litter" / "deep"
    litter.mkdir(parents=True)
    (litter / "link").symlink_to(outside)
    (litter / "folder").symlink_to(tmp_path)
    disk.remove_tree(tmp_path / "litter")
    disk.remove_tree(tmp_path / "litter")
    assert disk.names(tmp_path) == ["outside"]

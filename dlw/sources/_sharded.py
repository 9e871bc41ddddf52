"""Opening files as tables that stay where they are: what every source with `open_shards` shares."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from dlw.errors import DataError
from dlw.progress import Listener
from dlw.remote import RemoteFile, is_remote, listed
from dlw.shards import Pool, Shard, ShardedTable
from dlw.sources._files import by_split, find, has_suffix
from dlw.sources._tables import check_same_columns

if TYPE_CHECKING:
    import pyarrow as pa

LEAST_BYTES = 8 * 2**20
"""Smaller shards that lie side by side are read together, where the budget allows it."""
_MOST_INFLATION = 64
"""How many times larger than in its file a table may be in memory before that is measured."""
_IDENTIFYING_BYTES = 64 * 2**10


@dataclass(frozen=True)
class DataFile:
    """A file of rows, here or far away."""

    name: str
    size_bytes: int
    tag: str
    """Changes when the bytes do, as far as the file system tells."""
    open: Callable[[], BinaryIO]

    @property
    def is_remote(self) -> bool:
        """Whether the file is far away."""
        return is_remote(self.name)

    def identity(self) -> str:
        """Return what stands for the file's bytes: its length, its tag and a digest of its last 64 KiB.

        The end of a Parquet file describes all of its parts.
        """
        with self.open() as file:
            file.seek(max(0, self.size_bytes - _IDENTIFYING_BYTES))
            return f"{self.size_bytes} {self.tag} {hashlib.sha256(file.read()).hexdigest()}"


Reader = Callable[[DataFile], tuple[list[Shard], "pa.Schema"]]


def find_files(paths: str | Sequence[str], suffixes: Sequence[str], listener: Listener) -> dict[str, list[DataFile]]:
    """Return the files of each split, of paths or of URLs; see `_files.find`."""
    texts = [paths] if isinstance(paths, str) else list(paths)
    remote = [is_remote(text) for text in texts]
    if not any(remote):
        return {split: list(map(local, files)) for split, files in find(paths, suffixes, listener).items()}
    if not all(remote):
        raise DataError(f"{texts[remote.index(False)]}: a path beside URLs; name all files in one place")
    files = [file for text in texts for file in _below(text, suffixes)]
    if not files:
        raise DataError(f"{', '.join(texts)}: no file ending in {' '.join(suffixes)} here")
    if len(files) == 1:
        return {"train": [_remote(files[0])]}
    by_path = {PurePosixPath(file.url.partition("://")[2]): file for file in files}
    root = _common(list(by_path))
    found = by_split(list(by_path), root, [file.url for file in files] == texts, listener)
    return {split: [_remote(by_path[path]) for path in paths] for split, paths in found.items()}


def _below(url: str, suffixes: Sequence[str]) -> list[RemoteFile]:
    """Return the files of a URL: of several, those that end like files of rows."""
    files = listed(url)
    return files if len(files) == 1 else [file for file in files if has_suffix(PurePosixPath(file.url), suffixes)]


def _common(paths: list[PurePosixPath]) -> PurePosixPath:
    return next(parent for parent in paths[0].parents if all(path.is_relative_to(parent) for path in paths))


def local(path: Path) -> DataFile:
    """Return a file of this machine; its tag is when it was changed."""
    status = path.stat()
    return DataFile(str(path), status.st_size, str(status.st_mtime_ns), lambda: path.open("rb"))


def _remote(file: RemoteFile) -> DataFile:
    return DataFile(file.url, file.size_bytes, file.tag, file.open)


def open_sharded(
    found: Mapping[str, Sequence[DataFile]], reader: Reader, budget_bytes: int
) -> dict[str, ShardedTable] | None:
    """Return the splits as they lie where they take more than half of the budget in memory, or are remote; else None.

    The other half is for encoded rows.
    """
    read = {split: [reader(file) for file in files] for split, files in found.items()}
    shards = [(shard, schema) for parts in read.values() for part, schema in parts for shard in part if shard.num_rows]
    total = sum(shard.num_bytes for shard, _ in shards)
    is_far = any(file.is_remote for files in found.values() for file in files)
    inflation = 1.0
    if total * _MOST_INFLATION > budget_bytes and shards:
        first, schema = shards[0]
        inflation = first.read(schema.names).nbytes / max(1, first.num_bytes)
    if total * inflation <= budget_bytes // 2 and not is_far:
        return None
    pool = Pool(budget_bytes // 2)
    least = min(LEAST_BYTES, pool.limit_bytes // 64)
    tables = {}
    for split, files in found.items():
        schema = _one_schema(files, [schema for _, schema in read[split]])
        parts = [_cast(shard, schema) for part, _ in read[split] for shard in part]
        parts = [replace(shard, num_bytes=int(shard.num_bytes * inflation)) for shard in parts]
        identity = "\n".join(file.identity() for file in files)
        merged = tuple(_merged(parts, least))
        tables[split] = ShardedTable(merged, schema, pool, identity, range(sum(shard.num_rows for shard in merged)))
    return tables


def _one_schema(files: Sequence[DataFile], schemas: Sequence[pa.Schema]) -> pa.Schema:
    import pyarrow as pa

    for file, schema in zip(files, schemas, strict=True):
        check_same_columns(file.name, schema.names, files[0].name, schemas[0].names)
    try:
        return pa.unify_schemas(list(schemas), promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        others = f"{files[0].name} and the {len(files) - 1} files with it"
        raise DataError(f"{others}: columns of different types: {error}") from error


def _cast(shard: Shard, schema: pa.Schema) -> Shard:
    """Let a shard be read in the types of all files."""

    def read(names: Sequence[str]) -> pa.Table:
        import pyarrow as pa

        table = shard.read(names)
        wanted = pa.schema([schema.field(name) for name in names], schema.metadata)
        try:
            return table if table.schema.equals(wanted) else table.cast(wanted)
        except pa.ArrowInvalid as error:
            raise DataError(f"{shard.name}: not readable in the types of the files with it: {error}") from error

    return replace(shard, read=read)


def _merged(shards: Sequence[Shard], least_bytes: int) -> list[Shard]:
    """Read small shards that lie side by side together; empty ones are left out."""
    found: list[list[Shard]] = []
    for shard in shards:
        if shard.num_rows:
            is_small = found and sum(one.num_bytes for one in found[-1]) + shard.num_bytes <= least_bytes
            found[-1].append(shard) if is_small else found.append([shard])
    return [_together(part) for part in found]


def _together(part: list[Shard]) -> Shard:
    if len(part) == 1:
        return part[0]

    def read(names: Sequence[str]) -> pa.Table:
        import pyarrow as pa

        return pa.concat_tables([shard.read(names) for shard in part]).combine_chunks()

    rows, size = sum(shard.num_rows for shard in part), sum(shard.num_bytes for shard in part)
    return Shard(part[0].name, rows, size, read)

"""Fitted fields and encoded rows kept between runs, in a folder that the user names (`dlw train --cache DIR`).

An entry is known by the sha256 of everything that it follows from: the bytes of the rows, of the pictures and
recordings that they name and of the files that fields read, the fields' settings, and the versions of dlw, of its
plug-in files and of the libraries that decode. So a changed byte of the data is another entry. An entry is two files,
`KEY.safetensors` with the arrays and `KEY.json`, written last, with the length and sha256 of the first: what does not
agree is made again.

Of rows that stay on disk the entry is known by what stands for their files (`ShardedTable.digest`), and what takes a
pass over all of them is kept: the fitted fields, which rows have a target, and the files' sha256, known by where a file
lies and by its size, times and inode, as git's index knows a file. What follows from cells that name further files is
not kept there: nothing stands for those files.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlw import __version__, registry
from dlw.errors import CheckpointError, RunError
from dlw.local_files import files_of, is_path
from dlw.progress import Heard, Listener, size_text
from dlw.recipe.schema import Recipe
from dlw.runs import disk
from dlw.runs.seal import digest_of, of_file
from dlw.shards import ShardedTable
from dlw.specs import Arrays
from dlw.verbs._fit import fit
from dlw.verbs._fitted import EncodedTable, Fitted
from dlw.verbs._memory import budget_bytes
from dlw.verbs._rows import known

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 1
LIBRARIES = ("numpy", "pyarrow", "pillow", "soundfile", "tokenizers")
"""What takes part in turning rows into arrays, and may come to other bytes in another version."""
MAX_JSON_BYTES = 64 * 2**20
_ROWS, _KNOWN = "rows", "known"
_SETTLED_SECONDS = 2.0
_FIRST_ROWS = 1000
_LEAST_FILE_BYTES = 2**20
"""Smaller files are hashed sooner than their entry is found."""


@dataclass(frozen=True)
class Cache:
    """The entries in a folder; nothing is ever deleted there but what is damaged."""

    folder: Path
    listener: Listener

    def fit(self, recipe: Recipe, train: pa.Table) -> Fitted:
        """Return the fields fitted on a training table: those kept, or new ones, which are then kept."""
        data = recipe.data
        assert data.inputs != "auto", "resolve_inputs comes first"
        blocks = {name: [block.type, block.options] for name, block in {**data.inputs, **data.target}.items()}
        names = [name for name in blocks if name in train.column_names]
        if _names_files(train.select(names)):
            return fit(recipe, train, self.listener)
        written = {"task": recipe.task.type, "inputs": list(data.inputs), "fields": blocks, "known": train.column_names}
        if isinstance(train, ShardedTable):
            written["budget"] = budget_bytes(recipe)  # says how many rows the fields are fitted on
        key = _key("fields", written, train.select(names), _files_named(blocks))
        kept = self._read(key)
        if kept is not None:
            self.listener.line(f"fields taken from {self.folder}")
            return Fitted.from_json(kept[0]["fields"])
        fitted = fit(recipe, train, self.listener)
        self._write(key, {"fields": fitted.to_json()}, {})
        return fitted

    def encode(
        self, fitted: Fitted, table: pa.Table, *, with_target: bool, max_bad: float, listener: Listener
    ) -> EncodedTable:
        """Return what `fitted.encode` returns: kept, or made now and then kept."""
        names = [column.name for column in fitted.columns if column.name in table.column_names]
        if _names_files(table.select(names)):
            return fitted.encode(table, with_target=with_target, listener=listener, max_bad=max_bad)
        written = {"fields": fitted.to_json(), "with_target": with_target, "max_bad": max_bad}
        key = _key("rows", written, table.select(names), ())
        kept = self._read(key)
        if kept is not None:
            told, arrays = kept
            listener.line(f"{len(table):,} encoded rows taken from {self.folder}")
            for text in told["warnings"]:
                listener.warn(text)
            groups = {name: arrays[held] for name, held in told["groups"].items()}
            return EncodedTable(groups, arrays[_ROWS], [(row, name, why) for row, name, why in told["bad"]])
        heard = Heard(listener)
        encoded = fitted.encode(table, with_target=with_target, listener=heard, max_bad=max_bad)
        # By number: a column may be called anything. An input that is its own target is kept once.
        held = {id(array): (f"array_{place}", array) for place, array in enumerate(encoded.arrays.values())}
        told = {"groups": {name: held[id(array)][0] for name, array in encoded.arrays.items()}}
        told |= {"bad": encoded.bad, "warnings": heard.warnings}
        self._write(key, told, {**dict(held.values()), _ROWS: encoded.rows})
        return encoded

    def known(self, table: pa.Table, name: str) -> np.ndarray:
        """Return what `_rows.known` returns: of a table on disk kept, or found now and then kept."""
        if not isinstance(table, ShardedTable):
            return known(table, name)
        key = _key("known", {"column": name, "kind": str(table.schema.field(name).type)}, table, ())
        kept = self._read(key)
        if kept is not None:
            return kept[1][_KNOWN]
        is_known = known(table, name)
        self._write(key, {}, {_KNOWN: is_known})
        return is_known

    def of_file(self, path: Path) -> dict[str, Any]:
        """Return what `seal.of_file` returns, kept for files that have not been touched since they were read."""
        stat = path.stat()
        if stat.st_size < _LEAST_FILE_BYTES:
            return of_file(path)
        key = _file_key(path, stat)
        kept = self._read(key)
        if kept is not None:
            return {"size": stat.st_size, "sha256": kept[0]["content"]}
        found = of_file(path)
        # A file may change again within one tick of its clock: only those that have been left alone for a while.
        is_settled = time.time() - max(stat.st_mtime, stat.st_ctime) > _SETTLED_SECONDS
        if is_settled and _file_key(path, path.stat()) == key:
            self._write(key, {"content": found["sha256"]}, {})
        return found

    def _read(self, key: str) -> tuple[dict[str, Any], Arrays] | None:
        """Return what was kept under a key; None, and a warning, where it is not what was written."""
        from dlw.runs import tensorfile

        about = self.folder / f"{key}.json"
        try:
            tree = json.loads(disk.read(about, MAX_JSON_BYTES))
            data = disk.read(self.folder / f"{key}.safetensors", int(tree["size"]))
            body = {name: value for name, value in tree.items() if name != "digest"}
            if tree["digest"] != digest_of(body) or tree["sha256"] != hashlib.sha256(data).hexdigest():
                raise ValueError("checksum differs")
            tensors = tensorfile.unpack(data)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, RunError, CheckpointError) as error:
            self.listener.warn(f"{about}: damaged ({error}); made again")
            return None
        return tree, {name: tensor.numpy() for name, tensor in tensors.items()}

    def _write(self, key: str, told: Mapping[str, Any], arrays: Arrays) -> None:
        import torch

        from dlw.runs import tensorfile

        tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
        packed = tensorfile.pack(tensors)
        disk.make_folders(self.folder)
        disk.require_space(self.folder, packed.size_bytes)
        written = disk.write_chunks(self.folder / f"{key}.safetensors", packed.chunks)
        body = {"format": FORMAT, "size": written.size_bytes, "sha256": written.sha256, **told}
        body = json.loads(json.dumps(body))
        disk.write_json(self.folder / f"{key}.json", {**body, "digest": digest_of(body)})
        self.listener.line(f"kept in {self.folder}: {size_text(written.size_bytes)}")


def _file_key(path: Path, stat: os.stat_result) -> str:
    known_by = [str(path.resolve()), stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
    return hashlib.sha256(json.dumps(["file", FORMAT, *known_by]).encode()).hexdigest()


def _key(what: str, written: Mapping[str, Any], table: pa.Table, files: Sequence[Path]) -> str:
    """Return the sha256 of everything that an entry follows from."""
    found = hashlib.sha256()
    code = [hashlib.sha256(file.read_bytes()).hexdigest() for file in registry.code_files()]
    libraries = {name: version(name) for name in LIBRARIES}
    about = {"what": what, "format": FORMAT, "dlw": __version__, "code": code, "libraries": libraries, **written}
    found.update(json.dumps(about, sort_keys=True).encode())
    for part in (*_table_bytes(table), *(path.read_bytes() for path in files)):
        found.update(len(part).to_bytes(8, "little"))
        found.update(part)
    return found.hexdigest()


def _table_bytes(table: pa.Table) -> Iterator[bytes | memoryview]:
    """Yield the bytes of all values of a table, and of the files that its cells name; of one on disk what stands for
    its rows."""
    import pyarrow as pa

    if isinstance(table, ShardedTable):
        yield table.digest()
        return
    for name in table.column_names:
        column = table.select([name])
        for batch in column.to_batches(max_chunksize=65_536):
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, column.schema) as writer:
                writer.write_batch(batch)
            yield memoryview(sink.getvalue())
        yield from map(_content, _files_of(column))


def _names_files(table: pa.Table) -> bool:
    """Tell whether cells of a table on disk name files, which its digest does not stand for; by its first rows."""
    if not isinstance(table, ShardedTable):
        return False
    if any(name in table.column_names for name, _ in table.edits):
        return True
    first = table.slice(0, _FIRST_ROWS).load()
    return any(True for name in first.column_names for _ in _files_of(first.select([name])))


def _files_of(column: pa.Table) -> Iterator[Path]:
    """Yield the files that the cells of a table's only column name: pictures and recordings without bytes of theirs."""
    import pyarrow as pa

    kind = column.schema.field(0).type
    if pa.types.is_struct(kind) and kind.get_field_index("path") >= 0 and kind.get_field_index("bytes") >= 0:
        for cell in column[0]:
            if cell.is_valid and not cell["bytes"].is_valid and cell["path"].is_valid:
                yield Path(cell["path"].as_py())


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes() if path.is_file() else b"no file"
    except OSError as error:
        return f"unreadable: {error.errno}".encode()


def _files_named(blocks: Mapping[str, Sequence[Any]]) -> list[Path]:
    """Return the files that settings of fields name (tokenizers): every one of a folder."""
    words = [word for _, options in blocks.values() for word in options.values() if isinstance(word, str)]
    places = [files_of(word) for word in words if is_path(word)]
    inside = (file for place in places for file in (place.rglob("*") if place.is_dir() else [place]))
    return sorted(file for file in inside if file.is_file())


Encode = Callable[..., EncodedTable]
"""How rows are encoded: as `Fitted.encode`."""


def encoder(fitted: Fitted, cache: Cache | None) -> Encode:
    """Return `fitted.encode`, with a cache the same that looks there first."""
    if cache is None:
        return fitted.encode
    return lambda table, **options: cache.encode(fitted, table, **options)

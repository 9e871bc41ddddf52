"""Conversations as token ids: lists of {role, content}, one token for each role and the end behind each turn.

A turn reads `role, content, end`. A text that stands alone is one turn of the user. Learned and read like `text`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from dlw.errors import DataError
from dlw.fields._base import Encoded, FieldSettings, LastReply, Role, State
from dlw.fields._columns import row_told, shown
from dlw.fields._tokenizers import CHARACTERS_PER_STEP, Reader, reader, train
from dlw.ragged import lengths, stack
from dlw.specs import FieldSpec

if TYPE_CHECKING:
    import pyarrow as pa

KIND = "tokens"
ROLES = ("system", "user", "assistant")
"""Their tokens follow those of the tokenizer, in this order."""

Turns = list[tuple[str, str]]


class Settings(FieldSettings):
    """Options of a column of conversations."""

    vocabulary: int = Field(8_000, ge=1, le=10**7, description="Most byte-level pieces (bpe) to learn.")
    lowercase: bool = Field(False, description="Read capital letters as small ones.")
    max_length: int = Field(
        1024, ge=4, le=2**20, description="Steps that are kept; of longer conversations the last turns that fit."
    )


@dataclass(frozen=True)
class Messages:
    """One column of conversations."""

    settings: Settings
    name: str
    role: Role

    def fit(self, values: pa.ChunkedArray) -> State:
        """Learn the tokens from what is said."""
        rows = self._read(values)
        limit = self.settings.max_length * CHARACTERS_PER_STEP
        said = [content[:limit] for turns in rows for _, content in turns]
        if len(set(said)) < 2:
            raise DataError(f"column {self.name}: holds fewer than two different messages; there is nothing to learn")
        content = train("bpe", said, self.settings.vocabulary, 1, self.settings.lowercase)
        longest = max(len(ids) for ids, _ in self._ids(reader(content), rows))
        return {"tokenizer": content, "longest": max(1, longest)}

    def encode(self, values: pa.ChunkedArray, state: State) -> Encoded:
        """Turn conversations into ids, int32 [N, T], 0 after the end."""
        found = self._ids(reader(state["tokenizer"]), self._read(values))
        num_cut = sum(is_cut for _, is_cut in found)
        most = f"the last {self.settings.max_length} steps"
        note = f"column {self.name}: {num_cut} of {len(found)} conversations are cut to max_length, {most}"
        return Encoded(stack([ids for ids, _ in found], KIND, "int32"), {}, (note,) if num_cut else ())

    def decode(self, array: np.ndarray, state: State) -> list[Any]:
        """Turn ids [N, T] into conversations; into the text that they say where a row does not begin with a role."""
        made = reader(state["tokenizer"])
        rows = [row[:length] for row, length in zip(array, lengths(array, KIND), strict=True)]
        return [self._decoded(made, row) for row in rows]

    def _decoded(self, made: Reader, row: np.ndarray) -> Any:
        starts = np.flatnonzero(row >= made.size)
        if not len(row):
            return []
        if not len(starts) or starts[0] > 0:
            return made.decode([row[row < made.size]])[0]
        parts = np.split(row, starts[1:])
        said = made.decode([part[1:] for part in parts])
        return [
            {"role": ROLES[int(part[0]) - made.size], "content": content}
            for part, content in zip(parts, said, strict=True)
        ]

    def last_replies(self, values: pa.ChunkedArray) -> list[LastReply]:
        """Return what the assistant said last in each conversation where something was said before."""
        found = []
        for row, turns in enumerate(self._read(values)):
            place = max((place for place, (role, _) in enumerate(turns) if role == "assistant"), default=0)
            if place:
                before = [{"role": role, "content": content} for role, content in turns[:place]]
                found.append(LastReply(row, before, turns[place][1]))
        return found

    def spec(self, state: State) -> FieldSpec:
        """Describe the tokens; statistics hold `roles`: {name: id}."""
        made = reader(state["tokenizer"])
        statistics = {**made.statistics, "max_length": [self.settings.max_length], "is_learned": [1]}
        statistics["characters"] = [*made.characters, *[0] * len(ROLES)]
        statistics["roles"] = {name: made.size + place for place, name in enumerate(ROLES)}
        size = made.size + len(ROLES)
        return FieldSpec(
            KIND, (state["longest"],), "int32", (self.name,), (size,), statistics=statistics, is_ragged=True
        )

    def _ids(self, made: Reader, rows: list[Turns]) -> list[tuple[np.ndarray, bool]]:
        """Return the ids of each row, as many of its last turns as fit, of the very last one what fits, and whether it
        was cut."""
        most, end = self.settings.max_length, made.marks["end"]
        said = iter(made.encode([content for turns in rows for _, content in turns], most - 2, is_framed=False))
        found = []
        for turns in rows:
            contents = [next(said) for _ in turns]
            parts = [
                np.array([made.size + ROLES.index(role), *ids, end], np.int32)
                for (role, _), (ids, _) in zip(turns, contents, strict=True)
            ]
            steps_after = np.cumsum([len(part) for part in reversed(parts)])
            num_kept = int(np.searchsorted(steps_after, most, side="right"))
            kept = parts[len(parts) - num_kept :]
            is_cut = num_kept < len(parts) or any(is_short for _, is_short in contents)
            found.append((np.concatenate(kept) if kept else np.zeros(0, np.int32), is_cut))
        return found

    def _read(self, values: pa.ChunkedArray) -> list[Turns]:
        """Return the turns of each row; DataError naming the row that holds no conversation."""
        return [self._turns(row, value) for row, value in enumerate(values.to_pylist())]

    def _turns(self, row: int, value: Any) -> Turns:
        if value is None:
            return []
        messages = [{"role": "user", "content": value}] if isinstance(value, str) else value
        where = f"column {self.name}: {row_told(row)}: "
        if not isinstance(messages, list):
            raise DataError(f"{where}{shown(value)} is not a list of messages with `role` and `content`")
        for place, message in enumerate(messages):
            if problem := _problem_of(message):
                raise DataError(f"{where}message {place} (from 0) {problem}")
        return [(message["role"], message["content"]) for message in messages]


def _problem_of(message: Any) -> str | None:
    """Say why a value is not one message of a conversation, None if it is one."""
    if not isinstance(message, dict) or not isinstance(message.get("content"), str):
        return f"is {shown(message)}, which has no text as `content`"
    if message.get("role") not in ROLES:
        return f"has the role {shown(message.get('role'))}; known are {', '.join(ROLES)}"
    return None


build = Messages

"""Text as token ids: characters, bytes, word pieces or words, learned from the training split or read from a file.

int32 [steps] per row. A missing text is an empty one; as a target it is a row without an answer.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import Field, model_validator

from dlw.columns import one_array
from dlw.errors import DataError, did_you_mean
from dlw.fields._base import Encoded, FieldSettings, Role, State
from dlw.fields._columns import family, shown
from dlw.fields._ngrams import follow_counts
from dlw.fields._statistics import nothing
from dlw.fields._tokenizers import CHARACTERS_PER_STEP, KNOWN_NAMES, Reader, problem_of, reader, train
from dlw.fields._words import to_words
from dlw.local_files import files_of, is_path
from dlw.local_files import problem_of as misspelt
from dlw.ragged import lengths, stack
from dlw.specs import FieldSpec

if TYPE_CHECKING:
    import pyarrow as pa

KIND = "tokens"
TOKENIZER_FILE = "tokenizer.json"
TRAINED = ("characters", "bytes", "bpe", "wordpiece", "words")
COLUMN = "column:"
_READ_AS_TEXT = ("text", "numbers", "truth values", "times", "nothing")


class Settings(FieldSettings):
    """Options of a text column.

    Byte-level bpe: Radford et al. 2019 (GPT-2); word pieces: Devlin et al. 2019 (BERT), arXiv:1810.04805.
    """

    tokenizer: str = Field(
        "bpe",
        min_length=1,
        description="characters, bytes, bpe, wordpiece or words: learned from the training split (bytes and bpe read "
        "any text without loss); or a tokenizer.json or a folder that holds one: a path, or package:NAME/FOLDER for "
        "what an installed package carries; or column:NAME for that of a text input above, which an encoder_decoder "
        "then can copy from.",
    )
    vocabulary: int | None = Field(
        None, ge=1, le=10**7, description="Most tokens to learn; default: 8,000 pieces, 30,000 words, 5,000 characters."
    )
    min_count: int | None = Field(
        None,
        ge=1,
        le=10**9,
        description="Times a character, word or pair must occur to be learned; default: 1.",
    )
    lowercase: bool = Field(False, description="Read capital letters as small ones.")
    ngrams: int | None = Field(
        None,
        ge=2,
        le=10,
        description="Of a target: count which tokens follow one another in training, so many in a row, for tasks that "
        "search with a language model.",
    )
    max_length: int = Field(
        512, ge=1, le=2**20, description="Steps that are kept: the first ones, but the last of a prompt to go on with."
    )
    frame: bool | None = Field(
        None,
        description="Add what the template of a tokenizer.json puts around a text; default: to inputs, but to none "
        "that the task learns to go on with.",
    )

    @property
    def takes_over(self) -> str | None:
        """The input whose tokenizer this column has, None if it has one of its own."""
        return self.tokenizer.removeprefix(COLUMN) if self.tokenizer.startswith(COLUMN) else None

    @model_validator(mode="after")
    def _has_effect(self) -> Self:
        is_own = self.takes_over is None
        if self.takes_over == "":
            raise ValueError("column: names no input; write column:NAME")
        if self.tokenizer not in TRAINED and is_own and not is_path(self.tokenizer):
            near = did_you_mean(self.tokenizer, TRAINED) or "; a file is written ./name or name.json"
            raise ValueError(f"'{self.tokenizer}' is none of {', '.join(TRAINED)}{near}")
        if is_own and (problem := misspelt(self.tokenizer)):
            raise ValueError(problem)
        is_learned = self.tokenizer in TRAINED and self.tokenizer != "bytes"
        for name in () if is_learned else ("vocabulary", "min_count"):
            if getattr(self, name) is not None:
                raise ValueError(f"{name} has no effect with tokenizer {self.tokenizer}, which learns nothing")
        if self.lowercase and self.tokenizer not in TRAINED:
            raise ValueError(f"lowercase has no effect with tokenizer {self.tokenizer}, which brings its own rules")
        if self.frame and self.tokenizer in TRAINED:
            raise ValueError(f"frame has no effect with tokenizer {self.tokenizer}, which puts nothing around a text")
        return self


def _from_file(path: str) -> str:
    """Return the content of a tokenizer.json; DataError where it cannot be used."""
    place = files_of(path)
    file = place / TOKENIZER_FILE if place.is_dir() else place
    try:
        content = file.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise DataError(f"tokenizer {file}: cannot be read: {error}") from error
    problem = problem_of(content)
    if problem:
        raise DataError(f"tokenizer {file}: {problem}")
    return content


@dataclass(frozen=True)
class Text:
    """One text column."""

    settings: Settings
    name: str
    role: Role

    def fit(self, values: pa.ChunkedArray, *taken: State) -> State:
        """Learn the tokens, or read them or take them over, and how long texts become."""
        texts = [text or "" for text in self._read(values)]
        state: State = {"held": family(values.type)}
        distinct = set(texts)
        if len(distinct) < 2:
            only = next(iter(distinct), "")
            reason = f"is {shown(only)} in every row" if only else "has no values"
            if self.role == "target":
                raise DataError(f"target column {self.name}: {reason} of the training split; there is nothing to learn")
            return {**state, "dropped": reason}
        content = self._content(texts, taken)
        rows = [ids for ids, _ in self._all(self._ids(reader(content), texts))]
        state |= {"tokenizer": content, "longest": max(map(len, rows))}
        if self.settings.ngrams:
            marks = reader(content).marks
            if missing := [name for name in KNOWN_NAMES if name not in marks]:
                known = "; ".join(f"{name}: {', '.join(KNOWN_NAMES[name])}" for name in missing)
                raise DataError(
                    f"column {self.name}: ngrams need tokens for the start and the end of a text, and tokenizer "
                    f"{self.settings.tokenizer} lacks them ({known}); leave ngrams out, or choose another tokenizer"
                )
            state["ngrams"] = follow_counts(rows, self.settings.ngrams, marks)
        return state

    def encode(self, values: pa.ChunkedArray, state: State) -> Encoded:
        """Turn texts into ids, int32 [N, T], 0 after the end."""
        if "dropped" in state:
            return Encoded(np.zeros((len(values), 0), np.int32), {})
        texts = self._read(values)
        found = self._all(self._ids(reader(state["tokenizer"]), [text or "" for text in texts]))
        rows = [ids for ids, _ in found]
        bad = {}
        if self.role == "target":
            bad = {row: f"target {self.name} is missing" for row, text in enumerate(texts) if text is None}
            rows = [rows[row][:0] if row in bad else rows[row] for row in range(len(rows))]
        num_cut = sum(is_cut for _, is_cut in found)
        most = f"{'the last ' if self.role == 'prompt' else ''}{self.settings.max_length}"
        note = f"column {self.name}: {num_cut} of {len(rows)} texts are cut to max_length, {most} steps"
        return Encoded(stack(rows, KIND, "int32"), bad, (note,) if num_cut else ())

    def decode(self, array: np.ndarray, state: State) -> list[Any]:
        """Turn ids [N, T] into texts; a target of no steps is None."""
        if "dropped" in state:
            return [None] * len(array)
        rows = [row[:length] for row, length in zip(array, lengths(array, KIND), strict=True)]
        texts = reader(state["tokenizer"]).decode(rows)
        if self.role != "target":
            return list(texts)
        return [text if len(row) else None for text, row in zip(texts, rows, strict=True)]

    def spec(self, state: State) -> FieldSpec:
        """Describe the tokens."""
        if "dropped" in state:
            return nothing(KIND)
        made = reader(state["tokenizer"])
        statistics: dict[str, Any] = {**made.statistics, "max_length": [self.settings.max_length]}
        if self.settings.tokenizer in TRAINED:
            statistics["is_learned"] = [1]
        if source := self.settings.takes_over:
            statistics["same_as"] = [source]
        if "ngrams" in state:
            statistics["ngrams"] = state["ngrams"]
        labels = made.tokens if self.settings.tokenizer == "characters" else ()
        shape, sizes = (state["longest"],), (made.size,)
        return FieldSpec(KIND, shape, "int32", (self.name,), sizes, labels, statistics, is_ragged=True)

    def _all(self, found: Iterable[tuple[np.ndarray, bool]]) -> list[tuple[np.ndarray, bool]]:
        """Return what `_ids` gives; DataError naming the column where the tokenizer fails."""
        try:
            return list(found)
        except DataError as error:
            raise DataError(f"column {self.name}: tokenizer {self.settings.tokenizer}: {error}") from error

    def _content(self, texts: list[str], taken: tuple[State, ...]) -> str:
        """Return the JSON of the tokenizer."""
        options = self.settings
        if options.takes_over:
            (state,) = taken
            if "tokenizer" not in state:
                raise DataError(f"column {self.name}: tokenizer {options.tokenizer}: that column has no tokenizer")
            return str(state["tokenizer"])
        if options.tokenizer not in TRAINED:
            return _from_file(options.tokenizer)
        limit = options.max_length * CHARACTERS_PER_STEP
        kept = [text[:limit] for text in texts]
        return train(options.tokenizer, kept, options.vocabulary, options.min_count or 1, options.lowercase)

    def _ids(self, made: Reader, texts: list[str]) -> Iterator[tuple[np.ndarray, bool]]:
        """Yield the ids of each text, of a prompt the last ones, and whether it was cut."""
        most = self.settings.max_length
        is_framed = self.role != "target" if self.settings.frame is None else self.settings.frame
        if self.role != "prompt":
            yield from made.encode(texts, most, is_framed=is_framed)
            return
        limit = most * CHARACTERS_PER_STEP
        found = made.encode([text[-limit:] for text in texts], sys.maxsize, is_framed=is_framed)
        for text, (ids, _) in zip(texts, found, strict=True):
            yield ids[-most:], len(ids) > most or len(text) > limit

    def _read(self, values: pa.ChunkedArray) -> list[str | None]:
        """Return the text of each row, None where missing; bytes that are no text read as U+FFFD."""
        import pyarrow as pa

        what = family(values.type)
        if what not in _READ_AS_TEXT:
            raise DataError(f"column {self.name}: holds {what} ({values.type}) where text is needed")
        if what == "text":
            raw = one_array(values).cast(pa.large_binary()).to_pylist()
            return [None if value is None else value.decode("utf-8", "replace") for value in raw]
        codes, words = to_words(values, self.name)
        return [None if code < 0 else words[code] for code in codes.tolist()]


build = Text

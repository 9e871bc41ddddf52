"""Tokenizers of text: trained on the training split or read from a file, always one JSON text afterwards.

All work is done by the `tokenizers` library. Ids in arrays are the tokenizer's plus one: 0 is left for what follows the
end of a row. Trained tokenizers hold three tokens that no text becomes: unknown, start and end.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from dlw.errors import DataError
from dlw.fields._columns import shown

if TYPE_CHECKING:
    from tokenizers import Tokenizer

UNKNOWN, START, END = "\ufffd", "[START]", "[END]"
"""Tokens of trained tokenizers. What was not learned reads as U+FFFD, Unicode's own sign of the unknown."""

KNOWN_NAMES: Mapping[str, tuple[str, ...]] = {
    "start": (START, "[CLS]", "<s>", "<|startoftext|>", "<|begin_of_text|>", "<bos>", "<|endoftext|>"),
    "end": (END, "[SEP]", "</s>", "<|endoftext|>", "<|end_of_text|>", "<|im_end|>", "<eos>"),
}
"""What well-known tokenizers call the tokens that begin and end a text; the first that is there counts."""

DEFAULT_VOCABULARY: Mapping[str, int] = {"characters": 5_000, "bpe": 8_000, "wordpiece": 8_000, "words": 30_000}
"""Most tokens of each kind of trained tokenizer; of bytes there are 256."""

CONTINUED = "##"
"""Before a word piece that does not begin a word."""
MOST_SIGNS = 1_000
"""Characters that word pieces are made of; a word with a rarer one is unknown as a whole."""
LONGEST_PIECE = 32
"""Characters (bpe: bytes) of the longest piece that is learned."""
NEVER_SEEN = ("zqxj", "\u0b95", "\U0001f600", "\ue000")
"""Texts that hardly any tokenizer has tokens for."""
SPARE_IDS = 100_000
"""Ids that a tokenizer may leave without a token."""
TEXTS_AT_ONCE = 1_000
CHARACTERS_PER_STEP = 100
"""So many characters are read for each step that is kept, so that one endless line cannot fill the memory."""


def train(kind: str, texts: Sequence[str], vocabulary: int | None, min_count: int, lowercase: bool) -> str:
    """Return the JSON of a tokenizer that has learned from texts: the same for the same texts."""
    from tokenizers import Tokenizer, normalizers

    known = [text.replace(UNKNOWN, " ") for text in texts]
    normalizer: Any = normalizers.Lowercase() if lowercase else None
    if kind == "wordpiece":
        normalizer = normalizers.BertNormalizer(clean_text=False, strip_accents=False, lowercase=lowercase)
        known = [normalizer.normalize_str(text) for text in known]
    model, before, decoder, trainer = _parts(kind, known, vocabulary or DEFAULT_VOCABULARY.get(kind, 0), min_count)
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = before
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if decoder is not None:
        tokenizer.decoder = decoder
    tokenizer.train_from_iterator(known, trainer)
    content = json.loads(tokenizer.to_str())
    content["added_tokens"] = []  # else "[END]" inside a text would become the token that ends it
    return json.dumps(content, ensure_ascii=False)


def _parts(kind: str, texts: Sequence[str], vocabulary: int, min_count: int) -> tuple[Any, Any, Any, Any]:
    """Return model, pre-tokenizer, decoder and trainer."""
    from tokenizers import Regex, decoders, models, pre_tokenizers, trainers

    first = [UNKNOWN, START, END]
    model: Any
    trainer: Any
    options: dict[str, Any] = {"min_frequency": min_count, "show_progress": False}
    if kind in ("characters", "words"):
        model = models.WordLevel({UNKNOWN: 0}, unk_token=UNKNOWN)
        trainer = trainers.WordLevelTrainer(vocab_size=vocabulary + len(first), special_tokens=first, **options)
        if kind == "characters":
            return model, pre_tokenizers.Split(Regex("[\\s\\S]"), "isolated"), decoders.Fuse(), trainer
        return model, pre_tokenizers.Whitespace(), None, trainer  # no decoder: a space between words
    if kind == "wordpiece":
        alphabet = _alphabet(texts)
        first += [CONTINUED + sign for sign in alphabet]  # given here, else their order changes from run to run
        size = max(vocabulary, 2 * len(alphabet)) + len(first)
        trainer = trainers.WordPieceTrainer(
            vocab_size=size, special_tokens=first, initial_alphabet=alphabet, limit_alphabet=len(alphabet), **options
        )
        model = models.WordPiece(unk_token=UNKNOWN)
        return model, pre_tokenizers.BertPreTokenizer(), decoders.WordPiece(cleanup=False), trainer
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=max(vocabulary, len(alphabet)) + len(first),
        special_tokens=first,
        initial_alphabet=alphabet,
        max_token_length=LONGEST_PIECE,
        **options,
    )
    before = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=kind == "bpe")
    return models.BPE(), before, decoders.ByteLevel(), trainer


def _alphabet(texts: Sequence[str]) -> list[str]:
    """Return the most frequent characters, in their order in Unicode."""
    counts = Counter(sign for text in texts for sign in text if not sign.isspace())
    frequent = sorted(counts, key=lambda sign: (-counts[sign], sign))[:MOST_SIGNS]
    return sorted(frequent)


class Reader:
    """A tokenizer at work: texts to ids and back."""

    def __init__(self, content: str) -> None:
        from tokenizers import Tokenizer

        with _failures_told():
            found = json.loads(content, object_hook=_checked)
            tokenizer: Tokenizer = Tokenizer.from_str(content)
        tokenizer.no_padding()
        tokenizer.no_truncation()
        tokenizer.encode_special_tokens = True  # "[SEP]" inside a text is text
        self._tokenizer = tokenizer
        self._is_byte_level = '"ByteLevel"' in json.dumps(found.get("decoder"))
        places = tokenizer.get_vocab(with_added_tokens=True).values()
        if not places:
            raise DataError("it has no tokens")
        most = len(places) + SPARE_IDS
        if max(places) > most:  # the library and every network take memory for each id up to the last
            raise DataError(f"a token has the id {max(places)}; of {len(places)} tokens none may be above {most}")
        self.size: int = max(places) + 2
        """Ids run from 1 to this, excluded."""

    def encode(self, texts: Sequence[str], most: int, *, is_framed: bool) -> Iterator[tuple[np.ndarray, bool]]:
        """Yield int32 ids [at most `most`] of each text, and whether it was cut.

        `is_framed` adds what the tokenizer's own template puts around a text; trained ones put nothing.
        """
        limit = most * CHARACTERS_PER_STEP
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            piece = [text[:limit] for text in texts[start : start + TEXTS_AT_ONCE]]
            for text, found in zip(texts[start:], self._read(piece, is_framed), strict=False):
                ids = np.array(found, np.int32) + 1
                yield _cut(ids, most, self._num_closing if is_framed else 0), len(ids) > most or len(text) > limit

    def _read(self, texts: Sequence[str], is_framed: bool) -> list[list[int]]:
        """Return the library's ids of each text; DataError showing the one that it fails on."""
        try:
            with _failures_told():
                found = self._tokenizer.encode_batch_fast(texts, add_special_tokens=is_framed)
                return [encoding.ids for encoding in found]
        except DataError as error:
            if len(texts) == 1:
                raise DataError(f"cannot read {shown(texts[0])}: {error}") from error
            return [ids for text in texts for ids in self._read([text], is_framed)]

    def decode(self, rows: Sequence[np.ndarray]) -> list[str]:
        """Return the text of each row of ids above 0; tokens that only frame a text are left out."""
        frame = [place for name, place in self.marks.items() if name != "unknown"]
        kept = [(row[~np.isin(row, frame)] - 1).tolist() for row in rows]
        return list(self._tokenizer.decode_batch(kept, skip_special_tokens=False))

    @cached_property
    def marks(self) -> dict[str, int]:
        """The ids of unknown, start and end, as far as there are such tokens."""
        model = json.loads(self._tokenizer.to_str())["model"]
        names = {"unknown": (model.get("unk_token") or UNKNOWN,), **KNOWN_NAMES}
        found = {name: [self._tokenizer.token_to_id(token) for token in tokens] for name, tokens in names.items()}
        ids = {name: next((place for place in places if place is not None), None) for name, places in found.items()}
        return {name: place + 1 for name, place in ids.items() if place is not None}

    @property
    def statistics(self) -> dict[str, Any]:
        """What a FieldSpec tells of the tokens: the marks, and the characters that each stands for."""
        return {**{name: [place] for name, place in self.marks.items()}, "characters": self.characters}

    @cached_property
    def characters(self) -> list[int]:
        """How many characters of text each id stands for, 0 for the fill and for tokens that frame a text.

        A word is taken with the space before it; of a character cut into bytes, the first byte counts.
        """
        if self._is_byte_level:
            return [_first_bytes(token) for token in self.tokens]
        is_spaced = " " in self.decode([np.array([self.marks.get("unknown", 1)] * 2)])[0]
        return [
            len(token.removeprefix(CONTINUED)) + (is_spaced and not token.startswith(CONTINUED)) if token else 0
            for token in self.tokens
        ]

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        """The text of each id as the tokenizer writes it, nothing for 0 and for tokens that frame a text."""
        found = [""] * self.size
        for token, place in self._tokenizer.get_vocab(with_added_tokens=True).items():
            found[place + 1] = token
        for name in KNOWN_NAMES:
            if name in self.marks:
                found[self.marks[name]] = ""
        return tuple(found)

    @cached_property
    def _num_closing(self) -> int:
        """How many tokens the template puts behind a text."""
        bare, framed = (self._read(["a"], is_framed)[0] for is_framed in (False, True))
        start = next((place for place in range(len(framed)) if framed[place : place + len(bare)] == bare), len(framed))
        return max(0, len(framed) - start - len(bare))


def _cut(ids: np.ndarray, most: int, closing: int) -> np.ndarray:
    """Keep the first ids, and the last ones where they close a text."""
    if len(ids) <= most or not closing or closing >= most:
        return ids[:most]
    return np.concatenate([ids[: most - closing], ids[-closing:]])


@lru_cache(maxsize=8)
def reader(content: str) -> Reader:
    """Return the tokenizer of a JSON text, made once."""
    return Reader(content)


def problem_of(content: str) -> str | None:
    """Say why a text is not the JSON of a tokenizer that works, None if it is one."""
    try:
        made = reader(content)
    except DataError as error:
        return f"is not a tokenizer of the tokenizers library: {error}"
    try:
        list(made.encode(NEVER_SEEN, 1, is_framed=False))
    except DataError as error:
        advice = "; add a token for unknown words to its vocabulary, and name it as unk_token (Unigram: by unk_id)"
        return f"{error}{advice if 'unk' in str(error).lower() else ''}"
    try:
        ((ids, _),) = made.encode([""], CHARACTERS_PER_STEP, is_framed=True)
    except DataError as error:
        return f"its post_processor does not work: {error}"
    if max(ids, default=0) >= made.size:
        return f"its post_processor writes the id {max(ids) - 1}, which no token has"
    return None


@contextmanager
def _failures_told() -> Iterator[None]:
    """Raise what the library refuses as DataError; anything else is a bug.

    It raises nothing more exact than Exception, and BaseException with a name that cannot be imported where its Rust
    code panics.
    """
    try:
        yield
    except (ValueError, RecursionError) as error:
        raise DataError(str(error)) from error
    except BaseException as error:
        if type(error) is Exception or type(error).__name__ == "PanicException":
            raise DataError(str(error)) from error
        raise


def _checked(part: dict[str, Any]) -> dict[str, Any]:
    """Refuse a map of characters that says it is longer than it is: the library would take all that memory."""
    charsmap = part.get("precompiled_charsmap")
    if isinstance(charsmap, str):
        data = b64decode(charsmap)
        if int.from_bytes(data[:4], "little") > len(data):
            raise ValueError("its precompiled_charsmap is cut off")
    return part


def _first_bytes(token: str) -> int:
    """Count the bytes that begin a character in a byte-level token."""
    table = _bytes_of_signs()
    return sum(table.get(sign, 0) & 0xC0 != 0x80 for sign in token)


@lru_cache(maxsize=1)
def _bytes_of_signs() -> dict[str, int]:
    """Return the byte of each sign that byte-level tokenizers write it as.

    From bytes_to_unicode in openai/gpt-2, encoder.py: signs that can be seen stand for themselves.
    """
    seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in seen]
    return {chr(byte): byte for byte in seen} | {chr(256 + place): byte for place, byte in enumerate(hidden)}

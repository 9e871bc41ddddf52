"""Text: what comes back out of ids, who is unknown, where rows are cut, and that no text is too strange."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from dlw.errors import DataError, UsageError
from dlw.fields import _tokenizers, text
from dlw.fields._tokenizers import UNKNOWN
from dlw.ragged import lengths
from tests.withstood import Tally

TEXTS = ["The cat sat on the mat.", "the dog didn't", "A cat, a dog!", "Ünïcode ŝigns", "the [END] of it", "x\ny"]
LOSSLESS = ("characters", "bytes", "bpe")


def column(*values: str | None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, pa.string())])


def field(role: str = "input", **settings: Any) -> text.Text:
    return text.build(text.Settings.model_validate(settings), "note", role)  # type: ignore[arg-type]


def back(made: text.Text, state: dict[str, Any], *values: str) -> list[str]:
    """Return texts after encoding and decoding."""
    return made.decode(made.encode(column(*values), state).array, state)


@pytest.mark.parametrize("tokenizer", LOSSLESS)
def test_learned_texts_come_back_unchanged(tokenizer: str) -> None:
    made = field(tokenizer=tokenizer)
    assert back(made, made.fit(column(*TEXTS)), *TEXTS, "", "   ") == [*TEXTS, "", "   "]


@pytest.mark.parametrize("tokenizer", ["bytes", "bpe"])
def test_bytes_know_every_text(tokenizer: str) -> None:
    made = field(tokenizer=tokenizer)
    state = made.fit(column(*TEXTS))
    never_seen = ["日本語 \U0001f600\U0010ffff", "\x00\x01\x7f", "\ufffd", "[START][END]", "\t\r\n\u2028"]
    assert back(made, state, *never_seen) == never_seen


def test_words_and_pieces_come_back_with_one_space_between() -> None:
    for tokenizer in ("words", "wordpiece"):
        made = field(tokenizer=tokenizer)
        assert back(made, made.fit(column(*TEXTS)), "the  cat,the dog") == ["the cat , the dog"]


@pytest.mark.parametrize("tokenizer", ["characters", "wordpiece", "words"])
def test_what_was_not_learned_is_unknown(tokenizer: str) -> None:
    made = field(tokenizer=tokenizer)
    state = made.fit(column(*TEXTS))
    (unknown,) = made.spec(state).statistics["unknown"]
    array = made.encode(column("日"), state).array
    assert array[0].tolist() == [unknown, 0]
    assert made.decode(array, state) == [UNKNOWN]


@pytest.mark.parametrize("tokenizer", text.TRAINED)
def test_no_text_becomes_the_ids_that_frame_one(tokenizer: str) -> None:
    made = field(tokenizer=tokenizer)
    state = made.fit(column(*TEXTS, "[END]", "[START]"))
    statistics = made.spec(state).statistics
    array = made.encode(column("[END] [START]", " [END]"), state).array
    assert not np.isin(array, [*statistics["start"], *statistics["end"]]).any()


@pytest.mark.parametrize("tokenizer", text.TRAINED)
def test_learning_is_the_same_every_time(tokenizer: str) -> None:
    made = field(tokenizer=tokenizer, vocabulary=None if tokenizer == "bytes" else 300)
    rng = random.Random(0)
    texts = [" ".join("".join(rng.choices("abcdeé", k=rng.randint(1, 7))) for _ in range(20)) for _ in range(50)]
    assert len({json.dumps(made.fit(column(*texts))) for _ in range(4)}) == 1


def test_settings_choose_what_is_learned() -> None:
    made = field(tokenizer="words", lowercase=True, min_count=2)
    state = made.fit(column(*TEXTS))
    assert back(made, state, "THE Cat sat") == [f"the cat {UNKNOWN}"]
    few = field(tokenizer="words", vocabulary=2)
    assert few.spec(few.fit(column(*TEXTS))).sizes == (1 + 3 + 2,)


@pytest.mark.parametrize("tokenizer", text.TRAINED)
def test_lowercase_makes_small_letters_and_keeps_accents(tokenizer: str) -> None:
    made = field(tokenizer=tokenizer, lowercase=True)
    assert back(made, made.fit(column("Café naïve", "ÉTÉ")), "CAFÉ naïve été") == ["café naïve été"]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"tokenizer": "bytes", "vocabulary": 9}, "vocabulary has no effect with tokenizer bytes"),
        ({"tokenizer": "./tokenizer.json", "min_count": 2}, "min_count has no effect"),
        ({"tokenizer": "./tokenizer.json", "lowercase": True}, "lowercase has no effect"),
        ({"tokenizer": "wordpeice"}, "did you mean wordpiece"),
        ({"tokenizer": "package:../x"}, "expected package:NAME"),
        ({"tokenizer": "words", "frame": True}, "frame has no effect with tokenizer words"),
        ({"tokenizer": "column:"}, "names no input"),
        ({"tokenizer": "column:note", "vocabulary": 9}, "vocabulary has no effect with tokenizer column:note"),
    ],
)
def test_settings_without_effect_are_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        text.Settings.model_validate(settings)


def test_long_texts_are_cut_and_told_once() -> None:
    made = field(tokenizer="words", max_length=3)
    state = made.fit(column(*TEXTS))
    encoded = made.encode(column("the cat sat on the mat", "the dog"), state)
    assert lengths(encoded.array, "tokens").tolist() == [3, 2]
    assert encoded.notes == ("column note: 1 of 2 texts are cut to max_length, 3 steps",)
    assert made.spec(state).shape == (3,)


def test_of_a_long_prompt_the_end_stays() -> None:
    """Also where it is far longer than what is read of a text that is kept from its beginning."""
    state = field(tokenizer="words").fit(column(*TEXTS))
    made = field("prompt", tokenizer="words", max_length=3)
    encoded = made.encode(column("the cat sat on the mat", "the dog", "the " * 500 + "cat sat on the mat"), state)
    assert made.decode(encoded.array, state) == ["on the mat", "the dog", "on the mat"]
    assert encoded.notes == ("column note: 2 of 3 texts are cut to max_length, the last 3 steps",)


def test_a_missing_target_is_a_bad_row_and_a_missing_input_is_empty() -> None:
    made = field("target")
    encoded = made.encode(column("the cat", None), made.fit(column(*TEXTS)))
    assert encoded.bad == {1: "target note is missing"}
    assert field().encode(column("the cat", None), field().fit(column(*TEXTS))).bad == {}


@pytest.mark.parametrize("tokenizer", LOSSLESS)
def test_ids_stand_for_characters(tokenizer: str) -> None:
    made = field(tokenizer=tokenizer)
    state = made.fit(column(*TEXTS, "gro\u00df \u65e5 dog's"))
    array = made.encode(column("gro\u00df \u65e5 dogs"), state).array
    characters = np.array(made.spec(state).statistics["characters"])
    assert characters[array].sum() == 11
    assert characters[0] == 0


def test_a_tokenizer_is_read_from_a_file_and_kept(tmp_path: Path) -> None:
    learned = field(tokenizer="wordpiece").fit(column(*TEXTS))["tokenizer"]
    (tmp_path / "tokenizer.json").write_text(learned, encoding="utf-8")
    states = [field(tokenizer=str(path)).fit(column(*TEXTS)) for path in (tmp_path, tmp_path / "tokenizer.json")]
    assert [state["tokenizer"] for state in states] == [learned, learned]
    empty = '{"version": "1.0", "model": {"type": "WordLevel", "vocab": {}, "unk_token": "x"}}'
    for content, told in (("{}", "is not a tokenizer"), (empty, "it has no tokens"), (None, "cannot be read")):
        (tmp_path / "tokenizer.json").unlink() if content is None else (tmp_path / "tokenizer.json").write_text(content)
        with pytest.raises(DataError, match=told):
            field(tokenizer=str(tmp_path)).fit(column(*TEXTS))


def changed(kind: str = "words", **parts: Any) -> str:
    """Return a learned tokenizer with some parts of its JSON exchanged."""
    return json.dumps(json.loads(field(tokenizer=kind).fit(column(*TEXTS))["tokenizer"]) | parts)


def template(**known: Any) -> dict[str, Any]:
    """Return a post-processor that begins every text with [XX]."""
    rule = [{"SpecialToken": {"id": "[XX]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    return {"type": "TemplateProcessing", "single": rule, "pair": [*rule, rule[1]], "special_tokens": known}


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}}, "Cannot parse precompiled_charsmap"),
        ({"normalizer": {"type": "Precompiled", "precompiled_charsmap": "////////"}}, "precompiled_charsmap is cut"),
        ({"post_processor": template()}, "its post_processor does not work: "),
        ({"post_processor": template(**{"[XX]": {"id": "[XX]", "ids": [99], "tokens": ["x"]}})}, "writes the id 99"),
        ({"version": [[]]}, "is not a tokenizer"),
    ],
)
def test_a_file_whose_parts_do_not_work_is_named(tmp_path: Path, parts: dict[str, Any], told: str) -> None:
    (tmp_path / "some.json").write_text(changed(**parts), encoding="utf-8")
    with pytest.raises(DataError, match=rf"some\.json: .*{told}"):
        field(tokenizer=str(tmp_path / "some.json")).fit(column(*TEXTS))


@pytest.mark.parametrize("id", [600_000_000, 4_000_000_000, 5_000_000_000])
def test_ids_far_above_the_number_of_tokens_are_refused(tmp_path: Path, id: int) -> None:
    model = {"type": "WordLevel", "vocab": {"the": 0, "cat": id}, "unk_token": "the"}
    (tmp_path / "some.json").write_text(changed(model=model), encoding="utf-8")
    with pytest.raises(DataError, match=rf"some\.json: is not a tokenizer .*{id}"):
        field(tokenizer=str(tmp_path / "some.json")).fit(column(*TEXTS))


@pytest.mark.parametrize(
    "model",
    [
        {"type": "WordLevel", "vocab": {"the": 0, "cat": 1}, "unk_token": "<unk>"},
        {"type": "Unigram", "vocab": [["the", -1.0], ["cat", -2.0]], "unk_id": None},
        {"type": "BPE", "vocab": {"t": 0, "h": 1}, "merges": [], "unk_token": "<unk>"},
    ],
)
def test_a_file_without_a_token_for_unknown_words_is_refused(tmp_path: Path, model: dict[str, Any]) -> None:
    (tmp_path / "some.json").write_text(changed(model=model), encoding="utf-8")
    with pytest.raises(DataError, match=r"some\.json: cannot read 'zqxj': .*; add a token for unknown words"):
        field(tokenizer=str(tmp_path / "some.json")).fit(column("the", "cat"))


def test_a_text_that_the_library_panics_on_is_shown(tmp_path: Path) -> None:
    endless = {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": False}
    (tmp_path / "some.json").write_text(changed(pre_tokenizer=endless), encoding="utf-8")
    made = field(tokenizer=str(tmp_path / "some.json"))
    state = made.fit(column(*TEXTS))
    with pytest.raises(DataError, match=r"column note: tokenizer .*some\.json: cannot read 'aaa.*: .*retry-limit"):
        made.encode(column("the cat", "a" * 40 + "b"), state)


def test_ngrams_need_tokens_that_begin_and_end_a_text(tmp_path: Path) -> None:
    model = {"type": "WordLevel", "vocab": {"[UNK]": 0, "the": 1, "[SEP]": 2}, "unk_token": "[UNK]"}
    (tmp_path / "some.json").write_text(changed(model=model), encoding="utf-8")
    made = field("target", tokenizer=str(tmp_path / "some.json"), ngrams=2)
    with pytest.raises(DataError, match=r"column note: ngrams need tokens .*some\.json lacks them \(start: \[START\]"):
        made.fit(column(*TEXTS))


def test_a_tokenizer_is_taken_over_from_an_input() -> None:
    learned = field(tokenizer="words").fit(column(*TEXTS))
    made = field("target", tokenizer="column:note/1")
    assert made.settings.takes_over == "note/1"
    state = made.fit(column("the dog", "the END"), learned)
    assert back(made, state, "the dog sat") == ["the dog sat"]
    assert made.spec(state).statistics["same_as"] == ["note/1"]
    with pytest.raises(DataError, match="has no tokenizer"):
        made.fit(column("a", "b"), {"dropped": "has no values"})


def test_a_bug_is_not_taken_for_a_bad_tokenizer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tokenizers, "reader", lambda content: content.nothing)
    with pytest.raises(AttributeError):
        _tokenizers.problem_of("{}")


def test_a_package_that_is_not_there_is_told() -> None:
    with pytest.raises(UsageError, match="pip install no-such-package-1"):
        field(tokenizer="package:no_such_package_1/model").fit(column(*TEXTS))


def strange(rng: random.Random) -> str:
    """Return a text of characters from all planes, surrogates as readers pass them on, NUL and spaces."""
    kinds = (
        lambda: chr(rng.choice([rng.randrange(0xD800), rng.randrange(0xE000, sys.maxunicode + 1)])),
        lambda: rng.choice(" \t\n\x00\u3000\u200d\ufeff\ufffd\u202e"),
        lambda: rng.choice(["the", "cat", "[END]", "##a", "\u0130", "e\u0301", "\ufffd\ufffd", "Ġ"]),
        lambda: chr(rng.randrange(128)) * rng.choice([1, 1, 200]),
    )
    return "".join(rng.choice(kinds)() for _ in range(rng.randrange(30)))


def ids(made: text.Text, state: dict[str, Any], texts: list[str]) -> list[list[int]]:
    array = made.encode(column(*texts), state).array
    return [row[:length].tolist() for row, length in zip(array, lengths(array, "tokens"), strict=True)]


def lost(seed: int, count: int) -> list[tuple[str, str]]:
    """Return which of `count` strange texts come back with other ids, or other letters where none is unknown or cut."""
    rng = random.Random(seed)
    texts = [strange(rng) for _ in range(count)]
    found = []
    for tokenizer in text.TRAINED:
        made = field(tokenizer=tokenizer)
        state = made.fit(column(*TEXTS, *(strange(rng) for _ in range(20))))
        before, returned = ids(made, state, texts), back(made, state, *texts)
        for one, read, old, new in zip(texts, returned, before, ids(made, state, returned), strict=True):
            is_whole = tokenizer in ("bytes", "bpe") and len(old) < made.settings.max_length
            if new != old or (is_whole and read != one):
                found.append((tokenizer, one))
    return found


@pytest.mark.withstands("fuzz: tokenizer text")
def test_strange_texts_come_back(tally: Tally) -> None:
    found = lost(0, 1_000)
    assert found == []
    tally(1_000 * len(text.TRAINED) - len(found), 5_000)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 101))
def test_many_strange_texts_come_back(seed: int) -> None:
    assert lost(seed, 5_000) == []


@pytest.mark.withstands("bad inputs", case="D21")
@pytest.mark.parametrize("tokenizer", text.TRAINED)
def test_bytes_that_are_no_text_and_endless_words_are_read(tokenizer: str) -> None:
    made = field(tokenizer=tokenizer)
    state = made.fit(column(*TEXTS))
    broken = pa.array([b"\xed\xa0\x80 the", b"\xff\xfe", b"a" * 10**6, b" " * 10**6, b""])
    raw = pa.Array.from_buffers(pa.string(), len(broken), broken.buffers())
    encoded = made.encode(pa.chunked_array([raw]), state)
    assert encoded.array.shape[1] <= 512
    assert encoded.bad == {}

"""The recipe grammar: what YAML 1.2 scalars mean, and what is refused with which words and place."""

from __future__ import annotations

import math
import tracemalloc
from pathlib import Path

import pytest

from dlw.errors import RecipeError
from dlw.recipe import parse
from tests.clock import clocked
from tests.withstood import case


def read(text: str) -> object:
    return parse.parse(text, "r.yaml", Path()).plain()


def problems(text: str | bytes) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        parse.parse(parse.decode(text.encode() if isinstance(text, str) else text, "r.yaml"), "r.yaml", Path())
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.withstands("bad inputs", case="B09")
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 1e5),
        ("-1.5e+2", -150.0),
        ("3e-4", 0.0003),
        (".5", 0.5),
        ("1.", 1.0),
        ("0", 0),
        ("-0", 0),
        ("+12", 12),
        ("-7", -7),
        ("0x1F", 31),
        ("12345678901234567890", 12345678901234567890),
        ("true", True),
        ("False", False),
        ("TRUE", True),
        ("null", None),
        ("~", None),
        ("", None),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("012", "012"),
        ("0o17", "0o17"),
        ("08", "08"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("190:20:30", "190:20:30"),
        ("no", "no"),
        ("No", "No"),
        ("on", "on"),
        ("yes", "yes"),
        ("off", "off"),
        ("y", "y"),
        ("tRue", "tRue"),
        ("2026-01-02", "2026-01-02"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("1e", "1e"),
        ("e5", "e5"),
        (".", "."),
        ("+", "+"),
        ("1.2.3", "1.2.3"),
        ("inf", "inf"),
        ("nan", "nan"),
        ("=", "="),
        ("'1e-3'", "1e-3"),
        ('"true"', "true"),
        ("'null'", "null"),
        ("text # comment", "text"),
        ("a#b", "a#b"),
        ("train[:90%]", "train[:90%]"),
        ("[1, two, 3.0]", [1, "two", 3.0]),
        ("{a: 1, b: no}", {"a": 1, "b": "no"}),
        ("|\n  two\n  lines\n", "two\nlines\n"),
        ("'two\n  lines'", "two lines"),
    ],
)
def test_a_scalar_means_what_yaml_1_2_says(text: str, value: object) -> None:
    found = read(f"key: {text}\n")
    assert found == {"key": value}
    assert type(found["key"]) is type(value)


def test_not_a_number_is_a_number() -> None:
    assert math.isnan(read("key: .nan")["key"])


@pytest.mark.withstands("bad inputs", case="B09")
@pytest.mark.parametrize("key", ["2019", "no", "null", "1e3", "true", "~", "012"])
def test_keys_are_text_as_written(key: str) -> None:
    assert read(f"{key}: 1") == {key: 1}


def test_every_value_knows_its_place() -> None:
    root = parse.parse("a: 1\nblock:\n  list: [x, é, {deep: y}]\n", "r.yaml", Path())
    items = root.value["block"].value["list"].value
    assert (root.value["a"].place.line, root.value["a"].place.column) == (1, 4)
    assert (root.value["block"].key.line, root.value["block"].key.column) == (2, 1)
    assert [(item.place.line, item.place.column) for item in items] == [(3, 10), (3, 13), (3, 16)]
    assert (items[2].value["deep"].key.column, items[2].value["deep"].place.column) == (17, 23)


@pytest.mark.withstands("bad inputs", case="B17")
@pytest.mark.parametrize("text", ["\ufeffa: 1\r\nb: [2,\r\n  3]\r\n", "\ufeffa: 1\nb: [2, 3]\n", "a: 1\r\nb: [2, 3]"])
def test_byte_order_mark_and_carriage_returns_are_accepted(text: str) -> None:
    decoded = parse.decode(text.encode(), "r.yaml")
    assert read(decoded) == {"a": 1, "b": [2, 3]}
    with_problem = parse.decode(text.replace("b", "a").encode(), "r.yaml")
    with pytest.raises(RecipeError, match=r"^r\.yaml:2:1: a: duplicate key a, first on line 1, again on line 2"):
        read(with_problem)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", "r.yaml:1:1", "recipe is empty"),
        ("# only\n# comments\n", "r.yaml:1:1", "dlw recipe copy"),
        ("---\n", "r.yaml:1:1", "recipe is empty"),
        ("null\n", "r.yaml:1:1", "recipe is empty"),
        ("- a\n- b\n", "r.yaml:1:1", "expected a mapping, got a list"),
        ("17\n", "r.yaml:1:1", "expected a mapping, got a number"),
        ("just text\n", "r.yaml:1:1", "expected a mapping, got text"),
        ("a: 1\n\tb: 2\n", "r.yaml:2:1", "use spaces"),
        ("a:\n  b: 1\n \tc: 1\n", "r.yaml:3:2", "use spaces"),
        ("a: {b: 1\nc: 2\n", "r.yaml:2:2", "closing `}` is missing"),
        ("a: [1, 2\n", "r.yaml:2:1", "closing `]` is missing"),
        ("a: b: c\n", "r.yaml:1:5", "second `: `"),
        ("a: 'x\n", "r.yaml:2:1", "a quote is opened and never closed"),
        ("a: 1\n  b: 2\n", "r.yaml:2:4", "indent"),
        ("a: {lr: ${train.epochs}}\n", "r.yaml:1:10", "a reference needs quotes"),
        ("a: 1\na: 2\n", "r.yaml:2:1", "duplicate key a, first on line 1, again on line 2"),
        ("s: {x: 1, y: 2, x: 3}\n", "r.yaml:1:17", "s.x: duplicate key x"),
        ("a: !!python/object/apply:os.system ['x']\n", "r.yaml:1:4", "YAML tags are not allowed"),
        ("a: !!str 5\n", "r.yaml:1:4", "YAML tags are not allowed"),
        ("a: !new:os.system x\n", "r.yaml:1:4", "YAML tags are not allowed"),
        ("a: ! 5\n", "r.yaml:1:4", "YAML tags are not allowed"),
        ("!x a: 5\n", "r.yaml:1:1", "YAML tags are not allowed"),
        ("a: &x 1\n", "r.yaml:1:4", "anchors and aliases are not allowed"),
        ("a: *x\n", "r.yaml:1:4", "aliases are not allowed"),
        ("a: {<<: {b: 1}}\n", "r.yaml:1:5", "merge keys (`<<`) are not allowed"),
        ("<<: [1]\n", "r.yaml:1:1", "merge keys (`<<`) are not allowed"),
        ("? [a]\n: 1\n", "r.yaml:1:3", "a key must be text"),
        ("a: 1\n---\nb: 2\n", "r.yaml:2:1", "one recipe per file"),
        ("a:\n- b\n - c\n", "r.yaml:2:3", "runs on over the next line"),
        ("a: \x07\n", "r.yaml:1:1", "control characters are not allowed"),
        (b"name: caf\xe9\n", "r.yaml:1:1", "not UTF-8: byte 0xe9 at offset 9"),
        (b"a: 1\n\xef\xbb\xbf\xff", "r.yaml:2:1", "byte 0xff at offset 8"),
        (b"\xef\xbb\xbfa: \xff", "r.yaml:1:1", "byte 0xff at offset 6"),
        ("a: 1\x00\n", "r.yaml:1:1", "NUL byte at offset 4"),
        ("a: 1\n".encode("utf-16"), "r.yaml:1:1", "byte 0xff at offset 0"),
    ],
)
def test_what_is_not_in_the_grammar_is_refused_with_its_place(text: str | bytes, place: str, words: str) -> None:
    found = problems(text)
    assert any(line.startswith(f"{place}: ") and words in line for line in found), found


@pytest.mark.withstands("bad inputs", case="B04")
def test_a_syntax_error_shows_the_line() -> None:
    (found,) = problems("name: x\nmodel: {type: mlp\ntrain: 3\n")
    assert "\n    train: 3\n" in found
    assert found.endswith("^")


def test_all_refused_marks_are_reported_at_once() -> None:
    found = problems("a: &x 1\nb: *x\nc: !t 2\nc: 3\n")
    assert [line.split(":")[1] for line in found] == ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        case("B16", "a: " + "[" * 5000, "nested deeper than 32 levels"),
        case("B16", "{a: " * 5000, "nested deeper than 32 levels"),
        case("B16", "".join("\n" + " " * depth + "a:" for depth in range(600)), "nested deeper than 32 levels"),
        case("B16", "- " * 5000, "nested deeper than 32 levels"),
        case("B16", "a: 1\n" + "# " + "x" * 2 * 1024 * 1024, "larger than 256 KiB"),
        case("B16", "\n".join(f"k{i}: 1" for i in range(20_000)), "more than 10000 values"),
        case("B16", "a: [" + "1," * 100_000 + "]", "more than 10000 values"),
        case(
            "B15",
            "a: &a [x,x,x]\n" + "".join(f"b{i}: &b{i} [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n" for i in range(9)),
            "aliases",
        ),
        case("B15", "a: &a {x: 1}\n" + "b: {<<: [" + "*a," * 2000 + "]}\n", "aliases are not allowed"),
    ],
)
def test_limits_hold_before_they_can_hurt(text: str, words: str) -> None:
    with clocked() as clock:
        found = problems(text)
    tracemalloc.start()
    problems(text)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert any(words in line for line in found), found[:3]
    assert len(found) <= parse.MAX_PROBLEMS
    assert clock.seconds < 1
    assert peak_bytes < 50e6


@pytest.mark.withstands("bad inputs", case="B16")
def test_at_the_limits_a_recipe_is_accepted() -> None:
    deep = "a: " + "[" * 31 + "]" * 31
    wide = "\n".join(f"k{i}: 1" for i in range(parse.MAX_NODES - 1))
    long = "a: 1\n#" + "x" * (parse.MAX_BYTES - 6)
    for text in (deep, wide, long):
        assert read(parse.decode(text.encode(), "r.yaml"))


def test_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no such file"):
        parse.read_file(tmp_path / "x.yaml", "x.yaml")
    with pytest.raises(RecipeError, match="not a file"):
        parse.read_file(tmp_path, "folder")


@pytest.mark.parametrize(
    ("text", "value"), [("3", 3), ("", None), ("[a, 1]", ["a", 1]), ("{a: {b: c}}", {"a": {"b": "c"}})]
)
def test_a_value_outside_a_file(text: str, value: object) -> None:
    assert parse.parse_value(text, "--set x", Path()).plain() == value


@pytest.mark.parametrize(
    "text", ["[1", "a\0b", "\udcff", "*x", "&a 1", "!t 1", "{a: 1, a: 2}", "x: y: z", "x" * 300_000]
)
def test_a_value_outside_a_file_obeys_the_grammar(text: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse.parse_value(text, "--set x=...", Path())
    assert {problem.file for problem in caught.value.problems} == {"--set x=..."}
    assert {problem.line for problem in caught.value.problems} == {0}

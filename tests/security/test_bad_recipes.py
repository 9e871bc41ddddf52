"""Bad inputs B01 to B23: wrong and hostile recipes, asked through the command line (B22 is in tests/recipe)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from asking import Dlw

from tests.withstood import case

GOOD = """\
recipe: 1
name: small
task: classification
data:
  source: rows.csv
  inputs: {x: number, w: category}
  target: {y: category}
model: {type: mlp, width: 8}
optimizer: {lr: 1e-3}
train: {epochs: 2, batch_size: 4, threads: 1}
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text("x,w,y\n" + "".join(f"{n},{'uv'[n % 2]},{'ab'[n % 2]}\n" for n in range(12)))


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new)


RECIPES = [
    case("B02", "", 2, ["r.yaml:1:1", "recipe is empty", "dlw recipe copy"]),
    case("B02", "# nothing\n# yet\n", 2, ["recipe is empty", "dlw recipe new"]),
    case("B03", "- a\n- b\n", 2, ["expected a mapping, got a list"]),
    case("B03", "17\n", 2, ["expected a mapping, got a number"]),
    case("B04", "name: x\nmodel: {type: mlp\ntrain: 3\n", 2, ["r.yaml:3:6", "\n    train: 3\n", "^"]),
    case("B04", "name: x\n\tseed: 2\n", 2, ["r.yaml:2:1", "use spaces", "seed: 2"]),
    case("B05", GOOD + "name: twice\n", 2, ["r.yaml:11:1", "first on line 2, again on line 11"]),
    case("B06", changed("{lr: 1e-3}", "{lerning_rate: 1}"), 2, ["optimizer.lerning_rate", "did you mean lr?"]),
    case("B07", changed("  source: rows.csv\n", ""), 2, ["data.source: is required", "`source: data.csv`"]),
    case("B08", changed("1e-3", "abc"), 2, ["optimizer.lr: expected a number, got the text 'abc'"]),
    case("B10", changed("1e-3", ".nan"), 2, ["optimizer.lr: must be a finite number, got nan"]),
    case("B10", changed("1e-3", ".inf"), 2, ["optimizer.lr: must be a finite number, got inf"]),
    case("B10", changed("1e-3", "0"), 2, ["must be greater than 0, got 0"]),
    case("B10", changed("1e-3", "-1"), 2, ["must be greater than 0, got -1"]),
    case("B11", changed("epochs: 2", "epochs: 0"), 2, ["train.epochs: must be at least 1, got 0"]),
    case("B11", changed("epochs: 2", "epochs: -1"), 2, ["must be at least 1, got -1"]),
    case("B11", changed("epochs: 2", "epochs: 1e12"), 2, ["must be at most 1000000000"]),
    case("B11", changed("epochs: 2", "epochs: ten"), 2, ["expected a whole number, got the text 'ten'"]),
    case(
        "B13", changed("small", "!!python/object/apply:os.system ['touch owned']"), 2, ["2:7", "tags are not allowed"]
    ),
    case("B14", changed("width: 8", "_target_: os.system"), 2, ["model._target_", "cannot name Python objects"]),
    case("B14", changed("width: 8", "class_path: os.system"), 2, ["model.class_path", "cannot name Python objects"]),
    case("B14", changed("width: 8", "_component_: x"), 2, ["model._component_", "cannot name Python objects"]),
    case("B14", changed("small", "!new:os.system x"), 2, ["tags are not allowed"]),
    case("B15", "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*a, *a, *a]\n" for n in range(9)), 2, ["aliases", "allowed"]),
    case("B15", "a: &a {x: 1}\nb: {<<: [" + "*a," * 2000 + "]}\n", 2, ["aliases are not allowed"]),
    case("B15", "a: {<<: {x: 1}}\n", 2, ["merge keys (`<<`) are not allowed"]),
    case("B16", "a: " + "[" * 5000, 2, ["nested deeper than 32 levels"]),
    case("B16", "a: 1\n# " + "x" * 2**21, 2, ["larger than 256 KiB"]),
    case("B16", "\n".join(f"k{n}: 1" for n in range(20_000)), 2, ["more than 10000 values"]),
    case("B16", "".join(f"k{n}: 1\n" for n in range(200_000)), 2, ["larger than 256 KiB"]),
    case("B17", b"name: caf\xe9\n", 2, ["byte 0xe9 at offset 9", "UTF-8"]),
    case("B17", b"name: a\x00b\n", 2, ["NUL byte at offset 7"]),
    case("B17", b"\xef\xbb\xbf" + GOOD.encode(), 0, []),
    case("B17", GOOD.replace("\n", "\r\n").encode(), 0, []),
    case("B18", changed("type: mlp", "type: resnt"), 2, ["no model is called 'resnt'", "did you mean resnet?", "mlp"]),
    case("B18", changed("task: classification", "task: clasify"), 2, ["no task is called", "classification"]),
    case("B19", changed("{type: mlp, width: 8}", "resnet"), 2, ["resnet takes image", "number", "models for"]),
    case("B20", changed("recipe: 1", "recipe: 2"), 2, ["format 2 is newer", "pip install -U dlw", "reads format 1"]),
    case("B20", changed("recipe: 1", "recipe: 0"), 2, ["write `recipe: 1`"]),
    case("B21", changed("epochs: 2", "epochs: 2, steps: 9"), 2, ["train.steps", "contradicts train.epochs"]),
    case("B23", GOOD + "token: hf_abc\n", 2, ["token: recipes must not hold", "HF_TOKEN"]),
]


@pytest.mark.parametrize(("text", "code", "words"), RECIPES)
def test_a_recipe_is_answered(text: str | bytes, code: int, words: list[str], dlw: Dlw) -> None:
    Path("r.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
    for verb in ("recipe check", "train --dry-run" if code else "recipe show"):
        answer = dlw(*verb.split(), "r.yaml")
        assert answer.code == code
        assert [word for word in words if word not in answer.err] == []
        assert len(answer.err) < 10_000
    assert not Path("owned").exists()
    assert not Path("runs").exists()


@pytest.mark.withstands("bad inputs", case="B01")
def test_a_recipe_that_is_not_there_is_answered_with_the_closest(dlw: Dlw) -> None:
    Path("mine.yaml").write_text(GOOD)
    for wrong, closest in (("digts", "digits"), ("mine.yml", "mine.yaml"), ("no/such.yaml", "closest")):
        answer = dlw("train", wrong)
        assert answer.code == 2
        assert f"recipe not found: {wrong}" in answer.err
        assert closest in answer.err


@pytest.mark.withstands("bad inputs", case="B08")
def test_a_number_in_scientific_notation_is_a_number(dlw: Dlw) -> None:
    Path("r.yaml").write_text(GOOD)
    assert json.loads(dlw("recipe", "show", "r.yaml", "--json").out)["optimizer"]["lr"] == 0.001


@pytest.mark.withstands("bad inputs", case="B09")
def test_words_of_yaml_1_1_are_text(dlw: Dlw) -> None:
    text = changed("small", "no").replace("{x: number, w: category}", "{012: number, 1:30: number, yes: category}")
    Path("r.yaml").write_text(text)
    shown = json.loads(dlw("recipe", "show", "r.yaml", "--resolved", "--json").out)
    assert shown["name"] == "no"
    assert list(shown["data"]["inputs"]) == ["012", "1:30", "yes"]
    Path("rows.csv").write_text(
        "012,1:30,yes,y\n" + "".join(f"{n},{n / 2},{'uv'[n % 2]},{'ab'[n % 2]}\n" for n in range(12))
    )
    answer = dlw("train", "r.yaml", "--dry-run")
    assert answer.code == 0
    assert "number [2], category [1]" in answer.out


@pytest.mark.withstands("bad inputs", case="B12")
def test_a_batch_beyond_the_data_names_both_numbers(dlw: Dlw) -> None:
    Path("r.yaml").write_text(changed("batch_size: 4", "batch_size: 500"))
    answer = dlw("train", "r.yaml")
    assert answer.code == 2
    assert "500" in answer.err
    assert "12" in answer.err

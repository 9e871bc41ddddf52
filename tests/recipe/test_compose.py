"""Layers, references and `--set`; what is dumped reads back equal; problems name the file that holds the value."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlw.errors import RecipeError
from dlw.recipe.check import load_recipe
from dlw.recipe.compose import compose, compose_text, dump, inline

BASE = """\
name: base
task: classification
data:
  source: base.csv
  inputs: {age: number, sex: category}
  target: {label: category}
model: {type: mlp, width: 32, depth: 3}
train: {epochs: 3, batch_size: 16}
"""


def composed(text: str, sets: tuple[str, ...] = ()) -> Any:
    result = compose_text(text, Path(), sets=sets)
    assert not result.problems, result.problems
    return result.root.plain()


def problems(text: str, sets: tuple[str, ...] = ()) -> list[str]:
    try:
        return [str(problem) for problem in compose_text(text, Path(), sets=sets).problems]
    except RecipeError as error:
        return [str(problem) for problem in error.problems]


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


def extended(folder: Path, text: str, sets: tuple[str, ...] = ()) -> Any:
    write(folder, top=text)
    result = compose(folder / "top.yaml", "top.yaml", sets)
    assert not result.problems
    return result.root.plain()


@pytest.mark.parametrize(
    ("over", "path", "value"),
    [
        ("train: {epochs: 9}", "train", {"epochs": 9, "batch_size": 16}),
        ("train: null", "train", None),
        ("train: {epochs: null, steps: 5}", "train", {"batch_size": 16, "steps": 5}),
        ("model: {width: 8}", "model", {"type": "mlp", "width": 8, "depth": 3}),
        ("model: {type: resnet, widths: [8]}", "model", {"type": "resnet", "widths": [8]}),
        ("model: resnet", "model", {"type": "resnet"}),
        ("model: mlp", "model", {"type": "mlp", "width": 32, "depth": 3}),
        ("task: {label_smoothing: 0.1}", "task", {"type": "classification", "label_smoothing": 0.1}),
        ("task: regression", "task", {"type": "regression"}),
        (
            "data: {inputs: {age: {missing: [0]}}}",
            "data.inputs",
            {"age": {"type": "number", "missing": [0]}, "sex": "category"},
        ),
        ("data: {inputs: {sex: null}}", "data.inputs", {"age": "number"}),
        ("data: {inputs: auto}", "data.inputs", "auto"),
        ("evaluate: {metrics: [ece]}", "evaluate", {"metrics": ["ece"]}),
    ],
)
def test_a_file_is_laid_over_what_it_extends(tmp_path: Path, over: str, path: str, value: Any) -> None:
    write(tmp_path, base=BASE)
    found = extended(tmp_path, f"extends: base.yaml\n{over}\n")
    for step in path.split("."):
        found = found.get(step)
    assert found == value


def test_later_files_win_and_lists_replace(tmp_path: Path) -> None:
    write(tmp_path, a="x: {one: 1, list: [1, 2]}\nkeep: a\n", sub__b="x: {one: 2, list: [3]}\n")
    assert extended(tmp_path, "extends: [a.yaml, sub/b.yaml]\nx: {two: 3}\n") == {
        "x": {"one": 2, "list": [3], "two": 3},
        "keep": "a",
    }


def test_extended_paths_start_at_the_file_that_names_them(tmp_path: Path) -> None:
    write(tmp_path, sub__a="extends: b.yaml\na: 1\n", sub__b="b: 2\n")
    assert extended(tmp_path, "extends: sub/a.yaml\n") == {"b": 2, "a": 1}


def test_a_data_path_starts_at_the_file_that_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, sub__base=BASE, top="extends: sub/base.yaml\nname: top\n")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert load_recipe(tmp_path / "top.yaml").root == tmp_path / "sub"
    assert load_recipe(tmp_path / "top.yaml", ["train.epochs=1"]).root == tmp_path / "sub"
    assert load_recipe(tmp_path / "top.yaml", ["data.source=x.csv"]).root == tmp_path / "here"
    write(tmp_path, sub__base=BASE.replace("base.csv", "{type: csv, path: base.csv}"))
    assert load_recipe(tmp_path / "top.yaml", ["data.source.delimiter=;"]).root == tmp_path / "sub"
    assert load_recipe(tmp_path / "top.yaml", ["data.source.path=x.csv"]).root == tmp_path / "here"
    write(tmp_path, top="extends: sub/base.yaml\ndata: {source: mine.csv}\n")
    assert load_recipe(tmp_path / "top.yaml").root == tmp_path


@pytest.mark.parametrize(
    ("files", "top", "message"),
    [
        (
            {"a": "extends: top.yaml\n"},
            "extends: a.yaml\n",
            "a.yaml:1:10: extends: files extend each other",
        ),
        ({}, "extends: top.yaml\n", "top.yaml:1:10: extends: files extend each other in a circle"),
        (
            {"other": "a: 1\n"},
            "x: 1\nextends: othr.yaml\n",
            "top.yaml:2:10: extends: no such file: othr.yaml; there are",
        ),
        ({}, f"extends: {'x' * 5000}\n", "top.yaml:1:10: extends: no such file: xxx"),
        ({}, "extends: ../..\n", "top.yaml:1:10: extends: no such file: ../.."),
        ({}, 'extends: "\\e[31m"\n', "no such file: \\x1b[31m"),
        ({}, "extends: {a: 1}\n", "top.yaml:1:10: extends: expected a file name, got a mapping"),
        ({}, "extends: [3]\n", "top.yaml:1:11: extends: expected a file name, got 3"),
        ({"a": "x: [\n"}, "extends: a.yaml\n", "a.yaml:2:1: a value is missing here"),
        ({"a": "x: 1\nx: 2\n"}, "extends: a.yaml\n", "a.yaml:2:1: x: duplicate key x"),
        (
            {"sub__a": "extends: b.yaml\n"},
            "extends: sub/a.yaml\n",
            "sub/a.yaml:1:10: extends: no such file: sub/b.yaml",
        ),
    ],
)
def test_what_cannot_be_extended_is_named(tmp_path: Path, files: dict[str, str], top: str, message: str) -> None:
    write(tmp_path, top=top, **files)
    with pytest.raises(RecipeError) as caught:
        compose(tmp_path / "top.yaml", "top.yaml")
    assert message in str(caught.value)


def test_files_that_extend_twice_each_do_not_explode(tmp_path: Path) -> None:
    for level in range(40):
        write(tmp_path, **{f"f{level}": f"extends: [f{level + 1}.yaml, f{level + 1}.yaml]\n"})
    with pytest.raises(RecipeError, match="more than 32 files"):
        compose(tmp_path / "f0.yaml", "f0.yaml")


def test_a_problem_names_the_file_that_holds_the_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, base=BASE.replace("batch_size: 16", "batch_size: many"), top="extends: base.yaml\nseed: -1\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe("top.yaml", ["train.steps=abc"])
    assert [str(problem) for problem in caught.value.problems] == [
        "top.yaml:2:7: seed: must be at least 0, got -1",
        "base.yaml:8:32: train.batch_size: expected a whole number, got the text 'many'",
        "--set train.steps=abc: train.steps: expected a whole number, got the text 'abc'",
        "--set train.steps=abc: train.steps: contradicts train.epochs; give train.epochs or train.steps, not both "
        "(-s train.epochs=null or -s train.steps=null takes one away)",
    ]


@pytest.mark.parametrize(
    ("sets", "path", "value"),
    [
        (("train.epochs=7",), "train.epochs", 7),
        (("train.epochs=7", "train.epochs=8"), "train.epochs", 8),
        (("train.epochs=null",), "train.epochs", None),
        (("train={steps: 3}",), "train", {"epochs": 3, "batch_size": 16, "steps": 3}),
        (("model=vit",), "model", {"type": "vit"}),
        (("model.type=vit",), "model", {"type": "vit"}),
        (("model.type=mlp",), "model", {"type": "mlp", "width": 32, "depth": 3}),
        (("model.type=vit", "model.depth=2"), "model", {"type": "vit", "depth": 2}),
        (("task.label_smoothing=0.1",), "task", {"type": "classification", "label_smoothing": 0.1}),
        (("data.inputs.age.missing=[-1]",), "data.inputs.age", {"type": "number", "missing": [-1]}),
        (("data.augment=[{type: mixup}]", "data.augment.0.type=cutmix"), "data.augment", [{"type": "cutmix"}]),
        (("optimizer.lr=1e-4",), "optimizer", {"lr": 1e-4}),
        (("name=a=b",), "name", "a=b"),
        (("name=no",), "name", "no"),
        (("train.batch_size=${train.epochs}",), "train.batch_size", 3),
        (("train.epochs.deep=1",), "train.epochs", {"deep": 1}),
    ],
)
def test_set_lays_a_value_over_the_file(sets: tuple[str, ...], path: str, value: Any) -> None:
    found = composed(BASE, sets)
    for step in path.split("."):
        found = found.get(step)
    assert found == value


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("train.epochs", "expected path=value"),
        ("=3", "expected path=value"),
        (".=3", "expected path=value"),
        ("train..epochs=3", "expected path=value"),
        ("train.epochs=[1", "train.epochs: a comma or the closing `]` is missing"),
        ("train.epochs=!!int 3", "train.epochs: YAML tags are not allowed"),
        ("data.augment.4.type=mixup", "data.augment is a list of 1; items count from 0, not 4"),
        ("extends=other.yaml", "extends: is only possible in a file"),
    ],
)
def test_a_wrong_set_is_a_problem_at_its_own_place(assignment: str, words: str) -> None:
    (found,) = problems(BASE.replace("inputs:", "augment: [{type: mixup}]\n  inputs:"), (assignment,))
    assert found.startswith(f"--set {assignment}: ")
    assert words in found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 3\nb: ${a}\n", 3),
        ("a: [1, {x: 2}]\nb: ${a}\n", [1, {"x": 2}]),
        ("a: {x: [5, 6]}\nb: ${a.x.1}\n", 6),
        ("a: {x: one}\nb: run-${a.x}-${a.x}\n", "run-one-one"),
        ("a: 0.5\nc: true\nb: ${a} ${c}\n", "0.5 true"),
        ("a: ${c}\nc: ${d}\nd: end\nb: ${a}\n", "end"),
        ("a: x\nb: $${a}\n", "${a}"),
        ("a: x\nb: $$${a}\n", "$${a}"),
        ("a: x\nb: 5$ and {a}\n", "5$ and {a}"),
        ("b: ${HOME}\nHOME: here\n", "here"),
    ],
)
def test_a_reference_is_another_value(text: str, value: Any) -> None:
    assert composed(text)["b"] == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: ${a}\n", "recipe.yaml:1:4: a: references run in a circle: a -> a"),
        ("a: ${b}\nb: x${a}\n", "recipe.yaml:1:4: a: references run in a circle: b -> a -> b"),
        ("a: {x: '${a}'}\n", "recipe.yaml:1:8: a.x: references run in a circle: a -> a"),
        ("train: {epochs: 1}\na: ${train.epochz}\n", "is not written in this recipe; did you mean train.epochs?"),
        ("a: ${HOME}\n", "recipe.yaml:1:4: a: ${HOME} is not written in this recipe"),
        ("a: ${oc.env:HOME}\n", "is not written in this recipe"),
        ("a: '${1 + 1}'\n", "is not written in this recipe"),
        ("a: ${}\n", "is not written in this recipe"),
        ("a: [1]\nb: ${a.5}\n", "${a.5} is not written"),
        ("a: [1]\nb: x ${a}\n", "recipe.yaml:2:4: b: ${a} is not a single value"),
        ("a: 1\nb: ${a\n", "recipe.yaml:2:4: b: `${` without `}`"),
    ],
)
def test_a_reference_that_leads_nowhere_is_a_problem(text: str, message: str) -> None:
    assert message in problems(text)[0]


@pytest.mark.parametrize("link", ["['${aN}', '${aN}']", "x${aN}${aN}"])
def test_references_of_references_do_not_unfold(link: str) -> None:
    lines = [f"a{level}: {link.replace('N', str(level + 1))}" for level in range(30)]
    found = problems("\n".join([*lines, "a30: 1"]))
    assert any("references unfold to more than a recipe may hold" in line for line in found)


words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=False),
    words,
    st.sampled_from(["012", "1e-3", "no", "~", "null", "${a}", "$${", "<<", "- x", "a: b", "#", "?", "!t", "*a", "&a"]),
)
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(words, inner, max_size=4)),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(words.filter(lambda key: key != "extends"), trees, min_size=1, max_size=5))
def test_what_is_dumped_reads_back_equal(tree: dict[str, Any]) -> None:
    text = dump(tree)
    assert same(composed(text), tree)
    assert dump(composed(text)) == text


def finite(value: Any) -> bool:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return all(map(finite, parts)) and not (isinstance(value, float) and math.isinf(value))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(trees.filter(finite).filter(lambda value: value is not None))
def test_what_is_written_on_one_line_is_read_back_equal_from_set(value: Any) -> None:
    text = inline(value)
    assert len(text.splitlines()) == 1
    assert same(composed("a: {b: 0}", (f"a.b={text}",))["a"]["b"], value)


def same(left: Any, right: Any) -> bool:
    """Return whether two trees are equal, types and the signs of zeros included."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(same(*pair) for pair in zip(left, right, strict=True))
    if isinstance(left, float):
        return left == right and math.copysign(1, left) == math.copysign(1, right)
    return bool(left == right)


def test_dump_leaves_short_parts_on_one_line() -> None:
    text = dump({"optimizer": {"type": "adamw", "betas": [0.9, 0.999]}, "words": ["x" * 60, "y" * 60]})
    assert text == f"optimizer: {{type: adamw, betas: [0.9, 0.999]}}\nwords:\n- {'x' * 60}\n- {'y' * 60}\n"

"""A recipe can never run code: hostile recipes cause no import, process, socket or file but the recipe's own."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dlw.errors import RecipeError
from dlw.recipe import check

GOOD = """\
name: {name}
task: {task}
data: {{source: {source}, target: {{{column}: category}}}}
model: {{type: {model}{option}}}
{top}
"""
DEFAULTS = {"name": "n", "task": "classification", "source": "a.csv", "column": "y", "model": "mlp"}
DEFAULTS |= {"option": "", "top": ""}
TAGS = [
    "!!python/object/apply:os.system ['{c}']",
    "!!python/object/new:os.system ['{c}']",
    "!!python/object:os.system {{}}",
    "!!python/name:os.system",
    "!!python/module:os",
    "!!python/tuple [1]",
    "!<tag:yaml.org,2002:python/object/apply:os.system> ['{c}']",
    "!new:os.system ['{c}']",
    "!name:os.system",
    "!apply:os.system ['{c}']",
    "!include /etc/passwd",
    "!ENV ${{HOME}}",
    "!obj:os.system {{}}",
    "!lambda 'x: x'",
    "!!binary Zm9v",
    "!!set {{a}}",
]
VALUES = [
    "os.system",
    "builtins.eval",
    "__import__('os').system('{c}')",
    "'{{{{ 7 * 7 }}}}'",
    "'{{% import os %}}'",
    "'`{c}`'",
    "'$({c})'",
    "'${{oc.env:HOME}}'",
    "'${{env:HOME}}'",
    "'${{eval:1+1}}'",
    "'${{python:os}}'",
    "'${{__class__}}'",
    "../../etc/passwd",
    "/etc/passwd",
    "file:///etc/passwd",
    "'lambda: 1'",
    "'%(asctime)s'",
    "'; {c}'",
    "'| {c}'",
]
KEYS = ["_target_", "class_path", "_component_", "_partial_", "__reduce__", "py/object"]
KEYS += ["plugins", "code", "imports", "custom_objects"]


def hostile(canary: Path) -> list[str]:
    command = f"touch {canary}"
    values = [each.format(c=command) for each in [*TAGS, *VALUES]]
    found = [GOOD.format(**{**DEFAULTS, "option": f", width: {value}"}) for value in values]
    found += [GOOD.format(**{**DEFAULTS, "model": value}) for value in values]
    found += [GOOD.format(**{**DEFAULTS, "task": value}) for value in values]
    found += [GOOD.format(**{**DEFAULTS, "option": f", {key}: os.system"}) for key in KEYS]
    found += [GOOD.format(**{**DEFAULTS, "top": f"{key}: [os.system, {{args: ['{command}']}}]"}) for key in KEYS]
    found += [GOOD.format(**{**DEFAULTS, "top": f"train: {{device: {value}}}"}) for value in values]
    found += [GOOD.format(**{**DEFAULTS, "top": f"export: {{format: {value}}}"}) for value in values]
    found += [GOOD.format(**{**DEFAULTS, "top": f"extends: {value}"}) for value in TAGS]
    return found


WATCHED = ("exec", "compile", "import", "open", "os.", "subprocess.", "socket.", "ctypes.", "pickle.find_class")
HARMLESS = ("os.listdir", "os.scandir")


class Watch:
    """Notes what the interpreter does while `on`; an audit hook can never be taken away again."""

    def __init__(self) -> None:
        self.on = False
        self.events: list[tuple[str, str]] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.on and event.startswith(WATCHED) and event not in HARMLESS:
            self.events.append((event, str(arguments[0]) if arguments else ""))


@pytest.fixture(scope="module")
def watch() -> Iterator[Watch]:
    watch = Watch()
    yield watch
    watch.on = False


@pytest.mark.withstands("security", case="X1")
def test_hostile_recipes_do_nothing_but_fail(watch: Watch, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    files = []
    for number, text in enumerate(hostile(canary)):
        files.append(tmp_path / f"r{number}.yaml")
        files[-1].write_text(text, encoding="utf-8")
    assert len(files) >= 60
    for warm in (True, False):
        watch.events.clear()
        watch.on = not warm
        for file in files:
            with pytest.raises(RecipeError):
                check.load_recipe(file)
        watch.on = False
    names = {str(file) for file in files}
    assert [each for each in watch.events if each != ("open", each[1]) or each[1] not in names] == []
    assert not canary.exists()


def test_the_watch_can_fail(watch: Watch) -> None:
    watch.events.clear()
    watch.on = True
    pickle.loads(b"cos\nsystem\n.")  # noqa: S301 - the control
    watch.on = False
    assert ("pickle.find_class", "os") in watch.events


def test_the_check_needs_neither_torch_nor_pyarrow(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(GOOD.format(**DEFAULTS), encoding="utf-8")
    program = (
        "import sys; from dlw.recipe.check import load_recipe; load_recipe('r.yaml');"
        "print([name for name in ('torch', 'pyarrow', 'datasets', 'sklearn', 'PIL', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"

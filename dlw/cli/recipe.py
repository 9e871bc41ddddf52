"""`dlw recipe`: check, show, compare, write and copy recipes; draws their schema for editors."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from dlw.cli.options import AsJson, Code, Quiet, Sandbox, Sets, add_code
from dlw.cli.plain import PlainCommand, PlainGroup
from dlw.cli.screen import emit, say, tell
from dlw.errors import Problem, RecipeError, UsageError, did_you_mean

recipe_app = typer.Typer(help="Check, show, compare, write and copy recipes.", rich_markup_mode=None, cls=PlainGroup)

Reference = Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe file, or the name of an installed one.")]

RecipeOrRun = Annotated[
    str, typer.Argument(metavar="RECIPE", help="A recipe file, the name of an installed one, or a run directory.")
]


@recipe_app.command("check", cls=PlainCommand)
def check_cli(
    recipes: Annotated[list[str], typer.Argument(metavar="RECIPE...", help="Recipe files or names.")],
    sets: Sets = None,
    sandbox: Sandbox = False,
    code: Code = None,
    as_json: AsJson = False,
) -> None:
    """Find all that is wrong with recipes.

    No data is read.

    \b
    dlw recipe check my.yaml -s train.epochs=5
    """
    from dlw.recipe.check import load_recipe

    add_code(code)
    problems: list[Problem] = []
    checked: list[dict[str, Any]] = []
    for reference in recipes:
        try:
            loaded = load_recipe(reference, sets or (), is_sandboxed=sandbox)
        except RecipeError as error:
            problems.extend(error.problems)
            continue
        _say_each(loaded.notes)
        recipe = loaded.recipe
        found = {"file": str(loaded.file), "name": recipe.name, "task": recipe.task.type, "model": recipe.model.type}
        checked.append(found)
        if not as_json:
            tell("{file}: good ({name}: {task} with {model})".format(**found))
    if problems:
        raise RecipeError(problems)
    if as_json:
        emit({"recipes": checked})


@recipe_app.command("show", cls=PlainCommand)
def show_cli(
    recipe: Reference,
    sets: Sets = None,
    resolved: Annotated[
        bool, typer.Option("--resolved", help="With every default filled in, also the plug-ins'.")
    ] = False,
    sandbox: Sandbox = False,
    code: Code = None,
    as_json: AsJson = False,
) -> None:
    """Print a recipe as it will run.

    What it extends, refers to and changes is in place. With --resolved it is also checked, and all defaults are there.

    \b
    dlw recipe show digits --resolved
    """
    add_code(code)
    if resolved:
        from dlw.recipe.check import load_recipe
        from dlw.recipe.compose import dump, resolve

        loaded = load_recipe(recipe, sets or (), is_sandboxed=sandbox)
        _say_each(loaded.notes)
        tree = resolve(loaded.recipe)
    else:
        from dlw.recipe.compose import compose, dump
        from dlw.recipe.find import find_recipe
        from dlw.recipe.places import Sandbox as Walls

        file = find_recipe(recipe)
        walls = Walls.around(file) if sandbox else None
        composed = compose(file, recipe, sets or (), walls)
        _say_each(composed.notes)
        if composed.problems:
            raise RecipeError(composed.problems)
        if walls:
            walls.check(composed.root)
        tree = composed.root.plain()
    if as_json:
        emit(tree)
    else:
        tell(dump(tree).rstrip())


@recipe_app.command("diff", cls=PlainCommand)
def diff_cli(
    first: RecipeOrRun,
    second: RecipeOrRun,
    code: Code = None,
    as_json: AsJson = False,
) -> None:
    """Print in what two recipes, or those of two runs, differ.

    \b
    dlw recipe diff digits my.yaml
    dlw recipe diff runs/digits-1 runs/digits-2
    """
    from dlw.recipe.check import load_recipe
    from dlw.recipe.difference import diff

    add_code(code)
    left, right = (load_recipe(_of_run(reference)) for reference in (first, second))
    _say_each([*left.notes, *right.notes])
    changes = diff(left, right)
    if as_json:
        emit({"differences": [{"path": path, "first": left, "second": right} for path, left, right in changes]})
        return
    for change in changes:
        tell(change_text(*change))
    if not changes:
        say("no differences")


def _of_run(reference: str) -> str:
    """Return the resolved recipe where a reference is a run directory."""
    from dlw.runs.layout import Run

    resolved = Run(Path(reference)).resolved
    return str(resolved) if os.path.isfile(resolved) else reference


@recipe_app.command("schema", cls=PlainCommand)
def schema_cli() -> None:
    """Print the JSON Schema, for editors.

    \b
    dlw recipe schema > recipe.schema.json
    """
    from dlw.recipe.json_schema import schema

    emit(schema())


@recipe_app.command("new", cls=PlainCommand)
def new_cli(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="A table, or a folder of pictures, sounds, texts or tables.")
    ],
    target: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="A column to learn; several times for several.")
    ] = None,
    task: Annotated[
        str | None, typer.Option(metavar="TASK", help="What to learn it for; `dlw list tasks` shows them.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write here instead of stdout.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Write a recipe for data of your own.

    Everything is decided from the data, with the reasons in comments; where they allow several tasks, it lists what to
    say.

    \b
    dlw recipe new houses.csv --target price -o houses.yaml
    """
    from dlw.cli.terminal import Terminal
    from dlw.verbs.new import new

    with Terminal(quiet) as listener:
        folder = out.parent if out else Path()
        text = new(data, target=target, task=task, folder=folder, file=out, listener=listener)
    if out is None:
        tell(text.rstrip())
        return
    _write_new(out, text)
    if not quiet:
        say(f"wrote {out}\nnext:\n  dlw train {shlex.quote(str(out))} --dry-run\n  dlw train {shlex.quote(str(out))}")


@recipe_app.command("copy", cls=PlainCommand)
def copy_cli(
    name: Annotated[str, typer.Argument(metavar="NAME", help="An installed recipe, as `dlw list recipes` shows it.")],
    out: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Where to [default: NAME.yaml here].")] = None,
) -> None:
    """Copy an installed recipe, to change it.

    \b
    dlw recipe copy digits mine.yaml
    """
    from dlw.recipe.find import installed_recipes

    known = installed_recipes()
    if name not in known:
        raise UsageError(f"no recipe is called {name}{did_you_mean(name, known)} (`dlw list recipes` shows all)")
    out = out or Path(f"{name}.yaml")
    _write_new(out, known[name].read_text(encoding="utf-8"))
    say(f"wrote {out}\nnext:\n  dlw train {shlex.quote(str(out))}")


def _write_new(out: Path, text: str) -> None:
    """Write a file that must not exist yet."""
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{out} exists already: choose another name, or remove it first") from None


def _say_each(notes: Sequence[str]) -> None:
    """Tell which keys of an older format were read by their present names."""
    for note in notes:
        say(note)


def change_text(path: str, left: Any, right: Any) -> str:
    """Say in one line in what two recipes differ."""
    return f"{path}: {_short(left)} -> {_short(right)}"


def _short(value: Any) -> str:
    import json

    return "(none)" if value is None else json.dumps(value, ensure_ascii=False)

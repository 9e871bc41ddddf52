"""`dlw`: puts the commands together and turns whatever happens into output and an exit code.

Commands import their verbs when they run, so that help and typos are answered at once.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer
from typer.exceptions import TyperException

from dlw import __version__
from dlw.cli.failures import as_resource_error, report, report_bug
from dlw.cli.plain import PlainCommand, PlainGroup
from dlw.cli.screen import finish, prepare_streams, tell
from dlw.errors import DlwError, UsageError, did_you_mean

COMMANDS = (
    *("train", "evaluate", "predict", "explain", "export", "benchmark", "sweep"),
    *("recipe", "data", "list", "runs", "verify", "doctor"),
)

LATEST, AUTO = "latest", "auto"
"""What `--resume` without a run and `--explain` without a method become."""


def build(names: Sequence[str] = COMMANDS) -> typer.Typer:
    """Return the application with some of its commands; only their modules are imported."""
    app = typer.Typer(name="dlw", add_completion=False, rich_markup_mode=None, cls=PlainGroup)
    app.callback()(root)
    for name in names:
        if name == "recipe":
            from dlw.cli.recipe import recipe_app

            app.add_typer(recipe_app, name=name)
        elif name == "data":
            from dlw.cli.data import data_app

            app.add_typer(data_app, name=name)
        elif name == "runs":
            from dlw.cli.runs import runs_app

            app.add_typer(runs_app, name=name)
        else:
            app.command(name, cls=PlainCommand)(_command(name))
    return app


def _command(name: str) -> Callable[..., None]:
    match name:
        case "train":
            from dlw.cli.train import train_cli

            return train_cli
        case "evaluate":
            from dlw.cli.evaluate import evaluate_cli

            return evaluate_cli
        case "predict":
            from dlw.cli.predict import predict_cli

            return predict_cli
        case "explain":
            from dlw.cli.explain import explain_cli

            return explain_cli
        case "export":
            from dlw.cli.export import export_cli

            return export_cli
        case "benchmark":
            from dlw.cli.benchmark import benchmark_cli

            return benchmark_cli
        case "sweep":
            from dlw.cli.sweep import sweep_cli

            return sweep_cli
        case "list":
            from dlw.cli.list import list_cli

            return list_cli
        case "verify":
            from dlw.cli.verify import verify_cli

            return verify_cli
        case _:
            assert name == "doctor", name
            from dlw.cli.doctor import doctor_cli

            return doctor_cli


def _show_version(is_asked: bool) -> None:
    if is_asked:
        tell(f"dlw {__version__}")
        raise typer.Exit


def root(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """Deep learning from YAML recipes: train, evaluate, predict, export, benchmark.

    \b
    dlw train digits      a first run, on data that comes along
    dlw list recipes      what else is ready to run
    """


def main() -> None:
    """Run the command line of this process and exit."""
    # Threads of torch that wait for one another spin for milliseconds by default: where another process holds a core,
    # training crawls (adult_census: 1,400 rows/s against 8,000). Read by libgomp when torch is imported.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    if "RANK" in os.environ or "SLURM_STEP_ID" in os.environ:  # a lost process is told of by name, not from C++
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; every error ends here."""
    prepare_streams()
    words = _completed(arguments)
    as_json = "--json" in words
    try:
        code = _invoke(words)
        finish()
    except DlwError as error:
        code = report(error, as_json)
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        code = 0
    except Exception as error:  # noqa: BLE001 - the one place where an unforeseen error becomes a message
        resource = as_resource_error(error)
        code = report(resource, as_json) if resource else report_bug(error, as_json)
    return code


def _completed(arguments: Sequence[str]) -> list[str]:
    """Ask for help where nothing is asked; say what `--resume` and `--explain` mean alone; `runs DIR` lists it."""
    words = [*arguments]
    if words in ([], ["recipe"], ["data"]):
        return [*words, "--help"]
    if words[0] == "runs" and (len(words) == 1 or words[1] not in ("list", "compare", "--help")):
        return ["runs", "list", *words[1:]]
    if words[0] == "train":
        _fill(words, "--resume", LATEST, lambda word: not word.startswith("-"))
    if words[0] == "predict":
        _fill(words, "--explain", AUTO, lambda word: bool(re.fullmatch(r"[a-z_]+", word)) and not os.path.exists(word))
    return words


def _fill(words: list[str], option: str, value: str, is_value: Callable[[str], bool]) -> None:
    """Give an option that may stand alone its value, where the next word is none."""
    if option in words:
        place = words.index(option) + 1
        if place == len(words) or not is_value(words[place]):
            words.insert(place, value)


def _invoke(words: list[str]) -> int:
    app = build(words[:1] if words[0] in COMMANDS else COMMANDS)
    command = typer.main.get_command(app)
    try:
        with command.make_context("dlw", [*words], obj=words) as context:
            command.invoke(context)
    except typer.Exit as stop:
        return stop.exit_code
    except typer.Abort:
        raise KeyboardInterrupt from None
    except TyperException as error:
        raise UsageError(_usage_message(error)) from None
    return 0


def _usage_message(error: TyperException) -> str:
    """Say what is wrong with the command line, the nearest word, and where the help is."""
    context = getattr(error, "ctx", None)
    option = getattr(error, "option_name", None)
    message = error.format_message().rstrip(".")
    if context is None:
        return message
    if option and message.startswith("No such option"):
        known = [name for item in context.command.params for name in (*item.opts, *item.secondary_opts)]
        message = f"No such option: {option}{did_you_mean(option, known)}"
    return f"{message[0].lower()}{message[1:]}\nhelp: {context.command_path} --help"

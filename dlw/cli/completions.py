"""Writes the static completions in `completions/` from the command tree: a TAB starts no Python.

Run `python -m dlw.cli.completions` after changing a command or adding a recipe; a test fails when the files are stale.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from dlw import registry
from dlw.cli.list import RECIPES
from dlw.recipe.find import installed_recipes

_HEADER = "# Written by `python -m dlw.cli.completions`; do not edit."
_FILE_OPTIONS = ("--out", "--code", "--data", "--output", "--save", "--against", "--resume")
_TAKES_RECIPE = ("train", "benchmark", "sweep", "recipe check", "recipe show", "recipe diff")


@dataclass(frozen=True)
class Option:
    """One option. `words` are the values to offer, `is_file` offers files; a switch takes no value."""

    names: tuple[str, ...]
    help: str
    takes_value: bool
    is_repeatable: bool
    words: tuple[str, ...]
    is_file: bool


@dataclass(frozen=True)
class Command:
    """One command: the words that lead to it, and what may follow: options, subcommands, words and files."""

    path: str
    help: str
    options: tuple[Option, ...]
    subcommands: tuple[Command, ...]
    words: tuple[str, ...]
    takes_files: bool

    def everything(self) -> list[Command]:
        """Return this command and all below it."""
        return [self, *(found for command in self.subcommands for found in command.everything())]


def command_tree() -> Command:
    """Return the root command, read from the Typer application."""
    from dlw.cli.main import build

    return _command(typer.main.get_command(build()), "")


def write(folder: Path) -> list[Path]:
    """Write the three files into a folder and return them."""
    files = render()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in files]


def render() -> dict[str, str]:
    """Return file name -> text of the completions for bash, zsh and fish."""
    root = command_tree()
    return {"dlw.bash": _bash(root), "_dlw": _zsh(root), "dlw.fish": _fish(root)}


def _command(command: Any, path: str) -> Command:
    below = getattr(command, "commands", {})
    return Command(
        path=path,
        help=command.get_short_help_str(limit=200).rstrip("."),
        options=(*(_option(item) for item in command.params if item.param_type_name == "option"), _help_option()),
        subcommands=tuple(_command(item, f"{path} {name}".strip()) for name, item in below.items()),
        words=_argument_words(path),
        takes_files=not below and path not in ("list", "recipe copy", "recipe schema", "doctor"),
    )


def _option(item: Any) -> Option:
    longest = max(item.opts, key=len)
    values = {"--split": ("train", "validation", "test"), "--device": ("auto", "cpu", "cuda", "mps")}
    values["--format"] = tuple(registry.names("exporters"))
    values["--method"] = values["--explain"] = tuple(registry.names("explainers"))
    return Option(
        names=tuple(item.opts),
        help=(item.help or "").replace("\n", " ").rstrip("."),
        takes_value=not item.is_flag,
        is_repeatable=bool(item.multiple),
        words=values.get(longest, ()),
        is_file=longest in _FILE_OPTIONS,
    )


def _help_option() -> Option:
    return Option(("--help",), "Show the help", takes_value=False, is_repeatable=False, words=(), is_file=False)


def _argument_words(path: str) -> tuple[str, ...]:
    if path in _TAKES_RECIPE or path == "recipe copy":
        return tuple(installed_recipes())
    return (*registry.ROOMS, RECIPES) if path == "list" else ()


_BASH = """
_dlw() {
    local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}"
    local command="" word words="" options="" files="" index IFS=$' \\t\\n'
    for ((index = 1; index < COMP_CWORD; index++)); do
        word="${COMP_WORDS[index]}"
        if [[ $word == -* ]]; then
            continue
        elif [[ -z $command ]]; then
            command="$word"
        elif [[ " @GROUPS@ " == *" $command "* ]]; then
            command="$command $word"
        fi
    done
    case "$previous" in
@VALUES@
    esac
    case "$command" in
@COMMANDS@
        *) return ;;
    esac
    if [[ $current == -* ]]; then
        words="$options"
        files=""
    fi
    local IFS=$'\\n'
    COMPREPLY=($(IFS=$' \\t\\n' compgen -W "$words" -- "$current"))
    if [[ -n $files ]]; then
        compopt -o filenames 2>/dev/null
        COMPREPLY+=($(compgen -f -- "$current"))
    fi
}
complete -F _dlw dlw
"""


def _bash(root: Command) -> str:
    offers: dict[str, dict[str, None]] = {}
    commands = []
    for command in root.everything():
        for option in command.options:
            if option.takes_value:
                offer = 'compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current")); '
                if not option.is_file:
                    offer = (
                        f'COMPREPLY=($(compgen -W "{" ".join(option.words)}" -- "$current")); ' if option.words else ""
                    )
                offers.setdefault(offer, {}).update(dict.fromkeys(option.names))
        words = " ".join([*(item.path.split()[-1] for item in command.subcommands), *command.words])
        options = " ".join(name for option in command.options for name in option.names)
        files = " files=1" if command.takes_files else ""
        commands.append(f'        "{command.path}") words="{words}" options="{options}"{files} ;;')
    values = [f"        {'|'.join(names)}) {offer}return ;;" for offer, names in offers.items()]
    groups = " ".join(command.path for command in root.subcommands if command.subcommands)
    text = _BASH.replace("@VALUES@", "\n".join(values)).replace("@COMMANDS@", "\n".join(commands))
    text = text.replace("@GROUPS@", groups)
    return _HEADER + "\n" + text.lstrip("\n")


def _zsh(root: Command) -> str:
    lines = ["#compdef dlw", _HEADER, ""]
    for command in root.everything():
        lines += _zsh_function(command)
    return "\n".join([*lines, '_dlw "$@"', ""])


def _zsh_function(command: Command) -> list[str]:
    name = "_dlw" + "".join(f"_{word}" for word in command.path.split())
    arguments = [_zsh_option(option) for option in command.options]
    if command.subcommands:
        arguments += ["'1:command:->command'", "'*::argument:->argument'"]
    elif command.words or command.takes_files:
        arguments.append(shlex.quote(f"*:argument:{_zsh_values(command.words, command.takes_files)}"))
    body = [
        f"{name}() {{",
        "    local context state state_descr line",
        "    typeset -A opt_args",
        "    _arguments -C \\",
    ]
    body += [f"        {argument} \\" for argument in arguments[:-1]] + [f"        {arguments[-1]}"]
    if command.subcommands:
        body += ["    case $state in", "        command)", "            local -a commands", "            commands=("]
        body += [f"                {shlex.quote(f'{_last(item)}:{item.help}')}" for item in command.subcommands]
        body += ["            )", "            _describe command commands", "            ;;"]
        body += ["        argument)", "            case $line[1] in"]
        body += [f"                {_last(item)}) {name}_{_last(item)} ;;" for item in command.subcommands]
        body += ["            esac", "            ;;", "    esac"]
    return [*body, "}", ""]


def _zsh_option(option: Option) -> str:
    text = option.help.replace("[", "(").replace("]", ")").replace(":", "\\:")
    value = f":value:{_zsh_values(option.words, option.is_file)}" if option.takes_value else ""
    several = "*" if option.is_repeatable else f"({' '.join(option.names)})" if len(option.names) > 1 else ""
    spellings = [f"{name}=" if option.takes_value and name.startswith("--") else name for name in option.names]
    return " ".join(shlex.quote(f"{several}{name}[{text}]{value}") for name in spellings)


def _zsh_values(words: tuple[str, ...], is_file: bool) -> str:
    if words and is_file:
        return f'_alternative "words\\:word\\:({" ".join(words)})" "files\\:file\\:_files"'
    return f"({' '.join(words)})" if words else "_files" if is_file else " "


def _fish(root: Command) -> str:
    lines = [_HEADER, "complete -c dlw -f"]
    for command in root.everything():
        where = _fish_condition(command)
        for item in command.subcommands:
            lines.append(f"complete -c dlw -n {where} -a {_last(item)} -d {_fish_quoted(item.help)}")
        if command.words:
            lines.append(f"complete -c dlw -n {where} -a {_fish_quoted(' '.join(command.words))}")
        if command.takes_files:
            lines.append(f"complete -c dlw -n {where} -F")
        for option in command.options:
            names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
            value = "" if not option.takes_value else " -r -F" if option.is_file else " -x"
            value += f" -a {_fish_quoted(' '.join(option.words))}" if option.words else ""
            lines.append(f"complete -c dlw -n {where} {names}{value} -d {_fish_quoted(option.help)}")
    return "\n".join([*lines, ""])


def _fish_condition(command: Command) -> str:
    conditions = [f"__fish_seen_subcommand_from {word}" for word in command.path.split()]
    if command.subcommands:
        below = " ".join(_last(item) for item in command.subcommands)
        conditions.append(f"not __fish_seen_subcommand_from {below}")
    return _fish_quoted("; and ".join(conditions))


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _last(command: Command) -> str:
    return command.path.split()[-1]


if __name__ == "__main__":
    for file in write(Path(__file__).parents[2] / "completions"):
        typer.echo(file)

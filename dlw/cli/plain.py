"""Typer commands that take words as they are.

Typer turns every value of the command line into its type by pydantic, whose import (0.1 s) costs more than all of
`dlw list`. Our arguments are switches, text and paths, which need no library; anything else still goes Typer's way.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, get_args

from typer.core import TyperCommand, TyperGroup


class PlainCommand(TyperCommand):
    """A command whose switches, texts and paths are taken without pydantic."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words after the command."""
        _simplify(self.params + [option for option in [self.get_help_option(ctx)] if option])
        return super().parse_args(ctx, args)


class PlainGroup(TyperGroup):
    """A group of such commands."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words before the subcommand."""
        _simplify(self.params + [option for option in [self.get_help_option(ctx)] if option])
        return super().parse_args(ctx, args)


def _simplify(parameters: list[Any]) -> None:
    for parameter in parameters:
        annotation = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
        item = (get_args(annotation) or (annotation,))[0]
        if item in (bool, str, Path) and not isinstance(parameter.process_value, partial):
            parameter.process_value = partial(_process, parameter, parameter.process_value, item)


def _process(parameter: Any, typers_own: Any, kind: type, context: Any, value: Any) -> Any:
    """Turn one parsed value into its type, or leave a missing one to Typer, which knows how to say so."""
    if value is None or value in ((), []):
        if parameter.required:
            return typers_own(context, value)
        value = False if kind is bool else value
    elif isinstance(value, (list, tuple)):
        value = [kind(item) for item in value]
    else:
        value = kind(value)
    return parameter.callback(context, parameter, value) if parameter.callback else value

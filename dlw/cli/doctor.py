"""`dlw doctor`: what this machine offers, what is missing, and what to do about it."""

from __future__ import annotations

from typing import Annotated

import typer

from dlw.cli.options import AsJson
from dlw.cli.screen import add_row, draw, emit, table


def doctor_cli(
    deep: Annotated[bool, typer.Option("--deep", help="Also import torch and try the GPU (takes seconds).")] = False,
    as_json: AsJson = False,
) -> None:
    """Examine this machine and installation."""
    from dlw.cli.examination import examine

    findings = examine(deep)
    if as_json:
        emit({"findings": [vars(finding) for finding in findings]})
        return
    rows = table("", "subject", "found")
    for finding in findings:
        add_row(rows, {"ok": "ok", "note": "-", "problem": "!!"}[finding.state], finding.subject, finding.found)
        if finding.remedy:
            add_row(rows, "", "", f"-> {finding.remedy}")
    draw(rows)

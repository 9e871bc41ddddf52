"""The completions in the repository are those of the commands as they are, and a TAB starts no Python."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from dlw.cli.completions import command_tree, render

FOLDER = Path(__file__).parents[2] / "completions"


@pytest.mark.parametrize("name", ["dlw.bash", "_dlw", "dlw.fish"])
def test_the_file_is_fresh(name: str) -> None:
    fresh = render()[name]
    assert (FOLDER / name).read_text(encoding="utf-8") == fresh, "run `python -m dlw.cli.completions`"


def test_every_option_has_help() -> None:
    silent = [
        (command.path, option.names)
        for command in command_tree().everything()
        for option in command.options
        if not option.help
    ]
    assert not silent


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        (["tr"], {"train"}),
        (["recipe", ""], {"check", "show", "diff", "schema", "new", "copy"}),
        (["train", "--re"], {"--resume", "--restarts"}),
        (["train", "pengu"], {"penguins", "penguins_clusters"}),
        (["-s", "a=b", "train", "pengu"], set()),
        (["evaluate", "x", "--split", ""], {"train", "validation", "test"}),
        (["export", "x", "--format", "on"], {"onnx"}),
        (["list", "mo"], {"models"}),
        (["train", "mi"], {"mine.yaml"}),
        (["runs", ""], {"list", "compare"}),
        (["data", "check", "--sand"], {"--sandbox"}),
        (["runs", "list", "mi"], {"mine.yaml"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bash_offers(line: list[str], offered: set[str], tmp_path: Path) -> None:
    """With nothing on PATH, so no program can be started."""
    (tmp_path / "mine.yaml").touch()
    words = " ".join(f"'{word}'" for word in ["dlw", *line])
    script = (
        f"source {FOLDER / 'dlw.bash'}; COMP_WORDS=({words}); COMP_CWORD={len(line)}; COMPREPLY=(); _dlw; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    bash = shutil.which("bash")
    assert bash
    done = subprocess.run(
        [bash, "--norc", "-c", script],
        cwd=tmp_path,
        env={"PATH": "/nowhere"},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert set(done.stdout.split()) == offered


@pytest.mark.parametrize(("shell", "name"), [("bash", "dlw.bash"), ("zsh", "_dlw"), ("fish", "dlw.fish")])
def test_the_shell_can_read_it(shell: str, name: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    subprocess.run([program, "-n", FOLDER / name], check=True, capture_output=True, timeout=20)

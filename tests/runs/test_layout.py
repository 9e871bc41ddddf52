"""Run directories are made without touching what is there, and found again with an error that names what is missing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dlw.errors import ResourceError, RunError, RunInUseError, UsageError
from dlw.runs.layout import PICKLE_SUFFIXES, Run, create_run, latest_run, open_run, runs_in
from dlw.runs.lock import hold


def complete(run: Run) -> Run:
    """Give a run the files that every run has."""
    for path in (run.recipe, run.resolved, run.fields):
        path.write_text("{}")
    return run


def test_runs_are_numbered(tmp_path: Path) -> None:
    folders = [create_run("digits", base=tmp_path / "runs").folder.name for _ in range(11)]
    (tmp_path / "runs" / "digits-40").mkdir()
    (tmp_path / "runs" / "digits-fast-90").mkdir()
    folders.append(create_run("digits", base=tmp_path / "runs").folder.name)
    assert folders == [*(f"digits-{number}" for number in range(1, 12)), "digits-41"]


def test_out_may_be_new_or_empty(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "new" / "deep", tmp_path / "empty"):
        assert create_run("digits", folder).checkpoints.is_dir()


def test_out_of_a_start_that_was_killed_is_begun_again_until_the_recipe_is_there(tmp_path: Path) -> None:
    run = create_run("digits", tmp_path / "run")
    for name in (".lock", "log.txt", "fields.json", "recipe.resolved.yaml", ".tmp-recipe.yaml.123"):
        (run.folder / name).write_text("")
        assert create_run("digits", run.folder) == run
    run.recipe.write_text("")
    with pytest.raises(UsageError, match="dlw train --resume"):
        create_run("digits", run.folder)


def test_out_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(UsageError, match=r"not empty; go on with that run by `dlw train --resume .*, or choose"):
        create_run("digits", tmp_path)
    (tmp_path / "of mine").mkdir()
    (tmp_path / "of mine" / "thesis.tex").write_text("")
    with pytest.raises(UsageError, match=r"`dlw train --resume '.*/of mine'`"):
        create_run("digits", tmp_path / "of mine")
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="is a file"):
        create_run("digits", tmp_path / "file")


def test_out_in_use_is_refused(tmp_path: Path) -> None:
    run = create_run("digits", tmp_path / "run")
    with hold(run), pytest.raises(RunInUseError, match="in use"):
        create_run("digits", run.folder)


def test_out_that_never_got_a_file_can_be_used_again(tmp_path: Path) -> None:
    run = create_run("digits", tmp_path / "run")
    with hold(run):
        run.log.write_text("data/train.csv: no such file\n")
    assert create_run("digits", run.folder) == run


def test_complete_run_opens(tmp_path: Path) -> None:
    run = complete(create_run("digits", tmp_path / "run"))
    assert open_run(tmp_path / "run") == run
    assert run.evaluation("test") == tmp_path / "run" / "evaluation" / "test"
    assert run.export("onnx") == tmp_path / "run" / "exports" / "onnx"


@pytest.mark.parametrize("name", ["../up", "", "a/b", "/etc", "..", ".hidden", "a\0", "a" * 101])
def test_names_never_lead_elsewhere(tmp_path: Path, name: str) -> None:
    for place in (Run(tmp_path).evaluation, Run(tmp_path).export):
        with pytest.raises(UsageError, match="letters, digits"):
            place(name)


@pytest.mark.parametrize("suffix", PICKLE_SUFFIXES)
def test_pickle_is_never_loaded(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    path.write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(RunError, match="dlw never loads pickle") as caught:
        open_run(path)
    assert caught.value.exit_code == 4


def test_missing_run_suggests_the_nearest(tmp_path: Path) -> None:
    complete(create_run("digits", base=tmp_path))
    with pytest.raises(RunError, match=r"run not found: .*digit-1; did you mean digits-1\?"):
        open_run(tmp_path / "digit-1")
    with pytest.raises(RunError, match="a file, not a run directory"):
        open_run(tmp_path / "digits-1" / "recipe.yaml")


def test_incomplete_run_names_what_is_missing(tmp_path: Path) -> None:
    run = complete(create_run("digits", base=tmp_path))
    run.fields.unlink()
    with pytest.raises(RunError, match=r"missing fields\.json"):
        open_run(run.folder)
    with pytest.raises(RunError, match="it holds the runs digits-1: name one"):
        open_run(tmp_path)


def test_latest_run_has_the_highest_number(tmp_path: Path) -> None:
    for _ in range(10):
        complete(create_run("digits", base=tmp_path))
    os.utime(tmp_path / "digits-2")
    assert latest_run(tmp_path, "digits").folder.name == "digits-10"
    with pytest.raises(RunError, match="no run called faces-<number>"):
        latest_run(tmp_path, "faces")
    assert len(runs_in(tmp_path)) == 10
    assert runs_in(tmp_path / "nowhere") == []

"""`dlw runs` reads names and manifests only, and shows damage instead of stumbling over it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch

from dlw.runs import store
from dlw.runs.layout import Run, create_run
from dlw.runs.listing import list_runs
from dlw.runs.lock import hold
from dlw.runs.steps import step_folder


def trained(base: Path, *, is_final: bool) -> Run:
    """Make a run with three checkpoints, the second of them the best."""
    run = create_run("digits", base=base)
    run.recipe.write_text("")
    for step, score in ((10, 0.8), (20, 0.95), (30, 0.9)):
        store.save(
            run,
            step,
            {"model": {"a": torch.zeros(2)}},
            {},
            keep=2,
            is_best=score == 0.95,
            is_final=is_final and step == 30,
            monitor="validation/accuracy",
            score=score,
        )
    return run


def test_state_step_and_best_score_are_shown(tmp_path: Path) -> None:
    trained(tmp_path, is_final=True)
    trained(tmp_path, is_final=False)
    busy = trained(tmp_path, is_final=True)
    create_run("digits", base=tmp_path).recipe.write_text("")
    (tmp_path / "notes").mkdir()
    with hold(busy):
        found = list_runs(tmp_path)
    assert [(run.name, run.state, run.step) for run in found] == [
        ("digits-1", "finished", 30),
        ("digits-2", "interrupted", 30),
        ("digits-3", "in use", 30),
        ("digits-4", "interrupted", None),
    ]
    assert found[0].to_json() == {
        "name": "digits-1",
        "folder": str(tmp_path / "digits-1"),
        "state": "finished",
        "step": 30,
        "best_step": 20,
        "monitor": "validation/accuracy",
        "score": 0.95,
    }


def test_damaged_runs_are_listed(tmp_path: Path) -> None:
    run = trained(tmp_path, is_final=True)
    (step_folder(run, 30) / "manifest.json").write_text("{")
    (summary,) = list_runs(tmp_path)
    assert (summary.state, summary.step, summary.best_step) == ("damaged", 30, 20)


def test_listing_does_not_import_torch(tmp_path: Path) -> None:
    trained(tmp_path, is_final=True)
    code = (
        "import sys; from pathlib import Path; from dlw.runs.listing import list_runs; "
        f"print(len(list_runs(Path({str(tmp_path)!r}))), 'torch' in sys.modules, 'numpy' in sys.modules)"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output == "1 False False\n"

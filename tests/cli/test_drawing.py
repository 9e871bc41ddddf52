"""One small run through the commands: what each draws, and the JSON it prints instead."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from dlw.cli.main import run
from dlw.verbs._figures import Change, Figure
from dlw.verbs.benchmark import BenchmarkResult

DATA = Path(__file__).parents[2] / "recipes" / "data" / "penguins.csv"
RECIPE = f"""
name: penguins
task: classification
data:
  source: {DATA}
  splits: {{type: stratified}}
  inputs: {{bill_length_mm: number, body_mass_g: number, island: category}}
  target: {{species: category}}
model: {{type: mlp, width: 8, depth: 1}}
train: {{steps: 6, batch_size: 32, validate_every: 3 steps, threads: 1}}
evaluate: {{bootstrap: 20}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recipe and one finished run of it."""
    folder = tmp_path_factory.mktemp("command_line")
    (folder / "penguins.yaml").write_text(RECIPE)
    assert run(["train", str(folder / "penguins.yaml"), "--out", str(folder / "runs" / "penguins-1"), "--quiet"]) == 0
    return folder


@pytest.fixture(autouse=True)
def _inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def _json(arguments: list[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> Any:
    assert run([*arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_train_ends_with_the_next_commands(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "a run"
    assert run(["train", "penguins.yaml", "--out", str(out)]) == 0
    told = capsys.readouterr()
    assert "trained  6 steps" in told.out
    assert f"dlw evaluate '{out}'" in told.err
    assert len(re.findall(r"^step \d/6  loss", told.err, re.MULTILINE)) == 2


def test_quiet_says_no_next_commands(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["train", "penguins.yaml", "--out", str(tmp_path / "r"), "--quiet"]) == 0
    assert run(["export", str(tmp_path / "r"), "--format", "safetensors", "-q"]) == 0
    assert run(["recipe", "new", str(DATA), "--target", "species", "-o", str(tmp_path / "r.yaml"), "-q"]) == 0
    told = capsys.readouterr()
    assert "trained  6 steps" in told.out
    assert "next:" not in told.err
    assert "dlw " not in told.err


def test_dry_run_keeps_nothing(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    assert run(["train", "penguins.yaml", "--dry-run"]) == 0
    assert "parameters" in capsys.readouterr().out
    assert sorted(folder.rglob("*")) == before


def test_train_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    found = _json(["train", "penguins.yaml", "--out", str(tmp_path / "r"), "-s", "train.steps=2"], capsys)
    assert found["step"] == 2


def test_resume_finds_the_newest_run(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["train", "--resume"], ["train", "penguins.yaml", "--resume"]):
        found = _json(arguments, capsys)
        assert found["is_finished"]
        assert found["run"] == "runs/penguins-1"


def test_evaluate_draws_scores_beside_baselines(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "runs/penguins-1", "--slice", "sex"]) == 0
    told = capsys.readouterr().out
    assert re.search(r"^metric +network +95 % interval +constant", told, re.MULTILINE)
    assert re.search(r"^accuracy +[\d.]+ +[\d.]+ to [\d.]+ +[\d.]+", told, re.MULTILINE)
    assert "sex = female" in told
    assert "baseline constant" in told


def test_evaluate_shows_what_was_found_when_it_is_not_enough(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "runs/penguins-1", "--require", "accuracy >= 1.5"]) == 9
    told = capsys.readouterr()
    assert "NOT MET: accuracy >= 1.5" in told.out
    assert "not met" in told.err
    found = _json(["evaluate", "runs/penguins-1", "--require", "accuracy >= 1.5"], capsys, code=9)
    assert found["error"]["kind"] == "require"
    assert not found["requirements"][0]["is_met"]


def test_export_then_predict(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    bundle = str(tmp_path / "bundle")
    assert run(["export", "runs/penguins-1", "--out", bundle]) == 0
    told = capsys.readouterr()
    assert bundle in told.out
    assert f"dlw predict {bundle}" in told.err
    assert run(["predict", bundle, str(DATA)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("file,row,label,probability")
    assert len(lines) == 1 + len(DATA.read_text().splitlines()) - 1
    answers = tmp_path / "answers.csv"
    found = _json(["predict", bundle, str(DATA), "-o", str(answers)], capsys)
    assert (found["rows"], found["output"]) == (len(lines) - 1, str(answers))
    assert answers.is_file()


def test_predict_draws_what_fits(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from dlw.cli import predict

    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr(predict, "screen_width", lambda: 40)
    assert run(["predict", "runs/penguins-1", str(DATA)]) == 0
    told = capsys.readouterr()
    assert "label" in told.out
    assert "more rows" in told.err
    assert "too wide to show" in told.err


def test_runs_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runs"]) == 0
    assert re.search(r"runs/penguins-1 +finished +6 +validation/\w+ ", capsys.readouterr().out)
    assert _json(["runs"], capsys)["runs"][0]["step"] == 6


def test_benchmark_draws_figures_and_changes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    result = BenchmarkResult(
        target="runs/penguins-1",
        kind="run",
        figures=[Figure("cold start", 1.25, "s", False), Figure("batch 1: p99", 0.5, "ms")],
        machine={"cpu": "one"},
        busy=0.25,
        notes=["a note"],
        changes=[Change("cold start", 1.0, 1.25, "s", 0.25)],
    )
    monkeypatch.setattr("dlw.verbs.benchmark.benchmark", lambda *_, **__: result)
    assert run(["benchmark", "runs/penguins-1"]) == 0
    told = capsys.readouterr().out
    assert re.search(r"^cold start +1.25  s +1  25.0% worse$", told, re.MULTILINE)
    assert "a note" in told
    assert _json(["benchmark", "runs/penguins-1"], capsys)["kind"] == "run"


def test_new_writes_a_recipe_that_is_right(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "mine.yaml"
    assert run(["recipe", "new", str(DATA), "--target", "species", "-o", str(out)]) == 0
    assert f"dlw train {out}" in capsys.readouterr().err
    assert f"#   dlw train {out} && dlw evaluate runs/mine-1\n" in out.read_text()
    assert run(["recipe", "check", str(out)]) == 0

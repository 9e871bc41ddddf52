"""The sweep verb: what it finds and keeps, workers side by side, deaths and signals, and when it stops."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from small_runs import TABLE_RECIPE, people

from dlw.cli.main import run as command
from dlw.errors import DataError, Interrupted, NonFiniteError, ResourceError, UsageError
from dlw.progress import Silent
from dlw.recipe.check import load_recipe
from dlw.verbs import _study, _worker
from dlw.verbs._session import decisive
from dlw.verbs.sweep import SweepResult, sweep
from dlw.verbs.train import TrainResult, train
from tests.forks import fork

SEARCH = """\
search:
  optimizer.lr: {low: 1e-4, high: 1e-1, log: true}
  model.width: {low: 8, high: 32}
  model.dropout: [0.1, 0.3]
"""


def written(folder: Path) -> Path:
    """Write a recipe with three keys to search beside its rows; what it says is among the candidates."""
    people(folder)
    path = folder / "people.yaml"
    path.write_text(TABLE_RECIPE.replace("epochs: 1", "epochs: 3") + SEARCH)
    return path


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """The recipe of `written`."""
    return written(tmp_path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> SweepResult:
    """Four trials that nothing came in the way of."""
    folder = tmp_path_factory.mktemp("whole")
    return sweep(written(folder), trials=4, out=folder / "sweep")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., float | None]], None]:
    """Return a function that puts another in the place of training: recipe, listener -> score."""

    def replace(score: Callable[..., float | None]) -> None:
        def trained(file: Path, out: Path, code: Any, listener: Any) -> Any:
            class Result:
                best = score(load_recipe(file).recipe, listener)

            return Result

        monkeypatch.setattr(_worker, "train", trained)

    return replace


def outcome(result: SweepResult) -> list[tuple[Any, ...]]:
    """Return what must be alike in two sweeps."""
    return [(row.number, row.state, row.score, row.params) for row in result.trials]


def test_the_best_recipe_is_kept_and_trains_to_the_same_score(whole: SweepResult, recipe: Path, tmp_path: Path) -> None:
    folder = Path(whole.folder)
    assert [(row.number, row.state) for row in whole.trials] == [(number, "complete") for number in range(4)]
    assert whole.best is not None
    assert whole.written is not None
    assert whole.written.score == train(recipe, out=tmp_path / "written").best
    assert whole.written.params == {"optimizer.lr": 0.001, "model.width": 8, "model.dropout": 0.1}
    assert whole.best.score == max(row.score or 0 for row in whole.trials)
    assert train(whole.recipe, out=tmp_path / "again").best == whole.best.score
    text = (folder / "best.yaml").read_text()
    assert text.startswith(f"# Trial {whole.best.number} of 4 that `dlw sweep` made in sweep: validation/accuracy ")
    assert [path.name for path in (folder / "trials").iterdir() if path.is_dir()] == [str(whole.best.number)]
    assert set(whole.importance) == {"optimizer.lr", "model.width", "model.dropout"}
    page = (folder / "report.html").read_text()
    assert "What mattered" in page
    assert "optimizer.lr" in page
    assert "<script" not in page


def test_a_sweep_repeats_itself_also_in_parts(whole: SweepResult, recipe: Path, tmp_path: Path) -> None:
    sweep(recipe, trials=1, out=tmp_path / "parts")
    assert outcome(sweep(recipe, trials=3, out=tmp_path / "parts")) == outcome(whole)[:3]
    assert len({row.params["optimizer.lr"] for row in whole.trials}) == 4


def test_two_workers_share_one_file(recipe: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    children = []
    for _ in range(2):
        child = fork()
        if child == 0:
            status = 1
            try:
                sweep(recipe, trials=5, out=folder)
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    result = sweep(recipe, trials=5, out=folder)
    assert [row.number for row in result.trials] == list(range(5))
    assert all(row.is_finished for row in result.trials)


class _Deadly(Silent):
    """Sends this process a signal in the second of three epochs of a trial."""

    def __init__(self, number: int, trial: int) -> None:
        self._number, self._stage = number, f"trial {trial}"

    def progress(self, stage: str, done: int, total: int, values: Mapping[str, float]) -> None:
        if stage == self._stage and done * 3 >= total * 2:
            os.kill(os.getpid(), self._number)


def test_the_trial_of_a_killed_worker_goes_on_and_counts_once(
    whole: SweepResult, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_study, "HEARTBEAT_SECONDS", 1)
    monkeypatch.setattr(_study, "SILENT_SECONDS", 1)
    child = fork()
    if child == 0:
        sweep(recipe, trials=2, out=tmp_path / "sweep", listener=_Deadly(signal.SIGKILL, 1))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert (tmp_path / "sweep" / "trials" / "1" / "checkpoints" / "last").exists()
    result = sweep(recipe, trials=2, out=tmp_path / "sweep")
    assert outcome(result) == outcome(whole)[:2]
    assert "continuing" in (tmp_path / "sweep" / "trials" / "1" / "log.txt").read_text()


def test_a_signal_stops_it_and_the_same_call_goes_on(whole: SweepResult, recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match="after 1 of 3 trials") as caught:
        sweep(recipe, trials=3, out=tmp_path / "sweep", listener=_Deadly(signal.SIGINT, 1))
    assert caught.value.exit_code == 130
    assert outcome(sweep(recipe, trials=3, out=tmp_path / "sweep")) == outcome(whole)[:3]


def test_a_trial_that_kills_its_workers_has_failed(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    study = _study.open_study(None, tmp_path / "other", "x", {}, _study.Sampler(0, {}), is_higher_better=True)
    with pytest.warns(UserWarning, match="Heartbeat"):
        study.ask()
    for deaths in range(_study.MOST_DEATHS):
        assert [row.state for row in _study.rows(study)] == ["waiting" if deaths else "running"]
        _study.put_back(study, _study.newest(study)[0], deaths=1)
    (row,) = _study.rows(study)
    assert (row.number, row.state, row.reason) == (0, "failed", "its worker died, 3 times")


def test_trials_that_fail_count_with_their_reason(recipe: Path, tmp_path: Path, quick: Any) -> None:
    faults = iter([None, NonFiniteError("step 3: NaN"), MemoryError("too much"), float("nan"), 0.75])

    def score(recipe: Any, listener: Any) -> float | None:
        fault = next(faults)
        if isinstance(fault, Exception):
            raise fault
        return fault

    quick(score)
    result = sweep(recipe, trials=5, out=tmp_path / "sweep")
    assert [row.state for row in result.trials] == ["failed"] * 4 + ["complete"]
    reasons = [row.reason for row in result.trials]
    assert reasons[0] == reasons[3] == "validation/accuracy was never a number"
    assert reasons[1] == "step 3: NaN"
    assert str(reasons[2]).startswith("out of memory (too much)")
    assert result.best is not None
    assert result.best.number == 4


def test_what_is_wrong_with_the_data_or_a_candidate_stops_it(recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"trial \d+ \(.* 5000\): train.batch_size 5000 is larger than"):
        sweep(recipe, trials=9, out=tmp_path / "a", sets=["search={train.batch_size: [16, 5000]}"])
    with pytest.raises(DataError, match="compared on a validation split, and there is none"):
        sweep(recipe, out=tmp_path / "b", sets=["data.splits.validation=null"])
    sets = ["search={task.label_smoothing: [0, 0.1]}", "checkpoint.monitor=validation/loss"]
    with pytest.raises(UsageError, match=r"search.task.label_smoothing: another task has another loss"):
        sweep(recipe, out=tmp_path / "c", sets=sets)
    with pytest.raises(UsageError, match="has no `search` section"):
        sweep(recipe, out=tmp_path / "d", sets=["search=null"])
    assert not any((tmp_path / name).exists() for name in "bcd")


def test_trials_behind_most_others_are_pruned(recipe: Path, tmp_path: Path, quick: Any) -> None:
    scores = iter([0.6, 0.7, 0.8, 0.7, 0.6, 0.65, 0.75])
    ended = []

    def score(recipe: Any, listener: Any) -> float:
        found = next(scores)
        listener.progress("validation", 5, 10, {"validation/accuracy": found, "validation/loss": 1.0})
        ended.append(found)
        return found

    quick(score)
    result = sweep(recipe, trials=7, out=tmp_path / "sweep")
    assert [row.state for row in result.trials] == ["complete"] * 5 + ["pruned", "complete"]
    assert 0.65 not in ended
    assert result.trials[5].score == 0.65


def test_another_recipe_and_other_things_are_not_mixed_in(recipe: Path, tmp_path: Path, quick: Any) -> None:
    quick(lambda recipe, listener: 0.5)
    sweep(recipe, trials=1, out=tmp_path / "sweep")
    with pytest.raises(UsageError, match=r"train.epochs was 3 and is 4; choose another folder with --out"):
        sweep(recipe, trials=2, out=tmp_path / "sweep", sets=["train.epochs=4"])
    with pytest.raises(UsageError, match=r'search was .*"model.bins"|search was '):
        sweep(recipe, trials=2, out=tmp_path / "sweep", sets=["search.model.bins=[4, 8]"])
    sweep(recipe, trials=2, out=tmp_path / "sweep", sets=["train.workers=1"])
    with pytest.raises(UsageError, match="holds something else than a sweep"):
        sweep(recipe, out=tmp_path)


def test_the_values_as_written_may_lie_outside(recipe: Path, tmp_path: Path, quick: Any) -> None:
    widths = []

    def score(recipe: Any, listener: Any) -> float:
        widths.append((recipe.model.options["width"], recipe.optimizer.lr))
        return 0.5

    quick(score)
    result = sweep(recipe, trials=4, out=tmp_path / "sweep", sets=["search.model.width.low=9"])
    assert widths[0] == (8, 0.001)
    assert result.trials[0].params == {"optimizer.lr": 0.001, "model.dropout": 0.1}
    assert all(isinstance(width, int) and 9 <= width <= 32 for width, _ in widths[1:])


def test_a_value_as_written_is_known_among_choices_of_whole_numbers(recipe: Path, tmp_path: Path, quick: Any) -> None:
    quick(lambda recipe, listener: 0.5)
    sets = ["optimizer.weight_decay=0", "search.optimizer.weight_decay=[0, 1]"]
    result = sweep(recipe, trials=1, out=tmp_path / "sweep", sets=sets)
    assert result.trials[0].params["optimizer.weight_decay"] == 0


def test_candidates_may_hold_any_letters(recipe: Path, tmp_path: Path, quick: Any) -> None:
    found = []

    def score(recipe: Any, listener: Any) -> float:
        found.extend(recipe.data.inputs)
        return 0.5

    quick(score)
    sets = ["data.inputs={age: number}", 'search.data.inputs=[{age: number}, {"\U0001f600": number}]']
    sweep(recipe, trials=6, out=tmp_path / "sweep", sets=sets)
    assert "\U0001f600" in found


def test_a_database_elsewhere(recipe: Path, tmp_path: Path, quick: Any) -> None:
    quick(lambda recipe, listener: 0.5)
    url = f"sqlite:///{tmp_path}/shared.db"
    sweep(recipe, trials=1, out=tmp_path / "here", storage=url)
    result = sweep(recipe, trials=2, out=tmp_path / "there", storage=url)
    assert [row.number for row in result.trials] == [0, 1]
    assert not (tmp_path / "there" / "trials" / "0.yaml").exists()
    assert "secret" not in _study.shown_url("postgresql://me:secret@host/base")
    with pytest.raises(UsageError, match="expected a URL such as postgresql"):
        sweep(recipe, out=tmp_path / "there", storage="nonsense")
    with pytest.raises(ResourceError, match="unable to open database file"):
        sweep(recipe, out=tmp_path / "there", storage="sqlite:////nowhere/at/all.db")


def test_the_section_means_nothing_to_training(recipe: Path, tmp_path: Path) -> None:
    train(recipe, out=tmp_path / "with")
    train(recipe, out=tmp_path / "without", sets=["search=null"])
    (one, other) = (
        next((tmp_path / name / "checkpoints").glob("step-*/model.safetensors")).read_bytes()
        for name in ("with", "without")
    )
    assert one == other
    recipes = [load_recipe(tmp_path / name / "recipe.resolved.yaml").recipe for name in ("with", "without")]
    assert recipes[0].search
    assert decisive(recipes[0]) == decisive(recipes[1])


def test_the_command_line(recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], quick: Any) -> None:
    quick(lambda recipe, listener: 0.5)
    words = ["sweep", str(recipe), "--out", str(tmp_path / "sweep"), "--trials", "2"]
    assert command([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["best"]["number"] == 0
    assert [row["state"] for row in told["trials"]] == ["complete", "complete"]
    assert command(words) == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[0].split()[:3] == ["trial", "state", "validation/accuracy"]
    assert told.out.splitlines()[1].endswith("as written")
    assert f"dlw train {tmp_path / 'sweep' / 'best.yaml'}" in told.err
    assert command([*words[:-1], "0"]) == 2
    assert "--trials 0: expected a whole number from 1" in capsys.readouterr().err


def test_without_optuna_it_says_what_to_install(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "optuna" else found(name))
    with pytest.raises(UsageError, match=r"pip install 'dlw\[sweep\]'"):
        sweep(recipe)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_twenty_trials_of_two_processes_beat_the_recipe_as_written(tmp_path: Path) -> None:
    """In the way a person would do it: the same command twice, penguins with a weak start."""
    folder = tmp_path / "sweep"
    search = "search={optimizer.lr: {low: 1e-4, high: 1e-1, log: true}, model.width: {low: 16, high: 128, step: 16}}"
    words = [sys.executable, "-m", "dlw", "sweep", "penguins", "--trials", "20", "--out", str(folder), "--json"]
    words += ["-s", search, "-s", "train.epochs=4", "-s", "optimizer.lr=1e-3"]
    workers = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [json.loads(worker.communicate()[0]) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    assert told[0]["trials"] == told[1]["trials"]
    assert [row["number"] for row in told[0]["trials"]] == list(range(20))
    assert told[0]["best"]["score"] > told[0]["written"]["score"]
    result: TrainResult = train(told[0]["recipe"], out=tmp_path / "best")
    assert result.best == told[0]["best"]["score"]

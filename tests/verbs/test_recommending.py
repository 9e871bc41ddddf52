"""Recommendation under all verbs: a log in, the best new items with their titles out, from run and bundle alike."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dlw.verbs.evaluate import evaluate
from dlw.verbs.export import export
from dlw.verbs.predict import predict
from dlw.verbs.train import train

LOG = Path(__file__).parents[2] / "recipes" / "data" / "film_nights"
SMALL = ("train.epochs=2", "train.threads=1", "model.width=8")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("items") / "run"
    train("film_nights", out=folder, sets=SMALL)
    return folder


def test_scores_stand_beside_all_baselines_and_tell_the_protocol(run: Path) -> None:
    found = evaluate(run, split="validation")
    assert [fit.name for fit in found.baselines] == ["implicit_factors", "item_knn", "popularity"]
    assert any("of all 160 items of training, not of a sample" in line for line in found.protocol)
    assert "duplicates: no row has inputs that also occur in train" in found.protocol


def test_a_log_is_answered_user_by_user_alike_from_run_and_bundle(run: Path, tmp_path: Path) -> None:
    bundle = export(run).folder
    log = tmp_path / "log.csv"
    log.write_text("\n".join((LOG / "log.csv").read_text().splitlines()[:60]) + "\n")
    seen: dict[str, set[str]] = {}
    for line in log.read_text().splitlines()[1:]:
        user, item, _ = line.split(",")
        seen.setdefault(user, set()).add(item)
    from_run, from_bundle = (predict(place, [str(log)], keep=["user_id"]) for place in (run, bundle))
    assert from_run.columns["user_id"] == list(seen)
    assert from_run.columns["items"] == from_bundle.columns["items"]
    for user, items, titles in zip(*(from_run.columns[name] for name in ("user_id", "items", "titles")), strict=True):
        assert len(items) == len(set(items)) == 10
        assert not seen[user] & set(items)
        assert titles[0].startswith("The ")


def test_a_bundle_answers_histories_without_torch(run: Path, tmp_path: Path) -> None:
    bundle = export(run).folder
    asked = tmp_path / "asked.csv"
    asked.write_text('history\n"1 2 3"\n""\n')
    code = (
        "import sys; from pathlib import Path; from dlw.verbs.predict import predict\n"
        f"print(predict(Path({str(bundle)!r}), [{str(asked)!r}]).num_rows, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "2 False"

"""Recordings under the verbs: transcripts with times from runs and bundles alike, and what cannot be heard is told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dlw.errors import DataError
from dlw.verbs.benchmark import benchmark
from dlw.verbs.evaluate import evaluate
from dlw.verbs.export import export
from dlw.verbs.predict import predict
from tests.verbs import small_runs
from tests.verbs.small_sounds import MELODY_RECIPE, RATE_HZ, TONE_RECIPE, melodies, melody, tones


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that transcribes, with its data beside it and its ONNX bundle inside."""
    folder = tmp_path_factory.mktemp("melodies")
    melodies(folder)
    export(small_runs.trained(folder, MELODY_RECIPE.replace("epochs: 2", "epochs: 12")))
    return folder


def test_run_and_bundle_answer_alike(folder: Path) -> None:
    inputs = [str(folder / "melodies.csv"), str(folder / "3.wav")]
    run, bundle = (predict(place, inputs).columns for place in (folder / "run", folder / "run/exports/onnx"))
    assert run["text"] == bundle["text"]
    assert run["words"] == bundle["words"]
    assert run["text"][3] == run["text"][-1], "a row of a table and its file are the same recording"
    assert run["confidence"] == pytest.approx(bundle["confidence"], abs=1e-4)
    for text, words in zip(run["text"], run["words"], strict=True):
        assert " ".join(word["text"] for word in words) == text
        assert all(0 <= word["start"] < word["end"] for word in words)


def test_a_longer_recording_than_any_of_training_is_answered(folder: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", melody("abcabcabcabc"), RATE_HZ)
    run, bundle = (
        predict(place, [str(tmp_path / "long.wav")]).columns["text"]
        for place in (folder / "run", folder / "run/exports/onnx")
    )
    assert run == bundle


def test_a_bundle_transcribes_without_torch(folder: Path) -> None:
    code = (
        "import json, sys\nfrom pathlib import Path\nfrom dlw.verbs.predict import predict\n"
        f"rows = predict(Path({str(folder / 'run/exports/onnx')!r}), [{str(folder / '0.wav')!r}]).columns\n"
        "print(json.dumps([rows['text'], 'torch' in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    text, has_torch = json.loads(done.stdout)
    assert len(text) == 1
    assert not has_torch


def test_evaluation_has_rates_with_intervals_and_a_plain_baseline(folder: Path) -> None:
    found = evaluate(folder / "run")
    assert [score.metric for score in found.scores] == ["cer", "wer"]
    score = found.scores[0]
    assert score.low <= score.value <= score.high
    assert score.value < 0.9, "it has learned something"
    assert list(score.baselines) == ["nearest_recording"]
    assert (folder / "run/evaluation/test/report.html").is_file()


@pytest.mark.withstands("bad inputs", case="D19")
def test_what_cannot_be_heard_is_told_and_the_rest_is_answered(folder: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "fine.wav", melody("ab"), RATE_HZ)
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), RATE_HZ)
    (tmp_path / "broken.flac").write_bytes(b"fLaC" + bytes(40))
    found = predict(folder / "run", [str(tmp_path)])
    assert [Path(name).name for name in found.columns["file"]] == ["fine.wav"]
    assert sorted(Path(bad.file).name for bad in found.bad) == ["broken.flac", "empty.wav"]
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match="this model reads recordings, no pictures"):
        predict(folder / "run", [str(tmp_path / "a.png")])


def test_recordings_are_classified_beside_a_linear_baseline(tmp_path: Path) -> None:
    tones(tmp_path)
    found = evaluate(small_runs.trained(tmp_path, TONE_RECIPE))
    assert {"constant", "linear"} <= set(found.scores[0].baselines)


@pytest.mark.slow
def test_speed_is_told_as_a_real_time_factor(folder: Path) -> None:
    figures = {figure.name: figure for figure in benchmark(folder / "run/exports/onnx", batch_sizes=[1]).figures}
    assert 0 < figures["batch 1: real-time factor"].value < 1

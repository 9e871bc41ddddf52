"""Texts under every verb: by the command line, lines of stdin, a bundle without torch, search, and `inputs: auto`."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dlw.baselines._base import Ask
from dlw.errors import DataError, UsageError
from dlw.recipe.check import load_recipe
from dlw.verbs import _baseline
from dlw.verbs.evaluate import evaluate
from dlw.verbs.export import export
from dlw.verbs.new import new
from dlw.verbs.predict import predict
from dlw.verbs.train import train
from tests.heard import Heard
from tests.verbs import small_runs

RECIPE = """\
name: notes
task: TASK
data:
  source: sentences.csv
  splits: {train: "train[:70%]", validation: "train[70%:80%]", test: "train[80%:]"}
  inputs: {note: {type: text, tokenizer: words}}
  target: {answer: category}
model: {type: ngram_bag, width: 8, buckets: 64}
optimizer: {type: adamw, lr: 0.05}
train: {epochs: 20, batch_size: 16, threads: 1}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("notes")
    small_runs.sentences(folder)
    recipe = folder / "notes.yaml"
    recipe.write_text(RECIPE.replace("TASK", "classification"))
    return Path(train(recipe, out=folder / "run").run)


def test_texts_of_the_command_line_are_answered(run: Path) -> None:
    found = predict(run, text=["the cat sat good", "a mat bad", ""])
    assert found.columns["label"][:2] == ["yes", "no"]
    assert found.columns["file"] == ["text"] * 3


@pytest.mark.parametrize("source", ["reviews", "{type: text_folder, path: reviews, encoding: latin-1}"])
def test_files_are_texts_where_training_read_them_so(tmp_path: Path, source: str) -> None:
    for row in range(60):
        file = tmp_path / f"reviews/{['no', 'yes'][row % 2]}/{row}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"the cat\n\nsat {['bad', 'good'][row % 2]}\n")
    recipe = RECIPE.replace("TASK", "classification").replace("sentences.csv", source).replace("note: {", "text: {")
    recipe = recipe.replace("answer", "label").replace('{train: "train[:70%]", ', "{type: stratified} #")
    (tmp_path / "r.yaml").write_text(recipe)
    run = Path(train(tmp_path / "r.yaml", out=tmp_path / "run").run)
    (tmp_path / "one.txt").write_bytes("good \xe0\n\na mat\n".encode("latin-1" if "latin" in source else "utf-8"))
    (tmp_path / "rows.csv").write_text("text\na mat bad\n")
    for target in (run, Path(export(run).folder)):
        found = predict(target, [str(tmp_path / name) for name in ("one.txt", "reviews/no", "rows.csv")])
        assert found.columns["label"] == ["yes", *["no"] * 31]
        assert found.columns["row"] == [0] * 32


def test_lines_of_stdin_are_texts(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(content: bytes) -> list[str]:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
        return predict(run, ["-"]).columns["label"]

    wanted = ["yes", "no"]
    assert answers(b"good, good good\r\na mat bad\n") == wanted
    assert answers(b"id,note\n1,the cat good\n2,a mat bad\n") == wanted
    assert answers(b'{"note": "the cat good"}\n{"note": "a mat bad"}\n') == wanted
    assert len(answers(b"\xed\xa0\x80\x00\xff good\n\n\n")) == 3
    for no_cells in (b"good good\rgood", b"good " * 30_000):  # which csv refuses
        assert answers(no_cells + b"\na mat bad\n") == wanted
    with pytest.raises(DataError, match="stdin: has no rows"):
        answers(b"")


def test_lines_in_another_encoding_are_told(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard, content = Heard(), "the caf\u00e9 good\n"
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content.encode("latin-1"))))
    assert predict(run, ["-"], listener=heard).columns["label"] == ["yes"]
    assert [told for told in heard.warnings if told.startswith("stdin: byte 7: 0xe9 is not UTF-8 text")]
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content.encode("utf-16"))))
    with pytest.raises(DataError, match="stdin: byte 0: this is UTF-16 text; convert it: `iconv"):
        predict(run, ["-"])


@pytest.mark.parametrize(
    ("encoding", "told"), [("latin-1", "byte 12: 0xe9 is not utf-8 text"), ("utf-16", "byte 0: this is UTF-16 text")]
)
def test_tables_in_another_encoding_are_refused_with_the_cure(
    run: Path, tmp_path: Path, encoding: str, told: str
) -> None:
    (tmp_path / "asked.csv").write_bytes("note\nthe caf\u00e9\n".encode(encoding))
    with pytest.raises(DataError, match=rf"asked\.csv: {told}; save the file as utf-8, or name its encoding"):
        predict(run, [str(tmp_path / "asked.csv")])


def test_rows_that_hold_nothing_are_counted(run: Path, tmp_path: Path) -> None:
    heard = Heard()
    (tmp_path / "asked.csv").write_text('note,id\nthe cat good,1\n,2\nNA,3\n" ",4\n')
    assert predict(run, [str(tmp_path / "asked.csv")], text=[""], listener=heard).num_rows == 5
    assert heard.warnings == ["rows that hold nothing to answer from, in note: 3"]


@pytest.mark.withstands("bad inputs", case="D21")
def test_strange_texts_are_answered(run: Path) -> None:
    strange = ["", "   ", "\ud800\udfff", "\x00", "a" * 10**6, "\U0010ffff" * 1000, "good " * 10**5]
    assert predict(run, text=strange).num_rows == len(strange)


def test_a_bundle_answers_texts_without_torch(run: Path) -> None:
    bundle = export(run).folder
    wanted = predict(run, text=["the cat sat good", "a mat bad on a mat"]).columns
    code = (
        "import sys, json; from pathlib import Path; from dlw.verbs.predict import predict\n"
        f"found = predict(Path({str(bundle)!r}), text=['the cat sat good', 'a mat bad on a mat']).columns\n"
        "assert 'torch' not in sys.modules; print(json.dumps(found['label']))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert json.loads(out) == wanted["label"]


def test_the_plain_method_beside_it_is_tf_idf(run: Path) -> None:
    assert "tf_idf" in {fit.name for fit in evaluate(run).baselines}


def test_texts_are_found_by_their_vectors(tmp_path: Path) -> None:
    small_runs.sentences(tmp_path)
    recipe = tmp_path / "notes.yaml"
    recipe.write_text(RECIPE.replace("TASK", "embedding"))
    made = Path(train(recipe, out=tmp_path / "run").run)
    found = predict(made, text=["the cat good"], index=[str(tmp_path / "sentences.csv")], matches=3)
    assert found.num_rows == 3


def test_models_of_tables_read_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small_runs.people(tmp_path)
    made = small_runs.trained(tmp_path, small_runs.TABLE_RECIPE)
    with pytest.raises(UsageError, match="--text is for models that read one text"):
        predict(made, text=["hello"])
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"hello there, you\n")))
    with pytest.raises(DataError, match=r"stdin: has no rows below .*'hello there, you'; .* age, wage, town: CSV"):
        predict(made, ["-"])


def test_new_recipes_and_auto_take_free_text(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    words = np.array(["the", "a", "cat", "dog", "sat", "ran", "on", "under", "mat", "tree", "very", "big", "small"])
    rows = [(" ".join(random.choice(words, 8)), random.integers(100), "ab"[row % 2]) for row in range(200)]
    path = tmp_path / "notes.csv"
    path.write_text("note,size,goal\n" + "".join(f"{note},{size},{goal}\n" for note, size, goal in rows))
    text = new(path, target="goal", folder=tmp_path)
    assert "note: {type: text" in text
    assert "size: number" in text
    (tmp_path / "made.yaml").write_text(text)
    assert load_recipe(tmp_path / "made.yaml").recipe.model.type == "ngram_bag"
    auto = "name: x\ntask: classification\ndata: {source: notes.csv, inputs: auto, target: {goal: category}}\n"
    for model, told in (("ngram_bag", "note"), ("mlp", "size")):
        (tmp_path / "auto.yaml").write_text(auto + f"model: {model}\ntrain: {{steps: 2, batch_size: 8, threads: 1}}\n")
        made = Path(train(tmp_path / "auto.yaml", out=tmp_path / model).run)
        assert told in (made / "fields.json").read_text()
        assert ('"type": "text"' in (made / "fields.json").read_text()) == (model == "ngram_bag")


def test_baselines_read_a_missing_text_as_an_empty_one() -> None:
    values: Any = {"source": pa.array(["a b", None]), "said": pa.array(["x", None])}
    fitted: Any = SimpleNamespace(
        columns=[SimpleNamespace(name="source", role="input")],
        inputs={"text": SimpleNamespace(kind="tokens")},
        target=SimpleNamespace(columns=["said"]),
    )
    ask = _baseline._with_texts(Ask("texts", 1, {}, (), 0), fitted, values, values, {})
    assert ask.read_texts == ask.learned_from == ["a b", ""]
    assert ask.learned_texts == ["x", ""]

"""A small language model through all five verbs: learned, judged, asked, exported, asked without torch, measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

from dlw.cli.options import readable
from dlw.errors import DataError, RecipeError, UsageError
from dlw.fields import text as text_field
from dlw.fields._tokenizers import train
from dlw.progress import Silent
from dlw.recipe.check import load_recipe
from dlw.search import State, Writer
from dlw.specs import Arrays
from dlw.tasks import language_modeling
from dlw.verbs import _writing
from dlw.verbs._answer_speed import writing_speed
from dlw.verbs._bundle import open_target
from dlw.verbs._fitted import Column, Fitted
from dlw.verbs._style import restyled
from dlw.verbs._writing import Scribe
from dlw.verbs.benchmark import benchmark
from dlw.verbs.chat import Correspondent
from dlw.verbs.evaluate import evaluate
from dlw.verbs.export import export
from dlw.verbs.predict import predict
from tests.heard import Heard
from tests.verbs.small_runs import CHAT_RECIPE, lines, trained

RECIPE = """\
name: lines
task: {type: language_modeling, context: 16, max_tokens: 12, temperature: 0}
data:
  source: lines.csv
  splits: {train: "train[:200]", validation: "train[200:220]", test: "train[220:]"}
  inputs: {text: {type: text, tokenizer: characters}}
model: {type: gpt, width: 16, depth: 1, heads: 2}
optimizer: {lr: 0.02}
train: {epochs: 20, batch_size: 16, threads: 1}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lines")
    lines(folder, 260)
    return trained(folder, RECIPE)


def test_every_token_of_the_split_is_judged_beside_counts(run: Path) -> None:
    found = evaluate(run)
    scores = {one.metric: one for one in found.scores}
    nats = scores["nats_per_token"]
    assert nats.low < nats.value < nats.high
    assert scores["perplexity"].value == pytest.approx(np.exp(nats.value))
    assert scores["bits_per_character"].value == pytest.approx(nats.value * 9 / 8 / np.log(2))
    assert nats.value < 0.5, "one of four words twice a line: 2.77 nats over 9 tokens, 0.31"
    assert "ngram" in nats.baselines
    assert found.unit == "windows"
    assert " training windows\n" in (run / "log.txt").read_text()
    (told,) = [line for line in found.protocol if line.startswith("text: ")]
    assert "360 tokens of 320 characters, in windows of 16 tokens 8 apart" in told
    written = pq.read_table(run / "evaluation" / "test" / "predictions.parquet")
    assert sum(written["tokens"].to_pylist()) == 360
    assert written["nats"].to_numpy().sum() / 360 == pytest.approx(nats.value)


def test_a_prompt_is_continued_alike_by_run_and_bundle(run: Path, tmp_path: Path) -> None:
    rows = tmp_path / "prompts.csv"
    rows.write_text("id,text\n1,ab\n2,bcdab\n3,\n")
    by_run = predict(run, [str(rows)])
    assert by_run.columns["written"][0].startswith("cd")
    assert set("".join(by_run.columns["written"])) <= set("abcd")
    exported = export(run, out=tmp_path / "bundle")
    assert exported.difference < 1e-4
    code = (
        "import sys, json\nfrom pathlib import Path\nfrom dlw.verbs.predict import predict\n"
        f"found = predict(Path({str(tmp_path / 'bundle')!r}), [{str(rows)!r}])\n"
        "assert 'torch' not in sys.modules\nprint(json.dumps(found.columns['written']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == by_run.columns["written"]
    readme = (tmp_path / "bundle" / "README.md").read_text()
    script = readme.partition("```python\n")[2].partition("```")[0]
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path / "bundle", capture_output=True, check=True)


def test_options_of_writing_change_for_one_call(run: Path) -> None:
    def written(*sets: str, text: str = "ab") -> str:
        return str(predict(run, [], text=[text], sets=sets).columns["written"][0])

    assert len(written("max_tokens=3")) == 3
    assert written("stop=[d]") == "c"
    assert len({written("temperature=3", f"seed={seed}") for seed in range(6)}) > 1
    assert written("beams=3").startswith("cd")
    for wrong, told in (
        ("temprature=1", "did you mean temperature"),
        ("context=5", "has no option context"),
        ("temperature=-1", "temperature"),
        ("temperature", "expected NAME=VALUE"),
        ("length_penalty=2", "no effect unless beams"),
        ("candidates=4", "raise temperature and top_k, or set candidates to 1"),
        ("candidates=2", "or to 3 or more"),
    ):
        with pytest.raises(UsageError, match=told):
            written(wrong)


def test_of_candidates_the_consensus_is_written(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def last(texts: Sequence[str]) -> int:
        asked.append(list(texts))
        return len(texts) - 1

    monkeypatch.setattr(_writing, "consensus", last)
    sets = ["candidates=4", "temperature=3"]
    found = predict(run, [], text=["ab", "ab"], sets=sets).columns["written"]
    assert [len(texts) for texts in asked] == [4, 4]
    assert found == [texts[-1] for texts in asked]
    assert asked[0] != asked[1]
    talk = Correspondent(run, sets)
    assert ["".join(talk.write("ab")) for _ in range(2)] == found
    assert asked[2:] == asked[:2]
    greedy = restyled(restyled(open_target(run), sets), ["temperature=0"]).task.writing
    assert greedy is not None
    assert greedy.candidates == 1


def test_a_text_comes_piece_by_piece(run: Path) -> None:
    whole = predict(run, [], text=["ab"]).columns["written"][0]
    pieces = list(Correspondent(run).write("ab"))
    assert "".join(pieces) == whole
    assert len([piece for piece in pieces if piece]) > 3
    stopped = list(Correspondent(run, ["stop=[da]"]).write("ab"))
    assert "".join(stopped) == whole.partition("da")[0]


def test_a_prompt_that_is_too_long_is_continued_from_its_end(run: Path, tmp_path: Path) -> None:
    """In a table, in a conversation and on the command line, with a warning."""
    short = copytree(run, tmp_path / "run")
    fields = json.loads((short / "fields.json").read_text())
    fields["columns"][0]["settings"]["max_length"] = 4
    (short / "fields.json").write_text(json.dumps(fields))
    heard, told = Heard(), "column text: 1 of 1 texts are cut to max_length, the last 4 steps"
    wanted = predict(run, text=["abcd"]).columns["written"]
    assert predict(short, text=["bcdabcdabcd"], listener=heard).columns["written"] == wanted
    assert ["".join(Correspondent(short, listener=heard).write("bcdabcdabcd"))] == wanted
    assert heard.warnings == [told, told]
    command = [sys.executable, "-m", "dlw", "predict", str(short), "--interactive"]
    talk = subprocess.run(command, input="bcdabcdabcd\n\n", capture_output=True, text=True, check=True)
    assert talk.stdout.strip() == wanted[0]
    assert told in talk.stderr


class Counting:
    """A writer that counts its steps, and the rows of the largest."""

    def __init__(self, writer: Writer) -> None:
        self.begin, self._step = writer.begin, writer.step
        self.steps = self.most_rows = 0

    def step(self, token_BT: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        self.steps += 1
        self.most_rows = max(self.most_rows, len(token_BT))
        return self._step(token_BT, state)


def test_rows_that_reached_a_stop_word_are_written_no_further(run: Path) -> None:
    prompts = [text + "ab" for text in ("", "ab", "cdab")]
    answerer = restyled(open_target(run, None, None), ["stop=[d, cc]", "max_tokens=200"])
    assert answerer.writer is not None
    counting = Counting(answerer.writer)
    encoded = answerer.fitted.encode(pa.table({"text": prompts}), with_target=False, listener=Silent())
    found = Scribe(answerer.task, answerer.fitted, counting).texts(encoded.arrays)
    assert found == predict(run, text=prompts, sets=["stop=[d]"]).columns["written"]
    assert found[0] == "c"
    assert counting.steps == 6, "a prompt and a token for each length"


class Reciting:
    """A writer that says ids one after another."""

    def __init__(self, ids: list[int], size: int) -> None:
        self.logits = np.eye(size, dtype=np.float32)[ids]

    def begin(self, inputs: Arrays) -> State:
        return {"place": np.zeros(1, np.int64)}

    def step(self, token_BT: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        return self.logits[state["place"]], {"place": state["place"] + 1}


@pytest.mark.parametrize(
    ("tokens", "stop", "said"),
    [
        (2, [], "a"),
        (3, [], "a\u00e9"),
        (6, [], "a\u00e9b"),
        (7, ["\u65e5"], "a\u00e9b"),
        (7, ["b\u65e5c"], "a\u00e9b\u65e5"),
    ],
)
def test_no_text_ends_with_half_a_character(tokens: int, stop: list[str], said: str) -> None:
    """Of bytes: two make an e with an accent, three the sign for day."""
    settings = {"tokenizer": "bytes"}
    made = text_field.build(text_field.Settings.model_validate(settings), "text", "input")
    whole = pa.chunked_array([["a\u00e9b\u65e5", "a"]])
    fitted = Fitted((Column("text", "text", "input", settings, made.fit(whole)),), ("text",), "text")
    arrays = fitted.encode(pa.table({"text": whole}), with_target=False, listener=Silent()).arrays
    writing = language_modeling.Settings(max_tokens=tokens, stop=stop, temperature=0)
    writer = Reciting(arrays["text"][0].tolist(), fitted.target.sizes[0])
    scribe = Scribe(language_modeling.build(writing, fitted.target), fitted, writer)
    asked = {"text": arrays["text"][1:]}
    assert scribe.texts(asked) == ["".join(scribe.stream(asked))] == [said]


def test_what_is_drawn_follows_the_number_of_the_row_in_the_whole_call(run: Path, tmp_path: Path) -> None:
    """Not its place in a file, a piece or a turn."""
    drawn = ["temperature=3"]
    whole = predict(run, text=["ab"] * 4, sets=drawn).columns["written"]
    assert len(set(whole)) > 1
    for name in ("first.csv", "second.csv"):
        (tmp_path / name).write_text("text\nab\nab\n")
    assert predict(run, [str(tmp_path / "*.csv")], sets=drawn).columns["written"] == whole
    other = Correspondent(run, drawn)
    assert ["".join(other.write("ab")) for _ in whole] == whole


def test_bytes_that_are_no_text_are_read_where_they_are_typed(run: Path) -> None:
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    command = [sys.executable, "-m", "dlw", "predict", str(run)]
    talk = subprocess.run([*command, "--interactive"], input=b"ab\xff\xfe\n\n", capture_output=True, env=environment)
    assert talk.returncode == 0, talk.stderr
    assert talk.stdout.endswith(b"\n")


@pytest.mark.parametrize(("typed", "read"), [("a\udcffb", "a\ufffdb"), ("\u65e5", "\u65e5")])
def test_an_option_is_read_as_lines_of_stdin_are(typed: str, read: str) -> None:
    assert readable([typed]) == [read]


def test_the_speed_of_writing_is_measured(run: Path) -> None:
    figures = {figure.name: figure.value for figure in benchmark(run, batch_sizes=[2]).figures}
    assert figures["writing, 2 side by side"] > 50
    assert "batch 2: p50" not in figures


def test_the_speed_is_that_of_the_search_that_writes(run: Path) -> None:
    """A network is asked for all beams, or all candidates, of all rows."""
    for sets, rows in ((["beams=3"], 6), (["candidates=4", "temperature=1"], 8)):
        answerer = restyled(open_target(run), sets)
        assert answerer.writer is not None
        counting = Counting(answerer.writer)
        assert writing_speed(replace(answerer, writer=counting), 2) > 0
        assert counting.most_rows == rows


def test_nothing_is_put_around_a_text_that_is_continued(tmp_path: Path) -> None:
    """A template that closes every text: with its end in the prompt, nothing is written after it."""
    learned = Tokenizer.from_str(train("characters", ["abcd"], None, 1, lowercase=False))
    learned.post_processor = TemplateProcessing("[START] $A [END]", special_tokens=[("[START]", 1), ("[END]", 2)])
    learned.save(str(tmp_path / "tokenizer.json"))
    lines(tmp_path, 260)
    run = trained(tmp_path, RECIPE.replace("characters", f"'{tmp_path / 'tokenizer.json'}'"))
    (told,) = [line for line in evaluate(run).protocol if line.startswith("text: ")]
    assert "360 tokens of 320 characters" in told
    assert str(predict(run, [], text=["ab"]).columns["written"][0]).startswith("cd")


CHAT = (
    CHAT_RECIPE
    + """\
task: {type: language_modeling, context: 32, max_tokens: 8, temperature: 0}
train: {epochs: 12, batch_size: 8, threads: 1}
"""
)


def test_a_talk_that_ends_with_a_question_is_judged_by_its_answers(tmp_path: Path) -> None:
    """What is not learned at the end of every window: only what the assistant said is counted."""
    asked, said = {"role": "user", "content": "knock knock knock knock"}, {"role": "assistant", "content": "who"}
    (tmp_path / "chat.jsonl").write_text(f"{json.dumps({'messages': [asked, said, asked]})}\n" * 100)
    run = trained(tmp_path, CHAT)
    found = evaluate(run)
    (told,) = [line for line in found.protocol if line.startswith("text: ")]
    judged = pq.read_table(run / "evaluation" / "test" / "predictions.parquet")["tokens"].to_pylist()
    assert f" {sum(judged):,.0f} tokens of " in told
    assert {one.metric: one for one in found.scores}["nats_per_token"].value < 0.5
    assert predict(run, [], text=["knock knock knock knock"]).columns["written"] == ["who"]


def test_talks_without_an_assistant_are_refused(tmp_path: Path) -> None:
    asked = [{"role": "user", "content": "knock knock"}, {"role": "system", "content": "who"}]
    (tmp_path / "chat.jsonl").write_text(f"{json.dumps({'messages': asked})}\n" * 100)
    with pytest.raises(DataError, match=r"column messages: none of 80 conversations .* has a message with the role"):
        trained(tmp_path, CHAT)


TURNED = """\
name: turned
task: {type: sequence_to_sequence, beams: 3, max_tokens: 12}
data:
  source: turned.csv
  splits: {train: "train[:300]", validation: "train[300:330]", test: "train[330:]"}
  inputs: {given: {type: text, tokenizer: characters}}
  target: {wanted: {type: text, tokenizer: "column:given"}}
model: {type: encoder_decoder, width: 32, depth: 1, heads: 2, dropout: 0.0}
optimizer: {lr: 0.01}
train: {epochs: 40, batch_size: 16, threads: 1, precision: fp32}
evaluate: {metrics: [bleu, chrf, rouge_l, cer]}
"""


def test_a_score_of_what_is_written_chooses_no_checkpoint(tmp_path: Path) -> None:
    """Validations in training do not write: such a monitor never has a value."""
    (tmp_path / "recipe.yaml").write_text(TURNED + "checkpoint: {monitor: validation/chrf}\n")
    with pytest.raises(RecipeError, match="chrf judges what is written, and only dlw evaluate writes"):
        load_recipe(tmp_path / "recipe.yaml")
    (tmp_path / "recipe.yaml").write_text(TURNED + "checkpoint: {monitor: validation/nats_per_token}\n")
    load_recipe(tmp_path / "recipe.yaml")


def test_a_text_is_turned_into_another(tmp_path: Path) -> None:
    """Letters in reverse: learned, judged on what is written, and written alike by run and bundle."""
    random = np.random.default_rng(0)
    rows = ["".join(random.choice(list("abc"), random.integers(2, 6))) for _ in range(360)]
    (tmp_path / "turned.csv").write_text("given,wanted\n" + "".join(f"{row},{row[::-1]}\n" for row in rows))
    run = trained(tmp_path, TURNED)
    found = evaluate(run)
    scores = {one.metric: one for one in found.scores}
    assert scores["cer"].value < 0.2
    assert scores["chrf"].value > scores["chrf"].baselines["most_frequent_text"].score.value
    assert [line for line in found.protocol if "beam search of width 3" in line]
    assert [line for line in found.protocol if line.startswith("bleu: nrefs:1|case:mixed")]
    asked = tmp_path / "asked.csv"
    asked.write_text("given\nabc\nba\nccab\n")
    by_run = predict(run, [str(asked)]).columns["written"]
    assert sum(one == row[::-1] for one, row in zip(by_run, ["abc", "ba", "ccab"], strict=True)) >= 2
    export(run, out=tmp_path / "bundle")
    assert predict(tmp_path / "bundle", [str(asked)]).columns["written"] == by_run
    assert "".join(Correspondent(tmp_path / "bundle").write("abc")) == by_run[0]

"""Replies in conversations: written where a metric of texts asks for them, and nowhere else."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dlw import registry
from dlw.engine import writing
from dlw.errors import RecipeError
from dlw.fields._base import Conversations
from dlw.metrics._base import value_of
from dlw.recipe.check import load_recipe
from dlw.specs import Outcome
from dlw.verbs import _network, _replies, _writing
from dlw.verbs._trained import open_trained
from dlw.verbs.compare import compare
from dlw.verbs.evaluate import evaluate
from dlw.verbs.predict import predict
from tests.verbs.small_runs import CHAT_RECIPE, trained

CHAT = (
    CHAT_RECIPE
    + """\
task: {type: language_modeling, context: 32, max_tokens: 8, seed: 3}
train: {steps: 80, batch_size: 8, threads: 1}
evaluate: {metrics: [perplexity, distinct_2], bootstrap: 50}
"""
)
WORDS = ("knock", "who", "is", "there", "a", "cat")


def talk(row: int) -> list[dict[str, str]]:
    """A question and an answer, in every second row another question."""
    drawn = np.random.default_rng(row).choice(WORDS, (3, 4))
    roles = ("user", "assistant", "user")[: 2 + row % 2]
    return [{"role": role, "content": " ".join(words)} for role, words in zip(roles, drawn, strict=False)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chat")
    rows = [*map(talk, range(99)), talk(0)[:1]]
    (folder / "chat.jsonl").write_text("".join(json.dumps({"messages": row}) + "\n" for row in rows))
    return trained(folder, CHAT)


def written(run: Path) -> dict[str, list]:
    found: dict[str, list] = pq.read_table(run / "evaluation/test" / _replies.FILE).to_pydict()
    return found


def test_replies_are_written_beside_what_was_said(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = evaluate(run)
    scores = {one.metric: one for one in found.scores}
    rows = written(run)
    assert rows["row"] == list(range(9)), "the last conversation holds no reply"
    assert rows["truth"] == [talk(row)[1]["content"] for row in range(90, 99)]
    outcome = Outcome("texts", np.array(rows["written"], object), np.array(rows["truth"], object))
    assert scores["distinct_2"].value == value_of(registry.load("metrics", "distinct_2"), outcome)
    assert scores["distinct_2"].low < scores["distinct_2"].value < 1
    assert scores["distinct_2"].baselines == {}
    assert "ngram" in scores["perplexity"].baselines
    (told,) = [line for line in found.protocol if line.startswith("replies: ")]
    assert "in 9 of 9 conversations" in told
    assert "temperature 1, top_k 0, top_p 1, repetition_penalty 1, seed 3, 8 tokens at most" in told
    assert [line for line in found.protocol if line.startswith("distinct_2: of ")]
    assert "validation/perplexity" in (run / "metrics.jsonl").read_text()
    assert "distinct_2" not in (run / "metrics.jsonl").read_text(), "validations write nothing"
    monkeypatch.setattr(_writing, "ROWS_AT_ONCE", 2)
    evaluate(run)
    assert written(run) == rows


def test_a_reply_answers_what_was_said_before_it(run: Path) -> None:
    """Each is what the network says to these turns, drawn by the number of the row."""
    evaluate(run)
    field = open_trained(run).fitted.columns[0].field
    assert isinstance(field, Conversations)
    found = field.last_replies(pa.chunked_array([[[*talk(0), *talk(1)], talk(2)[1:], [], None, talk(3)]]))
    assert [(one.row, one.said) for one in found] == [(0, talk(1)[1]["content"]), (4, talk(3)[1]["content"])]
    assert [one.before for one in found] == [[*talk(0), talk(1)[0]], talk(3)[:1]]
    asked = run.parent / "asked.jsonl"
    asked.write_text("".join(json.dumps({"messages": talk(row)[:1]}) + "\n" for row in range(90, 99)))
    assert predict(run, [str(asked)]).columns["written"] == written(run)["written"]


def test_of_many_conversations_some_are_answered(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_replies, "MOST", 3)
    found = evaluate(run)
    assert written(run)["row"] == [0, 4, 8]
    assert [line for line in found.protocol if "in 3 of 9 conversations with such a turn, evenly spaced" in line]


def test_nothing_is_written_where_no_metric_asks(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what was written before is gone."""
    monkeypatch.setattr(writing, "NetworkWriter", None)
    monkeypatch.setattr(_network, "metric_names", lambda recipe, task: ("perplexity",))
    evaluate(run)
    assert not (run / "evaluation/test" / _replies.FILE).exists()


def test_runs_are_compared_by_the_rest(run: Path) -> None:
    evaluate(run)
    found = compare(run, run)
    assert {one.metric for one in found.metrics} == {"nats_per_token", "perplexity"}
    assert "distinct_2: judged on what was written beside, which is not compared" in found.notes


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{type: messages, vocabulary: 300}", "text", "distinct_2 reads texts, this task gives nats"),
        (
            "train: {",
            "checkpoint: {monitor: validation/distinct_2}\ntrain: {",
            "distinct_2 judges what is written, and only dlw evaluate writes; choose by validation/loss",
        ),
        ("bootstrap", "slices: [a], require: ['max_gap(distinct_2, a) < 1'], bootstrap", "it has no gap"),
    ],
)
def test_what_cannot_be_judged_is_refused_before_training(tmp_path: Path, old: str, new: str, message: str) -> None:
    (tmp_path / "recipe.yaml").write_text(CHAT.replace(old, new))
    with pytest.raises(RecipeError, match=re.escape(message)):
        load_recipe(tmp_path / "recipe.yaml")

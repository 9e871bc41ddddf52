"""A gpt as a folder of the transformers library: the same logits, the same text, the same conversation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from dlw.errors import RunError, UsageError
from dlw.verbs._trained import open_trained
from dlw.verbs.export import export
from dlw.verbs.predict import predict
from tests.verbs.small_runs import lines, trained
from tests.verbs.test_writing import CHAT, RECIPE


@pytest.mark.parametrize("activation", ["swiglu", "relu_squared"])
def test_transformers_writes_what_dlw_writes(tmp_path: Path, activation: str) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    lines(tmp_path, 260)
    run = trained(tmp_path, RECIPE.replace("heads: 2", f"heads: 2, activation: {activation}"))
    done = export(run, format="huggingface")
    assert done.difference < 1e-5
    tokenizer = AutoTokenizer.from_pretrained(done.folder)
    network = AutoModelForCausalLM.from_pretrained(done.folder)
    prompt = tokenizer("bcdab", return_tensors="pt", return_token_type_ids=False)
    written = network.generate(**prompt, max_new_tokens=10, do_sample=False, pad_token_id=0)
    text = predict(run, [], text=["bcdab"], sets=["max_tokens=10"]).columns["written"][0]
    assert tokenizer.decode(written[0], skip_special_tokens=True) == f"bcdab{text}"
    assert text
    with pytest.raises(RunError, match="take --format onnx to write with dlw"):
        predict(done.folder, [], text=["ab"])


def test_a_conversation_is_laid_out_as_in_training(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    asked, said = {"role": "user", "content": "knock knock"}, {"role": "assistant", "content": "who"}
    (tmp_path / "chat.jsonl").write_text(f"{json.dumps({'messages': [asked, said]})}\n" * 100)
    run = trained(tmp_path, CHAT)
    done = export(run, format="huggingface")
    tokenizer = AutoTokenizer.from_pretrained(done.folder)
    network = AutoModelForCausalLM.from_pretrained(done.folder)
    ids = tokenizer.apply_chat_template([asked], add_generation_prompt=True, return_tensors="pt", return_dict=True)
    of_dlw = open_trained(run)
    (column,) = of_dlw.fitted.columns

    row = column.field.encode(pa.chunked_array([[[asked]]]), column.state).array[0]
    prompt = of_dlw.task.prompt(row[row > 0])  # type: ignore[attr-defined]
    assert ids["input_ids"][0].tolist() == (prompt - 1).tolist()
    with torch.inference_mode():
        logits = network(**ids).logits[0]
        wanted = of_dlw.predictor.network({"messages": torch.from_numpy(prompt[None])})[0, :, 1:]
    np.testing.assert_allclose(logits.numpy(), wanted.numpy(), atol=1e-5)


def test_other_networks_have_no_such_folder(tmp_path: Path) -> None:
    from tests.verbs import small_runs

    small_runs.people(tmp_path)
    run = small_runs.trained(tmp_path, small_runs.PRICE_RECIPE)
    with pytest.raises(UsageError, match="cannot hold a network that answers at once"):
        export(run, format="huggingface")

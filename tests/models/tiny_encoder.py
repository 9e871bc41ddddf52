"""A tiny encoder with its tokenizer as a folder in Hugging Face's format, random weights."""

from __future__ import annotations

import warnings
from pathlib import Path

import pyarrow as pa
import torch

from dlw.fields import text

TEXTS = ["the cat sat on the mat", "a good day", "a bad day", "the dog"]


def write_encoder(folder: Path) -> Path:
    """Write config.json, model.safetensors and tokenizer.json into the folder and return it."""
    from transformers import BertConfig, BertModel

    made = text.build(text.Settings(tokenizer="words"), "note", "input")
    state = made.fit(pa.chunked_array([pa.array(TEXTS)]))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(state["tokenizer"], encoding="utf-8")
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=made.spec(state).sizes[0] - 1,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        max_position_embeddings=16,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        BertModel(config).save_pretrained(folder)
    return folder

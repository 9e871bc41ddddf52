"""huggingface: a gpt with its tokenizer and chat template as a folder that the transformers library loads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlw.errors import UsageError
from dlw.exporters._base import Artifact, ExporterSettings
from dlw.runs import disk
from dlw.search import State, Writer
from dlw.specs import Arrays, FieldSpec

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

CONFIG_FILE, WEIGHTS_FILE, TOKENIZER_FILE = "config.json", "model.safetensors", "tokenizer.json"
FILES: tuple[str, ...] = ()
WRITER_FILES = (CONFIG_FILE, WEIGHTS_FILE, TOKENIZER_FILE, "tokenizer_config.json")
WEIGHTS_ONLY = False
NEEDS = ("transformers", "pretrained")
REOPENS = "it is for the transformers library, which keeps what it has read; take --format onnx to write with dlw"
TEMPLATE = (
    "{{ eos_token }}{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + eos_token }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
"""A conversation as dlw.fields.messages and the task lay it out."""


class Settings(ExporterSettings):
    """The folder has no options."""


def export_writer(network: nn.Module, example: Arrays, folder: Path, settings: Settings) -> None:
    """Write `config.json` and `model.safetensors`; UsageError for a network that is no gpt."""
    from safetensors.torch import save

    from dlw.models._base import InTransformers

    if not isinstance(network, InTransformers):
        raise UsageError("--format huggingface: holds a gpt, and this is another network; use --format onnx")
    config, weights = network.as_transformers()
    disk.write_new(folder / CONFIG_FILE, [json.dumps(config, indent=2).encode()])
    disk.write_new(folder / WEIGHTS_FILE, [save(weights, metadata={"format": "pt"})])


def export_tokens(tokenizer: str, spec: FieldSpec, is_after_end: bool, folder: Path) -> None:
    """Write `tokenizer.json` and `tokenizer_config.json`.

    `tokenizer` is the JSON of the field, `spec` its tokens; `is_after_end` says that texts follow an end, which the
    tokenizer then puts before them.
    """
    from tokenizers import AddedToken, Tokenizer, processors

    made: Tokenizer = Tokenizer.from_str(tokenizer)
    (end,) = spec.statistics["end"]
    name = made.id_to_token(end - 1)
    roles: Mapping[str, int] = spec.statistics.get("roles", {})
    added = [name, *(f"<|{role}|>" for role in sorted(roles, key=lambda role: roles[role]))]
    made.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in added])
    if is_after_end and not roles:
        made.post_processor = processors.TemplateProcessing(f"{name}:0 $A:0", special_tokens=[(name, end - 1)])
    config = json.loads((folder / CONFIG_FILE).read_bytes())
    options: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": name,
        "eos_token": name,
        "clean_up_tokenization_spaces": False,
        "model_max_length": config["max_position_embeddings"],
    }
    if roles:
        options["chat_template"] = TEMPLATE
    disk.write_new(folder / TOKENIZER_FILE, [made.to_str().encode()])
    disk.write_new(folder / "tokenizer_config.json", [json.dumps(options, indent=2).encode()])


def open_writer(artifact: Artifact) -> Writer:
    """Return the network that the transformers library makes of the files, which reads all tokens at each step."""
    from safetensors.torch import load
    from transformers import StableLmConfig, StableLmForCausalLM

    config = StableLmConfig(**json.loads(artifact.read(CONFIG_FILE)))
    network = StableLmForCausalLM(config).eval()
    network.load_state_dict(load(artifact.read(WEIGHTS_FILE)), strict=True)
    return _Reading(network, int(config.max_position_embeddings))


class _Reading:
    """A network of the transformers library as a search.Writer; the state is what was read."""

    def __init__(self, network: Any, window: int) -> None:
        self._network, self._window = network, window

    def begin(self, inputs: Arrays) -> State:
        """See search.Writer."""
        return {"read": next(iter(inputs.values()))[:, :0]}

    def step(self, token_BT: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        """See search.Writer."""
        import numpy as np
        import torch

        read_BS = np.concatenate([state["read"], token_BT], axis=1)
        steps = read_BS.shape[1]
        mask_TS = torch.ones(steps, steps, dtype=torch.bool).tril().triu(1 - self._window)
        with torch.inference_mode():
            logits_BTV = self._network(
                input_ids=torch.from_numpy(read_BS).long() - 1,
                attention_mask=mask_TS.expand(len(read_BS), 1, steps, steps),
                use_cache=False,
            ).logits
        # The fill, which is never written, has no logit here.
        last_BV = torch.nn.functional.pad(logits_BTV[:, -1], (1, 0))
        return last_BV.numpy(), {"read": read_BS}


def writer_usage(inputs: Mapping[str, Any], answers: tuple[str, ...]) -> str:
    """Return Python that writes with the transformers library."""
    return (
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        'tokenizer = AutoTokenizer.from_pretrained(".")\nmodel = AutoModelForCausalLM.from_pretrained(".")\n'
        'prompt = tokenizer("A", return_tensors="pt", return_token_type_ids=False)\n'
        "written = model.generate(**prompt, max_new_tokens=20, do_sample=False)\n"
        "print(tokenizer.decode(written[0], skip_special_tokens=True))"
    )

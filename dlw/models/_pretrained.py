"""The layers of `pretrained`. Shape legend: B rows, T steps, D width, K outputs."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from dlw.errors import RunError, UsageError
from dlw.local_files import files_of
from dlw.models._dropout import Dropout
from dlw.models._output import start_at
from dlw.models._pretrained_files import check_weights, read_architecture, refuse_code
from dlw.models._steps import Pool, only_sequence
from dlw.models.pretrained import Settings
from dlw.ragged import FILL
from dlw.specs import FieldSpec, OutputSpec

DEFAULT_RANK = 8
FAULTS = (OSError, ValueError, RuntimeError, ImportError, LookupError, TypeError, AttributeError)
"""What the library raises on files and values that it cannot use."""


class Pretrained(nn.Module):
    """Encoder, one vector, dropout, linear output."""

    def __init__(self, settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> None:
        super().__init__()
        self.group, spec = only_sequence(inputs, "pretrained", ("tokens",))
        self.reference, self.tune = settings.from_, settings.tune
        architecture = settings.architecture or read_architecture(settings.from_)
        encoder = _encoder(architecture)
        config: Any = encoder.config
        # Those of RoBERTa's family count positions from the one behind the fill's.
        padding = getattr(getattr(encoder, "embeddings", None), "padding_idx", None)
        self.first_position = 0 if padding is None else int(padding) + 1
        self.most_steps = int(getattr(config, "max_position_embeddings", None) or 2**31) - self.first_position
        self.accepted = tuple(inspect.signature(encoder.forward).parameters)
        self.fill_id = int(config.pad_token_id or 0)
        _check(spec, config.vocab_size, self.most_steps, settings.from_)
        self.encoder = encoder
        if settings.tune == "lora":
            self.encoder = _with_lora(encoder, settings.rank or DEFAULT_RANK)
        elif settings.tune == "frozen":
            self.encoder.requires_grad_(False)
        self.is_first = settings.pool == "first"
        self.pool = Pool(settings.pool, config.hidden_size)
        self.dropout = Dropout(settings.dropout)
        self.output = nn.Linear(config.hidden_size, output.size)
        nn.init.normal_(self.output.weight, std=0.02)
        start_at(self.output.bias, output, otherwise=0.0)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return [B, K]."""
        ids_BT = batch[self.group].long()
        is_step_BT = ids_BT != FILL["tokens"]
        place_T = torch.arange(ids_BT.shape[1], device=ids_BT.device)
        own_BT = torch.where(is_step_BT, ids_BT - 1, self.fill_id)
        reads: dict[str, Tensor] = {
            "input_ids": own_BT,
            "attention_mask": (is_step_BT | (place_T == 0)).long(),  # of a row without any step, the first
            "position_ids": self.first_position + place_T.clamp(max=self.most_steps - 1).expand_as(own_BT),
            "token_type_ids": torch.zeros_like(own_BT),
        }
        reads = {name: tensor for name, tensor in reads.items() if name in self.accepted}
        x_BTD = self.encoder(**reads).last_hidden_state.float()
        pooled_BD = x_BTD[:, 0] if self.is_first else self.pool(x_BTD, is_step_BT)
        answer_BK: Tensor = self.output(self.dropout(pooled_BD))
        return answer_BK

    def words(self) -> nn.Module:
        """See ReadsWords."""
        layer: nn.Module = self.encoder.get_input_embeddings()
        return layer

    def train(self, mode: bool = True) -> Self:
        """Keep the dropout of a frozen encoder off."""
        super().train(mode)
        if self.tune == "frozen":
            self.encoder.eval()
        return self

    def read_start(self) -> str:
        """Take the encoder's weights from the folder; RunError where there are none that fit."""
        folder = files_of(self.reference)
        read_architecture(self.reference)
        check_weights(folder)
        base: Any = self.encoder.get_base_model() if self.tune == "lora" else self.encoder
        try:
            with _silent():
                stored, told = type(base).from_pretrained(
                    folder,
                    config=base.config,
                    local_files_only=True,
                    use_safetensors=True,
                    trust_remote_code=False,
                    output_loading_info=True,
                )
        except (*FAULTS, SafetensorError) as error:
            raise RunError(f"{folder}: its weights cannot be read: {error}") from error
        live = dict(base.named_parameters())
        found = 0
        with torch.no_grad():
            for name, tensor in stored.named_parameters():
                place = live.get(name, live.get(_inside_lora(name)))
                if name not in told["missing_keys"] and place is not None and place.shape == tensor.shape:
                    place.copy_(tensor)
                    found += 1
        missing = len([name for name in live if "lora_" not in name]) - found
        if missing:
            raise RunError(
                f"{folder}: {missing} of the network's tensors are not in it; is it of another architecture?"
            )
        return f"{found} tensors from {folder}"


def _encoder(architecture: dict[str, Any]) -> Any:
    """Return a network of random weights; nothing is read or fetched. UsageError where it is none that reads text."""
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig, AutoModel

    refuse_code(architecture)
    options = {key: value for key, value in architecture.items() if key not in ("model_type", "architectures")}
    try:
        with _silent():
            config = AutoConfig.for_model(architecture["model_type"], **options)
            encoder = AutoModel.from_config(config, attn_implementation="sdpa")
    except (*FAULTS, StrictDataclassError) as error:
        raise UsageError(f"model pretrained: no network can be made of its config.json: {error}") from error
    if "input_ids" not in inspect.signature(encoder.forward).parameters:
        raise UsageError(f"model pretrained: {architecture['model_type']} does not read text")
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None  # its answer is not used
    return encoder


def _with_lora(encoder: Any, rank: int) -> Any:
    import peft

    options = peft.LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of one library about the other
        return peft.get_peft_model(encoder, options)


def _inside_lora(name: str) -> str:
    """Return where a parameter lies once its layer stands inside a LoRA layer."""
    layer, _, last = name.rpartition(".")
    return f"{layer}.base_layer.{last}"


def _check(spec: FieldSpec, vocabulary: int, most_steps: int, reference: str) -> None:
    if "is_learned" in spec.statistics:
        raise UsageError(
            "model pretrained: the text field learns tokens of its own, which mean nothing to this network; "
            f"write `tokenizer: {reference}` in the text field"
        )
    if spec.sizes[0] - 1 > vocabulary:
        raise UsageError(
            f"model pretrained: the text field has {spec.sizes[0] - 1:,} tokens, the network knows {vocabulary:,}; "
            f"write `tokenizer: {reference}` in the text field"
        )
    (longest,) = spec.statistics.get("max_length", spec.shape)
    if longest > most_steps:
        raise UsageError(
            f"model pretrained: texts of up to {longest} steps, the network knows {most_steps}; write "
            f"`max_length: {most_steps}` in the text field"
        )


@contextmanager
def _silent() -> Iterator[None]:
    """Keep the library's own progress bars and remarks from the screen."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)

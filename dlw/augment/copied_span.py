"""Ask for some words of the text itself in place of the answer: what teaches a network to copy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from dlw.augment._base import Augment, AugmentSettings, Draws
from dlw.errors import UsageError
from dlw.specs import TARGET, FieldSpec

if TYPE_CHECKING:
    from torch import Tensor

KINDS = ("tokens",)
LAID_ON = ()

Count = Annotated[int, Field(ge=1, le=100_000)]


class Settings(AugmentSettings):
    """A span of drawn place and length, for a run that `model.backbone` then starts from.

    Summaries use words of what they summarise, and few pairs teach that slowly. Asking for a part of the text itself
    is what PEGASUS begins with (Zhang et al. 2020, arXiv:1912.08777), which also hides that part from the reader. In a
    recipe it belongs before token_dropout, or words that are hidden are asked for.
    """

    probability: float = Field(1.0, gt=0, le=1, description="Chance of a row to be asked for a span.")
    tokens: tuple[Count, Count] = Field((4, 16), description="Fewest and most tokens of a span.")

    @model_validator(mode="after")
    def _tokens_are_a_range(self) -> Self:
        if self.tokens[0] > self.tokens[1]:
            raise ValueError(f"tokens: the first number must not be above the second, got {list(self.tokens)}")
        return self


def build(settings: Settings, groups: Mapping[str, FieldSpec]) -> Augment:
    """Return the augmentation; raises UsageError unless the target is a text with the tokenizer of an input.

    Shape legend: B rows, S tokens of the text, L of the longest span, T of the answer.
    """
    import torch
    from torch.nn.functional import pad

    (name,) = groups[TARGET].statistics.get("same_as", ("",))
    if not name:
        raise UsageError(
            "data.augment: copied_span: the target must be a text with the tokenizer of an input, column:NAME"
        )
    frame = [groups[name].statistics.get(mark, [-1])[0] for mark in ("start", "end")]
    least, most = (min(count, *groups[TARGET].shape[:1]) for count in settings.tokens)

    def ask(batch: dict[str, Tensor], draws: Draws) -> dict[str, Tensor]:
        ids_BS, target_BT = batch[name], batch[TARGET]
        is_word_BS = torch.isin(ids_BS, torch.tensor([0, *frame], device=ids_BS.device), invert=True)
        words_B, first_B = is_word_BS.sum(1), is_word_BS.int().argmax(1)
        asked_B, place_B, length_B = draws.uniform(3).unbind(1)
        count_B = (least + (length_B * (most - least + 1)).long()).minimum(words_B)
        begin_B = first_B + (place_B * (words_B - count_B + 1)).long()
        step_L = torch.arange(most, device=ids_BS.device)
        span_BL = ids_BS.gather(1, (begin_B[:, None] + step_L).clamp(max=ids_BS.shape[1] - 1))
        span_BL = torch.where(step_L < count_B[:, None], span_BL, 0).to(target_BT.dtype)
        width = max(most, target_BT.shape[1])
        is_asked_B = (asked_B < settings.probability) & (words_B > 0)
        answer_BT, span_BT = (pad(ids, (0, width - ids.shape[1])) for ids in (target_BT, span_BL))
        return {**batch, TARGET: torch.where(is_asked_B[:, None], span_BT, answer_BT)}

    return ask

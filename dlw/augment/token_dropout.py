"""Hide single tokens of texts, so that no one word decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from dlw.augment._base import Augment, AugmentSettings, Draws
from dlw.errors import UsageError
from dlw.specs import TARGET, FieldSpec

if TYPE_CHECKING:
    from torch import Tensor

KINDS = ("tokens",)
LAID_ON = ("mask", "boxes")


class Settings(AugmentSettings):
    """Each token becomes the unknown one by itself; start, end, roles of a conversation and fill stay (word dropout:
    Iyyer et al. 2015, doi:10.3115/v1/P15-1162). What is learned is left alone."""

    probability: float = Field(0.1, gt=0, lt=1, description="Chance of a token to be hidden.")


def build(settings: Settings, groups: Mapping[str, FieldSpec]) -> Augment:
    """Return the augmentation of every text; raises UsageError where a tokenizer has no unknown token."""
    texts = {name: spec for name, spec in groups.items() if spec.kind == "tokens" and name != TARGET}
    if bare := [name for name, spec in texts.items() if "unknown" not in spec.statistics]:
        raise UsageError(f"data.augment: token_dropout: the tokens of {bare[0]} have none that stands for the unknown")

    frames = {name: _frame(spec) for name, spec in texts.items()}

    def hide(batch: dict[str, Tensor], draws: Draws) -> dict[str, Tensor]:
        changed = dict(batch)
        longest = max(batch[name].shape[1] for name in texts)
        draw_BSN = draws.uniform(longest * len(texts)).view(-1, longest, len(texts))
        for place, (name, spec) in enumerate(texts.items()):
            ids_BS = batch[name]
            is_hidden_BS = draw_BSN[:, : ids_BS.shape[1], place] < settings.probability
            for mark in frames[name]:
                is_hidden_BS = is_hidden_BS & (ids_BS != mark)
            changed[name] = ids_BS.masked_fill(is_hidden_BS, spec.statistics["unknown"][0])
        return changed

    return hide


def _frame(spec: FieldSpec) -> list[int]:
    """Return the ids that are no words."""
    marks = [spec.statistics[mark][0] for mark in ("start", "end") if mark in spec.statistics]
    return [0, *marks, *spec.statistics.get("roles", {}).values()]

"""Recordings to text: one character or none for each short step of the recording (CTC), read off by a search.

The target is a text of characters (`{type: text, tokenizer: characters}`). With `ngrams` in the target field, the
search also asks a small language model of the training texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import Field, model_validator

from dlw.errors import DataError
from dlw.specs import Arrays, FieldSpec, Outcome, OutputSpec
from dlw.tasks._base import Task, TaskSettings
from dlw.tasks._ctc import BLANK, Prefix, align, beam_search, greedy
from dlw.tasks._ngrams import NGrams

if TYPE_CHECKING:
    from torch import Tensor

TARGETS = {"tokens": ("texts",)}
OUTPUT = "steps"


class Settings(TaskSettings):
    """Options of the task `transcription`.

    Connectionist temporal classification: Graves et al. 2006, ICML.
    """

    step_ms: float = Field(
        32.0, gt=1, le=1000, description="Time from one answer of the network to the next; a character takes one."
    )
    beams: int = Field(1, ge=1, le=1000, description="Transcripts that the search keeps at a time; 1: the best steps.")
    language_weight: float = Field(
        0.0, ge=0, le=10, description="Power of the language model's word in the search; needs `ngrams` in the target."
    )
    character_bonus: float = Field(
        0.0, ge=-10, le=10, description="Added per character to the logarithm, against too short transcripts."
    )

    @model_validator(mode="after")
    def _has_effect(self) -> Self:
        for name in ("language_weight", "character_bonus"):
            if getattr(self, name) and self.beams == 1:
                raise ValueError(f"{name} has no effect unless beams is above 1")
        return self


def build(settings: Settings, target: FieldSpec) -> TranscriptionTask:
    """Bind the task to its text column; raises DataError where its tokens are not characters."""
    return TranscriptionTask(settings, target)


class TranscriptionTask(Task):
    """Text. Answers {"probabilities": [B, S, K]}, condensed to tokens [B, L] with the steps each lasts, and how sure.

    Token 0 is the blank; after the end of a recording it is certain, or everything is 0.
    """

    def __init__(self, settings: Settings, target: FieldSpec) -> None:
        if not target.labels:
            raise DataError(
                f"task transcription: column {target.columns[0]}: its tokens are not characters; "
                "make the target {type: text, tokenizer: characters}"
            )
        if settings.language_weight and "ngrams" not in target.statistics:
            raise DataError(
                f"task.language_weight needs counts of the training texts: set `ngrams` of target {target.columns[0]}"
            )
        self.settings = settings
        self.characters = target.labels
        self.end = int(target.statistics["end"][0])
        self.output = OutputSpec("steps", target.sizes[0], step_seconds=settings.step_ms / 1000)
        self.monitor = "cer"
        self.metrics: tuple[str, ...] = ("cer", "wer")
        self._model: NGrams | None = None
        if settings.language_weight:
            start = int(target.statistics["start"][0])
            self._model = NGrams(target.statistics["ngrams"], target.sizes[0], start)

    def loss(self, out: Tensor, target: Tensor) -> Tensor:
        """Return each row's loss per character [B] from logits [B, S, K] and token ids [B, L], 0 after the end.

        A row with more characters than steps cannot be learned and counts as 0.
        """
        from torch.nn import functional as F

        log_SBK = out.float().log_softmax(-1).transpose(0, 1)
        steps_B = out.new_full((len(out),), out.shape[1]).long()
        characters_B = (target != BLANK).sum(1)
        sum_B = F.ctc_loss(log_SBK, target.long(), steps_B, characters_B, BLANK, reduction="none", zero_infinity=True)
        return sum_B / characters_B.clamp(min=1)

    def activate(self, out: Tensor) -> dict[str, Tensor]:
        """Return the probabilities of each step."""
        return {"probabilities": out.float().softmax(-1)}

    def condense(self, answers: Arrays) -> Arrays:
        """Search each row's transcript: `tokens`, `first` and `last` step int32 [B, L], steps from 1, 0 fills up;
        `confidence` float32 [B], the geometric mean of the characters' probabilities."""
        found = [self._transcribed(probability_SK) for probability_SK in answers["probabilities"]]
        longest = max((len(tokens) for tokens, *_ in found), default=0)
        arrays = {name: np.zeros((len(found), longest), np.int32) for name in ("tokens", "first", "last")}
        for row, (tokens, first, last, _) in enumerate(found):
            for name, values in (("tokens", tokens), ("first", first + 1), ("last", last + 1)):
                arrays[name][row, : len(tokens)] = values
        return {**arrays, "confidence": np.array([sure for *_, sure in found], np.float32)}

    def outcome(self, answers: Mapping[str, np.ndarray], target: np.ndarray) -> Outcome:
        """Lay transcripts beside the true texts."""
        texts = self._texts(self._condensed(answers)["tokens"])
        return Outcome("texts", _objects(texts), _objects(self._texts(target)), self.characters)

    def protocol(self, outcome: Outcome) -> tuple[str, ...]:
        """Say how transcripts are read off and that rates are not means over rows."""
        chosen = self.settings
        model = f" with a language model of weight {chosen.language_weight:g}" if chosen.language_weight else ""
        how = f"a beam search of width {chosen.beams}{model}" if chosen.beams > 1 else "the best of each step"
        return (f"texts: {how}; rates are over all rows together",)

    def decode(self, answers: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Return `text`, `confidence`, and `words`, a list of {text, start, end} with times in seconds."""
        found = self._condensed(answers)
        rows = zip(found["tokens"], found["first"], found["last"], strict=True)
        return {
            "text": self._texts(found["tokens"]),
            "confidence": np.asarray(found["confidence"]),
            "words": [self._words(*row) for row in rows],
        }

    def _condensed(self, answers: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        return self.condense(dict(answers)) if "probabilities" in answers else answers

    def _transcribed(self, probability_SK: np.ndarray) -> tuple[Prefix, np.ndarray, np.ndarray, float]:
        tokens = greedy(probability_SK)
        if self.settings.beams > 1:
            tokens = beam_search(probability_SK, self.settings.beams, self._follow, self.end)
        first, last = align(probability_SK, tokens)
        sure = [probability_SK[a : b + 1, token].max() for token, a, b in zip(tokens, first, last, strict=True)]
        return tokens, first, last, float(np.exp(np.log(np.maximum(sure, 1e-38)).mean())) if sure else 0.0

    def _follow(self, before: Prefix, token: int) -> float:
        chosen = self.settings
        factor = 1.0 if token == self.end else float(np.exp(chosen.character_bonus))
        if self._model is not None:
            factor *= self._model.probability(before, token) ** chosen.language_weight
        return factor

    def _texts(self, token_BL: np.ndarray) -> list[str]:
        return ["".join(self.characters[token] for token in row if token != BLANK) for row in token_BL.tolist()]

    def _words(self, token_L: np.ndarray, first_L: np.ndarray, last_L: np.ndarray) -> list[dict[str, Any]]:
        words: list[dict[str, Any]] = []
        is_inside = False
        seconds = self.settings.step_ms / 1000
        for token, first, last in zip(token_L.tolist(), first_L.tolist(), last_L.tolist(), strict=True):
            character = self.characters[token] if token != BLANK else " "
            if character.isspace():
                is_inside = False
                continue
            if not is_inside:
                words.append({"text": "", "start": round((first - 1) * seconds, 3)})
            is_inside = True
            words[-1]["text"] += character
            words[-1]["end"] = round(last * seconds, 3)
        return words


def _objects(texts: list[str]) -> np.ndarray:
    found = np.empty(len(texts), object)
    found[:] = texts
    return found

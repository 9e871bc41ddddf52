"""From a trained run and encoded rows to explanations: by which method, of which answer, compared with what."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel

from dlw import registry
from dlw.errors import UsageError, did_you_mean
from dlw.explainers._base import Explanation, Part, Question
from dlw.progress import Listener
from dlw.ragged import trimmed
from dlw.specs import PACKED_KINDS, Arrays, ragged_kinds
from dlw.tasks._base import Explained
from dlw.verbs._judged import tables_of
from dlw.verbs._style import assigned, refuse_faults

if TYPE_CHECKING:
    from torch import Tensor

    from dlw.verbs._fitted import Fitted
    from dlw.verbs._trained import Trained

PREFERRED = ("shapley", "integrated_gradients", "occlusion")
"""The methods that are tried in this order where none is named: the first that reads every input and fits."""
MOST_GAP = 0.05
"""From this share of score - base on, what the maps miss is warned of."""


@dataclass(frozen=True)
class Method:
    """An explainer with its options."""

    name: str
    module: ModuleType
    settings: BaseModel


def method(name: str, sets: Sequence[str] = ()) -> Method:
    """Return the explainer of a name; UsageError where its package is missing or an option is wrong."""
    module = registry.load("explainers", name)
    needs = getattr(module, "NEEDS", None)
    if needs and importlib.util.find_spec(needs[0]) is None:
        raise UsageError(f"{name} needs an optional package: pip install 'dlw[{needs[1]}]'")
    options = assigned(sets, list(module.Settings.model_fields), name)
    refuse_faults(module, options)
    return Method(name, module, module.Settings.model_validate(options))


def about(what: str) -> list[str]:
    """Return the explainers of a `row` or of a `split`."""
    return [name for name in registry.names("explainers") if what == registry.load("explainers", name).ABOUT]


def parts_of(fitted: Fitted) -> tuple[Part, ...]:
    """Return the inputs part by part: columns, channels of series, and whole pictures, texts, sounds, molecules."""
    parts: list[Part] = []
    filled: dict[str, int] = {}
    for column in fitted.columns:
        if column.role != "input" or column.is_dropped:
            continue
        spec = column.spec
        if spec.kind in PACKED_KINDS:
            start = filled.get(spec.kind, 0)
            filled[spec.kind] = start + spec.shape[0]
            parts.append(Part(column.name, spec.kind, slice(start, start + spec.shape[0])))
        elif spec.kind == "series":
            parts += [Part(name, column.name, slice(place, place + 1)) for place, name in enumerate(spec.columns)]
        else:
            parts.append(Part(column.name, column.name))
    return tuple(parts)


@dataclass(frozen=True)
class Reasoned:
    """An explanation, the method that gave it and the name of the answer that it is about."""

    explanation: Explanation
    method: str
    of: str


class Reasoner:
    """A trained run that is asked for reasons, row by row."""

    def __init__(
        self,
        trained: Trained,
        name: str | None,
        sets: Sequence[str],
        of: str | None,
        split: str | None,
        data: Path | None,
        listener: Listener,
    ) -> None:
        if name is not None and registry.load("explainers", name).ABOUT != "row":
            raise UsageError(f"{name} is about all rows of a split; of one row there are {', '.join(about('row'))}")
        self._trained, self._listener = trained, listener
        self._explained = _explained(trained)
        self._of = None if of is None else _place(self._explained, of)
        if of is None and not self._explained.is_choice and len(self._explained.names) > 1:
            raise UsageError(f"name one of the targets by --class: {', '.join(self._explained.names)}")
        self._split, self._data = split, data
        self._is_told = False
        self._method = None if name is None else method(name, sets)
        if sets and name is None:
            raise UsageError(f"--set {sets[0]}: options belong to a method; name it by --method")

    @property
    def unit(self) -> str:
        """What the numbers are, in words."""
        return self._explained.unit

    def reason(self, arrays: Arrays) -> Reasoned:
        """Explain one row, [1, ...] of each input group."""
        place = self._answer(arrays) if self._of is None else self._of
        question = self._question(arrays, place)
        chosen = self._fitting(question)
        explanation: Explanation = chosen.module.build(chosen.settings)(self._beside(question, chosen))
        self._warn_of_gap(explanation, chosen)
        return Reasoned(explanation, chosen.name, self._explained.names[place])

    def _answer(self, arrays: Arrays) -> int:
        """Return the place of what the network answers: the class that is decided for, the most probable label."""
        from dlw.engine.inference import answer_arrays

        if not self._explained.is_choice:
            return 0
        answers = answer_arrays(self._trained.predictor, arrays, is_condensed=True)
        outcome = self._trained.task.outcome(answers, np.zeros(1, np.int64))
        return int(outcome.decision[0] if outcome.kind == "classes" else outcome.prediction[0].argmax())

    def _question(self, arrays: Arrays, place: int) -> Question:
        from dlw.engine.inference import scores

        trained, fitted = self._trained, self._trained.fitted
        return Question(
            network=trained.predictor.network,
            score=partial(scores, task=trained.task, place=place),
            row=self._tensors(trimmed(arrays, ragged_kinds(fitted.inputs))),
            inputs=fitted.inputs,
            parts=parts_of(fitted),
            background={},
            seed=trained.recipe.seed,
        )

    def _beside(self, question: Question, chosen: Method) -> Question:
        """Return the question with rows to compare with, where the method asks for them; UsageError where some were
        named in vain."""
        from dataclasses import replace

        wanted = getattr(chosen.settings, "background", 0)
        if wanted:
            return replace(question, background=self._background(wanted))
        for option, value in (("--split", self._split), ("--data", self._data)):
            if value is not None:
                raise UsageError(f"{option} {value}: has no effect: {chosen.name} compares a row with no others")
        return question

    def _fitting(self, question: Question) -> Method:
        """Return the method that was named, or the first that reads every input; UsageError with those that fit."""
        kinds = {spec.kind for spec in question.inputs.values()}
        if self._method is None:
            for name in PREFERRED:
                if not kinds <= set(registry.load("explainers", name).INPUTS):
                    continue
                tried = method(name)
                if not tried.module.misfit(question):
                    self._method = tried
                    return tried
            raise UsageError(f"no method gives reasons for {' and '.join(sorted(kinds))}{self._others(question)}")
        known = self._method.module.INPUTS
        problem = f"reads {', '.join(known)}, and this run reads {', '.join(sorted(kinds))}"
        problem = self._method.module.misfit(question) if kinds & set(known) else problem
        if problem:
            raise UsageError(f"{self._method.name}: {problem}{self._others(question)}")
        silent = [group for group, spec in question.inputs.items() if spec.kind not in known]
        if silent and not self._is_told:
            self._listener.line(f"{self._method.name} gives no reasons for {', '.join(silent)}")
            self._is_told = True
        return self._method

    def _others(self, question: Question) -> str:
        kinds = {spec.kind for spec in question.inputs.values()}
        modules = {name: registry.load("explainers", name) for name in about("row")}
        fit = [name for name, one in modules.items() if kinds & set(one.INPUTS) and not one.misfit(question)]
        return f"; {', '.join(fit)} would fit" if fit else ""

    def _background(self, rows: int) -> dict[str, Tensor]:
        if rows > len(next(iter(self._every.values()))):
            return self._tensors(self._every)
        order = np.random.default_rng(self._trained.recipe.seed).permutation(len(next(iter(self._every.values()))))
        return self._tensors({name: array[np.sort(order[:rows])] for name, array in self._every.items()})

    @cached_property
    def _every(self) -> Arrays:
        split = self._split or "train"
        table = tables_of(self._trained, split, self._data, self._listener)[split]
        return self._trained.fitted.encode(table, with_target=False, listener=self._listener).arrays

    def _tensors(self, arrays: Arrays) -> dict[str, Tensor]:
        import torch

        device = next(self._trained.predictor.parameters()).device
        return {name: torch.from_numpy(np.ascontiguousarray(array)).to(device) for name, array in arrays.items()}

    def _warn_of_gap(self, found: Explanation, chosen: Method) -> None:
        span = 0.0 if found.base is None else abs(found.score - found.base)
        if abs(found.gap) > MOST_GAP * max(span, 1e-3):
            self._listener.warn(
                f"{chosen.name}: the reasons add up to {found.gap:.3g} less than the {span:.3g} that they explain; "
                "set its option steps higher"
            )


def _explained(trained: Trained) -> Explained:
    found = trained.task.explained
    if found is None:
        raise UsageError(
            f"task {trained.recipe.task.type}: its answers are no single numbers, which reasons are given for "
            "(classification, regression); `dlw explain RUN` without inputs tells what each input is worth"
        )
    return found


def _place(explained: Explained, of: str) -> int:
    if of not in explained.names:
        known = ", ".join(explained.names[:30])
        raise UsageError(f"--class {of}: there is none{did_you_mean(of, explained.names)} (there are {known})")
    return explained.names.index(of)

"""What `search` may name: keys that can change from trial to trial, each candidate a value that the recipe can hold.

Every candidate is laid over the recipe and the whole is checked, so that a sweep finds a typo before it trains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from dlw.errors import Problem
from dlw.recipe._layers import assign
from dlw.recipe._show import shown, value_shown
from dlw.recipe.parse import Node

MOST_CANDIDATES = 100
"""Candidates of all keys together, the ends of a range counting as two: each is a check of the whole recipe."""

WITHOUT_EFFECT = (
    *("recipe", "name", "evaluate", "export", "benchmark", "search", "checkpoint.every", "checkpoint.keep"),
    *("data.resident", "data.strict", "train.device", "train.threads", "train.workers", "train.tensorboard"),
)
"""Keys that change no weight."""

_NOT_COMPARABLE = "decides what is scored on which rows: the scores of the trials could not be compared"

_FIXED = {
    **dict.fromkeys(WITHOUT_EFFECT, "has no effect on what is learned: there is nothing to search for"),
    **dict.fromkeys(("data.source", "data.splits", "data.target"), _NOT_COMPARABLE),
    **dict.fromkeys(("data.max_bad", "data.drop_missing_target", "task.type"), _NOT_COMPARABLE),
    **dict.fromkeys(
        ("checkpoint.monitor", "train.validate_every"), "decides how a trial is judged: alike for all of them"
    ),
    "seed": "would be chosen for its luck on the validation split, which no other run shares",
    "extends": "is only possible in a file",
}
"""Why a key, and all below it, cannot be searched."""

_WHOLE = {
    "task": _NOT_COMPARABLE,
    **dict.fromkeys(("data", "train", "checkpoint"), "is a whole section: name the keys in it"),
}
"""Why a key cannot be searched itself, while keys below it can."""


def search_problems(root: Node, wrong: Callable[[Node], Sequence[Problem]]) -> Iterator[Problem]:
    """Yield everything wrong with the keys and candidates of `search`; `wrong` checks a recipe without that section.

    The rest of the recipe, and the shape of the section, are known to be right.
    """
    section = root.value["search"].value
    base = replace(root, value={key: node for key, node in root.value.items() if key != "search"})
    candidates = {path: list(_candidates(space)) for path, space in section.items()}
    if sum(map(len, candidates.values())) > MOST_CANDIDATES:
        place = root.value["search"].key or root.place
        yield place.problem("search", f"more than {MOST_CANDIDATES} candidates: write long lists of numbers as a range")
        return
    for path, space in section.items():
        refusal = _refused(path, section)
        if refusal:
            yield (space.key or space.place).problem(f"search.{shown(path)}", refusal)
            continue
        yield from dict.fromkeys(
            problem for each in candidates[path] for problem in _tried(base, path, space, each, wrong)
        )


def _candidates(space: Node) -> Iterator[Node]:
    yield from (space.value if isinstance(space.value, list) else [space.value["low"], space.value["high"]])


def _refused(path: str, section: Mapping[str, Node]) -> str | None:
    steps = path.split(".")
    around = [".".join(steps[: length + 1]) for length in range(len(steps))]
    reasons = [_FIXED[each] for each in around if each in _FIXED] + [_WHOLE[each] for each in (path,) if each in _WHOLE]
    above = [each for each in around[:-1] if each in section]
    reasons += [f"lies inside search.{shown(above[0])}, whose candidates replace it"] if above else []
    if not all(steps):
        return "expected the keys that lead to a value, such as optimizer.lr"
    return reasons[0] if reasons else None


def _tried(
    base: Node, path: str, space: Node, candidate: Node, wrong: Callable[[Node], Sequence[Problem]]
) -> Iterator[Problem]:
    """Yield what is wrong with the recipe once it holds a candidate, at the place of the candidate."""
    try:
        changed = assign(base, path.split("."), replace(candidate, key=space.key))
    except IndexError as error:
        yield (space.key or space.place).problem(f"search.{shown(path)}", str(error))
        return
    assert changed is not None, "a recipe without its search section holds other things"
    for problem in wrong(changed):
        if f"{path}.".startswith(f"{problem.path}.") or problem.path.startswith(f"{path}."):
            yield replace(problem, path=f"search.{problem.path}")
        else:
            said = f"{value_shown(candidate.value)} does not go with {problem.path}: {problem.message}"
            yield candidate.place.problem(f"search.{shown(path)}", said)

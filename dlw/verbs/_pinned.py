"""A recipe that runs from any folder: the files that it names by relative paths become absolute ones."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from dlw import registry
from dlw.local_files import is_path
from dlw.recipe.check import settings
from dlw.recipe.places import located
from dlw.recipe.schema import Block, Recipe
from dlw.verbs._sources import claiming


def pinned(recipe: Recipe, root: Path) -> Recipe:
    """Pin relative paths that exist, and write into the recipe what its model keeps of the files it starts from.

    Raises RunError where such a model's files cannot be read.
    """
    pin = partial(_pin, root)
    source = recipe.data.source
    if isinstance(source, str):
        source = _named(root, pin(source))
    elif isinstance(source, list):
        source = [pin(part) for part in source]
    else:
        source = _changed(
            source, {k: pin(v) for k, v in source.options.items() if k in ("path", "source") and isinstance(v, str)}
        )
    evaluate = recipe.evaluate
    if evaluate.episodes:
        episodes = evaluate.episodes.model_copy(update={"source": pin(evaluate.episodes.source)})
        evaluate = evaluate.model_copy(update={"episodes": episodes})
    data = recipe.data.model_copy(update={"source": source, **_tokenizers(recipe, root)})
    return recipe.model_copy(update={"data": data, "evaluate": evaluate, "model": _model(recipe.model, root)})


def _pin(root: Path, value: str) -> str:
    return str((root / value).resolve()) if not Path(value).is_absolute() and (root / value).exists() else value


def _named(root: Path, value: str) -> str | Block:
    """Return a source by name where it has a way of its own to read the files that are asked about."""
    place = Path(located(value, root))
    for name in claiming(place) if place.is_dir() else ():
        if hasattr(registry.load("sources", name), "open_questions"):
            return Block.model_validate({"type": name, "path": value})
    return value


def _changed(block: Block, options: dict[str, object]) -> Block:
    return Block.model_validate({"type": block.type, **block.options, **options})


def _tokenizers(recipe: Recipe, root: Path) -> dict[str, dict[str, Block]]:
    """Return inputs and target with the files of their tokenizers pinned."""
    sides = {"inputs": recipe.data.inputs, "target": recipe.data.target}
    return {
        side: {
            name: _changed(block, {"tokenizer": _file(root, word)})
            if isinstance(word := block.options.get("tokenizer"), str) and is_path(word)
            else block
            for name, block in blocks.items()
        }
        for side, blocks in sides.items()
        if isinstance(blocks, dict)
    }


def _file(root: Path, word: str) -> str:
    """Return where pretrained files are: a package, below the recipe's folder, or in the mirror folder."""
    place = Path(located(word, root))
    return str(place.resolve()) if place.exists() else word


def _model(model: Block, root: Path) -> Block:
    if isinstance(backbone := model.options.get("backbone"), dict):
        model = _changed(model, {"backbone": {**backbone, "from": _pin(root, backbone["from"])}})
    module = registry.load("models", model.type)
    if not hasattr(module, "resolved"):
        return model
    model = _changed(model, {"from": _file(root, model.options["from"])})
    return _changed(model, module.resolved(settings("models", model)))

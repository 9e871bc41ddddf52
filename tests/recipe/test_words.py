"""The words of other tools lead to names that are there."""

from __future__ import annotations

import pytest

from dlw import registry
from dlw.recipe import _words


@pytest.mark.parametrize("room", [room for room in _words._NAMES if room in registry.ROOMS])
def test_every_word_stands_for_a_plug_in(room: str) -> None:
    assert _words._NAMES[room].keys() <= set(registry.names(room))


def test_a_word_of_another_tool_finds_its_plug_in() -> None:
    names = registry.names("augment")
    assert _words.name_meant("augment", "ColorJitter", names) == "color"
    assert _words.name_meant("augment", "RandomRotation", names) == "random_affine"

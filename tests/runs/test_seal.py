"""The manifest of a run is believed only where it describes a whole run, even if its digest is right."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlw.errors import RunError
from dlw.runs.layout import Run
from dlw.runs.seal import digest_of, read_seal, write_seal

CONTENTS = {"recipe.yaml": b"recipe: 1", "recipe.resolved.yaml": b"recipe: 1", "fields.json": b"{}"}
ENTRY = {"size": 3, "sha256": "0" * 64}
DATA = {"splits": {"train": {"rows": 3}}, "files": {"train.csv": {"split": "train", **ENTRY}}}
CHANGES: list[Callable[[dict[str, Any]], Any]] = [
    lambda body: body.pop("format"),
    lambda body: body.pop("files"),
    lambda body: body.pop("data"),
    lambda body: body.update(files=[]),
    lambda body: body.update(data=None),
    lambda body: body["files"].pop("fields.json"),
    lambda body: body["files"].update({"../../secret": ENTRY}),
    lambda body: body["files"]["fields.json"].pop("sha256"),
    lambda body: body["files"].update({"fields.json": 7}),
    lambda body: body["files"]["fields.json"].update(size="7"),
    lambda body: body["data"].pop("splits"),
    lambda body: body["data"].update(splits=["train"]),
    lambda body: body["data"]["splits"].update(train=3),
    lambda body: body["data"]["files"]["train.csv"].pop("size"),
]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run(tmp_path)
    write_seal(run, CONTENTS, DATA)
    return run


def test_what_was_written_is_read(run: Run) -> None:
    assert read_seal(run)["data"] == DATA


@pytest.mark.parametrize("change", CHANGES)
def test_a_manifest_of_another_shape_is_refused(change: Callable[[dict[str, Any]], Any], run: Run) -> None:
    body = json.loads(run.manifest.read_text())
    del body["digest"]
    change(body)
    run.manifest.write_text(json.dumps({**body, "digest": digest_of(body)}))
    with pytest.raises(RunError, match=r"does not describe the files and the data of a run|format None"):
        read_seal(run)

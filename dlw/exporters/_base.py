"""The contract of an exporter: one artifact format.

A plug-in file holds a docstring, a frozen pydantic `Settings`, `export(predictor, example, folder, settings)` which
writes the model file(s) into `folder`, and `open_model(folder) -> Callable[[Arrays], Arrays]` which runs them, raw
packed arrays in, named answers out. `predictor` is an nn.Module from {group: tensor} to {answer: tensor}; `example`
holds at least 2 real rows. Proof of parity and the rest of the bundle are the export verb's work.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class ExporterSettings(BaseModel):
    """Base of every exporter's Settings: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)

"""The README.md of a bundle: what a stranger needs to use it, to trust it, and to know where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlw.recipe.schema import Block

MOST_LABELS = 50


def page(
    manifest: Mapping[str, Any], parity: Mapping[str, Any], usage: str, origin: str, reopens: str | None = None
) -> str:
    """Return the page; `usage` is Python that answers without dlw, `origin` what `told_origin` says.

    `reopens` is an exporter's REOPENS: why dlw does not answer from the bundle.
    """
    smaller = f", {manifest['quantized']}" if manifest.get("quantized") else ""
    described = "\n".join(
        f"- {side} `{name}`: {entry['dtype']} [{', '.join(map(str, entry['shape']))}]"
        for side, entries in (("input", manifest["inputs"]), ("answer", manifest["answers"]))
        for name, entry in entries.items()
    )
    return f"""# {manifest["name"]}, exported as {manifest["format"]}{smaller}

Task {manifest["task"]["type"]}, written by dlw {manifest["dlw"]} from step {manifest["step"]}.

## Use it

{_with_dlw(reopens)}

```python
{usage}
```

{described}

`fields.json` says how each column becomes numbers: missing numbers are NaN, categories are their position in the list
of known values counted from 1, 0 for missing and unknown ones. Scaling happens inside the model.{_labels(manifest)}

## How far it can be trusted

The largest difference from the trained network on {", ".join(map(str, parity["rows"]))} real rows is \
{parity["difference"]:.1e} (`parity.json`).{_smaller(parity)}

## Where it comes from

{origin}
"""


def _with_dlw(reopens: str | None) -> str:
    if reopens:
        return f"dlw does not answer from it ({reopens}). From this folder:"
    return "With dlw, from raw rows: `dlw predict FOLDER INPUT...`. Without it, from this folder:"


def told_origin(text: str, source: str | list[str] | Block) -> str:
    """Return what a recipe as written says of itself at its top, licence of the data included, and the data's name."""
    comments = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        comments.append(f"> {line.removeprefix('#').strip()}")
    named = f"Learned from {_named(source)}."
    if not comments:
        return f"{named} The recipe says nothing of the data's origin and licence: ask whoever trained it."
    return f"{named} The recipe says:\n\n" + "\n".join(comments)


def _named(source: str | list[str] | Block) -> str:
    """Return the name of a source without the folders of the machine it lay on."""
    path: Any = source.options.get("path", source.type) if isinstance(source, Block) else source
    names = [path] if isinstance(path, str) else path
    return ", ".join(
        f"`{Path(name).name if name.startswith(('/', '.', '~')) or Path(name).is_absolute() else name}`"
        for name in names
    )


def _labels(manifest: Mapping[str, Any]) -> str:
    labels = manifest["target"]["labels"]
    if not labels or manifest["target"]["kind"] == "tokens":
        return ""
    told = ", ".join(f"{place} {label}" for place, label in enumerate(labels[:MOST_LABELS]))
    more = f" and {len(labels) - MOST_LABELS} more" if len(labels) > MOST_LABELS else ""
    return f"\nLabels by number (`target.labels` in `bundle.json`): {told}{more}."


def _smaller(parity: Mapping[str, Any]) -> str:
    found = parity.get("quantized")
    if not found:
        return ""
    alike = "" if found["agreement"] is None else f", {found['agreement']:.2%} of them with the same answer"
    return (
        f" That was before quantising to {found['type']}: on {found['rows']:,} validation rows{alike}, "
        f"{found['metric']} is {found['artifact']:.4g} where the network has {found['network']:.4g}."
    )

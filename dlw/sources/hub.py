"""Data sets of the Hugging Face Hub by id, such as `zalando-datasets/fashion_mnist`: the one source that downloads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from dlw.errors import DataError
from dlw.progress import Listener
from dlw.sources._base import SourceSettings
from dlw.sources._datasets import quiet, tables_of

if TYPE_CHECKING:
    import pyarrow as pa

_CONNECT_SECONDS = 5


class Settings(SourceSettings):
    """Options of a Hub data set."""

    path: str = Field(pattern=r"^[A-Za-z0-9][\w.-]*(/[\w.-]+)?$", description="The data set's id, owner/name.")
    name: str | None = Field(None, description="Configuration, where the data set has several.")
    revision: str | None = Field(None, description="Commit or tag; name one so that the rows never change.")


def open_tables(settings: Settings, cache: Path, listener: Listener) -> dict[str, pa.Table]:
    """Download into the cache and map into memory."""
    check_reachable(settings.path)
    listener.line(f"downloading {settings.path} from the Hugging Face Hub")
    datasets = quiet(cache, is_offline=False)
    try:
        loaded = datasets.load_dataset(
            settings.path, settings.name, revision=settings.revision, cache_dir=str(cache / "datasets")
        )
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise DataError(f"{settings.path}: cannot be had from the Hub: {str(error).splitlines()[0]}") from error
    return tables_of(loaded, settings.path)


def check_reachable(name: str) -> None:
    """Raise DataError at once where the Hub cannot be reached, instead of after half a minute of retries."""
    import os
    import socket
    from urllib.parse import urlsplit

    offline = os.environ.get("HF_HUB_OFFLINE", "0").lower() not in ("", "0", "false", "no", "off")
    advice = f"put a copy named {name.split('/')[-1]} into a folder and name that folder in DLW_DATA"
    if offline:
        raise DataError(f"{name}: not found here, and HF_HUB_OFFLINE forbids the Hub; {advice}")
    proxies = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
    if any(os.environ.get(variable) for variable in proxies):
        return
    url = urlsplit(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        socket.create_connection((url.hostname or "", port), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        raise DataError(f"{name}: not found here, and {url.hostname} cannot be reached ({error}); {advice}") from error

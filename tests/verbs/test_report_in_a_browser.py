"""Pages in headless Chromium: they render, and neither run a script nor ask for anything beside themselves."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from dlw.verbs._report import charts, html, matrix
from dlw.verbs._report.html import Markup, tag
from dlw.verbs._report.style import STYLE
from dlw.verbs.evaluate import evaluate
from tests.verbs.small_runs import PICTURE_RECIPE, squares, trained

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((found for name in NAMES if (found := shutil.which(name))), "")
ITS_OWN = (".google.com", ".googleapis.com", ".gstatic.com", ".gvt1.com")
"""Hosts that the browser itself calls, whatever the page."""
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed")


def rendered(page: Path, folder: Path) -> tuple[np.ndarray, str, set[str]]:
    """Return the pixels [H, W, 3] of a page, its document after rendering, and the hosts that it asked."""
    picture, log = folder / "page.png", folder / "net.json"
    base = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    quiet = ["--disable-background-networking", "--disable-component-update", "--no-first-run"]
    shot = [f"--screenshot={picture}", f"--log-net-log={log}", "--window-size=1000,1400", "--dump-dom"]
    told = subprocess.run(
        [*base, *quiet, *shot, page.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    events = json.loads(log.read_text(encoding="utf-8"))["events"]
    addresses = {urlsplit(str(event["params"]["url"])) for event in events if "url" in event.get("params", {})}
    asked = {address.hostname for address in addresses if address.hostname and not address.hostname.endswith(ITS_OWN)}
    return np.asarray(Image.open(picture).convert("RGB")), told.stdout, asked


def test_a_page_renders_and_asks_for_nothing(tmp_path: Path) -> None:
    squares(tmp_path)
    run = trained(tmp_path, PICTURE_RECIPE)
    evaluate(run, split="validation")
    page = run / "evaluation" / "validation" / "report.html"
    pixels, document, asked = rendered(page, tmp_path)
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50, "charts and pictures are drawn"
    assert "true \\ answered" in document
    assert not asked


def test_the_last_class_of_a_confusion_matrix_is_in_sight(tmp_path: Path) -> None:
    counts = np.zeros((10, 10))
    counts[9, 9] = 5
    shown = matrix.confusion(counts, [f"number {digit}" for digit in range(10)], "answers")
    figures = tag("div", shown, tag("figure", "beside it"), class_="figures")
    page = tmp_path / "page.html"
    page.write_text(html.page("matrix", figures, STYLE), encoding="utf-8")
    pixels, _, _ = rendered(page, tmp_path)
    is_shaded = pixels[..., 2].astype(int) - pixels[..., 0] > 40
    assert is_shaded.any(axis=0).sum() > 40, "all of the one shaded cell"


def test_a_script_that_got_into_a_page_would_not_run(tmp_path: Path) -> None:
    smuggled = Markup(
        "<script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">"
        '<img src="http://127.0.0.1:9/pixel.png">'
    )
    body = tag("div", smuggled, charts.lines({"a": [(0, 0), (1, 1)]}, "x", "caption"))
    page = tmp_path / "page.html"
    page.write_text(html.page("calm", body, STYLE), encoding="utf-8")
    _, document, asked = rendered(page, tmp_path)
    assert "<title>calm</title>" in document
    assert not asked


def test_without_its_policy_the_same_page_would_have_asked(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text('<!doctype html><title>open</title><img src="http://127.0.0.1:9/pixel.png">', encoding="utf-8")
    assert rendered(page, tmp_path)[2] == {"127.0.0.1"}

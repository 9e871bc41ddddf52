"""`dlw data check` finds what was planted, and nothing where nothing is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dlw.cli.main import run
from dlw.errors import DataError
from dlw.verbs._checks.findings import DataCheck
from dlw.verbs.check_data import check_data

RECIPE = """\
name: planted
task: classification
data:
  source: {type: csv, path: rows.csv}
  splits: {train: "train[:400]", validation: "train[400:500]", test: "train[500:]"}
  inputs: {x: number, y: number, town: category}
  target: {answer: category}
model: mlp
"""


def rows(count: int = 600) -> list[list[object]]:
    """Return lines x, y, town, answer; the answer follows from x, which keeps away from 0."""
    random = np.random.default_rng(0)
    found: list[list[object]] = []
    for _ in range(count):
        x, y = random.normal(size=2).round(4)
        x += 0.5 if x > 0 else -0.5
        found.append([x, y, random.choice(["Graz", "Linz"]), "yes" if x > 0 else "no"])
    return found


def checked(folder: Path, lines: list[list[object]]) -> DataCheck:
    """Write the lines and check them."""
    text = "\n".join(",".join(map(str, line)) for line in [["x", "y", "town", "answer"], *lines])
    (folder / "rows.csv").write_text(text + "\n")
    (folder / "r.yaml").write_text(RECIPE)
    return check_data(folder / "r.yaml")


def about(found: DataCheck, check: str) -> list[str]:
    return [finding.text for finding in found.findings if finding.check == check]


def test_sound_rows_have_no_findings(tmp_path: Path) -> None:
    found = checked(tmp_path, rows())
    assert found.findings == ()
    assert found.rows == {"train": 400, "validation": 100, "test": 100}
    assert sum(found.classes["yes"].values()) + sum(found.classes["no"].values()) == 600


def test_leaks_repeats_and_contradictions_are_told_with_their_rows(tmp_path: Path) -> None:
    lines = rows()
    lines[510] = lines[3]
    lines[401] = lines[8]
    lines[20] = lines[10]
    lines[31] = [*lines[30][:3], "no" if lines[30][3] == "yes" else "yes"]
    found = {(finding.check, finding.severity): finding.rows for finding in checked(tmp_path, lines).findings}
    assert found["duplicates", "note"] == (20, 31)
    assert found["contradictions", "warning"] == (30, 31)
    leaks = [text for text in about(checked(tmp_path, lines), "leakage") if "test" in text or "validation" in text]
    assert len(leaks) == 2
    assert "1 of 100 test rows" in " ".join(leaks)


def test_texts_that_are_cut_are_told(tmp_path: Path) -> None:
    lines = rows()
    lines[7][2] = "Sankt Andrae am Zicksee"
    (tmp_path / "rows.csv").write_text("x,y,town,answer\n" + "\n".join(",".join(map(str, line)) for line in lines))
    text = "{type: text, tokenizer: words, max_length: 3}"
    recipe = RECIPE.replace("x: number, y: number, town: category", f"town: {text}").replace("mlp", "ngram_bag")
    (tmp_path / "r.yaml").write_text(recipe)
    assert "train: column town: 1 of 400 texts are cut to max_length, 3 steps" in about(
        check_data(tmp_path / "r.yaml"), "reading"
    )


def test_drift_names_the_columns_that_moved(tmp_path: Path) -> None:
    lines = [[x, y + 1.5 * (place >= 500), town, answer] for place, (x, y, town, answer) in enumerate(rows())]  # type: ignore[operator]
    (text,) = about(checked(tmp_path, lines), "drift")
    assert "y (0." in text
    assert "x (" not in text
    assert text.startswith("test ")


def test_values_that_are_missing_in_one_split_are_told(tmp_path: Path) -> None:
    lines = [[x, "" if place >= 500 and place % 2 else y, t, a] for place, (x, y, t, a) in enumerate(rows())]
    assert about(checked(tmp_path, lines), "missing") == ["y has no value in 50 % of test, 0 % of train"]


def test_wrong_labels_are_suspected(tmp_path: Path) -> None:
    lines, planted = rows(), [5, 77, 140]
    for place in planted:
        lines[place] = [3.0 + place / 100, *lines[place][1:3], "no"]
    (finding,) = [finding for finding in checked(tmp_path, lines).findings if finding.check == "labels"]
    assert set(planted) <= set(finding.rows)
    assert "looks like yes" in finding.text


def test_rare_and_unlearned_classes_are_told(tmp_path: Path) -> None:
    lines = rows()
    for place in (550, 560, 2, 3):
        lines[place][3] = "new" if place > 500 else "rare"
    found = checked(tmp_path, lines)
    assert any("rare (2)" in text for text in about(found, "balance"))
    assert any("cannot be used" in text and "'new'" in text for text in about(found, "unreadable"))


def test_pictures_that_are_nearly_equal_are_twins(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    lines = ["picture,answer"]
    pixels = [random.integers(0, 200, (24, 24), dtype=np.uint8) for _ in range(60)]
    pixels[55] = pixels[7] + random.integers(0, 9, (24, 24), dtype=np.uint8) + np.uint8(20)
    for place, picture in enumerate(pixels):
        Image.fromarray(picture).save(tmp_path / f"{place}.png")
        lines.append(f"{place}.png,{'a' if place % 2 else 'b'}")
    (tmp_path / "rows.csv").write_text("\n".join(lines))
    (tmp_path / "r.yaml").write_text(
        "name: twins\ntask: classification\nmodel: resnet\ndata:\n  source: rows.csv\n  inputs: {picture: image}\n"
        '  target: {answer: category}\n  splits: {train: "train[:50]", test: "train[50:]"}\n'
    )
    (finding,) = [finding for finding in check_data(tmp_path / "r.yaml").findings if finding.check == "near twins"]
    assert finding.text.startswith("1 of 10 test pictures")
    assert finding.rows == (5,)


def test_data_that_cannot_be_trained_on_is_the_error_of_train(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="answer"):
        checked(tmp_path, [[*line[:3], "yes"] for line in rows()])


def test_the_command_prints_one_screen_or_one_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checked(tmp_path, rows())
    assert run(["data", "check", str(tmp_path / "r.yaml"), "--quiet"]) == 0
    assert "nothing to act on was found" in capsys.readouterr().out
    assert run(["data", "check", str(tmp_path / "r.yaml"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"]["train"] == 400

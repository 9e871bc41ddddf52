"""The predict verb: every kind of input, from runs and bundles, with the same answers."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from dlw.errors import DataError, UsageError
from dlw.verbs import _inputs
from dlw.verbs._tables import arrow_array, table_bytes
from dlw.verbs.export import export
from dlw.verbs.predict import Predictions, predict
from tests.heard import Heard
from tests.verbs import small_runs


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained table run with people.csv beside it and its ONNX bundle inside."""
    folder = tmp_path_factory.mktemp("table")
    small_runs.people(folder)
    export(small_runs.trained(folder, small_runs.TABLE_RECIPE))
    return folder


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Path:
    """The bundle of the table run."""
    return folder / "run" / "exports" / "onnx"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained picture run with its pictures and its ONNX bundle."""
    folder = tmp_path_factory.mktemp("pictures")
    small_runs.squares(folder)
    export(small_runs.trained(folder, small_runs.PICTURE_RECIPE))
    return folder


def probabilities(predictions: Predictions) -> np.ndarray:
    """Return the probability of `yes` or `bright` of each row."""
    name = next(name for name in predictions.columns if name in ("probability_yes", "probability_bright"))
    return np.array(predictions.columns[name])


def test_run_and_bundle_answer_alike(folder: Path, bundle: Path) -> None:
    inputs = [str(folder / "people.csv")]
    by_run, by_bundle = predict(folder / "run", inputs), predict(bundle, inputs)
    assert by_run.num_rows == 120
    assert list(by_run.columns) == ["file", "row", "id", "label", "probability", "probability_no", "probability_yes"]
    assert by_run.columns["id"][:2] == ["p0", "p1"]
    assert by_run.columns["row"][-1] == 119
    np.testing.assert_allclose(probabilities(by_run), probabilities(by_bundle), atol=1e-6)
    assert len(set(probabilities(by_run))) > 20, "the answers depend on the rows"


def test_the_threads_that_are_asked_for_answer(folder: Path) -> None:
    """The recipe of the run says 1."""
    before = torch.get_num_threads()
    try:
        for threads, wanted in ((None, 1), (3, 3), (2, 2)):
            predict(folder / "run", [str(folder / "people.csv")], threads=threads)
            assert torch.get_num_threads() == wanted
    finally:
        torch.set_num_threads(before)


def test_every_table_format_gives_the_same_answers(folder: Path, bundle: Path, tmp_path: Path) -> None:
    rows = list(csv.DictReader((folder / "people.csv").read_text().splitlines()))
    tsv = tmp_path / "a.tsv"
    tsv.write_text("\n".join("\t".join(line) for line in [list(rows[0]), *(list(row.values()) for row in rows)]))
    typed = [
        {**row, "age": int(row["age"]), "wage": float(row["wage"]) if row["wage"] not in ("", "unknown") else None}
        for row in rows
    ]
    jsonl = tmp_path / "b.jsonl"
    jsonl.write_text("".join(json.dumps(row) + "\n" for row in typed))
    pq.write_table(pa.Table.from_pylist(typed), tmp_path / "c.parquet")
    wanted = probabilities(predict(bundle, [str(folder / "people.csv")]))
    for path in (tsv, jsonl, tmp_path / "c.parquet"):
        np.testing.assert_array_equal(probabilities(predict(bundle, [str(path)])), wanted)
    everything = predict(bundle, [str(tmp_path)])
    assert everything.num_rows == 360
    assert everything.columns["file"][::120] == [str(tsv), str(jsonl), str(tmp_path / "c.parquet")]
    assert predict(bundle, [str(tmp_path / "*.[tp]*")]).num_rows == 240


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_stdin(form: str, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = {"csv": "age,wage,town\n30,,Graz\n60,1,Wien\n", "jsonl": '{"age": 30, "town": "Graz", "wage": null}\n'}[form]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    predictions = predict(bundle, ["-"])
    assert predictions.columns["file"] == ["stdin"] * (2 if form == "csv" else 1)


@pytest.mark.withstands("properties", case="P4")
def test_answers_do_not_depend_on_company(folder: Path, bundle: Path, tmp_path: Path) -> None:
    wanted = probabilities(predict(bundle, [str(folder / "people.csv")]))
    lines = (folder / "people.csv").read_text().splitlines()
    alone = tmp_path / "alone.csv"
    for number in (1, 4, 119):
        alone.write_text(f"{lines[0]}\n{lines[number + 1]}\n")
        np.testing.assert_allclose(probabilities(predict(bundle, [str(alone)])), wanted[number], atol=1e-6)


@pytest.mark.withstands("bad inputs", case="D11")
def test_missing_column_is_named_with_the_nearest(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("age,wages,town\n30,1,Graz\n")
    whole = str(small_runs.people(tmp_path, 9))
    with pytest.raises(DataError, match=r"rows\.csv: missing column: wage; did you mean wages"):
        predict(bundle, [whole, str(path)])
    with pytest.raises(DataError, match=r"rows\.csv: no column 'id' to keep"):
        predict(bundle, [whole, str(path)], keep=["id"])


@pytest.mark.withstands("bad inputs", case="D11")
def test_extra_column_is_told_and_ignored(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("age,wage,town,shoe\n30,1,Graz,44\n")
    heard = Heard()
    assert predict(bundle, [str(path)], listener=heard).num_rows == 1
    assert [line for line in heard.lines if "shoe" in line]


@pytest.mark.withstands("bad inputs", case="D10")
def test_unseen_category_is_counted_and_shown(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("age,wage,town\n30,1,Graz\n30,1,Atlantis\n30,1,\n")
    heard = Heard()
    predictions = predict(bundle, [str(path)], listener=heard)
    assert predictions.columns["unseen"] == [None, "town", None]
    assert [text for text in heard.warnings if "town" in text and "Atlantis" in text]


def test_rows_that_hold_nothing_in_any_column_are_counted(bundle: Path, tmp_path: Path) -> None:
    path, heard = tmp_path / "a.csv", Heard()
    path.write_text("age,wage,town\n30,,\n,unknown,\n,,Graz\n,,\n")
    assert predict(bundle, [str(path)], listener=heard).num_rows == 4
    assert [told for told in heard.warnings if "nothing" in told] == [
        "rows that hold nothing to answer from, in age, wage, town: 2"
    ]


@pytest.mark.withstands("bad inputs", case="D12")
def test_changed_column_type_is_an_error(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("age,wage,town\nold,1,Graz\n")
    with pytest.raises(DataError, match=r"column age.*'old'"):
        predict(bundle, [str(path)])


def test_keep_repeats_input_columns(folder: Path, bundle: Path) -> None:
    inputs = [str(folder / "people.csv")]
    predictions = predict(bundle, inputs, keep=["answer", "town"])
    assert predictions.columns["answer"][0] in ("yes", "no")
    assert "id" not in predictions.columns
    with pytest.raises(DataError, match="did you mean town"):
        predict(bundle, inputs, keep=["tonw"])


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_output_file_holds_the_columns(suffix: str, folder: Path, bundle: Path, tmp_path: Path) -> None:
    output = tmp_path / "new" / f"answers{suffix}"
    predictions = predict(bundle, [str(folder / "people.csv")], output=output)
    read = {
        ".csv": lambda: list(csv.DictReader(output.read_text().splitlines())),
        ".parquet": lambda: pq.read_table(output).to_pylist(),
        ".jsonl": lambda: [json.loads(line) for line in output.read_text().splitlines()],
    }[suffix]()
    for found, wanted in zip(read, predictions.rows(), strict=True):
        assert list(found) == list(wanted)
        assert float(found["probability"]) == wanted["probability"]
        assert found["id"] == wanted["id"]
    assert predictions.to_json()["output"] == str(output)
    assert "predictions" not in predictions.to_json()


def test_unknown_output_suffix_fails_before_any_work(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.parquet, \.csv, \.jsonl"):
        predict(bundle, ["nothing.csv"], output=tmp_path / "answers.xlsx")


@pytest.mark.parametrize(
    ("asked", "output"),
    [
        (["people.csv"], "people.csv"),
        (["other.csv", "people.csv"], "there/../people.csv"),
        (["people.csv"], "linked.csv"),
        (["linked.csv"], "people.csv"),
        (["*.csv"], "people.csv"),
        (["there"], "there/inside.csv"),
    ],
)
def test_an_input_is_never_overwritten(
    asked: list[str], output: str, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    files = [small_runs.people(tmp_path, 9).rename(name) for name in ("other.csv", "there/inside.csv", "people.csv")]
    (tmp_path / "linked.csv").symlink_to("people.csv")
    before = [file.read_bytes() for file in files]
    with pytest.raises(UsageError, match=r"is the input .*, which it would overwrite; name another file"):
        predict(bundle, asked, output=Path(output))
    assert [file.read_bytes() for file in files] == before


def test_another_file_is_replaced_and_that_is_told(bundle: Path, pictures: Path, tmp_path: Path) -> None:
    heard, output = Heard(), tmp_path / "answers.csv"
    for _ in range(2):
        predict(bundle, [str(small_runs.people(tmp_path, 9))], output=output, listener=heard)
    assert heard.lines == [f"{output}: replaces the file of that name"]
    for _ in range(2):
        predict(pictures / "run", [str(pictures)], output=pictures / "answers.csv")


@pytest.mark.parametrize("name", ["missing.csv", "*.missing", "dangling.csv", "pipe.csv", "people.xyz", "square.png"])
def test_unusable_inputs_are_named(name: str, folder: Path, bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "dangling.csv").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "people.xyz").write_text("a\n1\n")
    (tmp_path / "square.png").write_bytes(b"")
    with pytest.raises(DataError, match=name.replace("*", r"\*")):
        predict(bundle, [str(tmp_path / name)])


def test_pictures_from_files_folders_and_tables(pictures: Path) -> None:
    bundle = pictures / "run" / "exports" / "onnx"
    by_folder = predict(bundle, [str(pictures)])
    assert by_folder.columns["file"] == [str(pictures / f"{number:02}.png") for number in range(40)]
    assert set(by_folder.columns["row"]) == {0}
    by_table = predict(bundle, [str(pictures / "squares.csv")])
    by_run = predict(pictures / "run", [str(pictures / "*.png")])
    np.testing.assert_array_equal(probabilities(by_folder), probabilities(by_table))
    np.testing.assert_allclose(probabilities(by_folder), probabilities(by_run), atol=1e-6)


@pytest.mark.withstands("bad inputs", case="D17")
def test_bad_pictures_are_listed_and_the_rest_is_answered(pictures: Path, tmp_path: Path) -> None:
    good = (pictures / "00.png").read_bytes()
    (tmp_path / "a.png").write_bytes(good)
    (tmp_path / "b.png").write_bytes(b"")
    (tmp_path / "c.jpg").write_bytes(b"<html>not found</html>")
    (tmp_path / "d.png").write_bytes(good[: len(good) // 2])
    os.mkfifo(tmp_path / "e.png")
    heard = Heard()
    predictions = predict(pictures / "run" / "exports" / "onnx", [str(tmp_path)], listener=heard)
    assert predictions.columns["file"] == [str(tmp_path / "a.png")]
    assert [Path(bad.file).name for bad in predictions.bad] == ["b.png", "c.jpg", "d.png"]
    for name in ("b.png", "c.jpg", "d.png", "e.png"):
        assert [text for text in heard.warnings if name in text]


def test_no_usable_row_is_an_error(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"none of 1 rows can be used.*a\.png"):
        predict(pictures / "run" / "exports" / "onnx", [str(tmp_path / "a.png")])


def test_pieces_cover_all_rows_once(folder: Path) -> None:
    reading = _inputs.Reading(None, None, None, rows_at_once=50)
    pieces = list(_inputs.read_pieces([str(folder / "people.csv")], reading, Heard()))
    assert [len(piece.table) for piece in pieces] == [50, 50, 20]
    assert [piece.row(3) for piece in pieces] == [3, 53, 103]


IMPORTS = """
import sys
from pathlib import Path
from dlw.verbs.predict import predict
predict(Path(sys.argv[1]), [sys.argv[2]], output=Path(sys.argv[3]))
print([name for name in ("torch", "datasets", "sklearn", "pandas", "onnx") if name in sys.modules])
"""


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_prediction_from_a_bundle_imports_little(suffix: str, folder: Path, bundle: Path, tmp_path: Path) -> None:
    arguments = [str(bundle), str(folder / "people.csv"), str(tmp_path / f"a{suffix}")]
    done = subprocess.run([sys.executable, "-c", IMPORTS, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_picture_prediction_from_a_bundle_imports_little(pictures: Path, tmp_path: Path) -> None:
    arguments = [str(pictures / "run" / "exports" / "onnx"), str(pictures / "00.png"), str(tmp_path / "a.jsonl")]
    done = subprocess.run([sys.executable, "-c", IMPORTS, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


DANGEROUS = ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\tx", "\rx"]


@pytest.mark.withstands("properties", case="P14")
@pytest.mark.parametrize("text", DANGEROUS)
def test_csv_cells_are_no_formulas(text: str) -> None:
    content = table_bytes({text: ["a"], "name": [text]}, ".csv").decode()
    cells = [cell for line in csv.reader(io.StringIO(content, newline="")) for cell in line]
    assert f"'{text}" in cells
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)


@pytest.mark.withstands("properties", case="P14")
@pytest.mark.parametrize(
    ("value", "cell"), [(-1.5, "-1.5"), ("-1.5", "-1.5"), ("+7", "+7"), (None, ""), (True, "True")]
)
def test_csv_numbers_stay_numbers(value: object, cell: str) -> None:
    assert table_bytes({"x": [value], "y": [0]}, ".csv").decode().splitlines()[1] == f"{cell},0"


@pytest.mark.parametrize(
    "values", [["a", None, "ü"], [None, "b"], [1, 2], [1.5, 2.5], [True, None], [[1], []], [2**70], [], ["\ud800"]]
)
def test_arrow_arrays_hold_the_values(values: list[object]) -> None:
    if values == [2**70]:
        with pytest.raises((OverflowError, pa.ArrowInvalid)):
            arrow_array(values)
        return
    wanted = ["\\ud800"] if values == ["\ud800"] else values
    assert arrow_array(values).to_pylist() == wanted


def test_json_lines_have_no_nan() -> None:
    assert json.loads(table_bytes({"x": [float("nan")], "y": [[1.0, float("inf")]]}, ".jsonl")) == {
        "x": None,
        "y": [1.0, None],
    }

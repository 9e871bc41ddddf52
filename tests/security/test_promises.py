"""Security promises X2 to X5, X8, X9 and X11, each shown by what dlw does; X1 is in tests/recipe/test_no_code.py."""

from __future__ import annotations

import csv
import io
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from asking import Dlw
from PIL import Image

from dlw import registry
from dlw.runs.layout import Run
from dlw.runs.steps import saved_steps, step_folder
from tests.verbs import small_runs
from tests.withstood import Tally

PROGRAM = Path(__file__).with_name("watched.py")
CANARIES = {
    "HF_TOKEN": "hf_cAnArYcAnArYcAnArYcAnArYcAnArY01",
    "AWS_SECRET_ACCESS_KEY": "canary02/wJalrXUtnFEMI/K7MDENG",
    "WANDB_API_KEY": "canary03" * 5,
    "GITHUB_TOKEN": "ghp_canary04canary04canary04canary04",
    "DATABASE_URL": "postgres://me:canary05@host/db",
    "MY_PASSWORD": "canary06",
}


def watched(tmp_path: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the watched program, whose every write must stay below `work`."""
    for name in ("work", "work/tmp", "data", "elsewhere", "home"):
        (tmp_path / name).mkdir(exist_ok=True)
    # What this process or its caller set for libraries must not decide: dlw has to.
    forgotten = ("TORCHINDUCTOR_CACHE_DIR", "ORT_DISABLE_TELEMETRY", "CI", "XDG_CACHE_HOME", "HF_HUB_OFFLINE")
    environment = {name: value for name, value in os.environ.items() if name not in forgotten}
    environment |= {"HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "work/tmp"), **variables}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    command = [sys.executable, str(PROGRAM), str(tmp_path / "work"), str(tmp_path / "data"), *words]
    return subprocess.run(
        command, cwd=tmp_path / "elsewhere", env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """One whole life of a run under watch, with secrets in the environment."""
    folder = tmp_path_factory.mktemp("life")
    (folder / "data").mkdir()
    small_runs.people(folder / "data")
    (folder / "data/recipe.yaml").write_text(small_runs.TABLE_RECIPE)
    return folder, watched(folder, **CANARIES)


@pytest.mark.withstands("security", case="X2")
def test_a_whole_life_unpickles_nothing_and_starts_no_process(
    life: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = life
    assert "FORBIDDEN" not in done.stderr, done.stderr[-2000:]
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.endswith("END\n")
    assert (folder / "work/answers.csv").is_file()


@pytest.mark.withstands("security", case="X3")
def test_a_whole_life_resolves_no_name_and_makes_no_connection(
    life: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    assert (life[1].returncode, "FORBIDDEN socket" in life[1].stderr) == (0, False)


@pytest.mark.withstands("security", case="X3")
def test_telemetry_of_libraries_is_off() -> None:
    program = "import os, dlw; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "0"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


@pytest.mark.withstands("security", case="X5")
def test_a_whole_life_writes_only_where_it_was_told_to(
    life: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = life
    assert (done.returncode, "FORBIDDEN o" in done.stderr) == (0, False)
    assert list((folder / "elsewhere").iterdir()) == []
    assert list((folder / "home").rglob("*")) == [], "also what libraries write below Python, such as telemetry"
    assert sorted(path.name for path in (folder / "data").iterdir()) == ["people.csv", "recipe.yaml"]
    assert [path for path in (folder / "work/tmp").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("control", ["pickle", "network", "connect", "write", "mkdir", "process"])
def test_the_watch_can_fail(control: str, tmp_path: Path) -> None:
    done = watched(tmp_path, control)
    assert done.returncode == 70
    assert "FORBIDDEN" in done.stderr


@pytest.mark.withstands("security", case="X9")
def test_secrets_of_the_environment_reach_neither_files_nor_output(
    life: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = life
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 20
    for name, secret in CANARIES.items():
        needle = "canary05" if name == "DATABASE_URL" else secret
        assert not [path for path in files if needle.encode() in path.read_bytes()], name
        assert needle not in done.stdout + done.stderr


@pytest.mark.withstands("security", case="X9")
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("token: canary07", []),
        ("notes: hf_cAnArYcAnArYcAnArYcAnArYcAnArY07", []),
        ("", ["-s", "optimizer.api_key=canary07"]),
        ("", ["-s", "data.source=https://me:canary07@example.org/x.csv"]),
        ("", ["--device", "hf_cAnArYcAnArYcAnArYcAnArYcAnArY07"]),
    ],
)
def test_secrets_of_recipe_and_command_line_are_refused_and_not_repeated(
    line: str, words: list[str], dlw: Dlw, tmp_path: Path
) -> None:
    small_runs.people(tmp_path)
    (tmp_path / "r.yaml").write_text(f"{small_runs.TABLE_RECIPE}{line}\n")
    for form in ([], ["--json"]):
        answer = dlw("train", tmp_path / "r.yaml", "--out", tmp_path / "run", *words, *form)
        assert answer.code == 2
        assert "canary" not in (answer.out + answer.err).lower()
    assert not (tmp_path / "run").exists()


# X2, X4: what is not a tensor file, or not the one that was saved


class Runs:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.system, ("touch owned",))


def polyglots() -> dict[str, bytes]:
    """Return forty files that some reader takes for a pickle or a zip of pickles, many with a tensor header."""
    pickled = [pickle.dumps(Runs(), protocol) for protocol in range(6)]
    torch_file, archive = io.BytesIO(), io.BytesIO()
    torch.save({"a": torch.ones(1)}, torch_file)
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("archive/data.pkl", pickled[2])
    legacy = io.BytesIO()
    torch.save({"a": torch.ones(1)}, legacy, _use_new_zipfile_serialization=False)
    bodies = [*pickled, torch_file.getvalue(), archive.getvalue(), legacy.getvalue(), b"\x80\x04cos\nsystem\n."]
    found = {}
    for number, body in enumerate(bodies):
        header = json.dumps({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}).encode()
        found[f"{number} bare"] = body
        found[f"{number} behind a header"] = len(header).to_bytes(8, "little") + header + body
        found[f"{number} as header"] = len(body).to_bytes(8, "little") + body
        found[f"{number} before a file"] = body + len(header).to_bytes(8, "little") + header + b"\0"
    return found


@pytest.fixture
def run(people: Path, tmp_path: Path) -> Run:
    """A copy of the table run."""
    return Run(Path(shutil.copytree(people / "run", tmp_path / "run")))


@pytest.mark.withstands("security", case="X2")
def test_pickles_and_zips_named_as_tensor_files_are_refused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tally: Tally
) -> None:
    from dlw.errors import CheckpointError
    from dlw.runs import tensorfile

    monkeypatch.chdir(tmp_path)
    files, refused = polyglots(), 0
    for content in files.values():
        with pytest.raises(CheckpointError):
            tensorfile.unpack(bytearray(content))
        refused += 1
    assert not Path("owned").exists()
    tally(refused, len(files))


@pytest.mark.withstands("security", case="X4")
def test_files_swapped_between_checkpoints_are_refused(run: Run, dlw: Dlw, people: Path) -> None:
    folder = step_folder(run, saved_steps(run)[-1])
    others = shutil.copytree(people / "run", run.folder.with_name("other"))
    resumed = dlw("train", people / "recipe.yaml", "--out", run.folder.with_name("second"), "-s", "seed=7")
    assert resumed.code == 0
    second = Run(run.folder.with_name("second"))
    source = step_folder(second, saved_steps(second)[-1])
    assert others.is_dir()
    for name in ("model.safetensors", "optimizer.safetensors", "state.json"):
        whole = (folder / name).read_bytes()
        shutil.copy(source / name, folder / name)
        answer = dlw("train", "--resume", run.folder)
        assert (answer.code, "checksum differs" in answer.err or "expected" in answer.err) == (4, True), name
        (folder / name).write_bytes(whole)


# X5: links


@pytest.mark.withstands("security", case="X5")
def test_a_link_planted_where_dlw_writes_is_refused(run: Run, dlw: Dlw, people: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    places = {
        "answers.csv": ["predict", run.folder, people / "people.csv", "-o", tmp_path / "answers.csv"],
        "figures.json": ["benchmark", run.folder / "none", "--save", tmp_path / "figures.json"],
        "new": ["train", people / "recipe.yaml", "--out", tmp_path / "new"],
        "bundle": ["export", run.folder, "--out", tmp_path / "bundle"],
    }
    for name, words in places.items():
        (tmp_path / name).symlink_to(victim)
        answer = dlw(*words)
        assert answer.code in (2, 4, 6), words
        assert victim.read_text() == "precious"
        assert (tmp_path / name).is_symlink()


# X8: what data say never steers a terminal or a spreadsheet

PAYLOADS = [
    "\x1b[2J",
    "\x1b]52;c;aGk=\x07",
    "\x1b]8;;http://x\x07click\x1b]8;;\x07",
    "\x1b]0;title\x07",
    "\x9b31m",
    "\x90q\x9c",
    "a\rb",
    "\x07",
    "\x08\x08",
    "\x7f",
    "\x0c",
    "\x0b",
    "\u202egnp.exe",
    "\u2066x\u2069",
    "\u200fx",
    "\u2028x",
    "\u2029x",
    "\u061cx",
    "<script>alert(1)</script>",
    '"onerror="x',
    "javascript:alert(1)",
    "<svg onload=x>",
    "</title><b>",
    "{{7*7}}",
    "${jndi:ldap://x}",
    "[bold red]x[/]",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
]
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def table(rows: list[list[str]]) -> str:
    """Return CSV with every cell quoted."""
    return "\n".join(",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows) + "\n"


def recipe_of(columns: list[str]) -> str:
    """Return a recipe of the payloads' table."""
    inputs = ", ".join(f"{json.dumps(name)}: category" for name in columns)
    return (
        "name: odd\ntask: classification\n"
        "data:\n  source: {type: csv, path: odd.csv, delimiter: ','}\n"
        '  splits: {train: "train[:50%]", validation: "train[50%:]"}\n'
        f"  inputs: {{{inputs}}}\n  target: {{label: category}}\n"
        "model: {type: mlp, width: 4, depth: 1}\n"
        "train: {epochs: 1, batch_size: 8, threads: 1}\nevaluate: {slices: [label], baseline: false}\n"
    )


@pytest.mark.withstands("security", case="X8")
def test_class_and_column_names_never_steer_a_terminal_or_a_spreadsheet(
    dlw: Dlw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    columns = [f"{payload}{number}" for number, payload in enumerate(PAYLOADS)]
    same = [f"{payload} in every row" for payload in PAYLOADS]
    block = [[f"{p} {row % 3}" for p in PAYLOADS] + PAYLOADS + [PAYLOADS[row % len(PAYLOADS)]] for row in range(120)]
    Path("odd.csv").write_text(table([[*columns, *same, "label"], *block]), newline="")
    Path("r.yaml").write_text(recipe_of([*columns, *same]))
    rows = [[*columns, *same, "extra \x1b[2J"], [*(f"{payload}?" for payload in PAYLOADS), *PAYLOADS, "x"]]
    Path("new.csv").write_text(table(rows), newline="")
    asked = [
        ["train", "r.yaml", "--out", "run"],
        ["evaluate", "run", "--split", "validation"],
        ["predict", "run", "new.csv"],
        ["predict", "run", "new.csv", "-o", "answers.csv", "--keep", columns[0], "--keep", columns[26]],
        ["recipe", "show", "r.yaml"],
        ["predict", "run", "none\x1b[2J.csv"],
    ]
    for words in asked:
        answer = dlw(*words)
        assert answer.code in (0, 3), answer.err
        assert not CONTROL.search(answer.out + answer.err), words
    log = Path("run/log.txt").read_text()
    assert log.count("is left out") == len(PAYLOADS)
    assert not CONTROL.search(log)
    with Path("answers.csv").open(newline="") as file:
        cells = [cell for line in csv.reader(file) for cell in line]
    assert len(cells) > len(PAYLOADS)
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


@pytest.mark.withstands("security", case="X8")
def test_file_and_recipe_names_never_steer_a_terminal(dlw: Dlw, squares: Path, tmp_path: Path) -> None:
    names = [f"{payload.replace('/', '_')}.png" for payload in PAYLOADS]
    for name in names:
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    (tmp_path / "broken\x1b[2J.png").write_bytes(b"")
    answer = dlw("predict", squares / "run", tmp_path)
    assert answer.code == 0
    assert "broken" in answer.err
    assert not CONTROL.search(answer.out + answer.err)
    for payload in PAYLOADS:
        (tmp_path / "r.yaml").write_text(f"name: {json.dumps(payload)}\ntask: classification\nmodel: mlp\n")
        answer = dlw("recipe", "check", tmp_path / "r.yaml")
        assert answer.code == 2
        assert not CONTROL.search(answer.out + answer.err), payload


# X11: plug-ins


@pytest.mark.withstands("security", case="X11")
def test_a_plug_in_is_named_on_the_command_line_and_must_stay_the_same(
    dlw: Dlw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_runs.people(tmp_path)
    recipe = tmp_path / "r.yaml"
    recipe.write_text(small_runs.TABLE_RECIPE.replace("type: mlp", "type: abacus"))
    code = tmp_path / "models" / "abacus.py"
    code.parent.mkdir()
    code.write_text('"""Counts."""\n\nfrom dlw.models.mlp import *  # noqa: F403\n')

    def fresh() -> None:
        monkeypatch.setattr(registry, "_code_files", {})
        sys.modules.pop("dlw_code.models.abacus", None)

    fresh()
    answer = dlw("train", recipe, "--out", tmp_path / "run")
    assert answer.code == 2
    assert "no model is called 'abacus'" in answer.err
    assert dlw("train", recipe, "--out", tmp_path / "run", "--code", code).code == 0
    fresh()
    answer = dlw("predict", tmp_path / "run", tmp_path / "people.csv")
    assert answer.code == 2
    assert "abacus" in answer.err
    assert dlw("predict", tmp_path / "run", tmp_path / "people.csv", "--code", code).code == 0
    code.write_text(code.read_text() + "# changed\n")
    for words in (["predict", tmp_path / "run", tmp_path / "people.csv"], ["train", "--resume", tmp_path / "run"]):
        fresh()
        answer = dlw(*words, "--code", code)
        assert answer.code == 4, words
        assert "models/abacus" in answer.err
    fresh()

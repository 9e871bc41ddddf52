"""The shape of the code: which way imports go, what stays free of torch, what never appears, how long things get."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "dlw"
FILES = sorted(path for path in PACKAGE.rglob("*.py") if "_recipes" not in path.parts)
PLUGIN_ROOMS = ("sources", "fields", "augment", "models", "tasks", "metrics", "baselines", "exporters", "explainers")
SHELVES = (
    ("errors",),
    (
        "specs",
        "columns",
        "ragged",
        "molecules",
        "packing",
        "remote",
        "local_files",
        "ranks",
        "registry",
        "progress",
        "__init__",
    ),
    ("recipe", "metrics", "search", "shards"),
    ("sources", "fields", "augment", "models", "tasks", "runs", "splits"),
    ("engine", "exporters", "explainers", "baselines"),
    ("verbs",),
    ("cli",),
    ("__main__",),
)
LEVEL = {room: level for level, rooms in enumerate(SHELVES) for room in rooms}
MAY_NAME_PLUGINS = ("verbs", "recipe", "cli")
TORCH_ROOMS = ("engine", "models", "augment", "tasks", "exporters", "explainers")
"""Rooms whose `_private` files (or, in engine, every file) may import torch at the top."""

BANNED_CALLS = {
    "eval": "runs text as code",
    "exec": "runs text as code",
    "compile": "makes code from text",
    "__import__": "imports by a name that may come from data",
    "torch.load": "unpickles",
    "torch.save": "pickles",
    "torch.jit.load": "runs archived code",
    "torch.hub.load": "fetches and runs code",
    "yaml.load": "is done by the one strict reader, with its own loader",
    "os.system": "runs a shell",
    "os.popen": "runs a shell",
}
BANNED_IMPORTS = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal", "click", "imp"}
BANNED_KEYWORDS = {"allow_pickle", "trust_remote_code", "shell"}
HOME_OF = {"yaml.load": "recipe/parse.py"}
LONGEST_FUNCTION = 60
LONGEST_FILE = 350


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def _room(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield every imported module, `from a import b` as `a.b`, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative imports hide where things come from"
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def _top_level_imports(tree: ast.Module) -> Iterator[str]:
    """Yield what importing the file imports: not the bodies of functions, not `if TYPE_CHECKING`."""
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting.extend(node.orelse)
            continue
        yield from (name for name, _ in _imports(node) if isinstance(node, ast.Import | ast.ImportFrom))
        for body in ("body", "orelse", "finalbody"):
            waiting.extend(getattr(node, body, []))


def _dotted(node: ast.expr) -> str:
    return ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _breach(path: Path, target: str) -> str:
    """Say which rule the import of `dlw.<target>` breaks, or return an empty string."""
    own = _room(path)
    parts = target.split(".")
    room, module = parts[0], parts[1] if len(parts) > 1 else ""
    if room == "__version__" or room == "py.typed":
        return ""
    if room not in LEVEL:
        return f"imports dlw.{room}, which stands on no shelf"
    if room == own:
        is_plugin = own in PLUGIN_ROOMS and not path.stem.startswith("_")
        return f"is a plug-in and imports its sibling {target}" if is_plugin and not module.startswith("_") else ""
    if LEVEL[room] >= LEVEL[own]:
        return f"imports {target} from a shelf that is not lower"
    if room in PLUGIN_ROOMS and own not in MAY_NAME_PLUGINS and module and module != "_base":
        return f"imports the plug-in {target} of another room"
    if room == "registry" and own not in MAY_NAME_PLUGINS:
        return "looks names up in the registry"
    return ""


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_imports_point_downwards(path: Path) -> None:
    wrong = [
        f"{_name(path)}:{line} {breach}"
        for module, line in _imports(_tree(path))
        if module.startswith("dlw.") and (breach := _breach(path, module.removeprefix("dlw.")))
    ]
    assert not wrong


@pytest.mark.parametrize(
    ("file", "target"),
    [
        ("errors.py", "specs.FieldSpec"),
        ("models/mlp.py", "models.resnet.build"),
        ("models/mlp.py", "tasks._base.Task"),
        ("engine/loop.py", "registry.load"),
        ("engine/loop.py", "verbs.train.train"),
        ("runs/store.py", "cli.screen.tell"),
    ],
)
def test_a_breach_is_seen(file: str, target: str) -> None:
    assert _breach(PACKAGE / file, target)


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_torch_is_imported_at_the_top_only_where_tensors_live(path: Path) -> None:
    room = _room(path)
    if room == "engine" or (room in TORCH_ROOMS and path.stem.startswith("_")):
        return
    heavy = {"torch", "torchmetrics", "onnx", "onnxscript", "sklearn", "datasets"}
    heavy |= {"scipy", "pandas", "matplotlib", "captum"}
    found = {name.partition(".")[0] for name in _top_level_imports(_tree(path))} & heavy
    assert not found, f"{_name(path)} imports {', '.join(found)} when it is imported"


def test_plug_ins_and_verbs_import_without_torch() -> None:
    modules = [
        "dlw." + _name(path).removesuffix(".py").replace("/", ".")
        for path in FILES
        if _room(path) not in ("engine", "__main__")
        and not (_room(path) in TORCH_ROOMS and path.stem.startswith("_"))
        and path.name != "__init__.py"
    ]
    code = (
        f"import importlib, sys\nfor name in {modules}:\n    importlib.import_module(name)\n"
        "    assert 'torch' not in sys.modules, name\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_nothing_can_run_strangers_code(path: Path) -> None:
    tree = _tree(path)
    found = [
        f"line {node.lineno}: {name} {BANNED_CALLS[name]}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and (name := _dotted(node.func)) in BANNED_CALLS
        if HOME_OF.get(name) != _name(path)
    ]
    found += [f"line {line}: import {name}" for name, line in _imports(tree) if name.split(".")[0] in BANNED_IMPORTS]
    found += [
        f"line {node.value.lineno}: {node.arg}"
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg in BANNED_KEYWORDS and ast.unparse(node.value) != "False"
    ]
    assert not found


def test_modules_are_imported_by_name_in_the_registry_alone() -> None:
    users = [_name(path) for path in FILES if "import_module" in path.read_text(encoding="utf-8")]
    assert users == ["registry.py"]


def _caught(handler: ast.ExceptHandler) -> set[str]:
    if handler.type is None:
        return {"BaseException"}
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return {_dotted(kind) for kind in kinds}


def test_one_place_catches_everything() -> None:
    users = {
        f"{_name(path)}:{node.lineno}"
        for path in FILES
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.ExceptHandler) and _caught(node) & {"Exception", "BaseException"}
        # Cleaning up and raising again is not catching.
        if not (isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None)
    }
    assert [place.partition(":")[0] for place in users] == ["cli/main.py"]


def test_print_is_left_to_the_command_line() -> None:
    users = [
        _name(path)
        for path in FILES
        if _room(path) != "cli"
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Call) and _dotted(node.func) in ("print", "input", "sys.stdout.write")
    ]
    assert not users


def _is_public(node: ast.AST) -> bool:
    name = getattr(node, "name", "_")
    return not name.startswith("_") or name == "__call__"


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_everything_public_is_documented(path: Path) -> None:
    tree = _tree(path)
    assert ast.get_docstring(tree), f"{_name(path)} does not say what it is for"
    scopes = [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef) and _is_public(node))]
    silent = [
        f"{_name(path)}:{node.lineno} {node.name}"
        for scope in scopes
        for node in scope.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and _is_public(node)
        if node.name not in ("forward", "__call__") and not ast.get_docstring(node)
    ]
    assert not silent


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_the_tails_are_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= LONGEST_FILE, f"{_name(path)} is long: which part is a file of its own?"
    long = [
        f"{_name(path)}:{node.lineno} {node.name} has {length} lines"
        for node in _functions(ast.parse(text))
        if (length := (node.end_lineno or 0) - node.lineno + 1) > LONGEST_FUNCTION
    ]
    assert not long


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_no_name_says_nothing(path: Path) -> None:
    empty_words = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
    assert not empty_words & set(path.stem.strip("_").split("_"))
    assert "TODO" not in path.read_text(encoding="utf-8")

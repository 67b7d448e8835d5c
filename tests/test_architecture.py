"""The layers and sizes that docs/architecture.md promises, checked on the source itself."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import mouthpiece
import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("addon", "benchmarks", "blender_tests", "building", "core", "demo", "tests", "training")

#: Who may import what; a star ends a folder. The demo and the benchmarks are programs that drive the add-on.
IMPORTERS = {
    "bpy": ("addon/*", "blender_tests/*", "benchmarks/*", "demo/*"),
    "bmesh": ("addon/*", "blender_tests/*"),
    "bpy_extras": ("addon/*", "blender_tests/*", "demo/*"),
    "mathutils": ("addon/*", "blender_tests/*", "demo/*"),
    "aud": ("addon/sound/recordings.py", "addon/compat.py", "blender_tests/*"),
    "addon": ("blender_tests/*", "benchmarks/*", "demo/*"),
    "training": ("training/*", "tests/*"),
    "torch": ("training/*", "tests/test_training*"),
    "onnx": ("training/*", "tests/*"),
    "onnxruntime": ("core/mouthpiece/models/session.py", "training/content/export.py", "tests/*", "blender_tests/*"),
    "librosa": ("core/mouthpiece/audio.py", "training/*", "tests/*"),
    "soundfile": ("core/mouthpiece/audio.py", "training/*", "tests/*", "blender_tests/*", "benchmarks/*"),
    "scipy": (
        "core/mouthpiece/audio.py",
        "core/mouthpiece/motion/smooth.py",
        "core/mouthpiece/retarget/solve/solver.py",
        "core/mouthpiece/retarget/solve/least_squares.py",
        "core/mouthpiece/retarget/pins/proposal.py",
        "core/mouthpiece/retarget/warp/warp.py",
        "training/*",
        "tests/*",
        "benchmarks/*",
    ),
    "matplotlib": ("core/mouthpiece/cli/inspect.py", "training/*", "tests/*"),
    "face_alignment": ("core/mouthpiece/portrait/find/alignment.py",),
    "cv2": ("core/mouthpiece/portrait/images.py", "training/*", "tests/test_training*", "demo/make_head.py"),
    "PIL": (
        "core/mouthpiece/portrait/images.py",
        "demo/portrait_sheet.py",
    ),
    "av": ("core/mouthpiece/portrait/films.py", "training/*", "tests/*"),
    "c2pa": ("core/mouthpiece/provenance/credentials.py", "tests/*"),
    "cryptography": ("core/mouthpiece/provenance/certificates.py", "tests/*"),
}
#: Inside the core these are imported by the function that needs them, so that nothing else pays.
LAZY = ("av", "c2pa", "cryptography", "face_alignment", "librosa", "matplotlib", "onnxruntime", "scipy", "soundfile")
#: Loaded by no `import mouthpiece`.
HEAVY = (*LAZY, "numba", "torch")
#: Never imported: they run what a file says, or reach the network.
FORBIDDEN = {
    "core": ("pickle", "marshal", "shelve", "socket", "urllib", "http", "requests", "bpy", "torch"),
    "addon": ("pickle", "marshal", "shelve", "socket", "urllib", "http", "requests", "torch", "librosa", "soundfile"),
}
#: Folder of the core -> what of the core it may import, by first word.
CORE_LAYERS = {
    "models": ("errors", "models", "topology", "features"),
    "motion": ("errors", "topology", "motion", "performance", "curves", "features"),
    "retarget": ("errors", "topology", "curves", "performance", "motion", "retarget"),
    "portrait": ("errors", "topology", "curves", "performance", "models", "portrait", "retarget"),
    "provenance": ("__version__", "errors", "portrait", "provenance"),
}
MODULE_LINES = {"core": 300, "addon": 250}
FUNCTION_LINES = 40


class Import(NamedTuple):
    """One imported module: where, its first word, its dots, and whether a function does it."""

    path: str
    line: int
    name: str
    level: int
    nested: bool
    typing: bool


def sources(*folders: str) -> list[Path]:
    """Return the Python files of some folders."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def relative(path: Path) -> str:
    """Return a path as the tables write it."""
    return path.relative_to(ROOT).as_posix()


def is_type_checking(node: ast.AST) -> bool:
    """Tell whether a node is `if TYPE_CHECKING:`."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def walk(node: ast.AST, nested: bool, typing: bool) -> Iterator[tuple[ast.AST, bool, bool]]:
    """Yield every node below `node`, and whether it is in a function or only for type checkers."""
    for child in ast.iter_child_nodes(node):
        inside = nested or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        typed = typing or is_type_checking(child)
        yield child, inside, typed
        yield from walk(child, inside, typed)


def imports(path: Path) -> Iterator[Import]:
    """Yield the imports of a file."""
    where = relative(path)
    for node, nested, typing in walk(ast.parse(path.read_text(encoding="utf-8")), False, False):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(where, node.lineno, alias.name, 0, nested, typing)
        elif isinstance(node, ast.ImportFrom) and node.module is None:
            for alias in node.names:
                yield Import(where, node.lineno, alias.name, node.level, nested, typing)
        elif isinstance(node, ast.ImportFrom):
            yield Import(where, node.lineno, str(node.module), node.level, nested, typing)


def absolute(*folders: str) -> list[Import]:
    """Return the absolute imports of some folders."""
    return [item for path in sources(*folders) for item in imports(path) if item.level == 0]


def said(items: list[Import]) -> list[str]:
    """Return imports as lines for an assertion's message."""
    return [f"{item.path}:{item.line} imports {item.name}" for item in items]


@pytest.mark.parametrize("package", sorted(IMPORTERS))
def test_a_package_is_imported_only_where_it_belongs(package):
    wrong = [
        item
        for item in absolute(*FOLDERS)
        if item.name.split(".")[0] == package
        and not item.typing
        and not any(fnmatch(item.path, place) for place in IMPORTERS[package])
    ]
    assert not said(wrong)


def test_the_core_imports_itself_only_relatively():
    assert not said([item for item in absolute("core") if item.name.split(".")[0] == "mouthpiece"])


def test_the_addon_imports_itself_only_relatively():
    assert not said([item for item in absolute("addon") if item.name.split(".")[0] == "addon"])


def test_heavy_packages_are_imported_inside_functions_of_the_core():
    eager = [i for i in absolute("core") if i.name.split(".")[0] in LAZY and not (i.nested or i.typing)]
    # The one module whose whole purpose is scipy's filters is itself imported by functions only.
    assert not said([item for item in eager if item.path != "core/mouthpiece/motion/smooth.py"])


@pytest.mark.parametrize("layer", sorted(FORBIDDEN))
def test_nothing_that_runs_files_or_reaches_the_network(layer):
    assert not said([item for item in absolute(layer) if item.name.split(".")[0] in FORBIDDEN[layer]])


@pytest.mark.parametrize("folder", sorted(CORE_LAYERS))
def test_layers_of_the_core(folder):
    wrong = []
    for path in sources(f"core/mouthpiece/{folder}"):
        package = path.parent.relative_to(ROOT / "core" / "mouthpiece").parts
        for item in imports(path):
            if item.level and not item.typing:
                base = package[: len(package) - item.level + 1]
                target = (*base, *item.name.split("."))
                wrong += [item] if target[0] not in CORE_LAYERS[folder] else []
    assert not said(wrong)


def test_import_mouthpiece_loads_nothing_heavy():
    code = f"import mouthpiece, sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT / "core", check=True)
    assert done.stdout.strip() == "[]"


def test_the_checkout_is_what_is_tested():
    assert Path(mouthpiece.__file__).resolve().parent == ROOT / "core" / "mouthpiece"


@pytest.mark.parametrize("layer", sorted(MODULE_LINES))
def test_modules_stay_small(layer):
    long = {relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in sources(layer)}
    assert not {path: count for path, count in long.items() if count > MODULE_LINES[layer]}


def test_functions_stay_small():
    long = []
    for path in sources("addon", "building", "core", "demo", "training", "benchmarks"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and body_lines(node) > FUNCTION_LINES:
                long.append(f"{relative(path)}:{node.lineno} {node.name} has {body_lines(node)} lines")
    assert not long


def body_lines(node: ast.FunctionDef) -> int:
    """Return a function's lines without its docstring."""
    first = node.body[0]
    text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    begin = first.end_lineno + 1 if text and first.end_lineno else first.lineno
    return (node.end_lineno or begin) - begin + 1


def test_no_drawers_for_odds_and_ends():
    names = {"utils", "util", "common", "helpers", "helper", "misc", "manager"}
    assert not [relative(path) for path in sources(*FOLDERS) if path.stem in names or path.parent.name in names]


def test_no_shell_and_no_eval():
    wrong = []
    for path in sources("addon", "building", "core", "training"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"):
                wrong.append(f"{relative(path)}:{node.lineno} {node.func.id}")
            if isinstance(node, ast.keyword) and node.arg == "shell":
                wrong.append(f"{relative(path)}:{node.lineno} shell=")
    assert not wrong

"""The rooms, layers and words that docs/architecture.md promises, checked on the source itself."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
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
    "mathutils": ("addon/*", "blender_tests/*", "benchmarks/*", "demo/*"),
    "aud": ("addon/sound/decoder.py", "addon/compat.py", "blender_tests/*"),
    "addon": ("blender_tests/*", "benchmarks/*", "demo/*"),
    "training": ("training/*", "tests/*"),
    "torch": ("training/*", "tests/test_training*"),
    "onnx": ("training/*", "tests/*"),
    # the core's sessions alone run networks; training also has its tools for storing weights
    "onnxruntime": (
        "core/mouthpiece/models/session.py",
        "training/networks/onnx_export.py",
        "tests/*",
        "blender_tests/*",
    ),
    "librosa": ("training/*", "tests/*"),
    "soundfile": (
        "core/mouthpiece/sounds/decoders.py",
        "training/*",
        "tests/*",
        "blender_tests/*",
        "benchmarks/*",
    ),
    "scipy": (
        "core/mouthpiece/audio.py",
        "core/mouthpiece/motion/smooth.py",
        "core/mouthpiece/retarget/solve/solver.py",
        "core/mouthpiece/retarget/solve/least_squares.py",
        "core/mouthpiece/retarget/solve/surface.py",
        "core/mouthpiece/retarget/made_shapes/correspondence.py",
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
        "tests/fuzz/*",
    ),
    "espeakng_loader": ("core/mouthpiece/phones/espeak.py",),
    "av": ("core/mouthpiece/portrait/films.py", "core/mouthpiece/sounds/decoders.py", "training/*", "tests/*"),
    "c2pa": ("core/mouthpiece/provenance/credentials.py", "tests/*"),
    "cryptography": ("core/mouthpiece/provenance/certificates.py", "tests/*"),
}
#: Inside the core these are imported by the function that needs them, so that nothing else pays.
LAZY = (
    "av", "c2pa", "cryptography", "espeakng_loader", "face_alignment", "librosa", "matplotlib",
    "onnxruntime", "scipy", "soundfile",
)  # fmt: skip
#: Loaded by no `import mouthpiece`.
HEAVY = (*LAZY, "numba", "torch")
#: These run where the core is not: another Blender encodes a film with one file of the add-on.
LATE_ERRORS = ("addon/targets/portrait/film_encoder.py",)
#: Never imported: they run what a file says, or reach the network.
FORBIDDEN = {
    "core": ("pickle", "marshal", "shelve", "socket", "urllib", "http", "requests", "bpy", "torch"),
    "addon": ("pickle", "marshal", "shelve", "socket", "urllib", "http", "requests", "torch", "librosa", "soundfile"),
}
#: Room of the core -> which rooms of it it may import. A room is a folder, or a module beside them.
CORE_LAYERS = {
    "errors": (),
    "topology": (),
    "spans": (),
    "files": ("errors",),
    "phrases": (),
    "curves": ("errors",),
    "features": (),
    "sounds": ("errors", "files"),
    "models": ("errors", "features", "files", "phones", "topology"),
    "audio": ("errors", "features", "models", "sounds"),
    "chapters": ("motion", "performance", "phones"),
    "recent_takes": ("chapters",),
    "phones": ("errors", "files"),
    "motion": ("curves", "errors", "features", "files", "models", "performance", "phones", "topology"),
    # takes apply their own dials; motion.dials knows the type by name only
    "performance": ("errors", "files", "motion", "phones", "topology"),
    "motion.chart": ("curves", "errors", "files", "motion", "performance", "phones"),
    "speaker": ("features", "models"),
    "styles": ("errors", "files", "motion", "topology"),
    "actors": ("errors", "files", "motion", "performance", "styles", "topology"),
    "pipeline": (
        "actors", "audio", "chapters", "curves", "errors", "features", "models", "motion", "performance", "phones",
        "recent_takes", "speaker", "styles", "topology",
    ),
    "key_reduction": (),
    "retarget.coverage": (),
    "retarget.warp": ("performance", "topology"),
    "retarget.solve": ("errors", "performance", "retarget.coverage", "topology"),
    "retarget.made_shapes": ("errors", "retarget.solve", "topology"),
    "retarget.pins": ("errors", "files", "retarget.solve", "spans", "topology"),
    "retarget.shape_keys": (
        "curves", "errors", "files", "motion", "motion.chart", "performance", "retarget.coverage", "topology",
    ),
    "retarget.controls": ("errors",),
    "retarget.bones": ("curves", "errors", "files", "performance", "retarget.coverage", "topology"),
    "retarget.drawing": (
        "curves", "errors", "motion", "performance", "retarget.coverage", "retarget.warp", "spans", "topology",
    ),
    "retarget.picture": ("curves", "errors", "files", "performance", "retarget.warp", "topology"),
    "portrait.find": ("errors", "files", "models", "portrait", "portrait.draw", "retarget.picture", "topology"),
    "portrait.draw": (
        "curves", "errors", "files", "models", "motion", "performance", "portrait", "retarget.picture",
        "retarget.solve", "retarget.warp", "spans", "topology",
    ),
    "portrait": (
        "curves", "errors", "files", "performance", "pipeline", "portrait.draw", "portrait.find", "provenance",
        "retarget.picture",
    ),
    "provenance": ("__version__", "errors", "files", "phrases", "portrait"),
    "cast": (
        "audio", "errors", "files", "lint", "motion", "performance", "phones", "phrases", "pipeline", "sounds",
        "styles",
    ),
    "lint": (
        "audio", "errors", "features", "files", "motion", "performance", "phones", "phrases", "pipeline", "portrait",
        "portrait.find", "sounds", "topology",
    ),
    "farm": ("audio", "cast", "errors", "files", "performance", "phrases"),
    "cli": (
        "__version__", "actors", "audio", "cast", "errors", "farm", "files", "lint", "motion", "motion.chart",
        "performance", "phones", "phrases", "pipeline", "portrait", "portrait.draw", "portrait.find", "provenance",
        "sounds", "styles", "topology",
    ),
    "__init__": ("audio", "curves", "errors", "performance", "pipeline"),
    "__main__": ("cli",),
}  # fmt: skip
#: Rooms of the core that are folders inside folders.
INNER_ROOMS = ("motion.chart", "portrait.draw", "portrait.find")
#: Files of a target's folder that a user sees: they may import all below, nothing but their like and the panel them.
INTERFACE = (
    "landmark_operators",
    "operators",
    "overlay",
    "panel",
    "picker",
    "pivot_operators",
    "pose_preview",
    "preview",
    "render_operator",
)
#: The add-on from the ground up. A module imports from its own layer and those below; a star is one word.
ADDON_LAYERS = (
    (
        "compat",
        "exports",
        "guide",
        "paragraphs",
        "preferences",
        "previews",
        "remarks",
        "reports",
        "stage",
        "sub_panels",
    ),
    ("jobs", "keys.*"),
    ("sound.*",),
    ("targets",),
    ("bake.*",),
    ("targets.*.*",),
    ("characters.*",),
    ("scene_settings",),
    ("cast.*",),
    ("lint.*",),
    (
        "cast.animate_operators",
        "cast.operators",
        "cast.panel",
        "cast.listener_operators",
        "cast.listener_panel",
        "lint.operators",
        "lint.panel",
        "bake.file_operators",
        "bake.operators",
        "bake.panel",
        *(f"targets.*.{name}" for name in INTERFACE),
    ),
    ("command.*", "demo", "panel"),
    ("__init__",),
)
#: Target -> the other targets it builds on: a portrait is a picture, teeth follow the keys of a face.
TARGETS_USE = {
    "eyeball": {"head", "shape_keys"},
    "head": {"bones", "shape_keys"},
    "lower_teeth": {"head", "shape_keys"},
    "mouth_chart": {"picture_rig", "shape_keys"},
    "picture_rig": {"portrait", "shape_keys"},
    "pins": {"shape_keys"},
    "portrait": {"picture_rig"},
}
#: Packages whose f-curves, import circles, names and folders are looked at.
PACKAGES = {"addon": "addon", "mouthpiece": "core/mouthpiece", "training": "training", "building": "building"}
#: Files with calls that write in place: the writer itself, and those that write into what it or `drafts` lends them.
WRITERS = {
    "core/mouthpiece/cli/parser.py",  # the process's own stderr, under another number
    "core/mouthpiece/files/writer.py",
    "core/mouthpiece/performance.py",
    "core/mouthpiece/portrait/films.py",
    "core/mouthpiece/provenance/certificates.py",
    "core/mouthpiece/provenance/credentials.py",
    "core/mouthpiece/provenance/files.py",
    "addon/sound/decoder.py",
    "addon/sound/soundtrack.py",
    "addon/targets/portrait/film_encoder.py",
    "addon/targets/portrait/preview.py",  # in the folder that Blender removes when it ends
}
#: How many entries a folder has at most, and those that have more, each with its reason.
ENTRIES = 12
CROWDED = {
    "addon": "the folders of the add-on, and beside them what all of them share",
    "core/mouthpiece": "the public front: one module for each thing users of the package import, beside its folders",
    "core/mouthpiece/cli": "a file for each command, and what they share",
    "core/mouthpiece/lint": "a module for each kind of check, and what they share",
    "core/mouthpiece/motion": "one module for each thing a face does beyond its words; they share one shape",
    "core/mouthpiece/phones": "a module each for what is heard, what a text says, where both meet, and how it is kept",
    "core/mouthpiece/provenance": "records and signatures, written, read and checked in two kinds of files and folders",
    "addon/bake": "one module for each thing that can happen to a line, and what they share",
    "addon/cast": "a line on its way: who speaks it, how it stands, and how it is placed, animated and shown",
    "addon/command": "a file for each command, and what several of them share",
    "addon/targets/grease_pencil": "drawings are data of their own: read, planned, written, noted and taken back here",
    "addon/targets/portrait": "a portrait is rendered besides being animated: frames, films, preview, placement",
    "training/measures": "a program for each question that motion is judged by, and what they share",
    "training": "a folder for each network and study, and beside them what all programs share",
}
#: Nouns of the field among words that end in -ing; other modules ending so are gerunds, which nobody can guess.
NOUNS = {
    "building", "drawing", "facing", "lip_opening", "listening", "living", "mapping", "matching", "timing", "training",
    "tuning",
}  # fmt: skip


#: Words that other names have taken the place of: a word -> the one to use (docs/architecture.md, "Words").
RETIRED = {
    "boxed": "bounded",
    "converting": "convert",
    "dialling": "dial or redial",
    "planning": "plan",
    "rekeying": "redial",
    "remaking": "rebuild",
    "store": "ledger",
}


class Import(NamedTuple):
    """One import: where, of what, its dots, whether a function or only type checkers do it, and the names taken."""

    path: str
    line: int
    name: str
    level: int
    nested: bool
    typing: bool
    words: tuple[str, ...] = ()


@cache
def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of a file, read once."""
    return ast.parse(path.read_text(encoding="utf-8"))


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


@cache
def imports(path: Path) -> tuple[Import, ...]:
    """Return the imports of a file."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[Import]:
    where = relative(path)
    for node, nested, typing in walk(parsed(path), False, False):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(where, node.lineno, alias.name, 0, nested, typing)
        elif isinstance(node, ast.ImportFrom):
            words = tuple(alias.name for alias in node.names)
            yield Import(where, node.lineno, node.module or "", node.level, nested, typing, words)


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


def room_of(name: str) -> str:
    """Return the room of a module of the core: its folder, as :data:`CORE_LAYERS` names it, or the module itself."""
    words = name.split(".")
    if words[0] == "retarget" and len(words) > 1:
        return ".".join(words[:2])
    return ".".join(words[:2]) if ".".join(words[:2]) in INNER_ROOMS and len(words) > 2 else words[0]


@cache
def modules(package: str) -> dict[str, Path]:
    """Return the modules of a package by dotted name without the package's own; "" is the package itself."""
    base = ROOT / PACKAGES[package]
    found = {}
    for path in sorted(base.rglob("*.py")):
        words = path.relative_to(base).with_suffix("").parts
        found[".".join(words[:-1] if words[-1] == "__init__" else words)] = path
    return found


@cache
def edges(package: str, typing: bool = False) -> tuple[tuple[str, str, Import], ...]:
    """Return who imports whom inside a package, lazy imports included; those for type checkers only if asked for."""
    return tuple(_edges(package, typing))


def _edges(package: str, typing: bool) -> Iterator[tuple[str, str, Import]]:
    known = modules(package)
    for name, path in known.items():
        words = name.split(".") if name else []
        home = words if path.name == "__init__.py" else words[:-1]
        for item in imports(path):
            if item.typing and not typing:
                continue
            if item.level:
                base = home[: len(home) - item.level + 1]
                targets = [".".join([*base, *item.name.split(".")])] if item.name else [".".join(base)]
            elif item.name.split(".")[0] == package:
                targets = [item.name.partition(".")[2]]
            else:
                continue
            for target in targets:
                inside = {word: f"{target}.{word}" if target else word for word in item.words}
                inside = {word: module for word, module in inside.items() if module in known}
                taken = item._replace(words=tuple(word for word in item.words if word not in inside))
                whole = [(one, item._replace(words=())) for one in inside.values()]
                rest = [(target, taken)] if taken.words or not item.words else []
                yield from ((name, one, said) for one, said in (*whole, *rest) if one in known and one != name)


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the import circles of a graph: sets of modules each of which can be reached from each other."""
    reached: dict[str, set[str]] = {}
    for start in graph:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for other in graph.get(waiting.pop(), ()):
                if other not in seen:
                    seen.add(other)
                    waiting.append(other)
        reached[start] = seen
    found = {tuple(sorted(o for o in reached[m] if m in reached.get(o, ()))) for m in graph if m in reached[m]}
    return [list(one) for one in sorted(found)]


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_no_import_circles_lazy_ones_included(package):
    graph: dict[str, set[str]] = {name: set() for name in modules(package)}
    for name, other, _ in edges(package):
        graph[name].add(other)
    assert not circles(graph)


def test_circles_are_seen():
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


@pytest.mark.parametrize("room", sorted({room_of(name or "__init__") for name in modules("mouthpiece")}))
def test_layers_of_the_core(room):
    wrong = []
    for name, other, item in edges("mouthpiece"):
        here, there = room_of(name or "__init__"), room_of(other or "__version__")
        if here == room and there not in (*CORE_LAYERS[here], here):
            wrong.append(f"{item.path}:{item.line} imports {other}")
    assert not wrong


def layer_of(name: str) -> int:
    """Return the layer of a module of the add-on; what is named in full counts before what a star stands for."""
    full = name or "__init__"
    ranked = sorted(
        (pattern.count("*"), number)
        for number, layer in enumerate(ADDON_LAYERS)
        for pattern in layer
        if fnmatch(full, pattern) and pattern.count(".") == full.count(".")
    )
    assert ranked, f"{name} is in no layer of the add-on"
    return ranked[0][1]


def test_layers_of_the_addon():
    folders = {name.rpartition(".")[0] for name in modules("addon")} - {""}
    wrong = []
    for name, other, item in edges("addon"):
        empty = {name, other} & (folders - {"targets"})  # a folder's own module has a docstring and nothing else
        if not empty and layer_of(other) > layer_of(name):
            wrong.append(f"{item.path}:{item.line} imports {other}")
    assert not wrong


def test_targets_build_on_each_other_only_as_listed():
    wrong = []
    for name, other, item in edges("addon"):
        here, there = name.split("."), other.split(".")
        if here[0] == there[0] == "targets" and len(here) > 2 and len(there) > 2 and here[1] != there[1]:
            if there[1] not in TARGETS_USE.get(here[1], ()):
                wrong.append(f"{item.path}:{item.line} imports {other}")
    assert not wrong


def test_target_folders_have_the_same_rooms():
    for folder in (path for path in sorted((ROOT / "addon" / "targets").iterdir()) if (path / "__init__.py").is_file()):
        assert (folder / "target.py").is_file(), folder.name
        assert (folder / "panel.py").is_file() == (folder / "operators.py").is_file(), folder.name


def test_keys_are_written_in_one_folder():
    users = {relative(path) for path in sources("addon") if "keyframe_points" in path.read_text(encoding="utf-8")}
    assert users and not [path for path in users if not path.startswith("addon/keys/")]


def test_operators_report_errors_in_one_way():
    wrong = []
    for path in sources("addon"):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ExceptHandler) and relative(path) != "addon/reports.py":
                text = ast.unparse(node)
                if "MouthpieceError" in text and "CANCELLED" in text:
                    wrong.append(f"{relative(path)}:{node.lineno}")
    assert not wrong


def _writes(node: ast.AST) -> bool:
    """Tell whether a node is a call that writes a file in place, or makes a temporary one."""
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    modes = [a.value for a in [*node.args, *(k.value for k in node.keywords)] if isinstance(a, ast.Constant)]
    if name == "open":
        return any(mode not in ("r", "rb") and re.fullmatch(r"[rwxa][bt+]*", str(mode)) for mode in modes)
    known = ("write_bytes", "write_text", "mkstemp", "mkdtemp", "NamedTemporaryFile", "TemporaryDirectory")
    return name in (*known, "getpid")


def test_files_are_written_in_one_way():
    writers = {relative(path) for path in sources("addon", "core") for node in ast.walk(parsed(path)) if _writes(node)}
    assert writers == WRITERS


def test_errors_are_imported_at_the_top():
    lazy = [item for item in (i for path in sources("addon", "core") for i in imports(path)) if item.nested]
    assert not said([item for item in lazy if item.name.split(".")[-1] == "errors" and item.path not in LATE_ERRORS])


def test_no_module_passes_on_what_another_defines():
    wrong = []
    for package in ("addon", "mouthpiece", "training"):
        known = modules(package)
        defined = {name: definitions(path) for name, path in known.items()}
        for name, other, item in edges(package, typing=True):
            for word in item.words:
                passed_on = word not in defined[other] and word in imported(known[other])
                if passed_on and f"{other}.{word}".lstrip(".") not in known:
                    wrong.append(
                        f"{item.path}:{item.line} takes {word} from {other}, which does not define it ({name})"
                    )
    assert not wrong


@cache
def definitions(path: Path) -> set[str]:
    """Return the names a module defines itself."""
    tree = parsed(path)
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    found = {node.name for node in ast.walk(tree) if isinstance(node, kinds)}
    return found | {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


@cache
def imported(path: Path) -> set[str]:
    """Return the names a module imports from others."""
    tree = parsed(path)
    return {a.asname or a.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for a in node.names}


def test_class_names_occur_once():
    found: dict[str, list[str]] = {}
    for path in sources("addon", "core", "training"):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name.lstrip("_"), []).append(f"{relative(path)}:{node.lineno}")
    assert not {name: places for name, places in found.items() if len(places) > 1}


def test_modules_are_nouns():
    stems = {
        path.stem if path.stem != "__init__" else path.parent.name for path in sources("addon", "core", "training")
    }
    assert not [stem for stem in sorted(stems) if stem.endswith("ing") and stem not in NOUNS]


def test_folders_hold_about_a_dozen():
    crowded = {}
    for top in ("addon", "core", "training", "building"):
        for folder in sorted({path.parent for path in sources(top)}):
            entries = [path for path in folder.iterdir() if path.suffix == ".py" and path.stem != "__init__"]
            entries += [path for path in folder.iterdir() if path.is_dir() and any(path.rglob("*.py"))]
            if len(entries) > ENTRIES:
                crowded[relative(folder)] = len(entries)
    assert set(crowded) == set(CROWDED), crowded


def test_import_mouthpiece_loads_nothing_heavy():
    code = f"import mouthpiece, sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT / "core", check=True)
    assert done.stdout.strip() == "[]"


def test_the_checkout_is_what_is_tested():
    assert Path(mouthpiece.__file__).resolve().parent == ROOT / "core" / "mouthpiece"


def test_no_drawers_for_odds_and_ends():
    names = {"utils", "util", "common", "helpers", "helper", "misc", "manager"}
    assert not [relative(path) for path in sources(*FOLDERS) if path.stem in names or path.parent.name in names]


def documents() -> list[Path]:
    """Return the project's documents that speak of the code as it is now."""
    return [
        *sorted(ROOT.glob("*.md")),
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted((ROOT / "training").rglob("*.md")),
    ]


def test_documents_name_files_that_exist():
    known = ["/" + relative(path) for path in sources(*FOLDERS)] + ["/build.py"]
    wrong = []
    for path in documents():
        if path.name == "CHANGELOG.md":  # which tells of files as they were
            continue
        for name in re.findall(r"`([\w./-]+\.py)[`:]", path.read_text(encoding="utf-8")):
            if "NAME" not in name and not any(file.endswith("/" + name) for file in known):
                wrong.append(f"{relative(path)} names {name}")
    assert not wrong


def glossary() -> list[tuple[str, str]]:
    """Return the words of docs/architecture.md, and what each is called in code."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text.partition("## Words")[2].partition("\n## ")[0]
    return re.findall(r"^\| ([a-z ]+) \| .* \| `([\w.]+)` \|$", table, re.MULTILINE)


def test_the_glossarys_words_are_those_of_the_code():
    words = glossary()
    assert len(words) > 20 and len({word for word, _ in words}) == len(words)
    names, places = set(), set()
    for path in sources("addon", "core"):
        places.add(path.with_suffix("").relative_to(ROOT).as_posix())
        tree = parsed(path)
        names |= {f"{path.stem}.{n.name}" for n in tree.body if isinstance(n, (ast.ClassDef, ast.FunctionDef))}
    missing = []
    for word, code in words:
        first, _, last = code.rpartition(".")
        is_module = any(place.endswith("/" + code.replace(".", "/")) for place in places)
        is_name = any(
            name.endswith("." + last) and (not first or name == f"{first.split('.')[-1]}.{last}") for name in names
        )
        if not (is_module or is_name):
            missing.append(f"{word}: {code}")
    assert not missing


def test_retired_words_do_not_come_back():
    found = []
    for path in sources("addon", "core", "training"):
        tree = parsed(path)
        kinds = (ast.FunctionDef, ast.ClassDef)
        names = [path.stem, *(node.name for node in ast.walk(tree) if isinstance(node, kinds))]
        for name in names:
            words = set(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().split("_"))
            found += [f"{relative(path)}: {name}" for word in words if word in RETIRED]
    assert not found


def test_no_shell_and_no_eval():
    wrong = []
    for path in sources("addon", "building", "core", "training"):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"):
                wrong.append(f"{relative(path)}:{node.lineno} {node.func.id}")
            if isinstance(node, ast.keyword) and node.arg == "shell":
                wrong.append(f"{relative(path)}:{node.lineno} shell=")
    assert not wrong

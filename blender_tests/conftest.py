"""An empty file and a registered add-on for every test; the true exit code whatever bpy does on the way out."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
#: Tests of the packaged extension run Blender in processes of their own and must not see the checkout.
OUTER = ("test_installed_zip", "test_real_blender")

#: Samples whose life is tested with their take in layers as well.
LAYERED = ("shape_keys", "bones")
#: All characters live in this Blender; in others those three, a shape key's, a bone's and a drawing's, but for --full.
EVERYBODY_IN = (4, 5)
FEW = ("shape_keys in layers", "bones", "grease_pencil")

_exit_code = [0]


def pytest_addoption(parser):
    parser.addoption("--blender", help="path of a Blender executable, for test_real_blender.py")
    parser.addoption("--full", action="store_true", help="the life of a file with all characters on every Blender")


def pytest_configure(config):
    # Before bpy is imported: nothing of the user's profile is read or written.
    os.environ["BLENDER_USER_RESOURCES"] = tempfile.mkdtemp(prefix="mouthpiece-tests-")
    os.environ["MOUTHPIECE_SETTINGS"] = tempfile.mkdtemp(prefix="mouthpiece-settings-")
    if config.getoption("--blender"):
        os.environ["BLENDER"] = config.getoption("--blender")


def pytest_sessionfinish(session, exitstatus):
    _exit_code[0] = int(exitstatus)


def pytest_unconfigure(config):
    # bpy 4.5 as a module may hang at interpreter exit if anything is left registered.
    if "bpy" in sys.modules:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_exit_code[0])


@pytest.fixture(scope="session")
def addon():
    """Give the add-on of this checkout, registered, on the core of this checkout."""
    for place in (str(ROOT), str(ROOT / "core")):
        if place in sys.path:
            sys.path.remove(place)
        sys.path.insert(0, place)
    import bpy

    import addon

    bpy.ops.wm.read_factory_settings(use_empty=True)
    addon.register()
    yield addon
    addon.unregister()


@pytest.fixture(scope="session")
def faces_found_once(addon):
    """Let faces be looked for once in each picture: most tests use the same photo, and a look takes long."""
    from mouthpiece.portrait.find import faces as finder

    known, look = {}, finder._upright

    def remembered(picture, networks, least):
        key = (hashlib.sha256(picture).digest(), picture.shape, least)
        if key not in known:
            known[key] = tuple(look(picture, networks, least))
        return list(known[key])

    finder._upright = remembered
    yield
    finder._upright = look


@pytest.fixture(autouse=True)
def empty_file(request):
    """Start every inner test from an empty factory file.

    Preferences stay as they are: putting them back would load every add-on that comes with Blender anew, which takes
    longer than most tests. A test that changes one puts it back.
    """
    if request.module.__name__.rpartition(".")[2] in OUTER:
        return
    request.getfixturevalue("faces_found_once")
    import bpy

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    if not hasattr(bpy.types.Scene, "mouthpiece"):  # factory settings, which some tests load, may disable it
        request.getfixturevalue("addon").register()


@pytest.fixture(autouse=True)
def lines_alone(request, monkeypatch):
    """Leave lines alone in modules that say ``LINES_ALONE``, without interludes: their tests count keys of lines."""
    if getattr(request.module, "LINES_ALONE", False):
        from addon.bake import interlude_keys, interludes

        monkeypatch.setattr(interlude_keys, "interludes", lambda *a: [])
        monkeypatch.setattr(interludes, "bends_between", lambda *a: {})


def pytest_generate_tests(metafunc):
    if "character" in metafunc.fixturenames:
        import bpy

        everybody = metafunc.config.getoption("--full") or bpy.app.version[:2] == EVERYBODY_IN
        names = [name for name in characters() if everybody or name in FEW]
        metafunc.parametrize("character", names, indirect=True)


def characters():
    """Return the names of all characters: every sample, and some with their take in layers."""
    names = sorted(path.stem for path in (ROOT / "demo" / "samples").glob("[a-z]*.py"))
    return [*names, *(f"{name} in layers" for name in names if name in LAYERED)]


@pytest.fixture
def character(request, addon):
    """Return a sample, baked and saved; an empty file is open."""
    from blender_tests import life
    from demo import samples

    missing = samples.load(request.param.removesuffix(life.LAYERS)).missing
    if missing:
        pytest.skip(missing)
    return life.character(request.param)


@pytest.fixture
def context():
    import bpy

    return bpy.context

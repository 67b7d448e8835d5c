"""The zip as users get it: installed into a profile of its own, enabled, and run from end to end.

The zip comes from MOUTHPIECE_ZIP, or is built here for the Python that runs the tests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
#: Run in a process of its own: what the profile installs must not meet the checkout.
PROGRAM = """
import json, os, sys, time
import bpy

package, folder, photo = sys.argv[1:]
done = bpy.ops.extensions.package_install_files(filepath=package, repo="user_default", enable_on_install=True)
assert done == {"FINISHED"}, done
name = "bl_ext.user_default.mouthpiece"
assert name in sys.modules, "not enabled: " + ", ".join(m for m in sys.modules if m.startswith("bl_ext"))
addon = sys.modules[name]
addon.unregister()
began = time.perf_counter()
addon.register()
report = {"register_ms": round((time.perf_counter() - began) * 1000, 2)}
# The test environment's own copies must not stand in for what the zip is to bring, or for what it does not bring.
sys.path.sort(key=lambda place: os.environ["BLENDER_USER_RESOURCES"] not in place)
sys.modules["soundfile"] = sys.modules["librosa"] = None
import _cffi_backend, cryptography, mouthpiece, onnxruntime, scipy

from mouthpiece.portrait.consent import Consent
from mouthpiece.provenance import certificates, credentials, facts, png

packages = (mouthpiece, onnxruntime, scipy, _cffi_backend, cryptography, credentials.library())
report["homes"] = [package.__file__ for package in packages]
from importlib import import_module
from pathlib import Path

bpy.ops.mouthpiece.add_demo(line=False)
command = import_module(name + ".command.parser")
line = os.path.join(os.path.dirname(addon.__file__), "assets", "demo_line.flac")
output = os.path.join(folder, "out.blend")
report["bake"] = command.main(
    ["bake", "--audio", line, "--object", "Mouthpiece Head", "--armature", "Mouthpiece Rig", "--bone", "head",
     "--reduce", "0", "--output", output]
)
report["again"] = command.main(["bake", "--audio", line, "--object", "Mouthpiece Head", "--output", output])
report["animate"] = command.main(["animate", line, "-o", os.path.join(folder, "take.npz")])
report["wrong"] = command.main(["bake"])
picture = os.path.join(folder, "signed.png")
Path(picture).write_bytes(png.encoded(__import__("numpy").zeros((9, 9, 4), "uint8")))
known = facts.Facts(Consent("nobody is shown in this"), facts.software(), facts.now())
credentials.Seal(certificates.own_identity(Path(folder) / "settings")).put(Path(picture), known)
report["verify"] = command.main(["verify", picture])
film = os.path.join(folder, "out.mp4")
os.environ["MOUTHPIECE_SETTINGS"] = os.path.join(folder, "settings")
report["portrait"] = command.main(
    ["portrait", "--image", photo, "--take", os.path.join(folder, "take.npz"), "--audio", line, "--fps", "4",
     "-o", film, "--consent", "NASA's official portrait, in the public domain, used to test this program"]
)
report["verify_film"] = command.main(["verify", film])
key = bpy.data.objects["Mouthpiece Head"].data.shape_keys
report["keys"] = [len(c.keyframe_points) for c in key.animation_data.action.layers[0].strips[0].channelbags[0].fcurves]
bpy.ops.preferences.addon_disable(module=name)
report["left"] = [t for t in dir(bpy.types) if t.startswith("MOUTHPIECE_")]
print("REPORT " + json.dumps(report))
sys.stdout.flush()
os._exit(0)
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    if os.environ.get("MOUTHPIECE_ZIP"):
        return Path(os.environ["MOUTHPIECE_ZIP"])
    folder = tmp_path_factory.mktemp("zip")
    tag = f"{sys.version_info.major}.{sys.version_info.minor}"
    build = [sys.executable, str(ROOT / "build.py"), "zip", "--python", tag, "--out", str(folder)]
    subprocess.run(build, check=True, timeout=900, capture_output=True)
    return next(folder.glob("*.zip"))


@pytest.fixture(scope="module")
def report(package, tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    settings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    settings["BLENDER_USER_RESOURCES"] = str(folder / "profile")
    (folder / "profile").mkdir()
    photo = ROOT / "demo" / "samples" / "astronaut.jpg"
    command = [sys.executable, "-c", PROGRAM, str(package), str(folder), str(photo)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=folder, env=settings)
    lines = [line for line in done.stdout.splitlines() if line.startswith("REPORT ")]
    assert lines, done.stdout + done.stderr
    found = json.loads(lines[0].removeprefix("REPORT "))
    print(f"register() took {found['register_ms']} ms")
    return found | {"folder": folder}


def test_packages_are_those_of_the_zip(report):
    assert ["profile" in home for home in report["homes"]] == [True] * 6, report["homes"]


def test_a_bake_succeeds_from_end_to_end(report):
    assert report["bake"] == 0
    assert len(report["keys"]) == 62 and min(report["keys"]) > 100
    assert (report["folder"] / "out.blend").stat().st_size > 100_000


def test_exit_codes_are_true(report):
    assert (report["again"], report["wrong"]) == (1, 2)


def test_a_take_is_made_without_the_package_that_reads_files(report):
    assert report["animate"] == 0
    assert (report["folder"] / "take.npz").is_file()


def test_content_credentials_are_made_and_checked(report):
    assert report["verify"] == 0


def test_a_portrait_is_rendered_signed_and_checked(report):
    assert (report["portrait"], report["verify_film"]) == (0, 0)
    assert (report["folder"] / "out.mp4").stat().st_size > 10_000


def test_disabling_leaves_nothing(report):
    assert report["left"] == []

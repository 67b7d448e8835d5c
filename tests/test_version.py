"""One version, written by hand in one place."""

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import mouthpiece

ROOT = Path(__file__).resolve().parent.parent
VERSION = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))["version"]


def test_the_package_has_the_manifests_version():
    assert metadata.version("mouthpiece") == VERSION
    assert mouthpiece.__version__ == VERSION


def test_the_changelog_begins_with_it():
    newest = re.search(r"(?m)^## \[?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    assert newest is not None
    assert newest[1] == VERSION


def test_the_command_line_says_it():
    done = subprocess.run([sys.executable, "-m", "mouthpiece", "--version"], capture_output=True, text=True, check=True)
    assert VERSION in done.stdout


def test_no_other_file_writes_it():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert "version" in tomllib.loads(text)["project"]["dynamic"]
    for path in [ROOT / "build.py", *(ROOT / "core").rglob("*.py"), *(ROOT / "addon").rglob("*.py")]:
        # docstrings may speak of what released versions did
        assert f'"{VERSION}"' not in path.read_text(encoding="utf-8"), path

"""The virtual environments beside the checkout, made when needed and kept until what goes into them changes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import threading
import tomllib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .extension import THIRD_PARTY
from .processes import ROOT, BuildError, check, execute, output, say

#: What the core needs besides when it reads sound files itself, outside Blender (and cffi, which the extension brings).
READS_FILES = ("soundfile", "pycparser", "typing_extensions")
#: Debian's names of the libraries that the bpy module and its Workbench renderer load.
DEBIAN_LIBRARIES = (
    "libegl1 libegl-mesa0 libgl1 libgl1-mesa-dri libice6 libsm6 libx11-6 libxext6 libxfixes3 libxi6 libxkbcommon0 "
    "libxrender1 libxxf86vm1"
)


@dataclass(frozen=True)
class Environment:
    """A virtual environment: folder, Python version, packages, and packages kept apart in `core-packages`."""

    folder: str
    python: str
    packages: tuple[str, ...]
    apart: tuple[str, ...] = ()

    @property
    def executable(self) -> Path:
        """The environment's interpreter."""
        return ROOT / self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def core_path(self) -> str:
        """PYTHONPATH of the checkout and of what the core needs; the installed extension is tested without it."""
        return os.pathsep.join(str(path) for path in (ROOT / "core", ROOT, ROOT / self.folder / "core-packages"))


_CORE = (*(f"{name}=={version}" for name, version in THIRD_PARTY.items()), *READS_FILES)
BPY45 = Environment(".venv", "3.11", ("bpy==4.5.15", "numpy<2", "openjd-cli>=0.8", "pytest"), _CORE)
BPY52 = Environment(".venv-bpy52", "3.13", ("bpy==5.2.3", "openjd-cli>=0.8", "pytest"), _CORE)
BPY = {"4.5": BPY45, "5.2": BPY52}
#: The tables of pyproject.toml that decide what an editable checkout's environment holds.
_INSTALLED = ("build-system", "project")
#: One at a time makes an environment; by folder.
_making: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


def find_python(version: str) -> str | None:
    """Return an interpreter of the given `major.minor` version, or None."""
    if f"{sys.version_info.major}.{sys.version_info.minor}" == version:
        # Of a virtual environment, the Python it was made with: it may be about to be made anew.
        return str(getattr(sys, "_base_executable", None) or sys.executable)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    installed = sorted((pyenv / "versions").glob(f"{version}.*/bin/python"))
    candidates = [[f"python{version}"], *([str(path)] for path in installed), ["py", f"-{version}"]]
    found = output(["uv", "python", "find", version])
    if found:
        candidates.append([found.strip()])
    for candidate in candidates:
        answer = output([*candidate, "-c", "import sys; print(sys.executable, *sys.version_info[:2], sep='\\n')"])
        if answer and answer.split("\n")[1:3] == version.split("."):
            return answer.split("\n")[0]
    return None


def dev(training: bool = False) -> Environment:
    """Return the environment of the pure ring and of lint: this interpreter, the checkout and its developer extras."""
    extras = "dev,train" if training else "dev"
    folder = ".venv-train" if training else ".venv-dev"
    return Environment(folder, f"{sys.version_info.major}.{sys.version_info.minor}", ("--editable", f".[{extras}]"))


def fingerprint(environment: Environment) -> str:
    """Return a hash of all that decides what is in the environment."""
    digest = hashlib.sha256(f"{environment} {ROOT}".encode())
    if "--editable" in environment.packages:
        project = pyproject()
        digest.update(json.dumps([project[table] for table in _INSTALLED] + [project["tool"]["hatch"]]).encode())
        digest.update((ROOT / "blender_manifest.toml").read_bytes())
    return digest.hexdigest()


def pyproject() -> dict[str, Any]:
    """Return pyproject.toml as it is read."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def stands(environment: Environment) -> bool:
    """Return whether the environment is there with exactly its packages."""
    marker = ROOT / environment.folder / "mouthpiece-stamp"
    there = marker.is_file() and environment.executable.exists()
    return there and marker.read_text() == fingerprint(environment)


def tools() -> Environment:
    """Return an environment with the developer extras: training's, which has them as well, if it stands."""
    return dev(training=True) if stands(dev(training=True)) else dev()


def make(folder: Path, marker: Path, python: str) -> None:
    """Make an empty environment in place of one made earlier; a folder without our marker is somebody else's."""
    if folder.exists() and not marker.is_file():
        raise BuildError(f"'{folder}' exists and was not made by build.py. Move it away, or delete it.")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    marker.touch()
    check(
        [python, "-m", "venv", folder],
        "The environment could not be made. On Debian and Ubuntu: apt-get install python3-venv",
    )


def prepare(environment: Environment) -> Path:
    """Make the environment, unless it stands already with exactly these packages; return its interpreter."""
    with _making[environment.folder]:
        if not stands(environment):
            install(environment)
    return environment.executable


def install(environment: Environment) -> None:
    """Make the environment, or bring one of the checkout's up to date, and note what it was made of."""
    folder = ROOT / environment.folder
    if folder.is_symlink():
        raise BuildError(f"'{folder}' is a link: packages would be installed into another folder. Take the link away.")
    marker, stamp = folder / "mouthpiece-stamp", fingerprint(environment)
    python = find_python(environment.python)
    if python is None:
        raise BuildError(
            f"Python {environment.python}, needed for {environment.packages[0]}, was not found: install it."
        )
    say(f"Setting up {environment.folder} with Python {environment.python}")
    # The editable checkout's environment is only brought up to date: its packages rarely change, the project often.
    if not ("--editable" in environment.packages and environment.executable.exists() and marker.is_file()):
        make(folder, marker, python)
    pip: list[str | Path] = [environment.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # Compiled is what is imported, when it is: to compile all of torch takes longer than to install it.
    pip += ["--no-input", "--no-compile"]
    failure = f"Packages for {environment.folder} could not be installed; see pip's message above."
    if environment == dev(training=True) and sys.platform == "linux":
        install_torch(pip)
    check([*pip, *environment.packages], failure)
    if environment.apart:
        check([*pip, "--no-deps", "--target", folder / "core-packages", *environment.apart], failure)
    marker.write_text(stamp)


def install_torch(pip: Sequence[str | Path]) -> None:
    """Install torch's CPU build where pip's own configuration offers it; elsewhere the ordinary build comes later."""
    required = next(
        one for one in pyproject()["project"]["optional-dependencies"]["train"] if one.startswith("torch==")
    )
    if execute([*pip, f"{required}+cpu"]) != 0:
        say(
            f"pip is offered no CPU build of {required}: the ordinary build follows, on Linux gigabytes with CUDA.\n"
            "CONTRIBUTING.md says how to offer pip the CPU build."
        )


def prepare_bpy(environment: Environment) -> Path:
    """Make an environment with bpy and make sure, once, that it can be imported on this machine."""
    python = prepare(environment)
    loaded = ROOT / environment.folder / "mouthpiece-loaded"
    if loaded.is_file():
        return python
    if output([python, "-c", "import bpy, os, sys; sys.stdout.flush(); os._exit(0)"], timeout=120) is None:
        execute([python, "-c", "import bpy"], timeout=120)
        raise BuildError(
            "Blender's module cannot be loaded: a system library is missing (see above). "
            f"On Debian and Ubuntu: apt-get install {DEBIAN_LIBRARIES}"
        )
    loaded.touch()
    return python

"""The extension: one zip per platform and Blender line, staged, built and validated."""

from __future__ import annotations

import platform
import re
import shutil
import sysconfig
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import guide
from .processes import BUILD, ROOT, BuildError, check
from .wheels import slimmed

WHEELS = ROOT / ".cache" / "wheels"
#: Largest zip allowed, in bytes.
ZIP_LIMIT = 110_000_000
#: Compiled packages the extension brings along; Blender has its own numpy. Seen to run with numpy 1.26 to 2.5.
#: c2pa-python 0.38.0 is the newest that is there for every platform. cryptography's compiled part does not load without
#: cffi's; pycparser, which cffi names, is not needed for that. Neither is slimmed: nothing large in them is unused,
#: and other extensions, with whom Blender shares wheels, may use more of cffi.
THIRD_PARTY = {
    "c2pa-python": "0.38.0",
    "cffi": "2.1.1",
    "cryptography": "50.0.2",
    "espeakng-loader": "0.2.4",
    "onnxruntime": "1.32.0",
    "scipy": "1.17.1",
}
#: Platform and package -> version, where that of THIRD_PARTY has no wheel: cryptography left Windows on ARM out from
#: 46.0.4 on.
OLDER = {("windows-arm64", "cryptography"): "46.0.3"}


@dataclass(frozen=True)
class BlenderLine:
    """A range of Blender versions that shares one Python."""

    label: str
    minimum: str
    maximum: str | None


#: Python tag -> the Blender line it belongs to. 3.14 is what Linux distributions build Blender 5.2 with.
LINES = {
    "3.11": BlenderLine("blender-4.5", "4.5.0", "5.1.0"),
    "3.13": BlenderLine("blender-5.1", "5.1.0", None),
    "3.14": BlenderLine("blender-5.1-py314", "5.1.0", None),
}
#: Blender's platform name -> wheel platform tags, newest first.
PLATFORMS = {
    "linux-x64": ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64"),
    "windows-x64": ("win_amd64",),
    "windows-arm64": ("win_arm64",),
    "macos-arm64": ("macosx_14_0_arm64",),
}


def manifest() -> dict[str, object]:
    """Return the manifest as Blender reads it."""
    return tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))


def staged_manifest(text: str, line: BlenderLine, target: str, wheels: Sequence[str]) -> str:
    """Return the manifest `text` of one zip: with its wheels, its platform and its range of Blender versions."""
    lines = [f'blender_version_min = "{line.minimum}"']
    if line.maximum:
        lines.append(f'blender_version_max = "{line.maximum}"')
    lines.append(f'platforms = ["{target}"]')
    lines.append("wheels = [" + ", ".join(f'"./wheels/{name}"' for name in sorted(wheels)) + "]")
    staged, count = re.subn(r"(?m)^blender_version_min = .*$", "\n".join(lines), text)
    if count != 1:
        raise BuildError("blender_manifest.toml must name blender_version_min exactly once.")
    return staged


def zip_name(version: str, target: str, python: str) -> str:
    """Return the file name of a zip."""
    return f"mouthpiece-{version}-{LINES[python].label}-{target}.zip"


def host_platform() -> str:
    """Return Blender's name of this machine's platform."""
    system = {"Linux": "linux", "Windows": "windows", "Darwin": "macos"}.get(platform.system(), platform.system())
    machine = "arm64" if "arm" in sysconfig.get_platform() or "aarch64" in sysconfig.get_platform() else "x64"
    name = f"{system}-{machine}"
    if name not in PLATFORMS:
        raise BuildError(f"There are no wheels for {name}. Platforms: {', '.join(PLATFORMS)}.")
    return name


def third_party_wheel(python: Path, package: str, target: str, tag: str) -> Path:
    """Return the wheel of a compiled package for a platform and Python, downloaded and slimmed once."""
    folder, version = WHEELS / f"{target}-{tag}", OLDER.get((target, package), THIRD_PARTY[package])
    pattern = f"{package.replace('-', '_')}-{version}-*.whl"
    if not list(folder.glob(pattern)):
        tags = [word for name in PLATFORMS[target] for word in ("--platform", name)]
        where: list[str | Path] = [
            *tags,
            "--python-version",
            tag,
            "--dest",
            folder,
            f"{package}=={version}",
        ]
        fetch: list[str | Path] = [
            python,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
        ]
        check([*fetch, "--only-binary=:all:", *where], f"No wheel of {package} for {target}, Python {tag}.")
    return slimmed(next(folder.glob(pattern)), folder / "slim")


def core_wheel(python: Path) -> Path:
    """Return a fresh wheel of the core."""
    folder = BUILD / "wheel"
    shutil.rmtree(folder, ignore_errors=True)
    wheel: list[str | Path] = [python, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    check([*wheel, "--wheel-dir", folder, "."], "The wheel of the core could not be built; see the message above.")
    return next(folder.glob("mouthpiece-*.whl"))


def stage(target: str, tag: str, wheels: Sequence[Path]) -> Path:
    """Lay out one zip's contents in a folder of its own; no tracked file is touched."""
    folder = BUILD / "stage" / f"{target}-{tag}"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "addon", folder, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    shutil.copy2(ROOT / "LICENSE", folder)
    (folder / "assets" / "guide.html").write_text(guide.page(str(manifest()["version"])), encoding="utf-8")
    (folder / "wheels").mkdir()
    for wheel in wheels:
        shutil.copy2(wheel, folder / "wheels")
    text = (ROOT / "blender_manifest.toml").read_text(encoding="utf-8")
    staged = staged_manifest(text, LINES[tag], target, [wheel.name for wheel in wheels])
    (folder / "blender_manifest.toml").write_text(staged, encoding="utf-8")
    return folder


def build_zips(targets: Sequence[str], tags: Sequence[str], out: Path, python: Path) -> list[Path]:
    """Build and validate the zips of every platform and Python asked for; return their paths.

    `python` is the interpreter of an environment with the bpy module: its Blender brings the extension tool.
    """
    tools = sorted(python.parent.parent.rglob("bl_pkg/cli/blender_ext.py"))
    if not tools:
        raise BuildError(f"Blender's extension tool was not found beside {python}.")
    unknown = [tag for tag in tags if tag not in LINES]
    if unknown:
        raise BuildError(f"No Blender line uses Python {unknown[0]}. Known: {', '.join(LINES)}.")
    out.mkdir(parents=True, exist_ok=True)
    core, version = core_wheel(python), str(manifest()["version"])
    built = []
    for tag in tags:
        for target in targets:
            wheels = [core, *(third_party_wheel(python, name, target, tag) for name in THIRD_PARTY)]
            package = out / zip_name(version, target, tag)
            arguments: list[str | Path] = ["--source-dir", stage(target, tag, wheels), "--output-filepath", package]
            check([python, tools[0], "build", *arguments], f"{package.name} could not be built.")
            check([python, tools[0], "validate", package], f"{package.name} is not a valid extension.")
            built.append(package)
    return built

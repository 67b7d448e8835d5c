"""The rings of tests, from pure Python outwards to a real Blender."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from .environments import BPY, BPY45, dev, find_python, prepare, prepare_bpy
from .extension import build_zips, host_platform
from .processes import BUILD, BuildError, execute, output


@dataclass(frozen=True)
class Outcome:
    """How a ring went: its name, whether it is fine, and a few words."""

    ring: str
    fine: bool
    words: str


def counted(report: Path) -> tuple[int, str]:
    """Return how many tests passed and the counts in words, from pytest's XML report."""
    if not report.is_file():
        return 0, "no report: the run died"
    suite = ElementTree.parse(report).getroot().find("testsuite")  # noqa: S314  # pytest wrote it a moment ago
    if suite is None:
        return 0, "empty report"
    total, *bad = (int(suite.get(key, "0")) for key in ("tests", "failures", "errors", "skipped"))
    passed = total - sum(bad)
    return (
        passed,
        f"{passed} passed, {bad[0] + bad[1]} failed, {bad[2]} skipped in {float(suite.get('time', '0')):.0f} s",
    )


def run_pytest(ring: str, python: Path, arguments: Sequence[str | Path], settings: Mapping[str, str]) -> Outcome:
    """Run pytest under a hard time limit; a ring in which nothing passed has failed."""
    print(f"\n=== {ring} ===", flush=True)
    report = BUILD / "reports" / f"{re.sub(r'[^a-z0-9]+', '-', ring.lower())}.xml"
    report.unlink(missing_ok=True)
    command = [python, "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={report}", *arguments]
    code = execute(command, settings=settings, timeout=1500)
    passed, words = counted(report)
    return Outcome(ring, code == 0 and passed > 0, words if code in (0, 1) else f"{words}; exit code {code}")


def ring_pure(options: argparse.Namespace, extra: list[str]) -> Iterator[Outcome]:
    """Run tests/ without Blender; training's tests, which need torch, only if asked for."""
    without = [] if options.training else ["--ignore-glob=*/test_training_*.py"]
    yield run_pytest("pure", prepare(dev(options.training)), ["tests", *without, *extra], {})
    if not options.training:
        yield Outcome("training", True, "left out: it needs torch; --training installs that")


def _bpy_versions(options: argparse.Namespace) -> tuple[list[str], list[Outcome]]:
    """Return the Blender versions to test with, and a line for each that is left out."""
    if options.bpy in BPY:
        return [options.bpy], []
    wanted, left_out = [], []
    for version, environment in BPY.items():
        if find_python(environment.python):
            wanted.append(version)
        else:
            words = f"left out: no Python {environment.python} on this machine"
            left_out.append(Outcome(f"Blender {version}", options.bpy is None, words))
    return wanted, left_out


def ring_bpy(options: argparse.Namespace, extra: list[str]) -> Iterator[Outcome]:
    """Run blender_tests/ in the bpy modules."""
    versions, left_out = _bpy_versions(options)
    yield from left_out
    outer = [f"--ignore=blender_tests/test_{name}.py" for name in ("installed_zip", "real_blender")]
    for version in versions:
        settings = {"PYTHONPATH": BPY[version].core_path}
        yield run_pytest(f"bpy {version}", prepare_bpy(BPY[version]), ["blender_tests", *outer, *extra], settings)


def ring_zip(options: argparse.Namespace, extra: list[str]) -> Iterator[Outcome]:
    """Build the zip for this machine and test it installed, for each Blender line."""
    for version in _bpy_versions(options)[0]:
        python = prepare_bpy(BPY[version])
        package = build_zips([host_platform()], [BPY[version].python], BUILD / "zips", python)[0]
        settings = {"MOUTHPIECE_ZIP": str(package), "PYTHONPATH": ""}
        arguments = ["-o", "pythonpath=", "blender_tests/test_installed_zip.py", *extra]
        yield run_pytest(f"zip {version}", python, arguments, settings)


def blenders_python(blender: str) -> str:
    """Return the `major.minor` version of a Blender's own Python."""
    mark = "mouthpiece-python"
    probe = f"import sys; print('{mark}', '%d.%d' % sys.version_info[:2])"
    said = output([blender, "-b", "--factory-startup", "--python-expr", probe], 120) or ""
    answer = re.search(mark + r" (\d+\.\d+)", said)
    if answer is None:
        raise BuildError(f"'{blender}' does not start as Blender. Check the path.")
    return answer[1]


def ring_real(options: argparse.Namespace, extra: list[str]) -> Iterator[Outcome]:
    """Build a zip for the Python of a real Blender and test it there."""
    blender = options.blender or os.environ.get("BLENDER")
    if not blender:
        yield Outcome("real Blender", options.ring != "real", "left out: no --blender PATH and no BLENDER=PATH")
        return
    python = prepare_bpy(BPY45)
    package = build_zips([host_platform()], [blenders_python(blender)], BUILD / "zips", python)[0]
    settings = {"BLENDER": str(Path(blender).resolve()), "MOUTHPIECE_ZIP": str(package), "PYTHONPATH": ""}
    arguments = ["-o", "pythonpath=", "blender_tests/test_real_blender.py", *extra]
    yield run_pytest("real Blender", python, arguments, settings)


RINGS = {"pure": ring_pure, "bpy": ring_bpy, "zip": ring_zip, "real": ring_real}

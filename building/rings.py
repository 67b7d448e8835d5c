"""The rings of tests, from pure Python outwards to a real Blender, each as jobs that can be done side by side."""

from __future__ import annotations

import argparse
import os
import re
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

from .environments import BPY, BPY45, Environment, dev, find_python, prepare, prepare_bpy, stands, tools
from .extension import build_zips, host_platform
from .processes import BUILD, ROOT, BuildError, execute, output
from .schedule import LOGS, Job, Outcome, slug

#: Where the real Blender that CI fetches is unpacked, and which Debian suite it is of.
FETCHED, SUITE = ROOT / ".cache" / "blender-sid", "sid"
#: The tests that run Blender in processes of their own.
OUTER = [f"--ignore=blender_tests/test_{name}.py" for name in ("installed_zip", "real_blender")]
#: Where the fuzzer puts an input of each kind of fault.
FOUND = BUILD / "fuzz"
#: What of blender_tests/ runs in one process if several can run side by side: name -> pytest's arguments.
SHARES: dict[str, list[str]] = {
    "": ["blender_tests", *OUTER, "--ignore-glob=*/test_life_*.py"],
    "life": [str(path.relative_to(ROOT)) for path in sorted((ROOT / "blender_tests").glob("test_life_*.py"))],
}
#: Seconds a job takes on one core, roughly: what takes longest begins first.
SECONDS = {
    "pure": 250.0,
    "training": 140.0,
    "fuzz": 65.0,
    "bpy 4.5": 400.0,
    "bpy 4.5 life": 160.0,
    "bpy 5.2": 410.0,
    "bpy 5.2 life": 85.0,
    "zip 4.5": 25.0,
    "zip 5.2": 20.0,
    "real Blender": 80.0,
}
#: Seconds of a job that has not been measured.
_UNKNOWN = 100.0
#: Two zips are never built at once: they share the wheel of the core.
_zipping = threading.Lock()


def counted(report: Path) -> tuple[tuple[int, int, int], str]:
    """Return how many tests passed, failed and were skipped, and the same in words, from pytest's XML report."""
    if not report.is_file():
        return (0, 0, 0), "no report: the run died"
    try:
        suite = ElementTree.parse(report).getroot().find("testsuite")  # noqa: S314  # pytest wrote it a moment ago
    except ElementTree.ParseError:
        suite = None
    if suite is None:
        return (0, 0, 0), "empty report"
    total, failures, errors, skipped = (int(suite.get(key, "0")) for key in ("tests", "failures", "errors", "skipped"))
    failed, passed = failures + errors, total - failures - errors - skipped
    words = f"{passed} passed, {failed} failed, {skipped} skipped in {float(suite.get('time', '0')):.0f} s"
    return (passed, failed, skipped), words


def run_pytest(ring: str, python: Path, arguments: Sequence[str | Path], settings: Mapping[str, str]) -> Outcome:
    """Run pytest under a hard time limit; a ring in which nothing passed has failed."""
    LOGS.mkdir(parents=True, exist_ok=True)
    report = LOGS / f"{slug(ring)}.xml"
    report.unlink(missing_ok=True)
    command = [python, "-m", "pytest", "-p", "no:cacheprovider", "--durations=25", f"--junitxml={report}", *arguments]
    code = execute(command, settings=settings, timeout=1500)
    counts, words = counted(report)
    return Outcome(ring, code == 0 and counts[0] > 0, words if code in (0, 1) else f"{words}; exit code {code}", counts)


def jobs(options: argparse.Namespace, shared: bool) -> list[Job]:
    """Return the jobs of the chosen rings, from the innermost outwards; `shared`: a ring may be split."""
    found: list[Job] = []
    for name, ring in RINGS.items():
        if options.ring in (None, name):
            found += ring(options, shared)
    return [*environments(found), *found]


def environments(wanted: Sequence[Job]) -> list[Job]:
    """Return the jobs that make what the wanted ones wait for, each environment once."""
    names = {name for job in wanted for name in job.after}
    return [job for job in (_environment(one) for one in (*BPY.values(), dev(), dev(True))) if job.name in names]


def _environment(environment: Environment) -> Job:
    """Return the job that makes an environment."""

    def make() -> Outcome:
        (prepare_bpy if environment in BPY.values() else prepare)(environment)
        return Outcome(environment.folder, True, "stands")

    seconds = 0.5 if stands(environment) else 40.0
    return Job(environment.folder, make, seconds=seconds, aside=True, quiet=True)  # pip waits for network and disk


def pytest_job(
    ring: str, environment: Environment, arguments: Sequence[str], settings: Mapping[str, str] | None = None
) -> Job:
    """Return the job that runs pytest in an environment."""

    def run() -> Outcome:
        return run_pytest(ring, environment.executable, arguments, settings or {})

    return Job(ring, run, after=(environment.folder,), seconds=SECONDS.get(ring, _UNKNOWN))


def tests_of(folder: str, arguments: Sequence[str]) -> list[str]:
    """Return what pytest is given: all of `folder`, or only the files and tests that its `arguments` name."""
    named = [word.partition("::")[0] for word in arguments if not word.startswith("-")]
    names_tests = any("/" in word or word.endswith(".py") for word in named)
    return [*([] if names_tests else [folder]), *arguments]


def left_out(ring: str, fine: bool, words: str) -> Job:
    """Return a job that only says why a ring is left out; if it was asked for, that is a failure."""
    return Job(ring, lambda: Outcome(ring, fine, f"left out: {words}"), seconds=0.0)


def ring_pure(options: argparse.Namespace, shared: bool) -> list[Job]:
    """Run tests/ without Blender; training's tests, which need torch, only if asked for."""
    training = "--ignore-glob=*/test_training_*.py"
    if not options.training:
        found = [pytest_job("pure", tools(), [training, *tests_of("tests", options.pytest)])]
        return [*found, left_out("training", True, "it needs torch; --training installs that")]
    if not shared:
        return [pytest_job("pure", dev(True), tests_of("tests", options.pytest))]
    files = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "tests").glob("test_training_*.py"))]
    return [pytest_job("pure", dev(True), ["tests", training]), pytest_job("training", dev(True), files)]


def bpy_versions(options: argparse.Namespace) -> tuple[list[str], list[Job]]:
    """Return the Blender versions to test with, and a job for each that is left out, which says so."""
    if options.bpy in BPY:
        return [options.bpy], []
    wanted, missing = [], []
    for version, environment in BPY.items():
        if stands(environment) or find_python(environment.python):
            wanted.append(version)
        else:
            words = f"no Python {environment.python} on this machine"
            missing.append(left_out(f"Blender {version}", options.bpy is None, words))
    return wanted, missing


def ring_bpy(options: argparse.Namespace, shared: bool) -> list[Job]:
    """Run blender_tests/ in the bpy modules."""
    versions, found = bpy_versions(options)
    shares = SHARES if shared else {"": [*OUTER, *tests_of("blender_tests", options.pytest)]}
    full = ["--full"] if options.full else []
    for version in versions:
        settings = {"PYTHONPATH": BPY[version].core_path}
        for share, arguments in shares.items():
            name = f"bpy {version} {share}".rstrip()
            found.append(pytest_job(name, BPY[version], [*arguments, *full], settings))
    return found


def ring_zip(options: argparse.Namespace, shared: bool) -> list[Job]:
    """Build the zip for this machine and test it installed, for each Blender line."""
    return [_zip_job(version, options.pytest) for version in bpy_versions(options)[0]]


def _zip_job(version: str, extra: Sequence[str]) -> Job:
    """Return the job that tests the zip of a Blender line."""

    def run() -> Outcome:
        settings = {"MOUTHPIECE_ZIP": str(package(BPY[version].python)), "PYTHONPATH": ""}
        arguments = ["-o", "pythonpath=", "blender_tests/test_installed_zip.py", *extra]
        return run_pytest(name, BPY[version].executable, arguments, settings)

    name = f"zip {version}"
    return Job(name, run, after=tuple({BPY45.folder, BPY[version].folder}), seconds=SECONDS.get(name, _UNKNOWN))


def package(tag: str) -> Path:
    """Return the zip of this checkout for this machine and a Python, built once."""
    with _zipping:
        return _built(tag)


@cache
def _built(tag: str) -> Path:
    """Build the zip for this machine and a Python."""
    return build_zips([host_platform()], [tag], BUILD / "zips", prepare_bpy(BPY45))[0]


def blenders_python(blender: str) -> str:
    """Return the `major.minor` version of a Blender's own Python."""
    mark = "mouthpiece-python"
    probe = f"import sys; print('{mark}', '%d.%d' % sys.version_info[:2])"
    said = output([blender, "-b", "--factory-startup", "--python-expr", probe], 120) or ""
    answer = re.search(mark + r" (\d+\.\d+)", said)
    if answer is None:
        raise BuildError(f"'{blender}' does not start as Blender. Check the path.")
    return answer[1]


def ring_real(options: argparse.Namespace, shared: bool) -> list[Job]:
    """Build a zip for the Python of a real Blender and test it there."""
    name, fetch = "real Blender", "fetch Blender"
    blender = options.blender or os.environ.get("BLENDER")
    if blender is None and not options.ci:
        return [left_out(name, options.ring != "real", "no --blender PATH and no BLENDER=PATH")]

    def run() -> Outcome:
        if blender is None and not (FETCHED / ".complete").is_file():
            return Outcome(name, True, "left out: no Blender could be fetched")
        program = blender or str(FETCHED / "blender")
        settings = {"BLENDER": str(Path(program).resolve()), "PYTHONPATH": ""}
        settings["MOUTHPIECE_ZIP"] = str(package(blenders_python(program)))
        arguments = ["-o", "pythonpath=", "blender_tests/test_real_blender.py", *options.pytest]
        return run_pytest(name, BPY45.executable, arguments, settings)

    fetched = [] if blender else [Job(fetch, fetch_blender, seconds=90.0, aside=True, quiet=True)]
    after = (BPY45.folder, *(job.name for job in fetched))
    return [*fetched, Job(name, run, after=after, seconds=SECONDS.get(name, _UNKNOWN))]


def fetch_blender() -> Outcome:
    """Fetch a real Blender as Debian packages; where that cannot be, its ring is left out."""
    code = execute([ROOT / "blender_tests" / "get_blender.sh", SUITE, FETCHED], timeout=600)
    return Outcome("fetch Blender", True, "fetched" if code == 0 else f"none could be fetched: exit code {code}")


def ring_fuzz(options: argparse.Namespace, shared: bool) -> list[Job]:
    """Try mutated files on every reader for a minute: in CI, or if asked for."""
    name = "fuzz"
    if not options.ci and options.ring != name:
        return [left_out(name, True, "--ring fuzz tries mutated files for a minute")]
    environment = dev(True) if options.training or options.ci else tools()

    def run() -> Outcome:
        LOGS.mkdir(parents=True, exist_ok=True)
        said = LOGS / "fuzz.txt"
        said.unlink(missing_ok=True)
        command: list[str | Path] = [
            environment.executable,
            "-m",
            "tests.fuzz",
            "--jobs",
            "1",
            "--summary",
            said,
            "--keep",
            FOUND,
        ]
        code = execute(command, settings={"PYTHONPATH": f"core{os.pathsep}."}, timeout=600)
        return Outcome(name, code == 0, said.read_text().strip() if said.is_file() else f"exit code {code}")

    return [Job(name, run, after=(environment.folder,), seconds=SECONDS[name])]


RINGS = {"pure": ring_pure, "fuzz": ring_fuzz, "bpy": ring_bpy, "zip": ring_zip, "real": ring_real}

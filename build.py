"""One front door to the project, standard library only: demo, samples, screenshots, test, zip, lint, bench.

    python build.py demo [--audio FILE] [--out DIR]     a spoken line on the bundled head: take, .blend and preview
    python build.py samples [NAME …] [--out DIR]        sample characters of every kind, animated, with contact sheets
    python build.py screenshots --blender PATH [NAME …] the panel in a real Blender, on a virtual screen
    python build.py test [--ring RING] [-- PYTEST …]    the rings of tests
    python build.py zip [--all]                         the extension, one zip per platform and Blender line
    python build.py lint                                ruff and mypy
    python build.py bench                               the times and sizes the project promises

Environments are made beside this file (`.venv`, `.venv-bpy52`, `.venv-dev`, `.venv-train`) and kept until what goes
into them changes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from building import rings
from building.environments import BPY, BPY45, DEBIAN_LIBRARIES, Environment, dev, prepare, prepare_bpy, tools
from building.extension import LINES, PLATFORMS, ZIP_LIMIT, build_zips, host_platform
from building.processes import BUILD, ROOT, BuildError, check, execute
from building.rings import RINGS, blenders_python
from building.schedule import Job, Outcome, one_by_one, side_by_side, table


def demo(options: argparse.Namespace) -> int:
    """Bake a line on the bundled head, render a preview, and say where everything is."""
    started = time.monotonic()
    out = Path(options.out).resolve()
    audio = Path(options.audio).resolve() if options.audio else ROOT / "addon" / "assets" / "demo_line.flac"
    if not audio.is_file():
        raise BuildError(f"There is no sound at '{audio}'. Check the path.")
    python = prepare_bpy(BPY45)
    settings = {"PYTHONPATH": BPY45.core_path}
    blend, preview = out / "head.blend", out / "preview.mp4"
    bake: list[str | Path] = [python, ROOT / "demo" / "bake.py", "--audio", audio, "--out", out]
    check(bake, "The demo could not be baked; see the message above.", settings=settings, timeout=900)
    preview.unlink(missing_ok=True)
    render: list[str | Path] = [python, ROOT / "demo" / "render.py", blend, preview]
    code = 0 if options.no_preview else execute(render, settings=settings, timeout=1800)
    print(f"\nTake     {out / 'take.npz'}\nScene    {blend}")
    if code == 0 and not options.no_preview:
        print(f"Preview  {preview if preview.exists() else preview.with_suffix('')}")
    elif code:
        print(
            "Preview  none: Workbench could not render here. It needs OpenGL, by software where there is no\n"
            "         graphics card.\n"
            f"         On Debian and Ubuntu: apt-get install {DEBIAN_LIBRARIES}"
        )
    print(f"Done in {time.monotonic() - started:.0f} s")
    return 0


def sample_names() -> tuple[str, ...]:
    """Return the names of the sample characters, one module each."""
    return tuple(sorted(path.stem for path in (ROOT / "demo" / "samples").glob("[a-z]*.py")))


def samples(options: argparse.Namespace) -> int:
    """Build sample characters, each in a Blender of its own, and say where they are; fail if one could not be made."""
    known, out = sample_names(), Path(options.out).resolve()
    unknown = [name for name in options.names if name not in known]
    if unknown:
        raise BuildError(f"There is no sample '{unknown[0]}'. There are: {', '.join(known)}")
    python = prepare_bpy(BPY[options.bpy])
    settings = {"PYTHONPATH": BPY[options.bpy].core_path}
    lines, failed = [], []
    for name in options.names or known:
        made = [out / f"{name}.blend", out / f"{name}.png"]
        for path in made:
            path.unlink(missing_ok=True)
        script: list[str | Path] = [python, ROOT / "demo" / "sheets.py", name, "--out", out]
        code = execute([*script, "--frames", str(options.frames)], settings=settings, timeout=900)
        failed += [name] if code else []
        there = [str(path) for path in made if path.exists()]
        lines.append(f"{name:<16} {'FAILED ' if code else ''}{'  '.join(there) or 'left out, see above'}")
    print("\n" + "\n".join(lines))
    if failed:
        raise BuildError(
            f"Not made: {', '.join(failed)}; see the messages above. If rendering failed, Workbench needs OpenGL, by "
            f"software where there is no graphics card. On Debian and Ubuntu: apt-get install {DEBIAN_LIBRARIES}"
        )
    return 0


def screenshots(options: argparse.Namespace) -> int:
    """Build the samples and the zip, and take a picture of the panel with each sample in a real Blender."""
    if shutil.which("Xvfb") is None:
        raise BuildError("There is no Xvfb to draw on. On Debian and Ubuntu: apt-get install xvfb")
    tag = blenders_python(options.blender)
    if samples(options):
        return 1
    package = build_zips([host_platform()], [tag], BUILD / "zips", prepare_bpy(BPY45))[0]
    names = [name for name in options.names or sample_names() if (Path(options.out) / f"{name}.blend").is_file()]
    script: list[str | Path] = [sys.executable, ROOT / "demo" / "screenshots.py", "--blender", options.blender]
    script += ["--zip", package, "--samples", Path(options.out).resolve(), "--out", Path(options.images).resolve()]
    check([*script, *names], "No pictures were taken; see the message above.", timeout=60 + 240 * len(names))
    return 0


def test(options: argparse.Namespace) -> int:
    """Run the chosen rings, side by side where there are cores for it, print one table, and fail if any ring did."""
    lanes = options.jobs or (1 if options.ring else cores())
    if options.ci:
        options.training = True
    jobs = rings.jobs(options, shared=lanes > 1 and not options.pytest)
    if options.ci:
        jobs = [command_job("lint", dev(training=True), 30.0), command_job("demo", BPY45, 60.0), *jobs]
    outcomes = side_by_side(jobs, lanes) if lanes > 1 else one_by_one(jobs)
    print(f"\n{table(jobs, outcomes)}")
    return 0 if all(outcome.fine for outcome in outcomes) else 1


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def command_job(name: str, environment: Environment, seconds: float) -> Job:
    """Return the job that runs another command of this program, after its environment was made."""

    def run() -> Outcome:
        out = ["--out", str(BUILD / "demo")] if name == "demo" else []
        code = execute([sys.executable, ROOT / "build.py", name, *out])
        return Outcome(name, code == 0, "" if code == 0 else f"exit code {code}")

    return Job(name, run, after=(environment.folder,), seconds=seconds)


def zip_command(options: argparse.Namespace) -> int:
    """Build the zips, print their sizes, and fail if one is too large."""
    targets = list(PLATFORMS) if options.all else options.platform or [host_platform()]
    tags = options.python or ["3.11", "3.13"]
    built = build_zips(targets, tags, Path(options.out).resolve(), prepare(BPY45))
    print(f"\n{'zip':<60} {'MB':>6}")
    for package in built:
        print(f"{package.name:<60} {package.stat().st_size / 1e6:6.1f}")
    large = [package.name for package in built if package.stat().st_size > ZIP_LIMIT]
    if large:
        raise BuildError(f"Larger than {ZIP_LIMIT / 1e6:.0f} MB: {', '.join(large)}")
    return 0


def lint(options: argparse.Namespace) -> int:
    """Run ruff and mypy; fail if either complains."""
    python = prepare(tools())
    fix = ["--fix"] if options.fix else []
    codes = [execute([python, "-m", "ruff", "check", *fix, "."]), execute([python, "-m", "mypy"])]
    return 1 if any(codes) else 0


def bench(options: argparse.Namespace) -> int:
    """Measure what the project promises and print one table; a measurement that fails fails the command."""
    standalone, inside = prepare(tools()), prepare_bpy(BPY45)
    package = build_zips([host_platform()], ["3.11"], BUILD / "zips", inside)[0]
    runs: tuple[tuple[Path, str, list[Path], dict[str, str]], ...] = (
        (standalone, "animate_minute.py", [], {}),
        (standalone, "warp_drawing.py", [], {}),
        (standalone, "render_portrait.py", [], {}),
        (inside, "bake_keys.py", [], {"PYTHONPATH": BPY45.core_path}),
        (inside, "redial_minute.py", [], {"PYTHONPATH": BPY45.core_path}),
        (inside, "solve_minute.py", [], {"PYTHONPATH": BPY45.core_path}),
        (inside, "draw_minute.py", [], {"PYTHONPATH": BPY45.core_path}),
        (inside, "register_addon.py", [package], {"PYTHONPATH": ""}),
    )
    rows: list[dict[str, str]] = []
    for python, script, arguments, settings in runs:
        result = BUILD / f"{script}.json"
        command: list[str | Path] = [python, ROOT / "benchmarks" / script, "--json", result, *arguments]
        check(command, f"The benchmark {script} failed; see above.", settings=settings, timeout=600)
        rows += json.loads(result.read_text())
    packages = {built.name: built for built in (*(ROOT / "dist").glob("*.zip"), package)}
    for name, built in sorted(packages.items()):
        rows.append({"what": name, "value": f"{built.stat().st_size / 1e6:.1f} MB", "promise": "at most 90 MB"})
    print(f"\n{'measured':<62} {'value':>16}   promise")
    for row in rows:
        print(f"{row['what']:<62} {row['value']:>16}   {row['promise']}")
    return 0


# Command line


def add_samples(commands: Any) -> None:
    """Add the commands `samples` and `screenshots`."""
    one = commands.add_parser("samples", help="sample characters of every kind, animated, with contact sheets")
    two = commands.add_parser("screenshots", help="the panel in a real Blender on a virtual screen, with each sample")
    for command, action in ((one, samples), (two, screenshots)):
        add_sample_choices(command)
        command.set_defaults(action=action)
    two.add_argument("--blender", required=True, metavar="PATH", help="a real Blender, not the bpy module")
    two.add_argument("--images", metavar="DIR", default=str(ROOT / "docs" / "images"), help="(default: docs/images)")


def add_sample_choices(command: argparse.ArgumentParser) -> None:
    """Add which samples are built, where, and how."""
    command.add_argument("names", nargs="*", metavar="NAME", help=f"(default: all) {', '.join(sample_names())}")
    command.add_argument("--out", metavar="DIR", default=str(ROOT / "demo" / "out"), help="(default: demo/out)")
    command.add_argument("--frames", type=int, default=8, metavar="N", help="frames on a sheet (default: 8)")
    command.add_argument("--bpy", choices=tuple(BPY), default="4.5", help="Blender version (default: 4.5)")


def parser() -> argparse.ArgumentParser:
    """Return the command line's grammar."""
    root = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = root.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("demo", help="bake a spoken line on the bundled head and render a preview")
    one.add_argument("--audio", metavar="FILE", help="your own speech instead of the bundled line")
    one.add_argument(
        "--out",
        metavar="DIR",
        default=str(ROOT / "demo"),
        help="where the results go, replacing an earlier demo's (default: demo/)",
    )
    one.add_argument("--no-preview", action="store_true", help="bake only")
    one.set_defaults(action=demo)

    add_samples(commands)
    two = commands.add_parser("test", help="run the rings of tests; pytest's own arguments after --")
    two.add_argument("--ring", choices=tuple(RINGS), help="one ring only (default: all that can run here)")
    two.add_argument("--bpy", choices=(*BPY, "all"), help="Blender version; `all` fails if one cannot be had")
    two.add_argument("--blender", metavar="PATH", help="a real Blender for the ring `real` (or BLENDER=PATH)")
    two.add_argument("--training", action="store_true", help="install torch and run training's tests as well")
    two.add_argument("--full", action="store_true", help="the life of a file with all characters on every Blender")
    two.add_argument("--ci", action="store_true", help="what CI runs: --training, lint, the demo, a fetched Blender")
    two.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="how many run side by side (default: one per core; 1, shown as it goes on, with --ring)",
    )
    two.add_argument("pytest", nargs="*", metavar="PYTEST", help=argparse.SUPPRESS)
    two.set_defaults(action=test)

    three = commands.add_parser("zip", help="build and validate the extension")
    three.add_argument("--platform", action="append", choices=tuple(PLATFORMS), help="(default: this machine's)")
    three.add_argument("--python", action="append", choices=tuple(LINES), help="(default: 3.11 and 3.13)")
    three.add_argument("--all", action="store_true", help="every platform")
    three.add_argument("--out", metavar="DIR", default=str(ROOT / "dist"))
    three.set_defaults(action=zip_command)

    four = commands.add_parser("lint", help="ruff and mypy")
    four.add_argument("--fix", action="store_true", help="let ruff repair what it can")
    four.set_defaults(action=lint)

    five = commands.add_parser("bench", help="measure times and sizes")
    five.set_defaults(action=bench)
    return root


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 if all went well, 1 if not, 2 for wrong arguments."""
    options = parser().parse_args(argv)
    try:
        return int(options.action(options))
    except BuildError as error:
        print(f"\nbuild.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nbuild.py: stopped", file=sys.stderr)
        return 1


if __name__ == "__main__":
    # Told to end, as Ctrl C: whatever runs is killed first.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())

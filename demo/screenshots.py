"""Pictures of the real interface: a real Blender under Xvfb, with the built extension installed and a sample open.

    python demo/screenshots.py --blender PATH --zip FILE [NAME …] [--samples DIR] [--out DIR]

Opens each sample's scene (DIR/NAME.blend, made by `python build.py samples`), shows the Mouthpiece tab with the
sub-panels the sample names open, and saves the sidebar and the view beside it as OUT/target-NAME.png. Needs Xvfb; the
standard library is enough for the rest. `demo/interface.py` is what runs inside Blender.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: Width and height of the virtual screen, pixels: high, so that a long panel is seen whole.
SCREEN = (800, 1400)


@contextmanager
def screen(folder: Path) -> Iterator[dict[str, str]]:
    """Start a virtual screen whose pixels are in a file of ``folder``; yield the settings that point programs at it."""
    read, write = os.pipe()
    width, height = SCREEN
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{width}x{height}x24", "-fbdir", str(folder)]
    with subprocess.Popen([*command, "-nolisten", "tcp"], pass_fds=[write], stderr=subprocess.DEVNULL) as server:
        os.close(write)
        try:
            with os.fdopen(read) as answer:
                number = answer.readline().strip()
            if not number:
                raise SystemExit("Xvfb did not start.")
            yield {"DISPLAY": f":{number}", "MOUTHPIECE_SCREEN": str(folder / "Xvfb_screen0")}
        finally:
            server.terminate()


def run(command: list[str], settings: Mapping[str, str], timeout: float = 180) -> str:
    """Return what a program prints; SystemExit with all of it if it fails or hangs."""
    surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | dict(settings)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=surroundings)
    except subprocess.TimeoutExpired as hung:
        raise SystemExit(f"Blender hung: {' '.join(command)}\n{hung.stdout!r}\n{hung.stderr!r}") from hung
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def main() -> int:
    """Take the pictures; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="samples (default: every scene in --samples)")
    parser.add_argument("--blender", required=True, help="a real Blender, not the bpy module")
    parser.add_argument("--zip", type=Path, required=True, help="the built extension for its Python")
    parser.add_argument("--samples", type=Path, default=ROOT / "demo" / "out", help="(default: demo/out)")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images", help="(default: docs/images)")
    parser.add_argument("--panels", help="sub-panels shown open instead of the samples' own, with commas")
    parser.add_argument("--picture", metavar="FILE", help="name of the picture (default: target-NAME.png)")
    options = parser.parse_args()
    names = options.names or sorted(path.stem for path in options.samples.glob("*.blend"))
    absent = [name for name in names if not (options.samples / f"{name}.blend").is_file()]
    if absent or not names:
        raise SystemExit(f"'{options.samples}' has no scene of {', '.join(absent) or 'any sample'}: make it first.")
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, screen(Path(temporary)) as settings:
        # Mesa's shader cache is mapped into memory: another program that rewrites a shared one takes Blender down.
        private = {"BLENDER_USER_RESOURCES": "profile", "MESA_SHADER_CACHE_DIR": "shaders", "XDG_RUNTIME_DIR": "run"}
        profile = settings | {name: f"{temporary}/{folder}" for name, folder in private.items()}
        for folder in private.values():
            Path(temporary, folder).mkdir(mode=0o700)
        install = ["-b", "-c", "extension", "install-file", "-r", "user_default", "-e", str(options.zip.resolve())]
        run([options.blender, *install], profile)
        window = ["--window-geometry", "0", "0", *map(str, SCREEN), "--python", str(ROOT / "demo" / "interface.py")]
        for name in names:
            scene, picture = options.samples / f"{name}.blend", options.out / (options.picture or f"target-{name}.png")
            picture.unlink(missing_ok=True)
            what = [name, str(scene.resolve()), str(picture.resolve())]
            what += [] if options.panels is None else [options.panels]
            said = run([options.blender, *window, "--", *what], profile)
            if not picture.is_file():
                raise SystemExit(f"No picture of {name}.\n{said}")
            print(picture, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Kills commands that write at random moments: `python -m tests.kills --count 100`.

Nothing may be lost: every file is then as it was before or as an undisturbed run leaves it. The same command, run
again, comes to just what an undisturbed run does, and nothing of the killed one is left. `blender_tests/kills.py` does
the same with Blender's commands.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import soundfile
from mouthpiece.errors import MouthpieceError
from mouthpiece.provenance import certificates, records
from mouthpiece.provenance.verification import verified

from tests.fuzz.samples import textgrids
from tests.material import make_take, tone

ROOT = Path(__file__).resolve().parent.parent
FACE = ROOT / "demo" / "samples" / "astronaut.jpg"
CONSENT = "historical: NASA's portrait of Eileen Collins, in the public domain"
#: Seconds after which a command hangs.
PATIENCE = 300
#: What a file holds, as a text: equal texts are equal contents.
Contents = Mapping[str, str]


@dataclass(frozen=True)
class Deed:
    """A command that writes.

    Attributes
    ----------
    name : str
        What it is called in reports.
    words : function of Path to list of str
        The whole command for a folder that holds `in` and `out`.
    before : function of Path, or None
        Puts other results into the folder, which the command replaces.
    """

    name: str
    words: Callable[[Path], list[str]]
    before: Callable[[Path], None] | None = None


@dataclass
class Tally:
    """What came of one command's kills."""

    kills: int = 0
    writing: int = 0
    ended: int = 0
    lost: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Arena:
    """Where commands run: a folder of inputs to copy, how contents are read, and the settings of processes."""

    scratch: Path
    inputs: Path
    read: Callable[[Path], str]
    settings: dict[str, str]

    def folder(self, name: str, deed: Deed) -> Path:
        """Return a fresh folder with the inputs, and what there is before."""
        folder = self.scratch / name
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.inputs, folder / "in")
        (folder / "out").mkdir()
        if (self.inputs.parent / "settings").is_dir():
            shutil.copytree(self.inputs.parent / "settings", folder / "settings")
        if deed.before is not None:
            deed.before(folder)
        return folder

    def started(self, deed: Deed, folder: Path) -> subprocess.Popen[bytes]:
        """Start a command in a process group of its own."""
        settings = {**self.settings, "MOUTHPIECE_SETTINGS": str(folder / "settings")}
        with open(self.scratch / f"{folder.name}.txt", "wb") as said:
            return subprocess.Popen(
                deed.words(folder), stdout=said, stderr=said, env=settings, cwd=ROOT, start_new_session=True
            )

    def run(self, deed: Deed, folder: Path) -> float:
        """Run a command to its end; return the seconds it took."""
        began, process = time.monotonic(), self.started(deed, folder)
        if process.wait(PATIENCE):
            said = (self.scratch / f"{folder.name}.txt").read_text(errors="replace")
            raise RuntimeError(f"{deed.name} ended with {process.returncode}: {said[-2000:]}")
        return time.monotonic() - began

    def contents(self, folder: Path) -> dict[str, str]:
        """Return what is in every file of a folder, but for drafts."""
        kept = (path for path in files_in(folder) if not is_draft(path))
        # earlier versions are kept of the new scene as well, where a run was killed after it was saved
        found = {path.relative_to(folder): path for path in kept if path.suffix != ".blend1"}
        return {str(name): (bytes_of if name.parts[0] == "in" else self.read)(path) for name, path in found.items()}


def is_draft(path: Path) -> bool:
    """Tell whether a file is one that was being written, or in a folder of such."""
    return any(part.startswith(".mouthpiece-") for part in path.parts)


def files_in(folder: Path) -> list[Path]:
    """Return the files below a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


def drafts_in(folder: Path) -> list[str]:
    """Return the names of all that is left of what was being written."""
    walk = os.walk(folder)  # which does not mind what vanishes meanwhile
    return [name for _, folders, files in walk for name in (*folders, *files) if is_draft(Path(name))]


def content_of(path: Path) -> str:
    """Return what a file holds: a hash, without what differs from one run to the next (dates, signatures)."""
    if path.suffix == ".pem":
        try:
            return "a certificate" if certificates.read_identity(path, path) else ""
        except MouthpieceError:
            return "a broken certificate"
    if path.suffix in (".png", ".mp4"):
        try:
            packet = records.read(path)
            if packet is not None and packet.facts is not None:
                return f"{_vouched(path)} {replace(packet.facts, created='')}"
            return str(records.container_of(path).content_digest(path))
        except MouthpieceError:
            return f"damaged: {bytes_of(path)}"
    return bytes_of(path)


def bytes_of(path: Path) -> str:
    """Return a hash of all that is in a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _vouched(path: Path) -> str:
    found = verified(path)
    return "whole" if found.valid or found.unsigned_but_whole else f"not whole: {found.problems}"


def objections(found: Contents, before: Contents, after: Contents) -> Iterator[str]:
    """Yield what a kill has spoilt: files that are neither as before nor as after, and files that are gone.

    Files with other names may be there if they are whole and say what they are: frames, from which a film goes on.
    """
    for name, content in found.items():
        is_on_the_way = name not in before and name not in after and content.startswith("whole ")
        if not is_on_the_way and content not in (before.get(name), after.get(name)):
            yield f"{name} is neither the old one nor the new one"
    for name in before:
        if name not in found and name in after:
            yield f"{name} is gone"


def watched(process: subprocess.Popen[bytes], folder: Path, moment: float, drafts: int = 1 << 30) -> set[str]:
    """Wait for the end of a command, for so many seconds, or until so many drafts were seen; return their names."""
    began, seen = time.monotonic(), set[str]()
    while process.poll() is None and time.monotonic() - began < moment and len(seen) < drafts:
        seen.update(drafts_in(folder))
        time.sleep(0.0005)
    return seen


def killed(arena: Arena, deed: Deed, folder: Path, usual: tuple[float, int], chance: random.Random) -> str:
    """Start a command and kill it: at some time, or some milliseconds after it began some draft.

    ``usual`` are the seconds that it takes, and how many drafts it makes. Return "ended" if it was too late, "writing"
    if a draft was left, else "killed".
    """
    seconds, drafts = usual
    process = arena.started(deed, folder)
    if drafts and chance.random() < 0.6:
        watched(process, folder, PATIENCE, 1 + chance.randrange(drafts))
        time.sleep(chance.choice([0, chance.uniform(0, 0.005), chance.uniform(0, 0.05)]))
    else:
        watched(process, folder, chance.uniform(0, seconds))
    ended = process.poll() is not None
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait(PATIENCE)
    return "ended" if ended else "writing" if drafts_in(folder) else "killed"


def tried(arena: Arena, deed: Deed, count: int, seed: int) -> Tally:
    """Kill a command so many times and see what came of it."""
    tally = Tally()
    chance = random.Random(f"{deed.name} {seed}")
    folder = arena.folder(deed.name, deed)
    before = arena.contents(folder)
    seconds = arena.run(deed, folder)
    after = arena.contents(folder)
    process = arena.started(deed, arena.folder(deed.name, deed))
    drafts = len(watched(process, folder, PATIENCE))
    if process.wait(PATIENCE) or arena.contents(folder) != after:
        raise RuntimeError(f"{deed.name} does not come to the same twice: nothing could be compared")
    for number in range(count):
        folder = arena.folder(deed.name, deed)
        how = killed(arena, deed, folder, (seconds, drafts), chance)
        tally.kills += 1
        tally.writing += how == "writing"
        tally.ended += how == "ended"
        lost = list(objections(arena.contents(folder), before, after))
        arena.run(deed, folder)
        again = arena.contents(folder)
        lost += [
            f"{name} is another after the next run" for name in {*again, *after} if again.get(name) != after.get(name)
        ]
        lost += [f"{name} is left after the next run" for name in drafts_in(folder)]
        told = [f"{deed.name}, kill {number}: {text}" for text in lost]
        print("\n".join(told), end="\n" if told else "", flush=True)
        tally.lost += told
    return tally


def main(
    make: Callable[[Path], list[Deed]], read: Callable[[Path], str], arguments: Sequence[str] | None = None
) -> int:
    """Kill what `make` gives, having put inputs into the folder it is given; return 0 if nothing was lost, else 1."""
    parser = argparse.ArgumentParser(description="Kill commands that write, and see whether anything is lost.")
    parser.add_argument("--count", type=int, default=100, help="kills, of all commands together (default: 100)")
    parser.add_argument("--seed", type=int, default=1, help="which moments (default: 1)")
    parser.add_argument("--only", default="", metavar="WORDS", help="the commands that have these words in their name")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="mouthpiece-kills-") as name:
        scratch = Path(name)
        (scratch / "prepared" / "in").mkdir(parents=True)
        arena = Arena(scratch, scratch / "prepared" / "in", read, settings_in(scratch))
        os.environ["MOUTHPIECE_SETTINGS"] = str(scratch / "prepared" / "settings")
        deeds = [deed for deed in make(arena.inputs) if options.only in deed.name]
        shares = Counter(deeds[number % len(deeds)].name for number in range(options.count))
        total = Tally()
        for deed in deeds:
            tally = tried(arena, deed, shares[deed.name], options.seed)
            print(f"{deed.name:<28} {tally.kills:4} kills, {tally.writing:4} while writing, {tally.ended:3} too late, "
                  f"{len(tally.lost)} lost", flush=True)  # fmt: skip
            total = Tally(*(getattr(total, name) + getattr(tally, name) for name in vars(total)))
    print(f"{total.kills} kills, {total.writing} while writing, {total.ended} too late, {len(total.lost)} lost")
    return 1 if total.lost else 0


def settings_in(scratch: Path) -> dict[str, str]:
    """Return the environment of the commands: this checkout, one thread, and folders of their own."""
    (scratch / "temporary").mkdir()
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "core"), str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "OMP_NUM_THREADS": "1",
        "TMPDIR": str(scratch / "temporary"),
        "MPLCONFIGDIR": str(scratch / "temporary"),
    }


def mouthpiece(*words: object) -> list[str]:
    """Return a command of `python -m mouthpiece`."""
    return [sys.executable, "-m", "mouthpiece", *map(str, words), "--quiet"]


def commands(inputs: Path) -> list[Deed]:
    """Make the inputs, and return the commands: each into an empty place, and over what another run has left."""
    rng = np.random.default_rng(5)
    for name in ("a", "b"):
        soundfile.write(inputs / f"{name}.wav", tone(0.6) + 0.02 * rng.normal(size=9600), 16_000)
    make_take(25).save(inputs / "short.npz")
    make_take(6000).save(inputs / "long.npz")
    (inputs / "line.TextGrid").write_bytes(textgrids()[0])
    shutil.copy(FACE, inputs / "face.jpg")
    (inputs / "cast.csv").write_text(
        "character,audio,style,seed,lips\nAnna,a.wav,,,\nBen,b.wav,,,1.5\nBen,a.wav,,,0.5\nCleo,a.wav,calm,,\nCleo,b.wav,,4,\n"
    )
    certificates.own_identity()

    def over(name: str, words: Callable[..., list[str]], *other: str) -> list[Deed]:
        """Return a command for an empty place, and for one where it was run with other options before."""

        def before(folder: Path) -> None:
            kept = inputs.parent / "before" / name
            if not kept.is_dir():
                settings = {**settings_of(folder), "MOUTHPIECE_SETTINGS": str(folder / "settings")}
                subprocess.run(words(folder, *other), check=True, capture_output=True, env=settings, cwd=ROOT)
                shutil.copytree(folder / "out", kept)
            shutil.copytree(kept, folder / "out", dirs_exist_ok=True)

        return [Deed(name, words), Deed(f"{name} over another", words, before)]

    def settings_of(folder: Path) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "core"), str(ROOT)]), "OMP_NUM_THREADS": "1"}

    def adjusted(folder: Path, *more: str) -> list[str]:
        return mouthpiece("adjust", folder / "out" / "long.npz", "--lips", "0.5", *more)

    def copied(folder: Path) -> None:
        shutil.copy(folder / "in" / "long.npz", folder / "out" / "long.npz")

    def portrait(folder: Path, output: str, *more: str) -> list[str]:
        given = ["--image", folder / "in" / "face.jpg", "--take", folder / "in" / "short.npz", "--size", "96"]
        box = ["--box", "100", "40", "220", "180", "--generator", "none", "--force", "--consent", CONSENT]
        return mouthpiece("portrait", *given, *box, "--audio", folder / "in" / "a.wav", "-o", folder / output, *more)

    return [
        Deed("adjust in place", adjusted, copied),
        *over("animate", lambda f, *more: mouthpiece(
            "animate", f / "in" / "a.wav", f / "in" / "b.wav", "-o", f / "out" / "takes", *more), "--seed", "5"),
        *over("batch", lambda f, *more: mouthpiece(
            "batch", f / "in" / "cast.csv", "-o", f / "out" / "takes", "--jobs", "2", *more), "--fps", "30"),
        *over("adjust --apply", lambda f, *more: mouthpiece(
            "adjust", f / "in" / "long.npz", "--apply", "-o", f / "out" / "seen.npz", *more), "--lips", "0.5"),
        *over("cues", lambda f, *more: mouthpiece(
            "cues", f / "in" / "long.npz", "-o", f / "out" / "cues.xml", "--force", *more), "--on", "1"),
        *over("phones", lambda f, *more: mouthpiece(
            "phones", f / "in" / "long.npz", "--from", f / "in" / "line.TextGrid", "-o", f / "out" / "said.npz",
            "--force", *more), "--quiet"),
        *over("landmarks", lambda f, *more: mouthpiece(
            "landmarks", f / "in" / "face.jpg", "--box", "100", "40", "220", "180", "--force",
            "-o", f / "out" / "points.json", *more), "--face", "1"),
        *over("inspect --plot", lambda f, *more: mouthpiece(
            "inspect", f / "in" / ("long.npz" if more else "short.npz"), "--plot", f / "out" / "plot.png"), "long"),
        *over("portrait film", lambda f, *more: portrait(f, "out/film.mp4", *more), "--strength", "0.5"),
        *over("portrait frames", lambda f, *more: portrait(f, "out/frames", *more), "--strength", "0.5"),
        *over("portrait film and frames", lambda f, *more: portrait(
            f, "out/film.mp4", "--keep-frames", str(f / "out" / "frames"), *more), "--strength", "0.5"),
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(commands, content_of))

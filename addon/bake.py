"""One bake from beginning to end: the same for the panel's button, scripts and the command line.

``Bake`` is a snapshot of everything asked for. ``steps`` may run in any thread; ``write`` must run in the main
one, and is where the scene changes, all at once or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from . import keys, sound, store, takes
from .planning import Line, Part
from .targets import Target

if TYPE_CHECKING:
    from mouthpiece.curves import FrameGrid
    from mouthpiece.motion.dials import Dials
    from mouthpiece.performance import Performance
    from mouthpiece.pipeline import Options, Progress, Warned


@dataclass(frozen=True, slots=True)
class Heard:
    """The end of ``Bake.steps``: what the face does, and on which frames."""

    performance: Performance
    grid: FrameGrid


@dataclass(slots=True)
class Report:
    """What a bake did, to be worded by whoever asked for it.

    ``targets`` tells of each thing driven, the character first: object, kind, and a line on how it fits.
    """

    object: str
    sound: str
    targets: list[dict[str, str]] = field(default_factory=list)
    first: int = 0
    last: int = 0
    channels: int = 0
    keys: int = 0
    clamped: dict[str, int] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """Return one line."""
        return f"{self.keys:,} keys on {self.channels} channels of {self.object}, frames {self.first} to {self.last}"

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Bake:
    """What to bake: a sound (or a finished take, in ``recording.path`` all the same) onto targets, the character first.

    The style is that of ``options``, or of whoever speaks in the sound at ``style_from``. Dials left as built are those
    saved with a finished take.
    """

    recording: sound.Recording
    targets: tuple[Target, ...]
    options: Options | None = None
    models: Path | None = None
    replace_edited: bool = False
    dials: Dials | None = None
    style_from: str = ""

    def steps(self) -> Iterator[Progress | Warned | Heard]:
        """Yield progress and warnings, and last what was heard. Touches no scene."""
        from mouthpiece.performance import Performance
        from mouthpiece.pipeline import Progress, steps

        if self.recording.path.lower().endswith(".npz") and self.recording.packed is None:
            take = self._dialled(Performance.load(self.recording.path))
            yield Heard(take, self.recording.placement.grid(take.seconds))
            return
        yield Progress(0.0, "Reading the sound")
        audio = sound.decode(self.recording)
        place = self.recording.placement
        grid = place.grid(audio.seconds)
        audio, begin = sound.cut(audio, place)
        for item in steps(audio, self._options(), self.models):
            if isinstance(item, Performance):
                yield Heard(self._dialled(item), _from_second(grid, begin))
            else:
                yield item

    def _options(self) -> Options | None:
        """Return the options with the style heard in another sound, if one is named."""
        from mouthpiece.pipeline import Options, style_of

        if not self.style_from:
            return self.options
        source = sound.open_file(self.style_from)
        style = replace(style_of(source, self.models), name=f"from {Path(self.style_from).name}")
        return replace(self.options or Options(), style=style)

    def _dialled(self, take: Performance) -> Performance:
        from mouthpiece.motion.dials import Dials, dialled

        return dialled(take, Dials.of({**take.dials, **(self.dials.saved() if self.dials else {})}))

    def write(self, heard: Heard) -> Report:
        """Key the performance onto the targets and return what was done.

        Raises RigError, with the scene as it was, if a target is gone or every channel is taken.
        """
        seen = heard.performance.final()
        driven = [target.drive(seen, heard.grid) for target in self.targets]
        line = Line(self.recording.identity, heard.grid.first, heard.grid.last)
        parts = _distinct(part for one in driven for part in one.parts if part.channels)
        drawings = [one.drawings for one in driven if one.drawings is not None]
        name = self.targets[0].object_name
        written = keys.write(parts, line, f"Mouthpiece {name}", self.replace_edited, drawings)
        self._keep([part.owner for part in parts], [drawing.owner for drawing in drawings], heard)
        report = Report(name, self.recording.label, [_told(target) for target in self.targets])
        report.first, report.last = line.first, line.last
        report.keys, report.channels, report.kept = written.keys, written.channels, written.kept
        for one in driven:
            report.clamped |= one.clamped
            report.warnings += one.warnings
        report.warnings += written.warnings + _kept_lines(written.kept)
        return report

    def _keep(self, keyed: list[bpy.types.ID], drawn: list[bpy.types.ID], heard: Heard) -> None:
        """Keep the motion as inferred with the keys, so that it can be dialled again; without any there is no need."""
        played = [
            owner for owner in keyed if any(t.sound == self.recording.identity for t in store.read(owner).takes)
        ]
        homes = [store.homes(owner)[0] for owner in played] + [store.Home(owner) for owner in drawn]
        if not homes:
            return
        saved = tuple(target.saved() for target in self.targets)
        line = takes.Kept(
            self.recording.identity, self.recording.label, asdict(heard.grid), saved, heard.performance.dials
        )
        takes.keep(homes[0], line, heard.performance)


def _from_second(grid: FrameGrid, second: float) -> FrameGrid:
    """Return the grid for a take that begins at that second of the sound."""
    return replace(grid, offset=grid.offset - second)


def _told(target: Target) -> dict[str, str]:
    return {"object": target.object_name, "kind": target.kind, "summary": target.summary()}


def _distinct(parts: Iterable[Part]) -> list[Part]:
    """Return parts so that each data-block is keyed once: objects may share theirs."""
    found: dict[bpy.types.ID, Part] = {}
    for part in parts:
        found[part.owner] = found[part.owner].joined(part) if part.owner in found else part
    return list(found.values())


def _kept_lines(kept: dict[str, str]) -> list[str]:
    """Return a sentence for each reason channels were kept."""
    reasons: dict[str, list[str]] = {}
    for name, reason in kept.items():
        reasons.setdefault(reason, []).append(name)
    return [f"Kept as they were ({reason}): {', '.join(names)}" for reason, names in reasons.items()]

"""How often checks find fault with real faces: ``python -m training.measures.false_alarms [--data DIR] [--json FILE]``.

The recorded motion of the pack's validation clips is checked as ``mouthpiece lint`` checks a film, with default limits:
nothing is planted, so all that is found is a false alarm, or a fault of the tracking. Beside it stand the takes that
Mouthpiece makes of the same sounds. For each check it prints in how many clips it judged and found something, and how
often that is a minute. Exit code 0.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from mouthpiece.audio import Audio
from mouthpiece.features import FRAME_RATE, RATE
from mouthpiece.lint.checks import Examination, examined
from mouthpiece.lint.limits import CHECKS, Limits
from mouthpiece.lint.seen_face import LineSpan, SeenFace
from mouthpiece.lint.sources.sound import heard_in
from mouthpiece.lint.sources.takes import seen_take
from mouthpiece.lint.sources.tracked_face import face_courses
from mouthpiece.pipeline import animate

from ..command_line import exit_code, parser_of
from ..files import write_json
from ..pack.clips import Clip, clip_folder, load_clip, read_index
from ..paths import PACK


@dataclass
class Alarms:
    """Findings by check, in so many clips and minutes."""

    clips: int = 0
    minutes: float = 0.0
    judged: dict[str, int] = field(default_factory=dict)
    found: dict[str, int] = field(default_factory=dict)
    findings: dict[str, int] = field(default_factory=dict)
    any_found: int = 0

    def add(self, examination: Examination, seconds: float) -> None:
        """Count the findings of one clip."""
        self.clips += 1
        self.minutes += seconds / 60
        self.any_found += bool(examination.findings)
        for check in CHECKS:
            measures = [each for each in examination.measures if each.check == check]
            count = sum(len(each.faults) for each in measures)
            self.judged[check] = self.judged.get(check, 0) + any(each.value is not None for each in measures)
            self.found[check] = self.found.get(check, 0) + bool(count)
            self.findings[check] = self.findings.get(check, 0) + count

    def as_dict(self) -> dict[str, Any]:
        """Return the counts as JSON values."""
        rows = {
            check: {"judged": self.judged[check], "clips": self.found[check], "findings": self.findings[check]}
            for check in CHECKS
        }
        return {"clips": self.clips, "minutes": round(self.minutes, 2), "with findings": self.any_found, "checks": rows}


def recorded(clip: Clip, irises: np.ndarray[Any, Any], expected: np.ndarray[Any, Any], speech: Any) -> SeenFace:
    """Return a clip's face as a film of it would be seen; ``expected`` and ``speech`` (T,) are what is heard."""
    held = clip.valid & np.isfinite(clip.landmarks).all(axis=(1, 2))
    points = np.where(held[:, None, None], clip.landmarks, np.nan)
    courses = face_courses(points, irises[:, [0, 5]])
    count = len(clip)
    return SeenFace(
        clip.name,
        float(FRAME_RATE),
        **courses,
        speech=speech[:count],
        expected=expected[:count],
        lines=(LineSpan(clip.name, 0, count - 1),),
        tracked=True,
    )


def examinations(data: Path, split: str, least: float) -> Iterator[tuple[float, Examination, Examination]]:
    """Yield seconds, what was found on the recorded face, and on the take of the same sound, for each clip."""
    for row in read_index(data):
        if row["split"] != split or float(row["seconds"]) < least:
            continue
        path = clip_folder(data) / row["file"]
        clip = load_clip(path)
        with np.load(path, allow_pickle=False) as stored:
            irises = stored["iris"].astype(np.float64)
        take = animate(Audio(clip.samples, RATE))
        told = heard_in(take).on(len(clip))
        face = recorded(clip, irises, told.expected, told.speech)
        yield len(clip) / FRAME_RATE, examined(face, Limits()), examined(seen_take(take, clip.name, clip.name))


def table(rows: dict[str, Alarms]) -> str:
    """Return the counts as a table in Markdown."""
    names = list(rows)
    lines = ["| check | " + " | ".join(f"{name}: judged | clips | findings" for name in names) + " |"]
    lines.append("|---" * (1 + 3 * len(names)) + "|")
    for check in CHECKS:
        cells = [f"{a.judged[check]} | {a.found[check]} | {a.findings[check]}" for a in rows.values()]
        lines.append(f"| `{check}` | " + " | ".join(cells) + " |")
    total = [f"{a.clips} | {a.any_found} | {sum(a.findings.values())}" for a in rows.values()]
    lines.append("| all | " + " | ".join(total) + " |")
    minutes = [
        f"{name}: {a.minutes:.1f} minutes, {sum(a.findings.values()) / max(a.minutes, 1e-9):.2f} findings a minute"
        for name, a in rows.items()
    ]
    return "\n".join([*lines, "", *minutes])


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code."""
    parser = parser_of("training.measures.false_alarms", __doc__)
    parser.add_argument("--data", type=Path, default=PACK, metavar="DIR", help="the training pack")
    parser.add_argument("--split", choices=("val", "train"), default="val", help="which clips (default: val)")
    parser.add_argument("--least", type=float, default=0.0, metavar="S", help="only clips of at least so many seconds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the counts")
    parser.add_argument("--list", action="store_true", help="print each finding")
    options = parser.parse_args(argv)

    def work() -> None:
        rows = {"recorded": Alarms(), "takes": Alarms()}
        for seconds, *both in examinations(options.data, options.split, options.least):
            for (name, alarms), examination in zip(rows.items(), both, strict=True):
                alarms.add(examination, seconds)
                for each in examination.findings if options.list else ():
                    print(f"{name} {each.character} {each.begin:.2f}-{each.end:.2f} {each.check} {each.value:.3f}")
        print(table(rows))
        if options.json:
            write_json(options.json, {name: alarms.as_dict() for name, alarms in rows.items()})

    return exit_code(work, "false alarms cannot be counted")


if __name__ == "__main__":
    sys.exit(main())

"""How mouths move in languages without recorded faces: ``python -m training.measures.languages SOUND…``.

The right motion is not known here, so the table only shows whether mouths move plausibly: the correlation of the lips'
opening with loudness (the best of shifts up to three frames), openings a second of speech, closures a minute of speech,
and the mean opening in speech and in pauses. A language that the network cannot follow would stand out.
Exit code 0, or 1 if a sound could not be read.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mouthpiece.audio import SoundFile
from mouthpiece.cli.inspect import lip_gap
from mouthpiece.errors import MouthpieceError
from mouthpiece.features import FRAME_RATE
from mouthpiece.motion.rest import frame_decibels
from mouthpiece.pipeline import Options, animate, survey
from mouthpiece.styles import Style
from scipy.signal import find_peaks

from ..command_line import parser_of
from .markdown import table
from .score import Metrics, closures, pearson

COLUMNS = ("seconds", "r_loudness", "openings_a_second", "closures_a_minute", "gap_in_speech", "gap_in_pauses")
SHIFTS = 3
#: How far a peak of the gap must stand out to count as an opening, and the gaps below which lips count as closed and
#: above which as open; in outer-eye distances.
PROMINENCE, CLOSE, OPENED = 0.02, 0.02, 0.05


def figures(path: Path) -> Metrics:
    """Return the columns of the table for the sound at ``path``."""
    source = SoundFile(path)
    take = animate(source, Options(style=Style()))
    gap, heard = lip_gap(take.final()).astype(float), survey(source)
    decibels = np.clip(frame_decibels(heard.rms, heard.frames)[: len(gap)], -60, None)
    speech = take.activity > 0.5
    minutes = max(speech.sum() / FRAME_RATE / 60, 1e-9)
    shifted = [pearson(np.roll(decibels, k)[speech], gap[speech]) for k in range(-SHIFTS, SHIFTS + 1)]
    peaks, _ = find_peaks(np.where(speech, gap, 0), prominence=PROMINENCE)
    return {
        "seconds": take.seconds,
        "r_loudness": max(shifted),
        "openings_a_second": len(peaks) / minutes / 60,
        "closures_a_minute": len(closures(np.where(speech, gap, OPENED), CLOSE, OPENED)) / minutes,
        "gap_in_speech": float(gap[speech].mean()) if speech.any() else 0.0,
        "gap_in_pauses": float(gap[~speech].mean()) if (~speech).any() else 0.0,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.measures.languages", __doc__)
    parser.add_argument("sounds", nargs="+", type=Path, metavar="SOUND")
    args = parser.parse_args(argv)
    rows, ok = {}, True
    for path in args.sounds:
        try:
            rows[path.stem] = figures(path)
        except MouthpieceError as error:
            print(f"{path}: {error}", file=sys.stderr)
            ok = False
    print(table(rows, "sound", COLUMNS))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())

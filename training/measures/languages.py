"""How mouths move in languages without recorded faces: ``python -m training.measures.languages SOUND…``.

Nothing is known of the right motion here, so only signs of life are told: how the lips' opening goes with loudness (the
best of shifts up to three frames), openings a second of speech, closures a minute of speech, how far lips part in
speech and in pauses. A language the network makes nothing of would stand out. Exit code 0, or 1 if a sound could not be
read.
"""

from __future__ import annotations

import argparse
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

from ..content.evaluate import table
from .score import Metrics, closures, pearson

COLUMNS = ("seconds", "r_loudness", "openings_a_second", "closures_a_minute", "gap_in_speech", "gap_in_pauses")
SHIFTS = 3
#: An opening stands out by this much, and lips count as closed below and open above, in outer-eye distances.
PROMINENCE, CLOSE, OPENED = 0.02, 0.02, 0.05


def figures(path: Path) -> Metrics:
    """Return the signs of life in the sound at ``path``."""
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
    parser = argparse.ArgumentParser(
        prog="python -m training.measures.languages",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
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

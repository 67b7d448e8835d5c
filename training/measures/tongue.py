"""Whether the tongue is where it belongs at t d n l, at k ɡ ŋ and at θ ð: the share of phones, and that of chance.

    python -m training.measures.tongue TAKE.npz…                     by the phones each take holds
    python -m training.measures.tongue HEARD.npz --aligned TEXT.npz  by those of another take of the sound

A take made with ``--text`` holds phones aligned with that text, and its tongue follows them; whether the listener alone
would have moved it as well is seen by judging the tongue of a take made without by the phones of one made with a text.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from mouthpiece.performance import Performance
from mouthpiece.phones.speech import Segment
from mouthpiece.topology import TONGUE_POSES
from numpy.typing import NDArray

from ..command_line import exit_code, parser_of

Array = NDArray[np.float32]
Flags = NDArray[np.bool_]

#: Seconds around a phone in which its pose may be reached.
REACH: Final = 0.04
_TIP, _BODY, _OUT = (TONGUE_POSES.index(name) for name in ("tip", "body", "out"))

#: Class -> its phones, and whether a pose (T, 6) is right for it.
CLASSES: Final[Mapping[str, tuple[tuple[str, ...], Callable[[Array], Flags]]]] = {
    "t d n l": (("t", "d", "n", "l"), lambda pose: (pose[:, _TIP] >= 0.5) & (pose[:, _OUT] < 0.3)),
    "k g ng": (("k", "ɡ", "ŋ"), lambda pose: (pose[:, _BODY] >= 0.35) & (pose[:, _TIP] < 0.3)),
    "th dh": (("θ", "ð"), lambda pose: pose[:, _OUT] >= 0.35),
}


def judged(phones: Sequence[Segment], tongue: Array, fps: float) -> dict[str, tuple[int, int, float]]:
    """Return for each of :data:`CLASSES` how many phones have their pose, how many there are, and the share of chance.

    Parameters
    ----------
    phones
        What is said, in seconds of the take.
    tongue : (T, 6) float32
        The take's tongue at ``fps`` frames a second.

    Chance is the share of moments, from the first phone to the last, around which the pose is reached.
    """
    found = {}
    for name, (labels, is_right) in CLASSES.items():
        right = is_right(tongue)
        said = [phone for phone in phones if phone.label in labels]
        met = sum(_reached(right, phone.start, phone.stop, fps) for phone in said)
        middles = np.arange(phones[0].start, phones[-1].stop, 0.02) if phones else np.zeros(0)
        by_chance = [_reached(right, moment - 0.03, moment + 0.03, fps) for moment in middles]
        found[name] = met, len(said), float(np.mean(by_chance)) if by_chance else 0.0
    return found


def _reached(right: Flags, start: float, stop: float, fps: float) -> bool:
    """Return whether a pose is right on a frame from just before ``start`` to just after ``stop``."""
    first = max(int(np.ceil((start - REACH) * fps)), 0)
    last = int(np.floor((stop + REACH) * fps))
    return bool(right[first : last + 1].any())


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table and return the exit code."""
    parser = parser_of("training.measures.tongue", __doc__)
    parser.add_argument("takes", nargs="+", type=Path)
    parser.add_argument("--aligned", nargs="+", type=Path, help="takes of the same sounds whose phones count")
    options = parser.parse_args(arguments)
    others = options.aligned or options.takes
    if len(others) != len(options.takes):
        parser.error("name as many takes after --aligned as before")
    return exit_code(lambda: _print(options.takes, others), "not measured")


def _print(takes: Sequence[Path], others: Sequence[Path]) -> None:
    sums = {name: np.zeros(3) for name in CLASSES}
    for path, other in zip(takes, others, strict=True):
        take, said = Performance.load(path).final(), Performance.load(other).speech.phones
        for name, (met, count, chance) in judged(said, take.tongue, take.fps).items():
            sums[name] += met, count, chance * count
    if not any(count for _, count, _ in sums.values()):
        raise ValueError("none of these phones is known to be said: make takes with a listener that hears them")
    print("| phones | said | right | by chance |\n|---|---|---|---|")
    for name, (met, count, chance) in sums.items():
        shares = f"{met / count:.2f} | {chance / count:.2f}" if count else "- | -"
        print(f"| {name} | {count:.0f} | {shares} |")


if __name__ == "__main__":
    sys.exit(main())

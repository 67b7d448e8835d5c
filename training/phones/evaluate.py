"""How well phones are heard: ``python -m training.phones.evaluate --data PACK --texts FILE [--speech FOLDER]``.

Judged are validation speakers' clips whose text is known (``training.phones.transcribe``; GRID by its grammar), English
only, and sounds with their text beside them (``--speech``). Two figures for each group:

* **phone error**: insertions, deletions and substitutions of what the listener hears without a text, over the number
  of phones of the aligned text. Phones that English does not tell apart safely count as one, as is usual (Lee and Hon,
  IEEE Trans. ASSP 37, 1989): the vowels of *cot* and *caught*, of *but* and *about*, and the flap as t.
* **boundaries within 40 ms**: of phones that both name alike, the share whose beginning in the alignment of the text
  lies within 40 ms of where PocketSphinx aligns it (package ``pocketsphinx``; without it this column is left out). The
  head learned from such alignments too, of other people's clips.

Exit code 0 when measured, 1 with ``--at-most`` if the phone error over all is greater.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mouthpiece.audio import load
from mouthpiece.errors import MouthpieceError
from mouthpiece.features import FRAME_SAMPLES, hop_rms, loudness_gain
from mouthpiece.models.phonetic import PhoneticListener
from mouthpiece.models.registry import find
from mouthpiece.phones.alignment import aligned
from mouthpiece.phones.segmentation import heard
from mouthpiece.phones.speech import Segment
from numpy.typing import NDArray

from ..command_line import exit_code, parser_of
from ..measures.markdown import table
from ..pack.clips import load_split
from .labels import Reader, grid_speech
from .sphinx import Sphinx

log = logging.getLogger(__name__)

Array = NDArray[np.float32]

#: Phones that count as one.
SAME = {"ɔ": "ɑ", "ʌ": "ə", "ɾ": "t"}
#: Seconds within which a boundary is right.
NEAR = 0.04


@dataclass(frozen=True, slots=True, eq=False)
class SpokenText:
    """A sound (N,) at 16 kHz, what it says (empty: a sentence of GRID), and the group it is counted in."""

    name: str
    group: str
    samples: Array
    text: str


def shipped_reader(models: Path | None) -> Reader:
    """Return what the listener in ``models`` (None: the shipped one) hears in samples, as the core does."""
    listener = PhoneticListener(find("phonetic", models).open())

    def read(samples: Array) -> Array:
        frames = max(1, -(-len(samples) // FRAME_SAMPLES))
        parts = listener.hear([samples], frames, loudness_gain(hop_rms(samples)))
        return np.concatenate([part.posteriors for part in parts])

    return read


def errors(said: Sequence[str], found: Sequence[str]) -> int:
    """Return the least number of insertions, deletions and substitutions that turn ``said`` into ``found``."""
    row = np.arange(len(found) + 1)
    for number, phone in enumerate(said, start=1):
        best = np.minimum(row[1:] + 1, row[:-1] + np.array([phone != other for other in found], int))
        new = np.concatenate([[number], best])
        row = np.minimum.accumulate(new - np.arange(len(new))) + np.arange(len(new))
    return int(row[-1])


def matched(a: Sequence[Segment], b: Sequence[Segment]) -> list[tuple[Segment, Segment]]:
    """Return pairs of segments with one label in a cheapest way to turn the labels of ``a`` into those of ``b``."""
    costs = np.zeros((len(a) + 1, len(b) + 1), int)
    costs[:, 0], costs[0] = np.arange(len(a) + 1), np.arange(len(b) + 1)
    labels = [[SAME.get(s.label, s.label) for s in one] for one in (a, b)]
    for i in range(len(a)):
        for j in range(len(b)):
            differ = labels[0][i] != labels[1][j]
            costs[i + 1, j + 1] = min(costs[i, j] + differ, costs[i, j + 1] + 1, costs[i + 1, j] + 1)
    pairs, i, j = [], len(a), len(b)
    while i and j:
        differ = labels[0][i - 1] != labels[1][j - 1]
        if costs[i, j] == costs[i - 1, j - 1] + differ:
            i, j = i - 1, j - 1
            if not differ:
                pairs.append((a[i], b[j]))
        elif costs[i, j] == costs[i - 1, j] + 1:
            i -= 1
        else:
            j -= 1
    return pairs[::-1]


def material(data: Path, texts: Mapping[str, Any], speech: Path | None) -> list[SpokenText]:
    """Return the sounds to judge: validation clips in English, and those with a text beside them in ``speech``."""
    found = []
    for clip in load_split(data, "val"):
        text = texts.get(clip.name)
        if clip.name.startswith("grid-"):
            found.append(SpokenText(clip.name, "GRID", clip.samples, ""))
        elif text and text["language"] == "en":
            found.append(SpokenText(clip.name, "validation speakers", clip.samples, text["text"]))
    for path in sorted(speech.glob("*.txt")) if speech else ():
        sound = path.with_suffix(".wav")
        if sound.is_file():
            samples = np.concatenate(list(load(sound).blocks()))
            found.append(SpokenText(path.stem, "read sentences", samples, path.read_text(encoding="utf-8")))
    return found


def measured(sounds: Sequence[SpokenText], reader: Reader, sphinx: Sphinx | None) -> dict[str, dict[str, float]]:
    """Return the figures of each group, and over all."""
    counts: dict[str, list[int]] = {}
    for sound in sounds:
        posteriors = reader(sound.samples)
        free = heard(posteriors)
        try:
            said = aligned(free, sound.text, "en-us").speech if sound.text else grid_speech(posteriors)
        except MouthpieceError as error:
            log.warning("%s: %s", sound.name, error)
            continue
        named = [[SAME.get(s.label, s.label) for s in one.phones] for one in (said, free)]
        near = pairs = 0
        if sphinx and sound.text:
            both = matched(said.phones, sphinx.phones(sound.samples, sound.text))
            pairs, near = len(both), sum(abs(a.start - b.start) <= NEAR for a, b in both)
        for group in (sound.group, "all"):
            row = counts.setdefault(group, [0, 0, 0, 0, 0])
            for k, value in enumerate((1, len(named[0]), errors(*named), pairs, near)):
                row[k] += value
    return {
        group: {"sounds": row[0], "phones": row[1], "phone error": row[2] / max(1, row[1])}
        | ({"compared": row[3], "within 40 ms": row[4] / row[3]} if row[3] else {})
        for group, row in counts.items()
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.phones.evaluate", __doc__)
    parser.add_argument("--data", type=Path, required=True, help="training pack made by training.pack.prepare")
    parser.add_argument("--texts", type=Path, required=True, help="what training.phones.transcribe wrote")
    parser.add_argument("--speech", type=Path, help="folder of sounds (.wav) with their texts (.txt)")
    parser.add_argument("--models", type=Path, help="folder with another phonetic.onnx than the shipped one")
    parser.add_argument("--at-most", type=float, help="exit with 1 if the phone error over all is greater")
    args = parser.parse_args(argv)

    def work() -> int:
        sounds = material(args.data, json.loads(args.texts.read_text(encoding="utf-8")), args.speech)
        try:
            sphinx: Sphinx | None = Sphinx()
        except ImportError:
            sphinx = None
        rows = measured(sounds, shipped_reader(args.models), sphinx)
        columns = ("phone error", "within 40 ms")
        shown = {f"{group} ({row['sounds']} sounds, {row['phones']} phones)": row for group, row in rows.items()}
        print(table(shown, "phones heard", columns))
        return int(args.at_most is not None and rows["all"]["phone error"] > args.at_most)

    return exit_code(work, "cannot evaluate")


if __name__ == "__main__":
    sys.exit(main())

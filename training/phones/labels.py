"""What is said in each fiftieth of a second of a pack's clips: ``python -m training.phones.labels --data PACK …``.

English texts are aligned by PocketSphinx (``training.phones.sphinx``), which knows how long phones last. Without
``--head`` only those clips are labelled. With it, what that head hears labels all others: texts in other languages, and
English ones that PocketSphinx cannot follow, by the core's own aligner; what no text covers, or a text that does not
fit, as it is heard, at a lower weight. GRID's sentences are
found by its grammar (Cooke et al., JASA 120, 2006). Writes an ``.npz`` with labels (S,), word beginnings (S,) and
weights (S,) for each clip. Exit code 0 when written.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from mouthpiece.errors import MouthpieceError
from mouthpiece.files.writer import replacing
from mouthpiece.phones.alignment import aligned
from mouthpiece.phones.inventory import PHONE_INDEX, PHONES, SILENCE
from mouthpiece.phones.lattice import WordLattice, best_way
from mouthpiece.phones.segmentation import heard
from mouthpiece.phones.speech import POSTERIOR_RATE, Segment, Speech
from mouthpiece.phones.transcript import transcript
from mouthpiece.phones.viterbi import FLOOR
from numpy.typing import NDArray

from ..command_line import exit_code, parser_of
from ..pack.clips import Clip, load_split
from .readers import HeadReader, load_head
from .sphinx import Sphinx, speech_by_sphinx

log = logging.getLogger(__name__)

#: Weights of frames whose phone only a recogniser heard, and of a text's phones that it heard badly.
ONLY_HEARD, DOUBTED = 0.3, 0.3
#: Confidence of a phone from which it counts fully.
SURE = 0.3
#: Slots of GRID's sentences.
GRID = (
    ("bin", "lay", "place", "set"), ("blue", "green", "red", "white"), ("at", "by", "in", "with"),
    tuple("abcdefghijklmnopqrstuvxyz"),
    ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    ("again", "now", "please", "soon"),
)  # fmt: skip

Array = NDArray[np.float32]
#: Returns posteriors (S, P) for samples at 16 kHz.
Reader = Callable[[Array], Array]


@dataclass(frozen=True, slots=True, eq=False)
class ClipLabels:
    """Labels of one clip at 50 Hz: index of the phone (S,), whether a word begins (S,), how much each counts (S,)."""

    phones: NDArray[np.int64]
    word_starts: NDArray[np.bool_]
    weight: Array


def grid_speech(posteriors: Array) -> Speech:
    """Return the sentence of GRID's grammar that fits best, with its phones and words."""
    slots = [[one.pronunciations for one in transcript(" , ".join(words), "en-gb").words] for words in GRID]
    ways = [[way for word in slot for way in word] for slot in slots]
    lattice = WordLattice.of([[[PHONE_INDEX[phone] for phone in way] for way in slot] for slot in ways])
    scores = np.log(np.maximum(posteriors.astype(np.float64), FLOOR))
    path = best_way(lattice, scores, scores[:, 0], np.full(len(scores), -50.0))
    phones, words = [], []
    edges = np.flatnonzero(np.diff(path.states, prepend=-2, append=-2))
    for start, stop in pairwise(edges):
        state = int(path.states[start])
        if state >= 0:
            label = PHONES[lattice.phones[state]]
            sure = float(posteriors[start:stop, lattice.phones[state]].mean())
            phones.append(Segment(label, start / POSTERIOR_RATE, stop / POSTERIOR_RATE, sure))
    for place in range(lattice.count):
        inside = np.flatnonzero((path.states >= 0) & (path.places == place))
        if len(inside):
            words.append(Segment(str(place), inside[0] / POSTERIOR_RATE, (inside[-1] + 1) / POSTERIOR_RATE, 1.0))
    return Speech(posteriors, tuple(phones), tuple(words), "GRID")


def speech_of(posteriors: Array, name: str, text: Mapping[str, str] | None) -> tuple[Speech, bool]:
    """Return what is heard in a clip with posteriors (S, P), and whether a text says so."""
    if name.startswith("grid-"):
        return grid_speech(posteriors), True
    found = heard(posteriors)
    if text and text["text"].strip():
        try:
            return aligned(found, text["text"], text["language"]).speech, True
        except MouthpieceError as error:
            log.debug("%s: %s", name, error)
    return found, False


def labels_of(speech: Speech, said: bool) -> ClipLabels:
    """Return the labels of a clip; ``said`` is whether a text says what it says."""
    steps = len(speech.posteriors)
    phones, starts = np.zeros(steps, np.int64), np.zeros(steps, np.bool_)
    weight = np.full(steps, 0.5 if said else ONLY_HEARD, np.float32)
    weight[speech.posteriors[:, PHONE_INDEX[SILENCE]] > 0.5] = 1.0
    for segment in speech.phones:
        rows = slice(round(segment.start * POSTERIOR_RATE), round(segment.stop * POSTERIOR_RATE))
        phones[rows] = PHONE_INDEX[segment.label]
        weight[rows] = (1.0 if segment.confidence >= SURE else DOUBTED) if said else ONLY_HEARD
    if said:
        for word in speech.words:
            starts[min(steps - 1, round(word.start * POSTERIOR_RATE))] = True
    return ClipLabels(phones, starts, weight)


def label(
    clips: Sequence[Clip], texts: Mapping[str, Any], sphinx: Sphinx, reader: Reader | None
) -> dict[str, ClipLabels]:
    """Return the labels of ``clips`` by name; without a ``reader`` only of those that PocketSphinx can follow.

    ``texts`` are those of ``training.phones.transcribe``.
    """
    found, followed, told = {}, 0, 0
    for number, clip in enumerate(clips):
        text = texts.get(clip.name)
        speech = speech_by_sphinx(sphinx, clip.samples, text["text"]) if text and text["language"] == "en" else None
        said = speech is not None
        followed += said
        if speech is None and reader:
            speech, said = speech_of(reader(clip.samples), clip.name, text)
        if speech is not None:
            found[clip.name] = labels_of(speech, said)
            told += said
        if number % 100 == 0:
            log.info("%d of %d clips, %d with a text that fits", number, len(clips), told)
    log.info("%d clips labelled, %d by a text, %d of these by PocketSphinx", len(found), told, followed)
    return found


def write(labels: Mapping[str, ClipLabels], path: Path) -> None:
    """Write labels to the file ``path`` (.npz)."""
    arrays = {
        f"{name}/{key}": value
        for name, one in labels.items()
        for key, value in (("phones", one.phones), ("starts", one.word_starts), ("weight", one.weight))
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part, part.open("wb") as stream:
        np.savez_compressed(stream, **arrays)


def read(path: Path) -> dict[str, ClipLabels]:
    """Return the labels that :func:`write` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        names = sorted({name.rpartition("/")[0] for name in stored.files})
        keys = "phones", "starts", "weight"
        return {name: ClipLabels(*(stored[f"{name}/{key}"] for key in keys)) for name in names}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.phones.labels", __doc__)
    parser.add_argument("--data", type=Path, required=True, help="training pack made by training.pack.prepare")
    parser.add_argument("--texts", type=Path, required=True, help="what training.phones.transcribe wrote")
    parser.add_argument("--head", type=Path, help="checkpoint of a phone head, for what PocketSphinx cannot follow")
    parser.add_argument("--listener", type=Path, help="folder with the phonetic.onnx that the head hears with")
    parser.add_argument("--out", type=Path, required=True, help="the labels, .npz")
    args = parser.parse_args(argv)

    def work() -> None:
        reader = HeadReader(load_head(args.head), args.listener) if args.head else None
        texts = json.loads(args.texts.read_text(encoding="utf-8"))
        clips = [clip for split in ("train", "val") for clip in load_split(args.data, split)]
        try:
            sphinx = Sphinx()
        except ImportError as error:
            raise ValueError("PocketSphinx aligns English texts: install the package 'pocketsphinx'") from error
        write(label(clips, texts, sphinx, reader), args.out)

    return exit_code(work, "not labelled")


if __name__ == "__main__":
    sys.exit(main())

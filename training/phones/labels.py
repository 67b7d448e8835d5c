"""What is said in each fiftieth of a second of a pack's clips: ``python -m training.phones.labels --data PACK …``.

A text is aligned with what a phone recogniser hears (``--hama``, a published network that emits a phone at a moment but
not for how long) or, once there is one, with what the head itself hears (``--head``), by the core's own aligner. What
no text covers, or a text that does not fit, is labelled with what is heard, at a lower weight. GRID's sentences are
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
from mouthpiece.features import RATE
from mouthpiece.files.writer import replacing
from mouthpiece.models.session import OnnxSession
from mouthpiece.phones.alignment import aligned
from mouthpiece.phones.inventory import PHONE_INDEX, PHONES, SILENCE
from mouthpiece.phones.ipa import phones_of_ipa
from mouthpiece.phones.lattice import WordLattice, best_way
from mouthpiece.phones.segmentation import heard
from mouthpiece.phones.speech import POSTERIOR_RATE, Segment, Speech
from mouthpiece.phones.transcript import transcript
from mouthpiece.phones.viterbi import FLOOR
from numpy.typing import NDArray

from ..command_line import exit_code, parser_of
from ..pack.clips import Clip, load_split
from .readers import HeadReader, load_head

log = logging.getLogger(__name__)

#: Standard deviation in steps by which a peak of hama's is spread, share of the loudest level below which nothing is
#: said, and steps around it that must be quiet as well.
SPREAD, QUIET, QUIET_STEPS = 1.6, 0.03, 5
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


class Hama:
    """Frame-level posteriors from the peaks of the published recogniser hama."""

    def __init__(self, network: Path, vocabulary: Path) -> None:
        """Open the network, with the list of its tokens (``decoder`` of a JSON file)."""
        self._session = OnnxSession(network.read_bytes(), "hama")
        tokens = json.loads(vocabulary.read_text(encoding="utf-8"))["decoder"]
        found = [phones_of_ipa(token) for token in tokens]
        self._columns = [(k, PHONE_INDEX[phones[0]]) for k, phones in enumerate(found) if len(phones) == 1]

    def __call__(self, samples: Array) -> Array:
        """Return the posteriors (S, P) of ``samples`` (N,)."""
        steps, longest = len(samples) * POSTERIOR_RATE // RATE, 28 * RATE
        likely = []
        for start in range(0, len(samples), longest):
            part = samples[start : start + longest]
            given = {"waveform": part[None], "waveform_lengths": np.array([len(part)])}
            likely.append(np.exp(np.asarray(self._session(given)["log_probs"][0], np.float32)))
        tokens = np.concatenate(likely)
        peaks = np.zeros((len(tokens), len(PHONES)), np.float32)
        for token, phone in self._columns:
            peaks[:, phone] += tokens[:, token]
        bell = np.exp(-0.5 * (np.arange(-6, 7) / SPREAD) ** 2)
        rows = np.stack([np.convolve(column, bell, "same") for column in peaks.T], axis=1)
        rows[:, 0] = 0.02 + 2 * _is_quiet(samples, len(rows))
        rows += 1e-4
        rows = rows[:steps] if len(rows) >= steps else np.pad(rows, ((0, steps - len(rows)), (0, 0)), "edge")
        posteriors: Array = (rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)
        return posteriors


def _is_quiet(samples: Array, steps: int) -> NDArray[np.bool_]:
    """Return where (steps,) nothing is said, as far as loudness tells."""
    size = RATE // POSTERIOR_RATE
    rows = np.pad(samples, (0, max(0, steps * size - len(samples))))[: steps * size].reshape(steps, size)
    level = np.sqrt((rows.astype(np.float64) ** 2).mean(axis=1))
    loud = level > QUIET * np.percentile(level, 95)
    return np.convolve(loud, np.ones(QUIET_STEPS), "same") == 0


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
    """Return what is said in a clip, and whether a text says so."""
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


def label(clips: Sequence[Clip], texts: Mapping[str, Any], reader: Reader) -> dict[str, ClipLabels]:
    """Return the labels of each of ``clips`` by name; ``texts`` are those of ``training.phones.transcribe``."""
    found, told = {}, 0
    for number, clip in enumerate(clips):
        speech, said = speech_of(reader(clip.samples), clip.name, texts.get(clip.name))
        found[clip.name] = labels_of(speech, said)
        told += said
        if number % 100 == 0:
            log.info("%d of %d clips, %d with a text that fits", number, len(clips), told)
    log.info("%d clips, %d with a text that fits", len(clips), told)
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
    parser.add_argument("--hama", type=Path, help="network of hama 1.3.13 with its outputs")
    parser.add_argument("--vocabulary", type=Path, help="its list of tokens (g2p_vocab.json)")
    parser.add_argument("--head", type=Path, help="checkpoint of a phone head, instead of hama")
    parser.add_argument("--listener", type=Path, help="folder with the phonetic.onnx that the head hears with")
    parser.add_argument("--out", type=Path, required=True, help="the labels, .npz")
    args = parser.parse_args(argv)

    def work() -> None:
        if args.head:
            reader: Reader = HeadReader(load_head(args.head), args.listener)
        elif args.hama and args.vocabulary:
            reader = Hama(args.hama, args.vocabulary)
        else:
            raise ValueError("name who hears: --hama with --vocabulary, or --head")
        texts = json.loads(args.texts.read_text(encoding="utf-8"))
        write(label([c for split in ("train", "val") for c in load_split(args.data, split)], texts, reader), args.out)

    return exit_code(work, "not labelled")


if __name__ == "__main__":
    sys.exit(main())

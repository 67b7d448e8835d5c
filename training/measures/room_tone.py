"""Whether the mouth rests in a room that is never silent: ``python -m training.measures.room_tone --speech FOLDER``.

Every sound of the folder is cut where its speaker is quietest, silence is put in there, and so it is known where nobody
speaks. Then a room is laid under it: noise, mains, air conditioning, a crowd of the folder's other voices, music, so
many decibels under the speech. The table has a row for each room and level, over all voices; of frames in pauses
those count that are ``AWAY`` seconds from all speech, as lips open before a word and close after it.

  ajar      share of frames in pauses in which the lips are further apart, or the jaw opens more, than in rest
  gap       mean distance of the inner lips in pauses, in outer-eye distances
  shut      share of the frames with open lips, in the take of the sound without the room, that are shut in the room
  r_open    correlation of the lips' distance while somebody speaks with that take
  opened    mean distance of the lips while somebody speaks, against that take's

The row *none* has silence for a room. What *r_open* and *opened* lose in a loud room is the network's hearing as well.
Rooms are drawn from ``--seed``. Exit code 0, or 1 if a sound cannot be read or, with ``--at-most``, if the mean of
*ajar* over all rooms is greater.
"""

from __future__ import annotations

import logging
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from mouthpiece.audio import Audio, SoundFile
from mouthpiece.cli.inspect import lip_gap
from mouthpiece.features import FRAME_RATE, FRAME_SAMPLES, RATE, hop_rms, speech_rms
from mouthpiece.motion import rest
from mouthpiece.motion.smooth import hold_near, lowpass
from mouthpiece.performance import Performance
from mouthpiece.pipeline import Options, animate
from mouthpiece.styles import Style
from mouthpiece.topology import ARKIT_INDEX
from numpy.typing import NDArray
from scipy import signal

from ..command_line import exit_code, parser_of
from .markdown import table
from .score import Metrics, mean_rows, pearson

log = logging.getLogger(__name__)

Sound = NDArray[np.float32]
Mask = NDArray[np.bool_]

COLUMNS: Final = ("ajar", "gap", "shut", "r_open", "opened")
#: Decibels under the speech at which rooms are laid under it.
LEVELS: Final = (50.0, 40.0, 30.0, 20.0)
#: Seconds of the pauses put in, in turn, and of silence before the first word.
PAUSES: Final = (1.2, 2.0, 3.0)
LEAD: Final = 1.0
#: Least seconds between two cuts, and decibels under the speech below which a moment is quiet enough for one.
APART: Final = 1.5
QUIET: Final = 15.0
SOFT: Final = 20.0
#: Seconds over which sound fades where it is cut, and those from speech within which lips may move.
FADE: Final = 0.03
AWAY: Final = 0.5
#: Lips further apart (in outer-eye distances), or jawOpen above, which the mouth stands ajar.
AJAR_GAP, AJAR_JAW = 0.02, 0.03
#: Distance of the lips from which they are open, and the share of it below which they are shut in the room.
OPEN, SHUT = 0.04, 0.25
SUFFIXES: Final = (".wav", ".flac", ".ogg")


@dataclass(frozen=True, slots=True, eq=False)
class KnownSpeech:
    """Speech whose pauses are known.

    Attributes
    ----------
    samples : (N,) float32
        At 16 kHz; zero where nobody speaks.
    level : float
        Root mean square of the speech.
    pauses : (T,) bool
        Frames at 25 Hz in which nobody has spoken, nor will, for ``AWAY`` seconds.
    speech : (T,) bool
        Frames in which somebody speaks, at most ``SOFT`` decibels softer than on average.
    """

    samples: Sound
    level: float
    pauses: Mask
    speech: Mask


def with_pauses(samples: Sound) -> KnownSpeech:
    """Return the speech in ``samples`` (N,) at 16 kHz with silence put in where it is quietest."""
    rms = hop_rms(samples)
    level = speech_rms(rms)
    frames = len(samples) // FRAME_SAMPLES
    loudness = lowpass(rest.frame_decibels(rms, frames), 6.0, FRAME_RATE)
    cuts: list[int] = []
    for frame in np.argsort(loudness, kind="stable"):
        if loudness[frame] > 20 * np.log10(max(level, 1e-9)) - QUIET:
            break
        if all(abs(frame - other) >= APART * FRAME_RATE for other in (*cuts, 0, frames)):
            cuts.append(int(frame))
    edges = [0, *(frame * FRAME_SAMPLES + FRAME_SAMPLES // 2 for frame in sorted(cuts)), len(samples)]
    pieces, said = [np.zeros(round(LEAD * RATE), np.float32)], [np.zeros(round(LEAD * RATE), bool)]
    for number, (start, stop) in enumerate(pairwise(edges)):
        pieces += [faded(samples[start:stop]), np.zeros(round(PAUSES[number % len(PAUSES)] * RATE), np.float32)]
        said += [np.ones(stop - start, bool), np.zeros(len(pieces[-1]), bool)]
    joined, spoken = np.concatenate(pieces), np.concatenate(said)
    count = -(-len(joined) // FRAME_SAMPLES)
    spoken = np.pad(spoken, (0, count * FRAME_SAMPLES - len(spoken))).reshape(count, FRAME_SAMPLES).any(axis=1)
    loudness = lowpass(rest.frame_decibels(hop_rms(joined), count), 6.0, FRAME_RATE)
    speech = (loudness > 20 * np.log10(max(level, 1e-9)) - SOFT) & (level > 0)
    return KnownSpeech(joined, level, ~hold_near(spoken, AWAY, FRAME_RATE), speech)


def faded(samples: Sound) -> Sound:
    """Return ``samples`` (N,) with soft ends."""
    ramp = np.minimum(np.arange(len(samples)) / (FADE * RATE), 1)
    result: Sound = (samples * ramp * ramp[::-1]).astype(np.float32)
    return result


# ------------------------------------------------------------------------------------------------ rooms


def coloured(count: int, rng: np.random.Generator, slope: float) -> Sound:
    """Return noise whose power falls by ``slope`` powers of frequency: 0 white, 1 pink, 2 brown (above 20 Hz)."""
    hertz = np.maximum(np.fft.rfftfreq(count, 1 / RATE), 20.0)
    shaped = np.fft.irfft(np.fft.rfft(rng.standard_normal(count)) * hertz ** (-slope / 2), count)
    return shaped.astype(np.float32)


def swelling(count: int, rng: np.random.Generator, hertz: float, decibels: float) -> Sound:
    """Return a factor (N,) that wanders by about ``decibels`` at up to ``hertz``."""
    points = rng.standard_normal(max(4, round(2 * hertz * count / RATE) + 2))
    track = np.interp(np.linspace(0, len(points) - 1, count), np.arange(len(points)), points)
    return (10 ** (decibels * track / 20)).astype(np.float32)


def mains(count: int, rng: np.random.Generator, hertz: float) -> Sound:
    """Return the hum of a mains supply with its harmonics, and a little noise."""
    time = np.arange(count) / RATE
    tones = [np.sin(2 * np.pi * k * hertz * time + rng.uniform(0, 6.3)) / k for k in (1, 2, 3, 4, 6, 8, 10)]
    return (np.sum(tones, axis=0) + 0.02 * rng.standard_normal(count)).astype(np.float32)


def air_conditioning(count: int, rng: np.random.Generator) -> Sound:
    """Return low rumble that slowly swells."""
    low = signal.sosfilt(signal.butter(2, 400, fs=RATE, output="sos"), coloured(count, rng, 1.5))
    return (low * swelling(count, rng, 0.25, 2.5)).astype(np.float32)


def fan(count: int, rng: np.random.Generator) -> Sound:
    """Return the tones of a fan's blades in their wind."""
    time = np.arange(count) / RATE
    turn = 1 + 0.3 * np.sin(2 * np.pi * 1.3 * time)
    tones = [np.sin(2 * np.pi * k * 117 * time + rng.uniform(0, 6.3)) / k for k in (1, 2, 3, 5)]
    wind = coloured(count, rng, 1.0)
    return (turn * np.sum(tones, axis=0) + wind / wind.std()).astype(np.float32)


def hiss(count: int, rng: np.random.Generator) -> Sound:
    """Return the hiss of tape."""
    high = signal.sosfilt(signal.butter(2, 2500, "highpass", fs=RATE, output="sos"), rng.standard_normal(count))
    return high.astype(np.float32)


def music(count: int, rng: np.random.Generator) -> Sound:
    """Return a bed of chords, each struck softly and held for two seconds."""
    bed = np.zeros(count + 3 * RATE)
    since = np.arange(3 * RATE) / RATE
    swell = np.minimum(since / 0.15, 1) * np.exp(-since / 1.5) * np.minimum((3 - since) / 0.3, 1)
    for start in range(0, count, 2 * RATE):
        root = 110 * 2 ** (rng.integers(0, 12) / 12)
        for step in (0, 4, 7, 12):
            note = root * 2 ** (step / 12)
            bed[start : start + 3 * RATE] += swell * sum(np.sin(2 * np.pi * k * note * since) / k**2 for k in (1, 2, 3))
    return bed[:count].astype(np.float32)


def door(count: int, rng: np.random.Generator) -> Sound:
    """Return a room that is 15 dB louder, and brighter, once its door opens in the middle."""
    half = count // 2
    inside, outside = coloured(count, rng, 2.0), coloured(count, rng, 1.0)
    opened = np.clip((np.arange(count) - half) / (0.3 * RATE), 0, 1)
    quiet = 10 ** (-15 / 20)
    return ((1 - opened) * quiet * inside / inside.std() + opened * outside / outside.std()).astype(np.float32)


def crowd(count: int, rng: np.random.Generator, voices: Sequence[Sound]) -> Sound:
    """Return twelve stretches of ``voices`` at once, from further away."""
    far = np.zeros(count)
    for _ in range(12):
        voice = voices[rng.integers(len(voices))]
        far += np.resize(np.roll(voice / max(voice.std(), 1e-9), -rng.integers(len(voice))), count)
    return signal.sosfilt(signal.butter(1, 1500, fs=RATE, output="sos"), far).astype(np.float32)


#: Rooms by name: a function of samples, generator and the voices of other sounds.
ROOMS: Final[Mapping[str, Callable[[int, np.random.Generator, Sequence[Sound]], Sound]]] = {
    "white": lambda count, rng, _: coloured(count, rng, 0),
    "pink": lambda count, rng, _: coloured(count, rng, 1),
    "brown": lambda count, rng, _: coloured(count, rng, 2),
    "mains, 50 Hz": lambda count, rng, _: mains(count, rng, 50),
    "mains, 60 Hz": lambda count, rng, _: mains(count, rng, 60),
    "air conditioning": lambda count, rng, _: air_conditioning(count, rng),
    "fan": lambda count, rng, _: fan(count, rng),
    "hiss": lambda count, rng, _: hiss(count, rng),
    "door": lambda count, rng, _: door(count, rng),
    "crowd": crowd,
    "music": lambda count, rng, _: music(count, rng),
}


def in_room(spoken: KnownSpeech, room: Sound, below: float) -> Sound:
    """Return the speech with ``room`` (N,) under it, ``below`` decibels under the speech in its louder parts."""
    size = float(np.sqrt(np.mean(np.square(room, dtype=np.float64))))
    result: Sound = spoken.samples + room * np.float32(spoken.level * 10 ** (-below / 20) / max(size, 1e-12))
    return result


def in_bytes(spoken: KnownSpeech, rng: np.random.Generator) -> Sound:
    """Return the speech, its peaks at full scale, in samples of 8 bits with the noise that belongs to them."""
    loud = spoken.samples / max(float(np.abs(spoken.samples).max()), 1e-9)
    result: Sound = (np.round(loud * 127 + rng.uniform(-0.5, 0.5, (2, len(loud))).sum(axis=0)) / 128).astype(np.float32)
    return result


# ------------------------------------------------------------------------------------------------ figures


def figures(spoken: KnownSpeech, clean: Performance, heard: Performance) -> Metrics:
    """Return the columns of the table for a take ``heard`` in a room and the one without, both with their dials."""
    gap, jaw = lip_gap(heard), heard.arkit[:, ARKIT_INDEX["jawOpen"]]
    wanted = lip_gap(clean)
    pauses, speech = spoken.pauses, spoken.speech
    opened = speech & (wanted > OPEN)
    return {
        "ajar": float(((gap > AJAR_GAP) | (jaw > AJAR_JAW))[pauses].mean()),
        "gap": float(gap[pauses].mean()),
        "shut": float((gap < SHUT * wanted)[opened].mean()) if opened.any() else 0.0,
        "r_open": pearson(wanted[speech].astype(float), gap[speech].astype(float)),
        "opened": float(gap[speech].mean() / max(float(wanted[speech].mean()), 1e-9)),
    }


def voices_of(folder: Path) -> dict[str, Sound]:
    """Return the sounds (N,) at 16 kHz in ``folder`` by their names.

    Raises
    ------
    ValueError
        If there is none.
    MouthpieceError
        If one cannot be decoded.
    """
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise ValueError(f"no sounds ({', '.join(SUFFIXES)}) are in {folder}")
    return {path.stem: np.concatenate(list(SoundFile(path).blocks())) for path in paths}


def rooms_of(
    spoken: KnownSpeech, others: Sequence[Sound], levels: Sequence[float], rng: np.random.Generator
) -> Iterator[tuple[str, Sound]]:
    """Yield the name and the sound of ``spoken`` in each room at each level."""
    for name, made in ROOMS.items():
        room = made(len(spoken.samples), rng, others)
        for below in levels:
            yield f"{name}, {below:.0f} dB under", in_room(spoken, room, below)
    yield "8 bits", in_bytes(spoken, rng)


def take_of(samples: Sound) -> Performance:
    """Return the take of ``samples`` (N,) at 16 kHz as it is seen, in the average speaker's style."""
    return animate(Audio(samples, RATE), Options(style=Style())).final()


def measure(folder: Path, levels: Sequence[float], seed: int, at_most: float | None) -> int:
    """Print the table and return the exit code."""
    voices = voices_of(folder)
    rows = defaultdict[str, list[Metrics]](list)
    for number, (name, samples) in enumerate(voices.items()):
        rng = np.random.default_rng((seed, number))
        spoken = with_pauses(samples)
        if not spoken.pauses.any() or not spoken.speech.any():
            raise ValueError(f"nobody speaks in {name}")
        others = [sound for other, sound in voices.items() if other != name] or [samples]
        clean = take_of(spoken.samples)
        rows["none"].append(figures(spoken, clean, clean))
        for room, sound in rooms_of(spoken, others, levels, rng):
            rows[room].append(figures(spoken, clean, take_of(sound)))
        log.info("%s", name)
    means = {room: mean_rows(row) for room, row in rows.items()}
    everywhere = mean_rows([row for room, row in means.items() if room != "none"])
    print(table(means | {"mean of the rooms": everywhere}, "room", COLUMNS))
    if at_most is not None and everywhere["ajar"] > at_most:
        log.error("the mouth stands ajar in %.3f of the pauses, more than %.3f", everywhere["ajar"], at_most)
        return 1
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.measures.room_tone", __doc__)
    parser.add_argument("--speech", type=Path, required=True, metavar="FOLDER", help="WAV, FLAC or OGG files")
    parser.add_argument(
        "--levels", type=float, nargs="+", default=LEVELS, metavar="DB", help="decibels under the speech"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at-most", type=float, metavar="SHARE")
    args = parser.parse_args(argv)
    return exit_code(lambda: measure(args.speech, args.levels, args.seed, args.at_most), "cannot measure")


if __name__ == "__main__":
    sys.exit(main())

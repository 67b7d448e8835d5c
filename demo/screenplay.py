"""A film's screenplay: who says what when, its sounds, and the same as cast tables (CSV, JSON, OpenTimelineIO).

``screenplay`` decides; ``write`` makes the files. Nothing here knows Blender: what voices say is cut out of speech
that is handed over, at its pauses, and put together anew for each sound, so that no two sounds are alike.
"""

from __future__ import annotations

import csv
import io
import json
import wave
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

FPS: Final = 24
#: Samples per second of the sounds.
RATE: Final = 16_000
#: Characters, how much faster and higher than the speech they are made of their voices are.
VOICES: Final = {"Ada": 1.06, "Vera": 1.17, "Ben": 0.87, "Pia": 1.24, "Cleo": 0.96}
#: Frame on which the film begins to speak.
FIRST: Final = 25
#: Columns of the cast table.
COLUMNS: Final = ("label", "character", "audio", "start", "begin", "end", "channel", "to", "transcript")
#: Seconds of a pause between two pieces of speech, and the shortest and longest piece.
_PAUSE: Final = (0.12, 0.3)
_PIECE: Final = (0.7, 4.0)


@dataclass(frozen=True, slots=True)
class ScriptLine:
    """A line of the film; times are whole frames.

    Attributes
    ----------
    who, to : str
        The character that speaks, and the one spoken to.
    label : str
        Its name, which is its strip's.
    sound : str
        Name of the sound file.
    frame : int
        Frame of the timeline on which second 0 of the sound lies.
    begin, end : int
        First frame of the sound that is heard, and the one after the last.
    channel : str
        What of a sound with two channels is heard: left, right; empty for one channel.
    is_turn : bool
        Whether it shares its strip with the lines of others.
    """

    who: str
    to: str
    label: str
    sound: str
    frame: int
    begin: int
    end: int
    channel: str = ""
    is_turn: bool = False

    @property
    def first(self) -> int:
        """First frame on which it is heard."""
        return self.frame + self.begin

    @property
    def last(self) -> int:
        """Last frame on which it is heard."""
        return self.frame + self.end - 1


@dataclass(frozen=True, slots=True)
class FilmSound:
    """A sound to be made: its file's name, its length in frames, and the voice of each channel, turn by turn.

    ``voices`` has an entry for each channel: pairs of a character and the number of frames it speaks.
    """

    name: str
    frames: int
    voices: tuple[tuple[tuple[str, int], ...], ...]


@dataclass(frozen=True, slots=True)
class Screenplay:
    """All lines of a film in the order they are heard, its sounds, and its last frame."""

    lines: tuple[ScriptLine, ...]
    sounds: tuple[FilmSound, ...]
    last: int

    @property
    def speech(self) -> float:
        """Seconds of speech, of all lines together."""
        return sum(line.end - line.begin for line in self.lines) / FPS

    def overlaps(self) -> int:
        """Return how many lines begin while another is heard that began before them."""
        ends = [max((one.last for one in self.lines[:number]), default=0) for number in range(len(self.lines))]
        return sum(line.first <= end for line, end in zip(self.lines, ends, strict=True))


def screenplay(count: int, minutes: float, seed: int = 1, clash: bool = False) -> Screenplay:
    """Return a film of ``count`` lines with that many minutes of speech.

    From ten lines on there are two lines on the channels of one stereo sound, lines that share a sound by turns, and
    sounds that are cut into several lines, one of which has been moved away from the others. Every fifth sound begins
    before the one before has ended. With ``clash`` a character interrupts itself, once.
    """
    rng = np.random.default_rng(seed)
    plans = _plans(count, rng)
    weights = np.concatenate([rng.uniform(0.6, 1.4, len(plan[1])) for plan in plans])
    weights[_is_stereo_right(plans)] = weights[np.flatnonzero(_is_stereo_right(plans)) - 1]
    lengths = np.maximum(_whole(weights / weights.sum() * minutes * 60 * FPS), FPS // 2)
    lines: list[ScriptLine] = []
    sounds, taken, cursor = [], 0, FIRST
    for number, (kind, speakers) in enumerate(plans):
        own = [int(value) for value in lengths[taken : taken + len(speakers)]]
        name = f"{number + 1:02d}_{'_'.join(dict.fromkeys(speakers))}_{kind}.wav".lower()
        overlaps = number % 5 == 4 and {line.who for line in lines[-1:]}.isdisjoint(speakers)
        start = cursor + int(rng.integers(8, 40)) if not overlaps else cursor - int(rng.integers(10, 24))
        free = max((line.last + 1 for line in lines if line.who in speakers), default=FIRST)
        start = max(start, free)
        made, sound = _recorded(kind, speakers, own, name, start, taken)
        lines += made
        sounds.append(sound)
        taken += len(speakers)
        cursor = max(cursor, max(line.last for line in made) + 1)
    if clash:
        lines = _clashing(lines)
    lines.sort(key=lambda line: line.first)
    heard = [replace(line, to=_listener(lines, number)) for number, line in enumerate(lines)]
    return Screenplay(tuple(heard), tuple(sounds), max(line.last for line in heard) + FPS)


def _plans(count: int, rng: np.random.Generator) -> list[tuple[str, list[str]]]:
    """Return what kind each sound is of, and who speaks in it, line by line."""
    kinds: list[tuple[str, int]] = []
    if count >= 10:
        kinds = [("stereo", 2), ("turns", 4 if count >= 20 else 2)]
        kinds += [("cut", 3 if count >= 20 else 2)] * (count // 10)
    kinds += [("line", 1)] * (count - sum(lines for _, lines in kinds))
    order = rng.permutation(len(kinds)).tolist()
    spoken: Counter[str] = Counter()
    plans: list[tuple[str, list[str]]] = []
    last = ""
    for kind, lines in (kinds[number] for number in order):
        ranked = sorted((spoken[who] + float(rng.uniform(0, 0.9)), who) for who in VOICES if who != last)
        one, two = ranked[0][1], ranked[1][1]
        who = [one] * lines if kind in ("line", "cut") else [one, two] * (lines // 2)
        spoken.update(who)
        plans.append((kind, who))
        last = who[-1]
    return plans


def _is_stereo_right(plans: Iterable[tuple[str, Sequence[str]]]) -> NDArray[np.bool_]:
    """Return for each line whether it is the second channel of a stereo sound, which is as long as the first."""
    return np.concatenate([[kind == "stereo" and k == 1 for k in range(len(who))] for kind, who in plans])


def _whole(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Round numbers so that their sum is kept."""
    ends = np.round(np.concatenate([[0.0], np.cumsum(values)])).astype(np.int64)
    return ends[1:] - ends[:-1]


def _recorded(
    kind: str, speakers: list[str], lengths: list[int], name: str, start: int, taken: int
) -> tuple[list[ScriptLine], FilmSound]:
    """Return the lines of one sound, and the sound."""
    labels = [f"{taken + k + 1:02d}_{who}" for k, who in enumerate(speakers)]
    if kind == "stereo":
        frames = max(lengths)
        sides = zip(speakers, labels, ("left", "right"), strict=True)
        lines = [ScriptLine(who, "", label, name, start, 0, frames, side) for who, label, side in sides]
        return lines, FilmSound(name, frames, tuple(((who, frames),) for who in speakers))
    ends = np.cumsum(lengths).tolist()
    spans = list(pairwise([0, *ends]))
    lines = [
        ScriptLine(who, "", label, name, start, begin, end, is_turn=kind == "turns")
        for who, label, (begin, end) in zip(speakers, labels, spans, strict=True)
    ]
    if kind == "cut":  # the last piece is heard a second later than it was recorded
        lines[-1] = replace(lines[-1], frame=start + FPS)
    return lines, FilmSound(name, ends[-1], (tuple(zip(speakers, lengths, strict=True)),))


def _clashing(lines: list[ScriptLine]) -> list[ScriptLine]:
    """Return the lines with one moved over an earlier one of the same character."""
    for number, line in enumerate(lines):
        before = [one for one in lines[:number] if one.who == line.who]
        if before and not (line.is_turn or line.channel):
            moved = replace(line, frame=before[-1].first + (before[-1].end - before[-1].begin) // 2 - line.begin)
            return [*lines[:number], moved, *lines[number + 1 :]]
    return lines


def _listener(lines: Sequence[ScriptLine], number: int) -> str:
    """Return who is spoken to: whoever spoke last before, or else speaks next."""
    order = [*reversed(lines[:number]), *lines[number + 1 :]]
    return next((line.who for line in order if line.who != lines[number].who), "")


def pieces(speech: Sequence[Samples]) -> list[Samples]:
    """Return pieces of speech, each cut out of one of the recordings (at :data:`RATE`) at pauses."""
    found = []
    for samples in speech:
        step = RATE // 50
        count = len(samples) // step
        loud = np.sqrt((samples[: count * step].reshape(count, step) ** 2).mean(axis=1)) + 1e-9
        smooth = np.convolve(loud, np.ones(5) / 5, mode="same")
        at = 0
        while at + _PIECE[0] * 50 < count:
            low, high = at + int(_PIECE[0] * 50), min(count, at + int(_PIECE[1] * 50))
            cut = low + int(np.argmin(smooth[low:high])) if high < count else count
            if smooth[at:cut].max() > 0.02:
                found.append(samples[at * step : cut * step])
            at = cut
    return found


def voice(pool: Sequence[Samples], seconds: float, rate: float, rng: np.random.Generator) -> Samples:
    """Return that many seconds of a voice: pieces in an order of its own, ``rate`` times as fast and as high."""
    wanted, made = round(seconds * RATE), [np.zeros(round(rng.uniform(0.05, 0.15) * RATE), np.float32)]
    order: list[int] = []
    while sum(map(len, made)) < wanted:
        order = order or rng.permutation(len(pool)).tolist()
        piece, fast = pool[order.pop()], rate * rng.uniform(0.95, 1.05)
        places = np.arange(int((len(piece) - 1) / fast)) * fast
        spoken = np.interp(places, np.arange(len(piece)), piece).astype(np.float32)
        made += [_faded(0.75 * spoken / max(1e-6, np.abs(spoken).max())), _rest(rng)]
    return _faded(np.concatenate(made)[:wanted])


def _rest(rng: np.random.Generator) -> Samples:
    noise: Samples = (1e-4 * rng.standard_normal(round(rng.uniform(*_PAUSE) * RATE))).astype(np.float32)
    return noise


def _faded(samples: Samples) -> Samples:
    ramp = np.minimum(1, np.arange(len(samples)) / (0.01 * RATE))
    faded: Samples = (samples * ramp * ramp[::-1]).astype(np.float32)
    return faded


def record(sound: FilmSound, pool: Sequence[Samples], seed: int, folder: Path) -> Path:
    """Write the WAV file of a sound; the same seed makes the same bytes."""
    rng = np.random.default_rng([seed, *sound.name.encode()])
    channels = [
        np.concatenate([voice(pool, frames / FPS, VOICES[who], rng) for who, frames in turns]) for turns in sound.voices
    ]
    length = round(sound.frames / FPS * RATE)
    together = np.stack([np.resize(one, length) for one in channels], axis=1)
    path = folder / sound.name
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(together, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def rows(play: Screenplay) -> list[dict[str, str]]:
    """Return the film as rows of a cast table: times in seconds, and what is as long as its sound has no end."""
    whole = {sound.name: sound.frames for sound in play.sounds}
    return [
        {
            "label": line.label,
            "character": line.who,
            "audio": f"sounds/{line.sound}",
            "start": _seconds(line.frame),
            "begin": _seconds(line.begin) if line.begin else "",
            "end": _seconds(line.end) if line.end < whole[line.sound] else "",
            "channel": line.channel,
            "to": line.to,
            "transcript": f"{line.who} speaks to {line.to}." if line.to else f"{line.who} speaks.",
        }
        for line in play.lines
    ]


def _seconds(frames: int) -> str:
    return f"{frames / FPS:.6f}".rstrip("0").rstrip(".")


def write(play: Screenplay, folder: Path, pool: Sequence[Samples], seed: int = 1) -> None:
    """Write sounds/*.wav, cast.csv, cast.json, cast.otio, and subtitles of the sound that is shared by turns."""
    (folder / "sounds").mkdir(parents=True, exist_ok=True)
    for sound in play.sounds:
        record(sound, pool, seed, folder / "sounds")
    table = rows(play)
    text = io.StringIO()
    sheet = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    sheet.writeheader()
    sheet.writerows(table)
    (folder / "cast.csv").write_text(text.getvalue(), encoding="utf-8")
    numbers = ("start", "begin", "end")
    entries = [{k: float(v) if k in numbers else v for k, v in row.items() if v} for row in table]
    (folder / "cast.json").write_text(json.dumps({"lines": entries}, indent=1), encoding="utf-8")
    (folder / "cast.otio").write_text(json.dumps(timeline(play), indent=1), encoding="utf-8")
    (folder / "turns.srt").write_text(subtitles([line for line in play.lines if line.is_turn]), encoding="utf-8")


def subtitles(turns: Sequence[ScriptLine]) -> str:
    """Return who speaks when in a sound as SRT, in the sound's own time."""
    cues = [
        f"{number}\n{_clock(line.begin)} --> {_clock(line.end)}\n{line.who.upper()}: {line.who} speaks to {line.to}.\n"
        for number, line in enumerate(turns, 1)
    ]
    return "\n".join(cues)


def _clock(frames: int) -> str:
    milliseconds = round(frames * 1000 / FPS)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"00:{minutes:02d}:{rest // 1000:02d},{rest % 1000:03d}"


def timeline(play: Screenplay) -> dict[str, Any]:
    """Return the film as OpenTimelineIO has it: a track for each character, and more where it interrupts itself."""
    tracks: list[tuple[str, list[dict[str, Any]], int]] = []
    frames = {sound.name: sound.frames for sound in play.sounds}
    for line in play.lines:
        found = next((n for n, (who, _, end) in enumerate(tracks) if who == line.who and end <= line.first), None)
        who, children, end = (line.who, [], 0) if found is None else tracks.pop(found)
        if line.first > end:
            children.append({"OTIO_SCHEMA": "Gap.1", "name": "", "source_range": _range(0, line.first - end)})
        manner = {"label": line.label, "channel": line.channel, "to": line.to}
        children.append(
            {
                "OTIO_SCHEMA": "Clip.1",
                "name": line.label,
                "source_range": _range(line.begin, line.end - line.begin),
                "metadata": {"mouthpiece": {key: value for key, value in manner.items() if value}},
                "media_reference": {
                    "OTIO_SCHEMA": "ExternalReference.1",
                    "target_url": f"sounds/{line.sound}",
                    "available_range": _range(0, frames[line.sound]),
                },
            }
        )
        tracks.insert(len(tracks) if found is None else found, (who, children, line.last + 1))
    stack = [
        {"OTIO_SCHEMA": "Track.1", "name": who, "kind": "Audio", "children": children} for who, children, _ in tracks
    ]
    return {
        "OTIO_SCHEMA": "Timeline.1",
        "name": "film",
        "global_start_time": None,
        "tracks": {"OTIO_SCHEMA": "Stack.1", "name": "tracks", "children": stack},
    }


def _range(start: int, duration: int) -> dict[str, Any]:
    def moment(value: int) -> dict[str, Any]:
        return {"OTIO_SCHEMA": "RationalTime.1", "rate": float(FPS), "value": float(value)}

    return {"OTIO_SCHEMA": "TimeRange.1", "start_time": moment(start), "duration": moment(duration)}

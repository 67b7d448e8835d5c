"""How loud a character's lines are on each frame, as its scene plays them now: strips may have moved since the bake."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil, floor
from typing import TYPE_CHECKING, Any, Final

import bpy
import numpy as np
from mouthpiece.errors import AudioError, MouthpieceError
from mouthpiece.lint.seen_face import HeardPhone, LineSpan
from mouthpiece.sounds.mixdown import AUTOMATIC
from numpy.typing import NDArray

from .. import compat
from ..keys import kept_takes
from ..sound import contents, recordings, strips
from ..sound.recordings import Placement, Recording

if TYPE_CHECKING:
    from mouthpiece.performance import Performance

Floats = NDArray[np.float64]

#: Decibels where nothing is said, and of a moment at which a take's own activity says that somebody speaks.
SILENT: Final = -120.0
#: Steps of loudness per second, and how many of them are what is heard at a moment, and what is loudest in a line.
_STEPS: Final = 100
_MOMENT, _LOUDEST = 5, 30
#: Most seconds of a sound whose loudness is looked at, and most sounds that are remembered.
_MOST: Final = 7_200
_REMEMBERED: Final = 64


@dataclass(frozen=True, slots=True, eq=False)
class HeardSpeech:
    """What is heard of a character on F frames: loudness in dB and probability of speech, its lines, and remarks.

    ``expected`` is how far the mouth opens in takes of what is heard, in eye distances; NaN where that is unknown.
    ``phones`` are those that such takes say, in order of time.
    """

    loudness: NDArray[np.float32]
    speech: NDArray[np.float32]
    expected: NDArray[np.float32]
    lines: tuple[LineSpan, ...]
    remarks: tuple[str, ...] = ()
    phones: tuple[HeardPhone, ...] = ()


def heard(
    obj: bpy.types.Object, lines: Sequence[kept_takes.KeptLine], frames: NDArray[np.int64], scene: bpy.types.Scene,
    everybody: Sequence[kept_takes.KeptLine] = (),
) -> HeardSpeech:  # fmt: skip
    """Return what is heard of a character's lines on frames (F,) of a scene's animation.

    ``everybody`` are the lines of all characters: a strip that is one of these is no piece of another line, and the
    take of any tells how a mouth moves in its sound.
    """
    others = frozenset(line.sound for line in everybody)
    loudness = np.full(len(frames), SILENT)
    speech = np.zeros(len(frames))
    expected = np.full(len(frames), np.nan)
    spans, remarks, phones = [], [], list[HeardPhone]()
    for line in sorted(lines, key=lambda one: one.frames().first):
        grid = line.frames()
        first, last = grid.first - int(frames[0]), grid.last - int(frames[0])
        pieces = [(label_of(line), first, last)]
        try:
            played, more = _played(obj, line, scene, others)
            if len(played) > 1:
                pieces = [(f"{label_of(line)} ({label_of(one)})", *_within(one, frames, first, last)) for one in played]
            remarks += more
            loud, spoken = _on_frames(played, frames)
            for one in played:
                takes = [other for other in (line, *everybody) if other.content and other.content == one.content]
                for take in takes[:1]:
                    expected = np.fmax(expected, _called_for(take, one.placement, frames))
                    phones += _said(take, one.placement, frames)
                if one.content != line.content:
                    remarks.append(
                        f"{line.label} plays another sound than it was animated from: animate it again, or give the "
                        "strip its sound back"
                    )
        except (MouthpieceError, OSError) as error:
            loud, spoken = _by_take(line, frames)
            expected = np.fmax(expected, _called_for(line, _baked_place(line, scene), frames))
            phones += _said(line, _baked_place(line, scene), frames)
            remarks.append(f"{line.label}: {error} It was judged by its take alone")
        loudness, speech = np.maximum(loudness, loud), np.maximum(speech, spoken)
        spans += [
            LineSpan(label, max(begin, 0), min(end, len(frames) - 1))
            for label, begin, end in pieces
            if end >= max(begin, 0) and begin < len(frames)
        ]
    return HeardSpeech(
        loudness.astype(np.float32), speech.astype(np.float32), expected.astype(np.float32), tuple(spans),
        tuple(dict.fromkeys(remarks)), tuple(sorted(phones, key=lambda one: one.row)),
    )  # fmt: skip


def _within(piece: Recording, frames: NDArray[np.int64], first: int, last: int) -> tuple[int, int]:
    """Return the rows of a line's frames, from ``first`` to ``last``, on which a piece of its sound is heard."""
    left, right = piece.placement.left, piece.placement.right
    begin, end = (None if at is None else at - int(frames[0]) for at in (left, right))
    return first if begin is None else max(first, begin), last if end is None else min(last, end - 1)


def label_of(line: kept_takes.KeptLine | Recording) -> str:
    """Return the name of a line or sound as findings have it."""
    return line.label.strip("'")


def _played(
    obj: bpy.types.Object, line: kept_takes.KeptLine, scene: bpy.types.Scene, others: Collection[str]
) -> tuple[list[Recording], list[str]]:
    """Return where the sound of a line is heard now, and remarks; raises AudioError if it is not found.

    It is its own strip and others of the same sound that are nobody's line, as pieces of a strip that was cut are; or,
    if no strip plays it, its file where the line was baked.
    """
    found, remarks, silent = [], [], False
    for source, strip in _strips(obj, line, scene):
        own = f"strip:{source.name}/{strip.name}"
        named = own == line.sound
        if not named and (own in others or not _is_sound(strip, line.content)):
            continue
        try:
            heard_now = strips.from_strip(strip, source, scene)
        except AudioError as error:
            silent = True
            remarks.append(f"{line.label} is not heard: {error}")
            continue
        found.append(replace(heard_now, channel=line.channel or AUTOMATIC))
    if found or silent:
        return found, remarks
    place = _baked_place(line, scene)
    if line.sound.startswith("strip:"):
        remarks.append(f"No strip plays {line.label} any more: it was judged by its file, where it was animated")
    kind, _, name = line.sound.partition(":")
    block = next((one for one in bpy.data.sounds if kind == "sound" and one.name_full == name), None)
    if block is not None:
        path, packed = recordings.content_of(block)
        return [Recording(line.sound, line.label, path, place, packed, channel=line.channel or AUTOMATIC)], remarks
    path = recordings.found(line.content, line.place)
    if path.lower().endswith(".npz"):
        raise AudioError("it was animated from a take, without a sound.")
    return [Recording(line.sound, line.label, path, place, channel=line.channel or AUTOMATIC)], remarks


def _baked_place(line: kept_takes.KeptLine, scene: bpy.types.Scene) -> Placement:
    """Return where the sound of a line lies that begins where it was animated, at the present frame rate."""
    grid = line.frames()
    place = Placement(recordings.animation_fps(scene), grid.origin, grid.offset + line.begin, grid.speed)
    seconds = (line.second_at(grid.last) - line.second_at(grid.first)) / grid.speed
    return replace(place, left=grid.first, right=grid.first + ceil(seconds * place.fps) + 1)


def _strips(
    obj: bpy.types.Object, line: kept_takes.KeptLine, scene: bpy.types.Scene
) -> Iterator[tuple[bpy.types.Scene, bpy.types.Strip]]:
    """Yield the sound strips that may play a line, each with its scene: the line's own, and those of the character."""
    kind, _, rest = line.sound.partition(":")
    names = {rest.partition("/")[0]} if kind == "strip" else set()
    for source in bpy.data.scenes:
        if source == scene or source.name in names or source in obj.users_scene:
            for strip in compat.all_strips(source):
                if strip.type == "SOUND" and strip.sound is not None:
                    yield source, strip


def _is_sound(strip: bpy.types.Strip, content: str) -> bool:
    """Return whether a strip plays the sound of that content."""
    try:
        path, packed = recordings.content_of(strip.sound)
    except AudioError:
        return False
    return bool(content) and (contents.of_file(path) if packed is None else contents.of_bytes(packed)) == content


def _on_frames(played: Sequence[Recording], frames: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return loudness (F,) in dB against the loudest 0.3 s, and the probability of speech (F,)."""
    power, speech, loudest = np.zeros(len(frames)), np.zeros(len(frames)), 0.0
    for one in played:
        place = one.placement
        seconds = _seconds(place, frames)
        low = float(_seconds(place, np.array(place.origin if place.left is None else place.left)))
        high = np.inf if place.right is None else float(_seconds(place, np.array(place.right)))
        begin = max(0, floor(low))
        rms, activity = _steps_of(one, begin, ceil(min(high, begin + _MOST)))
        if not len(rms):
            continue
        squared = np.square(rms.astype(np.float64))
        inside = squared[
            max(0, floor((low - begin) * _STEPS)) : max(1, ceil(min((high - begin) * _STEPS, len(squared))))
        ]
        loudest = max(loudest, float(_mean(inside, _LOUDEST).max(initial=0.0)))
        at = np.rint((seconds - begin) * _STEPS).astype(np.int64)
        here = (seconds >= low) & (seconds < high) & (at >= 0) & (at < len(squared))
        power[here] += _mean(squared, _MOMENT)[at[here]]
        speech[here] = np.maximum(speech[here], activity[np.minimum(at[here] * 25 // _STEPS, len(activity) - 1)])
    with np.errstate(divide="ignore"):
        loud = 10 * np.log10(power / loudest) if loudest > 0 else np.full(len(frames), SILENT)
    return np.maximum(loud, SILENT), speech


def _called_for(line: kept_takes.KeptLine, place: Placement, frames: NDArray[np.int64]) -> Floats:
    """Return the opening (F,) that a line's take, as inferred, has where its sound is heard; NaN elsewhere."""
    from mouthpiece.curves import sample

    opening = np.full(len(frames), np.nan)
    try:
        take = kept_takes.motion(line)
    except MouthpieceError:
        return opening
    times = _seconds(place, frames) - line.begin
    here = (times >= 0) & (times < take.seconds)
    here &= frames >= (place.left if place.left is not None else place.origin)
    here &= frames < (np.inf if place.right is None else place.right)
    opening[here] = np.maximum(sample(lips_apart(take), take.fps, times[here]), 0)
    return opening


def _said(line: kept_takes.KeptLine, place: Placement, frames: NDArray[np.int64]) -> list[HeardPhone]:
    """Return the phones that a line's take says where its sound is heard; none if its take knows none, or is gone."""
    from mouthpiece.lint.sources.phones import phones_said

    if not len(frames):
        return []
    try:
        take = kept_takes.motion(line)
    except MouthpieceError:
        return []
    per_second = place.fps / place.speed
    begin = place.origin + (line.begin - place.offset) * per_second - int(frames[0])
    said = phones_said(take.speech, per_second, len(frames), begin)
    low = (place.origin if place.left is None else place.left) - int(frames[0])
    high = len(frames) if place.right is None else place.right - int(frames[0])
    return [one for one in said if low <= one.row < high]


def lips_apart(take: Performance) -> Floats:
    """Return how far the lips of a take are apart, (T,), in distances of its outer eye corners; 0 as at rest."""
    from mouthpiece.motion.closures import LOWER, UPPER
    from mouthpiece.topology import LEFT_EYE_OUTER, RIGHT_EYE_OUTER

    unit = float(np.linalg.norm(take.neutral[LEFT_EYE_OUTER] - take.neutral[RIGHT_EYE_OUTER])) or 1.0
    moved = take.landmarks.astype(np.float64) - take.neutral
    gap = (moved[:, list(LOWER), 1] - moved[:, list(UPPER), 1]).mean(axis=1)
    return np.asarray(gap / unit, np.float64)


def _seconds(place: Placement, frames: NDArray[Any]) -> Floats:
    """Return the second of a sound that is heard at frames (F,)."""
    return np.asarray(place.offset + (frames - place.origin) / place.fps * place.speed, np.float64)


def _mean(values: Floats, count: int) -> Floats:
    """Return the running mean of values (N,) over ``count`` of them."""
    if not len(values):
        return values
    summed = np.cumsum(np.concatenate([[0.0], values]))
    low = np.clip(np.arange(len(values)) - count // 2, 0, len(values))
    high = np.clip(low + count, 0, len(values))
    return np.asarray((summed[high] - summed[low]) / np.maximum(high - low, 1), np.float64)


def _steps_of(sound: Recording, begin: int, end: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the root mean square of each 10 ms of a sound's seconds, and the probability of speech at 25 Hz."""
    return _read(_SoundKey(sound, sound.content, sound.channel), begin, end)


@dataclass(frozen=True, slots=True)
class _SoundKey:
    """A sound that equals others of the same content of which the same channel is heard."""

    sound: Recording
    content: str
    channel: str

    def __hash__(self) -> int:
        return hash((self.content, self.channel))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _SoundKey) and (self.content, self.channel) == (other.content, other.channel)


@lru_cache(maxsize=_REMEMBERED)
def _read(key: _SoundKey, begin: int, end: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    from mouthpiece.features import HOP_SAMPLES, hop_rms
    from mouthpiece.motion.rest import speech_activity

    rest, parts = np.zeros(0, np.float32), []
    with recordings.opened(key.sound) as sound:
        for block in sound.blocks(begin, end):
            whole = np.concatenate([rest, block])
            count = len(whole) // HOP_SAMPLES * HOP_SAMPLES
            parts.append(hop_rms(whole[:count]))
            rest = whole[count:]
    rms = np.concatenate([np.zeros(0, np.float32), *parts])
    return rms, speech_activity(rms, max(1, ceil(len(rms) / 4)))


def _by_take(line: kept_takes.KeptLine, frames: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return loudness and speech (F,) of a line by the activity in its take; silence if the take is gone as well."""
    from mouthpiece.curves import sample

    grid = line.frames()
    try:
        take = kept_takes.motion(line)
    except MouthpieceError:
        return np.full(len(frames), SILENT), np.zeros(len(frames))
    times = grid.offset + (frames - grid.origin) / grid.fps * grid.speed
    active = sample(take.activity, take.fps, times)
    inside = (frames >= grid.first) & (frames <= grid.last)
    return np.where(inside, np.maximum((active - 1) * 60, -60), SILENT), np.where(inside, active, 0)

"""Makes a performance from a sound; only this file knows the order of the steps.

``steps`` is ``animate`` as a generator: it yields :class:`Progress` and :class:`Warned` while it works and the
:class:`~mouthpiece.performance.Performance` last; closing it cancels. ``excerpt_steps`` does the same for a part of a
sound. Whatever part is asked for, the face does the same at the same second: a sound of up to three minutes is always
heard whole, a longer one in chapters (:mod:`.chapters`), of which only those needed are decoded. Apart from the result,
memory does not grow with the length of the sound.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Generator, Hashable, Iterable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from . import chapters, styles
from .actors import actor as actors
from .actors.actor import Actor
from .audio import Audio, Source
from .chapters import Chapter
from .curves import sample
from .errors import AudioError, ModelError, MouthpieceError
from .features import FRAME_RATE, FRAME_SAMPLES, HOP_SAMPLES, RATE, band_levels, hop_rms, loudness_gain, speech_rms
from .models import registry, signatures
from .models.content import ContentNetwork
from .models.encoder import Encoder
from .models.phonetic import PhoneticListener
from .motion import eyes, head, living, prosody, rest, tongue
from .performance import FPS_LIMITS, Performance
from .phones import segmentation
from .phones.excerpts import excerpt
from .phones.speech import Speech
from .recent_takes import recent
from .speaker import voice_print
from .styles import Style

Array = NDArray[np.float32]

#: Seconds of motion before and after a part that belong to an excerpt: a dial moves motion by up to five.
MARGIN: Final = 6
#: Number of the piece that is a sound heard whole, and a frame that no sound reaches.
_WHOLE: Final = -1
_ENDLESS: Final = 1 << 40
#: Share of samples at full scale from which a sound counts as clipped.
_CLIPPED_SHARE: Final = 0.002
#: Where a warning about a whole sound holds.
_EVERYWHERE: Final = "from end to end"


#: Seeds lie below this: takes and records keep whole numbers of 64 bits.
SEEDS: Final = 10**18


@dataclass(frozen=True, slots=True)
class Options:
    """Settings of :func:`animate`.

    Attributes
    ----------
    fps : float
        Frames per second of the take. The networks work at 25; other rates are interpolated.
    seed : int
        Seed of the random head motion, blinks and gaze, at most 18 digits. The same seed gives the same take.
    style : Style, optional
        The style; None takes the speaker's own from the sound, or that of the actor if there is one.
    actor : Actor, optional
        Whose mouth moves, and whose head and brows unless there is a style; None for the average speaker's.
    """

    fps: float = float(FRAME_RATE)
    seed: int = 0
    style: Style | None = None
    actor: Actor | None = None

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises
        ------
        MouthpieceError
            If the frame rate or seed is out of range.
        """
        if not FPS_LIMITS[0] <= self.fps <= FPS_LIMITS[1]:
            raise MouthpieceError(f"A take cannot have {self.fps} frames per second. Choose between 1 and 240.")
        if not 0 <= self.seed < SEEDS:
            raise MouthpieceError(f"The seed is {self.seed:.6g}. Choose a whole number of at most 18 digits.")


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of the work: ``fraction`` 0..1, and what is being done."""

    fraction: float
    message: str


@dataclass(frozen=True, slots=True)
class Warned:
    """A warning for the user about a result that was made nevertheless."""

    message: str


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """Measures of a sound from a first pass over it.

    Attributes
    ----------
    samples : int
        Length at 16 kHz.
    rms : (N // 160,) float32
        Root mean square of each 10 ms.
    clipped : float
        Share of samples at full scale.
    sha256 : str
        Hash of the 16-bit samples.
    """

    samples: int
    rms: Array
    clipped: float
    sha256: str

    @property
    def frames(self) -> int:
        """Motion frames at 25 Hz that cover the sound; at least one."""
        return max(1, -(-self.samples // FRAME_SAMPLES))


def survey(source: Source) -> Survey:
    """Return length, loudness and identity of ``source``.

    Raises
    ------
    AudioError
        If it cannot be decoded or holds no samples.
    """
    digest = hashlib.sha256()
    rms: list[Array] = []
    rest_of_block = np.zeros(0, np.float32)
    count = clipped = 0
    for block in source.blocks():
        digest.update((np.clip(block, -1, 1) * 32767).round().astype("<i2").tobytes())
        count += len(block)
        clipped += int((np.abs(block) >= 0.999).sum())
        joined = np.concatenate([rest_of_block, block])
        whole = len(joined) // HOP_SAMPLES * HOP_SAMPLES
        rms.append(hop_rms(joined[:whole]))
        rest_of_block = joined[whole:]
    if not count:
        raise AudioError(f"{source.label} is empty: it holds no samples. Choose another sound.")
    if len(rest_of_block):
        rms.append(hop_rms(np.pad(rest_of_block, (0, HOP_SAMPLES - len(rest_of_block)))))
    return Survey(count, np.concatenate(rms), clipped / count, digest.hexdigest())


@dataclass(frozen=True, slots=True)
class Networks:
    """The networks that make a take; ``encoder`` is a user's own, for a content network trained with one."""

    phonetic: registry.Network
    content: registry.Network
    voice: registry.Network
    head: registry.Network
    encoder: registry.Network | None = None

    @classmethod
    def find(cls, folder: Path | None = None) -> Networks:
        """Return the networks that come with Mouthpiece, replaced by those of the same name in ``folder``.

        Raises
        ------
        ModelError
            If ``folder`` is not a folder with a network in it, a network is missing or damaged, the encoder the content
            network was trained with is missing, or the content network was trained with another listener.
        """
        if folder is not None and not _holds_networks(folder):
            raise ModelError(f"'{folder}' is not a folder with networks (.onnx) in it. Check the path.")
        phonetic, content, voice, head = (registry.find(n, folder) for n in ("phonetic", "content", "voice", "head"))
        if content.sidecar.listener != phonetic.sidecar.sha256:
            cure = (
                f"Adapt or train it again with this version, or put its listener into '{folder}'."
                if folder
                else "Reinstall Mouthpiece."
            )
            raise ModelError(
                f"The content network learned to hear with another listener (phonetic.onnx) than this one. {cure}"
            )
        wanted = content.sidecar.encoder
        encoder = registry.find("encoder", folder) if wanted else None
        if encoder is not None and encoder.sidecar.sha256 != wanted:
            raise ModelError(
                f"The content network in '{folder}' was trained with another encoder than the one beside it "
                f"('{encoder.sidecar.name}'). Put the encoder there it was trained with."
            )
        heard = signatures.frame_numbers(phonetic.sidecar.features, encoder.sidecar.features if encoder else 0)
        if content.sidecar.features != heard:
            raise ModelError(
                f"The content network takes {content.sidecar.features} numbers a frame; the listener"
                f"{' and the encoder give' if encoder else ' gives'} {heard}. Export it again, for these."
            )
        return cls(phonetic, content, voice, head, encoder)

    def remarks(self, folder: Path | None) -> Iterator[str]:
        """Yield what of ``folder`` does nothing, for whoever put it there."""
        if folder is None:
            return
        if self.encoder is None and registry.is_file(folder / "encoder.onnx"):
            yield (
                f"The encoder in '{folder}' is not used: the content network that makes this take learned without one. "
                "Put the content network there that was trained with it."
            )
        elif not any(registry.is_file(folder / f"{field.name}.onnx") for field in fields(self)):
            names = ", ".join(f"{field.name}.onnx" for field in fields(self))
            yield f"No network in '{folder}' has the name of one that makes takes ({names}): the shipped ones are used."

    def listener(self) -> PhoneticListener:
        """Return the listener, which computes the content network's input."""
        return PhoneticListener(self.phonetic.open(), Encoder(self.encoder) if self.encoder else None)

    def hashes(self) -> dict[str, str]:
        """Return the sha256 of each network by its name."""
        known = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: network.sidecar.sha256 for name, network in known.items() if network is not None}


def _holds_networks(folder: Path) -> bool:
    try:
        return any(folder.glob("*.onnx"))
    except (OSError, ValueError):
        return False


@dataclass(frozen=True, slots=True, eq=False)
class MouthMotion:
    """What the networks make of a sound at 25 Hz.

    Attributes
    ----------
    offsets : (T, 68, 3) float32
        Displacements of the landmarks from the resting face, in outer-eye distances.
    arkit : (T, 52) float32
        Blendshape weights of the mouth.
    bands : (T, 40) float32
        Levels of the sound's mel bands in dB, at the loudness the networks hear it at.
    posteriors : (2 T, P) float32
        Probability of each phone at 50 Hz (:class:`~.models.phonetic.HeardSound`); P is 0 if the listener reads none.
    word_starts : (2 T,) float32
        Probability that a word begins there; empty if the listener does not tell.
    """

    offsets: Array
    arkit: Array
    bands: Array
    posteriors: Array
    word_starts: Array


def articulate(source: Source, heard: Survey, networks: Networks) -> Iterator[Progress | MouthMotion]:
    """Yield progress and, last, how the mouth moves."""
    listener = networks.listener()
    network = ContentNetwork(networks.content.open())
    frames = heard.frames
    offsets = np.zeros((frames, 68, 3), np.float32)
    arkit = np.zeros((frames, 52), np.float32)
    levels, posteriors, starts = list[Array](), list[Array](), list[Array]()

    def features() -> Iterator[Array]:
        for part in listener.hear(source.blocks(), frames, loudness_gain(heard.rms)):
            levels.append(band_levels(part.features, networks.phonetic.sidecar.features))
            posteriors.append(part.posteriors)
            starts.append(part.word_starts)
            yield part.features

    done = 0
    for motion in network.stream(features(), frames):
        stop = done + len(motion.offsets)
        offsets[done:stop], arkit[done:stop] = motion.offsets, motion.arkit
        done = stop
        yield Progress(done / frames, "Moving the mouth")
    yield MouthMotion(offsets, arkit, *(np.concatenate(parts) for parts in (levels, posteriors, starts)))


@dataclass(frozen=True, slots=True, eq=False)
class Excerpt:
    """What a face does in a part of a sound, and a little before and after it.

    Attributes
    ----------
    performance : Performance
        Its time 0 is the second ``begin`` of the sound.
    begin : float
        Second of the sound.
    seconds : float
        Length of the sound as far as it was heard: all of it if the part reaches its end.
    """

    performance: Performance
    begin: float
    seconds: float


def steps(
    source: Source, options: Options | None = None, models: Path | None = None
) -> Iterator[Progress | Warned | Performance]:
    """Yield progress and warnings, and last the performance for ``source``.

    Parameters
    ----------
    source
        The sound, in memory or a file.
    options
        Frame rate, seed and style.
    models
        Folder whose networks replace those of the same name that come with Mouthpiece.

    Raises
    ------
    MouthpieceError
        If the sound cannot be used or a network is damaged.
    """
    for item in excerpt_steps(source, None, options, models):
        yield item.performance if isinstance(item, Excerpt) else item


def excerpt_steps(
    source: Source,
    part: tuple[float, float] | None = None,
    options: Options | None = None,
    models: Path | None = None,
) -> Iterator[Progress | Warned | Excerpt]:
    """Yield progress and warnings, and last what a face does in a part of ``source``.

    Parameters
    ----------
    source
        The sound. What is inferred of one with a ``content`` is kept in memory for the session (within bounds), so that
        another part of it, or the same again, is there at once.
    part : (float, float) or None
        First and last second; None for the whole sound. The excerpt has :data:`MARGIN` seconds more on either side, as
        far as there is sound.
    options, models
        As for :func:`steps`.

    Raises
    ------
    MouthpieceError
        If the sound cannot be used, ends before the part, or a network is damaged.
    """
    yield Progress(0.0, "Reading the sound")
    work = _Work(source, options or Options(), Networks.find(models))
    yield from (Warned(remark) for remark in work.networks.remarks(models))
    yield from map(Warned, source.mixdown.remarks(source.label))
    whole = work.known(_WHOLE)
    if whole is None:
        if work.knows_a_chapter(part) or len(_read(source, chapters.WHOLE, chapters.WHOLE + 1)):
            yield from _chaptered(work, part)
            return
        samples = _read(source)
        if not len(samples):
            raise AudioError(f"{source.label} is empty: it holds no samples. Choose another sound.")
        audio = Audio(samples, RATE, source.label)
        whole = yield from _inferred(work, _WHOLE, audio, survey(audio), (0.0, 1.0))
    yield from _remarks(source.label, round(whole.end * RATE), whole.clipped, whole.silent, whole.spoken)
    first, stop = _frames(part, work.options.fps)
    take = whole.performance if part is None else chapters.part(whole, first, stop)
    yield Excerpt(_noted(take, source), first / work.options.fps, whole.end)


@dataclass(frozen=True, slots=True)
class _Work:
    """A sound with all that decides what a face does in it, and what of it was inferred in this session."""

    source: Source
    options: Options
    networks: Networks

    def _key(self, number: int) -> Hashable:
        return self.source.content, self.options, tuple(sorted(self.networks.hashes().items())), number

    def known(self, number: int) -> Chapter | None:
        """Return a chapter, or the piece :data:`_WHOLE`, if it is known."""
        return recent.get(self._key(number)) if self.source.content else None

    def knows_a_chapter(self, part: tuple[float, float] | None) -> bool:
        """Return whether a chapter is known that a part needs: then the sound is one of chapters."""
        first, stop = _frames(part or (0.0, 0.0), self.options.fps)
        needed = chapters.needed(first / self.options.fps, stop / self.options.fps)
        return any(self.known(number) is not None for number in needed)

    def keep(self, number: int, piece: Chapter) -> None:
        """Keep a piece for the session."""
        if self.source.content:
            recent.put(self._key(number), piece)


def _read(source: Source, start: int = 0, stop: int | None = None) -> Array:
    """Return samples at 16 kHz of the seconds ``start`` to ``stop``; none if the sound ends before."""
    return np.concatenate([np.zeros(0, np.float32), *source.blocks(start, stop)])


def _frames(part: tuple[float, float] | None, fps: float) -> tuple[int, int]:
    """Return the frames, the last excluded, of a part and what is around it; of the whole sound without end."""
    if part is None:
        return 0, _ENDLESS
    first, last = part[0] - MARGIN, part[1] + MARGIN
    return max(0, math.floor(first * fps)), max(0, math.floor(last * fps)) + 1


def _chaptered(work: _Work, part: tuple[float, float] | None) -> Iterator[Progress | Warned | Excerpt]:
    """Yield what :func:`excerpt_steps` does, of a sound that is heard in chapters."""
    fps, label = work.options.fps, work.source.label
    first, stop = _frames(part, fps)
    heard: Survey | None = None
    numbers: Iterable[int] = chapters.needed(first / fps, stop / fps) if part is not None else ()
    if part is None:
        heard = survey(work.source)
        stop = math.ceil(heard.frames / FRAME_RATE * fps - 1e-6)
        numbers = chapters.all_of(heard.samples / RATE)
        # Whether anybody speaks is known when all chapters have been heard.
        yield from _remarks(label, heard.samples, heard.clipped, speech_rms(heard.rms) <= 0, True)
    numbers = list(numbers)
    joined, pieces, spoken = chapters.Joined(first, stop), list[Chapter](), False
    for done, number in enumerate(numbers):
        piece = work.known(number)
        if piece is None:
            piece = yield from _chapter(work, number, (done / len(numbers), (done + 1) / len(numbers)))
        if piece is None:
            break
        joined.add(number, piece)
        spoken = spoken or piece.spoken
        pieces = [piece] if part is None else [*pieces, piece]
        if piece.is_last:
            break
    if not joined.count:
        raise AudioError(f"{label} ends before the part that is to be spoken. Choose an earlier part of it.")
    if heard is None:
        clipped = max(piece.clipped for piece in pieces)
        silent = all(piece.silent for piece in pieces)
        yield from _remarks(label, chapters.WHOLE * RATE, clipped, silent, spoken, "here")
    elif not spoken and speech_rms(heard.rms) > 0:
        yield Warned(_nobody(label))
    take = joined.performance("" if heard is None else heard.sha256)
    yield Excerpt(_noted(take, work.source), joined.first / fps, pieces[-1].end)


def _noted(take: Performance, source: Source) -> Performance:
    """Return a take that says which channel of its sound was heard, if it was not the mean of all."""
    noted = source.mixdown.noted
    return replace(take, options={**take.options, "channel": noted}) if noted else take


def _chapter(
    work: _Work, number: int, share: tuple[float, float]
) -> Generator[Progress | Warned, None, Chapter | None]:
    """Yield progress, within ``share`` of all work, and return a chapter; None if the sound has no such chapter."""
    start, stop = chapters.stretch(number)
    samples = _read(work.source, start, stop)
    end = start + len(samples) / RATE
    if not len(samples) or not chapters.is_there(number, end):
        return None
    audio = Audio(samples, RATE, work.source.label)
    return (yield from _inferred(work, number, audio, survey(audio), share, start))


def _inferred(
    work: _Work, number: int, audio: Audio, heard: Survey, share: tuple[float, float], start: int = 0
) -> Generator[Progress | Warned, None, Chapter]:
    """Yield progress, within ``share`` of all work, and return what a face does in a sound heard in one piece.

    ``start`` is the second of the whole sound at which ``audio`` begins.
    """
    low, high = share
    networks, options, fps = work.networks, work.options, work.options.fps
    yield Progress(low + 0.1 * (high - low), "Listening")
    mouth: MouthMotion | None = None
    for item in articulate(audio, heard, networks):
        if isinstance(item, Progress):
            yield Progress(low + (0.1 + 0.8 * item.fraction) * (high - low), item.message)
        else:
            mouth = item
    assert mouth is not None
    yield Progress(low + 0.92 * (high - low), "Bringing the face to life")
    gate = rest.mouth_gate(heard.rms, mouth.bands)
    rest.rest_mouth(mouth.offsets, mouth.arkit, gate)
    own = None if options.actor is None else options.actor.style
    styled = replace(options, style=options.style or own or _style(audio, heard, networks))
    first = math.ceil(start * fps - 1e-6)
    rng = np.random.default_rng(options.seed if number == _WHOLE else (options.seed, number))
    rhythm = rhythm_of(heard, gate.opening)
    lead = first / fps - start
    said = excerpt(segmentation.heard(mouth.posteriors, mouth.word_starts), lead, heard.samples / RATE)
    take = perform(mouth.offsets, mouth.arkit, rhythm, heard, styled, networks, rng, lead, said)
    end = start + heard.samples / RATE
    last = number == _WHOLE or not chapters.is_there(number + 1, end)
    piece = Chapter(take, first, end, last, heard.clipped, speech_rms(heard.rms) <= 0, bool(gate.opening.any()))
    work.keep(number, piece)
    return piece


def style_of(source: Source, models: Path | None = None) -> Style:
    """Return the style of the speaker in ``source``, for another sound's :class:`Options`.

    Raises
    ------
    MouthpieceError
        If the sound cannot be used, or nobody speaks in it.
    """
    heard = survey(source)
    if speech_rms(heard.rms) <= 0:
        raise AudioError(f"Nobody speaks in {source.label}: there is no style to take from it. Choose another sound.")
    return _style(source, heard, Networks.find(models))


def _style(source: Source, heard: Survey, networks: Networks) -> Style:
    voice = voice_print(source.blocks(), heard.rms, networks.voice.open())
    return styles.heard(voice, rhythm_of(heard).features)


def animate(source: Source, options: Options | None = None, models: Path | None = None) -> Performance:
    """Return the performance for ``source``; parameters and errors as for :func:`steps`."""
    result: Performance | None = None
    for item in steps(source, options, models):
        if isinstance(item, Performance):
            result = item
    assert result is not None
    return result


def _remarks(
    label: str, samples: int, clipped: float, silent: bool, spoken: bool, where: str = _EVERYWHERE
) -> Iterator[Warned]:
    """Yield warnings about a sound, or about the part of it that is heard, of so many samples at 16 kHz."""
    if silent:
        yield Warned(f"{label} is silent {where}: the face rests, breathes and blinks.")
    elif not spoken:
        yield Warned(_nobody(label, where))
    if clipped > _CLIPPED_SHARE:
        yield Warned(f"{label} is clipped ({clipped:.1%} of it at full scale): lips may be less precise.")
    if samples < RATE // 5:
        yield Warned(f"{label} lasts {samples / RATE * 1000:.0f} ms: too short to hear words in.")


def _nobody(label: str, where: str = _EVERYWHERE) -> str:
    return f"Nobody speaks in {label} {where}, only noise is heard: the face rests, breathes and blinks."


#: Where the motion of the parts besides the mouth comes from, for the take's options.
_MADE = {"head": "learned", "blink": "statistics", "gaze": "statistics", "brows": "statistics"}


@dataclass(frozen=True, slots=True, eq=False)
class Rhythm:
    """Rhythm of speech at 25 Hz: its probability (T,) and states (T,); ``features`` (R, 7) are at 12.5 Hz."""

    activity: Array
    states: NDArray[np.int8]
    features: Array


def rhythm_of(heard: Survey, gate: Array | None = None) -> Rhythm:
    """Return the rhythm of a surveyed sound; and nobody speaks where a ``gate`` (T,) is shut, if given."""
    activity, decibels = rest.speech_activity(heard.rms, heard.frames), rest.frame_decibels(heard.rms, heard.frames)
    if gate is not None:
        activity = np.minimum(activity, gate)
    states = prosody.rhythm(activity, decibels, FRAME_RATE)
    return Rhythm(activity, states, head.rhythm_features(activity, decibels, states))


def perform(
    offsets: Array,
    arkit: Array,
    rhythm: Rhythm,
    heard: Survey,
    options: Options,
    networks: Networks,
    rng: np.random.Generator,
    lead: float = 0.0,
    speech: Speech | None = None,
) -> Performance:
    """Return the take: the mouth at the wanted frame rate, with head, blinks, gaze, brows and style added.

    Parameters
    ----------
    offsets : (T, 68, 3) float32
        Displacements from the resting face at 25 Hz, in outer-eye distances; may be changed in place.
    arkit : (T, 52) float32
        Blendshape weights at 25 Hz; may be changed in place.
    rhythm
        Rhythm of the sound.
    heard
        Survey of the sound.
    options
        Frame rate, seed and style.
    networks
        The networks that make the take.
    rng
        Source of all that is random.
    lead : float
        Seconds, less than a frame, by which the first frame comes after the beginning of the sound.
    speech
        What is said, in seconds from the first frame, if it is known: the tongue moves by it.
    """
    activity, states = rhythm.activity, rhythm.states
    style = options.style or styles.Style()
    fps = options.fps
    if fps != FRAME_RATE:
        offsets, arkit, activity = (_at(fps, heard.frames, lead, track) for track in (offsets, arkit, activity))
    tilt = style.amplitude, style.quickness
    swayed = head.sway(rhythm.features, tilt, networks.head.open(), rng)
    turned, manner = (head.at(motion, len(activity), fps) for motion in swayed)
    # Each has its own generator, so that how many numbers one of them draws changes none of the others.
    lids, looks, brows = rng.spawn(3)
    blink = living.blinks(states, len(activity), fps, lids)
    look = living.gaze(states, turned, fps, looks)
    neutral = networks.content.sidecar.neutral_face()
    if options.actor is not None:
        actors.play(options.actor, offsets, arkit)
    landmarks = np.add(offsets, neutral, out=offsets)  # in place: a long sound's motion is in memory only once
    living.raise_brows(landmarks, arkit, living.brows(states, len(activity), fps, brows))
    layer = styles.layer(style, landmarks, arkit, activity, fps)
    said = speech or Speech()
    eyes.close_lids(landmarks, blink)
    eyes.write_eyes(arkit, blink, look)
    return Performance(
        landmarks=landmarks,
        neutral=neutral,
        arkit=arkit,
        head=turned,
        gaze=look,
        blink=blink,
        activity=activity,
        style=layer[0],
        style_landmarks=layer[1],
        style_arkit=layer[2],
        style_head=manner,
        speech=said,
        tongue=tongue.curves(said, np.arange(len(activity)) / fps),
        fps=fps,
        audio_sha256=heard.sha256,
        models=networks.hashes(),
        options={name: value for name, value in asdict(options).items() if name != "actor" or value} | _MADE,
    )


def _at(fps: float, frames: int, lead: float, track: Array) -> Array:
    """Return ``track``, sampled at 25 Hz over ``frames`` frames, at ``fps`` from ``lead`` seconds to its end."""
    times = lead + np.arange(max(1, int(np.ceil((frames / FRAME_RATE - lead) * fps - 1e-6)))) / fps
    return sample(track, FRAME_RATE, times).astype(np.float32)

"""Clips as the content network sees them: features, targets, augmentation, batches.

A *rendition* is a copy of a pack's clips with random alterations: clips of a speaker joined, silences inserted, speed,
noise and tone changed. Features come from the core's own code, windows included, so that training hears what the
add-on hears. Renditions are cached on disk, outside the repository.
"""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import librosa
import numpy as np
from mouthpiece.features import FRAME_RATE, FRAME_SAMPLES, RATE, hop_rms, loudness_gain
from mouthpiece.files.writer import replacing
from mouthpiece.models.phonetic import PhoneticListener
from numpy.typing import NDArray
from scipy import signal

from ..configuration import Configuration
from ..pack.clips import Clip
from .targets import SHORT_FRAMES, ClipTarget

log = logging.getLogger(__name__)

#: Least number of frames of a piece when a clip is cut.
LEAST_FRAMES = 15
_ARRAYS = ("features", "landmarks", "arkit", "weight", "samples")
#: Part of every cache key. Change it when features or targets are computed differently.
CACHE_VERSION = 8


@dataclass(frozen=True, slots=True)
class SoundAugmentation(Configuration):
    """How a rendition differs from the recording; chances are 0..1 for each sequence.

    Attributes
    ----------
    join : chance that a short clip is joined with others of its speaker.
    join_seconds : clips are joined until the sequence is longer than this.
    cut : chance that a long clip is cut into pieces of ``cut_seconds`` (shortest, longest), each heard alone: the
        phonetic network pools over its whole input, so that the same words sound different to it in a long take.
    silence : chance of silence before and after a sequence; between joined clips there always is some.
    silence_seconds : longest silence.
    silent_share : number of silent sequences as a share of all.
    speed, speed_change : chance and largest relative change of speed, which changes the pitch too.
    pitch, pitch_semitones : chance and largest change of pitch at the same speed.
    room : chance of echoes that fall by 60 dB in ``room_seconds`` (shortest, longest).
    noise : chance of noise, ``noise_db`` (low, high) below the speech.
    codec : chance of a lossy codec: a telephone, or one that drops inaudible parts.
    tilt : chance of a duller or brighter sound, up to ``tilt_db`` at the ends of the spectrum.
    gain_db : standard deviation of the error of the loudness estimate.
    """

    join: float = 0.5
    join_seconds: float = 12.0
    cut: float = 0.4
    cut_seconds: tuple[float, float] = (1.0, 5.0)
    silence: float = 0.5
    silence_seconds: float = 1.5
    silent_share: float = 0.02
    speed: float = 0.6
    speed_change: float = 0.12
    pitch: float = 0.25
    pitch_semitones: float = 3.0
    room: float = 0.3
    room_seconds: tuple[float, float] = (0.15, 0.7)
    noise: float = 0.5
    noise_db: tuple[float, float] = (12.0, 45.0)
    codec: float = 0.2
    tilt: float = 0.4
    tilt_db: float = 8.0
    gain_db: float = 2.0


NO_AUGMENTATION = SoundAugmentation(
    join=0, cut=0, silence=0, silent_share=0, speed=0, pitch=0, room=0, noise=0, codec=0, tilt=0, gain_db=0
)


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """A sequence to learn from.

    Attributes
    ----------
    speaker : str
        Who speaks; empty for silence.
    features : (T, F)
        The input of the network.
    landmarks, arkit, weight : (T, 204), (T, 51), (T,)
        The targets, see :class:`~.targets.ClipTarget`.
    samples : (T * 640,)
        The sound the features come from, at the loudness the listener heard; may be empty.
    """

    speaker: str
    features: NDArray[np.float16]
    landmarks: NDArray[np.float16]
    arkit: NDArray[np.float16]
    weight: NDArray[np.float16]
    samples: NDArray[np.float16] = field(default_factory=lambda: np.zeros(0, np.float16))

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.features)


@dataclass(slots=True, eq=False)
class _Passage:
    """Sound and targets of a sequence before its features are computed; shapes as in :class:`Stretch`."""

    samples: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    arkit: NDArray[np.float32]
    weight: NDArray[np.float32]


def listen(samples: NDArray[np.float32], frames: int, listener: PhoneticListener) -> NDArray[np.float32]:
    """Return the features (frames, F) of 16 kHz ``samples``, whose loudness is not changed."""
    return np.concatenate(list(listener.features([samples], frames)))


def brought_to_loudness(samples: NDArray[np.float32], error_db: float = 0.0) -> NDArray[np.float32]:
    """Return ``samples`` at the loudness the core hears them, wrong by ``error_db``."""
    return samples * np.float32(loudness_gain(hop_rms(samples)) * 10 ** (error_db / 20))


def render(
    clips: Sequence[Clip],
    targets: Sequence[ClipTarget],
    listener: PhoneticListener,
    how: SoundAugmentation = NO_AUGMENTATION,
    seed: int = 0,
) -> list[Stretch]:
    """Return one rendition of ``clips``, altered as ``how`` says; the same seed gives the same one."""
    rng = np.random.default_rng(seed)
    result = []
    takes = [_Passage(c.samples, t.landmarks, t.arkit, t.weight) for c, t in zip(clips, targets, strict=True)]
    for speaker, members in _strings(clips, how, rng):
        if len(members) == 1 and len(clips[members[0]]) >= SHORT_FRAMES and rng.random() < how.cut:
            parts = _cut(takes[members[0]], how, rng)
        else:
            parts = [_string([takes[i] for i in members], how, rng)]
        result += [_heard(speaker, _altered(part, how, rng), listener, how, rng) for part in parts]
    for _ in range(round(how.silent_share * len(clips))):
        frames = int(rng.integers(2, 8)) * FRAME_RATE
        take = _rest(frames)
        take.samples = take.samples + _room(frames * FRAME_SAMPLES, rng)
        result.append(_heard("", take, listener, how, rng))
    return result


def _strings(
    clips: Sequence[Clip], how: SoundAugmentation, rng: np.random.Generator
) -> Iterator[tuple[str, list[int]]]:
    """Yield (speaker, indices of clips to join) so that every clip occurs once."""
    short: dict[str, list[int]] = defaultdict(list)
    for index, clip in enumerate(clips):
        if len(clip) < SHORT_FRAMES and rng.random() < how.join:
            short[clip.speaker].append(index)
        else:
            yield clip.speaker, [index]
    for speaker, members in short.items():
        group: list[int] = []
        for index in rng.permutation(members):
            group.append(int(index))
            if sum(len(clips[i]) for i in group) > how.join_seconds * FRAME_RATE:
                yield speaker, group
                group = []
        if group:
            yield speaker, group


def _cut(take: _Passage, how: SoundAugmentation, rng: np.random.Generator) -> list[_Passage]:
    """Return ``take`` cut into pieces of random length, without the pieces in which the face is lost."""
    pieces, start, frames = [], 0, len(take.weight)
    while start < frames:
        stop = start + round(rng.uniform(*how.cut_seconds) * FRAME_RATE)
        if frames - stop < LEAST_FRAMES:
            stop = frames
        if take.weight[start:stop].any():
            pieces.append(
                _Passage(
                    take.samples[start * FRAME_SAMPLES : stop * FRAME_SAMPLES],
                    take.landmarks[start:stop],
                    take.arkit[start:stop],
                    take.weight[start:stop],
                )
            )
        start = stop
    return pieces


def _rest(frames: int) -> _Passage:
    """Return ``frames`` of silence with the face at rest."""
    return _Passage(
        np.zeros(frames * FRAME_SAMPLES, np.float32),
        np.zeros((frames, 204), np.float32),
        np.zeros((frames, 51), np.float32),
        np.ones(frames, np.float32),
    )


def _pause(how: SoundAugmentation, rng: np.random.Generator) -> _Passage:
    """Return a silence whose first and last frames do not count, as it is not known when lips leave their rest."""
    pause = _rest(max(8, round(rng.uniform(0.3, max(how.silence_seconds, 0.31)) * FRAME_RATE)))
    pause.weight[:6] = 0
    pause.weight[-6:] = 0
    return pause


def _string(takes: list[_Passage], how: SoundAugmentation, rng: np.random.Generator) -> _Passage:
    """Return ``takes`` as one sequence, with pauses between them and perhaps at the ends."""
    parts = [_pause(how, rng)] if rng.random() < how.silence else []
    for take in takes:
        parts += [take, _pause(how, rng)]
    if rng.random() >= how.silence:
        parts.pop()
    if len(parts) == 1:
        return parts[0]
    return _Passage(
        np.concatenate([p.samples for p in parts]),
        np.concatenate([p.landmarks for p in parts]),
        np.concatenate([p.arkit for p in parts]),
        np.concatenate([p.weight for p in parts]),
    )


def _altered(take: _Passage, how: SoundAugmentation, rng: np.random.Generator) -> _Passage:
    """Return ``take`` with the sound altered as chance has it; only a change of speed alters the motion."""
    if rng.random() < how.speed:
        take = _faster(take, 1 + rng.uniform(-how.speed_change, how.speed_change))
    samples = take.samples
    if rng.random() < how.pitch:
        samples = librosa.effects.pitch_shift(
            samples, sr=RATE, n_steps=rng.uniform(-how.pitch_semitones, how.pitch_semitones)
        )
    if rng.random() < how.room:
        samples = _in_a_room(samples, rng.uniform(*how.room_seconds), rng)
    if rng.random() < how.tilt:
        samples = _tilted(samples, rng.uniform(-how.tilt_db, how.tilt_db))
    if rng.random() < how.noise:
        level = float(np.sqrt(np.mean(samples**2))) * 10 ** (-rng.uniform(*how.noise_db) / 20)
        samples = samples + level * _noise(len(samples), rng)
    if rng.random() < how.codec:
        samples = _telephoned(samples) if rng.random() < 0.4 else _compressed(samples, rng)
    return _Passage(samples.astype(np.float32), take.landmarks, take.arkit, take.weight)


def _faster(take: _Passage, factor: float) -> _Passage:
    """Return ``take`` played ``factor`` times as fast, both sound and face."""
    down = round(50 * factor)
    samples = signal.resample_poly(take.samples, 50, down).astype(np.float32)
    frames = min(len(samples) // FRAME_SAMPLES, int(len(take.weight) * 50 / down))
    at = np.arange(frames) * down / 50
    low = np.minimum(at.astype(int), len(take.weight) - 1)
    high = np.minimum(low + 1, len(take.weight) - 1)
    part = (at - low)[:, None].astype(np.float32)

    def between(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        blended: NDArray[np.float32] = (1 - part) * rows[low] + part * rows[high]
        return blended

    return _Passage(
        samples[: frames * FRAME_SAMPLES],
        between(take.landmarks),
        between(take.arkit),
        np.minimum(take.weight[low], take.weight[high]),
    )


def _in_a_room(samples: NDArray[np.float32], seconds: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the sound with echoes that fall by 60 dB in ``seconds``; the direct sound is not delayed."""
    count = int(seconds * RATE)
    tail = rng.standard_normal(count) * 10 ** (-3 * np.arange(count) / count)
    tail[: int(rng.uniform(0.001, 0.01) * RATE)] = 0  # the way to the nearest wall and back
    tail *= 10 ** (-rng.uniform(0, 12) / 20) / max(float(np.linalg.norm(tail)), 1e-9)
    tail[0] = 1.0
    echoing: NDArray[np.float32] = signal.fftconvolve(samples, tail)[: len(samples)].astype(np.float32)
    return echoing


def _telephoned(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the sound as a telephone transmits it: 300 to 3400 Hz, 8 bits of mu-law."""
    sos = signal.butter(4, (300, 3400), "bandpass", fs=RATE, output="sos")
    band = signal.sosfiltfilt(sos, samples)
    top = max(float(np.abs(band).max()), 1e-9)
    squeezed = np.sign(band) * np.log1p(255 * np.abs(band) / top) / np.log(256)
    steps = np.round(squeezed * 127) / 127
    heard: NDArray[np.float32] = (np.sign(steps) * np.expm1(np.abs(steps) * np.log(256)) / 255 * top).astype(np.float32)
    return heard


def _compressed(samples: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the sound without high frequencies and without what is much quieter than the loudest at each moment."""
    _, _, spectrum = signal.stft(samples, RATE, nperseg=512)
    level = np.abs(spectrum)
    audible = level > level.max(axis=0, keepdims=True) * 10 ** (-rng.uniform(25, 45) / 20)
    audible[int(rng.uniform(3500, 8000) / RATE * 512) :] = False
    _, restored = signal.istft(spectrum * audible, RATE, nperseg=512)
    heard: NDArray[np.float32] = np.pad(restored, (0, max(0, len(samples) - len(restored))))[: len(samples)]
    return heard.astype(np.float32)


def _tilted(samples: NDArray[np.float32], decibels: float) -> NDArray[np.float32]:
    """Return the sound with high frequencies raised by ``decibels`` and low ones lowered, about 1 kHz."""
    spectrum = np.fft.rfft(samples)
    octaves = np.log2(np.maximum(np.linspace(0, RATE / 2, len(spectrum)), 60) / 1000)
    tilted: NDArray[np.float32] = np.fft.irfft(
        spectrum * 10 ** (decibels * np.clip(octaves, -3, 3) / 3 / 20), len(samples)
    ).astype(np.float32)
    return tilted


def _noise(count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return ``count`` samples of noise with standard deviation 1, of a random colour from white to brown."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    spectrum /= np.maximum(np.arange(len(spectrum)), 20 * len(spectrum) / RATE) ** rng.uniform(0, 1)
    noise = np.fft.irfft(spectrum, count)
    return (noise / max(float(noise.std()), 1e-12)).astype(np.float32)


def _room(count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return digital silence or the noise of a quiet room (-80 to -45 dBFS)."""
    if rng.random() < 0.4:
        return np.zeros(count, np.float32)
    return _noise(count, rng) * np.float32(10 ** (rng.uniform(-80, -45) / 20))


def _heard(
    speaker: str, take: _Passage, listener: PhoneticListener, how: SoundAugmentation, rng: np.random.Generator
) -> Stretch:
    """Return ``take`` with the features that ``listener`` hears in it."""
    error = float(rng.normal(0, how.gain_db)) if how.gain_db else 0.0
    frames, samples = len(take.weight), brought_to_loudness(take.samples, error)
    whole = frames * FRAME_SAMPLES
    return Stretch(
        speaker,
        listen(samples, frames, listener).astype(np.float16),
        take.landmarks.astype(np.float16),
        take.arkit.astype(np.float16),
        take.weight.astype(np.float16),
        np.pad(samples, (0, max(0, whole - len(samples))))[:whole].astype(np.float16),
    )


def cached_rendition(
    folder: Path,
    clips: Sequence[Clip],
    targets: Sequence[ClipTarget],
    listener: PhoneticListener,
    how: SoundAugmentation,
    seed: int,
    stamp: str,
) -> list[Stretch]:
    """Return the sequences of :func:`render`, read from ``folder`` if they are stored there, else stored there.

    ``stamp`` names everything else the result depends on (the hash of the phonetic network).
    """
    names = "".join(clip.name for clip in clips)
    key = hashlib.sha256(f"{CACHE_VERSION}{stamp}{names}{asdict(how)}{seed}".encode()).hexdigest()[:16]
    path = folder / f"rendition-{key}.npz"
    if path.is_file():
        with np.load(path, allow_pickle=False) as stored:
            return _unpacked({name: stored[name] for name in stored.files})
    sequences = render(clips, targets, listener, how, seed)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {name: np.concatenate([getattr(s, name) for s in sequences]) for name in _ARRAYS}
    with replacing(path) as part, part.open("wb") as stream:
        np.savez(
            stream,
            speakers=np.array([s.speaker for s in sequences]),
            lengths=np.array([len(s) for s in sequences]),
            **arrays,
        )
    log.info("rendition %d: %d sequences", seed, len(sequences))
    return sequences


def _unpacked(arrays: dict[str, NDArray[np.float16]]) -> list[Stretch]:
    """Return the sequences whose ``arrays`` were stored one after another."""
    lengths = arrays["lengths"].astype(int)
    starts = np.cumsum(lengths) - lengths
    each = {name: len(arrays[name]) // max(1, int(lengths.sum())) for name in _ARRAYS}  # rows per frame
    return [
        Stretch(str(speaker), *(arrays[name][each[name] * a : each[name] * (a + n)] for name in _ARRAYS))
        for speaker, a, n in zip(arrays["speakers"], starts, lengths, strict=True)
    ]


@dataclass(frozen=True, slots=True, eq=False)
class StretchBatch:
    """Windows padded to one length T: features (B, T, F), targets (B, T, 204) and (B, T, 51), weight (B, T)."""

    features: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    arkit: NDArray[np.float32]
    weight: NDArray[np.float32]
    lengths: NDArray[np.int64]


def batch_of(windows: Sequence[Stretch], rows: Sequence[slice]) -> StretchBatch:
    """Return the given rows of each sequence as a batch, padded at their ends to equal length."""
    lengths = np.array([len(range(*row.indices(len(s)))) for s, row in zip(windows, rows, strict=True)])
    top = int(lengths.max())

    def padded(name: str) -> NDArray[np.float32]:
        parts = [getattr(s, name)[row].astype(np.float32) for s, row in zip(windows, rows, strict=True)]
        return np.stack([np.pad(p, ((0, top - len(p)),) + ((0, 0),) * (p.ndim - 1)) for p in parts])

    return StretchBatch(padded("features"), padded("landmarks"), padded("arkit"), padded("weight"), lengths)


class StretchSampler:
    """Draws windows at random, with a balance between speakers.

    A speaker's chance grows with their minutes to the power ``power`` (by default the square root): every voice is
    heard, and long recordings, which show more, still count more.
    """

    def __init__(self, renditions: Sequence[Sequence[Stretch]], window: int, batch: int, power: float = 0.5) -> None:
        """Prepare to draw batches of ``batch`` windows of ``window`` frames from ``renditions``."""
        self._window, self._batch = window, batch
        speakers: dict[str, list[Stretch]] = defaultdict(list)
        for rendition in renditions:
            for sequence in rendition:
                speakers[sequence.speaker].append(sequence)
        self._sequences = list(speakers.values())
        self._lengths = [np.array([len(s) for s in own], float) for own in self._sequences]
        mass = np.array([lengths.sum() for lengths in self._lengths]) ** power
        self._chance = mass / mass.sum()

    def choose(self, rng: np.random.Generator) -> tuple[list[Stretch], list[slice]]:
        """Return the sequences of a random batch, and which rows of each."""
        chosen, rows = [], []
        for speaker in rng.choice(len(self._sequences), self._batch, p=self._chance):
            lengths = self._lengths[speaker]
            sequence = self._sequences[speaker][int(rng.choice(len(lengths), p=lengths / lengths.sum()))]
            start = int(rng.integers(0, max(1, len(sequence) - self._window + 1)))
            chosen.append(sequence)
            rows.append(slice(start, start + self._window))
        return chosen, rows

    def draw(self, rng: np.random.Generator) -> StretchBatch:
        """Return a random batch."""
        return batch_of(*self.choose(rng))

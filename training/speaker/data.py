"""The data of the speaker branch: head motion in octave bands, rhythm, voice prints, and each speaker's manner."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mouthpiece.features import FRAME_RATE, hop_rms
from mouthpiece.models.session import Session
from mouthpiece.motion.head import AXES, BANDS, EDGES, HEAD_RATE, STEPS, bands, rhythm_features
from mouthpiece.motion.prosody import rhythm
from mouthpiece.motion.rest import frame_decibels, speech_activity
from mouthpiece.speaker import voice_print
from mouthpiece.styles import MANNER
from mouthpiece.topology import ARKIT_INDEX
from numpy.typing import NDArray

from ..content.targets import ClipTarget
from ..measures.score import pose_of
from ..pack.clips import Clip, read_index
from ..pack.geometry import fill_gaps, inner_gap, smooth

Floats = NDArray[np.float64]

#: Length, in seconds, from which a clip shows head motion.
LEAST_SECONDS = 3.0
#: For a band to count, a clip must be this many cycles of the band's lower edge long (of its upper edge for the first).
CYCLES = 1.5
#: Sources of clips of private persons: no voice print may be made of them.
NO_VOICE_PRINT = ("more-web",)


@dataclass(frozen=True, slots=True, eq=False)
class HeadClip:
    """Head motion and rhythm of a clip.

    Attributes
    ----------
    speaker : str
    rhythm : (R, 7) float32
        The input of the network at 12.5 Hz.
    pose : (R, 6) float64
        Head pose at 12.5 Hz relative to its mean: radians and eye distances.
    bands : (7, R, 6) float64
        The octave bands of the pose.
    counts : (7,) bool
        Which bands count, as the clip is long enough for them.
    """

    speaker: str
    rhythm: NDArray[np.float32]
    pose: Floats
    bands: Floats
    counts: NDArray[np.bool_]


def head_pose(clip: Clip) -> Floats:
    """Return the head pose (T, 6) of ``clip`` at 25 Hz as in a Performance, smoothed over five frames, mean removed."""
    held = clip.valid & np.isfinite(clip.landmarks).all(axis=(1, 2))
    track = smooth(fill_gaps(clip.landmarks, held))
    angles = np.radians(pose_of(track)[:, :3])
    eyes = track[:, [36, 39, 42, 45]].mean(axis=1)
    unit = np.linalg.norm(track[:, 45] - track[:, 36], axis=1).mean()
    pose = np.concatenate([angles, eyes / unit], axis=1)
    return pose - pose.mean(axis=0)


def heard_rhythm(clip: Clip) -> NDArray[np.float32]:
    """Return the network's input (R, 7) for ``clip``, as the pipeline makes it."""
    rms, frames = hop_rms(clip.samples), len(clip)
    activity, decibels = speech_activity(rms, frames), frame_decibels(rms, frames)
    return rhythm_features(activity, decibels, rhythm(activity, decibels, FRAME_RATE))


def halved(track: Floats) -> Floats:
    """Return ``track`` (T, C) at half the rate: means of pairs of frames; an odd last frame is repeated."""
    if len(track) % 2:
        track = np.concatenate([track, track[-1:]])
    pairs: Floats = track.reshape(-1, 2, track.shape[1]).mean(axis=1)
    return pairs


def clip_bands(pose: Floats) -> Floats:
    """Return the octave bands (7, R, 6) of ``pose`` (R, 6), extended at both ends by its point reflection."""
    reach = min(len(pose) - 1, 128)
    padded = np.pad(pose, ((reach, reach), (0, 0)), "reflect", reflect_type="odd")
    return bands(padded)[:, reach : reach + len(pose)]


def head_clips(clips: Sequence[Clip]) -> list[HeadClip]:
    """Return the head motion of those ``clips`` that are long enough and tracked well enough."""
    found = []
    for clip in clips:
        seconds = len(clip) / FRAME_RATE
        if seconds < LEAST_SECONDS or clip.valid.mean() < 0.8:
            continue
        pose = halved(head_pose(clip))
        slowest = np.array([EDGES[1], *EDGES[1:]])
        found.append(HeadClip(clip.speaker, heard_rhythm(clip), pose, clip_bands(pose), seconds * slowest >= CYCLES))
    return found


def tilts(heads: Sequence[HeadClip], typical: Floats | None = None) -> tuple[Floats, dict[str, tuple[float, float]]]:
    """Return the typical standard deviations (7, 6) of bands, and speaker -> (log amplitude, log quickness).

    They are level and slope, over the bands, of the logarithm of the speaker's deviations divided by the typical ones;
    both are moved towards zero for speakers with little material. ``typical`` is computed unless it is given.
    """
    logs: dict[str, list[tuple[float, Floats]]] = defaultdict(list)
    for head in heads:
        spread = np.where(head.counts[:, None], np.log(head.bands.std(axis=1) + 1e-5), np.nan)
        logs[head.speaker].append((len(head.pose) / HEAD_RATE, spread))
    speakers = {}
    for name, own in logs.items():
        weight = np.array([seconds for seconds, _ in own])[:, None, None] * ~np.isnan([s for _, s in own])
        total = weight.sum(axis=0)
        rows = np.nansum(np.array([s for _, s in own]) * weight, axis=0) / np.maximum(total, 1e-9)
        speakers[name] = np.where(total > 0, rows, np.nan), sum(seconds for seconds, _ in own)
    if typical is None:
        typical = np.exp(np.nanmean([rows for rows, _ in speakers.values()], axis=0))
    result = {}
    for name, (rows, seconds) in speakers.items():
        known = ~np.isnan(rows).all(axis=1)
        above = np.nanmean(rows[known] - np.log(typical[known]), axis=1)
        design = np.stack([np.ones(BANDS), STEPS], axis=1)[known]
        level, slope = np.linalg.lstsq(design, above, rcond=None)[0]
        sure = seconds / (seconds + 5.0)
        result[name] = float(level * sure), float(slope * sure)
    return typical, result


def manners(
    clips: Sequence[Clip], targets: Sequence[ClipTarget], tilt: dict[str, tuple[float, float]]
) -> dict[str, Floats]:
    """Return speaker -> manner (5,), in the order of ``styles.MANNER``; the average speaker's is not yet subtracted.

    Its numbers are the logarithms of head amplitude and quickness (from ``tilt``), of the standard deviation of the
    inner-lip gap, the mean of mouthSmile, and the logarithm of the standard deviation of browInnerUp.
    """
    smile = [ARKIT_INDEX["mouthSmileLeft"], ARKIT_INDEX["mouthSmileRight"]]
    brow = ARKIT_INDEX["browInnerUp"]
    rows: dict[str, list[tuple[float, float, float, float]]] = defaultdict(list)
    for clip, target in zip(clips, targets, strict=True):
        held = target.weight > 0
        if clip.speaker not in tilt or held.sum() < LEAST_SECONDS * FRAME_RATE:
            continue
        gap = inner_gap(target.landmarks.reshape(-1, 68, 3).astype(float))[held]
        rows[clip.speaker].append((
            float(held.sum()),
            float(gap.std()),
            float(target.arkit[held][:, smile].mean()),
            float(target.arkit[held, brow].std()),
        ))  # fmt: skip
    result = {}
    for name, own in rows.items():
        frames, gap, grin, brows = np.array(own).T
        mean = [np.average(column, weights=frames) for column in (gap, grin, brows)]
        result[name] = np.array([*tilt[name], np.log(mean[0] + 0.01), mean[1], np.log(mean[2] + 0.01)])
    assert all(len(row) == len(MANNER) for row in result.values())
    return result


def without_voice_print(data: Path) -> set[str]:
    """Return the speakers of the pack ``data`` of whom no voice print may be made."""
    return {row["speaker"] for row in read_index(data) if row["source"] in NO_VOICE_PRINT}


def voices(clips: Sequence[Clip], session: Session, without: set[str]) -> dict[str, Floats]:
    """Return speaker -> mean voice print (256,) over clips of three seconds or more, except those in ``without``."""
    prints: dict[str, list[Floats]] = defaultdict(list)
    for clip in clips:
        if clip.speaker in without or len(clip) < LEAST_SECONDS * FRAME_RATE:
            continue
        voice = voice_print([clip.samples], hop_rms(clip.samples), session)
        if voice is not None:
            prints[clip.speaker].append(voice.astype(float))
    return {name: np.mean(own, axis=0) / np.linalg.norm(np.mean(own, axis=0)) for name, own in prints.items()}


assert AXES == 6

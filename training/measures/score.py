"""The yardstick: figures of a predicted landmark track against a recorded one. Needs numpy and scipy only.

    python -m training.measures.score score GT.npz PRED.npz [--identity transfer] [--smooth 5]   one clip, as JSON
    python -m training.measures.score batch LIST.tsv                             a list of rows "GT <tab> PRED"
    python -m training.measures.score selftest                                   made-up tracks with known figures

``GT.npz`` and ``PRED.npz`` hold ``landmarks`` (T, 68, 2 or 3), iBUG-68 order, 25 frames per second, any image
coordinates (y downwards), and may hold ``valid`` (T,), the frames in which the tracker had the face.

Geometry. Head pose is removed per frame by the similarity that best maps nine near-rigid points (nose bridge and
base, eye corners) onto their own mean in the recorded track. 3-D tracks are aligned in 3-D and judged on x and y.
The unit W is the largest width of the recorded lips (48-54). Neutral is the frame with the least inner-lip area among
those of small motion. ``identity="transfer"``: the prediction shows another face; its displacements from its own
neutral, scaled by the ratio of neutral lip widths, are added to the recorded neutral. ``smooth`` filters the recorded
track only.

Figures (a clip's value is the mean over its frames; lower is better unless said)
  D_LL, D_LL_lips     distance of jaw and lip (lip) points, % of W
  D_VL, D_VL_lips     the same for changes from frame to frame
  D_A                 difference of inner-lip areas, % of the largest recorded one
  LMD                 distance of lip points after centring each frame's lips, % of W
  MOD                 difference of inner-lip gaps, % of W
  r_open, r_width     correlation of inner gap (62-66) and of lip width (48-54); higher is better
  r_open_best, lag    best correlation over shifts of up to 15 frames, and the shift (> 0: prediction late)
  open_ratio          spread of the predicted gap / of the recorded one; 1 is best
  closure_*           see :func:`closure_metrics`; higher is better
  jitter              mean absolute third difference of lip points, predicted / recorded; 1 is best
  pose_*              head motion, see :func:`pose_metrics`; ratios, 1 is best
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import signal, stats

FPS = 25.0
JAW, LIPS, INNER = np.arange(0, 17), np.arange(48, 68), np.arange(60, 68)
MOUTH_AND_JAW = np.r_[JAW, LIPS]
RIGID = np.array([27, 28, 29, 30, 33, 36, 39, 42, 45])
MAX_LAG, CLOSE_TOLERANCE, LONGEST_CLOSURE = 15, 2, 12

Track = NDArray[np.float64]
Metrics = dict[str, Any]


# ------------------------------------------------------------------------------------------------ geometry


def similarity(source: Track, target: Track) -> tuple[Track, Track, Track]:
    """Return scale (T,), rotation (T, D, D), shift (T, D) bringing ``source`` (T, N, D) onto ``target`` (N, D)."""
    target = np.broadcast_to(target, source.shape)
    centre_s, centre_t = source.mean(1), target.mean(1)
    a, b = source - centre_s[:, None], target - centre_t[:, None]
    u, d, vt = np.linalg.svd(np.einsum("tni,tnj->tij", b, a))
    sign = np.ones_like(d)
    sign[:, -1] = np.where(np.linalg.det(u @ vt) < 0, -1.0, 1.0)
    rotation = (u * sign[:, None]) @ vt
    scale = (d * sign).sum(1) / np.maximum((a * a).sum((1, 2)), 1e-12)
    return scale, rotation, centre_t - scale[:, None] * np.einsum("tij,tj->ti", rotation, centre_s)


def moved(points: Track, motion: tuple[Track, Track, Track]) -> Track:
    """Return ``points`` (T, N, D) after the similarities ``motion``."""
    scale, rotation, shift = motion
    result: Track = scale[:, None, None] * np.einsum("tij,tnj->tni", rotation, points) + shift[:, None]
    return result


def align_track(track: Track, template: Track) -> Track:
    """Return ``track`` (T, 68, D) with each frame's rigid points fitted to ``template`` (9, D)."""
    return moved(track, similarity(track[:, RIGID], template))


def rigid_template(track: Track, rounds: int = 5) -> Track:
    """Return the track's mean rigid points (9, D) in its mean size, eyes level, origin between them."""
    rigid = track[:, RIGID]
    mean = rigid[len(rigid) // 2]
    size = np.median(np.sqrt(((rigid - rigid.mean(1, keepdims=True)) ** 2).sum((1, 2))))
    for _ in range(rounds):
        mean = moved(rigid, similarity(rigid, mean)).mean(0)
        mean = mean - mean.mean(0)
        mean *= size / np.sqrt((mean**2).sum())
    right, left = mean[[5, 6]].mean(0), mean[[7, 8]].mean(0)
    angle = np.arctan2(left[1] - right[1], left[0] - right[0])
    level = np.eye(track.shape[2])
    level[:2, :2] = [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    return (mean - 0.5 * (right + left)) @ level.T


def polygon_area(points: Track) -> Track:
    """Return the area (...,) of polygons (..., N, 2)."""
    x, y = points[..., 0], points[..., 1]
    return 0.5 * np.abs((x * np.roll(y, -1, -1) - np.roll(x, -1, -1) * y).sum(-1))


def gap(track: Track) -> Track:
    """Return the signed inner-lip gap (T,)."""
    size = np.linalg.norm(track[:, 62, :2] - track[:, 66, :2], axis=-1)
    return size * np.sign((track[:, 66] - track[:, 62])[:, 1] + 1e-12)


def width(track: Track) -> Track:
    """Return the lip width (T,)."""
    result: Track = np.linalg.norm(track[:, 48, :2] - track[:, 54, :2], axis=-1)
    return result


def neutral_index(track: Track) -> int:
    """Return the frame with the least inner area among those that move little."""
    area = polygon_area(track[:, INNER, :2])
    speed = np.r_[0, np.linalg.norm(np.diff(track[:, LIPS, :2], axis=0), axis=-1).mean(1)]
    still = np.flatnonzero(speed <= np.median(speed) + 1e-9)
    return int(still[np.argmin(area[still])])


# ------------------------------------------------------------------------------------------------ series


def pearson(a: Track, b: Track) -> float:
    """Return the correlation of two series, 0 if one does not move."""
    if np.std(a) < 1e-9 or np.std(b) < 1e-9:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def best_lag(reference: Track, predicted: Track) -> tuple[float | None, float]:
    """Return the shift in frames at which two series correlate best (parabola through the peak), and how well."""
    if np.std(reference) < 1e-9 or np.std(predicted) < 1e-9:
        return None, 0.0
    shifts = range(-MAX_LAG, MAX_LAG + 1)
    rows = []
    for k in shifts:
        a, b = (reference[: len(reference) - k], predicted[k:]) if k >= 0 else (reference[-k:], predicted[:k])
        rows.append(pearson(a, b) if len(a) > 10 else -1.0)
    r = np.array(rows)
    i = int(r.argmax())
    offset = 0.0
    if 0 < i < len(r) - 1:
        bend = r[i - 1] - 2 * r[i] + r[i + 1]
        offset = 0.5 * (r[i - 1] - r[i + 1]) / bend if bend < -1e-12 else 0.0
    return float(i - MAX_LAG + offset), float(r[i])


def closures(series: Track, close: float, opened: float) -> Track:
    """Return the centres of lip closures in a gap ``series``.

    A closure is a run of frames below ``close`` that ends when the gap exceeds ``opened`` (hysteresis: noise does not
    split it), of at most twelve frames (longer is a pause), with a gap above ``opened`` within twelve frames before and
    after.
    """
    low, events, i, count = series < close, [], 0, len(series)
    while i < count:
        if not low[i]:
            i += 1
            continue
        j = last = i
        while j < count and series[j] < opened:
            if low[j]:
                last = j
            j += 1
        before, after = series[max(0, i - LONGEST_CLOSURE) : i], series[last + 1 : last + 1 + LONGEST_CLOSURE]
        if last - i < LONGEST_CLOSURE and (before > opened).any() and (after > opened).any():
            events.append(0.5 * (i + last))
        i = max(j, last + 1)
    return np.array(events)


def closure_metrics(reference: Track, predicted: Track, tolerance: int = CLOSE_TOLERANCE) -> Metrics:
    """Return the recall and precision of closures in two gap series (T,) of one unit.

    Thresholds come from the recorded series: closed below p2 + 15 % of (p95 - p2), open above p2 + 30 %. A predicted
    closure must go below the same threshold and open again by 5 % of that range on both sides, so that a mouth that
    stays shut gains nothing. Recall pairs closures one to one within ``tolerance`` frames; for precision, the recorded
    mouth must be shut within ``tolerance`` frames of a predicted closure.
    """
    low, high = np.percentile(reference, [2, 95])
    close = low + 0.15 * (high - low)
    true = closures(reference, close, low + 0.30 * (high - low))
    made = closures(predicted, close, close + 0.05 * (high - low))
    used: set[int] = set()
    for moment in true:
        near = [k for k in range(len(made)) if k not in used and abs(made[k] - moment) <= tolerance + 1e-9]
        if near:
            used.add(min(near, key=lambda k: abs(made[k] - moment)))
    shut = np.flatnonzero(reference < close)
    real = [len(shut) and np.abs(shut - moment).min() <= tolerance + 1e-9 for moment in made]
    return {
        "closure_n": len(true),
        "closure_pred_n": len(made),
        "closure_recall": len(used) / len(true) if len(true) else None,
        "closure_precision": float(np.mean(real)) if len(made) else None,
    }


def third_difference(series: Track) -> float:
    """Return the mean absolute third difference over time."""
    return float(np.abs(np.diff(series, n=3, axis=0)).mean())


def curve_metrics(g: Track, w: Track, predicted_g: Track, predicted_w: Track) -> Metrics:
    """Return the figures of gap and width series, all in units of W."""
    lag, best = best_lag(g, predicted_g)
    return {
        "MOD": float(np.abs(g - predicted_g).mean() * 100),
        "r_open": pearson(g, predicted_g),
        "r_width": pearson(w, predicted_w),
        "open_ratio": float(predicted_g.std() / max(g.std(), 1e-12)),
        "lag": lag,
        "r_open_best": best,
        "jitter_open": third_difference(predicted_g) / max(third_difference(g), 1e-12),
        **closure_metrics(g, predicted_g),
    }


# ------------------------------------------------------------------------------------------------ head pose


def euler(rotation: Track) -> Track:
    """Return pitch, yaw, roll (T, 3) in degrees of rotations ``Rz Ry Rx`` (T, 3, 3)."""
    yaw = np.arcsin(np.clip(-rotation[:, 2, 0], -1, 1))
    pitch = np.arctan2(rotation[:, 2, 1], rotation[:, 2, 2])
    return np.degrees(np.stack([pitch, yaw, np.arctan2(rotation[:, 1, 0], rotation[:, 0, 0])], axis=1))


def pose_of(track: Track) -> Track:
    """Return pitch, yaw, roll in degrees and x, y, z (T, 6) of a 3-D track against its own mean rigid shape."""
    template = rigid_template(track)
    source = np.repeat(template[None], len(track), 0)
    _, rotation, shift = similarity(source, track[:, RIGID])
    return np.concatenate([euler(rotation), shift], axis=1)


def pose_metrics(reference: Track, predicted: Track, face: float) -> Metrics:
    """Return how two head motions (T, 6) compare in amplitude, speed and roughness; ``face`` is the face's width."""
    n = min(len(reference), len(predicted))
    a, b = reference[:n] - reference[:n].mean(0), predicted[:n] - predicted[:n].mean(0)
    unit = np.array([1, 1, 1, 100 / face, 100 / face])
    spread_a, spread_b = a[:, :5].std(0) * unit, b[:, :5].std(0) * unit
    moving = spread_a > 1e-9
    ratios = np.maximum(spread_b[moving] / spread_a[moving], 1e-6)
    speed_a, speed_b = (np.linalg.norm(np.diff(x[:, :3], axis=0) * FPS, axis=1) for x in (a, b))
    return {
        "pose_D_Rot": float(np.abs(a[:, :3] - b[:, :3]).mean()),
        "pose_D_Pos": float(np.linalg.norm(a[:, 3:5] - b[:, 3:5], axis=1).mean() / face * 100),
        "pose_amp_ratio": float(np.exp(np.log(ratios).mean())) if len(ratios) else None,
        "pose_speed_ratio": float(speed_b.mean() / max(speed_a.mean(), 1e-9)),
        "pose_speed_wasserstein": float(stats.wasserstein_distance(speed_a, speed_b)),
        "pose_jitter": third_difference(b[:, :3]) / max(third_difference(a[:, :3]), 1e-9),
        "pose_low_share": [_share_below_1_hz(a[:, :3]), _share_below_1_hz(b[:, :3])],
    }


def _share_below_1_hz(angles: Track) -> float:
    frequency, power = signal.welch(angles, FPS, nperseg=min(128, len(angles)), axis=0)
    total = power.sum(1)
    return float(total[frequency < 1].sum() / max(total.sum(), 1e-12))


# ------------------------------------------------------------------------------------------------ scoring


class Reference:
    """A recorded track with head pose removed, its neutral face and its units of length."""

    def __init__(self, landmarks: Track, valid: NDArray[np.bool_] | None = None, smooth: int = 0) -> None:
        """Align ``landmarks`` (T, 68, D); ``smooth`` > 0 is the length of a Savitzky-Golay filter of order 2."""
        self.raw = bridged(np.asarray(landmarks, float))
        held = np.isfinite(landmarks).all(axis=(1, 2))
        self.valid = held if valid is None else held & np.asarray(valid, bool)
        if smooth:
            self.raw = signal.savgol_filter(self.raw, smooth, 2, axis=0)
        self.template = rigid_template(self.raw[self.valid])
        self.track = align_track(self.raw, self.template)
        own = self.track[self.valid]
        self.unit = float(width(own).max())
        self.face = float(np.linalg.norm(own[:, 0, :2] - own[:, 16, :2], axis=-1).mean())
        self.neutral = own[neutral_index(own)]
        self.neutral_width = float(width(self.neutral[None])[0])

    def place(self, landmarks: Track, identity: str = "same") -> Track:
        """Return a predicted track (T, 68, D) in this track's aligned frame of reference."""
        dimensions = min(landmarks.shape[2], self.track.shape[2])
        if identity == "same":
            return align_track(landmarks[..., :dimensions], self.template[:, :dimensions])
        own = align_track(landmarks, rigid_template(landmarks))
        rest = own[neutral_index(own)]
        factor = self.neutral_width / width(rest[None])[0]
        return self.neutral[None, :, :dimensions] + factor * (own - rest)[..., :dimensions]


def bridged(landmarks: Track) -> Track:
    """Return a track with lost frames (not finite) filled linearly, so that filters can run."""
    held = np.isfinite(landmarks).all(axis=(1, 2))
    if not held.any():
        raise ValueError("no frame holds a face")
    frames, flat = np.arange(len(landmarks)), landmarks.reshape(len(landmarks), -1)
    filled = [np.interp(frames, frames[held], column[held]) for column in flat.T]
    return np.stack(filled, axis=1).reshape(landmarks.shape)


def landmark_metrics(reference: Reference, placed: Track) -> Metrics:
    """Return the figures of a prediction that :meth:`Reference.place` has aligned."""
    n = min(len(reference.track), len(placed))
    valid = reference.valid[:n]
    a, b, unit = reference.track[:n, :, :2], placed[:n, :, :2], reference.unit
    result: Metrics = {}
    for tag, points in (("", MOUTH_AND_JAW), ("_lips", LIPS)):
        result["D_LL" + tag] = float(
            np.linalg.norm(a[valid][:, points] - b[valid][:, points], axis=-1).mean() / unit * 100
        )
        change = np.linalg.norm(np.diff(a[:, points], axis=0) - np.diff(b[:, points], axis=0), axis=-1)
        result["D_VL" + tag] = float(change[valid[1:] & valid[:-1]].mean() / unit * 100)
    area, predicted_area = polygon_area(a[:, INNER])[valid], polygon_area(b[:, INNER])[valid]
    result["D_A"] = float(np.abs(area - predicted_area).mean() / max(area.max(), 1e-12) * 100)
    centred = [x[valid][:, LIPS] - x[valid][:, LIPS].mean(1, keepdims=True) for x in (a, b)]
    result["LMD"] = float(np.linalg.norm(centred[0] - centred[1], axis=-1).mean() / unit * 100)
    result["jitter"] = third_difference(b[valid][:, LIPS]) / max(third_difference(a[valid][:, LIPS]), 1e-12)
    curves = [f(x)[valid] / unit for x in (a, b) for f in (gap, width)]
    return result | curve_metrics(*curves)


def score(
    recorded: Mapping[str, Any],
    predicted: Mapping[str, Any],
    identity: str = "same",
    smooth: int = 0,
    pose: bool = True,
) -> Metrics:
    """Return all figures of ``predicted`` against ``recorded``: mappings with ``landmarks`` and perhaps ``valid``."""
    reference = Reference(recorded["landmarks"], recorded.get("valid"), smooth)
    raw = bridged(np.asarray(predicted["landmarks"], float))
    result: Metrics = {"n_frames": min(len(raw), len(reference.track))}
    result |= landmark_metrics(reference, reference.place(raw, identity))
    if pose and raw.shape[2] == 3 and reference.raw.shape[2] == 3:
        n = result["n_frames"]
        scale, rotation, shift = similarity(raw[:n, RIGID].mean(0)[None], reference.raw[:n, RIGID].mean(0))
        common = moved(raw[:n].reshape(1, -1, 3), (scale, rotation, shift)).reshape(n, 68, 3)
        result |= pose_metrics(pose_of(reference.raw[:n]), pose_of(common), reference.face)
    return result


def mean_rows(rows: Sequence[Metrics]) -> Metrics:
    """Return the mean of each figure over the rows that have it; closures are pooled, since short clips hold few."""
    result: Metrics = {}
    for key in dict.fromkeys(key for row in rows for key in row):
        values = [row[key] for row in rows if isinstance(row.get(key), (int, float))]
        if values:
            result[key] = float(np.mean(values))
    with_closures = [row for row in rows if row.get("closure_recall") is not None]
    if with_closures:
        total = sum(row["closure_n"] for row in with_closures)
        result["closure_recall"] = sum(row["closure_recall"] * row["closure_n"] for row in with_closures) / total
        result["closure_n"] = total
    return result


# ------------------------------------------------------------------------------------------------ self-test


def synthetic_face() -> Track:
    """Return a plain face (68, 3) with shut lips: outer eye corners one unit apart, lips 0.8 wide."""
    face = np.zeros((68, 3))
    angle = np.linspace(np.pi, 0, 17)
    face[:17] = np.c_[np.cos(angle), 0.35 + 1.15 * np.sin(angle), 0.5 - 0.5 * np.sin(angle)]
    arch = np.sin(np.linspace(0, np.pi, 5))
    face[17:22] = np.c_[np.linspace(-0.75, -0.2, 5), -0.25 - 0.06 * arch, np.full(5, -0.05)]
    face[22:27] = face[17:22][::-1] * [-1, 1, 1]
    face[27:31] = np.c_[np.zeros(4), np.linspace(0.02, 0.48, 4), np.linspace(-0.17, -0.42, 4)]
    face[31:36] = np.c_[np.linspace(-0.2, 0.2, 5), np.full(5, 0.60), -0.15 - 0.1 * arch]
    eye_x, eye_y = np.array([-0.5, -0.4, -0.29, -0.19, -0.29, -0.4]), np.array([0, -0.06, -0.06, 0.01, 0.05, 0.05])
    face[36:42] = np.c_[eye_x, eye_y, np.full(6, 0.05)]
    face[42:48] = (face[36:42] * [-1, 1, 1])[[3, 2, 1, 0, 5, 4]]
    face[[36, 45], 2], face[[39, 42], 2] = 0.10, 0.0
    outer, depth = np.linspace(-0.4, 0.4, 7), lambda x: 0.3 * x**2 - 0.2
    bow = np.cos(outer / 0.4 * np.pi / 2)
    face[48:55] = np.c_[outer, 0.95 - 0.07 * bow, depth(outer)]
    face[55:60] = np.c_[outer, 0.95 + 0.09 * bow, depth(outer)][::-1][1:-1]
    inner = np.linspace(-0.32, 0.32, 5)
    face[60:65] = np.c_[inner, np.full(5, 0.95), depth(inner)]
    face[65:68] = face[61:64][::-1]
    return face


def synthetic_track(opening: Track, face: Track) -> Track:
    """Return a track (T, 68, 3) whose lower lip and chin go down by ``opening`` (T,)."""
    share = np.zeros(68)
    share[[65, 66, 67]] = 1
    share[55:60] = 1
    share[5:12] = 0.8
    track = np.repeat(face[None], len(opening), 0)
    track[:, :, 1] += opening[:, None] * share
    return track


def placed_before_camera(track: Track, degrees: Track, shift: Track, scale: Track) -> Track:
    """Return ``track`` (T, N, 3) turned by pitch, yaw, roll (T, 3) in degrees, moved (T, 3) and scaled (T,)."""
    pitch, yaw, roll = np.radians(degrees).T
    zero, one = np.zeros_like(pitch), np.ones_like(pitch)

    def matrix(*rows: list[Track]) -> Track:
        return np.moveaxis(np.array(rows), -1, 0)

    rx = matrix([one, zero, zero], [zero, np.cos(pitch), -np.sin(pitch)], [zero, np.sin(pitch), np.cos(pitch)])
    ry = matrix([np.cos(yaw), zero, np.sin(yaw)], [zero, one, zero], [-np.sin(yaw), zero, np.cos(yaw)])
    rz = matrix([np.cos(roll), -np.sin(roll), zero], [np.sin(roll), np.cos(roll), zero], [zero, zero, one])
    return scale[:, None, None] * (np.einsum("tij,tnj->tni", rz @ ry @ rx, track) + shift[:, None]) + [320, 240, 0]


class _Checks:
    """Prints each comparison of a self-test and remembers those that failed."""

    def __init__(self) -> None:
        self.failed: list[str] = []

    def __call__(self, name: str, got: float, want: float, tolerance: float) -> None:
        good = abs(got - want) <= tolerance
        print(f"{'ok  ' if good else 'FAIL'} {name:58s} {got:10.4f}  want {want:.4f} +- {tolerance:g}")
        if not good:
            self.failed.append(name)


def _test_opening(rng: np.random.Generator, frames: int) -> tuple[Track, NDArray[np.int64]]:
    """Return an opening (T,) with seventeen bilabials of three frames, and their centres."""
    low_pass = signal.butter(2, 5 / 12.5)
    opening = np.maximum(0, signal.filtfilt(*low_pass, rng.normal(0, 0.5, frames))) * 0.6 + 0.12
    opening[:30] = 0
    centres = np.arange(40, 380, 20)
    for c in centres:
        opening[c - 4 : c + 5] = np.maximum(opening[c - 4 : c + 5], 0.15)
        opening[c - 1 : c + 2] = 0
    return opening, centres


def _check_invariance(check: _Checks, rng: np.random.Generator, track: Track, closures_made: int) -> None:
    frames = len(track)

    def slow(spread: float) -> Track:
        drift: Track = signal.filtfilt(*signal.butter(2, 1 / 12.5), rng.normal(0, 1, frames)) * spread
        return drift

    turn, shift = np.c_[slow(12), slow(20), slow(8)], np.c_[slow(0.5), slow(0.5), slow(0.2)]
    scale = 100 * np.exp(slow(0.2))
    recorded = {"landmarks": placed_before_camera(track, turn, shift, scale)}
    same = score(recorded, recorded)
    zero, one = (
        ("D_LL", "D_VL", "D_A", "lag", "pose_D_Rot"),
        (
            "r_open",
            "closure_recall",
            "closure_precision",
            "jitter",
            "pose_amp_ratio",
            "open_ratio",
        ),
    )
    for key in zero + one:
        check("identical: " + key, same[key], float(key in one), 1e-6)
    check("closures found", same["closure_n"], closures_made, 0)
    turned = placed_before_camera(track, np.c_[slow(12), slow(20), slow(8)], shift[::-1], 37 * np.exp(slow(0.2)))
    other = score(recorded, {"landmarks": turned})
    for key in ("D_LL", "D_VL", "D_A"):
        check("other head motion, camera and scale: " + key, other[key], 0, 1e-5)
    wide = score(recorded, {"landmarks": placed_before_camera(track, 2 * turn, 2 * shift, scale)})
    check("twice the head motion: amplitude ratio", wide["pose_amp_ratio"], 2, 0.15)
    check("   speed ratio", wide["pose_speed_ratio"], 2, 0.15)
    read, made = pose_of(recorded["landmarks"])[:, :3], turn
    error = np.abs((read - read.mean(0)) - (made - made.mean(0))).mean(0)
    for name, value in zip(("pitch", "yaw", "roll"), error, strict=True):
        check(f"pose read back, {name} error (deg)", value, 0, 0.5)


def _check_distances(check: _Checks, rng: np.random.Generator, opening: Track, face: Track) -> None:
    track, lips_wide = synthetic_track(opening, face), 0.8

    def against(other: Track, **options: Any) -> Metrics:
        return score({"landmarks": track * 100}, {"landmarks": other * 100}, **options)

    shifted = track.copy()
    shifted[:, LIPS, 0] += 0.1 * lips_wide
    check("lips shifted by 10 % of W: D_LL_lips", against(shifted)["D_LL_lips"], 10, 0.01)
    check("   D_LL (20 of 37 points)", against(shifted)["D_LL"], 10 * 20 / 37, 0.01)
    check("   LMD ignores a shift", against(shifted)["LMD"], 0, 1e-6)
    half, area = against(synthetic_track(0.5 * opening, face)), polygon_area(track[:, INNER, :2])
    check("half the opening: D_A", half["D_A"], 100 * 0.5 * area.mean() / area.max(), 0.01)
    check("   open_ratio", half["open_ratio"], 0.5, 1e-3)
    check("   r_open", half["r_open"], 1, 1e-6)
    frozen = against(synthetic_track(np.zeros(len(opening)), face))
    speed = np.linalg.norm(np.diff(track[:, MOUTH_AND_JAW, :2], axis=0), axis=-1).mean() / lips_wide * 100
    check("frozen face: D_VL is the recorded speed", frozen["D_VL"], speed, 1e-3)
    check("   r_open", frozen["r_open"], 0, 0)
    check("   closure recall (a shut mouth is no closure)", frozen["closure_recall"], 0, 0)
    noisy = track + rng.normal(0, 0.01, track.shape) * np.isin(np.arange(68), LIPS)[:, None]
    want = third_difference(noisy[:, LIPS, :2]) / third_difference(track[:, LIPS, :2])
    check("noisy lips: jitter", against(noisy)["jitter"], want, 0.02)
    other = synthetic_track(opening * 1.3, face * [1.3, 0.9, 1])
    check("another face, transferred: D_LL_lips", against(other, identity="transfer")["D_LL_lips"], 0, 0.6)
    check("   r_open", against(other, identity="transfer")["r_open"], 1, 1e-6)


def _check_timing(check: _Checks, opening: Track, centres: NDArray[np.int64], face: Track) -> None:
    recorded = {"landmarks": synthetic_track(opening, face) * 100}

    def against(other: Track) -> Metrics:
        return score(recorded, {"landmarks": synthetic_track(other, face) * 100})

    for k in (3, -4):
        late = np.roll(opening, k)
        late[slice(None, k) if k > 0 else slice(k, None)] = opening[0 if k > 0 else -1]
        check(f"shifted by {k} frames: lag", against(late)["lag"] or 0.0, k, 0.15)
    dropped = opening.copy()
    for c in centres[::2]:
        dropped[c - 3 : c + 4] = 0.15
    figures = against(dropped)
    check("nine of seventeen closures dropped: recall", figures["closure_recall"], 8 / 17, 1e-9)
    check("   precision", figures["closure_precision"], 1, 1e-9)
    late = opening.copy()
    for c in centres:
        late[c - 1 : c + 2] = 0.15
        late[c + 4 : c + 7] = 0
    check("closures 5 frames late: recall", against(late)["closure_recall"], 0, 0.06)


def selftest() -> int:
    """Score synthetic tracks whose figures are known; return 0 if all figures are right, else 1."""
    rng, check, face = np.random.default_rng(0), _Checks(), synthetic_face()
    opening, centres = _test_opening(rng, 400)
    _check_invariance(check, rng, synthetic_track(opening, face), len(centres))
    _check_distances(check, rng, opening, face)
    _check_timing(check, opening, centres, face)
    print("FAILED: " + ", ".join(check.failed) if check.failed else "all passed")
    return 1 if check.failed else 0


# ------------------------------------------------------------------------------------------------ command line


def load_track(path: Path) -> dict[str, NDArray[Any]]:
    """Return ``landmarks`` and, if stored, ``valid`` of the track in the file ``path``."""
    with np.load(path, allow_pickle=False) as stored:
        return {key: stored[key] for key in ("landmarks", "valid") if key in stored.files}


def rounded(metrics: Metrics) -> Metrics:
    """Return ``metrics`` with four decimals."""
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in metrics.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m training.measures.score",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    one, many = commands.add_parser("score"), commands.add_parser("batch")
    one.add_argument("gt", type=Path)
    one.add_argument("pred", type=Path)
    many.add_argument("list", type=Path)
    for sub in (one, many):
        sub.add_argument("--identity", choices=("same", "transfer"), default="same")
        sub.add_argument("--smooth", type=int, default=0, help="odd length of the filter on the recorded track, e.g. 5")
    commands.add_parser("selftest")
    args = parser.parse_args(argv)
    if args.command == "selftest":
        return selftest()
    pairs = (
        [(args.gt, args.pred)]
        if args.command == "score"
        else [
            (Path(gt), Path(pred))
            for gt, pred in (
                line.split("\t") for line in args.list.read_text(encoding="utf-8").splitlines() if line.strip()
            )
        ]
    )
    rows = [score(load_track(gt), load_track(pred), args.identity, args.smooth) for gt, pred in pairs]
    if args.command == "score":
        print(json.dumps(rounded(rows[0]), indent=1))
    else:
        clips = [{"gt": str(pair[0]), **rounded(row)} for pair, row in zip(pairs, rows, strict=True)]
        print(json.dumps({"clips": len(rows), "mean": rounded(mean_rows(rows)), "per_clip": clips}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""How real speakers blink, look about and move their brows: ``python -m training.tables.idle_motion [--data DIR]``.

Measures the training clips and writes the core's ``assets/living.json``, from which ``motion/living.py`` draws random
motion. With ``--check`` that motion, for the sounds of the same clips, is measured in the same way, and both results
are printed side by side.

Clips of at least five seconds and eighty pixels of face are used, at most three minutes of each speaker. Blinks are
peaks of the tracker's eyeBlink above its running median. Gaze is the position of the iris between the eye's corners,
head pose removed, on an eyeball with a radius of 0.41 eye widths, relative to the clip's median. Brow raises are peaks
of browInnerUp above its running median. Intervals are Kaplan-Meier estimates (a clip's end censors the last one),
scaled to the overall rate; rates are given for each state of speech (``mouthpiece.motion.prosody``). No sound, face or
identity is kept.
"""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from mouthpiece.features import FRAME_RATE, FRAME_SAMPLES, hop_rms
from mouthpiece.motion import eyes, living, prosody, rest
from mouthpiece.topology import ARKIT_INDEX
from numpy.typing import NDArray
from scipy import ndimage

from ..command_line import exit_code, parser_of
from ..files import write_json
from ..pack.clips import clip_folder, read_index
from ..pack.geometry import AVERAGE_RIGID, rigid_points, similarity
from ..paths import CORE_ASSETS, PACK

OUTPUT = CORE_ASSETS / "living.json"
#: Least length and face size of a clip, and most minutes of a speaker.
LEAST_SECONDS, LEAST_PIXELS, MOST_MINUTES = 5.0, 80.0, 3.0
#: Length, in seconds, of the running median that stands for the rest of an eye or a brow.
BASELINE = 3.0
#: Least height of a blink and of a brow raise above that median, in weight; it ends at half this height.
BLINK_HEIGHT, BROW_HEIGHT = 0.2, 0.12
#: Least turn of the eyes over three frames, in radians, that counts as a saccade.
SACCADE = np.radians(4.0)
#: Longest blink, in seconds at half height; lids that are down longer do not blink.
LONGEST_BLINK = 0.4
#: Radius of the eyeball in eye widths.
EYEBALL = 0.41
#: Least frames between saccades, and how far from the clip's median a look is still "at home", in radians.
LEAST_HOLD, HOME = 4, 0.06
#: Least distance, in radians, between one look and the next when they are drawn; noted for the core.
LEAST_JUMP = 0.045
#: Levels at which quantiles are tabulated.
LEVELS = np.linspace(0.02, 0.98, 25)
#: Standard normal deviates at which gaze is tabulated.
DEVIATES = np.linspace(-2.4, 2.4, 17)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class LivingTracks:
    """Tracks of a clip at 25 Hz.

    Attributes
    ----------
    speaker : str
    lid, brow, outer : (T,)
        Weights of eyeBlink, browInnerUp and browOuterUp.
    gaze, head : (T, 2)
        Horizontal and vertical angles of the eyes, yaw and pitch of the head, in radians.
    states : (T,)
        Indices in ``prosody.STATES``.
    weight : float
        How much the clip counts.
    """

    speaker: str
    lid: Floats
    brow: Floats
    outer: Floats
    gaze: Floats
    head: Floats
    states: NDArray[np.int8]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Peak:
    """A peak of a track: its frame, its height, and the seconds from half height to the peak and back."""

    frame: int
    height: float
    rise: float
    fall: float


def peaks(track: Floats, least: float) -> list[Peak]:
    """Return the peaks of ``track`` (T,), at 25 Hz, that rise at least ``least`` above its running median."""
    size = int(BASELINE * FRAME_RATE) | 1
    above = track - ndimage.median_filter(track, size, mode="nearest")
    found, index = [], 0
    while index < len(above):
        if above[index] < least:
            index += 1
            continue
        stop = index
        while stop < len(above) and above[stop] > least / 2:
            stop += 1
        top = index + int(above[index:stop].argmax())
        found.append(_event(above, top))
        index = stop
    return found


def _event(above: Floats, top: int) -> Peak:
    half = above[top] / 2

    def reach(step: int) -> float:
        at = top
        while 0 < at < len(above) - 1 and above[at] > half:
            at += step
        drop = above[at - step] - above[at]
        return abs(at - top) - (half - above[at]) / drop if at != top and drop > 1e-9 else float(abs(at - top))

    return Peak(top, float(above[top]), reach(-1) / FRAME_RATE, reach(1) / FRAME_RATE)


def saccades(gaze: Floats) -> list[tuple[int, int]]:
    """Return the first and last frame of each jump in ``gaze`` (T, 2), radians at 25 Hz."""
    calm = ndimage.median_filter(gaze, (3, 1), mode="nearest")
    turn = np.zeros(len(calm))
    turn[1:-1] = np.linalg.norm(calm[2:] - calm[:-2], axis=1)
    fast = turn > SACCADE
    # Eyes rest for a fifth of a second at least; jumps with less between them are one jump that overshoots.
    fast = ndimage.binary_closing(np.pad(fast, LEAST_HOLD), np.ones(LEAST_HOLD + 1, bool))[LEAST_HOLD:-LEAST_HOLD]
    edges = np.flatnonzero(np.diff(np.r_[False, fast, False].astype(int)))
    return [(max(0, int(a) - 1), min(len(calm) - 1, int(b))) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def quantiles(values: Sequence[float], weights: Sequence[float], levels: Floats = LEVELS) -> list[float]:
    """Return the weighted quantiles of ``values`` at ``levels``."""
    order = np.argsort(values)
    mass = np.cumsum(np.asarray(weights, float)[order])
    found = np.interp(levels * mass[-1], mass - np.asarray(weights, float)[order] / 2, np.asarray(values, float)[order])
    return [round(float(v), 4) for v in found]


def intervals(frames: Sequence[Sequence[int]], lengths: Sequence[int], weights: Sequence[float]) -> list[float]:
    """Return quantiles of the seconds between events (Kaplan & Meier 1958), from their frames in several clips.

    They are scaled so that their mean fits the overall rate, to which clips without any event count too.
    """
    spans, closed, mass = [], [], []
    for own, length, weight in zip(frames, lengths, weights, strict=True):
        if len(own):
            gaps = np.diff([*own, length])
            spans += list(gaps)
            closed += [True] * (len(gaps) - 1) + [False]
            mass += [weight] * len(gaps)
    order = np.lexsort((~np.array(closed), np.array(spans)))
    span, ends, share = np.array(spans)[order], np.array(closed)[order], np.array(mass)[order]
    at_risk = share[::-1].cumsum()[::-1]
    alive = np.cumprod(1 - np.where(ends, share / at_risk, 0))
    table = np.interp(LEVELS * (1 - alive[-1]), 1 - alive, span) / FRAME_RATE
    count = sum(len(own) * weight for own, weight in zip(frames, weights, strict=True))
    mean = sum(n * w for n, w in zip(lengths, weights, strict=True)) / FRAME_RATE / max(count, 1e-9)
    return [round(float(v), 3) for v in table * mean / table.mean()]


def rates(faces: Sequence[LivingTracks], frames: Sequence[Sequence[int]]) -> dict[str, float]:
    """Return the events per minute in each state of speech, and overall; ``frames`` holds the events of each clip."""
    result = {}
    for number, name in enumerate(prosody.STATES):
        seconds = sum(f.weight * (f.states == number).sum() for f in faces) / FRAME_RATE
        count = sum(f.weight * (f.states[list(own)] == number).sum() for f, own in zip(faces, frames, strict=True))
        result[name] = round(60 * float(count) / max(float(seconds), 1e-9), 2)
    seconds = sum(f.weight * len(f.states) for f in faces) / FRAME_RATE
    result["all"] = round(60 * sum(f.weight * len(own) for f, own in zip(faces, frames, strict=True)) / seconds, 2)
    return result


def measure_blinks(faces: Sequence[LivingTracks]) -> dict[str, Any]:
    """Return rates, intervals, durations and heights of blinks; heights are relative to the speaker's full blink."""
    found = [[e for e in peaks(face.lid, BLINK_HEIGHT) if e.rise + e.fall < LONGEST_BLINK] for face in faces]
    full: dict[str, float] = {}
    for speaker in {face.speaker for face in faces}:
        heights = [e.height for f, own in zip(faces, found, strict=True) if f.speaker == speaker for e in own]
        full[speaker] = float(np.percentile(heights, 80)) if heights else 1.0
    rows = [(e, f) for f, own in zip(faces, found, strict=True) for e in own]
    weights = [f.weight for _, f in rows]
    frames = [[e.frame for e in own] for own in found]
    return {
        "rate": rates(faces, frames),
        "interval": intervals(frames, [len(f.lid) for f in faces], weights=[f.weight for f in faces]),
        "rise": quantiles([e.rise for e, _ in rows], weights),
        "fall": quantiles([e.fall for e, _ in rows], weights),
        "height": quantiles([min(e.height / full[f.speaker], 1.0) for e, f in rows], weights),
    }


def measure_gaze(faces: Sequence[LivingTracks]) -> dict[str, Any]:
    """Return rates and intervals of saccades, where the eyes rest, and how one look depends on the one before."""
    jumps = [saccades(face.gaze) for face in faces]
    frames = [[a for a, _ in own] for own in jumps]
    looks, mass, spans, pairs, sizes, size_mass = [], [], [], [], [], []
    for face, own in zip(faces, jumps, strict=True):
        edges = [0, *(frame for jump in own for frame in jump), len(face.gaze) - 1]
        held = [np.median(face.gaze[a : b + 1], axis=0) for a, b in zip(edges[::2], edges[1::2], strict=True)]
        spans += [b - a + 1 for a, b in zip(edges[::2], edges[1::2], strict=True)]
        looks += held
        mass += [face.weight] * len(held)
        pairs += [(one, two, face.weight) for one, two in pairwise(held)]
        sizes += [float(np.linalg.norm(two - one)) for one, two in pairwise(held)]
        size_mass += [face.weight] * (len(held) - 1)
    normal = np.array([0.5 * (1 + math.erf(z / math.sqrt(2))) for z in DEVIATES])
    points = np.array(looks)
    home = np.linalg.norm(points, axis=1) < HOME
    hold = [float(np.average(np.array(spans)[part], weights=np.array(mass)[part])) for part in (home, ~home)]
    share = float(np.average(home, weights=mass))
    mean = share * hold[0] + (1 - share) * hold[1]
    return {
        "rate": rates(faces, frames),
        "interval": intervals(frames, [len(f.gaze) for f in faces], [f.weight for f in faces]),
        "deviates": [round(float(z), 3) for z in DEVIATES],
        "horizontal": quantiles(points[:, 0], mass, normal),
        "vertical": quantiles(points[:, 1], mass, normal),
        "home": round(share, 3),
        "hold": {"radius": HOME, "home": round(hold[0] / mean, 3), "away": round(hold[1] / mean, 3)},
        "least": LEAST_JUMP,
        "persistence": round(_persistence(pairs), 3),
        "size": quantiles(sizes, size_mass),
        "steadying": round(_steadying(faces), 3),
    }


def _persistence(pairs: list[tuple[Floats, Floats, float]]) -> float:
    """Return the rank correlation between the horizontal angles of one look and the next."""
    if len(pairs) < 3:
        return 0.0
    one, two, weight = (np.array([pair[k][0] if k < 2 else pair[2] for pair in pairs]) for k in range(3))
    a, b = (np.argsort(np.argsort(v)) - (len(v) - 1) / 2 for v in (one, two))
    return float((weight * a * b).sum() / np.sqrt((weight * a * a).sum() * (weight * b * b).sum()))


def _steadying(faces: Sequence[LivingTracks]) -> float:
    """Return the share of the head's turns that the eyes compensate, over a fifth of a second between saccades."""
    turned, looked = [], []
    for face in faces:
        fast = np.zeros(len(face.gaze), bool)
        for a, b in saccades(face.gaze):
            fast[max(0, a - 2) : b + 3] = True
        step = 5
        calm = ~np.array([fast[i : i + step + 1].any() for i in range(len(fast) - step)], bool)
        turned.append((face.head[step:] - face.head[:-step])[calm])
        looked.append((face.gaze[step:, 0] - face.gaze[:-step, 0])[calm])
    head, eye = np.concatenate(turned)[:, 0], np.concatenate(looked)
    moving = np.abs(head) > np.radians(1.5)
    return float((head[moving] * eye[moving]).sum() / max((head[moving] ** 2).sum(), 1e-12))


def measure_brows(faces: Sequence[LivingTracks]) -> dict[str, Any]:
    """Return rates, intervals, durations and heights of brow raises, and how much the outer brows follow."""
    found = [peaks(ndimage.gaussian_filter1d(face.brow, 1.0), BROW_HEIGHT) for face in faces]
    rows = [(e, f) for f, own in zip(faces, found, strict=True) for e in own]
    weights = [f.weight for _, f in rows]
    frames = [[e.frame for e in own] for own in found]
    inner = np.concatenate([f.brow - np.median(f.brow) for f in faces])
    outer = np.concatenate([f.outer - np.median(f.outer) for f in faces])
    return {
        "rate": rates(faces, frames),
        "interval": intervals(frames, [len(f.brow) for f in faces], [f.weight for f in faces]),
        "rise": quantiles([e.rise for e, _ in rows], weights),
        "fall": quantiles([e.fall for e, _ in rows], weights),
        "height": quantiles([e.height for e, _ in rows], weights),
        "outer": round(float((inner * outer).sum() / (inner * inner).sum()), 3),
    }


def read_faces(data: Path, split: str = "train") -> list[LivingTracks]:
    """Return the tracks of the clips that are used, cut into parts in which the face is tracked throughout."""
    faces = []
    for row in read_index(data):
        if row["split"] != split or float(row["seconds"]) < LEAST_SECONDS or float(row["face_px"]) < LEAST_PIXELS:
            continue
        path = clip_folder(data) / row["file"]
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in ("landmarks", "iris", "blendshapes", "valid")}
        samples = soundfile.read(path.with_suffix(".flac"), dtype="float32")[0]
        faces += _faces_of(row["speaker"], arrays, samples)
    minutes: dict[str, float] = defaultdict(float)
    for face in faces:
        minutes[face.speaker] += len(face.lid) / FRAME_RATE / 60
    return [replace(face, weight=min(1.0, MOST_MINUTES / minutes[face.speaker])) for face in faces]


def _faces_of(speaker: str, arrays: dict[str, NDArray[Any]], samples: NDArray[np.float32]) -> list[LivingTracks]:
    count = len(arrays["valid"])
    samples = np.pad(samples[: count * FRAME_SAMPLES], (0, max(0, count * FRAME_SAMPLES - len(samples))))
    states = states_of(samples, count)
    good = arrays["valid"] & np.isfinite(arrays["landmarks"]).all(axis=(1, 2)) & np.isfinite(arrays["iris"]).all((1, 2))
    edges = np.flatnonzero(np.diff(np.r_[False, good, False].astype(int)))
    weights = arrays["blendshapes"][:, 1:].astype(float)
    result = []
    for a, b in zip(edges[::2], edges[1::2], strict=True):
        if b - a < LEAST_SECONDS * FRAME_RATE:
            continue
        shapes = weights[a:b]
        gaze, head = look_of(arrays["landmarks"][a:b].astype(float), arrays["iris"][a:b].astype(float))
        lid = shapes[:, [ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]].mean(axis=1)
        outer = shapes[:, [ARKIT_INDEX["browOuterUpLeft"], ARKIT_INDEX["browOuterUpRight"]]].mean(axis=1)
        gaze = bridged(gaze, lid)
        result.append(LivingTracks(speaker, lid, shapes[:, ARKIT_INDEX["browInnerUp"]], outer, gaze, head, states[a:b]))
    return result


def states_of(samples: NDArray[np.float32], count: int) -> NDArray[np.int8]:
    """Return the state of speech in each of ``count`` frames of 16 kHz ``samples``: indices in ``prosody.STATES``."""
    rms = hop_rms(samples)
    return prosody.rhythm(rest.speech_activity(rms, count), rest.frame_decibels(rms, count), FRAME_RATE)


def look_of(landmarks: Floats, iris: Floats) -> tuple[Floats, Floats]:
    """Return gaze (T, 2), relative to its median, and the head's yaw and pitch (T, 2), all in radians."""
    joined = np.concatenate([landmarks, iris], axis=1)
    rigid = rigid_points(landmarks)
    scale, rotation, shift = similarity(np.repeat(AVERAGE_RIGID[None], len(rigid), axis=0), rigid)
    upright = np.einsum("tji,tnj->tni", rotation, joined - shift[:, None]) / scale[:, None, None]
    looks = []
    for corners, points in (((36, 39), slice(68, 73)), ((42, 45), slice(73, 78))):
        a, b = upright[:, corners[0]], upright[:, corners[1]]
        width = np.linalg.norm(np.median(b - a, axis=0)[:2])
        away = (upright[:, points].mean(axis=1) - (a + b) / 2)[:, :2]
        looks.append(np.arcsin(np.clip(away / (EYEBALL * width), -0.9, 0.9)))
    gaze = np.mean(looks, axis=0)
    yaw = np.arctan2(-rotation[:, 2, 0], np.hypot(rotation[:, 0, 0], rotation[:, 1, 0]))
    pitch = np.arctan2(rotation[:, 2, 1], rotation[:, 2, 2])
    return gaze - np.median(gaze, axis=0), np.stack([yaw, pitch], axis=1)


def bridged(gaze: Floats, lid: Floats) -> Floats:
    """Return ``gaze`` (T, 2) interpolated over blinks, in which the iris is hidden."""
    hidden = np.zeros(len(lid), bool)
    for event in peaks(lid, BLINK_HEIGHT):
        hidden[max(0, event.frame - 4) : event.frame + 6] = True
    seen = np.flatnonzero(~hidden)
    if not len(seen):
        return gaze
    return np.stack([np.interp(np.arange(len(gaze)), seen, gaze[seen, k]) for k in range(2)], axis=1)


def measure(faces: Sequence[LivingTracks]) -> dict[str, Any]:
    """Return the statistics of ``faces`` as they are written to ``living.json``."""
    return {"blink": measure_blinks(faces), "gaze": measure_gaze(faces), "brow": measure_brows(faces)}


def drawn_for(faces: Sequence[LivingTracks], seed: int = 0) -> list[LivingTracks]:
    """Return the motion the core draws for the speech of ``faces``, with a still head, so that only gaze moves eyes."""
    result = []
    for number, face in enumerate(faces):
        rng = np.random.default_rng([seed, number])
        count = len(face.lid)
        still = np.zeros((count, 6), np.float32)
        lid = living.blinks(face.states, count, FRAME_RATE, rng).mean(axis=1).astype(float)
        look = living.gaze(face.states, still, FRAME_RATE, rng).astype(float)
        inner, outer = living.brows(face.states, count, FRAME_RATE, rng).astype(float).T
        steady = look - np.median(look, axis=0)
        result.append(LivingTracks(face.speaker, lid, inner, outer, steady, face.head, face.states, face.weight))
    return result


def rows_of(measured: dict[str, Any]) -> dict[str, float]:
    """Return the figures that ``--check`` compares, by name."""
    rows: dict[str, float] = {}
    for name, kind in (("blink", "blinks"), ("gaze", "saccades"), ("brow", "brow raises")):
        own = measured[name]
        rows |= {f"{kind} a minute, {state}": value for state, value in own["rate"].items()}
        for level, word in ((6, "quarter"), (12, "half"), (18, "three quarters")):
            rows[f"{kind}: seconds between, {word} below"] = own["interval"][level]
        size = "size" if name == "gaze" else "height"
        for level, word in ((6, "quarter"), (12, "half"), (18, "three quarters")):
            rows[f"{kind}: {size}, {word} below"] = own[size][level]
        if name != "gaze":
            rows[f"{kind}: half height to peak, median s"] = own["rise"][12]
            rows[f"{kind}: peak to half height, median s"] = own["fall"][12]
    for axis in ("horizontal", "vertical"):
        low, high = (measured["gaze"][axis][k] for k in (5, 11))
        rows[f"looks: {axis} spread, 18 % to 82 %, rad"] = round(high - low, 4)
    rows["looks: share within 0.06 rad of home"] = measured["gaze"]["home"]
    rows["looks: how much longer they are held there"] = (
        measured["gaze"]["hold"]["home"] / measured["gaze"]["hold"]["away"]
    )
    rows["looks: rank correlation with the last"] = measured["gaze"]["persistence"]
    rows["looks: share of the head's turn undone"] = measured["gaze"]["steadying"]
    return rows


def run(data: Path, output: Path, only_check: bool) -> None:
    """Measure the pack ``data`` and write ``output``, or only compare it with what the core draws."""
    faces = read_faces(data)
    real = measure(faces)
    if only_check:
        mine = rows_of(measure(drawn_for(faces)))
        turn = np.eye(6, dtype=np.float32)[1:2]
        mine["looks: share of the head's turn undone"] = float(eyes.steadying(turn)[0, 0])
        print(f"{'':46} {'real':>8} {'drawn':>8}")
        for name, value in rows_of(real).items():
            print(f"{name:46} {value:8.3f} {mine[name]:8.3f}")
        return
    minutes = sum(len(face.lid) for face in faces) / FRAME_RATE / 60
    about = (
        f"Statistics of {len({face.speaker for face in faces})} tracked speakers, {minutes:.1f} minutes of "
        "the training pack, by training/tables/idle_motion.py. Seconds, radians, ARKit weights, events a minute; "
        f"tables are quantiles from {LEVELS[0]:g} to {LEVELS[-1]:g}, gaze at standard normal deviates. "
        "Holds no sound, face or identity."
    )
    write_json(output, {"about": about, **real})
    print(about)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.tables.idle_motion", __doc__)
    parser.add_argument("--data", type=Path, default=PACK, metavar="DIR")
    parser.add_argument("--output", type=Path, default=OUTPUT, metavar="JSON")
    parser.add_argument("--check", action="store_true", help="compare what the core draws with what was measured")
    args = parser.parse_args(argv)
    return exit_code(lambda: run(args.data, args.output, args.check), "not measured")


if __name__ == "__main__":
    sys.exit(main())

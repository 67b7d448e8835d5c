"""How close made frames are to recorded ones: PSNR, SSIM, feature distance, landmarks found again, flicker.

Frames are uint8 (256, 256, 3). A region (256, 256) says how much each pixel counts, 0..1: the face is the oval that a
generator may change, the mouth a box around the recorded lips. Both are computed from the recorded frame's landmarks,
so that every method is judged in the same place.

The feature distance is computed as LPIPS (Zhang et al. 2018: channels of length one, squared differences, averaged over
space and layers), but unweighted, and not on the usual networks, whose weights were not available. It compares four
layers of the face *detector*, as generators are trained with features of the *landmark* network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import onnx
from mouthpiece.models.registry import find
from mouthpiece.models.session import OnnxSession
from mouthpiece.portrait.draw.conditions import oval_of
from mouthpiece.topology import LIPS
from numpy.typing import NDArray
from onnx import TensorProto, helper

from ...pack.face_tracker import FaceTracker

Frame = NDArray[np.uint8]
Points = NDArray[np.floating[Any]]
Planes = NDArray[np.float32]
Scores = dict[str, float]

#: Room around the recorded lips that counts as the mouth, in eye distances.
ROOM = 0.12
#: Layers of the detector that are compared; their sides are 1/2, 1/4, 1/8 and 1/16 of the picture's.
LAYERS = ("t22", "t53", "t114", "t157")
#: Constants of SSIM for values up to 255 (Wang et al. 2004).
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_EYES = (36, 45)
#: A face holds still between two frames if the median movement of its filtered landmarks is less, in pixels.
STILL = 0.4
#: The filter over time that removes the tracker's noise from landmarks, so that it does not count as movement.
_TAPS = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16


def eye_distance(landmarks: Points) -> NDArray[np.float64]:
    """Return the distance of the outer eye corners of landmarks (..., 68, 2 or 3)."""
    across = landmarks[..., _EYES[1], :2] - landmarks[..., _EYES[0], :2]
    return np.asarray(np.linalg.norm(across, axis=-1), np.float64)


def regions(landmarks: Points, size: int = 256) -> dict[str, Planes]:
    """Return the regions of a recorded frame with landmarks (68, 2 or 3) in its pixels."""
    flat = np.asarray(landmarks, np.float64)[:, :2]
    lips, room = flat[list(LIPS)], ROOM * float(eye_distance(flat))
    low, high = lips.min(axis=0) - room, lips.max(axis=0) + room
    centres = np.arange(size) + 0.5
    columns, rows = ((centres >= low[k]) & (centres <= high[k]) for k in (0, 1))
    return {"face": oval_of(flat, size), "mouth": np.outer(rows, columns).astype(np.float32)}


def weighted(values: NDArray[Any], region: Planes) -> float:
    """Return the mean of values (H, W) over a region (H, W)."""
    share = region.astype(np.float64)
    return float((values * share).sum() / max(float(share.sum()), 1e-9))


def psnr(one: Frame, other: Frame, region: Planes) -> float:
    """Return the peak signal-to-noise ratio in decibels; infinite where nothing differs."""
    error = weighted(((one.astype(np.float64) - other) ** 2).mean(axis=2), region)
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def ssim_map(one: Frame, other: Frame) -> NDArray[np.float64]:
    """Return the structural similarity (H, W) of luma around each pixel: Gaussian windows, 1.5 pixels wide."""
    x, y = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float64) for frame in (one, other))

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5, borderType=cv2.BORDER_REFLECT_101), np.float64)

    mx, my = mean(x), mean(y)
    xx, yy, xy = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    similar: NDArray[np.float64] = (2 * mx * my + _C1) * (2 * xy + _C2) / ((mx**2 + my**2 + _C1) * (xx + yy + _C2))
    return similar


class DetectorFeatures:
    """The features of pictures: layers of the face detector."""

    def __init__(self, size: int = 256) -> None:
        """Load the detector's layers for pictures of (size, size) pixels."""
        self._run = _detector_layers(size)

    def __call__(self, frame: Frame) -> list[Planes]:
        """Return the layers (C, h, w) for a frame (size, size, 3); the channels of each pixel have length one."""
        planes = (frame.astype(np.float32) / np.float32(127.5) - 1).transpose(2, 0, 1)[None]
        made = self._run({"t0": planes})
        return [_unit(made[name][0]) for name in LAYERS]


def _unit(layer: Planes) -> Planes:
    length = np.sqrt((layer**2).sum(axis=0, keepdims=True))
    return np.asarray(layer / (length + np.float32(1e-10)), np.float32)


@lru_cache(maxsize=2)
def _detector_layers(size: int) -> OnnxSession:
    """Return the face detector, cut off behind the last of ``LAYERS``, for pictures of (size, size) pixels."""
    model = onnx.load_from_string(find("face_detector_128", kind="faces").content)
    graph = model.graph
    last = next(k for k, node in enumerate(graph.node) if LAYERS[-1] in node.output)
    body = list(graph.node)[: last + 1]
    for part in (graph.node, graph.output, graph.input, graph.value_info):
        del part[:]
    graph.node.extend(body)
    graph.input.append(helper.make_tensor_value_info("t0", TensorProto.FLOAT, [1, 3, size, size]))
    graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in LAYERS)
    return OnnxSession(model.SerializeToString(), "layers of the face detector")


def distance(one: Sequence[Planes], other: Sequence[Planes], region: Planes) -> float:
    """Return the distance between two frames' features in a region, from 0 (the same) to 2."""
    total = 0.0
    for a, b in zip(one, other, strict=True):
        share = cv2.resize(region, (a.shape[2], a.shape[1]), interpolation=cv2.INTER_AREA)
        total += weighted(((a - b) ** 2).sum(axis=0), share)
    return total / len(one)


def pictures_scores(made: Frame, real: Frame, landmarks: Points, features: DetectorFeatures) -> Scores:
    """Return PSNR, SSIM and feature distance of a made frame from the recorded one, over face and mouth."""
    similar, layers = ssim_map(made, real), (features(made), features(real))
    scores = {}
    for name, region in regions(landmarks, len(real)).items():
        scores[f"{name}_psnr"] = psnr(made, real, region)
        scores[f"{name}_ssim"] = weighted(similar, region)
        scores[f"{name}_features"] = distance(*layers, region)
    return scores


def found_again(frames: Iterable[Frame]) -> NDArray[np.float64]:
    """Return the landmarks (T, 68, 3) the core's face networks find in frames; NaN where they find no face."""
    rows = [np.full((68, 3), np.nan) if face is None else face.landmarks for face in FaceTracker().follow(frames)]
    return np.asarray(rows, np.float64).reshape(len(rows), 68, 3)


def landmark_scores(found: Points, recorded: Points) -> list[Scores]:
    """Return the mean errors of lips and of other points, for each frame, in percent of the eye distance.

    ``found`` and ``recorded`` are landmarks (T, 68, 3); where no face was found, both errors are NaN.
    """
    off = np.linalg.norm(found[..., :2] - recorded[..., :2], axis=-1) / eye_distance(recorded)[:, None] * 100
    lips = np.isin(np.arange(off.shape[1]), list(LIPS))
    return [{"lips": float(row[lips].mean()), "rest": float(row[~lips].mean())} for row in off]


def opening(landmarks: Points) -> NDArray[np.float64]:
    """Return the gap between the inner lips (T,) of landmarks (T, 68, 2 or 3), in eye distances."""
    gap = np.linalg.norm(landmarks[..., [65, 66, 67], :2] - landmarks[..., [63, 62, 61], :2], axis=-1).mean(axis=-1)
    return np.asarray(gap / eye_distance(landmarks), np.float64)


def filtered(track: Points) -> NDArray[np.float64]:
    """Return ``track`` (T, ...) filtered over five frames without delay; end frames are repeated beyond the ends."""
    reach = len(_TAPS) // 2
    held = np.pad(np.asarray(track, np.float64), [(reach, reach), *[(0, 0)] * (track.ndim - 1)], mode="edge")
    return np.asarray(sum(tap * held[k : k + len(track)] for k, tap in enumerate(_TAPS)), np.float64)


def flicker(frames: NDArray[np.uint8], landmarks: Points, still: float = STILL) -> Scores:
    """Return how much frames (T, H, W, 3) change while the face holds still: mean differences in levels of 255.

    The face holds still between two frames if its filtered ``landmarks`` (T, 68, 2 or 3) move less than ``still``
    pixels (median). ``outside`` and ``inside`` are the change outside and inside the face's oval, over all such pairs.
    ``shimmer`` is the difference, inside, of a frame from the mean of its two neighbours, if the face holds still
    through all three: flicker makes it large, movement hardly. ``pairs`` and ``triples`` are the numbers of cases; with
    none, figures are NaN.
    """
    flat = np.asarray(landmarks, np.float64)[..., :2]
    height, width = frames.shape[1:3]
    moved = np.median(np.linalg.norm(np.diff(flat, axis=0), axis=2), axis=1)
    lists: dict[str, list[float]] = {"outside": [], "inside": [], "shimmer": []}
    ovals = [oval_of(points, max(height, width))[:height, :width] for points in flat]
    for k in np.flatnonzero(moved < still):
        before, now, after = (frames[max(j, 0)].astype(np.float32) for j in (k - 1, k, k + 1))
        change = np.abs(after - now).mean(axis=2)
        lists["outside"].append(weighted(change, 1 - np.maximum(ovals[k], ovals[k + 1])))
        lists["inside"].append(weighted(change, np.minimum(ovals[k], ovals[k + 1])))
        if k and moved[k - 1] < still:
            bent = np.abs(now - (before + after) / 2).mean(axis=2)
            lists["shimmer"].append(weighted(bent, np.minimum(ovals[k - 1], ovals[k + 1])))
    told = {name: float(np.mean(values)) if values else float("nan") for name, values in lists.items()}
    return told | {"pairs": float(len(lists["inside"])), "triples": float(len(lists["shimmer"]))}


def mean_scores(rows: Sequence[Mapping[str, float]]) -> Scores:
    """Return the mean of each figure over the rows that have it, for flicker weighted by pairs and triples."""
    names = dict.fromkeys(name for row in rows for name in row)
    counts = {"outside": "pairs", "inside": "pairs", "shimmer": "triples"}
    means = {}
    for name in names:
        known = [row for row in rows if not np.isnan(row.get(name, np.nan))]
        values = np.array([row[name] for row in known])
        shares = np.array([row.get(counts.get(name, ""), 1.0) for row in known])
        if name in counts.values():
            means[name] = float(values.sum())
        else:
            means[name] = float(np.average(values, weights=shares)) if shares.sum() > 0 else float("nan")
    return means

"""The targets of the content network: a clip's mouth motion on the canonical face, and its ARKit weights."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from mouthpiece.features import FRAME_RATE
from numpy.typing import NDArray

from ..pack.clips import LABELLED, Clip
from ..pack.geometry import (
    Aligned,
    align,
    closed_frames,
    onto_canonical,
    remove_pose,
    rigid_points,
    rigid_shape,
    smooth,
    symmetric_closed,
)

Points = NDArray[np.float64]

#: Clips shorter than this may lack a frame at rest; the speaker's short clips are pooled to find one.
SHORT_FRAMES = 5 * FRAME_RATE
#: Middle of the lower lip's outer rim, and of the chin, and how much of jawOpen a drop of one eye distance of each is.
#: The tracker's own jawOpen is a guess that follows the lips with r .7. These factors make it follow the same points
#: as seen (least squares on the pack give .04 for the chin, which is lost in noise), with the same spread.
LOWER_LIP, CHIN = (56, 57, 58), (7, 8, 9)
JAW_OF_LIP, JAW_OF_CHIN = 1.3, 0.3
#: From the axes of pose matrices (y up, z to the viewer) to those of landmarks (y down, z away).
_CAMERA_TO_IMAGE = np.diag([1.0, -1.0, -1.0])


@dataclass(frozen=True, slots=True, eq=False)
class ClipTarget:
    """The motion of a clip's face.

    Attributes
    ----------
    landmarks : (T, 204) float32
        Displacements of the 68 points from rest on the canonical face, in outer-eye distances.
    arkit : (T, 51) float32
        ARKit weights above the speaker's own rest, 0..1, without ``tongueOut``. ``jawOpen`` is :func:`jaw_opening`.
    weight : (T,) float32
        How much each frame counts: 1, or 0 where the tracker lost the face.
    """

    landmarks: NDArray[np.float32]
    arkit: NDArray[np.float32]
    weight: NDArray[np.float32]


def canonical_face(clips: Sequence[Clip]) -> Points:
    """Return the mean resting face (68, 3) of the speakers of ``clips``: symmetric, lips shut, facing the camera.

    The tracker's pose matrices say how faces are turned; every speaker counts once.
    """
    faces: dict[str, list[Points]] = defaultdict(list)
    for clip in clips:
        held = clip.valid & np.isfinite(clip.landmarks).all(axis=(1, 2))
        if held.any():
            faces[clip.speaker].append(_frontal_rest(clip, held))
    if not faces:
        raise ValueError("no clip holds a face")
    mean = np.mean([np.mean(own, axis=0) for own in faces.values()], axis=0)
    return symmetric_closed(_unit(mean))


def _frontal_rest(clip: Clip, held: NDArray[np.bool_]) -> Points:
    """Return the clip's resting face (68, 3), turned to the camera."""
    turn = _CAMERA_TO_IMAGE @ clip.pose[held][:, :3, :3].astype(np.float64) @ _CAMERA_TO_IMAGE
    turn /= np.linalg.norm(turn, axis=1, keepdims=True)  # the matrices carry the face's size
    frontal = np.einsum("tji,tnj->tni", turn, clip.landmarks[held])
    frontal -= frontal.mean(axis=1, keepdims=True)
    rigid = rigid_shape(frontal, rigid_points(frontal.mean(axis=0)))
    aligned = align(frontal, rigid)
    return aligned[closed_frames(aligned, np.ones(len(aligned), bool))].mean(axis=0)


def _unit(face: Points) -> Points:
    """Return ``face`` (68, 3) with the origin between the eyes and the outer eye corners one unit apart."""
    centred = face - face[[36, 39, 42, 45]].mean(axis=0)
    unit: Points = centred / np.linalg.norm(centred[45] - centred[36])
    return unit


def make_targets(clips: Sequence[Clip], canonical: Points) -> list[ClipTarget]:
    """Return the targets of ``clips`` on the face ``canonical`` (68, 3); a speaker's short clips share one rest."""
    aligned = [remove_pose(clip.landmarks, clip.valid, rigid_points(canonical)) for clip in clips]
    rest = [_rest_of(clip, track) for clip, track in zip(clips, aligned, strict=True)]
    pooled = _pooled_rest(clips, aligned)
    targets = []
    for clip, track, own in zip(clips, aligned, rest, strict=True):
        face, weights = pooled[clip.speaker] if len(clip) < SHORT_FRAMES else own
        moved = onto_canonical(track.points, face, canonical)
        arkit = np.clip(smooth(clip.blendshapes[:, 1:].astype(np.float64)) - weights, 0.0, 1.0)
        arkit[:, LABELLED.index("jawOpen")] = jaw_opening(moved)
        targets.append(
            ClipTarget(
                moved.reshape(len(clip), -1).astype(np.float32), arkit.astype(np.float32), track.held.astype(np.float32)
            )
        )
    return targets


def jaw_opening(moved: Points) -> Points:
    """Return the weight 0..1 of jawOpen (T,) that the drop of lower lip and chin in ``moved`` (T, 68, 3) shows.

    ``moved`` are displacements from rest in eye distances.
    """
    lip, chin = (moved[:, list(points), 1].mean(axis=1) for points in (LOWER_LIP, CHIN))
    opening: Points = np.clip(JAW_OF_LIP * lip + JAW_OF_CHIN * chin, 0.0, 1.0)
    return opening


def _rest_of(clip: Clip, track: Aligned) -> tuple[Points, Points]:
    """Return the face (68, 3) and the ARKit weights (51,) at rest."""
    shut = closed_frames(track.points, track.held)
    return track.points[shut].mean(axis=0), clip.blendshapes[shut, 1:].mean(axis=0).astype(np.float64)


def _pooled_rest(clips: Sequence[Clip], aligned: Sequence[Aligned]) -> dict[str, tuple[Points, Points]]:
    """Return each speaker's resting face and weights, found in all their short clips together."""
    groups: dict[str, list[int]] = defaultdict(list)
    for index, clip in enumerate(clips):
        if len(clip) < SHORT_FRAMES:
            groups[clip.speaker].append(index)
    result = {}
    for speaker, members in groups.items():
        points = np.concatenate([aligned[i].points for i in members])
        held = np.concatenate([aligned[i].held for i in members])
        shapes = np.concatenate([clips[i].blendshapes[:, 1:] for i in members])
        shut = closed_frames(points, held)
        result[speaker] = points[shut].mean(axis=0), shapes[shut].mean(axis=0).astype(np.float64)
    return result


assert len(LABELLED) == 51

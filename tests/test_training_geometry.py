"""Head pose comes out, faces land on the canonical one."""

import numpy as np
import pytest
from mouthpiece.topology import MIRROR

from training.measures.score import placed_before_camera, synthetic_face, synthetic_track
from training.pack import geometry


@pytest.fixture
def face():
    """A face with shut lips, eye corners' centre at the origin, outer corners one apart."""
    face = synthetic_face()
    return face - face[[36, 39, 42, 45]].mean(axis=0)


def moved_about(track, rng):
    """The track before a camera: turned, shifted and scaled anew in every frame."""
    frames = len(track)
    return placed_before_camera(
        track, rng.uniform(-20, 20, (frames, 3)), rng.uniform(-1, 1, (frames, 3)), rng.uniform(50, 150, frames)
    )


def test_a_similarity_is_found_exactly(rng, face):
    track = np.repeat(face[None], 5, axis=0)
    seen = moved_about(track, rng)
    motion = geometry.similarity(track, seen)
    np.testing.assert_allclose(geometry.transform(track, *motion), seen, atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(motion[1]), 1.0, atol=1e-12)


def test_removing_pose_recovers_a_talking_face_exactly(rng, face):
    opening = 0.1 * np.abs(np.sin(np.arange(60) / 3))
    track = synthetic_track(opening, face)
    aligned = geometry.remove_pose(
        moved_about(track, rng), np.ones(60, bool), geometry.rigid_points(face), smoothed=False
    )
    np.testing.assert_allclose(aligned.points, track, atol=1e-9)


def test_lost_frames_are_bridged_and_marked(rng, face):
    seen = np.repeat(face[None], 30, axis=0) * 100
    seen[10:13] = np.nan
    aligned = geometry.remove_pose(seen, np.ones(30, bool), geometry.rigid_points(face))
    assert np.flatnonzero(~aligned.held).tolist() == [10, 11, 12]
    np.testing.assert_allclose(aligned.points, np.repeat(face[None], 30, axis=0), atol=1e-9)


def test_a_track_without_any_face_is_refused(face):
    with pytest.raises(ValueError, match="no frame"):
        geometry.remove_pose(np.full((9, 68, 3), np.nan), np.ones(9, bool), geometry.rigid_points(face))


def test_smoothing_keeps_time_and_takes_noise(rng):
    t = np.arange(200) / 25
    clean = np.sin(2 * np.pi * 1.5 * t)[:, None]
    noise = 0.1 * rng.standard_normal((200, 1))
    smooth = geometry.smooth(clean + noise)
    assert np.std(smooth - clean) < 0.75 * np.std(noise)
    assert np.abs(geometry.smooth(clean) - clean).max() < 0.02  # nothing late, nothing flattened


def test_rest_is_where_the_mouth_is_shut_and_still(face):
    opening = np.full(100, 0.2)
    opening[40:60] = 0.0
    opening[80:83] = 0.0  # shut in passing
    shut = geometry.closed_frames(synthetic_track(opening, face), np.ones(100, bool))
    assert len(shut) == 3
    assert ((shut >= 40) & (shut < 60)).all()


def test_a_wide_mouth_opens_in_proportion(face):
    wide = face * [2.0, 1.0, 1.0]
    moved = geometry.onto_canonical(synthetic_track(np.array([0.2]), wide), wide, face)
    np.testing.assert_allclose(geometry.inner_gap(face + moved), 0.1, atol=1e-12)


def test_the_canonical_face_is_symmetric_and_shut(rng, face):
    result = geometry.symmetric_closed(face + 0.01 * rng.standard_normal(face.shape))
    np.testing.assert_allclose(result[list(MIRROR)] * [-1, 1, 1], result, atol=1e-12)
    assert geometry.inner_gap(result) == 0
    assert geometry.inner_area(result) < 0.005

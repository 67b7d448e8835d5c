"""Portraits: the painter against closed forms, the puppet against what it was told, the renderer against itself."""

from pathlib import Path

import numpy as np
import pytest
from mouthpiece.errors import ModelError, PictureError
from mouthpiece.performance import Performance
from mouthpiece.portrait.draw import painter
from mouthpiece.portrait.draw.conditions import SIZE, oval_of, window_of
from mouthpiece.portrait.draw.generator import Generator, load_generator
from mouthpiece.portrait.draw.motion import Puppet, shut_lips, stance
from mouthpiece.portrait.draw.render import Renderer, RenderOptions, frame_count, frame_size
from mouthpiece.portrait.find.placement import Placed, placed_in_box
from mouthpiece.portrait.images import over_white, read_picture
from mouthpiece.portrait.portrait import Portrait, portrait_of, premultiplied, straight
from mouthpiece.retarget.picture.anatomy import FACE
from mouthpiece.topology import ARKIT_NAMES

ROOT = Path(__file__).resolve().parent.parent


def portrait(width: int = 300, height: int = 360, alpha: int = 255) -> Portrait:
    rng = np.random.default_rng(3)
    coarse = rng.integers(40, 220, (height // 12, width // 12, 4), np.uint8)
    picture = np.kron(coarse, np.ones((12, 12, 1), np.uint8))
    picture[..., 3] = alpha
    return portrait_of(picture, placed_in_box(90, 110, 210, 260))


def take(frames: int = 30, **arrays: np.ndarray) -> Performance:
    neutral = np.column_stack([np.array(FACE), np.zeros(68)]).astype(np.float32)
    values = {
        "landmarks": np.repeat(neutral[None], frames, 0), "neutral": neutral,
        "arkit": np.zeros((frames, len(ARKIT_NAMES))), "head": np.zeros((frames, 6)), "gaze": np.zeros((frames, 2)),
        "blink": np.zeros((frames, 2)), "activity": np.zeros(frames),
    } | arrays  # fmt: skip
    return Performance(**values, fps=25.0)


def spoken(frames: int = 30) -> Performance:
    phase = np.linspace(0, 6, frames)
    base = take(frames)
    landmarks = base.landmarks.copy()
    for points, share in (((65, 66, 67, 56, 57, 58), 0.2), ((6, 7, 8, 9, 10), 0.1)):
        landmarks[:, points, 1] += share * (1 - np.cos(phase))[:, None] / 2
    head = np.zeros((frames, 6))
    head[:, 1] = 0.2 * np.sin(phase)
    return take(frames, landmarks=landmarks, head=head, blink=np.tile((np.sin(phase) > 0.9)[:, None], (1, 2)) * 1.0)


def test_a_mesh_moved_by_whole_pixels_moves_the_texture() -> None:
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 256, (20, 24, 4), np.uint8)
    places = np.array([[4, 4], [16, 4], [16, 14], [4, 14]], float)
    mesh = painter.Mesh(np.array([[0, 1, 2], [0, 2, 3]]), places, np.array([1, 2]))
    seen = mesh.seen(places + np.array([3, 2]), 24, 20)
    shown = np.zeros((20, 24, 4), np.uint8)
    shown.view(np.uint32).reshape(-1)[seen.pixel] = painter.Texture(texture).read(seen.u, seen.v)
    assert (shown[6:16, 7:19] == texture[4:14, 4:16]).all()
    assert not shown[:6].any()
    assert set(np.unique(seen.label)) == {1, 2}


def test_sampling_halfway_between_pixels_is_their_mean_and_edges_go_on() -> None:
    texture = np.zeros((1, 2, 4), np.uint8)
    texture[0, 1] = 200
    u = np.array([0.5, 1.0, 1.5, 9.0, -4.0], np.float32)
    assert painter.Texture(texture).read(u, np.full(5, 0.5, np.float32)).view(np.uint8)[::4].tolist() == [
        0,
        100,
        200,
        200,
        0,
    ]


def test_lines_are_as_wide_as_asked() -> None:
    points, triangles = painter.strokes([np.array([[4.0, 8.0], [28.0, 8.0]])], 4.0)
    mask = painter.filled(points, triangles, 32)
    assert mask.sum() == 4 * 28
    assert mask[6:10, 2:30].all()


def test_a_stance_is_found_again() -> None:
    rng = np.random.default_rng(1)
    shape, pivot = rng.normal(size=(68, 3)), np.array([0.1, 1.3, 0.8])
    angle = 0.3
    rotation = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    seen = 1.2 * (shape - pivot) @ rotation.T + pivot + [0.2, -0.1, 0.5]
    scale, found, shift = stance(shape, seen[None], pivot)
    assert scale[0] == pytest.approx(1.2)
    np.testing.assert_allclose(found[0], rotation, atol=1e-9)
    np.testing.assert_allclose(shift[0], [0.2, -0.1], atol=1e-9)


def test_tracked_landmarks_are_hit() -> None:
    shown = portrait()
    puppet = Puppet(shown.face)
    rng = np.random.default_rng(2)
    wanted = shown.face.landmarks[None] + rng.normal(0, 3, (4, 68, 3))
    placed = puppet.placed(puppet.tracked(wanted))
    np.testing.assert_allclose(placed.landmarks, wanted[..., :2], atol=1e-9)
    still = puppet.placed(puppet.tracked(shown.face.landmarks[None]))
    np.testing.assert_allclose(still.vertices[0], shown.face.outward(puppet.rig.points), atol=1e-6)


def test_an_iris_goes_where_it_was_tracked() -> None:
    shown = portrait()
    puppet = Puppet(shown.face)
    irises = shown.face.irises[None, :, :2] + [[[2.0, 1.0], [2.0, 1.0]]]
    placed = puppet.placed(puppet.tracked(shown.face.landmarks[None], irises))
    start = len(puppet.rig.skin.points)
    np.testing.assert_allclose(placed.vertices[0, start], irises[0, 0], atol=0.05)


def test_lips_that_are_parted_in_the_picture_meet_in_a_silent_take() -> None:
    box = placed_in_box(90, 110, 210, 260)
    landmarks = np.asarray(box.landmarks)[:, :2].copy()
    landmarks[[65, 66, 67], 1] += 14
    landmarks[[55, 56, 57, 58, 59], 1] += 14
    shown = portrait_of(portrait().picture, Placed(landmarks))
    puppet = Puppet(shown.face)
    shape = shown.face.shape()
    moved = shape[:, :2] + shut_lips(shape)
    np.testing.assert_allclose(moved[[61, 62, 63]], moved[[67, 66, 65]], atol=1e-9)
    placed = puppet.placed(puppet.performed(take(), np.array([0.0])))
    np.testing.assert_allclose(placed.landmarks[0, [61, 62, 63]], placed.landmarks[0, [67, 66, 65]], atol=0.2)


def test_frames_do_not_depend_on_where_one_starts() -> None:
    renderer, performance = Renderer(portrait()), spoken()
    whole = list(renderer.frames(performance, 25.0))
    assert len(whole) == frame_count(performance, 25.0) == 30
    for index, frame in zip(range(20, 30), renderer.frames(performance, 25.0, start=20), strict=True):
        assert (frame == whole[index]).all()
    assert (renderer.frame(performance, 7 / 25) == whole[7]).all()
    assert not (whole[10] == whole[0]).all()
    assert len(list(renderer.frames(performance, 25.0, 3, 5))) == 2


def test_at_rest_the_picture_is_as_it_was() -> None:
    shown = portrait()
    frame = Renderer(shown).frame(take(), 0.0)
    assert frame.shape == shown.picture.shape
    # shut lips and lines between parts aside, nothing moves
    away = np.abs(frame.astype(int) - shown.picture).max(axis=2) > 2
    assert away.mean() < 0.01


def test_background_and_edge_hold_still() -> None:
    frames = np.array(list(Renderer(portrait()).frames(spoken(), 25.0))).astype(int)
    moved = np.abs(frames - frames[:1]).max(axis=(0, 3))
    # the outermost pixels stretch by a few hundredths of what moves beside them
    assert moved[[0, -1]].max() <= 6
    assert moved[:, [0, -1]].max() <= 6
    assert moved[200:240, 120:180].max() > 40


def test_nothing_tears_between_what_moves_and_what_does_not() -> None:
    down, across = np.mgrid[:360, :300]
    ramp = np.stack([across * 0.8, down * 0.7, (across + down) * 0.38, np.full_like(down, 255)], axis=2)
    shown = portrait_of(ramp.astype(np.uint8), placed_in_box(90, 110, 210, 260))
    performance = spoken()
    turned = take(30, landmarks=performance.landmarks, head=performance.head + np.array([0, 0, 0.15, 0.2, 0.1, 0]))
    frames = list(Renderer(shown).frames(turned, 25.0, 4, 9))
    assert not (frames[0][:, :60] == shown.picture[:, :60]).all()
    for frame in frames:
        levels = frame[..., :3].astype(int)
        # eyes and mouth have edges of their own
        levels[120:250, 90:210] = levels[120, 90]
        for axis in (0, 1):
            steps = np.abs(np.diff(levels, axis=axis)).max(axis=2)
            steps[119:251, 89:211] = 0
            assert steps.max() <= 4


def test_a_generator_changes_the_face_only_and_is_pasted_where_it_belongs() -> None:
    class Brighter:
        def __call__(self, inputs):
            return {"frame": inputs["warped"] + 0.2}

    shown = portrait()
    plain = Renderer(shown).frame(take(), 0.0).astype(int)
    made = Renderer(shown, Generator(Brighter(), ("warped",))).frame(take(), 0.0).astype(int)
    change = made - plain
    oval = window_of(shown.face.landmarks)
    share = oval_of(oval.pixels(shown.face.landmarks[:, :2]))
    assert change[..., :3].min() >= -1
    assert change[185, 150, 0] == pytest.approx(51, abs=2)  # in the middle of the face
    assert not change[[0, -1]].any()
    assert share.max() == 1.0
    assert share[[0, -1]].max() == 0.0


def test_a_lying_head_is_rendered_as_the_upright_one_turned() -> None:
    shown = portrait()
    turned = np.ascontiguousarray(np.rot90(shown.picture, -1))
    face = shown.face
    landmarks = face.landmarks.copy()
    landmarks[:, 0], landmarks[:, 1] = face.height - face.landmarks[:, 1], face.landmarks[:, 0]
    irises = face.irises.copy()
    irises[:, 0], irises[:, 1] = face.height - face.irises[:, 1], face.irises[:, 0]
    lying = portrait_of(turned, Placed(landmarks, irises))
    upright = Renderer(shown).frame(spoken(), 0.4)
    assert (Renderer(lying).frame(spoken(), 0.4) == np.rot90(upright, -1)).all()


def test_transparent_pictures_stay_transparent() -> None:
    shown = portrait()
    picture = shown.picture.copy()
    picture[:60, :60, 3] = 0
    picture[100:260, 80:220, 3] = 128
    frame = Renderer(Portrait(picture, shown.face)).frame(spoken(), 0.4)
    assert not frame[:40, :40, 3].any()
    assert frame[180, 150, 3] == pytest.approx(128, abs=1)
    np.testing.assert_allclose(straight(premultiplied(picture))[100:260, 80:220], picture[100:260, 80:220], atol=2)


@pytest.mark.parametrize(
    ("width", "height", "longest", "size"),
    [
        (641, 481, None, (640, 480)),
        (400, 200, 800, (800, 400)),
        (12000, 9000, None, (3840, 2880)),
        (301, 300, 100, (100, 100)),
    ],
)
def test_frame_sizes_are_even_and_bounded(width: int, height: int, longest: int | None, size: tuple[int, int]) -> None:
    assert frame_size(width, height, longest) == size


def test_frames_have_the_size_asked_for() -> None:
    renderer = Renderer(portrait(), options=RenderOptions(longest=180))
    assert renderer.size == (150, 180)
    assert renderer.frame(spoken(), 0.2).shape == (180, 150, 4)


def test_strength_and_head_are_factors() -> None:
    shown = portrait()
    puppet, performance = Puppet(shown.face), spoken()
    none = puppet.performed(performance, np.array([0.4]), strength=0.0, head=0.0)
    np.testing.assert_allclose(none.offsets[0], puppet.shut, atol=1e-6)
    np.testing.assert_allclose(none.rotation[0], np.eye(3), atol=1e-9)
    half = puppet.performed(performance, np.array([0.4]), strength=0.5)
    full = puppet.performed(performance, np.array([0.4]))
    assert 0.4 < (half.offsets - puppet.shut)[0, 8, 1] / (full.offsets - puppet.shut)[0, 8, 1] < 0.6


def test_generators_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="asks for"):
        Generator(lambda inputs: {}, ("warped", "depth"))
    wrong = Generator(lambda inputs: {"frame": np.zeros((1, 3, 8, 8))}, ("warped",), "mine")
    with pytest.raises(ModelError, match="returned no 'frame'"):
        list(Renderer(portrait(), wrong).frames(spoken(), 25.0, 0, 1))
    with pytest.raises(ModelError, match="no network"):
        load_generator(tmp_path / "face.pt")
    with pytest.raises(ModelError, match="There is no network"):
        load_generator(tmp_path / "face.onnx")


def test_portraits_without_a_face_in_them_are_refused() -> None:
    with pytest.raises(PictureError, match="outside the picture"):
        portrait_of(np.zeros((100, 100, 3), np.uint8), placed_in_box(60, 60, 160, 160))
    with pytest.raises(ValueError, match="uint8"):
        portrait_of(np.zeros((100, 100), np.uint8), placed_in_box(20, 20, 60, 60))


def test_the_astronaut_opens_her_mouth() -> None:
    from mouthpiece.portrait.find.faces import find_faces
    from mouthpiece.portrait.find.placement import placed_by_detector

    picture = read_picture(ROOT / "demo/samples/astronaut.jpg")
    shown = portrait_of(picture, placed_by_detector(find_faces(over_white(picture))[0]))
    renderer, performance = Renderer(shown), spoken()
    gaps = []
    for seconds in (0.0, 0.6):
        (face,) = find_faces(over_white(renderer.frame(performance, seconds)))
        gaps.append((face.landmarks[66, 1] - face.landmarks[62, 1]) / face.eye_distance)
    assert gaps[0] < 0.04
    assert gaps[1] > gaps[0] + 0.1
    assert SIZE == 256

"""Faces found in pictures: a public-domain portrait, turned, scaled, mirrored, set among others, and no face at all."""

import socket
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from mouthpiece.errors import ModelError, PictureError
from mouthpiece.portrait import images
from mouthpiece.portrait.draw.resample import bilinear, resize, shrink, warp
from mouthpiece.portrait.find.face import Face
from mouthpiece.portrait.find.faces import find_faces
from mouthpiece.topology import MIRROR

from tests.material import SHARED

PORTRAIT = Path(__file__).parent / "test_training_face.jpg"
GREY = 120


@pytest.fixture(scope="module")
def portrait():
    pytest.importorskip("PIL")
    return images.over_white(images.read_picture(PORTRAIT))


@pytest.fixture(scope="module")
def face(portrait):
    (only,) = find_faces(portrait)
    return only


def canvas(height, width):
    return np.full((height, width, 3), GREY, np.uint8)


def off(found: Face, points, face: Face) -> float:
    """Mean distance of found landmarks from where they should be, in eye distances."""
    scale = np.linalg.norm(points[45] - points[36])
    return float(np.linalg.norm(found.landmarks[:, :2] - points, axis=1).mean() / scale)


def test_a_face_is_where_it_is(portrait, face):
    marks, (left, top, right, bottom) = face.landmarks, face.box
    assert marks.shape == (68, 3) and face.mesh.shape == (478, 3) and marks.dtype == np.float32
    assert 0 <= left < right <= 224 and 0 <= top < bottom <= 224 and face.score > 0.8
    assert abs(face.roll) < 0.2 and face.irises.shape == (10, 3)
    # the person's right is on the left of the picture; brows, eyes, nose, mouth, chin from top to bottom
    assert marks[36, 0] < marks[45, 0] and marks[48, 0] < marks[54, 0]
    assert marks[19, 1] < marks[37, 1] < marks[30, 1] < marks[51, 1] < marks[57, 1] < marks[8, 1]
    assert marks[30, 2] < marks[[0, 16], 2].min()  # the tip of the nose is nearer than the ears
    # an iris lies between the corners of its eye
    assert marks[36, 0] < face.irises[0, 0] < marks[39, 0] and marks[42, 0] < face.irises[5, 0] < marks[45, 0]


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_face_on_its_side_is_found_where_it_lies(portrait, face, quarters):
    size = len(portrait)
    (found,) = find_faces(np.ascontiguousarray(np.rot90(portrait, quarters)))
    x, y = face.landmarks[:, 0], face.landmarks[:, 1]
    lying = {1: (y, size - x), 2: (size - x, size - y), 3: (size - y, x)}[quarters]
    assert off(found, np.column_stack(lying), face) < 0.04
    turn = (found.roll - face.roll + quarters * np.pi / 2 + np.pi) % (2 * np.pi) - np.pi
    assert abs(turn) < 0.05


@pytest.mark.parametrize("degrees", [-35, 20, 40])
def test_a_turned_face_keeps_its_points(portrait, face, degrees):
    angle, middle = np.radians(degrees), len(portrait) / 2
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.column_stack([turn, middle - turn @ [middle, middle]])  # from the turned picture to the portrait
    turned = warp(portrait, matrix, len(portrait)).astype(np.uint8)
    (found,) = find_faces(turned)
    assert off(found, (face.landmarks[:, :2] - middle) @ turn + middle, face) < 0.04
    assert found.roll == pytest.approx(face.roll - angle, abs=0.05)


@pytest.mark.parametrize("factor", [0.3, 0.6, 2, 5])
def test_a_scaled_face_keeps_its_points(portrait, face, factor):
    size = round(len(portrait) * factor)
    (found,) = find_faces(resize(portrait, size, size).astype(np.uint8))
    assert off(found, face.landmarks[:, :2] * size / len(portrait), face) < (0.05 if factor < 0.5 else 0.03)


def test_a_mirrored_face_is_the_mirror_image(portrait, face):
    (found,) = find_faces(np.ascontiguousarray(portrait[:, ::-1]))
    mirrored = face.landmarks[list(MIRROR), :2] * [-1, 1] + [len(portrait), 0]
    assert off(found, mirrored, face) < 0.04


def test_several_faces_come_largest_first(portrait, face):
    page = canvas(600, 900)
    page[20:244, 30:254] = portrait
    page[50:498, 420:868] = resize(portrait, 448, 448).astype(np.uint8)
    page[470:582, 60:172] = resize(portrait, 112, 112).astype(np.uint8)
    found = find_faces(page)
    assert [round(f.eye_distance / face.eye_distance, 1) for f in found] == [2.0, 1.0, 0.5]
    for one, scale, shift in zip(found, (2, 1, 0.5), ((420, 50), (30, 20), (60, 470)), strict=True):
        assert off(one, face.landmarks[:, :2] * scale + shift, face) < 0.04


def test_a_small_face_in_a_large_picture_is_found(portrait, face):
    page = canvas(1600, 2400)
    page[1300:1400, 2100:2200] = resize(portrait, 100, 100).astype(np.uint8)
    (found,) = find_faces(page)
    assert off(found, face.landmarks[:, :2] * 100 / 224 + [2100, 1300], face) < 0.06


def test_a_face_that_fills_the_picture_is_found(portrait, face):
    left, top, right, bottom = face.box.astype(int)
    (found,) = find_faces(np.ascontiguousarray(portrait[top - 10 : bottom, left:right]))
    assert off(found, face.landmarks[:, :2] - [left, top - 10], face) < 0.08


def test_there_is_no_face_in_noise_or_nothing(rng):
    assert find_faces(rng.integers(0, 255, (300, 400, 3), np.uint8)) == ()
    smooth = resize(rng.integers(0, 255, (9, 9, 3), np.uint8), 256, 256).astype(np.uint8)
    assert find_faces(smooth) == () and find_faces(np.zeros((128, 128, 3), np.uint8)) == ()


@pytest.mark.parametrize("shape", [(1, 1), (5, 400), (15, 15), (16, 16), (20, 3000), (0, 0)])
def test_degenerate_sizes_hold_no_face(shape):
    assert find_faces(np.full((*shape, 3), GREY, np.uint8)) == ()


def test_what_is_no_picture_is_refused():
    with pytest.raises(ValueError, match="uint8"):
        find_faces(np.zeros((64, 64, 3), np.float32))
    with pytest.raises(ValueError, match="uint8"):
        find_faces(np.zeros((64, 64), np.uint8))


class Package:
    """What Mouthpiece knows of the package face_alignment, in two versions, and a record of what was made of it."""

    def __init__(self, monkeypatch, folder, old=False):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, known = folder, {"3DFAN-4": "https://x.org/a/3DFAN4-1.zip", "depth": "https://x.org/depth-2.zip"}
        package = ModuleType("face_alignment")
        package.LandmarksType = SimpleNamespace(**({"_3D": 3} if old else {"THREE_D": 3}))
        api, sfd = ModuleType("face_alignment.api"), ModuleType("face_alignment.detection.sfd.sfd_detector")
        api.models_urls = {"1.5": {"3DFAN-4": "x", "depth": "x"}, "1.6": known} if old else known
        sfd.models_urls = {"s3fd": "https://x.org/s3fd-3.pth?raw=true"}
        self.api, made = api, []

        class Finder:
            def __init__(self, kind, device="cuda", compile=True, face_detector="sfd"):
                made.append((kind, device, compile))

            def get_landmarks_from_image(self, picture, return_landmark_score, return_bboxes):
                towards = np.column_stack([np.arange(68), np.arange(68) * 2, np.full(68, -10.0)])
                towards[30, 2] = 40.0  # this package's depth grows towards the camera
                away = towards * [1, 1, -1] + [200, 0, 0]
                return [towards, away], None, [np.array([0, 0, 9, 9, 0.7]), np.array([0, 0, 9, 9, 1.0001])]

        class Older(Finder):
            def __init__(self, kind, device="cuda"):
                made.append((kind, device, None))

        package.FaceAlignment = Older if old else Finder
        self.made = made
        for name, module in (("face_alignment", package), (api.__name__, api), (sfd.__name__, sfd)):
            monkeypatch.setitem(sys.modules, name, module)

    def put(self, *names):
        for name in names:
            (self.folder / name).write_bytes(b"")


@pytest.fixture
def checkpoints(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def no_network(*_, **__):
        raise AssertionError("the network was reached")

    for name in ("create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, no_network)
    monkeypatch.setattr(socket.socket, "connect", no_network)
    return tmp_path / "hub" / "checkpoints"


def test_the_other_backend_is_refused_where_it_is_not_installed(portrait, checkpoints, monkeypatch):
    monkeypatch.setitem(sys.modules, "face_alignment", None)
    with pytest.raises(ModelError, match=r"'face_alignment' cannot be used here .* networks of its own"):
        find_faces(portrait, "face_alignment")
    assert not checkpoints.exists()


@pytest.mark.parametrize(
    "present", [(), ("3DFAN4-1.zip", "depth-2.zip"), ("s3fd-3.pth", "3DFAN4-0.zip", "depth-1.zip")]
)
def test_weights_of_the_other_backend_are_never_fetched(portrait, checkpoints, monkeypatch, present):
    package = Package(monkeypatch, checkpoints)
    package.put(*present)  # of another version, in the last case: the package would fetch its own
    missing = [name for name in ("3DFAN4-1.zip", "depth-2.zip", "s3fd-3.pth") if name not in present]
    with pytest.raises(ModelError, match=f"are missing in '.*checkpoints': {', '.join(missing)}. Mouthpiece does not"):
        find_faces(portrait, "face_alignment")
    assert not package.made and sorted(path.name for path in checkpoints.iterdir()) == sorted(present)


def test_a_version_that_does_not_say_what_it_loads_is_refused(portrait, checkpoints, monkeypatch):
    package = Package(monkeypatch, checkpoints)
    del package.api.models_urls
    with pytest.raises(ModelError, match="does not say which weights"):
        find_faces(portrait, "face_alignment")
    assert not package.made


@pytest.mark.parametrize("old", [False, True])
def test_the_other_backend_gives_faces_in_our_axes(portrait, checkpoints, monkeypatch, old):
    package = Package(monkeypatch, checkpoints, old)
    package.put("3DFAN4-1.zip", "depth-2.zip", "s3fd-3.pth")
    second, first = sorted(find_faces(portrait, "face_alignment"), key=lambda face: -face.landmarks[0, 0])
    assert package.made == [(3, "cpu", None if old else False)]  # not compiled: that writes into the user's cache
    assert (first.score, second.score) == (pytest.approx(0.7), 1.0) and first.jitter is None
    assert len(first.mesh) == 0 and first.landmarks[1, :2].tolist() == [1, 2]
    for face in (first, second):
        assert face.landmarks[30, 2] == -40 and face.landmarks[0, 2] == 10  # nearer is smaller


@pytest.mark.skipif(not (SHARED / "portraits").is_dir(), reason="no portraits to try")
def test_portraits_of_many_kinds_hold_one_face_each():
    pytest.importorskip("PIL")
    folder = SHARED / "portraits"
    paths = [*sorted((folder / "clear").glob("*")), *sorted((folder / "art").glob("*"))[:6]]
    assert len(paths) > 10
    counts = {path.name: len(find_faces(images.over_white(images.read_picture(path)))) for path in paths}
    assert not {name: count for name, count in counts.items() if count != 1}


# Sampling


def test_shrinking_averages_blocks_and_fills_the_last():
    picture = np.arange(20, dtype=np.uint8).reshape(4, 5, 1)
    small = shrink(picture, 2)
    assert small.shape == (2, 3, 1)
    assert small[0, 0, 0] == np.mean([0, 1, 5, 6]) and small[0, 2, 0] == np.mean([4, 4, 9, 9])


def test_bilinear_is_exact_on_slopes_and_goes_on_beyond_edges():
    x, y = np.meshgrid(np.arange(8) + 0.5, np.arange(6) + 0.5)
    picture = (3 * x + 5 * y)[..., None].astype(np.float32)
    u, v = np.array([1.0, 3.3, 7.5]), np.array([2.25, 0.5, 5.5])
    assert bilinear(picture, u, v)[:, 0] == pytest.approx(3 * u + 5 * v, rel=1e-6)
    assert bilinear(picture, np.array([-9.0]), np.array([99.0]))[0, 0] == picture[-1, 0, 0]


def test_resizing_keeps_slopes_and_means():
    x, y = np.meshgrid(np.arange(64) + 0.5, np.arange(48) + 0.5)
    picture = (2 * x + y)[..., None].astype(np.float32)
    small = resize(picture, 12, 16)
    u, v = np.meshgrid((np.arange(16) + 0.5) * 4, (np.arange(12) + 0.5) * 4)
    assert small[..., 0] == pytest.approx(2 * u + v, rel=1e-5)


# Files


def test_pictures_of_every_kind_become_rgba(tmp_path):
    image = pytest.importorskip("PIL.Image")
    level = np.tile(np.linspace(0, 255, 32).astype(np.uint8), (24, 1))
    deep = level.astype(np.uint16) * 257
    kinds = {
        "grey.png": image.fromarray(level),
        "deep.png": image.fromarray(deep),
        "palette.png": image.fromarray(np.dstack([level] * 3)).quantize(256),
        "rgb.png": image.fromarray(np.dstack([level] * 3)),
        "mask.png": image.fromarray(level).convert("1"),
    }
    for name, picture in kinds.items():
        picture.save(tmp_path / name)
        read = images.read_picture(tmp_path / name)
        assert read.shape == (24, 32, 4) and read.dtype == np.uint8 and (read[..., 3] == 255).all()
        if name != "mask.png":
            assert np.abs(read[..., 0].astype(int) - level).max() <= 4
    half = np.dstack([level, level, level, np.full_like(level, 128)])
    image.fromarray(half).save(tmp_path / "half.png")
    read = images.read_picture(tmp_path / "half.png")
    assert (read == half).all()
    assert images.over_white(read)[0, 0] == pytest.approx(127, abs=1)


def test_a_camera_turned_by_exif_is_turned_back(tmp_path):
    image = pytest.importorskip("PIL.Image")
    picture = image.fromarray(np.zeros((10, 30, 3), np.uint8))
    exif = image.Exif()
    exif[274] = 6
    picture.save(tmp_path / "turned.jpg", exif=exif)
    assert images.read_picture(tmp_path / "turned.jpg").shape == (30, 10, 4)


def test_bad_files_are_named(tmp_path):
    pytest.importorskip("PIL")
    with pytest.raises(PictureError, match="no picture at"):
        images.read_picture(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(PictureError, match="not a picture"):
        images.read_picture(tmp_path / "text.png")
    (tmp_path / "half.jpg").write_bytes(PORTRAIT.read_bytes()[:5000])
    with pytest.raises(PictureError, match="damaged"):
        images.read_picture(tmp_path / "half.jpg")
    with pytest.raises(PictureError, match="cannot be read"):
        images.read_picture(tmp_path)


def test_a_picture_too_large_is_named(tmp_path):
    image = pytest.importorskip("PIL.Image")
    image.new("1", (images.LONGEST + 1, 2)).save(tmp_path / "long.png")
    with pytest.raises(PictureError, match="Scale it"):
        images.read_picture(tmp_path / "long.png")

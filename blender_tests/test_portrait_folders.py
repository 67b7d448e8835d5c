"""One folder of frames, begun by the command line and gone on with in Blender, or the other way round.

The command line is the core's own, run in this process. It reads pictures with Pillow, which is not installed beside
Blender, so that here Blender's pixels stand in for Pillow's; that both are the same is tested on either side
(:func:`test_blender_reads_the_pixels_that_pillow_reads`, and in tests/test_portrait_frames.py).
"""

from __future__ import annotations

import hashlib
import json
import shutil

import bpy
import numpy as np
import pytest
from mouthpiece.cli import parser as core_cli
from mouthpiece.errors import PictureError
from mouthpiece.portrait import images as core_images
from mouthpiece.provenance import png, records, xmp

from addon.command import parser as command_parser
from addon.targets.picture_rig import images
from addon.targets.portrait import render_setup
from blender_tests import portraits, scenes
from tests.material import ASTRONAUT_SHA256

CONSENT = "nobody: a picture that this program is tested with"
COUNT = 10


@pytest.fixture(autouse=True)
def pillow(monkeypatch):
    """Have the core's command line read pictures with Blender."""

    def read(path, longest=None, whole=0):
        pixels, _ = images.pixels(images.load(str(path)), longest or images.LONGEST)
        return core_images.Still(pixels, pixels.shape[1], pixels.shape[0])

    monkeypatch.setattr(core_images, "read_still", read)
    monkeypatch.setattr("mouthpiece.cli.portrait_request.read_still", read)


@pytest.fixture
def line(tmp_path):
    return portraits.take(tmp_path / "line.npz")


def arguments(line, output, *more):
    """Return what is asked of either command line: ten frames at a rate that is not the take's."""
    asked = ("portrait", "--image", portraits.PHOTO, "--take", line, "-o", output, "--consent", CONSENT)
    return [str(word) for word in (*asked, "--fps", "24", "--generator", "none", "--json", "--quiet", *more)]


def outside(line, output, *more):
    """Run ``python -m mouthpiece portrait``; return its exit code."""
    return core_cli.run(arguments(line, output, *more))


def inside(line, output, *more):
    """Run ``blender -b -c mouthpiece portrait``; return its exit code."""
    return command_parser.main(arguments(line, output, *more))


def panel(line, output, *more):
    """Render as the panel does it; return the exit code a command would give."""
    obj = portraits.portrait(media="FRAMES", output=str(output / "frame_####.png"), repair="NONE", kind="NOBODY")
    obj.mouthpiece_portrait.statement = CONSENT.partition(": ")[2]
    portraits.speak(line, start=1, fps=24)
    try:
        return int(bpy.ops.mouthpiece.render_portrait(replace="--force" in more) != {"FINISHED"})
    except RuntimeError as error:
        print(json.dumps({"error": str(error)}))
        return 1


def command_render(line, output, *more):
    """Render a portrait that was set up in the panel with the command ``render``."""
    obj = portraits.portrait(media="FRAMES", output=str(output / "frame_####.png"), repair="NONE", kind="NOBODY")
    obj.mouthpiece_portrait.statement = CONSENT.partition(": ")[2]
    portraits.speak(line, start=1, fps=24)
    return command_parser.main(["render", "--object", obj.name, "--json", "--quiet", *map(str, more)])


WAYS = {"outside": outside, "inside": inside, "panel": panel, "render": command_render}


def state(folder):
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in sorted(folder.iterdir())}


def contents(folder):
    """Return every file below a folder; links as what they lead to."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".png", ".mp4", ".npz"))
    return {path: path.is_symlink() or path.is_dir() or path.read_bytes() for path in paths}


def told(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def pixels(folder):
    return [portraits.read(path) for path in sorted(folder.glob("*.png"))]


def test_blender_reads_the_pixels_that_pillow_reads():
    """The same number is compared in tests/test_portrait_frames.py with what Pillow reads of the same file."""
    found = images.pixels(images.load(str(portraits.PHOTO)), images.LONGEST)[0]
    assert hashlib.sha256(found.tobytes()).hexdigest() == ASTRONAUT_SHA256


@pytest.mark.parametrize(
    ("first", "then"),
    [("outside", "inside"), ("outside", "panel"), ("outside", "render"), ("inside", "outside"), ("panel", "outside"),
     ("panel", "inside")],
)  # fmt: skip
def test_what_one_began_the_other_goes_on_with(tmp_path, line, capsys, first, then):
    folder = tmp_path / "frames"
    assert WAYS[first](line, folder) == 0
    whole = pixels(folder)
    for number in (1, 4, 5, COUNT):
        (folder / f"frame_{number:04d}.png").unlink()
    there = state(folder)
    assert WAYS[then](line, folder) == 0
    now = state(folder)
    assert list(now) == [f"frame_{number:04d}.png" for number in range(1, COUNT + 1)]
    assert {name: now[name] for name in there} == there and len(there) == COUNT - 4
    assert max(np.abs(one - two).max() for one, two in zip(whole, pixels(folder), strict=True)) <= 1
    capsys.readouterr()
    unsigned = [] if records.read(folder / "frame_0001.png").facts.signature != "left out" else ["--allow-unsigned"]
    assert core_cli.run(["verify", str(folder), "--json", "--quiet", *unsigned]) == 0
    assert told(capsys)["results"][0]["frames"] == COUNT


def test_a_sound_is_heard_and_sampled_alike(tmp_path, capsys):
    """Inferred on both sides, at a rate that is not the networks', smaller than the picture, marked, dialled."""
    voice, folder = scenes.murmur(tmp_path / "line.wav", 0.33), tmp_path / "frames"
    asked = ["--image", portraits.PHOTO, "--audio", voice, "-o", folder, "--consent", CONSENT, "--fps", "24000/1001"]
    asked += ["--size", "160", "--mark", "--seed", "4", "--lips", "1.2", "--strength", "1.1", "--json", "--quiet"]
    asked = ["portrait", *map(str, asked)]
    assert core_cli.run(asked) == 0
    first = told(capsys)
    whole = pixels(folder)
    for path in list(folder.iterdir())[1:-1]:
        path.unlink()
    there = state(folder)
    assert command_parser.main(asked) == 0
    second = told(capsys)
    assert second["frames"] == first["frames"] == 8 and second["rendered"] == 6 and second["size"] == [160, 160]
    assert {name: state(folder)[name] for name in there} == there
    assert max(np.abs(one - two).max() for one, two in zip(whole, pixels(folder), strict=True)) <= 1
    for change in (("--seed", "5"), ("--lips", "1.21"), ("--strength", "1.0"), ("--smoothing", "0.5")):
        before = state(folder)
        assert (
            command_parser.main([*asked, *change]) == 1
            and "of this portrait and these options" in told(capsys)["error"]
        )
        assert state(folder) == before


def test_the_record_is_the_same(tmp_path, line):
    assert outside(line, tmp_path / "a") == 0 and inside(line, tmp_path / "b") == 0
    for number in (1, 7):
        one, two = (records.read(tmp_path / name / f"frame_{number:04d}.png").facts for name in "ab")
        rows = [facts.as_dict() | {"created": ""} for facts in (one, two)]
        sketches = [row["options"].pop("sketch") for row in rows]
        assert rows[0] == rows[1] and sketches[0].split(".")[0] == sketches[1].split(".")[0]


def cut(folder, tmp_path):
    """Frame 2 is cut off after 50 bytes."""
    (folder / "frame_0002.png").write_bytes((folder / "frame_0002.png").read_bytes()[:50])


def cut_in_the_picture(folder, tmp_path):
    """Frame 2 lacks its end: its record can be read."""
    (folder / "frame_0002.png").write_bytes((folder / "frame_0002.png").read_bytes()[:-3000])


def exchanged(folder, tmp_path):
    """Frames 2 and 6 bear each other's name."""
    (folder / "frame_0002.png").rename(folder / "x.png")
    (folder / "frame_0006.png").rename(folder / "frame_0002.png")
    (folder / "x.png").rename(folder / "frame_0006.png")


def repainted(folder, tmp_path):
    """Frame 2 has the record of its own and the pixels of another frame."""
    facts = records.read(folder / "frame_0002.png").facts
    other = portraits.read(folder / "frame_0006.png").astype(np.uint8)
    (folder / "frame_0002.png").write_bytes(png.encoded(other, xmp.packet_of(facts)))


def a_picture(folder, tmp_path):
    """A photo has the name of frame 2."""
    shutil.copy(portraits.PHOTO, folder / "frame_0002.png")


def of_other_options(folder, tmp_path):
    """Frame 2 is one of another strength."""
    line = portraits.take(tmp_path / "other.npz")
    assert outside(line, tmp_path / "other", "--strength", "1.2") == 0
    shutil.copy(tmp_path / "other" / "frame_0002.png", folder / "frame_0002.png")


def of_another_motion(folder, tmp_path):
    """Frame 2 is of a mouth that opens 2 % farther; all that is said of the take is the same."""
    line = portraits.take(tmp_path / "other.npz", opening=0.612)
    assert outside(line, tmp_path / "other") == 0
    shutil.copy(tmp_path / "other" / "frame_0008.png", folder / "frame_0008.png")


def retouched(folder, tmp_path):
    """Somebody painted into frame 2, and its record stayed."""
    path = folder / "frame_0002.png"
    facts, image = records.read(path).facts, portraits.read(path).astype(np.uint8)
    image[:20, :20] = 255
    path.write_bytes(png.encoded(image, xmp.packet_of(facts)))


def emptied(folder, tmp_path):
    """Frame 2 has no bytes, as after a power cut."""
    (folder / "frame_0002.png").write_bytes(b"")


def a_bit(folder, tmp_path):
    """One bit of frame 2 is another on the disk."""
    path = folder / "frame_0002.png"
    data = bytearray(path.read_bytes())
    data[-500] ^= 1
    path.write_bytes(data)


def a_folder(folder, tmp_path):
    """A folder has the name of frame 2."""
    (folder / "frame_0002.png").unlink()
    (folder / "frame_0002.png").mkdir()


def a_link(folder, tmp_path):
    """Frame 2 is a link to a frame of other options that lies elsewhere."""
    of_other_options(folder, tmp_path)
    (folder / "frame_0002.png").unlink()
    (folder / "frame_0002.png").symlink_to(tmp_path / "other" / "frame_0002.png")


#: What is not ours: never replaced. What is ours: replaced when that is asked for. What is ours and broken: at once.
FOREIGN = (cut, a_picture, a_folder, a_link)
OURS = (exchanged, repainted, retouched, of_other_options, of_another_motion)
BROKEN = (cut_in_the_picture, emptied, a_bit)


@pytest.mark.parametrize("damage", FOREIGN, ids=lambda damage: damage.__name__)
def test_what_is_not_ours_is_never_replaced(tmp_path, line, capsys, damage):
    folder = tmp_path / "frames"
    assert outside(line, folder) == 0
    (folder / "frame_0009.png").unlink()
    damage(folder, tmp_path)
    there = contents(tmp_path)
    for way in (outside, inside, panel):
        for more in ((), ("--force",)):
            assert way(line, folder, *more) == 1
            error = told(capsys)["error"]
            assert "frame_0002.png" in error and "Move it away" in error and "--force" not in error
            assert contents(tmp_path) == there


@pytest.mark.parametrize("damage", BROKEN, ids=lambda damage: damage.__name__)
def test_a_frame_of_ours_that_is_broken_is_made_anew(tmp_path, line, capsys, damage):
    folder = tmp_path / "frames"
    assert outside(line, folder) == 0
    whole = pixels(folder)
    for way in (outside, inside, panel):
        damage(folder, tmp_path)
        there = state(folder)
        assert way(line, folder) == 0
        now = state(folder)
        assert {name for name in there if now[name] != there[name]} == {"frame_0002.png"}
    assert max(np.abs(one - two).max() for one, two in zip(whole, pixels(folder), strict=True)) <= 1
    assert core_cli.run(["verify", str(folder)]) == 0


@pytest.mark.parametrize("damage", OURS, ids=lambda damage: damage.__name__)
def test_nothing_else_is_taken_for_a_frame_or_lost(tmp_path, line, capsys, damage):
    folder = tmp_path / "frames"
    assert outside(line, folder) == 0
    (folder / "frame_0009.png").unlink()
    damage(folder, tmp_path)
    there = state(folder)
    for way in (outside, inside, panel):
        assert way(line, folder) == 1
        assert "of this portrait and these options" in told(capsys)["error"]
        assert state(folder) == there
    assert inside(line, folder, "--force") == 0
    assert core_cli.run(["verify", str(folder), "--allow-unsigned", "--json"]) == 0
    now = state(folder)
    changed = {name for name in there if now[name] != there[name]}
    expected = {"exchanged": {2, 6}, "of_another_motion": {8}}.get(damage.__name__, {2})
    assert changed == {f"frame_{number:04d}.png" for number in expected}


def test_a_stray_note_names_nothing_that_is_deleted(tmp_path, line):
    folder = tmp_path / "frames"
    folder.mkdir()
    photos = [folder / f"DSC_{number:04d}.JPG" for number in (1, 2, 3)]
    for photo in photos:
        shutil.copy(portraits.PHOTO, photo)
    note = {"format": 1, "made_of": "ab" * 32, "name": "DSC_####.JPG", "first": 1, "count": 3}
    (folder / "mouthpiece-portrait.json").write_text(json.dumps(note))
    for more in ((), ("--force",)):
        assert inside(line, folder, *more) == 0 and panel(line, folder, *more) == 0
        assert all(photo.read_bytes() == portraits.PHOTO.read_bytes() for photo in photos)
    assert json.loads((folder / "mouthpiece-portrait.json").read_text()) == note
    (folder / "mouthpiece-portrait.json").write_text(json.dumps(note | {"name": "frame_####.png"}))
    assert inside(line, folder) == 0  # frames that are all there need no note of 0.4.0 any more
    assert not (folder / "mouthpiece-portrait.json").exists()


@pytest.mark.parametrize("way", [outside, inside])
def test_two_portraits_in_one_folder_leave_each_other_alone(tmp_path, line, capsys, way):
    folder = tmp_path / "frames"
    other = portraits.take(tmp_path / "other.npz", seconds=0.2, opening=0.3)
    assert way(line, folder / "ada_####.png") == 0
    there = state(folder)
    for more in ((), ("--force",)):
        assert way(other, folder / "bob_####.png", *more) == 0
        assert {name: state(folder)[name] for name in there} == there and len(state(folder)) == COUNT + 5
    there = state(folder)
    assert way(other, folder / "ada_####.png") == 1 and "of this portrait and these options" in told(capsys)["error"]
    assert state(folder) == there
    (folder / "ada_0007.png").write_bytes(b"mine")
    assert way(other, folder / "ada_####.png", "--force") == 1 and "ada_0007.png" in told(capsys)["error"]
    assert (folder / "ada_0007.png").read_bytes() == b"mine" and len(state(folder)) == COUNT + 5
    (folder / "ada_0007.png").unlink()
    bob = {name: now for name, now in state(folder).items() if name.startswith("bob")}
    assert way(other, folder / "ada_####.png", "--force") == 0
    assert {name: state(folder)[name] for name in bob} == bob
    assert list(state(folder)) == [f"{who}_{number:04d}.png" for who in ("ada", "bob") for number in range(1, 6)]


def test_frames_of_other_numbers_are_only_replaced_when_that_is_asked_for(tmp_path, line, capsys):
    """A scene's frames 1 to 10 are there, and 21 to 30 are to go beside them: they would be one folder of two films."""
    folder = tmp_path / "frames"
    assert panel(line, folder) == 0
    (folder / "frame_0099.txt").write_text("mine")
    there = state(folder)
    obj = bpy.context.active_object
    portraits.speak(line, start=21)
    bpy.context.scene.frame_start, bpy.context.scene.frame_end = 21, 30
    obj.mouthpiece_portrait.span = "SCENE"
    with pytest.raises(RuntimeError, match="of this portrait and these options"):
        bpy.ops.mouthpiece.render_portrait()
    assert state(folder) == there
    assert bpy.ops.mouthpiece.render_portrait(replace=True) == {"FINISHED"}
    assert list(state(folder)) == [*(f"frame_{number:04d}.png" for number in range(21, 31)), "frame_0099.txt"]
    (folder / "frame_0040.png").write_bytes(portraits.PHOTO.read_bytes())
    with pytest.raises(RuntimeError, match="Move it away"):
        bpy.ops.mouthpiece.render_portrait(replace=True)
    assert (folder / "frame_0040.png").read_bytes() == portraits.PHOTO.read_bytes()


def test_a_glance_sees_what_is_in_the_way_without_reading_it_all(tmp_path, line, monkeypatch):
    folder = tmp_path / "frames"
    assert panel(line, folder) == 0
    obj = bpy.context.active_object
    read, real = [], records.read
    monkeypatch.setattr(records, "read", lambda path: read.append(path) or real(path))
    hashed = []
    monkeypatch.setattr(records, "is_content_of", lambda path, facts: hashed.append(path))
    assert render_setup.disabled_reason(bpy.context) == "" and not read
    rendering, _ = render_setup.rendering_of(obj, bpy.context.scene)
    read.clear()
    assert rendering.job.objection() == "" and 0 < len(read) <= 4 and not hashed
    assert rendering.resuming().startswith(" 10 of 10 frames are kept") and len(read) <= 4
    for path in folder.iterdir():
        shutil.copy(portraits.PHOTO, path)
    with pytest.raises(PictureError, match="at least 4 files that are not frames"):
        rendering.job.objection()


@pytest.mark.parametrize("packed", [True, False])
def test_a_picture_without_a_file_is_known_by_its_pixels(tmp_path, line, packed, capsys):
    folder = tmp_path / "frames"
    assert panel(line, folder) == 0
    (folder / "frame_0003.png").unlink()
    there, obj = state(folder), bpy.context.active_object
    image = obj.mouthpiece_picture.image
    if packed:
        image.pack()  # the very file: it goes on
        assert bpy.ops.mouthpiece.render_portrait() == {"FINISHED"}
        assert {name: state(folder)[name] for name in there} == there
    values = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(values)
    values[: len(values) // 100] = 0.5
    image.pixels.foreach_set(values)
    image.update()
    with pytest.raises(RuntimeError, match="of this portrait and these options"):
        bpy.ops.mouthpiece.render_portrait()
    assert bpy.ops.mouthpiece.render_portrait(replace=True) == {"FINISHED"}
    facts = records.read(folder / "frame_0001.png").facts
    assert not facts.picture_sha256 and len(facts.options["pixels_sha256"]) == 64
    (folder / "frame_0003.png").unlink()
    there = state(folder)
    assert bpy.ops.mouthpiece.render_portrait() == {"FINISHED"}
    assert {name: state(folder)[name] for name in there} == there


def test_frames_that_a_film_keeps_go_on_outside(tmp_path, line, capsys):
    from addon.targets.portrait import film_encoder

    if not film_encoder.can_encode():
        pytest.skip("this Blender cannot write films")
    kept = tmp_path / "kept"
    assert inside(line, tmp_path / "out.mp4", "--keep-frames", kept) == 0
    (kept / "frame_0002.png").unlink()
    there = state(kept)
    assert outside(line, kept) == 0 and told(capsys)["rendered"] == 1
    assert {name: state(kept)[name] for name in there} == there
    (kept / "frame_0003.png").unlink()
    assert inside(line, tmp_path / "again.mp4", "--keep-frames", kept) == 0 and told(capsys)["rendered"] == 1
    assert (tmp_path / "again.mp4").stat().st_size > 1000 and len(state(kept)) == COUNT

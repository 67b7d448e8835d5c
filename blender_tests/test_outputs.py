"""What Blender's commands and panels write: whole or not at all, and never over what is read."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import SimpleNamespace

import bpy
import pytest
from mouthpiece.errors import MouthpieceError, PlaceError, TakeError
from mouthpiece.retarget.shape_keys import table as core_table

from addon import compat, exports
from addon.command import blend_files, preview_video
from addon.command import parser as command_parser
from blender_tests import portraits, scenes

POSIX = pytest.mark.skipif(os.name == "nt", reason="there are no such permissions and limits")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def take(tmp_path):
    bpy.context.scene.render.fps = 25
    scenes.face()
    return scenes.performance(0.4, jawOpen=0.5).save(tmp_path / "take.npz")


def bake(take, *more):
    return command_parser.main(["bake", "--audio", str(take), "--object", "Face", "--quiet", *map(str, more)])


def test_a_scene_is_saved_with_its_relative_paths_and_nothing_beside_it(tmp_path):
    (tmp_path / "textures").mkdir()
    picture = tmp_path / "textures" / "face.jpg"
    picture.write_bytes(portraits.PHOTO.read_bytes())
    bpy.data.images.load(str(picture)).use_fake_user = True
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    (tmp_path / "sub").mkdir()
    assert blend_files.save(tmp_path / "sub" / "out") == tmp_path / "sub" / "out.blend"
    assert names(tmp_path / "sub") == ["out.blend"] and bpy.data.filepath == str(tmp_path / "shot.blend")
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "sub" / "out.blend"))
    image = bpy.data.images["face.jpg"]
    assert Path(bpy.path.abspath(image.filepath)).resolve() == picture and image.size[0]


@POSIX
def test_a_replaced_scene_keeps_its_permissions_and_its_earlier_version(tmp_path, monkeypatch):
    place = blend_files.save(tmp_path / "out.blend")
    place.chmod(0o600)
    first = place.read_bytes()
    scenes.face()
    monkeypatch.setattr(bpy.context.preferences.filepaths, "save_version", 2)
    blend_files.save(place)
    assert place.stat().st_mode & 0o777 == 0o600 and names(tmp_path) == ["out.blend", "out.blend1"]
    second = place.read_bytes()
    assert (tmp_path / "out.blend1").read_bytes() == first != second
    blend_files.save(place)
    assert names(tmp_path) == ["out.blend", "out.blend1", "out.blend2"]
    assert [(tmp_path / f"out.blend{number}").read_bytes() for number in (1, 2)] == [second, first]
    assert all((tmp_path / name).stat().st_mode & 0o777 == 0o600 for name in names(tmp_path))


@pytest.fixture
def no_room():
    resource = pytest.importorskip("resource")
    before, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


def test_a_full_disk_leaves_the_scene_that_was_there(tmp_path, request):
    place = blend_files.save(tmp_path / "out.blend")
    before = place.read_bytes()
    scenes.face()
    request.getfixturevalue("no_room")
    with pytest.raises(TakeError, match="cannot be saved"):
        blend_files.save(place)
    assert place.read_bytes() == before and "out.blend" in names(tmp_path)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("packed", [False, True])
def test_a_scene_that_was_cut_off_is_not_whole(tmp_path, packed):
    place, scene = tmp_path / "out.blend", tmp_path / "cut.blend"
    scenes.face()
    bpy.ops.wm.save_as_mainfile(filepath=str(place), copy=True, compress=packed)
    content = place.read_bytes()
    assert blend_files.is_whole(place) and (content[:4] != b"BLEN") == packed
    for cut in (0, 3, 5, 12, 1000, len(content) // 2, len(content) - 33, len(content) - 5, len(content) - 1):
        scene.write_bytes(content[:cut])
        # the zeros after the last block's name say nothing
        assert not blend_files.is_whole(scene) or (not packed and cut > len(content) - 28)
    scene.write_bytes(content[:100] + content[200:])  # what did not fit was left out
    assert blend_files.is_whole(scene) != packed


def test_outputs_are_never_what_is_read(take, tmp_path, capsys):
    mapping, library, link = tmp_path / "mapping.json", tmp_path / "library.blend", tmp_path / "link.blend"
    core_table.save(mapping, core_table.ShapeMap((core_table.Entry("jawOpen", "jawOpen"),)))
    bpy.ops.wm.save_as_mainfile(filepath=str(library), copy=True)
    with bpy.data.libraries.load(str(library), link=True) as (found, wanted):
        wanted.meshes = found.meshes[:1]
    wanted.meshes[0].use_fake_user = True
    link.symlink_to("library.blend")
    given = ("--mapping", mapping, "--force", "--output")
    before = {place: place.read_bytes() for place in (take, mapping, library)}
    for place in (take, mapping, library, link, library.with_suffix("")):
        assert bake(take, *given, place) == 1
        assert "cannot be the output as well" in capsys.readouterr().err
    for command in ("update", "make-shapes"):
        assert command_parser.main([command, "--object", "Face", "--output", str(library), "--force"]) == 1
    assert {place: place.read_bytes() for place in before} == before


def test_only_a_scene_goes_over_the_opened_file_and_only_when_that_is_meant(take, tmp_path, capsys):
    shot = tmp_path / "shot.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(shot))
    before = shot.read_bytes()
    assert bake(take, "--render", shot, "--force") == 2
    assert "not the name of a film" in capsys.readouterr().err and shot.read_bytes() == before
    assert bake(take, "--output", shot) == 1 and shot.read_bytes() == before
    assert bake(take, "--output", shot, "--force") == 0 and shot.read_bytes() != before
    bpy.ops.wm.open_mainfile(filepath=str(shot))
    assert bpy.data.objects["Face"].data.shape_keys.animation_data.action


@POSIX
def test_a_write_protected_scene_is_told_before_any_work(take, tmp_path, capsys):
    place = blend_files.save(tmp_path / "out.blend")
    place.chmod(0o444)
    assert bake(take, "--output", place, "--force") == 1
    assert "write-protected" in capsys.readouterr().err
    assert bpy.data.objects["Face"].data.shape_keys.animation_data is None


def test_a_preview_takes_the_place_of_another_when_it_is_whole(take, tmp_path, monkeypatch, capsys):
    scene = bpy.context.scene
    scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(scene.camera)
    scene.render.resolution_x = scene.render.resolution_y = 32
    scene.render.engine = "BLENDER_WORKBENCH"
    (tmp_path / "out.mp4").write_bytes(b"old")
    aimed = []
    monkeypatch.setattr(preview_video, "_aim", lambda scene, full: aimed.append(full) or (full, ""))

    def rendered(*arguments, **options):
        aimed[-1].write_bytes(b"half")
        raise RuntimeError("the disk is full")

    operators = SimpleNamespace(render=SimpleNamespace(render=rendered))
    monkeypatch.setattr(preview_video, "bpy", SimpleNamespace(context=bpy.context, data=bpy.data, ops=operators))
    assert bake(take, "--render", tmp_path / "out.mp4", "--force") == 1
    assert "the disk is full" in capsys.readouterr().err
    assert (tmp_path / "out.mp4").read_bytes() == b"old" and aimed[0].parent != tmp_path
    assert not list(tmp_path.glob(".*"))


def test_files_saved_from_the_panel_are_never_those_that_the_scene_uses(tmp_path):
    picture = tmp_path / "face.json"  # whatever it is called
    picture.write_bytes(portraits.PHOTO.read_bytes())
    bpy.data.images.load(str(picture))
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    for place in (picture, tmp_path / "shot.blend", Path("//face.json")):
        with pytest.raises(PlaceError, match="cannot be the output as well"):
            exports.place(str(place))
    with pytest.raises(PlaceError, match="No file is named"):
        exports.place("")
    assert exports.place("//new.json") == tmp_path / "new.json"


def test_every_operator_that_saves_a_file_asks_there(tmp_path, take):
    picture = tmp_path / "used.json"
    picture.write_bytes(portraits.PHOTO.read_bytes())
    bpy.data.images.load(str(picture))
    bpy.context.view_layer.objects.active = bpy.data.objects["Face"]
    with pytest.raises(RuntimeError, match="cannot be the output as well"):
        bpy.ops.mouthpiece.export_mapping(filepath=str(picture))
    assert picture.read_bytes() == portraits.PHOTO.read_bytes()


def test_what_the_system_says_to_an_operator_is_an_error_of_its_own(monkeypatch, take):
    def refused(*arguments):
        raise PermissionError(13, "Permission denied", "/locked/mapping.json")

    monkeypatch.setattr(core_table, "save", refused)
    bpy.context.view_layer.objects.active = bpy.data.objects["Face"]
    with pytest.raises(RuntimeError, match=r"'/locked/mapping\.json' cannot be used: Permission denied"):
        bpy.ops.mouthpiece.export_mapping(filepath=str(Path(bpy.app.tempdir) / "x.json"))


def test_presets_are_whole_or_not_at_all(tmp_path, take, monkeypatch, request):
    monkeypatch.setattr(compat, "user_folder", lambda: str(tmp_path))
    bpy.context.view_layer.objects.active = bpy.data.objects["Face"]
    assert bpy.ops.mouthpiece.detect_shape_keys() == {"FINISHED"}
    assert bpy.ops.mouthpiece.save_mapping_preset(name="Hero") == {"FINISHED"}
    place = tmp_path / "shape_key_mappings" / "Hero.json"
    before = place.read_bytes()
    monkeypatch.setattr(core_table.json, "dumps", lambda *arguments, **options: "x" * 50_000)
    request.getfixturevalue("no_room")
    with pytest.raises((RuntimeError, MouthpieceError), match="cannot be written"):
        bpy.ops.mouthpiece.save_mapping_preset(name="Hero")
    assert place.read_bytes() == before and names(place.parent) == ["Hero.json"]

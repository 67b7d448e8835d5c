"""Whatever is driven is driven alike: several objects at once, jumping channels, and what is drawn instead of keyed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import bpy
import numpy as np
import pytest
from mouthpiece.curves import Curves, FrameGrid
from mouthpiece.errors import RigError
from mouthpiece.motion.dials import Dials
from mouthpiece.retarget.coverage import Coverage

from addon import compat, targets
from addon.bake import redial, removal
from addon.bake.bake import Bake, Heard
from addon.keys import channels, ledgers, rna_values, writer
from addon.sound.recordings import Placement, Recording
from blender_tests import scenes


def recording(name="line"):
    return Recording(name, name, "", Placement(25.0, 1.0))


def bake(*driven, take=None, sound="line", first=1, replace=False):
    take = take or scenes.performance(2.0, jawOpen=lambda time: time / 2)
    grid = FrameGrid(25.0, float(first), first, first + len(take) - 1)
    return Bake(recording(sound), tuple(driven), replace_edited=replace).write(Heard(take, grid))


def test_every_kind_can_be_imported_and_says_its_name():
    assert {"NAMES", "HEAD"} <= set(targets.KINDS)
    assert [targets.KINDS[kind].kind for kind in targets.KINDS] == list(targets.KINDS)
    numbers = [number for *_, number in targets.kind_items()]
    assert len(set(numbers)) == len(numbers)  # saved scenes hold them


def test_a_kind_that_is_asked_for_is_made_or_refused():
    obj = scenes.face(keys=("jawOpen",))
    assert targets.target_for(obj, 0.5, "NAMES").strength == 0.5
    with pytest.raises(RigError, match="no kind of target 'CLAY'"):
        targets.target_for(obj, 1.0, "CLAY")
    with pytest.raises(RigError, match="knows no target 'CLAY'"):
        targets.made_again({"kind": "CLAY"})


def test_a_saved_target_is_made_again():
    obj, rig = scenes.face(keys=("jawOpen",)), scenes.armature()
    for target in (
        targets.target_for(obj, 0.7),
        targets.KINDS["HEAD"].of(rig, 0.7, bone="head", eye_distance=0.1),
    ):
        assert targets.made_again(target.saved()) == target


def test_teeth_play_along_and_are_dialled_and_removed_with_the_face(context):
    teeth, face = scenes.face("Teeth", ("jawOpen",)), scenes.face("Face", ("jawOpen", "mouthSmileLeft"))
    before = scenes.state()
    face.mouthpiece.also.add().object = teeth
    from addon import scene_settings

    report = bake(*scene_settings.targets_of(face, 1.0))
    assert [told["object"] for told in report.targets] == ["Face", "Teeth"] and report.channels == 3
    path = scenes.shape_path("jawOpen")
    plain = scenes.values(teeth.data.shape_keys, path)
    teeth.name = "Dentures"
    redial.redial(face, Dials(jaw=0.5))
    assert max(v for _, v in scenes.values(teeth.data.shape_keys, path)) < 0.7 * max(v for _, v in plain)
    teeth.name = "Teeth"
    context.view_layer.objects.active = face
    assert bpy.ops.mouthpiece.remove_take() == {"FINISHED"}
    assert scenes.state() == before


def test_the_buttons_add_and_remove_what_plays_along(context):
    teeth, bare, face = scenes.face("Teeth", ("jawOpen",)), scenes.face("Bare", ()), scenes.face("Face")
    assert bpy.ops.mouthpiece.add_also() == {"FINISHED"}
    assert [entry.object for entry in face.mouthpiece.also] == [teeth]  # the bare one is left out
    bpy.ops.mouthpiece.add_also()
    assert len(face.mouthpiece.also) == 1
    assert bpy.ops.mouthpiece.remove_also(index=0) == {"FINISHED"} and not face.mouthpiece.also
    with pytest.raises(RuntimeError, match="no such object"):
        bpy.ops.mouthpiece.remove_also(index=3)
    for obj in (teeth, bare):
        obj.select_set(False)
    assert not bpy.ops.mouthpiece.add_also.poll()


def test_two_objects_on_one_mesh_are_keyed_once():
    face = scenes.face(keys=("jawOpen",))
    twin = bpy.data.objects.new("Twin", face.data)
    bpy.context.scene.collection.objects.link(twin)
    assert bake(targets.target_for(face), targets.target_for(twin)).channels == 1


def stepped(owner, steps, first=1):
    """Return a part whose one channel jumps."""
    frames = np.arange(first, first + len(steps))
    channel = channels.Channel("mouth", '["mouth"]', stepped=True)
    return channels.Part(owner, (channel,), Curves(("mouth",), frames, np.array(steps, np.float32)[:, None]))


def test_a_stepped_channel_has_keys_only_where_it_changes_and_holds():
    obj = scenes.face(keys=())
    obj["mouth"] = 3
    line = channels.Line("a", 1, 8)
    written = writer.write([stepped(obj, [0, 0, 2, 2, 2, 1, 1, 0])], line, "Mouthpiece Face")
    assert scenes.values(obj, '["mouth"]') == [(1, 0), (3, 2), (6, 1), (8, 0)] and written.keys == 4
    (curve,) = compat.fcurves_of(obj)
    assert {key.interpolation for key in curve.keyframe_points} == {"CONSTANT"}
    bpy.context.scene.frame_set(5)
    assert obj["mouth"] == 2
    writer.write([stepped(obj, [1] * 8)], line, "Mouthpiece Face")
    assert scenes.values(obj, '["mouth"]') == [(1, 1)]
    curve.keyframe_points[0].co.y = 2
    with pytest.raises(RigError, match="keeps your edit"):
        writer.write([stepped(obj, [0] * 8)], line, "Mouthpiece Face")
    removal.remove([obj], replace_edited=True)
    assert obj["mouth"] == 3 and isinstance(obj["mouth"], int) and obj.animation_data is None


def test_a_stepped_channel_that_is_cut_goes_on_after_the_cut():
    obj = scenes.face(keys=())
    obj["mouth"] = 0
    writer.write([stepped(obj, [1] * 10 + [2] * 10)], channels.Line("a", 1, 20), "Mouthpiece Face")
    writer.write([stepped(obj, [5] * 4, 13)], channels.Line("b", 13, 16), "Mouthpiece Face")
    assert scenes.values(obj, '["mouth"]') == [(1, 1), (11, 2), (13, 5), (17, 2)]
    writer.write([stepped(obj, [7] * 4, 13)], channels.Line("b", 13, 16), "Mouthpiece Face")  # nothing counts as edited
    assert scenes.values(obj, '["mouth"]') == [(1, 1), (11, 2), (13, 7), (17, 2)]


@pytest.mark.parametrize(
    ("path", "index", "number"),
    [("location", 1, 0.5), ("hide_render", 0, 1), (r'["a.b\"c"]', 0, 2), ('["list"]', 1, 4), ("pass_index", 0, 7)],
)
def test_any_property_is_set_and_read(path, index, number):
    obj = scenes.face(keys=())
    obj['a.b"c'], obj["list"] = 1, [1, 2]
    rna_values.put(obj, path, index, number)
    assert rna_values.get(obj, path, index) == number


def test_defaults_are_what_the_nla_starts_from():
    obj = scenes.face(keys=("jawOpen",))
    obj["own"], obj["list"] = 1.0, [1.0, 2.0]
    obj.id_properties_ui("own").update(default=0.5)
    found = [rna_values.default(obj, *place) for place in (("scale", 1), ("rotation_quaternion", 0), ('["own"]', 0))]
    assert found == [1.0, 1.0, 0.5]
    assert rna_values.default(obj.data.shape_keys, scenes.shape_path("jawOpen")) == 0.0


@dataclass(frozen=True)
class Scribble:
    """Something drawn: a custom property of a grease pencil stands for it."""

    kind: ClassVar[str] = "SCRIBBLE"
    object_name: str
    strength: float = 1.0
    fails: ClassVar[str] = ""

    @classmethod
    def from_saved(cls, saved):
        return cls(saved["object_name"])

    def saved(self):
        return {"kind": self.kind, "object_name": self.object_name, "strength": 1.0}

    def summary(self):
        return "a scribble"

    def coverage(self):
        return Coverage({"mouth": ("scribble",)})

    @classmethod
    def owners(cls, obj):
        return [obj.data] if obj.type == "GREASEPENCIL" else []

    @classmethod
    def has_drawings(cls, owner):
        return "scribble" in owner

    @classmethod
    def objection(cls, owner):
        return ""

    @classmethod
    def erase(cls, owner, undo):
        undo.callback(owner.__setitem__, "scribble", owner["scribble"])
        del owner["scribble"]
        return channels.Written(keys=1)

    def drive(self, performance, grid):
        owner = targets.find_object(self.object_name).data
        value = float(performance.arkit.max())

        class Drawing:
            def __init__(self):
                self.owner = owner

            def check(self):
                if Scribble.fails == "check":
                    raise RigError("no paper")

            def write(self, line, undo):
                undo.callback(owner.pop, "scribble", None)
                owner["scribble"] = value
                if Scribble.fails == "write":
                    raise RigError("no ink")
                return channels.Written(keys=1)

        return targets.Driven((), drawings=Drawing())


@pytest.fixture
def scribble(monkeypatch):
    """Make a grease pencil whose kind of target has drawings."""
    blocks = bpy.data.grease_pencils_v3 if hasattr(bpy.data, "grease_pencils_v3") else bpy.data.grease_pencils
    obj = bpy.data.objects.new("Doodle", blocks.new("Doodle"))
    bpy.context.scene.collection.objects.link(obj)
    bpy.context.view_layer.objects.active = obj
    monkeypatch.setattr(targets, "KINDS", {"NAMES": targets.KINDS["NAMES"], "SCRIBBLE": Scribble})
    return obj


def test_drawings_are_made_dialled_and_taken_off(scribble):
    report = bake(Scribble("Doodle"))
    assert report.keys == 1 and scribble.data["scribble"] == pytest.approx(0.98)
    assert removal.has_lines(scribble.data)
    (line,) = redial.dialled_lines(scribble)
    assert line.home == ledgers.Home(scribble.data)
    done = redial.redial(scribble, Dials(jaw=0.5))
    assert done.keys == 1 and scribble.data["scribble"] < 0.6
    (line,) = redial.dialled_lines(scribble, 10)
    assert line.dials == {"jaw": 0.5} and not redial.dialled_lines(scribble, 999)
    assert removal.remove(targets.owners_of([scribble], None)).keys == 1
    assert not redial.dialled_lines(scribble) and not list(scribble.data.keys())


def test_drawings_have_no_layers_and_do_not_hinder_them(scribble, context):
    obj = scribble
    for layered in (True, False):
        Bake(recording(), (Scribble("Doodle"),), layered=layered).write(
            Heard(scenes.performance(2.0, jawOpen=0.5), FrameGrid(25.0, 1.0, 1, 50))
        )
        assert not bpy.ops.mouthpiece.keep_edits.poll() and not bpy.ops.mouthpiece.merge_layers.poll()
        assert redial.redial(obj, Dials(jaw=0.5)).keys == 1


@pytest.mark.parametrize("place", ["check", "write"])
def test_drawings_that_fail_take_the_keys_back_with_them(scribble, monkeypatch, place):
    monkeypatch.setattr(Scribble, "fails", place)
    face = scenes.face(keys=("jawOpen",))
    before = scenes.state()
    with pytest.raises(RigError, match=r"no (paper|ink)"):
        bake(targets.target_for(face), Scribble("Doodle"))
    assert scenes.state() == before and not list(scribble.data.keys())

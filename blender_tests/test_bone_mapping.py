"""The table of face bones: detected, edited, mirrored, saved, loaded, and used on the command line."""

from __future__ import annotations

import json

import bpy
import pytest
from mathutils import Matrix
from mouthpiece.retarget.bones.mapping import Link

from addon.command import parser as command_parser
from addon.targets.bones import mapping as bone_mapping
from addon.targets.bones.target import BonesTarget
from addon.targets.head.eye_distance import measured_eye_distance
from blender_tests import face_rigs
from blender_tests.face_rigs import SIZE, speech


@pytest.fixture
def rig():
    return face_rigs.face()


def entries(rig):
    """Return what the table holds, by bone and channel."""
    return {(link.bone, link.channel): link for link in bone_mapping.links_in(rig)}


def test_detect_fills_the_table_with_what_is_used_anyway(rig):
    by_name = BonesTarget.of(rig).links
    assert bpy.ops.mouthpiece.detect_bones() == {"FINISHED"}
    assert rig.mouthpiece_bones.profile == "Simple face"
    assert BonesTarget.of(rig).links == by_name and len(by_name) == 15
    with pytest.raises(RuntimeError, match="None of the 16 bones"):
        bpy.ops.mouthpiece.detect_bones(profile="Auto-Rig Pro")
    assert BonesTarget.of(rig).links == by_name


def test_entries_are_switched_off_changed_added_and_removed(rig):
    bpy.ops.mouthpiece.detect_bones()
    table = rig.mouthpiece_bones
    count = len(table.links)
    table.links[0].use = False
    assert len(BonesTarget.of(rig).links) == count - 1
    table.active = count - 1
    bpy.ops.mouthpiece.remove_bone_link()
    assert len(table.links) == count - 1 and table.active == count - 2
    rig.data.bones.active = rig.data.bones["head"]
    bpy.ops.mouthpiece.add_bone_link()
    assert table.links[-1].bone == "head" and table.active == count - 1
    table.links[-1].source = "elbow"
    with pytest.raises(Exception, match="nothing a bone can follow"):
        BonesTarget.of(rig)
    bpy.ops.mouthpiece.remove_bone_link(all=True)
    assert not table.links and len(BonesTarget.of(rig).links) == count  # by name again


def test_one_side_is_given_to_the_other(rig):
    bone_mapping.fill(
        rig,
        [
            Link("brow_inner.L", "brow.L", gain=0.7),
            Link("mouthSmileLeft", "cheek.L", axis="X", gain=0.2, space="LOCAL"),
            Link("lip_corner.L:up", "lip_corner.L", "ROTATION", axis="Z", gain=0.4, space="LOCAL"),
            Link("lip_upper", "lip_upper"),
        ],
        "",
    )
    assert bpy.ops.mouthpiece.mirror_bone_links(which="LEFT") == {"FINISHED"}
    found = entries(rig)
    assert found["brow.R", "LOCATION"] == Link("brow_inner.R", "brow.R", gain=0.7)
    # in mirrored bones X goes the other way, and so does a turn about Z
    assert found["cheek.R", "LOCATION"].gain == -0.2 and found["cheek.R", "LOCATION"].source == "mouthSmileRight"
    assert found["lip_corner.R", "ROTATION"].gain == -0.4
    assert len(found) == 7
    rig.mouthpiece_bones.links[0].gain, rig.mouthpiece_bones.active = 0.9, 0
    bpy.ops.mouthpiece.mirror_bone_links(which="ACTIVE")
    assert entries(rig)["brow.R", "LOCATION"].gain == 0.9 and len(entries(rig)) == 7
    rig.mouthpiece_bones.active = 3
    assert bpy.ops.mouthpiece.mirror_bone_links(which="ACTIVE") == {"CANCELLED"}


def test_mirrored_entries_move_mirrored_bones_alike():
    """A smile in local X on the left and its mirror image on the right, on bones mirrored by Symmetrize."""
    root, left = ((0, 0, 0), (0, 0, 1), 0.0, None, False), ((1, 0, 0), (1.2, 0.3, 1), 0.4, "root", False)
    rig = face_rigs.make({"root": root, "a.L": left})
    bpy.ops.object.mode_set(mode="EDIT")
    for bone in rig.data.edit_bones:
        bone.select = bone.select_head = bone.select_tail = bone.name == "a.L"
    bpy.ops.armature.symmetrize()
    bpy.ops.object.mode_set(mode="OBJECT")
    assert "a.R" in rig.data.bones
    for channel, axis in [(c, a) for c in ("LOCATION", "ROTATION") for a in "XYZ"]:
        bone_mapping.fill(rig, [Link("mouthSmileLeft", "a.L", channel, axis, 0.3, "LOCAL")], "")
        bpy.ops.mouthpiece.mirror_bone_links(which="ACTIVE")
        other = next(link for link in bone_mapping.links_in(rig) if link.bone == "a.R")
        ends = []
        for name, gain in (("a.L", 0.3), ("a.R", other.gain)):
            bone = rig.pose.bones[name]
            bone.rotation_mode, bone.location, bone.rotation_euler = "XYZ", (0, 0, 0), (0, 0, 0)
            getattr(bone, "location" if channel == "LOCATION" else "rotation_euler")["XYZ".index(axis)] = gain
            bpy.context.view_layer.update()
            ends.append((bone.head.copy(), bone.tail.copy(), bone.x_axis.copy()))
            bone.location, bone.rotation_euler = (0, 0, 0), (0, 0, 0)
        for left, right in zip(ends[0][:2], ends[1][:2], strict=True):
            assert tuple(left) == pytest.approx((-right.x, right.y, right.z), abs=1e-5), (channel, axis)


def test_a_mapping_goes_to_a_file_and_onto_another_rig(rig, tmp_path):
    bpy.ops.mouthpiece.detect_bones()
    rig.mouthpiece_bones.links[2].gain = 1.2
    path = tmp_path / "face.json"
    assert bpy.ops.mouthpiece.save_bone_mapping(filepath=str(path)) == {"FINISHED"}
    assert json.loads(path.read_text())["links"][2]["gain"] == 1.2
    saved = bone_mapping.links_in(rig)
    other = face_rigs.face(names=("lip_upper", "lip_lower"))
    assert bpy.ops.mouthpiece.load_bone_mapping(filepath=str(path)) == {"FINISHED"}
    kept = bone_mapping.links_in(other)
    assert kept == tuple(link for link in saved if link.bone in other.data.bones) and len(kept) == 5
    path.write_text("{}")
    with pytest.raises(RuntimeError, match="not a mapping of bones"):
        bpy.ops.mouthpiece.load_bone_mapping(filepath=str(path))
    assert bone_mapping.links_in(other) == kept
    with pytest.raises(RuntimeError, match="cannot be written"):
        bpy.ops.mouthpiece.save_bone_mapping(filepath=str(tmp_path / "no" / "where.json"))


def test_operators_say_why_they_cannot():
    assert not bpy.ops.mouthpiece.detect_bones.poll()
    face_rigs.face()
    assert bpy.ops.mouthpiece.detect_bones.poll() and not bpy.ops.mouthpiece.save_bone_mapping.poll()


def test_the_table_survives_saving(rig, tmp_path):
    bpy.ops.mouthpiece.detect_bones()
    rig.mouthpiece_bones.eye_distance = 0.25
    before = bone_mapping.links_in(rig)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "rig.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "rig.blend"))
    rig = bpy.data.objects["Rig"]
    assert bone_mapping.links_in(rig) == before and rig.mouthpiece_bones.eye_distance == 0.25


def test_the_table_of_an_overridden_rig_survives_saving(tmp_path):
    collection = bpy.data.collections.new("Character")
    collection.objects.link(face_rigs.face())
    bpy.data.libraries.write(str(tmp_path / "character.blend"), {collection})
    bpy.ops.wm.read_homefile(use_empty=True)
    with bpy.data.libraries.load(str(tmp_path / "character.blend"), link=True) as (_, into):
        into.collections = ["Character"]
    linked = bpy.data.collections["Character"]
    bpy.context.scene.collection.children.link(linked)
    local = linked.override_hierarchy_create(bpy.context.scene, bpy.context.view_layer, do_fully_editable=True)
    rig = next(obj for obj in local.all_objects if obj.type == "ARMATURE")
    bpy.context.view_layer.objects.active = rig
    bpy.ops.mouthpiece.detect_bones()
    rig.mouthpiece_bones.links[1].gain = 1.5
    before = bone_mapping.links_in(rig)
    assert len(before) == 15
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    rig = next(obj for obj in bpy.data.objects if obj.type == "ARMATURE" and obj.override_library)
    assert bone_mapping.links_in(rig) == before


def test_a_table_that_comes_from_a_library_is_switched_off_where_it_cannot_go(tmp_path):
    original = face_rigs.face()
    bone_mapping.fill(original, [Link("jaw", "jaw", "ROTATION"), Link("brow.L", "brow.L")], "")
    collection = bpy.data.collections.new("Character")
    collection.objects.link(original)
    bpy.data.libraries.write(str(tmp_path / "character.blend"), {collection})
    bpy.ops.wm.read_homefile(use_empty=True)
    with bpy.data.libraries.load(str(tmp_path / "character.blend"), link=True) as (_, into):
        into.collections = ["Character"]
    linked = bpy.data.collections["Character"]
    bpy.context.scene.collection.children.link(linked)
    local = linked.override_hierarchy_create(bpy.context.scene, bpy.context.view_layer, do_fully_editable=True)
    rig = next(obj for obj in local.all_objects if obj.type == "ARMATURE")
    bpy.context.view_layer.objects.active = rig
    bpy.ops.mouthpiece.remove_bone_link()
    assert bone_mapping.links_in(rig) == (Link("brow.L", "brow.L"),)
    bone_mapping.fill(rig, [Link("brow.L", "brow.L", gain=0.5), Link("brow.R", "brow.R")], "")
    assert bone_mapping.links_in(rig) == (Link("brow.L", "brow.L", gain=0.5), Link("brow.R", "brow.R"))


def test_the_command_line_bakes_bones_with_a_mapping(rig, tmp_path, capsys):
    take = speech().save(tmp_path / "take.npz")
    mapping = tmp_path / "mapping.json"
    from mouthpiece.retarget.bones.mapping import to_json

    mapping.write_text(to_json([Link("jaw", "jaw", "ROTATION"), Link("brow.L", "brow.L", axis="Z")]))
    out = tmp_path / "out.blend"
    arguments = ["bake", "--audio", str(take), "--object", "Rig", "--output", str(out), "--json"]
    assert command_parser.main([*arguments, "--mapping", str(mapping)]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["channels"] == 7 and out.is_file()
    (tmp_path / "bad.json").write_text("[]")
    assert command_parser.main([*arguments[:-3], "--mapping", str(tmp_path / "bad.json"), "--json"]) == 1
    assert "not a mapping of bones" in capsys.readouterr().out


def test_the_eye_distance_of_a_rig_is_measured_for_the_head():
    rig = face_rigs.face(matrix=Matrix.Scale(2, 4))
    assert measured_eye_distance(rig) == pytest.approx(2 * SIZE, rel=0.02)
    rig.mouthpiece_bones.eye_distance = 0.5
    assert measured_eye_distance(rig) == 0.5


class Pen:
    """A layout that notes what is drawn, and knows only properties and operators that there are."""

    def __init__(self, drawn):
        self.drawn = drawn

    def prop(self, data, name, **_):
        assert hasattr(data, name), name
        self.drawn.append(name)

    def prop_search(self, data, name, where, items, **_):
        assert hasattr(where, items)
        self.prop(data, name)

    def template_list(self, kind, _, data, items, active, index, **__):
        assert hasattr(bpy.types, kind) and hasattr(active, index)
        for entry in getattr(data, items):
            getattr(bpy.types, kind).draw_item(None, bpy.context, self, data, entry, 0, active, index)

    def operator(self, name, **_):
        assert getattr(bpy.ops.mouthpiece, name.split(".")[1]).idname()
        self.drawn.append(name)
        return self

    def operator_menu_enum(self, name, *_, **__):
        return self.operator(name)

    def label(self, text="", **_):
        self.drawn.append(text)

    def separator(self):
        pass

    def row(self, **_):
        return self

    column = box = row


def test_the_panel_draws_the_table_and_the_active_entry(rig):
    import types

    from addon.targets.bones import panel as bones_panel

    def drawn():
        notes = []
        panel = types.SimpleNamespace(layout=Pen(notes))
        panel._draw_table = types.MethodType(bones_panel.MOUTHPIECE_PT_bones._draw_table, panel)
        bones_panel.MOUTHPIECE_PT_bones.draw(panel, bpy.context)
        return notes

    assert bones_panel.MOUTHPIECE_PT_bones.poll(bpy.context)
    empty = drawn()
    assert "mouthpiece.detect_bones" in empty and "eye_distance" in empty and "gain" not in empty
    bpy.ops.mouthpiece.detect_bones()
    full = drawn()
    assert {"source", "bone", "channel", "axis", "gain", "space"} <= set(full)
    assert full.count("use") == 15 and "lip_corner.L" in full
    rig.mouthpiece_bones.links[0].source = "jawOpen"  # a number, and its axis is still All
    assert "Choose an axis" in drawn()

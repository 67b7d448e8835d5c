"""Mouth charts: what is switched, on which frames, and what is refused."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import bpy
import numpy as np
import pytest
from mouthpiece.audio import Audio
from mouthpiece.curves import FrameGrid
from mouthpiece.errors import MouthpieceError, RigError
from mouthpiece.motion.chart.charts import charts
from mouthpiece.motion.chart.cues import Timing, cue_track
from mouthpiece.pipeline import animate

from addon import compat
from addon.bake import removal
from addon.keys import writer
from addon.keys.channels import Line
from addon.targets import KINDS, made_again, owners_of, target_for
from addon.targets.mouth_chart import files, recognition
from addon.targets.mouth_chart import settings as chart_settings
from addon.targets.mouth_chart.switches import MODIFIER
from addon.targets.mouth_chart.target import ChartTarget

from . import scenes

LINE = Line("sound", 1, 48)
NAMES = charts()["rhubarb"].names


@pytest.fixture(scope="module")
def take():
    """The bundled line's take."""
    from addon import demo

    return animate(demo_audio(demo)).final()


def demo_audio(demo):
    """The bundled line, as samples."""
    import aud

    path = Path(demo.__file__).parent / "assets" / "demo_line.flac"
    sound = aud.Sound.file(str(path)).rechannel(1).resample(16_000, 0)
    return Audio(np.ascontiguousarray(sound.data()[:, 0]), 16_000, "The demo line")


def drawing(frames=range(1, 10), name="Mouth", layers=("Mouth",)):
    """A grease pencil object with one stroke on each of those frames; as many points as the frame's number plus one."""
    blocks = bpy.data.grease_pencils_v3 if hasattr(bpy.data, "grease_pencils_v3") else bpy.data.grease_pencils
    data = blocks.new(name)
    obj = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(obj)
    for layer in layers:
        made = data.layers.new(layer)
        for frame in frames:
            made.frames.new(frame).drawing.add_strokes([abs(frame) + 1])
    activate(obj)
    return obj


def activate(obj, *others):
    for each in bpy.context.selected_objects:
        each.select_set(False)
    for each in (*others, obj):
        each.select_set(True)
    bpy.context.view_layer.objects.active = obj


def chart(obj, how, *others, **settings):
    """Set the chart of `obj` up by the operator."""
    activate(obj, *others)
    obj.mouthpiece_chart.how = how
    for name, value in settings.items():
        setattr(obj.mouthpiece_chart, name, value)
    assert bpy.ops.mouthpiece.set_up_chart() == {"FINISHED"}
    return obj.mouthpiece_chart


def grid(take, fps=24.0, origin=1.0):
    return FrameGrid.covering(take.seconds, fps, origin)


def driven(obj, take, **kwargs):
    return ChartTarget.of(obj).drive(take, grid(take, **kwargs))


def column(found, name):
    part = next(part for part in found.parts if name in part.curves.names)
    return part.curves[name]


# --- drawings


def test_drawings_are_filled_in_order_and_shown(take):
    obj = drawing()
    settings = chart(obj, "DRAWINGS")
    assert [(row.shape, row.number, row.used) for row in settings.rows] == [
        (name, number, True) for number, name in enumerate(NAMES, 1)
    ]
    modifier = obj.modifiers[MODIFIER]
    assert modifier.mode == "FIX" and modifier.offset == 9  # X, at rest
    assert obj.mouthpiece.target == "CHART" and target_for(obj).kind == "CHART"
    for number, name in enumerate(NAMES, 1):
        assert bpy.ops.mouthpiece.show_mouth(shape=name) == {"FINISHED"}
        seen = obj.evaluated_get(bpy.context.evaluated_depsgraph_get()).data.layers[0].current_frame().drawing
        assert len(seen.strokes[0].points) == number + 1


def test_the_curve_is_the_cue_track(take):
    obj = drawing()
    chart(obj, "DRAWINGS")
    found = driven(obj, take)
    track = cue_track(take, charts()["rhubarb"], Timing.of_frames(24, 2, 2, 1))
    frames = np.rint(np.array(track.starts) * 24).astype(int) + 1
    shown = column(found, "Drawing")
    for frame, shape in zip(frames[:-1], track.shapes[:-1], strict=True):
        assert NAMES[int(shown[frame - 1]) - 1] == shape
    assert shown[-1] == 9  # the line ends at rest
    assert found.parts[0].channels[0].stepped and not found.warnings


def test_baked_keys_hold_and_only_stand_where_the_mouth_changes(take):
    obj = drawing()
    chart(obj, "DRAWINGS")
    found = driven(obj, take)
    asked = [replace(part, error=0.01) for part in found.parts]  # few keys are asked for, as by default
    written = writer.write(asked, Line("s", 1, int(grid(take).last)), "Take")
    assert written.keys and written.reduction is None  # there is nothing to reduce, and nothing is said of it
    path = f'modifiers["{MODIFIER}"].offset'
    points = scenes.values(obj, path)
    assert len(points) < len(found.parts[0].curves.frames) / 2
    assert all(a[1] != b[1] for a, b in pairwise(points))
    curve = next(iter(compat.fcurves_of(obj)))
    assert {key.interpolation for key in curve.keyframe_points} == {"CONSTANT"}
    assert all(int(frame) % 2 == 1 for frame, _ in points)  # twos fall on odd frames
    bpy.context.scene.frame_set(int(points[3][0]))
    assert obj.modifiers[MODIFIER].offset == int(points[3][1])
    removal.remove([obj])
    assert not scenes.values(obj, path) and obj.modifiers[MODIFIER].offset == 9


@pytest.mark.parametrize("origin", [1.0, 2.0, 100.0, 7.3])
def test_twos_fall_on_odd_frames_wherever_a_line_begins(take, origin):
    obj = drawing()
    chart(obj, "DRAWINGS")
    found = driven(obj, take, origin=origin)
    curves = found.parts[0].curves
    changes = curves.frames[1:][np.diff(curves[curves.names[0]]) != 0]
    assert (changes % 2 == 1).all()


@pytest.mark.parametrize("exposure", ["1", "2", "3", "4"])
def test_exposure_and_hold_are_kept(take, exposure):
    obj = drawing()
    chart(obj, "DRAWINGS", exposure=exposure, hold=4)
    curves = driven(obj, take).parts[0].curves
    changes = np.flatnonzero(np.diff(curves[curves.names[0]]) != 0)
    assert np.diff(changes)[:-1].min() >= 4
    assert set(np.diff(changes) % int(exposure)) <= {0, *np.diff(changes)[-1:] % int(exposure)}


def test_markers_tell_which_drawing_is_which():
    obj = drawing(frames=(10, 20, 30))
    for name, frame in (("mouth_D", 10), ("X", 20), ("A", 30), ("B", 55)):
        bpy.context.scene.timeline_markers.new(name, frame=frame)
    settings = chart(obj, "DRAWINGS")
    used = {row.shape: row.number for row in settings.rows if row.used}
    assert used == {"D": 10, "X": 20, "A": 30}


def test_a_mouth_layer_among_others_is_chosen():
    obj = drawing(frames=(1, 2, 3), layers=("Head", "Mouth shapes", "Eyes"))
    settings = chart(obj, "DRAWINGS")
    assert settings.layer == "Mouth shapes" == obj.modifiers[MODIFIER].tree_node_filter


def test_few_drawings_stand_in_for_all(take):
    obj = drawing(frames=(1, 2, 3, 4))
    chart(obj, "DRAWINGS")
    found = driven(obj, take)
    assert set(column(found, "Drawing").tolist()) <= {1, 2, 3, 4}
    assert any("X by A" in warning for warning in found.warnings)


def test_two_shapes_may_share_a_drawing(take):
    obj = drawing()
    settings = chart(obj, "DRAWINGS")
    settings.rows["X"].number = settings.rows["A"].number = 1
    assert set(column(driven(obj, take), "Drawing").tolist()) <= {1, *range(2, 9)}


def test_drawings_that_are_gone_are_said():
    obj = drawing()
    settings = chart(obj, "DRAWINGS")
    settings.rows["C"].number = 33
    with pytest.raises(RigError, match=r"no drawing on these frames of 'Mouth': C \(33\)"):
        ChartTarget.of(obj)
    settings.rows["C"].used = False
    ChartTarget.of(obj)
    obj.modifiers.remove(obj.modifiers[MODIFIER])
    with pytest.raises(RigError, match="Press Set Up"):
        ChartTarget.of(obj)


def test_the_character_may_be_another_object_than_the_drawing(take):
    mouth, head = drawing(), scenes.face("Head", keys=())
    chart(head, "DRAWINGS", mouth)
    assert head.mouthpiece_chart.source == mouth
    assert driven(head, take).parts[0].owner == mouth
    assert mouth in owners_of([head], None)


# --- objects

FLEMING = ("AA", "EHSZ", "FV", "GK", "IY", "MBP", "NLTDR", "O", "SH", "TH", "rest")


def mouths(parent=None, names=NAMES):
    made = []
    for name in names:
        obj = bpy.data.objects.new(f"mouth_{name}", None)
        obj.parent = parent
        bpy.context.scene.collection.objects.link(obj)
        made.append(obj)
    return made


def test_one_object_is_seen_at_a_time(take):
    head = scenes.face("Head", keys=())
    made = mouths(head)
    settings = chart(head, "OBJECTS", *made)
    assert [row.object for row in settings.rows] == made
    assert [obj.hide_render for obj in made] == [True] * 8 + [False]
    found = driven(head, take)
    hidden = np.stack([column(found, f"mouth_{name} hide_render") for name in NAMES])
    np.testing.assert_array_equal(hidden.sum(axis=0), 8)
    writer.write(found.parts, LINE, "Take")
    assert scenes.values(made[0], "hide_viewport") == scenes.values(made[0], "hide_render") != []
    removal.remove(owners_of([head], None))
    assert [obj.hide_render for obj in made] == [True] * 8 + [False]


def test_children_are_found_when_nothing_else_is_selected():
    head = scenes.face("Head", keys=())
    made = mouths(head, "ABX")
    settings = chart(head, "OBJECTS")
    assert {row.shape: row.object for row in settings.rows if row.used} == dict(zip("ABX", made, strict=True))


def test_a_collection_shows_all_its_objects(take):
    head = scenes.face("Head", keys=())
    sets = {}
    for name in "ADX":
        sets[name] = bpy.data.collections.new(f"Mouth {name}")
        bpy.context.scene.collection.children.link(sets[name])
        for part in ("lips", "teeth"):
            sets[name].objects.link(bpy.data.objects.new(f"{part} {name}0", None))
    settings = chart(head, "OBJECTS")
    assert {row.shape: row.collection for row in settings.rows if row.used} == sets
    hidden = {obj.name: obj.hide_render for obj in bpy.data.objects if obj != head}
    assert hidden == {f"{part} {n}0": n != "X" for part in ("lips", "teeth") for n in "ADX"}
    assert len(driven(head, take).parts) == 6


def test_a_mouth_is_no_character_of_the_others():
    made = mouths(names=FLEMING)
    with pytest.raises(RuntimeError, match=r"'mouth_AA' is one of the mouths \(AA\)"):
        chart(made[0], "OBJECTS", *made[1:], chart="fleming-dobbs")
    assert made[0].mouthpiece.target == "AUTO" and not any(obj.hide_render for obj in made)
    settings = chart(scenes.face("Face AA", keys=()), "OBJECTS", *made)  # called like one, but all are there
    assert all(row.used for row in settings.rows)


@pytest.mark.parametrize(("names", "recognised"), [(FLEMING, True), (FLEMING[:6], False), ((*FLEMING, *"pqrs"), False)])
def test_a_whole_set_below_an_empty_is_recognised_whatever_they_are_called(names, recognised):
    empty = bpy.data.objects.new("Toon", None)
    bpy.context.scene.collection.objects.link(empty)
    for mouth in mouths(empty, names):
        mouth.name = mouth.name.removeprefix("mouth_")
    found = recognition.likeness(empty)
    assert (found is not None and found.chart == "fleming-dobbs") == recognised


def test_a_deleted_mouth_is_said():
    head = scenes.face("Head", keys=())
    made = mouths(head)
    chart(head, "OBJECTS", *made)
    bpy.data.objects.remove(made[2])
    with pytest.raises(RigError, match="The shape C has no object to show"):
        ChartTarget.of(head)


def test_mouths_that_stand_for_no_shape_are_hidden_and_told(take):
    head, lamp = scenes.face("Head", keys=()), bpy.data.objects.new("Lamp", bpy.data.lights.new("Lamp", "POINT"))
    bpy.context.scene.collection.objects.link(lamp)
    made = {obj.name: obj for obj in mouths(names=(*NAMES, "snarl", "kiss", "A.001"))}
    chart(head, "OBJECTS", *made.values(), lamp)
    assert [name for name, obj in made.items() if not obj.hide_render] == ["mouth_X"] and not lamp.hide_render
    found = driven(head, take)
    channels = {part.owner.name: np.asarray(part.curves.values) for part in found.parts}
    assert set(channels) == set(made)  # the lamp was selected too and is left alone
    shown = sum((values[:, 0] == 0).astype(int) for values in channels.values())
    np.testing.assert_array_equal(shown, 1)
    assert (channels["mouth_kiss"] == 1).all()
    saved = ChartTarget.of(head).saved()
    assert made_again(json.loads(json.dumps(saved))) == ChartTarget.of(head)
    bpy.data.objects.remove(made["mouth_snarl"])
    assert len(driven(head, take).parts) == len(made) - 1
    removed = {key: value for key, value in saved["setup"].items() if key != "spares"}  # as 0.4.0 saved it
    assert made_again({**saved, "setup": removed}).setup.spares == ()


def test_a_shape_that_is_unticked_is_never_seen(take):
    head = scenes.face("Head", keys=())
    made = mouths(head)
    settings = chart(head, "OBJECTS", *made)
    settings.rows["D"].used = False
    assert (column(driven(head, take), "mouth_D hide_render") == 1).all()


@pytest.mark.parametrize(("name", "names"), [("fleming-dobbs", FLEMING), ("cmu", charts()["cmu"].names)])
def test_a_set_is_known_by_its_names_and_one_of_its_mouths_is_seen(name, names, take):
    head = scenes.face("Head", keys=())
    made = mouths(names=names)
    settings = chart(head, "OBJECTS", *made)  # Rhubarb's is chosen, as it is at first
    assert settings.chart == name and all(row.used for row in settings.rows)
    found = driven(head, take)
    hidden = np.stack([column(found, f"mouth_{each} hide_render") for each in names])
    np.testing.assert_array_equal(hidden.sum(axis=0), len(names) - 1)
    assert (hidden == 0).any(axis=1).sum() >= 7  # it speaks


def test_a_set_that_was_chosen_stays_if_its_names_are_there(take):
    head = scenes.face("Head", keys=())
    settings = chart(head, "OBJECTS", *mouths(names=FLEMING), chart="blair")
    assert settings.chart == "fleming-dobbs"
    settings = chart(head, "OBJECTS", *mouths(names=charts()["blair"].names), chart="blair")
    assert settings.chart == "blair"


# --- properties, shape keys, pictures, sheets


def test_a_custom_property_is_set_to_whole_numbers(take):
    rig = scenes.armature()
    rig["mouth"] = 0
    rig.id_properties_ui("mouth").update(min=0, max=8)
    settings = chart(rig, "PROPERTY")
    assert settings.path == '["mouth"]' and rig["mouth"] == 8 and isinstance(rig["mouth"], int)
    found = driven(rig, take)
    assert set(column(found, '["mouth"]').tolist()) <= set(range(9))
    writer.write(found.parts, LINE, "Take")
    bpy.context.scene.frame_set(int(scenes.values(rig, '["mouth"]')[2][0]))
    assert rig["mouth"] == int(scenes.values(rig, '["mouth"]')[2][1])


def test_a_bones_property_too_and_its_range_is_kept():
    rig = scenes.armature()
    bone = rig.pose.bones["head"]
    bone["mouth"] = 2
    bone.id_properties_ui("mouth").update(min=0, max=4)
    settings = chart(rig, "PROPERTY", path='pose.bones["head"]["mouth"]', chart="simple")
    assert [row.used for row in settings.rows] == [True] * 5 + [False]
    settings.rows["round"].used, settings.rows["round"].number = True, 9
    with pytest.raises(RigError, match=r"goes from 0 to 4: round \(9\)"):
        ChartTarget.of(rig)


@pytest.mark.parametrize(
    ("path", "said"),
    [("", "No property"), ('["nose"]', "has no property"), ("name", "is not a number"), ("data.x", "No property")],
)
def test_bad_properties_are_refused(path, said):
    rig = scenes.armature()
    rig["mouth"] = 0
    settings = chart(rig, "PROPERTY")
    settings.path = path
    with pytest.raises(RigError, match=said):
        ChartTarget.of(rig)


def test_shape_keys_are_shown_one_at_a_time(take):
    obj = scenes.face(keys=[f"Mouth {n}" for n in "ABCDEFGH"])
    settings = chart(obj, "KEYS")
    assert settings.rows["X"].used and settings.rows["X"].key == ""  # the basis is the mouth at rest
    found = driven(obj, take)
    on = np.stack([column(found, f"Mouth {n}") for n in "ABCDEFGH"]).sum(axis=0)
    assert set(on.tolist()) == {0, 1}
    bpy.ops.mouthpiece.show_mouth(shape="C")
    assert [b.value for b in obj.data.shape_keys.key_blocks[1:]] == [0, 0, 1, 0, 0, 0, 0, 0]
    obj.shape_key_remove(obj.data.shape_keys.key_blocks["Mouth B"])
    with pytest.raises(RigError, match="has no shape keys Mouth B"):
        ChartTarget.of(obj)


def picture(path, colour, size=8):
    image = bpy.data.images.new(path.stem, size, size)
    image.pixels.foreach_set(np.tile(np.array([*colour, 1], np.float32), size * size))
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    bpy.data.images.remove(image)


def pictured(obj, path, source):
    material = bpy.data.materials.new("Mouth")
    tree = compat.ensure_material_nodes(material)
    node = tree.nodes.new("ShaderNodeTexImage")
    node.image = bpy.data.images.load(str(path))
    node.image.source = source
    tree.nodes.active = node
    obj.data.materials.append(material)
    return tree, node


def test_an_image_sequence_is_turned_page_by_page(take, tmp_path):
    for number in range(1, 10):
        picture(tmp_path / f"mouth_{number:03d}.png", (number / 9, 0, 0))
    obj = scenes.face("Head", keys=())
    tree, node = pictured(obj, tmp_path / "mouth_001.png", "SEQUENCE")
    settings = chart(obj, "IMAGE")
    assert [row.number for row in settings.rows] == list(range(1, 10)) and node.image_user.frame_offset == 8
    found = driven(obj, take)
    writer.write(found.parts, LINE, "Take")
    path = f"{node.path_from_id()}.image_user.frame_offset"
    frame, offset = scenes.values(tree, path)[2]
    bpy.context.scene.frame_set(int(frame))
    bpy.context.evaluated_depsgraph_get().update()
    assert node.image_user.frame_offset == int(offset)
    for scene_frame in (-5, 1, 100):  # the page does not depend on the frame of the scene
        bpy.context.scene.frame_set(scene_frame)
        node.image_user.frame_offset = 4
        assert node.image_user.frame_duration == 1
    settings.rows["C"].number = 44
    with pytest.raises(RigError, match=r"no pictures for C \(44\)"):
        driven(obj, take)
    settings.rows["C"].number = 3
    node.image_user.frame_duration = 9
    with pytest.raises(RigError, match="runs by itself"):
        ChartTarget.of(obj)


@pytest.mark.parametrize("source", ["SEQUENCE", "FILE"])
def test_a_plane_with_numbered_pictures_is_recognised_and_offered(source, take, tmp_path):
    for number in range(1, 11):
        picture(tmp_path / f"mouth_{number:03d}.png", (number / 10, 0, 0))
    obj = scenes.face("Plane", keys=())
    _, node = pictured(obj, tmp_path / "mouth_003.png", source)
    found = recognition.likeness(obj)
    assert (found.how, found.chart, found.single) == (
        "IMAGE",
        "blair",
        source == "FILE",
    ) and "10 numbered" in found.text
    assert bpy.ops.mouthpiece.use_as_chart() == {"FINISHED"}
    assert node.image.source == "SEQUENCE" and obj.mouthpiece.target == "CHART"
    assert target_for(obj, 1.0, "CHART").coverage().has("mouth")
    numbers = column(driven(obj, take), "Picture")
    assert len(set(numbers.tolist())) >= 5


def test_what_looks_like_no_chart_is_offered_nothing(tmp_path):
    picture(tmp_path / "wall_1.png", (1, 0, 0))
    obj = scenes.face("Wall", keys=())
    pictured(obj, tmp_path / "wall_1.png", "FILE")
    assert recognition.likeness(obj) is None  # one picture is a wall
    with pytest.raises(RuntimeError, match="looks like a mouth chart"):
        bpy.ops.mouthpiece.use_as_chart()
    assert recognition.likeness(scenes.face("Face")) is None
    drawn = drawing(range(1, 4))
    assert recognition.likeness(drawn) is None
    drawn = drawing(range(1, 10))
    assert recognition.likeness(drawn).chart == "rhubarb"
    head = scenes.face("Cartoon", keys=())
    mouths(head, FLEMING)
    assert recognition.likeness(head).chart == "fleming-dobbs"


def test_what_cannot_be_used_stays_as_it_was(tmp_path):
    for number in range(1, 7):
        picture(tmp_path / f"m{number}.png", (1, 0, 0))
    obj = scenes.face("Plane", keys=())
    _, node = pictured(obj, tmp_path / "m1.png", "FILE")
    found = recognition.likeness(obj)
    node.image.filepath_raw = str(tmp_path / "gone" / "m1.png")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(RuntimeError, match="not found"):
        patch.setattr(recognition, "likeness", lambda _: found)
        patch.setattr(recognition, "_numbers", lambda _: [1, 2, 3, 4])
        bpy.ops.mouthpiece.use_as_chart()
    assert node.image.source == "FILE" and not obj.mouthpiece_chart.rows and obj.mouthpiece.target == "AUTO"


def test_an_empty_with_an_image_sequence(take, tmp_path):
    for number in range(4, 10):
        picture(tmp_path / f"{number}.png", (0, 0, 0))
    obj = bpy.data.objects.new("Mouth", None)
    obj.empty_display_type = "IMAGE"
    obj.data = bpy.data.images.load(str(tmp_path / "4.png"))
    obj.data.source = "SEQUENCE"
    bpy.context.scene.collection.objects.link(obj)
    chart(obj, "IMAGE", chart="simple")
    assert set(column(driven(obj, take), "Picture").tolist()) <= set(range(3, 9))
    assert obj.image_user.frame_offset == 3  # "rest" is the first: picture 4


def test_a_sheet_is_moved_cell_by_cell(take, tmp_path):
    picture(tmp_path / "sheet.png", (1, 0, 0))
    obj = scenes.face("Head", keys=())
    tree, node = pictured(obj, tmp_path / "sheet.png", "FILE")
    settings = chart(obj, "CELLS", columns=4, lines=3)
    mapping = tree.nodes[settings.node]
    assert tuple(mapping.inputs["Scale"].default_value)[:2] == pytest.approx((1 / 4, 1 / 3))
    assert node.inputs["Vector"].links[0].from_node == mapping
    bpy.ops.mouthpiece.show_mouth(shape="F")  # the sixth: second row, second column
    assert tuple(mapping.inputs["Location"].default_value)[:2] == pytest.approx((1 / 4, 1 / 3))
    found = driven(obj, take)
    assert len(found.parts) == 1 and len(found.parts[0].channels) == 2
    chart(obj, "CELLS", columns=4, lines=3)
    assert len([n for n in tree.nodes if n.type == "MAPPING"]) == 1  # set up twice, made once
    settings.rows["X"].number = 12
    with pytest.raises(RigError, match=r"cells 0 to 11: there is no X \(12\)"):
        ChartTarget.of(obj)


# --- settings, files, bakes


def test_the_panels_sets_are_the_cores():
    assert [name for name, _, _ in chart_settings.CHARTS] == [*charts(), "CUSTOM"]


def test_another_set_keeps_what_has_the_same_name():
    obj = drawing()
    settings = chart(obj, "DRAWINGS")
    settings.rows["A"].number = 7
    settings.chart = "rhubarb-basic"
    assert [row.shape for row in settings.rows] == list("ABCDEF") and settings.rows["A"].number == 7
    settings.chart = "oculus"
    assert len(settings.rows) == 15


def test_without_a_table_it_says_so():
    obj = drawing()
    with pytest.raises(RigError, match="has no mouth chart"):
        ChartTarget.of(obj)
    assert ChartTarget.owners(obj) == []
    activate(obj)
    with pytest.raises(RuntimeError, match="has no mouth chart"):
        bpy.ops.mouthpiece.show_mouth(shape="A")


def test_what_cannot_be_set_up_leaves_everything_as_it_was():
    obj = scenes.face("Head", keys=())
    activate(obj)
    for how, said in (("DRAWINGS", "grease pencil"), ("KEYS", "no shape keys"), ("OBJECTS", "Nothing was found")):
        obj.mouthpiece_chart.how = how
        with pytest.raises(RuntimeError, match=said):
            bpy.ops.mouthpiece.set_up_chart()
        assert not obj.mouthpiece_chart.rows and obj.mouthpiece.target == "AUTO"


def test_a_saved_target_is_the_target(take):
    obj = drawing()
    chart(obj, "DRAWINGS", exposure="1", hold=3, lead=2.0)
    target = ChartTarget.of(obj, 0.8)
    saved = json.loads(json.dumps(target.saved()))
    again = made_again(saved)
    assert again == target and KINDS["CHART"] is ChartTarget
    np.testing.assert_array_equal(
        column(again.drive(take, grid(take)), "Drawing"), column(target.drive(take, grid(take)), "Drawing")
    )
    assert "9 of 9 shapes as drawings, on ones" in target.summary()
    del saved["setup"]["entries"]
    with pytest.raises(RigError, match="damaged"):
        made_again(saved)


def test_strength_opens_the_mouth_less(take):
    obj = drawing()
    chart(obj, "DRAWINGS")
    wide = [
        (column(ChartTarget.of(obj, strength).drive(take, grid(take)), "Drawing") == 4).sum()
        for strength in (0.4, 1.0, 1.6)
    ]
    assert wide[0] < wide[1] < wide[2]


def test_a_table_goes_through_a_file(tmp_path, take):
    obj = drawing()
    settings = chart(obj, "DRAWINGS", exposure="3", hold=5, lead=0.5)
    settings.rows["H"].used = False
    settings.rows["A"].number = 2
    path = tmp_path / "chart.json"
    assert bpy.ops.mouthpiece.save_chart(filepath=str(path)) == {"FINISHED"}
    wanted = chart_settings.setup_of(obj)
    other = drawing(name="Other")
    assert bpy.ops.mouthpiece.load_chart(filepath=str(path)) == {"FINISHED"}
    assert [(e.shape, e.used, e.number) for e in chart_settings.setup_of(other).entries if e.used] == [
        (e.shape, e.used, e.number) for e in wanted.entries if e.used
    ]
    own = other.mouthpiece_chart
    assert (own.exposure, own.hold, own.lead, own.chart) == ("3", 5, 0.5, "rhubarb")


def test_a_set_of_ones_own(tmp_path, take):
    path = tmp_path / "mine.json"
    shapes = [{"name": "zu", "visemes": {"sil": 1, "PP": 1}}, {"name": "auf", "visemes": {"aa": 1, "E": 1}}]
    path.write_text(json.dumps({"name": "meine", "shapes": shapes}))
    obj = drawing(frames=(1, 2))
    activate(obj)
    assert bpy.ops.mouthpiece.load_chart(filepath=str(path)) == {"FINISHED"}
    settings = chart(obj, "DRAWINGS")
    assert settings.chart == "CUSTOM" and [row.shape for row in settings.rows] == ["zu", "auf"]
    assert set(column(driven(obj, take), "Drawing").tolist()) == {1, 2}


@pytest.mark.parametrize(
    ("saved", "said"),
    [
        ({"chart": "moon"}, "no mouth chart 'moon'"),
        ({"how": "magic"}, "cannot be shown as 'magic'"),
        ({"shapes": {"Q": 1}}, "no shapes Q"),
        ({"shapes": {"A": "one"}}, "a number is wanted"),
        ({"shapes": {}}, "must name"),
        ({"shapes": {"A": 99}}, r"A \(99\)"),
        ({"speed": 3}, "unknown words: speed"),
        ({"on": "x"}, "no value for 'on'"),
        ({"on": 9}, "no value for 'on'"),
        ({"object": "Nobody"}, "no object 'Nobody'"),
        ({"how": "objects", "shapes": {"A": "Nobody"}}, "no object 'Nobody' for the shape A"),
    ],
)
def test_bad_files_change_nothing(saved, said):
    obj = drawing()
    chart(obj, "DRAWINGS")
    before = chart_settings.setup_of(obj)
    with pytest.raises(MouthpieceError, match=said):
        files.apply(obj, saved, bpy.context.scene)
    assert chart_settings.setup_of(obj) == before


def test_a_linked_character_is_refused(tmp_path):
    obj = drawing()
    chart(obj, "DRAWINGS")
    path = tmp_path / "lib.blend"
    bpy.data.libraries.write(str(path), {obj})
    bpy.data.objects.remove(obj)
    with bpy.data.libraries.load(str(path), link=True) as (_, wanted):
        wanted.objects = ["Mouth"]
    linked = wanted.objects[0]
    bpy.context.scene.collection.objects.link(linked)
    with pytest.raises(RigError, match="linked"):
        ChartTarget.of(linked)
    activate(linked)
    assert not bpy.ops.mouthpiece.set_up_chart.poll()


def test_the_headless_command_bakes_a_chart(tmp_path):
    from addon.command import parser as command_parser

    obj = drawing()
    path = tmp_path / "chart.json"
    path.write_text(json.dumps({"chart": "rhubarb-basic", "how": "drawings", "on": 1, "shapes": {"A": 1, "D": 4}}))
    sound = scenes.murmur(tmp_path / "line.wav")
    arguments = ["bake", "--audio", str(sound), "--object", obj.name, "--target", "chart", "--quiet"]
    arguments += ["--chart", str(path)]
    assert command_parser.main(arguments) == 0
    points = scenes.values(obj, f'modifiers["{MODIFIER}"].offset')
    assert points and {value for _, value in points} <= {1, 4}
    path.write_text("[]")
    assert command_parser.main(arguments) == 1


def test_a_chart_is_dialled_and_its_take_removed():
    from addon import demo

    obj = drawing()
    chart(obj, "DRAWINGS")
    settings = bpy.context.scene.mouthpiece
    settings.source, settings.filepath = "FILE", str(Path(demo.__file__).parent / "assets" / "demo_line.flac")
    bpy.context.scene.render.fps = 24
    path = f'modifiers["{MODIFIER}"].offset'
    obj.mouthpiece.live = False
    assert bpy.ops.mouthpiece.animate() == {"FINISHED"}
    plain = scenes.values(obj, path)
    obj.mouthpiece.jaw = obj.mouthpiece.lips = 0.4
    assert bpy.ops.mouthpiece.redial() == {"FINISHED"}
    calm = scenes.values(obj, path)
    assert sum(value == 4 for _, value in calm) < sum(value == 4 for _, value in plain)  # D, wide open
    assert bpy.ops.mouthpiece.animate() == {"FINISHED"}
    assert scenes.values(obj, path) == calm
    obj.mouthpiece.jaw = obj.mouthpiece.lips = 1.0
    bpy.ops.mouthpiece.redial()
    assert scenes.values(obj, path) == plain
    assert bpy.ops.mouthpiece.remove_take() == {"FINISHED"}
    assert not scenes.values(obj, path) and obj.modifiers[MODIFIER].offset == 9


def test_keys_of_the_users_own_stay():
    from addon import demo

    obj = drawing()
    chart(obj, "DRAWINGS")
    path = f'modifiers["{MODIFIER}"].offset'
    obj.modifiers[MODIFIER].keyframe_insert("offset", frame=5)
    settings = bpy.context.scene.mouthpiece
    settings.source, settings.filepath = "FILE", str(Path(demo.__file__).parent / "assets" / "demo_line.flac")
    with pytest.raises(RuntimeError, match="Nothing was keyed"):
        bpy.ops.mouthpiece.animate()
    assert scenes.values(obj, path) == [(5.0, 9.0)]

"""Which sub-panels of the sidebar are there: only those of what plays the active object, or might."""

import bpy
import pytest

from addon import compat, panel, scene_settings
from addon.bake.panel import OfCharacter
from addon.targets.mouth_chart import panel as chart_panel
from addon.targets.picture_rig import panel as picture_panel
from addon.targets.pins import panel as pins_panel
from addon.targets.portrait import panel as portrait_panel
from addon.targets.shape_keys import panel as mapping_panel
from blender_tests import layout, portraits, scenes


def shown(context):
    """Return which of the sub-panels of meshes are there."""
    panels = {
        "names": mapping_panel.MOUTHPIECE_PT_shape_keys,
        "pins": pins_panel.MOUTHPIECE_PT_pins,
        "picture": picture_panel.MOUTHPIECE_PT_picture,
        "portrait": portrait_panel.MOUTHPIECE_PT_portrait,
    }
    return {name for name, panel in panels.items() if panel.poll(context)}


def test_a_head_with_known_names_has_its_table_only(context):
    obj = scenes.face()
    assert scene_settings.kind_of(obj) == "NAMES"
    assert shown(context) == {"names"}


def test_names_nobody_knows_offer_all(context):
    obj = scenes.face(keys=("Key 1", "Key 2", "Key 3"))
    assert scene_settings.kind_of(obj) == ""
    assert shown(context) == {"names", "pins"}


@pytest.mark.parametrize(("target", "panel"), (("SOLVED", "pins"), ("NAMES", "names")))
def test_what_is_chosen_by_hand_is_shown(context, target, panel):
    obj = scenes.face()
    obj.mouthpiece.target = target
    assert panel in shown(context)
    assert not shown(context) & ({"pins", "names"} - {panel})


def test_without_a_character_one_can_be_added_and_nothing_else_is_shown(context):
    for obj in (None, bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))):
        if obj is not None:
            context.scene.collection.objects.link(obj)
        context.view_layer.objects.active = obj
        assert shown(context) == set() and not any(map(OfCharacter.poll, [context]))
        drawn = layout.drawn("MOUTHPIECE_PT_speech", context)
        added = {"mouthpiece.add_demo", "mouthpiece.make_picture_rig", "mouthpiece.add_portrait"}
        assert added <= set(drawn.operators)
    assert "A camera cannot speak: click a character" in drawn.text


def test_a_cube_is_no_character_yet(context):
    bpy.ops.mesh.primitive_cube_add()
    assert shown(context) == set() and not OfCharacter.poll(context)
    assert "mouthpiece.add_demo" in layout.drawn("MOUTHPIECE_PT_speech", context).operators


@pytest.mark.parametrize("words", ["lip sync", "animate speech", "mouthpiece"])
def test_the_menu_search_finds_it(context, words):
    """The search looks through what menus draw."""
    found = layout.appended(bpy.types.VIEW3D_MT_object_animation, context)
    assert any(words in text.lower() for text in found.texts)
    added = layout.appended(bpy.types.VIEW3D_MT_add, context).texts
    added += layout.appended(bpy.types.VIEW3D_MT_image_add, context).texts
    assert sum("Mouthpiece" in text for text in added) == 3


def test_progress_is_seen_where_the_button_is(context):
    portraits.portrait()
    state = context.window_manager.mouthpiece
    state.running, state.doing, state.message = True, "MOUTHPIECE_OT_render_portrait", "Drawing frames"
    try:
        drawn = layout.drawn("MOUTHPIECE_PT_portrait_render", context)
        assert drawn.bars and "mouthpiece.cancel" in drawn.operators
        assert "mouthpiece.render_portrait" not in drawn.operators
        state.doing = "MOUTHPIECE_OT_animate"
        assert not layout.drawn("MOUTHPIECE_PT_portrait_render", context).bars
        assert layout.drawn("MOUTHPIECE_PT_speech", context).bars
    finally:
        state.running = False


def test_consent_is_asked_in_plain_words(context):
    portraits.portrait()
    texts = layout.drawn("MOUTHPIECE_PT_consent", context).texts
    assert texts[:3] == ["Reason", "Statement", "Your Name"]


def test_a_portrait_without_a_line_says_so_in_words(context):
    portraits.portrait()
    drawn = layout.drawn("MOUTHPIECE_PT_speech", context)
    assert "Portrait: says nothing yet" in drawn.text and "0 lines" not in drawn.text


def test_a_fresh_drawing_has_no_changed_layers(context):
    data = compat.grease_pencils().new("Drawing")
    obj = bpy.data.objects.new("Drawing", data)
    context.scene.collection.objects.link(obj)
    context.view_layer.objects.active = obj
    data.layers.new("Mouth")
    data.layers.new("Eyes")
    drawn = layout.drawn("MOUTHPIECE_PT_strokes", context)
    assert "mouthpiece.list_layers" in drawn.operators
    assert "were added or renamed" not in drawn.text
    bpy.ops.mouthpiece.list_layers()
    obj.data.layers[0].name = "Something Else"
    assert "were added or renamed" in layout.drawn("MOUTHPIECE_PT_strokes", context).text


def test_a_portrait_has_the_panels_of_portraits_only(context):
    obj = portraits.portrait()
    assert shown(context) == {"portrait"} and scene_settings.kind_of(obj) == "PORTRAIT"
    others = [getattr(panel, f"MOUTHPIECE_PT_{name}") for name in ("head", "also", "keys")]
    assert not any(panel.poll(context) for panel in (*others, chart_panel.MOUTHPIECE_PT_chart))
    assert panel.MOUTHPIECE_PT_options.poll(context)
    assert portrait_panel.MOUTHPIECE_PT_consent.poll(context)
    bpy.ops.mouthpiece.edit_landmarks()  # its landmarks stand for it
    assert shown(context) == {"portrait"}
    scenes.face()
    assert not portrait_panel.MOUTHPIECE_PT_consent.poll(context)


def test_only_amounts_a_character_has_are_shown(context):
    scenes.face(keys=("jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthSmileLeft", "mouthSmileRight"))
    drawn = layout.drawn("MOUTHPIECE_PT_dials", context).props
    assert {"lips", "jaw", "rest"} <= set(drawn) and not {"blink", "gaze", "brows", "head"} & set(drawn)
    scenes.face("Whole")
    assert {"lips", "blink", "gaze", "brows"} <= set(layout.drawn("MOUTHPIECE_PT_dials", context).props)


def test_names_nobody_knows_are_looked_through_once(context, monkeypatch):
    from mouthpiece.retarget.shape_keys import matching

    asked, detect = [], matching.detect
    monkeypatch.setattr(matching, "detect", lambda *names: asked.append(names) or detect(*names))
    obj = scenes.face(keys=("Key One", "Key Two"))
    for _ in range(3):
        assert scene_settings.kind_of(obj) == ""
    assert len(asked) == 1  # panels ask at every redraw


def test_the_guide_is_one_click_away_and_there(context):
    from pathlib import Path
    from urllib.request import url2pathname

    from addon import guide, preferences

    assert "mouthpiece.guide" in layout.drawn("MOUTHPIECE_PT_speech", context, "draw_header_preset").operators
    assert "mouthpiece.guide" in layout.drawn(preferences.MOUTHPIECE_AP_preferences, context).operators
    where = guide.address()
    assert where.startswith("https://") or Path(url2pathname(where.removeprefix("file:"))).is_file()


def test_missing_shapes_are_those_of_faces(context):
    from addon.targets.pins.panel import MOUTHPIECE_PT_missing_shapes as missing

    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.object.mode_set(mode="EDIT")
    assert not missing.poll(context)
    bpy.ops.object.mode_set(mode="OBJECT")
    portraits.portrait()
    bpy.ops.mouthpiece.edit_landmarks()
    assert not missing.poll(context)


def test_remarks_are_shown_with_the_character_they_are_about(context):
    obj = scenes.face("Ada")
    state = context.window_manager.mouthpiece
    state.remarks, state.remarks_of = "tongueOut moves nothing on 'Ada'", "Ada"
    try:
        assert "moves nothing on 'Ada'" in layout.drawn("MOUTHPIECE_PT_speech", context).text
        scenes.face("Bob")
        assert "moves nothing on 'Ada'" not in layout.drawn("MOUTHPIECE_PT_speech", context).text
        context.view_layer.objects.active = obj
        state.remarks_of = ""
        assert "moves nothing on 'Ada'" in layout.drawn("MOUTHPIECE_PT_speech", context).text
    finally:
        state.remarks = state.remarks_of = ""


def test_that_edits_will_be_replaced_is_seen_beside_the_button(context):
    scenes.face()
    assert "replace_edited" not in layout.drawn("MOUTHPIECE_PT_speech", context).props
    context.scene.mouthpiece.replace_edited = True
    assert "replace_edited" in layout.drawn("MOUTHPIECE_PT_speech", context).props
    context.scene.mouthpiece.replace_edited = False
    state = context.window_manager.mouthpiece
    state.remarks = "Nothing was keyed: jawOpen has keys of your own. Replace Edited Keys animates over them."
    try:  # the way out is beside what it is the way out of
        assert "replace_edited" in layout.drawn("MOUTHPIECE_PT_speech", context).props
        state.remarks_of = "Somebody Else"
        assert "replace_edited" not in layout.drawn("MOUTHPIECE_PT_speech", context).props
    finally:
        state.remarks = state.remarks_of = ""


def test_what_is_between_lines_has_a_heading(context):
    scenes.face()
    assert "Between Lines" in layout.drawn("MOUTHPIECE_PT_dials", context).text


def test_a_part_of_a_face_is_no_mouth_chart(context):
    from blender_tests.test_character_parts import avatar

    made = avatar()
    for name in ("eye", "face", "rig"):
        context.view_layer.objects.active = made[name]
        assert not chart_panel.MOUTHPIECE_PT_chart.poll(context), name
    bpy.ops.mesh.primitive_plane_add(location=(9, 0, 0))
    assert chart_panel.MOUTHPIECE_PT_chart.poll(context)


@pytest.mark.parametrize("also", [(), ("browInnerUp",)])
def test_a_mouth_with_keys_of_its_own_says_what_to_do(context, tmp_path, also):
    obj = scenes.face(keys=("jawOpen", "mouthClose", "mouthFunnel", *also))
    for block in obj.data.shape_keys.key_blocks[1:4]:
        block.keyframe_insert("value", frame=12)
    settings = context.scene.mouthpiece
    settings.source = "FILE"
    settings.filepath = str(scenes.write_wav(tmp_path / "line.wav", [0.0] * 16_000, 16_000))
    before = scenes.state()
    with pytest.raises(RuntimeError) as told:
        bpy.ops.mouthpiece.animate()
    assert scenes.state() == before
    said = "jawOpen, mouthClose and mouthFunnel have keys of your own, which stay. Replace Edited Keys, under Options"
    what = "The mouth of 'Face' would not move" if also else "Nothing was keyed"
    assert f"{what}: {said}, animates over them." in str(told.value)

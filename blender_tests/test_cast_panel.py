"""The panel *Cast*: which lines are listed, how they stand, what its buttons do, and what a redraw costs."""

from __future__ import annotations

from types import SimpleNamespace

import bpy
import pytest

from addon import compat
from addon.bake import fingerprints
from addon.cast import overview, panel, scene_lines
from addon.cast.settings import STANDINGS
from addon.sound import contents
from blender_tests import layout, scenes
from blender_tests.test_cast_lines import FPS, member, strip_of, turn
from blender_tests.test_line_identity import animate

CAST, LINE, MEMBERS = "MOUTHPIECE_PT_cast", "MOUTHPIECE_PT_line", "MOUTHPIECE_PT_members"


@pytest.fixture
def wav(tmp_path):
    return scenes.murmur(tmp_path / "sound.wav", 4.0)


def choose(name):
    """Make a strip the active one of the list."""
    found = [strip.name for strip in compat.all_strips(bpy.context.scene)]
    bpy.context.scene.mouthpiece_cast.active_strip = found.index(name)
    return compat.all_strips(bpy.context.scene)[found.index(name)]


def listed(speaker="ALL", standing="ALL", words=""):
    """Return the names of the strips that the list shows, in its order."""
    scene = bpy.context.scene
    scene.mouthpiece_cast.shown_speaker, scene.mouthpiece_cast.shown_standing = speaker, standing
    kind = panel.MOUTHPIECE_UL_cast_lines
    stand_in = SimpleNamespace(bitflag_filter_item=1 << 30, filter_name=words)
    stand_in._is_shown = lambda *a: kind._is_shown(stand_in, *a)
    editor = scene.sequence_editor
    shown, places = kind.filter_items(stand_in, bpy.context, editor, compat.strips_name(editor))
    names = [strip.name for strip in compat.all_strips(scene)]
    return [name for _, name, is_in in sorted(zip(places, names, shown, strict=True)) if is_in]


def standings():
    scene = bpy.context.scene
    return {name: one.key for name, one in overview.standings(scene, scene).items()}


def film(wav):
    """Make strips of every kind, not in order of time; the lines of Anna and Bert are known by their names."""
    anna, bert = member("Anna"), member("Bert")
    strip_of(wav, "Bert 2", start=400, channel=1)
    strip_of(wav, "Anna 1", start=1, channel=2)
    strip_of(wav, "Anna 3", start=600, channel=2).mute = True
    strip_of(wav, "music", start=50, channel=3).mouthpiece.is_speech = False
    strip_of(wav, "who", start=200, channel=4)
    compat.new_colour_strip(scenes.sequencer(FPS), "Anna blue", 9, 1, 50)
    return anna, bert


def test_lines_are_listed_in_order_of_time_and_told_apart(wav):
    film(wav)
    assert standings() == {"Anna 1": "NEW", "who": "UNASSIGNED", "Bert 2": "NEW", "Anna 3": "MUTED"}
    assert listed() == ["Anna 1", "music", "who", "Bert 2", "Anna 3"]
    assert listed(standing="TO_DO") == ["Anna 1", "Bert 2"]
    assert listed(standing="UNASSIGNED") == ["who"] and listed(standing="SILENT") == ["music"]
    assert listed("Anna") == ["Anna 1", "Anna 3"] and listed("Bert", "TO_DO") == ["Bert 2"]
    assert listed(words="NA 3") == ["Anna 3"]


def test_how_a_line_stands_after_the_last_run(wav):
    anna, _ = film(wav)
    strip = choose("Anna 1")
    strip.mouthpiece.failed = "The rig has no mouth."
    standing = overview.standings(bpy.context.scene, bpy.context.scene)["Anna 1"]
    assert (standing.key, standing.reason) == ("FAILED", "The rig has no mouth.")
    drawn = layout.drawn(LINE, bpy.context)
    assert "Failed: The rig has no mouth." in drawn.text
    assert listed(standing="FAILED") == ["Anna 1"]
    strip.mouthpiece.failed = ""
    assert standings()["Anna 1"] == "NEW" and anna.name in standing.speakers


def test_every_standing_has_a_name_and_an_icon(wav):
    icons = bpy.types.UILayout.bl_rna.functions["prop"].parameters["icon"].enum_items.keys()
    assert all(icon in icons and name and text for name, text, icon in STANDINGS.values())


@pytest.mark.parametrize("name", (CAST, "MOUTHPIECE_PT_cast_sequencer"))
def test_what_the_panel_offers(wav, name):
    empty = layout.drawn(name, bpy.context)
    assert empty.operators == ["mouthpiece.load_cast"] and "No sound is in the sequencer" in empty.text
    film(wav)
    drawn = layout.drawn(name, bpy.context)
    assert drawn.operators.count("mouthpiece.animate_cast") == 3
    assert {"mouthpiece.jump_to_line", "mouthpiece.load_cast", "mouthpiece.export_cast"} <= set(drawn.operators)
    assert "2 new, 1 unassigned, 1 muted" in drawn.text and "overlap" in drawn.props


def test_progress_is_shown_in_place_of_the_buttons(wav):
    film(wav)
    state = bpy.context.window_manager.mouthpiece
    state.running, state.doing, state.message = True, "MOUTHPIECE_OT_animate_cast", "Anna 1 (1 of 2): Listening"
    try:
        drawn = layout.drawn(CAST, bpy.context)
        assert drawn.bars and "mouthpiece.cancel" in drawn.operators
        assert "mouthpiece.animate_cast" not in drawn.operators
        for name in ("add_members", "remove_member", "load_cast", "split_turns"):
            assert not getattr(bpy.ops.mouthpiece, name).poll()
    finally:
        state.running = False


def test_the_active_line(wav):
    film(wav)
    choose("Anna 1")
    drawn = layout.drawn(LINE, bpy.context)
    assert {"is_speech", "style", "emotion", "channel", "seed", "to", "transcript"} <= set(drawn.props)
    assert "style_file" not in drawn.props and "begin" not in drawn.props
    choose("music")
    assert layout.drawn(LINE, bpy.context).props == ["is_speech"]
    bpy.context.scene.mouthpiece_cast.active_strip = 99
    assert not layout.drawn(LINE, bpy.context).texts


def test_the_strips_own_properties(wav):
    film(wav)
    bpy.context.scene.sequence_editor.active_strip = choose("Anna 1")
    assert "is_speech" in layout.drawn("MOUTHPIECE_PT_strip", bpy.context).props
    cls = bpy.types.MOUTHPIECE_PT_strip
    assert (cls.bl_space_type, getattr(cls, "bl_context", "")) in (("PROPERTIES", "strip"), ("SEQUENCE_EDITOR", ""))


def test_jump_to_a_line(wav):
    anna, bert = film(wav)
    strip = choose("Bert 2")
    bpy.context.view_layer.objects.active = anna
    bpy.ops.mouthpiece.jump_to_line()
    scene = bpy.context.scene
    assert scene.frame_current == 400 and scene.sequence_editor.active_strip == strip
    assert [one.name for one in compat.all_strips(scene) if one.select] == ["Bert 2"]
    assert bpy.context.view_layer.objects.active == bert
    assert [obj.name for obj in bpy.context.selected_objects] == ["Bert"]


def test_members_join_and_leave(wav):
    rig, face = scenes.armature("Rig"), scenes.face("Face")
    face.modifiers.new("Armature", "ARMATURE").object = rig
    cube = bpy.data.objects.new("Cube", bpy.data.meshes.new("Cube"))
    bpy.context.scene.collection.objects.link(cube)
    for obj in (rig, face, cube):
        obj.select_set(True)
    bpy.ops.mouthpiece.add_members()
    bpy.ops.mouthpiece.add_members()
    members = bpy.context.scene.mouthpiece_cast.members
    assert [one.object for one in members] == [face]
    bpy.ops.mouthpiece.remove_member()
    assert not len(members)
    face.select_set(False)
    rig.select_set(False)
    with pytest.raises(RuntimeError, match="No character is selected"):
        bpy.ops.mouthpiece.add_members()


def test_the_member_is_given_the_selected_strips(wav):
    _, bert = film(wav)
    bpy.context.scene.mouthpiece_cast.active_member = 1
    for strip in compat.all_strips(bpy.context.scene):
        strip.select = strip.name in ("Anna 1", "music", "Anna blue")
    bpy.ops.mouthpiece.assign_speaker()
    own = {strip.name: strip.mouthpiece for strip in compat.all_strips(bpy.context.scene)}
    assert own["Anna 1"].character == own["music"].character == bert and own["music"].is_speech
    assert own["Anna blue"].character is None and own["who"].character is None


def test_a_deleted_member_is_told_in_the_panel(wav):
    anna, _ = film(wav)
    bpy.data.scenes["Scene"].collection.objects.unlink(anna)
    assert "'Anna' was deleted" in layout.drawn(MEMBERS, bpy.context).text


def test_a_line_is_split_at_the_playhead(wav):
    anna, bert = film(wav)
    strip = choose("Anna 1")
    scene, own = bpy.context.scene, strip.mouthpiece
    scene.frame_set(300)
    with pytest.raises(RuntimeError, match="not within"):
        bpy.ops.mouthpiece.split_turns()
    for frame in (51, 26):
        scene.frame_set(frame)
        bpy.ops.mouthpiece.split_turns()
    assert [(round(one.begin, 3), round(one.end, 3)) for one in own.turns] == [(0, 1), (1, 2), (2, 0)]
    own.turns[1].character = bert
    assert overview.standings(scene, scene)["Anna 1"].speakers == ("Anna", "Bert")
    assert own.active_turn == 1 and layout.drawn(LINE, bpy.context).props.count("begin") == 1
    for _ in range(3):
        bpy.ops.mouthpiece.remove_turn(index=0)
    assert not len(own.turns) and overview.standings(scene, scene)["Anna 1"].speakers == (anna.name,)


SUBTITLES = """WEBVTT

00:01.000 --> 00:02.000
<v Anna>Where are you?

00:02.500 --> 00:03.000
<v Bert>Here.
"""


@pytest.mark.parametrize(("clock", "turns"), (("SOUND", [1, 2.5]), ("TIMELINE", [0, 0.5])))
def test_a_line_is_split_by_subtitles(wav, tmp_path, clock, turns):
    """Second 0 of the sound is at frame 50, second 2 of the timeline: the caption before that is cut."""
    film(wav)
    strip_of(wav, "talk", start=50, channel=7)
    own = choose("talk").mouthpiece
    path = tmp_path / "talk.vtt"
    path.write_text(SUBTITLES.replace("00:02.000", "00:02.400"), encoding="utf-8")
    bpy.ops.mouthpiece.split_by_subtitles(filepath=str(path), clock=clock)
    assert [round(one.begin, 3) for one in own.turns] == turns
    assert [(one.character.name, one.transcript) for one in own.turns] == [
        ("Anna", "Where are you?"),
        ("Bert", "Here."),
    ]
    path.write_text(SUBTITLES.replace("Bert", "Zoe"), encoding="utf-8")
    with pytest.raises(RuntimeError, match="no character 'Zoe'"):
        bpy.ops.mouthpiece.split_by_subtitles(filepath=str(path), clock=clock)
    assert len(own.turns) == 2


def test_own_amounts_of_a_line_and_of_a_turn(wav):
    anna, _ = film(wav)
    own = choose("Anna 1").mouthpiece
    bpy.ops.mouthpiece.add_amount(name="jaw")
    bpy.ops.mouthpiece.add_amount(name="smoothing")
    assert [(one.name, one.value) for one in own.amounts] == [("jaw", 1.0), ("smoothing", 0.0)]
    bpy.ops.mouthpiece.remove_amount(name="jaw")
    turn(compat.all_strips(bpy.context.scene)[bpy.context.scene.mouthpiece_cast.active_strip], anna, 0.0, 1.0)
    bpy.ops.mouthpiece.add_amount(name="lips")
    assert [one.name for one in own.amounts] == ["smoothing"] and own.turns[0].amounts[0].name == "lips"


def test_tables_are_loaded_and_written_by_operators(wav, tmp_path):
    film(wav)
    table = tmp_path / "cast.csv"
    table.write_text("character,audio,start,tint\nBert,sound.wav,60,red\n")
    bpy.ops.mouthpiece.load_cast(filepath=str(table))
    scene = bpy.context.scene
    assert choose("Bert_sound").mouthpiece.character.name == "Bert" and scene.frame_end >= 1599
    assert scene.mouthpiece_cast.filepath.endswith("cast.csv")
    out = tmp_path / "out.csv"
    bpy.ops.mouthpiece.export_cast(filepath=str(out))
    rows = out.read_text().splitlines()
    assert rows[0].startswith("character,strip,audio,frame") and len(rows) == 1 + 4
    table.write_text("character,audio,start\nZoe,sound.wav,60\n")
    with pytest.raises(RuntimeError, match="no character 'Zoe'"):
        bpy.ops.mouthpiece.load_cast(filepath=str(table))
    with pytest.raises(RuntimeError, match="gone"):
        bpy.ops.mouthpiece.load_cast(filepath=str(tmp_path / "gone.csv"))
    with pytest.raises(RuntimeError):
        bpy.ops.mouthpiece.export_cast(filepath=str(tmp_path / "nowhere" / "out.csv"))


def test_loading_is_one_undo_step(wav, tmp_path):
    film(wav)
    table = tmp_path / "cast.csv"
    table.write_text("character,audio,start\nBert,sound.wav,60\nAnna,sound.wav,70\n")
    bpy.ops.ed.undo_push(message="before")
    count = len(compat.all_strips(bpy.context.scene))
    bpy.ops.mouthpiece.load_cast(filepath=str(table))
    bpy.ops.ed.undo_push(message="loaded")  # in the background Blender pushes none by itself
    assert len(compat.all_strips(bpy.context.scene)) == count + 2
    bpy.ops.ed.undo()
    assert len(compat.all_strips(bpy.context.scene)) == count
    assert standings()["Anna 1"] == "NEW"


def test_the_menu_search_finds_the_cast():
    found = layout.appended(bpy.types.SEQUENCER_MT_strip, bpy.context)
    assert any("lip sync" in text.lower() for text in found.texts)
    assert {"mouthpiece.animate_cast", "mouthpiece.load_cast", "mouthpiece.export_cast"} <= set(found.operators)


def test_a_redraw_opens_no_file_and_looks_at_no_rig(wav, monkeypatch):
    """With standings known, a redraw with a hundred lines (4 ms where it was measured) computes none of them again."""
    member("Anna"), member("Bert")
    strips = scenes.sequencer(FPS)
    for number in range(100):
        strips.new_sound(f"{'Anna' if number % 2 else 'Bert'}_{number:02d}", str(wav), 1 + number % 4, 1 + 110 * number)
    known = overview.standings(bpy.context.scene, bpy.context.scene)
    assert len(known) == 100
    monkeypatch.setattr(overview, "standings", lambda *a: known)
    choose("Anna_01")

    def refuse(*_, **__):
        raise AssertionError("looked at while the panel is drawn")

    for module, name in ((scene_lines, "resolved"), (fingerprints, "rig_of"), (contents, "_of_file")):
        monkeypatch.setattr(module, name, refuse)
    listed()
    for strip in compat.all_strips(bpy.context.scene)[:12]:
        row = layout.Drawn()
        panel.MOUTHPIECE_UL_cast_lines.draw_item(SimpleNamespace(), bpy.context, row, None, strip, 0, None, "", 0, 0)
    for one in (CAST, LINE, MEMBERS):
        layout.drawn(one, bpy.context)


def test_standings_are_found_out_beside_the_work(wav, monkeypatch):
    """With a window the panel gets what is known, and a timer finds out the rest in pieces once nothing changes."""
    film(wav)
    scene = bpy.context.scene
    app = SimpleNamespace(background=False, timers=bpy.app.timers)
    stand_in = SimpleNamespace(app=app, data=bpy.data, types=bpy.types, context=bpy.context)
    monkeypatch.setattr(overview, "bpy", stand_in)
    monkeypatch.setattr(overview, "_PAUSE", 0.0)
    assert dict(overview.standings(scene, scene)) == {} and bpy.app.timers.is_registered(overview._tick)
    ticks = 0
    while overview._tick() is not None:
        ticks += 1
        assert ticks < 100
    assert {name: one.key for name, one in overview.standings(scene, scene).items()}["who"] == "UNASSIGNED"
    assert ticks >= 1
    choose("who").mouthpiece.character = bpy.data.objects["Anna"]
    overview._age()
    assert overview.standings(scene, scene)["who"].key == "UNASSIGNED"  # what was known last
    while overview._tick() is not None:
        pass
    assert overview.standings(scene, scene)["who"].key == "NEW"
    bpy.app.timers.unregister(overview._tick)
    overview._known.clear()


def test_a_line_that_was_animated_by_hand_is_listed_as_changed(wav):
    """It was not asked for by the cast, so that nothing is known about what it was made of."""
    from addon.sound import strips as sound_strips

    anna, _ = film(wav)
    strip = choose("Anna 1")
    animate(anna, sound_strips.from_strip(strip, bpy.context.scene), seconds=4.0)
    assert standings()["Anna 1"] == "CHANGED"

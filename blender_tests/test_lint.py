"""What lint measures in Blender: faces as they are seen, characters of every kind, and nothing of the file changes."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace

import bpy
import numpy as np
import pytest
from mouthpiece.lint.contacts import counted_contacts
from mouthpiece.phones.speech import Segment, Speech

from addon import scene_settings
from addon.command import parser
from addon.keys import kept_takes
from addon.lint import evaluation, faces, health
from blender_tests import layout, life, scenes

#: Kinds of samples, and how well the mouth that is seen agrees with the take at least: drawings are held, charts early.
KINDS = {
    "shape_keys": 0.98, "solved": 0.97, "visemes": 0.95, "vrm": 0.95, "picture": 0.97, "bones": 0.97,
    "grease_pencil": 0.7, "mouth_charts": 0.4,
}  # fmt: skip


@pytest.fixture(params=sorted(KINDS))
def sample(request, addon):
    """Open a baked sample."""
    from demo import samples

    if samples.load(request.param).missing:
        pytest.skip(samples.load(request.param).missing)
    life.character(request.param).open()
    return request.param


@pytest.fixture
def ada(addon):
    """Open the baked head with the names of ARKit's shapes."""
    return life.character("shape_keys").open()


def seen(**options):
    """Return the characters of the open scene as they were measured."""
    found = faces.measured(faces.characters(bpy.context.scene), bpy.context.scene, **options)
    return [item for item in found if isinstance(item, faces.MeasuredFace)]


def test_every_kind_of_character_is_measured_and_untouched_ones_have_no_faults(sample):
    (one,) = seen()
    face = one.face
    known = np.isfinite(face.expected)
    assert known.sum() > 40 and np.ptp(face.opening) > 0.05
    agrees = np.corrcoef(face.opening[known], face.expected[known])[0, 1]
    assert agrees > KINDS[sample], agrees
    assert 0 <= face.opening.min() and face.opening.max() < 0.6
    if face.lids is not None:
        assert face.lids.shape == (len(face.opening), 2) and 0 <= face.lids.min() and face.lids.max() <= 1
    told = {finding.check for finding in one.examined().findings}
    assert told <= ({"gaze"} if sample == "visemes" else set()), one.examined().findings
    assert face.parts["lips"] and ("lids" in face.parts) == (sample != "mouth_charts")


def test_nothing_of_the_file_changes(sample):
    bpy.context.scene.frame_set(3)
    obj = bpy.context.active_object
    obj.location.x = 7.0  # not keyed
    before, uids = scenes.state(), {block.session_uid for block in bpy.data.user_map()}
    frames = []
    handler = lambda *_: frames.append(1)  # noqa: E731
    bpy.app.handlers.frame_change_post.append(handler)
    seen(slice_seconds=0.0, span=(1, 6))
    bpy.app.handlers.frame_change_post.remove(handler)
    assert scenes.state() == before and bpy.context.scene.frame_current == 3 and not frames
    assert {block.session_uid for block in bpy.data.user_map()} == uids and obj.location.x == 7.0


def test_the_few_vertices_that_are_evaluated_lie_where_the_whole_mesh_has_them(ada):
    for modifier in ada.modifiers:
        modifier.show_viewport = modifier.type != "SUBSURF"
    vertices = list(range(0, len(ada.data.vertices), 97))
    with evaluation.lent_copy(ada, vertices) as (copy, index):
        assert len(copy.data.vertices) == len(vertices) < len(ada.data.vertices)
        with evaluation.evaluation([copy, ada], bpy.context.scene) as view:
            moved = []
            for frame in (1, 9, 23, 36):
                graph = view.at(frame)
                few, all_of_them = (_places(one.evaluated_get(graph)) for one in (copy, ada))
                assert np.array_equal(few[index], all_of_them[vertices])
                moved.append(few)
    assert np.ptp(moved, axis=0).max() > 1e-3


def test_a_modifier_that_needs_the_whole_mesh_gets_it(ada):
    smooth = ada.modifiers.new("Smooth", "CORRECTIVE_SMOOTH")
    with evaluation.lent_copy(ada, [5, 9]) as (copy, index):
        assert len(copy.data.vertices) == len(ada.data.vertices) and index == [5, 9]
        assert [one.type for one in copy.modifiers] == ["ARMATURE", "CORRECTIVE_SMOOTH"]
    smooth.show_viewport = False
    with evaluation.lent_copy(ada, [5, 9]) as (copy, index):
        assert len(copy.data.vertices) == 2 and index == [0, 1]


def _places(obj):
    found = np.zeros(3 * len(obj.data.vertices), np.float32)
    obj.data.vertices.foreach_get("co", found)
    return found.reshape(-1, 3)


def test_who_is_disabled_in_viewports_is_seen_all_the_same(ada):
    before = seen()[0].face.opening
    ada.hide_viewport = True
    assert np.ptp(before) > 0.05 and np.allclose(seen()[0].face.opening, before)


def test_in_slices_the_same_is_seen_and_nothing_is_lent_between_them(ada):
    whole, count = seen()[0].face, len(bpy.data.objects)
    steps = []
    for item in faces.measured([ada], bpy.context.scene, slice_seconds=0.02):
        assert len(bpy.data.objects) == count and len(bpy.data.scenes) == 1
        steps.append(item)
    face = steps[-1].face
    assert len(steps) > 3 and np.array_equal(face.opening, whole.opening) and np.array_equal(face.head, whole.head)


def test_who_stops_leaves_nothing_behind(ada):
    before = scenes.state()
    steps = faces.measured([ada], bpy.context.scene, slice_seconds=0.0)
    next(steps)
    steps.close()
    assert scenes.state() == before


def test_frames_are_those_of_the_timeline_where_time_is_stretched(ada):
    plain = seen()[0]
    for block in ada.data.shape_keys.key_blocks:
        block.mute = block.name == "jawOpen"
    bpy.context.scene.render.frame_map_new = 200
    stretched = seen(span=(2, 200))[0]
    assert stretched.pace == 0.5 and stretched.face.fps == plain.face.fps / 2
    (dead,) = [one for one in stretched.examined().findings if one.check == "dead"]
    assert (dead.first, dead.last) == (2, 200) and "jawOpen (the shape key is muted)" in dead.sentence


def test_frames_before_0_are_looked_at_where_blender_shows_them(ada):
    lines, scene = faces.dialled_lines(ada), bpy.context.scene
    assert not bpy.context.preferences.edit.use_negative_frames
    assert faces.frames_of(lines, scene, (-20, 5))[0] == 0
    bpy.context.preferences.edit.use_negative_frames = True
    try:
        (one,) = seen(span=(-20, 5))
        assert one.face.start == -20 and len(one.face.opening) == 26
    finally:
        bpy.context.preferences.edit.use_negative_frames = False


def test_only_objects_with_lines_are_characters(ada):
    scenes.face("Mute")
    assert faces.characters(bpy.context.scene) == [ada]


def test_a_mesh_that_a_modifier_remakes_is_told_and_not_judged(ada):
    ada.modifiers.new("Remesh", "REMESH").voxel_size = 0.2
    (one,) = seen(span=(1, 3))
    assert one.face.opening is None and any("remade by its modifiers" in remark for remark in one.remarks)


# --- command


def lint(*arguments):
    """Run the command in the open scene and return the exit code."""
    return parser.main(["lint", *arguments])


def test_the_command_tells_as_text_json_and_junit(ada, tmp_path, capsys):
    assert lint("--format", "json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] and told["results"][0]["characters"][0]["character"] == ada.name
    assert {"sync", "weak", "lids"} <= {one["check"] for one in told["results"][0]["characters"][0]["measures"]}
    ada.data.shape_keys.key_blocks["jawOpen"].mute = True
    assert lint("--object", ada.name, "--frames", "1-60") == 1
    out = capsys.readouterr().out
    assert "jawOpen" in out and "frames 1 to 60" in out and "Unmute" in out
    place = tmp_path / "lint.xml"
    assert lint("--format", "junit", "-o", str(place)) == 1
    root = ET.parse(place).getroot()
    assert int(root.get("failures")) >= 1 and any("dead" in case.get("name") for case in root.iter("testcase"))
    assert lint("--format", "github") == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith("::warning file=")


def test_limits_decide(ada, tmp_path, capsys):
    limits = tmp_path / "limits.toml"
    ada.data.shape_keys.key_blocks["jawOpen"].mute = True
    limits.write_text(f'dead = 3\n[characters."{ada.name}"]\nweak = false\nfollows = false\n')
    assert lint("--limits", str(limits)) == 0
    limits.write_text("daed = 3\n")
    assert lint("--limits", str(limits)) == 2
    assert "dead" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--object", "Nobody"), "Nobody"),
        (("--object", "Camera"), "has no line"),
        (("--audio", "line.wav"), "--audio"),
        (("-o", "{blend}"), "lint"),
        (("-o", "{folder}"), "folder"),
        (("take.npz", "--object", "Ada"), "--object"),
    ],
)
def test_bad_arguments_end_with_2(ada, tmp_path, capsys, arguments, word):
    places = {"blend": bpy.data.filepath, "folder": str(tmp_path)}
    assert lint(*(argument.format(**places) for argument in arguments)) == 2
    assert word in capsys.readouterr().err or word == "lint"


@pytest.mark.parametrize("text", ["", "x", "9-1", "1-2-x"])
def test_bad_ranges_of_frames(ada, text, capsys):
    assert lint("--frames", text) == 2


def test_a_scene_without_lines(addon, capsys):
    assert lint() == 2
    assert "has a line" in capsys.readouterr().err


# --- health


def test_health_is_kept_after_a_bake_and_says_when_it_is_old(addon, context):
    name = life.character("shape_keys").name
    life.character("shape_keys").open()
    obj = bpy.data.objects[name]
    known = health.read(obj)
    assert known is not None and not known.troubles and not known.whole and known.number == health.number_of(obj)
    text = layout.drawn("MOUTHPIECE_PT_health", context).text
    assert "nothing wrong" in text and "changed since" not in text
    context.scene.render.fps = 30
    assert "changed since" in layout.drawn("MOUTHPIECE_PT_health", context).text


def test_check_looks_at_everything_and_jump_goes_there(ada, context):
    ada.data.shape_keys.key_blocks["jawOpen"].mute = True
    assert bpy.ops.mouthpiece.check() == {"FINISHED"}
    known = health.read(ada)
    assert known.whole and known.troubles and "jawOpen" in known.troubles[0].sentence
    drawn = layout.drawn("MOUTHPIECE_PT_health", context)
    assert "mouthpiece.jump" in drawn.operators and "mouthpiece.check" in drawn.operators
    assert "jawOpen" in drawn.text
    assert bpy.ops.mouthpiece.jump(frame=17) == {"FINISHED"} and context.scene.frame_current == 17


def test_a_damaged_report_is_no_report(ada, context):
    for text in ("{", "[]", '{"findings": 3}', '{"findings": [{"frame": "x"}], "first": 1, "last": 2, "number": "1"}'):
        ada.mouthpiece_health.report = text
        assert health.read(ada) is None
    assert "Not checked yet" in layout.drawn("MOUTHPIECE_PT_health", context).text


def test_who_has_no_line_cannot_be_checked(addon, context):
    scenes.face()
    assert scene_settings.character(context) is not None
    assert not bpy.ops.mouthpiece.check.poll()
    assert not layout.drawn("MOUTHPIECE_PT_health", context).texts


def test_lips_are_judged_by_the_phones_of_the_take_on_the_mesh_that_is_seen(ada, monkeypatch):
    line = faces.dialled_lines(ada)[0]
    take = kept_takes.motion(line)
    sounds = ("m", "f", "b", "v", "p", "f", "m", "v", "b", "f", "p", "v")
    middles = np.linspace(0.2, take.seconds - 0.2, len(sounds))
    said = tuple(Segment(label, at - 0.03, at + 0.03, 1.0) for label, at in zip(sounds, middles, strict=True))
    monkeypatch.setattr(kept_takes, "motion", lambda _: replace(take, speech=Speech(phones=said)))
    (one,) = seen()
    face, fps, grid = one.face, one.face.fps, line.frames()
    assert [phone.label for phone in face.phones] == list(sounds)
    rows = [grid.origin + (at - grid.offset + line.begin) * fps - face.start for at in middles]
    assert np.allclose([phone.row for phone in face.phones], rows, atol=0.51)
    assert face.red.shape == face.opening.shape and 0.02 < np.median(face.red) < 0.2
    counts = counted_contacts(one.examined().measures)
    assert {check: sum(row.values()) for check, row in counts.items()} == {"bilabials": 6, "labiodentals": 6}
    for name in ("jawOpen", "mouthClose"):  # a jaw that hangs open all the time misses every contact
        block = ada.data.shape_keys.key_blocks[name]
        block.driver_add("value").driver.expression = "0.9" if name == "jawOpen" else "0"
    (open_face,) = seen()
    counts = counted_contacts(open_face.examined().measures)
    assert counts["bilabials"] == {"met": 0, "missed": 6} and counts["labiodentals"]["missed"] == 6
    told = [finding for finding in open_face.examined().findings if finding.check == "bilabials"]
    assert len(told) == 6 and abs(told[0].first - (grid.origin + 0.2 * fps)) < 5


def test_contacts_are_kept_with_a_check(ada, context, monkeypatch):
    take = kept_takes.motion(faces.dialled_lines(ada)[0])
    said = tuple(Segment("m", at, at + 0.06, 1.0) for at in (0.2, 0.4, 0.6, 0.8))
    monkeypatch.setattr(kept_takes, "motion", lambda _: replace(take, speech=Speech(phones=said)))
    (one,) = seen()
    health.keep(ada, one, one.examined(), whole=True)
    known = health.read(ada)
    assert known.contacts.startswith("m b p: ") and known.contacts.endswith(" missed")
    assert f"Lips: {known.contacts}" in layout.drawn("MOUTHPIECE_PT_health", context).text
    old = json.loads(ada.mouthpiece_health.report)
    del old["contacts"]  # as 0.4.0 kept it
    ada.mouthpiece_health.report = json.dumps(old)
    assert health.read(ada).contacts == ""


def test_contacts_of_a_line_are_those_of_its_take_as_it_plays(ada, monkeypatch):
    line = faces.dialled_lines(ada)[0]
    take = kept_takes.motion(line)
    said = tuple(Segment("m", at, at + 0.06, 1.0) for at in (0.2, 0.4, 0.6, 0.8))
    monkeypatch.setattr(kept_takes, "motion", lambda _: replace(take, speech=Speech(phones=said)))
    counts = faces.contacts_kept(ada, line.sound)
    assert sum(counts["bilabials"].values()) == 4 and "labiodentals" not in counts
    assert faces.contacts_kept(ada, "strip:Scene/gone") == {}
    monkeypatch.setattr(kept_takes, "motion", lambda _: replace(take, speech=Speech()))
    assert faces.contacts_kept(ada, line.sound) == {}

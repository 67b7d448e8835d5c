"""What Mouthpiece notes in custom properties, spoilt by other programs: told, never lost, and nothing else breaks."""

from __future__ import annotations

import copy
import json
import random

import bpy
import pytest
from mouthpiece.errors import MouthpieceError, RigError, TakeError

from addon import compat
from addon.bake import redial, removal
from addon.bake import settings as bake_settings
from addon.keys import kept_takes, ledgers, notes
from addon.targets.grease_pencil import handles, planes
from addon.targets.grease_pencil import ledgers as drawing_ledgers
from addon.targets.grease_pencil import settings as drawing_settings
from addon.targets.pins import pins
from addon.targets.portrait import lines as portrait_lines
from blender_tests import layout, portraits, scenes, test_drawn_face

#: Values that no note of ours is.
JUNK = (
    5, 1.5, True, [1, 2], {"slots": 1}, b"\xff\x00", "", "[", "[]", "null", "NaN", "[" * 5000, '{"slots": {"1": 5}}',
    '{"slots": []}', '{"slots": {}, "lines": 3}', '{"slots": {}, "lines": {"a": [1]}}', "9" * 5000, '{"a": "\\ud800"}',
)  # fmt: skip
#: Values put in the place of each value of a note.
VALUES = (None, True, -1, 1e300, 10**12, "", "x", [], [[]], {}, {"a": []})


def shown(context):
    """Run what Blender runs at every redraw: polls, and what panels draw; return all texts."""
    texts = []
    for name in dir(bpy.types):
        cls = getattr(bpy.types, name)
        if name.startswith("MOUTHPIECE_PT_"):
            texts.append(layout.drawn(cls, context).text)
        elif name.startswith("MOUTHPIECE_OT_") and hasattr(cls, "poll"):
            cls.poll(context)
    return " ".join(texts)


def tried(context, obj):
    """Use what reads notes: each may be refused in words, and nothing else."""
    shown(context)
    for use in (
        lambda: redial.redial(obj, bake_settings.dials_of(obj.mouthpiece)),
        lambda: [kept_takes.motion(line).final() for line in redial.dialled_lines(obj)],
        lambda: [line.frames() for line in redial.dialled_lines(obj)],
        lambda: removal.carries(obj),
    ):
        try:
            use()
        except MouthpieceError as error:
            assert str(error).endswith((".", "…"))


@pytest.fixture
def context():
    return bpy.context


@pytest.fixture
def speaker(tmp_path):
    """Make a character with a head that has spoken a short take."""
    obj = scenes.face()
    obj.mouthpiece.live = False
    settings = bpy.context.scene.mouthpiece
    settings.head, settings.armature, settings.bone = "BONE", scenes.armature(), "head"
    portraits.speak(portraits.take(tmp_path / "line.npz"))
    return obj


@pytest.fixture
def drawn():
    """Make a drawn face that has spoken a short line."""
    data = compat.grease_pencils().new("Drawing")
    obj = bpy.data.objects.new("Drawing", data)
    bpy.context.scene.collection.objects.link(obj)
    test_drawn_face.fill(data.layers.new("Face").frames.new(1).drawing, test_drawn_face.strokes())
    handles.make(obj, test_drawn_face.face_points(), planes.front())
    drawing_settings.list_layers(obj)
    bpy.context.view_layer.objects.active = obj
    obj.select_set(True)
    test_drawn_face.bake(obj)
    return obj


def places(value, path=()):
    """Yield the place of each value in a document, but only the first two of many."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items)[:2] if len(path) not in (1, 3, 4) else list(items):
        yield from places(item, (*path, key))


def changed(document, path, value):
    """Return a document with another value in one place."""
    if not path:
        return value
    whole = copy.deepcopy(document)
    inner = whole
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return whole


def changes(document, most, seed=1):
    """Yield documents each with one value replaced: ``most`` of them, chosen by a seed."""
    every = [(path, value) for path in places(document) for value in VALUES]
    for path, value in random.Random(seed).sample(every, min(most, len(every))):
        yield changed(document, path, value)


@pytest.mark.parametrize("junk", JUNK, ids=lambda value: str(value)[:24])
def test_a_ledger_that_cannot_be_read_is_told_and_stays(speaker, context, junk, tmp_path):
    action = speaker.data.shape_keys.animation_data.action
    takes = [key for key in action.keys() if key.startswith(ledgers.TAKE_PREFIX)]
    action[ledgers.PROPERTY] = junk
    spoilt = notes.value_of(action, ledgers.PROPERTY)
    assert "cannot be read" in shown(context)
    with pytest.raises(RigError, match="cannot be read"):
        redial.redial(speaker, bake_settings.dials_of(speaker.mouthpiece))
    with pytest.raises(RuntimeError, match="cannot be read"):
        portraits.speak(tmp_path / "line.npz")
    assert notes.value_of(action, ledgers.PROPERTY) == spoilt
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    action = bpy.data.shape_keys[0].animation_data.action
    # over one's own keys on purpose: the line is noted anew, and what could not be read is still there
    bpy.context.scene.mouthpiece.replace_edited = True
    portraits.speak(tmp_path / "line.npz")
    kept = [notes.value_of(action, key) for key in action.keys() if key.startswith(notes.ASIDE_PREFIX)]
    assert kept == [spoilt] and not ledgers.objection(action)
    assert set(takes) <= set(action.keys())


def test_a_spoilt_slot_does_not_cost_the_lines_of_others_their_takes(speaker, context, tmp_path):
    action = speaker.data.shape_keys.animation_data.action
    stored = json.loads(action[ledgers.PROPERTY])
    slot = str(speaker.data.shape_keys.animation_data.action_slot.handle)
    number = next(number for number, (home, _) in stored["lines"].items() if home == slot)
    stored["lines"]["other"] = [slot, {**stored["lines"][number][1], "sound": "another", "content": "cd" * 32}]
    stored["slots"][slot]["takes"] = 3
    action[ledgers.PROPERTY] = json.dumps(stored)
    action[ledgers.TAKE_PREFIX + "other"] = b"a take"
    bpy.context.scene.mouthpiece.replace_edited = True
    portraits.speak(tmp_path / "line.npz")
    assert action[ledgers.TAKE_PREFIX + "other"] == b"a take"
    (aside,) = (action[key] for key in action.keys() if key.startswith(notes.ASIDE_PREFIX))
    assert json.loads(aside) == stored


def test_undoing_a_failed_bake_restores_notes_of_any_kind(speaker):
    action = speaker.data.shape_keys.animation_data.action
    for value in ([1, 2], {"a": {"b": 1}}, b"\x01\x00\x02", "text", 3):
        action[ledgers.PROPERTY] = value
        before = ledgers.snapshot(action)
        ledgers.restore(action, before)
        assert ledgers.snapshot(action) == before


def test_any_value_of_a_ledger_may_be_wrong(speaker, context):
    action = speaker.data.shape_keys.animation_data.action
    before = ledgers.snapshot(action)
    document = json.loads(before[ledgers.PROPERTY])
    for spoilt in changes(document, 60):
        action[ledgers.PROPERTY] = json.dumps(spoilt)
        tried(context, speaker)
        ledgers.restore(action, before)
    assert redial.dialled_lines(speaker)


@pytest.mark.parametrize("junk", [5, "text", [1, 2], b"", b"PK\x05\x06" + bytes(18), b"\xff" * 100])
def test_a_kept_take_may_be_anything(speaker, context, junk):
    action = speaker.data.shape_keys.animation_data.action
    (line,) = redial.dialled_lines(speaker)
    for key in [key for key in action.keys() if key.startswith(ledgers.TAKE_PREFIX)]:
        notes.put(action, key, junk)
    tried(context, speaker)
    with pytest.raises(TakeError, match="Animate the sound again"):
        kept_takes.motion(line)


@pytest.mark.parametrize("junk", [value for value in JUNK[::2] if value != "[]"], ids=lambda value: str(value)[:24])
def test_the_lines_of_a_portrait_may_be_anything(context, junk, tmp_path):
    obj = portraits.portrait()
    portraits.speak(portraits.take(tmp_path / "line.npz"))
    obj.data[portrait_lines.PROPERTY] = junk
    spoilt = notes.value_of(obj.data, portrait_lines.PROPERTY)
    assert "cannot be read" in shown(context)
    with pytest.raises(RuntimeError, match="cannot be read"):
        bpy.ops.mouthpiece.remove_take()
    assert notes.value_of(obj.data, portrait_lines.PROPERTY) == spoilt
    tried(context, obj)
    portraits.speak(tmp_path / "line.npz")
    assert len(portrait_lines.order(obj.data)) == 1
    assert spoilt in [notes.value_of(obj.data, key) for key in obj.data.keys() if key.startswith(notes.ASIDE_PREFIX)]


@pytest.mark.parametrize("junk", JUNK, ids=lambda value: str(value)[:24])
def test_the_ledger_of_a_drawing_may_be_anything(drawn, context, junk):
    obj = drawn
    obj.data[drawing_ledgers.PROPERTY] = junk
    spoilt = notes.value_of(obj.data, drawing_ledgers.PROPERTY)
    tried(context, obj)
    for use in (lambda: test_drawn_face.bake(obj), lambda: removal.remove([obj.data])):
        with pytest.raises(RigError, match="cannot be read"):
            use()
    assert notes.value_of(obj.data, drawing_ledgers.PROPERTY) == spoilt


def test_any_value_of_a_drawings_ledger_may_be_wrong(drawn, context):
    obj = drawn
    before = obj.data[drawing_ledgers.PROPERTY]
    for spoilt in changes(json.loads(before), 30):
        obj.data[drawing_ledgers.PROPERTY] = json.dumps(spoilt)
        tried(context, obj)
    obj.data[drawing_ledgers.PROPERTY] = before


@pytest.mark.parametrize("points", ["", "[", "5", "{}", '{"format": 1}', "[" * 5000, '{"format": 1, "size": [0, 0]}'])
def test_the_landmarks_of_a_portrait_may_be_anything(context, points, tmp_path):
    obj = portraits.portrait()
    portraits.speak(portraits.take(tmp_path / "line.npz"))
    obj.mouthpiece_picture.points = points
    tried(context, obj)


@pytest.mark.parametrize("count", [0, 1, 5, 67, 69, 200])
def test_pins_of_any_number_and_place_are_looked_at(context, count):
    obj = scenes.face(keys=("one", "two"))
    for number in range(count):
        pin = obj.mouthpiece_pins.points.add()
        pin.vertex, pin.place = (number * 7 % 11) - 4, (float("nan"), float("inf"), number)
    found = pins.pins_of(obj)
    assert len(found.vertices) == pins.COUNT
    tried(context, obj)
    pins.set_pins(obj, {0: 1})
    assert len(obj.mouthpiece_pins.points) == pins.COUNT and pins.pins_of(obj).vertices[0] == 1


@pytest.mark.parametrize(
    "definition", ["", "[", "5", "[]", "{}", "[" * 5000, '{"shapes": [{"name": 1, "visemes": 1}]}']
)
def test_the_chart_kept_with_an_object_may_be_anything(context, definition):
    obj = scenes.face(keys=("A", "B"))
    obj.mouthpiece.target = "CHART"
    obj.mouthpiece_chart.chart = "CUSTOM"
    obj.mouthpiece_chart.definition = definition
    tried(context, obj)


def pin_files():
    """Yield files of pins, each with one value that is wrong."""
    good = {"format": 1, "vertices": [0] * 68, "places": [[0, 0, 0]] * 68, "count": 3}
    yield from changes(good, 200)


def test_files_of_pins_with_any_value_are_read_or_refused_in_words(tmp_path):
    obj = scenes.face()
    path = tmp_path / "pins.json"
    refused = 0
    for document in pin_files():
        path.write_text(json.dumps(document))
        try:
            pins.read_file(obj, path)
        except RigError as error:
            refused += 1
            assert str(path.name) in str(error) or "vertices" in str(error)
    assert refused > 20

"""Files that released versions made open as they were saved, play, are dialled, go on, and come off without a trace.

The files and how they were made: ``blender_tests/released/README.md``. Only Blender's own API, operators, properties
and commands are used here, as users and their scripts have them; the command is reached in :func:`command` alone.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest

from blender_tests import portraits, scenes
from blender_tests.released import extension, seen

RELEASED = Path(__file__).resolve().parent / "released"
VERSIONS = sorted(path.name for path in RELEASED.iterdir() if re.fullmatch(r"\d+\.\d+\.\d+", path.name))
#: Who performs in each file, and the dials that are turned: such as change what each of them shows.
PERFORMERS = [
    ("shape_keys.blend", "Face", {"jaw": 0.3, "lips": 0.4}),
    ("shape_keys.blend", "Pinned", {"jaw": 0.3, "lips": 0.4}),
    ("layers.blend", "Face", {"jaw": 0.3, "lips": 0.4}),
    ("layers.blend", "Bones", {"jaw": 0.3, "lips": 0.4}),
    ("drawn_face.blend", "Drawing", {"jaw": 0.3, "lips": 0.4}),
    ("mouth_chart.blend", "Puppet", {"offset": 0.2}),
    ("picture_rig.blend", "Puppet", {"jaw": 0.3, "lips": 0.4}),
]
KEYED = [*dict.fromkeys(blend for blend, _, _ in PERFORMERS)]
BLENDS = [*KEYED, "portrait.blend"]
#: The channel that was edited by hand in the first of two lines, and the last frame of that line.
EDITED, FIRST_ENDS = 'Key Key.001|key_blocks["mouthPucker"].value|0', 40
#: How far values may be off: single floats, points of drawings that were recorded with four digits, and what is made
#: anew of a take, which is kept with half the digits.
CLOSE, DRAWN, ANEW = 2e-5, 2e-4, 1e-3
#: Correlation of what is heard anew with what the networks of the release heard, which were others.
ALIKE = 0.7
PRESETS = "shape_key_mappings"


@pytest.fixture(params=VERSIONS)
def folder(request, tmp_path, monkeypatch):
    """A copy of what a version made, the settings of whose user are in force."""
    place = tmp_path / request.param
    shutil.copytree(RELEASED / request.param, place)
    monkeypatch.setenv("MOUTHPIECE_SETTINGS", str(place / "settings"))
    return place


def facts_of(folder: Path, name: str) -> dict[str, Any]:
    return json.loads((folder / "facts.json").read_text(encoding="utf-8"))[name]


def open_in(folder: Path, blend: str, name: str = "", rest: float = 0.0) -> dict[str, Any]:
    """Open a file, make an object active, and return what was recorded of the file when it was made.

    Version 0.4.0 knew no rest around lines: without it, keys are those of the lines alone, as then.
    """
    bpy.ops.wm.open_mainfile(filepath=str(folder / blend))
    if name:
        settings = choose(bpy.data.objects[name]).mouthpiece
        live, settings.live = settings.live, False
        settings.rest, settings.live = rest, live
    return facts_of(folder, blend)


def choose(obj: Any) -> Any:
    for other in bpy.context.selected_objects:
        other.select_set(False)
    obj.select_set(True)
    bpy.context.view_layer.objects.active = obj
    return obj


def turn(obj: Any, **amounts: float) -> dict[str, float]:
    """Turn dials without anything following at once, press *Update Lines*, and return what they were before."""
    before = {name: getattr(obj.mouthpiece, name) for name in amounts}
    obj.mouthpiece.live = False
    for name, value in amounts.items():
        setattr(obj.mouthpiece, name, value)
    assert bpy.ops.mouthpiece.redial() == {"FINISHED"}
    return before


def drawings() -> dict[str, Any]:
    return {obj.name: seen.drawings(obj) for obj in bpy.data.objects if obj.type == "GREASEPENCIL"}


def off(facts: dict[str, Any]) -> float:
    """Return how far what plays, or is drawn, is from what was recorded."""
    plays = seen.apart(seen.played(facts["frames"], list(facts["plays"])), facts["plays"])
    return max(plays, seen.apart(drawings(), facts["drawings"]))


def edited() -> list[list[float]]:
    """Return the keys of the line that was edited, on the channel that was."""
    return [key for key in seen.keys()[EDITED] if key[0] <= FIRST_ENDS]


def near(obj: Any) -> float:
    """Return how near keys made anew are to what they were: reduced ones may lie elsewhere on the same curve."""
    return max(ANEW, 2.5 * error_of(obj))


def error_of(obj: Any) -> float:
    """Return the largest error of the keys of an object's lines; 0 if they have a key on every frame."""
    from addon.bake import redial

    return max(line.error for line in redial.dialled_lines(obj))


def command(*arguments: object) -> int:
    """Run the command of the add-on, as ``blender -c mouthpiece`` does, and return its exit code."""
    from addon.command import parser as module

    return int(module.main([str(argument) for argument in arguments]))


def outside(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run ``python -m mouthpiece`` of this checkout."""
    paths = [str(RELEASED.parent.parent / "core"), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [sys.executable, "-m", "mouthpiece", *map(str, arguments)],
        capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )  # fmt: skip


def lacking(kept: Any, now: Any, where: str = "") -> list[str]:
    """Return what of saved settings is not as it was; settings that are new are no matter.

    Blender does not save what was never changed: new defaults are found in old files too, such as few keys.
    """
    if where.endswith(".mouthpiece.reduce") and kept == 0.0 and now == pytest.approx(0.01):
        return []
    if isinstance(kept, dict) and isinstance(now, dict):
        found = [f"{where}.{name} is gone" for name in kept.keys() - now.keys()]
        return found + [
            line for name in kept.keys() & now.keys() for line in lacking(kept[name], now[name], f"{where}.{name}")
        ]
    if isinstance(kept, list) and isinstance(now, list) and len(kept) == len(now):
        return [
            line for at, (a, b) in enumerate(zip(kept, now, strict=True)) for line in lacking(a, b, f"{where}[{at}]")
        ]
    return [] if seen.apart(kept, now) < CLOSE else [f"{where} is {now!r}, was {kept!r}"]


# --- opened


@pytest.mark.parametrize("blend", BLENDS)
def test_every_setting_is_as_it_was_saved(folder, blend):
    facts = open_in(folder, blend)
    assert lacking(facts["settings"], seen.settings()) == []


@pytest.mark.parametrize("blend", BLENDS)
def test_it_plays_as_it_did(folder, blend):
    facts = open_in(folder, blend)
    assert off(facts) < (DRAWN if facts["drawings"] else CLOSE)
    assert {channel: len(rows) for channel, rows in seen.keys().items()} == facts["keys"]
    assert seen.tracks() == facts["tracks"]
    if blend != "portrait.blend":  # which is rendered, not keyed
        moving = [np.ptp(values) for values in facts["plays"].values()]
        assert max(moving, default=0.0) > 0.1 or len(facts["drawings"]["Drawing"]["Face"]) > 5


# --- dialled, animated again, taken off


@pytest.mark.parametrize(("blend", "name", "amounts"), PERFORMERS)
def test_its_lines_are_dialled_and_back(folder, blend, name, amounts):
    facts = open_in(folder, blend, name)
    obj = bpy.data.objects[name]
    before = turn(obj, **amounts)
    assert off(facts) > 0.02
    turn(obj, **before)
    assert off(facts) < near(obj)


def test_an_update_brings_rest_around_its_lines_and_leaves_them(folder):
    facts = open_in(folder, "shape_keys.blend", "Face", rest=1.0)
    before = seen.keys()
    turn(bpy.data.objects["Face"])
    now = seen.keys()
    for channel in (name for name in before if name.endswith(('"jawOpen"].value|0', "rotation_quaternion|0"))):
        rows = {frame: value for frame, value in now[channel]}
        assert min(rows) < before[channel][0][0] and max(rows) > before[channel][-1][0]
        assert max(abs(rows[frame] - value) for frame, value in before[channel]) < 1e-4
    assert len(now) == len(facts["keys"])


def test_dials_leave_what_was_edited_by_hand(folder):
    open_in(folder, "shape_keys.blend", "Face")
    by_hand, all_keys = edited(), seen.keys()
    turn(bpy.data.objects["Face"], jaw=0.3, lips=0.4)
    dialled = seen.keys()
    assert len(by_hand) == 30 and edited() == by_hand
    assert seen.apart(dialled[EDITED], all_keys[EDITED]) > 0.01  # the other line was not edited
    jaw = EDITED.replace("mouthPucker", "jawOpen")
    assert seen.apart(dialled[jaw][:30], all_keys[jaw][:30]) > 0.02


def test_live_dials_follow_at_once(folder):
    facts = open_in(folder, "shape_keys.blend", "Face")
    obj = bpy.data.objects["Face"]
    assert obj.mouthpiece.live
    obj.mouthpiece.jaw = 0.1
    assert off(facts) > 0.02
    obj.mouthpiece.jaw = 1.2
    assert off(facts) < ANEW


@pytest.mark.parametrize("blend", KEYED)
def test_taking_it_off_leaves_what_was_there_before(folder, blend):
    facts = open_in(folder, blend)
    before, kept = facts["before"], seen.keys().get(EDITED)
    for name in [name for file, name, _ in PERFORMERS if file == blend]:
        choose(bpy.data.objects[name])
        assert bpy.ops.mouthpiece.remove_take() == {"FINISHED"}
        assert not bpy.ops.mouthpiece.remove_take.poll()
    found = seen.keys()
    assert found.pop(EDITED, None) == kept  # a channel that was edited by hand is the user's
    assert seen.apart(found, before["keys"]) < CLOSE
    rest = {channel: [value] for channel, value in before["plays"].items() if kept is None or channel != EDITED}
    assert seen.apart(seen.played(facts["frames"][:1], list(rest)), rest) < CLOSE
    assert seen.apart(drawings(), before["drawings"]) < DRAWN
    assert seen.tracks() == {}


@pytest.mark.parametrize(("blend", "name"), [case[:2] for case in PERFORMERS if case[1] != "Bones"])
def test_animated_again_the_take_is_replaced(folder, blend, name):
    facts = open_in(folder, blend, name)
    turn(bpy.data.objects[name])  # no rest around its other line either
    settings = bpy.context.scene.mouthpiece
    settings.source, settings.filepath = "FILE", str(folder / "second.npz")
    settings.start, settings.head = (11, "NONE") if name == "Pinned" else (61, settings.head)
    bpy.data.objects[name].mouthpiece.reduce = error_of(bpy.data.objects[name])
    assert bpy.ops.mouthpiece.animate() == {"FINISHED"}
    counts = {channel: len(rows) for channel, rows in seen.keys().items()}
    assert counts.keys() == facts["keys"].keys()
    assert sum(counts.values()) == pytest.approx(sum(facts["keys"].values()), rel=0.02)
    assert off(facts) < near(bpy.data.objects[name])


@pytest.mark.parametrize(
    ("blend", "name", "blocks"),
    [
        ("shape_keys.blend", "Face", ("Key Key.001|", "Key Key|", "Object Rig|")),
        ("layers.blend", "Bones", ("Object Bones|",)),
    ],
)
def test_a_line_is_heard_again_where_its_strip_was_moved_to(folder, blend, name, blocks):
    facts = open_in(folder, blend, name)
    turn(bpy.data.objects[name])
    settings, before = bpy.context.scene.mouthpiece, seen.keys()
    settings.source, settings.strip = "STRIP", "Line"
    bpy.data.objects[name].mouthpiece.reduce = error_of(bpy.data.objects[name])
    portraits.strips()["Line"].frame_start += 3
    assert bpy.ops.mouthpiece.animate() == {"FINISHED"}
    now = seen.keys()
    assert now.keys() == before.keys()
    spoken = [channel for channel, rows in before.items() if rows[0][0] == 11]  # others have keys of the user's alone
    own = [channel for channel in spoken if channel.startswith(blocks) and channel != EDITED]
    for channel in own:
        moved = [frame + 3 if 11 <= frame <= FIRST_ENDS else frame for frame, _ in before[channel]]
        assert [frame for frame, _ in now[channel]] == moved
    assert all(now[channel] == before[channel] for channel in before.keys() - set(own))
    inside = [at for at, frame in enumerate(facts["frames"]) if 11 <= frame <= FIRST_ENDS]
    then = {channel: [facts["plays"][channel][at] for at in inside] for channel in own}
    heard = seen.played([facts["frames"][at] + 3 for at in inside], own)
    least = 0.3 * max(np.std(then[channel]) for channel in own)
    moving = [channel for channel in own if np.std(heard[channel]) > least and np.std(then[channel]) > least]
    alike = [np.corrcoef(heard[channel], then[channel])[0, 1] for channel in moving]
    assert alike and min(alike) > ALIKE


# --- layers


def test_layers_become_one_action_with_the_edit_in_it(folder):
    facts = open_in(folder, "layers.blend", "Face")
    key = bpy.data.objects["Face"].data.shape_keys
    for track in key.animation_data.nla_tracks:
        track.mute = False
    channels = [channel for channel in facts["plays"] if channel.startswith("Key ")]
    turn(bpy.data.objects["Face"])
    layered = seen.played(facts["frames"], channels)
    assert bpy.ops.mouthpiece.merge_layers() == {"FINISHED"}
    assert not key.animation_data.nla_tracks and key.animation_data.action is not None
    assert seen.apart(seen.played(facts["frames"], channels), layered) < 2.5 * 0.01
    assert bpy.data.objects["Face"].mouthpiece.layers == "ONE"


# --- portraits


def shown_at(obj: Any, frame: int) -> Any:
    """Return the pixels of the frame of a portrait that *Preview Frame* shows."""
    bpy.context.scene.frame_set(frame)
    assert bpy.ops.mouthpiece.preview_portrait() == {"FINISHED"}
    return portraits.colours(obj.mouthpiece_portrait.preview)


def stamps(place: Path) -> dict[str, tuple[int, bytes]]:
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in sorted(place.glob("*.png"))}


def test_a_portrait_is_previewed_as_it_was_rendered(folder):
    open_in(folder, "portrait.blend", "Portrait")
    obj = bpy.data.objects["Portrait"]
    for path in sorted((folder / "portrait_frames").glob("*.png")):
        frame = int(path.stem.rpartition("_")[2])
        assert np.abs(shown_at(obj, frame) - portraits.read(path)).max() <= 1
    still = shown_at(obj, 16)
    before = turn(obj, jaw=0.0, lips=0.0)
    assert np.abs(shown_at(obj, 16) - still).max() > 20
    turn(obj, **before)
    assert np.abs(shown_at(obj, 16) - still).max() <= 1


@pytest.mark.parametrize("how", ["operator", "command"])
def test_a_half_rendered_portrait_goes_on(folder, how):
    pytest.importorskip("c2pa", reason="frames were signed")
    open_in(folder, "portrait.blend", "Portrait")
    place, identity = folder / "portrait_frames", folder / "settings" / "signing-identity.pem"
    there, key = stamps(place), identity.read_bytes()
    if how == "operator":
        assert bpy.ops.mouthpiece.render_portrait() == {"FINISHED"}
    else:
        assert command("render", "--object", "Portrait", "--json") == 0
    now = stamps(place)
    assert list(now) == [f"Portrait_{number:04d}.png" for number in range(11, 23)]
    assert {name: now[name] for name in there} == there and len(there) == 6
    obj = bpy.data.objects["Portrait"]
    for frame in (17, 20, 22):
        assert np.abs(shown_at(obj, frame) - portraits.read(place / f"Portrait_{frame:04d}.png")).max() <= 1
    done = outside("verify", place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 frames, 12 of them in order" in done.stdout
    assert identity.read_bytes() == key  # the certificate of then signs
    assert list(identity.parent.iterdir()) == [identity]


def test_the_lines_of_a_portrait_are_taken_off(folder):
    open_in(folder, "portrait.blend", "Portrait")
    assert bpy.ops.mouthpiece.render_portrait.poll()
    assert bpy.ops.mouthpiece.remove_take() == {"FINISHED"}
    assert not bpy.ops.mouthpiece.render_portrait.poll() and not bpy.ops.mouthpiece.redial.poll()
    bpy.context.scene.mouthpiece.filepath = str(folder / "hum.npz")
    assert bpy.ops.mouthpiece.animate() == {"FINISHED"}
    assert bpy.ops.mouthpiece.render_portrait.poll()


# --- presets and files that are shared


def rows(group: Any) -> list[dict[str, Any]]:
    """Return the rows of a table of shape keys without the marks of its mesh."""
    kept = [seen.value_of(entry) for entry in group]
    return [{name: value for name, value in row.items() if name not in ("mark", "name")} for row in kept]


def rows_then(folder: Path) -> list[dict[str, Any]]:
    """Return the rows that were saved as preset and mapping."""
    entries = facts_of(folder, "shape_keys.blend")["settings"]["Object Face"]["mouthpiece_names"]["entries"]
    return [{name: value for name, value in row.items() if name not in ("mark", "name")} for row in entries]


class _Layout:
    """Takes the buttons of a menu down: their operators, texts and properties."""

    def __init__(self) -> None:
        self.buttons: list[tuple[str, str, Any]] = []

    def operator(self, operator: str, text: str = "", **options: Any) -> Any:
        class Button:
            name = ""

        self.buttons.append((operator, text, Button()))
        return self.buttons[-1][2]

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **options: self


def listed() -> list[str]:
    """Return the presets that the menu offers."""
    menu = type("Menu", (), {"layout": _Layout()})()
    bpy.types.MOUTHPIECE_MT_mapping_presets.draw(menu, bpy.context)
    return [button.name for operator, _, button in menu.layout.buttons if operator == "mouthpiece.load_mapping_preset"]


def test_presets_lie_where_they_lay_and_fill_the_table(folder):
    place = Path(os.environ["BLENDER_USER_RESOURCES"]) / "scripts" / "presets" / "mouthpiece" / PRESETS
    assert "Hero old face" not in listed()
    shutil.copytree(folder / "profile" / "scripts" / "presets" / "mouthpiece" / PRESETS, place, dirs_exist_ok=True)
    try:
        assert "Hero old face" in listed()
        obj = scenes.face()
        assert bpy.ops.mouthpiece.load_mapping_preset(name="Hero old face") == {"FINISHED"}
        assert rows(obj.mouthpiece_names.entries) == rows_then(folder)
        assert bpy.ops.mouthpiece.save_mapping_preset(name="Another") == {"FINISHED"}
        assert (place / "Another.json").is_file()
    finally:
        for name in ("Hero old face", "Another"):
            (place / f"{name}.json").unlink(missing_ok=True)


#: Run where the add-on is an extension: makes a face, loads the preset, saves it again.
_EXTENSION = """
mesh = bpy.data.meshes.new("Face")
mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 0, 1)], [], [(0, 1, 2)])
obj = bpy.data.objects.new("Face", mesh)
bpy.context.scene.collection.objects.link(obj)
for key in ("Basis", "jawOpen", "mouthPucker"):
    obj.shape_key_add(name=key)
bpy.context.view_layer.objects.active = obj
done = bpy.ops.mouthpiece.load_mapping_preset(name="Hero old face")
gains = {entry.key: entry.gain for entry in obj.mouthpiece_names.entries}
bpy.ops.mouthpiece.save_mapping_preset(name="Another")
kept = bpy.context.preferences.addons["bl_ext.user_default.mouthpiece"].preferences
kept.certificate = "/my.pem"
bpy.ops.wm.open_mainfile(filepath=os.environ["PORTRAIT"])
try:
    bpy.ops.mouthpiece.render_portrait()
    refused = ""
except RuntimeError as error:
    refused = str(error)
tell([list(done), gains, refused])
"""


def test_presets_and_preferences_of_the_installed_extension_are_found(folder, monkeypatch):
    profile = folder / "profile"
    monkeypatch.setenv("PORTRAIT", str(folder / "portrait.blend"))
    done, gains, refused = extension.told(profile, _EXTENSION)
    assert done == ["FINISHED"] and gains == {"jawOpen": 1.0, "mouthPucker": 1.5}
    place = profile / "extensions" / ".user" / "user_default" / "mouthpiece" / PRESETS
    assert sorted(path.name for path in place.iterdir()) == ["Another.json", "Hero old face.json"]
    assert "name both in the preferences" in refused  # the certificate named there is what is signed with


def test_a_mapping_of_shape_keys_is_read(folder):
    obj = scenes.face()
    assert bpy.ops.mouthpiece.import_mapping(filepath=str(folder / "shape_keys.json")) == {"FINISHED"}
    assert rows(obj.mouthpiece_names.entries) == rows_then(folder)


def test_pins_are_read(folder):
    facts = open_in(folder, "shape_keys.blend", "Pinned")
    stored = bpy.data.objects["Pinned"].mouthpiece_pins
    assert bpy.ops.mouthpiece.clear_pins() == {"FINISHED"} and not stored.points
    assert bpy.ops.mouthpiece.import_pins(filepath=str(folder / "pins.json")) == {"FINISHED"}
    assert [pin.vertex for pin in stored.points] == [-1, *range(1, 68)]
    kept = facts["settings"]["Object Pinned"]["mouthpiece_pins"]
    assert lacking(kept["points"], seen.value_of(stored.points)) == []


def test_a_mapping_of_bones_is_read(folder):
    facts = open_in(folder, "layers.blend", "Bones")
    table = bpy.data.objects["Bones"].mouthpiece_bones
    assert bpy.ops.mouthpiece.remove_bone_link(all=True) == {"FINISHED"} and not table.links
    assert bpy.ops.mouthpiece.load_bone_mapping(filepath=str(folder / "bones.json")) == {"FINISHED"}
    kept = facts["settings"]["Object Bones"]["mouthpiece_bones"]["links"]
    used = {row["bone"]: row for row in kept if row["use"]}  # what is not used is not saved
    assert len(used) == len(table.links) == len(kept) - 1
    assert lacking(used, {link.bone: seen.value_of(link) for link in table.links}) == []


def test_a_mouth_chart_is_read(folder):
    facts = open_in(folder, "mouth_chart.blend", "Puppet")
    chart = bpy.data.objects["Puppet"].mouthpiece_chart
    chart.chart, chart.how, chart.hold, chart.lead = "blair", "KEYS", 1, 0.0
    assert bpy.ops.mouthpiece.load_chart(filepath=str(folder / "chart.json")) == {"FINISHED"}
    kept = facts["settings"]["Object Puppet"]["mouthpiece_chart"]
    assert lacking({**kept, "index": chart.index}, seen.value_of(chart)) == []


def test_landmarks_are_read(folder):
    facts = open_in(folder, "portrait.blend", "Portrait")
    made = {"filepath": str(folder / "face.png"), "placement": "FILE", "landmarks": str(folder / "landmarks.json")}
    assert bpy.ops.mouthpiece.add_portrait(**made) == {"FINISHED"}
    points = json.loads(bpy.context.active_object.mouthpiece_picture.points)["faces"]
    kept = json.loads(facts["settings"]["Object Portrait"]["mouthpiece_picture"]["points"])["faces"]
    assert seen.apart(points, kept) < 1e-3
    choose(bpy.data.objects["Portrait"]).mouthpiece_picture.found = "moved"
    assert bpy.ops.mouthpiece.load_landmarks(filepath=str(folder / "landmarks.json")) == {"FINISHED"}
    points = json.loads(bpy.context.active_object.mouthpiece_picture.points)["faces"]
    assert seen.apart(points, kept) < 1e-3


# --- the command line in Blender


def test_the_command_dials_and_bakes(folder, capfd):
    facts = open_in(folder, "shape_keys.blend", "Face", rest=1.0)
    out = folder / "dialled.blend"
    assert command("redial", "--object", "Face", "--jaw", "0.2", "--output", out, "--json") == 0
    report = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert report["dials"] == {"lips": 0.9, "jaw": 0.2, "emotion": "happy", "intensity": 0.6}
    assert len(report["kept"]) == 1 and out.is_file()
    bpy.ops.wm.open_mainfile(filepath=str(out))
    assert off(facts) > 0.02
    mapped = folder / "mapped.blend"
    bake = ("bake", "--audio", folder / "second.npz", "--object", "Face", "--mapping", folder / "shape_keys.json")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scenes.face()
    assert command(*bake, "--output", mapped) == 0 and mapped.is_file()
    gains = {entry.key: entry.gain for entry in bpy.data.objects["Face"].mouthpiece_names.entries}
    assert gains.get("mouthPucker", 1.5) == 1.5

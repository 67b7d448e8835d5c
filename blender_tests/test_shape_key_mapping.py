"""The table of an object: filled, edited, kept, shared, renamed, and what drives the keys by it."""

from __future__ import annotations

import json

import bpy
import numpy as np
import pytest
from mouthpiece.curves import FrameGrid
from mouthpiece.errors import RigError
from mouthpiece.motion.chart.visemes import VISEMES
from mouthpiece.retarget.shape_keys import table as core_table
from mouthpiece.topology import ARKIT_NAMES

from addon import scene_settings
from addon.command import parser as command_parser
from addon.targets import target_for
from addon.targets.shape_keys import fingerprints, presets
from addon.targets.shape_keys import table as key_table
from blender_tests import scenes

GRID = FrameGrid(25.0, 1.0, 1, 50)
ops = bpy.ops.mouthpiece
FAMILIES = {
    "ARKit": ARKIT_NAMES,
    "Oculus": [f"viseme_{name}" for name in VISEMES],
    "VRM 0": ["A", "I", "U", "E", "O", "Blink", "Blink_L", "Blink_R", "LookUp", "LookLeft", "Joy", "Sorrow"],
    "VRM 1": ["aa", "ih", "ou", "ee", "oh", "blink", "blinkLeft", "blinkRight", "lookDown", "happy", "surprised"],
    "VRoid": [f"Fcl_MTH_{vowel}" for vowel in "AIUEO"] + ["Fcl_EYE_Close", "Fcl_BRW_Angry", "Fcl_ALL_Joy"],
    "MMD": ["あ", "い", "う", "え", "お", "まばたき", "困る"],
    "MakeHuman": ["mouth-open", "mouth-pursing", "mouth-corner-puller", "eye-left-closure", "eye-right-closure"],
    "AccuLips": ["V_Open", "V_Explosive", "V_Dental_Lip", "V_Tight_O", "V_Tight", "V_Wide", "Eye_Blink_L"],
    "Character Creator": [
        "Jaw_Open", "Mouth_Close", "Mouth_Smile_L", "Mouth_Smile_R", "Mouth_Funnel_Up_L", "Mouth_Funnel_Up_R",
        "Mouth_Pucker_Up_L", "Mouth_Pucker_Up_R", "Eye_Blink_L", "Eye_Blink_R", "Eye_L_Look_L", "V_Open",
    ],
    "Preston Blair": ["AI", "E", "O", "U", "MBP", "FV", "L", "WQ", "etc", "rest"],
}  # fmt: skip


def box(keys, name="Face"):
    """Make a box with a mouth: its upper edge in front is the upper lip, a second one the lower; keys move both."""
    mesh = bpy.data.meshes.new(name)
    across = np.linspace(-0.5, 0.5, 9)
    upper = [(x, -1.0, 0.01) for x in across]
    lower = [(x, -1.0, -0.01) for x in across]
    back = [(x, 1.0, z) for z in (-1.0, 1.0) for x in (-1.0, 1.0)]
    mesh.from_pydata(upper + lower + back, [(k, k + 1) for k in range(8)], [])
    obj = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(obj)
    obj.shape_key_add(name="Basis")
    for number, key in enumerate(keys):
        block = obj.shape_key_add(name=key)
        for index in range(9, 18):
            block.data[index].co.z -= 0.02 * (1 + number % 5)
        block.value = 0.0
    bpy.context.view_layer.objects.active = obj
    obj.select_set(True)
    return obj


@pytest.fixture(scope="module")
def spoken():
    """Give a take in which jaw, lips, lids and eyes move, and the lips' gap with them."""
    from dataclasses import replace

    from mouthpiece.topology import ARKIT_INDEX

    still = scenes.performance()
    count = len(still)
    arkit, landmarks = still.arkit.copy(), still.landmarks.copy()
    wave = (0.3 - 0.3 * np.cos(np.arange(count) / 4)).astype(np.float32)
    for name, share in (("jawOpen", 1.0), ("mouthPucker", 0.5), ("mouthSmileLeft", 0.6), ("browDownLeft", 0.4)):
        arkit[:, ARKIT_INDEX[name]] = share * wave
    arkit[:, [ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]] = wave[:, None]
    landmarks[:, [65, 66, 67], 1] = 0.4 * wave[:, None]
    activity = np.ones(count, np.float32)
    blink = np.stack([wave, wave], axis=1)
    return replace(still, arkit=arkit, landmarks=landmarks, blink=blink, activity=activity, gaze=blink * 0.5)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_keyed_within_its_sliders(name, spoken):
    obj = box(FAMILIES[name])
    driven = target_for(obj).drive(spoken, GRID)
    part = driven.parts[0]
    assert part.owner == obj.data.shape_keys and len(part.channels) == len(target_for(obj).table.keys) > 3
    assert np.isfinite(part.curves.values).all()
    assert part.curves.values.min() >= 0 and part.curves.values.max() <= 1
    moving = [channel.name for channel in part.channels if np.ptp(part.curves[channel.name]) > 0.05]
    assert any(channel.layer == "lips" for channel in part.channels if channel.name in moving)


def test_the_box_opens_as_the_lips_do(spoken):
    obj = box(("jawOpen", "mouthClose", "mouthPucker", "mouthFunnel"))
    block = obj.data.shape_keys.key_blocks["mouthClose"]
    for index in range(9, 18):
        block.data[index].co.z = 0.03
    curves = target_for(obj).drive(spoken, GRID).parts[0].curves
    keys = obj.data.shape_keys.key_blocks
    apart = sum(curves[name] * (-0.01 - keys[name].data[13].co.z) for name in curves.names)
    gap = spoken.landmarks[:, 66, 1]
    assert np.corrcoef(apart, gap)[0, 1] > 0.999
    assert (curves["mouthClose"] <= curves["jawOpen"] + 1e-6).all()


def test_match_lips_off_gives_the_weights_as_they_are(spoken):
    obj = box(("jawOpen", "mouthPucker"))
    obj.mouthpiece_names.match_lips = False
    curves = target_for(obj).drive(spoken, GRID).parts[0].curves
    np.testing.assert_allclose(curves["jawOpen"], spoken.arkit[:, ARKIT_NAMES.index("jawOpen")], atol=1e-6)


def test_detect_fills_the_table_and_the_table_decides():
    obj = scenes.face(keys=("Jaw_Open", "mouthPucker", "smirk"))
    assert ops.detect_shape_keys() == {"FINISHED"}
    entries = obj.mouthpiece_names.entries
    assert [(item.key, item.formula, item.layer) for item in entries] == [
        ("Jaw_Open", "jawOpen - mouthClose", "lips"),
        ("mouthPucker", "mouthPucker + 0.6 * mouthFunnel", "lips"),
    ]
    entries[0].gain, entries[0].offset, entries[0].formula = 0.5, 0.1, "jawOpen"
    entries[1].enabled = False
    driven = target_for(obj).drive(scenes.performance(jawOpen=0.6), GRID)
    assert driven.parts[0].curves.names == ("Jaw_Open",)
    np.testing.assert_allclose(driven.parts[0].curves.values, 0.4, atol=1e-6)
    assert target_for(obj).summary() == "1 shape key driven by the table"


def test_an_unknown_key_can_be_driven_by_anything():
    obj = scenes.face(keys=("smirk", "wobble"))
    with pytest.raises(RigError, match="Shape Key Mapping"):
        target_for(obj)
    obj.active_shape_key_index = 2
    assert ops.add_shape_key_entry() == {"FINISHED"}
    assert [item.key for item in obj.mouthpiece_names.entries] == ["wobble"]
    assert ops.pick_driver(index=0, driver="mouthSmileLeft") == {"FINISHED"}
    obj.mouthpiece_names.entries[0].layer = "expression"
    part = target_for(obj).drive(scenes.performance(mouthSmileLeft=0.7), GRID).parts[0]
    np.testing.assert_allclose(part.curves["wobble"], 0.7, atol=1e-6)
    assert part.channels[0].layer == "expression"
    ops.add_shape_key_entry()
    with pytest.raises(RuntimeError, match="Every shape key of 'Face' has an entry"):
        ops.add_shape_key_entry()
    assert ops.remove_shape_key_entry() == {"FINISHED"}
    assert [item.key for item in obj.mouthpiece_names.entries] == ["wobble"]


def test_a_wrong_formula_is_refused_by_its_key():
    obj = scenes.face(keys=("jawOpen",))
    ops.detect_shape_keys()
    obj.mouthpiece_names.entries[0].formula = "jawOpn * 2"
    with pytest.raises(RigError, match=r"Shape key 'jawOpen'.*Did you mean jawOpen"):
        target_for(obj).drive(scenes.performance(), GRID)


def test_an_edit_is_followed_at_once_by_lines_that_are_there(tmp_path):
    obj = scenes.face(keys=("jawOpen", "mouthPucker"))
    bpy.context.scene.render.fps = 25
    path = scenes.performance(jawOpen=0.4).save(tmp_path / "take.npz")
    ops.detect_shape_keys()
    assert command_parser.main(["bake", "--audio", str(path), "--object", "Face"]) == 0
    obj.mouthpiece_names.entries[0].gain = 0.5
    found = scenes.values(obj.data.shape_keys, scenes.shape_path("jawOpen"))
    np.testing.assert_allclose([value for frame, value in found if frame <= 50], 0.2, atol=1e-5)  # then it rests
    assert ops.clear_shape_key_table() == {"FINISHED"}
    found = scenes.values(obj.data.shape_keys, scenes.shape_path("jawOpen"))
    np.testing.assert_allclose([value for frame, value in found if frame <= 50], 0.4, atol=1e-5)


def test_a_renamed_key_is_found_again_by_its_shape():
    obj = scenes.face(keys=("jawOpen", "mouthPucker", "cheekPuff"))
    for index, block in enumerate(fingerprints.movers(obj.data.shape_keys)):
        block.data[0].co.z = 0.1 * (index + 1)
    ops.detect_shape_keys()
    obj.data.shape_keys.key_blocks["jawOpen"].name = "Kiefer"
    obj.data.shape_keys.key_blocks["cheekPuff"].name = "jawOpen"
    keys = {entry.key: entry.formula for entry in target_for(obj).table.entries}
    assert keys["Kiefer"] == "jawOpen - mouthClose" and keys["jawOpen"] == "cheekPuff"
    obj.data.shape_keys.key_blocks["jawOpen"].name = "Backe"
    key_table.follow_renames()  # what Blender calls when a key was renamed, which in background it does not
    assert [item.key for item in obj.mouthpiece_names.entries] == ["Kiefer", "mouthPucker", "Backe"]


def test_tables_that_make_no_sense_are_refused_with_the_remedy():
    obj = scenes.face(keys=("jawOpen", "mouthPucker"))
    ops.detect_shape_keys()
    entries = obj.mouthpiece_names.entries
    entries[1].key = "jawOpen"
    with pytest.raises(RigError, match="two entries for jawOpen"):
        target_for(obj)
    entries[1].key = "Basis"  # which moves nothing
    assert target_for(obj).table.keys == ("jawOpen",)
    entries[0].enabled = False
    with pytest.raises(RigError, match="drives nothing"):
        target_for(obj)


def test_a_key_chosen_anew_is_known_by_its_own_shape():
    obj = scenes.face(keys=("jawOpen", "mouthPucker", "smirk"))
    for index, block in enumerate(fingerprints.movers(obj.data.shape_keys)):
        block.data[0].co.z = 0.1 * (index + 1)
    ops.detect_shape_keys()
    obj.mouthpiece_names.entries[0].key = "smirk"
    obj.data.shape_keys.key_blocks["smirk"].name = "grin"
    assert target_for(obj).table.keys == ("grin", "mouthPucker")


def test_an_entry_of_a_deleted_key_is_left_out():
    obj = scenes.face(keys=("jawOpen", "mouthPucker"))
    ops.detect_shape_keys()
    obj.shape_key_remove(obj.data.shape_keys.key_blocks["jawOpen"])
    assert target_for(obj).table.keys == ("mouthPucker",)


def test_the_table_is_saved_with_the_file(tmp_path):
    obj = scenes.face(keys=("jawOpen", "mouthPucker"))
    ops.detect_shape_keys()
    obj.mouthpiece_names.entries[1].invert = True
    obj.mouthpiece_names.match_lips = False
    before = target_for(obj).table
    path = str(tmp_path / "face.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    assert target_for(bpy.data.objects["Face"]).table == before


def test_a_duplicate_keeps_the_table():
    obj = scenes.face(keys=("jawOpen",))
    ops.detect_shape_keys()
    obj.mouthpiece_names.entries[0].gain = 0.25
    twin = obj.copy()
    twin.data = obj.data.copy()
    assert target_for(twin).table.entries[0].gain == 0.25


def test_presets_are_kept_loaded_and_deleted():
    obj = scenes.face(keys=("Jaw_Open", "mouthPucker"))
    ops.detect_shape_keys()
    obj.mouthpiece_names.entries[0].gain = 1.5
    assert ops.save_mapping_preset(name="Hero ä") == {"FINISHED"}
    assert presets.names() == ["Hero ä"]
    other = scenes.face("Other", keys=("jawOpen", "smirk"))
    assert ops.load_mapping_preset(name="Hero ä") == {"FINISHED"}
    assert [(item.key, item.gain) for item in other.mouthpiece_names.entries] == [("jawOpen", 1.5)]
    assert ops.delete_mapping_preset(name="Hero ä") == {"FINISHED"}
    assert presets.names() == []
    with pytest.raises(RuntimeError, match="cannot be read"):
        ops.load_mapping_preset(name="Hero ä")
    with pytest.raises(RuntimeError, match="cannot be deleted"):
        ops.delete_mapping_preset(name="Hero ä")


@pytest.mark.parametrize("name", ["", "  ", "../other", "a/b", ".hidden", "C:x"])
def test_names_that_cannot_be_a_presets(name):
    scenes.face(keys=("jawOpen",))
    with pytest.raises(RuntimeError, match="cannot be the name"):
        ops.save_mapping_preset(name=name)


def test_a_mapping_is_exported_and_imported(tmp_path):
    obj = scenes.face(keys=("jawOpen", "mouthPucker"))
    ops.detect_shape_keys()
    obj.mouthpiece_names.entries[0].offset = 0.125
    path = tmp_path / "map.json"
    assert ops.export_mapping(filepath=str(path)) == {"FINISHED"}
    table = target_for(obj).table
    ops.clear_shape_key_table()
    assert ops.import_mapping(filepath=str(path)) == {"FINISHED"}
    assert target_for(obj).table == table


def test_a_bad_mapping_changes_nothing(tmp_path):
    obj = scenes.face(keys=("jawOpen",))
    ops.detect_shape_keys()
    bad, other = tmp_path / "bad.json", tmp_path / "other.json"
    bad.write_text("{")
    core_table.save(other, core_table.ShapeMap((core_table.Entry("smirk", "jawOpen"),)))
    for path, words in ((bad, "is not a mapping"), (other, "none of the mapping's"), (tmp_path / "none.json", "read")):
        with pytest.raises(RuntimeError, match=words):
            ops.import_mapping(filepath=str(path))
    assert [item.key for item in obj.mouthpiece_names.entries] == ["jawOpen"]


def test_a_line_is_baked_by_a_mapping_from_a_file(tmp_path, capsys):
    obj = scenes.face(keys=("smirk", "wobble"))
    bpy.context.scene.render.fps = 25
    take = scenes.performance(jawOpen=0.5).save(tmp_path / "take.npz")
    path = core_table.save(tmp_path / "m.json", core_table.ShapeMap((core_table.Entry("smirk", "jawOpen", 0.5),)))
    arguments = ["bake", "--audio", str(take), "--object", "Face", "--json"]
    assert command_parser.main([*arguments, "--mapping", str(path)]) == 0
    report = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert report["targets"][0]["summary"] == "1 shape key driven by the table" and report["channels"] == 1
    found = scenes.values(obj.data.shape_keys, scenes.shape_path("smirk"))
    np.testing.assert_allclose([value for frame, value in found if frame <= 50], 0.25, atol=1e-6)
    assert command_parser.main([*arguments, "--mapping", str(tmp_path / "none.json")]) == 1
    assert "cannot be read" in capsys.readouterr().out


def test_teeth_go_by_the_faces_table():
    face = scenes.face(keys=("jawOpen", "mouthPucker"))
    ops.detect_shape_keys()
    face.mouthpiece_names.entries[0].gain = 0.5
    teeth = scenes.face("Teeth", keys=("Jaw_Open", "tongueOut", "gum"))
    face.mouthpiece.also.add().object = teeth
    table = target_for(teeth).table
    assert [(entry.key, entry.gain) for entry in table.entries] == [("Jaw_Open", 0.5), ("tongueOut", 1.0)]
    assert table.unused == ("gum",) and table.summary() == "With Face: 2 shape keys matched"
    teeth.mouthpiece.also.add().object = face  # a ring: neither follows
    assert target_for(teeth).table.families == ("ARKit",)


def test_teeth_of_a_face_with_unknown_names_go_by_their_own():
    face = scenes.face(keys=("smirk", "wobble"))
    teeth = scenes.face("Teeth", keys=("jawOpen",))
    face.mouthpiece.also.add().object = teeth
    assert target_for(teeth).table.families == ("ARKit",)
    assert target_for(teeth).drive(scenes.performance(jawOpen=0.4), GRID).parts[0].curves["jawOpen"].max() > 0.39


def test_teeth_of_a_face_solved_by_geometry_do_not_go_by_names_unless_told():
    face, teeth = scenes.face(keys=("jawOpen",)), scenes.face("Teeth", keys=("jawOpen",))
    face.mouthpiece.also.add().object = teeth
    face.mouthpiece.target = "SOLVED"
    with pytest.raises(RigError, match="goes by geometry"):
        target_for(teeth)
    teeth.mouthpiece.target = "NAMES"
    assert target_for(teeth, kind="NAMES").table.families == ("ARKit",)


def test_what_cannot_be_done_says_why(context):
    scenes.face(keys=())
    for operator in (ops.detect_shape_keys, ops.clear_shape_key_table, ops.export_mapping):
        assert not operator.poll()
    scenes.face("Other", keys=("jawOpen",))
    assert ops.detect_shape_keys.poll() and not ops.remove_shape_key_entry.poll()


@pytest.mark.parametrize("mapped", [False, True], ids=["plain", "mapped in the library"])
def test_an_override_has_a_table_of_its_own(tmp_path, mapped, context):
    library, shot = str(tmp_path / "face.blend"), str(tmp_path / "shot.blend")
    face = scenes.face(keys=("jawOpen", "mouthPucker"))
    if mapped:
        ops.detect_shape_keys()
    bpy.data.libraries.write(library, {face}, fake_user=True)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(library, link=True) as (there, here):
        here.objects = there.objects
    context.scene.collection.objects.link(here.objects[0])
    obj = here.objects[0].override_create(remap_local_usages=True)
    obj.data.override_create(remap_local_usages=True)
    context.view_layer.objects.active = obj
    assert ops.detect_shape_keys() == {"FINISHED"}
    obj.mouthpiece_names.entries[0].gain = 0.5
    obj.mouthpiece_names.match_lips = False
    if mapped:
        with pytest.raises(RuntimeError, match="Switch it off instead"):
            ops.remove_shape_key_entry()
        with pytest.raises(RuntimeError, match="comes from the library"):
            ops.clear_shape_key_table()
    bpy.ops.wm.save_as_mainfile(filepath=shot)
    bpy.ops.wm.open_mainfile(filepath=shot)
    table = target_for(bpy.data.objects["Face", None]).table
    assert [(entry.key, entry.gain) for entry in table.entries] == [("jawOpen", 0.5), ("mouthPucker", 1.0)]
    assert not table.match_lips


def test_the_dials_of_an_override_last_as_well(tmp_path, context):
    library, shot = str(tmp_path / "face.blend"), str(tmp_path / "shot.blend")
    bpy.data.libraries.write(library, {scenes.face(keys=("jawOpen",))}, fake_user=True)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(library, link=True) as (there, here):
        here.objects = there.objects
    context.scene.collection.objects.link(here.objects[0])
    obj = here.objects[0].override_create(remap_local_usages=True)
    context.view_layer.objects.active = obj
    assert scene_settings.character(context) == obj  # as the panel asks
    obj.mouthpiece.lips = 0.5
    bpy.ops.wm.save_as_mainfile(filepath=shot)
    bpy.ops.wm.open_mainfile(filepath=shot)
    assert bpy.data.objects["Face", None].mouthpiece.lips == 0.5


def test_the_panel_is_there_for_meshes_that_go_by_names_or_could(context):
    panel = bpy.types.MOUTHPIECE_PT_shape_keys
    assert not panel.poll(context)
    obj = scenes.face(keys=("jawOpen",))
    assert panel.poll(context)
    obj.mouthpiece.target = "CHART"
    assert not panel.poll(context)
    scenes.face("Stranger", keys=("smirk",))
    assert panel.poll(context)

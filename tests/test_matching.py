"""Shape keys of every family, in any spelling: who plays what, what is missing, and what stands in."""

import json
from pathlib import Path

import pytest
from mouthpiece.errors import RigError
from mouthpiece.motion.chart.visemes import VISEMES
from mouthpiece.retarget.shape_keys.families import FOLDER, LAYERS, canonical, families, family, read
from mouthpiece.retarget.shape_keys.matching import detect, with_keys
from mouthpiece.retarget.shape_keys.table import Entry, ShapeMap
from mouthpiece.topology import ARKIT_NAMES

ROOT = Path(__file__).resolve().parent.parent


def spelled(name, way):
    words = canonical_words(name)
    return {
        "camel": name,
        "pascal": name[0].upper() + name[1:],
        "snake": "_".join(words),
        "spaced": " ".join(word.title() for word in words),
        "lower": "".join(words),
        "shout": "_".join(words).upper(),
        "side letter": name.replace("Left", "_L").replace("Right", "_R") if name not in SIDEWAYS else name,
        "dotted side": name.replace("Left", ".l").replace("Right", ".r") if name not in SIDEWAYS else name,
        "prefixed": f"Face.{name}",
        "labelled": f"BlendShape_{name}",
        "of a deformer": f"blendShape1.{name}",
        "of a mesh": f"Wolf3D_Head.{name}",
        "in a namespace": f"actor01:{name}",
        "copied": f"{name}.003",
    }[way]


SIDEWAYS = ("jawLeft", "jawRight", "mouthLeft", "mouthRight")


def canonical_words(name):
    words, word = [], ""
    for letter in name:
        if letter.isupper():
            words.append(word)
            word = ""
        word += letter.lower()
    return [*words, word]


@pytest.mark.parametrize(
    "way",
    [
        "camel",
        "pascal",
        "snake",
        "spaced",
        "lower",
        "shout",
        "side letter",
        "dotted side",
        "prefixed",
        "labelled",
        "of a deformer",
        "of a mesh",
        "in a namespace",
        "copied",
    ],
)
def test_all_52_shapes_are_found_in_any_spelling(way):
    names = ["Basis", *(spelled(name, way) for name in ARKIT_NAMES)]
    table = detect(names)
    assert table.missing == {} and table.unused == ("Basis",) and table.families == ("ARKit",)
    assert formulas(table) == {spelled(name, way): name for name in ARKIT_NAMES}
    assert table.summary() == "52 of 52 ARKit shapes matched"


def formulas(table):
    return {entry.key: entry.formula for entry in table.entries}


def test_what_is_missing_and_unused_is_reported():
    table = detect(["Basis", "Jaw Open", "smug", "mouthClose"])
    assert formulas(table) == {"Jaw Open": "jawOpen", "mouthClose": "mouthClose"}
    assert len(table.missing) == 50 and table.missing["tongueOut"] == ""
    assert table.unused == ("Basis", "smug")
    assert table.summary().startswith("2 of 52 ARKit shapes matched, missing: jawForward, jawLeft")


def test_an_exact_name_wins_over_one_that_means_the_same():
    assert detect(["Jaw_Open", "jawOpen"]).keys == ("jawOpen",)
    assert detect(["jawOpen", "Jaw_Open"]).unused == ("Jaw_Open",)


def test_halves_stand_in_for_a_whole_and_a_whole_for_both_sides():
    table = detect(["browInnerUp_L", "browInnerUp_R", "eyeBlink", "cheekPuff", "browOuterUp"])
    assert formulas(table) == {
        "browInnerUp_L": "browInnerUp",
        "browInnerUp_R": "browInnerUp",
        "eyeBlink": "(eyeBlinkLeft + eyeBlinkRight) / 2",
        "cheekPuff": "cheekPuff",
        "browOuterUp": "(browOuterUpLeft + browOuterUpRight) / 2",
    }
    assert not {"browInnerUp", "eyeBlinkLeft", "eyeBlinkRight", "browOuterUpLeft"} & set(table.missing)
    both = detect(["mouthSmile", "mouthSmileLeft", "mouthSmileRight"])
    assert both.keys == ("mouthSmileLeft", "mouthSmileRight") and both.unused == ("mouthSmile",)


def test_names_that_only_resemble_are_left_alone():
    names = ["jawOpen", "tongue", "mouthOpen", "jawOpen2", "head", "left", "_L", "...", "mouth"]
    assert detect(names).keys == ("jawOpen",)


@pytest.mark.parametrize("names", [[], [""], ["Basis"], ["A", "I"], ["Key 1", "話す"]])
def test_nothing_that_matches_is_refused_with_the_remedy(names):
    with pytest.raises(RigError, match="ARKit"):
        detect(names)


def test_canonical_of_a_side_word_in_front():
    assert canonical("Left_eyeBlink") == canonical("eyeBlinkLeft") == "eyeblinkleft"


def test_canonical_of_numbered_and_japanese_names():
    assert canonical("A14_Eye_Blink_Left") == "eyeblinkleft"
    assert canonical("ｳｨﾝｸ２右") == canonical("ウィンク2右") and canonical("あ") == "あ"
    assert canonical("L") == "l"


VROID = ["A", "I", "U", "E", "O"]
RIGS = {
    "Oculus visemes": ([f"viseme_{name}" for name in VISEMES], 15),
    "Oculus visemes, Ready Player Me": (
        [f"viseme_{name}" for name in (*VISEMES[:12], "I", "O", "U")], 15
    ),
    "Oculus visemes, VRChat": ([f"vrc.v_{name.lower()}" for name in VISEMES], 15),
    "Oculus visemes, plain": (list(VISEMES), 15),
    "VRM 0": ([*VROID, "Blink", "LookUp", "LookDown", "LookLeft", "LookRight", "Joy", "Angry", "Sorrow", "Fun"], 13),
    "VRM 1": (
        ["aa", "ih", "ou", "ee", "oh", "blink", "blinkLeft", "blinkRight", "lookUp", "lookDown", "lookLeft",
         "lookRight", "happy", "angry", "sad", "relaxed", "surprised"], 15,
    ),
    "VRoid": (
        [f"Face.M_F00_000_00_Fcl_{name}" for name in (
            *(f"MTH_{vowel}" for vowel in VROID), "EYE_Close", "EYE_Close_L", "EYE_Close_R", "BRW_Angry", "BRW_Sorrow",
            "BRW_Surprised", "MTH_Fun", "MTH_Sorrow", "EYE_Spread", "ALL_Joy", "ALL_Angry", "HA_Hide")], 13,
    ),
    "MMD": (["あ", "い", "う", "え", "お", "まばたき", "笑い", "ウィンク２", "ｳｨﾝｸ２右", "困る", "怒り", "上"], 10),
    "MakeHuman": (
        ["mouth-open", "mouth-corner-puller", "mouth-depression", "eye-left-closure", "eye-right-closure",
         "eyebrows-left-down", "eyebrows-right-down", "eyebrows-left-inner-up", "eyebrows-right-inner-up"], 9,
    ),
    "Preston Blair": (["AI", "E", "O", "U", "MBP", "FV", "L", "WQ", "etc", "rest"], 10),
    "AccuLips visemes": (
        ["V_Open", "V_Explosive", "V_Dental_Lip", "V_Tight_O", "V_Tight", "V_Wide", "V_Affricate", "V_Lip_Open"], 8,
    ),
    "AccuLips one-to-one": (
        ["Ah", "AE", "EE", "IH", "Er", "R", "Oh", "W_OO", "S_Z", "Ch_J", "F_V", "TH", "T_L_D_N", "B_M_P", "K_G_H_NG"],
        15,
    ),
    "Character Creator 4": (
        [key.name for key in family("cc4").keys] + ["V_Open", "V_Explosive", "V_Dental_Lip", "V_Wide"], 71,
    ),
    "Character Creator 3": ([key.name for key in family("cc3").keys if not key.covers] + ["V_Open", "V_Wide"], 35),
}  # fmt: skip


@pytest.mark.parametrize("rig", RIGS)
def test_every_family_is_recognised_by_its_own_names(rig):
    names, driven = RIGS[rig]
    table = detect(names)
    assert table.families == (rig.split(",")[0],)
    assert len(table.keys) == driven, sorted(set(names) - set(table.keys))


def test_layers_follow_the_part_of_the_face():
    layers = {entry.key: entry.layer for entry in detect([*ARKIT_NAMES]).entries}
    assert layers["jawOpen"] == layers["mouthSmileLeft"] == layers["cheekPuff"] == "lips"
    assert layers["tongueOut"] == "tongue"
    assert layers["browInnerUp"] == layers["cheekSquintLeft"] == layers["noseSneerRight"] == "expression"
    assert {layers[name] for name in ARKIT_NAMES if name.startswith("eye")} == {"eyes"}
    assert {entry.key: entry.layer for entry in detect(RIGS["VRM 1"][0]).entries}["happy"] == "expression"


def test_arkit_and_visemes_together_are_no_double_mouth():
    visemes = [f"viseme_{name}" for name in VISEMES]
    table = detect([*ARKIT_NAMES, *visemes])
    assert table.keys == ARKIT_NAMES and table.unused == tuple(visemes)
    brows = [name for name in ARKIT_NAMES if name.startswith(("brow", "eye"))]
    mixed = detect(["jawOpen", *brows, *visemes])
    assert set(mixed.keys) == {*brows, *visemes} and mixed.unused == ("jawOpen",)
    assert set(mixed.families) == {"ARKit", "Oculus visemes"}
    assert set(mixed.missing) == {"cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight"}


def test_vrm_with_perfect_sync_plays_arkit_and_leaves_moods_alone():
    table = detect([*RIGS["VRM 1"][0], *ARKIT_NAMES])
    assert set(table.keys) >= set(ARKIT_NAMES) - {"eyeBlinkLeft", "eyeBlinkRight"}
    assert not {"aa", "happy", "angry", "blink"} & set(table.keys)


def test_blinks_of_both_eyes_are_not_doubled():
    assert "Blink" in detect([*VROID, "Blink"]).keys
    assert "Blink" not in detect([*VROID, "Blink", "Blink_L", "Blink_R"]).keys


def without(*gone):
    return detect([name for name in ARKIT_NAMES if name not in gone])


@pytest.mark.parametrize(
    ("gone", "on", "added"),
    [
        (["mouthClose"], "jawOpen", "jawOpen - mouthClose"),
        (["mouthFunnel"], "mouthPucker", "mouthPucker + 0.6 * mouthFunnel"),
        (["mouthPucker"], "mouthFunnel", "mouthFunnel + 0.6 * mouthPucker"),
        (["browInnerUp"], "browOuterUpLeft", "browOuterUpLeft + 0.5 * browInnerUp"),
        (["cheekSquintLeft"], "eyeSquintLeft", "eyeSquintLeft + 0.5 * cheekSquintLeft"),
        (["mouthLeft"], "jawLeft", "jawLeft + 0.5 * mouthLeft"),
    ],
)
def test_the_nearest_stands_in_for_what_is_missing(gone, on, added):
    table = without(*gone)
    assert formulas(table)[on] == added
    assert on in table.missing[gone[0]]
    stands = "stand" if " and " in table.missing[gone[0]] else "stands"
    assert f"{gone[0]} ({table.missing[gone[0]]} {stands} in)" in table.summary()


def test_what_nothing_can_stand_in_for_is_said():
    table = without("tongueOut", "mouthFunnel")
    assert table.missing == {"mouthFunnel": "mouthPucker", "tongueOut": ""}
    assert table.missing_lines() == ["mouthFunnel: mouthPucker stands in", "Not played: tongueOut"]


def test_what_both_sides_miss_is_told_once_with_both_names():
    table = without("mouthDimpleLeft", "mouthDimpleRight", "jawLeft", "jawRight", "noseSneerLeft", "browDownRight")
    assert table.missing_lines() == [
        "jawLeft: mouthLeft stands in",
        "jawRight: mouthRight stands in",
        "mouthDimpleLeft and mouthDimpleRight: mouthSmileLeft and mouthSmileRight stand in",
        "noseSneerLeft: mouthUpperUpLeft stands in",
        "Not played: browDownRight",
    ]


def test_without_a_jaw_the_viseme_aa_opens_the_mouth():
    names = [name for name in ARKIT_NAMES if name != "jawOpen"] + ["viseme_aa", "viseme_E", "viseme_ou", "viseme_oh"]
    table = detect(names)
    assert formulas(table)["viseme_aa"] == "1.5 * (jawOpen - mouthClose)"
    assert table.missing == {"jawOpen": "viseme_aa"} and "viseme_E" in table.unused


def test_missing_vowels_are_played_by_the_nearest():
    table = detect(["A", "I", "O", "Blink_L", "Blink_R"])
    assert formulas(table)["O"] == "viseme.oh + 0.6 * viseme.ou"
    assert formulas(table)["I"].endswith("+ 0.9 * viseme.E")
    assert table.missing["U"] == "O" and table.missing["E"] == "I"


def test_a_table_fits_the_same_keys_otherwise_spelled():
    table = ShapeMap((Entry("jawOpen", "jawOpen", 0.5), Entry("mouthClose", "mouthClose"), Entry("gone", "opening")))
    fitted = with_keys(table, ["Basis", "Jaw_Open", "mouthClose"])
    assert [(entry.key, entry.gain) for entry in fitted.entries] == [("Jaw_Open", 0.5), ("mouthClose", 1.0)]
    assert fitted.unused == ("Basis",)


def test_families_say_what_they_are():
    assert families()[0].name == "arkit" and len(families()) == 24
    assert [key.name for key in family("arkit").whole] and len(family("arkit").whole) == 52
    for one in families():
        assert one.label and one.about and one.least > 0 and one.keys
        assert {key.region for key in one.keys} <= set(LAYERS)


GOOD = {"format": 1, "label": "L", "about": "a", "least": 1, "prefixes": [], "fallbacks": [],
        "keys": [{"key": "open", "region": "mouth", "formula": "jawOpen"}]}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 9}, "format 9"),
        ({"keys": "nonsense"}, "damaged"),
        ({"keys": [{"key": "open", "region": "mouth"}]}, "damaged"),
        ({"keys": [{"key": "open", "region": "ears", "formula": "jawOpen"}]}, "no known region"),
        ({"keys": [{"key": "open", "region": "mouth", "formula": "jawOpn"}]}, "Did you mean jawOpen"),
        ({"keys": GOOD["keys"] * 2}, "twice"),
        ({"fallbacks": [{"missing": "shut", "on": ["open"], "add": "+ jawOpen"}]}, "does not have"),
        ({"fallbacks": [{"missing": "open", "on": ["open"], "add": "jawOpen"}]}, "not a formula"),
    ],
)
def test_a_damaged_family_is_refused(tmp_path, change, words):
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(GOOD))
    assert read(path).keys[0].formula == "jawOpen"
    path.write_text(json.dumps(GOOD | change))
    with pytest.raises(RigError, match=words):
        read(path)


def test_a_file_that_is_no_json_is_refused(tmp_path):
    (tmp_path / "odd.json").write_text("{")
    with pytest.raises(RigError, match="damaged"):
        read(tmp_path / "odd.json")
    assert FOLDER.is_dir()


def test_the_documentation_names_every_family():
    page = (ROOT / "docs" / "targets" / "shape-keys.md").read_text("utf-8")
    assert not [one.label for one in families() if f"| {one.label} |" not in page]


@pytest.mark.parametrize("spelling", ["VRM_{}", "Mouth_{}", "Face.{}", "lip_{}", "ns:{}"])
def test_vowels_behind_a_prefix(spelling):
    names = [spelling.format(vowel) for vowel in VROID]
    assert detect(names).keys == tuple(names) and detect(names).families == ("VRM 0",)


def test_corners_of_the_mouth_go_with_the_family_that_speaks():
    visemes = [f"viseme_{name}" for name in VISEMES]
    table = detect([*visemes, "mouthSmile"])
    assert formulas(table)["mouthSmile"].startswith("0.8 * max(0, (mouthSmileLeft")
    assert {entry.key: entry.layer for entry in table.entries}["mouthSmile"] == "expression"
    assert "mouthSmile" not in detect([*visemes, *ARKIT_NAMES, "mouthSmile"]).keys

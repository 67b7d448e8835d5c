"""Bones found by name, and mappings as files."""

import json

import pytest
from mouthpiece.errors import RigError
from mouthpiece.retarget.bones.controls import CONTROLS
from mouthpiece.retarget.bones.link_coverage import link_coverage
from mouthpiece.retarget.bones.mapping import (
    Link,
    folded,
    links_of,
    match_bones,
    profile_names,
    read,
    shared_beginning,
    to_json,
)

RIGIFY = [
    "jaw_master", "lips.L", "lips.R", "lip.T", "lip.B", "lip.T.L.001", "lip.T.R.001", "lip.B.L.001", "lip.B.R.001",
    "brow.T.L.001", "brow.T.L.002", "brow.T.L.003", "brow.T.R.001", "brow.T.R.002", "brow.T.R.003", "lid.T.L.002",
    "lid.B.L.002", "lid.T.R.002", "lid.B.R.002", "eyes", "cheek.B.L.001", "cheek.B.R.001", "nose.L.001", "nose.R.001",
]  # fmt: skip
ARP = [
    "c_jawbone.x", "c_lips_smile.l", "c_lips_smile.r", "c_lips_top.x", "c_lips_bot.x", "c_eyebrow_01_end.l",
    "c_eyebrow_01_end.r", "c_eyelid_top.l", "c_eyelid_top.r", "eyelid_top.l", "eyelid_top.r", "c_eye_target.x",
    "c_eye.l",
]  # fmt: skip


def test_every_profile_is_sound():
    for name in profile_names():
        with pytest.raises(RigError, match="None of the 1 bones"):
            match_bones(["hips"], profile=name)


def test_rigify_is_found_whole():
    match = match_bones([*RIGIFY, "hips", "MCH-eye.L"], locked=["MCH-eye.L"])
    assert match.profile == "Rigify face" and match.missing == ()
    assert {link.source: link.bone for link in match.links}["lip_corner.R"] == "lips.R"
    eyes = next(link for link in match.links if link.source == "eyes")
    assert (eyes.channel, eyes.bone, eyes.watch) == ("LOCATION", "eyes", "MCH-eye.L")


def test_the_modular_rigify_face_is_told_from_the_old_one():
    names = [name for name in RIGIFY if name not in ("lips.L", "lips.R", "eyes")]
    match = match_bones([*names, "lip_end.L.001", "lip_end.R.001", "eye_common"])
    assert match.profile == "Rigify modular face" and match.missing == ()


def test_locked_bones_are_never_keyed():
    deform = [f"DEF-{name}" for name in RIGIFY]
    assert match_bones([*RIGIFY, *deform], locked=deform).profile == "Rigify face"
    assert match_bones(deform).profile == "Rigify deform bones"


def test_sides_in_small_letters_and_bones_that_watch():
    match = match_bones(ARP)
    assert match.profile == "Auto-Rig Pro"
    by_source = {link.source: link for link in match.links}
    assert by_source["lip_corner.L"].bone == "c_lips_smile.l"
    assert (by_source["lid_upper.R"].bone, by_source["lid_upper.R"].watch) == ("c_eyelid_top.r", "eyelid_top.r")
    assert "eye.L" not in by_source and "lip_upper.L" in match.missing  # the look-at target goes first
    assert "of" in match.summary() and "missing" in match.summary()


def test_plain_names_in_any_spelling():
    bones = ["Jaw", "Upper Lip", "LIP-LOWER", "Mouth_Corner.L", "Mouth_Corner.R", "Brow.L", "Brow.R"]
    match = match_bones(bones)
    assert {link.bone for link in match.links} == set(bones)
    assert not {"brow_inner.L", "brow_mid.L"} & set(match.missing)


def test_namespaces_and_separators_do_not_count():
    assert folded("mixamorig:LeftEye") == folded("LeftEye") == "lefteye"
    match = match_bones(["mixamorig:Jaw", "mixamorig:LeftEye", "mixamorig:RightEye"])
    assert len(match.links) == 3
    assert all(link.channel == "ROTATION" for link in match.links)


def test_eyes_and_jaw_of_a_vrm():
    match = match_bones(["J_Bip_C_Head", "J_Adj_L_FaceEye", "J_Adj_R_FaceEye"])
    assert [link.bone for link in match.links] == ["J_Adj_L_FaceEye", "J_Adj_R_FaceEye"] and match.missing == ("jaw",)


#: Names of bones as published, without those of the body; of each side only the left.
PUBLISHED = {
    "3ds Max biped face": [
        "Bip01 MJaw", "Bip01 MBottomLip", "Bip01 LMouthBottom", "Bip01 MUpperLip", "Bip01 LUpperlip",
        "Bip01 LMouthCorner",
        "Bip01 LCheek", "Bip01 LEyeBlinkTop", "Bip01 LEyeBlinkBottom", "Bip01 LInnerEyebrow", "Bip01 LOuterEyebrow",
        "Bip01 LEye", "Bip01 MNose", "Bip01 LCaninus", "Bip01 LMasseter", "Bip01 MTongue", "Bip01 MMiddleEyebrow",
    ],
    "BlenRig 6": [
        "maxi", "mouth_corner_L", "mouth_corner_mstr_L", "lip_up_ctrl_mid", "lip_up_ctrl_2_L", "lip_up_ctrl",
        "lip_low_ctrl_mid",
        "lip_low_ctrl_2_L", "cheek_ctrl_L", "nostril_ctrl_L", "brow_ctrl_in_L", "brow_ctrl_curve_L", "brow_ctrl_out_L",
        "eyelid_up_ctrl_L", "eyelid_up_ctrl_2_L", "eyelid_low_ctrl_L", "eyelid_low_ctrl_2_L", "look", "eye_def_L",
    ],
    "MetaHuman": [
        "FACIAL_C_Jaw", "FACIAL_L_LipCorner", "FACIAL_C_LipUpper", "FACIAL_L_LipUpper", "FACIAL_C_LipLower",
        "FACIAL_L_LipLower", "FACIAL_L_CheekInner", "FACIAL_L_Nostril", "FACIAL_L_ForeheadIn", "FACIAL_L_ForeheadMid",
        "FACIAL_L_ForeheadOut", "FACIAL_L_EyelidUpperA", "FACIAL_L_EyelidUpperA2", "FACIAL_L_EyelidLowerA",
        "FACIAL_L_EyelidLowerA2", "FACIAL_L_Eye", "FACIAL_C_LipLower1", "FACIAL_C_LowerLipRotation",
    ],
    "Second Life Bento": [
        "mFaceJaw", "mFaceLipCornerLeft", "mFaceLipUpperCenter", "mFaceLipUpperLeft", "mFaceLipLowerCenter",
        "mFaceLipLowerLeft", "mFaceCheekUpperLeft", "mFaceNoseLeft", "mFaceEyebrowInnerLeft", "mFaceEyebrowCenterLeft",
        "mFaceEyebrowOuterLeft", "mFaceEyeLidUpperLeft", "mFaceEyeLidLowerLeft", "mFaceEyeAltLeft", "mEyeLeft",
        "mFaceChin",
    ],
    "Daz Genesis 8": [
        "lowerJaw", "lLipCorner", "LipUpperMiddle", "lLipUpperInner", "LipLowerMiddle", "lLipLowerInner", "lCheekUpper",
        "lNostril", "lBrowInner", "lBrowMid", "lBrowOuter", "lEyelidUpper", "lEyelidLower", "lEye", "lJawClench",
    ],
}  # fmt: skip
#: Names with a jaw and eyes at most, in rigs made for games; the bones that are to be found among them.
JAWS = {
    "mixamo": (["mixamorig:Hips", "mixamorig:Head", "mixamorig:Jaw"], {"mixamorig:Jaw"}),
    "character creator": (
        ["CC_Base_Hip", "CC_Base_Head", "CC_Base_FacialBone", "CC_Base_JawRoot", "CC_Base_UpperJaw", "CC_Base_L_Eye"],
        {"CC_Base_JawRoot", "CC_Base_L_Eye"},
    ),
    "genesis 9": (["hip", "head", "lowerjaw", "l_eye", "r_eye"], {"lowerjaw", "l_eye", "r_eye"}),
    "unreal": (["pelvis", "head", "jaw", "eye_l", "eye_r"], {"jaw", "eye_l", "eye_r"}),
    "a studio's": (["hero_hips", "hero_spine", "hero_head", "hero_jaw", "hero_eye.L"], {"hero_jaw", "hero_eye.L"}),
    "advanced skeleton": (["Root_M", "Head_M", "Jaw_M"], {"Jaw_M"}),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_families_of_bones_are_known_by_their_published_names(name):
    left = PUBLISHED[name]
    marks = (("Left", "Right"), ("_L", "_R"), (" L", " R"), ("FACIAL_L_", "FACIAL_R_"), ("l", "r"))
    pairs = []
    for bone in left:
        for mine, other in marks:
            if mine in ("_L", "Left") and bone.endswith(mine):
                pairs.append(bone.removesuffix(mine) + other)
            elif mine in (" L", "FACIAL_L_") and mine in bone:
                pairs.append(bone.replace(mine, other))
            elif mine == "l" and name.startswith("Daz") and bone[0] == "l" and bone[1].isupper():
                pairs.append(f"r{bone[1:]}")
    body = (
        ["Bip01 Head", "Bip01 Spine", "Bip01 L Thigh", "Bip01 R Thigh"] if name.startswith("3ds") else ["hips", "head"]
    )
    match = match_bones([*body, *left, *pairs])
    assert (match.profile, match.missing) == (name, ())
    found = {link.source: link.bone for link in match.links}
    assert {"jaw", "lip_upper", "lip_lower", "lip_corner.L", "lip_corner.R", "lid_upper.L", "lid_lower.R"} <= set(found)
    assert {"eye.L", "eye.R"} <= set(found) or "eyes" in found
    assert not {link.bone for link in match.links} & {*body, "lip_up_ctrl", "mouth_corner_mstr_L"}


@pytest.mark.parametrize("name", JAWS)
def test_rigs_with_a_jaw_and_no_more_are_found_and_what_lacks_is_told(name):
    bones, meant = JAWS[name]
    match = match_bones(bones)
    assert {link.bone for link in match.links} == meant
    assert any(link.source == "jaw" and link.channel == "ROTATION" for link in match.links)
    moved = link_coverage(match.links)
    assert moved.has("mouth") and not moved.has("lids") and "no blinks" in moved.why("lids")


def test_the_beginning_that_most_bones_share_does_not_count():
    assert shared_beginning(["Bip01 Head", "Bip01 L Thigh", "Bip01 MJaw", "Ponytail"]) == "bip01_"
    assert shared_beginning(["CC_Base_Hip", "CC_Base_Head", "CC_Base_JawRoot"]) == "cc_base_"
    assert (
        shared_beginning(["hips", "head", "jaw", "eye.L"])
        == shared_beginning(["DEF-jaw"])
        == shared_beginning([])
        == ""
    )


def test_no_face_says_what_was_looked_for():
    with pytest.raises(RigError, match=r"jaw_master.*c_jawbone\.x.*lowerJaw.*lips\.L"):
        match_bones(["hips", "spine", "head"])
    with pytest.raises(RigError, match="no bone profile 'Maya'"):
        match_bones(["jaw"], profile="Maya")


def test_a_mapping_survives_its_file(tmp_path):
    links = (
        Link("jaw", "chin_ctrl", "ROTATION", gain=0.5),
        Link("mouthSmileLeft", "board.L", axis="X", gain=-0.25, space="LOCAL"),
        Link("lid_upper.L", "ctrl", point="TAIL", watch="lid"),
    )
    path = tmp_path / "mapping.json"
    path.write_text(to_json(links, "Mine"), encoding="utf-8")
    assert read(path) == links


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"source": "elbow", "bone": "a"}, "nothing a bone can follow"),
        ({"source": "jaw", "bone": ""}, "No bone is named"),
        ({"source": "jaw", "bone": "a", "channel": "COLOUR"}, "channel of 'a'"),
        ({"source": "jaw", "bone": "a", "gain": float("nan")}, "must be a number"),
        ({"source": "jaw", "bone": "a", "gain": "much"}, "must be a number"),
        ({"source": "jawOpen", "bone": "a"}, "choose its axis"),
    ],
)
def test_links_that_make_no_sense_are_refused(fields, words):
    with pytest.raises(RigError, match=words):
        Link(**fields)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "cannot be read"),
        ("[]", "not a mapping of bones"),
        ('{"kind": "mouthpiece bones", "format": 9, "links": []}', "newer"),
        ('{"kind": "mouthpiece bones", "format": 1, "links": 3}', "no list"),
        ('{"kind": "mouthpiece bones", "format": 1, "links": [{"source": "jaw", "bone": "a", "colour": 1}]}', "colour"),
        ('{"kind": "mouthpiece bones", "format": 1, "links": [{"source": "jaw"}]}', "lacks"),
    ],
)
def test_files_that_are_no_mapping_are_refused(tmp_path, text, words):
    path = tmp_path / "mapping.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RigError, match=words):
        read(path)
    with pytest.raises(RigError, match="cannot be read"):
        read(tmp_path / "nowhere.json")


def test_links_from_a_take_are_links_again():
    stored = json.loads(to_json([Link("eye.L", "eye.L", "ROTATION")]))["links"]
    assert links_of(stored, "the take") == (Link("eye.L", "eye.L", "ROTATION"),)


@pytest.mark.parametrize("name", profile_names())
def test_no_profile_gives_one_channel_to_two_controls(name):
    from mouthpiece.retarget.bones import mapping

    profile = next(one for one in mapping._profiles() if one["name"] == name)
    sided = [pair for key, value in profile["links"].items() for pair in mapping._sided(key, value)]
    specs = dict(sided)
    first = [next(mapping._alternatives(spec))["bone"] for spec in specs.values()]
    bones = [bone if isinstance(bone, str) else bone[0] for bone in first]
    match = match_bones(bones, profile=name)
    channels = [(link.bone, link.channel) for link in match.links]
    assert len(set(channels)) == len(channels) and match.missing == ()
    assert len(match.links) >= len(specs) - 4  # some are there only instead of others


def test_all_controls_of_all_profiles_are_known():
    from mouthpiece.retarget.bones import mapping

    for profile in mapping._profiles():
        for key in profile["links"]:
            assert key.replace("{S}", "L") in CONTROLS

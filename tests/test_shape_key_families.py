"""Families of shape keys by their published names, in whatever exporters put around them."""

import pytest
from mouthpiece.motion.chart.visemes import VISEMES
from mouthpiece.retarget.shape_keys.affixes import shared_affixes
from mouthpiece.retarget.shape_keys.families import families
from mouthpiece.retarget.shape_keys.matching import detect
from mouthpiece.topology import ARKIT_NAMES

QUARTERS = ("UpperLeft", "UpperRight", "LowerLeft", "LowerRight")
UNIFIED = [
    *(f"EyeLook{way}{side}" for way in ("Out", "In", "Up", "Down") for side in ("Right", "Left")),
    *(f"{name}{side}" for name in (
        "EyeClosed", "EyeDilation", "EyeConstrict", "EyeSquint", "EyeWide", "BrowPinch", "BrowLowerer", "BrowInnerUp",
        "BrowOuterUp", "NasalDilation", "NoseSneer", "CheekSquint", "CheekPuff", "CheekSuck", "LipSuckUpper",
        "LipSuckLower", "LipFunnelUpper", "LipFunnelLower", "LipPuckerUpper", "LipPuckerLower", "MouthUpperUp",
        "MouthLowerDown", "MouthUpperDeepen", "MouthUpper", "MouthLower", "MouthCornerPull", "MouthCornerSlant",
        "MouthFrown", "MouthStretch", "MouthDimple", "MouthPress", "MouthTightener") for side in ("Right", "Left")),
    "JawOpen", "JawRight", "JawLeft", "JawForward", "JawBackward", "JawClench", "MouthClosed", "MouthRaiserUpper",
    "MouthRaiserLower", "TongueOut", "TongueUp", "TongueDown",
]  # fmt: skip
SRANIPAL = [
    *(f"Eye_{side}_{what}" for side in ("Left", "Right")
      for what in ("Blink", "Wide", "Right", "Left", "Up", "Down", "Squeeze")),
    "Jaw_Right", "Jaw_Left", "Jaw_Forward", "Jaw_Open", "Mouth_Ape_Shape", "Mouth_Upper_Right", "Mouth_Upper_Left",
    "Mouth_Lower_Right", "Mouth_Lower_Left", "Mouth_Upper_Overturn", "Mouth_Lower_Overturn", "Mouth_Pout",
    "Mouth_Smile_Right", "Mouth_Smile_Left", "Mouth_Sad_Right", "Mouth_Sad_Left", "Cheek_Puff_Right",
    "Cheek_Puff_Left", "Cheek_Suck", "Mouth_Upper_UpRight", "Mouth_Upper_UpLeft", "Mouth_Lower_DownRight",
    "Mouth_Lower_DownLeft", "Mouth_Upper_Inside", "Mouth_Lower_Inside", "Mouth_Lower_Overlay", "Tongue_LongStep1",
    "Tongue_LongStep2", "Tongue_Left", "Tongue_Right",
]  # fmt: skip
FACESHIFT = (
    "EyeBlink_L EyeBlink_R EyeSquint_L EyeSquint_R EyeDown_L EyeDown_R EyeIn_L EyeIn_R EyeOpen_L EyeOpen_R EyeOut_L "
    "EyeOut_R EyeUp_L EyeUp_R BrowsD_L BrowsD_R BrowsU_C BrowsU_L BrowsU_R JawFwd JawLeft JawOpen JawChew JawRight "
    "MouthLeft MouthRight MouthFrown_L MouthFrown_R MouthSmile_L MouthSmile_R MouthDimple_L MouthDimple_R "
    "LipsStretch_L LipsStretch_R LipsUpperClose LipsLowerClose LipsUpperUp LipsLowerDown LipsUpperOpen LipsLowerOpen "
    "LipsFunnel LipsPucker ChinLowerRaise ChinUpperRaise Sneer Puff CheekSquint_L CheekSquint_R"
).split()
MIXAMO = [
    *(f"{name}_{side}" for name in (
        "Blink", "BrowsDown", "BrowsIn", "BrowsOuterLower", "BrowsUp", "CheekPuff", "EyesWide", "Frown", "JawRotateY",
        "JawRotateZ", "Jaw", "LowerLipDown", "Midmouth", "MouthNarrow", "MouthWhistle_NarrowAdjust", "NoseScrunch",
        "Smile", "Squint", "UpperLipUp") for side in ("Left", "Right")),
    "JawBackward", "JawForeward", "Jaw_Down", "Jaw_Up", "LowerLipIn", "LowerLipOut", "MouthDown", "MouthOpen",
    "MouthUp", "TongueUp", "UpperLipIn", "UpperLipOut",
]  # fmt: skip
METAHUMAN = [f"CTRL_expressions_{name}" for name in (
    *(f"{name}{side}" for name in (
        "browDown", "browLateral", "browRaiseIn", "browRaiseOuter", "eyeBlink", "eyeWiden", "eyeSquintInner",
        "eyeCheekRaise", "eyeLookUp", "eyeLookDown", "eyeLookLeft", "eyeLookRight", "noseWrinkle", "mouthCheekBlow",
        "mouthCornerPull", "mouthCornerDepress", "mouthDimple", "mouthStretch", "mouthLipsPress",
        "mouthLowerLipDepress", "mouthUpperLipRaise", "mouthLowerLipRollIn", "mouthUpperLipRollIn", "jawChinRaiseD",
        "jawChinRaiseU", "eyePupilWide") for side in "LR"),
    *(f"{name}{place}" for name in ("mouthFunnel", "mouthLipsPurse", "mouthLipsTogether")
      for place in ("UL", "UR", "DL", "DR")),
    "jawOpen", "jawFwd", "jawBack", "jawLeft", "jawRight", "mouthLeft", "mouthRight",
)]  # fmt: skip
MICROSOFT = (
    "aa_02 aa_ah_ax_01 ao_03 aw_09 ay_11 d_t_n_19 er_05 ey_eh_uh_04 f_v_18 h_12 k_g_ng_20 l_14 ow_08 oy_10 p_b_m_21 "
    "r_13 sh_ch_jh_zh_16 sil_00 s_z_15 th_dh_17 w_uw_07 y_iy_ih_ix_06"
).split()
DAZ_81 = [f"Genesis8_1Female__{name}" for name in (
    "facs_jnt_JawOpen", "facs_jnt_JawLeft", "facs_jnt_JawRight", "facs_jnt_JawForward", "facs_bs_MouthClose_div2",
    "facs_bs_MouthFunnel_div2", "facs_bs_MouthPucker_div2", "facs_bs_MouthLeft_div2", "facs_bs_MouthRight_div2",
    "facs_bs_MouthRollUpper_div2", "facs_bs_MouthRollLower_div2", "facs_bs_MouthShrugUpper_div2",
    "facs_bs_MouthShrugLower_div2", *(f"facs_bs_{name}{side}_div2" for name in (
        "MouthSmile", "MouthFrown", "MouthDimple", "MouthStretch", "MouthPress", "MouthLowerDown", "MouthUpperUp",
        "BrowDown", "BrowOuterUp", "CheekSquint", "NoseSneer", "EyeSquint") for side in ("Left", "Right")),
    "facs_bs_BrowInnerUp_div2", "facs_bs_CheekPuff_div2", "facs_jnt_EyeBlinkLeft", "facs_jnt_EyeBlinkRight",
    "facs_jnt_EyesWideLeft", "facs_jnt_EyesWideRight",
    *(f"facs_ctrl_EyeLook{way}{side}" for way in ("Up", "Down", "In", "Out") for side in ("Left", "Right")),
)]  # fmt: skip
DAZ_9 = [f"facs_bs_{name}" for name in (
    "JawOpen", "JawForward", "JawLeft", "JawRight", "MouthLeft", "MouthRight",
    *(f"{name}{place}" for name in ("MouthClose", "MouthFunnel", "MouthPurse", "MouthPress") for place in QUARTERS),
    *(f"{name}{side}" for name in (
        "BrowDown", "BrowInnerUp", "BrowOuterUp", "CheekPuff", "CheekSquint", "EyeBlink", "EyeLookDown", "EyeLookIn",
        "EyeLookOut", "EyeLookUp", "EyeSquint", "MouthDimple", "MouthFrown", "MouthLowerDown", "MouthRollLower",
        "MouthRollUpper", "MouthShrugLower", "MouthShrugUpper", "MouthSmile", "MouthStretch", "MouthUpperUp",
        "NoseSneer") for side in ("Left", "Right")),
)]  # fmt: skip
DAZ = [f"Genesis8Male__eCTRL{name}" for name in (
    "vAA", "vEE", "vEH", "vER", "vF", "vIH", "vIY", "vK", "vL", "vM", "vOW", "vS", "vSH", "vT", "vTH", "vUW", "vW",
    "EyesClosedL", "EyesClosedR", "EyesSquintL", "EyesSquintR", "MouthSmileSimpleL", "MouthSmileSimpleR", "MouthFrown",
    "BrowInnerUp-DownL", "BrowInnerUp-DownR", "BrowOuterUp-DownL", "BrowOuterUp-DownR", "BrowSqueezeL",
    "BrowSqueezeR", "JawOut-In", "TongueUp-Down", "MouthOpen",
)]  # fmt: skip
UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 18, 20, 22, 24, 26, 28, 45)
FACS_SAID = (
    "AU1_InnerBrowRaiser AU2_OuterBrowRaiser AU4_BrowLowerer AU5_UpperLidRaiser AU6_CheekRaiser AU7_LidTightener "
    "AU9_NoseWrinkler AU10_UpperLipRaiser AU12_LipCornerPuller AU14_Dimpler AU15_LipCornerDepressor AU17_ChinRaiser "
    "AU20_LipStretcher AU24_LipPressor AU26_JawDrop AU45_Blink"
).split()
UNITY_CHAN = [
    f"blendShape1.MTH_{name}" for name in ("A", "I", "U", "E", "O", "SMILE1", "SMILE2", "CONF", "SAP", "ANG1")
]
MB_LAB = [
    *(f"Expressions_mouth{number:02d}_{end}" for number in range(1, 13) for end in ("max", "min")),
    *(f"Expressions_eye{name}_{end}" for name in ("02L", "02R", "03", "04") for end in ("max", "min")),
    "Expressions_eye01L_max", "Expressions_eye01R_max", "Expressions_brow01_max", "Expressions_brow01_min",
    "Expressions_brow03L_max", "Expressions_brow03R_max", "Expressions_cheek01L_max", "Expressions_cheek01R_max",
]  # fmt: skip

#: Rig -> its keys, its family, how many keys are driven, and for a few keys what drives them.
PUBLISHED = {
    "Unified": (UNIFIED, "Unified Expressions", 70, {
        "LipFunnelUpperRight": "mouthFunnel", "EyeClosedLeft": "eyeBlinkLeft", "MouthRaiserLower": "mouthShrugLower"}),
    "SRanipal": (SRANIPAL, "SRanipal", 41, {
        "Mouth_Ape_Shape": "mouthClose", "Eye_Left_Blink": "eyeBlinkLeft", "Eye_Right_Left": "eyeLookInRight"}),
    "Faceshift": (FACESHIFT, "Faceshift", 45, {"BrowsU_C": "browInnerUp", "JawFwd": "jawForward", "Puff": "cheekPuff"}),
    "Faceshift, numbered": ([f"{number:02d}_{name}" for number, name in enumerate(FACESHIFT)], "Faceshift", 45, {}),
    "Mixamo": (MIXAMO, "Mixamo", 35, {"Blink_Left": "eyeBlinkLeft", "Midmouth_Right": "mouthRight"}),
    "Mixamo, Fuse": ([f"Facial_Blends.{name}" for name in MIXAMO], "Mixamo", 35, {}),
    "MetaHuman": (METAHUMAN, "MetaHuman", 66, {
        "CTRL_expressions_mouthCornerPullL": "mouthSmileLeft", "CTRL_expressions_eyeLookLeftR": "eyeLookInRight"}),
    "MetaHuman, exported": ([f"head_lod0_mesh__{name}" for name in METAHUMAN], "MetaHuman", 66, {}),
    "Microsoft, MPFB 01": (MICROSOFT, "Microsoft visemes", 18, {"p_b_m_21": "viseme.PP", "f_v_18": "viseme.FF"}),
    "Microsoft, numbers": ([f"viseme_{n:02d}" for n in range(22)], "Microsoft visemes", 18, {"viseme_21": "viseme.PP"}),
    "Genesis 8.1": (DAZ_81, "DAZ FACS", 51, {"Genesis8_1Female__facs_bs_MouthSmileLeft_div2": "mouthSmileLeft"}),
    "Genesis 9": (DAZ_9, "DAZ FACS", 66, {
        "facs_bs_MouthPurseLowerLeft": "mouthPucker", "facs_bs_MouthPressUpperRight": "mouthPressRight"}),
    "Genesis 8": (DAZ, "DAZ Genesis", 30, {
        "Genesis8Male__eCTRLvM": "viseme.PP", "Genesis8Male__eCTRLEyesClosedL": "eyeBlinkLeft"}),
    "FACS, numbers": ([f"AU_{n:02d}" for n in UNITS], "FACS", 20, {"AU_26": "jawOpen", "AU_01": "browInnerUp"}),
    "FACS, sides": ([f"AU{n}_{side}" for n in (2, 4, 6, 7, 12, 15, 20, 45) for side in "LR"] + ["AU26", "AU1"],
                    "FACS", 18, {"AU20_L": "mouthStretchLeft", "AU45_R": "eyeBlinkRight"}),
    "FACS, said": (FACS_SAID, "FACS", 16, {"AU26_JawDrop": "jawOpen"}),
    "Unity-chan": (UNITY_CHAN, "Unity-chan", 7, {"blendShape1.MTH_A": "viseme.aa + 0.3 * viseme.kk"}),
    "MB-Lab": (MB_LAB, "MB-Lab", 26, {"Expressions_mouth10_min": "jawOpen", "Expressions_eye02L_max": "eyeBlinkLeft"}),
}  # fmt: skip


@pytest.mark.parametrize("rig", PUBLISHED)
def test_a_family_is_known_by_its_published_names(rig):
    names, label, count, said = PUBLISHED[rig]
    table = detect(names)
    assert table.families == (label,), table.summary()
    driven = {entry.key: entry.formula for entry in table.entries}
    assert len(driven) == count, sorted(set(names) - set(driven))
    assert {name: driven.get(name) for name in said} == said


@pytest.mark.parametrize("rig", PUBLISHED)
def test_no_formula_of_a_family_drives_a_mouth_without_opening_it(rig):
    table = detect(PUBLISHED[rig][0])
    assert table.playing("jawOpen") or table.playing("viseme.aa")


def spelled(pattern, names=ARKIT_NAMES):
    return [pattern.format(name=name, Name=name[0].upper() + name[1:], n=n) for n, name in enumerate(names, 1)]


@pytest.mark.parametrize(
    "pattern",
    [
        "AK_{n:02d}_{Name}", "Mesh.001_{name}", "hero_v2__facs_bs_{Name}", "blendShape1.{name}", "{n}_{name}",
        "{name}_Head", "{name}_exp{n}", "CH01_{name}_hi", "Genesis9_{Name}_div2", "teeth_{name}", "Büste {name}",
    ],
)  # fmt: skip
def test_whatever_most_keys_share_is_stripped(pattern):
    names = spelled(pattern)
    table = detect(["other", *names])
    assert {entry.key: entry.formula for entry in table.entries} == dict(zip(names, ARKIT_NAMES, strict=True))
    assert table.families == ("ARKit",)


def test_two_sets_with_a_beginning_each():
    visemes = spelled("AA_VI_{n:02d}_{name}", VISEMES)
    table = detect([*spelled("AK_{n:02d}_{Name}"), *visemes])
    assert len(table.keys) == 52 and table.unused == tuple(visemes)
    alone = detect(visemes)
    assert alone.families == ("Oculus visemes",) and len(alone.keys) == 15


@pytest.mark.parametrize(
    "names",
    [
        ["hair_A", "hair_I", "hair_U", "hair_E", "hair_O", *(f"cor_{n}" for n in range(12))],
        ["corrective_jawOpen_mouthSmile", "corrective_jawOpen_mouthPucker", "x", "y", "z", "w", "jawOpen"],
    ],
)
def test_a_beginning_that_few_keys_share_has_a_meaning(names):
    known = [name for name in names if name == "jawOpen"]
    if known:
        assert detect(names).keys == ("jawOpen",)
    else:
        with pytest.raises(Exception, match="None of the character's 17"):
            detect(names)


def test_a_side_is_no_end_that_is_stripped():
    assert detect(["mouthSmile_L", "cheekPuff_L", "browDown_L", "eyeBlink_L"]).both == {}


def test_a_tongue_of_its_own_is_told_beside_the_face():
    table = detect([*ARKIT_NAMES, "tongueTipUp", "tongueRollUp", "tongueWide"])
    assert table.summary().startswith("52 of 52 ARKit shapes matched, 55 shape keys with Audio2Face tongue, missing: ")


def test_tongue_and_teeth_on_the_same_mesh_go_along():
    names = [*ARKIT_NAMES[:51], "tongue_jawOpen", "teeth_jawOpen", "tongue_tongueOut", "jawOpen_smile"]
    assert ARKIT_NAMES[51] == "tongueOut"
    table = detect(names)
    driven = {entry.key: entry.formula for entry in table.entries}
    assert driven["tongue_jawOpen"] == driven["teeth_jawOpen"] == driven["jawOpen"] == "jawOpen"
    assert driven["tongue_tongueOut"] == "tongueOut" and table.unused == ("jawOpen_smile",)
    assert table.summary() == "52 of 52 ARKit shapes matched"


@pytest.mark.parametrize("part", ["tongue", "teeth", "eyelashes"])
def test_teeth_and_tongue_of_their_own_are_known(part):
    assert detect([f"{part}_jawOpen"]).keys == (f"{part}_jawOpen",)
    assert len(detect([f"{part}_{name}" for name in ("jawOpen", "jawLeft", "jawRight", "jawForward")]).keys) == 4


def test_one_key_for_both_sides_names_both():
    table = detect(["jawOpen", "eyeBlink", "mouthSmile"])
    assert table.both["eyeBlink"] == ("eyeBlinkLeft", "eyeBlinkRight")
    assert "eyeBlink plays both sides (eyeBlinkLeft and eyeBlinkRight)" in table.summary()
    assert "mouthSmileLeft and mouthSmileRight: mouthSmile plays both sides" in table.missing_lines()


def test_keys_that_move_nothing_match_nothing_and_are_told():
    vowels = [f"Fcl_MTH_{vowel}" for vowel in "AIUEO"]
    table = detect([*ARKIT_NAMES, *vowels, "Fcl_EYE_Close"], still=ARKIT_NAMES)
    assert table.families == ("VRoid",) and set(vowels) < set(table.keys)
    assert set(table.still) == set(ARKIT_NAMES) and not set(table.still) & set(table.keys)
    assert f"moves nothing: {', '.join(ARKIT_NAMES[:6])} and 46 more" in table.summary()


def test_an_empty_key_is_told_once():
    table = detect(ARKIT_NAMES, still=["tongueOut"])
    assert table.summary() == "51 of 52 ARKit shapes matched; moves nothing: tongueOut"
    assert table.missing_lines() == ["Moves nothing: tongueOut"]


def test_one_empty_key_is_missing_and_something_stands_in():
    table = detect([*ARKIT_NAMES, "Fcl_MTH_A", "Fcl_MTH_I", "Fcl_MTH_O"], still=["jawOpen"])
    assert table.missing == {"jawOpen": "Fcl_MTH_A"} and table.still == ("jawOpen",)
    said = "51 of 52 ARKit shapes matched, missing: jawOpen (Fcl_MTH_A stands in); moves nothing: jawOpen"
    assert table.summary() == said
    assert "Moves nothing: jawOpen" in table.missing_lines()


@pytest.mark.parametrize("pattern", ["viseme_{name}", "AA_VI_{n:02d}_{name}", "{name}"])
def test_an_empty_viseme_for_silence_is_as_it_should_be(pattern):
    names = spelled(pattern, VISEMES)
    silence = names[VISEMES.index("sil")]
    table = detect(names, still=[silence])
    assert silence in table.keys and not table.still and table.missing == {}


def test_a_rig_of_empty_keys_is_refused_with_their_names():
    with pytest.raises(Exception, match=r"move nothing \(jawOpen, mouthClose\)"):
        detect(["jawOpen", "mouthClose", "smirk"], still=["jawOpen", "mouthClose", "smirk"])


def test_empty_keys_of_unknown_names_are_not_told():
    assert detect(["jawOpen", "cor_elbow"], still=["cor_elbow"]).still == ()


def test_the_one_that_moves_wins_among_equal_names_and_so_does_the_one_that_is_not_muted():
    assert detect(["jawOpen", "jawOpen.001"], still=["jawOpen"]).keys == ("jawOpen.001",)
    assert detect(["jawOpen", "JawOpen"], muted=["jawOpen"]).keys == ("JawOpen",)
    assert detect(["jawOpen"], muted=["jawOpen"]).keys == ("jawOpen",)


def test_a_muted_set_does_not_win_over_one_that_plays():
    visemes = [f"viseme_{name}" for name in VISEMES]
    assert set(detect([*ARKIT_NAMES, *visemes], muted=ARKIT_NAMES).keys) & set(visemes) == set(visemes)


def test_affixes_are_few_and_quick_to_find():
    assert len(shared_affixes([f"a_{n}_b_{n}_c{n}" for n in range(300)])) <= 72


def test_every_family_says_who_uses_it():
    assert len(families()) == 24

"""What a character moves: which driver or control moves which part of a face, and how that is told."""

import json

import pytest
from mouthpiece.retarget.bones.controls import CONTROLS, sources
from mouthpiece.retarget.coverage import PARTS, Coverage, covered, opens, part_named, part_of
from mouthpiece.retarget.shape_keys.drivers import GROUPS, NAMES


def test_every_driver_and_control_is_of_the_part_it_moves():
    told = {name: part_of(name) for name in (*NAMES, *sources())}
    assert set(told.values()) <= {*PARTS, ""}
    assert {told[name] for name in NAMES if name.startswith(("jaw", "mouth", "viseme"))} == {"mouth"}
    assert {told[name] for name in NAMES if name.startswith("eyeLook")} == {"gaze"}
    assert {name for name, part in told.items() if part == "lids" and name not in CONTROLS and ":" not in name} == {
        "eyeBlinkLeft", "eyeBlinkRight", "blink.left", "blink.right", "blink.L", "blink.R",
    }  # fmt: skip
    assert told["tongueOut"] == "tongue" and told["head.yaw"] == "head" and told["brow_inner.L"] == "brows"
    assert told["eye.L"] == told["eyes"] == "gaze" and told["lid_upper.L:up"] == "lids"
    assert {told[name] for name in ("eyeSquintLeft", "cheekPuff", "noseSneerLeft", "nostril.L", "speaking")} == {""}


def test_only_what_parts_the_lips_is_a_mouth():
    opening = {name for name in GROUPS["ARKit"] if opens(name)}
    assert opening == {
        "jawOpen", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    }  # fmt: skip
    assert opens("viseme.aa") and opens("opening") and opens("jaw") and opens("jaw:up") and opens("lip_lower.L")
    assert not any(map(opens, ("viseme.PP", "viseme.sil", "lip_corner.L", "lip_upper", "jaw_forward", "blink.left")))


def test_two_corners_are_no_mouth_and_a_jaw_is_one():
    corners = [("corner L", ["lip_corner.L"]), ("corner R", ["lip_corner.R"]), ("brow", ["brow.L"])]
    match = covered(corners, {"mouth": "only its corners move", "brows": "never told"})
    assert not match.has("mouth") and match.why("mouth") == "only its corners move"
    assert match.driven == {"brows": ("brow",)} and match.why("brows") == ""
    assert covered([*corners, ("maxi", ["jaw"])], {}).driven["mouth"] == ("corner L", "corner R", "maxi")


def test_company_adds_what_it_moves_and_the_reasons_go():
    face = Coverage({"mouth": ("jawOpen",)}, {"teeth": "the mesh has none", "gaze": "no key"})
    teeth = Coverage({"mouth": ("jawOpen",), "lids": ("x",)}).as_one("teeth", "Lower Teeth")
    whole = face.with_company([teeth, Coverage({"mouth": ("jawOpen", "mouthPucker")})])
    assert whole.driven == {"mouth": ("jawOpen", "mouthPucker"), "teeth": ("Lower Teeth",)}
    assert whole.lacking == {"gaze": "no key"}
    assert not Coverage().as_one("teeth", "Teeth").has("teeth")


def test_a_coverage_is_told_in_a_line_and_in_full():
    match = Coverage({"mouth": ("a", "b", "c", "d", "e"), "gaze": ("eye L", "eye R")}, {"lids": "the rig has no lids"})
    assert match.summary() == "Mouth, gaze · no lids, brows, head, teeth, tongue"
    assert match.lines()[:3] == [
        "Mouth: a, b, c and 2 more", "Lids: not moved, the rig has no lids", "Gaze: eye L, eye R",
    ]  # fmt: skip
    assert len(match.lines()) == len(PARTS)
    told = json.loads(json.dumps(match.as_dict()))
    assert told["mouth"] == {"by": ["a", "b", "c", "d", "e"]} and told["lids"] == {"why": "the rig has no lids"}
    assert Coverage().summary() == "Nothing moves"
    assert Coverage({part: ("x",) for part in PARTS}).summary() == "Mouth, lids, gaze, brows, head, teeth, tongue"
    with pytest.raises(ValueError, match="elbow"):
        Coverage({"elbow": ("x",)})


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("Teeth_Lower", "teeth"), ("CC_Base_Teeth", "teeth"), ("upperTeeth", "teeth"), ("Gums", "teeth"),
        ("tongue.001", "tongue"), ("CC_Base_Tongue", "tongue"), ("Eyelashes", "lids"), ("eyebrow_L", "brows"),
        ("LeftEye", "gaze"), ("eyeball.R", "gaze"), ("Head", ""), ("Body", ""), ("Eyewear", ""),
    ],
)  # fmt: skip
def test_names_that_say_which_part_an_object_is(name, part):
    assert part_named(name) == part

import numpy as np
import pytest
from mouthpiece.curves import FrameGrid
from mouthpiece.errors import RigError
from mouthpiece.retarget.head import head_curves
from mouthpiece.retarget.profiles import canonical, match_arkit
from mouthpiece.retarget.shapes import shape_curves
from mouthpiece.topology import ARKIT_MOUTH, ARKIT_NAMES, HEAD_CHANNELS

from tests.material import make_take


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
    match = match_arkit(names)
    assert match.missing == () and match.unused == ("Basis",)
    assert match.shapes == {name: (spelled(name, way),) for name in ARKIT_NAMES}


def test_what_is_missing_and_unused_is_reported():
    match = match_arkit(["Basis", "Jaw Open", "smug", "mouthClose"])
    assert match.shapes == {"jawOpen": ("Jaw Open",), "mouthClose": ("mouthClose",)}
    assert len(match.missing) == 50 and "tongueOut" in match.missing
    assert match.unused == ("Basis", "smug")
    assert match.summary().startswith("2 of 52 ARKit shapes matched, missing: browDownLeft")


def test_an_exact_name_wins_over_one_that_means_the_same():
    assert match_arkit(["Jaw_Open", "jawOpen"]).shapes["jawOpen"] == ("jawOpen",)
    assert match_arkit(["jawOpen", "Jaw_Open"]).unused == ("Jaw_Open",)


def test_halves_stand_in_for_a_whole():
    match = match_arkit(["browInnerUp_L", "browInnerUp_R", "cheekPuff"])
    assert match.shapes["browInnerUp"] == ("browInnerUp_L", "browInnerUp_R")
    assert match.keys == ("browInnerUp_L", "browInnerUp_R", "cheekPuff")


def test_names_that_only_resemble_are_left_alone():
    names = ["jawOpen", "tongue", "mouthOpen", "jawOpen2", "eyeBlink", "head", "left", "_L", "...", "mouth"]
    assert match_arkit(names).shapes == {"jawOpen": ("jawOpen",)}


@pytest.mark.parametrize("names", [[], [""], ["Basis"], ["A", "I", "U"], ["Key 1", "話す"]])
def test_nothing_that_matches_is_refused_with_the_remedy(names):
    with pytest.raises(RigError, match="ARKit"):
        match_arkit(names)


def test_canonical_of_a_side_word_in_front():
    assert canonical("Left_eyeBlink") == canonical("eyeBlinkLeft") == "eyeblinkleft"


def test_mouth_shapes_are_those_speech_moves():
    assert "jawOpen" in ARKIT_MOUTH and "mouthClose" in ARKIT_MOUTH
    assert not any(name.startswith(("eye", "brow", "nose")) for name in ARKIT_MOUTH)


def test_a_shape_gets_its_weight_on_every_frame():
    take = make_take(frames=51)  # jawOpen rises from 0 to 1 in two seconds
    curves, clamped = shape_curves(take, match_arkit(["Jaw Open"]), FrameGrid(50.0, 1.0, 1, 101))
    np.testing.assert_allclose(curves["Jaw Open"], np.linspace(0, 1, 101), atol=1e-6)
    assert clamped == {} and curves.frames[0] == 1 and curves.frames[-1] == 101


def test_values_are_clamped_to_the_sliders_and_counted():
    take = make_take(frames=51)
    curves, clamped = shape_curves(
        take, match_arkit(["jawOpen"]), FrameGrid(25.0, 0.0, 0, 50), {"jawOpen": (0.1, 1.5)}, strength=2.0
    )
    assert curves["jawOpen"].min() == np.float32(0.1) and curves["jawOpen"].max() == 1.5
    assert clamped == {"jawOpen": 3 + 13}  # 0, .04 and .08 lie below; 1.52 to 2 in steps of .04 above 1.5 + slack


def test_both_halves_get_the_whole_weight():
    take = make_take(arkit=np.full((50, 52), 0.5))
    match = match_arkit(["cheekPuff_L", "cheekPuff_R"])
    curves, _ = shape_curves(take, match, FrameGrid(25.0, 0.0, 0, 9))
    assert (curves.values == 0.5).all() and curves.names == ("cheekPuff_L", "cheekPuff_R")


def test_head_channels_keep_their_units_and_follow_strength():
    take = make_take(frames=26)
    curves = head_curves(take, FrameGrid(25.0, 0.0, 0, 25), strength=0.5)
    assert curves.names == HEAD_CHANNELS
    np.testing.assert_allclose(curves.values[-1], [0.05, 0.1, 0.15, 0.2, 0.25, 0.3], atol=1e-6)

import numpy as np
from mouthpiece.curves import FrameGrid
from mouthpiece.retarget.bones.head import head_curves
from mouthpiece.retarget.shape_keys.curves import shape_curves
from mouthpiece.retarget.shape_keys.matching import detect
from mouthpiece.topology import ARKIT_MOUTH, HEAD_CHANNELS

from tests.material import make_take


def test_mouth_shapes_are_those_speech_moves():
    assert "jawOpen" in ARKIT_MOUTH and "mouthClose" in ARKIT_MOUTH
    assert not any(name.startswith(("eye", "brow", "nose")) for name in ARKIT_MOUTH)


def test_a_shape_gets_its_weight_on_every_frame():
    take = make_take(frames=51)  # jawOpen rises from 0 to 1 in two seconds
    curves, clamped = shape_curves(take, detect(["Jaw Open"]), FrameGrid(50.0, 1.0, 1, 101))
    np.testing.assert_allclose(curves["Jaw Open"], np.linspace(0, 1, 101), atol=1e-6)
    assert clamped == {} and curves.frames[0] == 1 and curves.frames[-1] == 101


def test_values_are_clamped_to_the_sliders_and_counted():
    take = make_take(frames=51)
    curves, clamped = shape_curves(
        take, detect(["jawOpen"]), FrameGrid(25.0, 0.0, 0, 50), {"jawOpen": (0.1, 1.5)}, strength=2.0
    )
    assert curves["jawOpen"].min() == np.float32(0.1) and curves["jawOpen"].max() == 1.5
    assert clamped == {"jawOpen": 3 + 13}  # 0, .04 and .08 lie below; 1.52 to 2 in steps of .04 above 1.5 + slack


def test_both_halves_get_the_whole_weight():
    take = make_take(arkit=np.full((50, 52), 0.5))
    match = detect(["cheekPuff_L", "cheekPuff_R"])
    curves, _ = shape_curves(take, match, FrameGrid(25.0, 0.0, 0, 9))
    assert (curves.values == 0.5).all() and curves.names == ("cheekPuff_L", "cheekPuff_R")


def test_head_channels_keep_their_units_and_follow_strength():
    take = make_take(frames=26)
    curves = head_curves(take, FrameGrid(25.0, 0.0, 0, 25), strength=0.5)
    assert curves.names == HEAD_CHANNELS
    np.testing.assert_allclose(curves.values[-1], [0.05, 0.1, 0.15, 0.2, 0.25, 0.3], atol=1e-6)

"""Tables of shape keys: what an entry comes to, and files of them."""

import json

import numpy as np
import pytest
from mouthpiece.curves import FrameGrid
from mouthpiece.errors import RigError
from mouthpiece.motion.dials import Dials, apply
from mouthpiece.retarget.shape_keys import drivers
from mouthpiece.retarget.shape_keys import table as core_table
from mouthpiece.retarget.shape_keys.curves import shape_curves
from mouthpiece.retarget.shape_keys.lip_opening import Lips
from mouthpiece.retarget.shape_keys.matching import detect
from mouthpiece.retarget.shape_keys.table import Entry, ShapeMap
from mouthpiece.topology import ARKIT_INDEX, ARKIT_NAMES

from tests.material import make_take


def constant(**weights):
    arkit = np.zeros((50, 52), np.float32)
    for name, value in weights.items():
        arkit[:, ARKIT_INDEX[name]] = value
    return make_take(arkit=arkit)


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        (Entry("k", "jawOpen"), 0.4),
        (Entry("k", "jawOpen", gain=0.5), 0.2),
        (Entry("k", "jawOpen", offset=0.3), 0.7),
        (Entry("k", "jawOpen", invert=True), 0.6),
        (Entry("k", "jawOpen", gain=2.0, offset=-0.1, invert=True), 1.0),  # 1.1, clamped
        (Entry("k", "0.25"), 0.25),
    ],
)
def test_an_entry_is_offset_and_gain_times_what_drives_it(entry, value):
    curves, _ = shape_curves(constant(jawOpen=0.4), ShapeMap((entry,)), FrameGrid(25.0, 0.0, 0, 9))
    np.testing.assert_allclose(curves["k"], value, atol=1e-6)


def test_strength_leaves_the_offset_alone():
    table = ShapeMap((Entry("k", "jawOpen", offset=0.1),))
    curves, _ = shape_curves(constant(jawOpen=0.4), table, FrameGrid(25.0, 0.0, 0, 9), strength=0.5)
    np.testing.assert_allclose(curves["k"], 0.3, atol=1e-6)


def test_what_is_switched_off_is_not_driven():
    table = ShapeMap((Entry("a", "jawOpen"), Entry("b", "jawOpen", enabled=False)))
    assert shape_curves(constant(), table, FrameGrid(25.0, 0.0, 0, 9))[0].names == ("a",)


def test_mouth_close_is_never_more_than_the_jaw_is_open():
    curves, _ = shape_curves(constant(jawOpen=0.2, mouthClose=0.7), detect([*ARKIT_NAMES]), FrameGrid(25.0, 0.0, 0, 9))
    np.testing.assert_allclose(curves["mouthClose"], 0.2, atol=1e-6)


def test_without_mouth_close_the_jaw_shuts_instead():
    table = detect([name for name in ARKIT_NAMES if name != "mouthClose"])
    curves, clamped = shape_curves(constant(jawOpen=0.5, mouthClose=0.4), table, FrameGrid(25.0, 0.0, 0, 9))
    np.testing.assert_allclose(curves["jawOpen"], 0.1, atol=1e-6)
    assert clamped == {}


def test_looks_go_where_the_character_looks():
    take = make_take(gaze=np.tile([0.305, -0.22], (50, 1)))  # right of the picture, and up
    names = ["A", "I", "U", "LookLeft", "LookRight", "LookUp", "LookDown"]
    curves, _ = shape_curves(take, detect(names), FrameGrid(25.0, 0.0, 0, 9))
    found = {name: round(float(curves[name][0]), 3) for name in names[3:]}
    assert found == {"LookLeft": 0.5, "LookRight": 0.0, "LookUp": 0.5, "LookDown": 0.0}


def test_a_mood_shows_where_there_is_nothing_else_to_show_it():
    names = ["A", "I", "U", "E", "O", "Joy", "Sorrow", "Angry"]
    happy = constant(mouthSmileLeft=0.85, mouthSmileRight=0.85, cheekSquintLeft=0.8, cheekSquintRight=0.8)
    curves, _ = shape_curves(happy, detect(names), FrameGrid(25.0, 0.0, 0, 9))
    np.testing.assert_allclose(curves["Joy"], 0.85 * 0.8 - 0.1, atol=1e-6)
    assert not curves["Sorrow"].any() and not curves["Angry"].any()


TABLE = ShapeMap(
    (Entry("jawOpen", "jawOpen - mouthClose", 1.5, -0.1, True, True), Entry("話す", "viseme.aa", enabled=False)),
    match_lips=False,
)


def test_a_file_gives_back_the_table(tmp_path):
    path = core_table.save(tmp_path / "new" / "Zoë's face.json", TABLE)
    assert core_table.load(path) == TABLE
    assert json.loads(path.read_text("utf-8"))["name"] == "Zoë's face"
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def written(tmp_path, **changes):
    path = tmp_path / "table.json"
    data = {"kind": "mouthpiece shape-key mapping", "format": 1, **core_table.as_dict(TABLE), **changes}
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "preset"}, "not a shape-key mapping"),
        ({"format": 2}, "newer Mouthpiece"),
        ({"format": "1"}, "newer Mouthpiece"),
        ({"entries": []}, "no entries"),
        ({"entries": {}}, "no entries"),
        ({"entries": ["jawOpen"]}, "Entry 1 of the mapping names no shape key"),
        ({"entries": [{"key": "a"}]}, r"'a'\) has no formula"),
        ({"entries": [{"key": "a", "formula": "jawOpn"}]}, "Shape key 'a'.*Did you mean jawOpen"),
        ({"entries": [{"key": "a", "formula": "jawOpen", "gain": "much"}]}, "gain is 'much'"),
        ({"entries": [{"key": "a", "formula": "jawOpen", "offset": True}]}, "offset is true"),
        ({"entries": [{"key": "a", "formula": "jawOpen", "invert": 1}]}, "invert must be"),
        ({"entries": [{"key": "a", "formula": "jawOpen", "layer": "feet"}]}, "layer is 'feet'"),
        ({"entries": [{"key": "a", "formula": "jawOpen", "speed": 2}]}, "nobody knows: speed"),
        ({"entries": [{"key": "a", "formula": "jawOpen"}] * 2}, "more than once: a"),
    ],
)
def test_a_bad_file_says_what_is_wrong_with_it(tmp_path, changes, words):
    with pytest.raises(RigError, match=words):
        core_table.load(written(tmp_path, **changes))


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "\x00\x01", "[" * 100_000])
def test_files_that_are_no_mapping(tmp_path, text):
    path = tmp_path / "table.json"
    path.write_text(text)
    with pytest.raises(RigError, match="not a"):
        core_table.load(path)


def test_a_missing_file_and_a_place_that_cannot_be_written(tmp_path):
    with pytest.raises(RigError, match="cannot be read"):
        core_table.load(tmp_path / "none.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(RigError, match="cannot be written"):
        core_table.save(tmp_path / "file" / "table.json", TABLE)


@pytest.mark.parametrize("family", [[*ARKIT_NAMES], [f"viseme_{name}" for name in ("aa", "E", "ih", "oh", "ou", "PP")]])
def test_a_rig_follows_the_dials(spoken, family):
    table, grid = detect(family), FrameGrid(25.0, 0.0, 0, len(spoken) - 1)
    openings = dict.fromkeys(family, 0.02 if "jawOpen" in family else 0.1) | {
        "jawOpen": 1.0,
        "mouthClose": -1.0,
        "viseme_aa": 0.5,
        "viseme_PP": 0.0,
    }
    lips = Lips(table, {key: openings[key] for key in table.keys})

    def opened(**given):
        seen = apply(spoken, Dials(**given))
        curves, _ = shape_curves(seen, table, grid, lips=lips)
        return sum(curves[key] * openings[key] for key in curves.names), drivers.lip_gap(seen)

    for given in ({}, {"lips": 0.5, "jaw": 0.5}, {"jaw": 1.5}):
        mouth, gap = opened(**given)
        assert np.corrcoef(mouth, gap)[0, 1] > 0.98
    assert opened(lips=0.5, jaw=0.5)[0].max() < 0.6 * opened()[0].max()


@pytest.mark.parametrize(
    ("emotion", "key"),
    [("neutral", ""), ("happy", "Joy"), ("sad", "Sorrow"), ("angry", "Angry"), ("surprised", "Surprised")],
)
def test_moods_of_vrm_follow_the_emotion_dial_and_speech_alone_wakes_none(spoken, emotion, key):
    moods = ("Joy", "Sorrow", "Angry", "Surprised")
    table, grid = detect(["A", "I", "U", "E", "O", *moods]), FrameGrid(25.0, 0.0, 0, len(spoken) - 1)
    curves, _ = shape_curves(apply(spoken, Dials(emotion=emotion)), table, grid)
    means = {mood: float(curves[mood].mean()) for mood in moods}
    assert all(mean > 0.3 if mood == key else mean < 0.02 for mood, mean in means.items()), means

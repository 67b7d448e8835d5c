import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from mouthpiece.errors import TakeError
from mouthpiece.performance import FORMAT, Performance, pack, rotation_matrices, unpack
from mouthpiece.provenance.facts import of_take
from mouthpiece.topology import ARKIT_NAMES, LEFT_EYE, MIRROR, RIGHT_EYE

from tests.material import make_take


def rewrite(path, **changes):
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    meta = json.loads(str(arrays["meta"]))
    meta.update({key: value for key, value in changes.items() if key not in arrays})
    arrays["meta"] = np.array(json.dumps(meta))
    arrays.update({key: value for key, value in changes.items() if key in arrays and key != "meta"})
    np.savez(path, **arrays)


def test_a_take_comes_back_as_it_was_saved(tmp_path):
    take = make_take()
    back = Performance.load(take.save(tmp_path / "grün 話" / "take.npz"))
    for name in ("landmarks", "neutral", "arkit", "head", "gaze", "blink", "activity"):
        np.testing.assert_array_equal(getattr(back, name), getattr(take, name))
    assert (back.fps, back.audio_sha256, back.models, back.options) == (25.0, "ab" * 32, take.models, take.options)
    assert back.arkit_names == ARKIT_NAMES
    assert len(back) == 50 and back.seconds == 2.0


def layered(**changes):
    rng = np.random.default_rng(2)
    layer = {
        "style": rng.standard_normal((50, 3)),
        "style_landmarks": 0.01 * rng.standard_normal((3, 68, 3)),
        "style_arkit": 0.1 * rng.standard_normal((3, 52)),
        "style_head": 0.1 * rng.standard_normal((50, 6)),
    }
    return make_take(**(layer | {"dials": {"lips": 1.2, "emotion": "happy"}} | changes))


def test_style_layer_and_dials_come_back_as_saved(tmp_path):
    take = layered()
    back = Performance.load(take.save(tmp_path / "take.npz"))
    for name in ("style", "style_landmarks", "style_arkit", "style_head"):
        np.testing.assert_array_equal(getattr(back, name), getattr(take, name))
    assert back.dials == {"lips": 1.2, "emotion": "happy"}


def test_a_take_of_the_first_format_has_no_style_and_no_dials(tmp_path):
    path = make_take().save(tmp_path / "take.npz")
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files if not name.startswith("style")}
    meta = json.loads(str(arrays["meta"])) | {"format": 1}
    del meta["dials"]
    np.savez(path, **(arrays | {"meta": np.array(json.dumps(meta))}))
    back = Performance.load(path)
    assert back.style.shape == (50, 0) and back.dials == {} and back.final() is back
    np.testing.assert_array_equal(back.arkit, make_take().arkit)


def test_what_is_seen_has_style_and_dials_in_it_and_neither_left():
    seen = layered(dials={}).final()
    assert seen.style.shape == (50, 0) and seen.dials == {}
    assert np.abs(seen.landmarks - make_take().landmarks).max() > 1e-3


@pytest.mark.parametrize(
    "changes",
    [
        {"style": np.zeros((49, 3))},
        {"style": np.zeros((50, 2))},
        {"style_arkit": np.zeros((3, 51))},
        {"style_head": np.zeros((49, 6))},
        {"style_landmarks": np.full((3, 68, 3), np.inf)},
    ],
)
def test_a_style_layer_that_does_not_fit_is_refused(changes):
    with pytest.raises(TakeError, match="style"):
        layered(**changes)


def test_saving_leaves_no_half_written_file(tmp_path):
    make_take().save(tmp_path / "take.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["take.npz"]


def test_arrays_cannot_be_changed():
    take = make_take()
    with pytest.raises(ValueError, match="read-only"):
        take.arkit[0, 0] = 1


def test_a_take_does_not_change_when_its_maker_goes_on_writing():
    arkit = np.zeros((50, 52), np.float32)
    take = make_take(arkit=arkit)
    arkit[:] = 1
    assert take.arkit.max() == 0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"arkit": np.zeros((50, 51))}, "arkit"),
        ({"head": np.zeros((49, 6))}, "head"),
        ({"blink": np.full((50, 2), np.nan)}, "not numbers"),
        ({"fps": 0.0}, "frame rate"),
        ({"arkit_names": ("jawOpen",)}, "blendshape names"),
    ],
)
def test_contradictions_are_refused(changes, says):
    with pytest.raises(TakeError, match=says):
        make_take(**changes)


def test_positive_pitch_nods_down_yaw_turns_left_roll_tips_right():
    nose, crown = np.array([0, 0, -1.0]), np.array([0, -1.0, 0])
    pitch, yaw, roll = rotation_matrices(np.eye(3) * 0.3)
    assert (pitch @ nose)[1] > 0.29 and (yaw @ nose)[0] < -0.29 and (roll @ crown)[0] > 0.29


def test_posed_landmarks_turn_and_move_rigidly():
    head = np.zeros((50, 6))
    head[:, 2], head[:, 3] = np.pi / 2, 2.0  # a quarter turn, then two eye distances to the right
    take = make_take(head=head)
    x, y, z = np.moveaxis(take.landmarks, -1, 0)
    np.testing.assert_allclose(take.landmarks_posed(), np.stack([2 - y, x, z], axis=-1), atol=1e-5)


def test_mirror_is_its_own_inverse_and_swaps_the_eyes():
    assert [MIRROR[MIRROR[i]] for i in range(68)] == list(range(68))
    assert {MIRROR[i] for i in RIGHT_EYE} == set(LEFT_EYE)


def test_missing_and_foreign_files_are_named(tmp_path):
    with pytest.raises(TakeError, match="There is no take"):
        Performance.load(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("not a zip")
    with pytest.raises(TakeError, match="not a Mouthpiece take"):
        Performance.load(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(TakeError, match="not a Mouthpiece take"):
        Performance.load(tmp_path / "other.npz")


def test_a_newer_format_asks_for_an_update(tmp_path):
    path = make_take().save(tmp_path / "take.npz")
    rewrite(path, format=FORMAT + 1)
    with pytest.raises(TakeError, match="newer Mouthpiece"):
        Performance.load(path)


@pytest.mark.parametrize("keep", [0, 10, 400, 0.5, 0.9])
def test_truncated_takes_are_refused(tmp_path, keep):
    path = make_take().save(tmp_path / "take.npz")
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if keep < 1 else keep])
    with pytest.raises(TakeError):
        Performance.load(path)


def test_a_pickled_array_is_never_unpickled(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("the take was unpickled",))

    path = make_take().save(tmp_path / "take.npz")
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    arrays["gaze"] = np.array([Bomb()], dtype=object)
    np.savez(path, **arrays)
    with pytest.raises(TakeError, match="damaged"):
        Performance.load(path)


@pytest.mark.parametrize(
    "meta",
    [
        "[]",
        "{}",
        '{"format": 2, "dials": 3}',
        '{"format": "x"}',
        '{"format": 1}',
        '{"format": 1, "fps": "abc"}',
        "nonsense",
    ],
)
def test_hostile_headers_are_refused(tmp_path, meta):
    path = make_take().save(tmp_path / "take.npz")
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    np.savez(path, **(arrays | {"meta": np.array(meta)}))
    with pytest.raises(TakeError):
        Performance.load(path)


def raw_meta(path, **texts):
    """Rewrite the JSON of a take, with values as they are written: ``1e999`` has no value in Python."""
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    meta = json.loads(str(arrays["meta"]))
    meta.update({name: f"@{name}@" for name in texts})
    text = json.dumps(meta)
    for name, written in texts.items():
        text = text.replace(f'"@{name}@"', written)
    np.savez(path, **(arrays | {"meta": np.array(text)}))


@pytest.mark.parametrize(
    "texts",
    [
        *({"fps": text} for text in ("1e-4", "0.9", "241", "1e9", "1e999", "NaN", "9" * 400, "9" * 5000)),
        *({"fps": text} for text in ('"25"', "true", "[]")),
        *({"format": text} for text in ("1e999", "2.5", '"2"', "true", "null")),
        *({name: text} for name in ("models", "options", "dials") for text in ("3", "[]", '"x"', "null")),
        {"models": '{"content": 3}'},
        {"audio_sha256": "3"},
        {"arkit_names": "3"},
        {"arkit_names": '"jawOpen"'},
        {"options": '{"a":' * 70 + "1" + "}" * 70},
        {"options": "[" * 100_000},
        {"options": '{"style": {"name": "\\ud800"}}'},
        {"options": '{"seed": ' + "9" * 400 + "}"},
    ],
    ids=lambda texts: str(texts)[:40],
)  # fmt: skip
def test_a_take_that_says_what_no_take_says_is_refused_in_words(tmp_path, texts):
    path = make_take().save(tmp_path / "take.npz")
    raw_meta(path, **texts)
    with pytest.raises(TakeError, match="nimate the sound again"):
        Performance.load(path)


@pytest.mark.parametrize("name", ["landmarks", "neutral", "arkit", "head", "gaze", "blink", "activity"])
@pytest.mark.parametrize("value", [1e30, -1e30, np.float64(1e300), 1e5])
def test_numbers_that_no_face_has_are_refused(tmp_path, name, value):
    path = make_take().save(tmp_path / "take.npz")
    with np.load(path) as stored:
        there = stored[name].astype(np.float64)
    rewrite(path, **{name: there + value})
    with pytest.raises(TakeError, match="nimate the sound again"):
        Performance.load(path)


def test_a_take_without_frames_is_neither_saved_nor_read(tmp_path):
    empty = {
        name: np.zeros((0, *tail), np.float32)
        for name, tail in {
            "landmarks": (68, 3), "arkit": (52,), "head": (6,), "gaze": (2,), "blink": (2,), "activity": (),
            "tongue": (6,),
        }.items()
    }  # fmt: skip
    with pytest.raises(TakeError, match="no frames"):
        make_take(**empty).save(tmp_path / "take.npz")
    path = make_take().save(tmp_path / "take.npz")
    rewrite(path, **empty, style=np.zeros((0, 0)), style_head=np.zeros((0, 6)))
    with pytest.raises(TakeError, match="no frames"):
        Performance.load(path)


def test_a_take_is_not_saved_at_a_rate_at_which_it_is_not_read(tmp_path):
    for fps in (0.5, 1000.0):
        with pytest.raises(TakeError, match="frames per second"):
            make_take(fps=fps).save(tmp_path / "take.npz")
    for fps in (1.0, 23.976, 240.0):
        assert Performance.load(make_take(fps=fps).save(tmp_path / "take.npz")).fps == fps


def test_a_take_of_objects_or_of_billions_of_frames_costs_nothing(tmp_path):
    path = make_take().save(tmp_path / "take.npz")
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 6), }" + b" " * 49 + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as stream:
                if name == "head":
                    stream.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(64))
                else:
                    np.save(stream, array)
    with pytest.raises(TakeError, match="not as large as it says"):
        Performance.load(path)


def test_a_flipped_byte_is_noticed(tmp_path):
    path = make_take().save(tmp_path / "take.npz")
    with zipfile.ZipFile(path) as archive:
        offset = archive.getinfo("landmarks.npy").header_offset + 60
    content = bytearray(path.read_bytes())
    content[offset + 200] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(TakeError):
        Performance.load(path)


def test_an_unwritable_place_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TakeError, match="cannot be written"):
        make_take().save(tmp_path / "file" / "take.npz")


@pytest.mark.parametrize("options", [{"seed": 10**40}, {"style": {"name": "from l\udcffne.wav"}}, {"x": float("nan")}])
def test_a_take_that_could_not_be_read_back_is_not_written(tmp_path, options):
    place = tmp_path / "take.npz"
    take = replace(make_take(), options=options)
    with pytest.raises(TakeError, match="could not be read back"):
        take.save(place)
    with pytest.raises(TakeError, match="could not be read back"):
        pack(take)
    assert not any(tmp_path.iterdir())


def test_a_released_take_of_a_seed_of_many_digits_is_read_and_recorded(tmp_path):
    """Version 0.4.0 took any whole number for a seed."""
    take = replace(make_take(), options={"seed": 10**30, "fps": 25.0}, dials={"emotion": "happy", "intensity": 1.0})
    kept = Performance.load(take.save(tmp_path / "take.npz"))
    assert kept.options["seed"] == unpack(pack(kept)).options["seed"] == 10**30
    assert len(kept.final()) == len(take)
    assert of_take(kept.options)["seed"] == "1" + "0" * 30

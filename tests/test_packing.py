"""Takes as bytes: what comes back, how exactly, how small, and what is refused."""

import io
import json

import numpy as np
import pytest
from mouthpiece.errors import TakeError
from mouthpiece.performance import Performance, pack, unpack

TRACKS = ("landmarks", "arkit", "head", "gaze", "blink", "activity", "style", "style_head")


@pytest.fixture
def take(rng):
    def walk(*tail, scale=0.02):
        return np.cumsum(scale * rng.standard_normal((1500, *tail)), axis=0).astype(np.float32)

    return Performance(
        walk(68, 3, scale=0.002), rng.standard_normal((68, 3)), np.clip(np.abs(walk(52)), 0, 1), walk(6), walk(2),
        np.zeros((1500, 2)), rng.random(1500), 25.0, "ab", {"content": "cd"}, {"seed": 3, "style": {"name": "calm"}},
        style=walk(3), style_landmarks=rng.standard_normal((3, 68, 3)), style_arkit=rng.standard_normal((3, 52)),
        style_head=walk(6), dials={"lips": 1.5},
    )  # fmt: skip


def test_a_take_comes_back_within_half_a_step(take):
    back = unpack(pack(take))
    for name in TRACKS:
        before, after = getattr(take, name), getattr(back, name)
        rest = take.neutral if name == "landmarks" else 0
        step = np.abs(before - rest).max() / 32767
        np.testing.assert_allclose(after, before, atol=0.51 * step + 1e-6)
    for name in ("neutral", "style_landmarks", "style_arkit"):
        np.testing.assert_array_equal(getattr(back, name), getattr(take, name))
    for name in ("fps", "audio_sha256", "models", "options", "dials"):
        assert getattr(back, name) == getattr(take, name)


def test_packing_what_was_unpacked_changes_nothing(take):
    once = unpack(pack(take))
    twice = unpack(pack(once))
    for name in TRACKS:
        np.testing.assert_array_equal(getattr(twice, name), getattr(once, name))


def test_a_still_take_without_style_is_small():
    still = Performance(
        np.zeros((1500, 68, 3)), np.zeros((68, 3)), np.zeros((1500, 52)), np.zeros((1500, 6)), np.zeros((1500, 2)),
        np.zeros((1500, 2)), np.zeros(1500), 25.0,
    )  # fmt: skip
    assert len(pack(still)) < 20_000
    assert unpack(pack(still)).style.shape == (1500, 0)


def newer():
    stream = io.BytesIO()
    np.savez(stream, meta=np.array(json.dumps({"format": 99})))
    return stream.getvalue()


@pytest.mark.parametrize("content", [b"", b"not a take", b"PK\x03\x04 broken", newer()])
def test_what_is_no_take_is_refused(content):
    with pytest.raises(TakeError, match="nimate the sound again"):
        unpack(content)


def test_a_cut_take_is_refused(take):
    with pytest.raises(TakeError, match="damaged"):
        unpack(pack(take)[:-2000])


def repacked(content, **changes):
    """Return a packed take with other arrays."""
    with np.load(io.BytesIO(content)) as stored:
        arrays = {name: stored[name] for name in stored.files}
    meta = json.loads(str(arrays["meta"])) | changes.pop("meta", {})
    stream = io.BytesIO()
    np.savez_compressed(stream, **(arrays | {"meta": np.array(json.dumps(meta))} | changes))
    return stream.getvalue()


@pytest.mark.parametrize(
    "changes",
    [
        {"meta": {"fps": 1e9}},
        {"meta": {"fps": 1e-4}},
        {"meta": {"format": "1"}},
        {"meta": {"format": None}},
        {"meta": {"models": []}},
        {"meta": {"more": {}, "dials": None}},
        {"head_scale": np.array(1e300)},
        {"head_scale": np.array(-1.0)},
        {"head_scale": np.array(np.nan)},
        {"head_scale": np.zeros(2)},
        {"head": np.zeros((6, 1500))},
        {"head": np.zeros((6, 3), np.int16)},
        {"landmarks": np.zeros((7, 1500), np.int16)},
        {"activity": np.zeros((0, 1500), np.int16)},
        {"neutral": np.zeros((0, 3))},
        {"neutral": np.zeros(())},
        {"style": np.zeros((2, 1500), np.int16)},
        {"gaze": np.array("text")},
    ],
    ids=lambda changes: str(changes)[:40],
)
def test_a_packed_take_that_contradicts_itself_is_refused_in_words(take, changes):
    if "more" in changes.get("meta", {}):
        assert len(unpack(repacked(pack(take), meta={"more": {}}))) == 1500  # what is not known does no harm
    with pytest.raises(TakeError, match="nimate the sound again"):
        unpack(repacked(pack(take), **changes))

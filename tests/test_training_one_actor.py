"""The study of one actor: what is judged is held back, the recorded face is read as it is, and results are kept."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("torch")

from mouthpiece.errors import ActorError
from mouthpiece.features import FRAME_RATE, FRAME_SAMPLES
from mouthpiece.topology import ARKIT_INDEX

from training.measures.score import synthetic_face, synthetic_track
from training.pack.clips import LABELLED, Clip
from training.studies import one_actor


def clip(seconds, speaker="ada"):
    """Return a clip of a mouth that opens and shuts, with noise for a sound."""
    count = round(seconds * FRAME_RATE)
    rng = np.random.default_rng(3)
    opening = 0.1 * np.abs(np.sin(np.arange(count) * 0.7)) * (rng.random(count) > 0.2)
    landmarks = synthetic_track(opening, synthetic_face())
    shapes = np.zeros((count, 52), np.float32)
    return Clip(
        f"{speaker}-1", speaker, "val", "English", rng.normal(0, 0.1, count * FRAME_SAMPLES).astype(np.float32),
        landmarks, shapes, np.tile(np.eye(4, dtype=np.float32), (count, 1, 1)), np.ones(count, bool),
    )  # fmt: skip


@pytest.mark.parametrize("third", range(one_actor.THIRDS))
@pytest.mark.parametrize("seconds", [18.0, 27.0])
def test_what_is_judged_is_held_back_with_a_second_beside_it(third, seconds):
    whole = clip(seconds)
    material = one_actor.divided(whole, third)
    (judged,) = material.judge
    assert abs(len(judged) - len(whole) / one_actor.THIRDS) <= 1
    others = [*material.teach, *material.choose]
    assert material.teach and sum(map(len, others)) > 0.4 * len(whole)
    first = _begin(whole, judged)
    for one in others:
        begin = _begin(whole, one)
        assert begin + len(one) + FRAME_RATE <= first or begin >= first + len(judged) + FRAME_RATE
    spans = sorted((_begin(whole, one), len(one)) for one in others)
    assert all(a + n <= b for (a, n), (b, _) in pairwise(spans))


def _begin(whole, part):
    """Return the frame at which a part of a clip begins: sounds are noise, so that only one place has it."""
    at = np.flatnonzero(whole.samples == part.samples[0])
    assert len(at) == 1 and np.array_equal(whole.samples[at[0] :][: len(part.samples)], part.samples)
    return int(at[0]) // FRAME_SAMPLES


def test_a_recorded_face_is_read_with_its_weights_in_the_order_of_takes():
    one = clip(6.0)
    one.blendshapes[:, 1 + LABELLED.index("mouthPucker")] = np.linspace(0, 1, len(one))
    (capture,) = one_actor.recorded([one], synthetic_face())
    assert capture.offsets.shape == (len(one), 68, 3) and capture.arkit.shape == (len(one), 52)
    pucker = capture.arkit[:, ARKIT_INDEX["mouthPucker"]]
    assert pucker[-1] - pucker[0] > 0.3 and not capture.arkit[:, ARKIT_INDEX["tongueOut"]].any()
    assert np.allclose(np.diff(capture.times), 1 / FRAME_RATE)


def test_an_actor_who_speaks_for_too_short_a_time_moves_as_shipped(monkeypatch, caplog):
    def refused(*_):
        raise ActorError("Record more.")

    monkeypatch.setattr(one_actor, "fitted", refused)
    monkeypatch.setattr(one_actor, "animate", lambda *_: None)
    assert one_actor.actor_of([clip(6.0)], None) is None and "ada: not fitted. Record more." in caplog.text


def test_thirds_that_are_done_are_not_done_again_and_every_actor_counts_once(tmp_path, monkeypatch, capsys):
    done = []

    def rows(one, third, *_):
        done.append((one.name, third))
        better = {"shipped": 0.5, "fit": 0.6, "adapted": 0.7 if one.name == "ada-1" else 0.9}
        return {way: {"r_open": value, "open_ratio": 1.0, "width_ratio": 1.0} for way, value in better.items()}

    clips = [clip(20.0), clip(19.0, "bob"), clip(3.0, "eve")]
    monkeypatch.setattr(one_actor, "load_split", lambda *_: clips)
    monkeypatch.setattr(one_actor, "studied", rows)
    arguments = ["--data", str(tmp_path), "--out", str(tmp_path / "out")]
    assert one_actor.main([*arguments, "--only", "ada"]) == 0 and len(done) == 3
    capsys.readouterr()
    assert one_actor.main(arguments) == 0
    assert len(done) == 6 and {name for name, _ in done} == {"ada-1", "bob-1"}  # eve's is too short
    told = capsys.readouterr().out
    assert "r_open, fit: +0.100 (actors +0.100 to +0.100)" in told and "2 actors" in told
    assert "r_open, adapted: +0.300 (actors +0.200 to +0.400)" in told  # of both, not of the last


def test_nobody_with_a_long_recording_is_told(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(one_actor, "load_split", lambda *_: [clip(3.0)])
    assert one_actor.main(["--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "18 seconds" in caplog.text

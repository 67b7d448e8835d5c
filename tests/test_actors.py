"""Actors: fitted to recordings in seconds, kept in a file, played by takes; bad recordings are refused in words."""

import json
from dataclasses import replace

import numpy as np
import pytest
from mouthpiece.actors.actor import MEASURED, Actor, measures, play, read_actor
from mouthpiece.actors.captures import of_table, of_take, of_weights, read_capture
from mouthpiece.actors.fit import fitted
from mouthpiece.cli import parser as core_cli
from mouthpiece.errors import ActorError, UnreadableError
from mouthpiece.motion import closures
from mouthpiece.motion.shapes import landmark_shapes, weights_of
from mouthpiece.performance import Performance
from mouthpiece.topology import ARKIT_INDEX, ARKIT_NAMES

from tests.material import make_take

FPS = 25.0


def spoken(seconds=20.0, seed=1, hertz=4.0):
    """Return a take whose lips open and shut four times a second, each time otherwise, and whose width changes."""
    count = int(seconds * FPS)
    rng = np.random.default_rng(seed)
    times = np.arange(count) / FPS
    beats = np.interp(times, np.arange(0, seconds + 1, 0.25), rng.random(int(4 * seconds) + 4))
    opened = np.clip(np.sin(2 * np.pi * hertz * times) ** 2 * beats, 0, 1)
    stretched = np.interp(times, np.arange(0, seconds + 1, 0.3), rng.random(int(np.ceil((seconds + 1) / 0.3))))
    weights = np.zeros((count, len(ARKIT_NAMES)), np.float32)
    weights[:, ARKIT_INDEX["jawOpen"]] = 0.5 * opened
    weights += np.outer(0.4 * stretched, weights_of({"mouthStretch": 1.0}))
    base = make_take(count)
    offsets = np.tensordot(weights, landmark_shapes(), axes=1).astype(np.float32)
    return replace(
        base, landmarks=base.neutral + offsets, arkit=weights, activity=np.ones(count, np.float32), style=
        np.zeros((count, 0), np.float32), dials={},
    )  # fmt: skip


ANNA = Actor(
    "Anna", ((1.6, 0, 0, 0), (0, 1.3, 0, 0), (0, 0, 0.5, 0), (0, 0, 0, 1)), (0.0, 0.0, 0.02, 0.015), 0.0, 0.0
)  # fmt: skip


def moved(take, actor):
    """Return the take as the actor moves."""
    offsets, arkit = (take.landmarks - take.neutral).copy(), take.arkit.copy()
    play(actor, offsets, arkit)
    return replace(take, landmarks=take.neutral + offsets, arkit=arkit)


def test_an_actor_of_no_difference_changes_nothing():
    take = spoken(4)
    same = moved(take, Actor())
    np.testing.assert_allclose(same.landmarks, take.landmarks, atol=1e-5)
    np.testing.assert_allclose(same.arkit, take.arkit, atol=1e-5)


def test_measures_follow_the_map():
    take = spoken(4)
    had, got = (measures(one.landmarks - one.neutral) for one in (take, moved(take, ANNA)))
    wide = closures.contact(take.landmarks - take.neutral) == 0
    wanted = had @ np.array(ANNA.gains).T + np.array(ANNA.rest)
    np.testing.assert_allclose(got[wide], wanted[wide], atol=1e-4)


def test_lips_that_meet_still_meet_and_never_cross():
    take = spoken(6)
    played = moved(take, replace(ANNA, rest=(0.2, 0, 0, 0)))
    shut = closures.contact(take.landmarks - take.neutral) == 1
    assert shut.sum() > 10
    gaps = closures.gaps(played.landmarks - played.neutral)
    assert gaps[shut].max() < 0.03
    crossing = moved(take, replace(ANNA, rest=(-0.3, 0, 0, 0)))
    lowest = np.minimum(closures.gaps(take.landmarks - take.neutral), 0)
    assert (closures.gaps(crossing.landmarks - crossing.neutral) >= lowest - 1e-4).all()
    assert played.arkit.min() >= 0 and played.arkit.max() <= 1


def test_a_recording_gives_back_who_moved():
    """What Anna plays of one half of the speech is enough to know her in the other."""
    take = spoken(20)
    found = fitted([(of_take(moved(take, ANNA), take.neutral), take)], "Anna")
    assert found.delay == 0 and found.seconds == pytest.approx(20, abs=0.1)
    other = spoken(10, seed=5)
    wanted, without, fit = (
        measures(one.landmarks - one.neutral) for one in (moved(other, ANNA), other, moved(other, found.actor))
    )
    for column, name in enumerate(MEASURED):
        before, after = (np.abs(one[:, column] - wanted[:, column]).mean() for one in (without, fit))
        assert after < 0.35 * before + 1e-3, name
    assert found.spread[0] < 0.8 and found.spread[1] == pytest.approx(1, abs=0.02)


def test_recordings_that_begin_at_another_moment():
    take = spoken(20)
    seen = of_take(moved(take, ANNA), take.neutral)
    later = replace(seen, times=seen.times + 0.6)  # the camera ran 0.6 s before the sound
    assert fitted([(later, take)]).delay == pytest.approx(0.6, abs=0.041)


def test_a_table_of_weights_as_live_link_face_writes_it(tmp_path):
    take = spoken(12)
    played = moved(take, ANNA)
    rows = [
        [
            "Timecode",
            "BlendShapeCount",
            *(n[0].upper() + n[1:] for n in ARKIT_NAMES),
            "HeadYaw",
            "HeadPitch",
            "HeadRoll",
        ]
    ]
    times = np.arange((12 * 60) - 10) / 60
    for second, weights in zip(
        times, np.stack([np.interp(times, np.arange(len(take)) / FPS, c) for c in played.arkit.T], 1), strict=True
    ):
        code = f"10:{int(second) // 60:02d}:{int(second) % 60:02d}:{second % 1 * 60:06.3f}"
        rows.append([code, "61", *(f"{w:.6f}" for w in weights), "0.1", "0.2", "0"])
    place = tmp_path / "anna.csv"
    place.write_text("\n".join(",".join(row) for row in rows) + "\n")
    seen = read_capture(place, take.neutral)
    np.testing.assert_allclose(seen.times, times, atol=2e-4)
    np.testing.assert_allclose(seen.angles[:, :2], np.tile([0.2, 0.1], (len(times), 1)), atol=1e-6)
    found = fitted([(seen, take)])
    assert found.spread[1] == pytest.approx(1, abs=0.05) and found.actor.gains[2][2] < 0.9
    seconds = place.read_text().replace("Timecode", "time").splitlines()
    lines = [f"{k / 60:.4f}," + line.partition(",")[2] for k, line in enumerate(seconds[1:])]
    again = of_table("\n".join([seconds[0], *lines]))
    np.testing.assert_allclose(again.times, times, atol=1e-4)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no columns"),
        ("a,b\n1,2\n", "not named as ARKit"),
        ("jawOpen,mouthClose,mouthFunnel,mouthPucker,jawLeft\n" + "0,0,0,0,0\n" * 3, "no column 'Timecode'"),
        ("time,jawOpen,mouthClose,mouthFunnel,mouthPucker,jawLeft\n0,x,0,0,0,0\n1,0,0,0,0,0\n", "is no number"),
        ("time,jawOpen,mouthClose,mouthFunnel,mouthPucker,jawLeft\n0,nan,0,0,0,0\n1,0,0,0,0,0\n", "is no weight"),
        ("time,jawOpen,mouthClose,mouthFunnel,mouthPucker,jawLeft\n1,0,0,0,0,0\n0,0,0,0,0,0\n", "do not rise"),
        ("time,jawOpen,mouthClose,mouthFunnel,mouthPucker,jawLeft\n0,0,0\n1,0,0,0,0,0\n", "is no number"),
        ("Timecode,jawOpen,mouthClose,mouthFunnel,mouthPucker,jawLeft\nsoon,0,0,0,0,0\n", "is not like"),
    ],
)
def test_tables_that_are_none(text, told):
    with pytest.raises(UnreadableError, match=told):
        of_table(text)


def test_recordings_that_cannot_be_fitted(tmp_path):
    take = spoken(20)
    with pytest.raises(ActorError, match="seconds of speech in common"):
        fitted([(of_take(spoken(3), take.neutral), spoken(3))])
    with pytest.raises(ActorError, match="do not move with this sound"):
        fitted([(of_take(spoken(20, seed=9, hertz=2.7), take.neutral), take)])
    still = of_weights(np.arange(500) / FPS, np.zeros((500, 52), np.float32))
    with pytest.raises(ActorError, match="do not move with this sound"):
        fitted([(still, take)])
    (tmp_path / "film.mp4").write_bytes(b"no film")
    with pytest.raises(ActorError, match="no recording that can be read"):
        read_capture(tmp_path / "film.mp4", take.neutral)
    with pytest.raises(ActorError, match=r"gone\.csv.*cannot be read"):
        read_capture(tmp_path / "gone.csv", take.neutral)


def test_files_are_read_back_and_others_refused(tmp_path):
    place = tmp_path / "anna.json"
    ANNA.save(place)
    assert read_actor(place) == ANNA
    good = json.loads(place.read_text())
    for change, told in (
        ({"format": 2}, "newer"), ({"gains": [[1]]}, "measures"), ({"rest": [0, 0, 0, "1"]}, "no actor"),
        ({"rest": [0, 0, 0, 9]}, "beyond"), ({"amplitude": 1e9}, "beyond"), ({"measures": ["nose"]}, "no actor"),
        ({"name": 3}, "no actor"), ({"gains": None}, "no actor"),
    ):  # fmt: skip
        place.write_text(json.dumps(good | change))
        with pytest.raises(ActorError, match=told):
            read_actor(place)
    for content in (b"", b"[]", b"\xff\xfe", b'{"format": 1}'):
        place.write_bytes(content)
        with pytest.raises(ActorError):
            read_actor(place)


def test_the_command(tmp_path, capsys):
    take = spoken(12)
    moved(take, ANNA).save(tmp_path / "recorded.npz")
    take.save(tmp_path / "line.npz")
    place = tmp_path / "anna.json"
    arguments = [
        "fit",
        str(tmp_path / "recorded.npz"),
        "--sound",
        str(tmp_path / "line.npz"),
        "-o",
        str(place),
        "--json",
    ]
    assert core_cli.run(arguments) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] and report["spread"][1] == pytest.approx(1, abs=0.02)
    assert read_actor(place).name == "anna"
    place.write_text("{}")
    assert core_cli.run(arguments) == 1 and "no actor" in capsys.readouterr().err
    assert core_cli.run([*arguments, "--force"]) == 0
    capsys.readouterr()
    assert core_cli.run([*arguments, "--sound", "another.wav"]) == 2


def test_a_take_of_a_sound_moves_as_the_actor_does():
    from mouthpiece.audio import Audio
    from mouthpiece.pipeline import Options, animate

    from tests.material import babble

    sound = Audio(babble(2.0, np.random.default_rng(1)), 16_000, "babble")
    plain, anna = animate(sound, Options(style=ANNA.style)), animate(sound, Options(actor=ANNA))
    assert plain.options.get("actor") is None and anna.options["actor"]["name"] == "Anna"
    np.testing.assert_allclose(anna.landmarks, moved(plain, ANNA).landmarks, atol=2e-3)
    assert isinstance(anna, Performance) and np.array_equal(anna.head, plain.head)


def test_a_file_that_is_no_actor_is_named_when_a_sound_is_animated(tmp_path, capsys):
    damaged = tmp_path / "anna.json"
    damaged.write_text('{"format": 1', encoding="utf-8")
    assert core_cli.run(["animate", str(tmp_path / "line.wav"), "--actor", str(damaged)]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"error: {damaged}: ") and "no actor" in told

import json

import numpy as np
import pytest
from mouthpiece.cli import parser as core_cli
from mouthpiece.models import session
from mouthpiece.performance import Performance
from mouthpiece.topology import ARKIT_INDEX

from tests.material import make_take, tone


@pytest.fixture
def take(tmp_path):
    return make_take().save(tmp_path / "take.npz")


@pytest.fixture
def no_network(monkeypatch):
    monkeypatch.setattr(session, "open_session", lambda *_: pytest.fail("a network was opened"))


def test_dials_are_stored_and_the_motion_stays_as_inferred(take, no_network, capsys):
    before = Performance.load(take)
    assert core_cli.run(["dial", str(take), "--lips", "1.2", "--emotion", "happy"]) == 0
    after = Performance.load(take)
    assert after.dials == {"lips": 1.2, "emotion": "happy"}
    np.testing.assert_array_equal(after.landmarks, before.landmarks)
    assert "lips 1.2, emotion happy" in capsys.readouterr().out


def test_dials_not_named_stay_and_reset_takes_them_off(take):
    core_cli.run(["dial", str(take), "--lips", "1.2", "--quiet"])
    core_cli.run(["dial", str(take), "--offset", "-0.04"])
    assert Performance.load(take).dials == {"lips": 1.2, "offset": -0.04}
    core_cli.run(["dial", str(take), "--lips", "1"])
    assert Performance.load(take).dials == {"offset": -0.04}
    assert core_cli.run(["dial", str(take), "--reset", "--head", "0"]) == 0
    assert Performance.load(take).dials == {"head": 0.0}


def test_another_place_leaves_the_take_alone(take, tmp_path, capsys):
    content = take.read_bytes()
    assert core_cli.run(["dial", str(take), "--jaw", "0.5", "-o", str(tmp_path / "new"), "--json"]) == 0
    assert take.read_bytes() == content
    assert json.loads(capsys.readouterr().out) == {
        "ok": True,
        "output": str(tmp_path / "new.npz"),
        "dials": {"jaw": 0.5},
    }


def test_the_motion_as_seen_is_written_for_other_programs(take, tmp_path):
    out = tmp_path / "seen.npz"
    assert core_cli.run(["dial", str(take), "--jaw", "0.5", "--apply", "-o", str(out)]) == 0
    seen, raw = Performance.load(out), Performance.load(take)
    assert seen.dials == {}
    jaw = ARKIT_INDEX["jawOpen"]
    np.testing.assert_allclose(seen.arkit[:, jaw], raw.arkit[:, jaw] / 2, atol=1e-6)


def test_applying_in_place_is_refused(take, capsys):
    assert core_cli.run(["dial", str(take), "--jaw", "0.5", "--apply"]) == 2
    assert "-o" in capsys.readouterr().err and Performance.load(take).dials == {}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--lips", "3"], "from 0 to 2"),
        (["--lips", "much"], "not a number"),
        (["--emotion", "bored"], "happy"),
        (["--smoothing", "nan"], "must be a number"),
    ],
)
def test_impossible_dials_are_bad_arguments(take, arguments, says, capsys):
    assert core_cli.run(["dial", str(take), *arguments]) == 2
    assert says in capsys.readouterr().err


def test_what_is_no_take_is_neither_dialled_nor_replaced(take, tmp_path, capsys):
    other = tmp_path / "notes.npz"
    other.write_text("words")
    assert core_cli.run(["dial", str(other), "--lips", "1"]) == 1
    assert core_cli.run(["dial", str(take), "--lips", "1", "-o", str(other)]) == 1
    assert other.read_text() == "words" and "--force" in capsys.readouterr().err


def test_animate_stores_dials_too(wav, tmp_path):
    out = tmp_path / "out.npz"
    assert core_cli.run(["animate", str(wav(tone(0.5))), "-o", str(out), "--lips", "1.4", "--smoothing", "0.3"]) == 0
    assert Performance.load(out).dials == {"lips": 1.4, "smoothing": 0.3}

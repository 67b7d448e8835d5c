"""A disk that is full leaves, for everything that is written, the good file that was there, and nothing beside it."""

import signal
import sys
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from mouthpiece.cli import parser as core_cli
from mouthpiece.errors import MouthpieceError
from mouthpiece.motion.chart import files as chart_files
from mouthpiece.motion.chart.charts import named_chart
from mouthpiece.motion.chart.cues import cue_track
from mouthpiece.portrait.consent import Consent
from mouthpiece.provenance import certificates, png, records
from mouthpiece.provenance.credentials import Seal
from mouthpiece.provenance.facts import Facts
from mouthpiece.provenance.sequences import Frames, Numbering
from mouthpiece.retarget.shape_keys import table
from mouthpiece.retarget.shape_keys.table import Entry, ShapeMap

from tests.material import make_take

resource = pytest.importorskip("resource")
#: Bytes a file can have, as if the disk were full then: less than each of the files here has.
ROOM = 150
FACTS = Facts(Consent("I am the person shown", "own", "Ada"), "Mouthpiece 9.8.7", "2026-11-25T16:00:00Z")
PICTURE = np.random.default_rng(3).integers(0, 256, (24, 32, 4), np.uint8)


@contextmanager
def no_room():
    """Let files have no more than ``ROOM`` bytes: in the block alone, as pytest may be writing to a file itself."""
    before, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def frames(folder, identity=None):
    return Frames(Numbering(folder, "frame_####.png"), 3, FACTS, Seal(identity))


def cues(place):
    chart_files.write(cue_track(make_take(250), named_chart("rhubarb")), place, "xml")


def mapping(place):
    table.save(place, ShapeMap(tuple(Entry(f"key {number}", "jawOpen") for number in range(20))))


WRITERS = {
    "take.npz": lambda place: make_take().save(place),
    "cues.xml": cues,
    "mapping.json": mapping,
    "frame_0001.png": lambda place: frames(place.parent).write(0, PICTURE, True),
    "recorded.png": lambda place: records.record(place, FACTS),
    "unsigned.png": lambda place: Seal(None).put(place, FACTS),
    "signing-identity.pem": lambda place: certificates._make(place),
}


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_what_was_there_stays(tmp_path, name):
    place = tmp_path / name
    if name == "frame_0001.png":  # a frame of another portrait, which may be replaced
        Frames(Numbering(tmp_path, "frame_####.png"), 3, replace(FACTS, marked=True), Seal(None)).write(0, PICTURE)
    else:
        place.write_bytes(png.encoded(PICTURE) if place.suffix == ".png" else b"good")
    good = place.read_bytes()
    with no_room(), pytest.raises(MouthpieceError, match="cannot be"):
        WRITERS[name](place)
    assert place.read_bytes() == good and list(tmp_path.iterdir()) == [place]


def test_a_signed_picture_stays(tmp_path):
    pytest.importorskip("c2pa")
    identity, place = certificates.own_identity(tmp_path / "settings"), tmp_path / "signed.png"
    place.write_bytes(png.encoded(PICTURE))
    Seal(identity).put(place, FACTS)
    before = place.read_bytes()
    with no_room(), pytest.raises(MouthpieceError):
        Seal(identity).put(place, FACTS)
    assert place.read_bytes() == before and sorted(path.name for path in tmp_path.iterdir()) == [
        "settings",
        "signed.png",
    ]


@pytest.mark.parametrize("signed", [True, False])
def test_a_result_is_named_as_the_user_named_it(tmp_path, signed):
    if signed:
        pytest.importorskip("c2pa")
    beside, place = tmp_path / ".mouthpiece-draft.png", tmp_path / "shot.png"
    seal = Seal(certificates.own_identity(tmp_path / "settings") if signed else None)
    beside.write_bytes(png.encoded(PICTURE))
    with no_room(), pytest.raises(MouthpieceError) as told:
        seal.put(beside, FACTS, place)
    assert str(place) in str(told.value) and ".mouthpiece-" not in str(told.value)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")
def test_the_command_line_says_so(tmp_path, capsys):
    take = make_take().save(tmp_path / "take.npz")
    before = take.read_bytes()
    with no_room():
        assert core_cli.run(["adjust", str(take), "--lips", "0.5"]) == 1
    assert "cannot be written" in capsys.readouterr().err
    assert take.read_bytes() == before and list(tmp_path.iterdir()) == [take]

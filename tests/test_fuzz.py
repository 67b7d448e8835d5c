"""The fuzzer itself: it sees what a reader does wrong, and every campaign begins with files that are read."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from mouthpiece.errors import MouthpieceError

from tests.fuzz import arena
from tests.fuzz.arena import Campaign, batch, outcome_of

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the fuzzer limits memory as Linux does")
ROOT = Path(__file__).resolve().parents[1]


def campaign(read):
    return Campaign("planted", ".bin", (b"sample " * 20,), read)


def tried(read, folder, count=4):
    return batch(campaign(read), 1, range(count), folder)


def refuse(path):
    raise MouthpieceError("This is no sample. Choose another.")


def test_an_input_follows_from_seed_name_and_number():
    one, other = campaign(refuse), Campaign("another", ".bin", (b"sample " * 20,), refuse)
    assert one.input(1, 5) == one.input(1, 5)
    made = {one.input(1, 5), one.input(1, 6), one.input(2, 5), other.input(1, 5)}
    assert len(made) == 4


def test_what_is_read_or_refused_is_no_fault(tmp_path):
    tally, done = tried(lambda path: path.read_bytes(), tmp_path)
    assert (tally.accepted, tally.refused, tally.faults, done) == (4, 0, {}, 4)
    tally, done = tried(refuse, tmp_path)
    assert (tally.accepted, tally.refused, tally.faults, done) == (0, 4, {}, 4)


def test_other_exceptions_are_faults_and_have_their_numbers(tmp_path):
    def read(path):
        raise KeyError("name 17")

    tally, _ = tried(read, tmp_path)
    assert tally.faults == {"KeyError in test_fuzz.py:read: 'name N'": [0, 1, 2, 3]}


def test_a_crash_is_one_fault_and_the_next_input_is_tried(tmp_path):
    def read(path):
        os.kill(os.getpid(), signal.SIGKILL)

    tally, done = tried(read, tmp_path)
    assert (tally.faults, done) == ({"crashes: SIGKILL": [0]}, 1)


def test_endless_work_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(arena, "HANG", 1)
    monkeypatch.setattr(arena, "GRACE", 0)

    def read(path):
        while True:
            pass

    tally, done = tried(read, tmp_path)
    assert (tally.faults, done) == ({"computes for more than 1 s": [0]}, 1)


def test_endless_waiting_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(arena, "WAIT", 1)
    tally, done = tried(lambda path: time.sleep(100), tmp_path)
    assert (tally.faults, done) == ({"waits for more than 1 s": [0]}, 1)


def test_much_memory_is_a_fault(tmp_path, monkeypatch):
    monkeypatch.setattr(arena, "MEMORY", 50 << 20)
    tally, _ = tried(lambda path: np.ones(100 << 20, np.uint8).sum(), tmp_path, 1)
    assert list(tally.faults.values()) == [[0]] and "needs more than" in next(iter(tally.faults))


def test_files_left_after_a_refusal_are_a_fault(tmp_path):
    def read(path):
        path.with_suffix(".part").write_bytes(b"half")
        refuse(path)

    assert outcome_of(campaign(read), b"x", tmp_path) == "leaves 1 files"
    assert [path.name for path in tmp_path.iterdir()] == ["input.bin"]


def test_every_campaign_reads_its_samples_and_knows_broken_ones(tmp_path):
    """In a process of its own, as the program runs: each campaign reads its samples, or it ends with 1 at once."""
    command = [sys.executable, "-m", "tests.fuzz", "--minutes", "0", "--jobs", "1"]
    settings = os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT / "core"), str(ROOT)))}
    done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("0 inputs, seed 1: 0 faults\n")


def test_a_campaign_that_is_not_known_is_a_bad_argument():
    command = [sys.executable, "-m", "tests.fuzz", "--only", "nothing"]
    settings = os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT / "core"), str(ROOT)))}
    done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (2, "There is no campaign 'nothing'.\n")

"""Drafts: those of processes that were killed are removed, those that are being written never."""

import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mouthpiece.files import drafts
from mouthpiece.files.drafts import draft_file, draft_folder, draft_path, sweep
from mouthpiece.files.writer import write_whole

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such locks: drafts go when they are a day old")

#: Makes a draft of each kind and says so; ends, or is killed, with the word that comes.
MAKER = """
import os, pathlib, sys
from mouthpiece.files.drafts import draft_file, draft_folder
folder = pathlib.Path(sys.argv[1])
with draft_file(folder, ".npz") as one, draft_folder(folder) as two:
    (two / "film.mp4").write_bytes(b"half")
    print(one.name, two.name, flush=True)
    if sys.stdin.readline() == "kill\\n":
        os.kill(os.getpid(), 9)
"""


@pytest.fixture(autouse=True)
def own_process(tmp_path_factory, monkeypatch):
    """Let every test begin as a new process does, with a folder for temporary files of its own."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setattr(drafts, "_process", None)
    monkeypatch.setattr(drafts, "_swept", set())
    return folder


class Maker:
    """Another process that has drafts in a folder."""

    def __init__(self, folder):
        command = [sys.executable, "-c", MAKER, str(folder)]
        settings = {**os.environ, "PYTHONPATH": str(Path(drafts.__file__).parent.parent)}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=settings)
        self.names = self.process.stdout.readline().split()

    def end(self, word):
        self.process.communicate(word + "\n", timeout=30)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def swept_again(folder):
    """Sweep as the next process does."""
    drafts._swept.clear()
    sweep(folder)
    return names(folder)


def test_drafts_are_gone_when_their_block_ends_however_it_ends(tmp_path):
    for draft in (draft_file, draft_path, draft_folder):
        with pytest.raises(ValueError, match="half-way"), draft(tmp_path) as path:
            if draft is draft_path:
                assert not path.exists()
                path.with_name(path.name + "@").write_bytes(b"as Blender does")
                path.write_bytes(b"x")
            assert path.exists() and path.parent == tmp_path
            raise ValueError("half-way")
    assert names(tmp_path) == []


def test_what_a_killed_process_left_goes_with_the_next_write_and_what_a_living_one_writes_stays(tmp_path):
    killed, living = Maker(tmp_path), Maker(tmp_path)
    assert len(killed.names) == len(living.names) == 2
    killed.end("kill")
    assert names(tmp_path) == sorted(killed.names + living.names)
    write_whole(tmp_path / "take.npz", b"take")
    assert names(tmp_path) == sorted([*living.names, "take.npz"])
    living.end("end")
    assert names(tmp_path) == ["take.npz"]


def test_own_drafts_are_never_swept(tmp_path):
    with draft_file(tmp_path) as one, draft_folder(tmp_path) as two:
        assert swept_again(tmp_path) == sorted([one.name, two.name])


def test_only_our_own_names_are_swept(tmp_path):
    killed = Maker(tmp_path)
    killed.end("kill")
    file, folder = killed.names
    mine = [file[:-4].upper(), file + "x" * 16, "a" + file, file[1:], ".mouthpiece-notes", ".mouthpiece-abcd1234"]
    for name in mine:
        (tmp_path / name).write_bytes(b"mine")
    (tmp_path / file).rename(tmp_path / "elsewhere.npz")
    (tmp_path / file).symlink_to("elsewhere.npz")
    assert swept_again(tmp_path) == sorted([*mine, file, "elsewhere.npz"])
    assert folder not in names(tmp_path)


def test_drafts_of_other_computers_go_when_they_are_a_day_old(tmp_path):
    old, new = (tmp_path / f".mouthpiece-0badcafe-{number:08x}-00000000.npz" for number in (1, 2))
    folder, busy = (tmp_path / f".mouthpiece-0badcafe-{number:08x}-00000000" for number in (3, 4))
    yesterday = time.time() - 25 * 3600
    for place in (old, new):
        place.write_bytes(b"half")
    for place in (folder, busy):
        place.mkdir()
        (place / "film.mp4").write_bytes(b"half")
    for place in (old, folder / "film.mp4", folder, busy):
        os.utime(place, (yesterday, yesterday))
    assert swept_again(tmp_path) == [new.name, busy.name]


def test_a_folder_is_swept_once_by_a_process(tmp_path):
    write_whole(tmp_path / "a", "a")
    killed = Maker(tmp_path)
    killed.end("kill")
    write_whole(tmp_path / "b", "b")
    assert names(tmp_path) == sorted(["a", "b", *killed.names])


def _write_and_sweep(folder, number):
    failed = 0
    for turn in range(60):
        drafts._swept.clear()
        try:
            write_whole(folder / f"{turn % 3}.txt", f"{number} " * 500)
        except OSError:
            failed += 1
    return failed


def test_processes_and_threads_that_write_and_sweep_at_once_lose_nothing(tmp_path):
    with multiprocessing.get_context("fork").Pool(3) as pool, ThreadPoolExecutor(3) as threads:
        others = pool.starmap_async(_write_and_sweep, [(tmp_path, number) for number in range(3)])
        own = [threads.submit(_write_and_sweep, tmp_path, number) for number in range(3, 6)]
        assert sum(others.get(60)) + sum(job.result() for job in own) == 0
    assert names(tmp_path) == ["0.txt", "1.txt", "2.txt"]
    assert {(tmp_path / name).read_text() for name in names(tmp_path)} <= {f"{number} " * 500 for number in range(6)}


def test_a_forked_process_is_another_one(tmp_path):
    with draft_file(tmp_path) as own:
        token = drafts._process.token
        with multiprocessing.get_context("fork").Pool(1) as pool:
            assert pool.apply(_token_of_a_draft, (tmp_path,)) != token
            assert pool.apply(swept_again, (tmp_path,)) == [own.name]


def _token_of_a_draft(folder):
    with draft_file(folder):
        return drafts._process.token


def test_a_folder_for_temporary_files_that_was_tidied_up_is_no_matter(tmp_path, own_process):
    write_whole(tmp_path / "a", "a")
    for left in own_process.iterdir():
        shutil.rmtree(left)
    write_whole(tmp_path / "a", "b")
    with draft_file(tmp_path) as own:
        other = Maker(tmp_path)
        assert names(tmp_path) == sorted(["a", own.name, *other.names])
        other.end("end")


def test_without_a_folder_for_temporary_files_of_ones_own_drafts_go_by_their_age(tmp_path, own_process):
    (own_process / f"mouthpiece-{os.geteuid()}").mkdir(mode=0o777)
    (own_process / f"mouthpiece-{os.geteuid()}").chmod(0o777)  # anybody could say there who runs
    with draft_file(tmp_path) as own:
        assert own.name.startswith(".mouthpiece-00000000-")
        assert swept_again(tmp_path) == [own.name]


def test_locks_of_killed_processes_are_tidied_away(tmp_path, own_process):
    for _ in range(3):
        Maker(tmp_path).end("kill")
    write_whole(tmp_path / "a", "a")
    assert [name for name in names(own_process / f"mouthpiece-{os.geteuid()}") if name != "home"] == [
        drafts._process.token
    ]

"""Files appear whole or not at all."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from mouthpiece.files import ASSETS
from mouthpiece.files.drafts import draft_folder
from mouthpiece.files.writer import move_whole, replacing, write_whole


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_packages_own_files_are_there():
    assert (ASSETS / "content.onnx").is_file() and (ASSETS / "profiles").is_dir()


def test_text_is_utf8_with_line_feeds_and_bytes_are_kept(tmp_path):
    write_whole(tmp_path / "a.txt", "ä\nö\n")
    write_whole(tmp_path / "b.bin", b"\r\n\0")
    assert (tmp_path / "a.txt").read_bytes() == "ä\nö\n".encode()
    assert (tmp_path / "b.bin").read_bytes() == b"\r\n\0"


def test_what_fails_half_way_leaves_the_file_as_it_was(tmp_path):
    place = tmp_path / "take.npz"
    place.write_bytes(b"before")
    with pytest.raises(ValueError, match="half-way"), replacing(place) as temporary:
        temporary.write_bytes(b"half")
        raise ValueError("half-way")
    assert place.read_bytes() == b"before" and names(tmp_path) == ["take.npz"]


def test_the_temporary_file_lies_beside_with_the_same_ending(tmp_path):
    with replacing(tmp_path / "film.mp4") as temporary:
        assert temporary.parent == tmp_path and temporary.suffix == ".mp4" and temporary.name != "film.mp4"
        temporary.write_bytes(b"film")
        assert not (tmp_path / "film.mp4").exists()
    assert names(tmp_path) == ["film.mp4"]


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(OSError), replacing(tmp_path / "a"):
        pass
    assert names(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no such permissions")
def test_permissions_of_a_replaced_file_are_kept(tmp_path):
    place = tmp_path / "private.json"
    place.write_text("{}")
    place.chmod(0o600)
    write_whole(place, "[]")
    assert place.stat().st_mode & 0o777 == 0o600


def test_many_threads_write_one_file(tmp_path):
    contents = [bytes([number]) * 100_000 for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: write_whole(tmp_path / "one", content), contents))
    assert (tmp_path / "one").read_bytes() in contents and names(tmp_path) == ["one"]


def test_names_as_long_as_the_file_system_takes(tmp_path):
    write_whole(tmp_path / ("n" * 251 + ".txt"), "long")
    assert (tmp_path / ("n" * 251 + ".txt")).read_text() == "long"


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "none" / "a.txt", "x")


def test_a_folder_in_the_place_is_an_error_and_stays(tmp_path):
    (tmp_path / "there").mkdir()
    with pytest.raises(OSError):
        write_whole(tmp_path / "there", "x")
    assert (tmp_path / "there").is_dir() and names(tmp_path) == ["there"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights there, and there are no pipes")
def test_links_stay_and_lead_to_what_was_written(tmp_path):
    (tmp_path / "real.txt").write_text("before")
    (tmp_path / "link.txt").symlink_to("real.txt")
    (tmp_path / "dangling.txt").symlink_to("made.txt")
    write_whole(tmp_path / "link.txt", "after")
    write_whole(tmp_path / "dangling.txt", "new")
    assert (tmp_path / "link.txt").is_symlink() and (tmp_path / "real.txt").read_text() == "after"
    assert (tmp_path / "dangling.txt").is_symlink() and (tmp_path / "made.txt").read_text() == "new"
    assert names(tmp_path) == ["dangling.txt", "link.txt", "made.txt", "real.txt"]


@pytest.mark.skipif(os.name == "nt", reason="there are no pipes")
def test_a_pipe_is_written_to(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit((tmp_path / "pipe").read_bytes)
        write_whole(tmp_path / "pipe", "through")
        assert read.result(timeout=20) == b"through"
    assert (tmp_path / "pipe").is_fifo() and names(tmp_path) == ["pipe"]


@pytest.mark.skipif(os.name == "nt", reason="there are no pipes")
def test_a_pipe_is_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "finished").write_bytes(b"x")
    with pytest.raises(PermissionError, match="not a file"), replacing(tmp_path / "pipe"):
        raise AssertionError("refused before any work")
    with pytest.raises(PermissionError, match="not a file"):
        move_whole(tmp_path / "finished", tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()


def test_a_long_ending_is_no_obstacle(tmp_path):
    write_whole(tmp_path / ("x." + "y" * 250), "long")
    assert (tmp_path / ("x." + "y" * 250)).read_text() == "long"


POSIX = pytest.mark.skipif(os.name == "nt", reason="Windows knows no such permissions")


def mode_of(path):
    return path.stat().st_mode & 0o777


@POSIX
def test_nobody_may_read_what_is_being_written_who_may_not_read_what_it_replaces(tmp_path):
    for mode in (0o600, 0o640, 0o644, 0o400 | 0o200):
        place = tmp_path / f"{mode:o}.npz"
        place.write_bytes(b"before")
        place.chmod(mode)
        with replacing(place) as temporary:
            assert not mode_of(temporary) & ~mode
            temporary.write_bytes(b"after")
            assert not mode_of(temporary) & ~mode
        assert mode_of(place) == mode and place.read_bytes() == b"after"


@POSIX
def test_new_files_get_what_all_new_files_get_or_are_private(tmp_path):
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "a", "a")
        with replacing(tmp_path / "b", private=True) as temporary:
            assert mode_of(temporary) == 0o600
            temporary.write_bytes(b"key")
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "a") == 0o640 and mode_of(tmp_path / "b") == 0o600


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only the administrator gives files away")
def test_owner_and_group_of_a_replaced_file_are_kept(tmp_path):
    place = tmp_path / "theirs"
    place.write_text("before")
    os.chown(place, 1234, 2345)
    place.chmod(0o660)
    write_whole(place, "after")
    state = place.stat()
    assert (state.st_uid, state.st_gid, state.st_mode & 0o777) == (1234, 2345, 0o660)


@POSIX
def test_a_write_protected_file_stays_though_its_folder_could_be_written_to(tmp_path):
    place, finished = tmp_path / "protected.npz", tmp_path / "finished"
    place.write_bytes(b"before")
    place.chmod(0o444)
    finished.write_bytes(b"new")
    with pytest.raises(PermissionError, match="write-protected"):
        write_whole(place, "after")
    with pytest.raises(PermissionError, match="write-protected"), replacing(place):
        raise AssertionError("refused before any work")
    with pytest.raises(PermissionError, match="write-protected"):
        move_whole(finished, place)
    assert place.read_bytes() == b"before" and names(tmp_path) == ["finished", "protected.npz"]


@POSIX
def test_a_finished_file_takes_the_place_and_the_permissions_of_another(tmp_path):
    with draft_folder(tmp_path) as folder:
        (folder / "film.mp4").write_bytes(b"new")
        (tmp_path / "out.mp4").write_bytes(b"old")
        (tmp_path / "out.mp4").chmod(0o600)
        (tmp_path / "link.mp4").symlink_to("out.mp4")
        move_whole(folder / "film.mp4", tmp_path / "link.mp4")
    assert (tmp_path / "out.mp4").read_bytes() == b"new" and mode_of(tmp_path / "out.mp4") == 0o600
    assert (tmp_path / "link.mp4").is_symlink() and names(tmp_path) == ["link.mp4", "out.mp4"]


def test_names_that_no_file_can_have_and_texts_that_no_file_can_hold_are_told(tmp_path):
    for name in ("a\0b", "\ud800", "n" * 300):
        with pytest.raises(OSError):
            write_whole(tmp_path / name, "x")
    with pytest.raises(OSError, match="no text can hold"):
        write_whole(tmp_path / "a", "\udc80")
    assert names(tmp_path) == []


@pytest.fixture
def limit():
    """Let files grow no further than so many bytes, as on a full disk, for as long as a block lasts."""
    resource = pytest.importorskip("resource")
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    @contextmanager
    def limited(size):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


def test_a_full_disk_leaves_the_good_file_that_was_there(tmp_path, limit):
    place = tmp_path / "good"
    place.write_bytes(b"good")
    with limit(100), pytest.raises(OSError):
        write_whole(place, b"x" * 1000)
    with limit(100), pytest.raises(OSError), replacing(place) as temporary:
        temporary.write_bytes(b"x" * 1000)
    assert place.read_bytes() == b"good" and names(tmp_path) == ["good"]


@POSIX
def test_a_full_disk_leaves_what_was_there_where_only_the_file_may_be_written(tmp_path, limit, monkeypatch):
    place, real = tmp_path / "good", os.access
    place.write_bytes(b"good")
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != tmp_path and real(path, mode))
    with limit(100), pytest.raises(OSError):
        write_whole(place, b"x" * 1000)
    assert place.read_bytes() == b"good" and names(tmp_path) == ["good"]
    write_whole(place, b"longer")
    write_whole(place, b"new")
    assert place.read_bytes() == b"new" and names(tmp_path) == ["good"]

"""Files appear whole or not at all."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from mouthpiece.files import ASSETS, replacing, write_whole


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


def test_a_long_ending_is_no_obstacle(tmp_path):
    write_whole(tmp_path / ("x." + "y" * 250), "long")
    assert (tmp_path / ("x." + "y" * 250)).read_text() == "long"

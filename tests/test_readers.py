"""Readers of JSON and arrays: what anybody may have written is refused in words, in bounded time and memory."""

import io
import json
import os
import struct
import zipfile

import numpy as np
import pytest
from mouthpiece.errors import UnreadableError
from mouthpiece.files import arrays, json_text
from mouthpiece.files.arrays import opened_arrays
from mouthpiece.files.json_text import parsed_json, read_json


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("\0", "not JSON"),
        ('{"a": "\x01"}', "not JSON"),
        (b'{"a": "\xff"}', "UTF-8"),
        ("{}".encode("utf-16"), "UTF-8"),
        ('{"a": "\ud800"}', "UTF-8"),
        ('{"a": "\\ud800"}', "characters that no text has"),
        ('{"\\udfff": 1}', "characters that no text has"),
        ('{"a": "x\\u0000y"}', "characters that no text has"),
        ("[" * 100_000, "nested"),
        ("[" * 100_000 + "]" * 100_000, "nested"),
        ('{"a":' * 50_000 + "1" + "}" * 50_000, "nested"),
        ("[" * 65 + "]" * 65, "nested more than 64 deep"),
        ("1e999", "out of all bounds"),
        ('[{"a": -1e999}]', "out of all bounds"),
        ("9" * 5000, "out of all bounds"),
        ('{"a": ' + "9" * 400 + "}", "out of all bounds"),
        (str(2**63), "out of all bounds"),
        (str(-(2**63) - 1), "out of all bounds"),
        ("NaN", "NaN"),
        ('{"a": [Infinity]}', "Infinity"),
        (5, "no text"),
        (None, "no text"),
    ],
)
def test_json_that_nothing_can_be_made_of_is_refused_in_words(text, why):
    with pytest.raises(UnreadableError, match=why):
        parsed_json(text)


def test_json_as_programs_write_it_is_read():
    value = {
        "name": "Zoë 😀 漢字",
        "rows": [[1, -2.5e-3, None, True]],
        "seed": 2**63 - 1,
        "low": -(2**63),
        "deep": {"a": {}},
    }
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)):
        assert parsed_json(text) == value
        assert parsed_json(text.encode()) == value
        assert parsed_json(b"\xef\xbb\xbf" + text.encode()) == value
        assert parsed_json("\ufeff" + text) == value
    assert parsed_json("[" * 64 + "]" * 64)


def test_json_is_refused_by_its_size_before_it_is_parsed(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('"' + "a" * 2000 + '"')
    assert len(read_json(path)) == 2000
    with pytest.raises(UnreadableError, match="larger than 1 kB"):
        read_json(path, 1024)
    with pytest.raises(UnreadableError, match="larger than 1 kB"):
        parsed_json('"' + "é" * 600 + '"', 1024)
    with open(path, "wb") as stream:
        stream.truncate(json_text.LARGEST * 1000)  # takes no room on the disk
    with pytest.raises(UnreadableError, match="larger than 16 MB"):
        read_json(path)


def test_only_ordinary_files_are_read(tmp_path):
    with pytest.raises(UnreadableError, match="cannot be read: No such file"):
        read_json(tmp_path / "none.json")
    with pytest.raises(UnreadableError, match="folder"):
        read_json(tmp_path)
    with pytest.raises(UnreadableError, match="cannot be read"):
        read_json("a\0b")
    with pytest.raises(UnreadableError, match="cannot be read"):
        read_json(tmp_path / ("n" * 300))
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(UnreadableError, match="no ordinary file"):
            read_json(tmp_path / "pipe")
        with pytest.raises(UnreadableError, match="no ordinary file"), opened_arrays("/dev/zero"):
            pass


def header(descr="'<f4'", order="False", shape="(2,)", version=b"\x01\x00", text=None):
    """Return the beginning of an array, by the texts of its three entries or as it is."""
    said = (f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}" if text is None else text).encode()
    length = struct.pack("<H" if version[0] == 1 else "<I", len(said) + 1)
    return b"\x93NUMPY" + version + length + said + b"\n"


def saved(array, **more):
    """Return an array as NumPy saves it."""
    stream = io.BytesIO()
    np.save(stream, array, **more)
    return stream.getvalue()


def zipped(packing=zipfile.ZIP_DEFLATED, **members):
    """Return the bytes of a zip with members by name."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", packing) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return stream.getvalue()


def value(content, *wanted, **named):
    """Return the array ``a`` of an archive."""
    with opened_arrays(content) as stored:
        return stored.array("a", *wanted, **named)


WHOLE = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize(
    "array",
    [
        WHOLE, np.asfortranarray(WHOLE), WHOLE.astype(">f4"), WHOLE.astype("<f8"), WHOLE.astype("f2"),
        WHOLE.astype("i8"), WHOLE.astype("u1"), WHOLE > 2, WHOLE[:0], WHOLE[:, :0],
        np.float32(3), np.arange(300_000, dtype=np.float32),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)  # fmt: skip
def test_arrays_as_numpy_writes_them_are_read(packing, array):
    found = value(zipped(packing, a=saved(array)), None, "fiub")
    assert found.shape == array.shape and found.dtype == array.dtype and (found == array).all()


def test_arrays_of_other_writers_are_read():
    for text in (
        "{'shape': (2,), 'fortran_order': False, 'descr': '<f4'}",
        '{"descr": "<f4", "fortran_order": False, "shape": (2,)}',
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2L,), }",
        "{'descr':'<f4','fortran_order':False,'shape':(2,)}" + " " * 80,
    ):
        assert value(zipped(a=header(text=text) + bytes(8)), (2,)).tolist() == [0, 0]
    assert value(zipped(a=header(version=b"\x02\x00") + bytes(8)), (None,)).tolist() == [0, 0]


def test_texts_are_read():
    with opened_arrays(zipped(a=saved(np.array("Zoë 😀")), b=saved(np.array(["x", "yz"], ">U5")))) as stored:
        assert stored.names == {"a", "b"}
        assert stored.text("a") == "Zoë 😀" and stored.texts("b") == ["x", "yz"]
        with pytest.raises(UnreadableError, match="shape"):
            stored.text("b")


class Evil:
    """What pickle would run."""

    def __reduce__(self):
        return os.system, ("exit 1",)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (header(shape="(1000000000, 68, 3)") + bytes(64), "not as large"),
        (header(shape=f"({2**62},)") + bytes(64), "not as large"),
        (header(shape=f"({'9' * 19}, {'9' * 19}, {'9' * 19})") + bytes(64), "not as large"),
        (header(shape=f"({2**50}, 0)") + bytes(64), "not as large"),
        (header(shape="(-1,)") + bytes(8), "header"),
        (header(shape="(True,)") + bytes(8), "header"),
        (header(shape=f"({'9' * 4000},)") + bytes(8), "header"),
        (header() + bytes(7), "not as large"),
        (header() + bytes(9), "not as large"),
        (header(descr="'|O'") + bytes(16), "may not"),
        (header(descr="'<c8'") + bytes(16), "may not"),
        (header(descr="'<M8'") + bytes(16), "may not"),
        (header(descr="'|V4'") + bytes(8), "may not"),
        (header(descr="'<f16'") + bytes(32), "may not|unknown type"),
        (header(descr="'<f3'") + bytes(8), "unknown type"),
        (header(descr="'<U0'") + bytes(8), "may not"),
        (header(descr="[('a', '<f4')]") + bytes(8), "header"),
        (header(descr="__import__('os')") + bytes(8), "header"),
        (header(version=b"\x03\x00") + bytes(8), "header"),
        (header(version=b"\x09\x00") + bytes(8), "header"),
        (header(text="(" * 5000) + bytes(8), "header"),
        (header(text="{" + " " * 200_000, version=b"\x02\x00"), "header"),
        (header(text="{'descr': '<f4', 'fortran_order': False}") + bytes(8), "header"),
        (b"", "header"),
        (b"\x93NUMPY\x01\x00\xff\xff", "header"),
        (b"junk" * 20, "header"),
        (saved(np.array([Evil()], object), allow_pickle=True), "may not"),
    ],
)
def test_headers_that_lie_are_refused_before_memory_is_taken(content, why):
    with pytest.raises(UnreadableError, match=why):
        value(zipped(a=content))


def changed(content, at, to):
    """Return bytes with those from ``at`` on replaced."""
    return content[:at] + to + content[at + len(to) :]


PLAIN = zipped(a=saved(WHOLE), b=saved(np.zeros(300, np.float32)))
ENTRY = PLAIN.find(b"PK\x01\x02")
END = PLAIN.rfind(b"PK\x05\x06")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no .npz"),
        (b"PK\x03\x04", "no .npz"),
        (b"hello world" * 100, "no .npz"),
        (saved(WHOLE), "no .npz"),
        (PLAIN[:-1], "no .npz"),
        (PLAIN[: len(PLAIN) // 2], "no .npz"),
        (zipped(), "lacks 'a'"),
        (zipped(b=saved(WHOLE)), "lacks 'a'"),
        (changed(PLAIN, ENTRY + 8, b"\x01\x00"), "encrypted"),
        (changed(PLAIN, ENTRY + 8, b"\x40\x00"), "encrypted"),
        (changed(PLAIN, ENTRY + 10, b"\x63\x00"), "another way"),
        (changed(PLAIN, ENTRY + 20, b"\xff\xff\xff\x7f"), "more is packed"),
        (changed(PLAIN, ENTRY + 24, b"\xff\xff\xff\x7f"), "unpack"),
        (changed(PLAIN, ENTRY + 42, b"\xff\xff\xff\x7f"), "damaged"),
        (changed(PLAIN, END + 12, b"\xff\xff\xff\x7f"), "directory"),
        (changed(PLAIN, END + 16, b"\xff\xff\xff\x7f"), "damaged|no .npz"),
        (changed(PLAIN, 60, b"\xff" * 20), "damaged|header|large"),
        (zipped(zipfile.ZIP_BZIP2, a=saved(WHOLE)), "another way"),
        (zipped(zipfile.ZIP_LZMA, a=saved(WHOLE)), "another way"),
        (zipped(zipfile.ZIP_STORED, **{f"a{i}": b"" for i in range(300)}), "300 arrays"),
    ],
)
def test_archives_that_are_none_are_refused_in_words(content, why):
    with pytest.raises(UnreadableError, match=why):
        value(content)


def test_a_name_that_occurs_twice_is_refused():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive, pytest.warns(UserWarning):
        archive.writestr("a.npy", saved(WHOLE))
        archive.writestr("a.npy", b"")
    with pytest.raises(UnreadableError, match="twice"):
        value(stream.getvalue())


def test_what_unpacks_to_far_more_than_it_holds_is_refused_unread(monkeypatch):
    content = zipped(a=saved(np.zeros(1_000_000, np.float32)))
    assert value(content).shape == (1_000_000,)  # zeros may pack well
    monkeypatch.setattr(arrays, "_UNPACKED", 1 << 20)
    with pytest.raises(UnreadableError, match="far more"):
        value(content)


def test_an_array_whose_bytes_were_changed_is_refused():
    stored = zipped(zipfile.ZIP_STORED, a=saved(WHOLE))
    with pytest.raises(UnreadableError, match="damaged"):
        value(changed(stored, stored.find(saved(WHOLE)) + 130, b"\x01"))


def test_shape_and_kind_are_those_asked_for():
    content = zipped(a=saved(WHOLE))
    assert value(content, (None, 3)).shape == (2, 3)
    for shape in ((2,), (2, 3, 1), (None, 4), ()):
        with pytest.raises(UnreadableError, match="shape"):
            value(content, shape)
    with pytest.raises(UnreadableError, match="may not"):
        value(content, (2, 3), "iu")


def test_texts_of_no_letters_are_refused():
    letters = np.array([0x110000, 65], np.uint32).tobytes()
    half = np.array([0xD800, 65], np.uint32).tobytes()
    for content in (letters, half):
        with opened_arrays(zipped(a=header("'<U2'", shape="()") + content)) as stored:
            with pytest.raises(UnreadableError, match="characters"):
                stored.text("a")


def test_any_bytes_end_in_arrays_or_in_words():
    rng = np.random.default_rng(5)
    base = zipped(zipfile.ZIP_STORED, a=saved(WHOLE), meta=saved(np.array("{}")))
    outcomes = {True: 0, False: 0}
    for _ in range(3000):
        content = bytearray(base)
        for place in rng.integers(0, len(base), rng.integers(1, 8)):
            content[place] = rng.integers(0, 256)
        if rng.random() < 0.2:
            del content[rng.integers(0, len(content)) :]
        try:
            with opened_arrays(bytes(content)) as stored:
                for name in stored.names:
                    stored.array(name, None, "fiubU")
                stored.text("meta")
            outcomes[True] += 1
        except UnreadableError:
            outcomes[False] += 1
    assert min(outcomes.values()) > 50

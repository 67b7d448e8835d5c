"""Inputs made of samples: bytes changed blindly, values of JSON, arrays of a take, chunks of a PNG with right sums."""

from __future__ import annotations

import io
import json
import math
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

#: Makes an input of a campaign's samples.
Maker = Callable[[Random, Sequence[bytes]], bytes]

#: Whole numbers at which programs go wrong.
EDGES = (
    0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 255, 256, 1023, 1024, 4096, 32767, 32768, 65535, 65536,
    1 << 20, 1 << 24, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, (1 << 32) - 8, (1 << 63) - 1, (1 << 64) - 1,
)  # fmt: skip
#: What stands in place of a value of JSON.
ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 1e-9, 1e-300, 1e9, 1e300, math.inf, -math.inf, math.nan, 10**19, 10**400, "", "x",
    "1", "\0", "\ud800", "\uffff", "a" * 70_000, "../../x", [], {}, [[]], [None], {"": {}}, [0] * 5_000,
)  # fmt: skip
#: What stands somewhere in a text of JSON.
ODD_TEXTS = (
    "[" * 100_000, '{"a":' * 50_000, "1e999", "9" * 5_000, "NaN", "-Infinity", "\\ud800", "\0", "\ufeff", ",", "}",
    '"', "null", "[[", "//", "1" + "0" * 400,
)  # fmt: skip
#: How many changes are made to one input.
_CHANGES = (1, 1, 1, 1, 2, 3, 5, 10, 30)
#: Bytes an input has at most.
_MOST = 1 << 22


def changed_bytes(rng: Random, samples: Sequence[bytes]) -> bytes:
    """Return a sample with bytes changed, taken out, doubled, moved, or taken over from another sample."""
    data = bytearray(rng.choice(samples))
    for _ in range(rng.choice(_CHANGES)):
        _change(rng, data, samples)
    return bytes(data[:_MOST])


def _change(rng: Random, data: bytearray, samples: Sequence[bytes]) -> None:
    # half of the changes go to the beginning, where headers are
    reach = min(len(data), 400) if rng.random() < 0.5 else len(data)
    place = rng.randrange(reach) if reach else 0
    length = rng.choice((1, 2, 4, 8, rng.randrange(1, 64), rng.randrange(1, len(data) // 2 + 2)))
    rng.choice((_flip, _put, _number, _delete, _insert, _cut, _repeat, _graft))(rng, data, place, length, samples)


def _flip(rng: Random, data: bytearray, place: int, *_: object) -> None:
    if data:
        data[place] ^= 1 << rng.randrange(8)


def _put(rng: Random, data: bytearray, place: int, length: int, *_: object) -> None:
    data[place : place + length] = bytes([rng.choice((0, 32, 65, 127, 255))]) * min(length, 4_096)


def _number(rng: Random, data: bytearray, place: int, *_: object) -> None:
    width = rng.choice((1, 2, 4, 8))
    order = rng.choice(("big", "little"))
    now = int.from_bytes(data[place : place + width], order)
    number = rng.choice(EDGES) if rng.random() < 0.6 else now + rng.randrange(-40, 41)
    data[place : place + width] = (number % (1 << 8 * width)).to_bytes(width, order)


def _delete(rng: Random, data: bytearray, place: int, length: int, *_: object) -> None:
    del data[place : place + length]


def _insert(rng: Random, data: bytearray, place: int, length: int, *_: object) -> None:
    data[place:place] = rng.randbytes(min(length, 4_096))


def _cut(rng: Random, data: bytearray, place: int, *_: object) -> None:
    del data[place:]


def _repeat(rng: Random, data: bytearray, place: int, length: int, *_: object) -> None:
    other = rng.randrange(len(data) + 1)
    data[place:place] = data[other : other + length]


def _graft(rng: Random, data: bytearray, place: int, length: int, samples: Sequence[bytes]) -> None:
    other = rng.choice(samples)
    begin = rng.randrange(len(other) + 1)
    data[place:] = other[begin:] if rng.random() < 0.5 else other[begin : begin + length] + bytes(data[place:])


def changed_json(rng: Random, samples: Sequence[bytes]) -> bytes:
    """Return a sample of JSON with values, names or text replaced, as UTF-8 (lone surrogates pass)."""
    if rng.random() < 0.2:
        return changed_bytes(rng, samples)
    text = json.dumps(changed_value(rng, json.loads(rng.choice(samples))), ensure_ascii=rng.random() < 0.5)
    if rng.random() < 0.2:
        place = rng.randrange(len(text) + 1)
        text = text[:place] + rng.choice(ODD_TEXTS) + text[place + rng.randrange(3) :]
    return text.encode("utf-8", "surrogatepass")


def changed_value(rng: Random, value: Any) -> Any:
    """Return values of JSON in which some at any depth are replaced, taken out, doubled or named otherwise."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        value = _replaced(rng, value)
    return value


def _replaced(rng: Random, value: Any) -> Any:
    if not isinstance(value, dict | list) or not value or rng.random() < 0.1:
        return rng.choice(ODD_VALUES)
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = rng.choice(keys)
    copy = value.copy()
    what = rng.random()
    if what < 0.1:
        del copy[key]
    elif what < 0.15 and isinstance(copy, dict):
        copy[rng.choice(("", "format", "name", "x" * 300, "\ud800"))] = copy.pop(key)
    elif what < 0.2 and isinstance(copy, list):
        copy.extend(copy[:3] * rng.choice((1, 2, 1_000)))
    else:
        copy[key] = _replaced(rng, copy[key])
    return copy


def changed_arrays(rng: Random, samples: Sequence[bytes]) -> bytes:
    """Return a sample ``.npz`` whose members were changed and packed anew, so that their sums are right."""
    if rng.random() < 0.25:
        return changed_bytes(rng, samples)
    with zipfile.ZipFile(io.BytesIO(rng.choice(samples))) as stored:
        members = [(name, stored.read(name)) for name in stored.namelist()]
    for _ in range(rng.choice((1, 1, 2, 3))):
        index = rng.randrange(len(members))
        name, data = members[index]
        members[index : index + 1] = rng.choice(
            ([], [(name, data), (name, data[:100])], *([(name, _changed_member(rng, name, data))],) * 10)
        )
        if not members:
            break
    way = rng.choice(
        (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", way) as made:
        for name, data in members:
            _add(made, name, data)
    content = bytearray(packed.getvalue())
    if rng.random() < 0.1 and (entry := content.find(b"PK\x01\x02")) >= 0:  # encrypted, or packed in an unknown way
        content[entry + rng.choice((8, 10))] ^= rng.choice((1, 99))
    return bytes(content)


def _add(made: zipfile.ZipFile, name: str, data: bytes) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names that are there twice are meant
        made.writestr(name, data)


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _changed_member(rng: Random, name: str, data: bytes) -> bytes:
    start = data.find(b"\n") + 1
    what = rng.random()
    if name.startswith("meta") and what < 0.8 and data.startswith(b"\x93NUMPY"):
        return _changed_meta(rng, data[start:])
    if what < 0.4:
        return _array_header(rng) + data[start:]
    if what < 0.6:
        head = changed_bytes(rng, [data[10:start]])[:60_000]
        return data[:8] + struct.pack("<H", len(head)) + head + data[start:]
    if what < 0.8 and len(data) - start >= 4:
        place = start + rng.randrange((len(data) - start) // 4) * 4
        return (
            data[:place] + struct.pack("<f", rng.choice((math.nan, math.inf, 1e30, -3e38, 1e-40))) + data[place + 4 :]
        )
    return changed_bytes(rng, [data])


def _changed_meta(rng: Random, stored: bytes) -> bytes:
    """Return an array that is a text of JSON, changed."""
    sample = stored[: len(stored) // 4 * 4].decode("utf-32-le", "replace").rstrip("\0").encode()
    text = (changed_json if _is_json(sample) else changed_bytes)(rng, [sample]).decode("utf-8", "replace")
    head = repr({"descr": f"<U{len(text)}", "fortran_order": False, "shape": ()}).encode()
    return _framed(head) + text.encode("utf-32-le", "surrogatepass")


def _array_header(rng: Random) -> bytes:
    shapes = ((10**9, 68, 3), (2**62,), (-1, 3), (0, 68, 3), (), (1,), (2**31, 2**31), (10**30,), (5, 0), (50, 52))
    kinds = ("<f4", "<f8", "|O", "<U9", "<c16", "|V8", "<M8[s]", "<i8", "|b1", "<f2", "|S3", ">f4")
    descr: Any = rng.choice((*kinds, [("a", "<f4", (2**31,))], [("a", "<f4")], "__import__('os')", 7, None))
    return _framed(
        repr({"descr": descr, "fortran_order": rng.random() < 0.2, "shape": rng.choice(shapes)}).encode(),
        rng.choice((1, 1, 1, 2, 3, 9)),
    )


def _framed(head: bytes, version: int = 1) -> bytes:
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    size = struct.pack("<H", len(head)) if version == 1 else struct.pack("<I", len(head))
    return b"\x93NUMPY" + bytes([version, 0]) + size + head


def changed_png(rng: Random, samples: Sequence[bytes]) -> bytes:
    """Return a sample PNG with chunks changed, exchanged or doubled, mostly with right sums."""
    if rng.random() < 0.2:
        return changed_bytes(rng, samples)
    source = rng.choice(samples)
    chunks = _chunks(source)
    if not chunks:
        return changed_bytes(rng, samples)
    for _ in range(rng.choice((1, 1, 2, 4))):
        index = rng.randrange(len(chunks))
        name, data = chunks[index]
        what = rng.random()
        if what < 0.6:
            chunks[index] = (name, changed_bytes(rng, [data]))
        elif what < 0.7:
            chunks.insert(rng.randrange(len(chunks)), chunks[index])
        elif what < 0.8:
            del chunks[index]
        elif what < 0.87:
            chunks[index] = (rng.choice((b"IDAT", b"iTXt", b"tEXt", b"IEND", b"caBX", b"iCCP", b"acTL", b"eXIf")), data)
        elif what < 0.95:
            chunks[1:1] = _shown_otherwise(rng, chunks[0][1][:8].ljust(8, b"\0"))
        else:
            rng.shuffle(chunks)
        if not chunks:
            break
    return source[:8] + b"".join(_chunk(rng, name, data) for name, data in chunks)


def _shown_otherwise(rng: Random, size: bytes) -> list[tuple[bytes, bytes]]:
    """Return chunks for which programs show something else than the pixels: an animation of one frame, or colours."""
    wide, high = struct.unpack(">II", size)
    rows = bytes(min((1 + 4 * (wide % 500)) * (high % 500), 1 << 20))
    control = struct.pack(">I", rng.randrange(2)) + size + bytes(8) + b"\0\1\0\x0a\0\0"
    moving = [(b"acTL", b"\0\0\0\1" + bytes(4)), (b"fcTL", control), (b"fdAT", b"\0\0\0\1" + zlib.compress(rows))]
    colours = [
        (b"gAMA", struct.pack(">I", 1_000)),
        (b"cICP", b"\x09\x10\0\1"),
        (b"sBIT", b"\1\1\1"),
        (b"bKGD", bytes(6)),
    ]
    turned = (b"eXIf", b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06" + bytes(6))
    return rng.choice((moving, *([one] for one in (*colours, turned))))


def _chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    found, place = [], 8
    while place + 12 <= len(png):
        size, name = struct.unpack_from(">I4s", png, place)
        found.append((name, png[place + 8 : place + 8 + size]))
        place += 12 + size
    return found


def _chunk(rng: Random, name: bytes, data: bytes) -> bytes:
    size = len(data) if rng.random() < 0.97 else rng.choice(EDGES) % (1 << 32)
    right = zlib.crc32(name + data) if rng.random() < 0.97 else 0
    return struct.pack(">I", size) + name + data + struct.pack(">I", right)

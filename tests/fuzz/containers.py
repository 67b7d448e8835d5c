"""Inputs made of files in containers: what stands in boxes, pages and frames is changed, with right sizes and sums."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from .mutations import EDGES, changed_bytes

#: Boxes of MP4 and MOV that hold boxes, and the bytes before them.
_NESTS = {
    name: 0
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"udta", b"dinf", b"ilst", b"mvex", b"moof")
} | {b"meta": 4, b"stsd": 8, b"dref": 8}
#: Names that a box gets in place of its own.
_NAMES = (
    b"free", b"skip", b"mdat", b"moov", b"trak", b"edts", b"uuid", b"meta", b"moof", b"mfra", b"wide", b"stco", b"co64",
    b"elst", b"url ", b"alis", b"cmov", b"sidx", b"emsg", b"styp", b"\0\0\0\0",
)  # fmt: skip
#: Tables of times and places in a film: most inputs change one of these.
_TABLES = (b"stts", b"ctts", b"stsc", b"stsz", b"stco", b"co64", b"stss", b"elst", b"mdhd", b"mvhd", b"tkhd", b"stsd")


@dataclass
class _Box:
    name: bytes
    data: bytes = b""
    inner: list[_Box] = field(default_factory=list)
    before: bytes = b""

    def packed(self) -> bytes:
        body = self.before + b"".join(box.packed() for box in self.inner) + self.data
        return struct.pack(">I", len(body) + 8) + self.name + body


def _parsed(data: bytes) -> list[_Box]:
    found, place = [], 0
    while place + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, place)
        if size < 8 or place + size > len(data):
            break
        body = data[place + 8 : place + size]
        if name in _NESTS:
            skip = _NESTS[name]
            found.append(_Box(name, b"", _parsed(body[skip:]), body[:skip]))
        else:
            found.append(_Box(name, body))
        place += size
    return found


def _every(boxes: list[_Box]) -> list[tuple[list[_Box], int]]:
    """Return all boxes at any depth, each as the list that it stands in and its place there."""
    found = []
    for index, box in enumerate(boxes):
        found += [(boxes, index), *_every(box.inner)]
    return found


def changed_boxes(rng: Random, samples: Sequence[bytes]) -> bytes:
    """Return an MP4 or MOV with boxes changed, left out, doubled, moved, renamed or taken over from another sample."""
    if rng.random() < 0.15:
        return changed_bytes(rng, samples)
    boxes = _parsed(rng.choice(samples))
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        places = _every(boxes)
        if not places:
            break
        if rng.random() < 0.5:
            places = [one for one in places if one[0][one[1]].name in _TABLES] or places
        _change(rng, *rng.choice(places), samples)
    packed = b"".join(box.packed() for box in boxes)
    return packed if rng.random() < 0.9 else changed_bytes(rng, [packed])


def _change(rng: Random, row: list[_Box], index: int, samples: Sequence[bytes]) -> None:
    box, what = row[index], rng.random()
    if what < 0.45 and box.data:
        row[index] = _Box(box.name, _other_data(rng, box.data))
    elif what < 0.55:
        del row[index]
    elif what < 0.63:
        row.insert(rng.randrange(len(row) + 1), box)
    elif what < 0.7:
        rng.shuffle(row)
    elif what < 0.78:
        row[index] = _Box(rng.choice(_NAMES), box.data, box.inner, box.before)
    elif what < 0.84:  # the size stays, so that all the rest is found where it was
        row[index] = _Box(b"free", bytes(len(box.packed()) - 8))
    elif what < 0.9:
        row.insert(rng.randrange(len(row) + 1), _Box(rng.choice(_NAMES), rng.randbytes(rng.randrange(40))))
    elif what < 0.95:
        other = _every(_parsed(rng.choice(samples)))
        row[index] = rng.choice([boxes[at] for boxes, at in other])
    else:  # a box in itself, many times
        for _ in range(rng.choice((1, 5, 200))):
            box = _Box(box.name, b"", [box], bytes(_NESTS.get(box.name, 0)))
        row[index] = box


def _other_data(rng: Random, data: bytes) -> bytes:
    """Return the data of a box, changed: mostly words of it exchanged or set, as most boxes are tables."""
    what = rng.random()
    if what < 0.3:
        return changed_bytes(rng, [data])
    words = bytearray(data)
    count = len(words) // 4
    for _ in range(rng.choice((1, 1, 2, 5))):
        if not count:
            break
        one, other = 4 * rng.randrange(count), 4 * rng.randrange(count)
        if what < 0.6:
            words[one : one + 4], words[other : other + 4] = words[other : other + 4], words[one : one + 4]
        else:
            words[one : one + 4] = struct.pack(">I", rng.choice(EDGES) % (1 << 32))
    return bytes(words)


def changed_elements(rng: Random, samples: Sequence[bytes]) -> bytes:
    """Return a Matroska or WebM file with sizes, numbers or content of elements changed, and their heads left whole."""
    data = bytearray(rng.choice(samples))
    heads = _elements(bytes(data))
    for _ in range(rng.choice((1, 1, 2, 4))):
        at, begin, size = rng.choice(heads)
        what = rng.random()
        if what < 0.3:
            data[begin - 1 : begin] = bytes([rng.choice((0x80, 0x81, 0xFF, 0xFE, 1, rng.randrange(256)))])
        elif what < 0.6 and size:
            place = begin + rng.randrange(min(size, 64))
            data[place : place + 1] = bytes([rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))])
        elif what < 0.8 and size <= 8:
            data[begin : begin + size] = (rng.choice(EDGES) % (1 << 8 * max(size, 1))).to_bytes(max(size, 1))[:size]
        elif what < 0.9:
            del data[at : begin + size]
            break
        else:
            data[at:at] = data[at : begin + min(size, 1 << 16)]
            break
    return bytes(data) if rng.random() < 0.85 else changed_bytes(rng, [bytes(data)])


def _elements(data: bytes) -> list[tuple[int, int, int]]:
    """Return where the elements of a file begin, where their content does, and how many bytes that has."""
    found, place = [], 0
    while place + 2 < len(data) and len(found) < 2_000:
        wide = 9 - data[place].bit_length()
        if wide > 4 or not data[place + wide : place + wide + 1]:
            break
        first = data[place + wide]
        long = 9 - first.bit_length()
        raw = data[place + wide : place + wide + long]
        size = int.from_bytes(raw) & ((1 << 7 * long) - 1)
        begin = place + wide + long
        if long > 8 or begin > len(data):
            break
        unknown = size == (1 << 7 * long) - 1
        found.append((place, begin, 0 if unknown else min(size, len(data) - begin)))
        nests = data[place : place + wide] in _MASTERS
        place = begin if nests or unknown else begin + size
    return found


#: Elements of Matroska that hold elements: head, segment, information, tracks and one of them, sound, cluster, group.
_MASTERS = tuple(
    bytes.fromhex(name) for name in ("1A45DFA3", "18538067", "1549A966", "1654AE6B", "AE", "E1", "1F43B675", "A0")
)


def changed_pages(rng: Random, samples: Sequence[bytes]) -> bytes:
    """Return an Ogg file with pages changed, left out, doubled or moved, mostly with right sums."""
    pages = rng.choice(samples).split(b"OggS")[1:]
    for _ in range(rng.choice((1, 1, 2, 4))):
        index = rng.randrange(len(pages))
        page, what = bytearray(pages[index]), rng.random()
        if what < 0.4:
            at, size = rng.choice(((0, 1), (1, 1), (2, 8), (10, 4), (14, 4), (22, 1), (23, 1)))
            page[at : at + size] = (rng.choice(EDGES) % (1 << 8 * size)).to_bytes(size, "little")
            pages[index] = bytes(page)
        elif what < 0.7:
            head, body = bytes(page[:23]), bytes(page[23:])
            pages[index] = head + changed_bytes(rng, [body]).replace(b"OggS", b"")
        elif what < 0.8:
            pages.insert(rng.randrange(len(pages) + 1), pages[index])
        elif what < 0.9 and len(pages) > 1:
            del pages[index]
        else:
            rng.shuffle(pages)
    return b"".join(_summed(rng, b"OggS" + page) for page in pages)


def _summed(rng: Random, page: bytes) -> bytes:
    if len(page) < 27 or rng.random() < 0.03:
        return page
    blank = page[:22] + bytes(4) + page[26:]
    return blank[:22] + struct.pack("<I", _sum(blank, _OGG, 32)) + blank[26:]


def changed_frames(rng: Random, samples: Sequence[bytes]) -> bytes:
    """Return a FLAC file with frames or blocks changed, left out, doubled or moved, the frames with right sums."""
    data = rng.choice(samples)
    blocks, at = [], 4
    while at + 4 <= len(data):
        size = 4 + int.from_bytes(data[at + 1 : at + 4])
        blocks.append(data[at : at + size])
        at += size
        if blocks[-1][0] & 0x80:
            break
    frames = [b"\xff\xf8" + one for one in data[at:].split(b"\xff\xf8")[1:]]
    for _ in range(rng.choice((1, 1, 2, 4))):
        row = frames if rng.random() < 0.6 and frames else blocks
        if not row:
            break
        index, what = rng.randrange(len(row)), rng.random()
        if what < 0.6:
            row[index] = changed_bytes(rng, [row[index][: 1 << 16]])
        elif what < 0.75:
            row.insert(rng.randrange(len(row) + 1), row[index])
        elif what < 0.9:
            del row[index]
        else:
            rng.shuffle(row)
    return data[:4] + b"".join(blocks) + b"".join(_framed(rng, frame) for frame in frames)


def _framed(rng: Random, frame: bytes) -> bytes:
    """Return a frame of FLAC with the right sums of its head, as far as it is one, and of all of it."""
    if len(frame) < 10 or rng.random() < 0.1:
        return frame
    long = {0b0110: 1, 0b0111: 2}.get(frame[2] >> 4, 0) + {12: 1, 13: 2, 14: 2}.get(frame[2] & 15, 0)
    end = 5 + max(0, 7 - (frame[4] ^ 0xFF).bit_length() - 1 if frame[4] >= 0xC0 else 0) + long
    whole = frame[:end] + bytes([_sum(frame[:end], _FLAC_HEAD, 8)]) + frame[end + 1 : -2]
    return whole + _sum(whole, _FLAC_FRAME, 16).to_bytes(2)


def changed_tags(rng: Random, samples: Sequence[bytes]) -> bytes:
    """Return a sound with tags before and behind it (ID3, APE, Lyrics), whose sizes are right, wrong or huge."""
    data = rng.choice(samples)
    for _ in range(rng.choice((1, 1, 2, 3))):
        before, behind = _tag(rng)
        data = before + data + behind
    return data if rng.random() < 0.7 else changed_bytes(rng, [data])


def _tag(rng: Random) -> tuple[bytes, bytes]:
    body = rng.randbytes(rng.choice((0, 10, 127, 128, 5_000)))
    size = rng.choice((len(body), len(body), len(body) + 10, rng.choice(EDGES)))
    what = rng.randrange(5)
    if what == 0:
        sizes = bytes(size >> shift & 127 for shift in (21, 14, 7, 0))
        return b"ID3" + bytes([rng.choice((2, 3, 4, 255)), 0, rng.choice((0, 0x10, 0x80, 0xFF))]) + sizes + body, b""
    if what == 1:
        return b"", b"TAG" + body[:125].ljust(125, b"\0")
    if what == 2:
        foot = struct.pack("<III", 2000, (size + 32) % (1 << 32), rng.choice(EDGES) % (1 << 32))
        return b"", body + b"APETAGEX" + foot + bytes([0, 0, 0, rng.choice((0, 0x80, 0xA0)), *bytes(8)])
    if what == 3:
        return b"", b"LYRICSBEGIN" + body + f"{size % 10**6:06}LYRICS200".encode()
    return b"APETAGEX" + struct.pack("<III", 2000, size % (1 << 32), 1) + bytes([0, 0, 0, 0xA0, *bytes(8)]) + body, b""


def _table(bits: int, polynomial: int) -> tuple[int, ...]:
    found = []
    for byte in range(256):
        value = byte << (bits - 8)
        for _ in range(8):
            value = (value << 1) ^ (polynomial if value >> (bits - 1) else 0)
            value &= (1 << bits) - 1
        found.append(value)
    return tuple(found)


_OGG, _FLAC_HEAD, _FLAC_FRAME = _table(32, 0x04C11DB7), _table(8, 0x07), _table(16, 0x8005)


def _sum(data: bytes, table: tuple[int, ...], bits: int) -> int:
    value, mask = 0, (1 << bits) - 1
    for byte in data:
        value = (value << 8 & mask) ^ table[(value >> (bits - 8)) ^ byte]
    return value


def changed_messages(rng: Random, samples: Sequence[bytes]) -> bytes:
    """Return a network (protocol buffers, as ONNX has them) with fields at any depth changed, left out or doubled."""
    data = rng.choice(samples)
    for _ in range(rng.choice((1, 1, 2, 3))):
        data = _other_message(rng, data)
    return data if rng.random() < 0.9 else changed_bytes(rng, [data])


def _other_message(rng: Random, data: bytes, depth: int = 0) -> bytes:
    """Return a message with one field of it changed, or of a message in it."""
    fields = _fields(data)
    if not fields:
        return rng.choice((b"", rng.randbytes(5), changed_bytes(rng, [data])))
    index, what = rng.randrange(len(fields)), rng.random()
    number, kind, value = fields[index]
    if isinstance(value, bytes) and what < 0.75 and depth < 8:
        fields[index] = (number, kind, _other_message(rng, value, depth + 1) if _fields(value) else _text(rng, value))
    elif what < 0.8:
        del fields[index]
    elif what < 0.87:
        fields.insert(rng.randrange(len(fields) + 1), fields[index])
    elif isinstance(value, int):
        fields[index] = (number, kind, rng.choice(EDGES))
    else:
        fields[index] = rng.choice(fields)
    return b"".join(_field(*field) for field in fields)


def _text(rng: Random, value: bytes) -> bytes:
    odd = (b"", b"Loop", b"If", b"Constant", b"x" * 1_000, b"\xff", b"../../etc/passwd", rng.randbytes(4), b"weights")
    return rng.choice((*odd, value[: len(value) // 2], value * 2 if len(value) < 10_000 else value))


def _fields(data: bytes) -> list[tuple[int, int, int | bytes]]:
    """Return number, kind and value of the fields of a message; none if it is no message."""
    found: list[tuple[int, int, int | bytes]] = []
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        value: int | bytes
        if kind == 0:
            value, at = _varint(data, at)
        elif kind in (1, 2, 5):
            size, at = _varint(data, at) if kind == 2 else ({1: 8, 5: 4}[kind], at)
            value, at = data[at : at + size], at + size
        else:
            return []
        if not key >> 3 or at > len(data):
            return []
        found.append((key >> 3, kind, value))
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if not data[at - 1] & 128:
            return value, at
    return 0, len(data) + 1


def _field(number: int, kind: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _packed(number << 3 | kind) + _packed(value)
    return _packed(number << 3 | kind) + (_packed(len(value)) if kind == 2 else b"") + value


def _packed(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])

"""DER, the bytes certificates and keys are written in: as much of it as one certificate needs."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

SEQUENCE, SET, INTEGER, BITS, OCTETS, OID, TEXT, BOOLEAN = 0x30, 0x31, 0x02, 0x03, 0x04, 0x06, 0x0C, 0x01

_PEM: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\s+(.*?)-----END \1-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Item:
    """A value: its tag, its contents, and all of its bytes."""

    tag: int
    content: bytes
    whole: bytes

    def items(self) -> list[Item]:
        """Return the values it is made of."""
        return list(items_of(self.content))


def wrapped(tag: int, *parts: bytes) -> bytes:
    """Return a value with that tag around the bytes of others."""
    content = b"".join(parts)
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def integer(value: int) -> bytes:
    """Return a whole number from 0 up."""
    return wrapped(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def oid(dotted: str) -> bytes:
    """Return an object identifier such as ``"2.5.4.3"``."""
    first, second, *rest = (int(part) for part in dotted.split("."))
    content = b""
    for number in (first * 40 + second, *rest):
        groups = [number & 0x7F]
        while number := number >> 7:
            groups.append(number & 0x7F | 0x80)
        content += bytes(reversed(groups))
    return wrapped(OID, content)


def moment(time: datetime) -> bytes:
    """Return a moment (UTC), to the second: until 2049 with two digits of the year, as certificates must."""
    if time.year < 2050:
        return wrapped(0x17, time.strftime("%y%m%d%H%M%SZ").encode())
    return wrapped(0x18, time.strftime("%Y%m%d%H%M%SZ").encode())


def items_of(data: bytes) -> Iterator[Item]:
    """Yield the values that bytes are made of, one after the other.

    Raises
    ------
    ValueError
        If they are not DER.
    """
    place = 0
    while place < len(data):
        head = data[place : place + 2]
        if len(head) < 2:
            raise ValueError("the data is cut off")
        size, start = head[1], place + 2
        if size & 0x80:
            more = size & 0x7F
            if not 1 <= more <= 4 or start + more > len(data):
                raise ValueError("a length makes no sense")
            size, start = int.from_bytes(data[start : start + more], "big"), start + more
        if start + size > len(data):
            raise ValueError("the data is cut off")
        yield Item(head[0], data[start : start + size], data[place : start + size])
        place = start + size


def as_pem(label: str, data: bytes) -> str:
    """Return bytes as a block of PEM."""
    text = base64.b64encode(data).decode("ascii")
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


def from_pem(text: str) -> list[tuple[str, bytes]]:
    """Return the blocks of a PEM text: label and bytes each.

    Raises
    ------
    ValueError
        If a block is not base64.
    """
    return [(label, base64.b64decode("".join(body.split()), validate=True)) for label, body in _PEM.findall(text)]

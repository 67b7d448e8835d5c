"""What an ONNX file is made of, looked at before it is loaded: enough to know that it stands alone.

ONNX lets weights lie in other files, named by a path, which ONNX Runtime would then open. A network of ours is one
file, which its sidecar's hash vouches for, so a file that names others is refused. The format is Protocol Buffers; only
its skeleton is read here, fields are skipped by their declared lengths, and nothing is copied.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..errors import ModelError

#: Longest network file: Protocol Buffers hold no more.
LONGEST: Final = (1 << 31) - 1
#: Most messages that are looked into. A network of 10,000 operations has about 100,000.
_MOST_MESSAGES: Final = 2_000_000
#: Longest number in the format, in bytes.
_LONGEST_NUMBER: Final = 10

#: Message -> the fields that hold messages to be looked into, and which.
_INSIDE: Final = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
#: Fields of a tensor that say that its numbers lie in another file: the entries that name it, and the place.
_ENTRIES, _PLACE = 13, 14
#: How a field is stored: as a number, as eight bytes, with a length, as four bytes.
_NUMBER, _EIGHT, _LENGTH, _FOUR = 0, 1, 2, 5
#: Largest number and storage of a field together.
_LARGEST_KEY: Final = (1 << 32) - 1


def check(content: bytes, label: str) -> None:
    """Refuse an ONNX file that is none, or whose weights lie in other files.

    Raises
    ------
    ModelError
        If it is not one whole ONNX file. ``label`` names it.
    """
    if not 0 < len(content) <= LONGEST:
        size = "is empty" if not content else "is larger than 2 GB"
        raise ModelError(f"The network '{label}' cannot be loaded: its file {size}. Export it again.")
    view = memoryview(content)
    waiting = [("model", 0, len(content))]
    graphs = messages = 0
    try:
        while waiting:
            kind, start, stop = waiting.pop()
            messages += 1
            if messages > _MOST_MESSAGES:
                raise _Malformed
            inside = _INSIDE[kind]
            for number, stored, first, last in _fields(view, start, stop):
                if kind == "tensor" and (number == _ENTRIES or (number == _PLACE and first)):
                    raise ModelError(
                        f"The network '{label}' keeps weights in other files, which are not opened. Export it as one "
                        "file, without external data."
                    )
                if stored == _LENGTH and number in inside:
                    graphs += kind == "model" and inside[number] == "graph"
                    waiting.append((inside[number], first, last))
    except _Malformed:
        graphs = 0
    if not graphs:
        raise ModelError(
            f"The network '{label}' cannot be loaded: it is not a whole ONNX file. Copy or export it again."
        )


class _Malformed(Exception):
    """The bytes are not what the format allows."""


def _fields(view: memoryview, position: int, stop: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield number and storage of each field between two places, with its first byte and where it ends.

    For a field that is a number, the number itself stands in place of the first byte.
    """
    while position < stop:
        key, position = _number(view, position, stop)
        number, stored = key >> 3, key & 7
        first = position
        if stored == _NUMBER:
            first, position = _number(view, position, stop)
        elif stored == _LENGTH:
            size, first = _number(view, position, stop)
            position = first + size
        elif stored in (_EIGHT, _FOUR):
            position += 8 if stored == _EIGHT else 4
        else:
            raise _Malformed
        # readers of the format keep 32 bits of a key, and would see another field in a longer one
        if not number or key > _LARGEST_KEY or position > stop:
            raise _Malformed
        yield number, stored, first, position


def _number(view: memoryview, position: int, stop: int) -> tuple[int, int]:
    """Return the number stored at a place, seven bits a byte, and where it ends."""
    value = 0
    for index in range(_LONGEST_NUMBER):
        if position >= stop:
            raise _Malformed
        byte = view[position]
        position += 1
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position
    raise _Malformed

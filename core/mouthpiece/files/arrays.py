"""Reads ``.npz`` files that anybody may have written: every size is checked before anything is unpacked."""

from __future__ import annotations

import io
import math
import os
import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import UnreadableError
from .regular_files import opened_file, too_large

#: Largest file, in bytes: more than ten hours of motion.
LARGEST: Final = 1 << 30
#: Bytes that all arrays together may have once unpacked, whatever the size of the file, and more for each byte of it. A
#: face that stands still packs to a fiftieth; zeros, to a thousandth.
_UNPACKED: Final = 128 << 20
_EACH: Final = 50
#: Most arrays in a file, and most bytes of their directory.
_MOST: Final = 256
_DIRECTORY: Final = 1 << 20
#: Bytes at the beginning of an array that its header must lie in: NumPy's own take 128.
_HEADER: Final = 16 << 10
#: Largest number in arrays: one byte to eight.
_WIDEST: Final = 8
#: Bytes unpacked at a time.
_BLOCK: Final = 1 << 20
#: Bits of a member that change nothing here: how well it was deflated, where its sizes stand, that its name is UTF-8.
_HARMLESS: Final = 0x2 | 0x4 | 0x8 | 0x800
#: The end of a zip's directory, and what stands before it in zips of more than 4 GB.
_END: Final = b"PK\x05\x06"
_LARGE_END: Final = b"PK\x06\x07"
_END_SIZE: Final = 22
#: All that zipfile raises about a damaged archive.
_DAMAGED: Final = (
    OSError, ValueError, KeyError, IndexError, EOFError, OverflowError, RuntimeError, NotImplementedError, struct.error,
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, MemoryError,
)  # fmt: skip
#: What the header of an array begins with, before the two bytes of its version.
_MAGIC: Final = b"\x93NUMPY"
#: Bytes of the number that says how long a header is, by version. Version 3 is for names of columns, which none has.
_LENGTHS: Final = {b"\x01\x00": 2, b"\x02\x00": 4}
#: The three entries of a header. NumPy has Python's own parser read it, which raises whatever it likes, warns of its
#: grammar and changes the process's filter of warnings; they are read by their form here.
_ENTRIES: Final = (
    re.compile(r"""(['"])descr\1\s*:\s*(['"])(?P<value>[<>|=]?[?biufcmMOSUV]\d{0,9})\2"""),
    re.compile(r"""(['"])fortran_order\1\s*:\s*(?P<value>True|False)"""),
    re.compile(r"""(['"])shape\1\s*:\s*\((?P<value>\s*(?:\d{1,20}L?\s*,\s*)*(?:\d{1,20}L?)?\s*)\)"""),
)
#: What is left of a header without its entries and without space.
_BETWEEN: Final = ("{,,}", "{,,,}")


class StoredArrays:
    """The arrays of an open ``.npz`` file, read one by one; see :func:`opened_arrays`."""

    def __init__(self, archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]) -> None:
        """Take the members of a zip that was checked, by the name of their array."""
        self._archive = archive
        self._members = members

    @property
    def names(self) -> frozenset[str]:
        """The names of all arrays in the file."""
        return frozenset(self._members)

    def array(self, name: str, shape: Sequence[int | None] | None = None, kinds: str = "f") -> NDArray[Any]:
        """Return the array ``name``, with the numbers as they are stored, whether or not they are finite.

        Parameters
        ----------
        shape
            Its shape, with None for any length; None for any shape.
        kinds
            Letters of the NumPy kinds it may have: ``b`` for truth values, ``i``, ``u`` and ``f`` for numbers, ``U``
            for texts. Nothing else is ever read.

        Raises
        ------
        UnreadableError
            If there is no such array, it is of another kind or shape, or damaged.
        """
        member = self._members.get(name)
        if member is None:
            raise UnreadableError(f"it lacks '{name}'")
        try:
            with self._archive.open(member) as stream:
                start = stream.read(min(_HEADER, member.file_size))
                lengths, by_columns, dtype, at = _header(start, name)
                _check_kind(name, dtype, kinds)
                if shape is not None and not _fits(lengths, shape):
                    wanted = "×".join("any" if length is None else str(length) for length in shape)
                    raise UnreadableError(f"'{name}' has the shape {lengths}, not {wanted or 'that of one number'}")
                if at + math.prod(lengths) * dtype.itemsize != member.file_size:
                    raise UnreadableError(f"'{name}' is not as large as it says")
                data = _content(stream, start[at:], member.file_size - at)
        except UnreadableError:
            raise
        except _DAMAGED as error:
            raise UnreadableError(f"'{name}' in it is damaged") from error
        flat = np.frombuffer(data, dtype)
        return flat.reshape(lengths[::-1]).T if by_columns else flat.reshape(lengths)

    def text(self, name: str) -> str:
        """Return the text that the array ``name`` is; raises what :meth:`array` raises."""
        return self.texts(name, ())[0]

    def texts(self, name: str, shape: Sequence[int | None] = (None,)) -> list[str]:
        """Return the texts in the array ``name``, in order; raises what :meth:`array` raises."""
        found = self.array(name, shape, "U")
        letters = np.ascontiguousarray(found).reshape(-1).view(found.dtype.byteorder.replace("|", "=") + "u4")
        if (letters > 0x10FFFF).any() or ((letters >= 0xD800) & (letters < 0xE000)).any():
            raise UnreadableError(f"'{name}' holds characters that no text has")
        return [str(one) for one in found.reshape(-1)]


@contextmanager
def opened_arrays(source: str | os.PathLike[str] | bytes, most: int = LARGEST) -> Iterator[StoredArrays]:
    """Yield the arrays of the ``.npz`` file ``source``, or of its bytes; ``most`` is the largest size of the file.

    Before anything is unpacked, the directory is checked: no more arrays, and together no more bytes, than a file of
    this size can have; nothing encrypted, no name twice, no other packing than NumPy's own two.

    Raises
    ------
    UnreadableError
        If the file cannot be read or fails one of the checks. Its text is a clause without its end, as that of
        :func:`.json_text.parsed_json`.
    """
    with _stream(source, most) as stream:
        try:
            size = _size(stream)
            _check_end(stream, size)
            archive = zipfile.ZipFile(stream)
        except UnreadableError:
            raise
        except _DAMAGED as error:
            raise UnreadableError("it is no .npz file, or it is cut off or damaged") from error
        with archive:
            yield StoredArrays(archive, _members(archive, size))


def _stream(source: str | os.PathLike[str] | bytes, most: int) -> BinaryIO:
    if not isinstance(source, bytes):
        return opened_file(Path(source), most)
    if len(source) > most:
        raise UnreadableError(too_large(most))
    return io.BytesIO(source)


def _size(stream: BinaryIO) -> int:
    return stream.seek(0, os.SEEK_END)


def _check_end(stream: BinaryIO, size: int) -> None:
    """Check that a zip's directory is short before it is read, as every entry costs memory."""
    stream.seek(max(size - (1 << 16) - _END_SIZE, 0))
    tail = stream.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_SIZE:
        raise UnreadableError("it is no .npz file, or it is cut off")
    length = int.from_bytes(tail[at + 12 : at + 16], "little")
    if length > _DIRECTORY or tail[max(at - 20, 0) : at].startswith(_LARGE_END):
        raise UnreadableError("its directory is too long")


def _members(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    """Return the members of a zip of ``size`` bytes by the name of their array, after checking all of them."""
    found = archive.infolist()
    if len(found) > _MOST:
        raise UnreadableError(f"it holds {len(found)} arrays, more than {_MOST}")
    twice = [name for name, count in Counter(member.filename for member in found).items() if count > 1]
    if twice:
        raise UnreadableError(f"it holds '{twice[0]}' twice")
    if any(member.flag_bits & ~_HARMLESS for member in found):
        raise UnreadableError("it is encrypted or packed in an unknown way")
    if any(member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for member in found):
        raise UnreadableError("it is packed in another way than NumPy packs")
    if sum(member.compress_size for member in found) > size:
        raise UnreadableError("its directory says that more is packed in it than it has bytes")
    if sum(member.file_size for member in found) > _UNPACKED + _EACH * size:
        raise UnreadableError("it would unpack to far more than a file of its size holds")
    return {member.filename.removesuffix(".npy"): member for member in found if member.filename.endswith(".npy")}


def _header(start: bytes, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Return shape, order and type of an array from its first bytes, and where its numbers begin."""
    width = _LENGTHS.get(start[6:8], 0)
    at = 8 + width
    end = at + int.from_bytes(start[8:at], "little")
    text = start[at:end].decode("latin-1")
    found = [entry.search(text) for entry in _ENTRIES]
    for entry in _ENTRIES:
        text = entry.sub("", text, count=1)
    is_whole = start.startswith(_MAGIC) and width and end <= len(start) and "".join(text.split()) in _BETWEEN
    if not is_whole or None in found:
        raise UnreadableError(f"'{name}' has no header as NumPy writes it")
    descr, order, shape = (one["value"] for one in found if one is not None)
    try:
        dtype = np.dtype(descr)
    except (TypeError, ValueError) as error:
        raise UnreadableError(f"'{name}' is of an unknown type") from error
    lengths = tuple(int(word.rstrip("L")) for word in re.findall(r"\d+L?", shape))
    return lengths, order == "True", dtype, end


def _check_kind(name: str, dtype: np.dtype[Any], kinds: str) -> None:
    """Check that an array holds what is wanted; never objects, which would have to be unpickled."""
    is_wide = dtype.kind != "U" and dtype.itemsize > _WIDEST
    if dtype.kind not in kinds or dtype.hasobject or dtype.subdtype or not dtype.itemsize or is_wide:
        raise UnreadableError(f"'{name}' holds {dtype.name[:20]}, which it may not")


def _fits(lengths: tuple[int, ...], shape: Sequence[int | None]) -> bool:
    pairs = zip(lengths, shape, strict=False)
    return len(lengths) == len(shape) and all(wanted in (None, length) for length, wanted in pairs)


def _content(stream: Any, start: bytes, size: int) -> bytearray:
    """Return the ``size`` bytes of an array of which ``start`` was read already; memory grows only as they arrive."""
    found = bytearray(start)
    while len(found) < size:
        block = stream.read(min(_BLOCK, size - len(found)))
        if not block:
            raise EOFError("it ends early")
        found += block
    stream.read(1)  # at its end the checksum is compared
    return found

"""Opens and creates files with errors for users; a file that cannot be finished is removed."""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from time import monotonic
from typing import BinaryIO, Final

from ..errors import PictureError

#: Bytes copied at a time.
BLOCK: Final = 1 << 20
#: Opens a pipe that nobody writes to without waiting; Windows has no such files.
_AT_ONCE: Final = getattr(os, "O_NONBLOCK", 0)
#: Seconds that a pipe which is read may be silent.
_SILENCE: Final = 30.0


def opened(path: Path) -> BufferedReader:
    """Return an ordinary file opened for reading.

    Raises
    ------
    PictureError
        If it is missing, a folder, a device or a pipe, or may not be read.
    """
    try:
        return open(path, "rb", opener=_ordinary)
    except (OSError, ValueError) as error:
        raise PictureError(_unreadable(path, error)) from error


def _ordinary(path: str, flags: int) -> int:
    """Open an ordinary file, and nothing that could be read for ever or waited for."""
    number = os.open(path, flags | _AT_ONCE)
    mode = os.fstat(number).st_mode
    if not stat.S_ISREG(mode):
        os.close(number)
        raise OSError(None, "it is a folder" if stat.S_ISDIR(mode) else "it is no ordinary file")
    return number


def small_file(path: Path, most: int) -> bytes:
    """Return the content of a file of at most ``most`` bytes, or of a pipe, which may be silent for half a minute.

    Raises
    ------
    PictureError
        If it is missing, larger, a folder or a device, may not be read, or nothing comes out of the pipe.
    """
    try:
        number = os.open(path, os.O_RDONLY | _AT_ONCE | getattr(os, "O_BINARY", 0))
        try:
            mode = os.fstat(number).st_mode
            if not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode):
                raise OSError(None, "it is a folder" if stat.S_ISDIR(mode) else "it is no ordinary file")
            content = b"".join(_pieces(number, most + 1))
        finally:
            os.close(number)
    except (OSError, ValueError) as error:
        raise PictureError(_unreadable(path, error)) from error
    if len(content) > most:
        raise PictureError(f"'{path}' is larger than {most:,} bytes and was not read. Check the path.")
    return content


def _pieces(number: int, most: int) -> Iterator[bytes]:
    """Yield at most ``most`` bytes of an opened file; OSError if a pipe is silent for too long."""
    end = monotonic() + _SILENCE
    while most:
        try:
            piece = os.read(number, min(most, BLOCK))
        except BlockingIOError:  # a pipe into which somebody has yet to write
            if not select.select([number], [], [], max(0.0, end - monotonic()))[0]:
                raise OSError(None, "nothing comes out of it") from None
            continue
        if not piece:
            return
        most -= len(piece)
        yield piece


def _unreadable(path: Path, error: OSError | ValueError) -> str:
    return f"'{path}' cannot be read: {getattr(error, 'strerror', None) or error}. Check the path."


@contextmanager
def created(path: Path) -> Iterator[BinaryIO]:
    """Yield a new file opened for writing, and remove it if the block raises.

    Raises
    ------
    OSError
        If it cannot be created or written: whoever knows the name that a user gave tells it.
    """
    try:
        with open(path, "wb") as stream:
            yield stream
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise


def span(stream: BinaryIO, start: int, length: int) -> Iterator[bytes]:
    """Yield ``length`` bytes of a file from ``start`` on, a block at a time, or fewer if the file ends before."""
    stream.seek(start)
    while length and (block := stream.read(min(length, BLOCK))):
        length -= len(block)
        yield block

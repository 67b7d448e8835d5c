"""Opens and creates files with errors for users; a file that cannot be finished is removed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Final

from ..errors import PictureError

#: Bytes copied at a time.
BLOCK: Final = 1 << 20


def opened(path: Path) -> BufferedReader:
    """Return a file opened for reading.

    Raises
    ------
    PictureError
        If it is missing, a folder, or may not be read.
    """
    try:
        return open(path, "rb")
    except OSError as error:
        raise PictureError(f"'{path}' cannot be read: {error.strerror}. Check the path.") from error


@contextmanager
def created(path: Path) -> Iterator[BinaryIO]:
    """Yield a new file opened for writing, and remove it if the block raises.

    Raises
    ------
    PictureError
        If it cannot be created or written.
    """
    try:
        with open(path, "wb") as stream:
            yield stream
    except BaseException as error:
        with suppress(OSError):
            path.unlink()
        if isinstance(error, OSError):
            reason = error.strerror or error
            raise PictureError(f"'{path}' cannot be written: {reason}. Choose another place.") from error
        raise


def span(stream: BinaryIO, start: int, length: int) -> Iterator[bytes]:
    """Yield ``length`` bytes of a file from ``start`` on, a block at a time, or fewer if the file ends before."""
    stream.seek(start)
    while length and (block := stream.read(min(length, BLOCK))):
        length -= len(block)
        yield block

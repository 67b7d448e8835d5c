"""Reads files whole, and only files: never a pipe that does not end or a device that has no size."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from ..errors import UnopenedError, UnreadableError


def opened_file(path: str | os.PathLike[str], most: int) -> BinaryIO:
    """Return an ordinary file of at most ``most`` bytes, opened for reading.

    Raises
    ------
    UnopenedError
        If it is missing, may not be read, or is no ordinary file.
    UnreadableError
        If it is larger.
    """
    try:
        found = Path(path).stat()  # looked at before it is opened: to open a pipe may wait for ever
        if stat.S_ISDIR(found.st_mode):
            raise UnopenedError("it is a folder")
        if not stat.S_ISREG(found.st_mode):
            raise UnopenedError("it is no ordinary file")
        if found.st_size > most:
            raise UnreadableError(too_large(most))
        return open(path, "rb")
    except OSError as error:
        raise UnopenedError(f"it cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # a path with a zero character
        raise UnopenedError(f"it cannot be read: {error}") from error


def read_file(path: str | os.PathLike[str], most: int) -> bytes:
    """Return the bytes of a file of at most ``most`` bytes; raises what :func:`opened_file` raises."""
    with opened_file(Path(path), most) as stream:
        try:
            data = stream.read(most + 1)
        except OSError as error:
            raise UnopenedError(f"it cannot be read: {error.strerror or error}") from error
    if len(data) > most:
        raise UnreadableError(too_large(most))
    return data


def too_large(most: int) -> str:
    """Return the words for something of more than ``most`` bytes."""
    size = f"{most >> 20} MB" if most >= 1 << 20 else f"{most >> 10} kB"
    return f"it is larger than {size}"

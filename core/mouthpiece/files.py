"""The folder of the package's own files, and the writing of files whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

#: Folder of the networks with their sidecars, the tables and the rig families that come with the package.
ASSETS: Final = Path(__file__).resolve().parent / "assets"


#: Longest ending of a file's name that its temporary file has as well: names have limits.
_LONGEST_ENDING: Final = 16


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; the file written there replaces ``path`` when the block ends.

    If the block raises, ``path`` stays as it was and the temporary file is removed. The temporary name is unique, so
    that threads and processes can write the same file at once, and has the ending of ``path``, for writers that choose
    the format by it. A file that is replaced keeps its permissions. Where ``path`` is a symbolic link, the file that it
    leads to is replaced and the link stays; hard links to the file keep what it was.

    Raises
    ------
    OSError
        If there is no such folder, or ``path`` cannot be replaced.
    """
    target = Path(os.path.realpath(path))
    ending = target.suffix if len(target.suffix) <= _LONGEST_ENDING else ""
    temporary = target.with_name(f".{secrets.token_hex(6)}.part{ending}")
    try:
        yield temporary
        with open(temporary, "rb+") as stream:
            os.fsync(stream.fileno())  # a power cut leaves the old file or the new one, never an empty one
        with suppress(OSError):
            shutil.copymode(target, temporary)
        temporary.replace(target)
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_whole(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Write a file whole or not at all: text as UTF-8 with line feeds, or bytes. See :func:`replacing`.

    Devices and pipes are written to. So is a file whose folder may not be written to, where nothing can be replaced.

    Raises
    ------
    OSError
        If it cannot be written; ``path`` is then as it was.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    target = Path(os.path.realpath(path))
    is_special = target.exists() and not target.is_file() and not target.is_dir()
    if is_special or (target.is_file() and not os.access(target.parent, os.W_OK)):
        target.write_bytes(data)
        return
    with replacing(target) as temporary:
        temporary.write_bytes(data)

"""Checks the output paths of the command line, and saves the scene."""

from __future__ import annotations

import errno
import os
import shutil
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import bpy
from mouthpiece.errors import TakeError
from mouthpiece.files.drafts import draft_path
from mouthpiece.files.places import is_folder, is_there, refuse_inputs
from mouthpiece.files.writer import move_whole, refuse_protected

#: How a compressed scene begins, what its table of parts ends with, and the mark in that (Zstandard, seekable).
_PACKED, _TABLE, _TABLE_MARK = b"\x28\xb5\x2f\xfd", struct.Struct("<IBI"), 0x8F92EAB1
#: Most bytes that the last block of a plain scene has.
_LAST = 32
#: Versions of a file that Blender keeps at most.
_VERSIONS = 32


def check(path: Path, force: bool, read: Iterable[Path | str | None] = ()) -> None:
    """Refuse a place for a result before any work.

    ``read`` is what is read for it; neither that nor the libraries of the opened file are ever written over. With
    ``force`` a scene may be saved over the opened file itself.

    Raises
    ------
    TakeError
        If a file exists at ``path`` (unless ``force``), or cannot be written there.
    PlaceError
        If it is a file that is read.
    """
    full = path.absolute()
    if is_folder(full):
        raise TakeError(f"'{full}' is a folder. Name a file in it.")
    refuse_inputs([full, named(full)], [*(Path(place) for place in read if place), *_libraries()])
    if is_there(full) and not force:
        raise TakeError(f"'{full}' exists. Choose another place, or replace it with --force.")
    try:
        refuse_protected(full)
    except OSError as error:
        raise TakeError(f"'{full}' cannot be written: {error.strerror or error}. Choose another place.") from error
    folder = full.parent
    while not is_there(folder) and folder != folder.parent:
        folder = folder.parent
    if not is_folder(folder) or not os.access(folder, os.W_OK):
        raise TakeError(f"'{full}' cannot be written: '{folder}' is not a folder you may write to.")


def opened() -> list[str]:
    """Return the opened file, as something that is read; nothing if the scene was never saved."""
    return [bpy.data.filepath] if bpy.data.filepath else []


def _libraries() -> list[Path]:
    return [Path(bpy.path.abspath(block.filepath, library=block.parent)) for block in bpy.data.libraries]


def named(path: Path) -> Path:
    """Return the full path of a .blend file, its ending added if it has none."""
    full = path.absolute()
    return full if full.suffix.lower() == ".blend" else full.with_name(full.name + ".blend")


def save(path: Path, versions: bool = True) -> Path:
    """Save the open scene as ``path`` and return the full path; the file that was opened is not changed.

    It appears whole or not at all. Where a file is replaced, Blender's preferences say how many versions of it stay
    beside it (.blend1, …), none without ``versions``. Blender adapts relative paths in the scene. Raises TakeError if
    saving fails.
    """
    full = named(path)
    try:
        full.parent.mkdir(parents=True, exist_ok=True)
        place = Path(os.path.realpath(full))
        with draft_path(place.parent, ".blend") as draft:
            with _no_more_readable_than(place):
                bpy.ops.wm.save_as_mainfile(filepath=str(draft), copy=True, check_existing=False)
            if not is_whole(draft):
                raise OSError(errno.EIO, "it could not be written to its end; the disk may be full")
            if versions:
                _keep_versions(place)
            move_whole(draft, place)
    except (OSError, RuntimeError) as error:
        raise TakeError(f"The scene cannot be saved as '{full}': {error}. Choose another place.") from error
    return full


def is_whole(path: Path) -> bool:
    """Return whether a saved scene has its end: Blender does not always say so when a disk is full (measured in 5.2).

    A plain file ends with an empty block ENDB; a compressed one with a table of how long its parts are.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        is_packed = file.read(4) == _PACKED
        file.seek(max(0, size - _TABLE.size))
        end = file.read()
        if not is_packed:
            file.seek(max(0, size - _LAST))
            return b"ENDB" in file.read()
        if len(end) < _TABLE.size:
            return False
        count, _, mark = _TABLE.unpack(end)
        table = 8 * count + _TABLE.size
        if mark != _TABLE_MARK or table > size:
            return False
        file.seek(size - table)
        sizes = struct.unpack(f"<{2 * count}I", file.read(8 * count))
    return sum(sizes[::2]) + 8 + table == size  # 8: the header of the table


def _keep_versions(place: Path) -> None:
    """Keep a file that is to be replaced as .blend1, and those before it as .blend2 …, as Blender does on saving."""
    preferences: Any = bpy.context.preferences.filepaths
    count = min(preferences.save_version, _VERSIONS)
    if not count or not place.is_file():
        return
    earlier = [place.with_name(f"{place.name}{number}") for number in range(1, count + 1)]
    for newer, older in zip(earlier[-2::-1], earlier[:0:-1], strict=True):
        if newer.is_file():
            newer.replace(older)
    with suppress(OSError):
        earlier[0].unlink()
    try:
        os.link(place, earlier[0])
    except OSError:  # drives without links
        shutil.copy2(place, earlier[0])


@contextmanager
def _no_more_readable_than(place: Path) -> Iterator[None]:
    """Let files that are made meanwhile be readable for nobody who may not read the one that is to be replaced."""
    more = 0o077 & ~place.stat().st_mode if place.is_file() else 0
    usual = os.umask(0o077)
    os.umask(usual | more)
    try:
        yield
    finally:
        os.umask(usual)

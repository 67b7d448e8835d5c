"""Writes files whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .drafts import draft_file


@contextmanager
def replacing(path: str | os.PathLike[str], private: bool = False) -> Iterator[Path]:
    """Yield a temporary file beside ``path``, empty; what is written there replaces ``path`` when the block ends.

    If the block raises, ``path`` stays as it was and the temporary file is removed. Its name is unique, so that threads
    and processes can write the same file at once, and has the ending of ``path``, for writers that choose the format by
    it. A file that is replaced keeps its permissions, and its owner and group where that may be set; meanwhile nobody
    may read the temporary file who could not read it. Where ``path`` is a symbolic link, the file that it leads to is
    replaced and the link stays; hard links to the file keep what it was.

    Parameters
    ----------
    path
        The file.
    private
        A new file may be read and written by its owner alone.

    Raises
    ------
    OSError
        If there is no such folder, nothing is written, or ``path`` is write-protected or cannot be replaced.
    """
    target = _real(path)
    before = _state(target)
    refuse_protected(target)
    mode = (0o600 if private else 0o666) if before is None else stat.S_IMODE(before.st_mode) & 0o777 | 0o600
    with draft_file(target.parent, target.suffix, mode) as draft:
        yield draft
        if not draft.stat().st_size:
            raise OSError(errno.EIO, "nothing was written", str(target))
        _settle(draft, target, before)


def move_whole(source: Path, path: str | os.PathLike[str]) -> None:
    """Move a finished file to ``path``, on the same drive, in one step: for those that write by names of their own.

    Permissions, owner, links and write protection are as for :func:`replacing`.

    Raises
    ------
    OSError
        If it cannot be moved; ``path`` is then as it was.
    """
    target = _real(path)
    refuse_protected(target)
    _settle(source, target, _state(target))


def refuse_protected(path: str | os.PathLike[str]) -> None:
    """Refuse to replace a file that is write-protected, or no file, though its folder would let it be replaced.

    Raises
    ------
    PermissionError
        If it is; the reason it carries is in words.
    """
    state = _state(_real(path))
    if state is None or stat.S_ISDIR(state.st_mode):  # a folder is told where it is tried
        return
    if not stat.S_ISREG(state.st_mode):
        raise PermissionError(errno.EACCES, "it is a device or a pipe, not a file", str(path))
    if not state.st_mode & 0o222 or not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "it is write-protected", str(path))


def _real(path: str | os.PathLike[str]) -> Path:
    """Return a path with all links followed; OSError if no file can have such a name."""
    try:
        return Path(os.path.realpath(path))
    except ValueError as error:  # NUL, or characters that names cannot hold
        raise OSError(errno.EINVAL, "no file can have that name", str(path)) from error


def _state(target: Path) -> os.stat_result | None:
    try:
        return target.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _settle(draft: Path, target: Path, before: os.stat_result | None) -> None:
    """Move a draft to its place: all of it is on the disk before, and the move is afterwards."""
    with open(draft, "rb+") as stream:
        if before is not None:
            _as_before(stream.fileno(), draft, before)
        os.fsync(stream.fileno())  # a power cut leaves the old file or the new one, never an empty one
    draft.replace(target)
    if hasattr(os, "O_DIRECTORY"):
        with suppress(OSError):  # not all file systems can
            descriptor = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _as_before(descriptor: int, draft: Path, before: os.stat_result) -> None:
    """Give a draft the owner, group and permissions of the file that it replaces, as far as that is allowed."""
    if hasattr(os, "fchown"):
        own = os.fstat(descriptor)
        for owner, group in ((before.st_uid, -1), (-1, before.st_gid)):
            if (owner, group) not in ((own.st_uid, -1), (-1, own.st_gid)):
                with suppress(OSError):
                    os.fchown(descriptor, owner, group)
    with suppress(OSError):
        draft.chmod(stat.S_IMODE(before.st_mode))


def write_whole(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Write a file whole or not at all: text as UTF-8 with line feeds, or bytes. See :func:`replacing`.

    Devices and pipes are written to. So is a file whose folder may not be written to, where nothing can be replaced:
    only after the room for all of it was had, so that a full disk leaves what was there.

    Raises
    ------
    OSError
        If it cannot be written; ``path`` is then as it was.
    """
    target = _real(path)
    try:
        data = content.encode("utf-8") if isinstance(content, str) else content
    except UnicodeEncodeError as error:  # a name that is no Unicode, say
        raise OSError(errno.EILSEQ, "it would hold characters that no text can hold", str(path)) from error
    before = _state(target)
    kind = 0 if before is None else before.st_mode
    if before is not None and not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
        target.write_bytes(data)
        return
    refuse_protected(target)
    if before is not None and stat.S_ISREG(kind) and not os.access(target.parent, os.W_OK):
        _write_over(target, data, before.st_size)
        return
    mode = 0o666 if before is None else stat.S_IMODE(kind) & 0o777 | 0o600
    with draft_file(target.parent, target.suffix, mode) as draft:
        draft.write_bytes(data)
        _settle(draft, target, before)


def _write_over(target: Path, data: bytes, size: int) -> None:
    """Write a file in place, after the room for all of it was had."""
    with open(target, "rb+") as stream:
        if len(data) > size and hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(stream.fileno(), 0, len(data))
            except OSError:
                stream.truncate(size)
                raise
        stream.write(data)
        stream.truncate()
        stream.flush()
        os.fsync(stream.fileno())

"""Drafts: files and folders under names of our own, in which a result is written until it is whole.

A draft is removed when its block ends, however it ends. What a killed process left is removed by the next one that
writes into the folder, which can tell a dead draft from one that is being written: its name says on which computer
and by which process it was made, and a process holds a lock on a small file of its own, in the system's folder for
temporary files, for as long as it runs. The drafts themselves are not locked: on some network drives a lock would keep
even their own writer out.
"""

from __future__ import annotations

import atexit
import os
import re
import secrets
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be removed
    fcntl = None  # type: ignore[assignment]

#: A draft's name: our mark, the computer, the process, a number of its own, and an ending, for writers that choose the
#: format by it. Blender puts "@" behind the name while it writes.
_NAME: Final = re.compile(r"\.mouthpiece-([0-9a-f]{8})-([0-9a-f]{8})-[0-9a-f]{8}(?:\.[^/\\]{1,15})?@?")
#: Longest ending of a file's name that its draft has as well: names have limits.
_LONGEST_ENDING: Final = 16
#: The computer of processes that cannot say where they run.
_NOWHERE: Final = "0" * 8
#: Seconds after which a draft is taken for dead whose process cannot be asked: it ran on another computer, say.
_OLD: Final = 24 * 3600.0

_guard = threading.Lock()
#: Folders that were swept, by device and number.
_swept: set[tuple[int, int]] = set()


@dataclass(frozen=True, slots=True)
class _Process:
    """A process as drafts name it, and the locked file by which others see that it runs (-1: there is none)."""

    home: str
    token: str
    descriptor: int = -1
    lock: Path | None = None

    def is_known(self) -> bool:
        """Return whether others would still find the lock: folders for temporary files are tidied up."""
        if self.lock is None:
            return True
        try:
            return os.path.samestat(self.lock.stat(), os.fstat(self.descriptor))
        except OSError:
            return False


_process: _Process | None = None


def _token() -> str:
    return secrets.token_hex(4)


def _locks() -> Path | None:
    """Return the folder of the locks, which belongs to this user alone; None if there cannot be one."""
    if fcntl is None:
        return None
    try:
        folder = Path(tempfile.gettempdir()) / f"mouthpiece-{os.geteuid()}"
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        state = folder.lstat()
    except OSError:
        return None
    own = stat.S_ISDIR(state.st_mode) and state.st_uid == os.geteuid() and not state.st_mode & 0o077
    return folder if own else None


def _home(locks: Path) -> str:
    """Return the name of this computer, or of what of it has this folder for temporary files: containers share drives.

    It is what a link leads to, as links are made in one step.
    """
    link = locks / "home"
    with suppress(FileExistsError):
        link.symlink_to(_token())
    return str(link.readlink())


def _started() -> _Process:
    """Return this process with a new name and a locked file."""
    locks = _locks()
    try:
        while locks is not None:
            home, token = _home(locks), _token()
            lock = locks / token
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            except OSError:  # there are no locks here
                os.close(descriptor)
                lock.unlink()
                break
            made = _Process(home, token, descriptor, lock)
            if made.is_known():  # else it was taken for dead before it was locked
                return made
            os.close(descriptor)
    except OSError:
        pass
    return _Process(_NOWHERE, _token())


def _this_process() -> _Process:
    global _process
    with _guard:
        if _process is None or not _process.is_known():
            _process = _started()
            _tidy(_process)
        return _process


def _tidy(process: _Process) -> None:
    """Remove the locks of processes that are no more."""
    if process.lock is None:
        return
    with suppress(OSError):
        for lock in process.lock.parent.iterdir():
            if re.fullmatch(r"[0-9a-f]{8}", lock.name) and lock != process.lock:
                _is_running(lock, forget=True)


def _is_running(lock: Path, forget: bool = False) -> bool:
    """Return whether the process whose lock this is runs; ``forget`` removes the lock of one that does not."""
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if forget and os.path.samestat(lock.stat(), os.fstat(descriptor)):
            lock.unlink()
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _left() -> None:
    """Take the lock away when the process ends as it should."""
    if _process is not None and _process.lock is not None:
        with suppress(OSError):
            _process.lock.unlink()


def _forked() -> None:
    """Let a forked process have a name and a lock of its own."""
    global _process, _guard
    _guard = threading.Lock()
    if _process is not None and _process.descriptor >= 0:
        with suppress(OSError):
            os.close(_process.descriptor)
    _process = None


atexit.register(_left)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def _name(ending: str) -> str:
    process = _this_process()
    kept = ending if len(ending) <= _LONGEST_ENDING else ""
    return f".mouthpiece-{process.home}-{process.token}-{_token()}{kept}"


@contextmanager
def draft_file(folder: Path, ending: str = "", mode: int = 0o666) -> Iterator[Path]:
    """Yield the path of a new, empty file in a folder; it is removed when the block ends, if it still has that name.

    Parameters
    ----------
    folder
        Where it lies: beside what it is to become, so that it can be moved there in one step.
    ending
        What its name ends with, such as ``.npz``; endings of more than 16 characters are left out.
    mode
        Its permissions, less those that new files do not get (the process's umask).

    Raises
    ------
    OSError
        If it cannot be made.
    """
    sweep(folder)
    path = folder / _name(ending)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), mode))
    try:
        yield path
    finally:
        with suppress(OSError):
            path.unlink()


@contextmanager
def draft_path(folder: Path, ending: str = "") -> Iterator[Path]:
    """Yield a path in a folder as :func:`draft_file` does, where there is nothing yet: for programs that want that."""
    sweep(folder)
    path = folder / _name(ending)
    try:
        yield path
    finally:
        for left in (path, path.with_name(path.name + "@")):
            with suppress(OSError):
                left.unlink()


@contextmanager
def draft_folder(folder: Path) -> Iterator[Path]:
    """Yield a new folder in a folder, which nobody else may look into; it is removed with all in it.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    sweep(folder)
    path = folder / _name("")
    path.mkdir(mode=0o700)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove the drafts in a folder that were left by processes that are no more; once a folder and process.

    Nothing else is touched, and nothing is said if something cannot be removed.
    """
    try:
        state = folder.stat()
    except OSError:
        return
    mark = (state.st_dev, state.st_ino)
    with _guard:
        if mark in _swept:
            return
        _swept.add(mark)
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            name = _NAME.fullmatch(entry.name)
            if name is not None:
                with suppress(OSError):
                    _remove_dead(entry, name[1], name[2])


def _remove_dead(entry: os.DirEntry[str], home: str, token: str) -> None:
    state, path = entry.stat(follow_symlinks=False), Path(entry.path)
    is_folder = stat.S_ISDIR(state.st_mode)
    if not (is_folder or stat.S_ISREG(state.st_mode)) or (fcntl is not None and state.st_uid != os.geteuid()):
        return
    process = _this_process()
    if process.lock is not None and home == process.home:
        if token == process.token or _is_running(process.lock.with_name(token)):
            return
    elif time.time() - _last_change(path, state.st_mtime) < _OLD:
        return
    if is_folder:
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink()


def _last_change(path: Path, changed: float) -> float:
    """Return when a draft was last written, in seconds since 1970: a folder, when anything in it was."""
    if not path.is_dir():
        return changed
    return max([changed, *(inner.lstat().st_mtime for inner in path.rglob("*"))])

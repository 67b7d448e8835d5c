"""Which file a path leads to: what is read is never written over, and no two results go to one file."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ..errors import PlaceError
from .drafts import draft_file

#: What tells files apart: device and number on it, or the path without links where a file system has no numbers.
_Mark = tuple[int, int] | str


def _mark(path: Path) -> _Mark | None:
    """Return the mark of the file a path leads to, links followed; None if there is none that can be seen."""
    try:
        state = path.stat()
        return (state.st_dev, state.st_ino) if state.st_ino else os.path.normcase(os.path.realpath(path))
    except (OSError, ValueError):  # a name no file can have
        return None


def refuse_inputs(places: Iterable[Path], read: Iterable[Path]) -> None:
    """Refuse to write over files that are read for what is to be written, whatever may be replaced.

    A place is such a file if it leads to it: by symbolic and hard links, by another way to its folder, and in another
    case where the file system makes no difference.

    Parameters
    ----------
    places
        What is to be written. Places where there is nothing yet are fine.
    read
        What is read. Files that are not there are passed over.

    Raises
    ------
    PlaceError
        If one of the places is a file that is read.
    """
    inputs = Inputs(read)
    for place in places:
        inputs.refuse(place)


class Inputs:
    """Files that are read, and looked at once, for many places that are asked about one by one."""

    def __init__(self, read: Iterable[Path]) -> None:
        """Look at the files; those that are not there are passed over."""
        self._found = {mark: path for path in read if (mark := _mark(path)) is not None}

    def refuse(self, place: Path) -> None:
        """Refuse to write over one of the files, as :func:`refuse_inputs` does; raises PlaceError."""
        mark = _mark(place) if self._found else None
        if mark is not None and mark in self._found:
            same = "" if self._found[mark] == place else f" (as '{self._found[mark]}')"
            raise PlaceError(
                f"'{place}' is read for this{same}: it cannot be the output as well. Choose another place."
            )


def collisions(places: Mapping[Path, Path] | Iterable[tuple[Path, Path]]) -> dict[Path, list[Path]]:
    """Return the places to which several results would be written, and what each of these results is made from.

    Parameters
    ----------
    places
        What is read, and where its result goes: pairs, in order.

    Returns
    -------
    dict of Path to list of Path
        For every place, as it was written, that is shared: all that would go to it, in order. Empty if none is.
    """
    pairs = list(places.items() if isinstance(places, Mapping) else places)
    alike: dict[str, list[tuple[Path, Path]]] = {}
    for pair in pairs:
        alike.setdefault(_full(pair[1]).casefold(), []).append(pair)
    shared: dict[Path, list[Path]] = {}
    for group in alike.values():
        exact = {_full(place) for _, place in group}
        if len(exact) > 1 and not _is_blind_to_case(group[0][1].parent):
            groups = [[pair for pair in group if _full(pair[1]) == one] for one in exact]
        else:
            groups = [group]
        for found in groups:
            if len(found) > 1:
                shared |= {place: [source for source, _ in found] for _, place in found}
    return shared


def _full(place: Path) -> str:
    """Return a path without links, or as it is written if it cannot be one."""
    try:
        return os.path.realpath(place)
    except (OSError, ValueError):
        return str(place)


def is_there(path: Path) -> bool:
    """Return whether there is something at a path that can be seen: not where looking is forbidden, or no name fits."""
    try:
        path.stat()
    except (OSError, ValueError):
        return False
    return True


def is_folder(path: Path) -> bool:
    """Return whether there is a folder at a path; as :func:`is_there` does, it answers whatever the path is."""
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def is_file(path: Path) -> bool:
    """Return whether there is a regular file at a path, links followed; it answers whatever the path is."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def names_in(folder: Path) -> list[str]:
    """Return the names of what is in a folder, in no order; none if it cannot be read, or is no folder."""
    try:
        return [path.name for path in folder.iterdir()]
    except (OSError, ValueError):
        return []


@contextmanager
def in_words(path: Path) -> Iterator[None]:
    """Turn what the system says of a path, or of one that no file can have, into an error in words.

    Raises
    ------
    PlaceError
        For any OSError of the block, and for names that cannot be handed to the system.
    """
    try:
        yield
    except OSError as error:
        raise PlaceError(said_of(error, path)) from error
    except ValueError as error:
        if not isinstance(error, UnicodeError) and "null byte" not in str(error):
            raise
        raise PlaceError(f"'{path}' holds characters that no name can have here. Rename it.") from error


def said_of(error: OSError, path: Path | str = "") -> str:
    """Return what the system says as a sentence; ``path`` is what was worked on where the error names no file."""
    where = error.filename if error.filename is not None else path
    reason = error.strerror or str(error) or type(error).__name__
    return f"'{where if isinstance(where, str) else os.fsdecode(where)}' cannot be used: {reason}."


def _is_blind_to_case(folder: Path) -> bool:
    """Return whether a folder, or the one it will be made in, makes no difference between ``a`` and ``A``."""
    while not is_folder(folder) and folder != folder.parent:
        folder = folder.parent
    try:
        with draft_file(folder) as probe:
            return is_there(probe.with_name(probe.name.upper()))
    except OSError:  # nothing can be written there, which is told where it is tried
        return False

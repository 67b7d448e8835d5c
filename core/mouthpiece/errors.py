"""Errors whose text is shown to artists: what happened, to what, and what to do about it.

Everything the core raises on purpose derives from :class:`MouthpieceError`. Callers (command line, Blender operators)
catch only that, so that programming errors stay visible.
"""

from __future__ import annotations


class MouthpieceError(Exception):
    """Base class of all errors this package raises on purpose. ``str(error)`` is a sentence to show."""

    def __str__(self) -> str:
        """Return the sentence as text: names of files that are none would end what shows it, Blender for one."""
        return super().__str__().encode("utf-8", "backslashreplace").decode()


class AudioError(MouthpieceError):
    """The sound cannot be used: it is missing, unreadable, empty or holds values that are not numbers."""


class TakeError(MouthpieceError):
    """A performance file cannot be read or written, or its contents contradict each other."""


class ModelError(MouthpieceError):
    """A network file is missing, damaged or does not fit this version."""


class RigError(MouthpieceError):
    """The character cannot be driven: nothing on it matches, or it may not be edited."""


class PictureError(MouthpieceError):
    """A picture cannot be used: missing, unreadable, too large, or without the face that is asked for."""


class PlaceError(MouthpieceError):
    """A result cannot go where it is asked for: a file there is read for it, or another result goes there."""


class CastError(MouthpieceError):
    """A cast, or a moment in it, cannot be used. ``faults`` are the mistakes, each a sentence that says where it is."""

    def __init__(self, text: str, faults: tuple[str, ...] = ()) -> None:
        """Note the sentence to show, and the single mistakes if there are several."""
        super().__init__(text)
        self.faults = faults or (text,)


class TextError(MouthpieceError):
    """A text, or a table of phones, cannot be used: nothing in it is spoken, or it does not fit the sound."""


class ActorError(MouthpieceError):
    """A recording of an actor, or the file fitted to one, cannot be used."""


class LimitsError(MouthpieceError):
    """A file of limits cannot be used: it is missing, no TOML, or names a check that there is none of."""


class FarmError(MouthpieceError):
    """A job for a render farm cannot be written: it would say what no engine takes, or nothing at all."""


class UnreadableError(MouthpieceError):
    """What is read is not what it is said to be. ``str(error)`` is a clause ("it is not text in UTF-8").

    The readers raise it (``mouthpiece.files``); callers make a sentence of it (:meth:`told`) for their own error.
    """

    def told(self, what: str, wrong: str, advice: str) -> str:
        """Return the sentences "``what`` ``wrong``: it is not text in UTF-8. ``advice``"."""
        return f"{what} {wrong}: {self}. {advice}"


class UnopenedError(UnreadableError):
    """A file cannot be opened at all: there is none, it may not be read, or it is a folder or a pipe."""

    def told(self, what: str, wrong: str, advice: str) -> str:
        """Return the sentences "``what`` cannot be read: No such file or directory. Check the path."."""
        return f"{what}{str(self).removeprefix('it')}. Check the path."

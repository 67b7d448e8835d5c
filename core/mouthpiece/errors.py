"""Errors whose text is shown to artists: what happened, to what, and what to do about it.

Everything the core raises on purpose derives from :class:`MouthpieceError`. Callers (command line, Blender operators)
catch only that, so that programming errors stay visible.
"""

from __future__ import annotations


class MouthpieceError(Exception):
    """Base class of all errors this package raises on purpose. ``str(error)`` is a sentence to show."""


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

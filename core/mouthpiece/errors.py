"""Errors worded for the artist: what happened, to what, and what to do about it.

Everything the core raises on purpose derives from :class:`MouthpieceError`; callers (command line,
Blender operators) catch exactly that and let programming errors surface.
"""

from __future__ import annotations


class MouthpieceError(Exception):
    """Root of every error this package raises on purpose. ``str(error)`` is a sentence to show."""


class AudioError(MouthpieceError):
    """The sound cannot be used: missing, unreadable, empty or not a number."""


class TakeError(MouthpieceError):
    """A performance file cannot be read or written, or its contents contradict each other."""


class ModelError(MouthpieceError):
    """A network file is missing, damaged or does not fit this version."""


class RigError(MouthpieceError):
    """The character cannot be driven: nothing matches, or it may not be edited."""


class PictureError(MouthpieceError):
    """A picture cannot be used: missing, unreadable, too large, or without the face that is asked for."""

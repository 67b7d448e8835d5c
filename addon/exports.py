"""Places of files that a user saves from the panel: mappings, charts, pins, landmarks."""

from __future__ import annotations

from pathlib import Path

import bpy
from mouthpiece.errors import PlaceError
from mouthpiece.files.places import refuse_inputs


def place(filepath: str) -> Path:
    """Return the full path of a chosen file; ``//`` is the folder of the opened file.

    Raises PlaceError if none is named, or if it is the opened file or one that the scene uses: a sound, a picture, a
    library.
    """
    if not filepath.strip():
        raise PlaceError("No file is named. Choose a place for it.")
    path = Path(bpy.path.abspath(filepath))
    used = (bpy.data.filepath, *bpy.utils.blend_paths(absolute=True))
    refuse_inputs([path], [Path(name) for name in used if name])
    return path

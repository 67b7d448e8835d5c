"""Where the face is in a drawing: found by the face detector in a picture of its strokes, or put where most are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from . import handles, inks, ledger, planes, settings, writing


def place(obj: Any, frame: int, look: bool) -> bool:
    """Lay handles on the face a drawing shows at a frame; return whether it was seen there.

    Without ``look``, or where nothing is seen, they lie as on a plain face. RigError if nothing is drawn.
    """
    plane = plane_of(obj, frame)
    found = detected(obj, plane, frame) if look else None
    if found is None:
        handles.make(obj, template(obj, plane, frame), plane)
    else:
        handles.make(obj, found, plane)
    settings.list_layers(obj)
    return found is not None


def own(obj: Any, frame: int) -> Iterator[tuple[Any, Any]]:
    """Yield the layers of a face with the user's own drawings at a frame, takes or no takes."""
    noted = ledger.read(obj.data)
    for layer, _ in settings.parts_of(obj):
        drawing = writing.own_drawing(layer, noted, frame)
        if drawing is not None:
            yield layer, drawing


def plane_of(obj: bpy.types.Object, frame: int) -> planes.Plane:
    """Return the plane a face is drawn in; RigError if nothing is drawn."""
    from mouthpiece.errors import RigError

    points = planes.drawn_points(obj, own(obj, frame))
    if not len(points):
        raise RigError(f"'{obj.name}' has no strokes on the layers of its face. Draw the face first.")
    return planes.found(points)


def detected(obj: bpy.types.Object, plane: planes.Plane, frame: int) -> NDArray[np.float64] | None:
    """Return the face's landmarks (68, 2) in the plane, as the detector sees them; None if it sees none."""
    from mouthpiece.portrait.detect import find_faces
    from mouthpiece.retarget.inking import drawn

    sheet = drawn(inks.of(obj, plane, own(obj, frame)))
    faces = find_faces(sheet.picture) if sheet is not None else ()
    if sheet is None or not faces:
        return None
    return sheet.placed(faces[0].landmarks[:, :2])


def template(obj: bpy.types.Object, plane: planes.Plane, frame: int) -> NDArray[np.float64]:
    """Return the landmarks (68, 2) of a plain face where a drawing most likely has one."""
    from mouthpiece.retarget import drawn_face

    points = planes.drawn_points(obj, own(obj, frame))
    flat = plane.flat(points)
    return drawn_face.template(neutral(), flat.min(axis=0), flat.max(axis=0))


def neutral() -> NDArray[np.float32]:
    """Return the resting face (68, 3) of the takes this Mouthpiece makes."""
    from mouthpiece.models.registry import ASSETS, read_sidecar

    return read_sidecar(ASSETS / "content.onnx.json").neutral_face()

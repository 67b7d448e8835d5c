"""Frames of a Grease Pencil layer: copies them, compares them by checksum, and restores those that were removed."""

from __future__ import annotations

import bisect
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ... import compat
from . import planes

#: Names of the attributes that hold positions: of the points, and of the handles of Bézier curves.
PLACES: Final = ("position", "handle_left", "handle_right")
#: Farthest that the next frame is sought, in frames, before Blender is asked for its number.
_FARTHEST: Final = 1 << 16
#: Fill ids of doubled strokes begin here, so that they differ from the user's own.
_SHAPE: Final = 1 << 20
_TYPES: Final = {"INT": np.int32, "INT8": np.int32, "BOOLEAN": np.bool_}
_WIDTH: Final = {"FLOAT_VECTOR": 3, "FLOAT2": 2, "FLOAT_COLOR": 4, "BYTE_COLOR": 4, "QUATERNION": 4, "INT32_2D": 2}
_KEY: Final = {"FLOAT_VECTOR": "vector", "FLOAT2": "vector", "FLOAT_COLOR": "color", "BYTE_COLOR": "color"}


def table(layer: Any) -> dict[int, Any]:
    """Return a layer's frames by frame number, ascending, without those that have no drawing.

    Blender goes through all frames of all layers to tell the drawing of one. So only those are asked for it that may
    be without one: they count as keyframes.
    """
    return {n: frame for n, frame in numbered(layer).items() if frame.keyframe_type != "KEYFRAME" or frame.drawing}


def numbered(layer: Any) -> dict[int, Any]:
    """Return all of a layer's frames by frame number, ascending.

    Blender goes through all frames of all layers to tell the number of one. So each is sought from the one before on.
    """
    shown, ordered = layer.get_frame_at, list(layer.frames)
    places = {frame.as_pointer(): index for index, frame in enumerate(ordered)}
    found: dict[int, Any] = {}
    number: int | None = None

    def begun(at: int) -> int:
        frame = shown(at)
        return -1 if frame is None else places[frame.as_pointer()]

    for index, frame in enumerate(ordered):
        before, number = number, None
        if before is not None:
            step, there = 1, begun(before + 1)
            while step < _FARTHEST and there < index:
                step *= 2
                there = begun(before + step)
            low, high = before + step // 2 + 1, before + step
            if step <= 2 and there == index:  # as where every frame or every other one is drawn
                number = high
            else:
                place = low + bisect.bisect_left(range(low, high), index, key=begun)
                if begun(place) == index and begun(place - 1) != index:
                    number = place
        if number is None:
            number = int(frame.frame_number)
        found[number] = frame
    return found


def begins(layer: Any, number: int) -> bool:
    """Return whether a drawing begins on a frame of a layer."""
    frame, before = layer.get_frame_at(number), layer.get_frame_at(number - 1)
    return frame is not None and (before is None or frame.as_pointer() != before.as_pointer())


def kind_of(layer: Any, number: int) -> str:
    """Return the type of the key on a frame of a layer that has a drawing."""
    return str(layer.get_frame_at(number).keyframe_type)


def checksum(drawing: Any) -> int:
    """Return a CRC-32 of a drawing's points and of the names and sizes of its attributes.

    Colours, radii and the like are left out: copies of a drawing share them in memory, until they are read.
    """
    return checksum_of(form_checksum(drawing), {name: planes.vectors(drawing, name) for name in PLACES})


def form_checksum(drawing: Any) -> int:
    """Return a CRC-32 of the names and sizes of a drawing's attributes."""
    crc, sizes = 0, planes.sizes(drawing)
    for attribute in drawing.attributes:
        crc = zlib.crc32(f"{attribute.name} {planes.length(attribute, sizes)}".encode(), crc)
    return crc


def checksum_of(form: int, places: Mapping[str, NDArray[np.float32]]) -> int:
    """Return the checksum of a drawing with attributes of the checksum ``form`` and points at ``places``, (P, 3)."""
    for name in PLACES:
        if name in places:
            form = zlib.crc32(np.ascontiguousarray(places[name], np.float32).tobytes(), form)
    return form


def _values(attribute: Any, key: str) -> NDArray[Any]:
    """Return all values of an attribute in one flat array; ``key`` is the name of the field that holds them."""
    kind = attribute.data_type
    dtype: Any = _TYPES.get(kind, np.float32)
    values: NDArray[Any] = np.zeros(len(attribute.data) * _WIDTH.get(kind, 1), dtype)
    attribute.data.foreach_get(key, values)
    return values


def put_places(drawing: Any, places: dict[str, NDArray[np.float32]]) -> None:
    """Set the positions of a drawing's points, and of the handles of its curves, each (P, 3)."""
    for name, values in places.items():
        drawing.attributes[name].data.foreach_set("vector", values.ravel())
    drawing.tag_positions_changed()


def get_places(drawing: Any) -> dict[str, NDArray[np.float32]]:
    """Return the positions of a drawing's points, and of the handles of its curves, each (P, 3), by attribute name."""
    found = {name: planes.vectors(drawing, name) for name in PLACES if drawing.attributes.get(name) is not None}
    return {name: values for name, values in found.items() if len(values)}


def double(drawing: Any, lines: tuple[int, ...], order: NDArray[np.int64], inside: int) -> None:
    """Close the strokes ``lines`` by repeating their points in reverse order.

    ``order`` is the index of the present point for each point afterwards. The strokes are filled with the material in
    the slot ``inside``, if that is not -1.
    """
    before = Content.of(drawing)
    drawing.resize_strokes(sizes=[2 * int(before.sizes[line]) for line in lines], indices=list(lines))
    for name, (domain, kind, values) in before.attributes.items():
        if domain == "POINT":
            wide = values.reshape(-1, _WIDTH.get(kind, 1))[order]
            drawing.attributes[name].data.foreach_set(_KEY.get(kind, "value"), wide.ravel())
    for line in lines:
        stroke = drawing.strokes[line]
        stroke.cyclic = True
        if inside >= 0:
            stroke.material_index = inside
            compat.show_stroke(stroke, None, True, _SHAPE + line)


def repeat(layer: Any, source: int, number: int, kind: str = "GENERATED") -> Any:
    """Make a frame with a copy of the drawing on frame ``source``, and return it.

    The copy shares its values with the original in memory. Frames could also share the drawing itself, but Blender
    loses count of them when a file is loaded (4.5) or the Grease Pencil is duplicated (5.2 as well, both measured):
    removing one of them then makes others show a drawing of another layer.
    """
    made = layer.frames.copy(source, number)
    made.keyframe_type = kind
    return made


@dataclass(slots=True)
class _RemovedFrame:
    """What it takes to restore one frame.

    ``key`` identifies its drawing, which frames may share. ``source`` is the frame to copy it from; ``places`` are set
    if only positions differ from that, ``content`` if there is no such frame.
    """

    number: int
    kind: str
    selected: bool
    key: int
    source: int | None
    places: dict[str, NDArray[np.float32]] | None = None
    content: Content | None = None


class Snapshot:
    """Frames of a layer as they are now, so that they can be restored after they were removed."""

    def __init__(
        self,
        layer: Any,
        present: set[int],
        shown: Mapping[int, Any],
        numbers: Iterable[int],
        sources: Mapping[int, int],
    ) -> None:
        """Read the frames ``numbers`` of a layer that has the frames ``present``.

        If there are any ``numbers``, ``shown`` holds the drawings on all frames, by number.

        ``sources`` are the frames they were copied from, as far as those stay.
        """
        self._layer = layer
        self._all = present
        self._rows: list[_RemovedFrame] = []
        gone = set(numbers)
        stays = {drawing.as_pointer(): number for number, drawing in shown.items() if number not in gone}
        read: set[int] = set()
        forms = {source: _form(shown[source]) for source in set(sources.values())}
        for number in sorted(gone):
            frame, drawing, source = layer.get_frame_at(number), shown[number], sources.get(number)
            key = drawing.as_pointer()
            row = _RemovedFrame(number, frame.keyframe_type, frame.select, key, stays.get(key))
            if key not in stays and key not in read:
                if source is not None and _form(drawing) == forms[source]:
                    row.source, row.places = source, get_places(drawing)
                else:
                    row.content = Content.of(drawing)
            read.add(key)
            self._rows.append(row)

    def put_back(self) -> None:
        """Remove every frame that was added since, and make those again that were removed."""
        layer = self._layer
        now = set(table(layer))
        for number in now - self._all | {row.number for row in self._rows} & now:
            layer.frames.remove(number)
        made: dict[int, int] = {}
        for row in self._rows:
            if row.content is not None:
                frame = layer.frames.new(row.number)
                row.content.put(frame.drawing)
            elif row.places is not None:
                frame = layer.frames.copy(row.source, row.number)
                put_places(frame.drawing, row.places)
            else:
                frame = layer.frames.copy(made.get(row.key, row.source), row.number, instance_drawing=True)
            made.setdefault(row.key, row.number)
            frame.keyframe_type, frame.select = row.kind, row.selected


def miscounted(shown: Mapping[int, Any], numbers: Collection[int]) -> bool:
    """Return whether any of the frames ``numbers`` shares a drawing whose users Blender has lost count of.

    ``shown`` are the drawings on all frames of the layer, by number.

    Removing such a frame would damage other drawings, see :func:`repeat`. Mouthpiece makes none: the user, or another
    add-on, has made them share it.
    """
    if not numbers:
        return False
    used = Counter(drawing.as_pointer() for drawing in shown.values())
    drawings = (shown[number] for number in numbers)
    return any(used[drawing.as_pointer()] > drawing.user_count for drawing in drawings)


def _form(drawing: Any) -> set[tuple[str, int]]:
    """Return the attributes of a drawing: name and number of values of each."""
    sizes = planes.sizes(drawing)
    return {(item.name, planes.length(item, sizes)) for item in drawing.attributes}


@dataclass(frozen=True, slots=True)
class Content:
    """All data of a drawing: number of points of each stroke (S,), and domain, type and values of each attribute."""

    sizes: NDArray[np.int64]
    attributes: dict[str, tuple[str, str, NDArray[Any]]]

    @classmethod
    def of(cls, drawing: Any) -> Content:
        """Return the data of a drawing."""
        found = {}
        for item in drawing.attributes:
            if item.data_type != "STRING":
                values = _values(item, _KEY.get(item.data_type, "value"))
                found[item.name] = (item.domain, item.data_type, values)
        return cls(np.diff(planes.offsets(drawing)), found)

    def put(self, drawing: Any) -> None:
        """Write the data into an empty drawing."""
        if not len(self.sizes):
            return
        drawing.add_strokes(self.sizes.tolist())
        for name, (domain, kind, values) in self.attributes.items():
            attribute = drawing.attributes.get(name) or drawing.attributes.new(name, kind, domain)
            if len(values):
                attribute.data.foreach_set(_KEY.get(kind, "value"), values)
        drawing.tag_positions_changed()

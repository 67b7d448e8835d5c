"""The target for shape keys that are driven by their names or by a table that the user edits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import bpy
from mouthpiece.errors import RigError
from mouthpiece.phrases import counted

from ...keys.channels import Channel, Part
from .. import Driven, find_object
from . import controls as rig_controls
from . import fingerprints, lips, stillness
from . import table as key_table

if TYPE_CHECKING:
    from mouthpiece.curves import FrameGrid
    from mouthpiece.performance import Performance
    from mouthpiece.retarget.coverage import Coverage
    from mouthpiece.retarget.shape_keys.lip_opening import Lips
    from mouthpiece.retarget.shape_keys.table import ShapeMap


@dataclass(frozen=True, slots=True)
class ShapeKeyTarget:
    """A mesh's shape keys: the table of what drives them, and the slider range of each.

    ``controls`` says which controls of a rig are keyed in place of keys that have drivers, and ``refused`` are keys
    whose drivers cannot be followed.
    """

    kind: ClassVar[str] = "NAMES"

    object_name: str
    table: ShapeMap
    limits: Mapping[str, tuple[float, float]]
    strength: float = 1.0
    controls: str = ""
    refused: tuple[str, ...] = ()

    @classmethod
    def of(cls, obj: bpy.types.Object, strength: float = 1.0) -> Self:
        """Return the target for a mesh with the table of :func:`table_of`.

        Raises RigError if it has no shape keys, none of their names is known, or they may not be edited.
        """
        key = editable_keys(obj)
        table = table_of(obj)
        limits = {name: (key.key_blocks[name].slider_min, key.key_blocks[name].slider_max) for name in table.keys}
        found = rig_controls.in_words(key, table.keys)
        return cls(obj.name, table, limits, strength, found.text, found.refused)

    def drive(self, performance: Performance, grid: FrameGrid) -> Driven:
        """Return a curve for every driven key."""
        from mouthpiece.retarget.shape_keys.curves import shape_curves

        obj = find_object(self.object_name)
        key = editable_keys(obj)
        gone = [name for name in self.table.keys if name not in key.key_blocks]
        if gone:
            raise RigError(f"'{obj.name}' has lost shape keys meanwhile: {', '.join(gone)}. Animate it again.")
        curves, clamped = shape_curves(performance, self.table, grid, self.limits, self.strength, self._lips(obj, key))
        channels = tuple(
            Channel(entry.key, f'key_blocks["{bpy.utils.escape_identifier(entry.key)}"].value', layer=entry.layer)
            for entry in self.table.driven
        )
        found = rig_controls.controls_of(key, self.table.keys)
        result = rig_controls.played(Part(key, channels, curves), found)
        parts = tuple(part for part in result.parts if part.channels)
        if not parts:
            raise RigError(f"No shape key of '{obj.name}' can be keyed: all have drivers. {'. '.join(result.remarks)}.")
        return Driven(parts, dict(clamped), self._warnings(obj, key, clamped) + result.remarks)

    def saved(self) -> Mapping[str, Any]:
        """Return what :meth:`from_saved` needs; the table is not part of it: dialling uses the present one."""
        return {"kind": self.kind, "object_name": self.object_name, "strength": self.strength}

    @classmethod
    def from_saved(cls, saved: Mapping[str, Any]) -> Self:
        """Return the target for the object that was saved."""
        return cls.of(find_object(saved["object_name"]), saved["strength"])

    def summary(self) -> str:
        """Return one line: how many shapes were matched, which are missing, and what is used instead."""
        return f"{self.table.summary()}; keys {self.controls}" if self.controls else self.table.summary()

    def coverage(self) -> Coverage:
        """Return which parts of a face the table's keys move, without those whose drivers cannot be followed."""
        from mouthpiece.retarget.shape_keys.key_coverage import key_coverage

        return key_coverage(tuple(entry for entry in self.table.entries if entry.key not in self.refused))

    @classmethod
    def owners(cls, obj: bpy.types.Object) -> list[bpy.types.ID]:
        """Return the mesh's shape-key data-block, and those of the controls that drive its keys."""
        key = obj.data.shape_keys if obj.type == "MESH" else None
        return [] if key is None else [key, *rig_controls.owners_of(key)]

    @classmethod
    def shared(cls, obj: bpy.types.Object) -> Mapping[bpy.types.ID, tuple[str, ...]]:
        """Return the ids of a rig's control channels by data-block, into which others may write as well."""
        key = obj.data.shape_keys if obj.type == "MESH" else None
        return {} if key is None else rig_controls.channels_of(key)

    def _lips(self, obj: bpy.types.Object, key: bpy.types.Key) -> Lips | None:
        """Return the measured lips of the face that the mesh plays along with, else its own."""
        face = named_leader(obj)
        if face is None:
            return lips.measured(key, self.table)
        return lips.measured(face.data.shape_keys, table_of(face))

    def _warnings(self, obj: bpy.types.Object, key: bpy.types.Key, clamped: Mapping[str, int]) -> list[str]:
        """Return warnings on clamped keys and on keys that do not show."""
        found = [
            f"{name} was clamped on {counted(count, 'frame')}; raise its slider maximum or lower Strength"
            for name, count in clamped.items()
        ]
        found += self._lip_warnings(obj, key)
        muted = [name for name in self.table.keys if key.key_blocks[name].mute]
        if muted:
            found.append(f"Muted shape keys do not move: {', '.join(muted)}")
        if obj.show_only_shape_key:
            found.append(f"'{obj.name}' shows one shape key only: turn off Shape Key Lock (pin) to see the take")
        return found

    def _lip_warnings(self, obj: bpy.types.Object, key: bpy.types.Key) -> list[str]:
        """Return warnings on keys that move nothing, and on a mouth that cannot open or whose lips are not found."""
        found = [f"{key_text(self.table.still)} nothing on '{obj.name}'"] if self.table.still else []
        if named_leader(obj) is not None:
            return found
        if not lips.openers(self.table):
            if any(entry.layer == "lips" for entry in self.table.driven):
                found.append(
                    f"No shape key of '{obj.name}' drops the jaw, so its mouth hardly opens. Sculpt or transfer "
                    "jawOpen, choose in Shape Key Mapping what opens it, or animate the jaw's bone"
                )
        elif self.table.match_lips and len(key.reference_key.points) >= _LIPS and not lips.are_found(key, self.table):
            found.append(
                f"The lips of '{obj.name}' were not found, so its mouth opens by the weights alone and may not close "
                "for m, b and p. Look at the mouth; turn off Match Lips if that is as it should be"
            )
        return found


#: Fewest vertices that can be two lips.
_LIPS: Final = 4


def key_text(names: tuple[str, ...]) -> str:
    """Return keys and the verb for what they move: "jawOpen moves", "jawOpen, mouthClose move"."""
    from mouthpiece.retarget.shape_keys.table import listed

    return f"{listed(names)} {'moves' if len(names) == 1 else 'move'}"


def editable_keys(obj: bpy.types.Object) -> bpy.types.Key:
    """Return the mesh's shape-key data-block; raises RigError if it has none, or it may not be edited."""
    if obj.type != "MESH":
        raise RigError(f"'{obj.name}' is not a mesh ({obj.type.title()}). Click the mesh with the shape keys.")
    key = obj.data.shape_keys
    if key is None:
        raise RigError(f"'{obj.name}' has no shape keys. Click a head that has some (jawOpen, mouthSmileLeft, …).")
    if not key.use_relative:
        raise RigError(f"The shape keys of '{obj.name}' are absolute. Turn on Relative in Shape Keys.")
    if not key.is_editable:
        how = (
            "Its object is overridden but its mesh is not: make a library override of the mesh data as well, "
            "or make it local (Object > Relations > Make Local > Selected Objects and Data)"
            if obj.override_library
            else "Make it local, or make library overrides of the object and of its mesh data"
        )
        raise RigError(f"The mesh of '{obj.name}' is linked from a library and may not be edited. {how}.")
    return key


def key_names(key: bpy.types.Key) -> tuple[str, ...]:
    """Return the names of all shape keys except the basis."""
    return tuple(block.name for block in fingerprints.movers(key))


def detected(
    names: tuple[str, ...], still: tuple[str, ...] = (), muted: tuple[str, ...] = (), more: bool = True
) -> ShapeMap:
    """Return the table for keys of those names, as :func:`detect` does; cached, as panels ask at every redraw.

    Raises RigError if no name is known.
    """
    found = _detected(names, still, muted, more)
    if isinstance(found, str):
        raise RigError(found)
    return found


@lru_cache(maxsize=64)
def _detected(names: tuple[str, ...], still: tuple[str, ...], muted: tuple[str, ...], more: bool) -> ShapeMap | str:
    """Return the table, or why there is none: that takes as long to find out."""
    from mouthpiece.retarget.shape_keys.matching import detect

    try:
        return detect(names, still, muted, more)
    except RigError as error:
        return str(error)


def detected_on(obj: bpy.types.Object) -> ShapeMap:
    """Return the table for a mesh by the names of its keys; those that move nothing match nothing.

    Raises RigError if no name of its keys is known, or the known ones move nothing.
    """
    key = obj.data.shape_keys
    muted = tuple(block.name for block in fingerprints.movers(key) if block.mute)
    return detected(key_names(key), stillness.still(obj), muted)


def table_of(obj: bpy.types.Object) -> ShapeMap:
    """Return what drives the shape keys of a mesh: its table if it has one, else one detected by the keys' names.

    A mesh that plays along with a face (teeth, lashes) uses the face's table for the keys that both have. Raises
    RigError if no name of its keys is known, or its table has an invalid formula.
    """
    own = key_table.read(obj)
    if own is not None:
        return replace(own, still=tuple(name for name in stillness.still(obj) if name in own.keys))
    face = named_leader(obj)
    if face is None:
        return replace(detected_on(obj), match_lips=obj.mouthpiece_names.match_lips)
    # Exporters give teeth all keys of the face, most of them empty: that is nothing to be told, unless all are.
    every, still = key_names(obj.data.shape_keys), stillness.still(obj)
    names = tuple(name for name in every if name not in still) or every
    followed = _followed(face, names)
    told = followed.keys if names == still else ()
    unused = tuple(name for name in every if name not in followed.keys)
    return replace(followed, families=(f"With {face.name}",), missing={}, unused=unused, still=told, both={})


def _followed(leading: bpy.types.Object, names: tuple[str, ...]) -> ShapeMap:
    """Return a face's table for the keys called ``names``, with detected entries for keys the face does not have."""
    from mouthpiece.retarget.shape_keys.matching import with_keys

    shared = with_keys(table_of(leading), names)
    taken = {*key_names(leading.data.shape_keys), *(entry.key for entry in shared.entries)}
    try:
        own = detected(names)
    except RigError:
        if not shared.entries:
            raise
        return shared
    more = tuple(entry for entry in own.entries if entry.key not in taken)
    if not shared.entries and not more:
        return own
    played = {entry.key for entry in (*shared.entries, *more)}
    unused = tuple(name for name in names if name not in played)
    return replace(shared, entries=(*shared.entries, *more), unused=unused)


def named_leader(obj: bpy.types.Object) -> bpy.types.Object | None:
    """Return the face that ``obj`` plays along with, if that is driven by the names of its shape keys; else None.

    Raises RigError if that face is set to be solved by geometry and the target of ``obj`` is automatic.
    """
    face = leader(obj)
    if face is None:
        return None
    if face.mouthpiece.target == "SOLVED" and obj.mouthpiece.target == "AUTO":
        raise RigError(f"'{obj.name}' plays along with '{face.name}', which goes by geometry, not by names.")
    try:
        table_of(face)
    except RigError:
        return None
    return face if face.mouthpiece.target != "SOLVED" else None


def face_of(obj: bpy.types.Object) -> bpy.types.Object:
    """Return the face on whose list an object is; raises RigError if it is on none."""
    face = leader(obj)
    if face is None:
        raise RigError(f"'{obj.name}' is on no face's list. Add it under Teeth, Tongue & Lashes of its face.")
    return face


def leader(obj: bpy.types.Object) -> bpy.types.Object | None:
    """Return the face with shape keys that lists ``obj`` as a further object; None if ``obj`` itself has a list."""
    if obj.mouthpiece.also:
        return None
    for face in bpy.data.objects:
        if face != obj and face.type == "MESH" and face.data.shape_keys is not None:
            if any(entry.object == obj for entry in face.mouthpiece.also):
                return face
    return None

"""Targets: the things in a scene that a performance can drive, and how the target of an object is found.

A target is a snapshot that holds names and numbers only, so it can be kept while work runs in a thread.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, Protocol, Self, cast

import bpy
from mouthpiece.errors import RigError
from mouthpiece.retarget.coverage import Coverage, part_named

from ..keys.channels import Line, Part, Written
from ..keys.drawings import Drawings

if TYPE_CHECKING:
    from mouthpiece.curves import FrameGrid
    from mouthpiece.performance import Performance


@dataclass(slots=True)
class Driven:
    """What a target makes of a performance: parts with curves, or drawings, and remarks.

    ``clamped`` is the number of frames by channel on which its value was limited.
    """

    parts: tuple[Part, ...]
    clamped: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    drawings: Drawings | None = None


class Target(Protocol):
    """Something in a scene that a performance drives: a frozen dataclass that holds names instead of data-blocks."""

    kind: ClassVar[str]

    @property
    def object_name(self) -> str:
        """Name of the object the target was made of."""
        ...

    @property
    def strength(self) -> float:
        """Factor on all motion."""
        ...

    @classmethod
    def of(cls, obj: bpy.types.Object, strength: float = 1.0) -> Self:
        """Return the target for an object with its present settings; raises RigError if it has none of this kind.

        This must be quick: panels call it at every redraw.
        """
        ...

    @classmethod
    def from_saved(cls, saved: Mapping[str, Any]) -> Self:
        """Return the target that :meth:`saved` described, for the object called ``saved["object_name"]``."""
        ...

    def drive(self, performance: Performance, grid: FrameGrid) -> Driven:
        """Return curves or drawings for ``performance`` on ``grid``; nothing in the scene is changed.

        The performance must be final (dials applied). Raises RigError if the target is gone or may no longer be edited.
        """
        ...

    def saved(self) -> Mapping[str, Any]:
        """Return what :meth:`from_saved` needs, fit for JSON: kind, object_name, strength, and the target's own."""
        ...

    def summary(self) -> str:
        """Return one line of text for the panel and the report."""
        ...

    def coverage(self) -> Coverage:
        """Return which parts of a face move, by what, and why the others do not; as quick as :meth:`of`.

        Raises RigError if the target is gone.
        """
        ...

    @classmethod
    def owners(cls, obj: bpy.types.Object) -> list[bpy.types.ID]:
        """Return the data-blocks of an object that this kind of target writes into, even if it cannot do so now."""
        ...


class ClaimingTarget(Target, Protocol):
    """A target whose objects are made for it: no other kind is tried for them."""

    @classmethod
    def claims(cls, obj: bpy.types.Object) -> bool:
        """Return whether the object was made for this kind of target."""
        ...


class DrawnTarget(Target, Protocol):
    """A target that makes :class:`Drawings` instead of keys."""

    @classmethod
    def has_drawings(cls, owner: bpy.types.ID) -> bool:
        """Return whether the data-block has drawings that Mouthpiece made."""
        ...

    @classmethod
    def objection(cls, owner: bpy.types.ID) -> str:
        """Return why what is noted of them cannot be read, as a sentence for people; empty if it can."""
        ...

    @classmethod
    def drawn_lines(cls, owner: bpy.types.ID) -> list[Line]:
        """Return the lines that are drawn in the data-block, interludes among them."""
        ...

    @classmethod
    def erase(cls, owner: bpy.types.ID, undo: ExitStack, sounds: Collection[str] | None = None) -> Written:
        """Remove all of them, or those of some ``sounds``, and restore what was there before.

        ``undo`` gets callbacks that revert it.
        """
        ...

    @classmethod
    def rename_line(cls, owner: bpy.types.ID, before: str, now: str, undo: ExitStack) -> None:
        """Note the line of the sound ``before`` under ``now``; ``undo`` gets callbacks that revert it."""
        ...


class _KindRow(NamedTuple):
    """A kind of target: its number in .blend files, its folder and class, and its texts in the panel."""

    number: int
    folder: str
    name: str
    label: str
    text: str


_ROWS: Final = {
    "NAMES": _KindRow(1, "shape_keys", "ShapeKeyTarget", "Shape Keys by Name", "Shape keys whose names are known"),
    "SOLVED": _KindRow(2, "pins", "SolvedTarget", "Shape Keys by Geometry", "Shape keys of any names, pinned"),
    "BONES": _KindRow(3, "bones", "BonesTarget", "Bones", "Bones of a face rig"),
    "STROKES": _KindRow(4, "grease_pencil", "StrokesTarget", "Grease Pencil", "A drawn face, its strokes warped"),
    "CHART": _KindRow(
        5, "mouth_chart", "ChartTarget", "Mouth Chart", "Drawings, pictures or objects swapped by mouth shape"
    ),
    "PICTURE": _KindRow(6, "picture_rig", "PictureTarget", "Picture", "An image on a mesh over its landmarks"),
    "PORTRAIT": _KindRow(8, "portrait", "PortraitTarget", "Portrait", "A picture whose frames are rendered"),
    "EYEBALL": _KindRow(9, "eyeball", "EyeballTarget", "Eyeball", "An object in a face that turns with the gaze"),
    "LOWER_TEETH": _KindRow(
        10, "lower_teeth", "LowerTeethTarget", "Lower Teeth", "An object in a face that follows the jaw"
    ),
    "HEAD": _KindRow(7, "head", "HeadTarget", "Head", "A bone or an object that turns with the head"),
}  # fmt: skip
#: Kinds tried for an object of each type, in this order; if all fail, the error of the first one is raised.
_TRIED: Final = {
    "MESH": ("NAMES", "SOLVED", "PICTURE", "CHART"),
    "ARMATURE": ("BONES", "CHART"),
    "GREASEPENCIL": ("STROKES", "CHART"),
}
#: What to do about a character of each kind that has no mouth.
_WAYS_OUT: Final = {
    "NAMES": (
        "Click the mesh with the mouth, map its shape keys in Shape Key Mapping, pin the face under Shape Keys by "
        "Geometry, or choose another target."
    ),
    "SOLVED": (
        "Pin the lips, check that a shape key opens them, click the mesh with the mouth, or choose another target."
    ),
    "BONES": (
        "Add the jaw or the lower lip to the table under Face Bones, click the mesh with the shape keys, or choose "
        "another target."
    ),
    "STROKES": "Move the handles of the lips onto its line, press Lay Lips on Mouth, or choose another target.",
    "CHART": "Tick at least two shapes that have a drawing under Mouth Chart, or choose another target.",
    "PICTURE": "Make the picture rig again.",
    "PORTRAIT": "Add the portrait again.",
    "EYEBALL": "Click the face.",
    "LOWER_TEETH": "Click the face.",
    "HEAD": "Click the face.",
}  # fmt: skip
#: Kinds that claim the objects made for them: a :class:`ClaimingTarget` each.
_CLAIMING: Final = ("PICTURE", "PORTRAIT")
#: Types of objects that can be characters without their target being chosen.
DRIVABLE: Final = tuple(_TRIED)
#: Kinds tried before all others, as they fit only objects that were set up for them.
_FIRST: Final = {"GREASEPENCIL": ("CHART",)}


class _Kinds(Mapping[str, type[Target]]):
    """Target classes by kind; the module of a class is imported when it is first asked for."""

    def __getitem__(self, kind: str) -> type[Target]:
        """Return the class of a kind."""
        row = _ROWS[kind]
        return cast(type[Target], getattr(import_module(f"{__name__}.{row.folder}.target"), row.name))

    def __iter__(self) -> Iterator[str]:
        """Yield the kinds."""
        return iter(_ROWS)

    def __len__(self) -> int:
        """Return the number of kinds."""
        return len(_ROWS)

    def __contains__(self, kind: object) -> bool:
        """Return whether there is such a kind, without importing its module."""
        return kind in _ROWS


KINDS: Final[Mapping[str, type[Target]]] = _Kinds()


def kind_items() -> list[tuple[str, str, str, int]]:
    """Return the items of an EnumProperty for a character's kind of target."""
    auto = ("AUTO", "Automatic", "Whatever suits the object", 0)
    return [auto, *((k, _ROWS[k].label, _ROWS[k].text, _ROWS[k].number) for k in KINDS if k != "HEAD")]


def target_for(obj: bpy.types.Object | None, strength: float = 1.0, kind: str = "AUTO") -> Target:
    """Return the target of ``obj``, of the given kind or the first that fits; raises RigError if none does.

    One that moves the mouth goes before one that does not: blinks known by name do not keep a pinned face silent.
    """
    if obj is None:
        raise RigError("No character is active. Click a character: a mesh with shape keys, a face rig, or a drawing.")
    if kind != "AUTO":
        if kind not in KINDS:
            raise RigError(f"There is no kind of target '{kind}'. Choose one of: AUTO, {', '.join(KINDS)}.")
        return KINDS[kind].of(obj, strength)
    for claiming in (kind for kind in _CLAIMING if kind in KINDS):
        if cast(type[ClaimingTarget], KINDS[claiming]).claims(obj):
            return KINDS[claiming].of(obj, strength)
    refused: dict[str, RigError] = {}
    fitting = _fitting(obj, strength, refused)
    first = next(fitting, None)
    if first is not None:
        speaks = (target for target in (first, *fitting) if target.coverage().has("mouth"))
        return first if first.coverage().has("mouth") else next(speaks, first)
    errors = [refused[name] for name in _TRIED.get(obj.type, ()) if name in refused]
    if errors:
        raise errors[0]
    what = obj.type.replace("_", " ").lower()
    raise RigError(
        f"{'An' if what[0] in 'aeiou' else 'A'} {what} cannot speak: click a character (a mesh with shape keys, a face "
        "rig, a drawing or a portrait)."
    )


def _fitting(obj: bpy.types.Object, strength: float, refused: dict[str, RigError]) -> Iterator[Target]:
    """Yield the targets of the kinds tried for an object; errors of those that do not fit are added to ``refused``."""
    for name in (k for k in (*_FIRST.get(obj.type, ()), *_TRIED.get(obj.type, ("CHART",))) if k in KINDS):
        try:
            yield KINDS[name].of(obj, strength)
        except RigError as error:
            refused[name] = error


def coverage_of(targets: Sequence[Target]) -> Coverage:
    """Return which parts of a face a character's targets move together: its own first, then its company's and head's.

    Teeth and tongue that play along count as teeth and tongue, whatever moves them.
    """
    first, *others = targets
    own = first.coverage()
    return own.with_company([*([_within(first)] if own.has("mouth") else []), *map(_along, others)])


def _within(target: Target) -> Coverage:
    """Return the teeth and the tongue that are in the mesh of a character itself, as its materials show."""
    obj = bpy.data.objects.get(target.object_name)
    if target.kind not in ("NAMES", "SOLVED") or obj is None or obj.type != "MESH":
        return Coverage()
    parts = {part_named(slot.name) for slot in obj.material_slots}
    return Coverage({part: (f"part of {obj.name}",) for part in ("teeth", "tongue") if part in parts})


def _along(target: Target) -> Coverage:
    """Return what a target in a character's company moves."""
    found = target.coverage()
    obj = bpy.data.objects.get(target.object_name)
    names = [target.object_name] if obj is None or obj.data is None else [obj.name, obj.data.name]
    part = next((part for part in map(part_named, names) if part in ("teeth", "tongue")), "")
    return found.as_one(part, target.object_name) if part else found


def without_mouth(target: Target) -> str:
    """Return that a character's target moves no mouth, and what to do; empty if it moves one. Cheap enough for panels.

    What plays along (eyes, lashes) needs no mouth and is not asked.
    """
    found = target.coverage()
    if found.has("mouth"):
        return ""
    moved = [part for part in found.driven if found.has(part)]
    words = moved if len(moved) < 2 else [", ".join(moved[:-1]), moved[-1]]
    only = f" Only its {' and '.join(words)} would move." if moved else ""
    return f"'{target.object_name}' has no mouth that can speak: {found.why('mouth')}.{only} {_WAYS_OUT[target.kind]}"


def made_again(saved: Mapping[str, Any]) -> Target:
    """Return the target that was saved; raises RigError if its kind is unknown or its object is gone."""
    kind = str(saved.get("kind"))
    if kind not in KINDS:
        raise RigError(f"This Mouthpiece knows no target '{kind}'. Update it, or animate the sound again.")
    try:
        return KINDS[kind].from_saved(saved)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise RigError("What the line moves is noted in a way that cannot be read. Animate the sound again.") from error


def owners_of(characters: Iterable[bpy.types.Object | None], head: bpy.types.Object | None) -> list[bpy.types.ID]:
    """Return the data-blocks that targets of characters, and of a head, write into, each once."""
    found: dict[bpy.types.ID, None] = {}
    for obj in characters:
        for kind in KINDS if obj is not None else ():
            if kind != "HEAD":
                found |= dict.fromkeys(KINDS[kind].owners(obj))
    if head is not None:
        found |= dict.fromkeys(KINDS["HEAD"].owners(head))
    return list(found)


def drawers(owner: bpy.types.ID) -> list[type[DrawnTarget]]:
    """Return the target classes that have drawings in a data-block."""
    made = (KINDS[kind] for kind in KINDS)
    drawn = (cast(type[DrawnTarget], kind) for kind in made if hasattr(kind, "has_drawings"))
    return [kind for kind in drawn if kind.has_drawings(owner)]


def find_object(name: str) -> bpy.types.Object:
    """Return the object called ``name``, a local one before a linked one; RigError if there is none."""
    obj = bpy.data.objects.get((name, None)) or bpy.data.objects.get(name)
    if obj is None:
        raise RigError(f"There is no object '{name}'. It may have been deleted or renamed.")
    return obj

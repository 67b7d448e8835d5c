"""What a performance can drive. A target is a snapshot: it can be made, kept while work runs, and asked again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, Protocol, Self, cast

import bpy
from mouthpiece.errors import RigError

from ..keys.channels import Part, Written
from ..keys.drawings import Drawings

if TYPE_CHECKING:
    from mouthpiece.curves import FrameGrid
    from mouthpiece.performance import Performance


@dataclass(slots=True)
class Driven:
    """Curves by data-block, and remarks: frames clamped by channel, warnings; and what is drawn instead."""

    parts: tuple[Part, ...]
    clamped: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    drawings: Drawings | None = None


class Target(Protocol):
    """Something of a scene that a performance drives: a frozen dataclass that holds names, not Blender's objects."""

    kind: ClassVar[str]

    @property
    def object_name(self) -> str:
        """Name of the object it was made of."""
        ...

    @property
    def strength(self) -> float:
        """Factor on all motion."""
        ...

    @classmethod
    def of(cls, obj: bpy.types.Object, strength: float = 1.0) -> Self:
        """Return the target for an object, as its settings have it; RigError says why there is none.

        Cheap: panels ask at every redraw.
        """
        ...

    @classmethod
    def from_saved(cls, saved: Mapping[str, Any]) -> Self:
        """Return the target :meth:`saved` told of, for the object now called ``saved["object_name"]``."""
        ...

    def drive(self, performance: Performance, grid: FrameGrid) -> Driven:
        """Return the curves for ``performance``, which is already final, on ``grid``, changing nothing.

        Raises RigError if what the snapshot was made of is gone or may no longer be edited.
        """
        ...

    def saved(self) -> Mapping[str, Any]:
        """Return what makes it again when it is dialled, fit for JSON: kind, object_name, strength, and its own."""
        ...

    def summary(self) -> str:
        """Return one line for the panel and the report."""
        ...

    @classmethod
    def owners(cls, obj: bpy.types.Object) -> list[bpy.types.ID]:
        """Return the data-blocks of an object that it may animate or draw into, whether or not it can now."""
        ...


class ClaimingTarget(Target, Protocol):
    """A target whose objects are made for it: no other kind is tried for them."""

    @classmethod
    def claims(cls, obj: bpy.types.Object) -> bool:
        """Return whether the object was made for this kind of target."""
        ...


class DrawnTarget(Target, Protocol):
    """A target with :class:`Drawings`."""

    @classmethod
    def has_drawings(cls, owner: bpy.types.ID) -> bool:
        """Return whether drawings of Mouthpiece's are in the data-block."""
        ...

    @classmethod
    def erase(cls, owner: bpy.types.ID, undo: ExitStack) -> Written:
        """Take them all off again and put back what was there; ``undo`` gets what takes each step back."""
        ...


class _KindRow(NamedTuple):
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
    "HEAD": _KindRow(7, "head", "HeadTarget", "Head", "A bone or an object that turns with the head"),
}  # fmt: skip
#: What is tried for an object of each type; the first one's refusal is the one told.
_TRIED: Final = {
    "MESH": ("NAMES", "SOLVED", "PICTURE", "CHART"),
    "ARMATURE": ("BONES", "CHART"),
    "GREASEPENCIL": ("STROKES", "CHART"),
}
#: Kinds that claim the objects made for them: a :class:`ClaimingTarget` each.
_CLAIMING: Final = ("PICTURE", "PORTRAIT")
#: Types of objects that can play a face without more being said.
DRIVABLE: Final = tuple(_TRIED)
#: Tried before all others: they suit only what was set up for them.
_FIRST: Final = {"GREASEPENCIL": ("CHART",)}


class _Kinds(Mapping[str, type[Target]]):
    """Targets by kind; a module is imported when it is asked for."""

    def __getitem__(self, kind: str) -> type[Target]:
        """Return the class of a kind."""
        row = _ROWS[kind]
        return cast(type[Target], getattr(import_module(f"{__name__}.{row.folder}.target"), row.name))

    def __iter__(self) -> Iterator[str]:
        """Yield the kinds there are."""
        return iter(_ROWS)

    def __len__(self) -> int:
        """Return how many kinds there are."""
        return len(_ROWS)

    def __contains__(self, kind: object) -> bool:
        """Return whether there is such a kind, importing nothing."""
        return kind in _ROWS


KINDS: Final[Mapping[str, type[Target]]] = _Kinds()


def kind_items() -> list[tuple[str, str, str, int]]:
    """Return the choice of kinds for a property: those a character can have."""
    auto = ("AUTO", "Automatic", "Whatever suits the object", 0)
    return [auto, *((k, _ROWS[k].label, _ROWS[k].text, _ROWS[k].number) for k in KINDS if k != "HEAD")]


def target_for(obj: bpy.types.Object | None, strength: float = 1.0, kind: str = "AUTO") -> Target:
    """Return what plays the face of ``obj``; RigError says why nothing does."""
    if obj is None:
        raise RigError("No character is active. Click a character: a mesh with shape keys, a face rig, or a drawing.")
    if kind != "AUTO":
        if kind not in KINDS:
            raise RigError(f"There is no kind of target '{kind}'. Choose one of: AUTO, {', '.join(KINDS)}.")
        return KINDS[kind].of(obj, strength)
    for claiming in _CLAIMING:
        if cast(type[ClaimingTarget], KINDS[claiming]).claims(obj):
            return KINDS[claiming].of(obj, strength)
    tried = [k for k in (*_FIRST.get(obj.type, ()), *_TRIED.get(obj.type, ("CHART",))) if k in KINDS]
    refused: dict[str, RigError] = {}
    for name in tried:
        try:
            return KINDS[name].of(obj, strength)
        except RigError as error:
            refused[name] = error
    told = [refused[name] for name in _TRIED.get(obj.type, ()) if name in refused]
    if told:
        raise told[0]
    raise RigError(
        f"'{obj.name}' is not a mesh ({obj.type.replace('_', ' ').title()}). Click the mesh with the shape keys."
    )


def made_again(saved: Mapping[str, Any]) -> Target:
    """Return the target that was saved; RigError if its kind is unknown, or what it was made of is gone."""
    kind = str(saved.get("kind"))
    if kind not in KINDS:
        raise RigError(f"This Mouthpiece knows no target '{kind}'. Update it, or animate the sound again.")
    return KINDS[kind].from_saved(saved)


def owners_of(characters: Iterable[bpy.types.Object | None], head: bpy.types.Object | None) -> list[bpy.types.ID]:
    """Return the data-blocks a take may animate or draw into, each once: those of characters, and of a head."""
    found: dict[bpy.types.ID, None] = {}
    for obj in characters:
        for kind in KINDS if obj is not None else ():
            if kind != "HEAD":
                found |= dict.fromkeys(KINDS[kind].owners(obj))
    if head is not None:
        found |= dict.fromkeys(KINDS["HEAD"].owners(head))
    return list(found)


def drawers(owner: bpy.types.ID) -> list[type[DrawnTarget]]:
    """Return the kinds of targets that have drawings in a data-block."""
    made = (KINDS[kind] for kind in KINDS)
    drawn = (cast(type[DrawnTarget], kind) for kind in made if hasattr(kind, "has_drawings"))
    return [kind for kind in drawn if kind.has_drawings(owner)]


def find_object(name: str) -> bpy.types.Object:
    """Return the object called ``name``, a local one before a linked one; RigError if there is none."""
    obj = bpy.data.objects.get((name, None)) or bpy.data.objects.get(name)
    if obj is None:
        raise RigError(f"There is no object '{name}'. It may have been deleted or renamed.")
    return obj

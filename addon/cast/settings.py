"""Who speaks which strip, and in what manner: settings of strips; who belongs to the cast: settings of the scene."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)
from bpy.utils import register_classes_factory
from mouthpiece.errors import AudioError
from mouthpiece.motion.dials import LIMITS

from ..bake import settings as bake_settings

#: The choice of whatever the character has.
AS_IS: Final = "AS_IS"
#: Amounts that a line may have of its own, by their names in the code, as the panel calls them. The strength of an
#: emotion goes with the emotion.
AMOUNTS: Final[Mapping[str, str]] = {
    name: {"style": "Style Blend", "blink": "Blinks"}.get(name, name.title()) for name in LIMITS if name != "intensity"
}
#: How many entries the drop-down of characters has before the first member.
_BEFORE: Final = 1
#: Entries of drop-downs by what is in them: Blender keeps no copy of the texts that a callback returns.
_shown: dict[tuple[tuple[str, str, str, str, int], ...], list[tuple[str, str, str, str, int]]] = {}
#: How a line stands, as the list shows it: identifier -> its name, what it means, its icon.
STANDINGS: Final[Mapping[str, tuple[str, str, str]]] = {
    "NEW": ("New", "Not animated yet", "ADD"),
    "CHANGED": ("Changed", "Sound, settings or rig are others than when it was animated", "FILE_REFRESH"),
    "CURRENT": ("Up to Date", "Animated, and nothing has changed since", "CHECKMARK"),
    "EDITED": ("Edited", "Animated, with changes of yours, which stay", "GREASEPENCIL"),
    "FAILED": ("Failed", "It could not be animated", "ERROR"),
    "UNASSIGNED": ("Unassigned", "Nobody is known to speak it", "QUESTION"),
    "MUTED": ("Muted", "It is not heard", "MUTE_IPO_ON"),
    "SILENT": ("No Speech", "Music or an effect", "SPEAKER"),
}


def _own(items: tuple[Any, ...], what: str) -> tuple[Any, ...]:
    """Return the items of a choice with that of whatever the character has before them, each with its number."""
    first = (AS_IS, "As Character", f"{what} that the character has", 0)
    return (first, *((*item[:3], number) for number, item in enumerate(items, 1)))


def _is_character(_self: Any, obj: bpy.types.Object) -> bool:
    """Poll callback: return whether an object may be a character."""
    return obj.type in ("MESH", "ARMATURE", "GREASEPENCIL", "EMPTY")


def title(member: Any) -> str:
    """Return what a member is called in the cast: its own name, or its object's; empty if it has neither."""
    return str(member.name or (member.object.name if member.object is not None else ""))


def style_of(manner: Any) -> tuple[str, str]:
    """Return the style of a strip or a turn: its name or the full path of its style.json, and the full path of a sound.

    Both are empty if it is as the character has it. Raises AudioError if the file or sound it needs is not chosen.
    """
    if manner.style == AS_IS:
        return "", ""
    if manner.style not in ("FILE", "SOUND"):
        return str(manner.style.lower()), ""
    chosen = manner.style_file if manner.style == "FILE" else manner.style_sound
    if not chosen.strip():
        what = "file" if manner.style == "FILE" else "sound"
        raise AudioError(f"No {what} is chosen to take the style from. Pick one, or choose another style.")
    path = bpy.path.abspath(chosen)
    return (path, "") if manner.style == "FILE" else ("", path)


def delivery_of(strip: Any) -> Any:
    """Return the settings that say how a strip is spoken: its active turn's, or without turns its own."""
    own = strip.mouthpiece
    return own.turns[own.active_turn] if 0 <= own.active_turn < len(own.turns) else own


def set_amount(own: Any, name: str, value: float | None) -> None:
    """Set an amount of a strip or a turn by the name of its dial; None takes it off, as the character has it."""
    number = own.amounts.find(name)
    if value is None:
        if number >= 0:
            own.amounts.remove(number)
        return
    entry = own.amounts[number] if number >= 0 else own.amounts.add()
    entry.name, entry.value = name, value


def _kept(items: list[tuple[str, str, str, str, int]]) -> list[tuple[str, str, str, str, int]]:
    """Return the entries of a drop-down, kept for as long as Blender may show them."""
    return _shown.setdefault(tuple(items), items)


def _filters(self: Any, _context: bpy.types.Context) -> list[tuple[str, str, str, str, int]]:
    """Items callback: return the entries of the filter for characters: all of them, and each."""
    names = dict.fromkeys(member.object.name for member in self.members if member.object is not None)
    items = [("ALL", "All Characters", "Show the lines of all characters", "COMMUNITY", 0)]
    items += [(name, name, f"Show lines of {name} only", "OUTLINER_OB_ARMATURE", n) for n, name in enumerate(names, 1)]
    return _kept(items)


def _characters(self: Any, context: bpy.types.Context) -> list[tuple[str, str, str, str, int]]:
    """Items callback: return the entries of the drop-down of characters: whoever the rules say, then each member."""
    members = self.id_data.mouthpiece_cast.members
    items = [("rule", "By Rule", "Whoever name, color or channel say", "SORTALPHA", 0)]
    items += [
        (str(number), title(one) or "(none)", "Speaks this strip", "OUTLINER_OB_ARMATURE", number + _BEFORE)
        for number, one in enumerate(members)
    ]
    if self.character is not None and not any(one.object == self.character for one in members):
        items.append(("other", self.character.name, "Speaks this strip, and is no member", "OBJECT_DATA", len(items)))
    return _kept(items)


def _chosen(self: Any) -> int:
    """Return the number of the drop-down's entry that is chosen."""
    if self.character is None:
        return 0
    members = self.id_data.mouthpiece_cast.members
    there = (number for number, one in enumerate(members) if one.object == self.character)
    return next(there, len(members)) + _BEFORE


def _choose(self: Any, number: int) -> None:
    """Choose an entry of the drop-down by its number."""
    members = self.id_data.mouthpiece_cast.members
    if number < _BEFORE:
        self.character = None
    elif number - _BEFORE < len(members):
        self.character = members[number - _BEFORE].object


class MOUTHPIECE_PG_amount(bpy.types.PropertyGroup):
    """An amount by which a line differs from its character: ``name`` is that of a dial."""

    value: FloatProperty(name="Amount", description="Amount of this line alone", default=1.0, min=-5.0, max=5.0)


class _Delivery:
    """Mixin for who speaks a strip or a part of it, how, and to whom."""

    character: PointerProperty(
        name="Character",
        description="Who speaks; empty for whoever name, color or channel of the strip say",
        type=bpy.types.Object,
        poll=_is_character,
    )
    speaker: EnumProperty(name="Character", description="Who speaks", items=_characters, get=_chosen, set=_choose)
    style: EnumProperty(
        name="Style", description="Manner of moving in this line", items=_own(bake_settings.STYLES, "The style")
    )
    style_sound: StringProperty(
        name="Sound",
        description="Sound whose speaker's manner is taken",
        subtype="FILE_PATH",
        options={"PATH_SUPPORTS_BLEND_RELATIVE"},
    )
    style_file: StringProperty(
        name="Style File",
        description="The file style.json of an actor",
        subtype="FILE_PATH",
        options={"PATH_SUPPORTS_BLEND_RELATIVE"},
    )
    emotion: EnumProperty(
        name="Emotion",
        description="Mood of this line",
        items=_own(bake_settings.EMOTIONS, "The emotion"),
    )
    own_intensity: BoolProperty(
        name="Own Intensity", description="Let this line have an intensity of its own, not the character's"
    )
    intensity: FloatProperty(
        name="Intensity", description="Strength of the emotion in this line", default=1.0, min=0.0, max=1.0
    )
    channel: EnumProperty(
        name="Channel",
        description="What of a sound with several channels is spoken: of an interview, one side",
        items=_own(bake_settings.CHANNELS, "The channel"),
    )
    channel_number: IntProperty(
        name="Number", description="Number of the channel that is spoken, from 1", default=3, min=1, max=9999
    )
    seed: IntProperty(
        name="Seed", description="Chooses head sway, blinks and gaze; -1 for the character's", default=-1, min=-1
    )
    transcript: StringProperty(name="Transcript", description="What is said")
    to: PointerProperty(
        name="Spoken To",
        description="Character that is spoken to; empty for whoever speaks before or after",
        type=bpy.types.Object,
        poll=_is_character,
    )
    amounts: CollectionProperty(
        type=MOUTHPIECE_PG_amount, name="Amounts", description="Amounts that differ from the character's in this line"
    )


class MOUTHPIECE_PG_turn(_Delivery, bpy.types.PropertyGroup):
    """A part of a strip that one character speaks, in seconds of the sound; ``end`` 0 is the sound's own end."""

    begin: FloatProperty(
        name="Begin", description="First second of the sound that is spoken", min=0.0, subtype="TIME_ABSOLUTE"
    )
    end: FloatProperty(
        name="End",
        description="Second of the sound up to which it is spoken; 0 for its end",
        min=0.0,
        subtype="TIME_ABSOLUTE",
    )


class MOUTHPIECE_PG_strip(_Delivery, bpy.types.PropertyGroup):
    """What a sound strip is to the cast."""

    is_speech: BoolProperty(
        name="Speech", description="Whether somebody speaks here; off for music and effects", default=True
    )
    turns: CollectionProperty(
        type=MOUTHPIECE_PG_turn,
        name="Turns",
        description="Parts of the strip that different characters speak; none if one speaks all of it",
    )
    active_turn: IntProperty(name="Active Turn", description="Chosen turn")
    failed: StringProperty(description="Why the strip could not be animated the last time; empty if it could")


class MOUTHPIECE_PG_member(bpy.types.PropertyGroup):
    """A member of the cast, and by what its strips are known; ``name`` is what the cast calls it."""

    object: PointerProperty(
        name="Character",
        description="Main object of the character",
        type=bpy.types.Object,
        poll=_is_character,
    )
    channel: IntProperty(
        name="Channel",
        description="Strips on this channel of the sequencer are the character's; 0 for none. A channel that has "
        "the character's name needs no number",
        min=0,
        max=128,
    )
    color: EnumProperty(
        name="Color",
        description="Strips with this color tag are the character's",
        items=(
            ("NONE", "None", "No color", "X", 0),
            *((f"COLOR_0{n}", f"Color {n}", f"Color {n}", f"STRIP_COLOR_0{n}", n) for n in range(1, 10)),
        ),
    )
    pattern: StringProperty(
        name="Strip Names",
        description="Strips whose names begin so are the character's; * stands for anything, commas part several. "
        "Empty for the character's own name",
    )


class MOUTHPIECE_PG_cast(bpy.types.PropertyGroup):
    """The cast of a scene, and what of it the panel shows."""

    members: CollectionProperty(type=MOUTHPIECE_PG_member, name="Members", description="Characters of the cast")
    active_member: IntProperty(name="Active Member", description="Chosen member")
    active_strip: IntProperty(name="Active Line", description="Chosen line")
    listened: StringProperty(
        description="Who listened to whom when listeners were renewed the last time", options={"HIDDEN"}
    )
    overlap: EnumProperty(
        name="Overlap",
        description="What happens where two lines of one character are heard at once",
        items=(
            ("REFUSE", "Refuse", "The later line is not animated, and the report says so", 0),
            ("BLEND", "Blend", "The face goes over from one line to the next", 1),
        ),
    )
    filepath: StringProperty(
        name="Cast Table",
        description="Table of who speaks what (CSV, JSON or OpenTimelineIO)",
        subtype="FILE_PATH",
        options={"PATH_SUPPORTS_BLEND_RELATIVE"},
    )
    shown_speaker: EnumProperty(name="Character", description="Whose lines are listed", items=_filters)
    shown_standing: EnumProperty(
        name="State",
        description="Which lines are listed",
        items=(
            ("ALL", "All States", "Show all lines", "FILTER", 0),
            ("TO_DO", "To Do", "Show lines that are new or have changed", "RADIOBUT_ON", 1),
            *((key, name, text, icon, number) for number, (key, (name, text, icon)) in enumerate(STANDINGS.items(), 2)),
        ),
    )


_register_classes, _unregister_classes = register_classes_factory(
    (
        MOUTHPIECE_PG_amount,
        MOUTHPIECE_PG_turn,
        MOUTHPIECE_PG_strip,
        MOUTHPIECE_PG_member,
        MOUTHPIECE_PG_cast,
    )
)


def register() -> None:
    """Register the settings and add them to strips and scenes."""
    _register_classes()
    bpy.types.Strip.mouthpiece = PointerProperty(type=MOUTHPIECE_PG_strip)
    bpy.types.Scene.mouthpiece_cast = PointerProperty(type=MOUTHPIECE_PG_cast)


def unregister() -> None:
    """Remove the settings from strips and scenes, and unregister them."""
    del bpy.types.Scene.mouthpiece_cast
    del bpy.types.Strip.mouthpiece
    _unregister_classes()

"""Who speaks a strip: by its own settings, or by its metadata, its name, its colour or its channel."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import translate
from pathlib import PurePath
from typing import Any, Final

import bpy
from mouthpiece.phrases import listed

from .. import scene_settings
from ..sound import strips
from . import settings as cast_settings

#: Custom properties of a strip whose text says who speaks.
_METADATA: Final = ("character", "speaker")


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who speaks a strip: the character's main object, None if nobody is known to.

    ``words`` says how that is known (``by its channel 3``), or why it is not and what to do.
    """

    character: bpy.types.Object | None
    words: str


@dataclass(frozen=True, slots=True)
class Role:
    """A member of the cast as strips are compared with it; ``name`` is folded, ``patterns`` match folded names."""

    title: str
    name: str
    character: bpy.types.Object
    channel: int
    color: str
    patterns: tuple[tuple[int, re.Pattern[str]], ...]

    def named(self, text: str) -> int:
        """Return how many letters of the longest pattern that a strip's name fits are given; 0 if it fits none."""
        return max((length for length, pattern in self.patterns if pattern.match(text)), default=0)


@dataclass(frozen=True, slots=True)
class Roster:
    """All members of a scene's cast that are there, to be asked about many strips at once."""

    roles: tuple[Role, ...]
    lost: tuple[str, ...]
    _mains: dict[bpy.types.Object, bpy.types.Object] = field(default_factory=dict)

    @classmethod
    def of(cls, scene: bpy.types.Scene) -> Roster:
        """Return the roster of a scene."""
        roles, lost = [], []
        for member in scene.mouthpiece_cast.members:
            name = cast_settings.title(member)
            if is_lost(member.object):
                lost.append(name or "(no name)")
                continue
            main = scene_settings.character_of(member.object)
            patterns = tuple(_patterns(member.pattern or name))
            roles.append(Role(name, name.casefold(), main, member.channel, member.color, patterns))
        return cls(tuple(roles), tuple(lost))

    def main(self, obj: bpy.types.Object) -> bpy.types.Object:
        """Return the main object of the character that ``obj`` is a part of."""
        if obj not in self._mains:
            self._mains[obj] = scene_settings.character_of(obj)
        return self._mains[obj]

    def called(self, name: str) -> bpy.types.Object | None:
        """Return the character that is called so: a member, or an object; capital letters do not matter."""
        wanted = name.strip().casefold()
        for role in self.roles:
            if role.name == wanted:
                return role.character
        exact = bpy.data.objects.get(name.strip())
        found = exact or next((one for one in bpy.data.objects if one.name.casefold() == wanted), None)
        return None if found is None or is_lost(found) else self.main(found)

    def title(self, obj: bpy.types.Object) -> str:
        """Return what a character is called in the cast, or its object's name if it is no member."""
        return next((role.title for role in self.roles if role.character == obj), str(obj.name))

    def names(self) -> str:
        """Return the names of all members as part of a sentence."""
        return listed([f"'{role.title}'" for role in self.roles]) if self.roles else "nobody yet"

    def speaker(self, strip: Any) -> Speaker:
        """Return who speaks a strip."""
        around = [strip, *strips.metas_of(strip)]
        for one in around:
            by = "by its own choice" if one == strip else f"by the meta strip '{one.name}'"
            found = self.own(one.mouthpiece, one.name, by) or self._by_metadata(one)
            if found is not None:
                return found
        for found in (self._by_name(around), self._by_color(around), self._by_channel(around)):
            if found is not None:
                return found
        if len(self.roles) == 1 and not self.lost:
            return Speaker(self.roles[0].character, "as the only member of the cast")
        return Speaker(
            None, f"Nobody speaks '{strip.name}' yet: choose a character for it, or turn Speech off for music."
        )

    def own(self, manner: Any, name: str, by: str = "by its own choice") -> Speaker | None:
        """Return who speaks by the settings of a strip called ``name``, or of a turn of it; None if they say nobody."""
        obj = manner.character
        if obj is None:
            return None
        if is_lost(obj):
            return Speaker(None, f"'{obj.name}', who speaks '{name}', was deleted: choose another character.")
        return Speaker(self.main(obj), by)

    def _by_metadata(self, strip: Any) -> Speaker | None:
        """Return who speaks by a strip's custom properties; None if they say nothing."""
        for key in _METADATA:
            value = strip.get(key)
            if isinstance(value, bpy.types.Object) and not is_lost(value):
                return Speaker(self.main(value), f"by its property '{key}'")
            if isinstance(value, str) and value.strip():
                named = self.called(value)
                if named is not None:
                    return Speaker(named, f"by its property '{key}'")
                return Speaker(
                    None,
                    f"The property '{key}' of '{strip.name}' says '{value}', and there is no such character. "
                    f"The cast has {self.names()}.",
                )
        return None

    def _by_name(self, around: list[Any]) -> Speaker | None:
        """Return who speaks by the name of a strip, of its sound, or of a meta strip around it."""
        for one in around:
            for text in _names_of(one):
                ranked = [(role.named(text), role) for role in self.roles]
                best = max((length for length, _ in ranked), default=0)
                if best:
                    return _one([role for length, role in ranked if length == best], one, "name")
        return None

    def _by_color(self, around: list[Any]) -> Speaker | None:
        """Return who speaks by the colour tag of a strip, or of a meta strip around it."""
        for one in around:
            found = [role for role in self.roles if role.color == one.color_tag != "NONE"]
            if found:
                return _one(found, one, "color")
        return None

    def _by_channel(self, around: list[Any]) -> Speaker | None:
        """Return who speaks by the name of a channel, or its number where it is one of the sequencer's own."""
        for one in around:
            parent = one.parent_meta()
            channels = (one.id_data.sequence_editor if parent is None else parent).channels
            called = channels[one.channel].name.strip().casefold()
            found = [role for role in self.roles if role.name == called]
            if not found and parent is None:
                found = [role for role in self.roles if role.channel == one.channel]
            if found:
                return _one(found, one, f"channel {one.channel}")
        return None


def is_lost(obj: bpy.types.Object | None) -> bool:
    """Return whether an object was deleted: gone, or in no collection any more and only settings hold it."""
    return obj is None or not obj.users_collection


def _one(found: Iterable[Role], strip: Any, by: str) -> Speaker:
    """Return the one who speaks by a rule, or nobody if several do."""
    characters = {role.character: role.title for role in found}
    if len(characters) == 1:
        return Speaker(next(iter(characters)), f"by its {by}")
    names = listed([f"'{title}'" for title in characters.values()])
    return Speaker(None, f"By its {by} '{strip.name}' is spoken by {names}: choose one of them.")


def _names_of(strip: Any) -> Iterator[str]:
    """Yield the folded names by which a strip may be known: its own, and those of its sound and of the sound's file."""
    yield strip.name.casefold()
    sound = getattr(strip, "sound", None)
    if sound is not None:
        yield sound.name.casefold()
        yield PurePath(sound.filepath.replace("\\", "/")).name.casefold()


def _patterns(text: str) -> Iterator[tuple[int, re.Pattern[str]]]:
    """Yield the patterns in a list with commas, with how many letters each gives; one without a star is a beginning."""
    for one in (part.strip().casefold() for part in text.split(",")):
        if not one:
            continue
        if any(sign in one for sign in "*?"):
            yield max(1, len(re.sub(r"[*?]", "", one))), re.compile(translate(one))
        else:
            yield len(one), re.compile(re.escape(one) + r"(?![^\W\d_])")

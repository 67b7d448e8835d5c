"""What the cast asks for, line by line: a bake each, and how the line stands as it was animated before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import bpy
from mouthpiece.errors import MouthpieceError, TakeError

from .. import scene_settings
from ..bake import edits, fingerprints, rebuild
from ..bake import settings as bake_settings
from ..bake.bake import Bake, Known
from ..bake.lines import dialled_lines
from ..characters import company, heads
from ..keys import kept_takes
from ..sound.spoken_texts import LineText
from ..targets import Target, find_object
from .strip_lines import StripLine

if TYPE_CHECKING:
    from mouthpiece.actors.actor import Actor
    from mouthpiece.motion.dials import Dials
    from mouthpiece.performance import Performance

#: How a line stands: never animated, animated otherwise than it would be now, as it would be, with edits besides.
Standing = Literal["NEW", "CHANGED", "CURRENT", "EDITED", "FAILED"]
#: What differs, by the name of a fingerprint, in an animator's words.
_DIFFERS: Final = {"take": "sound, text or style", "place": "place", "rig": "rig", "dials": "amounts"}
#: Seconds by which the ends of takes may be off: less than a frame.
_NEAR: Final = 0.03


class State(NamedTuple):
    """How a line stands, and why: what differs, what failed; empty if there is nothing to say."""

    standing: Standing
    reason: str = ""


@dataclass(slots=True)
class _Voice:
    """What is the same for all lines of a character: what plays them, and the lines it has by their sound.

    ``models`` is the folder of its networks, None for those that ship, and ``networks`` holds their hashes by name.
    ``touched`` holds by data-block the sounds of lines whose keys were edited, as far as that was looked at.
    """

    targets: tuple[Target, ...]
    remarks: tuple[str, ...]
    models: Path | None
    networks: Mapping[str, str]
    actor: Actor | None = None
    rig: str = ""
    lines: dict[str, kept_takes.KeptLine] = field(default_factory=dict)
    touched: dict[bpy.types.ID, set[str]] = field(default_factory=dict)


class Wishes:
    """Makes bakes of a cast's lines. What is the same for many lines is looked at once: make a new one for each run."""

    def __init__(self, models: Path | None = None, replace_edited: bool = False, ready: bool = False) -> None:
        """Find the networks in ``models``, or those that ship; raises MouthpieceError if they cannot be used.

        Characters with networks of their own are animated with those.
        With ``ready`` characters are made ready to be animated: what scripts chose for them is taken up, and the parts
        that play along are put on their lists. Without, nothing in the file is changed.
        """
        self._models, self._replace, self._ready = models, replace_edited, ready
        self._networks = {models: fingerprints.networks_of(models)}
        self._voices: dict[str, _Voice | MouthpieceError] = {}

    def bake(self, line: StripLine) -> Bake:
        """Return the bake that a line asks for.

        Raises
        ------
        MouthpieceError
            If the character cannot be animated, or the style does not exist.
        """
        from mouthpiece.motion.dials import Dials
        from mouthpiece.pipeline import Options

        obj = find_object(line.character)
        voice = self._voice(line)
        style, style_from = _style(line, obj)
        seed = obj.mouthpiece.seed if line.seed is None else line.seed
        asked: dict[str, Any] = {"emotion": line.emotion} if line.emotion else {}
        asked |= {"intensity": line.intensity} if line.intensity is not None else {}
        options = Options(seed=seed, style=style, actor=voice.actor)
        bake = Bake(
            line.recording, voice.targets, options, voice.models, self._replace,
            Dials.of({**bake_settings.dials_of(obj.mouthpiece).saved(), **line.dials, **asked}), style_from,
            obj.mouthpiece.layers == "LAYERS", round(obj.mouthpiece.reduce, 6), voice.remarks, rig=voice.rig,
            of_cast=True, text=_text(line),
        )  # fmt: skip
        kept = voice.lines.get(line.recording.identity)
        if kept is None:
            return bake
        assert bake.dials is not None  # set above
        if kept.made.get("dials") == fingerprints.dials_of(bake.dials):
            bake = replace(
                bake, dials=Dials.of(kept.dials)
            )  # nothing else is asked for than when it was adjusted alone
        return bake

    def remembered(self, line: StripLine, bake: Bake) -> Bake:
        """Return a line's bake with the take that is kept with it, if it still is the one: then no network runs."""
        kept = self._voice(line).lines.get(line.recording.identity)
        if kept is None or kept.made.get("take") != self._take(line, bake):
            return bake
        return replace(bake, known=_known(kept, bake))

    def state(self, line: StripLine, bake: Bake | None = None) -> State:
        """Return how a line stands, ``bake`` being what it asks for, if that is known; FAILED if it cannot be made."""
        try:
            bake = bake or self.bake(line)
            return self._state(line, bake)
        except MouthpieceError as error:
            return State("FAILED", str(error))

    def _state(self, line: StripLine, bake: Bake) -> State:
        obj, voice = find_object(line.character), self._voice(line)
        kept = voice.lines.get(line.recording.identity)
        if kept is None:
            return State("NEW")
        asked: Dials | None = bake.dials
        now = {
            "take": self._take(line, bake),
            "place": fingerprints.place_of(bake.recording),
            "rig": voice.rig,
        }
        other = [word for name, word in _DIFFERS.items() if name in now and kept.made.get(name) != now[name]]
        if asked is not None and asked.saved() != dict(kept.dials):
            other.append(_DIFFERS["dials"])
        if kept.error != bake.error or rebuild.is_layered(kept) != bake.layered:
            other.append("keys")
        if other:
            return State("CHANGED", ", ".join(dict.fromkeys(other)))
        for owner in edits.owners_of_line(obj, kept):
            if owner not in voice.touched:
                voice.touched[owner] = edits.touched_sounds(owner)
            if kept.sound in voice.touched[owner]:
                return State("EDITED")
        return State("CURRENT")

    def _take(self, line: StripLine, bake: Bake) -> str:
        networks = self._voice(line).networks
        return fingerprints.take_of(bake.recording, bake.options, bake.style_from, networks, bake.text)

    def _voice(self, line: StripLine) -> _Voice:
        if line.character not in self._voices:
            try:
                self._voices[line.character] = self._looked_at(line)
            except MouthpieceError as error:
                self._voices[line.character] = error
        found = self._voices[line.character]
        if isinstance(found, MouthpieceError):
            raise found
        return found

    def _looked_at(self, line: StripLine) -> _Voice:
        obj = find_object(line.character)
        scene = bpy.data.scenes.get(line.scene)
        if self._ready:
            if scene is not None:
                heads.take_up(obj, scene)
            company.join(obj)
        strength = scene_settings.strength_of(obj)
        driven = scene_settings.targets_of(obj, strength)
        head = heads.head_target(obj, strength)
        targets = driven if head is None else (*driven, head)
        lines = {kept.sound: kept for kept in dialled_lines(obj)}
        models = bake_settings.models_of(obj.mouthpiece) or self._models
        if models not in self._networks:
            self._networks[models] = fingerprints.networks_of(models)
        networks, rig = self._networks[models], fingerprints.rig_of(targets)
        actor = bake_settings.actor_of(obj.mouthpiece)
        return _Voice(targets, tuple(company.standing(obj)), models, networks, actor, rig, lines)


def _text(line: StripLine) -> LineText:
    """Return what is said in a line, in the language of its scene's texts."""
    scene = bpy.data.scenes.get(line.scene)
    return LineText(line.transcript.strip(), "" if scene is None else scene.mouthpiece.language.strip())


def _style(line: StripLine, obj: bpy.types.Object) -> tuple[Any, str]:
    """Return the style of a line and the sound it is taken from, as :func:`bake_settings.style_of` does."""
    from mouthpiece import styles

    if line.style_from:
        return None, line.style_from
    if not line.style:
        return bake_settings.style_of(obj.mouthpiece)
    if line.style.lower().endswith(".json"):
        return styles.read(Path(bpy.path.abspath(line.style))), ""
    return styles.named(line.style.lower()), ""


def _known(kept: kept_takes.KeptLine, bake: Bake) -> Known | None:
    """Return a kept line's take, if it has all that a bake of the same take needs of it."""
    from mouthpiece.pipeline import MARGIN

    try:
        take = kept_takes.motion(kept)
        seconds = float(kept.made.get("seconds", "0"))
    except (TakeError, ValueError):
        return None
    first, last = bake.recording.placement.part or (0.0, seconds)
    low, high = max(0.0, first - MARGIN), min(seconds, last + MARGIN)
    if seconds <= 0 or kept.begin > low + _NEAR or kept.begin + take.seconds < high - _NEAR:
        return None
    return Known(partial(_given, take), kept.begin, seconds)


def _given(take: Performance) -> Performance:
    return take

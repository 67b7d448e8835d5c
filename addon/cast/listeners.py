"""A scene that listens: every character of a cast knows who speaks when and where, and looks, nods and lives by it.

:func:`renew` notes with each character what it knows of the others (:mod:`addon.bake.eye_lines`) and brings its keys up
to date, where that has changed. A character without lines gets one on which it says nothing (a *silent line*), by which
it is adjusted and removed as others are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import bpy
import numpy as np
from mouthpiece.errors import MouthpieceError, RigError

from ..bake import bake as bakes
from ..bake import eye_lines, interlude_keys, interludes, lifetime, redial, removal
from ..bake import settings as bake_settings
from ..bake.claims import Claims, alone
from ..characters import company, heads
from ..keys import kept_takes, ledgers
from ..keys.channels import Written
from ..keys.plan import Rescued
from ..scene_settings import strength_of, targets_of
from ..sound import recordings
from ..targets import coverage_of, drawers, target_for
from . import sightlines

if TYPE_CHECKING:
    from mouthpiece.motion.listening import Bearing, SpeakingTurn, Surroundings
    from mouthpiece.performance import Performance

#: Kinds of targets whose heads do not turn to others: they are drawn or painted from the front.
_FLAT: Final = ("STROKES", "PICTURE")
#: Kinds that look at whoever looks at the picture.
_FACING: Final = ("PORTRAIT",)
#: Frames of a silent line: as many as show how a face moves there.
_FRAMES: Final = 3


@dataclass(slots=True)
class Renewed:
    """What became of the characters of a scene, by the names of their objects.

    ``changed`` look otherwise than before, ``made`` are new listeners, ``removed`` are none any more. ``written`` holds
    what was keyed, and remarks for people.
    """

    changed: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    written: Written = field(default_factory=Written)

    def summary(self) -> str:
        """Return one line of text for people."""
        if not (self.changed or self.made or self.removed):
            return "Listeners are up to date"
        parts = [("now listen", self.made), ("look anew", self.changed), ("listen no more", self.removed)]
        return ", ".join(f"{len(names)} {words}" for words, names in parts if names)


@dataclass(frozen=True, slots=True, eq=False)
class _Member:
    """A character of the cast: its object, what it says, and the stretches on which it does."""

    obj: bpy.types.Object
    lines: list[kept_takes.KeptLine]
    spoken: list[interludes.Neighbour]

    @classmethod
    def of(cls, obj: bpy.types.Object) -> _Member:
        """Return a character as it is now."""
        with alone(obj):
            lines = redial.dialled_lines(obj)
            return cls(obj, lines, interludes.pieces(obj, lines))

    @property
    def speaks(self) -> bool:
        """Whether it says anything."""
        return any(piece.line is None or not eye_lines.is_silent(piece.line) for piece in self.spoken)

    @property
    def silent(self) -> kept_takes.KeptLine | None:
        """The line on which it says nothing, if it has one."""
        return next((line for line in self.lines if eye_lines.is_silent(line)), None)


def characters_in(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """Return the characters of a scene that speak or listen, in the order of their names."""
    found = (obj for obj in scene.objects if obj.is_editable and redial.dialled_lines(obj))
    return sorted(found, key=lambda obj: obj.name)


def renew(
    scene: bpy.types.Scene,
    characters: Sequence[bpy.types.Object],
    undo: ExitStack,
    addressed: Mapping[tuple[str, str], str] | None = None,
    unsettled: Mapping[bpy.types.Object, interlude_keys.How] | None = None,
) -> Renewed:
    """Let the characters of a scene look at each other, and nod while others speak; those without lines, too.

    Call this after all lines were written. A character whose surroundings are as they were is left alone.

    Parameters
    ----------
    scene
        The scene that is open.
    characters
        Main objects of all characters of the cast, those that say nothing among them.
    undo
        Gets callbacks that revert everything.
    addressed
        To whom lines are spoken: name of the object spoken to, by the name of the speaker's object and the sound of its
        line (``Recording.identity``). None leaves that as it was noted before.
    unsettled
        Characters whose lines were written without what depends on them (``Bake.write(settle=False)``), and how that is
        keyed: it is done here, once and not twice.

    Returns
    -------
    Renewed
        What was done, with remarks about characters that could not be taken up.
    """
    *_, done = steps(scene, characters, undo, addressed, unsettled)
    assert isinstance(done, Renewed)  # the last of them
    return done


def steps(
    scene: bpy.types.Scene,
    characters: Sequence[bpy.types.Object],
    undo: ExitStack,
    addressed: Mapping[tuple[str, str], str] | None = None,
    unsettled: Mapping[bpy.types.Object, interlude_keys.How] | None = None,
) -> Iterator[str | Renewed]:
    """Do what :func:`renew` does, yield the name of each character before it is keyed, and last what was done."""
    done = Renewed()
    bpy.context.view_layer.update()
    chosen = [obj for obj in dict.fromkeys(characters) if obj.is_editable]
    parted = _part_seeds(chosen, undo)
    members = [_Member.of(obj) for obj in chosen]
    fps = recordings.true_fps(scene)
    known = {member.obj: _addressed(member, addressed) for member in members}
    turns = {
        member.obj: eye_lines.turns_of(member.obj.name, member.spoken, fps, known[member.obj]) for member in members
    }
    if not any(turns.values()):
        done.written.warnings.append("Nobody speaks in this scene. Animate a line, and listeners will look up.")
    wished = [member.obj.mouthpiece.looks_at_object for member in members if member.obj.mouthpiece.looks_at == "OBJECT"]
    places = sightlines.seen(scene, chosen, [obj for obj in wished if obj is not None])
    model = next((member for member in members if member.speaks), None)
    for member in members:
        yield member.obj.name
        how = (unsettled or {}).get(member.obj)
        if how is None and member.obj in parted:
            how = interlude_keys.How()
        around = eye_lines.noted(member.obj)
        try:
            around = _surroundings(member, turns, places[member.obj], known[member.obj])
        except MouthpieceError as error:
            done.written.warnings.append(f"'{member.obj.name}' does not listen: {error}")
        try:
            _take_up(scene, member, around if any(turns.values()) else None, model, undo, done, how)
        except MouthpieceError as error:
            done.written.warnings.append(f"'{member.obj.name}' does not listen: {error}")
    yield done


def _take_up(
    scene: bpy.types.Scene, member: _Member, around: Surroundings | None, model: _Member | None, undo: ExitStack,
    done: Renewed, how: interlude_keys.How | None,
) -> None:  # fmt: skip
    """Bring one character up to date with what it knows now; with ``how`` also if that is what it knew."""
    obj, silent = member.obj, member.silent
    if silent is not None and (member.speaks or around is None):
        _drop(member, silent, undo)
        if not member.speaks:
            eye_lines.note(obj, None, undo)
            done.removed.append(obj.name)
            return
        member, how = _Member.of(obj), how or interlude_keys.How()
    with alone(obj):
        if member.lines and around == eye_lines.noted(obj) and how is None:
            return
        moved = Rescued() if how is not None and how.over else redial.rescue_interludes(obj, undo)
        changed = eye_lines.note(obj, around, undo)
    if not member.lines:
        if around is not None and model is not None:
            _let_listen(scene, obj, model, undo, done)
        return
    with alone(obj):
        written = redial.renew(obj, undo, replace(how or interlude_keys.How(), rescued=moved))
    written.warnings = [f"{obj.name}: {warning}" for warning in written.warnings]
    done.written.add(written)
    if changed or how is None:
        done.changed.append(obj.name)


def _let_listen(scene: bpy.types.Scene, obj: bpy.types.Object, model: _Member, undo: ExitStack, done: Renewed) -> None:
    """Give a character a line on which it says nothing, with the keys around it."""
    fps = recordings.true_fps(scene)
    heads.take_up(obj, scene)
    company.join(obj)
    strength = strength_of(obj)
    head = heads.head_target(obj, strength)
    driven = targets_of(obj, strength)
    placement = recordings.Placement(fps, scene.frame_start)
    own = obj.mouthpiece
    task = bakes.Bake(
        recordings.Recording(f"{ledgers.SILENT}{obj.name}", "Listening", "", placement),
        driven if head is None else (*driven, head),
        dials=bake_settings.dials_of(own),
        layered=own.layers == "LAYERS",
        error=round(own.reduce, 6),
    )
    from mouthpiece.motion.dials import dialled

    assert task.dials is not None  # just given
    take = dialled(_still(model, fps), task.dials)
    report = task.write(bakes.Heard(take, placement.grid(take.seconds)))
    undo.callback(removal.take_off, obj)
    done.written.keys += report.keys
    done.written.channels += report.channels
    done.made.append(obj.name)


def _still(model: _Member, fps: float) -> Performance:
    """Return a take of a face that does nothing, with the resting face of a character that speaks."""
    from mouthpiece.performance import Performance

    line = next(line for line in model.lines if not eye_lines.is_silent(line))
    neutral = kept_takes.motion(line).neutral
    pair = np.zeros((_FRAMES, 2), np.float32)
    return Performance(
        landmarks=np.repeat(neutral[None], _FRAMES, axis=0),
        neutral=neutral,
        arkit=np.zeros((_FRAMES, 52), np.float32),
        head=np.zeros((_FRAMES, 6), np.float32),
        gaze=pair,
        blink=pair,
        activity=np.zeros(_FRAMES, np.float32),
        fps=fps,
    )


def _drop(member: _Member, silent: kept_takes.KeptLine, undo: ExitStack) -> None:
    """Remove a character's silent line; with its last line all that was keyed goes."""
    obj = member.obj
    if not member.speaks:
        removal.take_off(obj)
        return
    claims = Claims.of(obj)
    with claims.alone():
        removal.leave_former(claims, silent.sound, (), False, undo)
        for owner in interludes.all_owners(obj, member.lines):
            for kind in drawers(owner):
                kind.erase(owner, undo, {silent.sound})


def _surroundings(
    member: _Member, turns: Mapping[bpy.types.Object, list[SpeakingTurn]], places: Mapping[str, Bearing],
    addressed: Mapping[str, str],
) -> Surroundings | None:  # fmt: skip
    """Return what a character knows of the others; None if it does not listen, or cannot show that it does."""
    from mouthpiece.motion.listening import Surroundings

    obj, own = member.obj, member.obj.mouthpiece
    target = target_for(obj, 1.0, own.target)
    if not own.listens or target.kind in _FACING:
        return None
    moved = coverage_of(targets_of(obj, 1.0))
    head = obj.mouthpiece_head.turns != "NONE" or moved.has("head")
    head, eyes = head and target.kind not in _FLAT, moved.has("gaze")
    others = tuple(turn for other, said in turns.items() if other != obj for turn in said)
    if own.looks_at == "OBJECT" and own.looks_at_object is None:
        raise RigError("no object is chosen to look at. Pick one under Looks At, or choose Whoever Speaks.")
    looks_at = {"OBJECT": getattr(own.looks_at_object, "name", ""), "NOBODY": "-"}.get(own.looks_at, "")
    names = {other.name for other in turns} | {looks_at}
    seen = {name: place for name, place in places.items() if name in names}
    if not (head or eyes) or not (others or seen):
        return None
    in_order = tuple(sorted(others, key=lambda turn: (turn.first, turn.who)))
    return Surroundings(in_order, seen, looks_at, head, eyes, dict(addressed))


def _addressed(member: _Member, given: Mapping[tuple[str, str], str] | None) -> Mapping[str, str]:
    """Return to whom a character speaks its lines, by their sounds."""
    if given is not None:
        mine = {sound: to for (name, sound), to in given.items() if name == member.obj.name and to}
    else:
        before = eye_lines.noted(member.obj)
        mine = {} if before is None else dict(before.addressed)
    return {line.sound: mine[line.sound] for line in member.lines if line.sound in mine}


def _part_seeds(characters: Collection[bpy.types.Object], undo: ExitStack) -> set[bpy.types.Object]:
    """Give characters that have the same seed, as copies of one have, seeds of their own; return those that got one."""
    taken: set[int] = set()
    parted: set[bpy.types.Object] = set()
    for obj in sorted(characters, key=lambda one: one.name):
        seed, own = lifetime.seed_of(obj), obj.mouthpiece
        if seed in taken:
            text = f"{seed} {obj.name}"
            seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "little") // 2 + 1
            undo.callback(setattr, own, "life_seed", own.life_seed)
            own.life_seed = seed
            parted.add(obj)
        taken.add(seed)
    return parted

"""How every line of a scene's cast stands, for panels: found out beside the user's work, a little at a time.

A panel asks at every redraw and gets what was known last. Whatever changes in the file makes that old; it is found out
anew when nothing has changed for a moment, in short pieces between events, so that nobody waits.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import bpy
from bpy.app.handlers import persistent
from mouthpiece.errors import MouthpieceError

from .. import compat
from .overlaps import LaidLine, without_overlaps
from .scene_lines import by_strip
from .strip_lines import FAILED, MUTED, UNASSIGNED, StripLine, Unspoken
from .wishes import Wishes

#: Seconds without a change after which lines are looked at, and for how long at a time.
_PAUSE: Final = 0.4
_PIECE: Final = 0.008
#: Which of several lines of a strip is shown: the first of these.
_FIRST: Final = ("FAILED", "UNASSIGNED", "NEW", "CHANGED", "EDITED", "CURRENT", "MUTED")
_KINDS: Final = {MUTED: "MUTED", UNASSIGNED: "UNASSIGNED", FAILED: "FAILED"}


@dataclass(frozen=True, slots=True)
class StripStanding:
    """How a strip stands: a key of ``settings.STANDINGS``, why, and the names of the main objects that speak it."""

    key: str
    reason: str = ""
    speakers: tuple[str, ...] = ()


@dataclass(slots=True)
class _SceneOverview:
    """What is known of a scene, by names of strips; when it became old (0: it has not), and who finds it out anew."""

    standings: dict[str, StripStanding] = field(default_factory=dict)
    old: float = 0.0
    work: Iterator[tuple[str, StripStanding]] | None = None
    found: dict[str, StripStanding] = field(default_factory=dict)


#: What is known, by the names of the scene whose strips are seen and of the one whose frames get keys.
_known: dict[tuple[str, str], _SceneOverview] = {}


def standings(scene: bpy.types.Scene, shown_in: bpy.types.Scene) -> Mapping[str, StripStanding]:
    """Return how the strips of a scene stand, by name, as it was found out last; strips may be missing from it.

    Without a user interface all of it is found out at once.
    """
    if bpy.app.background:
        return dict(_looked_at(scene, shown_in))
    place = (scene.name, shown_in.name)
    if place not in _known:
        _known[place] = _SceneOverview(old=time.monotonic())
    if _known[place].old and not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=0.05)
    return _known[place].standings


def _looked_at(scene: bpy.types.Scene, shown_in: bpy.types.Scene) -> Iterator[tuple[str, StripStanding]]:
    """Yield the name of each strip of a scene that may be speech, and how it stands."""
    wishes: Wishes | MouthpieceError
    try:
        wishes = Wishes()
    except MouthpieceError as error:  # no networks
        wishes = error
    name, strips = scene.name, list(by_strip(scene, shown_in))
    spoken = [line for _, lines in strips for line in lines if isinstance(line, StripLine)]
    parted = without_overlaps(spoken, scene.mouthpiece_cast.overlap)
    laid = {(one.line.character, one.line.recording.identity): one for one in parted}
    for strip, lines in strips:
        states = [_state(line, wishes, laid) for line in lines]
        speakers = tuple(dict.fromkeys(line.character for line in lines if line.character))
        if not states:  # turns, all of which lie beyond the handles
            states = [("MUTED", "None of its turns is heard: drag its handles apart.")]
        key, reason = min(states, key=lambda state: _FIRST.index(state[0]))
        failed = _failed(name, strip) if key in ("NEW", "CHANGED") else ""
        yield strip, StripStanding("FAILED", failed, speakers) if failed else StripStanding(key, reason, speakers)


def _state(
    line: StripLine | Unspoken, wishes: Wishes | MouthpieceError, laid: Mapping[tuple[str, str], LaidLine]
) -> tuple[str, str]:
    """Return the key of how a line stands, and why."""
    if isinstance(line, Unspoken):
        return _KINDS[line.kind], line.reason
    one = laid[line.character, line.recording.identity]
    if isinstance(wishes, MouthpieceError) or one.problem:
        return "FAILED", one.problem or str(wishes)
    state = wishes.state(one.line)
    return state.standing, state.reason


def _failed(scene: str, strip: str) -> str:
    """Return why a strip could not be animated the last time; empty if it could, or is gone."""
    where = bpy.data.scenes.get(scene)
    found: Any = None if where is None else next((s for s in compat.all_strips(where) if s.name == strip), None)
    return "" if found is None else str(found.mouthpiece.failed)


def _tick() -> float | None:
    """Timer: find out a little; return the seconds until the next time, None when all is known."""
    if any(manager.mouthpiece.running for manager in bpy.data.window_managers):
        return _PAUSE
    waiting = [place for place, known in _known.items() if known.old]
    if not waiting:
        return None
    known, names = _known[waiting[0]], waiting[0]
    quiet = time.monotonic() - known.old
    if known.work is None and quiet < _PAUSE:
        return _PAUSE - quiet
    try:
        done = _piece(known, *names)
    except ReferenceError:  # what was being looked at is gone
        known.work = None
        return _PAUSE
    if done:
        known.standings, known.work, known.old = known.found, None, 0.0
        compat.redraw(bpy.context)
    return 0.01


def _piece(known: _SceneOverview, scene: str, shown_in: str) -> bool:
    """Find out what is known of a scene for a short time; return whether that is all of it."""
    if known.work is None:
        scenes = [bpy.data.scenes.get(name) for name in (scene, shown_in)]
        if None in scenes:
            known.found = {}
            return True
        known.work, known.found = _looked_at(*scenes), {}  # type: ignore[arg-type]
    until = time.monotonic() + _PIECE
    for strip, standing in known.work:
        known.found[strip] = standing
        if time.monotonic() > until:
            return False
    return True


def age(context: bpy.types.Context) -> None:
    """Let the lines be looked at anew, after a change that Blender tells its handlers nothing of."""
    _age()
    compat.redraw(context)


@persistent
def _age(*_: Any) -> None:
    """Note that something in the file has changed, so that what is known is old."""
    for known in _known.values():
        known.old, known.work = time.monotonic(), None


@persistent
def _forget(*_: Any) -> None:
    """Forget everything: another file is open."""
    _known.clear()


_AGING: Final = ("depsgraph_update_post", "undo_post", "redo_post")


def register() -> None:
    """Listen to changes."""
    for name in _AGING:
        getattr(bpy.app.handlers, name).append(_age)
    bpy.app.handlers.load_post.append(_forget)


def unregister() -> None:
    """No longer listen, and forget."""
    for name in _AGING:
        getattr(bpy.app.handlers, name).remove(_age)
    bpy.app.handlers.load_post.remove(_forget)
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    _known.clear()

"""Characters of a scene as they are seen and heard, frame by frame, for the checks of :mod:`mouthpiece.lint`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import bpy
import numpy as np
from mouthpiece.errors import MouthpieceError, RigError
from mouthpiece.lint.seen_face import SeenFace
from mouthpiece.retarget.coverage import Coverage
from numpy.typing import NDArray

from ..bake import interludes
from ..bake.claims import alone
from ..bake.lines import dialled_lines
from ..characters import company, heads
from ..keys import kept_takes
from ..sound import recordings
from ..targets import Target, coverage_of, target_for
from ..targets.bones.target import BonesTarget, face_armature
from ..targets.mouth_chart.target import ChartTarget
from ..targets.pins import solver_inputs
from ..targets.portrait import lines as portrait_lines
from ..targets.shape_keys.target import table_of
from . import keyed_channels
from .bone_gauge import BoneGauge
from .drawn_gauge import ChartGauge, DrawingGauge
from .evaluation import Gauge, SeenTracks, evaluation, first_frame
from .heard import heard, lips_apart
from .mesh_gauge import MeshGauge

if TYPE_CHECKING:
    from mouthpiece.lint.checks import Examination
    from mouthpiece.lint.limits import Limits
    from mouthpiece.performance import Performance
    from mouthpiece.pipeline import Progress

#: Frames from a line beyond which nothing is looked at, in seconds: faces live no further than that.
_BEYOND: Final = interludes.LONGEST
#: A head that turns by less than this, in radians, stands still.
_STIFF: Final = 0.01
#: Outer border of the lower lip's red in its middle.
_LIP_BOTTOM: Final = 57
#: Frames that are evaluated between two messages of progress.
_STRIDE: Final = 250


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredFace:
    """A character as it was measured: ``face`` for the checks, ``remarks`` on what could not be measured.

    ``pace`` is how many frames of animation are played in a frame of the scene's timeline.
    """

    face: SeenFace
    scene: str
    pace: float = 1.0
    remarks: tuple[str, ...] = ()

    def examined(self, limits: Limits | None = None) -> Examination:
        """Return what the checks measured, and what is wrong, on frames of the timeline."""
        from mouthpiece.lint.checks import examined

        found = examined(self.face, limits)
        if self.pace == 1.0:
            return found
        moved = (replace(one, first=self._shown(one.first), last=self._shown(one.last)) for one in found.findings)
        return replace(found, findings=tuple(moved))

    def _shown(self, frame: int | None) -> int | None:
        return None if frame is None else round(frame / self.pace)


def characters(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """Return the objects of a scene that are characters with lines, by name."""
    return sorted((obj for obj in scene.objects if dialled_lines(obj)), key=lambda obj: obj.name)


def scene_of(obj: bpy.types.Object, preferred: bpy.types.Scene) -> bpy.types.Scene:
    """Return the scene a character is in: the preferred one, if it is in several or in none."""
    return preferred if preferred in obj.users_scene or not obj.users_scene else obj.users_scene[0]


def measured(
    objects: Sequence[bpy.types.Object], scene: bpy.types.Scene, span: tuple[int, int] | None = None,
    slice_seconds: float | None = None, patience: float | None = None,
) -> Iterator[Progress | MeasuredFace]:  # fmt: skip
    """Yield progress, and each of some characters as it is measured on all its frames.

    Parameters
    ----------
    objects
        Main objects of characters with lines.
    scene
        The scene they are looked at in, if they are in several.
    span
        First and last frame of the timeline that are looked at; by default those of the scene and of the lines.
    slice_seconds
        Work at most that long between two messages, and leave no trace in the file meanwhile. By default only the
        whole work leaves none.
    patience
        Frames that are not evaluated within so many seconds are left out.
    """
    from mouthpiece.pipeline import Progress

    everybody = [line for obj in bpy.data.objects for line in dialled_lines(obj)]
    for number, obj in enumerate(objects):
        name = obj.name
        for item in _measured(obj, scene_of(obj, scene), span, slice_seconds, patience, everybody):
            if isinstance(item, float):
                yield Progress((number + item) / len(objects), f"Looking at {name}")
            else:
                yield item


def contacts_kept(obj: bpy.types.Object, sound: str) -> dict[str, dict[str, int]]:
    """Return how many contacts of lips the line of a character with that ``sound`` meets and misses, by its take.

    The take is looked at as it plays, amounts included, in a moment: no frame is evaluated. Empty if there is no such
    line, or its take knows no phones. See :func:`mouthpiece.lint.contacts.counted_contacts`.
    """
    from mouthpiece.lint.sources.takes import contacts_of
    from mouthpiece.motion.dials import Dials, dialled

    line = next((one for one in dialled_lines(obj) if one.sound == sound), None)
    if line is None:
        return {}
    try:
        return contacts_of(dialled(kept_takes.motion(line), Dials.of(line.dials)))
    except MouthpieceError:  # a take that is gone is told by those who need it
        return {}


def _measured(
    obj: bpy.types.Object, scene: bpy.types.Scene, span: tuple[int, int] | None, budget: float | None,
    patience: float | None, everybody: Sequence[kept_takes.KeptLine],
) -> Iterator[float | MeasuredFace]:  # fmt: skip
    """Yield how much is done, from 0 to 1, and last the character."""
    lines = dialled_lines(obj)
    frames, pace = frames_of(lines, scene, span), recordings.pace(scene)
    if not lines or not len(frames):
        return
    remarks: list[str] = []
    coverage, targets = _covered(obj, lines)
    gauge: Gauge | None = None
    tracks = SeenTracks()
    try:
        gauge = _gauge(obj, lines, coverage, targets)
    except MouthpieceError as error:
        remarks.append(str(error))
    if gauge is not None:
        count = 0
        for count in _read(gauge, scene, frames, budget, patience):
            yield count / len(frames)
        frames, tracks = frames[:count], gauge.tracks()
    elif _kind(obj, lines) == "PORTRAIT":
        tracks = _rendered(obj, scene, frames)
    speech = heard(obj, lines, frames, scene, everybody)
    owners = interludes.all_owners(obj, lines)
    values = gauge.values() if isinstance(gauge, MeshGauge) else {}
    with alone(obj):
        dead = keyed_channels.unmoved(obj, owners, lines, values, frames)
        if not dead and tracks.head is not None and np.ptp(tracks.head, axis=0).max() < _STIFF:
            dead |= keyed_channels.stiff_heads(lines, frames)
    face = SeenFace(
        obj.name, recordings.animation_fps(scene), int(frames[0]), tracks.opening, tracks.width, tracks.lids,
        tracks.gaze, tracks.head, speech.loudness, speech.speech, speech.expected, speech.lines,
        keyed_channels.clipped(obj, values, coverage.driven.get("mouth", ())) if values else {}, dead,
        parts_of(coverage, _kind(obj, lines)), red=tracks.red, phones=speech.phones,
    )  # fmt: skip
    yield MeasuredFace(face, scene.name, pace, (*remarks, *tracks.remarks, *speech.remarks))


def _read(
    gauge: Gauge, scene: bpy.types.Scene, frames: NDArray[np.int64], budget: float | None, patience: float | None
) -> Iterator[int]:
    """Let a gauge read frames; yield how many it has read, last all, or those it has read within its ``patience``.

    With a ``budget`` nothing is lent while the caller has its turn.
    """
    at, began = 0, perf_counter()
    while at < len(frames):
        begun = perf_counter()
        with ExitStack() as lent:
            view = lent.enter_context(evaluation(gauge.ready(lent), scene))
            while at < len(frames):
                graph = view.at(int(frames[at]))
                assert graph is not None  # frames that cannot be shown are left out
                gauge.read(graph, int(frames[at]))
                at += 1
                if patience is not None and perf_counter() - began > patience:
                    frames = frames[:at]
                if budget is None and at % _STRIDE == 0:
                    yield at
                elif budget is not None and perf_counter() - begun > budget:
                    break
        yield at


def frames_of(
    lines: Sequence[kept_takes.KeptLine], scene: bpy.types.Scene, span: tuple[int, int] | None = None
) -> NDArray[np.int64]:
    """Return the frames (F,) of a scene's animation that are looked at."""
    grids, pace = [line.frames() for line in lines], recordings.pace(scene)
    first, last = (min(grid.first for grid in grids), max(grid.last for grid in grids)) if grids else (0, -1)
    reach = round(_BEYOND * recordings.animation_fps(scene))
    low, high = span if span is not None else (scene.frame_start, scene.frame_end)
    begin, end = round(low * pace), round(high * pace)
    if span is None:
        begin, end = max(min(begin, first), first - reach), min(max(end, last), last + reach)
    return np.arange(max(begin, first_frame()), end + 1)


def _kind(obj: bpy.types.Object, lines: Sequence[kept_takes.KeptLine]) -> str:
    """Return the kind of a character: that of the line that was baked last."""
    return str(lines[-1].targets[0]["kind"])


def _covered(obj: bpy.types.Object, lines: Sequence[kept_takes.KeptLine]) -> tuple[Coverage, list[Target]]:
    """Return what moves on a character, and its targets, its own first; what may not be edited is looked at as well."""
    from mouthpiece.retarget.shape_keys.key_coverage import key_coverage

    kind = _kind(obj, lines)
    try:
        own = target_for(obj, 1.0, kind)
    except RigError:
        found = Coverage()
        if kind in ("NAMES", "SOLVED") and obj.type == "MESH" and obj.data.shape_keys is not None:
            with suppress(RigError):
                found = key_coverage(table_of(obj).entries)
        return found, []
    targets: list[Target] = [own]
    more = [_looks(obj, lines)] if kind == "SOLVED" and not own.coverage().has("gaze") else []
    with suppress(RigError):
        targets += company.targets_of(obj, 1.0)
    with suppress(RigError):
        head = heads.head_target(obj, 1.0)
        targets += [] if head is None else [head]
    try:
        return coverage_of(targets).with_company(more), targets
    except RigError:
        return own.coverage().with_company(more), [own]


def _looks(obj: bpy.types.Object, lines: Sequence[kept_takes.KeptLine]) -> Coverage:
    """Return the keys by which eyeballs of a pinned face turn: they move no pin."""
    try:
        known = solver_inputs.solving_of(obj, kept_takes.motion(lines[-1]).neutral)
    except MouthpieceError:
        return Coverage()
    names = (known.solver.shapes.names[key] for key in known.looks.keys)
    return Coverage({"gaze": tuple(names)})


def _gauge(
    obj: bpy.types.Object, lines: Sequence[kept_takes.KeptLine], coverage: Coverage, targets: Sequence[Target]
) -> Gauge | None:
    """Return what measures a character; None for a portrait, which is not evaluated.

    Raises MouthpieceError if nothing can.
    """
    kind = _kind(obj, lines)
    if kind in ("NAMES", "SOLVED", "PICTURE"):
        if obj.type != "MESH" or obj.data.shape_keys is None:
            raise RigError(f"'{obj.name}' has lost its shape keys: nothing of it can be measured. Bring them back.")
        return MeshGauge.of(obj, coverage, targets[1:])
    if not targets and kind != "PORTRAIT":
        target_for(obj, 1.0, kind)  # raises RigError with the reason
    if kind == "BONES":
        own: Any = targets[0] if targets else BonesTarget.of(obj)
        return BoneGauge.of(own, kept_takes.motion(lines[-1]).neutral, face_armature(obj))
    if kind == "CHART":
        chart: Any = targets[0]
        assert isinstance(chart, ChartTarget)
        return ChartGauge.of(chart)
    return DrawingGauge.of(obj) if kind == "STROKES" else None


def _rendered(obj: bpy.types.Object, scene: bpy.types.Scene, frames: NDArray[np.int64]) -> SeenTracks:
    """Return what a portrait's frames will show, by its takes: rendering them to look would take hours."""
    fps = recordings.animation_fps(scene)
    return _as_tracks(portrait_lines.played(obj, fps, int(frames[0]), int(frames[-1])), obj.name)


def _as_tracks(take: Performance, name: str) -> SeenTracks:
    """Return the motion of a performance as what is measured."""
    from mouthpiece.topology import (
        INNER_LIP_BOTTOM,
        LEFT_EYE_OUTER,
        MOUTH_LEFT_CORNER,
        MOUTH_RIGHT_CORNER,
        RIGHT_EYE_OUTER,
    )

    face = take.landmarks.astype(np.float64)
    unit = float(np.linalg.norm(take.neutral[LEFT_EYE_OUTER] - take.neutral[RIGHT_EYE_OUTER])) or 1.0
    width = np.linalg.norm(face[:, MOUTH_LEFT_CORNER] - face[:, MOUTH_RIGHT_CORNER], axis=1)
    return SeenTracks(
        np.maximum(lips_apart(take), 0).astype(np.float32), (width / unit).astype(np.float32), take.blink, take.gaze,
        take.head[:, :3], (f"'{name}' is a portrait: its takes were judged, not its frames",),
        (face[:, _LIP_BOTTOM, 1] - face[:, INNER_LIP_BOTTOM, 1]).astype(np.float32) / unit,
    )  # fmt: skip


#: Parts that a kind of character never has: that it lacks them is no fault.
_WITHOUT: Final = {"CHART": ("lids", "gaze", "brows", "head"), "STROKES": ("gaze",)}


def parts_of(coverage: Coverage, kind: str) -> dict[str, str]:
    """Return what moves each part of a face, empty if nothing does; parts that its kind never has are left out."""
    names = {"lips": "mouth", "jaw": "mouth", "lids": "lids", "gaze": "gaze", "brows": "brows", "head": "head"}
    return {
        part: ", ".join(coverage.driven.get(known, ()))
        for part, known in names.items()
        if part not in _WITHOUT.get(kind, ())
    }

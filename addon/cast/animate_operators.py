"""Animates the lines of the scene's cast: all of them, those of selected strips, or the active one."""

from __future__ import annotations

from itertools import chain
from typing import Any, ClassVar

import bpy
from bpy.utils import register_classes_factory
from mouthpiece.errors import RigError
from mouthpiece.phrases import as_text, counted

from .. import compat, jobs, previews, scene_settings
from ..jobs import Slices, Working
from ..lint import health
from ..reports import reports_errors
from .animation import AllHeard, AllSettled, CastAnimation, LineHeard
from .scene_lines import resolved
from .strip_lines import StripLine, Unspoken
from .wishes import Wishes

#: Most sentences of a run that the panel keeps; the list has the others, line by line.
_MOST_REMARKS = 8


class MOUTHPIECE_OT_animate_cast(Working, bpy.types.Operator):
    """Animate the lines of the cast that are new or have changed."""

    bl_idname = "mouthpiece.animate_cast"
    bl_label = "Animate All"
    bl_description = "Animate every line of the cast that is new or has changed; lines that are up to date stay"
    bl_options = {"REGISTER", "UNDO"}

    only: bpy.props.EnumProperty(
        name="Lines",
        description="Which lines are animated",
        items=(
            ("ALL", "All", "Every line of the cast"),
            ("SELECTED", "Selected", "The lines of the strips that are selected"),
            ("ACTIVE", "Active", "The line that is active in the list"),
        ),
    )
    again: bpy.props.BoolProperty(
        name="Also Up to Date", description="Animate lines that are up to date as well", options={"SKIP_SAVE"}
    )

    _last = AllSettled
    _slow: ClassVar[tuple[type, ...]] = (LineHeard, AllHeard)
    _animation: CastAnimation
    _scene: str
    _settles: bool = False

    @classmethod
    def description(cls, _context: bpy.types.Context, properties: Any) -> str:
        """Return what the button animates."""
        what = {"ALL": "every line of the cast", "SELECTED": "the lines of the selected strips"}
        chosen = what.get(properties.only, "the active line")
        return f"Animate {chosen}, if it is new or has changed; what is up to date stays as it is"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether there is a sequencer with sound strips and no operator is running."""
        if context.window_manager.mouthpiece.running:
            cls.poll_message_set(jobs.BUSY)
            return False
        there = any(strip.type == "SOUND" for strip in compat.all_strips(compat.sequencer_scene(context)))
        if not there:
            cls.poll_message_set("The sequencer has no sound strip: add the lines, or load a cast table")
        return there

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Animate and wait until it is done: for scripts and background mode."""
        self._ready(context)
        self._wait(context, chain(self._animation.steps(), self._animation.settle(context.scene)))
        return {"FINISHED"}

    @reports_errors
    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Begin in a thread while the user interface stays usable."""
        if bpy.app.background:
            return self.execute(context)
        self._ready(context)
        return self._begin(context, self._animation.steps())

    def _ready(self, context: bpy.types.Context) -> None:
        """Look at the lines, and forget what was said before; raises MouthpieceError if there is nothing to animate."""
        state, scene = context.window_manager.mouthpiece, compat.sequencer_scene(context)
        state.remarks, state.remarks_of, state.kept, state.ends = "", scene_settings.OF_CAST, "", 0
        lines, unspoken = resolved(scene, context.scene)
        names = self._strips(scene)

        def chosen(one: StripLine | Unspoken) -> bool:
            return names is None or one.strip in names

        if not any(map(chosen, lines)):
            raise RigError(_nothing(list(filter(chosen, unspoken)), chosen=names is not None))
        overlap = scene.mouthpiece_cast.overlap
        replace_edited = context.scene.mouthpiece.replace_edited
        self._scene, self._settles = scene.name, False
        self._animation = CastAnimation(
            lines,
            unspoken,
            chosen=chosen,
            wishes=Wishes(replace_edited=replace_edited, ready=True),
            overlap=overlap,
            again=self.again,
            replace_edited=replace_edited,
        )

    def _strips(self, scene: bpy.types.Scene) -> set[str] | None:
        """Return the names of the strips that are meant; None for all."""
        if self.only == "SELECTED":
            return {strip.name for strip in compat.all_strips(scene) if strip.select}
        if self.only == "ACTIVE":
            strips = list(compat.all_strips(scene))
            number = scene.mouthpiece_cast.active_strip
            return {strips[number].name} if 0 <= number < len(strips) else set()
        return None

    def _result(self, context: bpy.types.Context, message: Any) -> None:
        """Write a line that was heard; after the last one, settle what depends on several, between events."""
        if isinstance(message, LineHeard):
            self._animation.write(message)
        elif isinstance(message, AllSettled):
            self._finish(context)
        elif not bpy.app.background:
            self._settle(context)

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Go on at timer events. When stopped, what was made is settled before it ends, between events as well."""
        state = context.window_manager.mouthpiece
        stopped = event.type == "ESC" or state.cancelled
        if stopped and (self._settles or any(one.outcome == "made" for one in self._animation.results)):
            state.cancelled = False
            if not self._settles:
                self._job.cancel()
                self._animation.cancel()
                self._settle(context)
                self.report({"WARNING"}, self._stopped())
            return {"RUNNING_MODAL"}
        return Working.modal(self, context, event)

    def _settle(self, context: bpy.types.Context) -> None:
        """Begin to settle what depends on several lines."""
        self._settles = True
        self._job = Slices(self._animation.settle(context.scene))

    def _left(self, context: bpy.types.Context) -> set[str]:
        """Bring what was animated before the work was stopped into order: it is one undo step."""
        self._animation.cancel()
        made = any(result.outcome == "made" for result in self._animation.results)
        for _ in self._animation.settle(context.scene):
            pass
        self._finish(context)
        return {"FINISHED"} if made else {"CANCELLED"}

    def _stopped(self) -> str:
        """Return what is left when the work was stopped."""
        return "Stopped: lines animated before stay, and can be undone in one step"

    def _failed(self, context: bpy.types.Context, error: BaseException) -> set[str]:
        """Bring what was animated before into order, and raise the error."""
        self._left(context)
        raise error

    def _finish(self, context: bpy.types.Context) -> None:
        """Tell what became of each line."""
        animation = self._animation
        failures = [one for one in animation.results if one.outcome == "failed"]
        _note(bpy.data.scenes.get(self._scene), animation)
        said = [f"{one.line.strip}: {one.reason}" for one in failures] + animation.remarks
        for one in animation.results:
            said += [f"{one.line.strip}: {warning}" for warning in one.warnings]
        for sentence in said:
            self.report({"WARNING"}, as_text(sentence))
        more = len(said) - _MOST_REMARKS
        told = said[:_MOST_REMARKS] + ([f"And {counted(more, 'more remark')}: see the list."] if more > 0 else [])
        context.window_manager.mouthpiece.remarks = as_text("\n".join(told))
        self.report({"INFO"}, animation.summary())
        reports = {one.line.character: one.report for one in animation.results if one.report is not None}
        for name, report in reports.items():
            obj = bpy.data.objects.get(name)
            if obj is not None:
                health.after_bake(obj, context.scene, report.first, report.last)
                previews.changed(obj)
        compat.redraw(context)


def _nothing(unspoken: list[Unspoken], chosen: bool) -> str:
    """Return why there is no line to animate, and what to do."""
    if unspoken:
        return f"No line can be animated. {unspoken[0].strip}: {unspoken[0].reason}"
    if chosen:
        return "No line is chosen. Select sound strips in the sequencer, or choose a line in the list."
    return "The cast has no line. Add sound strips to the sequencer, or load a cast table."


def _note(scene: bpy.types.Scene | None, animation: CastAnimation) -> None:
    """Note with each strip why it could not be animated, for the list."""
    if scene is None:
        return
    strips = {strip.name: strip for strip in compat.all_strips(scene)}
    reasons: dict[str, str] = {}
    for one in animation.results:
        if isinstance(one.line, StripLine) or one.outcome == "failed":
            known = reasons.get(one.line.strip, "")
            reasons[one.line.strip] = known or (one.reason if one.outcome == "failed" else "")
    for name, reason in reasons.items():
        strip = strips.get(name)
        if strip is not None and strip.mouthpiece.failed != reason:
            strip.mouthpiece.failed = reason


register, unregister = register_classes_factory((MOUTHPIECE_OT_animate_cast,))

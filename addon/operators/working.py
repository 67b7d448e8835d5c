"""What operators that work beside the user interface have in common: begin, show, warn, stop, tidy up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bpy

from .. import compat
from ..jobs import Job

#: Seconds between looks at what a worker has sent.
_TICK = 0.1


class Working:
    """Mixed into an operator whose ``modal`` drains a :class:`~..jobs.Job`; ``_what`` is its name in the status bar."""

    _what = "Mouthpiece"
    _job: Job
    report: Any  # the operator's own
    _timer: Any = None

    def cancel(self, context: bpy.types.Context) -> None:
        """Stop the worker and tidy up: on Esc, on the panel's button, when another file is opened."""
        self._job.cancel()
        self._put_away(context)

    def _begin(self, context: bpy.types.Context, steps: Iterator[Any]) -> set[str]:
        """Start the work and look after it with a timer."""
        state = context.window_manager.mouthpiece
        state.running, state.cancelled, state.progress, state.message = True, False, 0.0, "Starting"
        self._job = Job(steps)
        self._timer = context.window_manager.event_timer_add(_TICK, window=context.window)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def _show(self, context: bpy.types.Context, message: Any) -> None:
        """Show progress; report a warning."""
        if not hasattr(message, "fraction"):
            self._warn(context, message.message)
            return
        state = context.window_manager.mouthpiece
        seen = state.message, round(state.progress, 2)
        state.progress, state.message = message.fraction, message.message
        if not bpy.app.background and seen != (message.message, round(message.fraction, 2)):
            compat.set_status(context, f"{self._what}: {message.message} ({message.fraction:.0%})  |  Esc: Cancel")
            compat.redraw(context)

    def _warn(self, context: bpy.types.Context, text: str) -> None:
        """Report a warning, and keep it for the panel."""
        self.report({"WARNING"}, text)
        context.window_manager.mouthpiece.remarks += text + "\n"

    def _put_away(self, context: bpy.types.Context) -> None:
        """Give back the timer, the status bar and the panel."""
        if self._timer is not None:
            context.window_manager.event_timer_remove(self._timer)
            self._timer = None
        context.window_manager.mouthpiece.running = False
        compat.set_status(context, None)
        compat.redraw(context)

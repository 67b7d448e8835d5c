"""Long work off the main thread: a stream of messages, drained by a timer. The worker never touches bpy."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import bpy

from . import compat


@dataclass(frozen=True, slots=True)
class Failed:
    """The work stopped by itself: the exception that stopped it."""

    error: Exception


@dataclass(frozen=True, slots=True)
class Finished:
    """The stream has ended; nothing follows."""


class Job:
    """A generator run by a thread; what it yields is collected with :meth:`messages`."""

    def __init__(self, steps: Iterator[Any]) -> None:
        """Start."""
        self._steps = steps
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mouthpiece", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the worker still runs."""
        return self._thread.is_alive()

    def messages(self) -> Iterator[Any]:
        """Yield what has come since the last call, without waiting; :class:`Failed` or :class:`Finished` comes last."""
        while True:
            try:
                yield self._queue.get_nowait()
            except queue.Empty:
                return

    def cancel(self) -> None:
        """Ask the worker to stop at its next breath; what it still sends may be ignored."""
        self._stop.set()

    def wait(self, seconds: float | None = None) -> None:
        """Wait for the worker to end."""
        self._thread.join(seconds)

    def _run(self) -> None:
        try:
            for message in self._steps:
                if self._stop.is_set():
                    break
                self._queue.put(message)
        except Exception as error:  # raised again, or worded for the artist, on the main thread
            self._queue.put(Failed(error))
        else:
            self._queue.put(Finished())
        finally:
            if isinstance(self._steps, Generator):
                self._steps.close()


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

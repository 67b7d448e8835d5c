"""Long work off the main thread: a stream of messages, looked at by a timer. The worker never touches bpy."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import bpy

from . import compat
from .reports import reports_errors

if TYPE_CHECKING:
    from mouthpiece.pipeline import Progress


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
        """Ask the worker to stop at the next message it yields; what it still sends may be ignored."""
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


def drain(
    steps: Iterable[Any],
    progress: Callable[[Progress], None],
    warned: Callable[[str], None],
    result: Callable[[Any], None],
) -> None:
    """Run steps to their end in this thread: progress, texts of warnings and all other messages go to three functions.

    What a step raises goes on to the caller.
    """
    for message in steps:
        deliver(message, progress, warned, result)


def deliver(
    message: Any, progress: Callable[[Progress], None], warned: Callable[[str], None], result: Callable[[Any], None]
) -> None:
    """Hand one message of a stream of steps to whoever is there for its kind."""
    from mouthpiece.pipeline import Progress, Warned  # heavy, and loaded by then: steps have sent it

    if isinstance(message, Progress):
        progress(message)
    elif isinstance(message, Warned):
        warned(message.message)
    else:
        result(message)


#: Seconds between looks at what a worker has sent.
_TICK: Final = 0.1


class Working:
    """Mixed into an operator that works beside the user interface, or waits for its work in scripts and background.

    The operator calls :meth:`_wait` from ``execute`` and :meth:`_begin` from ``invoke``, and says in :meth:`_result`
    what becomes of messages that are neither progress nor warnings. Its ``_what`` is its name in the status bar,
    ``_last`` the type of the message that ends the work.
    """

    _what: ClassVar[str] = "Mouthpiece"
    _last: type
    _job: Job
    report: Any  # the operator's own
    _timer: Any = None

    def cancel(self, context: bpy.types.Context) -> None:
        """Stop the worker and tidy up: on Esc, on the panel's button, when another file is opened."""
        self._job.cancel()
        self._put_away(context)

    @reports_errors
    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Look at what the worker has sent; Esc stops it."""
        if event.type == "ESC" or context.window_manager.mouthpiece.cancelled:
            self.cancel(context)
            self.report({"WARNING"}, self._stopped())
            return {"CANCELLED"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        for message in self._job.messages():
            if isinstance(message, (Failed, self._last)):
                self._put_away(context)
            if isinstance(message, Failed):
                return self._failed(context, message.error)
            if not isinstance(message, Finished):
                deliver(message, *self._receivers(context))
            if isinstance(message, self._last):
                return {"FINISHED"}
        return {"RUNNING_MODAL"}

    def _stopped(self) -> str:
        """Return what to say when the work was stopped."""
        return "Stopped: nothing was keyed"

    def _failed(self, context: bpy.types.Context, error: Exception) -> set[str]:
        """Deal with what stopped the work: raise it, unless the operator knows better; return how it ended."""
        raise error

    def _result(self, context: bpy.types.Context, message: Any) -> None:
        """Deal with a message that is neither progress nor a warning."""
        raise NotImplementedError

    def _wait(self, context: bpy.types.Context, steps: Iterable[Any]) -> None:
        """Do the work in this thread and wait for it."""
        try:
            drain(steps, *self._receivers(context))
        finally:
            compat.set_status(context, None)

    def _receivers(self, context: bpy.types.Context) -> tuple[Callable[[Any], None], ...]:
        """Return the functions for progress, warnings and other messages that :func:`deliver` wants."""
        return (
            lambda progress: self._show(context, progress),
            lambda text: self._warn(context, text),
            lambda result: self._result(context, result),
        )

    def _begin(self, context: bpy.types.Context, steps: Iterator[Any]) -> set[str]:
        """Start the work and look after it with a timer."""
        state = context.window_manager.mouthpiece
        state.running, state.cancelled, state.progress, state.message = True, False, 0.0, "Starting"
        self._job = Job(steps)
        self._timer = context.window_manager.event_timer_add(_TICK, window=context.window)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def _show(self, context: bpy.types.Context, message: Progress) -> None:
        """Show progress in the panel and the status bar."""
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

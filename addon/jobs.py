"""Runs long work in a thread and passes its messages to an operator by a timer. The thread never uses bpy."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import bpy
from mouthpiece.errors import MouthpieceError
from mouthpiece.phrases import as_text

from . import compat
from .reports import reports_errors

if TYPE_CHECKING:
    from mouthpiece.pipeline import Progress


#: Why a button that begins work is grey while other work runs.
BUSY: Final = "Mouthpiece is at work already: wait until it is done, or cancel it"


@dataclass(frozen=True, slots=True)
class Failed:
    """The last message of work that an exception ended."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class Finished:
    """The last message of work that ended normally."""


class Job:
    """Runs a generator in a thread; :meth:`messages` returns what it has yielded."""

    def __init__(self, steps: Iterator[Any]) -> None:
        """Start the thread."""
        self._steps = steps
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mouthpiece", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread is still running."""
        return self._thread.is_alive()

    def messages(self) -> Iterator[Any]:
        """Yield the messages since the last call, without waiting; the last is :class:`Failed` or :class:`Finished`."""
        while True:
            try:
                yield self._queue.get_nowait()
            except queue.Empty:
                return

    def cancel(self) -> None:
        """Make the thread stop at the next message its generator yields."""
        self._stop.set()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the thread has ended, or for at most that many seconds."""
        self._thread.join(seconds)

    def _run(self) -> None:
        """Run the generator in the thread and queue what it yields."""
        try:
            for message in self._steps:
                if self._stop.is_set():
                    break
                self._queue.put(message)
        except BaseException as error:  # the main thread raises it again, or reports it to the user
            self._queue.put(Failed(error))
        else:
            self._queue.put(Finished())
        finally:
            if isinstance(self._steps, Generator):
                self._steps.close()


class Slices:
    """Runs a generator that uses Blender's data in the main thread, a step at each call of :meth:`messages`."""

    def __init__(self, steps: Iterator[Any]) -> None:
        """Note the generator; nothing runs yet."""
        self._steps = steps

    def messages(self) -> Iterator[Any]:
        """Yield what the next step yields, or :class:`Finished`; what it raises is raised here."""
        yield next(self._steps, Finished())

    def cancel(self) -> None:
        """End the generator."""
        if isinstance(self._steps, Generator):
            self._steps.close()


def drain(
    steps: Iterable[Any],
    progress: Callable[[Progress], None],
    warned: Callable[[str], None],
    result: Callable[[Any], None],
) -> None:
    """Run steps to their end in this thread, and pass each message on as :func:`deliver` does.

    Exceptions of a step are not caught.
    """
    for message in steps:
        deliver(message, progress, warned, result)


def deliver(
    message: Any, progress: Callable[[Progress], None], warned: Callable[[str], None], result: Callable[[Any], None]
) -> None:
    """Call ``progress`` with a progress message, ``warned`` with the text of a warning, ``result`` with any other."""
    from mouthpiece.pipeline import Progress, Warned  # slow to import, but the steps have imported it by now

    if isinstance(message, Progress):
        progress(message)
    elif isinstance(message, Warned):
        warned(message.message)
    else:
        result(message)


#: Seconds between two timer events at which messages are handled.
_TICK: Final = 0.1


def draw_progress(layout: Any, context: bpy.types.Context) -> None:
    """Draw how far the running work is, and the button that cancels it."""
    state = context.window_manager.mouthpiece
    row = layout.row(align=True)
    row.progress(factor=state.progress, text=f"{state.message} {state.progress:.0%}")
    row.operator("mouthpiece.cancel", text="", icon="X")


def is_doing(context: bpy.types.Context, operator: type) -> bool:
    """Return whether an operator of that class is at work."""
    state: Any = context.window_manager.mouthpiece
    return bool(state.running and state.doing == operator.__name__)


class Working:
    """Mixin for operators that do long work while the user interface stays usable.

    The operator calls :meth:`_wait` from ``execute`` (scripts and background mode) and :meth:`_begin` from ``invoke``,
    and overrides :meth:`_result`. ``_what`` is its name in the status bar, ``_last`` the type of the message that ends
    the work, ``_slow`` the types of messages that take so long to handle that the interface gets a turn after each.
    Work that uses Blender's data says that it cannot be done ``_in_thread``: it is done between events then.
    """

    _what: ClassVar[str] = "Mouthpiece"
    _slow: ClassVar[tuple[type, ...]] = ()
    _last: type
    _in_thread: ClassVar[bool] = True
    _job: Job | Slices
    report: Any  # the operator's own
    _timer: Any = None

    def cancel(self, context: bpy.types.Context) -> None:
        """Stop the work; Blender calls this too, when another file is opened while the operator runs."""
        self._job.cancel()
        self._put_away(context)

    @reports_errors
    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Handle new messages at timer events; stop on Esc or when the panel's button was pressed."""
        if event.type == "ESC" or context.window_manager.mouthpiece.cancelled:
            self.cancel(context)
            ended = self._left(context)
            self.report({"WARNING"}, self._stopped())
            return ended
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        try:
            return self._handle(context)
        except BaseException as error:
            self._job.cancel()
            self._put_away(context)  # whatever went wrong, the next work can begin
            if isinstance(error, MouthpieceError):  # its message goes with the next click, and the panel keeps it
                context.window_manager.mouthpiece.remarks = str(error)
            raise

    def _handle(self, context: bpy.types.Context) -> set[str]:
        """Handle the messages that have come, and return what ``modal`` is to return."""
        for message in self._job.messages():
            if isinstance(message, (Failed, Finished, self._last)):
                self._put_away(context)
            if isinstance(message, Failed):
                return self._failed(context, message.error)
            if isinstance(message, Finished):
                return {"CANCELLED"}
            deliver(message, *self._receivers(context))
            if isinstance(message, self._last):
                return {"FINISHED"}
            if isinstance(message, self._slow):
                break
        return {"RUNNING_MODAL"}

    def _left(self, _context: bpy.types.Context) -> set[str]:
        """Deal with what was done before the work was stopped; return how it ended, FINISHED for an undo step."""
        return {"CANCELLED"}

    def _stopped(self) -> str:
        """Return the warning to report when the work was stopped."""
        return "Stopped: nothing was keyed"

    def _failed(self, context: bpy.types.Context, error: BaseException) -> set[str]:
        """Deal with what stopped the work: raise it, unless the operator knows better; return how it ended."""
        raise error

    def _result(self, context: bpy.types.Context, message: Any) -> None:
        """Handle a message that is neither progress nor a warning."""
        raise NotImplementedError

    def _wait(self, context: bpy.types.Context, steps: Iterable[Any]) -> None:
        """Do the work in this thread, which blocks the user interface."""
        try:
            drain(steps, *self._receivers(context))
        finally:
            compat.set_status(context, None)

    def _receivers(self, context: bpy.types.Context) -> tuple[Callable[[Any], None], ...]:
        """Return the functions for progress, warnings and other messages that :func:`deliver` takes."""
        return (
            lambda progress: self._show(context, progress),
            lambda text: self._warn(context, text),
            lambda result: self._result(context, result),
        )

    def _begin(self, context: bpy.types.Context, steps: Iterator[Any]) -> set[str]:
        """Start the work in a thread, and a timer whose events reach :meth:`modal`."""
        state = context.window_manager.mouthpiece
        state.running, state.cancelled, state.progress, state.message = True, False, 0.0, "Starting"
        state.doing = type(self).__name__
        self._job = Job(steps) if self._in_thread else Slices(steps)
        self._timer = context.window_manager.event_timer_add(_TICK, window=context.window)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def _show(self, context: bpy.types.Context, message: Progress) -> None:
        """Show progress in the panel and the status bar, if it has changed visibly."""
        state = context.window_manager.mouthpiece
        seen = state.message, round(state.progress, 2)
        state.progress, state.message = message.fraction, message.message
        if not bpy.app.background and seen != (message.message, round(message.fraction, 2)):
            compat.set_status(context, f"{self._what}: {message.message} ({message.fraction:.0%})  |  Esc: Cancel")
            compat.redraw(context)

    def _warn(self, context: bpy.types.Context, text: str) -> None:
        """Report a warning, and add it to the remarks that the panel shows."""
        text = as_text(text)
        self.report({"WARNING"}, text)
        context.window_manager.mouthpiece.remarks += text + "\n"

    def _put_away(self, context: bpy.types.Context) -> None:
        """Remove the timer, clear the status bar and enable the panel again."""
        if self._timer is not None:
            context.window_manager.event_timer_remove(self._timer)
            self._timer = None
        context.window_manager.mouthpiece.running = False
        compat.set_status(context, None)
        compat.redraw(context)

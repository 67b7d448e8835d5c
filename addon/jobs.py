"""Long work off the main thread: a stream of messages, drained by a timer. The worker never touches bpy."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any


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

"""Runs pieces of work in several threads and hands their results over in one order, whoever is ready first."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

#: Seconds after which a waiting thread looks whether it is to stop.
_MOMENT: Final = 0.05
#: How many groups each thread may be ahead of what was handed over.
_AHEAD: Final = 2


class SideBySide:
    """Pieces of work, known by number, in groups whose pieces one thread does one after another.

    ``work`` yields any number of messages about a piece, and its result last. A group begins when that of its first
    piece is soon wanted, so that few results wait in memory.
    """

    def __init__(
        self, work: Callable[[int], Iterator[Any]], groups: Sequence[Sequence[int]], numbers: Sequence[int]
    ) -> None:
        """Begin with nothing done; ``numbers`` are the pieces in the order in which their results are wanted."""
        self._work, self._groups, self._numbers = work, groups, numbers
        self._stop = threading.Event()
        self._results: dict[int, Future[Any]] = {number: Future() for number in numbers}
        self._latest: dict[int, Any] = {}

    def results(self, jobs: int) -> Iterator[tuple[int, Any]]:
        """Yield number and message, of each piece the result last, done by ``jobs`` threads; closing it stops them.

        While a result is waited for, the latest message about that piece is yielded from time to time.
        """
        room = threading.Semaphore(_AHEAD * jobs)
        begins = {group[0] for group in self._groups}
        with ThreadPoolExecutor(jobs, thread_name_prefix="mouthpiece") as pool:
            try:
                for group in self._groups:
                    pool.submit(self._do, group, room)
                for number in self._numbers:
                    while not self._results[number].done():
                        self._stop.wait(_MOMENT)
                        if number in self._latest and not self._results[number].done():
                            yield number, self._latest[number]
                    yield number, self._results[number].result()
                    if number in begins:
                        room.release()
            finally:
                self._stop.set()

    def _do(self, group: Sequence[int], room: threading.Semaphore) -> None:
        while not room.acquire(timeout=_MOMENT):
            if self._stop.is_set():
                return
        for number in group:
            try:
                self._do_one(number)
            except BaseException as error:
                self._results[number].set_exception(error)

    def _do_one(self, number: int) -> None:
        last: Any = None
        for last in self._work(number):
            if self._stop.is_set():
                return
            self._latest[number] = last
        self._results[number].set_result(last)

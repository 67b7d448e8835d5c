"""What was inferred last, kept in memory: pieces of one sound, and a sound animated again, need no network."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

from .chapters import Chapter

#: Bytes kept at most: about forty minutes of motion.
LIMIT: Final = 64 << 20


class RecentTakes:
    """Pieces by what they were made of, up to so many bytes; the one unused for longest is given up first."""

    def __init__(self, limit: int = LIMIT) -> None:
        """Keep ``limit`` bytes at most."""
        self._limit = limit
        self._pieces: OrderedDict[Hashable, Chapter] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Chapter | None:
        """Return the piece kept under ``key``, if any."""
        with self._lock:
            if key in self._pieces:
                self._pieces.move_to_end(key)
            return self._pieces.get(key)

    def put(self, key: Hashable, piece: Chapter) -> None:
        """Keep ``piece`` under ``key``; it is not kept if it alone is larger than the limit."""
        with self._lock:
            self._pieces[key] = piece
            self._pieces.move_to_end(key)
            while sum(one.size for one in self._pieces.values()) > self._limit:
                self._pieces.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._pieces.clear()

    @property
    def size(self) -> int:
        """Bytes in use."""
        with self._lock:
            return sum(piece.size for piece in self._pieces.values())


#: Those of this session.
recent: Final = RecentTakes()

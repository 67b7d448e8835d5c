"""A file seen without some of its bytes, or with others in their place; nothing is copied."""

from __future__ import annotations

import io
import os
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class ByteSpan:
    """Bytes ``start`` to ``stop`` (excluded) of a file."""

    start: int
    stop: int

    def __len__(self) -> int:
        """Return the number of bytes."""
        return self.stop - self.start


class Splice(io.RawIOBase):
    """Pieces, each of them bytes or a span of the file at ``path``, to be read as one file.

    Bytes that the file has no longer read as its end. :attr:`fault` is the error of the operating system at which
    reading ended, as decoders in C pass none on.
    """

    def __init__(self, path: Path, pieces: Sequence[bytes | ByteSpan]) -> None:
        """Open ``path``; raises OSError if that fails."""
        super().__init__()
        self._file = open(path, "rb", buffering=0)  # closed with this one
        self._pieces = [piece for piece in pieces if len(piece)]
        self._starts = [0]
        for piece in self._pieces:
            self._starts.append(self._starts[-1] + len(piece))
        self._at = 0
        self.fault: OSError | None = None

    def __len__(self) -> int:
        """Return the number of bytes."""
        return self._starts[-1]

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the present position."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position and return it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: len(self)}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` as far as there are bytes and return how many there were."""
        view = memoryview(buffer).cast("B")
        done = 0
        while done < len(view) and self._at < len(self):
            number = bisect_right(self._starts, self._at) - 1
            piece, inside = self._pieces[number], self._at - self._starts[number]
            count = min(len(view) - done, len(piece) - inside)
            if isinstance(piece, bytes):
                view[done : done + count] = piece[inside : inside + count]
            else:
                try:
                    self._file.seek(piece.start + inside)
                    count = self._file.readinto(view[done : done + count]) or 0
                except OSError as error:
                    self.fault, count = error, 0
                if not count:
                    break
            done += count
            self._at += count
        return done

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._file.close()
        super().close()

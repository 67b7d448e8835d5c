"""Writing files whole: a program that is stopped leaves the old file or the new one, never half of one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of ``path``; the file written there becomes ``path`` when the block ends.

    If the block raises, the temporary file is deleted and ``path`` stays as it was.
    """
    part = path.with_name(path.name + ".part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes | str) -> None:
    """Write ``content`` (text as UTF-8) to ``path``, replacing what was there only once all of it is written."""
    with replacing(path) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` to ``path`` as indented JSON."""
    write_whole(path, json.dumps(value, indent=1) + "\n")

"""JSON files, written whole: a program that is stopped leaves the old file or the new one, never half of one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mouthpiece.files.writer import write_whole


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` to ``path`` as indented JSON."""
    write_whole(path, json.dumps(value, indent=1) + "\n")

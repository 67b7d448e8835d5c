"""JSON files, written whole: a program that is stopped leaves the old file or the new one, never half of one."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mouthpiece.files.writer import write_whole


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` to ``path`` as indented JSON; figures that are not finite are null."""
    write_whole(path, json.dumps(_finite(value), indent=1, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    """Return JSON values with null in place of numbers that are not finite, which JSON does not have."""
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

"""Reads the tables that come with Mouthpiece; a damaged one is told with what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..errors import ModelError, UnreadableError
from .arrays import opened_arrays
from .json_text import read_json


def shipped_json(path: Path) -> Any:
    """Return what a JSON file of the package holds.

    Raises
    ------
    ModelError
        If it is missing or damaged.
    """
    try:
        return read_json(path)
    except UnreadableError as error:
        raise damaged(path, error) from error


def shipped_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return all arrays, of numbers and texts, in an ``.npz`` file of the package, by name.

    Raises
    ------
    ModelError
        If it is missing or damaged.
    """
    try:
        with opened_arrays(path) as stored:
            return {name: stored.array(name, None, "fiubU") for name in stored.names}
    except UnreadableError as error:
        raise damaged(path, error) from error


def damaged(path: Path, why: object) -> ModelError:
    """Return the error to raise for a file of the package that is not as it was shipped."""
    return ModelError(f"'{path.name}' is missing or damaged ({why}). Install Mouthpiece again.")

"""Checks the output paths of the command line, and saves the scene."""

from __future__ import annotations

import os
from pathlib import Path

import bpy
from mouthpiece.errors import TakeError


def check(path: Path, force: bool) -> None:
    """Raise TakeError if a file exists at ``path`` (unless ``force``) or cannot be written there."""
    full = path.absolute()
    if full.is_dir():
        raise TakeError(f"'{full}' is a folder. Name a file in it.")
    if full.exists() and not force:
        raise TakeError(f"'{full}' exists. Choose another place, or replace it with --force.")
    folder = full.parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise TakeError(f"'{full}' cannot be written: '{folder}' is not a folder you may write to.")


def save(path: Path) -> Path:
    """Save the open scene as ``path`` and return the full path; the file that was opened is not changed.

    Blender adapts relative paths in the scene. Raises TakeError if saving fails.
    """
    full = path.absolute()
    if full.suffix.lower() != ".blend":
        full = full.with_name(full.name + ".blend")
    try:
        full.parent.mkdir(parents=True, exist_ok=True)
        bpy.ops.wm.save_as_mainfile(filepath=str(full), copy=True, check_existing=False)
    except (OSError, RuntimeError) as error:
        raise TakeError(f"The scene cannot be saved as '{full}': {error}. Choose another place.") from error
    return full

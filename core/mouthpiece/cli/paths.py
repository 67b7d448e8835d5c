"""Paths that are given on a command line."""

from __future__ import annotations

import argparse
from pathlib import Path


def named_path(text: str) -> Path:
    """Return the path that an argument's text names.

    Raises
    ------
    argparse.ArgumentTypeError
        If the text is empty, as that of a shell's variable that was never set: it would mean the working folder.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError("a path is needed, and it is empty")
    return Path(text)

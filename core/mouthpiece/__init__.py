"""Turns recorded speech into an editable facial performance.

Public names are loaded when they are first used, so that importing the package is fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .audio import Audio, SoundFile, load
    from .curves import Curves, FrameGrid
    from .errors import AudioError, ModelError, MouthpieceError, RigError, TakeError
    from .performance import Performance
    from .pipeline import Options, Progress, Warned, animate, steps

_HOME = {
    "Audio": "audio",
    "SoundFile": "audio",
    "load": "audio",
    "Curves": "curves",
    "FrameGrid": "curves",
    "AudioError": "errors",
    "ModelError": "errors",
    "MouthpieceError": "errors",
    "RigError": "errors",
    "TakeError": "errors",
    "Performance": "performance",
    "Options": "pipeline",
    "Progress": "pipeline",
    "Warned": "pipeline",
    "animate": "pipeline",
    "steps": "pipeline",
}

__all__ = [
    "Audio",
    "AudioError",
    "Curves",
    "FrameGrid",
    "ModelError",
    "MouthpieceError",
    "Options",
    "Performance",
    "Progress",
    "RigError",
    "SoundFile",
    "TakeError",
    "Warned",
    "__version__",
    "animate",
    "load",
    "steps",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _version() -> str:
    """Return the version: that of the checkout this runs from, else that of the installed package."""
    import re  # these three are only needed here: importing the package stays fast without them
    from importlib import metadata
    from pathlib import Path

    manifest = Path(__file__).resolve().parents[2] / "blender_manifest.toml"
    if manifest.is_file() and manifest.parent.joinpath("core", "mouthpiece").is_dir():
        found = re.search(r'^version = "([^"]+)"', manifest.read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            return found[1]
    return metadata.version("mouthpiece")

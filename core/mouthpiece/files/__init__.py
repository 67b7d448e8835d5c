"""Files: how they are read, with limits, and written, whole or not at all; what is read is never written over."""

from __future__ import annotations

from pathlib import Path
from typing import Final

#: Folder of the networks with their sidecars, the tables and the rig families that come with the package.
ASSETS: Final = Path(__file__).resolve().parents[1] / "assets"

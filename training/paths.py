"""Where files lie in a checkout of the repository, and in the folder ``shared`` beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

TRAINING: Final = Path(__file__).resolve().parent
ROOT: Final = TRAINING.parent
#: Settings of runs, weights that runs can begin with, and the tracker's network.
CONFIGS: Final = TRAINING / "configs"
CHECKPOINTS: Final = TRAINING / "checkpoints"
TRACKER_ASSETS: Final = TRAINING / "pack" / "assets"
#: What the core ships; networks and tables made here go there.
CORE_ASSETS: Final = ROOT / "core" / "mouthpiece" / "assets"
DOCS: Final = ROOT / "docs"
DEMO_HEAD: Final = ROOT / "addon" / "assets" / "demo_head.npz"
DEMO_LINE: Final = DEMO_HEAD.with_name("demo_line.flac")
ASTRONAUT: Final = ROOT / "demo" / "samples" / "astronaut.jpg"
#: The training pack and published networks, neither of which is in the repository. Programs take others by option.
PACK: Final = ROOT.parent / "shared" / "data"
PUBLISHED_MODELS: Final = ROOT.parent / "shared" / "models"

"""Runs the command line: ``python -m mouthpiece``."""

import sys

from .cli.parser import run

if __name__ == "__main__":
    sys.exit(run())

"""The command ``inspect``: what is in a take, in words, figures and curves."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .errors import MouthpieceError


def add_inspect_command(commands: Any) -> argparse.ArgumentParser:
    """Add ``inspect`` to ``parser.add_subparsers()`` and return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "inspect",
        help="what is in a take",
        description="Show a take's length, speech, lips, blinks, head and provenance.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("take", type=Path, metavar="TAKE", help="a .npz written by animate")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="draw the curves into a picture")
    parser.set_defaults(command=run_inspect)
    return parser


def run_inspect(options: argparse.Namespace) -> int:
    """Show what is in a take. Return 0, or 1 if it cannot be read."""
    from .cli import DONE, FAILED, reporter
    from .inspection import describe, plot, summarise
    from .performance import Performance

    teller = reporter(options)
    try:
        take = Performance.load(options.take)
        text, facts = describe(take), summarise(take)
        if options.plot is not None:
            facts["plot"] = str(plot(take, options.plot))
            text += f"\npicture    {facts['plot']}"
    except MouthpieceError as error:
        teller.error(str(options.take), str(error))
        return FAILED
    teller.result(facts, text)
    return DONE

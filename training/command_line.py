"""What the programs of training share: a parser that shows the module's docstring, and exit codes."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable

from mouthpiece.errors import MouthpieceError

log = logging.getLogger(__name__)


def parser_of(module: str, text: str | None) -> argparse.ArgumentParser:
    """Return the parser of ``python -m MODULE`` whose help shows ``text`` as it is written."""
    return argparse.ArgumentParser(
        prog=f"python -m {module}", description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def exit_code(work: Callable[[], int | None], failure: str, interrupted: str = "interrupted") -> int:
    """Do ``work`` with messages on standard error, and return the program's exit code.

    That is what ``work`` returns (0 for None), 1 with ``failure`` and the reason if it raised an error about its
    input, 130 with ``interrupted`` if the user stopped it.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        return work() or 0
    except KeyboardInterrupt:
        log.error("%s", interrupted)
        return 130
    except (OSError, ValueError, MouthpieceError) as error:
        log.error("%s: %s", failure, error)
        return 1

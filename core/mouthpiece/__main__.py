"""Runs the command line: ``python -m mouthpiece``, and the program ``mouthpiece``."""

import os
import signal
import sys
from types import FrameType


def main() -> int:
    """Run the command line and return its exit code, whenever Ctrl-C is pressed: while modules are loaded as well."""
    try:
        raises = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if raises:  # nothing is begun yet, and modules that are being loaded may swallow an exception
            signal.signal(signal.SIGINT, _leave)
        from .cli.parser import run

        if raises:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        code = run()
    except KeyboardInterrupt:
        code = 130
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is over: nothing is left to be stopped
    return code


def _leave(number: int, frame: FrameType | None) -> None:
    """End at once with the exit code of Ctrl-C."""
    os._exit(130)


if __name__ == "__main__":
    sys.exit(main())

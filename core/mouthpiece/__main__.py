"""Runs the command line: ``python -m mouthpiece``, and the program ``mouthpiece``."""

import signal
import sys


def main() -> int:
    """Run the command line and return its exit code, whenever Ctrl-C is pressed: while modules are loaded as well."""
    try:
        from .cli.parser import run

        code = run()
    except KeyboardInterrupt:
        code = 130
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is over: nothing is left to be stopped
    return code


if __name__ == "__main__":
    sys.exit(main())

"""What `build.py` does its work with: processes, environments, the extension's zips, the rings of tests."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  # whoever runs an older one should read why, not a traceback
    raise SystemExit("build.py needs Python 3.11 or newer.")

"""Other projects' wheels, without what nobody needs at run time: a zip has to stay small."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
import zipfile
from pathlib import Path

#: Package, as its wheel's name begins -> what of it is left out: tests, what only compilers and debuggers read, and a
#: library's copies under other names (espeakng-loader loads the one without a number).
LEFT_OUT = {
    "scipy": re.compile(r"scipy/(.+/)?tests/.*"),
    "c2pa_python": re.compile(r"c2pa/libs/[^/]+\.(rlib|lib|pdb|d)|c2pa/build\.py|[^/]+\.dist-info/entry_points\.txt"),
    "espeakng_loader": re.compile(r"espeakng_loader/libespeak-ng\.(so\.[\d.]+|[\d.]+\.dylib)"),
}


def slimmed(wheel: Path, folder: Path) -> Path:
    """Return the wheel without what :data:`LEFT_OUT` names, written to `folder`; as it is if nothing is left out.

    Its list of contents is brought up to date; everything that stays is as it was, to the byte.
    """
    pattern = LEFT_OUT.get(wheel.name.split("-")[0])
    if pattern is None:
        return wheel
    target = folder / wheel.name
    if target.is_file():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(target.name + ".part")
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out:
        record = next(name for name in source.namelist() if re.fullmatch(r"[^/]+\.dist-info/RECORD", name))
        kept = [item for item in source.infolist() if not pattern.fullmatch(item.filename) and item.filename != record]
        rows = io.StringIO()
        table = csv.writer(rows, lineterminator="\n")
        for item in kept:
            content = source.read(item)
            out.writestr(item, content, zipfile.ZIP_DEFLATED)
            if not item.is_dir():
                digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
                table.writerow([item.filename, f"sha256={digest}", len(content)])
        table.writerow([record, "", ""])
        out.writestr(record, rows.getvalue())
    beside.replace(target)
    return target

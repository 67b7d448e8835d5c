"""Text files of others, in whatever encoding they come."""

from __future__ import annotations

import codecs
from typing import Final

from ..errors import UnreadableError

#: Byte order marks, and the encoding of what follows them.
_MARKS: Final = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
#: Bytes at the beginning by which UTF-16 without a mark is told: letters are every other one.
_LOOKED_AT: Final = 200


def decoded(data: bytes) -> tuple[str, str]:
    """Return the text of a file with line feeds at line ends, and a remark if its encoding had to be guessed.

    UTF-8 and UTF-16 are read with and without a byte order mark; what is neither is taken for Windows-1252.

    Raises
    ------
    UnreadableError
        If it is no text in any of them.
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "")
    remark = ""
    if not encoding:
        head = data[:_LOOKED_AT]
        evens, odds = head[::2].count(0), head[1::2].count(0)
        wide = len(head) // 4
        encoding = "utf-16-le" if odds > wide >= evens else "utf-16-be" if evens > wide >= odds else "utf-8"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        if encoding != "utf-8" or data.startswith(codecs.BOM_UTF8):
            raise UnreadableError(f"it is not the {encoding.upper()} that it begins as") from None
        try:
            text = data.decode("cp1252")
        except UnicodeDecodeError:
            raise UnreadableError("it is neither UTF-8, UTF-16 nor Windows-1252") from None
        remark = "It is not UTF-8 and was read as Windows-1252: save it as UTF-8 if names look wrong."
    if "\0" in text:
        raise UnreadableError("it holds zero characters, which no text has")
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n"), remark

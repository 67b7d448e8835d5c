"""Reads JSON that anybody may have written: bounded in size and depth, with numbers that can be computed with."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from ..errors import UnreadableError
from .regular_files import read_file, too_large

#: Largest text, in bytes of UTF-8, unless a caller says otherwise.
LARGEST: Final = 16 << 20
#: Most lists and objects inside each other. What Mouthpiece writes has fewer than ten.
DEEPEST: Final = 64
#: Whole numbers lie between this and its negative: others fit into no array and no property.
WHOLE: Final = 1 << 63
#: Longest piece of a value that is quoted in a message.
_QUOTED: Final = 40


def read_json(path: str | os.PathLike[str], most: int = LARGEST, lacking: bool = False) -> Any:
    """Return what the JSON file ``path`` of at most ``most`` bytes holds; see :func:`parsed_json`.

    Raises
    ------
    UnreadableError
        If the file cannot be read, or what :func:`parsed_json` raises.
    """
    return parsed_json(read_file(path, most), most, lacking=lacking)


def parsed_json(text: object, most: int = LARGEST, whole: int = WHOLE, lacking: bool = False) -> Any:
    """Return the value of JSON in text or UTF-8 bytes, with or without a byte order mark.

    All numbers in it are finite, whole ones are within ``whole``, and all texts can be written as UTF-8 again.

    Parameters
    ----------
    text
        Text or bytes. Anything else, such as a custom property that another program set to a number, is no JSON.
    most
        The size, in bytes of UTF-8, above which it is refused unread.
    whole
        Whole numbers lie below this and not below its negative.
    lacking
        Whether ``NaN`` and ``Infinity``, which Python writes and JSON does not have, are read as null: figures that
        were not to be had. Otherwise they are refused.

    Raises
    ------
    UnreadableError
        If it is something else, too large, nested too deep, or holds such numbers or texts. The error's text is a
        clause ("it is nested more than 64 deep"): whoever catches it says what it is about and what to do.
    """
    if not isinstance(text, str | bytes):
        raise UnreadableError("it is no text")
    if len(text) > most:
        raise UnreadableError(too_large(most))
    try:
        plain = text.decode("utf-8") if isinstance(text, bytes) else text
        if isinstance(text, str) and len(text.encode("utf-8")) > most:
            raise UnreadableError(too_large(most))
    except UnicodeError as error:
        raise UnreadableError("it is not text in UTF-8") from error
    try:
        value = json.loads(plain.removeprefix("\ufeff"), parse_constant=_none if lacking else _refused)
    except RecursionError as error:
        raise UnreadableError(_TOO_DEEP) from error
    except json.JSONDecodeError as error:
        raise UnreadableError(f"it is not JSON: {error.msg}, line {error.lineno}, column {error.colno}") from error
    except ValueError as error:  # a number of thousands of digits
        raise UnreadableError(_OUT_OF_BOUNDS) from error
    # text in UTF-8 can hold what cannot be written only as an escape
    _check(value, "\\u" in plain, whole)
    return value


_OUT_OF_BOUNDS: Final = "it holds a number that is out of all bounds"
_TOO_DEEP: Final = f"it is nested more than {DEEPEST} deep"


def _none(_word: str) -> None:
    return None


def _refused(word: str) -> NoReturn:
    raise UnreadableError(f"it holds {word}, which is no number")


def _check(value: Any, escaped: bool, whole: int) -> None:
    """Check depth and numbers of a parsed value, and its texts if any character is ``escaped``."""
    level: list[Any] = [value]
    for _ in range(DEEPEST):
        deeper: list[Any] = []
        for one in level:
            kind = type(one)
            if kind is dict:
                deeper += one.values()
                if escaped:
                    deeper += one.keys()
            elif kind is list:
                deeper += one
            elif kind is float or kind is int:
                _check_number(one, whole)
            elif escaped and kind is str:
                _check_text(one)
        if not deeper:
            return
        level = deeper
    raise UnreadableError(_TOO_DEEP)


def _check_number(value: float, whole: int) -> None:
    """Check that a number is finite, and within ``whole`` if it is whole."""
    if not (-whole <= value < whole if isinstance(value, int) else math.isfinite(value)):
        raise UnreadableError(_OUT_OF_BOUNDS)


def _check_text(text: str) -> None:
    """Check that a text can be written to files and be a name: no half of a character, no zero character."""
    if "\0" in text or text.encode("utf-8", "replace") != text.encode("utf-8", "surrogatepass"):
        raise UnreadableError("a text in it holds characters that no text has")


def row_of(value: object, what: str = "it") -> Mapping[str, Any]:
    """Return ``value`` if it is a JSON object; raise UnreadableError otherwise, which calls it ``what``."""
    if not isinstance(value, dict):
        raise UnreadableError(f"{what} is {quoted(value)}, not an object with names")
    return value


def rows_of(value: object, what: str = "it") -> list[Any]:
    """Return ``value`` if it is a JSON list; raise UnreadableError otherwise, which calls it ``what``."""
    if not isinstance(value, list):
        raise UnreadableError(f"{what} is {quoted(value)}, not a list")
    return value


def number_in(row: Mapping[str, Any], name: str, low: float = -math.inf, high: float = math.inf) -> float:
    """Return the number ``name`` of a JSON object; raise UnreadableError if it is missing or not in ``low…high``."""
    value = _in(row, name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        bounds = "" if math.isinf(high) else f" from {low:g} to {high:g}"
        raise UnreadableError(f"'{name}' is {quoted(value)}, not a number{bounds}")
    return float(value)


def whole_in(row: Mapping[str, Any], name: str, low: int = -WHOLE, high: int = WHOLE - 1) -> int:
    """Return the whole number ``name`` of a JSON object; raise UnreadableError as :func:`number_in` does."""
    value = _in(row, name)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise UnreadableError(f"'{name}' is {quoted(value)}, not a whole number that can be meant")
    return value


def text_in(row: Mapping[str, Any], name: str) -> str:
    """Return the text ``name`` of a JSON object; raise UnreadableError if it is missing or no text."""
    value = _in(row, name)
    if not isinstance(value, str):
        raise UnreadableError(f"'{name}' is {quoted(value)}, not a text")
    return value


def _in(row: Mapping[str, Any], name: str) -> Any:
    if name not in row:
        raise UnreadableError(f"it lacks '{name}'")
    return row[name]


def quoted(value: object) -> str:
    """Return a value for a message, shortened: a list or an object by its kind alone."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    text = f"'{value}'" if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= _QUOTED else text[:_QUOTED] + "…"

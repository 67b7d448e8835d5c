"""Configurations: frozen dataclasses read from JSON, every value checked against the type of its field.

The settings of each trainer subclass :class:`Configuration`, and so do the parts nested in them and the sizes of
networks that checkpoints keep. Settings that are not given keep their defaults.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, Self, get_args, get_origin, get_type_hints

_WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


class Configuration:
    """Base of frozen dataclasses that are read from JSON.

    Fields may be ``int``, ``float``, ``str``, ``bool``, tuples of these with a fixed length, and other configurations.
    """

    __slots__ = ()

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the configuration stored as JSON in the file ``path``.

        Raises
        ------
        ValueError
            If the file is missing or no JSON, a setting is unknown or a value is of the wrong type. The message names
            the file and the settings.
        """
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ValueError(f"the configuration '{path}' cannot be read: {error.strerror or error}") from error
        except ValueError as error:  # no JSON, or no UTF-8
            raise ValueError(f"the configuration '{path}' is not JSON: {error}") from error
        return cls.of(raw, f"'{path}'")

    @classmethod
    def of(cls, raw: Any, origin: str = "the configuration") -> Self:
        """Return the configuration in ``raw``, as JSON was decoded; ``origin`` says in errors where it is from.

        Raises
        ------
        ValueError
            If a setting is unknown or a value is of the wrong type.
        """
        unknown: list[str] = []
        wrong: list[str] = []
        made: Self = _value(cls, raw, "", unknown, wrong)
        if unknown:
            raise ValueError(f"{origin} has unknown settings: {', '.join(sorted(unknown))}")
        if wrong:
            raise ValueError(f"{origin}: {'; '.join(wrong)}")
        return made


def _value(kind: Any, raw: Any, key: str, unknown: list[str], wrong: list[str]) -> Any:
    """Return ``raw`` as a value of type ``kind``; what does not fit is added to ``unknown`` and ``wrong``."""
    if dataclasses.is_dataclass(kind):
        return _object(kind, raw, key, unknown, wrong)
    if get_origin(kind) is tuple:
        kinds = get_args(kind)
        if isinstance(raw, list | tuple) and len(raw) == len(kinds):
            each = zip(kinds, raw, range(len(kinds)), strict=True)
            return tuple(_value(one, value, f"{key}[{k}]", unknown, wrong) for one, value, k in each)
        wrong.append(f"'{key}' must be a list of {len(kinds)} values, not {json.dumps(raw)}")
        return None
    if isinstance(raw, bool) != (kind is bool) or not isinstance(raw, int | float if kind is float else kind):
        wrong.append(f"'{key}' must be {_WORDS[kind]}, not {json.dumps(raw)}")
        return None
    return kind(raw)


def _object(kind: Any, raw: Any, key: str, unknown: list[str], wrong: list[str]) -> Any:
    if not isinstance(raw, dict):
        wrong.append(f"{repr(key) if key else 'all of it'} must be an object with settings, not {json.dumps(raw)}")
        return None
    kinds, prefix = get_type_hints(kind), f"{key}." if key else ""
    known = {field.name for field in dataclasses.fields(kind)}
    unknown += [prefix + name for name in raw if name not in known]
    values = {
        name: _value(kinds[name], value, prefix + name, unknown, wrong) for name, value in raw.items() if name in known
    }
    return None if unknown or wrong else kind(**values)

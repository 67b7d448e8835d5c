"""Formulas over drivers, written as a line of text, which give the values of shape keys.

``viseme.aa + 0.3 * viseme.kk``, ``(mouthSmileLeft + mouthSmileRight) / 2``, ``max(browDownLeft, browDownRight)``,
``mouthSmileLeft * cheekSquintLeft``. Only numbers, names, ``+ - * /``, brackets, ``max`` and ``min`` are evaluated.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache, reduce
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...errors import RigError

Array = NDArray[np.float64]

#: Greatest length of a formula; longer ones could be nested too deeply.
_LONGEST: Final = 500
_CALLS: Final[Mapping[str, Any]] = {"max": np.maximum, "min": np.minimum}
_OPERATORS: Final[Mapping[type[ast.operator], Any]] = {ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply}


@dataclass(frozen=True, slots=True)
class Formula:
    """A parsed formula.

    Attributes
    ----------
    text : str
        The formula as written.
    names : frozenset of str
        Names of the drivers it reads.
    """

    text: str
    names: frozenset[str]
    _tree: ast.expr = field(repr=False, compare=False)

    def evaluate(self, values: Mapping[str, Array]) -> Array:
        """Return the value (T,) of the formula, given the ``values`` (T,) of at least the drivers ``names``."""
        return _value(self._tree, values)


@lru_cache(maxsize=2048)
def parse(text: str, known: frozenset[str]) -> Formula:
    """Return the parsed formula of ``text``, which may use the drivers ``known``.

    Raises
    ------
    RigError
        If it is not a formula, or uses another name.
    """
    if len(text) > _LONGEST:
        raise RigError(f"The formula '{text[:40]}…' is longer than {_LONGEST} letters. Shorten it.")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise RigError(
            f"'{text}' is not a formula. Write drivers, numbers, + - * / and brackets: jawOpen - 0.5 * mouthClose."
        ) from error
    names: set[str] = set()
    _check(tree, text, known, names)
    return Formula(text.strip(), frozenset(names), tree)


def _check(node: ast.expr, text: str, known: Collection[str], names: set[str]) -> None:
    """Add the names under ``node`` to ``names``; raise RigError for anything that is not allowed in a formula."""
    if isinstance(node, ast.Name | ast.Attribute):
        names.add(_known(_name(node, text), text, known))
        return
    if isinstance(node, ast.Constant):
        _number(node, text)
        return
    for part in _parts(node, text):
        _check(part, text, known, names)


def _parts(node: ast.expr, text: str) -> list[ast.expr]:
    """Return the operands of an operation."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        return [node.operand]
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return [node.left, node.right]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        if not isinstance(node.right, ast.Constant) or not _number(node.right, text):
            raise RigError(f"'{text}' divides by something that is no number, or zero. Divide by a number only.")
        return [node.left]
    if isinstance(node, ast.Call) and _is_call(node):
        return node.args
    raise RigError(f"'{text}' holds something a formula has no use for. Write drivers, numbers, + - * /, max, min.")


def _number(node: ast.Constant, text: str) -> float:
    value = node.value
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e6:
        raise RigError(f"'{text}' holds {value!r}, which is no number, or too large a one.")
    return float(value)


def _is_call(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Name) and node.func.id in _CALLS and len(node.args) > 1 and not node.keywords


def _name(node: ast.expr, text: str) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    raise RigError(f"'{text}' is not a formula: too many dots in a name.")


def _known(name: str, text: str, known: Collection[str]) -> str:
    if name in known:
        return name
    near = get_close_matches(name, list(known), 1, 0.6)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise RigError(f"Nothing called '{name}' can drive a shape key (in '{text}').{hint}")


def _value(node: ast.expr, values: Mapping[str, Array]) -> Array:
    """Return the value of a part that :func:`_check` accepted."""
    if isinstance(node, ast.Constant):
        return np.asarray(node.value, np.float64)
    if isinstance(node, ast.UnaryOp):
        inner = _value(node.operand, values)
        return -inner if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left, values), _value(node.right, values)
        operator = np.divide if isinstance(node.op, ast.Div) else _OPERATORS[type(node.op)]
        result: Array = operator(left, right)
        return result
    if isinstance(node, ast.Call):
        assert isinstance(node.func, ast.Name)
        return reduce(_CALLS[node.func.id], (_value(argument, values) for argument in node.args))
    return np.asarray(values[_name(node, "")], np.float64)

"""Expressions of a rig's drivers, evaluated on arrays without running them: sums, products, limits, conditions."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...errors import RigError

Array = NDArray[np.float64]

#: Greatest length of an expression; longer ones could be nested too deeply.
_LONGEST: Final = 500
_NUMBERS: Final[Mapping[str, float]] = {"pi": math.pi, "True": 1.0, "False": 0.0}
_OPERATORS: Final[Mapping[type[ast.operator], Callable[..., Any]]] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide, ast.Pow: np.power,
}  # fmt: skip
_COMPARISONS: Final[Mapping[type[ast.cmpop], Callable[..., Any]]] = {
    ast.Lt: np.less, ast.LtE: np.less_equal, ast.Gt: np.greater, ast.GtE: np.greater_equal,
}  # fmt: skip


def _clamp(value: Array, low: Any = 0.0, high: Any = 1.0) -> Array:
    return np.asarray(np.minimum(np.maximum(value, low), high))


def _most(*values: Array) -> Array:
    return np.asarray(np.maximum.reduce(np.broadcast_arrays(*values)))


def _least(*values: Array) -> Array:
    return np.asarray(np.minimum.reduce(np.broadcast_arrays(*values)))


#: Function -> what computes it, its least and its greatest number of arguments.
_CALLS: Final[Mapping[str, tuple[Callable[..., Any], int, int]]] = {
    "max": (_most, 2, 9), "min": (_least, 2, 9), "clamp": (_clamp, 1, 3), "abs": (np.abs, 1, 1),
    "fabs": (np.abs, 1, 1), "float": (np.asarray, 1, 1), "radians": (np.radians, 1, 1), "degrees": (np.degrees, 1, 1),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class DriverExpression:
    """A parsed expression: its ``text``, and the ``names`` of the variables it reads."""

    text: str
    names: frozenset[str]
    _tree: ast.expr = field(repr=False, compare=False)

    def evaluate(self, values: Mapping[str, Array]) -> Array:
        """Return the value (N,) for the variables' values (N,); not finite where the expression has none."""
        with np.errstate(all="ignore"):
            return np.asarray(_value(self._tree, values), np.float64)


@lru_cache(maxsize=1024)
def parse(text: str, variables: frozenset[str]) -> DriverExpression:
    """Return the parsed expression of a driver with these variables.

    Raises
    ------
    RigError
        If it is empty, or has anything in it but numbers, the variables, ``+ - * / **``, brackets, comparisons,
        ``a if b else c`` and a few functions (max, min, clamp, abs, radians, degrees).
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body if len(text) <= _LONGEST else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        tree = None
    if tree is None or not _is_plain(tree, variables):
        raise RigError(f"The expression '{text}' is beyond what can be followed back.")
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & variables
    return DriverExpression(text, frozenset(names), tree)


def _is_plain(node: ast.expr, variables: frozenset[str]) -> bool:
    """Return whether an expression consists of what :func:`_value` knows."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float) and math.isfinite(node.value)
    if isinstance(node, ast.Name):
        return node.id in variables or node.id in _NUMBERS
    parts = _operands(node)
    return bool(parts) and all(_is_plain(part, variables) for part in parts)


def _operands(node: ast.expr) -> list[ast.expr]:
    """Return the operands of an operation that is known; none if it is not."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        return [node.operand]
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return [node.left, node.right]
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _COMPARISONS:
        return [node.left, node.comparators[0]]
    if isinstance(node, ast.IfExp):
        return [node.test, node.body, node.orelse]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        _, least, most = _CALLS.get(node.func.id, (None, 1, 0))
        return node.args if least <= len(node.args) <= most else []
    return []


def _value(node: ast.expr, values: Mapping[str, Array]) -> Any:
    """Return the value of a part that :func:`_is_plain` accepted."""
    if isinstance(node, ast.Constant):
        assert isinstance(node.value, int | float)
        return float(node.value)
    if isinstance(node, ast.Name):
        return values[node.id] if node.id in values else _NUMBERS[node.id]
    parts = [_value(part, values) for part in _operands(node)]
    if isinstance(node, ast.UnaryOp):
        return -parts[0] if isinstance(node.op, ast.USub) else parts[0]
    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](*parts)
    if isinstance(node, ast.Compare):
        return _COMPARISONS[type(node.ops[0])](*parts).astype(np.float64)
    if isinstance(node, ast.IfExp):
        return np.where(np.asarray(parts[0]) != 0, parts[1], parts[2])
    assert isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    return _CALLS[node.func.id][0](*parts)

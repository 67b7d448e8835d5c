"""A wrapper by which operators report errors to the user."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from mouthpiece.errors import MouthpieceError
from mouthpiece.files.places import in_words


def reports_errors(method: Callable[..., set[str]]) -> Callable[..., set[str]]:
    """Wrap an operator's ``execute``, ``invoke`` or ``modal`` so that it reports a MouthpieceError and cancels.

    What the system says of files and folders is such an error as well. Other exceptions are bugs, and are not caught.
    Blender counts a method's arguments when it registers an operator, so the wrapper takes as many as the method.
    """

    def run(operator: Any, *arguments: Any) -> set[str]:
        try:
            with in_words(Path()):
                return method(operator, *arguments)
        except MouthpieceError as error:
            operator.report({"ERROR"}, str(error))
            return {"CANCELLED"}

    if method.__code__.co_argcount == 3:
        return wraps(method)(lambda self, context, event: run(self, context, event))
    return wraps(method)(lambda self, context: run(self, context))

"""Networks that repair a warped face: what is inside the mouth, lids, and what the warp stretched.

Any network will do that is described by a sidecar of kind ``portrait`` and takes some of these, float32 in 0..1:
``warped``, ``source`` and ``lines`` (1, 3, 256, 256), ``masks`` (1, 2, 256, 256), ``oval`` (1, 1, 256, 256), as in
:class:`~.conditions.Conditions`. It returns ``frame`` (1, 3, 256, 256). One whose sidecar leaves heights and widths
free (words in place of the two numbers) is given the part that holds the face: its sides are multiples of 16.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelError
from ...files import ASSETS
from ...models.registry import Network, find, is_file
from ...models.session import Session
from ...models.signatures import SIGNATURES, CheckedSession
from .conditions import SIZE, Conditions

KIND: Final = "portrait"
#: What a generator may ask for, and the planes of each.
INPUTS: Final = {name: int(shape[1] or 0) for name, shape in SIGNATURES[KIND].inputs.items()}
OUTPUT: Final = "frame"
#: Parts of a frame begin and end at multiples of this, so that a network's own grid never moves against the picture.
_STEP: Final = 16


class Generator:
    """A network that makes a frame from its conditions."""

    def __init__(
        self, session: Session, inputs: tuple[str, ...], name: str = "", sha256: str = "", any_size: bool = False
    ) -> None:
        """Wrap a session that takes ``inputs``; name and hash are for the record.

        ``any_size`` tells that it takes parts of a frame as well, with sides that are multiples of 16.

        Raises
        ------
        ModelError
            If it asks for what there is not.
        """
        unknown = sorted(set(inputs) - set(INPUTS))
        if unknown or not inputs:
            raise ModelError(
                f"The generator '{name}' asks for {', '.join(unknown) or 'nothing'}; there are {', '.join(INPUTS)}."
            )
        checked = (
            session if isinstance(session, CheckedSession) else CheckedSession(session, KIND, name, {OUTPUT: ()}, 0)
        )
        self._session, self._inputs = checked, inputs
        self._any_size = any_size
        self.name, self.sha256 = name, sha256

    def frame(self, conditions: Conditions) -> NDArray[np.float32]:
        """Return the frame (3, 256, 256), 0..1.

        Raises
        ------
        ModelError
            If the network returns something else.
        """
        rows, columns = _part(conditions.oval[0]) if self._any_size else (slice(0, SIZE), slice(0, SIZE))
        given = {name: getattr(conditions, name)[None, :, rows, columns] for name in self._inputs}
        frame = self._session(given)[OUTPUT]
        made = conditions.warped.copy()
        made[:, rows, columns] = np.clip(frame[0], 0, 1)
        return made


def _part(oval: NDArray[np.float32]) -> tuple[slice, slice]:
    """Return the rows and columns that hold what may change of a frame, up to multiples of 16."""
    sides = []
    for axis in (1, 0):
        seen = np.flatnonzero(oval.max(axis=axis) > 0)
        first, last = (int(seen[0]), int(seen[-1])) if len(seen) else (0, 0)
        sides.append(slice(first // _STEP * _STEP, (last // _STEP + 1) * _STEP))
    return sides[0], sides[1]


def shipped_generator(threads: int = 1) -> Generator | None:
    """Return the network that is shipped, or None if this build has none."""
    if not (ASSETS / f"{KIND}.onnx").is_file():
        return None
    return _of(find(KIND), threads)


def named_generator(name: str | None) -> Generator | None:
    """Return the generator a name asks for: ``shipped``, as None does; ``none``; else the file of that path.

    Raises
    ------
    ModelError
        As for :func:`load_generator`.
    """
    if name is None or name.lower() == "shipped":
        return shipped_generator()
    return None if name.lower() == "none" else load_generator(Path(name))


def load_generator(path: Path, threads: int = 1) -> Generator:
    """Return the network stored at ``path`` (.onnx, with its sidecar beside it), tried out on grey.

    Raises
    ------
    ModelError
        If it is missing, not vouched for by its sidecar, no generator of portraits, or does not run.
    """
    if path.suffix != ".onnx":
        raise ModelError(f"'{path}' is no network: a generator is an .onnx file with its .onnx.json beside it.")
    if not is_file(path):
        raise ModelError(f"There is no network '{path}'. Check the path.")
    if not is_file(path.parent / f"{path.name}.json"):
        raise ModelError(
            f"The generator '{path}' has no description '{path.name}.json' beside it. Write one: "
            f"python -m training.portrait.sidecar '{path.name}'"
        )
    generator = _of(find(path.stem, path.parent, KIND), threads)
    _try_out(generator)
    return generator


def _try_out(generator: Generator) -> None:
    """Let a generator make part of a grey frame: what it cannot take or give is told before a film is begun."""
    grey = {name: np.full((planes, SIZE, SIZE), 0.5, np.float32) for name, planes in INPUTS.items()}
    grey["oval"][:, :, 48:] = grey["oval"][:, 80:] = 0
    generator.frame(Conditions(**grey))


def _of(network: Network, threads: int) -> Generator:
    sidecar = network.sidecar
    free = all(isinstance(side, str) for shape in sidecar.inputs.values() for side in shape[2:])
    return Generator(network.open(threads), tuple(sidecar.inputs), sidecar.name, sidecar.sha256, free)

"""Networks that repair a warped face: what is inside the mouth, lids, and what the warp stretched.

Any network will do that is described by a sidecar of kind ``portrait`` and takes some of these, float32 in 0..1:
``warped``, ``source`` and ``lines`` (N, 3, 256, 256), ``masks`` (N, 2, 256, 256), ``oval`` (N, 1, 256, 256), as in
:class:`~.conditions.Conditions`. It returns ``frame`` (N, 3, 256, 256).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..models.registry import ASSETS, Network, find
from ..models.session import Session
from .conditions import SIZE, Conditions

#: What a generator may ask for, and the planes of each.
INPUTS: Final = {"warped": 3, "source": 3, "lines": 3, "masks": 2, "oval": 1}
OUTPUT: Final = "frame"
KIND: Final = "portrait"


class Generator:
    """A network that makes a frame from its conditions."""

    def __init__(self, session: Session, inputs: tuple[str, ...], name: str = "", sha256: str = "") -> None:
        """Wrap a session that takes ``inputs``; name and hash are for the record."""
        unknown = sorted(set(inputs) - set(INPUTS))
        if unknown or not inputs:
            raise ModelError(
                f"The generator '{name}' asks for {', '.join(unknown) or 'nothing'}; there are {', '.join(INPUTS)}."
            )
        self._session, self._inputs = session, inputs
        self.name, self.sha256 = name, sha256

    def frame(self, conditions: Conditions) -> NDArray[np.float32]:
        """Return the frame (3, 256, 256), 0..1.

        Raises
        ------
        ModelError
            If the network returns something else.
        """
        result = self._session({name: getattr(conditions, name)[None] for name in self._inputs})
        frame = result.get(OUTPUT)
        if frame is None or frame.shape != (1, 3, SIZE, SIZE) or not np.isfinite(frame).all():
            raise ModelError(f"The generator '{self.name}' returned no '{OUTPUT}' of 3 x {SIZE} x {SIZE} numbers.")
        return np.asarray(np.clip(frame[0], 0, 1), np.float32)


def shipped_generator(threads: int = 1) -> Generator | None:
    """Return the network that is shipped, or None if this build has none."""
    if not (ASSETS / f"{KIND}.onnx").is_file():
        return None
    return _of(find(KIND), threads)


def load_generator(path: Path, threads: int = 1) -> Generator:
    """Return the network stored at ``path`` (.onnx, with its sidecar beside it).

    Raises
    ------
    ModelError
        If it is missing, not vouched for by its sidecar, or no generator of portraits.
    """
    if path.suffix.lower() != ".onnx":
        raise ModelError(f"'{path}' is no network: a generator is an .onnx file with its .onnx.json beside it.")
    return _of(find(path.stem, path.parent), threads)


def _of(network: Network, threads: int) -> Generator:
    sidecar = network.sidecar
    if sidecar.kind != KIND:
        raise ModelError(f"'{sidecar.name}' is a network of kind '{sidecar.kind}', not a generator of portraits.")
    return Generator(network.open(threads), tuple(sidecar.inputs), sidecar.name, sidecar.sha256)

"""Network files and their sidecars, which say what a network expects and whether its file is intact.

The sidecar of a network ``NAME.onnx`` is ``NAME.onnx.json``. Shapes, rates and names come from the sidecar, never from
code, and the network file's SHA-256 must be the one in it. Nothing is ever downloaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError, UnreadableError
from ..files import ASSETS
from ..readers.json_text import read_json
from ..topology import ARKIT_NAMES, LANDMARK_COUNT
from .session import OnnxSession

#: Format number of the sidecars this version reads.
SIDECAR_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What a network is and expects.

    Attributes
    ----------
    name, version : str
        Identity of the network.
    kind : str
        ``"phonetic"`` (waveform to phonetic features), ``"encoder"`` (waveform to features of a user's own encoder),
        ``"content"`` (features to mouth motion), ``"voice"`` (waveform to voice print), ``"head"`` (rhythm and style to
        head motion), ``"faces"`` (picture to places of faces), ``"landmarks"`` (picture of a face to its points)
        or ``"portrait"`` (warped face to the same face repaired).
    sha256 : str
        Hash of the ``.onnx`` file.
    inputs, outputs : mapping of str to tuple
        Tensor names and shapes; a string stands for a free dimension.
    rate : float
        Output frames per second; 0 for networks that look at still pictures.
    features : int
        Width of one frame of input (content) or output (phonetic); 0 for networks that look at pictures.
    neutral : (68, 3) nested list or empty
        Resting face of a content network, in the frame of reference of ``Performance``.
    arkit_names : tuple of str
        Names of the blendshape outputs of a content network.
    listener : str
        SHA-256 of the phonetic network a content network was trained with; empty in sidecars from before version 0.4.
    encoder : str
        SHA-256 of the encoder a content network needs besides the listener; empty for none.
    normalise : bool
        Whether an encoder needs a waveform with zero mean and unit variance.
    window : int
        Samples an encoder needs for its first vector, which describes their middle; 0 if it pads its input itself.
    licence, data : str
        Licence of the weights, and what they were trained on.
    provenance : mapping
        Notes about the training (command, seed, figures), which no code reads.
    """

    name: str
    version: str
    kind: str
    sha256: str
    inputs: Mapping[str, tuple[int | str, ...]]
    outputs: Mapping[str, tuple[int | str, ...]]
    rate: float
    features: int
    licence: str
    data: str
    neutral: tuple[tuple[float, ...], ...] = ()
    arkit_names: tuple[str, ...] = ()
    listener: str = ""
    encoder: str = ""
    normalise: bool = False
    window: int = 0
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def neutral_face(self) -> NDArray[np.float32]:
        """Return the resting face (68, 3) in outer-eye distances.

        Raises
        ------
        ModelError
            If the sidecar holds none.
        """
        face = np.array(self.neutral, dtype=np.float32)
        if face.shape != (LANDMARK_COUNT, 3):
            raise ModelError(f"The sidecar of '{self.name}' holds no resting face of 68 points. Export it again.")
        return face


@dataclass(frozen=True, slots=True)
class Network:
    """A verified network: its sidecar, and the bytes of its file, whose hash is the sidecar's."""

    sidecar: Sidecar
    content: bytes

    def open(self, threads: int = 1) -> OnnxSession:
        """Return a session running the network."""
        return OnnxSession(self.content, self.sidecar.name, threads)


def read_sidecar(path: Path) -> Sidecar:
    """Return the sidecar stored at ``path``.

    Raises
    ------
    ModelError
        If it is missing, not JSON, from a newer format, or lacks a field.
    """
    try:
        raw = read_json(path)
    except UnreadableError as error:
        raise ModelError(f"The network description '{path}' cannot be read: {error}. Reinstall Mouthpiece.") from error
    try:
        if int(raw["format"]) > SIDECAR_FORMAT:
            raise ModelError(f"'{path.name}' was made for a newer Mouthpiece. Update Mouthpiece to use it.")
        return Sidecar(
            name=str(raw["name"]),
            version=str(raw["version"]),
            kind=str(raw["kind"]),
            sha256=str(raw["sha256"]),
            inputs={key: tuple(shape) for key, shape in raw["inputs"].items()},
            outputs={key: tuple(shape) for key, shape in raw["outputs"].items()},
            rate=float(raw["rate"]),
            features=int(raw["features"]),
            licence=str(raw["licence"]),
            data=str(raw["data"]),
            neutral=tuple(tuple(float(x) for x in point) for point in raw.get("neutral", ())),
            arkit_names=tuple(raw.get("arkit_names", ())),
            listener=str(raw.get("listener", "")),
            encoder=str(raw.get("encoder", "")),
            normalise=bool(raw.get("normalise", False)),
            window=int(raw.get("window", 0)),
            provenance=dict(raw.get("provenance", {})),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ModelError(
            f"The network description '{path}' is incomplete ({error!r}). Reinstall Mouthpiece."
        ) from error


def find(name: str, folder: Path | None = None) -> Network:
    """Return the network ``name``, looked for in ``folder`` first and then among those shipped.

    Raises
    ------
    ModelError
        If it is missing, or the hash of its file is not the sidecar's.
    """
    places = [place for place in (folder, ASSETS) if place is not None]
    for place in places:
        path = place / f"{name}.onnx"
        if not path.is_file():
            continue
        sidecar = read_sidecar(path.with_name(path.name + ".json"))
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ModelError(f"The network '{path}' cannot be read: {error.strerror}.") from error
        if hashlib.sha256(content).hexdigest() != sidecar.sha256:
            raise ModelError(f"The network '{path}' is not the one its description vouches for. Reinstall Mouthpiece.")
        if sidecar.kind == "content" and sidecar.arkit_names != ARKIT_NAMES:
            raise ModelError(f"The network '{path}' does not name ARKit's 52 blendshapes. Export it again.")
        return Network(sidecar, content)
    raise ModelError(f"There is no network '{name}' in {' or '.join(str(place) for place in places)}.")

"""Network files and their sidecars, which say what a network expects and whether its file is intact.

The sidecar of a network ``NAME.onnx`` is ``NAME.onnx.json``. Shapes, rates and names come from the sidecar, never from
code, and the network file's SHA-256 must be the one in it. Nothing is ever downloaded.
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError, UnreadableError
from ..files import ASSETS
from ..files.json_text import read_json
from ..topology import ARKIT_NAMES, LANDMARK_COUNT
from .session import OnnxSession, read_network
from .signatures import SIGNATURES, CheckedSession, Shape, check_description, check_file, how_to_mend

#: Format number of the sidecars this version reads.
SIDECAR_FORMAT: Final = 1
#: Most bytes in a sidecar, letters in one of its texts, axes of an input or output, and inputs and outputs.
_LARGEST: Final = 4 << 20
_LONGEST_TEXT: Final = 100_000
_MOST_AXES: Final = 8
_MOST_TENSORS: Final = 64
#: Most of what any number of a sidecar may be, and how far from its middle a resting face may reach, in eye distances.
_MOST: Final = 1_000_000
_FARTHEST: Final = 10.0
#: Most samples an encoder may need for its first vector, a tenth of a second.
LONGEST_WINDOW: Final = 1_600


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
    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]
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
            If the sidecar holds none, or one whose points are not near each other.
        """
        if len(self.neutral) != LANDMARK_COUNT or any(len(point) != 3 for point in self.neutral):
            raise ModelError(f"The sidecar of '{self.name}' holds no resting face of 68 points. Export it again.")
        face = np.array(self.neutral, dtype=np.float64)
        if not (np.abs(face) <= _FARTHEST).all():
            raise ModelError(
                f"The sidecar of '{self.name}' holds a resting face whose points are not within {_FARTHEST:g} eye "
                "distances. Export it again."
            )
        return face.astype(np.float32)


@dataclass(frozen=True, slots=True)
class Network:
    """A verified network: its sidecar, and the bytes of its file, whose hash is the sidecar's."""

    sidecar: Sidecar
    content: bytes

    def open(self, threads: int = 1) -> CheckedSession:
        """Return a session running the network, which checks what the network gives; threads may share it.

        It stays open, as loading one takes longer than a short line: whoever opens the same network gets it again.

        Raises
        ------
        ModelError
            If the file cannot be loaded, or is not what its sidecar describes.
        """
        about = self.sidecar
        with _guard:  # whoever needs a network that is being loaded waits for it
            for place, (sidecar, count, known) in enumerate(_opened):
                if count == threads and sidecar == about:
                    _opened.append(_opened.pop(place))
                    return known
            session = OnnxSession(self.content, about.name, threads)
            check_file(about.name, about.kind, (about.inputs, about.outputs), (session.inputs, session.outputs))
            checked = CheckedSession(session, about.kind, about.name, about.outputs, about.features)
            _opened.append((about, threads, checked))
            del _opened[:-_KEPT]
            return checked


#: Networks that are open, with the number of threads of each: so many at most, the last used at the end.
_KEPT: Final = 8
_opened: Final[list[tuple[Sidecar, int, CheckedSession]]] = []
_guard: Final = threading.Lock()


def read_sidecar(path: Path) -> Sidecar:
    """Return the sidecar stored at ``path``.

    Raises
    ------
    ModelError
        If it is missing, not JSON, from a newer format, lacks a field, or has one that cannot be right.
    """
    try:
        raw = read_json(path, _LARGEST, lacking=True)  # notes of a training may lack figures
    except UnreadableError as error:
        if not is_file(path):
            raise ModelError(
                f"The network '{path.with_suffix('')}' has no description beside it. Copy '{path.name}' there as well, "
                "or, if it came with Mouthpiece, reinstall Mouthpiece."
            ) from error
        advice = "Write it again, or, if it came with Mouthpiece, reinstall Mouthpiece."
        raise ModelError(error.told(f"The network description '{path}'", "cannot be read", advice)) from error
    try:
        fields = _Fields(raw)
        if fields.number("format", whole=True) > SIDECAR_FORMAT:
            raise ModelError(f"'{path.name}' was made for a newer Mouthpiece. Update Mouthpiece to use it.")
        return Sidecar(
            name=fields.text("name"),
            version=fields.text("version"),
            kind=fields.text("kind"),
            sha256=fields.text("sha256"),
            inputs=fields.shapes("inputs"),
            outputs=fields.shapes("outputs"),
            rate=fields.number("rate"),
            features=int(fields.number("features", whole=True)),
            licence=fields.text("licence"),
            data=fields.text("data"),
            neutral=fields.points("neutral"),
            arkit_names=fields.names("arkit_names"),
            listener=fields.text("listener", ""),
            encoder=fields.text("encoder", ""),
            normalise=fields.switch("normalise"),
            window=int(fields.number("window", 0, whole=True)),
            provenance=fields.notes("provenance"),
        )
    except _Wrong as error:
        raise ModelError(
            f"The network description '{path}' is incomplete or wrong: {error}. Write it again, or, if it came with "
            "Mouthpiece, reinstall Mouthpiece."
        ) from error


class _Wrong(Exception):
    """A field is missing, or not of the kind it must be; the text says which."""


class _Fields:
    """The fields of a sidecar, each read as what it must be."""

    def __init__(self, raw: object) -> None:
        if not isinstance(raw, dict):
            raise _Wrong("it holds no fields")
        self._raw = raw

    def _get(self, name: str, default: object) -> Any:
        value = self._raw.get(name, default)
        if value is None:
            raise _Wrong(f"it lacks '{name}'")
        return value

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text; numbers count as texts, for versions are often written so."""
        value = self._get(name, default)
        if isinstance(value, bool) or not isinstance(value, str | int | float) or len(str(value)) > _LONGEST_TEXT:
            raise _Wrong(f"'{name}' is not a text")
        return str(value)

    def number(self, name: str, default: float | None = None, whole: bool = False) -> float:
        """Return a number from 0 up."""
        value = self._get(name, default)
        if not _is_number(value) or not 0 <= value <= _MOST or (whole and value != int(value)):
            raise _Wrong(f"'{name}' is not a {'whole ' if whole else ''}number from 0 to {_MOST:,}")
        return float(value)

    def switch(self, name: str) -> bool:
        """Return true or false; false if there is no such field."""
        value = self._get(name, False)
        if not isinstance(value, bool):
            raise _Wrong(f"'{name}' is neither true nor false")
        return value

    def shapes(self, name: str) -> dict[str, Shape]:
        """Return names with their axes: whole numbers, and words for axes of any length."""
        value = self._get(name, None)
        if not isinstance(value, dict) or len(value) > _MOST_TENSORS:
            raise _Wrong(f"'{name}' are not names with shapes")
        return {key: self._shape(key, axes) for key, axes in value.items()}

    def _shape(self, name: str, axes: object) -> Shape:
        if not isinstance(axes, list) or len(axes) > _MOST_AXES:
            raise _Wrong(f"the shape of '{name}' is not a list of axes")
        for axis in axes:
            is_size = isinstance(axis, int) and not isinstance(axis, bool) and 1 <= axis <= _MOST
            if not is_size and not (isinstance(axis, str) and 0 < len(axis) <= _LONGEST_TEXT):
                raise _Wrong(f"the shape of '{name}' has an axis that is neither a size nor a word")
        return tuple(axes)

    def points(self, name: str) -> tuple[tuple[float, ...], ...]:
        """Return lists of numbers; none if there is no such field."""
        value = self._get(name, ())
        if not isinstance(value, list | tuple) or len(value) > LANDMARK_COUNT:
            raise _Wrong(f"'{name}' is not a list of {LANDMARK_COUNT} points")
        for point in value:
            if not isinstance(point, list) or not all(_is_number(number) for number in point):
                raise _Wrong(f"'{name}' has a point that is not made of numbers")
        return tuple(tuple(float(number) for number in point) for point in value)

    def names(self, name: str) -> tuple[str, ...]:
        """Return a list of texts; none if there is no such field."""
        value = self._get(name, ())
        if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
            raise _Wrong(f"'{name}' is not a list of names")
        return tuple(value)

    def notes(self, name: str) -> dict[str, Any]:
        """Return notes, whatever they are; none if there is no such field."""
        value = self._get(name, {})
        if not isinstance(value, dict):
            raise _Wrong(f"'{name}' are not notes with names")
        return value


def _is_number(value: object) -> bool:
    """Return whether a value is a finite number that a float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= 1e300 if isinstance(value, int) else math.isfinite(value)


def find(name: str, folder: Path | None = None, kind: str = "") -> Network:
    """Return the network ``name`` of a kind, looked for in ``folder`` first and then among those shipped.

    The kind (default: the name) decides what its sidecar must say: :data:`~.signatures.SIGNATURES`.

    Raises
    ------
    ModelError
        If it is missing, the hash of its file is not the sidecar's, or the sidecar describes no network of that kind.
    """
    places = [place for place in (folder, ASSETS) if place is not None]
    for place in places:
        path = place / f"{name}.onnx"
        if not _is_there(path):
            continue
        content = read_network(path)
        sidecar = read_sidecar(path.with_name(path.name + ".json"))
        if hashlib.sha256(content).hexdigest() != sidecar.sha256:
            raise ModelError(
                f"The network '{path}' is not the one its description vouches for. Copy or describe it again, or, if "
                "it came with Mouthpiece, reinstall Mouthpiece."
            )
        _check(sidecar, path, kind or name)
        return Network(sidecar, content)
    raise ModelError(f"There is no network '{name}' in {' or '.join(str(place) for place in places)}.")


def _is_there(path: Path) -> bool:
    """Return whether something has that name: what is no file is not passed over for a network that is shipped.

    Raises
    ------
    ModelError
        If that cannot be known.
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        raise ModelError(f"The network '{path}' cannot be read ({error}). Check the path.") from error
    return True


def is_file(path: Path) -> bool:
    """Return whether there is such a file; a name that no file can have is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _check(sidecar: Sidecar, path: Path, kind: str) -> None:
    """Check a sidecar against what networks of a kind must be.

    Raises
    ------
    ModelError
        If it describes another network.
    """
    if sidecar.kind != kind:
        raise ModelError(
            f"'{path}' is a network of kind '{sidecar.kind}'; one of kind '{kind}' is needed here. Choose another file."
        )
    rate = SIGNATURES[kind].rate
    if rate is not None and sidecar.rate != rate:
        raise ModelError(
            f"The network '{path}' works at {sidecar.rate:g} a second; it must be {rate:g}. {how_to_mend(kind)}"
        )
    check_description(str(path), kind, sidecar.inputs, sidecar.outputs, sidecar.features)
    if sidecar.window > LONGEST_WINDOW:
        raise ModelError(
            f"The network '{path}' needs {sidecar.window} samples for a vector; at most {LONGEST_WINDOW} are given. "
            "Describe it again: python -m training.listener.encoders."
        )
    if kind == "content":
        if sidecar.arkit_names != ARKIT_NAMES:
            raise ModelError(f"The network '{path}' does not name ARKit's 52 blendshapes. Export it again.")
        sidecar.neutral_face()

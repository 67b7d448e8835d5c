"""A take: what a face does over time, without a rig. *Move* makes it, *retarget* reads it.

A :class:`Performance` is saved as a plain ``.npz`` (never pickled) with a format number.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .errors import TakeError, UnreadableError
from .files.arrays import StoredArrays, opened_arrays
from .files.json_text import number_in, parsed_json, row_of, rows_of, text_in, whole_in
from .files.places import is_there
from .files.writer import refuse_protected, replacing
from .motion import tongue
from .motion.dials import SETTLED, Dials, apply
from .phones import storage
from .phones.speech import Speech
from .topology import ARKIT_NAMES, LANDMARK_COUNT, TONGUE_POSES

#: Format 2 added the style layer and the dials, format 3 phones, words and the tongue; earlier takes have none of them.
FORMAT: Final = 3
#: Least and greatest frame rate of a take that is read or saved, frames per second.
FPS_LIMITS: Final = (1.0, 240.0)
#: Largest number in a take that is read: eye distances, radians and weights come nowhere near it.
_LARGEST: Final = 1e4
#: Whole numbers in a take's options lie below this: version 0.4.0 took any number for a seed.
_WIDEST_SEED: Final = 10**40

Array = NDArray[np.float32]

_SHAPES: Final[Mapping[str, tuple[int, ...]]] = {
    "landmarks": (LANDMARK_COUNT, 3),
    "arkit": (len(ARKIT_NAMES),),
    "head": (6,),
    "gaze": (2,),
    "blink": (2,),
    "activity": (),
}
#: Kinds of numbers that a take's arrays may be stored as.
_NUMBERS: Final = "fiub"
#: The style layer's arrays: frames by coefficients, two with a row for each coefficient, and frames by head pose.
_STYLE: Final = ("style", "style_landmarks", "style_arkit", "style_head")


def _frozen(value: object, shape: tuple[int, ...], name: str) -> Array:
    with np.errstate(over="ignore"):  # what is too large for single floats is told below
        array = np.array(value, dtype=np.float32)
    if array.shape != shape:
        raise TakeError(f"The take's '{name}' has shape {array.shape}, expected {shape}. Animate the sound again.")
    if not np.isfinite(array).all():
        raise TakeError(f"The take's '{name}' holds values that are not numbers. Animate the sound again.")
    array.setflags(write=False)
    return array


@dataclass(frozen=True, slots=True, eq=False)
class Performance:
    """What a face does, sampled at ``fps`` (frames per second); frame ``i`` is at ``i / fps`` seconds.

    Frame of reference: x to the right of the picture, y down, z away from the camera; the unit of
    length is the distance between the outer eye corners of the neutral face. Arrays are read-only.

    Attributes
    ----------
    landmarks : (T, 68, 3) float32
        iBUG-68 points with head pose removed, on the face given by ``neutral``.
    neutral : (68, 3) float32
        The closed, resting face the landmarks are displaced from.
    arkit : (T, 52) float32
        ARKit blendshape weights, 0..1, in the order of ``arkit_names``. Eye lids and looks are those
        of ``blink`` and ``gaze``.
    head : (T, 6) float32
        Pitch, yaw, roll in radians (rotation ``Rz(roll) Ry(yaw) Rx(pitch)`` about the axes above,
        right-handed: positive pitch nods down, positive yaw turns the face to the left of the picture,
        positive roll tilts the crown to the right of the picture), then x, y, z in eye distances.
    gaze : (T, 2) float32
        Horizontal and vertical eye direction in radians relative to the head; positive looks to the
        right of the picture, and down.
    blink : (T, 2) float32
        Lid closure 0..1 of the person's left and right eye.
    activity : (T,) float32
        Probability that someone speaks.
    style : (T, K) float32
        Coefficients over time of the speaker's style, a layer not yet added to the motion; K may be 0.
    style_landmarks : (K, 68, 3) float32
        What one unit of each coefficient adds to ``landmarks``.
    style_arkit : (K, 52) float32
        What one unit of each coefficient adds to ``arkit``.
    style_head : (T, 6) float32
        What the speaker's style adds to ``head``.
    speech : Speech
        Which phones and words are said, and when; nothing in takes of formats 1 and 2.
    tongue : (T, 6) float32
        Pose of the tongue, in the order of ``topology.TONGUE_POSES``; 0 is a tongue at rest on the floor of the mouth.
    dials : mapping of str to JSON values
        Dials for the motion (:class:`~mouthpiece.motion.dials.Dials`). The arrays are always as inferred:
        :meth:`final` returns the take with style and dials applied.
    audio_sha256 : str
        SHA-256 of the sound as the networks got it: 16 kHz, mono, 16-bit little-endian samples.
    models : mapping of str to str
        Name of each network used and the SHA-256 of its file.
    options : mapping of str to JSON values
        The options the take was made with, seed included.
    """

    landmarks: Array
    neutral: Array
    arkit: Array
    head: Array
    gaze: Array
    blink: Array
    activity: Array
    fps: float
    audio_sha256: str = ""
    models: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    arkit_names: tuple[str, ...] = ARKIT_NAMES
    style: Array = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    style_landmarks: Array = field(default_factory=lambda: np.zeros((0, LANDMARK_COUNT, 3), np.float32))
    style_arkit: Array = field(default_factory=lambda: np.zeros((0, len(ARKIT_NAMES)), np.float32))
    style_head: Array = field(default_factory=lambda: np.zeros((0, 6), np.float32))
    speech: Speech = field(default_factory=Speech)
    tongue: Array = field(default_factory=lambda: np.zeros((0, len(TONGUE_POSES)), np.float32))
    dials: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that arrays have the right shapes and finite values, and make them read-only.

        Raises
        ------
        TakeError
            If an array has the wrong shape or is not finite, or ``fps`` is not a positive number.
        """
        if not np.isfinite(self.fps) or self.fps <= 0:
            raise TakeError(f"The take's frame rate is {self.fps}; it must be above zero.")
        if tuple(self.arkit_names) != ARKIT_NAMES:
            raise TakeError("The take's blendshape names are not ARKit's 52. Animate the sound again.")
        count = len(self.landmarks)
        for name, tail in _SHAPES.items():
            object.__setattr__(self, name, _frozen(getattr(self, name), (count, *tail), name))
        object.__setattr__(self, "neutral", _frozen(self.neutral, (LANDMARK_COUNT, 3), "neutral"))
        width = len(self.style_landmarks)
        if not width and not np.size(self.style):
            object.__setattr__(self, "style", np.zeros((count, 0), np.float32))
        if not np.size(self.style_head):
            object.__setattr__(self, "style_head", np.zeros((count, 6), np.float32))
        poses = self.tongue if np.size(self.tongue) else np.zeros((count, len(TONGUE_POSES)), np.float32)
        object.__setattr__(self, "tongue", _frozen(poses, (count, len(TONGUE_POSES)), "tongue"))
        shapes = (count, width), (width, LANDMARK_COUNT, 3), (width, len(ARKIT_NAMES)), (count, 6)
        for name, shape in zip(_STYLE, shapes, strict=True):
            object.__setattr__(self, name, _frozen(getattr(self, name), shape, name))

    def __len__(self) -> int:
        """Return the number of frames."""
        return int(self.landmarks.shape[0])

    @property
    def seconds(self) -> float:
        """Duration in seconds: frame count over ``fps``."""
        return len(self) / self.fps

    def final(self) -> Performance:
        """Return the take with style layer and dials applied; the result has neither, and is its own :meth:`final`.

        Raises
        ------
        MouthpieceError
            If a dial is unknown or out of range.
        """
        unstyled = not self.style.shape[1] and not self.style_head.any()
        if unstyled and self.dials == (SETTLED if len(self.speech.posteriors) else {}):
            return tongue.shown(self)
        return apply(self, Dials.of(self.dials))

    def landmarks_posed(self) -> Array:
        """Return the landmarks (T, 68, 3) with head motion applied, in the axes and unit of the class."""
        rotation = rotation_matrices(self.head[:, :3])
        posed: Array = np.einsum("tij,tpj->tpi", rotation, self.landmarks).astype(np.float32)
        return posed + self.head[:, None, 3:]

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the take to ``path`` as ``.npz`` and return the path written.

        The file is written whole or not at all: under a temporary name first, then moved to ``path``.

        Raises
        ------
        TakeError
            If the file cannot be written, or :meth:`load` would not believe it.
        """
        target = Path(path)
        _check_believable(self, f"The take for '{target}'")
        said, heard = storage.stored(self.speech)
        meta = {
            "format": FORMAT,
            "fps": self.fps,
            "audio_sha256": self.audio_sha256,
            "models": dict(self.models),
            "options": dict(self.options),
            "dials": dict(self.dials),
            "arkit_names": list(self.arkit_names),
            "speech": heard,
        }
        text = _meta_text(meta, f"The take for '{target}'")
        arrays = {name: getattr(self, name) for name in (*_SHAPES, "neutral", *_STYLE, "tongue")}
        arrays |= said
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with replacing(target) as temporary, open(temporary, "wb") as stream:
                np.savez_compressed(stream, meta=text, **arrays)
        except OSError as error:
            reason = error.strerror or error
            raise TakeError(f"The take cannot be written to '{target}': {reason}. Choose another place.") from error
        return target

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Performance:
        """Return the take stored at ``path``.

        Raises
        ------
        TakeError
            If the file is missing, not a take, damaged, pickled, or from a newer format.
        """
        source = Path(path)
        try:
            with opened_arrays(source) as stored:
                meta = row_of(parsed_json(stored.text("meta"), whole=_WIDEST_SEED))
                _check_format(meta, source)
                layers = (*_STYLE[: 4 * (meta["format"] > 1)], *("tongue",) * (meta["format"] > 2))
                arrays: dict[str, Any] = {
                    name: stored.array(name, None, _NUMBERS) for name in (*_SHAPES, "neutral", *layers)
                }
                arrays["speech"] = _speech(stored, meta, len(arrays["head"]))
            names = tuple(map(str, rows_of(meta.get("arkit_names"), "'arkit_names'")))
            take = cls(**arrays, arkit_names=names, **_said(meta, with_dials=meta["format"] > 1))
        except UnreadableError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise TakeError(f"There is no take at '{source}'. Check the path.") from error
            wrong = "is not a Mouthpiece take, or it is damaged"
            raise TakeError(error.told(f"'{source}'", wrong, "Animate the sound again.")) from error
        _check_believable(take, f"'{source}'")
        return take


def _speech(stored: StoredArrays, meta: Mapping[str, Any], frames: int) -> Speech:
    """Return what is said in a take of so many frames; nothing in one of a format before there were phones."""
    if "speech" not in meta:
        return Speech()
    low, high = FPS_LIMITS
    return storage.restored(stored, meta["speech"], frames / number_in(meta, "fps", low, high))


def _said(meta: Mapping[str, Any], with_dials: bool) -> dict[str, Any]:
    """Return the arguments of ``Performance`` in a take's JSON; raises UnreadableError if one is of a wrong kind."""
    models = row_of(meta.get("models"), "'models'")
    return {
        "fps": number_in(meta, "fps"),
        "audio_sha256": text_in(meta, "audio_sha256"),
        "models": {name: text_in(models, name) for name in models},
        "options": dict(row_of(meta.get("options"), "'options'")),
        "dials": dict(row_of(meta.get("dials"), "'dials'")) if with_dials else {},
    }


def _meta_text(meta: Mapping[str, Any], what: str) -> NDArray[np.str_]:
    """Return what a take says of itself as the array that is stored; TakeError if it could not be read back."""
    try:
        text = json.dumps(meta)
        parsed_json(text, whole=_WIDEST_SEED)
    except (UnreadableError, TypeError, ValueError) as error:
        raise TakeError(f"{what} could not be read back: {error}. Check its options.") from error
    return np.array(text)


def _check_format(meta: Mapping[str, Any], source: Path) -> None:
    if "format" not in meta:
        raise TakeError(f"'{source}' is not a Mouthpiece take: it carries no format number.")
    number = whole_in(meta, "format")
    if number > FORMAT:
        raise TakeError(
            f"'{source}' was made by a newer Mouthpiece (format {number}, this one reads up to {FORMAT}). "
            "Update Mouthpiece, or animate the sound again."
        )


def _check_believable(take: Performance, what: str) -> None:
    """Check that a take can be computed with: it has frames, at a rate that is one, and its numbers are a face's.

    Raises
    ------
    TakeError
        If not, with a sentence about ``what``.
    """
    low, high = FPS_LIMITS
    if not low <= take.fps <= high:
        raise TakeError(
            f"{what} has {take.fps:g} frames per second; a take has {low:g} to {high:g}. Animate the sound again."
        )
    if not len(take):
        raise TakeError(f"{what} holds no motion: it has no frames. Animate the sound again.")
    for name in (*_SHAPES, "neutral", *_STYLE, "tongue"):
        if np.abs(getattr(take, name)).max(initial=0.0) > _LARGEST:
            raise TakeError(f"{what} holds a '{name}' that no face has. Animate the sound again.")
    try:
        storage.checked(take.speech, take.seconds)
    except UnreadableError as error:
        raise TakeError(f"{what} says what nobody can say: {error}. Animate the sound again.") from error


def with_speech(take: Performance, speech: Speech) -> Performance:
    """Return ``take`` with ``speech`` in place of what was heard in it; the tongue moves by it.

    Raises
    ------
    TakeError
        If it does not fit: its times lie beyond the end, or it holds what is no phone.
    """
    changed = replace(take, speech=speech, tongue=tongue.curves(speech, np.arange(len(take)) / take.fps))
    _check_believable(changed, "This take")
    return changed


def check_replaceable(place: Path, force: bool) -> None:
    """Check that ``place`` holds nothing or a take, which may be overwritten; with ``force`` anything may.

    Raises
    ------
    TakeError
        If another file or a folder is there, or a file that is write-protected.
    """
    try:
        refuse_protected(place)
    except OSError as error:
        raise TakeError(f"'{place}' cannot be written: {error.strerror or error}. Choose another place.") from error
    if force or not is_there(place):
        return
    try:
        Performance.load(place)
    except TakeError as error:
        raise TakeError(
            f"'{place}' exists and is not a take this version reads. Choose another place, or replace it with --force."
        ) from error


def rotation_matrices(angles: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the matrices (T, 3, 3) ``Rz Ry Rx`` of pitch, yaw, roll ``angles`` (T, 3) in radians."""
    pitch, yaw, roll = np.asarray(angles, dtype=np.float64).T
    cx, sx, cy, sy, cz, sz = np.cos(pitch), np.sin(pitch), np.cos(yaw), np.sin(yaw), np.cos(roll), np.sin(roll)
    rows = [
        [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
        [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
        [-sy, cy * sx, cy * cx],
    ]
    return np.moveaxis(np.array(rows), -1, 0)


#: Format number of packed takes (:func:`pack`): small enough to be kept inside a scene. Format 2 added phones, words
#: and the tongue.
PACKED_FORMAT: Final = 2
#: The rounded number that stands for the largest value of an array.
_FULL: Final = 32767
#: Arrays that are stored unrounded, as they are small: a few thousand numbers.
_EXACT: Final = ("neutral", "style_landmarks", "style_arkit")
#: Arrays with a row for each frame. Landmarks are stored as displacements from rest.
_TRACKS: Final = ("landmarks", "arkit", "head", "gaze", "blink", "activity", "style", "style_head", "tongue")


def pack(take: Performance) -> bytes:
    """Return ``take`` as bytes, small enough to be kept inside a scene: an ``.npz``, never pickled.

    Motion is rounded to steps of 1/32767 of each array's largest value (a hundred-thousandth of a weight; a few
    hundred-thousandths of an eye distance for the mouth), and stored as differences from frame to frame, which compress
    well: a minute takes about half a megabyte.

    Raises
    ------
    TakeError
        If :func:`unpack` would not believe it.
    """
    said, heard = storage.stored(take.speech)
    arrays: dict[str, Any] = {**{name: getattr(take, name) for name in _EXACT}, **said}
    for name in _TRACKS:
        track = getattr(take, name) - take.neutral if name == "landmarks" else getattr(take, name)
        rows = track.reshape(len(take), -1)
        scale = float(np.abs(rows).max(initial=0.0)) / _FULL or 1.0
        steps = np.round(rows / scale).astype(np.int16)
        # 16-bit differences may overflow, which adding them up again undoes
        arrays[name] = np.diff(steps, axis=0, prepend=np.zeros_like(steps[:1])).T
        arrays[f"{name}_scale"] = np.array(scale, np.float64)
    meta = {
        "format": PACKED_FORMAT,
        "fps": take.fps,
        "audio_sha256": take.audio_sha256,
        "models": dict(take.models),
        "options": dict(take.options),
        "dials": dict(take.dials),
        "speech": heard,
    }
    stream = io.BytesIO()
    np.savez_compressed(stream, meta=_meta_text(meta, "The take"), **arrays)
    return stream.getvalue()


def unpack(content: bytes) -> Performance:
    """Return the take in ``content``.

    Raises
    ------
    TakeError
        If ``content`` is damaged, or was packed by a newer version.
    """
    try:
        with opened_arrays(content) as stored:
            meta = _packed_meta(stored)
            arrays: dict[str, Any] = {name: stored.array(name, None, _NUMBERS) for name in _EXACT}
            for name in _TRACKS[: None if whole_in(meta, "format") > 1 else -1]:
                arrays[name] = _track(stored, name)
            count = len(arrays["head"])
            arrays["speech"] = _speech(stored, meta, count)
        if arrays["landmarks"].shape != (count, 3 * LANDMARK_COUNT) or arrays["activity"].shape != (count, 1):
            raise UnreadableError("its tracks differ in length")
        neutral = arrays["neutral"]
        if neutral.shape != (LANDMARK_COUNT, 3):
            raise UnreadableError("it has no face at rest")
        arrays["landmarks"] = arrays["landmarks"].reshape(count, -1, 3) + neutral
        arrays["activity"] = arrays["activity"][:, 0]
        take = Performance(**arrays, **_said(meta, with_dials=True))
    except UnreadableError as error:
        raise TakeError(f"The take kept in this scene is damaged: {error}. Animate the sound again.") from error
    _check_believable(take, "The take kept in this scene")
    return take


def _track(stored: StoredArrays, name: str) -> NDArray[np.float32]:
    """Return the values (T, C) of a packed track."""
    differences = stored.array(name, (None, None), "i")
    scale = float(stored.array(f"{name}_scale", (), "f"))
    if not 0 < scale <= _LARGEST:
        raise UnreadableError(f"'{name}_scale' is {scale:g}, which no motion has")
    steps = np.cumsum(differences, axis=1, dtype=np.int16)
    return np.ascontiguousarray((steps * np.float32(scale)).T)


def _packed_meta(stored: StoredArrays) -> Mapping[str, Any]:
    """Return the JSON of a packed take."""
    meta = row_of(parsed_json(stored.text("meta"), whole=_WIDEST_SEED))
    if whole_in(meta, "format") > PACKED_FORMAT:
        raise TakeError("The take kept in this scene is of a newer Mouthpiece. Update it, or animate the sound again.")
    return meta

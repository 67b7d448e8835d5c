"""Takes as bytes, small enough to be kept inside a scene: what is dialled again need not be heard again.

Motion is rounded to steps of 1/32767 of each array's largest value (a hundred-thousandth of a weight; a few hundred-
thousandths of an eye distance for the mouth), and stored as differences from frame to frame, which compress well: a
minute takes about half a megabyte. The container is a plain ``.npz``, never pickled.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .errors import TakeError
from .performance import Performance

#: Number of this layout.
FORMAT: Final = 1
#: Greatest step.
_FULL: Final = 32767
#: What is stored as it is: a few thousand numbers.
_EXACT: Final = ("neutral", "style_landmarks", "style_arkit")
#: What has a row a frame. Landmarks are stored as displacements from rest.
_TRACKS: Final = ("landmarks", "arkit", "head", "gaze", "blink", "activity", "style", "style_head")


def pack(take: Performance) -> bytes:
    """Return ``take`` as bytes."""
    arrays: dict[str, Any] = {name: getattr(take, name) for name in _EXACT}
    for name in _TRACKS:
        track = getattr(take, name) - take.neutral if name == "landmarks" else getattr(take, name)
        rows = track.reshape(len(take), -1)
        scale = float(np.abs(rows).max(initial=0.0)) / _FULL or 1.0
        steps = np.round(rows / scale).astype(np.int16)
        # differences wrap around, and so does adding them up again
        arrays[name] = np.diff(steps, axis=0, prepend=np.zeros_like(steps[:1])).T
        arrays[f"{name}_scale"] = np.array(scale, np.float64)
    meta = {
        "format": FORMAT,
        "fps": take.fps,
        "audio_sha256": take.audio_sha256,
        "models": dict(take.models),
        "options": dict(take.options),
        "dials": dict(take.dials),
    }
    stream = io.BytesIO()
    np.savez_compressed(stream, meta=np.array(json.dumps(meta)), **arrays)
    return stream.getvalue()


def unpack(content: bytes) -> Performance:
    """Return the take in ``content``.

    Raises
    ------
    TakeError
        If ``content`` is damaged, or was packed by a newer version.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            meta = _meta(stored["meta"])
            arrays = {name: stored[name] for name in _EXACT}
            for name in _TRACKS:
                arrays[name] = _track(stored[name], float(stored[f"{name}_scale"]))
        count = len(arrays["head"])
        arrays["landmarks"] = arrays["landmarks"].reshape(count, -1, 3) + arrays["neutral"]
        arrays["activity"] = arrays["activity"][:, 0]
        return Performance(**arrays, **meta)
    except (OSError, ValueError, KeyError, TypeError, IndexError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise TakeError(f"The take kept in this scene is damaged ({error}). Animate the sound again.") from error


def _track(differences: NDArray[np.int16], scale: float) -> NDArray[np.float32]:
    steps = np.cumsum(differences, axis=1, dtype=np.int16)
    return np.ascontiguousarray((steps * np.float32(scale)).T)


def _meta(stored: NDArray[Any]) -> dict[str, Any]:
    """Return what ``Performance`` takes besides arrays."""
    meta: dict[str, Any] = json.loads(str(stored))
    number = meta.pop("format")
    if number > FORMAT:
        raise TakeError("The take kept in this scene is of a newer Mouthpiece. Update it, or animate the sound again.")
    return meta

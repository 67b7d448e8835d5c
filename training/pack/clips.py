"""The clip format: one speaker's sound (.flac) and tracked face (.npz), and the index of a pack of clips.

``NAME.npz`` holds ``landmarks`` (T, 68, 3) in source pixels, ``iris`` (T, 10, 3), ``blendshapes`` (T, 52; first is
``_neutral``), ``pose`` (T, 4, 4), ``valid`` (T,), ``fps``, ``size``, ``speaker``, ``split``, ``source``,
``language``, ``sync_r``, ``sync_shift``; ``NAME.flac`` is 16 kHz mono, 640 samples per frame, in sync.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from mouthpiece.features import FRAME_RATE, FRAME_SAMPLES, RATE
from mouthpiece.files.writer import write_whole
from mouthpiece.topology import ARKIT_INDEX, ARKIT_NAMES
from numpy.typing import NDArray

INDEX_COLUMNS = ("file", "speaker", "split", "source", "language", "seconds", "face_px", "sync_r", "sync_shift")

#: ARKit weights the tracker gives after ``_neutral``: all 52 but tongueOut, in ARKit's alphabetical order.
LABELLED = tuple(name for name in ARKIT_NAMES if name != "tongueOut")
assert [ARKIT_INDEX[name] for name in LABELLED] == list(range(len(LABELLED)))


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """One clip; arrays as in the module's docstring, and ``samples`` (T * 640,) at 16 kHz."""

    name: str
    speaker: str
    split: str
    language: str
    samples: NDArray[np.float32]
    landmarks: NDArray[np.float64]
    blendshapes: NDArray[np.float32]
    pose: NDArray[np.float32]
    valid: NDArray[np.bool_]

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.landmarks)


def clip_folder(data: Path) -> Path:
    """Return the folder with the clips of the pack ``data``."""
    return data / "clips" if (data / "clips").is_dir() else data


def read_index(data: Path) -> list[dict[str, str]]:
    """Return the rows of a pack's ``index.tsv``.

    Raises
    ------
    FileNotFoundError
        If ``data`` is not a pack.
    """
    path = data / "index.tsv"
    if not path.is_file():
        raise FileNotFoundError(
            f"'{data}' is not a training pack: it has no index.tsv. Make one with training.pack.prepare"
        )
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def write_index(data: Path, rows: Sequence[dict[str, str]]) -> None:
    """Write a pack's ``index.tsv``."""
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, INDEX_COLUMNS, delimiter="\t", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(data / "index.tsv", stream.getvalue())


def load_clip(path: Path) -> Clip:
    """Return the clip stored as ``path`` (.npz) with its .flac beside it.

    Raises
    ------
    ValueError
        If the sound is not 16 kHz mono or the track not 25 frames per second.
    """
    with np.load(path, allow_pickle=False) as stored:
        landmarks = stored["landmarks"].astype(np.float64)
        blendshapes = stored["blendshapes"].astype(np.float32)
        fields = {key: str(stored[key]) for key in ("speaker", "split", "language")}
        pose, valid, fps = stored["pose"].astype(np.float32), stored["valid"].astype(bool), float(stored["fps"])
    samples, rate = soundfile.read(path.with_suffix(".flac"), dtype="float32")
    if rate != RATE or samples.ndim != 1 or fps != FRAME_RATE:
        raise ValueError(f"'{path.name}' is not a clip of this format: {rate} Hz, {samples.ndim}-D, {fps} fps")
    whole = len(landmarks) * FRAME_SAMPLES
    samples = np.pad(samples[:whole], (0, max(0, whole - len(samples))))
    return Clip(
        path.stem,
        fields["speaker"],
        fields["split"],
        fields["language"],
        samples,
        landmarks,
        np.nan_to_num(blendshapes),
        pose,
        valid,
    )


def load_split(data: Path, split: str) -> list[Clip]:
    """Return all clips of ``split`` ("train" or "val"), in the index's order."""
    folder = clip_folder(data)
    return [load_clip(folder / row["file"]) for row in read_index(data) if row["split"] == split]

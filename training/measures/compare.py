"""Predicted beside recorded: ``python -m training.measures.compare --out DIR [--clips 5]``.

For a few validation clips (the longest of as many speakers) writes ``NAME.png``, the curves of gap, width and jawOpen,
and ``NAME.mp4``, the recorded landmarks beside the predicted ones, head pose removed, with the sound. With ``--before``
a third face between them is moved by the networks of another folder, as those of an earlier version; its listener must
be there too. Nobody can be recognised in either, as all show landmark displacements on one canonical face. Exit code 0
when written.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from mouthpiece.audio import Audio
from mouthpiece.features import FRAME_RATE, FRAME_SAMPLES, RATE
from mouthpiece.performance import Performance
from mouthpiece.pipeline import animate
from mouthpiece.topology import ARKIT_INDEX
from numpy.typing import NDArray

from ..command_line import exit_code, parser_of
from ..content.targets import ClipTarget, canonical_face, make_targets
from ..pack.clips import Clip, load_split
from ..pack.geometry import inner_gap, lip_width
from ..paths import PACK
from .score import pearson

log = logging.getLogger(__name__)

Points = NDArray[np.float64]

#: Width and height of one face in the video, pixels, and pixels per outer-eye distance.
PANE, SCALE = 480, 230
#: Lines between landmarks: first and last point, and whether the line closes.
LINES = (
    (0, 16, False), (17, 21, False), (22, 26, False), (27, 30, False), (31, 35, False), (36, 41, True), (42, 47, True),
    (48, 59, True), (60, 67, True),
)  # fmt: skip
_PAPER, _INK = (250, 248, 245), (90, 90, 90)
#: Colours of the faces' mouths, in the order they stand in.
_RECORDED, _BEFORE, _PREDICTED = (60, 120, 40), (90, 90, 150), (190, 70, 30)


def chosen(clips: Sequence[Clip], count: int) -> list[Clip]:
    """Return the longest clip of each of the ``count`` speakers with the longest clips."""
    longest: dict[str, Clip] = {}
    for clip in clips:
        if clip.speaker not in longest or len(clip) > len(longest[clip.speaker]):
            longest[clip.speaker] = clip
    return sorted(longest.values(), key=len, reverse=True)[:count]


def drawn(face: Points, colour: tuple[int, int, int], label: str) -> NDArray[np.uint8]:
    """Return a picture (480, 480, 3) of a canonical ``face`` (68, 3)."""
    picture = np.full((PANE, PANE, 3), _PAPER, np.uint8)
    points = np.round((face[:, :2] * SCALE + [PANE / 2, PANE * 0.33]) * 16).astype(np.int32)
    for first, last, closes in LINES:
        ink = colour if first >= 48 else _INK
        cv2.polylines(picture, [points[first : last + 1, None]], closes, ink, 2, cv2.LINE_AA, 4)
    cv2.putText(picture, label, (16, 32), cv2.FONT_HERSHEY_SIMPLEX, 0.7, _INK, 1, cv2.LINE_AA)
    return picture


def curves(
    recorded: Points, predicted: Points, target: ClipTarget, take: Performance
) -> dict[str, tuple[Points, Points]]:
    """Return name -> recorded and predicted series (T,); ``recorded`` and ``predicted`` are faces (T, 68, 3)."""
    jaw = ARKIT_INDEX["jawOpen"]
    return {
        "inner-lip gap (eye distances)": (inner_gap(recorded), inner_gap(predicted)),
        "lip width (eye distances)": (lip_width(recorded), lip_width(predicted)),
        "jawOpen": (target.arkit[:, jaw].astype(float), take.arkit[: len(recorded), jaw].astype(float)),
    }


def plot(series: dict[str, tuple[Points, Points]], held: NDArray[np.bool_], title: str, path: Path) -> None:
    """Draw ``series`` over time, at most twenty seconds, into the PNG at ``path``."""
    from matplotlib.figure import Figure  # heavy, and needed for pictures only

    figure = Figure(figsize=(12, 6.5), layout="constrained")
    for axes, (name, (real, ours)) in zip(figure.subplots(len(series), sharex=True), series.items(), strict=True):
        count = min(len(real), len(ours), 20 * FRAME_RATE)
        seconds = np.arange(count) / FRAME_RATE
        r = pearson(real[held], ours[held])
        axes.plot(seconds, np.where(held[:count], real[:count], np.nan), color="#3c7828", label="recorded")
        axes.plot(seconds, ours[:count], color="#be461e", label="predicted")
        axes.set_title(f"{name}, r = {r:.2f} over the whole clip", fontsize=10, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].legend(frameon=False, ncols=2, loc="upper right")
    figure.axes[-1].set_xlabel("seconds")
    figure.suptitle(title)
    figure.savefig(path, dpi=90)


@dataclass(frozen=True, slots=True, eq=False)
class FilmedFace:
    """A face (T, 68, 3) in a film, what is written above it, and the colour of its mouth."""

    points: Points
    label: str
    colour: tuple[int, int, int]


def film(faces: Sequence[FilmedFace], samples: NDArray[np.float32], path: Path) -> None:
    """Write the ``faces`` side by side, with the sound (16 kHz), to the video at ``path``."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FRAME_RATE)
        video.width, video.height, video.pix_fmt = len(faces) * PANE, PANE, "yuv420p"
        sound = container.add_stream("aac", rate=RATE)
        sound.layout = "mono"
        for index in range(min(len(face.points) for face in faces)):
            row = np.concatenate([drawn(face.points[index], face.colour, face.label) for face in faces], axis=1)
            frame = av.VideoFrame.from_ndarray(row, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FRAME_RATE)
            container.mux(video.encode(frame))
            piece = samples[index * FRAME_SAMPLES : (index + 1) * FRAME_SAMPLES]
            heard = av.AudioFrame.from_ndarray(piece[None].astype(np.float32), format="fltp", layout="mono")
            heard.sample_rate, heard.pts, heard.time_base = RATE, index * FRAME_SAMPLES, Fraction(1, RATE)
            container.mux(sound.encode(heard))
        container.mux(video.encode())
        container.mux(sound.encode())


def compare(
    clip: Clip, target: ClipTarget, canonical: Points, models: Path | None, out: Path, name: str, before: Path | None
) -> None:
    """Write ``name``.png and ``name``.mp4 for ``clip`` to ``out``; ``before`` holds the networks of a third face."""
    sound = Audio(clip.samples, RATE, clip.name)
    take = animate(sound, models=models).final()
    recorded = canonical + target.landmarks.reshape(-1, 68, 3).astype(float)
    predicted = take.landmarks[: len(recorded)].astype(float)
    series = curves(recorded, predicted, target, take)
    plot(series, target.weight > 0, f"{name}: {clip.language}, {len(clip) / FRAME_RATE:.0f} s", out / f"{name}.png")
    faces = [FilmedFace(recorded, "recorded", _RECORDED), FilmedFace(predicted, "predicted", _PREDICTED)]
    if before:
        earlier = animate(sound, models=before).final()
        faces.insert(1, FilmedFace(earlier.landmarks.astype(float), "before", _BEFORE))
    film(faces, clip.samples, out / f"{name}.mp4")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.measures.compare", __doc__)
    parser.add_argument("--data", type=Path, default=PACK, help="training pack (default: ../shared/data)")
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures and videos")
    parser.add_argument("--clips", type=int, default=5)
    parser.add_argument("--models", type=Path, help="folder with other networks than the shipped ones")
    parser.add_argument("--before", type=Path, help="folder with networks that move a third face")
    args = parser.parse_args(argv)

    def work() -> None:
        canonical = canonical_face(load_split(args.data, "train"))
        clips = chosen(load_split(args.data, "val"), args.clips)
        args.out.mkdir(parents=True, exist_ok=True)
        for number, (clip, target) in enumerate(zip(clips, make_targets(clips, canonical), strict=True), start=1):
            compare(clip, target, canonical, args.models, args.out, f"clip-{number}", args.before)
            log.info("%s: %s.png, .mp4", clip.name, args.out / f"clip-{number}")

    return exit_code(work, "cannot compare")


if __name__ == "__main__":
    sys.exit(main())

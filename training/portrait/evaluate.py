"""Judge portraits on people the generator was not trained on: ``python -m training.portrait.evaluate --data DATA``.

Every shot of the validation clips (``DATA/faces/val``) is made again from one of its frames, the still, driven by the
shot's tracked landmarks and irises, and compared with the recording. The methods are: the still, unmoved; the warp
alone; the warp with the generator. With ``--speech DIR`` the stills also speak the lines in that folder, and the motion
of their mouths is tracked. Tables are written to ``docs/portraits/evaluation.md``; with ``--out DIR``, films and
contact sheets are written to DIR. Exit code 0 when done, 1 when the data cannot be used, 130 when stopped.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from mouthpiece.files.writer import write_whole
from mouthpiece.portrait.draw.generator import Generator, load_generator, shipped_generator
from mouthpiece.portrait.draw.render import Renderer
from mouthpiece.portrait.find.placement import Placed
from mouthpiece.portrait.portrait import portrait_of
from numpy.typing import NDArray

from ..command_line import exit_code, parser_of
from ..files import write_json
from ..paths import DOCS
from .data import FaceClip
from .measures.contact_sheets import headed, moments, stacked, write_film, write_picture
from .measures.report import document
from .measures.scores import (
    DetectorFeatures,
    Points,
    Scores,
    filtered,
    flicker,
    found_again,
    landmark_scores,
    mean_scores,
    opening,
    pictures_scores,
)
from .measures.shots import clips_of, still_of
from .measures.speech import speak

log = logging.getLogger(__name__)

DOCUMENT = DOCS / "portraits" / "evaluation.md"
#: Names of the methods in tables.
RECORDED, HELD, WARP, MADE = "recorded", "held still", "warp", "warp + generator"


@dataclass(frozen=True, slots=True, eq=False)
class RemadeShot:
    """A recorded shot and what each method made of its still.

    Attributes
    ----------
    name : str
        Name of the clip, with the number of the shot if it has several.
    landmarks : (T, 68, 3)
        Tracked points in pixels.
    source : int
        Index of the still, from which the other frames were made.
    frames : dict
        Method -> frames (T, H, W, 3) uint8, the recorded ones first.
    calm : dict
        The same driven by filtered landmarks, without the tracker's noise; flicker is measured on these.
    """

    name: str
    landmarks: NDArray[np.float64]
    source: int
    frames: dict[str, NDArray[np.uint8]]
    calm: dict[str, NDArray[np.uint8]]


def remade(clip: FaceClip, generators: Mapping[str, Generator | None]) -> RemadeShot:
    """Return the shot ``clip`` made again by every method: held still, the warp alone, and with each generator.

    Raises
    ------
    PictureError
        If no portrait can be made of the still.
    """
    landmarks = clip.landmarks
    source = still_of(landmarks)
    portrait = portrait_of(clip.frames[source], Placed(landmarks[source], clip.irises[source]))
    frames = {RECORDED: clip.frames, HELD: np.repeat(clip.frames[source][None], len(clip), axis=0)}
    calm = dict(frames)
    for method, network in ({WARP: None} | dict(generators)).items():
        renderer = Renderer(portrait, network)
        frames[method] = _driven(renderer, landmarks, clip.irises)
        calm[method] = _driven(renderer, filtered(landmarks), filtered(clip.irises))
    return RemadeShot(clip.name, landmarks, source, frames, calm)


def _driven(renderer: Renderer, landmarks: Points, irises: Points) -> NDArray[np.uint8]:
    """Return the frames (T, H, W, 3) of a portrait driven by tracked points."""
    return np.stack([frame[..., :3] for frame in renderer.tracked(landmarks, irises[..., :2])])


def judged(made: RemadeShot, features: DetectorFeatures) -> dict[str, Scores]:
    """Return method -> figures, means over the frames of the shot without the still."""
    rows: dict[str, Scores] = {}
    others = [k for k in range(len(made.landmarks)) if k != made.source]
    for method, frames in made.frames.items():
        found = found_again(frames) if method != HELD else np.repeat(found_again(frames[:1]), len(frames), axis=0)
        marks = landmark_scores(found, made.landmarks)
        scores = [dict(marks[k]) for k in others]
        if method != RECORDED:
            for row, k in zip(scores, others, strict=True):
                real = made.frames[RECORDED][k]
                row |= pictures_scores(frames[k], real, made.landmarks[k], features)
        lost = float(np.mean([np.isnan(row["lips"]) for row in scores])) * 100
        rows[method] = mean_scores(scores) | {"lost": lost} | flicker(made.calm[method], filtered(made.landmarks))
    return rows


def comparison_frames(made: RemadeShot) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of a shot side by side: recorded, the still, and as each method made it."""
    methods = [name for name in made.frames if name != HELD]
    still = made.frames[RECORDED][made.source]
    for k in range(len(made.landmarks)):
        frames = [made.frames[RECORDED][k], still, *(made.frames[name][k] for name in methods[1:])]
        title = f"{made.name}, frame {k}: synthetic but for the first two columns"
        yield headed(frames, [RECORDED, "still", *methods[1:]], title)


def write_comparison(made: RemadeShot, out: Path) -> NDArray[np.uint8]:
    """Write film and contact sheet of a shot to the folder ``out``, and return the sheet."""
    pictures = list(comparison_frames(made))
    label = made.name.replace(" ", "-")
    write_film(out / f"{label}.mp4", pictures)
    moved = np.linalg.norm(made.landmarks - made.landmarks[made.source], axis=2).mean(axis=1)
    sheet = stacked([pictures[k] for k in moments(opening(made.landmarks), moved)])
    write_picture(out / f"{label}.png", sheet)
    return sheet


def evaluate(
    data: Path, generator: Generator | None, out: Path | None, only: Sequence[str] = (), most: int | None = None
) -> dict[str, dict[str, Scores]]:
    """Return shot -> method -> figures, and write films and contact sheets to ``out`` unless it is None.

    ``only`` names the clips to judge (empty: all); ``most`` limits the frames of each shot.
    """
    features, rows, sheets = DetectorFeatures(), {}, []
    for clip in clips_of(data / "faces" / "val", only, most):
        log.info("%s: %d frames…", clip.name, len(clip))
        made = remade(clip, {} if generator is None else {MADE: generator})
        rows[made.name] = judged(made, features)
        if out is not None:
            sheets.append(write_comparison(made, out))
    if out is not None:
        write_picture(out / "sheet.png", stacked(sheets))
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.portrait.evaluate", __doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the training pack")
    parser.add_argument("--out", type=Path, help="folder for films, sheets and figures.json")
    parser.add_argument("--generator", type=Path, help="a network to judge (default: the shipped one)")
    parser.add_argument("--speech", type=Path, help="folder of spoken lines for the stills to speak")
    parser.add_argument("--lines", nargs="+", default=[], metavar="NAME", help="speak these lines only")
    parser.add_argument("--clips", nargs="+", default=[], metavar="NAME", help="judge these clips only")
    parser.add_argument("--frames", type=int, metavar="N", help="judge the first N frames of each shot only")
    parser.add_argument("--document", type=Path, default=DOCUMENT, help="where the tables go (default: docs)")
    args = parser.parse_args(argv)

    def work() -> None:
        generator = shipped_generator() if args.generator is None else load_generator(args.generator)
        if args.out is not None:
            args.out.mkdir(parents=True, exist_ok=True)
        rows = evaluate(args.data, generator, args.out, args.clips, args.frames)
        spoken = None if args.speech is None else speak(args.data, args.speech, generator, args.out, args.lines)
        if args.out is not None:
            write_json(args.out / "figures.json", {"clips": rows, "speech": [asdict(item) for item in spoken or ()]})
        text = document(rows, spoken, generator)
        args.document.parent.mkdir(parents=True, exist_ok=True)
        write_whole(args.document, text)
        print(text)

    return exit_code(work, "not judged")


if __name__ == "__main__":
    sys.exit(main())

"""Judge portraits on faces nobody trained on: ``python -m training.portrait.evaluate --data DATA [--out DIR]``.

Every shot of the validation clips (``DATA/faces/val``) is made anew from one of its own frames, driven by its own
tracked landmarks and irises, and compared with what was recorded: the still held, the warp alone, the warp with the
generator. With ``--speech DIR`` the stills also speak the lines in that folder, and their mouths are read again.
Tables go to ``docs/portraits/evaluation.md``; with ``--out``, films and contact sheets go there. Exit code 0 when done,
1 when the data cannot be used, 130 when stopped.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from mouthpiece.errors import MouthpieceError
from mouthpiece.portrait.draw.generator import Generator, load_generator, shipped_generator
from mouthpiece.portrait.draw.render import Renderer
from mouthpiece.portrait.find.placement import Placed
from mouthpiece.portrait.portrait import portrait_of
from numpy.typing import NDArray

from .measures.contact_sheets import headed, moments, stacked, write_film, write_picture
from .data import Clip
from .measures.report import document
from .measures.scores import (
    Features,
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

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "portraits" / "evaluation.md"
RECORDED, HELD, WARP, MADE = "recorded", "held still", "warp", "warp + generator"


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """A shot made anew.

    Attributes
    ----------
    name : str
        Clip and, where it has several shots, number.
    landmarks : (T, 68, 3)
        As tracked, in pixels.
    source : int
        The frame the others were made from.
    frames : dict
        Method -> frames (T, H, W, 3) uint8; the recorded ones first.
    calm : dict
        The same, driven by the landmarks free of the tracker's noise: what flicker is judged by.
    """

    name: str
    landmarks: NDArray[np.float64]
    source: int
    frames: dict[str, NDArray[np.uint8]]
    calm: dict[str, NDArray[np.uint8]]


def made_of(clip: Clip, generators: Mapping[str, Generator | None]) -> Made:
    """Return a shot made anew by every method: the warp alone, and with generators by name.

    Raises
    ------
    PictureError
        If no portrait can be made of its still.
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
    return Made(clip.name, landmarks, source, frames, calm)


def _driven(renderer: Renderer, landmarks: Points, irises: Points) -> NDArray[np.uint8]:
    return np.stack([frame[..., :3] for frame in renderer.tracked(landmarks, irises[..., :2])])


def judged(made: Made, features: Features) -> dict[str, Scores]:
    """Return the figures of each method, means over the shot's frames but the still itself."""
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


def shown(made: Made) -> Iterator[NDArray[np.uint8]]:
    """Yield pictures of a shot: recorded, the still, and what the methods made of it, side by side."""
    methods = [name for name in made.frames if name != HELD]
    still = made.frames[RECORDED][made.source]
    for k in range(len(made.landmarks)):
        frames = [made.frames[RECORDED][k], still, *(made.frames[name][k] for name in methods[1:])]
        title = f"{made.name}, frame {k}: synthetic but for the first two columns"
        yield headed(frames, [RECORDED, "still", *methods[1:]], title)


def show(made: Made, out: Path) -> NDArray[np.uint8]:
    """Write a shot's film and sheet to a folder, and return the sheet."""
    pictures = list(shown(made))
    label = made.name.replace(" ", "-")
    write_film(out / f"{label}.mp4", pictures)
    moved = np.linalg.norm(made.landmarks - made.landmarks[made.source], axis=2).mean(axis=1)
    sheet = stacked([pictures[k] for k in moments(opening(made.landmarks), moved)])
    write_picture(out / f"{label}.png", sheet)
    return sheet


def evaluate(
    data: Path, generator: Generator | None, out: Path | None, only: Sequence[str] = (), most: int | None = None
) -> dict[str, dict[str, Scores]]:
    """Return the figures of every shot and method, and write films and sheets to ``out`` if there is one."""
    features, rows, sheets = Features(), {}, []
    for clip in clips_of(data / "faces" / "val", only, most):
        log.info("%s: %d frames…", clip.name, len(clip))
        made = made_of(clip, {} if generator is None else {MADE: generator})
        rows[made.name] = judged(made, features)
        if out is not None:
            sheets.append(show(made, out))
    if out is not None:
        write_picture(out / "sheet.png", stacked(sheets))
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m training.portrait.evaluate", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--data", type=Path, required=True, help="folder of the training pack")
    parser.add_argument("--out", type=Path, help="folder for films, sheets and figures.json")
    parser.add_argument("--generator", type=Path, help="a network to judge (default: the shipped one)")
    parser.add_argument("--speech", type=Path, help="folder of spoken lines for the stills to speak")
    parser.add_argument("--lines", nargs="+", default=[], metavar="NAME", help="speak these lines only")
    parser.add_argument("--clips", nargs="+", default=[], metavar="NAME", help="judge these clips only")
    parser.add_argument("--frames", type=int, metavar="N", help="judge the first N frames of each shot only")
    parser.add_argument("--document", type=Path, default=DOCUMENT, help="where the tables go (default: docs)")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        generator = shipped_generator() if args.generator is None else load_generator(args.generator)
        if args.out is not None:
            args.out.mkdir(parents=True, exist_ok=True)
        rows = evaluate(args.data, generator, args.out, args.clips, args.frames)
        spoken = None if args.speech is None else speak(args.data, args.speech, generator, args.out, args.lines)
        if args.out is not None:
            figures = json.dumps({"clips": rows, "speech": [asdict(item) for item in spoken or ()]}, indent=1) + "\n"
            (args.out / "figures.json").write_text(figures, encoding="utf-8")
        text = document(rows, spoken, generator)
        args.document.parent.mkdir(parents=True, exist_ok=True)
        args.document.write_text(text, encoding="utf-8")
        print(text)
    except KeyboardInterrupt:
        return 130
    except (OSError, ValueError, MouthpieceError) as error:
        log.error("not judged: %s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Stills that speak, and how well their visible mouths follow the performance that drives them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mouthpiece import Audio, Options, animate
from mouthpiece.audio import load
from mouthpiece.features import FRAME_RATE
from mouthpiece.performance import Performance
from mouthpiece.portrait.draw.generator import Generator
from mouthpiece.portrait.draw.motion import Puppet
from mouthpiece.portrait.draw.render import Renderer, frame_count
from mouthpiece.portrait.draw.take_samples import read_at
from mouthpiece.portrait.find.faces import find_faces
from mouthpiece.portrait.find.placement import Placed, placed_by_detector
from mouthpiece.portrait.images import over_white, read_picture
from mouthpiece.portrait.portrait import Portrait, portrait_of
from numpy.typing import NDArray

from ...paths import ASTRONAUT
from ..data import FaceClip
from .contact_sheets import ClipSound, headed, write_film
from .report import SpokenFigures
from .scores import Points, Scores, flicker, found_again, opening
from .shots import clips_of, still_of

log = logging.getLogger(__name__)

SOUNDS = (".wav", ".flac")
#: Seconds of each line that are used.
SECONDS = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class SpokenLine:
    """A line to speak: its name, its performance and its sound."""

    name: str
    performance: Performance
    sound: Audio


def lines_of(folder: Path, only: Sequence[str] = (), seconds: float = SECONDS) -> list[SpokenLine]:
    """Return the first ``seconds`` of each sound in ``folder`` with their performances; ``only`` names the sounds.

    Raises
    ------
    ValueError
        If there are none.
    """
    sounds = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in SOUNDS]
    paths = [path for path in sounds if not only or path.stem in only]
    if not paths:
        raise ValueError(f"there are no sounds in '{folder}'")
    lines = []
    for path in paths:
        sound = load(path)
        part = Audio(sound.samples[: round(seconds * sound.rate)], sound.rate, path.name)
        lines.append(SpokenLine(path.stem, animate(part, Options()).final(), part))
    return lines


def stills(data: Path) -> dict[str, tuple[Portrait, FaceClip | None]]:
    """Return name -> portrait and the shot it is from, for each person of the validation clips; and the astronaut."""
    portraits: dict[str, tuple[Portrait, FaceClip | None]] = {}
    for clip in clips_of(data / "faces" / "val"):
        index = still_of(clip.landmarks)
        placed = Placed(clip.landmarks[index], clip.irises[index])
        portraits.setdefault(clip.name.split(" ")[0], (portrait_of(clip.frames[index], placed), clip))
    picture = read_picture(ASTRONAUT)
    placed = placed_by_detector(find_faces(over_white(picture))[0])
    portraits["astronaut"] = (portrait_of(picture, placed), None)
    return portraits


def agreement(found: NDArray[np.floating], driven: NDArray[np.floating]) -> Scores:
    """Return how the mouth opening found in frames (T,) follows the one that drove them (T,).

    ``r`` is the correlation, ``size`` the slope of the first on the second. Frames in which no face was found (NaN) do
    not count; ``lost`` is their share in percent.
    """
    seen = np.isfinite(found)
    told = {"lost": float(100 * (1 - seen.mean()))}
    if seen.sum() < 2 or np.ptp(driven[seen]) == 0 or np.ptp(found[seen]) == 0:
        return told | {"r": float("nan"), "size": float("nan")}
    a, b = driven[seen] - driven[seen].mean(), found[seen] - found[seen].mean()
    both, own = float((a * b).sum()), float((a**2).sum())
    return told | {"r": both / float(np.sqrt(own * (b**2).sum())), "size": both / own}


def spoken(portrait: Portrait, line: SpokenLine, generator: Generator | None) -> tuple[NDArray[np.uint8], Scores]:
    """Return the frames (T, H, W, 3) of a portrait that speaks ``line``, and their figures."""
    renderer = Renderer(portrait, generator)
    frames = np.stack([frame[..., :3] for frame in renderer.frames(line.performance, FRAME_RATE)])
    times = np.arange(frame_count(line.performance, FRAME_RATE)) / FRAME_RATE
    shown = portrait.scaled(*renderer.size)
    puppet = Puppet(shown.face)
    landmarks = puppet.placed(puppet.performed(line.performance, times)).landmarks
    driven = opening(read_at(line.performance, times).landmarks)
    return frames, agreement(opening(found_again(frames)), driven) | unsteadiness(frames, landmarks)


def unsteadiness(frames: NDArray[np.uint8], landmarks: Points) -> Scores:
    """Return how much of the change in a face is flicker.

    ``inside`` and ``shimmer`` are as in :func:`~.scores.flicker`, but over all frames. ``share`` is shimmer divided by
    inside: about 1 for pure flicker, less for movement.
    """
    told = flicker(frames, landmarks, np.inf)
    share = told["shimmer"] / told["inside"] if told["inside"] > 0 else float("nan")
    return {"inside": told["inside"], "shimmer": told["shimmer"], "share": share}


def speak(
    data: Path, folder: Path, generator: Generator | None, out: Path | None = None, only: Sequence[str] = ()
) -> list[SpokenFigures]:
    """Return the figures of every still, line and method; films are written to ``out`` unless it is None."""
    rows: list[SpokenFigures] = []
    lines = lines_of(folder, only)
    methods = {"warp": None} | ({"warp + generator": generator} if generator else {})
    for name, (portrait, clip) in stills(data).items():
        if clip is not None:
            rows.append(SpokenFigures(name, "their own", "recorded", unsteadiness(clip.frames, clip.landmarks)))
        for line in lines:
            log.info("%s speaks %s…", name, line.name)
            made = {}
            for method, network in methods.items():
                frames, scores = spoken(portrait, line, network)
                rows.append(SpokenFigures(name, line.name, method, scores))
                made[method] = frames
            if out is not None:
                title = f"{name} speaks {line.name}: synthetic"
                write_film(
                    out / f"{name}-speaks-{line.name}.mp4",
                    (headed(pair, list(made), title) for pair in zip(*made.values(), strict=True)),
                    sound=ClipSound(line.sound.samples, line.sound.rate),
                )
    return rows

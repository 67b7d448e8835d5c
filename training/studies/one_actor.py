"""How much one actor's own material helps: ``python -m training.studies.one_actor --out DIR [--data DIR] [--light]``.

Validation speakers with a connected recording of 18 seconds or more are actors that no shipped network has learned
from. Each recording is divided into thirds; each third is judged by what was learned from the other two (with a second
left out between them), so that all of it is judged by what did not see it. The rows, every actor once:

* *shipped*: the shipped networks, the manner heard in the voice;
* *fit*: ``mouthpiece fit``, the map of four measures, in a second or two without training;
* *adapted*: ``training.content.adapt``, network and style (not with ``--light``: it takes minutes an actor);
* *adapted and fit*: the map fitted to what the adapted network does.

``open_error`` and ``width_error`` are mean absolute logarithms of the actors' ratios of spread, the sizes of their
motion: 0 is right; a table by actor follows. Results are kept in ``--out`` and what is done is not done again.
Exit code 0 when done, 1 when stopped by an error, 130 when interrupted (the same command goes on).
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from mouthpiece.actors.actor import Actor
from mouthpiece.actors.captures import Capture
from mouthpiece.actors.fit import fitted
from mouthpiece.audio import Audio
from mouthpiece.errors import ActorError
from mouthpiece.features import FRAME_RATE, RATE
from mouthpiece.models.registry import find
from mouthpiece.pipeline import Options, animate
from mouthpiece.styles import Style
from mouthpiece.topology import ARKIT_INDEX, ARKIT_NAMES
from numpy.typing import NDArray

from ..command_line import exit_code, parser_of
from ..content.adapt import SHIPPED, cut, fine_tune, manner_of
from ..content.evaluate import Predicted, grouped, judge
from ..content.export import export
from ..content.targets import make_targets
from ..files import write_json
from ..measures.markdown import table
from ..measures.score import Metrics, mean_rows
from ..networks.adaptation import Material
from ..pack.clips import LABELLED, Clip, load_split
from ..pack.geometry import remove_pose, rigid_points
from ..paths import PACK

log = logging.getLogger(__name__)

#: Least seconds of an actor's recording, thirds that it is divided into, and seconds left out between them.
LEAST_SECONDS: Final = 18.0
THIRDS: Final = 3
GAP: Final = 1.0
#: Share of what is learned from that chooses how far to go from the shipped network.
CHOOSES: Final = 0.2
COLUMNS: Final = ("r_open", "r_width", "open_ratio", "width_ratio", "open_error", "width_error", "jitter")
Points = NDArray[np.float64]


def actors_in(data: Path) -> list[Clip]:
    """Return a recording of each validation speaker who has one that is long enough, the longest first."""
    long = [clip for clip in load_split(data, "val") if len(clip) >= LEAST_SECONDS * FRAME_RATE]
    return sorted(long, key=len, reverse=True)


def divided(clip: Clip, third: int) -> Material[Clip]:
    """Return a recording with one third to judge, and the rest to learn from and to choose by."""
    edges = np.linspace(0, len(clip), THIRDS + 1).round().astype(int)
    low, high = int(edges[third]), int(edges[third + 1])
    gap = round(GAP * FRAME_RATE)
    pieces = [(0, low - gap), (high + gap, len(clip))]
    rest = [(first, stop) for first, stop in pieces if stop - first >= 2 * FRAME_RATE]
    first, stop = rest[-1]
    middle = stop - round(CHOOSES * sum(b - a for a, b in rest))
    teach = [cut(clip, a, b) for a, b in [*rest[:-1], (first, middle - gap // 2)] if b - a >= FRAME_RATE]
    return Material(teach, [cut(clip, middle, stop)], [cut(clip, low, high)])


def recorded(clips: Sequence[Clip], neutral: Points) -> list[Capture]:
    """Return what clips show as recordings on the face ``neutral`` (68, 3) of takes."""
    captures = []
    for clip, target in zip(clips, make_targets(clips, neutral), strict=True):
        arkit = np.zeros((len(clip), len(ARKIT_NAMES)), np.float32)
        arkit[:, [ARKIT_INDEX[name] for name in LABELLED]] = target.arkit
        times = np.arange(len(clip)) / FRAME_RATE
        captures.append(Capture(times, target.landmarks.reshape(len(clip), 68, 3), arkit))
    return captures


def actor_of(clips: Sequence[Clip], models: Path | None) -> Actor | None:
    """Return the actor fitted to clips, with the networks in ``models`` (None: the shipped ones).

    None if somebody speaks for too short a time in them: that actor moves as shipped.
    """
    neutral = find("content").sidecar.neutral_face().astype(float)
    takes = [animate(Audio(clip.samples, RATE, clip.name), Options(style=Style()), models) for clip in clips]
    try:
        return fitted(list(zip(recorded(clips, neutral), takes, strict=True)), clips[0].speaker).actor
    except ActorError as error:
        log.warning("%s: not fitted. %s", clips[0].speaker, error)
        return None


def predictor(models: Path | None, style: Style | None, actor: Actor | None) -> Callable[[Clip], Predicted]:
    """Return what runs the pipeline with networks, a style and an actor, each as shipped and heard if None."""

    def predict(clip: Clip) -> Predicted:
        take = animate(Audio(clip.samples, RATE, clip.name), Options(style=style, actor=actor), models).final()
        return Predicted(take.landmarks.astype(float), take.arkit.astype(float))

    return predict


def judged(clips: Sequence[Clip], predict: Callable[[Clip], Predicted]) -> Metrics:
    """Return the mean figures of clips, with the spread of the lips' width beside the recorded."""
    known: dict[str, Predicted] = {}

    def once(clip: Clip) -> Predicted:
        known[clip.name] = predict(clip)
        return known[clip.name]

    row = mean_rows(judge(clips, once))
    ratios = []
    for clip in clips:
        seen = remove_pose(clip.landmarks, clip.valid, rigid_points(known[clip.name].landmarks[0]))
        count = min(len(seen.points), len(known[clip.name].landmarks))
        keep = seen.held[:count]
        wide = [(p[:count, 54, 0] - p[:count, 48, 0])[keep] for p in (known[clip.name].landmarks, seen.points)]
        ratios.append(float((wide[0] / wide[0].mean()).std() / (wide[1] / wide[1].mean()).std()))
    return row | {"width_ratio": float(np.mean(ratios))}


def studied(clip: Clip, third: int, out: Path, light: bool, steps: int | None) -> dict[str, Metrics]:
    """Return a row of figures for each way of learning from the other thirds of a recording."""
    material = divided(clip, third)
    taught = [*material.teach, *material.choose]
    rows = {
        "shipped": judged(material.judge, predictor(None, None, None)),
        "fit": judged(material.judge, predictor(None, None, actor_of(taught, None))),
    }
    if light:
        return rows
    own = [replace(one, speaker="actor", split="train") for one in taught]
    manner = manner_of(own)
    count = len(material.teach)
    blend = fine_tune(Material(own[:count], own[count:], material.judge), SHIPPED, out, steps)
    models = export(out / "run" / "best.safetensors", out).parent if blend else None
    style = Style(clip.speaker, **manner | {"opening": (1 - blend) * manner["opening"]})
    rows["adapted"] = judged(material.judge, predictor(models, style, None)) | {"blend": blend}
    rows["adapted and fit"] = judged(material.judge, predictor(models, None, actor_of(taught, models)))
    return rows


def study(data: Path, out: Path, light: bool, only: Sequence[str], steps: int | None, thirds: int) -> str:
    """Study every actor, keep the figures in ``out``, and return them as Markdown tables."""
    out.mkdir(parents=True, exist_ok=True)
    rows: dict[str, list[dict[str, Any]]] = {}
    for clip in actors_in(data):
        if only and clip.speaker not in only:
            continue
        for third in range(thirds):
            place = out / f"{clip.speaker}-{third}{'-light' if light else ''}.json"
            if not place.is_file():
                log.info("%s, third %d of %d", clip.speaker, third + 1, THIRDS)
                write_json(place, studied(clip, third, out / f"{clip.speaker}-{third}", light, steps))
            for name, row in json.loads(place.read_text(encoding="utf-8")).items():
                rows.setdefault(name, []).append(row | {"speaker": clip.speaker})
    if not rows:
        raise ValueError(f"no validation speaker in '{data}' has a recording of {LEAST_SECONDS:g} seconds")
    means, by_actor = {}, {}
    for name, own in rows.items():
        actors = grouped(own, "speaker")
        errors = {
            f"{part}_error": float(np.mean([abs(np.log(row[f"{part}_ratio"])) for row in actors.values()]))
            for part in ("open", "width")
        }
        means[name] = mean_rows(list(actors.values())) | errors
        by_actor |= {f"{speaker}, {name}": row for speaker, row in actors.items()}
    tables = (
        _gains(rows),
        table(means, f"{len(actors)} actors", COLUMNS),
        table(dict(sorted(by_actor.items())), "actor", COLUMNS),
    )
    return "\n\n".join(tables)


def _gains(rows: Mapping[str, Sequence[Metrics]]) -> str:
    """Return in a line for each way how much ``r_open`` gains beside the shipped networks, every actor once."""
    shipped = grouped(rows["shipped"], "speaker")
    lines = []
    for name, own in rows.items():
        if name != "shipped":
            gains = [row["r_open"] - shipped[speaker]["r_open"] for speaker, row in grouped(own, "speaker").items()]
            lines.append(f"r_open, {name}: {np.mean(gains):+.3f} (actors {min(gains):+.3f} to {max(gains):+.3f})")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.studies.one_actor", __doc__)
    parser.add_argument("--data", type=Path, default=PACK, help="training pack (default: ../shared/data)")
    parser.add_argument("--out", type=Path, required=True, help="folder for figures and networks")
    parser.add_argument("--light", action="store_true", help="only the fit, which trains no network")
    parser.add_argument("--only", action="append", default=[], metavar="SPEAKER", help="only this actor")
    parser.add_argument("--steps", type=int, help="training steps (default: those of training.content.adapt)")
    parser.add_argument("--thirds", type=int, choices=range(1, THIRDS + 1), default=THIRDS, help="how many are judged")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return exit_code(
        lambda: print(study(args.data, args.out, args.light, args.only, args.steps, args.thirds)), "not studied"
    )


if __name__ == "__main__":
    sys.exit(main())

"""How well the shipped network moves mouths: ``python -m training.evaluate [--data DIR] [--split val]``.

Prints a table: *static* (a closed mouth), *floor* (clips of ``faces/SPLIT`` tracked again by our own tracker:
what the tracker's noise alone costs; other clips than the rest), *ridge* (log-mel regression fitted on ``train``) and
*ours* (the shipped ONNX file through the core's own pipeline), then ours by speaker and by language. Recorded tracks
are filtered over five frames, predicted ones never. Exit code 0, or 1 with ``--at-least`` when our
r_open is lower, every speaker counting once: in the pack at hand 80 of 90 validation clips are single words of 1.2 s.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mouthpiece.audio import Audio
from mouthpiece.errors import MouthpieceError
from mouthpiece.features import RATE
from mouthpiece.pipeline import animate
from mouthpiece.topology import ARKIT_INDEX
from numpy.typing import NDArray

from .baselines import MelRidge
from .clips import Clip, load_split
from .prepare import retrack
from .score import Metrics, load_track, mean_rows, pearson, score
from .targets import canonical_face, make_targets

#: Where the training pack lies beside a checkout, unless ``--data`` names another.
PACK = Path(__file__).resolve().parents[2] / "shared" / "data"
SMOOTH = 5
COLUMNS = (
    "r_open",
    "r_open_best",
    "lag",
    "r_width",
    "open_ratio",
    "closure_recall",
    "closure_precision",
    "jitter",
    "D_LL",
    "D_VL",
    "D_A",
    "r_jaw",
)
Points = NDArray[np.float64]


def judge(clips: Sequence[Clip], predict: Callable[[Clip], tuple[Points, Points | None]]) -> list[Metrics]:
    """Return one row of figures per clip; ``predict`` gives landmarks (T, 68, 3) and jawOpen (T,) or None."""
    rows = []
    for clip in clips:
        landmarks, jaw = predict(clip)
        row = score(
            {"landmarks": clip.landmarks, "valid": clip.valid}, {"landmarks": landmarks}, "transfer", SMOOTH, False
        )
        if jaw is not None:
            n = min(len(clip), len(jaw))
            keep = clip.valid[:n]
            recorded = clip.blendshapes[:n, 1 + ARKIT_INDEX["jawOpen"]].astype(float)[keep]
            if recorded.std() > 1e-3:  # a jaw that rests has nothing to correlate with
                row["r_jaw"] = pearson(recorded, jaw[:n][keep])
        rows.append(row | {"speaker": clip.speaker, "language": clip.language})
    return rows


def floor_rows(faces: Path) -> list[Metrics]:
    """Return figures of our tracker against the stored tracks of ``faces`` (videos with .npz beside them)."""
    rows = []
    for video in sorted(faces.glob("*.mp4")):
        recorded = load_track(video.with_suffix(".npz"))
        again = retrack(video)
        n = min(len(again), len(recorded["landmarks"]))
        recorded = {key: value[:n] for key, value in recorded.items()}
        rows.append(score(recorded, {"landmarks": again[:n]}, "same", SMOOTH, False) | {"speaker": video.stem})
    return rows


def ours(models: Path | None) -> Callable[[Clip], tuple[Points, Points | None]]:
    """Return a predictor that runs the core's pipeline."""

    def predict(clip: Clip) -> tuple[Points, Points | None]:
        performance = animate(Audio(clip.samples, RATE, clip.name), models=models)
        return performance.landmarks.astype(float), performance.arkit[:, ARKIT_INDEX["jawOpen"]].astype(float)

    return predict


def grouped(rows: Sequence[Metrics], key: str) -> dict[str, Metrics]:
    """Return mean rows by ``key``, with the number of clips in each."""
    groups: dict[str, list[Metrics]] = defaultdict(list)
    for row in rows:
        groups[row[key]].append(row)
    return {name: mean_rows(own) | {"clips": len(own)} for name, own in sorted(groups.items())}


def table(rows: dict[str, Metrics], first: str) -> str:
    """Return ``rows`` as a Markdown table."""
    lines = [f"| {first} | " + " | ".join(COLUMNS) + " |", "|" + "---|" * (len(COLUMNS) + 1)]
    for name, row in rows.items():
        cells = [f"{row[c]:.2f}" if isinstance(row.get(c), float) else "-" for c in COLUMNS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def evaluate(data: Path, split: str, models: Path | None, with_floor: bool = True) -> dict[str, Any]:
    """Return the systems' mean rows, and ours by speaker and language."""
    clips, train = load_split(data, split), load_split(data, "train")
    canonical = canonical_face(train)
    ridge = MelRidge.fit(train, make_targets(train, canonical))
    still = judge(clips, lambda clip: (np.repeat(canonical[None], len(clip), 0), None))
    by_ridge = judge(clips, lambda clip: (canonical + ridge.predict(clip), None))
    own = judge(clips, ours(models))
    systems: dict[str, Metrics] = {}
    faces = data / "faces" / split
    if with_floor and faces.is_dir():
        rows = floor_rows(faces)
        systems[f"floor ({len(rows)} other clips, re-tracked)"] = mean_rows(rows)
    for name, rows in (("static", still), ("log-mel ridge", by_ridge), ("ours", own)):
        systems[name] = mean_rows(rows)
        systems[f"{name}, every speaker once"] = mean_rows(list(grouped(rows, "speaker").values()))
    by_speaker = grouped(own, "speaker")
    return {"clips": len(clips), "systems": systems, "speakers": by_speaker, "languages": grouped(own, "language")}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=PACK, help="training pack (default: ../shared/data)")
    parser.add_argument("--split", default="val")
    parser.add_argument("--models", type=Path, help="folder with other networks than the shipped ones")
    parser.add_argument("--no-floor", action="store_true", help="leave out the slow row of re-tracked videos")
    parser.add_argument("--at-least", type=float, help="exit with 1 if our r_open, every speaker once, is lower")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    args = parser.parse_args(argv)
    try:
        result = evaluate(args.data, args.split, args.models, not args.no_floor)
    except (OSError, ValueError, MouthpieceError) as error:
        print(f"cannot evaluate: {error}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps(result, indent=1))
    else:
        print(f"{result['clips']} clips of {len(result['speakers'])} speakers; means over clips, closures pooled\n")
        print(table(result["systems"], "system") + "\n")
        print(table({f"{k} ({v['clips']})": v for k, v in result["speakers"].items()}, "ours, speaker (clips)") + "\n")
        print(table({f"{k} ({v['clips']})": v for k, v in result["languages"].items()}, "ours, language (clips)"))
    r_open = result["systems"]["ours, every speaker once"]["r_open"]
    if args.at_least is not None and r_open < args.at_least:
        print(f"r_open is {r_open:.3f}, below {args.at_least}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

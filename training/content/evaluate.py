"""How well the shipped networks move faces: ``python -m training.content.evaluate [--data DIR] [--split val]``.

Prints a table: *static* (a closed mouth), *floor* (clips of ``faces/SPLIT`` tracked again by our own tracker:
what the tracker's noise alone costs; other clips than the rest), *ridge* (log-mel regression fitted on ``train``) and
*ours* (the shipped ONNX files through the core's own pipeline), every clip once and every speaker once; then ours by
speaker and by language, head motion, short clips beside speech cut as short, and the Mandarin curves of
``mandarin/``. Recorded tracks are filtered over five frames, predicted ones never. Exit code 0, or 1 with
``--at-least`` when our r_open is lower, every speaker counting once: in the pack at hand 80 of 90 validation clips are
single words of 1.2 s.

Beside the yardstick's figures: ``LL_share`` and ``A_share`` are D_LL and D_A over those of the static row on the same
clips; ``r_jaw`` is the correlation of jawOpen, ``r_arkit`` the mean of those of mouthClose, mouthPucker, mouthFunnel
and mouthSmile (both sides), in clips where the recorded weight moves.

``--sync FILE`` judges ours once more with the clips' sounds put in time (``training.pack.resync --split val``): what a
sound a frame beside its lips costs is not the network's. Have the table made by a network that learned from others.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from mouthpiece.audio import Audio, load
from mouthpiece.errors import MouthpieceError
from mouthpiece.features import FRAME_RATE, FRAME_SAMPLES, RATE, hop_rms
from mouthpiece.motion.smooth import lowpass
from mouthpiece.pipeline import Options, animate
from mouthpiece.styles import Style
from mouthpiece.topology import ARKIT_INDEX, INNER_LIP_BOTTOM, INNER_LIP_TOP
from numpy.typing import NDArray

from ..measures.baselines import MelRidge
from ..measures.score import Metrics, load_track, mean_rows, pearson, score
from ..pack.clips import Clip, load_split
from ..pack.prepare import retrack
from ..pack.resync import read as read_sync
from ..pack.resync import synced
from .targets import canonical_face, make_targets

#: Where the training pack lies beside a checkout, unless ``--data`` names another.
PACK = Path(__file__).resolve().parents[3] / "shared" / "data"
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
    "LL_share",
    "A_share",
    "r_jaw",
    "r_arkit",
)
POSE_COLUMNS = ("pose_amp_ratio", "pose_speed_ratio", "pose_jitter", "low_share", "low_share_recorded")
MANDARIN_COLUMNS = ("r_jaw", "r_jaw_best", "lag", "r_gap", "r_gap_best", "r_loudness", "r_loudness_best")
#: ARKit weights that count for ``r_arkit``, and the least spread at which a recorded weight counts as moving.
SHAPES = (("mouthClose",), ("mouthPucker",), ("mouthFunnel",), ("mouthSmileLeft", "mouthSmileRight"))
MOVING = 0.01
#: Clips shorter than this, in frames, say nothing about head motion.
POSE_FRAMES = 5 * FRAME_RATE
#: Clips shorter than this are called short.
WORD_FRAMES = 2 * FRAME_RATE
SHORT_COLUMNS = ("r_open", "r_open_best", "lag", "lag_spread", "r_width", "open_ratio")
#: Frames of 1/30 s by which the Mandarin curves may be shifted, and their rate.
MANDARIN_SHIFTS, MANDARIN_FPS = 10, 30.0
Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Predicted:
    """What a system says about a clip: landmarks (T, 68, 3), and ARKit weights (T, 52) where it has them.

    ``posed`` are the landmarks with head motion, where it makes any.
    """

    landmarks: Points
    arkit: Points | None = None
    posed: Points | None = None


def judge(clips: Sequence[Clip], predict: Callable[[Clip], Predicted]) -> list[Metrics]:
    """Return one row of figures per clip."""
    rows = []
    for clip in clips:
        predicted = predict(clip)
        recorded = {"landmarks": clip.landmarks, "valid": clip.valid}
        row = score(recorded, {"landmarks": predicted.landmarks}, "transfer", SMOOTH, False)
        if predicted.arkit is not None:
            row |= _arkit_figures(clip, predicted.arkit)
        if predicted.posed is not None and len(clip) >= POSE_FRAMES:
            whole = score(recorded, {"landmarks": predicted.posed}, "transfer", SMOOTH, True)
            recorded_share, share = whole["pose_low_share"]
            row |= {name: whole[name] for name in POSE_COLUMNS if name in whole}
            row |= {"low_share": share, "low_share_recorded": recorded_share}
        rows.append(row | {"speaker": clip.speaker, "language": clip.language})
    return rows


def _arkit_figures(clip: Clip, arkit: Points) -> Metrics:
    """Return the correlations of the weights that move in ``clip`` (one at rest has nothing to correlate with)."""
    n = min(len(clip), len(arkit))
    keep = clip.valid[:n]

    def r(names: Sequence[str]) -> float | None:
        columns = [ARKIT_INDEX[name] for name in names]
        recorded = clip.blendshapes[:n][keep][:, [1 + c for c in columns]].astype(float).mean(axis=1)
        return pearson(recorded, arkit[:n][keep][:, columns].mean(axis=1)) if recorded.std() > MOVING else None

    found = [value for value in map(r, SHAPES) if value is not None]
    jaw = r(("jawOpen",))
    return ({"r_jaw": jaw} if jaw is not None else {}) | ({"r_arkit": float(np.mean(found))} if found else {})


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


def ours(models: Path | None, style: Style | None = None) -> Callable[[Clip], Predicted]:
    """Return a predictor that runs the core's pipeline, style and all (default: that of whoever speaks)."""

    def predict(clip: Clip) -> Predicted:
        take = animate(Audio(clip.samples, RATE, clip.name), Options(style=style), models).final()
        return Predicted(take.landmarks.astype(float), take.arkit.astype(float), take.landmarks_posed().astype(float))

    return predict


def in_pieces(clip: Clip, frames: int) -> list[Clip]:
    """Return ``clip`` cut to pieces of ``frames`` in which the face is held; what is left over is dropped."""
    pieces = []
    for start in range(0, len(clip) - frames + 1, frames):
        rows = slice(start, start + frames)
        if clip.valid[rows].all():
            tracks = {name: getattr(clip, name)[rows] for name in ("landmarks", "blendshapes", "pose", "valid")}
            samples = clip.samples[start * FRAME_SAMPLES : rows.stop * FRAME_SAMPLES]
            pieces.append(replace(clip, name=f"{clip.name} {start}", samples=samples, **tracks))
    return pieces


def short_rows(
    clips: Sequence[Clip], judged: Sequence[Metrics], predict: Callable[[Clip], Predicted]
) -> dict[str, Metrics]:
    """Return figures of the short clips, of ``judged``, beside those of speech cut as short and heard in pieces.

    If the short ones are worse, shortness is not the reason; ``lag_spread``, half the range the middle two thirds of
    the clips' lags lie in, tells whether their sounds lie beside their lips, each at another place.
    """
    lengths = [len(clip) for clip in clips if len(clip) < WORD_FRAMES]
    if not lengths:
        return {}
    frames = round(float(np.median(lengths)))
    short = [row for clip, row in zip(clips, judged, strict=True) if len(clip) < WORD_FRAMES]
    speech = [piece for clip in clips if len(clip) >= POSE_FRAMES for piece in in_pieces(clip, frames)]
    rows = {}
    pieces = f"speech in pieces of {frames / FRAME_RATE:.1f} s"
    for name, own in (("short clips", short), (pieces, judge(speech, predict))):
        lags = [row["lag"] for row in own if row["lag"] is not None]
        if lags:
            spread = float(np.subtract(*np.percentile(lags, (84, 16))))
            rows[name] = mean_rows(own) | {"clips": len(own), "lag_spread": spread / 2}
    return rows


def _shifted(curve: Points, wanted: Points, shifts: int = MANDARIN_SHIFTS) -> tuple[float, float, int]:
    """Return the correlation of two series at no shift, the best over ``shifts`` frames, and that shift (> 0: late)."""
    n = min(len(curve), len(wanted))
    r = [
        pearson(wanted[max(0, -k) : n - max(0, k)], curve[max(0, k) : n - max(0, -k)])
        for k in range(-shifts, shifts + 1)
    ]
    return r[shifts], max(r), int(np.argmax(r)) - shifts


def mandarin_rows(folder: Path, models: Path | None) -> dict[str, Metrics]:
    """Return how jawOpen, the inner-lip gap and plain loudness follow the captured jaw of each recording."""
    rows = {}
    for path in sorted(folder.glob("*.npz")):
        with np.load(path, allow_pickle=False) as stored:
            jaw = stored["curves"][:, list(stored["names"]).index("mouth_stretch_c")].astype(float)
        sound = load(path.with_suffix(".flac"))
        take = animate(sound, Options(fps=MANDARIN_FPS), models).final()
        heard = hop_rms(np.concatenate(list(sound.blocks())))
        moments = np.arange(len(jaw)) / MANDARIN_FPS
        loudness = np.interp(moments, np.arange(len(heard)) / 100, lowpass(heard, 4.0, 100))
        gap = (take.landmarks[:, INNER_LIP_BOTTOM, 1] - take.landmarks[:, INNER_LIP_TOP, 1]).astype(float)
        row: Metrics = {}
        curves = {"jaw": take.arkit[:, ARKIT_INDEX["jawOpen"]].astype(float), "gap": gap, "loudness": loudness}
        for name, curve in curves.items():
            row[f"r_{name}"], row[f"r_{name}_best"], lag = _shifted(curve, jaw)
            row |= {"lag": float(lag)} if name == "jaw" else {}
        rows[path.stem] = row
    if rows:
        rows["mean"] = mean_rows(list(rows.values()))
    return rows


def grouped(rows: Sequence[Metrics], key: str) -> dict[str, Metrics]:
    """Return mean rows by ``key``, with the number of clips in each."""
    groups: dict[str, list[Metrics]] = defaultdict(list)
    for row in rows:
        groups[row[key]].append(row)
    return {name: mean_rows(own) | {"clips": len(own)} for name, own in sorted(groups.items())}


def table(rows: dict[str, Metrics], first: str, columns: Sequence[str] = COLUMNS) -> str:
    """Return ``rows`` as a Markdown table."""
    lines = [f"| {first} | " + " | ".join(columns) + " |", "|" + "---|" * (len(columns) + 1)]
    for name, row in rows.items():
        cells = [f"{row[c]:.2f}" if isinstance(row.get(c), float) else "-" for c in columns]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def with_shares(row: Metrics, still: Metrics) -> Metrics:
    """Return ``row`` with its distances as shares of those of a closed mouth on the same clips."""
    return row | {"LL_share": row["D_LL"] / still["D_LL"], "A_share": row["D_A"] / still["D_A"]}


def systems_rows(systems: dict[str, list[Metrics]]) -> dict[str, Metrics]:
    """Return the mean rows of ``systems``, every clip and every speaker once; the first system is a closed mouth."""
    result: dict[str, Metrics] = {}
    still: tuple[Metrics, Metrics] | None = None
    for name, rows in systems.items():
        means = mean_rows(rows), mean_rows(list(grouped(rows, "speaker").values()))
        still = still or means
        result[name] = with_shares(means[0], still[0])
        result[f"{name}, every speaker once"] = with_shares(means[1], still[1])
    return result


def closed(canonical: Points) -> Callable[[Clip], Predicted]:
    """Return a predictor whose mouth never opens."""
    return lambda clip: Predicted(np.repeat(canonical[None], len(clip), 0))


def evaluate(
    data: Path, split: str, models: Path | None, with_floor: bool = True, late: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """Return the systems' mean rows, and ours by speaker and language, for head motion, and on Mandarin.

    ``late`` says by how many frames the sounds of ``split`` are late (``training.pack.resync``), for rows without that.
    """
    clips, train = load_split(data, split), load_split(data, "train")
    canonical = canonical_face(train)
    ridge = MelRidge.fit(train, make_targets(train, canonical))
    still = judge(clips, closed(canonical))
    own = judge(clips, ours(models))
    judged = {"static": still, "log-mel ridge": judge(clips, lambda c: Predicted(canonical + ridge.predict(c)))}
    timed = judge(synced(clips, late), ours(models)) if late else []
    systems = systems_rows(judged | {"ours": own} | ({"ours, sounds in time": timed} if timed else {}))
    faces = data / "faces" / split
    if with_floor and faces.is_dir():
        rows = floor_rows(faces)
        systems = {f"floor ({len(rows)} other clips, re-tracked)": mean_rows(rows)} | systems
    moving = [row for row in own if "pose_amp_ratio" in row]
    result: dict[str, Any] = {"clips": len(clips), "systems": systems}
    for key in ("speaker", "language"):
        resting = grouped(still, key)
        result[f"{key}s"] = {name: with_shares(row, resting[name]) for name, row in grouped(own, key).items()}
    resting = grouped(still, "speaker")
    result["in time"] = {name: with_shares(row, resting[name]) for name, row in grouped(timed, "speaker").items()}
    result["heads"] = grouped(moving, "speaker") | ({"mean": mean_rows(moving)} if moving else {})
    result["short"] = short_rows(clips, own, ours(models))
    result["mandarin"] = mandarin_rows(data / "mandarin", models)
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m training.content.evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, default=PACK, help="training pack (default: ../shared/data)")
    parser.add_argument("--split", default="val")
    parser.add_argument("--models", type=Path, help="folder with other networks than the shipped ones")
    parser.add_argument("--sync", type=Path, help="table of late sounds of the split, made by training.pack.resync")
    parser.add_argument("--no-floor", action="store_true", help="leave out the slow row of re-tracked videos")
    parser.add_argument("--at-least", type=float, help="exit with 1 if our r_open, every speaker once, is lower")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    args = parser.parse_args(argv)
    try:
        late = read_sync(args.sync) if args.sync else None
        result = evaluate(args.data, args.split, args.models, not args.no_floor, late)
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
        if result["in time"]:
            rows = {f"{k} ({v['clips']})": v for k, v in result["in time"].items()}
            print("\n" + table(rows, "ours, sounds in time, speaker (clips)"))
        if result["heads"]:
            print("\n" + table(result["heads"], "head motion, clips of 5 s and more", POSE_COLUMNS))
        if result["short"]:
            rows = {f"{k} ({v['clips']})": v for k, v in result["short"].items()}
            print("\n" + table(rows, "ours, every clip once", SHORT_COLUMNS))
        if result["mandarin"]:
            print("\n" + table(result["mandarin"], "Mandarin", MANDARIN_COLUMNS))
    r_open = result["systems"]["ours, every speaker once"]["r_open"]
    if args.at_least is not None and r_open < args.at_least:
        print(f"r_open is {r_open:.3f}, below {args.at_least}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

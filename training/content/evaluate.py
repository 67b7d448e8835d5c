"""How well the shipped networks move faces: ``python -m training.content.evaluate [--data DIR] [--split val]``.

Prints a table with one row per system, every clip once and every speaker once: *static*, a closed mouth; *floor*, the
clips of ``faces/SPLIT`` tracked again by our own tracker, which shows what tracking noise alone costs (other clips than
in the rest); *ridge*, a log-mel regression fitted on ``train``; *ours*, the shipped ONNX files in the core's pipeline.
More tables show ours by speaker and by language, head motion, short clips beside speech cut to the same length, and the
Mandarin curves of ``mandarin/``. Recorded tracks are filtered over five frames, predicted ones never. Exit code 0, or 1
with ``--at-least`` if our r_open, every speaker counting once, is lower (every speaker once, as 80 of the 90 validation
clips are single words of 1.2 s).

Figures besides those of ``training.measures.score``: ``LL_share`` and ``A_share`` are D_LL and D_A divided by those of
the static row on the same clips; ``r_jaw`` is the correlation of jawOpen with the drop of the recorded lower lip and
chin (``targets.jaw_opening``), ``r_jaw_tracker`` with the tracker's own guess, and ``r_arkit`` the mean correlation of
mouthClose, mouthPucker, mouthFunnel and mouthSmile (both sides), in clips where the recorded weight moves.

``--sync FILE`` adds a row for ours with the clips' sounds put in time (``training.pack.resync --split val``), since the
network is not to blame for a recording whose sound is a frame off. Make the table with a network that was not trained
on these clips.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from mouthpiece.audio import Audio, load
from mouthpiece.features import FRAME_RATE, FRAME_SAMPLES, RATE, hop_rms
from mouthpiece.motion.smooth import lowpass
from mouthpiece.pipeline import Options, animate
from mouthpiece.styles import Style
from mouthpiece.topology import ARKIT_INDEX, INNER_LIP_BOTTOM, INNER_LIP_TOP
from numpy.typing import NDArray

from ..command_line import exit_code, parser_of
from ..measures.baselines import MelRidge
from ..measures.markdown import table
from ..measures.score import Metrics, load_track, mean_rows, pearson, score
from ..pack.clips import Clip, load_split
from ..pack.geometry import closed_frames, remove_pose, rigid_points
from ..pack.prepare import retrack
from ..pack.resync import read as read_sync
from ..pack.resync import synced
from ..paths import PACK
from .targets import canonical_face, jaw_opening, make_targets

#: Frames over which recorded tracks are filtered.
SMOOTH = 5
#: Columns of the table of systems.
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
    "r_jaw_tracker",
    "r_arkit",
)
#: Columns about head motion, about the Mandarin curves, and about short clips.
POSE_COLUMNS = ("pose_amp_ratio", "pose_speed_ratio", "pose_jitter", "low_share", "low_share_recorded")
MANDARIN_COLUMNS = ("r_jaw", "r_jaw_best", "lag", "r_gap", "r_gap_best", "r_loudness", "r_loudness_best")
SHORT_COLUMNS = ("r_open", "r_open_best", "lag", "lag_spread", "r_width", "open_ratio")
#: ARKit weights that count for ``r_arkit``, and the standard deviation from which a recorded weight counts as moving.
SHAPES = (("mouthClose",), ("mouthPucker",), ("mouthFunnel",), ("mouthSmileLeft", "mouthSmileRight"))
MOVING = 0.01
#: Least number of frames of a clip that is judged for head motion.
POSE_FRAMES = 5 * FRAME_RATE
#: Number of frames below which a clip is called short.
WORD_FRAMES = 2 * FRAME_RATE
#: Frames of 1/30 s by which the Mandarin curves may be shifted, and their rate.
MANDARIN_SHIFTS, MANDARIN_FPS = 10, 30.0
Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Predicted:
    """What a system predicts for a clip.

    Landmarks (T, 68, 3); ARKit weights (T, 52) if it has them; ``posed``: the landmarks with head motion if it has any.
    """

    landmarks: Points
    arkit: Points | None = None
    posed: Points | None = None


def judge(clips: Sequence[Clip], predict: Callable[[Clip], Predicted]) -> list[Metrics]:
    """Return one row of figures for each of ``clips``, comparing what ``predict`` returns with the recording."""
    rows = []
    for clip in clips:
        predicted = predict(clip)
        recorded = {"landmarks": clip.landmarks, "valid": clip.valid}
        row = score(recorded, {"landmarks": predicted.landmarks}, "transfer", SMOOTH, False)
        if predicted.arkit is not None:
            row |= _arkit_figures(clip, predicted.arkit) | _jaw_figure(clip, predicted)
        if predicted.posed is not None and len(clip) >= POSE_FRAMES:
            whole = score(recorded, {"landmarks": predicted.posed}, "transfer", SMOOTH, True)
            recorded_share, share = whole["pose_low_share"]
            row |= {name: whole[name] for name in POSE_COLUMNS if name in whole}
            row |= {"low_share": share, "low_share_recorded": recorded_share}
        rows.append(row | {"speaker": clip.speaker, "language": clip.language})
    return rows


def _arkit_figures(clip: Clip, arkit: Points) -> Metrics:
    """Return ``r_jaw`` and ``r_arkit`` of ``clip``, of the weights that move in it; those at rest have none."""
    n = min(len(clip), len(arkit))
    keep = clip.valid[:n]

    def r(names: Sequence[str]) -> float | None:
        columns = [ARKIT_INDEX[name] for name in names]
        recorded = clip.blendshapes[:n][keep][:, [1 + c for c in columns]].astype(float).mean(axis=1)
        return pearson(recorded, arkit[:n][keep][:, columns].mean(axis=1)) if recorded.std() > MOVING else None

    found = [value for value in map(r, SHAPES) if value is not None]
    jaw = r(("jawOpen",))
    tracked = {"r_jaw_tracker": jaw} if jaw is not None else {}
    return tracked | ({"r_arkit": float(np.mean(found))} if found else {})


def _jaw_figure(clip: Clip, predicted: Predicted) -> Metrics:
    """Return ``r_jaw`` of ``clip``; none if its lower lip does not move."""
    assert predicted.arkit is not None
    n = min(len(clip), len(predicted.arkit))
    track = remove_pose(clip.landmarks, clip.valid, rigid_points(predicted.landmarks[0]))
    keep = track.held[:n]
    rest = track.points[closed_frames(track.points, track.held)].mean(axis=0)
    seen = jaw_opening(track.points - rest)[:n][keep]
    if seen.std() <= MOVING:
        return {}
    return {"r_jaw": pearson(seen, predicted.arkit[:n][keep][:, ARKIT_INDEX["jawOpen"]])}


def floor_rows(faces: Path) -> list[Metrics]:
    """Return figures of our tracker against the stored tracks in the folder ``faces`` (videos with an .npz each)."""
    rows = []
    for video in sorted(faces.glob("*.mp4")):
        recorded = load_track(video.with_suffix(".npz"))
        again = retrack(video)
        n = min(len(again), len(recorded["landmarks"]))
        recorded = {key: value[:n] for key, value in recorded.items()}
        rows.append(score(recorded, {"landmarks": again[:n]}, "same", SMOOTH, False) | {"speaker": video.stem})
    return rows


def ours(models: Path | None, style: Style | None = None) -> Callable[[Clip], Predicted]:
    """Return a predictor that runs the core's pipeline with the networks in ``models`` (None: the shipped ones).

    ``style`` is the manner it moves in; None: the speaker's own, heard in the voice.
    """

    def predict(clip: Clip) -> Predicted:
        take = animate(Audio(clip.samples, RATE, clip.name), Options(style=style), models).final()
        return Predicted(take.landmarks.astype(float), take.arkit.astype(float), take.landmarks_posed().astype(float))

    return predict


def in_pieces(clip: Clip, frames: int) -> list[Clip]:
    """Return pieces of ``clip``, ``frames`` long, in which the face is tracked throughout; the remainder is dropped."""
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
    """Return mean figures of the short clips, whose rows are in ``judged``, and of longer speech cut to that length.

    If the short clips are worse than the pieces, their length is not the reason. ``lag_spread`` is half the range that
    holds the middle two thirds of the clips' lags: if large, sounds are off their lips by different amounts.
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
    """Return the correlation of two series unshifted, the best over ``shifts`` frames, and that shift (> 0: late)."""
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
    """Return value of ``key`` -> mean of the rows that have it, with the number of clips as ``clips``."""
    groups: dict[str, list[Metrics]] = defaultdict(list)
    for row in rows:
        groups[row[key]].append(row)
    return {name: mean_rows(own) | {"clips": len(own)} for name, own in sorted(groups.items())}


def with_shares(row: Metrics, still: Metrics) -> Metrics:
    """Return ``row`` with D_LL and D_A also as shares of those in ``still``, a closed mouth's on the same clips."""
    return row | {"LL_share": row["D_LL"] / still["D_LL"], "A_share": row["D_A"] / still["D_A"]}


def systems_rows(systems: dict[str, list[Metrics]]) -> dict[str, Metrics]:
    """Return two mean rows for each of ``systems``: every clip once, and every speaker once.

    The first system must be a closed mouth; others are compared with it.
    """
    result: dict[str, Metrics] = {}
    still: tuple[Metrics, Metrics] | None = None
    for name, rows in systems.items():
        means = mean_rows(rows), mean_rows(list(grouped(rows, "speaker").values()))
        still = still or means
        result[name] = with_shares(means[0], still[0])
        result[f"{name}, every speaker once"] = with_shares(means[1], still[1])
    return result


def closed(canonical: Points) -> Callable[[Clip], Predicted]:
    """Return a predictor that always returns the face ``canonical`` (68, 3): a closed mouth."""
    return lambda clip: Predicted(np.repeat(canonical[None], len(clip), 0))


def evaluate(
    data: Path, split: str, models: Path | None, with_floor: bool = True, late: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """Return the tables of the module's docstring: rows of figures by name, with the number of clips.

    ``late`` says by how many frames the sounds of ``split`` are late (``training.pack.resync``); with it, there are
    also rows for sounds put in time.
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


def print_tables(result: dict[str, Any]) -> None:
    """Print what :func:`evaluate` returned as Markdown tables."""

    def counted(rows: dict[str, Metrics]) -> dict[str, Metrics]:
        return {f"{name} ({row['clips']})": row for name, row in rows.items()}

    print(f"{result['clips']} clips of {len(result['speakers'])} speakers; means over clips, closures pooled\n")
    tables = (
        (result["systems"], "system", COLUMNS),
        (counted(result["speakers"]), "ours, speaker (clips)", COLUMNS),
        (counted(result["languages"]), "ours, language (clips)", COLUMNS),
        (counted(result["in time"]), "ours, sounds in time, speaker (clips)", COLUMNS),
        (result["heads"], "head motion, clips of 5 s and more", POSE_COLUMNS),
        (counted(result["short"]), "ours, every clip once", SHORT_COLUMNS),
        (result["mandarin"], "Mandarin", MANDARIN_COLUMNS),
    )
    print("\n\n".join(table(rows, first, columns) for rows, first, columns in tables if rows))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.content.evaluate", __doc__)
    parser.add_argument("--data", type=Path, default=PACK, help="training pack (default: ../shared/data)")
    parser.add_argument("--split", default="val")
    parser.add_argument("--models", type=Path, help="folder with other networks than the shipped ones")
    parser.add_argument("--sync", type=Path, help="table of late sounds of the split, made by training.pack.resync")
    parser.add_argument("--no-floor", action="store_true", help="leave out the slow row of re-tracked videos")
    parser.add_argument("--at-least", type=float, help="exit with 1 if our r_open, every speaker once, is lower")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    args = parser.parse_args(argv)

    def work() -> int:
        late = read_sync(args.sync) if args.sync else None
        result = evaluate(args.data, args.split, args.models, not args.no_floor, late)
        if args.json:
            print(json.dumps(result, indent=1))
        else:
            print_tables(result)
        r_open = result["systems"]["ours, every speaker once"]["r_open"]
        if args.at_least is not None and r_open < args.at_least:
            print(f"r_open is {r_open:.3f}, below {args.at_least}", file=sys.stderr)
            return 1
        return 0

    return exit_code(work, "cannot evaluate")


if __name__ == "__main__":
    sys.exit(main())

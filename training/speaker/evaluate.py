"""How the speaker branch moves heads and faces: ``python -m training.speaker.evaluate [--data DIR]``.

Prints tables for validation clips of five seconds and more. *Heads*: figures of the yardstick (ratios of amplitude and
speed, roughness, share of power below 1 Hz, distance between the distributions of speed) for a real head of another
speaker, the procedural sway of early versions, and ours with several seeds. *Pauses*: how fast heads turn in pauses, as
a share of how fast they turn in speech. *Styles*: the same lines in every style; head motion, smile and brows should
differ, and lips should stay the same. *The same lines*: every line in the manner of every other speaker. Exit code 0.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from mouthpiece import styles
from mouthpiece.audio import Audio
from mouthpiece.features import FRAME_RATE, RATE, hop_rms
from mouthpiece.models.registry import find
from mouthpiece.motion import head
from mouthpiece.motion.rest import speech_activity
from mouthpiece.motion.smooth import lowpass
from mouthpiece.performance import Performance, rotation_matrices
from mouthpiece.pipeline import Options, animate, style_of
from mouthpiece.topology import ARKIT_INDEX
from numpy.typing import NDArray

from ..command_line import exit_code, parser_of
from ..content.evaluate import POSE_COLUMNS, POSE_FRAMES, SMOOTH
from ..content.targets import canonical_face
from ..measures.markdown import table
from ..measures.score import Metrics, closure_metrics, mean_rows, pearson, score
from ..pack.clips import Clip, load_split
from ..pack.geometry import inner_gap
from ..paths import PACK
from .data import head_pose, heard_rhythm

Floats = NDArray[np.float64]

HEAD_COLUMNS = (*POSE_COLUMNS, "pose_speed_wasserstein")
STYLE_COLUMNS = ("head_degrees", "degrees_per_second", "opening", "smile", "brows", "r_open", "closures")
CHANGED = ("head_degrees", "degrees_per_second", "opening", "smile", "brows")
#: The procedural sway of early versions: standard deviations (radians, eye distances), and corner in hertz.
SWAY, SWAY_HERTZ = (0.035, 0.045, 0.02, 0.03, 0.02, 0.02), 0.45


def procedural(frames: int, rng: np.random.Generator) -> Floats:
    """Return smoothed noise (``frames``, 6), the head motion of early versions."""
    noise = lowpass(rng.standard_normal((frames + 400, 6)), SWAY_HERTZ, FRAME_RATE)
    swayed: Floats = (noise / noise.std(axis=0))[200 : 200 + frames] * np.array(SWAY)
    return swayed


def learned(clip: Clip, seed: int) -> Floats:
    """Return our head motion (T, 6) for ``clip`` in its speaker's own style."""
    own = style_of(Audio(clip.samples, RATE, clip.name))
    rng = np.random.default_rng(seed)
    drawn = head.sway(heard_rhythm(clip), (own.amplitude, own.quickness), find("head").open(), rng)
    return head.at(sum(drawn), len(clip), FRAME_RATE).astype(float)


def head_figures(clip: Clip, motion: Floats, face: Floats) -> Metrics:
    """Return figures of the head ``motion`` (T, 6), applied to ``face`` (68, 3), against that recorded in ``clip``."""
    count = min(len(clip), len(motion))
    turned = np.einsum("tij,pj->tpi", rotation_matrices(motion[:count, :3]), face) + motion[:count, None, 3:]
    recorded = {"landmarks": clip.landmarks[:count], "valid": clip.valid[:count]}
    row = score(recorded, {"landmarks": turned}, "transfer", SMOOTH, True)
    low = dict(zip(("low_share_recorded", "low_share"), row["pose_low_share"], strict=True))
    return {name: row[name] for name in HEAD_COLUMNS if name in row} | low


def head_rows(clips: Sequence[Clip], face: Floats, seeds: int) -> dict[str, Metrics]:
    """Return mean figures of each system over ``clips``."""
    rows: dict[str, list[Metrics]] = {"real head of another speaker": [], "procedural": [], "ours": []}
    for number, clip in enumerate(clips):
        others = [c for c in clips if c.speaker != clip.speaker]
        if others:
            other = head_pose(others[number % len(others)])
            rows["real head of another speaker"].append(head_figures(clip, other, face))
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            rows["procedural"].append(head_figures(clip, procedural(len(clip), rng), face))
            rows["ours"].append(head_figures(clip, learned(clip, seed), face))
    return {name: mean_rows(own) for name, own in rows.items() if own}


def pause_share(clips: Sequence[Clip], motion: Callable[[Clip], Floats]) -> float:
    """Return the mean speed of rotation in pauses divided by that in speech, over all ``clips``."""
    still, spoken = [], []
    for clip in clips:
        speed = np.linalg.norm(np.diff(motion(clip)[:, :3], axis=0), axis=1)
        active = speech_activity(hop_rms(clip.samples), len(clip))[1 : len(speed) + 1]
        still.append(speed[active < 0.5])
        spoken.append(speed[active >= 0.5])
    return float(np.concatenate(still).mean() / np.concatenate(spoken).mean())


def style_figures(take: Performance, plain: Performance) -> Metrics:
    """Return head motion, smile and brows of ``take``, and how its lips compare with those of ``plain``."""
    done = take.final()
    gap, reference = inner_gap(done.landmarks.astype(float)), inner_gap(plain.final().landmarks.astype(float))
    speed = np.degrees(np.linalg.norm(np.diff(done.head[:, :3], axis=0), axis=1)).mean() * done.fps
    return {
        "head_degrees": float(np.degrees(done.head[:, :3].std(axis=0)).mean()),
        "degrees_per_second": float(speed),
        "opening": float(gap.std() / reference.std()),
        "smile": float(done.arkit[:, ARKIT_INDEX["mouthSmileLeft"]].mean()),
        "brows": float(done.arkit[:, ARKIT_INDEX["browInnerUp"]].std()),
        "r_open": pearson(reference, gap),
        "closures": float(closure_metrics(reference, gap)["closure_recall"] or 0.0),
    }


def style_rows(clips: Sequence[Clip]) -> dict[str, Metrics]:
    """Return the mean figures of ``clips`` in each named style."""
    rows: dict[str, list[Metrics]] = {}
    for clip in clips:
        sound = Audio(clip.samples, RATE, clip.name)
        wanted = {name: styles.named(name) for name in styles.NAMES}
        plain = animate(sound, Options(style=styles.Style()))
        for name, style in wanted.items():
            rows.setdefault(name, []).append(style_figures(animate(sound, Options(style=style)), plain))
    return {name: mean_rows(own) for name, own in rows.items()}


def exchanged(clips: Sequence[Clip]) -> dict[str, Metrics]:
    """Return mean figures of lines in the manner of each other speaker in ``clips``, against their own speaker's."""
    sounds = [Audio(clip.samples, RATE, clip.name) for clip in clips]
    manner = [style_of(sound) for sound in sounds]
    rows = []
    for number, sound in enumerate(sounds):
        own = animate(sound, Options(style=manner[number]))
        before = style_figures(own, own)
        for other in (style for k, style in enumerate(manner) if clips[k].speaker != clips[number].speaker):
            after = style_figures(animate(sound, Options(style=other)), own)
            changed = {f"{name} changed by": abs(after[name] / max(before[name], 1e-6) - 1) for name in CHANGED}
            rows.append(changed | {name: after[name] for name in ("r_open", "closures")})
    return {"another speaker's manner": mean_rows(rows)}


def print_tables(clips: Sequence[Clip], seeds: int) -> None:
    """Print all tables for ``clips``."""
    face = canonical_face(clips)
    print(f"{len(clips)} clips of 5 s and more, {seeds} seeds\n")
    print(table(head_rows(clips, face, seeds), "heads", HEAD_COLUMNS))
    real, made = pause_share(clips, head_pose), pause_share(clips, lambda clip: learned(clip, 0))
    print(f"\nspeed in pauses over speed in speech: recorded {real:.2f}, ours {made:.2f}\n")
    print(table(style_rows(clips[:4]), "styles", STYLE_COLUMNS))
    print()
    names = (*(f"{name} changed by" for name in CHANGED), "r_open", "closures")
    print(table(exchanged(clips[:4]), "the same lines", names))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.speaker.evaluate", __doc__)
    parser.add_argument("--data", type=Path, default=PACK, help="training pack (default: ../shared/data)")
    parser.add_argument("--split", default="val")
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args(argv)

    def work() -> None:
        clips = [clip for clip in load_split(args.data, args.split) if len(clip) >= POSE_FRAMES]
        print_tables(clips, args.seeds)

    return exit_code(work, "cannot evaluate")


if __name__ == "__main__":
    sys.exit(main())

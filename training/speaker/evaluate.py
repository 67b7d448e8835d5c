"""How the speaker branch moves heads and faces: ``python -m training.speaker.evaluate [--data DIR]``.

Three tables. *Heads*: distribution figures of the yardstick (ratios of amplitude and speed, roughness, share of power
below 1 Hz, distance of the distributions of speed) for clips of five seconds and more of the validation speakers: a
real head of another speaker, the procedural sway of early versions, and ours with several seeds. *Pauses*: how fast
heads turn while nobody speaks, as a share of how fast they turn in speech. *Styles*: the same line in every style:
head motion, smile and brows differ, and the lips say the same. Then every line in the manner of every other speaker.
Exit code 0.
"""

from __future__ import annotations

import argparse
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

from ..content.evaluate import PACK, POSE_COLUMNS, POSE_FRAMES, SMOOTH, table
from ..content.targets import canonical_face
from ..measures.score import Metrics, closure_metrics, mean_rows, pearson, score
from ..pack.clips import Clip, load_split
from ..pack.geometry import inner_gap
from .data import head_pose, heard_rhythm

Floats = NDArray[np.float64]

HEAD_COLUMNS = (*POSE_COLUMNS, "pose_speed_wasserstein")
STYLE_COLUMNS = ("head_degrees", "degrees_per_second", "opening", "smile", "brows", "r_open", "closures")
CHANGED = ("head_degrees", "degrees_per_second", "opening", "smile", "brows")
#: The procedural sway of early versions: spreads (rad, eye distances), corner in hertz.
SWAY, SWAY_HERTZ = (0.035, 0.045, 0.02, 0.03, 0.02, 0.02), 0.45


def procedural(frames: int, rng: np.random.Generator) -> Floats:
    """Return smoothed noise (``frames``, 6): what heads did before they were learned."""
    noise = lowpass(rng.standard_normal((frames + 400, 6)), SWAY_HERTZ, FRAME_RATE)
    swayed: Floats = (noise / noise.std(axis=0))[200 : 200 + frames] * np.array(SWAY)
    return swayed


def learned(clip: Clip, seed: int) -> Floats:
    """Return our head (T, 6) for ``clip`` in its speaker's own style."""
    own = style_of(Audio(clip.samples, RATE, clip.name))
    rng = np.random.default_rng(seed)
    drawn = head.sway(heard_rhythm(clip), (own.amplitude, own.quickness), find("head").open(), rng)
    return head.at(sum(drawn), len(clip), FRAME_RATE).astype(float)


def head_figures(clip: Clip, motion: Floats, face: Floats) -> Metrics:
    """Return the yardstick's figures of head ``motion`` (T, 6) against the one recorded in ``clip``."""
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
    """Return the mean speed of rotation in pauses over that in speech, all ``clips`` together."""
    still, spoken = [], []
    for clip in clips:
        speed = np.linalg.norm(np.diff(motion(clip)[:, :3], axis=0), axis=1)
        active = speech_activity(hop_rms(clip.samples), len(clip))[1 : len(speed) + 1]
        still.append(speed[active < 0.5])
        spoken.append(speed[active >= 0.5])
    return float(np.concatenate(still).mean() / np.concatenate(spoken).mean())


def style_figures(take: Performance, plain: Performance) -> Metrics:
    """Return what a style does to a take, and whether the lips still say what they say in ``plain``."""
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
    """Return mean figures over ``clips`` of every named style."""
    rows: dict[str, list[Metrics]] = {}
    for clip in clips:
        sound = Audio(clip.samples, RATE, clip.name)
        wanted = {name: styles.named(name) for name in styles.NAMES}
        plain = animate(sound, Options(style=styles.Style()))
        for name, style in wanted.items():
            rows.setdefault(name, []).append(style_figures(animate(sound, Options(style=style)), plain))
    return {name: mean_rows(own) for name, own in rows.items()}


def exchanged(clips: Sequence[Clip]) -> dict[str, Metrics]:
    """Return how every line moves in the manner of each other speaker of ``clips``, against its own speaker's."""
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


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m training.speaker.evaluate", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--data", type=Path, default=PACK, help="training pack (default: ../shared/data)")
    parser.add_argument("--split", default="val")
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args(argv)
    try:
        clips = [clip for clip in load_split(args.data, args.split) if len(clip) >= POSE_FRAMES]
    except (OSError, ValueError) as error:
        print(f"cannot evaluate: {error}", file=sys.stderr)
        return 1
    face = canonical_face(clips)
    print(f"{len(clips)} clips of 5 s and more, {args.seeds} seeds\n")
    print(table(head_rows(clips, face, args.seeds), "heads", HEAD_COLUMNS))
    real, made = pause_share(clips, head_pose), pause_share(clips, lambda clip: learned(clip, 0))
    print(f"\nspeed in pauses over speed in speech: recorded {real:.2f}, ours {made:.2f}\n")
    print(table(style_rows(clips[:4]), "styles", STYLE_COLUMNS))
    print()
    names = (*(f"{name} changed by" for name in CHANGED), "r_open", "closures")
    print(table(exchanged(clips[:4]), "the same lines", names))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Fine-tune lips and style to one actor: ``python -m training.content.adapt VIDEO… --out DIR``, a few minutes of video.

A folder of clips made by ``training.pack.prepare`` may stand in for a video. The first seven tenths of the material (in
order of name and time) are trained on, the next tenth decides how far to go from the shipped network towards the
actor's, and the last two tenths are judged. Written to DIR: ``content.onnx`` with its sidecar (for ``--models DIR``),
``style.json`` (for ``--style DIR/style.json``) and ``report.json``. If the trained network reads the actor's lips no
better than the shipped one, no network is written.
Exit code 0 when done, 1 when the material cannot be used, 130 when stopped.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mouthpiece import styles
from mouthpiece.features import FRAME_RATE, FRAME_SAMPLES
from mouthpiece.files import ASSETS
from mouthpiece.files.writer import write_whole
from mouthpiece.models.phonetic import PhoneticListener
from mouthpiece.models.registry import find
from safetensors.torch import load_file, save

from ..command_line import exit_code, parser_of
from ..files import write_json
from ..measures.markdown import table
from ..measures.score import Metrics, mean_rows
from ..networks import adaptation
from ..networks.adaptation import BLENDS, Material, blended
from ..networks.weights import half_floats
from ..pack.clips import Clip, load_clip
from ..pack.face_tracker import FaceTracker
from ..pack.prepare import VideoSource, prepare_video
from ..pack.video import SUFFIXES
from ..paths import CHECKPOINTS, CONFIGS
from ..speaker.data import head_clips, manners, tilts
from .config import ContentConfig
from .corpus import Corpus
from .data import NO_AUGMENTATION, Stretch, cached_rendition
from .evaluate import POSE_COLUMNS, closed, judge, ours, systems_rows
from .export import export, load_checkpoint
from .networks import BUFFERS
from .run import ContentRun, validate
from .targets import make_targets

log = logging.getLogger(__name__)

SHIPPED = CHECKPOINTS / "content.safetensors"
#: Seconds of a clip left out where one part of the material ends and the next begins.
GAP = 1.0
#: Least seconds of tracked face that can be learned from.
LEAST_SECONDS = 40.0
#: What a blend far from the middle must gain in ``r_open``, times the seconds by which is chosen: a way of .5 from it
#: .08 with three seconds, .02 with twelve. Of three people's thirds the middle gained .020 on average, what three
#: seconds alone chose .008, and this .018 (``training.studies.one_actor``, with the networks of 0.4.0).
LEANING = 1.0
#: Settings that differ from the shipped network's own training.
CHANGES: Mapping[str, Any] = {
    "steps": 160, "batch": 8, "learning_rate": 3e-4, "warmup": 20, "average": 0.97, "evaluate_every": 40,
    "patience": 99, "renditions": 3,
}  # fmt: skip
COLUMNS = (
    "r_open", "r_width", "open_ratio", "closure_recall", "closure_precision", "jitter", "LL_share", "A_share",
    *POSE_COLUMNS,
)  # fmt: skip


def cut(clip: Clip, start: int, stop: int) -> Clip:
    """Return the frames ``start`` to ``stop`` (excluded) of ``clip``."""
    if (start, stop) == (0, len(clip)):
        return clip
    part = slice(start, stop)
    return replace(
        clip,
        name=f"{clip.name}-{start}",
        samples=clip.samples[start * FRAME_SAMPLES : stop * FRAME_SAMPLES],
        landmarks=clip.landmarks[part],
        blendshapes=clip.blendshapes[part],
        pose=clip.pose[part],
        valid=clip.valid[part],
    )


def divided(clips: Sequence[Clip]) -> Material[Clip]:
    """Return ``clips`` divided by time.

    Raises
    ------
    ValueError
        If they show the face for too short a time, or in pieces that are too short.
    """
    seconds = sum(int(clip.valid.sum()) for clip in clips) / FRAME_RATE
    if seconds < LEAST_SECONDS:
        raise ValueError(
            f"there are {seconds:.0f} seconds of the actor's face, and {LEAST_SECONDS:.0f} are needed at least; "
            "two to five minutes are good"
        )
    failure = "the material is in pieces too short to hold some of it back; give longer takes"
    return adaptation.divided(clips, cut, round(GAP * FRAME_RATE), FRAME_RATE, failure)


def collect(sources: Sequence[Path], out: Path, synced: bool = True) -> list[Clip]:
    """Return the clips of ``sources``: videos (tracked into ``out``/clips), or folders of clips.

    Raises
    ------
    ValueError
        If one is neither a video nor a folder of clips.
    VideoError
        If a video cannot be decoded or shows no face that can be read.
    """
    clips: list[Clip] = []
    tracker = FaceTracker()
    for path in sources:
        if path.is_dir():
            folder = path / "clips" if (path / "clips").is_dir() else path
            found = sorted(folder.glob("*.npz"))
            if not found:
                raise ValueError(
                    f"there are no clips in '{path}'; make some with training.pack.prepare, or name videos"
                )
            clips += [load_clip(place) for place in found]
        elif path.suffix.lower() in SUFFIXES and path.is_file():
            clips += _tracked(path, out / "clips", tracker, synced)
        else:
            raise ValueError(f"'{path}' is neither a video ({' '.join(SUFFIXES)}) nor a folder of clips")
    return [replace(clip, speaker="actor", split="train") for clip in clips]


def _tracked(video: Path, folder: Path, tracker: FaceTracker, synced: bool) -> list[Clip]:
    """Return the clips of a video, which are written to ``folder`` if they are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    if not list(folder.glob(f"{video.stem}__*.npz")):
        log.info("%s: tracking…", video.name)
        prepare_video(VideoSource(video, "actor", video.stem), folder, "train", "unknown", tracker, synced)
    return [load_clip(place) for place in sorted(folder.glob(f"{video.stem}__*.npz"))]


def corpus_of(material: Material[Clip], cache: Path, config: ContentConfig) -> Corpus:
    """Return the actor's clips as features and targets on the shipped network's canonical face."""
    network, neutral = find("phonetic"), find("content").sidecar.neutral_face().astype(float)
    listener, stamp = PhoneticListener(network.open()), network.sidecar.sha256
    every = [*material.teach, *material.choose]
    targets = make_targets(every, neutral)
    count = len(material.teach)

    def heard(clips: Sequence[Clip], own: Sequence[Any], altered: bool, seed: int) -> list[Stretch]:
        how = config.augmentation if altered else NO_AUGMENTATION
        return cached_rendition(cache, clips, own, listener, how, seed, stamp)

    renditions = [heard(every[:count], targets[:count], k > 0, config.seed + k) for k in range(config.renditions)]
    return Corpus(neutral, renditions, heard(every[count:], targets[count:], False, 0))


def fine_tune(material: Material[Clip], checkpoint: Path, out: Path, steps: int | None = None) -> float:
    """Write ``best.safetensors`` to ``out``/run and return its blend (see ``BLENDS``): 0 if no other is better."""
    _, notes = load_checkpoint(checkpoint)
    shipped = ContentConfig.read(CONFIGS / "content.json")
    config = replace(shipped, **{**CHANGES, "steps": steps or CHANGES["steps"], "name": "content"})
    run = ContentRun(config, corpus_of(material, out / "cache", config), out / "run")
    run.start_from(checkpoint)
    run.train()
    start, end = load_file(checkpoint), {k: v.clone() for k, v in run.average.state_dict().items()}
    figures = {}
    for amount in BLENDS:
        run.average.load_state_dict(blended(start, end, amount))
        figures[amount] = validate(run.average, run.corpus.val)["r_open"]
    best = chosen_blend(figures, sum(int(clip.valid.sum()) for clip in material.choose) / FRAME_RATE)
    log.info("r_open by blend: %s", ", ".join(f"{a:g} {r:.3f}" for a, r in figures.items()))
    notes = notes | {"config": json.dumps(asdict(config)), "step": str(run.step)}
    write_whole(out / "run" / "best.safetensors", save(half_floats(blended(start, end, best), BUFFERS), notes))
    return best


def chosen_blend(figures: Mapping[float, float], seconds: float) -> float:
    """Return the blend to go with by ``r_open`` of each in ``seconds`` of material: 0 if none is better than that.

    A few seconds cannot tell blends apart, so the choice leans towards the middle (see ``LEANING``), which helps most.
    Of equals, it is the one nearest to the shipped weights, which were trained on many speakers.
    """
    better = [amount for amount in figures if figures[amount] > figures.get(0.0, -np.inf)]
    worth = {amount: figures[amount] - LEANING * (amount - 0.5) ** 2 / max(seconds, 1.0) for amount in better}
    return max(worth, key=lambda amount: (round(worth[amount], 3), -amount), default=0.0)


def manner_of(clips: Sequence[Clip]) -> dict[str, float]:
    """Return the actor's manner relative to the average speaker, as :class:`mouthpiece.styles.Style` has it.

    Raises
    ------
    ValueError
        If no clip is long enough to show how the head moves.
    """
    typical = load_file(CHECKPOINTS / "head.safetensors")["typical"].numpy().astype(float)
    average = json.loads((ASSETS / "styles.json").read_text(encoding="utf-8"))["average"]
    _, tilt = tilts(head_clips(clips), typical)
    neutral = find("content").sidecar.neutral_face().astype(float)
    rows = manners(clips, make_targets(clips, neutral), tilt)
    if "actor" not in rows:
        raise ValueError("no clip is three seconds long: the actor's way of moving cannot be told")
    manner = rows["actor"] - np.array(average)
    return dict(zip(styles.MANNER, manner.round(4).tolist(), strict=True))


def compared(
    material: Material[Clip], before: Path | None, models: Path | None, style: styles.Style
) -> dict[str, Metrics]:
    """Return the figures of the material to judge by with the networks in the folders ``before`` and ``models``.

    None stands for the shipped networks; the second row has the actor's ``style`` as well.
    """
    neutral = find("content").sidecar.neutral_face().astype(float)
    systems = {
        "before": judge(material.judge, ours(before)),
        "adapted": judge(material.judge, ours(models, style)),
    }
    rows = systems_rows({"static": judge(material.judge, closed(neutral)), **systems})
    poses = {name: mean_rows(own) for name, own in systems.items()}
    return {name: rows[name] | {k: v for k, v in poses[name].items() if k in POSE_COLUMNS} for name in systems}


def adapt(
    sources: Sequence[Path],
    out: Path,
    name: str,
    synced: bool = True,
    steps: int | None = None,
    checkpoint: Path = SHIPPED,
) -> str:
    """Adapt network and style to the actor in ``sources``, write them to ``out``, and return the report as text.

    Training begins with the weights in ``checkpoint``.

    Raises
    ------
    ValueError
        If the material cannot be used.
    """
    clips = collect(sources, out, synced)
    material = divided(clips)
    log.info("%d clips: %s", len(clips), ", ".join(
        f"{sum(map(len, part)) / FRAME_RATE:.0f} s to {what}"
        for what, part in (("teach", material.teach), ("choose", material.choose), ("judge", material.judge))
    ))  # fmt: skip
    manner = manner_of([*material.teach, *material.choose])
    before = None if checkpoint == SHIPPED else export(checkpoint, out / "before").parent
    best = fine_tune(material, checkpoint, out, steps)
    # the trained network already opens the mouth as wide as the actor does
    style = styles.Style(name, **manner | {"opening": (1 - best) * manner["opening"]})
    if best:
        export(out / "run" / "best.safetensors", out)
    else:
        for old in ("content.onnx", "content.onnx.json"):
            (out / old).unlink(missing_ok=True)
    write_json(out / "style.json", asdict(style))
    rows = compared(material, before, out if best else before, style)
    report = {"blend": best, "style": manner, "figures": rows, "sources": [path.name for path in sources]}
    write_json(out / "report.json", report)
    verdict = f"The network is {best:.0%} of the way to the actor's." if best else (
        "The shipped network reads the actor's lips as well as one trained on them: none was written."
    )  # fmt: skip
    return f"{table(rows, 'held back', COLUMNS)}\n\n{verdict}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.content.adapt", __doc__)
    parser.add_argument("sources", nargs="+", type=Path, metavar="VIDEO", help="videos of the actor, or a clip folder")
    parser.add_argument("--out", type=Path, required=True, help="folder for network, style and report")
    parser.add_argument("--name", default="actor", help="what the style is called")
    parser.add_argument("--steps", type=int, help=f"training steps (default: {CHANGES['steps']})")
    parser.add_argument("--checkpoint", type=Path, default=SHIPPED, help="weights to begin with (default: the shipped)")
    parser.add_argument("--no-sync", action="store_true", help="trust the videos' own sound and picture timing")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)

    def work() -> None:
        print(adapt(args.sources, args.out, args.name, not args.no_sync, args.steps, args.checkpoint))
        print(f"\nUse it: --models '{args.out}' --style '{args.out / 'style.json'}'")

    return exit_code(work, "not adapted")


if __name__ == "__main__":
    sys.exit(main())

"""Teach the portrait generator one person: ``python -m training.portrait.adapt VIDEO… --consent TEXT --out DIR``.

Half a minute to two minutes of the person talking are enough. The first seven tenths of the material (in the order
given) are trained on, the next tenth decides how far to go from the shipped network towards the person's, and the last
two tenths are judged. Written to DIR: ``NAME.onnx`` with its sidecar, for ``--generator DIR/NAME.onnx``, and
``report.json``. The consent statement is recorded in the sidecar. If the trained network makes the person's face no
better than the shipped one, no network is written. The same command continues where it was stopped.
Exit code 0 when done, 1 when the material cannot be used, 130 when stopped.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from mouthpiece.features import FRAME_RATE
from mouthpiece.portrait.consent import ADVICE, Consent
from mouthpiece.portrait.draw.generator import Generator, load_generator
from torch import Tensor

from ..command_line import exit_code, parser_of
from ..files import write_json
from ..networks import adaptation
from ..networks.adaptation import BLENDS, Material, blended
from ..pack.face_tracker import FaceTracker
from ..pack.video import SUFFIXES
from ..paths import CHECKPOINTS
from .data import FaceClip, shots
from .evaluate import WARP, judged, remade
from .export import DATA, export
from .measures.report import CALM, COLUMNS, means, table
from .measures.scores import DetectorFeatures, Scores
from .networks import Repair
from .subject_video import clips_of_video
from .train import Feed, PortraitConfig, PortraitRun, fixed_batches, load_weights, save_weights, validated

log = logging.getLogger(__name__)

SHIPPED = CHECKPOINTS / "portrait.safetensors"
#: Frames left out where a part of the material begins inside a clip, and frames of the shortest piece of a part.
GAP, PIECE = 12, 8
#: Least frames of a tracked face that can be learned from, and most that are read.
LEAST, MOST = 10 * FRAME_RATE, 120 * FRAME_RATE
#: Most frames that are judged of a shot, and in all.
SHOT, JUDGED = 75, 225
#: Settings of the training: slower than the shipped network's own, and without a critic, which is not at hand.
STEPS, RATE, PAIRS, STILLS, SAVE = 240, 1e-4, 2, 3, 40
BEFORE, AFTER = "shipped generator", "adapted generator"


def part_of(clip: FaceClip, start: int, stop: int) -> FaceClip:
    """Return the frames ``start`` to ``stop`` (excluded) of ``clip``."""
    part = slice(start, stop)
    return FaceClip(f"{clip.name}-{start}", clip.frames[part], clip.landmarks[part], clip.irises[part])


def divided(clips: Sequence[FaceClip], least: int = LEAST) -> Material[FaceClip]:
    """Return ``clips`` divided by time.

    Raises
    ------
    ValueError
        If they are shorter than ``least`` frames in all, or in pieces that are too short.
    """
    total = sum(map(len, clips))
    if total < least:
        raise ValueError(
            f"the videos show {total / FRAME_RATE:.0f} seconds of a face that can be used, and "
            f"{least / FRAME_RATE:.0f} are needed at least; half a minute to two minutes are good"
        )
    failure = "the face is seen in pieces too short to hold some of it back; give longer takes"
    return adaptation.divided(clips, part_of, GAP, PIECE, failure)


def collect(videos: Sequence[Path], folder: Path) -> list[FaceClip]:
    """Return the clips of ``videos``; the first time, they are written to ``folder``.

    Raises
    ------
    ValueError
        If one is no video.
    VideoError
        If one cannot be decoded.
    """
    for path in videos:
        if path.suffix.lower() not in SUFFIXES or not path.is_file():
            raise ValueError(f"'{path}' is not a video ({' '.join(SUFFIXES)})")
    clips, tracker = list[FaceClip](), FaceTracker()
    for path in videos:
        clips += clips_of_video(path, folder, MOST - sum(map(len, clips)), tracker)
        if sum(map(len, clips)) >= MOST:
            log.info("two minutes are enough; the rest is not read")
            break
    return clips


def settings_of(videos: Sequence[Path], consent: Consent, checkpoint: Path, steps: int) -> dict[str, Any]:
    """Return facts that identify an adaptation: one that was stopped is continued only if they are the same."""
    digest = hashlib.sha256(checkpoint.read_bytes())
    for path in videos:
        digest.update(f"{path.name} {path.stat().st_size}\n".encode())
    return {"of": digest.hexdigest(), "consent": consent.as_dict(), "steps": steps}


def begin(out: Path, settings: Mapping[str, Any], force: bool) -> None:
    """Make the folder of an adaptation and note its ``settings`` there, or check that it has the same.

    Raises
    ------
    ValueError
        If the folder holds another adaptation and ``force`` is not set.
    """
    note = out / "adapting.json"
    if note.is_file() and json.loads(note.read_text(encoding="utf-8")) != dict(settings):
        if not force:
            raise ValueError(f"'{out}' holds the adaptation of something else; choose another folder, or --force")
        for old in (*out.glob("run/*"), *out.glob("clips/*")):
            old.unlink()
    out.mkdir(parents=True, exist_ok=True)
    write_json(note, dict(settings))


def fine_tune(material: Material[FaceClip], checkpoint: Path, folder: Path, steps: int) -> tuple[Path, float]:
    """Train on the person; return the file of the weights, written to ``folder``, and their blend (see ``BLENDS``)."""
    shipped, notes = load_weights(checkpoint)
    shipped_config = PortraitConfig.of(json.loads(notes["config"]), f"'{checkpoint}'")
    config = replace(
        shipped_config, steps=steps, rate=RATE, pairs=PAIRS, stills=STILLS, validate_every=SAVE, critic_from=steps + 1,
        average=0.98,
    )  # fmt: skip
    run = PortraitRun(config)
    if (folder / "last.pt").is_file():
        run.resume(folder)
        log.info("going on from step %d of %d", run.step, steps)
    else:
        run.net.load_state_dict(shipped.state_dict())
        run.average.load_state_dict(shipped.state_dict())
    if run.step < steps:
        _train(run, material.teach, folder)
    batches = fixed_batches(material.choose, config, 12)
    start, end = shipped.state_dict(), {name: value.clone() for name, value in run.average.state_dict().items()}
    best = _chosen(run, start, end, batches)
    run.average.load_state_dict(blended(start, end, best))
    save_weights(run.average, folder / "best.safetensors", config, run.step, run.history)
    return folder / "best.safetensors", best


def _train(run: PortraitRun, clips: Sequence[FaceClip], folder: Path) -> None:
    """Train ``run`` on ``clips`` to its last step."""
    feed = Feed(clips, run.config, run.config.seed + run.step)
    try:
        while run.step < run.config.steps:
            terms = run.learn(*feed.batch())
            if run.step % 10 == 0:
                words = ", ".join(f"{name} {value:.4f}" for name, value in terms.items())
                log.info("step %d of %d: %s", run.step, run.config.steps, words)
            if run.step % run.config.validate_every == 0 or run.step == run.config.steps:
                run.save(folder)
    finally:
        feed.stop()


def _chosen(
    run: PortraitRun, start: Mapping[str, Tensor], end: Mapping[str, Tensor], batches: Sequence[tuple[Tensor, Tensor]]
) -> float:
    """Return the blend with the best PSNR among those whose feature distance is not above the shipped network's."""
    net, figures = Repair(run.config.shape), {}
    for amount in BLENDS:
        net.load_state_dict(blended(start, end, amount))
        figures[amount] = validated(net.eval(), batches, run.loss)
        log.info("%.0f%% of the way: %s", 100 * amount, ", ".join(f"{k} {v:.4f}" for k, v in figures[amount].items()))
    fine = [amount for amount in BLENDS if figures[amount]["features"] <= figures[0.0]["features"]]
    # of equals, take the one nearest to the shipped weights, which were trained on many people
    return max(fine, key=lambda amount: (round(figures[amount]["psnr"], 2), -amount))


def compared(clips: Sequence[FaceClip], generators: Mapping[str, Generator]) -> dict[str, dict[str, Scores]]:
    """Return shot -> method -> figures, for a few seconds of the shots in ``clips``."""
    features, rows, count = DetectorFeatures(), dict[str, dict[str, Scores]](), 0
    for clip in clips:
        for shot in shots(clip):
            if count < JUDGED:
                own = part_of(clip, shot.start, min(shot.stop, shot.start + SHOT))
                rows[own.name] = judged(remade(own, generators), features)
                count += len(own)
    return rows


def adapt(
    videos: Sequence[Path], out: Path, consent: Consent, name: str, checkpoint: Path = SHIPPED, steps: int = STEPS,
    force: bool = False, least: int = LEAST,
) -> str:  # fmt: skip
    """Adapt the generator to the person in ``videos``, write it to ``out``, and return the report as text.

    Training begins with the weights in ``checkpoint``.

    Raises
    ------
    ValueError
        If the material cannot be used.
    """
    load_weights(checkpoint)
    begin(out, settings_of(videos, consent, checkpoint, steps), force)
    clips = collect(videos, out / "clips")
    material = divided(clips, least)
    for words, part in (("teach", material.teach), ("choose", material.choose), ("judge", material.judge)):
        log.info("%.0f seconds %s", sum(map(len, part)) / FRAME_RATE, words)
    weights, best = fine_tune(material, checkpoint, out / "run", steps)
    before = load_generator(export(checkpoint, out / "before"))
    seconds = sum(map(len, clips)) / FRAME_RATE
    data = f"{DATA} Then {seconds:.0f} seconds of one person, from their own videos, with the consent recorded here."
    path = out / f"{name}.onnx"
    if best:
        path = export(weights, out, name, data, consent=consent.as_dict(), blend=best, seconds=seconds)
    else:
        for old in (path, path.with_name(path.name + ".json")):
            old.unlink(missing_ok=True)
    rows = compared(material.judge, {BEFORE: before} | ({AFTER: load_generator(path)} if best else {}))
    report = {"blend": best, "seconds": seconds, "consent": consent.as_dict(), "figures": rows}
    write_json(out / "report.json", report)
    return report_text(rows, best, path)


def report_text(rows: Mapping[str, Mapping[str, Scores]], best: float, path: Path) -> str:
    """Return the report of an adaptation: the figures of the held-back part, and how to use the network at ``path``."""
    whole = {"held back": {m: s for m, s in means(rows).items() if m in ("recorded", WARP, BEFORE, AFTER)}}
    words = (
        f"The network is {best:.0%} of the way to the person's. Use it: --generator '{path}'"
        if best
        else "The shipped network makes this face as well as one trained on it: none was written."
    )
    tables = (table(whole, columns, "part | method") for columns in (COLUMNS, CALM))
    return "\n\n".join([*tables, words])


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.portrait.adapt", __doc__)
    parser.add_argument("videos", nargs="+", type=Path, metavar="VIDEO", help="videos that show the person's face")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for the network and the report")
    parser.add_argument("--consent", required=True, metavar="TEXT", help=ADVICE.replace("%", "%%"))
    parser.add_argument("--by", default="", help="who makes the consent statement")
    parser.add_argument("--name", default="person", help="what the network is called (default: person)")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"training steps (default: {STEPS})")
    parser.add_argument("--checkpoint", type=Path, default=SHIPPED, help="weights to begin with (default: the shipped)")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch; leave a core to the samples")
    parser.add_argument("--force", action="store_true", help="replace another adaptation in that folder")
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)

    def work() -> None:
        consent = Consent.of(args.consent, args.by)
        print(adapt(args.videos, args.out, consent, args.name, args.checkpoint, args.steps, args.force))

    return exit_code(work, "not adapted", "stopped; the same command goes on")


if __name__ == "__main__":
    sys.exit(main())

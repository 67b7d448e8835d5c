"""Teach the portrait generator one person: ``python -m training.portrait.adapt VIDEO… --consent TEXT --out DIR``.

Half a minute to two minutes of the person talking will do. Of what the videos show (in the order given) the first seven
tenths teach, the next tenth chooses how far to go from the shipped network towards the person's, and the last two
tenths judge. Written to DIR: ``NAME.onnx`` with its sidecar, for ``--generator DIR/NAME.onnx``, and ``report.json``.
The consent statement is recorded in the sidecar. If the person's face is made no better than before, no network is
written. The same command goes on where it was stopped.
Exit code 0 when done, 1 when the material cannot be used, 130 when stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from mouthpiece.errors import MouthpieceError
from mouthpiece.features import FRAME_RATE
from mouthpiece.portrait.consent import ADVICE, Consent
from mouthpiece.portrait.draw.generator import Generator, load_generator
from torch import Tensor

from ..content.adapt import BLENDS, blended
from ..pack.tracking import FaceTracker
from ..pack.video import SUFFIXES, VideoError
from .data import Clip, shots
from .evaluate import WARP, judged, made_of
from .export import DATA, export
from .networks import Repair
from .measures.report import CALM, COLUMNS, means, table
from .measures.scores import Features, Scores
from .subject_video import clips_of_video
from .train import Config, Feed, Run, fixed_batches, load_weights, save_weights, validated

log = logging.getLogger(__name__)

HERE = Path(__file__).resolve().parents[1]
SHIPPED = HERE / "checkpoints" / "portrait.safetensors"
#: Where of the material's frames teaching ends, and choosing; frames left out where a part begins inside a clip; and
#: frames of the shortest piece of a part.
TAUGHT, CHOSEN, GAP, PIECE = 0.7, 0.8, 12, 8
#: Frames of held face below which there is too little to learn from, and above which no more are read.
LEAST, MOST = 10 * FRAME_RATE, 120 * FRAME_RATE
#: Frames of a shot that are judged, and how many in all.
SHOT, JUDGED = 75, 225
#: Changes to the shipped network's own training: slower, from the start without a critic, which had to be taught first.
STEPS, RATE, PAIRS, STILLS, SAVE = 240, 1e-4, 2, 3, 40
BEFORE, AFTER = "shipped generator", "adapted generator"


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """A person's clips, cut in three: to teach, to choose by, and to judge by."""

    teach: list[Clip]
    choose: list[Clip]
    judge: list[Clip]


def part_of(clip: Clip, start: int, stop: int) -> Clip:
    """Return the frames ``start`` to ``stop`` (excluded) of a clip."""
    part = slice(start, stop)
    return Clip(f"{clip.name}-{start}", clip.frames[part], clip.landmarks[part], clip.irises[part])


def divided(clips: Sequence[Clip], least: int = LEAST) -> Material:
    """Return clips cut in three by time.

    Raises
    ------
    ValueError
        If there is too little of them.
    """
    total = sum(map(len, clips))
    if total < least:
        raise ValueError(
            f"the videos show {total / FRAME_RATE:.0f} seconds of a face that can be used, and "
            f"{least / FRAME_RATE:.0f} are needed at least; half a minute to two minutes are good"
        )
    bounds = (0, round(TAUGHT * total), round(CHOSEN * total), total)
    parts: list[list[Clip]] = [[], [], []]
    begin = 0
    for clip in clips:
        for part, low, high in zip(parts, bounds[:-1], bounds[1:], strict=True):
            first, last = max(low - begin, 0), min(high - begin, len(clip))
            first += GAP if first > 0 else 0
            if last - first >= PIECE:
                part.append(part_of(clip, first, last))
        begin += len(clip)
    if not all(parts):
        raise ValueError("the face is seen in pieces too short to hold some of it back; give longer takes")
    return Material(*parts)


def collect(videos: Sequence[Path], folder: Path) -> list[Clip]:
    """Return the clips of videos, taken into ``folder`` the first time.

    Raises
    ------
    ValueError
        If one is no video, or cannot be read.
    """
    for path in videos:
        if path.suffix.lower() not in SUFFIXES or not path.is_file():
            raise ValueError(f"'{path}' is not a video ({' '.join(SUFFIXES)})")
    clips, tracker = list[Clip](), FaceTracker()
    for path in videos:
        try:
            clips += clips_of_video(path, folder, MOST - sum(map(len, clips)), tracker)
        except VideoError as error:
            raise ValueError(str(error)) from error
        if sum(map(len, clips)) >= MOST:
            log.info("two minutes are enough; the rest is not read")
            break
    return clips


def settings_of(videos: Sequence[Path], consent: Consent, checkpoint: Path, steps: int) -> dict[str, Any]:
    """Return what an adaptation is of: one that was stopped goes on only as the same."""
    digest = hashlib.sha256(checkpoint.read_bytes())
    for path in videos:
        digest.update(f"{path.name} {path.stat().st_size}\n".encode())
    return {"of": digest.hexdigest(), "consent": consent.as_dict(), "steps": steps}


def begin(out: Path, settings: Mapping[str, Any], force: bool) -> None:
    """Make the folder an adaptation goes to, or go on in it.

    Raises
    ------
    ValueError
        If another adaptation is there and may not be replaced.
    """
    note = out / "adapting.json"
    if note.is_file() and json.loads(note.read_text(encoding="utf-8")) != dict(settings):
        if not force:
            raise ValueError(f"'{out}' holds the adaptation of something else; choose another folder, or --force")
        for old in (*out.glob("run/*"), *out.glob("clips/*")):
            old.unlink()
    out.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(dict(settings), indent=1) + "\n", encoding="utf-8")


def fine_tune(material: Material, checkpoint: Path, folder: Path, steps: int) -> tuple[Path, float]:
    """Return the weights written to ``folder``, and how far they are from the shipped (0) to the person's (1)."""
    shipped, notes = load_weights(checkpoint)
    told = Config.of(json.loads(notes["config"]))
    config = replace(
        told, steps=steps, rate=RATE, pairs=PAIRS, stills=STILLS, validate_every=SAVE, critic_from=steps + 1,
        average=0.98,
    )  # fmt: skip
    run = Run(config)
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


def _train(run: Run, clips: Sequence[Clip], folder: Path) -> None:
    feed = Feed(clips, run.config, run.config.seed + run.step)
    try:
        while run.step < run.config.steps:
            terms = run.trained(*feed.batch())
            if run.step % 10 == 0:
                words = ", ".join(f"{name} {value:.4f}" for name, value in terms.items())
                log.info("step %d of %d: %s", run.step, run.config.steps, words)
            if run.step % run.config.validate_every == 0 or run.step == run.config.steps:
                run.save(folder)
    finally:
        feed.stop()


def _chosen(
    run: Run, start: Mapping[str, Tensor], end: Mapping[str, Tensor], batches: Sequence[tuple[Tensor, Tensor]]
) -> float:
    """Return the blend with the least error of those whose features are no farther off than the shipped network's."""
    net, figures = Repair(run.config.shape), {}
    for amount in BLENDS:
        net.load_state_dict(blended(start, end, amount))
        figures[amount] = validated(net.eval(), batches, run.loss)
        log.info("%.0f%% of the way: %s", 100 * amount, ", ".join(f"{k} {v:.4f}" for k, v in figures[amount].items()))
    fine = [amount for amount in BLENDS if figures[amount]["features"] <= figures[0.0]["features"]]
    # a tie goes to the weights that were made from many people
    return max(fine, key=lambda amount: (round(figures[amount]["psnr"], 2), -amount))


def compared(clips: Sequence[Clip], generators: Mapping[str, Generator]) -> dict[str, dict[str, Scores]]:
    """Return the figures of held-back shots by method, of a few seconds in all."""
    features, rows, count = Features(), dict[str, dict[str, Scores]](), 0
    for clip in clips:
        for shot in shots(clip):
            if count < JUDGED:
                own = part_of(clip, shot.start, min(shot.stop, shot.start + SHOT))
                rows[own.name] = judged(made_of(own, generators), features)
                count += len(own)
    return rows


def adapt(
    videos: Sequence[Path], out: Path, consent: Consent, name: str, checkpoint: Path = SHIPPED, steps: int = STEPS,
    force: bool = False, least: int = LEAST,
) -> str:  # fmt: skip
    """Do all of it, beginning with the weights in ``checkpoint``, and return the report as text.

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
    (out / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return told(rows, best, path)


def told(rows: Mapping[str, Mapping[str, Scores]], best: float, path: Path) -> str:
    """Return the report of an adaptation: figures of what was held back, and what to do with it."""
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
    parser = argparse.ArgumentParser(
        prog="python -m training.portrait.adapt", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
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
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    torch.set_num_threads(args.threads)
    try:
        consent = Consent.of(args.consent, args.by)
        print(adapt(args.videos, args.out, consent, args.name, args.checkpoint, args.steps, args.force))
    except KeyboardInterrupt:
        log.error("stopped; the same command goes on")
        return 130
    except (OSError, ValueError, RuntimeError, MouthpieceError) as error:
        log.error("not adapted: %s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""How well the recipe does on unheard people: ``python -m training.studies.crossfit --data DIR --cache DIR --out DIR``.

There are only twelve validation speakers, and they also decide when training stops. This divides the *training*
speakers into folds, trains the configured network once without each fold, validated on the validation clips as usual,
and judges each fold by the network that was trained without it: as ``training.content.evaluate`` does, but on the
network's output alone, on clips of five seconds and more, with sounds as recorded. Speakers whose names differ only in
a final number of three or more digits are one person, and are kept in one fold. Results are stored in ``--out``: folds
that are done are not trained again, and the table shows those there are.
Exit code 0 when done, 1 when stopped by an error, 130 when interrupted (the same command goes on).
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from mouthpiece.files.writer import write_whole

from ..command_line import exit_code, parser_of
from ..content.config import ContentConfig
from ..content.corpus import Corpus, load_corpus
from ..content.data import brought_to_loudness, listen
from ..content.evaluate import COLUMNS, POSE_FRAMES, Predicted, closed, grouped, judge, systems_rows
from ..content.export import ExportedContent, load_checkpoint
from ..content.run import ContentRun
from ..content.tuning import TunedRun
from ..measures.markdown import table
from ..measures.score import Metrics
from ..pack.clips import Clip, load_split
from ..pack.resync import read as read_sync
from ..paths import CONFIGS

log = logging.getLogger(__name__)

FOLDS = 3


def person(speaker: str) -> str:
    """Return the person behind the name ``speaker``: the name without the number of the video."""
    return re.sub(r"-\d{3,}$", "", speaker)


def fold_speakers(speakers: Sequence[str], folds: int, seed: int = 0) -> list[set[str]]:
    """Return the speakers of each fold, drawn at random; names of one person are in one fold."""
    people = sorted({person(speaker) for speaker in speakers if speaker})
    order = np.random.default_rng(seed).permutation(people).tolist()
    return [{s for s in speakers if s and person(s) in order[k::folds]} for k in range(folds)]


def without(corpus: Corpus, speakers: set[str]) -> Corpus:
    """Return ``corpus`` without the training speakers in ``speakers``."""
    return replace(corpus, train=[[s for s in rendition if s.speaker not in speakers] for rendition in corpus.train])


def fold_rows(run: ContentRun, clips: Sequence[Clip]) -> dict[str, list[Metrics]]:
    """Return the figures of ``clips`` for a closed mouth and for the best network of ``run``; speakers are persons."""
    net, _ = load_checkpoint(run.out / "best.safetensors")
    network, listener = ExportedContent(net, run.config.finish).eval(), run.kept_listener()

    @torch.no_grad()
    def predict(clip: Clip) -> Predicted:
        features = torch.from_numpy(listen(brought_to_loudness(clip.samples), len(clip), listener))
        landmarks, arkit = network(features[None])
        face = landmarks[0].unflatten(-1, (68, 3)) + net.neutral
        return Predicted(face.numpy().astype(float), arkit[0].numpy().astype(float))

    systems = {"static": judge(clips, closed(run.corpus.neutral)), "ours": judge(clips, predict)}
    return {name: [row | {"speaker": person(row["speaker"])} for row in rows] for name, rows in systems.items()}


def crossfit(args: argparse.Namespace) -> dict[str, list[Metrics]]:
    """Train and judge the folds the command line ``args`` ask for; return the rows of all folds that are done."""
    config = ContentConfig.read(args.config)
    if args.steps:
        config = replace(config, steps=args.steps)
    if not args.whisper:
        config = replace(config, tuning=0.0)
    late = read_sync(args.sync) if args.sync else None
    corpus = load_corpus(args.data, args.cache, config, late, args.listener)
    clips = [clip for clip in load_split(args.data, "train") if len(clip) >= POSE_FRAMES]
    for number, speakers in enumerate(fold_speakers([s.speaker for s in corpus.train[0]], args.folds)):
        name = f"fold-{number}-of-{args.folds}"
        stored = args.out / f"{name}.json"
        own = [clip for clip in clips if clip.speaker in speakers]
        if stored.is_file() or not own or (args.only is not None and number not in args.only):
            continue
        log.info("fold %d: trained without %d speakers", number, len(speakers))
        rest, out = without(corpus, speakers), args.out / name
        run = TunedRun(config, rest, out, args.whisper) if config.tuning else ContentRun(config, rest, out)
        run.resume()
        run.train()
        write_whole(stored, json.dumps(fold_rows(run, own)) + "\n")
    systems: dict[str, list[Metrics]] = {"static": [], "ours": []}
    for stored in sorted(args.out.glob(f"fold-*-of-{args.folds}.json")):
        for name, rows in json.loads(stored.read_text(encoding="utf-8")).items():
            systems[name] += rows
    return systems


def print_folds(systems: dict[str, list[Metrics]]) -> None:
    """Print the rows of :func:`crossfit` as tables."""
    if not systems["ours"]:
        return
    people = grouped(systems["ours"], "speaker")
    print(f"{len(systems['ours'])} clips of {len(people)} people no network that is judged by them has heard\n")
    rows = systems_rows(systems)
    print(table({name: rows[f"{name}, every speaker once"] for name in systems}, "every person once", COLUMNS) + "\n")
    print(table({f"{k} ({v['clips']})": v for k, v in people.items()}, "ours, person (clips)", COLUMNS))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.studies.crossfit", __doc__)
    parser.add_argument("--data", type=Path, required=True, help="training pack made by training.pack.prepare")
    parser.add_argument("--cache", type=Path, required=True, help="where features are kept between runs")
    parser.add_argument("--out", type=Path, required=True, help="folder of the folds")
    parser.add_argument("--config", type=Path, default=CONFIGS / "content.json")
    parser.add_argument("--sync", type=Path, help="table of late sounds, made by training.pack.resync")
    parser.add_argument("--listener", type=Path, help="folder with another phonetic.onnx to begin with")
    parser.add_argument("--whisper", type=Path, help="model.bin, if the listener is to learn too, as configured")
    parser.add_argument("--folds", type=int, default=FOLDS)
    parser.add_argument("--only", type=int, nargs="*", help="train only these folds, counted from 0")
    parser.add_argument("--steps", type=int, help="instead of the configuration's")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    return exit_code(lambda: print_folds(crossfit(args)), "stopped")


if __name__ == "__main__":
    sys.exit(main())

"""What each part of the network is worth: ``python -m training.studies.ablate --data DIR --cache DIR --out DIR``.

Trains architectures from other papers and reduced versions of ours on the same clips with the same sampler and steps,
judges all as ``training.content.evaluate`` does, and writes ``ablation.json`` and ``ablation.md`` to ``--docs``. Runs
that are finished in ``--out`` are not trained again; ``--only NAME`` judges some rows and keeps the others as stored.
Exit code 0 when done, 1 when stopped by an error, 130 when interrupted (the same command goes on).
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mouthpiece.files.writer import write_whole
from mouthpiece.models.registry import find
from safetensors.torch import load_file

from ..command_line import exit_code, parser_of
from ..content.config import ContentConfig
from ..content.corpus import Corpus, load_corpus
from ..content.data import Stretch
from ..content.evaluate import COLUMNS, Predicted, closed, judge, ours, systems_rows
from ..content.networks import ContentNet, ContentShape
from ..content.run import ContentRun
from ..content.targets import canonical_face, make_targets
from ..files import write_json
from ..measures.baselines import MelRidge
from ..measures.markdown import table
from ..measures.score import Metrics
from ..pack.clips import Clip, load_split
from ..pack.resync import read as read_sync
from ..paths import CONFIGS, DOCS, PACK
from .rivals import (
    MFCCS,
    LaplacianLoss,
    PlainLoss,
    convolutional,
    eskimez,
    hearing,
    makeittalk,
    mfcc_bilstm,
    transformer,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Variant:
    """A network to train.

    Attributes
    ----------
    name : of its row in the table.
    make : returns the network for a shape.
    loss : returns its loss for the resting face (68, 3); None: ours.
    share : share of the speakers that it is trained on.
    synced : whether it is trained on sounds put in time (``--sync``).
    """

    name: str
    make: Callable[[ContentShape], Any]
    loss: Callable[[torch.Tensor], Any] | None = None
    share: float = 1.0
    synced: bool = False


VARIANTS = (
    Variant("MFCC BiLSTM", mfcc_bilstm),
    Variant("Eskimez 2018, 4 LSTM layers", eskimez, lambda _: PlainLoss()),
    Variant("MakeItTalk content branch", makeittalk, LaplacianLoss),
    Variant("TCN", convolutional),
    Variant("Transformer", transformer),
    Variant("our network, MFCC only", hearing(MFCCS)),
    Variant("our network, no MFCC", hearing(0)),
    Variant("our network, 10 % of speakers", ContentNet, share=0.1),
    Variant("our network, 30 % of speakers", ContentNet, share=0.3),
    Variant("our network, all", ContentNet),
    Variant("our network, all, sounds in time", ContentNet, synced=True),
)


def fewer(corpus: Corpus, share: float, seed: int = 0) -> Corpus:
    """Return ``corpus`` with a random ``share`` of its speakers."""
    if share >= 1:
        return corpus
    speakers = sorted({s.speaker for s in corpus.train[0] if s.speaker})
    count = max(1, round(share * len(speakers)))
    kept = {"", *np.random.default_rng(seed).permutation(speakers)[:count]}
    return replace(corpus, train=[[s for s in rendition if s.speaker in kept] for rendition in corpus.train])


def trained(variant: Variant, config: ContentConfig, corpus: Corpus, out: Path) -> tuple[Any, int]:
    """Return the network of ``variant`` with its best weights, and its number of parameters; train it if need be."""
    folder = out / "".join(c if c.isalnum() else "-" for c in variant.name.lower())
    best, done = folder / "best.safetensors", folder / "done"
    if not done.is_file():
        log.info("training: %s", variant.name)
        run = ContentRun(config, fewer(corpus, variant.share), folder, variant.make, variant.loss)
        run.resume()
        run.train()
        write_whole(done, "trained to the end\n")
    net = variant.make(config.shape)
    net.load_state_dict(load_file(best))
    return net.eval(), sum(p.numel() for p in net.parameters())


@torch.no_grad()
def predictor(net: Any, clips: Sequence[Clip], heard: Sequence[Stretch]) -> Callable[[Clip], Predicted]:
    """Return a predictor for ``clips`` that runs ``net`` on their features, which ``heard`` holds in the same order."""
    features = {clip.name: stretch.features for clip, stretch in zip(clips, heard, strict=True)}

    @torch.no_grad()
    def predict(clip: Clip) -> Predicted:
        landmarks, arkit = net(torch.from_numpy(features[clip.name].astype(np.float32))[None])
        face = landmarks[0].unflatten(-1, (68, 3)) + net.neutral
        return Predicted(face.numpy().astype(float), np.pad(arkit[0].numpy(), ((0, 0), (0, 1))).astype(float))

    return predict


def seconds_per_second(net: Any, frames: int = 1500) -> float:
    """Return the seconds ``net`` takes for a second of features, measured on a minute, without the listener."""
    features = torch.zeros(1, frames, net.mean.shape[0])
    with torch.no_grad():
        net(features)
        begun = time.perf_counter()
        net(features)
    return (time.perf_counter() - begun) / (frames / 25)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Train and judge what the command line ``args`` ask for; return all rows, stored ones included."""
    config = replace(ContentConfig.read(args.config), steps=args.steps, patience=99)
    stored = args.docs / "ablation.json"
    rows: dict[str, Any] = json.loads(stored.read_text(encoding="utf-8"))["rows"] if stored.is_file() else {}
    late = read_sync(args.sync) if args.sync else {}
    corpus_for = partial(load_corpus, args.data, args.cache, config, listener_folder=args.listener)
    clips, neutral = load_split(args.data, "val"), canonical_face(load_split(args.data, "train"))

    def wanted(name: str) -> bool:
        return name in args.only if args.only else True

    still = judge(clips, closed(neutral))

    def note(name: str, own: list[Metrics], **more: Any) -> None:
        both = systems_rows({"static": still, name: own})
        rows[name] = {"clips": both[name], "speakers": both[f"{name}, every speaker once"]} | more
        args.docs.mkdir(parents=True, exist_ok=True)
        write_json(stored, {"steps": args.steps, "rows": rows})
        log.info("%s: r_open %.3f", name, rows[name]["speakers"]["r_open"])

    if wanted("static"):
        note("static", still)
    if wanted("log-mel ridge"):
        train = load_split(args.data, "train")
        ridge = MelRidge.fit(train, make_targets(train, neutral))
        note("log-mel ridge", judge(clips, lambda clip: Predicted(neutral + ridge.predict(clip))))
    for variant in VARIANTS:
        if wanted(variant.name) and (late or not variant.synced):
            corpus = corpus_for(late if variant.synced else None)
            net, count = trained(variant, config, corpus, args.out)
            speed = seconds_per_second(net)
            note(variant.name, judge(clips, predictor(net, clips, corpus.val)), parameters=count, rtf=speed)
    if wanted("ours, as shipped"):
        shipped = sum(len(find(name).content) for name in ("phonetic", "content"))
        note("ours, as shipped", judge(clips, ours(None)), megabytes=round(shipped / 1e6, 1))
    return rows


def page(rows: dict[str, Any], steps: int) -> str:
    """Return the table for ``docs/ablation.md``."""
    order = ["static", "log-mel ridge", *(variant.name for variant in VARIANTS), "ours, as shipped"]
    known = [name for name in order if name in rows]
    parts = [
        "# Ablation\n",
        "Written by `python -m training.studies.ablate`: validation clips of the pack, the yardstick of "
        f"`training/measures/score.py` (recorded tracks filtered over five frames, predicted ones never), every "
        f"network trained for {steps} steps "
        "with the same sampler and the checkpoint that reads the validation speakers best. Rivals are re-made from "
        "their published descriptions (`training/studies/rivals.py` says what could not be kept) and hear our MFCCs; "
        "TCN and Transformer hear all our features. LL_share and A_share are distances as shares of the closed "
        "mouth's.\n",
        "## Every speaker once\n",
        table({name: rows[name]["speakers"] for name in known}, "system", COLUMNS),
        "\n## Every clip once (80 of 90 are single words)\n",
        table({name: rows[name]["clips"] for name in known}, "system", COLUMNS),
        "\n## Size and speed\n",
        "| system | parameters | seconds per second of sound, listening not counted |\n|---|---|---|",
    ]
    parts += [
        f"| {name} | {rows[name]['parameters']:,} | {rows[name]['rtf']:.4f} |"
        for name in known
        if "parameters" in rows[name]
    ]
    return "\n".join(parts) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.studies.ablate", __doc__)
    parser.add_argument("--data", type=Path, default=PACK, help="training pack (default: ../shared/data)")
    parser.add_argument("--cache", type=Path, required=True, help="where features are kept between runs")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of the table")
    parser.add_argument("--config", type=Path, default=CONFIGS / "content.json")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument(
        "--sync", type=Path, help="table of late sounds (training.pack.resync), for the rows that need it"
    )
    parser.add_argument("--listener", type=Path, help="folder with another phonetic.onnx (docs: as published)")
    parser.add_argument("--only", nargs="*", help="judge these rows, keep the others as stored")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)

    def work() -> None:
        rows = run(args)
        write_whole(args.docs / "ablation.md", page(rows, args.steps))
        print(table({name: row["speakers"] for name, row in rows.items()}, "every speaker once", COLUMNS))

    return exit_code(work, "stopped")


if __name__ == "__main__":
    sys.exit(main())

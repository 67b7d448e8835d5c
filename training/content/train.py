"""Train the content network: ``python -m training.content.train --config FILE --data PACK --out RUN``.

The shipped settings are ``training/configs/content.json``. Runs are seeded and can be resumed (``--resume``). The run
folder holds ``last.pt`` (the state to resume from), ``best.safetensors`` (the averaged weights that read the validation
speakers' lips best) and ``run.json`` (settings and history).
Exit code 0 when done, 1 when stopped by an error, 130 when interrupted (resume then).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from ..command_line import exit_code, parser_of
from ..pack.resync import read as read_sync
from .config import ContentConfig
from .corpus import load_corpus
from .run import ContentRun
from .tuning import TunedRun


def train(args: argparse.Namespace) -> None:
    """Train as the command line ``args`` ask."""
    torch.set_num_threads(args.threads)
    changes = {key: getattr(args, key) for key in ("seed", "steps") if getattr(args, key) is not None}
    config = replace(ContentConfig.read(args.config), **changes)
    late = read_sync(args.sync) if args.sync else None
    if config.tuning and not args.whisper:
        raise ValueError("this configuration tunes the listener: name Whisper's model.bin with --whisper")
    corpus = load_corpus(args.data, args.cache or args.out / "cache", config, late, args.listener)
    run = TunedRun(config, corpus, args.out, args.whisper) if config.tuning else ContentRun(config, corpus, args.out)
    if args.start_from:
        run.start_from(args.start_from)
    if args.resume:
        run.resume()
    run.train()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.content.train", __doc__)
    parser.add_argument("--config", type=Path, required=True, help="JSON file, see training/configs")
    parser.add_argument("--data", type=Path, required=True, help="training pack made by training.pack.prepare")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--cache", type=Path, help="where features are kept between runs (default: OUT/cache)")
    parser.add_argument("--sync", type=Path, help="table of late sounds, made by training.pack.resync")
    parser.add_argument("--listener", type=Path, help="folder with another phonetic.onnx to begin with")
    parser.add_argument("--whisper", type=Path, help="model.bin of Whisper base, for a run that tunes the listener")
    parser.add_argument("--seed", type=int, help="instead of the configuration's")
    parser.add_argument("--steps", type=int, help="instead of the configuration's")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--start-from", type=Path, help="checkpoint (.safetensors) whose weights to begin with")
    parser.add_argument("--resume", action="store_true", help="go on with the run in OUT")
    args = parser.parse_args(argv)
    return exit_code(lambda: train(args), "training stopped", "interrupted; go on with --resume")


if __name__ == "__main__":
    sys.exit(main())

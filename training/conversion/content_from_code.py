"""Train a content network on the code: ``python -m training.conversion.content_from_code --data DIR --out DIR``.

It shows what taking the content code instead of the features costs. ``--direct`` trains one on the features instead, on
the same renditions, windows and steps, so that the validation figures in both ``run.json`` can be compared. Exit codes
as ``training.content.train``.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from ..command_line import exit_code, parser_of
from ..content.config import ContentConfig
from ..content.corpus import Corpus, load_corpus
from ..content.networks import BUFFERS, ContentNet, ContentShape
from ..content.run import ContentRun
from ..paths import CHECKPOINTS
from .networks import ContentCode, load_converter


class CodeContentNet(ContentNet):
    """The content network with the content code as its input: D numbers per frame instead of 1076.

    There is no ``deafness``, as the code has no sources.
    """

    def __init__(self, shape: ContentShape, front: ContentCode) -> None:
        """Make a network with random weights behind ``front``, which stays as it is."""
        super().__init__(replace(shape, deafness=0.0))
        self.project = nn.Linear(front.size, shape.projection)
        self.front = front.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> CodeContentNet:
        """Switch between training and use; ``front`` is always in use."""
        super().train(mode)
        self.front.eval()
        return self

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return landmark displacements (B, T, 204) and ARKit weights (B, T, 51) for ``features`` (B, T, 1076)."""
        with torch.no_grad():
            code = self.front(features, lengths)
        return self.motion(self.project(code), lengths)


class CodeContentRun(ContentRun):
    """A run that trains a content network on the code."""

    def __init__(self, config: ContentConfig, corpus: Corpus, out: Path, front: ContentCode) -> None:
        """Make network and optimiser; nothing is read from ``out`` yet."""
        super().__init__(config, corpus, out)
        torch.manual_seed(config.seed)
        net = CodeContentNet(config.shape, front)
        for name in BUFFERS:
            getattr(net, name).copy_(getattr(self.net, name))
        self.net, self.average = net, copy.deepcopy(net)
        own = [p for p in net.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(own, lr=config.learning_rate, weight_decay=config.weight_decay)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.conversion.content_from_code", __doc__)
    parser.add_argument("--config", type=Path, required=True, help="JSON file, see training/configs/content.json")
    parser.add_argument("--data", type=Path, required=True, help="training pack made by training.pack.prepare")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--cache", type=Path, help="where features are kept between runs (default: OUT/cache)")
    parser.add_argument("--code", type=Path, default=CHECKPOINTS / "conversion.safetensors", help="converter to use")
    parser.add_argument("--direct", action="store_true", help="hear the features, for comparison")
    parser.add_argument("--steps", type=int, help="instead of the configuration's")
    parser.add_argument("--renditions", type=int, help="instead of the configuration's")
    parser.add_argument("--resume", action="store_true", help="go on with the run in OUT")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)

    def work() -> None:
        config = ContentConfig.read(args.config)
        config = replace(config, steps=args.steps or config.steps, renditions=args.renditions or config.renditions)
        corpus = load_corpus(args.data, args.cache or args.out / "cache", config)
        if args.direct:
            run = ContentRun(config, corpus, args.out)
        else:
            run = CodeContentRun(config, corpus, args.out, load_converter(args.code).code)
        if args.resume:
            run.resume()
        run.train()

    return exit_code(work, "training stopped", "interrupted; go on with --resume")


if __name__ == "__main__":
    sys.exit(main())

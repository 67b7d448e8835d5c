"""What hearing the content code instead of the features costs: ``python -m training.conversion.content_from_code --data DIR --out DIR``.

Trains a content network that hears the code; with ``--direct``, one that hears the features, on the same renditions,
windows and steps, so that validation figures in both ``run.json`` can be compared. Exit codes as ``training.content.train``.
"""

from __future__ import annotations

import argparse
import copy
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from ..content.networks import ContentNet, Shape
from ..content.train import Config, Corpus, Run, load_corpus
from .networks import ContentCode, load_converter

log = logging.getLogger(__name__)


class CodedContentNet(ContentNet):
    """The content network behind a content code: the same body, but it hears D numbers per frame, not 1844.

    Sources are not silenced one by one (``deafness``): the code has no sources.
    """

    def __init__(self, shape: Shape, front: ContentCode) -> None:
        """Make a network with random weights that hears through ``front``, which does not learn."""
        super().__init__(replace(shape, deafness=0.0))
        self.project = nn.Linear(front.size, shape.projection)
        self.front = front.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> CodedContentNet:
        """Switch between learning and use; the front end is always in use."""
        super().train(mode)
        self.front.eval()
        return self

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return landmark displacements (B, T, 204) and ARKit weights (B, T, 51) for ``features`` (B, T, 1844)."""
        with torch.no_grad():
            code = self.front(features, lengths)
        x = nn.functional.gelu(self.project(code))
        x = x + nn.functional.gelu(self.local(self.dropout(x).transpose(1, 2)).transpose(1, 2))
        x = self.dropout(self.norm(x))
        if lengths is None:
            x, _ = self.recurrent(x)
        else:
            packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            rows = self.recurrent(packed)[0]
            x, _ = nn.utils.rnn.pad_packed_sequence(rows, batch_first=True, total_length=features.shape[1])
        x = self.dropout(x)
        return self.landmark_head(x) @ self.modes + self.centre, torch.sigmoid(self.arkit_head(x))


class CodedRun(Run):
    """A training run of the content network that hears through a code."""

    def __init__(self, config: Config, corpus: Corpus, out: Path, front: ContentCode) -> None:
        """Prepare networks and optimiser; nothing is read from ``out`` yet."""
        super().__init__(config, corpus, out)
        torch.manual_seed(config.seed)
        net = CodedContentNet(config.shape, front)
        for name in ("mean", "scale", "modes", "centre", "neutral"):
            getattr(net, name).copy_(getattr(self.net, name))
        self.net, self.average = net, copy.deepcopy(net)
        own = [p for p in net.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(own, lr=config.learning_rate, weight_decay=config.weight_decay)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m training.conversion.content_from_code",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = Path(__file__).parents[1] / "checkpoints" / "conversion.safetensors"
    parser.add_argument("--config", type=Path, required=True, help="JSON file, see training/configs/content.json")
    parser.add_argument("--data", type=Path, required=True, help="training pack made by training.pack.prepare")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--cache", type=Path, help="where features are kept between runs (default: OUT/cache)")
    parser.add_argument("--code", type=Path, default=default, help="converter whose code is heard")
    parser.add_argument("--direct", action="store_true", help="hear the features, for comparison")
    parser.add_argument("--steps", type=int, help="instead of the configuration's")
    parser.add_argument("--renditions", type=int, help="instead of the configuration's")
    parser.add_argument("--resume", action="store_true", help="go on with the run in OUT")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    torch.set_num_threads(1)
    try:
        config = Config.read(args.config)
        config = replace(config, steps=args.steps or config.steps, renditions=args.renditions or config.renditions)
        corpus = load_corpus(args.data, args.cache or args.out / "cache", config)
        if args.direct:
            run = Run(config, corpus, args.out)
        else:
            run = CodedRun(config, corpus, args.out, load_converter(args.code).code)
        if args.resume:
            run.resume()
        run.train()
    except KeyboardInterrupt:
        log.info("interrupted; go on with --resume")
        return 130
    except (OSError, ValueError) as error:
        log.error("training stopped: %s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

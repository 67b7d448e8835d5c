"""What dials do to the lips' articulation: ``python -m training.measures.dials [--data DIR] [--split val]``.

Every clip is animated once; then each setting of the dials is applied to these takes and judged against the recorded
faces, beside a plain low-pass as strong as the smoothing dial. With ``--picture PNG`` the demo head is drawn in every
emotion instead, at an open and at a closed moment of the demo line. Exit code 0.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from mouthpiece.audio import Audio, load
from mouthpiece.cli.inspect import lip_gap
from mouthpiece.features import RATE
from mouthpiece.motion import closures
from mouthpiece.motion.dials import Dials, apply
from mouthpiece.motion.emotions import NAMES
from mouthpiece.motion.smooth import lowpass
from mouthpiece.performance import Performance
from mouthpiece.pipeline import animate

from ..command_line import exit_code, parser_of
from ..content.evaluate import SMOOTH
from ..pack.clips import load_split
from ..paths import DEMO_LINE, PACK
from .demo_face import DemoFace, picture
from .score import mean_rows, score

#: Settings of the dials that are judged, by the name of their row.
SETTINGS = {
    "as inferred": Dials(),
    **{f"smoothing {value}": Dials(smoothing=value) for value in (0.25, 0.5, 1.0)},
    "lips 0.7": Dials(lips=0.7),
    "lips 1.4": Dials(lips=1.4),
    "jaw 0.7": Dials(jaw=0.7),
    "jaw 1.4": Dials(jaw=1.4),
    "offset 0.02 s": Dials(offset=0.02),
    **{name: Dials(emotion=name) for name in NAMES if name != "neutral"},
}
#: Setting of the smoothing dial -> corner, in hertz, of a low-pass that is as strong.
PLAIN = {0.25: 4.42, 0.5: 2.21, 1.0: 1.10}
COLUMNS = ("r_open", "r_width", "open_ratio", "closure_recall", "closure_precision", "jitter")


def plain(hertz: float) -> Callable[[Performance], Performance]:
    """Return a low-pass over all landmarks that does not preserve closures."""
    return lambda take: replace(take, landmarks=lowpass(take.landmarks, hertz, take.fps).astype(np.float32))


def draw(path: Path) -> None:
    """Write the demo head in every emotion, lips apart and lips together, to ``path``."""
    from matplotlib.figure import Figure  # heavy, and needed for pictures only

    take = animate(load(DEMO_LINE))
    gap = lip_gap(take.final())
    # choose no moment in which a blink hides the eyes
    awake = take.blink.max(axis=1) < 0.05
    moments = (
        int(np.argmax(np.where(awake, gap, -1))),
        int(np.argmin(np.where(awake & (take.activity > 0.9), gap, 9))),
    )
    face = DemoFace.load()
    figure = Figure(figsize=(3 * len(NAMES), 6.2), facecolor="black")
    axes = figure.subplots(2, len(NAMES))
    for column, name in enumerate(NAMES):
        seen = apply(take, Dials(emotion=name))
        for row, moment in enumerate(moments):
            axes[row, column].imshow(picture(face, seen.arkit[moment], 400))
            axes[row, column].axis("off")
        axes[0, column].set_title(name, color="white")
    figure.tight_layout(pad=0.4)
    figure.savefig(path, dpi=80, facecolor="black")


def print_table(data: Path, split: str) -> None:
    """Judge every setting of the dials on the clips of ``split`` and print the table."""
    clips = load_split(data, split)
    takes = [animate(Audio(clip.samples, RATE, clip.name)) for clip in clips]
    shut = [closures.contact(take.landmarks) == 1 for take in takes]
    changes: dict[str, Callable[[Performance], Performance]] = {
        name: (lambda take, dials=dials: apply(take, dials)) for name, dials in SETTINGS.items()
    }
    changes |= {f"low-pass as of smoothing {amount}": plain(hertz) for amount, hertz in PLAIN.items()}
    print(f"{'':28}" + "".join(f"{name:>18}" for name in (*COLUMNS, "gap r", "gap where shut")))
    for name, change in changes.items():
        made = [change(take) for take in takes]
        rows = [
            score({"landmarks": c.landmarks, "valid": c.valid}, {"landmarks": t.landmarks}, "transfer", SMOOTH, False)
            for c, t in zip(clips, made, strict=True)
        ]
        means = mean_rows(rows)
        before, after = (np.concatenate([lip_gap(take) for take in group]) for group in (takes, made))
        kept = float(np.corrcoef(before, after)[0, 1])
        parted = float(np.concatenate([lip_gap(t)[s] for t, s in zip(made, shut, strict=True)]).mean())
        print(f"{name:28}" + "".join(f"{value:18.3f}" for value in (*(means[c] for c in COLUMNS), kept, parted)))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.measures.dials", __doc__)
    parser.add_argument("--data", type=Path, default=PACK, metavar="DIR")
    parser.add_argument("--split", default="val")
    parser.add_argument("--picture", type=Path, metavar="PNG", help="draw the emotions and judge nothing")
    args = parser.parse_args(argv)
    return exit_code(
        lambda: draw(args.picture) if args.picture is not None else print_table(args.data, args.split), "cannot measure"
    )


if __name__ == "__main__":
    sys.exit(main())

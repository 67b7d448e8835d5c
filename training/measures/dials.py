"""What dials do to the lips' articulation: ``python -m training.measures.dials [--data DIR] [--split val]``.

Every clip is animated once; then each setting of the dials is applied to the same takes and judged against the
recorded faces, beside a plain low-pass as strong as the smoothing dial. With ``--picture PNG`` the demo head is drawn
in every emotion instead, at an open and at a closed moment of the demo line. Exit code 0.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
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

from ..content.evaluate import PACK, SMOOTH
from ..pack.clips import load_split
from .demo_face import HEAD, DemoFace, picture
from .score import mean_rows, score

LINE = HEAD.with_name("demo_line.flac")
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
#: Corner in hertz of a low-pass as strong as each smoothing.
PLAIN = {0.25: 4.42, 0.5: 2.21, 1.0: 1.10}
COLUMNS = ("r_open", "r_width", "open_ratio", "closure_recall", "closure_precision", "jitter")


def plain(hertz: float) -> Callable[[Performance], Performance]:
    """Return a low-pass over all landmarks that knows nothing of closures."""
    return lambda take: replace(take, landmarks=lowpass(take.landmarks, hertz, take.fps).astype(np.float32))


def draw(path: Path) -> None:
    """Write the demo head in every emotion, lips apart and lips together, to ``path``."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    take = animate(load(LINE))
    gap = lip_gap(take.final())
    # blinks would hide what the eyes show
    awake = take.blink.max(axis=1) < 0.05
    moments = (
        int(np.argmax(np.where(awake, gap, -1))),
        int(np.argmin(np.where(awake & (take.activity > 0.9), gap, 9))),
    )
    face = DemoFace.load()
    figure, axes = plt.subplots(2, len(NAMES), figsize=(3 * len(NAMES), 6.2), facecolor="black")
    for column, name in enumerate(NAMES):
        seen = apply(take, Dials(emotion=name))
        for row, moment in enumerate(moments):
            axes[row, column].imshow(picture(face, seen.arkit[moment], 400))
            axes[row, column].axis("off")
        axes[0, column].set_title(name, color="white")
    figure.tight_layout(pad=0.4)
    figure.savefig(path, dpi=80, facecolor="black")


def main() -> int:
    """Print the table, or draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=PACK, metavar="DIR")
    parser.add_argument("--split", default="val")
    parser.add_argument("--picture", type=Path, metavar="PNG", help="draw the emotions and judge nothing")
    options = parser.parse_args()
    if options.picture is not None:
        draw(options.picture)
        return 0
    clips = load_split(options.data, options.split)
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
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""The page of tables on how portraits measure up, ``docs/portraits/evaluation.md``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mouthpiece.portrait.draw.generator import Generator

from .scores import ROOM, STILL, Scores, mean_scores

Rows = Mapping[str, Mapping[str, Scores]]


@dataclass(frozen=True, slots=True)
class SpokenFigures:
    """The figures of a still that speaks a line, made by one method."""

    still: str
    line: str
    method: str
    scores: Scores


#: Figure -> heading of its column, with an arrow to where better is, and number of decimals.
COLUMNS: Mapping[str, tuple[str, int]] = {
    "mouth_psnr": ("PSNR ↑", 2),
    "mouth_ssim": ("SSIM ↑", 3),
    "mouth_features": ("features ↓", 4),
    "lips": ("lip points % ↓", 2),
    "face_psnr": ("PSNR ↑", 2),
    "face_ssim": ("SSIM ↑", 3),
    "face_features": ("features ↓", 4),
    "rest": ("other points % ↓", 2),
}
CALM: Mapping[str, tuple[str, int]] = {
    "outside": ("outside", 3),
    "inside": ("inside", 3),
    "shimmer": ("shimmer", 3),
    "pairs": ("pairs", 0),
    "lost": ("frames without a face %", 1),
}
SPEECH: Mapping[str, tuple[str, int]] = {
    "r": ("r ↑", 3), "size": ("size", 2), "inside": ("change", 2), "shimmer": ("shimmer", 2),
    "share": ("shimmer / change ↓", 2), "lost": ("frames without a face %", 1),
}  # fmt: skip
_TOLD = """\
Every figure is a mean over the frames of a shot but its still, then over shots. The still is, of the tenth of a shot's
frames with lips nearest to shut, the one with eyes widest open. **Mouth** is a box around the recorded lips with {room}
of the eye distance to spare, **face** the oval a generator may change. PSNR (dB) and SSIM (luma, Gaussian windows) are
the usual ones. **Features** is made as LPIPS is, unweighted, on four layers of the face *detector*: the networks LPIPS
is usually made with are not to hand, and the generator was trained with the features of the *landmark* network, which
therefore must not judge it. **Points** are the landmarks found again in what was made, by the core's face networks,
against the recorded ones, in percent of the eye distance; the row of the recorded frames says how well they are found
at all. (They are found by the landmark network: those columns are not independent of the generator's training, the
others are.)
"""
_CALM = """\
Mean absolute difference of one frame from the next where the face holds still, in levels of 255: over pairs of frames
between which the landmarks move less than {still} pixels (median). **Outside** the oval, **inside** it, and
**shimmer**: inside, what of a frame is not the mean of its neighbours, which movement hardly is and flicker is. Here
faces are driven by the tracked landmarks filtered over five frames, as a tracker's noise is no movement. What the
methods make should not exceed what was recorded. Means count every pair.
"""
_SPOKEN = """\
Each still speaks each line; the opening of its mouth (inner lips) is read again from every frame, unfiltered, and
correlated with that of the performance that drove it. **Size** is the slope of the first on the second. **Change** and
**shimmer** are those inside the face as above, but over all frames, moving or not; so they are for the recorded shots
the stills are from. A head that moves more changes more; what goes back and forth is told by shimmer as a share of
change: about 1 for pure flicker, less for movement.
"""


def table(rows: Rows, columns: Mapping[str, tuple[str, int]], first: str) -> str:
    """Return ``rows`` as a Markdown table; their outer and inner keys are the first two columns, headed ``first``."""
    heads = [first, *(head for head, _ in columns.values())]
    lines = ["| " + " | ".join(heads) + " |", "|---|---|" + "---|" * len(columns)]
    for name, methods in rows.items():
        for method, scores in methods.items():
            values = [_number(scores.get(key), digits) for key, (_, digits) in columns.items()]
            lines.append(f"| {name} | {method} | " + " | ".join(values) + " |")
    return "\n".join(lines)


def _number(value: float | None, digits: int) -> str:
    return "" if value is None or value != value else f"{value:.{digits}f}"


def means(rows: Rows) -> dict[str, Scores]:
    """Return method -> mean figures over all shots."""
    methods = dict.fromkeys(method for shot in rows.values() for method in shot)
    return {method: mean_scores([shot[method] for shot in rows.values() if method in shot]) for method in methods}


def spoken_tables(told: Sequence[SpokenFigures]) -> str:
    """Return the figures of spoken lines as Markdown tables: means by still, by line, and of all."""
    parts = []
    for key in ("still", "line"):
        groups: dict[str, dict[str, list[Scores]]] = {}
        for item in told:
            for name in (str(getattr(item, key)), "**all**"):
                groups.setdefault(name, {}).setdefault(item.method, []).append(item.scores)
        # the mean of all comes last
        groups["**all**"] = groups.pop("**all**")
        rows = {name: {m: mean_scores(s) for m, s in methods.items()} for name, methods in groups.items()}
        parts.append(table(rows, SPEECH, f"{key} | method"))
    return "\n\n".join(parts)


def document(rows: Rows, spoken: Sequence[SpokenFigures] | None, generator: Generator | None) -> str:
    """Return the page: the figures of the shots in ``rows``, and of the lines in ``spoken``, if there are any."""
    whole = {f"**mean of {len(rows)} shots**": means(rows)}
    network = f"`{generator.name}`, SHA-256 `{generator.sha256[:16]}…`" if generator else "none"
    halves = f"The first four figures are of the mouth, the others of the face. Generator: {network}."
    parts = [
        "# How portraits measure up",
        "Made by `python -m training.portrait.evaluate --data DATA [--speech DIR [--lines NAME…]] [--out DIR]`, on\n"
        "clips of people none of whom was trained on. How fast frames are made: `python build.py bench`.",
        "## Made anew from one frame", _TOLD.format(room=ROOM), halves, table(whole, COLUMNS, "shot | method"),
        "## Flicker", _CALM.format(still=STILL), table(whole, CALM, "shot | method"),
    ]  # fmt: skip
    if spoken is not None:
        parts += ["## Driven by sound", _SPOKEN, spoken_tables(spoken)]
    parts += ["## Every shot", table(rows, COLUMNS, "shot | method"), table(rows, CALM, "shot | method")]
    return "\n\n".join(part.strip() for part in parts) + "\n"

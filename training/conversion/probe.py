"""How much the content code says about speakers and about mouths: ``python -m training.conversion.probe``.

Linear probes (multinomial logistic regression) predict speakers and mouth shapes from MFCCs, from the content network's
features and from the code, for single frames and for stretches of two seconds. Then sentences are converted to other
people's voices, which the d-vector network judges. Exit code 0, or 1 when something is missing.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mouthpiece.features import FEATURE_SIZE, FRAME_RATE, HOPS_PER_FRAME, MFCC_COUNT
from numpy.typing import NDArray
from torch import Tensor, nn

from ..command_line import exit_code, parser_of
from ..content.losses import gap_and_width
from ..files import write_json
from ..paths import CHECKPOINTS
from ..speaker.voice import VoiceNet
from .networks import MEL_BANDS, Converter, load_converter, load_voice_network, voice_of
from .train import Utterance, UtteranceSets, load_speech, unit_centres

Rows = NDArray[np.float32]
Labels = NDArray[np.int64]
View = Callable[[Utterance], Rows]

CEPSTRA = slice(FEATURE_SIZE - HOPS_PER_FRAME * MFCC_COUNT, FEATURE_SIZE)
#: A frame is speech when its loudness (first cepstrum) lies within this many dB of the loud end of its clip.
SPEECH_DECIBELS = 30.0
#: Frames of a stretch, whose mean and standard deviation are probed.
STRETCH = 2 * FRAME_RATE
#: Least frames of speech of the people probed; this many are used of each.
LEAST_SPEECH = 8 * FRAME_RATE
#: Share of a person's speech that a probe is fitted on; after a gap of a second, the rest tests it.
LEARNED = 0.6
GAP = FRAME_RATE
#: Number of classes of mouth shapes.
VISEMES = 9
#: Number of conversions that are judged.
PAIRS = 120


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """A fitted classifier of rows (N, F)."""

    mean: Tensor
    scale: Tensor
    net: nn.Module

    @torch.no_grad()
    def predict(self, rows: Rows) -> Labels:
        """Return the most probable class of each row (N,)."""
        labels: Labels = self.net((torch.from_numpy(rows) - self.mean) * self.scale).argmax(dim=1).numpy()
        return labels

    def accuracy(self, rows: Rows, labels: Labels) -> float:
        """Return the mean, over classes, of the share of rows that are classified correctly."""
        told = self.predict(rows) == labels
        return float(np.mean([told[labels == k].mean() for k in np.unique(labels)]))


def fit_probe(rows: Rows, labels: Labels, decay: float = 1e-3, rounds: int = 40) -> Probe:
    """Return the multinomial logistic regression of ``labels`` (N,) on ``rows`` (N, F), with balanced classes.

    ``decay`` is the weight of half the squared norm of the coefficients, in units of standardised rows.
    """
    x, y = torch.from_numpy(rows), torch.from_numpy(labels)
    mean, scale = x.mean(dim=0), 1 / x.std(dim=0).clamp_min(1e-4)
    x = (x - mean) * scale
    classes = int(y.max()) + 1
    balance = 1 / torch.bincount(y, minlength=classes).clamp_min(1).float()
    net = nn.Linear(x.shape[1], classes)
    nn.init.zeros_(net.weight)
    nn.init.zeros_(net.bias)
    optimiser = torch.optim.LBFGS(net.parameters(), max_iter=rounds, history_size=8, line_search_fn="strong_wolfe")

    def cost() -> Tensor:
        optimiser.zero_grad()
        value = nn.functional.cross_entropy(net(x), y, weight=balance) + 0.5 * decay * net.weight.square().sum()
        value.backward()
        return value

    optimiser.step(cost)
    return Probe(mean, scale, net)


def spoken(features: NDArray[np.float16]) -> NDArray[np.bool_]:
    """Return which frames of ``features`` (T, 1076) are speech (T,)."""
    first = features[:, CEPSTRA].astype(np.float32).reshape(len(features), HOPS_PER_FRAME, MFCC_COUNT)[:, :, 0]
    loudness = first.mean(axis=1) / MEL_BANDS**0.5  # an orthonormal transform's first number is sqrt(bands) means
    return loudness > np.percentile(loudness, 95) - SPEECH_DECIBELS


def views(net: Converter) -> dict[str, View]:
    """Return name -> function from an utterance to the rows (T, F) that are probed."""

    @torch.no_grad()
    def code(u: Utterance) -> Rows:
        return net.code(torch.from_numpy(u.features[None].astype(np.float32)))[0].numpy()

    return {
        "MFCC": lambda u: u.features[:, CEPSTRA].astype(np.float32),
        "features": lambda u: u.features.astype(np.float32),
        "code": code,
    }


def talkers(speech: Sequence[Utterance]) -> dict[str, list[Utterance]]:
    """Return person -> utterances, for persons with at least ``LEAST_SPEECH`` frames of speech."""
    own: dict[str, list[Utterance]] = defaultdict(list)
    for u in speech:
        own[u.person].append(u)
    return {p: us for p, us in sorted(own.items()) if sum(int(spoken(u.features).sum()) for u in us) >= LEAST_SPEECH}


def _stretches(rows: Rows) -> Rows:
    """Return mean and standard deviation (N, 2 F) of overlapping stretches of ``rows`` (T, F)."""
    starts = range(0, max(1, len(rows) - STRETCH + 1), STRETCH // 4)
    parts = [rows[k : k + STRETCH] for k in starts]
    return np.stack([np.concatenate([p.mean(axis=0), p.std(axis=0)]) for p in parts])


def speaker_accuracy(people: dict[str, list[Utterance]], view: View, by_stretch: bool) -> float:
    """Return how often a linear probe names the speaker of a new frame, or (``by_stretch``) of two new seconds."""
    sets: list[list[tuple[Rows, Labels]]] = [[], []]
    for label, own in enumerate(people.values()):
        rows = np.concatenate([view(u)[spoken(u.features)] for u in own])
        cut = int(LEARNED * LEAST_SPEECH) + (len(rows) - LEAST_SPEECH) // 2
        halves = (rows[:cut], rows[cut + GAP :])
        for into, half, count in zip(sets, halves, (120, 60), strict=True):
            told = _stretches(half) if by_stretch else half
            told = told[np.linspace(0, len(told) - 1, min(count, len(told))).astype(int)]
            into.append((told, np.full(len(told), label)))
    learned, asked = ((np.concatenate([r for r, _ in s]), np.concatenate([k for _, k in s])) for s in sets)
    return fit_probe(*learned, decay=1e-2 if by_stretch else 1e-3).accuracy(*asked)


def mouths(u: Utterance, neutral: Tensor) -> Rows:
    """Return gap, width and protrusion of the lips (T, 3) of ``u``, in outer-eye distances."""
    landmarks = torch.from_numpy(u.landmarks.astype(np.float32))
    lips = landmarks.unflatten(-1, (-1, 3))[:, 48:, 2].mean(dim=1, keepdim=True)
    return torch.cat([gap_and_width(landmarks[None], neutral)[0], lips], dim=1).numpy()


@dataclass(frozen=True, slots=True, eq=False)
class Visemes:
    """Classes of mouth shapes: centres (9, 3) after subtracting ``mean`` (3,) and multiplying by ``scale`` (3,)."""

    centres: Tensor
    mean: Rows
    scale: Rows
    neutral: Tensor

    @classmethod
    def fit(cls, speech: Sequence[Utterance], neutral: Tensor) -> Visemes:
        """Return clusters of the mouths in every third frame of ``speech``."""
        rows = np.concatenate([mouths(u, neutral)[u.weight > 0][::3] for u in speech])
        mean, scale = rows.mean(axis=0), 1 / rows.std(axis=0)
        return cls(unit_centres((rows - mean) * scale, VISEMES, np.random.default_rng(0)), mean, scale, neutral)

    def of(self, u: Utterance) -> Labels:
        """Return the class of each frame (T,)."""
        rows = torch.from_numpy((mouths(u, self.neutral) - self.mean) * self.scale)
        labels: Labels = torch.cdist(rows, self.centres).argmin(dim=1).numpy()
        return labels


def _gather(speech: Sequence[Utterance], visemes: Visemes, view: View, step: int) -> tuple[Rows, Labels]:
    """Return rows and mouth classes of every ``step``-th tracked frame of ``speech``."""
    rows, labels = [], []
    for u in speech:
        keep = np.flatnonzero(u.weight > 0)[::step]
        rows.append(view(u)[keep])
        labels.append(visemes.of(u)[keep])
    return np.concatenate(rows), np.concatenate(labels)


def viseme_probe(speech: UtteranceSets, visemes: Visemes, view: View) -> tuple[Probe, float]:
    """Return a linear probe of mouth classes fitted on training speakers, and its accuracy on validation speakers."""
    probe = fit_probe(*_gather(speech.train, visemes, view, 5), decay=1e-3)
    return probe, probe.accuracy(*_gather(speech.val, visemes, view, 1))


@torch.no_grad()
def conversion(
    net: Converter, voices: VoiceNet, speech: UtteranceSets, visemes: Visemes, pairs: int, seed: int = 0
) -> dict[str, float]:
    """Return figures of what changes and what stays when validation speakers' sentences are converted.

    ``before_*``, ``after_*`` and ``again_*`` are mean cosines of d-vectors to source and target voice, for the
    recording, the conversion, and the sentence decoded in its own voice. ``nearer`` is the share of conversions nearer
    to the target than to the source. ``judged`` is the share that a classifier of mean spectra, which no decoder was
    trained against, assigns to the target. ``code`` is the correlation of the codes estimated from converted and
    original sound; ``visemes`` and ``visemes_original`` are the accuracies of a probe on them.
    """
    rng = np.random.default_rng(seed)
    people = talkers(speech.train)
    names = list(people)
    judge = fit_probe(*_spectra(people), decay=1e-2) if len(names) > 1 else None
    with torch.enable_grad():
        probe, original = viseme_probe(speech, visemes, lambda u: _heard(net, u.mel))
    sources = [u for u in speech.val if len(u) >= STRETCH]
    rows, told = [], []
    for k in range(pairs):
        u, target = sources[k % len(sources)], names[int(rng.integers(len(names)))]
        voice = people[target][0].voice
        code = net.code(torch.from_numpy(u.features[None].astype(np.float32)))
        mel = net.decoder(code, torch.from_numpy(voice[None]))[0].numpy()
        own = net.decoder(code, torch.from_numpy(u.voice[None]))[0].numpy()
        said, again, was = voice_of(voices, mel), voice_of(voices, own), voice_of(voices, u.mel)
        heard, real = _heard(net, mel), _heard(net, u.mel)
        row = [was @ u.voice, was @ voice, said @ u.voice, said @ voice, again @ u.voice, again @ voice]
        keep = u.weight > 0
        labels = visemes.of(u)
        row += [np.corrcoef(heard.ravel(), real.ravel())[0, 1], (probe.predict(heard) == labels)[keep].mean()]
        row += [(probe.predict(real) == labels)[keep].mean()]
        rows.append(row)
        told.append(judge.predict(_stretches(mel))[0] == names.index(target) if judge else np.nan)
    table = np.array(rows, float)
    keys = ("before_source", "before_target", "after_source", "after_target", "again_source", "again_target", "code")
    means = dict(zip((*keys, "visemes", "visemes_original"), table.mean(axis=0).tolist(), strict=True))
    nearer = float((table[:, 3] > table[:, 2]).mean())
    return means | {"nearer": nearer, "judged": float(np.mean(told)), "visemes_balanced": original}


def _heard(net: Converter, mel: Rows) -> Rows:
    """Return the code (T, D) estimated from a log-mel spectrogram (T, 160)."""
    with torch.no_grad():
        return net.heard(torch.from_numpy(mel[None]))[0].numpy()


def _spectra(people: dict[str, list[Utterance]]) -> tuple[Rows, Labels]:
    """Return statistics of spectra of up to 40 stretches of each person, and the numbers of the persons."""
    rows, labels = [], []
    for label, own in enumerate(people.values()):
        parts = _stretches(np.concatenate([u.mel for u in own]))
        parts = parts[np.linspace(0, len(parts) - 1, min(40, len(parts))).astype(int)]
        rows.append(parts)
        labels.append(np.full(len(parts), label))
    return np.concatenate(rows), np.concatenate(labels)


def measure(net: Converter, voices: VoiceNet, speech: UtteranceSets, pairs: int = PAIRS) -> dict[str, Any]:
    """Return all figures of the converter ``net``, by view and for conversion."""
    neutral = torch.from_numpy(speech.corpus.neutral.astype(np.float32))
    visemes = Visemes.fit(speech.train, neutral)
    seen, unseen = talkers(speech.train), talkers(speech.val)
    result: dict[str, Any] = {"chance": {"seen": 1 / len(seen), "unseen": 1 / len(unseen), "visemes": 1 / VISEMES}}
    for name, view in views(net).items():
        print(f"probing {name}", file=sys.stderr)
        result[name] = {
            "seen": speaker_accuracy(seen, view, False),
            "seen_stretch": speaker_accuracy(seen, view, True),
            "unseen": speaker_accuracy(unseen, view, False),
            "unseen_stretch": speaker_accuracy(unseen, view, True),
            "visemes": viseme_probe(speech, visemes, view)[1],
        }
    print("converting", file=sys.stderr)
    result["conversion"] = conversion(net, voices, speech, visemes, pairs)
    return result | {"code_size": net.shape.code, "people": [len(seen), len(unseen)]}


def report(result: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    seen, unseen = result["people"]
    lines = [
        f"| probe | speaker of {seen}, frame | of 2 s | unseen speaker of {unseen}, frame | of 2 s "
        f"| viseme of {VISEMES} |",
        "|---|---|---|---|---|---|",
    ]
    for name in ("MFCC", "features", "code"):
        row = result[name]
        cells = (row[k] for k in ("seen", "seen_stretch", "unseen", "unseen_stretch", "visemes"))
        lines.append(f"| {name} | " + " | ".join(f"{value:.3f}" for value in cells) + " |")
    chance = result["chance"]
    cells = [chance["seen"]] * 2 + [chance["unseen"]] * 2 + [chance["visemes"]]
    lines.append("| chance | " + " | ".join(f"{value:.3f}" for value in cells) + " |")
    c = result["conversion"]
    lines += [
        "",
        "| d-vector cosine | to source | to target |",
        "|---|---|---|",
        f"| recorded | {c['before_source']:.3f} | {c['before_target']:.3f} |",
        f"| said again in the same voice | {c['again_source']:.3f} | {c['again_target']:.3f} |",
        f"| converted | {c['after_source']:.3f} | {c['after_target']:.3f} |",
        "",
        f"nearer to target than to source: {c['nearer']:.0%}; taken for the target by a classifier of spectra: "
        f"{c['judged']:.0%}; code heard in both: r {c['code']:.2f}; visemes told from converted sound "
        f"{c['visemes']:.3f}, from the original {c['visemes_original']:.3f}",
    ]
    return "\n".join(lines)


def plot(result: dict[str, Any], path: Path) -> None:
    """Draw the figures as a small PNG."""
    from matplotlib.figure import Figure  # heavy, and needed for pictures only

    figure = Figure(figsize=(7.2, 2.6), dpi=100, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    groups = ("seen", "seen_stretch", "unseen", "unseen_stretch", "visemes")
    for k, name in enumerate(("MFCC", "features", "code")):
        left.bar(np.arange(5) + 0.27 * (k - 1), [result[name][g] for g in groups], 0.25, label=name)
    chance = result["chance"]
    levels = [chance["seen"]] * 2 + [chance["unseen"]] * 2 + [chance["visemes"]]
    left.hlines(levels, np.arange(5) - 0.42, np.arange(5) + 0.42, "k", "dotted", label="chance")
    left.set_xticks(range(5), ["speaker\nframe", "speaker\n2 s", "unseen\nframe", "unseen\n2 s", "viseme"], fontsize=7)
    left.set_ylabel("accuracy")
    left.legend(fontsize=7)
    c = result["conversion"]
    for k, end in enumerate(("source", "target")):
        right.bar(
            np.arange(3) + 0.4 * k - 0.2, [c[f"{w}_{end}"] for w in ("before", "again", "after")], 0.38, label=end
        )
    right.set_xticks(range(3), ["recorded", "same voice", "converted"], fontsize=7)
    right.set_ylabel("d-vector cosine")
    right.legend(fontsize=7)
    figure.savefig(path)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = parser_of("training.conversion.probe", __doc__)
    default = CHECKPOINTS / "conversion.safetensors"
    parser.add_argument("checkpoint", type=Path, nargs="?", default=default, help="default: the one shipped here")
    parser.add_argument("--data", type=Path, required=True, help="training pack made by training.pack.prepare")
    parser.add_argument("--voice", type=Path, required=True, help="pretrained.pt of Resemblyzer 0.1.4")
    parser.add_argument("--cache", type=Path, required=True, help="where features are kept")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--plot", type=Path, help="draw the figures as PNG")
    args = parser.parse_args(argv)

    def work() -> None:
        net, voices = load_converter(args.checkpoint), load_voice_network(args.voice)
        result = measure(net, voices, load_speech(args.data, args.cache, voices))
        if args.json:
            write_json(args.json, result)
        if args.plot:
            plot(result, args.plot)
        print(report(result))

    return exit_code(work, "cannot probe")


if __name__ == "__main__":
    sys.exit(main())

"""How much of a speaker is left in the content code, and how much of a mouth: ``python -m training.conversion.probe``.

Linear probes (multinomial logistic regression) read speakers and mouth shapes from MFCCs, from the content network's
features and from the code, frame by frame and from stretches of two seconds; then sentences are said again in other
people's voices and the d-vector network listens. Exit code 0, or 1 when something is missing.
"""

from __future__ import annotations

import argparse
import json
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

from ..content.losses import gap_and_width
from ..speaker.voice import VoiceNet
from .networks import MEL_BANDS, Converter, load_converter, load_voice_network, voice_of
from .train import Speech, Utterance, load_speech, unit_centres

Rows = NDArray[np.float32]
Labels = NDArray[np.int64]
View = Callable[[Utterance], Rows]

CEPSTRA = slice(FEATURE_SIZE - HOPS_PER_FRAME * MFCC_COUNT, FEATURE_SIZE)
#: A frame is speech when its loudness (first cepstrum) lies within this many dB of the loud end of its clip.
SPEECH_DECIBELS = 30.0
#: Frames of a stretch whose mean and spread are probed.
STRETCH = 2 * FRAME_RATE
#: A person is probed who has this many frames of speech; so many frames count for everybody.
LEAST_SPEECH = 8 * FRAME_RATE
#: Share of a person's speech learned from; what follows after a second's gap is asked about.
LEARNED = 0.6
GAP = FRAME_RATE
#: Visual classes of mouths.
VISEMES = 9
#: Conversions judged.
PAIRS = 120


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """A fitted classifier of rows (N, F)."""

    mean: Tensor
    scale: Tensor
    net: nn.Module

    @torch.no_grad()
    def tell(self, rows: Rows) -> Labels:
        """Return the likeliest class of each row (N,)."""
        labels: Labels = self.net((torch.from_numpy(rows) - self.mean) * self.scale).argmax(dim=1).numpy()
        return labels

    def accuracy(self, rows: Rows, labels: Labels) -> float:
        """Return the share of each class told right, every class counting once."""
        told = self.tell(rows) == labels
        return float(np.mean([told[labels == k].mean() for k in np.unique(labels)]))


def fit_probe(rows: Rows, labels: Labels, decay: float = 1e-3, rounds: int = 40) -> Probe:
    """Return the multinomial logistic regression of ``labels`` (N,) on ``rows`` (N, F), every class counting the same.

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
    """Return which frames of ``features`` (T, 1844) are speech (T,)."""
    first = features[:, CEPSTRA].astype(np.float32).reshape(len(features), HOPS_PER_FRAME, MFCC_COUNT)[:, :, 0]
    loudness = first.mean(axis=1) / MEL_BANDS**0.5  # an orthonormal transform's first number is sqrt(bands) means
    return loudness > np.percentile(loudness, 95) - SPEECH_DECIBELS


def views(net: Converter) -> dict[str, View]:
    """Return by name what is probed: a clip to rows (T, F)."""

    @torch.no_grad()
    def code(u: Utterance) -> Rows:
        return net.code(torch.from_numpy(u.features[None].astype(np.float32)))[0].numpy()

    return {
        "MFCC": lambda u: u.features[:, CEPSTRA].astype(np.float32),
        "features": lambda u: u.features.astype(np.float32),
        "code": code,
    }


def talkers(speech: Sequence[Utterance]) -> dict[str, list[Utterance]]:
    """Return by person the clips of those who say enough."""
    own: dict[str, list[Utterance]] = defaultdict(list)
    for u in speech:
        own[u.person].append(u)
    return {p: us for p, us in sorted(own.items()) if sum(int(spoken(u.features).sum()) for u in us) >= LEAST_SPEECH}


def _stretches(rows: Rows) -> Rows:
    """Return mean and spread (N, 2 F) of overlapping stretches of ``rows`` (T, F)."""
    starts = range(0, max(1, len(rows) - STRETCH + 1), STRETCH // 4)
    parts = [rows[k : k + STRETCH] for k in starts]
    return np.stack([np.concatenate([p.mean(axis=0), p.std(axis=0)]) for p in parts])


def speaker_accuracy(people: dict[str, list[Utterance]], view: View, by_stretch: bool) -> float:
    """Return how often a linear probe names the speaker of a frame, or of two seconds, of speech it has not learned."""
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
    """Return gap, width and protrusion of the lips (T, 3) in outer-eye distances."""
    landmarks = torch.from_numpy(u.landmarks.astype(np.float32))
    lips = landmarks.unflatten(-1, (-1, 3))[:, 48:, 2].mean(dim=1, keepdim=True)
    return torch.cat([gap_and_width(landmarks[None], neutral)[0], lips], dim=1).numpy()


@dataclass(frozen=True, slots=True, eq=False)
class Visemes:
    """Clusters of mouth shapes: centres (9, 3) in units of ``scale`` (3,) around ``mean`` (3,)."""

    centres: Tensor
    mean: Rows
    scale: Rows
    neutral: Tensor

    @classmethod
    def fit(cls, speech: Sequence[Utterance], neutral: Tensor) -> Visemes:
        """Cluster the mouths of ``speech``; every third frame."""
        rows = np.concatenate([mouths(u, neutral)[u.weight > 0][::3] for u in speech])
        mean, scale = rows.mean(axis=0), 1 / rows.std(axis=0)
        return cls(unit_centres((rows - mean) * scale, VISEMES, np.random.default_rng(0)), mean, scale, neutral)

    def of(self, u: Utterance) -> Labels:
        """Return the class of each frame (T,)."""
        rows = torch.from_numpy((mouths(u, self.neutral) - self.mean) * self.scale)
        labels: Labels = torch.cdist(rows, self.centres).argmin(dim=1).numpy()
        return labels


def _gather(speech: Sequence[Utterance], visemes: Visemes, view: View, step: int) -> tuple[Rows, Labels]:
    rows, labels = [], []
    for u in speech:
        keep = np.flatnonzero(u.weight > 0)[::step]
        rows.append(view(u)[keep])
        labels.append(visemes.of(u)[keep])
    return np.concatenate(rows), np.concatenate(labels)


def viseme_probe(speech: Speech, visemes: Visemes, view: View) -> tuple[Probe, float]:
    """Return a linear probe of mouth shapes learned from training speakers, and its accuracy on unseen ones."""
    probe = fit_probe(*_gather(speech.train, visemes, view, 5), decay=1e-3)
    return probe, probe.accuracy(*_gather(speech.val, visemes, view, 1))


@torch.no_grad()
def conversion(
    net: Converter, voices: VoiceNet, speech: Speech, visemes: Visemes, pairs: int, seed: int = 0
) -> dict[str, float]:
    """Return what changes and what stays when unseen people's sentences are said in the voices of others.

    ``before``/``after`` are mean cosines of d-vectors; ``nearer`` is the share of conversions nearer to the target than
    to the source. ``judged`` is the share a classifier of mean spectra, which no decoder has seen, gives to the target;
    ``code`` the correlation of the code heard in the converted with that heard in the original sound; ``visemes`` the
    accuracy of a probe on the former, ``visemes_original`` on the latter.
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
        row += [np.corrcoef(heard.ravel(), real.ravel())[0, 1], (probe.tell(heard) == labels)[keep].mean()]
        row += [(probe.tell(real) == labels)[keep].mean()]
        rows.append(row)
        told.append(judge.tell(_stretches(mel))[0] == names.index(target) if judge else np.nan)
    table = np.array(rows, float)
    keys = ("before_source", "before_target", "after_source", "after_target", "again_source", "again_target", "code")
    means = dict(zip((*keys, "visemes", "visemes_original"), table.mean(axis=0).tolist(), strict=True))
    nearer = float((table[:, 3] > table[:, 2]).mean())
    return means | {"nearer": nearer, "judged": float(np.mean(told)), "visemes_balanced": original}


def _heard(net: Converter, mel: Rows) -> Rows:
    with torch.no_grad():
        return net.heard(torch.from_numpy(mel[None]))[0].numpy()


def _spectra(people: dict[str, list[Utterance]]) -> tuple[Rows, Labels]:
    rows, labels = [], []
    for label, own in enumerate(people.values()):
        parts = _stretches(np.concatenate([u.mel for u in own]))
        parts = parts[np.linspace(0, len(parts) - 1, min(40, len(parts))).astype(int)]
        rows.append(parts)
        labels.append(np.full(len(parts), label))
    return np.concatenate(rows), np.concatenate(labels)


def measure(net: Converter, voices: VoiceNet, speech: Speech, pairs: int = PAIRS) -> dict[str, Any]:
    """Return all figures."""
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
    from matplotlib.figure import Figure

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
    parser = argparse.ArgumentParser(
        prog="python -m training.conversion.probe",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = Path(__file__).parents[1] / "checkpoints" / "conversion.safetensors"
    parser.add_argument("checkpoint", type=Path, nargs="?", default=default, help="default: the one shipped here")
    parser.add_argument("--data", type=Path, required=True, help="training pack made by training.pack.prepare")
    parser.add_argument("--voice", type=Path, required=True, help="pretrained.pt of Resemblyzer 0.1.4")
    parser.add_argument("--cache", type=Path, required=True, help="where features are kept")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--plot", type=Path, help="draw the figures as PNG")
    args = parser.parse_args(argv)
    try:
        net, voices = load_converter(args.checkpoint), load_voice_network(args.voice)
        result = measure(net, voices, load_speech(args.data, args.cache, voices))
    except (OSError, ValueError) as error:
        print(f"cannot probe: {error}", file=sys.stderr)
        return 1
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if args.plot:
        plot(result, args.plot)
    print(report(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())

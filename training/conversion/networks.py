"""The voice converter: an encoder of what is said into a narrow code, and a decoder of code and voice into sound.

It follows AutoVC (Qian et al. 2019) and its use in MakeItTalk (Zhou et al. 2020), with three ideas from other work:
instance normalisation inside the encoder (AdaIN-VC, Chou et al. 2019), a speaker classifier behind a reversed gradient
(Ganin and Lempitsky 2015), and recogniser units that must be predictable from the code (van Niekerk et al. 2022). The
encoder has the input of the content network; the decoder returns Resemblyzer's mel spectrogram, so that Resemblyzer's
d-vector network (Wan et al. 2018) can judge its voice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import torch
from mouthpiece.features import FEATURE_SIZE, HOP_SAMPLES, HOPS_PER_FRAME, RATE
from mouthpiece.files.writer import write_whole
from mouthpiece.speaker import VOICE_SIZE
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor, nn

from ..configuration import Configuration
from ..networks.weights import half_floats, load_network
from ..speaker.voice import VoiceNet

#: Resemblyzer's mel spectrogram: bands, samples of its Fourier transform, loudness (root mean square, -30 dBFS).
MEL_BANDS = 40
MEL_FFT_SAMPLES = 400
MEL_RMS = 10 ** (-30 / 20)
#: Power below which a band counts as silent.
MEL_FLOOR = 1e-6
#: Mel numbers per motion frame.
MEL_SIZE = HOPS_PER_FRAME * MEL_BANDS
#: Mel frames (1.6 s) of a window that a d-vector is made from; windows overlap by half.
VOICE_FRAMES = 160
#: Variance below which a channel counts as constant.
STILL = 1e-4


@dataclass(frozen=True, slots=True)
class ConverterShape(Configuration):
    """Sizes of a :class:`Converter`.

    Attributes
    ----------
    code : numbers of the content code per motion frame: the bottleneck.
    encoder, decoder, voice : widths of the encoder, of the decoder, and of the voice inside the decoder.
    layers : number of residual convolutions (five frames) in the encoder, and in the decoder.
    units : clusters of recogniser features that must be predictable from the code.
    noise : standard deviation of the noise on the code (of unit variance) in training; it limits what the code carries.
    dropout : share of the encoder's inputs dropped in training.
    """

    code: int = 32
    encoder: int = 160
    decoder: int = 192
    voice: int = 64
    layers: int = 3
    units: int = 100
    noise: float = 0.3
    dropout: float = 0.2


class _Reversal(torch.autograd.Function):
    """Identity whose gradient is multiplied by ``-strength``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * grads[0], None


def reverse_gradient(x: Tensor, strength: float) -> Tensor:
    """Return ``x`` unchanged; gradients through it are reversed and multiplied by ``strength``."""
    reversed_: Tensor = _Reversal.apply(x, strength)
    return reversed_


def instance_norm(x: Tensor, keep: Tensor) -> Tensor:
    """Return ``x`` (B, T, C) with zero mean and unit variance over the frames of each sequence where ``keep`` is 1."""
    w = keep[..., None] / keep.sum(dim=1).clamp_min(1.0)[:, None, None]
    mean = (x * w).sum(dim=1, keepdim=True)
    variance = ((x - mean).square() * w).sum(dim=1, keepdim=True)
    return (x - mean) / (variance + STILL).sqrt() * keep[..., None]


def mask_of(frames: Tensor, lengths: Tensor | None) -> Tensor:
    """Return 1 for the frames and 0 for the padding (B, T) of ``frames`` (B, T, F)."""
    if lengths is None:
        return torch.ones(frames.shape[:2])
    return (torch.arange(frames.shape[1])[None] < lengths[:, None]).float()


class ContentCode(nn.Module):
    """The encoder: features (B, T, 1076) to a code (B, T, D) of zero mean and unit variance over each sequence.

    A voice is, to a first approximation, a constant offset and scale of every channel; instance normalisation after
    each convolution removes both. So a code depends on the whole sequence: half a second is too short, and a long sound
    should be given whole or in similar pieces.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, shape: ConverterShape) -> None:
        """Make a network with random weights; :meth:`fit_buffers` sets the normalisation."""
        super().__init__()
        self.size = shape.code
        self.noise = shape.noise
        self.register_buffer("mean", torch.zeros(FEATURE_SIZE))
        self.register_buffer("scale", torch.ones(FEATURE_SIZE))
        self.dropout = nn.Dropout(shape.dropout)
        self.project = nn.Linear(FEATURE_SIZE, shape.encoder)
        self.local = nn.ModuleList(nn.Conv1d(shape.encoder, shape.encoder, 5, padding=2) for _ in range(shape.layers))
        self.narrow = nn.Linear(shape.encoder, shape.code)

    def fit_buffers(self, features: Tensor) -> None:
        """Set normalisation from ``features`` (N, 1076): the mean and spread of each number."""
        self.mean.copy_(features.mean(dim=0))
        self.scale.copy_(1 / features.std(dim=0).clamp_min(1e-3))

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the code (B, T, D); ``lengths`` (B,) says where padding begins."""
        keep = mask_of(features, lengths)
        x = (features - self.mean) * self.scale * keep[..., None]
        x = instance_norm(nn.functional.gelu(self.project(self.dropout(x))), keep)
        for layer in self.local:
            x = x + instance_norm(nn.functional.gelu(layer(x.transpose(1, 2)).transpose(1, 2)), keep)
        code = instance_norm(self.narrow(x), keep)
        return code + self.noise * torch.randn_like(code) if self.training and self.noise else code


class Decoder(nn.Module):
    """Code (B, T, D) and voice (B, 256) to a log-mel spectrogram (B, T, 160): four frames of 10 ms per motion frame."""

    mean: Tensor
    scale: Tensor

    def __init__(self, shape: ConverterShape) -> None:
        """Make a network with random weights."""
        super().__init__()
        self.register_buffer("mean", torch.zeros(MEL_BANDS))
        self.register_buffer("scale", torch.ones(MEL_BANDS))
        self.widen = nn.Linear(shape.code, shape.decoder)
        self.voice = nn.Linear(VOICE_SIZE, shape.voice)
        self.local = nn.ModuleList(nn.Conv1d(shape.decoder, shape.decoder, 5, padding=2) for _ in range(shape.layers))
        self.manner = nn.ModuleList(nn.Linear(shape.voice, 2 * shape.decoder) for _ in range(shape.layers))
        self.out = nn.Linear(shape.decoder, MEL_SIZE)

    def forward(self, code: Tensor, voice: Tensor) -> Tensor:
        """Return the log-mel spectrogram (B, T, 160)."""
        x = nn.functional.gelu(self.widen(code))
        v = torch.tanh(self.voice(voice * VOICE_SIZE**0.5))  # a d-vector's numbers are about a sixteenth
        for layer, manner in zip(self.local, self.manner, strict=True):
            factor, offset = manner(v)[:, None].chunk(2, dim=-1)
            x = x + nn.functional.gelu(layer(x.transpose(1, 2)).transpose(1, 2) * (1 + factor) + offset)
        return self.out(x) * self.scale.repeat(HOPS_PER_FRAME) + self.mean.repeat(HOPS_PER_FRAME)


class MelCode(nn.Module):
    """An estimate of the code from a log-mel spectrogram (B, T, 160); it shows whether converted speech keeps words."""

    mean: Tensor
    scale: Tensor

    def __init__(self, shape: ConverterShape) -> None:
        """Make a network with random weights."""
        super().__init__()
        self.register_buffer("mean", torch.zeros(MEL_BANDS))
        self.register_buffer("scale", torch.ones(MEL_BANDS))
        self.project = nn.Linear(MEL_SIZE, shape.encoder)
        self.local = nn.ModuleList(nn.Conv1d(shape.encoder, shape.encoder, 5, padding=2) for _ in range(2))
        self.narrow = nn.Linear(shape.encoder, shape.code)

    def forward(self, mel: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the code (B, T, D) of ``mel``."""
        keep = mask_of(mel, lengths)
        x = (mel - self.mean.repeat(HOPS_PER_FRAME)) / self.scale.repeat(HOPS_PER_FRAME)
        x = instance_norm(nn.functional.gelu(self.project(x * keep[..., None])), keep)
        for layer in self.local:
            x = x + instance_norm(nn.functional.gelu(layer(x.transpose(1, 2)).transpose(1, 2)), keep)
        return instance_norm(self.narrow(x), keep)


class Adversary(nn.Module):
    """A classifier of speakers by their code: from nine frames, and from the statistics of a whole sequence."""

    def __init__(self, code: int, speakers: int, width: int = 128) -> None:
        """Make a network with random weights."""
        super().__init__()
        self.first = nn.Conv1d(code, width, 5, padding=2)
        self.second = nn.Conv1d(width, width, 5, padding=2)
        self.by_frame = nn.Linear(width, speakers)
        self.by_sequence = nn.Linear(2 * width, speakers)

    def forward(self, code: Tensor, keep: Tensor, speaker: Tensor) -> Tensor:
        """Return the cross-entropy, in nats, of predicting ``speaker`` (B,): the mean of by frame and by sequence."""
        x = nn.functional.gelu(self.first(code.transpose(1, 2)))
        x = nn.functional.gelu(self.second(x)).transpose(1, 2)
        w = keep[..., None] / keep.sum(dim=1).clamp_min(1.0)[:, None, None]
        mean = (x * w).sum(dim=1)
        spread = ((x - mean[:, None]).square() * w).sum(dim=1).add(STILL).sqrt()
        whole = nn.functional.cross_entropy(self.by_sequence(torch.cat([mean, spread], dim=-1)), speaker)
        frames = self.by_frame(x)[keep > 0]
        each = nn.functional.cross_entropy(frames, speaker[:, None].expand(keep.shape)[keep > 0])
        return 0.5 * (whole + each)


class Converter(nn.Module):
    """All networks of a run but its adversary: encoder, decoder, estimate of the code, and classifier of units."""

    def __init__(self, shape: ConverterShape) -> None:
        """Make networks with random weights."""
        super().__init__()
        self.shape = shape
        self.code = ContentCode(shape)
        self.decoder = Decoder(shape)
        self.heard = MelCode(shape)
        self.units = nn.Sequential(nn.Linear(shape.code, 128), nn.GELU(), nn.Linear(128, shape.units))

    def fit_buffers(self, features: Tensor, mel: Tensor) -> None:
        """Set normalisation from ``features`` (N, 1076) and log-mel ``mel`` (N, 160)."""
        self.code.fit_buffers(features)
        bands = mel.reshape(-1, MEL_BANDS)
        for part in (self.decoder, self.heard):
            part.mean.copy_(bands.mean(dim=0))
            part.scale.copy_(bands.std(dim=0).clamp_min(1e-3))


def load_voice_network(path: Path) -> VoiceNet:
    """Return the d-vector network in ``path`` (``pretrained.pt`` of Resemblyzer 0.1.4), which is not to be trained.

    Raises
    ------
    ValueError
        If it is not that file.
    """
    return VoiceNet.load(path).requires_grad_(False)


def log_mel(samples: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """Return the log of Resemblyzer's mel spectrogram (frames, 160) of 16 kHz ``samples``, scaled to -30 dBFS.

    The rows of motion frame ``t`` are the four spectra centred at its start and every 10 ms after it.
    """
    level = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0
    loud = samples * np.float32(MEL_RMS / level) if level > 0 else samples
    power = librosa.feature.melspectrogram(
        y=np.pad(loud, (0, max(0, MEL_FFT_SAMPLES - len(loud)))),
        sr=RATE,
        n_fft=MEL_FFT_SAMPLES,
        hop_length=HOP_SAMPLES,
        n_mels=MEL_BANDS,
    ).T[: frames * HOPS_PER_FRAME]
    short = frames * HOPS_PER_FRAME - len(power)
    rows = np.log(np.maximum(np.pad(power, ((0, short), (0, 0)), mode="edge"), MEL_FLOOR))
    return rows.reshape(frames, MEL_SIZE).astype(np.float32)


@torch.no_grad()
def voice_of(net: VoiceNet, mel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the d-vector (256,), of length one, of a log-mel spectrogram (T, 160): the mean over windows of 1.6 s."""
    rows = mel.reshape(-1, MEL_BANDS)
    if len(rows) < VOICE_FRAMES:
        rows = np.pad(rows, ((0, VOICE_FRAMES - len(rows)), (0, 0)), constant_values=float(np.log(MEL_FLOOR)))
    starts = range(0, len(rows) - VOICE_FRAMES + 1, VOICE_FRAMES // 2)
    pieces = torch.from_numpy(np.stack([rows[k : k + VOICE_FRAMES] for k in starts])).exp()
    mean = torch.cat([net.embed(part) for part in pieces.split(64)]).mean(dim=0)
    return nn.functional.normalize(mean, dim=0).numpy()


def save_converter(net: Converter, path: Path, notes: Mapping[str, str]) -> None:
    """Write the weights of ``net``, as half floats, with its shape and ``notes`` to ``path`` (.safetensors)."""
    weights = half_floats(net.state_dict())
    write_whole(path, save(weights, {"shape": json.dumps(asdict(net.shape)), **notes}))


def load_converter(path: Path) -> Converter:
    """Return the networks stored in ``path`` (.safetensors), ready to run; ``.code`` is the encoder.

    Raises
    ------
    ValueError
        If it is not a checkpoint of a converter.
    """
    net, _ = load_network(
        path, lambda notes: Converter(ConverterShape.of(json.loads(notes["shape"]), "its shape")), "a converter"
    )
    return net

"""The part of Whisper that the listener uses: its log-mel front end and first encoder layers, in torch."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ..networks.mel import fourier_waves, mel_bands

#: Domain of the operators that ONNX Runtime adds to the standard.
RUNTIME = "com.microsoft"
#: Layout of Whisper base: width, heads, mel bands, FFT and hop at 16 kHz, and how many of its six layers are used.
WIDTH, HEADS, MELS, FFT, HOP, LAYERS = 512, 8, 80, 400, 160, 3
#: Longest window in hidden frames (30 seconds, what Whisper was trained on).
POSITIONS = 1500

_CTRANSLATE2_TYPES = (np.float32, np.int8, np.int16, np.int32, np.float16)


def read_ctranslate2(path: Path) -> dict[str, NDArray[Any]]:
    """Return the weights in a CTranslate2 ``model.bin`` (format 6) by name.

    Raises
    ------
    ValueError
        If it is another file.
    """
    data, at = path.read_bytes(), 0

    def number(code: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from("<" + code, data, at)
        at += struct.calcsize("<" + code)
        return int(value)

    def text() -> str:
        nonlocal at
        length = number("H")
        at += length
        return data[at - length : at].rstrip(b"\0").decode()

    try:
        if number("I") != 6:
            raise ValueError("its format is not 6")
        text()  # name of the model's specification
        number("I")  # and its revision
        found = {}
        for _ in range(number("I")):
            name = text()
            shape = [number("I") for _ in range(number("B"))]
            kind = _CTRANSLATE2_TYPES[number("B")]
            size = number("I")
            found[name] = np.frombuffer(data[at : at + size], kind).reshape(shape)
            at += size
    except (struct.error, IndexError, UnicodeDecodeError, ValueError) as error:
        raise ValueError(f"'{path}' is not a CTranslate2 model this reads ({error})") from error
    return found


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return the attention output (1, T, 512) of queries, keys and values (1, T, 512), with eight heads."""
    heads = (part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in (query, key, value))
    return nn.functional.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)


class Attention(torch.autograd.Function):
    """:func:`attend` for export: ONNX Runtime's own operator, which never holds the whole (T, T) table in memory."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Return the attention output (1, T, 512)."""
        return attend(query, key, value)

    @staticmethod
    def symbolic(g: Any, query: Any, key: Any, value: Any) -> Any:
        """Return the node added to the graph ``g``."""
        found = g.op(f"{RUNTIME}::MultiHeadAttention", query, key, value, num_heads_i=HEADS)
        found.setType(query.type())
        return found


class WhisperLayer(nn.Module):
    """One pre-norm transformer layer of Whisper's encoder."""

    def __init__(self) -> None:
        """Make a layer with random weights."""
        super().__init__()
        self.attention_norm, self.norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.mix, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.widen, self.narrow = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's output (1, T, 512)."""
        taken = Attention.apply if torch.onnx.is_in_onnx_export() else attend
        x = x + self.out(taken(*self.mix(self.attention_norm(x)).chunk(3, dim=-1)))
        y: Tensor = x + self.narrow(nn.functional.gelu(self.widen(self.norm(x))))
        return y


class HalfWhisper(nn.Module):
    """Whisper's front end and first encoder layers (Radford et al. 2022): waveform to features (1, T, 512) at 50 Hz."""

    waves: Tensor
    bands: Tensor
    rates: Tensor

    def __init__(self) -> None:
        """Make the network with random weights; :meth:`load` sets them."""
        super().__init__()
        self.register_buffer("waves", fourier_waves(FFT))
        self.register_buffer("bands", mel_bands(FFT, MELS))
        rates = np.exp(-np.log(10000) / (WIDTH // 2 - 1) * np.arange(WIDTH // 2))
        self.register_buffer("rates", torch.from_numpy(rates.astype(np.float32)))
        self.first = nn.Conv1d(MELS, WIDTH, 3, padding=1)
        self.second = nn.Conv1d(WIDTH, WIDTH, 3, stride=2, padding=1)
        self.layers = nn.ModuleList(WhisperLayer() for _ in range(LAYERS))

    def load(self, variables: dict[str, NDArray[Any]]) -> None:
        """Set the weights to those of a CTranslate2 Whisper, as :func:`read_ctranslate2` returns them.

        Raises
        ------
        ValueError
            If one is missing or has another shape.
        """
        for module, name in self._sources():
            try:
                keys = ("gamma", "beta") if isinstance(module, nn.LayerNorm) else ("weight", "bias")
                for parameter, key in zip((module.weight, module.bias), keys, strict=True):
                    value = torch.from_numpy(variables[f"encoder/{name}/{key}"].astype(np.float32))
                    if value.shape != parameter.shape:
                        raise ValueError(f"'{name}' has shape {tuple(value.shape)}: not Whisper base")
                    parameter.data.copy_(value)
            except KeyError as error:
                raise ValueError(f"the model holds no {error}: not a Whisper") from error

    def tune(self, path: Path) -> None:
        """Set the weights of the last layers to those in ``path`` (.safetensors), written by a tuning run.

        Raises
        ------
        ValueError
            If the file holds something else.
        """
        try:
            found = load_file(path)
            names = {name.split(".")[0] for name in found}
            if not found or names != {str(k) for k in range(LAYERS - len(names), LAYERS)}:
                raise ValueError("it holds no last layers")
            kept = {name: value for name, value in self.layers.state_dict().items() if name.split(".")[0] not in names}
            self.layers.load_state_dict(kept | found)
        except (OSError, SafetensorError, RuntimeError, ValueError) as error:
            raise ValueError(f"'{path}' does not hold a tuned listener's weights ({error})") from error

    def _sources(self) -> list[tuple[Any, str]]:
        """Return each module with the name of its weights in a CTranslate2 file."""
        pairs: list[tuple[Any, str]] = [(self.first, "conv1"), (self.second, "conv2")]
        for k, layer in enumerate(self.layers):
            assert isinstance(layer, WhisperLayer)
            pairs += [
                (layer.attention_norm, f"layer_{k}/self_attention/layer_norm"),
                (layer.mix, f"layer_{k}/self_attention/linear_0"),
                (layer.out, f"layer_{k}/self_attention/linear_1"),
                (layer.norm, f"layer_{k}/ffn/layer_norm"),
                (layer.widen, f"layer_{k}/ffn/linear_0"),
                (layer.narrow, f"layer_{k}/ffn/linear_1"),
            ]
        return pairs

    def log_mel(self, waveform: Tensor) -> Tensor:
        """Return Whisper's log-mel spectrogram (1, 80, N // 160) of ``waveform`` (1, N) at 16 kHz."""
        padded = nn.functional.pad(waveform[:, None], (FFT // 2, FFT // 2), mode="reflect")
        parts = nn.functional.conv1d(padded, self.waves, stride=HOP)[..., :-1]
        real, imaginary = parts.chunk(2, dim=1)
        level = (self.bands @ (real**2 + imaginary**2)).clamp_min(1e-10).log10()
        return (torch.maximum(level, level.amax() - 8) + 4) / 4

    def forward(self, waveform: Tensor) -> Tensor:
        """Return the hidden features (1, N // 320, 512) of ``waveform`` (1, N), 0.1 to 30 seconds at 16 kHz."""
        return self.above(self.below(waveform, 0), 0)

    def below(self, waveform: Tensor, layers: int) -> Tensor:
        """Return what the front end and the first ``layers`` layers make of a waveform (1, N): (1, N // 320, 512)."""
        x = nn.functional.gelu(self.first(self.log_mel(waveform)))
        x = nn.functional.gelu(self.second(x)).transpose(1, 2)
        angles = torch.arange(x.shape[1], device=x.device)[:, None] * self.rates
        x = x + torch.cat([angles.sin(), angles.cos()], dim=-1)
        for layer in self.layers[:layers]:
            x = layer(x)
        return x

    def above(self, hidden: Tensor, layers: int) -> Tensor:
        """Return the output (B, T, 512) of the layers after the first ``layers``, whose output is ``hidden``."""
        for layer in self.layers[layers:]:
            hidden = layer(hidden)
        return hidden

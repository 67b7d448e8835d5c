"""Settings of a run that trains the content network."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..configuration import Configuration
from .data import SoundAugmentation
from .losses import ContentLossWeights
from .networks import ContentShape, Finish


@dataclass(frozen=True, slots=True)
class ContentConfig(Configuration):
    """Settings of a run.

    Attributes
    ----------
    name, version : noted in the sidecar of the exported network.
    seed : seed of everything random.
    steps, warmup : steps of training, and how many of them the learning rate rises.
    window, batch : frames of a window, and windows of a batch.
    learning_rate, weight_decay : of AdamW.
    average : decay of the running average of the weights, which is what is kept.
    evaluate_every, patience : steps between validations, and validations without improvement that end a run.
    renditions : number of altered copies of the clips to learn from; the first is not altered.
    encoder : folder with ``encoder.onnx`` and its sidecar, heard besides the shipped listener (see
        ``training.listener.encoders``); empty for none.
    tuning : learning rate of the listener as a share of the network's (see ``training.content.tuning``); 0 leaves the
        listener as it is.
    tuned_layers : number of Whisper's last layers that learn.
    speaker_power : a speaker's chance to be drawn grows with their frames to this power.
    """

    name: str = "content"
    version: str = "1"
    seed: int = 0
    steps: int = 6000
    window: int = 96
    batch: int = 32
    learning_rate: float = 1e-3
    warmup: int = 100
    weight_decay: float = 0.01
    average: float = 0.995
    evaluate_every: int = 200
    patience: int = 12
    renditions: int = 6
    encoder: str = ""
    tuning: float = 0.0
    tuned_layers: int = 1
    speaker_power: float = 0.5
    shape: ContentShape = field(default_factory=ContentShape)
    loss: ContentLossWeights = field(default_factory=ContentLossWeights)
    augmentation: SoundAugmentation = field(default_factory=SoundAugmentation)
    finish: Finish = field(default_factory=Finish)

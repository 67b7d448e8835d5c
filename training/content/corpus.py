"""Everything a run of the content network learns from: a training pack as features and targets."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mouthpiece.models.encoder import Encoder
from mouthpiece.models.phonetic import PhoneticListener
from mouthpiece.models.registry import Network, find

from ..pack.clips import load_split
from ..pack.resync import synced
from .config import ContentConfig
from .data import NO_AUGMENTATION, Stretch, cached_rendition
from .targets import canonical_face, make_targets

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """What a run learns from.

    Attributes
    ----------
    neutral : (68, 3)
        The canonical resting face.
    train : list
        Renditions of the training clips.
    val : list
        The validation clips, not altered.
    encoder, listener : str
        Hashes of the networks the features come from; ``encoder`` is empty if there is none.
    listener_folder : Path, optional
        Folder of the listener if it is not the shipped one.
    """

    neutral: np.ndarray
    train: list[list[Stretch]]
    val: list[Stretch]
    encoder: str = ""
    listener: str = ""
    listener_folder: Path | None = None


def listening_networks(config: ContentConfig, listener_folder: Path | None = None) -> tuple[Network, Network | None]:
    """Return the listener in ``listener_folder`` (None: the shipped one), and the encoder ``config`` names, if any."""
    encoder = find("encoder", Path(config.encoder)) if config.encoder else None
    return find("phonetic", listener_folder), encoder


def load_corpus(
    data: Path,
    cache: Path,
    config: ContentConfig,
    late: Mapping[str, float] | None = None,
    listener_folder: Path | None = None,
) -> Corpus:
    """Return the pack in ``data`` as features and targets; renditions are kept in the folder ``cache``.

    ``late`` says by how many frames the sounds of training clips are late (see ``training.pack.resync``).
    ``listener_folder`` holds the ``phonetic.onnx`` to hear with, if it is not the shipped one.
    """
    network, encoder = listening_networks(config, listener_folder)
    listener = PhoneticListener(network.open(), encoder and Encoder(encoder))
    clips, val = synced(load_split(data, "train"), late or {}), load_split(data, "val")
    log.info("%d training clips, %d validation clips", len(clips), len(val))
    neutral = canonical_face(clips)
    targets, val_targets = make_targets(clips, neutral), make_targets(val, neutral)
    encoder_hash = encoder.sidecar.sha256 if encoder else ""
    stamp = network.sidecar.sha256 + encoder_hash
    train_stamp = stamp + json.dumps(sorted(late.items())) if late else stamp
    renditions = [
        cached_rendition(
            cache, clips, targets, listener, config.augmentation if k else NO_AUGMENTATION, config.seed + k, train_stamp
        )
        for k in range(config.renditions)
    ]
    validation = cached_rendition(cache, val, val_targets, listener, NO_AUGMENTATION, 0, stamp)
    return Corpus(neutral, renditions, validation, encoder_hash, network.sidecar.sha256, listener_folder)

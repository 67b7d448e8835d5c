"""Fitting a shipped network to one person: how the material is divided, and how far to go from the shipped weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor

AnyClip = TypeVar("AnyClip", bound=Sized)

#: Where in the material the part to train on ends, and the part to choose by.
TAUGHT, CHOSEN = 0.7, 0.8
#: Candidates between the shipped weights (0) and those trained on the person (1).
BLENDS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Material(Generic[AnyClip]):
    """A person's clips in three parts: to train on, to choose the blend by, and to judge by."""

    teach: list[AnyClip]
    choose: list[AnyClip]
    judge: list[AnyClip]


def divided(
    clips: Sequence[AnyClip], cut: Callable[[AnyClip, int, int], AnyClip], gap: int, shortest: int, failure: str
) -> Material[AnyClip]:
    """Return ``clips`` divided by time.

    ``cut`` returns the frames from one number up to another (excluded) of a clip. Where a part begins within a clip,
    ``gap`` frames are left out; pieces of fewer than ``shortest`` frames are dropped.

    Raises
    ------
    ValueError
        With the message ``failure``, if a part stays empty.
    """
    total = sum(map(len, clips))
    bounds = (0, round(TAUGHT * total), round(CHOSEN * total), total)
    parts: list[list[AnyClip]] = [[], [], []]
    begin = 0
    for clip in clips:
        for part, low, high in zip(parts, bounds[:-1], bounds[1:], strict=True):
            first, last = max(low - begin, 0), min(high - begin, len(clip))
            first += gap if first > 0 else 0
            if last - first >= shortest:
                part.append(cut(clip, first, last))
        begin += len(clip)
    if not all(parts):
        raise ValueError(failure)
    return Material(*parts)


def blended(start: Mapping[str, Tensor], end: Mapping[str, Tensor], amount: float) -> dict[str, Tensor]:
    """Return weights ``amount`` of the way from ``start`` to ``end`` (Wortsman et al. 2022: robust fine-tuning)."""
    return {name: torch.lerp(value.float(), end[name].float(), amount).contiguous() for name, value in start.items()}

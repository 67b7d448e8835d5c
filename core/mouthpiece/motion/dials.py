"""Dials: amounts an artist changes on a finished take, after inference and without any network.

A take's arrays stay as they were inferred; :func:`apply` computes the motion to show from them. Landmarks, ARKit
weights, head, gaze and blinks change together, and lips that meet in the take meet in the result.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import TakeError
from ..phones.excerpts import shifted
from ..topology import ARKIT_INDEX, ARKIT_NAMES, JAW, LEFT_BROW, LEFT_EYE, LIPS, NOSE, RIGHT_BROW, RIGHT_EYE
from . import closures, contacts, emotions, eyes, mouth, timing, tongue
from .smooth import lowpass

if TYPE_CHECKING:
    from ..performance import Performance  # takes apply their own dials: :meth:`Performance.final`

Array = NDArray[np.float32]

#: Least and greatest value of each dial.
LIMITS: Final[Mapping[str, tuple[float, float]]] = {
    "lips": (0.0, 2.0),
    "jaw": (0.0, 2.0),
    "brows": (0.0, 2.0),
    "blink": (0.0, 2.0),
    "head": (0.0, 2.0),
    "gaze": (0.0, 2.0),
    "expression": (0.0, 2.0),
    "style": (0.0, 1.5),
    "intensity": (0.0, 1.0),
    "smoothing": (0.0, 1.0),
    "offset": (-5.0, 5.0),
    "rest": (0.0, 1.0),
    "life": (0.0, 1.5),
    "attention": (0.0, 1.5),
    "nods": (0.0, 2.0),
    "articulation": (0.0, 1.5),
    "tongue": (0.0, 2.0),
}

#: Dials of a take to which all dials have been applied already.
SETTLED: Final[Mapping[str, Any]] = {"articulation": 0.0}
#: Standard deviation of the smoothing Gaussian at ``smoothing`` 1, in seconds.
_SMOOTH_SECONDS: Final = 0.12
_BROW_COLUMNS: Final = tuple(index for name, index in ARKIT_INDEX.items() if name.startswith("brow"))
_EXPRESSION_COLUMNS: Final = tuple(
    index
    for name, index in ARKIT_INDEX.items()
    if name.startswith(("cheekSquint", "eyeSquint", "eyeWide", "noseSneer"))
)
#: Columns of ARKit weights that are smoothed also where the lips meet.
_UPPER_COLUMNS: Final = tuple(
    index
    for name, index in ARKIT_INDEX.items()
    if index not in mouth.COLUMNS and not name.startswith(("eyeBlink", "eyeLook"))
)
_BROWS: Final = (*RIGHT_BROW, *LEFT_BROW)
_MOUTH: Final = (*JAW, *LIPS)
#: Number of landmarks smoothed at once: more is faster and needs more memory.
_AT_ONCE: Final = 20
_EYES_AND_NOSE: Final = (*RIGHT_EYE, *LEFT_EYE, *NOSE)


@dataclass(frozen=True, slots=True)
class Dials:
    """The changes to a take; the defaults change nothing.

    Attributes
    ----------
    lips, jaw, brows, blink, head, gaze, expression : float
        Factors on the motion, 0 to 2. ``expression`` scales cheeks, nose, the surroundings of the eyes, and the
        emotion.
    style : float
        Factor on the style layer, 0 to 1.5: 0 is the average speaker, 1 the style, more exaggerates it.
    emotion : str
        One of ``emotions.NAMES``.
    intensity : float
        How strong the emotion is, 0 to 1.
    smoothing : float
        Strength of smoothing, 0 to 1; closures of the lips stay sharp.
    offset : float
        Seconds by which the motion is later, or earlier if negative; need not be whole frames.
    rest : float
        How far the face comes to rest before and after the line on a timeline, 0 to 1; 0 leaves the raw end. It changes
        nothing of the take itself (:mod:`mouthpiece.motion.interludes`).
    life : float
        How much blinks, looks and head live on there, 0 (motionless) to 1.5.
    attention : float
        How much it looks at the other characters of a scene, 0 (not at all) to 1.5
        (:mod:`mouthpiece.motion.listening`).
    nods : float
        How often and how deeply it nods while they speak, 0 (never) to 2.
    articulation : float
        How far lips and jaw do what the phones ask for, 0 (only what the network moves) to 1.5.
    tongue : float
        Factor on the motion of the tongue, 0 to 2. ``smoothing`` leaves it alone, as its contacts are short.
    """

    lips: float = 1.0
    jaw: float = 1.0
    brows: float = 1.0
    blink: float = 1.0
    head: float = 1.0
    gaze: float = 1.0
    expression: float = 1.0
    style: float = 1.0
    emotion: str = "neutral"
    intensity: float = 1.0
    smoothing: float = 0.0
    offset: float = 0.0
    rest: float = 1.0
    life: float = 1.0
    attention: float = 1.0
    nods: float = 1.0
    articulation: float = 1.0
    tongue: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises
        ------
        TakeError
            If a dial is not a number or out of range, or there is no such emotion.
        """
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise TakeError(f"The amount '{name}' is {value!r}; it must be a number from {low:g} to {high:g}.")
            if not low <= value <= high:
                raise TakeError(f"The amount '{name}' is {value:g}. Choose a number from {low:g} to {high:g}.")
        if not isinstance(self.emotion, str) or self.emotion not in emotions.NAMES:
            raise TakeError(f"There is no emotion '{self.emotion}'. Choose one of: {', '.join(emotions.NAMES)}.")

    @classmethod
    def of(cls, saved: Mapping[str, Any]) -> Dials:
        """Return the dials saved in ``Performance.dials``; those not saved are at default.

        Raises
        ------
        TakeError
            If there is no dial of a saved name, or its value is out of range.
        """
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(saved) - known)
        if unknown:
            raise TakeError(f"There is no amount called '{unknown[0]}'. There are: {', '.join(sorted(known))}.")
        return cls(**saved)

    def saved(self) -> dict[str, Any]:
        """Return the dials that are not at default, by name, as ``Performance.dials`` holds them."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}


def dialled(take: Performance, dials: Dials) -> Performance:
    """Return ``take`` with ``dials`` stored in place of its former ones; its motion stays as inferred."""
    return replace(take, dials=dials.saved())


@dataclass(slots=True, eq=False)
class Motion:
    """A take's motion under construction; arrays as in ``Performance``, landmarks as ``offsets`` from ``neutral``.

    ``contact`` (T,) is how closely, 0 to 1, the lips meet in the take.
    """

    fps: float
    neutral: Array
    offsets: Array
    arkit: Array
    head: Array
    gaze: Array
    blink: Array
    activity: Array
    contact: Array
    tongue: Array


def apply(take: Performance, dials: Dials) -> Performance:
    """Return ``take`` with its style layer and ``dials`` applied; ``take.dials`` is ignored.

    The result has no style layer and no dials; where phones are known it has :data:`SETTLED`, so that lips and jaw are
    not made to do what these ask for once more. Memory and time are proportional to the length of the take.
    """
    motion = Motion(
        take.fps,
        take.neutral,
        take.landmarks - take.neutral,
        take.arkit.copy(),
        take.head.copy(),
        take.gaze.copy(),
        take.blink.copy(),
        take.activity.copy(),
        closures.contact(take.landmarks),
        take.tongue.copy(),
    )
    articulated = dials.articulation * min(dials.lips, 1.0) if len(take.speech.posteriors) else 0.0
    own = contacts.OwnMouth.of(take.landmarks, take.neutral, take.arkit)
    eyes.open_lids(motion.offsets, motion.neutral, motion.blink)
    _add_style(motion, take, dials.style)
    _smooth(motion, dials.smoothing)
    if dials.offset:
        timing.shift(motion, dials.offset)
    _amounts(motion, dials)
    seed = take.options.get("seed", 0)
    rng = np.random.default_rng(seed if isinstance(seed, int) and seed >= 0 else 0)
    emotions.add(motion, dials.emotion, dials.intensity * dials.expression, rng)
    np.clip(motion.arkit, 0, 1, out=motion.arkit)
    said = contacts.FaceSpeech(take.speech, take.fps, take.neutral, dials.offset)
    contacts.correct(motion.offsets, motion.arkit, own, said, articulated)
    motion.offsets += take.neutral
    eyes.close_lids(motion.offsets, motion.blink)
    eyes.write_eyes(motion.arkit, motion.blink, motion.gaze)
    moved = replace(
        take,
        landmarks=motion.offsets,
        arkit=motion.arkit,
        head=motion.head,
        gaze=motion.gaze,
        blink=motion.blink,
        activity=motion.activity,
        tongue=motion.tongue,
        style=np.zeros((len(take), 0), np.float32),
        style_landmarks=np.zeros((0, 68, 3), np.float32),
        style_arkit=np.zeros((0, len(ARKIT_NAMES)), np.float32),
        style_head=np.zeros((len(take), 6), np.float32),
        speech=shifted(take.speech, dials.offset, take.seconds) if dials.offset and take.speech else take.speech,
        dials=dict(SETTLED) if len(take.speech.posteriors) else {},
    )
    return tongue.shown(moved)


def _add_style(motion: Motion, take: Performance, amount: float) -> None:
    """Add the style layer, in place; lips that meet still meet, and the eyes keep looking at the same place."""
    if not amount:
        return
    motion.gaze -= eyes.steadying(motion.head)
    motion.head += np.float32(amount) * take.style_head
    motion.gaze += eyes.steadying(motion.head)
    if not take.style.shape[1]:
        return
    apart, parting = closures.gaps(motion.offsets), motion.arkit[:, closures.PARTING]
    for column, (points, weights) in enumerate(zip(take.style_landmarks, take.style_arkit, strict=True)):
        # One coefficient at a time, so that a long take's layer is never in memory twice.
        share = amount * take.style[:, column]
        motion.offsets += share[:, None, None] * points
        motion.arkit += share[:, None] * weights
    np.clip(motion.arkit, 0, 1, out=motion.arkit)
    closures.hold(motion.offsets, apart, motion.contact)
    kept = motion.contact[:, None]
    motion.arkit[:, closures.PARTING] = kept * parting + (1 - kept) * motion.arkit[:, closures.PARTING]


def _smooth(motion: Motion, amount: float) -> None:
    """Smooth face and head, in place, but the mouth less the more closely the lips meet, and not where they are shut.

    Lids and gaze are not smoothed: that would make blinks shallow and saccades slow.
    """
    if not amount:
        return
    hertz = math.sqrt(math.log(2)) / (2 * math.pi * _SMOOTH_SECONDS * amount)
    met = motion.contact[:, None, None]
    for points, kept in ((_MOUTH, met), (_BROWS, 0.0)):
        for first in range(0, len(points), _AT_ONCE):
            some = list(points[first : first + _AT_ONCE])
            track = motion.offsets[:, some]
            motion.offsets[:, some] = kept * track + (1 - kept) * lowpass(track, hertz, motion.fps).astype(np.float32)
    for columns, kept in ((mouth.COLUMNS, met[..., 0]), (_UPPER_COLUMNS, 0.0)):
        weights = motion.arkit[:, columns]
        motion.arkit[:, columns] = kept * weights + (1 - kept) * lowpass(weights, hertz, motion.fps).astype(np.float32)
    motion.head = lowpass(motion.head, hertz, motion.fps).astype(np.float32)


def _amounts(motion: Motion, dials: Dials) -> None:
    """Multiply each part of the motion by its dial, in place."""
    mouth.scale(motion.offsets, motion.arkit, dials.lips, dials.jaw)
    motion.offsets[:, _BROWS] *= dials.brows
    motion.arkit[:, _BROW_COLUMNS] *= dials.brows
    motion.arkit[:, _EXPRESSION_COLUMNS] *= dials.expression
    motion.offsets[:, _EYES_AND_NOSE] *= dials.expression
    motion.blink = np.clip(motion.blink * dials.blink, 0, 1)
    motion.tongue = np.clip(motion.tongue * np.float32(dials.tongue), -1, 1)
    # The part of the gaze that makes up for the head's turn is scaled with the head; the rest by the gaze dial.
    looks = motion.gaze - eyes.steadying(motion.head)
    motion.head *= dials.head
    motion.gaze = looks * np.float32(dials.gaze) + eyes.steadying(motion.head)

"""What networks of each kind must take and give, in one table, and the checks of it.

A network is checked three times: its sidecar against the table when it is found, its file against both when it is
opened, and its outputs whenever it runs. So whatever a network of one's own gets wrong is told in words that name it,
and as early as it can be known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..features import FRAME_RATE, HOPS_PER_FRAME, MFCC_COUNT, PHONETIC_PER_FRAME, PHONETIC_RATE, RATE
from ..phones.inventory import PHONES
from ..topology import ARKIT_NAMES, LANDMARK_COUNT
from .session import Declared, Session

#: The axes of an input or output. A number is exactly that; a word is any number from 1 up, the same wherever the word
#: stands; :data:`WIDTH` is the sidecar's ``features``; None is any number by itself.
Shape = tuple[int | str | None, ...]

WIDTH: Final = "features"
#: Stands for the names of inputs or outputs that may be called anything.
ANY: Final = "*"
#: Outputs of a listener that are no features: what is said, as logarithms of probabilities at :data:`PHONETIC_RATE`.
READINGS: Final[Mapping[str, Shape]] = MappingProxyType({"phones": (1, None, len(PHONES)), "word_start": (1, None, 1)})
#: Numbers that inputs and outputs may be, as ONNX Runtime names them.
FLOATS: Final = "tensor(float)"
WHOLE: Final = "tensor(int64)"
_GIVEN: Final = (FLOATS, "tensor(float16)", "tensor(double)")
#: How far the number of an encoder's or listener's vectors may be from 50 a second.
_SLACK: Final = 5
#: Numbers of a frame's input that are not the listener's nor an encoder's.
_CEPSTRA: Final = HOPS_PER_FRAME * MFCC_COUNT


@dataclass(frozen=True, slots=True)
class Signature:
    """What networks of a kind take and give.

    Attributes
    ----------
    inputs, outputs : mapping of str to Shape
        By name; :data:`ANY` alone stands for one input, or at least one output, of any name.
    whole : tuple of str
        Inputs that are 64-bit whole numbers; all others are 32-bit floats.
    some : bool
        Whether a network may take only some of the inputs.
    rate : float or None
        What the sidecar must give as outputs per second; None for kinds where no code depends on it.
    more : mapping of str to Shape
        Outputs that it may give besides.
    sides : mapping of str to int
        What a word stands for in networks that do not leave that axis free.
    """

    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]
    whole: tuple[str, ...] = ()
    some: bool = False
    rate: float | None = None
    more: Mapping[str, Shape] = field(default_factory=dict)
    sides: Mapping[str, int] = field(default_factory=dict)

    def wanted(self, name: str) -> Shape | None:
        """Return the shape that the output ``name`` must have; None for one that nobody asks for."""
        return self.more.get(name) or self.outputs.get(name, self.outputs.get(ANY))

    def named(self, features: int) -> tuple[Mapping[str, Shape], Mapping[str, Shape]]:
        """Return inputs and outputs as a sidecar with that ``features`` must describe them."""
        known = {WIDTH: features, **self.sides}
        inputs, outputs = (
            {name: tuple(known.get(axis, axis) if isinstance(axis, str) else axis for axis in shape)
             for name, shape in shapes.items()}
            for shapes in (self.inputs, {**self.outputs, **self.more})
        )  # fmt: skip
        return inputs, outputs


_PLANES: Final = {"warped": 3, "source": 3, "lines": 3, "masks": 2, "oval": 1}
#: Kind of network -> what it takes and gives.
SIGNATURES: Final[Mapping[str, Signature]] = MappingProxyType(
    {
        "phonetic": Signature(
            {"waveform": (1, "samples"), "waveform_lengths": (1,)},
            {ANY: (1, None, None)},
            whole=("waveform_lengths",),
            rate=PHONETIC_RATE,
            more=READINGS,
        ),
        "encoder": Signature({ANY: (1, "samples")}, {ANY: (1, None, WIDTH)}, rate=PHONETIC_RATE),
        "content": Signature(
            {"features": (1, "frames", WIDTH)},
            {"landmarks": (1, "frames", LANDMARK_COUNT * 3), "arkit": (1, "frames", len(ARKIT_NAMES))},
            rate=FRAME_RATE,
        ),
        "voice": Signature({"sound": (1, 25_840)}, {"voice": (1, 256)}),
        "head": Signature(
            {"rhythm": (1, "frames", 7)},
            {"mean": (1, "frames", 7, 6), "spread": (1, "frames", 7, 6), "mixing": (7, 6, 6)},
            rate=FRAME_RATE / 2,
        ),
        "faces": Signature({"t0": (1, 3, 128, 128)}, {"t174": (1, 896, 1), "t175": (1, 896, 16)}),
        "landmarks": Signature({"t0": (1, 3, 256, 256)}, {"t472": (1, 1, 1, 1), "t473": (1, 478 * 3, 1, 1)}),
        "portrait": Signature(
            {name: (1, planes, "height", "width") for name, planes in _PLANES.items()},
            {"frame": (1, 3, "height", "width")},
            some=True,
            sides={"height": 256, "width": 256},
        ),
    }
)


def check_description(
    label: str, kind: str, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape], features: int
) -> None:
    """Check what a sidecar says of inputs and outputs against what networks of its kind must take and give.

    Raises
    ------
    ModelError
        If a network so described could not be used.
    """
    signature = SIGNATURES[kind]
    given, needed = signature.named(features)
    _check_names(label, kind, inputs, outputs)
    for name, shape in inputs.items():
        there_is = given.get(name, given.get(ANY, ()))
        if not _takes(shape, there_is):
            raise ModelError(
                f"The network '{label}' takes '{name}' as {_words(shape)}; there is {_words(there_is)}. "
                f"{how_to_mend(kind)}"
            )
    for name, shape in outputs.items():
        wanted = needed.get(name, needed.get(ANY))
        if wanted is not None and not _gives(shape, wanted):
            raise ModelError(
                f"The network '{label}' gives '{name}' as {_words(shape)}; it must be {_words(wanted)}. "
                f"{how_to_mend(kind)}"
            )
    hidden = [shape for name, shape in outputs.items() if name not in signature.more]
    widths = [width for shape in hidden for width in shape[2:] if isinstance(width, int)]
    if kind == "phonetic" and len(widths) == len(hidden) and sum(widths) != features:
        raise ModelError(
            f"The network '{label}' gives vectors of {sum(widths)} numbers; its description says {features}. "
            f"{how_to_mend(kind)}"
        )


def _check_names(label: str, kind: str, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape]) -> None:
    """Check the names of inputs and outputs, and how many there are."""
    signature = SIGNATURES[kind]
    if ANY in signature.inputs:
        unknown = list(inputs) if len(inputs) > 1 else []
        lacking, there = [], "one waveform"
    else:
        unknown = sorted(set(inputs) - set(signature.inputs))
        lacking = [] if signature.some else sorted(set(signature.inputs) - set(inputs))
        there = ", ".join(signature.inputs)
    if unknown or not inputs:
        raise ModelError(
            f"The network '{label}' asks for {', '.join(unknown) or 'nothing'}; there is {there}. {how_to_mend(kind)}"
        )
    if lacking:
        raise ModelError(f"The network '{label}' does not take {', '.join(lacking)}. {how_to_mend(kind)}")
    missing = sorted(set(signature.outputs) - set(outputs) - {ANY})
    if missing or not outputs:
        raise ModelError(f"The network '{label}' gives no {', '.join(missing) or 'outputs'}. {how_to_mend(kind)}")


def check_file(
    label: str,
    kind: str,
    described: tuple[Mapping[str, Shape], Mapping[str, Shape]],
    declared: tuple[Mapping[str, Declared], Mapping[str, Declared]],
) -> None:
    """Check what a network file declares against its sidecar, and the numbers it takes and gives.

    ``described`` and ``declared`` hold inputs and outputs.

    Raises
    ------
    ModelError
        If the sidecar describes another network, or its numbers are of a type that it is not given.
    """
    whole = SIGNATURES[kind].whole
    for shapes, found, verb in zip(described, declared, ("take", "give"), strict=True):
        lacking = sorted(set(shapes) - set(found))
        extra = sorted(set(found) - set(shapes)) if verb == "take" else []
        if lacking or extra:
            wrong = f"does not {verb} {', '.join(lacking)}" if lacking else f"also takes {', '.join(extra)}"
            raise ModelError(f"The network '{label}' is not as its description says: it {wrong}. {how_to_mend(kind)}")
        for name, shape in shapes.items():
            tensor = found[name]
            if tensor.numbers not in ((WHOLE if name in whole else FLOATS,) if verb == "take" else _GIVEN):
                raise ModelError(
                    f"The network '{label}' {verb}s '{name}' as {tensor.numbers}; it must be "
                    f"{'64-bit whole numbers' if name in whole else '32-bit floats'}. {how_to_mend(kind)}"
                )
            if tensor.shape and not _alike(shape, tensor.shape, verb == "take"):
                raise ModelError(
                    f"The network '{label}' {verb}s '{name}' as {_words(tensor.shape)}; its description says "
                    f"{_words(shape)}. {how_to_mend(kind)}"
                )


class CheckedSession:
    """A network whose outputs are what its kind must give: the arrays, their shapes, and finite numbers in them."""

    def __init__(self, session: Session, kind: str, label: str, outputs: Mapping[str, Shape], features: int) -> None:
        """Check what ``session`` gives; ``outputs`` are those its sidecar describes, and all that is returned."""
        self._session, self._kind, self.label = session, kind, label
        shapes = {name: SIGNATURES[kind].wanted(name) for name in outputs}
        self._outputs = {
            name: tuple(features if axis == WIDTH else axis for axis in shape)
            for name, shape in shapes.items()
            if shape is not None
        }
        self._features = features

    def __call__(self, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """Return the network's outputs for ``inputs``.

        Raises
        ------
        ModelError
            If the network fails, or gives something else than it must.
        """
        found = self._session(inputs)
        signature, sizes = SIGNATURES[self._kind], dict[str, int]()
        for name, values in inputs.items():
            shape = signature.inputs.get(name, signature.inputs.get(ANY, ()))
            sizes |= {axis: size for axis, size in zip(shape, values.shape, strict=True) if isinstance(axis, str)}
        outputs = {name: values for name, values in found.items() if name in self._outputs}
        for name, wanted in self._outputs.items():
            needed = tuple(sizes.get(axis) if isinstance(axis, str) else axis for axis in wanted)
            self._check(name, outputs.get(name), needed)
        self._check_as_a_whole(outputs, sizes)
        return outputs

    def _check(self, name: str, values: Any, needed: Shape) -> None:
        """Check one output."""
        if not isinstance(values, np.ndarray) or values.dtype.kind != "f":
            raise ModelError(f"The network '{self.label}' returned no '{name}' of numbers. {how_to_mend(self._kind)}")
        fits = values.ndim == len(needed) and all(
            size > 0 if axis is None else size == axis for size, axis in zip(values.shape, needed, strict=True)
        )
        if not fits:
            raise ModelError(
                f"The network '{self.label}' returned no '{name}' of {_words(needed)} numbers but one of "
                f"{_words(values.shape)}. {how_to_mend(self._kind)}"
            )
        if not np.isfinite(values).all():
            raise ModelError(
                f"The network '{self.label}' returned no '{name}' of finite numbers: some are infinite or none at all. "
                "Train or export it again."
            )

    def _check_as_a_whole(self, outputs: Mapping[str, NDArray[Any]], sizes: Mapping[str, int]) -> None:
        """Check what no single output shows: vectors a second, and the width of a listener's vectors."""
        if "samples" in sizes:
            wanted = sizes["samples"] * PHONETIC_RATE / RATE
            for name, rows in outputs.items():
                if abs(rows.shape[1] - wanted) > _SLACK:
                    raise ModelError(
                        f"The network '{self.label}' returned {rows.shape[1]} vectors in '{name}' for "
                        f"{sizes['samples']} samples, which are not {PHONETIC_RATE} a second. {how_to_mend(self._kind)}"
                    )
        if self._kind != "phonetic":
            return
        width = sum(rows.shape[2] for name, rows in outputs.items() if name not in READINGS)
        if width != self._features:
            raise ModelError(
                f"The network '{self.label}' returned vectors of {width} numbers; its description says "
                f"{self._features}. {how_to_mend(self._kind)}"
            )


def frame_numbers(listener: int, encoder: int) -> int:
    """Return how many numbers a frame of a content network's input has, by the widths of what it hears with."""
    return PHONETIC_PER_FRAME * (listener + encoder) + _CEPSTRA


def how_to_mend(kind: str) -> str:
    """Return what to do about a network that does not fit."""
    if kind == "portrait":
        return "Describe it again: python -m training.portrait.sidecar."
    return "Describe it again: python -m training.listener.encoders." if kind == "encoder" else "Export it again."


def _words(shape: Shape) -> str:
    return " x ".join("any" if axis is None else str(axis) for axis in shape) or "a single number"


def _takes(described: Shape, given: Shape) -> bool:
    """Return whether an input so described takes all that is given: an axis of any length must not be fixed."""
    return len(described) == len(given) and all(
        isinstance(axis, str) or axis == size for axis, size in zip(described, given, strict=True)
    )


def _gives(described: Shape, needed: Shape) -> bool:
    """Return whether an output so described may be what is needed: axes of any length are seen when it runs."""
    return len(described) == len(needed) and all(
        not isinstance(axis, int) or not isinstance(size, int) or axis == size
        for axis, size in zip(described, needed, strict=True)
    )


def _alike(described: Shape, declared: Shape, is_input: bool) -> bool:
    """Return whether a file's axes may be those described; those of an input that are free must be free in it."""
    if len(described) != len(declared):
        return False
    for axis, size in zip(described, declared, strict=True):
        if isinstance(size, int) and (axis != size if isinstance(axis, int) else is_input):
            return False
    return True

"""How the channels of a sound become the one that is heard: their mean, or one of them alone.

Automatic takes the mean, as a voice is in all channels as a rule, or everybody has a channel of their own. Where the
channels cancel each other out (a cable with its poles exchanged, a "wide" stereo effect) the mean holds next to nothing
of the voice; then the channel that holds most is heard. What is decided depends on the sound alone and not on the part
of it that is asked for: the first three minutes are looked at, and moments after them, ever further apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..errors import AudioError

Array = NDArray[np.float32]

#: What may be asked for besides the number of a channel.
AUTOMATIC: Final = "auto"
MEAN: Final = "mix"
#: Names of the channels of a stereo sound, and their numbers from 0.
_SIDES: Final = {"left": 0, "right": 1}
#: Seconds from the start that are looked at, seconds of each later look, how much later each is than the one before,
#: and how many there are: the last one is three hours and a half after the start. They are few, as not every sound can
#: be jumped into.
_START: Final = 180
_LOOK: Final = 20
_GROWTH: Final = 1.6
_LOOKS: Final = 10
#: Hertz between which voices are looked for: hum and rumble below are in all channels alike.
_BAND: Final = (150, 4000)
#: Parts of a second that are judged one by one, and how many are transformed at a time.
_STEPS: Final = 20
_BATCH: Final = 200
#: Share of the louder moments' energy from which something sounds (20 dB less), and what counts as silence.
_SOUNDS: Final = 1e-2
_SILENCE: Final = 1e-9
#: The mean has lost a moment if it has less than this share of the energy that unrelated channels would leave in it, a
#: channel has if it has less than this share of the strongest one's.
_MEAN_LOST: Final = 0.25
_CHANNEL_LOST: Final = 0.1
#: Share of all moments that a channel must hold beyond those that the mean holds to be heard in its place.
_GAIN: Final = 0.2
#: Channels that hold nearly as many moments as the best, and are nearly as loud, are as good: the first is taken.
_ALIKE: Final = 0.05
_AS_LOUD: Final = 0.9


@dataclass(frozen=True, slots=True)
class Mixdown:
    """What is heard of a sound with several channels.

    Attributes
    ----------
    count : int
        Number of channels.
    taken : int or None
        Number, from 0, of the channel that is heard alone; None for the mean of all.
    asked : str
        What was asked for, as :func:`choice` returns it.
    """

    count: int
    taken: int | None = None
    asked: str = AUTOMATIC

    def mono(self, block: Array) -> Array:
        """Return what is heard (N,) of samples (N, C)."""
        if self.taken is None and block.shape[1] > 1:
            mean: Array = block.mean(axis=1, dtype=np.float32)
            return mean
        one: Array = np.ascontiguousarray(block[:, self.taken or 0])
        return one

    @property
    def noted(self) -> str:
        """What a take says of it: ``left``, ``right``, a number, ``mix`` if that was chosen; empty for plain means."""
        if self.count == 1:
            return ""
        if self.taken is None:
            return MEAN if self.asked == MEAN else ""
        return self._name(self.taken)

    def remarks(self, label: str) -> tuple[str, ...]:
        """Return what to say of it about the sound that is called ``label``: that channels cancel each other out."""
        if self.asked != AUTOMATIC or self.taken is None:
            return ()
        if self.count == 2:
            kept = f"Left and right of {label} cancel each other out: the {self._name(self.taken)} channel is heard."
        else:
            kept = f"The channels of {label} cancel each other out: channel {self.taken + 1} of {self.count} is heard."
        return (f"{kept} Choose another channel if that is not the one who speaks.",)

    def _name(self, number: int) -> str:
        names = {place: name for name, place in _SIDES.items()} if self.count == 2 else {}
        return names.get(number, str(number + 1))


def choice(text: str) -> str:
    """Return which channel is asked for: ``auto``, ``mix``, ``left``, ``right`` or a number from 1, as text.

    Raises
    ------
    AudioError
        If it is none of these.
    """
    name = text.strip().lower()
    if name in (AUTOMATIC, MEAN, *_SIDES):
        return name
    if name.isascii() and name.isdigit() and 0 < len(name) < 6 and int(name) > 0:
        return str(int(name))
    raise AudioError(f"'{text}' is not a channel: choose auto, mix, left, right, or a number from 1 up.")


def decided(read: Callable[[int, int], Iterator[Array]], rate: int, label: str, asked: str = AUTOMATIC) -> Mixdown:
    """Return what is heard of a sound's channels.

    Parameters
    ----------
    read
        Yields the samples (N, C) of the seconds from the first number to the second, nothing beyond the end.
    rate : int
        Samples per second.
    label : str
        What to call the sound in a message.
    asked : str
        As :func:`choice` returns it.

    Raises
    ------
    AudioError
        If the sound lacks the channel that is asked for, or whether it has cannot be found out.
    """
    try:
        count = next((block.shape[1] for block in read(0, 1) if len(block)), 1)
    except AudioError:
        if asked != AUTOMATIC:
            raise
        return Mixdown(1)  # whoever hears the beginning is told; the rest is heard as the mean
    if asked not in (AUTOMATIC, MEAN):
        return Mixdown(count, _number(asked, count, label), asked)
    if count == 1 or asked == MEAN:
        return Mixdown(count, None, asked)
    return Mixdown(count, _rescued(_looked_at(read, rate)), asked)


def _number(asked: str, count: int, label: str) -> int:
    """Return the number, from 0, of a channel that is asked for by its name or number."""
    number = _SIDES[asked] if asked in _SIDES else int(asked) - 1
    if number < count:
        return number
    has = "one channel (mono)" if count == 1 else f"{count} channels"
    which = f"no {asked} one" if asked in _SIDES else f"no channel {asked}"
    raise AudioError(f"{label} has {has}: there is {which}. Choose another channel, or let it be automatic.")


def _looked_at(read: Callable[[int, int], Iterator[Array]], rate: int) -> NDArray[np.float64]:
    """Return the energy (M, C + 1) of voices in each channel and in the mean, at moments of the sound."""
    found: list[NDArray[np.float64]] = []
    spans = [(0, _START), *((at, at + _LOOK) for at in (round(_START * _GROWTH**k) for k in range(_LOOKS)))]
    for first, last in spans:
        before = len(found)
        try:
            found += _energies(read(first, last), rate)
        except AudioError:  # who hears that part is told; what was seen so far has to do
            break
        if len(found) == before:
            break
    return np.concatenate(found) if found else np.zeros((0, 1))


def _energies(blocks: Iterator[Array], rate: int) -> Iterator[NDArray[np.float64]]:
    """Yield the energies (M, C + 1) of a stretch's channels and of their mean in steps of 1/20 s."""
    size = max(rate // _STEPS, 2)
    window = np.hanning(size + 1)[:size].astype(np.float32)[None, :, None]
    pitches = np.fft.rfftfreq(size, 1 / rate)
    band = (pitches >= _BAND[0]) & (pitches <= _BAND[1])
    left: Array | None = None
    for block in blocks:
        joined = block if left is None else np.concatenate([left, block])
        whole = len(joined) // size
        left = joined[whole * size :].copy()
        steps = joined[: whole * size].reshape(whole, size, joined.shape[1])
        for begin in range(0, whole, _BATCH):
            spectra = np.fft.rfft(steps[begin : begin + _BATCH] * window, axis=1)[:, band]
            every = np.concatenate([spectra, spectra.mean(axis=2, keepdims=True)], axis=2)
            yield np.square(np.abs(every), dtype=np.float64).sum(axis=1) / size**2


def _rescued(energies: NDArray[np.float64]) -> int | None:
    """Return the number of the channel to hear because the mean has lost what the channels hold; None if it has not."""
    channels, mean = energies[:, :-1], energies[:, -1]
    count = channels.shape[1]
    strongest = channels.max(axis=1, initial=0.0)
    loud = float(np.percentile(strongest, 95)) if len(strongest) else 0.0
    sounding = strongest > max(loud * _SOUNDS, _SILENCE)
    if loud <= _SILENCE or not sounding.any():
        return None
    channels, mean, strongest = channels[sounding], mean[sounding], strongest[sounding]
    held_by_mean = float((mean * count**2 >= _MEAN_LOST * channels.sum(axis=1)).mean())
    held = (channels >= _CHANNEL_LOST * strongest[:, None]).mean(axis=0)
    if held.max() < held_by_mean + _GAIN:
        return None
    total = np.where(held >= held.max() - _ALIKE, channels.sum(axis=0), 0.0)
    return int(np.argmax(total >= _AS_LOUD * total.max()))

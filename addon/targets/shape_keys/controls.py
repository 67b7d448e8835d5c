"""Controls of a rig: what drives shape keys that have drivers, so that it can be keyed in their place.

A driver is followed back to the one number it depends on, through other driven properties if need be: a custom
property, a bone's or an object's shift, turn or scale. No expression is run. What
cannot be followed is refused in words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import bpy
import numpy as np
from mouthpiece.errors import RigError
from numpy.typing import NDArray

from ...keys import rna_values
from ...keys.channels import Channel, Part
from ...keys.fcurve_keys import channel_id

if TYPE_CHECKING:
    from mouthpiece.retarget.controls.courses import ControlCourse, Follows

Floats = NDArray[np.float64]

_KEY: Final = re.compile(r'^key_blocks\["((?:[^"\\]|\\.)+)"\]\.value$')
_INDEX: Final = re.compile(r"\[(\d+)\]$|\.([xyzw])$")
_BONE: Final = re.compile(r'^pose\.bones\["((?:[^"\\]|\\.)+)"\]')
_AXES: Final = {"X": 0, "Y": 1, "Z": 2}
#: Kinds of TRANSFORMS variables that are one channel each -> the property.
_TRANSFORMS: Final = {"LOC": "location", "ROT": "rotation_euler", "SCALE": "scale"}
_SHIFTS: Final = {"location": "shift", "rotation_euler": "turn", "scale": "scale"}
_LIMITS: Final = {"LIMIT_LOCATION": "location", "LIMIT_ROTATION": "rotation_euler", "LIMIT_SCALE": "scale"}
_COMBINED: Final[Mapping[str, Any]] = {"SUM": np.sum, "AVERAGE": np.mean, "MIN": np.min, "MAX": np.max}
#: Properties are followed through at most so many drivers.
_DEEPEST: Final = 8
#: Limits beyond this are none; a key that stays farther from its curve than this on a frame falls short.
_ENDLESS: Final = 1e30
_SHORT: Final = 0.05
#: Inputs by which a driver's curve is compared with none.
_PROBES: Final = (-1000.0, -1.0, 0.0, 0.37, 1.0, 1000.0)


@dataclass(frozen=True, slots=True)
class ControlPlace:
    """Where a control is: its data-block, data path and index."""

    owner: bpy.types.ID
    path: str
    index: int

    @property
    def label(self) -> str:
        """What an animator calls it: "'Jaw' of Rig", "the Y shift of bone 'jaw_slider' of Rig"."""
        name, bone = self.owner.name, _BONE.match(self.path)
        of = f"bone '{bpy.utils.unescape_identifier(bone[1])}' of {name}" if bone else name
        own = re.search(r'\["((?:[^"\\]|\\.)+)"\]$', self.path)
        if own and not (bone and bone.end() == len(self.path)):
            return f"'{bpy.utils.unescape_identifier(own[1])}' of {of}"
        last = self.path.rpartition(".")[2]
        if last in _SHIFTS:
            return f"the {'XYZ'[self.index]} {_SHIFTS[last]} of {of}"
        return f"'{last.replace('_', ' ')}' of {of}"


@dataclass(slots=True)
class KeyControls:
    """What drives the keys of a mesh that have drivers.

    ``courses`` are the controls that can be keyed, each with its keys; ``refused`` has a sentence for each key whose
    driver cannot be followed; ``led`` are keys that follow another key of the mesh.
    """

    courses: dict[ControlPlace, ControlCourse] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    led: tuple[str, ...] = ()

    @property
    def played(self) -> dict[str, ControlPlace]:
        """The keys that a control plays, each with the control."""
        return {name: place for place, course in self.courses.items() for name in course.names}


class _Refused(Exception):
    """A driver cannot be followed; its text says why, as the end of a sentence."""


def controls_of(key: bpy.types.Key, names: Iterable[str]) -> KeyControls:
    """Return what drives those keys called ``names`` that have drivers."""
    from mouthpiece.retarget.controls.courses import course

    found = KeyControls()
    wanted = dict.fromkeys(names)
    follows: dict[ControlPlace, dict[str, Follows]] = {}
    led = []
    for curve in _drivers(key):
        match = _KEY.match(curve.data_path)
        name = bpy.utils.unescape_identifier(match[1]) if match else ""
        if name not in wanted:
            continue
        try:
            place, follow = _traced(curve)
            leader = _KEY.match(place.path) if place.owner == key else None
            if leader and bpy.utils.unescape_identifier(leader[1]) in wanted:
                led.append(name)
                continue
            _check_editable(place)
            follows.setdefault(place, {})[name] = follow
        except _Refused as reason:
            found.refused[name] = _refusal(name, curve.driver, str(reason))
    for place, of_place in follows.items():
        ranges = {name: (key.key_blocks[name].slider_min, key.key_blocks[name].slider_max) for name in of_place}
        done = course(of_place, ranges, _default(place), _limits(place))
        if done is not None and done.is_straight:
            found.courses[place] = done
            continue
        for name in of_place:
            how = "does not move in a straight way with it" if done is not None else "does not follow it"
            text = f"{name} is driven by {place.label} but {how}"
            found.refused[name] = f"{text}: key that by hand, or remove the driver"
    found.led = tuple(led)
    return found


def _refusal(name: str, driver: Any, reason: str) -> str:
    """Return the sentence about a key whose driver is refused."""
    told = dict.fromkeys(label for variable in driver.variables for label in _labels(variable))
    by = " and ".join(told) or "nothing that can be keyed"
    how = f" (expression {driver.expression})" if driver.type == "SCRIPTED" and driver.expression else ""
    return f"{name} is driven by {by}{how}, which {reason}: key that by hand, or remove the driver"


def _labels(variable: Any) -> list[str]:
    """Return what a driver's variable reads, in words."""
    found = []
    for target in variable.targets:
        if target.id is None:
            continue
        try:
            found.append(_place(variable, target).label if variable.type in ("SINGLE_PROP", "TRANSFORMS") else "")
        except _Refused:
            found.append("")
        if not found[-1]:
            bone = f"bone '{target.bone_target}' of " if target.bone_target else ""
            found[-1] = f"{bone}{target.id.name}"
    return found


def _drivers(owner: bpy.types.ID) -> Sequence[Any]:
    data = getattr(owner, "animation_data", None)
    return [curve for curve in data.drivers if not curve.mute] if data is not None else []


def _followed(place: ControlPlace, depth: int = 0) -> tuple[ControlPlace, Follows]:
    """Return the control that a property depends on in the end, and the property's value as a function of it."""
    places = ((c, c.data_path == place.path and c.array_index == place.index) for c in _drivers(place.owner))
    curve = next((curve for curve, here in places if here), None)
    return (place, lambda values: values) if curve is None else _traced(curve, depth)


def _traced(curve: Any, depth: int = 0) -> tuple[ControlPlace, Follows]:
    """Return the control that a driver depends on in the end, and its value as a function of it."""
    if depth >= _DEEPEST:
        raise _Refused("goes through too many drivers")
    driver, inputs = curve.driver, {}
    if not driver.is_valid:
        raise _Refused("has an error")
    places: dict[ControlPlace, None] = {}
    for variable in driver.variables:
        place = _place(variable, variable.targets[0])
        added = _added(place) if variable.type == "TRANSFORMS" else 0.0
        control, follow = _followed(place, depth + 1)
        places[control] = None
        inputs[variable.name] = _shifted(follow, added)
    if not places:
        raise _Refused("is no control")
    if len(places) > 1:
        raise _Refused("are several controls")
    return next(iter(places)), _composed(driver, curve, inputs)


def _shifted(follow: Follows, added: float) -> Follows:
    return (lambda values: follow(values) + added) if added else follow


def _composed(driver: Any, curve: Any, inputs: Mapping[str, Follows]) -> Follows:
    """Return the value of a driver as a function of the one control that all its variables depend on."""
    mapped = _mapping(curve)
    if driver.type == "SCRIPTED":
        from mouthpiece.retarget.controls.expressions import parse

        try:
            expression = parse(driver.expression, frozenset(inputs))
        except RigError as error:
            raise _Refused("goes beyond what can be followed back") from error
        return lambda values: mapped(expression.evaluate({name: f(values) for name, f in inputs.items()}))
    combine = _COMBINED[driver.type]
    return lambda values: mapped(combine([f(values) for f in inputs.values()], axis=0))


def _mapping(curve: Any) -> Callable[[Floats], Floats]:
    """Return what a driver's own curve and modifiers make of its value."""
    if curve.is_empty or all(abs(curve.evaluate(x) - x) <= 1e-6 * max(abs(x), 1.0) for x in _PROBES):
        return lambda values: values
    return lambda values: np.array([curve.evaluate(x) for x in np.atleast_1d(values).tolist()])


def _place(variable: Any, target: Any) -> ControlPlace:
    """Return the channel that a driver's variable reads."""
    if target.id is None:
        raise _Refused("is gone")
    if variable.type == "SINGLE_PROP":
        return _property(target.id, target.data_path)
    if variable.type == "TRANSFORMS":
        return _transform(target)
    raise _Refused("is no single control")


def _property(owner: bpy.types.ID, data_path: str) -> ControlPlace:
    """Return the channel of a property that a variable reads by its path."""
    path, index = data_path, 0
    match = _INDEX.search(data_path)
    try:
        if match and hasattr(owner.path_resolve(data_path[: match.start()]), "__len__"):
            path = data_path[: match.start()]
            index = int(match[1]) if match[1] else "xyzw".index(match[2])
        value = owner.path_resolve(path)
        value = value[index] if hasattr(value, "__len__") else value
    except (ValueError, KeyError, IndexError) as error:
        raise _Refused("is gone") from error
    if not isinstance(value, float):
        raise _Refused("is a switch or a whole number, which cannot follow a mouth smoothly")
    return ControlPlace(owner, path, index)


def _transform(target: Any) -> ControlPlace:
    """Return the channel of an object or a bone that a variable reads as a transform."""
    kind, _, axis = target.transform_type.partition("_")
    if target.transform_space == "WORLD_SPACE":
        raise _Refused("is read in world space, where other things move it as well")
    if kind not in _TRANSFORMS or axis not in _AXES:
        raise _Refused("is no single channel")
    obj: Any = target.id
    bone = obj.pose.bones.get(target.bone_target) if target.bone_target and obj.pose else None
    if target.bone_target and bone is None:
        raise _Refused("is gone")
    holder = obj if bone is None else bone
    if kind == "ROT":
        modes = ("AUTO", holder.rotation_mode)
        if len(holder.rotation_mode) != 3 or target.rotation_mode not in modes:  # not of the kind XYZ
            raise _Refused("turns by a quaternion, or is read in another order of axes than it turns by")
    if any(not c.mute and c.influence > 0 and c.type not in _LIMITS for c in holder.constraints):
        raise _Refused("is moved by constraints")
    if bone is not None and kind == "LOC" and bone.parent is not None and not bone.bone.use_local_location:
        raise _Refused("shifts along its parent's axes")
    prefix = "" if bone is None else f"{bone.path_from_id()}."
    return ControlPlace(obj, f"{prefix}{_TRANSFORMS[kind]}", _AXES[axis])


def _added(place: ControlPlace) -> float:
    """Return what an object's delta transform adds to a channel that is read as a transform."""
    delta = {"location": "delta_location", "rotation_euler": "delta_rotation_euler"}.get(place.path)
    return float(getattr(place.owner, delta)[place.index]) if delta and hasattr(place.owner, delta) else 0.0


def _check_editable(place: ControlPlace) -> None:
    if not place.owner.is_editable:
        raise _Refused("is linked from a library: make a library override of it, or make it local")


def _default(place: ControlPlace) -> float:
    """Return the default of a control."""
    last = place.path.rpartition(".")[2]
    if last in _SHIFTS:
        return 1.0 if last == "scale" else 0.0
    value = rna_values.default(place.owner, place.path, place.index)
    low, high = _limits(place)
    return min(max(value, low), high)


def _limits(place: ControlPlace) -> tuple[float, float]:
    """Return the least and the greatest value of a control: of its property, or by the limits of its bone or object."""
    last = place.path.rpartition(".")[2]
    if last in _SHIFTS:
        return _limited(place, last)
    match = re.match(r'^(?P<holder>.*?)\["(?P<own>(?:[^"\\]|\\.)*)"\]$', place.path)
    if match:
        holder: Any = place.owner.path_resolve(match["holder"]) if match["holder"] else place.owner
        shown = holder.id_properties_ui(bpy.utils.unescape_identifier(match["own"])).as_dict()
        return _finite(shown.get("min"), shown.get("soft_min"), -1), _finite(shown.get("max"), shown.get("soft_max"), 1)
    head, _, name = place.path.rpartition(".")
    prop = (place.owner.path_resolve(head) if head else place.owner).bl_rna.properties[name]
    if _KEY.match(place.path):
        block = place.owner.path_resolve(head)
        return block.slider_min, block.slider_max
    return _finite(prop.hard_min, prop.soft_min, -1), _finite(prop.hard_max, prop.soft_max, 1)


def _finite(hard: float | None, soft: float | None, sign: int) -> float:
    """Return the hard limit, else the soft one, else infinity."""
    return next((float(x) for x in (hard, soft) if x is not None and abs(x) < _ENDLESS), sign * np.inf)


def _limited(place: ControlPlace, last: str) -> tuple[float, float]:
    """Return the limits that constraints set for a shift, turn or scale in local space."""
    bone = _BONE.match(place.path)
    holder: Any = place.owner.path_resolve(bone[0]) if bone else place.owner
    axis, low, high = "xyz"[place.index], -np.inf, np.inf
    for limit in holder.constraints:
        if limit.mute or limit.influence <= 0 or _LIMITS.get(limit.type) != last or limit.owner_space == "WORLD":
            continue
        turn = limit.type == "LIMIT_ROTATION"
        if getattr(limit, f"use_limit_{axis}" if turn else f"use_min_{axis}"):
            low = max(low, getattr(limit, f"min_{axis}"))
        if getattr(limit, f"use_limit_{axis}" if turn else f"use_max_{axis}"):
            high = min(high, getattr(limit, f"max_{axis}"))
    return float(low), float(high)


@dataclass(slots=True)
class ControlParts:
    """Parts that play a mesh's keys, those with drivers by their controls, and remarks on them."""

    parts: tuple[Part, ...]
    remarks: list[str] = field(default_factory=list)


def played(part: Part, found: KeyControls) -> ControlParts:
    """Return ``part``, of a mesh's shape keys, with keys that have drivers played by their controls.

    Channels must be called like their keys. The first part is that of the keys without drivers, and it may be empty.
    """
    from mouthpiece.curves import Curves

    left_out = {*found.played, *found.refused, *found.led}
    free = tuple(channel for channel in part.channels if channel.name not in left_out)
    frames = part.curves.frames
    columns = [part.curves[channel.name] for channel in free]
    table = np.stack(columns, axis=1) if columns else np.zeros((len(frames), 0), np.float32)
    result = ControlParts((Part(part.owner, free, Curves(tuple(c.name for c in free), frames, table)),))
    layers = {channel.name: channel.layer for channel in part.channels}
    by_owner: dict[bpy.types.ID, list[tuple[Channel, Floats]]] = {}
    for place, course in found.courses.items():
        wanted = {name: part.curves[name] for name in course.names if name in layers}
        if len(wanted) < len(course.names):
            continue
        track = course.track(wanted)
        own = [layers[name] for name in course.names]
        layer = next((layer for layer in ("lips", "tongue", "eyes", "expression") if layer in own), own[0])
        label = place.label[0].upper() + place.label[1:]
        by_owner.setdefault(place.owner, []).append((Channel(label, place.path, place.index, layer), track))
        result.remarks += _shortfall(place, course, track, wanted)
    for owner, channels in by_owner.items():
        names = tuple(channel.name for channel, _ in channels)
        values = np.stack([track for _, track in channels], axis=1).astype(np.float32)
        result.parts += (Part(owner, tuple(channel for channel, _ in channels), Curves(names, frames, values)),)
    result.remarks += list(found.refused.values())
    return result


def _shortfall(
    place: ControlPlace, course: ControlCourse, track: Floats, wanted: Mapping[str, NDArray[np.floating[Any]]]
) -> list[str]:
    """Return a remark if a control cannot bring its keys to where they should be."""
    reached = course.played(track)
    aims = np.stack([wanted[name] for name in course.names])
    short = int((np.abs(reached - aims).max(axis=0) > _SHORT).sum())
    if not short:
        return []
    what = f"{', '.join(course.names)} cannot be reached by {place.label}"
    return [
        f"{what} on {short} {'frame' if short == 1 else 'frames'}: its limits, or keys that share it, are in the way"
    ]


@dataclass(frozen=True, slots=True)
class ControlsInWords:
    """The controls that are keyed, as text, the keys they play, and those whose drivers cannot be followed: names."""

    text: str = ""
    played: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


#: What was found last, by shape-key data-block and names, with the drivers it was found for.
_KNOWN: Final[dict[tuple[int, tuple[str, ...]], tuple[tuple[Any, ...], ControlsInWords]]] = {}
_MOST: Final = 64


def in_words(key: bpy.types.Key, names: tuple[str, ...]) -> ControlsInWords:
    """Return :func:`controls_of` in words; as long as the drivers stay as they are, that is quick."""
    drivers = _drivers(key)
    if not drivers:
        return ControlsInWords()
    place, signature = (key.session_uid, names), tuple(map(_signature, drivers))
    known = _KNOWN.get(place)
    if known is not None and known[0] == signature:
        return known[1]
    if len(_KNOWN) >= _MOST:
        _KNOWN.clear()
    found = controls_of(key, names)
    words = ControlsInWords(listed_controls(found), tuple(found.played), tuple(found.refused))
    _KNOWN[place] = signature, words
    return words


def _signature(curve: Any) -> tuple[Any, ...]:
    """Return a value that stays equal as long as a driver, and how many its owners have, does."""
    driver = curve.driver
    variables = tuple(
        (v.name, v.type, t.data_path, t.bone_target, t.transform_type, t.transform_space, _count(t.id))
        for v in driver.variables
        for t in v.targets
    )
    return curve.data_path, driver.type, driver.expression, driver.is_valid, variables


def _count(owner: bpy.types.ID | None) -> tuple[Any, ...]:
    """Return which data-block it is, and how many drivers it has."""
    return () if owner is None else (owner.session_uid, owner.is_editable, len(_drivers(owner)))


def listed_controls(found: KeyControls) -> str:
    """Return the controls that are keyed, as text: "the controls 'Jaw', 'Smile' of Rig"; empty if there are none."""
    from mouthpiece.retarget.shape_keys.table import listed

    labels = [place.label for place in found.courses]
    return f"{'the control' if len(labels) == 1 else 'the controls'} {listed(labels, 4)}" if labels else ""


def owners_of(key: bpy.types.Key) -> list[bpy.types.ID]:
    """Return the data-blocks of all controls that a mesh's keys can be played by, but for the keys themselves."""
    return list(channels_of(key))


def channels_of(key: bpy.types.Key) -> dict[bpy.types.ID, tuple[str, ...]]:
    """Return the ids of the channels of all controls that a mesh's keys can be played by, by data-block."""
    found: dict[bpy.types.ID, dict[str, None]] = {}
    for curve in _drivers(key):
        if _KEY.match(curve.data_path):
            try:
                place, _ = _traced(curve)
            except _Refused:
                continue
            if place.owner != key:
                found.setdefault(place.owner, {})[channel_id(place.path, place.index)] = None
    return {owner: tuple(ids) for owner, ids in found.items()}

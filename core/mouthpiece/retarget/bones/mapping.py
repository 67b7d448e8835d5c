"""Links between bones and what they follow: profiles that match bones by name, and mapping files."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Final

from ...errors import RigError, UnreadableError
from ...files import ASSETS
from ...files.json_text import parsed_json, quoted, read_json
from ...files.shipped_files import shipped_json
from .controls import CONTROLS, is_number, layer_of

_FILE: Final = ASSETS / "bone_profiles.json"
#: So many bones at least must begin alike for their beginning to be left out.
_SHARED: Final = 3
#: So many times as many controls must be found without it for the beginning that bones share to be left out.
_SURER: Final = 2
#: Format number of mapping files.
FORMAT: Final = 1
#: Most of what a gain may be.
_MOST: Final = 1e6
CHANNELS: Final = ("LOCATION", "ROTATION", "SCALE")
AXES: Final = ("ALL", "X", "Y", "Z")
SPACES: Final = ("FACE", "LOCAL")
POINTS: Final = ("HEAD", "TAIL")
_SIDES: Final = (
    {"S": "L", "s": "l", "Side": "Left", "side": "left"},
    {"S": "R", "s": "r", "Side": "Right", "side": "right"},
)


@dataclass(frozen=True, slots=True)
class Link:
    """A bone, what it follows, and how.

    Attributes
    ----------
    source : str
        A control, an amount, a direction of a control, or an ARKit shape
        (:func:`~mouthpiece.retarget.bones.controls.sources`).
    bone : str
        The bone that gets keys.
    channel : str
        LOCATION, ROTATION or SCALE.
    axis : str
        ALL, or the only axis that is followed: in FACE space an axis of the character (X to its left, Y backwards, Z
        up), in LOCAL space one of the bone.
    gain : float
        Factor on the motion: in FACE space eye distances or radians for one unit of the source, in LOCAL space units
        of the channel.
    space : str
        FACE: the motion of the face is converted to the bone's channels, whatever its rest pose. LOCAL: the source is
        written to the bone's channel unchanged. SCALE is always local.
    point : str
        HEAD or TAIL: the end of the bone that is moved to the control's place (LOCATION in FACE space).
    watch : str
        Another bone whose end is moved to that place, if ``bone`` is only its handle; empty for the bone itself.
    """

    source: str
    bone: str
    channel: str = "LOCATION"
    axis: str = "ALL"
    gain: float = 1.0
    space: str = "FACE"
    point: str = "HEAD"
    watch: str = ""

    def __post_init__(self) -> None:
        """Check all values.

        Raises
        ------
        RigError
            If a word is unknown or the gain is not a number.
        """
        for name, value in (("source", self.source), ("bone", self.bone), ("watch", self.watch)):
            if not isinstance(value, str):
                raise RigError(f"The {name} of a link is {quoted(value)}; it must be a name.")
        try:
            layer_of(self.source)
        except KeyError:
            raise RigError(f"'{self.source}' is nothing a bone can follow. Pick from the list in the table.") from None
        for name, allowed in (("channel", CHANNELS), ("axis", AXES), ("space", SPACES), ("point", POINTS)):
            if getattr(self, name) not in allowed:
                raise RigError(
                    f"The {name} of '{self.bone}' is '{getattr(self, name)}'; it must be one of {', '.join(allowed)}."
                )
        if not self.bone:
            raise RigError(f"No bone is named for '{self.source}'. Pick one, or remove the entry.")
        if self.space == "FACE" and self.channel != "SCALE" and is_number(self.source) and self.axis == "ALL":
            raise RigError(f"'{self.bone}' follows '{self.source}', a single number: choose its axis.")
        if not (isinstance(self.gain, int | float) and abs(self.gain) <= _MOST):
            raise RigError(f"The gain of '{self.bone}' is {quoted(self.gain)}; it must be a number.")


@dataclass(frozen=True, slots=True)
class BoneMatch:
    """The links found for a rig, the name of the profile that found them, and the controls it found no bone for."""

    profile: str
    links: tuple[Link, ...]
    missing: tuple[str, ...] = ()

    def summary(self) -> str:
        """Return one line about what was found, for a panel or report."""
        followed = len({link.source for link in self.links})
        text = f"{followed} of {followed + len(self.missing)} controls by {self.profile}"
        if self.missing:
            text += "; missing: " + ", ".join(self.missing[:6]) + (", …" if len(self.missing) > 6 else "")
        return text


@cache
def _profiles() -> tuple[Mapping[str, Any], ...]:
    data = shipped_json(_FILE)
    return tuple(data["profiles"])


def profile_names() -> tuple[str, ...]:
    """Return the names of the profiles; of several that match equally well, the first is used."""
    return tuple(str(profile["name"]) for profile in _profiles())


def folded(name: str) -> str:
    """Return a bone's name without namespace, case and separators: ``"ns:Lip_Top.L"`` becomes ``"lip_top_l"``."""
    return re.sub(r"[\s.\-_]+", "_", re.split(r"[:|]", name)[-1]).lower()


def match_bones(bones: Sequence[str], locked: Collection[str] = (), profile: str = "") -> BoneMatch:
    """Return the links of the profile that finds the most controls among ``bones``, or of the one called ``profile``.

    Of profiles that find equally many, the one that lacks the fewest is taken. A beginning that most bones share
    (``Bip01 ``, ``CC_Base_``, ``DEF-``) does not count.
    Bones that are ``locked`` (moved by the rig itself) may be a link's ``watch``, but never its ``bone``.

    Raises
    ------
    RigError
        If no profile finds a bone for any control, or there is no such profile.
    """
    if profile and profile not in profile_names():
        raise RigError(f"There is no bone profile '{profile}'. There are: {', '.join(profile_names())}.")
    best = _best(bones, locked, profile, "")
    beginning = shared_beginning(bones)
    if beginning:
        # names as they are go first: a rig's deforming bones are called as its controls, but for their beginning
        bare = _best(bones, locked, profile, beginning)
        best = bare if _count(bare) > _SURER * _count(best) else best
    if not best.links:
        raise RigError(
            f"None of the {len(bones)} bones is one of a face. Looked for, among others: {', '.join(_looked_for())}. "
            "Name the bones so, or add them to the table under Face Bones by hand."
        )
    return best


def _best(bones: Sequence[str], locked: Collection[str], profile: str, beginning: str) -> BoneMatch:
    """Return the match of the best profile, or of the one asked for; names may lack the ``beginning``."""
    every, free = _Names(bones, beginning), _Names([name for name in bones if name not in locked], beginning)
    tried = [_tried(data, every, free) for data in _profiles() if profile in ("", data["name"])]
    return max(tried, key=lambda match: (_count(match), -len(match.missing)))


def _count(match: BoneMatch) -> int:
    """Return how many controls a match found."""
    return len({link.source for link in match.links})


def _looked_for() -> tuple[str, ...]:
    """Return names of bones the profiles look for, for the message that no bone was found."""
    jaws = [next(_alternatives(data["links"]["jaw"]))["bone"] for data in _profiles()]
    words = [word for jaw in jaws for word in ([jaw] if isinstance(jaw, str) else jaw)]
    return tuple(dict.fromkeys([*words, "lips.L", "lip_upper", "lip_corner.L", "brow.L", "eyelid.L", "eye.L"]))


def shared_beginning(names: Sequence[str]) -> str:
    """Return the words, folded, that more than half of the bones begin with: ``"bip01_"``, ``"cc_base_"``, or none."""
    plain, found = [folded(name) for name in names], ""
    while True:
        words = Counter(name[len(found) :].partition("_")[0] for name in plain if name.startswith(found))
        word, count = words.most_common(1)[0] if words else ("", 0)
        longer = f"{found}{word}_"
        if not word or 2 * sum(name.startswith(longer) for name in plain) <= len(plain) or count < _SHARED:
            return found
        found = longer


class _Names:
    """Names of bones, to look up exactly, without case and separators, or without the beginning most of them share."""

    def __init__(self, names: Sequence[str], beginning: str) -> None:
        self._exact = set(names)
        self._loose = {folded(name): name for name in reversed(names)}
        self._bare = {name.removeprefix(beginning): whole for name, whole in self._loose.items()} if beginning else {}

    def pick(self, wanted: Sequence[str]) -> str | None:
        """Return the bone with the first of the ``wanted`` names found exactly, else the first found loosely."""
        found = next((name for name in wanted if name in self._exact), None)
        for table in (self._loose, self._bare):
            found = found or next((table[folded(name)] for name in wanted if folded(name) in table), None)
        return found


def _tried(profile: Mapping[str, Any], every: _Names, free: _Names) -> BoneMatch:
    """Return the links a profile finds among bones."""
    found: dict[str, Link] = {}
    lacking: list[str] = []
    specs = {source: spec for key, value in profile["links"].items() for source, spec in _sided(key, value)}
    for source, spec in specs.items():
        link = _found(source, spec, every, free)
        if link is not None and (link.bone, link.channel) not in {(one.bone, one.channel) for one in found.values()}:
            found[source] = link
        elif not any(option.get("optional") for option in _alternatives(spec)):
            lacking.append(source)
    for source, spec in specs.items():
        instead = {option["unless"] for option in _alternatives(spec) if "unless" in option}
        if instead & found.keys():
            found.pop(source, None)
            lacking = [name for name in lacking if name != source]
    return BoneMatch(str(profile["name"]), tuple(found.values()), tuple(lacking))


def _sided(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield an entry once, or once for each side if its name has a place holder for the side."""
    if "{S}" not in key:
        yield key, value
        return
    text = json.dumps(value)
    for words in _SIDES:
        filled = text
        for word, side in words.items():
            filled = filled.replace("{" + word + "}", side)
        yield key.replace("{S}", words["S"]), parsed_json(filled)


def _alternatives(spec: Any) -> Iterator[dict[str, Any]]:
    """Yield the alternative ways to link a control, best first."""
    for option in spec if isinstance(spec, list) else [spec]:
        yield {"bone": option} if isinstance(option, str) else dict(option)


def _found(source: str, spec: Any, every: _Names, free: _Names) -> Link | None:
    """Return the link by the first alternative whose bones exist, or None."""
    for option in _alternatives(spec):
        bone = free.pick(_listed(option["bone"]))
        if bone is None:
            continue
        turns = source in CONTROLS and CONTROLS[source].turns
        watch = every.pick(_listed(option.get("watch", []))) or ""
        channel = option.get("channel", "ROTATION" if turns else "LOCATION")
        point = option.get("point", "HEAD") if watch or not option.get("watch") else "HEAD"
        return Link(source, bone, channel, point=point, watch=watch)
    return None


def _listed(names: str | list[str]) -> list[str]:
    return [names] if isinstance(names, str) else names


def to_json(links: Iterable[Link], name: str = "") -> str:
    """Return links as the text of a mapping file."""
    entries = [asdict(link) for link in links]
    return json.dumps({"format": FORMAT, "kind": "mouthpiece bones", "name": name, "links": entries}, indent=1) + "\n"


def links_of(stored: Any, where: str = "the mapping") -> tuple[Link, ...]:
    """Return the links in a list of JSON objects.

    Raises
    ------
    RigError
        If it is not such a list, or an entry is not a valid link.
    """
    known = {field.name for field in fields(Link)}
    if not isinstance(stored, list) or not all(isinstance(entry, dict) for entry in stored):
        raise RigError(f"There is no list of links in {where}. Save one from the panel to see what it looks like.")
    found = []
    for entry in stored:
        unknown = sorted(map(str, entry.keys() - known))
        if unknown:
            raise RigError(f"An entry in {where} has a word nobody knows: {', '.join(unknown)}.")
        try:
            found.append(Link(**entry))
        except TypeError as error:
            raise RigError(f"An entry in {where} lacks its source or its bone ({error}).") from error
    return tuple(found)


def read(path: Path) -> tuple[Link, ...]:
    """Return the links stored in a file.

    Raises
    ------
    RigError
        If it is missing, damaged, or not a mapping of bones.
    """
    try:
        data = read_json(path)
    except UnreadableError as error:
        raise RigError(error.told(f"The mapping '{path}'", "cannot be read", "Save it again.")) from error
    if not isinstance(data, dict) or data.get("kind") != "mouthpiece bones":
        raise RigError(f"'{path}' is not a mapping of bones. Save one from the panel to see what it looks like.")
    if not isinstance(data.get("format"), int) or data["format"] > FORMAT:
        raise RigError(f"'{path}' was made by a newer Mouthpiece. Update Mouthpiece, or save the mapping again.")
    return links_of(data.get("links"), f"'{path}'")

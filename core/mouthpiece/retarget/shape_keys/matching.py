"""Matches a rig's shape keys to rig families: in each region of the face, the family with most keys drives it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NoReturn

from ...errors import RigError
from .affixes import Affixes, shared_affixes
from .families import LAYERS, Fallback, ProfileKey, RigProfile, canonical, families
from .table import Entry, ShapeMap, listed

#: Parts of the mouth and the eyes that are moved along with a face by keys of their own: ``tongue_jawOpen``.
_PART: Final = re.compile(r"^(tongue|teeth|tooth|gums?|(eye)?lash(es)?)([\W_]+|(?=[A-Z]))", re.IGNORECASE)
#: Formula of visemes that show a mouth at rest.
_SILENCE: Final = "viseme.sil"


@dataclass(frozen=True, slots=True)
class FoundFamily:
    """The keys of a family that a rig has: name in the family -> name on the rig; ``idle`` are those that are muted."""

    family: RigProfile
    keys: Mapping[str, str]
    idle: frozenset[str] = frozenset()

    def count(self, region: str) -> tuple[int, int]:
        """Return how many keys of a region the rig has: first without muted keys, then all."""
        there = [key for name, key in self.keys.items() if self.family.region(name) == region]
        return sum(key not in self.idle for key in there), len(there)


def detect(
    key_names: Sequence[str], still: Collection[str] = (), muted: Collection[str] = (), more: bool = True
) -> ShapeMap:
    """Return the table of a rig with shape keys of these names.

    A key with the exact name is preferred to one with an equivalent name. Each region of the face (mouth, blink, look
    …) is driven by the family with most keys there, so that no two families move the same lips; if two have equally
    many, by the one with most keys in all.

    Parameters
    ----------
    key_names
        Names of the rig's keys, without the basis.
    still
        Those of them that move nothing: they match nothing, and the table names them if their names are known.
    muted
        Those of them that are muted: they match only where no other key does.
    more
        Whether keys of tongue, teeth and lashes (``tongue_jawOpen`` beside ``jawOpen``) go along.

    Raises
    ------
    RigError
        If there are no keys, no family knows any of them, or all those that are known move nothing.
    """
    if not key_names:
        raise RigError("The character has no shape keys. Add ARKit shape keys (jawOpen, mouthSmileLeft, …) first.")
    affixes = shared_affixes(key_names)
    # A viseme for silence is empty on most rigs, as their rest is silent: it is no less a match.
    live = [name for name in key_names if name not in still or _is_silence(name, affixes)]
    found = [FoundFamily(one, _keys_of(one, live, affixes, muted), frozenset(muted)) for one in families()]
    found = [one for one in found if len(one.keys) >= one.family.least]
    empty = _known({*still} - {*live}, key_names, affixes) if still else ()
    players = _players(found)
    if not players:
        _refuse(key_names, empty)
    formulas, missing = _played(players, found)
    if more:
        _go_along(formulas, players, live)
    known = [key for key in key_names if key in formulas]
    entries = tuple(Entry(key, formulas[key][0], layer=LAYERS[formulas[key][1]]) for key in known)
    labels = tuple(dict.fromkeys(one.family.label for one in _ranked(players)))
    unused = tuple(key for key in key_names if key not in formulas and key not in empty)
    return ShapeMap(entries, labels, missing, unused, still=empty, both=_both(players))


def _refuse(key_names: Sequence[str], empty: Sequence[str]) -> NoReturn:
    """Raise the error of a rig of which no key can be driven by its name."""
    if empty:
        raise RigError(
            f"The shape keys with names Mouthpiece knows move nothing ({listed(empty)}). Sculpt or transfer their "
            "shapes, choose the mesh whose keys move the face, or pin the face under Shape Keys by Geometry."
        )
    raise RigError(
        f"None of the character's {len(key_names)} shape keys ({listed(key_names, 5)}) has a name Mouthpiece knows. "
        "Rename them to ARKit's (jawOpen, mouthSmileLeft, …) or to visemes (viseme_aa, …), map them in Shape Key "
        "Mapping, or pin the face under Shape Keys by Geometry."
    )


def _known(names: Collection[str], key_names: Sequence[str], affixes: Affixes) -> tuple[str, ...]:
    """Return those of ``names`` that a family knows of which the rig has enough keys, in the rig's order."""
    found: set[str] = set()
    for one in families():
        keys = _keys_of(one, key_names, affixes)
        if len(keys) >= one.least:
            found |= set(keys.values())
    return tuple(name for name in key_names if name in names and name in found)


def _is_silence(name: str, affixes: Affixes) -> bool:
    """Return whether a key is a family's viseme for silence."""
    texts = dict.fromkeys([name, *filter(None, (affix.stripped(name) for affix in affixes))])
    return any(
        key.formula == _SILENCE and any(set(_spellings(text, one)) & set(key.spellings) for text in texts)
        for one in families()
        for key in one.keys
    )


def _both(players: Sequence[FoundFamily]) -> dict[str, tuple[str, ...]]:
    """Return the driven keys that play both sides, each with the two shapes it plays."""
    found = {}
    for one in players:
        for name, key in one.keys.items():
            covers = _covered(one.family, name)
            if len(covers) > 1:
                found[key] = covers
    return found


def _keys_of(family: RigProfile, names: Sequence[str], affixes: Affixes, muted: Collection[str] = ()) -> dict[str, str]:
    """Return the family's keys among ``names``, each used once, without keys that other keys of the family cover.

    Beginnings and ends that many keys share are stripped if that way more keys of the family are found.
    """
    plain = _assigned(family, _meant(family, names), muted)
    best, gain = plain, 0
    for affix in affixes:
        bare = {name: text for name in names if (text := affix.stripped(name))}
        if not bare:
            continue
        found = _assigned(family, _meant(family, names, bare), muted)
        gained = len(found) - len(plain)
        if gained > gain and affix.may_go(sum(name in bare for name in found.values())):
            best, gain = found, gained
    return best


def _meant(family: RigProfile, names: Sequence[str], bare: Mapping[str, str] = {}) -> dict[str, list[str]]:
    """Return the rig's names by what they may mean, canonically; what they mean with less stripped comes first."""
    meant: dict[str, list[str]] = {}
    for level in range(3):
        for name in names:
            text = (name, bare.get(name, ""), _of_part(name))[level]
            for spelling in _spellings(text, family) if text else ():
                if name not in meant.setdefault(spelling, []):
                    meant[spelling].append(name)
    return meant


def _assigned(family: RigProfile, meant: Mapping[str, Sequence[str]], muted: Collection[str]) -> dict[str, str]:
    """Return the rig's name for each key of the family."""
    found: dict[str, str] = {}
    used: set[str] = set()
    for key in sorted(family.keys, key=lambda key: bool(key.covers)):
        if any(covered in found for covered in key.covers):
            continue
        best = _best(key, meant, used, muted)
        if best is not None:
            found[key.name] = best
            used.add(best)
    return found


def _best(key: ProfileKey, meant: Mapping[str, Sequence[str]], used: set[str], muted: Collection[str]) -> str | None:
    """Return the rig's name for a key: the exact one if the rig has it, else the first equivalent; muted ones last."""
    candidates = [name for spelling in key.spellings for name in meant.get(spelling, ()) if name not in used]
    candidates.sort(key=lambda name: (name in muted, name != key.name))
    return candidates[0] if candidates else None


def _spellings(name: str, family: RigProfile) -> dict[str, None]:
    """Return the canonical names of a key: of the whole name, after ``Mesh.`` or ``ns:``, after VRoid's prefix."""
    for end in family.suffixes:
        name = name[: -len(end)] if name.lower().endswith(end.lower()) else name
    marks = [*re.finditer(r"[.:|]", name), *re.finditer(r"_(?=Fcl_)", name, re.IGNORECASE)]
    found = dict.fromkeys([canonical(name), *(canonical(name[mark.end() :]) for mark in marks)])
    for spelling in tuple(found):
        found |= dict.fromkeys(spelling[len(start) :] for start in family.prefixes if spelling.startswith(start))
    found.pop("", None)
    return found


def _of_part(name: str) -> str:
    """Return what follows ``teeth_``, ``tongue_`` and the like at the beginning of a name; empty if there is none."""
    match = _PART.match(name)
    return name[match.end() :] if match else ""


def _go_along(formulas: dict[str, tuple[str, str]], players: Sequence[FoundFamily], names: Sequence[str]) -> None:
    """Add keys that mean a driven one for tongue, teeth or lashes: ``tongue_jawOpen`` goes along with ``jawOpen``."""
    for one in players:
        driven = {spelling: key for name, key in one.keys.items() for spelling in _key(one, name).spellings}
        for name in names:
            text = _of_part(name) if name not in formulas else ""
            key = next((driven[spelling] for spelling in (_spellings(text, one.family) if text else ())
                        if spelling in driven), None)  # fmt: skip
            if key is not None:
                formulas[name] = formulas[key]


def _key(found: FoundFamily, name: str) -> ProfileKey:
    key = found.family.key(name)
    assert key is not None
    return key


def _ranked(found: Sequence[FoundFamily]) -> list[FoundFamily]:
    return sorted(found, key=lambda one: -len(one.keys))


def _players(found: Sequence[FoundFamily]) -> list[FoundFamily]:
    """Return which keys of which family drive the rig: in each region those of the family with most keys there.

    Whole expressions are driven only if no brows are (brows would be raised twice), and the moods of the corners only
    with the mouth of the same family.
    """
    chosen: dict[str, FoundFamily] = {}
    for region in LAYERS:
        there = [one for one in _ranked(found) if one.count(region)[1]]
        if there:
            chosen[region] = max(there, key=lambda one: one.count(region))
    mouth = chosen.get("mouth")
    if "brows" in chosen:
        chosen.pop("emotion", None)
    chosen.pop("corners", None)
    if mouth is not None and mouth.count("corners")[1]:
        chosen["corners"] = mouth
    players = []
    for one in found:
        regions = {region for region, player in chosen.items() if player is one}
        keys = {name: key for name, key in one.keys.items() if one.family.region(name) in regions}
        if keys:
            players.append(replace(one, keys=keys))
    return players


def _played(
    players: Sequence[FoundFamily], found: Sequence[FoundFamily]
) -> tuple[dict[str, tuple[str, str]], dict[str, str]]:
    """Return formula and region of each key of the rig, and each missing key with its substitutes."""
    formulas: dict[str, tuple[str, str]] = {}
    for one in players:
        for name, key in one.keys.items():
            known = one.family.key(name)
            assert known is not None
            formulas.setdefault(key, (known.formula, known.region))
    missing: dict[str, str] = {}
    for one in players:
        played = set(one.keys) | {covered for name in one.keys for covered in _covered(one.family, name)}
        regions = {one.family.region(name) for name in one.keys}
        for whole in one.family.whole:
            others = _regions(players, one)
            asked = one.family.name == "arkit" and whole.region not in others
            # A tongue comes with a mouth: faces whose mouth is of another family are not asked for it.
            asked = asked and not (whole.region == "tongue" and "mouth" in others)
            if whole.name not in played and (asked or whole.region in regions):
                missing[whole.name] = _stand_in(whole.name, one, found, formulas)
    return formulas, missing


def _regions(players: Sequence[FoundFamily], but: FoundFamily) -> set[str]:
    """Return the regions that families other than ``but`` drive."""
    return {one.family.region(name) for one in players if one is not but for name in one.keys}


def _covered(family: RigProfile, name: str) -> tuple[str, ...]:
    key = family.key(name)
    return () if key is None else key.covers


def _stand_in(
    name: str, player: FoundFamily, found: Sequence[FoundFamily], formulas: dict[str, tuple[str, str]]
) -> str:
    """Add the substitute for a missing key to other keys' formulas, and return these keys; empty if there is none."""
    region = player.family.region(name)
    for rule in player.family.fallbacks:
        keys = _rule_keys(rule, player, found) if rule.missing == name else []
        if keys:
            for key in keys:
                formula, there = formulas.get(key, ("", region))
                formulas[key] = (f"{formula} {rule.add}".removeprefix(" + "), there)
            return " and ".join(keys)
    return ""


def _rule_keys(rule: Fallback, player: FoundFamily, found: Sequence[FoundFamily]) -> list[str]:
    """Return the rig's keys that a rule needs, also those not driven yet; none if the rig lacks one of them."""
    names = []
    for name in rule.on:
        family, _, key = name.rpartition(":")
        owners = [one for one in found if one.family.name == family] if family else [player]
        here = [one.keys[key] for one in owners if key in one.keys]
        if not here:
            return []
        names.append(here[0])
    return names


def with_keys(table: ShapeMap, key_names: Sequence[str]) -> ShapeMap:
    """Return ``table`` for a rig with these keys: the entries of keys it has, by equivalent names if names differ.

    This way one mesh's table works for teeth, tongue and lashes, and a preset of one export works for the next.
    """
    exact = set(key_names)
    meant: dict[str, str] = {}
    for name in key_names:
        meant.setdefault(canonical(name), name)
    entries, used = [], {entry.key for entry in table.entries if entry.key in exact}
    for entry in table.entries:
        here = entry.key if entry.key in exact else meant.get(canonical(entry.key))
        if here is not None and (here == entry.key or here not in used):
            used.add(here)
            entries.append(replace(entry, key=here))
    return replace(table, entries=tuple(entries), unused=tuple(name for name in key_names if name not in used))

"""Matches a rig's shape keys to rig families: in each region of the face, the family with most keys drives it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ...errors import RigError
from .families import LAYERS, Fallback, ProfileKey, RigProfile, canonical, families
from .table import Entry, ShapeMap


@dataclass(frozen=True, slots=True)
class FoundFamily:
    """The keys of a family that a rig has: name in the family -> name on the rig."""

    family: RigProfile
    keys: Mapping[str, str]

    def count(self, region: str) -> int:
        """Return how many keys of a region the rig has."""
        return sum(self.family.region(name) == region for name in self.keys)


def detect(key_names: Sequence[str]) -> ShapeMap:
    """Return the table of a rig with shape keys of these names.

    A key with the exact name is preferred to one with an equivalent name. Each region of the face (mouth, blink, look
    …) is driven by the family with most keys there, so that no two families move the same lips; if two have equally
    many, by the one with most keys in all.

    Raises
    ------
    RigError
        If there are no keys, or no family knows any of them.
    """
    if not key_names:
        raise RigError("The character has no shape keys. Add ARKit shape keys (jawOpen, mouthSmileLeft, …) first.")
    found = [FoundFamily(family, _keys_of(family, key_names)) for family in families()]
    found = [one for one in found if len(one.keys) >= one.family.least]
    players = _players(found)
    if not players:
        shown = ", ".join(key_names[:5]) + (", …" if len(key_names) > 5 else "")
        raise RigError(
            f"None of the character's {len(key_names)} shape keys ({shown}) has a name Mouthpiece knows. Rename them "
            "to ARKit's (jawOpen, mouthSmileLeft, …) or to visemes (viseme_aa, …), map them in Shape Key Mapping, or "
            "pin the face under Shape Keys by Geometry."
        )
    formulas, missing = _played(players, found)
    known = [key for key in key_names if key in formulas]
    entries = tuple(Entry(key, formulas[key][0], layer=LAYERS[formulas[key][1]]) for key in known)
    labels = tuple(dict.fromkeys(one.family.label for one in _ranked(players)))
    return ShapeMap(entries, labels, missing, tuple(key for key in key_names if key not in formulas))


def _keys_of(family: RigProfile, names: Sequence[str]) -> dict[str, str]:
    """Return the family's keys among ``names``, each used once, without keys that other keys of the family cover."""
    meant: dict[str, list[str]] = {}
    for name in names:
        for spelling in _spellings(name, family.prefixes):
            meant.setdefault(spelling, []).append(name)
    found: dict[str, str] = {}
    used: set[str] = set()
    for key in sorted(family.keys, key=lambda key: bool(key.covers)):
        if any(covered in found for covered in key.covers):
            continue
        best = _best(key, meant, used)
        if best is not None:
            found[key.name] = best
            used.add(best)
    return found


def _best(key: ProfileKey, meant: Mapping[str, Sequence[str]], used: set[str]) -> str | None:
    """Return the rig's name for a key: the exact one if the rig has it, else the first equivalent one."""
    candidates = [name for spelling in key.spellings for name in meant.get(spelling, ()) if name not in used]
    return key.name if key.name in candidates else (candidates[0] if candidates else None)


def _spellings(name: str, prefixes: Sequence[str]) -> dict[str, None]:
    """Return the canonical names of a key: of the whole name, after ``Mesh.`` or ``ns:``, after VRoid's prefix."""
    marks = [*re.finditer(r"[.:|]", name), *re.finditer(r"_(?=Fcl_)", name, re.IGNORECASE)]
    found = dict.fromkeys([canonical(name), *(canonical(name[mark.end() :]) for mark in marks)])
    for spelling in tuple(found):
        found |= dict.fromkeys(spelling[len(start) :] for start in prefixes if spelling.startswith(start))
    found.pop("", None)
    return found


def _ranked(found: Sequence[FoundFamily]) -> list[FoundFamily]:
    return sorted(found, key=lambda one: -len(one.keys))


def _players(found: Sequence[FoundFamily]) -> list[FoundFamily]:
    """Return which keys of which family drive the rig: in each region those of the family with most keys there.

    Whole expressions are driven only if no brows are (brows would be raised twice), and the moods of the corners only
    with the mouth of the same family.
    """
    chosen: dict[str, FoundFamily] = {}
    for region in LAYERS:
        there = [one for one in _ranked(found) if one.count(region)]
        if there:
            chosen[region] = max(there, key=lambda one: one.count(region))
    mouth = chosen.get("mouth")
    if "brows" in chosen:
        chosen.pop("emotion", None)
    chosen.pop("corners", None)
    if mouth is not None and mouth.count("corners"):
        chosen["corners"] = mouth
    players = []
    for one in found:
        regions = {region for region, player in chosen.items() if player is one}
        keys = {name: key for name, key in one.keys.items() if one.family.region(name) in regions}
        if keys:
            players.append(FoundFamily(one.family, keys))
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
            asked = one.family.name == "arkit" and whole.region not in _regions(players, one)
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

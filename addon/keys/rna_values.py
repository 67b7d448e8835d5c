"""Reads and sets properties by data path as numbers: floats, integers, booleans and custom properties."""

from __future__ import annotations

import re
from typing import Any, Final

import bpy

#: A path's last step: an attribute, or a custom property in quotes.
_LAST: Final = re.compile(r'^(?P<holder>.*?)(?:\.?(?P<name>[A-Za-z_]\w*)|\["(?P<own>(?:[^"\\]|\\.)*)"\])$')


def get(owner: bpy.types.ID, data_path: str, index: int = 0) -> float:
    """Return the present value of a property."""
    value = owner.path_resolve(data_path)
    return float(value[index]) if hasattr(value, "__len__") else float(value)


def exists(owner: bpy.types.ID, data_path: str, index: int = 0) -> bool:
    """Return whether a data-block has a property: its shape key, bone or modifier may have been removed."""
    try:
        get(owner, data_path, index)
    except (ValueError, IndexError, TypeError):
        return False
    return True


def put(owner: bpy.types.ID, data_path: str, index: int, number: float) -> None:
    """Set a property; integers and booleans get the nearest value they can have."""
    match = _LAST.match(data_path)
    if match is None:
        raise ValueError(f"'{data_path}' is no path of a property")
    place = match["holder"]
    holder: Any = owner.path_resolve(place) if place else owner
    value = owner.path_resolve(data_path)
    if hasattr(value, "__len__"):
        value[index] = _as(value[index], number)
    elif match["own"] is not None:
        holder[bpy.utils.unescape_identifier(match["own"])] = _as(value, number)
    else:
        setattr(holder, match["name"], _as(value, number))


def _as(value: Any, number: float) -> Any:
    """Return ``number`` in the type of ``value``, rounded unless that is a float."""
    return number if isinstance(value, float) else type(value)(round(number))


def default(owner: bpy.types.ID, data_path: str, index: int = 0) -> float:
    """Return the default of a property: the value with which a *Combine* strip changes nothing."""
    match = _LAST.match(data_path)
    assert match is not None  # paths of channels are paths of properties
    holder: Any = owner.path_resolve(match["holder"]) if match["holder"] else owner
    if match["own"] is not None:
        settings = holder.id_properties_ui(bpy.utils.unescape_identifier(match["own"])).as_dict()
        value = settings.get("default", 0.0)
        return float(value[index] if isinstance(value, list | tuple) else value)
    prop = holder.bl_rna.properties[match["name"]]
    return float(prop.default_array[index] if getattr(prop, "is_array", False) else prop.default)

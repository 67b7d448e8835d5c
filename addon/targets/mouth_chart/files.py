"""Reads and writes mouth charts as files: a set of the user's own, or a whole table with switches and timing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import bpy
from mouthpiece.errors import UnreadableError
from mouthpiece.files.json_text import quoted, read_json
from mouthpiece.files.writer import write_whole

from . import fill
from . import settings as chart_settings
from .setup import refused

#: Types of the words in a file that are settings, and the names of these settings where they differ.
_PLAIN: Final = {
    "layer": str, "node": str, "property": str, "columns": int, "rows": int, "on": int, "hold": int, "lead": float,
}  # fmt: skip
_PROPERTIES: Final = {"property": "path", "rows": "lines", "on": "exposure"}
_HOWS: Final = {how.lower(): how for how, _, _ in chart_settings.HOWS}


def read(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file; raises RigError if it cannot be read or holds none."""
    try:
        saved = read_json(path)
    except UnreadableError as error:
        raise refused(error.told(f"The mouth chart '{path}'", "cannot be used", "Save it again.")) from error
    if not isinstance(saved, dict):
        raise refused(f"The mouth chart '{path}' is not a JSON object.")
    return saved


def write(obj: bpy.types.Object, path: Path) -> None:
    """Write the chart of ``obj`` with its table and its timing; raises RigError if the file cannot be written."""
    try:
        write_whole(path, json.dumps(saved_of(obj), indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        raise refused(f"The mouth chart cannot be written to '{path}': {error.strerror}.") from error


def saved_of(obj: bpy.types.Object) -> dict[str, Any]:
    """Return the chart of ``obj`` with its table and its timing, as :func:`apply` takes it."""
    settings: Any = obj.mouthpiece_chart
    custom = settings.chart == chart_settings.CUSTOM
    setup = chart_settings.setup_of(obj)
    shapes: dict[str, Any] = {}
    for entry in setup.entries:
        if entry.used:
            named = {"collection": entry.name} if entry.collection else entry.name
            shapes[entry.shape] = named if settings.how in ("OBJECTS", "KEYS") else entry.number
    found = {
        "chart": chart_settings.chart_of(settings).saved() if custom else settings.chart,
        "how": settings.how.lower(),
        "on": int(settings.exposure),
        "hold": settings.hold,
        "lead": round(settings.lead, 6),
        "shapes": shapes,
    }
    words = {"object": setup.object, "material": setup.material, "node": setup.node, "property": setup.path}
    words |= {"layer": settings.layer} if settings.how == "DRAWINGS" else {}
    found |= {word: value for word, value in words.items() if value}
    return found | ({"columns": setup.columns, "rows": setup.rows} if settings.how == "CELLS" else {})


def apply(obj: bpy.types.Object, saved: Mapping[str, Any], scene: bpy.types.Scene) -> str:
    """Set the chart of ``obj`` up with the content of a file; return the result as one line of text.

    A file with only a chart (``name``, and ``shapes`` as a list) chooses that set without setting up what shows it.
    Raises MouthpieceError, with the settings unchanged, if anything in the file is wrong.
    """
    settings: Any = obj.mouthpiece_chart
    before, alone = chart_settings.snapshot(settings), isinstance(saved.get("shapes"), list)
    try:
        chart = _choose(settings, saved if alone else saved.get("chart", settings.chart))
        if alone:
            chart_settings.fill_rows(settings, chart)
            return f"{chart.label} loaded: choose what shows it and press Set Up"
        _set_words(settings, saved)
        result = fill.set_up(obj, (), scene, _wanted(saved, chart, settings.how))
    except Exception:
        chart_settings.restore(settings, before)
        raise
    obj.mouthpiece.target = "CHART"
    return result


def _choose(settings: Any, chart: object) -> Any:
    """Choose a chart in the settings, by its name or as its JSON definition, and return it."""
    from mouthpiece.motion.chart.charts import chart_from, named_chart

    if isinstance(chart, str):
        found = named_chart(chart)
        if chart not in {name for name, _, _ in chart_settings.CHARTS}:
            settings.definition, settings.chart = json.dumps(found.saved()), chart_settings.CUSTOM
        else:
            settings.chart = chart
        return found
    found = chart_from(chart)
    settings.definition, settings.chart = json.dumps(found.saved()), chart_settings.CUSTOM
    return found


def _set_words(settings: Any, saved: Mapping[str, Any]) -> None:
    """Set all settings a file has, except for chart and table; raises RigError if a word or value is unknown."""
    known = {"chart", "how", "shapes", "object", "material", *_PLAIN}
    unknown = sorted(set(map(str, saved)) - known)
    if unknown:
        words = ", ".join(sorted(known))
        raise refused(f"The mouth chart file has unknown words: {', '.join(unknown)}. Known: {words}.")
    how = str(saved.get("how", settings.how)).lower()
    if how not in _HOWS:
        raise refused(f"A mouth chart cannot be shown as '{how}'. Choose one of: {', '.join(_HOWS)}.")
    settings.how = _HOWS[how]
    for word, kind in _PLAIN.items():
        if word in saved:
            try:
                value: Any = kind(saved[word])
                setattr(settings, _PROPERTIES.get(word, word), str(value) if word == "on" else value)
            except (TypeError, ValueError, OverflowError) as error:
                raise refused(f"{quoted(saved[word])} is no value for '{word}' in the mouth chart file.") from error
    for word, place, blocks in (("object", "source", bpy.data.objects), ("material", "material", bpy.data.materials)):
        if word in saved:
            block = blocks.get(str(saved[word]))
            if block is None:
                raise refused(f"There is no {word} '{saved[word]}', which the mouth chart file names.")
            setattr(settings, place, block)


def _wanted(saved: Mapping[str, Any], chart: Any, how: str) -> dict[str, dict[str, Any]] | None:
    """Return the fields of the table's row for each shape in a file; None if it has none: names fill the table then."""
    shapes = saved.get("shapes")
    if shapes is None:
        return None
    if not isinstance(shapes, dict) or not shapes:
        raise refused('"shapes" of the mouth chart file must name what shows each shape: {"A": 1, "B": 2, …}.')
    unknown = sorted(set(shapes) - set(chart.names))
    if unknown:
        raise refused(f"The set {chart.label} has no shapes {', '.join(unknown)}. It has: {', '.join(chart.names)}.")
    return {shape: _row(shape, value, how) for shape, value in shapes.items()}


def _row(shape: str, value: object, how: str) -> dict[str, Any]:
    """Return the fields of a shape's row for its value in a file; raises RigError if it cannot show the shape."""
    if how == "KEYS" and isinstance(value, str):
        return {"key": value}
    if how == "OBJECTS":
        grouped = isinstance(value, dict)
        name = value.get("collection") if isinstance(value, dict) else value
        block = (bpy.data.collections if grouped else bpy.data.objects).get(str(name))
        if block is None:
            raise refused(f"There is no {'collection' if grouped else 'object'} '{name}' for the shape {shape}.")
        return {"collection": block} if grouped else {"object": block, "collection": None}
    if how != "KEYS" and isinstance(value, int) and not isinstance(value, bool):
        return {"number": value}
    raise refused(f"'{value}' cannot show the shape {shape}: {'a name' if how == 'KEYS' else 'a number'} is wanted.")

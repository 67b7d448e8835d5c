"""Mutated notes, files and sounds for what the add-on reads: ``python -m blender_tests.fuzz --minutes 5``.

With the bpy module; see :mod:`tests.fuzz` for what counts as a fault. A note in a .blend is put in place, and then all
that Blender runs at a redraw and all that reads notes is run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy

import addon
from addon.keys import ledgers, notes
from addon.sound import recordings
from addon.sound.decoder import StreamedSound
from addon.targets.mouth_chart import files as chart_files
from addon.targets.pins import pins
from addon.targets.portrait import lines as portrait_lines
from blender_tests import portraits, scenes
from blender_tests.test_damaged_notes import tried
from tests.fuzz import samples
from tests.fuzz.__main__ import main
from tests.fuzz.arena import Campaign
from tests.fuzz.mutations import changed_arrays, changed_json


def every(folder: Path) -> list[Campaign]:
    """Return all campaigns; what they need is made in a folder and in Blender's data."""
    folder.mkdir(parents=True, exist_ok=True)
    addon.register()
    return [
        *_of_notes(folder),
        Campaign("pins", ".json", (_pins(folder),), _into_pins, changed_json),
        Campaign("chart files", ".json", samples.json_files()["charts"], chart_files.read, changed_json),
        *(Campaign(f"sound {name}", f".{name.lower()}", made, _hear) for name, made in samples.sounds().items()),
    ]


def _pins(folder: Path) -> bytes:
    """Return the pins of a face as a file."""
    pins.set_pins(scenes.face("Pinned"), {number: number % 3 for number in range(68)})
    pins.write_file(bpy.data.objects["Pinned"], folder / "pins.json")
    return (folder / "pins.json").read_bytes()


def _of_notes(folder: Path) -> list[Campaign]:
    """Return campaigns of what is noted with keys: ledgers, takes, the lines of a portrait, a mouth chart."""
    take = portraits.take(folder / "line.npz")
    speaker = scenes.face("Speaker")
    speaker.mouthpiece.live = False
    portraits.speak(take)
    action = speaker.data.shape_keys.animation_data.action
    kept = next(key for key in action.keys() if key.startswith(ledgers.TAKE_PREFIX))
    portrait = portraits.portrait()
    portraits.speak(take)
    chart = scenes.face("Chart", keys=("A", "B"))
    chart.mouthpiece.target, chart.mouthpiece_chart.chart = "CHART", "CUSTOM"
    definition = samples.json_files()["charts"]
    return [
        Campaign(
            "ledgers",
            ".json",
            (_bytes(action, ledgers.PROPERTY),),
            _noted(action, ledgers.PROPERTY, speaker),
            changed_json,
        ),
        Campaign("kept takes", ".npz", (_bytes(action, kept),), _noted(action, kept, speaker, bytes), changed_arrays),
        Campaign(
            "portrait lines",
            ".json",
            (_bytes(portrait.data, portrait_lines.PROPERTY),),
            _noted(portrait.data, portrait_lines.PROPERTY, portrait),
            changed_json,
        ),
        Campaign("charts in objects", ".json", definition, _chosen(chart), changed_json),
    ]


def _bytes(owner: Any, key: str) -> bytes:
    value = notes.value_of(owner, key)
    return value.encode() if isinstance(value, str) else bytes(value)


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace").replace("\0", "")


def _noted(owner: Any, key: str, obj: Any, kind: Callable[[bytes], Any] = _text) -> Callable[[Path], object]:
    """Return a reader that puts a file's content in a note's place, and uses what reads notes."""
    before = notes.value_of(owner, key)

    def read(path: Path) -> None:
        bpy.context.view_layer.objects.active = obj
        try:
            notes.put(owner, key, kind(path.read_bytes()))
            tried(bpy.context, obj)
        finally:
            notes.put(owner, key, before)

    return read


def _chosen(obj: Any) -> Callable[[Path], object]:
    def read(path: Path) -> None:
        bpy.context.view_layer.objects.active = obj
        obj.mouthpiece_chart.definition = _text(path.read_bytes())
        tried(bpy.context, obj)

    return read


def _into_pins(path: Path) -> None:
    obj = bpy.data.objects["Pinned"]
    pins.read_file(obj, path)
    tried(bpy.context, obj)


def _hear(path: Path) -> None:
    """Hear a sound in Blender as a bake would; what the panel asks of it first may refuse it as well."""
    recordings.open_file(str(path))
    for _ in StreamedSound(path).blocks():
        pass


if __name__ == "__main__":
    sys.exit(main(every))

"""Make a film to be animated: five characters of five kinds, and lines cut, overlapping, in stereo and by turns.

    python demo/film.py --lines 60 --minutes 12 -o FOLDER

FOLDER/film.blend has the characters and their lines on the timeline, and a cast that says by channel, name, colour,
metadata and strip who speaks which; FOLDER/stage.blend has the characters alone, for the tables cast.csv, cast.json
and cast.otio to be placed on. The sounds are in FOLDER/sounds. Nothing is animated yet.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import radians
from pathlib import Path
from typing import Any, Final

if __name__ == "__main__":  # beside a Blender's own script folders
    for folder in ("core", ""):
        sys.path.insert(0, str(Path(__file__).resolve().parent.parent / folder))

import bpy
import numpy as np
from mathutils import Matrix, Vector

import addon
from addon import compat, demo
from addon.sound import recordings
from demo import samples, screenplay
from demo.screenplay import FPS, RATE, Screenplay, ScriptLine

#: Speech that may lie beside the checkout; without it the bundled line is all there is.
SPEECH: Final = samples.SHARED / "speech"
SUFFIXES: Final = (".wav", ".flac", ".ogg", ".mp3")
#: Radius of the arc on which the characters sit, and by how many degrees each is beside the next.
ARC: Final = (10.5, 24.0)


@dataclass(frozen=True, slots=True)
class Part:
    """A character of the film: the sample it is, how much larger it is made, and its way into the cast."""

    name: str
    sample: str
    size: float
    way: str


#: From left to right.
PARTS: Final = (
    Part("Ada", "shape_keys", 8.0, "channel"),
    Part("Pia", "grease_pencil", 1.0, "strip"),
    Part("Ben", "bones", 1.0, "colour"),
    Part("Cleo", "mouth_charts", 1.0, "metadata"),
    Part("Vera", "visemes", 8.0, "name"),
)
#: The sequencer's channel of each character, that of shared sounds, and that of whoever interrupts itself.
CHANNELS: Final = {part.name: number for number, part in enumerate(PARTS, 1)}
SHARED_CHANNEL: Final = len(PARTS) + 1
CLASH_CHANNEL: Final = len(PARTS) + 2
#: Colour tag of whoever is known by it.
COLOUR: Final = "COLOR_03"
#: Channel in which strips are made before they are cut to length and moved to their own.
_WORKBENCH: Final = 100


def speech(folder: Path = SPEECH) -> list[screenplay.Samples]:
    """Return the recordings of a folder, at the films' rate; the bundled line if there are none."""
    paths = sorted(path for path in folder.glob("*") if path.suffix in SUFFIXES) or [demo.LINE]
    found = []
    for path in paths:
        sound = recordings.open_file(path).whole()
        places = np.arange(int(len(sound.samples) / sound.rate * RATE)) * sound.rate / RATE
        found.append(np.interp(places, np.arange(len(sound.samples)), sound.samples).astype(np.float32))
    return found


def make(
    folder: Path,
    count: int,
    minutes: float,
    seed: int = 1,
    clash: bool = False,
    voices: Path = SPEECH,
    apart: bool = False,
) -> Screenplay:
    """Write the film's files into a folder and return what is said; the scene with its lines stays open.

    With ``apart``, lines that share a sound by turns have strips of their own.
    """
    play = screenplay.screenplay(count, minutes, seed, clash)
    if apart:
        play = replace(play, lines=tuple(replace(line, is_turn=False) for line in play.lines))
    folder.mkdir(parents=True, exist_ok=True)
    screenplay.write(play, folder, screenplay.pieces(speech(voices)), seed)
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    cast = build(play.last)
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "stage.blend"), copy=True)
    strips = put_on_timeline(play, folder)
    assign(cast, play, strips)
    cut_between_cameras(play)
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "film.blend"))
    bpy.ops.file.make_paths_relative()
    bpy.ops.wm.save_mainfile()
    (folder / "film.blend1").unlink(missing_ok=True)
    return play


def build(last: int) -> dict[str, Any]:
    """Make the characters in the open, empty file, each with a camera; return them by name."""
    scene: Any = bpy.context.scene
    scene.render.fps, scene.render.fps_base = FPS, 1.0
    scene.frame_start, scene.frame_end = 1, last
    scene.sync_mode = "AUDIO_SYNC"
    cast = {}
    for number, part in enumerate(PARTS):
        before = set(bpy.data.objects)
        cast[part.name] = obj = bpy.data.objects[samples.load(part.sample).build()]
        for other in [one for one in bpy.data.objects if one.type == "CAMERA" and one not in (*before, scene.camera)]:
            bpy.data.objects.remove(other)  # that of *Add Demo Character*; the sample's own is closer
        made = [one for one in bpy.data.objects if one not in before]
        _seat(part, obj, made, radians(ARC[1]) * (number - (len(PARTS) - 1) / 2))
    samples.studio()
    scene.render.resolution_x, scene.render.resolution_y = 640, 360
    wide = samples.camera((0.0, 8.2, -0.2), 19.5, side=0.0)
    wide.name = "Wide Camera"
    for world in [world for world in bpy.data.worlds if world.users == 0]:
        bpy.data.worlds.remove(world)
    for obj in bpy.context.view_layer.objects:
        obj.select_set(False)
    return cast


def _seat(part: Part, obj: Any, made: Sequence[Any], angle: float) -> None:
    """Move a character with its camera to its place on the arc, where all look at the middle, and name its objects."""
    roots = [one for one in made if one.parent is None]
    origin = (obj.parent or obj).location.copy()
    down = 0.11 * (1 - part.size)  # the small heads stand on their feet, the others about their middle
    place = Vector((ARC[0] * np.sin(angle), ARC[0] * np.cos(angle), down))
    moved = Matrix.Translation(place) @ Matrix.Rotation(-angle, 4, "Z") @ Matrix.Scale(part.size, 4)
    bpy.context.view_layer.update()
    for one in roots:
        matrix = moved @ Matrix.Translation(-origin) @ one.matrix_world
        if one.type == "CAMERA":
            matrix = Matrix.LocRotScale(*matrix.decompose()[:2], None)
            one.name = f"{part.name} Camera"
            one.data.clip_end *= part.size
            one.data.sensor_fit, one.data.sensor_height = "VERTICAL", one.data.sensor_width
        one.matrix_world = matrix
    obj.name = obj.data.name = part.name
    if obj.parent is not None and obj.parent.type == "ARMATURE":
        obj.parent.name = f"{part.name} Rig"


def put_on_timeline(play: Screenplay, folder: Path) -> dict[str, Any]:
    """Make a sound strip for each line, one for all turns of a shared sound; return strips by the lines' labels."""
    strips = compat.strips_of(bpy.context.scene.sequence_editor_create())
    length = {sound.name: sound.frames for sound in play.sounds}
    made: dict[str, Any] = {}
    shared: dict[str, Any] = {}
    heard: dict[str, int] = {}
    for line in play.lines:
        path = str(folder.absolute() / "sounds" / line.sound)
        if line.is_turn:
            if line.sound not in shared:
                shared[line.sound] = strips.new_sound("Table talk", path, SHARED_CHANNEL, line.frame)
            made[line.label] = shared[line.sound]
            continue
        strip = strips.new_sound(line.label, path, _WORKBENCH, line.frame)
        strip.frame_offset_start = line.begin
        if line.end < length[line.sound]:
            strip.frame_offset_end = compat.strip_length(strip) - line.end
        clashes = heard.get(line.who, 0) >= line.first
        strip.channel = CLASH_CHANNEL if clashes else CHANNELS[line.who]
        heard[line.who] = line.last
        made[line.label] = strip
    return made


def assign(cast: dict[str, Any], play: Screenplay, strips: dict[str, Any]) -> None:
    """Say who speaks which strip, in each of the ways there are."""
    members = bpy.context.scene.mouthpiece_cast.members
    for part in PARTS:
        member = members.add()
        member.object, member.name = cast[part.name], part.name
        if part.way == "channel":
            member.channel = CHANNELS[part.name]
        elif part.way == "colour":
            member.color = COLOUR
        elif part.way == "name":
            member.pattern = f"*_{part.name}"
    for line in play.lines:
        if line.is_turn:
            _add_turn(strips[line.label], cast[line.who], line)
        else:
            _give(strips[line.label], cast[line.who], line)


def _give(strip: Any, obj: Any, line: ScriptLine) -> None:
    """Mark a strip as its character's, where channel and name do not tell already."""
    way = next(part.way for part in PARTS if part.name == line.who)
    if way == "strip" or strip.channel == CLASH_CHANNEL:
        strip.mouthpiece.character = obj
    elif way == "colour":
        strip.color_tag = COLOUR
    elif way == "metadata":
        strip["character"] = line.who
    if line.channel:
        strip.mouthpiece.channel = line.channel.upper()


def _add_turn(strip: Any, obj: Any, line: ScriptLine) -> None:
    turn = strip.mouthpiece.turns.add()
    turn.character, turn.begin, turn.end = obj, line.begin / FPS, line.end / FPS


def cut_between_cameras(play: Screenplay) -> None:
    """Cut to whoever begins to speak, and to all of them now and then, by markers that cameras are bound to."""
    scene: Any = bpy.context.scene
    scene.camera = bpy.data.objects["Wide Camera"]
    scene.timeline_markers.new("Wide", frame=1).camera = scene.camera
    for number, line in enumerate(play.lines, 1):
        name = "Wide" if number % 6 == 0 else line.who
        marker = scene.timeline_markers.new(f"{name} {number}", frame=max(2, line.first - 4))
        marker.camera = bpy.data.objects[f"{name} Camera"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the film and tell what is in it; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=60, help="number of lines (default: 60)")
    parser.add_argument("--minutes", type=float, default=12.0, help="minutes of speech (default: 12)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clash", action="store_true", help="let a character interrupt itself once")
    parser.add_argument("--apart", action="store_true", help="give every turn of a shared sound a strip of its own")
    parser.add_argument("--voices", type=Path, default=SPEECH, help="folder of recordings that the voices are made of")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    options = parser.parse_args(arguments)
    addon.register()
    play = make(
        options.output,
        options.lines,
        options.minutes,
        seed=options.seed,
        clash=options.clash,
        voices=options.voices,
        apart=options.apart,
    )
    print(
        f"{len(play.lines)} lines, {play.speech / 60:.1f} minutes of speech in {len(play.sounds)} sounds, "
        f"{play.last} frames, {play.overlaps()} overlaps: {options.output / 'film.blend'}"
    )
    return 0


if __name__ == "__main__":
    try:
        code = main()
    except Exception:  # the module of 4.5 hangs when Python ends by itself while classes are registered
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)

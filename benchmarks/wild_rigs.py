"""Animates rigs that nobody here made, from every part an animator may click, and measures the mouth that is seen.

    python benchmarks/wild_rigs.py --rigs ../shared/rigs --out DIR [NAME …]

Wants the checkout and its core on PYTHONPATH, and bpy. Each rig is imported into an empty file; then its armature, its
face, and its teeth, tongue or eyes are clicked in turn and *Animate* is pressed with the bundled line. The opening is
measured on the evaluated mesh between the lips, and compared with the gap in the take: `r` is Pearson's. Lips are where
the key that opens the mouth parts vertices that touch; on a mesh without such a key where the face detector finds them;
else they are bones. What is refused is printed in its own words, and for each part of the face what moves it, or why
nothing does. Keys that a rig brings along are told, then cleared. Frames of each rig become a row of DIR/wild-rigs.png.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import io
import os
import re
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Vector
from mouthpiece.motion.closures import LOWER, UPPER
from mouthpiece.performance import Performance
from mouthpiece.retarget.shape_keys.lip_pairs import lip_pairs

import addon
from addon import compat, scene_settings
from addon import demo as bundled
from addon.sound import recordings
from addon.targets.head.pivots import eyes_of
from addon.targets.pins import pins, proposal
from demo import sheets

FPS = 25
SIZE = 300
#: Words in names of objects that are parts of a head, clicked besides the armature and the face.
PARTS = ("teeth", "tongue", "eye", "lash")
#: Bones of the lips, upper and lower, of rigs that bring no mesh on which the detector finds a face.
LIP_BONES = (("Bip01 MUpperLip", "Bip01 MBottomLip"), ("lip_up_def_mid", "lip_low_def_mid"))
#: Names of keys that open a mouth, that shape lips, and that belong to neither.
OPENER = re.compile(r"jaw_?open|mouth_?open", re.IGNORECASE)
SHAPER = re.compile(r"pucker|funnel|upper_?up|lower_?down", re.IGNORECASE)
NOT_LIPS = re.compile(r"teeth|tongue", re.IGNORECASE)
#: Distance of the eyes' outer corners, in distances of their middles.
CORNERS = 1.45
SUFFIXES = (".glb", ".glb.gz", ".fbx", ".blend")


def load(path: Path) -> list[Any]:
    """Open a rig's file as an animator would and return the objects it brought."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    if path.suffix == ".blend":
        bpy.ops.wm.open_mainfile(filepath=str(path))
    if not hasattr(bpy.types.Scene, "mouthpiece"):
        addon.register()
    with tempfile.TemporaryDirectory() as folder:
        if path.suffix == ".gz":
            whole = Path(folder) / path.stem
            with gzip.open(path) as packed, whole.open("wb") as plain:
                shutil.copyfileobj(packed, plain)
            path = whole
        if path.suffix == ".glb":
            bpy.ops.import_scene.gltf(filepath=str(path))
        elif path.suffix == ".fbx":
            bpy.ops.import_scene.fbx(filepath=str(path))
    render = bpy.context.scene.render
    render.fps, render.fps_base = FPS, 1.0  # last: files of FBX bring a frame rate along
    return list(bpy.data.objects)


@dataclass(frozen=True)
class Mouth:
    """Where a rig's mouth is seen: an object, and pairs of vertices (upper, lower) or two bones of an armature.

    ``eyes`` (2, 3) are the middles of the eyes, the right one first, and ``chin`` (3,) is a place below them, in the
    object's own space; empty if they are not known. ``unit`` is the eye distance of takes, between the outer corners.
    """

    object: str
    pairs: tuple[tuple[Any, Any], ...]
    eyes: tuple[Any, ...] = ()
    chin: Any = None
    unit: float = 1.0


def keyed_mouth(obj: Any) -> Mouth | None:
    """Return where the key of a mesh that opens its mouth parts the lips; None without one."""
    keys = obj.data.shape_keys
    names = [] if keys is None else [block.name for block in keys.key_blocks[1:] if not NOT_LIPS.search(block.name)]
    openers = [name for name in names if OPENER.search(name)]
    if not openers:
        return None

    def places(block: Any) -> np.ndarray:
        at = np.empty(3 * len(block.data), np.float32)
        block.data.foreach_get("co", at)
        return at.reshape(-1, 3)

    rest = places(keys.reference_key)
    moved = {name: places(keys.key_blocks[name]) - rest for name in names if OPENER.search(name) or SHAPER.search(name)}
    shapers = [moved[name] for name in moved if name not in openers]
    pairs = lip_pairs(rest, moved[openers[0]], shapers)
    eyes = eyes_of(obj)
    if not pairs or eyes is None:
        return None
    unit = (eyes[0] - eyes[1]).length * CORNERS
    return Mouth(obj.name, pairs, eyes[::-1], Vector(rest[pairs[0][1]]), unit)


def mouth_of(objects: list[Any]) -> Mouth:
    """Return where the mouth of a rig is seen: by its keys, by the face detector, or between bones of ``LIP_BONES``."""
    shown = bpy.context.view_layer.objects
    meshes = [obj for obj in objects if obj.type == "MESH" and len(obj.data.vertices) >= 500 and obj.name in shown]
    meshes.sort(key=lambda obj: -len(obj.data.vertices))
    keyed = [found for found in map(keyed_mouth, meshes) if found is not None]
    if keyed:
        return keyed[0]
    found = []
    for obj in meshes:
        try:
            text = proposal.propose(obj).text
        except Exception as error:  # whatever a mesh without a face does is no finding here
            print(f"    no face on {obj.name}: {str(error)[:80]}")
            continue
        at = [int(vertex) for vertex in pins.pins_of(obj).vertices]
        pins.clear_pins(obj)
        sure = float(text.split("with ")[1].split("%")[0]) if "certainty" in text else 100.0
        pairs = tuple((at[a], at[b]) for a, b in zip(UPPER, LOWER, strict=True))
        co = [Vector(obj.data.vertices[vertex].co) for vertex in at]
        eyes = (sum(co[36:42], Vector()) / 6, sum(co[42:48], Vector()) / 6)
        found.append((sure, Mouth(obj.name, pairs, eyes, co[8], (co[36] - co[45]).length)))
    if found:
        return max(found, key=lambda one: one[0])[1]
    for obj in objects:
        bones = tuple(pair for pair in LIP_BONES if obj.type == "ARMATURE" and pair[0] in obj.pose.bones)
        if bones:
            return Mouth(obj.name, bones)
    raise LookupError("no mesh on which a mouth is found")


def clicked(objects: list[Any], face: Any) -> dict[str, Any]:
    """Return what an animator may click: armature, face, and further parts, by what they are."""
    found = {"armature": next((obj for obj in objects if obj.type == "ARMATURE"), None), "face": face}
    shown = bpy.context.view_layer.objects
    meshes = [obj for obj in objects if obj.type == "MESH" and obj != face and obj.name in shown]
    for word in PARTS:
        found[word] = next((obj for obj in meshes if word in obj.name.lower()), None)
    return {what: obj for what, obj in found.items() if obj is not None}


def opening(mouth: Mouth, frames: list[int]) -> np.ndarray:
    """Return the gap of the lips (F,), in eye distances, on the evaluated mesh; of bones in their own unit."""
    face = bpy.data.objects[mouth.object]
    smooth = [m for m in face.modifiers if m.type in ("SUBSURF", "MASK", "SOLIDIFY", "MULTIRES") and m.show_viewport]
    for modifier in smooth:
        modifier.show_viewport = False
    gaps = []
    for frame in frames:
        bpy.context.scene.frame_set(frame)
        seen = face.evaluated_get(bpy.context.evaluated_depsgraph_get())
        if face.type == "ARMATURE":
            at = {name: seen.pose.bones[name].matrix.translation for pair in mouth.pairs for name in pair}
        else:
            at = {vertex: seen.data.vertices[vertex].co for pair in mouth.pairs for vertex in pair}
        gaps.append(np.mean([(at[a] - at[b]).length for a, b in mouth.pairs]) / max(mouth.unit, 1e-9))
    for modifier in smooth:
        modifier.show_viewport = True
    return np.array(gaps)


@contextlib.contextmanager
def quiet() -> Iterator[io.StringIO]:
    """Collect what operators print."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        yield text


def animate(obj: Any, take: Path) -> str:
    """Click an object and press *Animate*; return the error if it is refused, else "" ."""
    for other in bpy.context.view_layer.objects:
        other.select_set(other == obj)
    bpy.context.view_layer.objects.active = obj
    settings = bpy.context.scene.mouthpiece
    settings.source, settings.filepath = "FILE", str(take)
    try:
        bpy.ops.mouthpiece.animate()
    except RuntimeError as error:
        return str(error).strip()
    return ""


def frame_view(mouth: Mouth) -> None:
    """Place a camera and a light before the face, and set Workbench up."""
    scene = bpy.context.scene
    face = bpy.data.objects[mouth.object]
    right, left, chin = (face.matrix_world @ place for place in (*mouth.eyes, mouth.chin))
    eye = (right - left).length * CORNERS
    across = (left - right).normalized()
    up = (right + left) / 2 - chin
    up = (up - across * up.dot(across)).normalized()
    towards = (across.cross(up) + across * 0.25).normalized()
    camera = bpy.data.objects.new("Wild Camera", bpy.data.cameras.new("Wild Camera"))
    camera.data.lens = 85
    camera.location = (right + left + chin * 2) / 4 + towards * eye * 6.5
    camera.rotation_euler = towards.to_track_quat("Z", "Y").to_euler()
    camera.data.clip_start, camera.data.clip_end = eye / 10, eye * 100
    scene.collection.objects.link(camera)
    scene.camera = camera
    scene.render.engine = "BLENDER_WORKBENCH"
    scene.render.resolution_x = scene.render.resolution_y = SIZE
    scene.render.resolution_percentage = 100
    scene.display.shading.light = "STUDIO"
    scene.display.shading.color_type = "MATERIAL"
    for material in bpy.data.materials:
        if max(material.diffuse_color[:3]) < 0.05:  # some rigs come with black ones, on which nothing is seen
            material.diffuse_color = (0.6, 0.6, 0.6, 1.0)
    for obj in bpy.data.objects:
        if obj.type == "ARMATURE":
            obj.hide_render = True


def pictures(frames: list[int]) -> list[Any]:
    """Return rendered frames."""
    scene = bpy.context.scene
    compat.use_image_output(scene.render.image_settings)
    scene.render.image_settings.file_format = "PNG"
    made = []
    with tempfile.TemporaryDirectory() as folder:
        for frame in frames:
            scene.frame_set(frame)
            scene.render.filepath = str(Path(folder) / f"{frame}.png")
            bpy.ops.render.render(write_still=True)
            made.append(sheets.read(Path(scene.render.filepath)))
    return made


def study(path: Path, take_file: Path, take: Performance) -> tuple[list[Any], str]:
    """Animate one rig from each of its parts and print what was measured; return a row of frames and its caption."""
    points = take.landmarks
    gap = np.linalg.norm(points[:, list(UPPER), :2] - points[:, list(LOWER), :2], axis=2).mean(axis=1)
    frames = list(range(1, len(gap) + 1, 2))
    wanted = gap[::2]
    shown = [1 + int(k) for k in np.argsort(gap)[[0, len(gap) // 2, -len(gap) // 10, -1]]]
    row: list[Any] = []
    caption = path.name
    objects = load(path)
    mouth = mouth_of(objects)
    names = {what: obj.name for what, obj in clicked(objects, bpy.data.objects[mouth.object]).items()}
    for what, name in names.items():
        load(path)
        with quiet():
            refused = animate(bpy.data.objects[name], take_file)
        told = f"{refused} {bpy.context.window_manager.mouthpiece.remarks}"
        if "keys of your own" in told:
            print(f"    animated already: {told.strip()[:300]}")
            load(path)
            for data in (*bpy.data.shape_keys, *bpy.data.objects):
                data.animation_data_clear()
            with quiet():
                refused = animate(bpy.data.objects[name], take_file)
        remarks = bpy.context.window_manager.mouthpiece.remarks.strip().replace("\n", " | ")
        moves = [] if refused else scene_settings.coverage(bpy.context).lines()
        seen = opening(mouth, frames)
        moved = float(np.ptp(seen))
        r = float(np.corrcoef(seen, wanted)[0, 1]) if moved > 1e-4 else 0.0
        print(f"{path.name:28} from {what:9} ({name[:24]:24}) r {r:5.3f}  opens {moved:.3f} of {np.ptp(wanted):.3f}")
        for text in (refused, remarks, " · ".join(moves)):
            if text:
                print(f"    {text[:900]}")
        if mouth.eyes and (not row or what == "face"):
            frame_view(mouth)
            with quiet():
                row, caption = pictures(shown), f"{path.name}: r {r:.3f}"
    return row, caption


def main() -> int:
    """Study the rigs; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="parts of file names (default: all)")
    parser.add_argument("--rigs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    from mouthpiece import Options
    from mouthpiece.pipeline import animate as make

    bpy.ops.wm.read_factory_settings(use_empty=True)
    addon.register()
    take = make(recordings.open_file(bundled.LINE), Options())
    take_file = take.save(options.out.resolve() / "take.npz")
    rows, captions = [], []
    for path in sorted(options.rigs.resolve().iterdir()):
        if not path.name.endswith(SUFFIXES) or (options.names and not any(n in path.name for n in options.names)):
            continue
        try:
            row, caption = study(path, take_file, take.final())
        except Exception:  # one rig's trouble shall not hide the others
            traceback.print_exc()
            continue
        if row:
            rows += row
            captions.append(caption)
    if rows:
        picture, places = sheets.composed(rows, 4)
        place = options.out.resolve() / "wild-rigs.png"
        sheets.write(picture, place)
        sheets.letter(place, [(text, x + 8, y + 10, 15) for text, (x, y) in zip(captions, places[::4], strict=True)])
        print(place)
    return 0


if __name__ == "__main__":
    code = 1
    try:
        code = main()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    except Exception:  # the module of 4.5 hangs when Python ends by itself while classes are registered
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)

"""Animates rigs that nobody here made, from every part an animator may click, and measures the mouth that is seen.

    python benchmarks/wild_rigs.py --rigs ../shared/rigs --out DIR [NAME …]

Wants the checkout and its core on PYTHONPATH, and bpy. Each rig is imported into an empty file; then its armature, its
face, and its teeth, tongue or eyes are clicked in turn and *Animate* is pressed with the bundled line. The opening is
measured on the evaluated mesh between the inner lips, where the face detector finds them on the resting mesh, and
compared with the gap in the take: `r` is Pearson's. What is refused is printed in its own words. Frames of each rig
become a row of DIR/wild-rigs.png.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import io
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Vector
from mouthpiece.motion.closures import LOWER, UPPER
from mouthpiece.performance import Performance

import addon
from addon import compat
from addon import demo as bundled
from addon.sound import recordings
from addon.targets.pins import pins, proposal
from demo import sheets

FPS = 25
SIZE = 300
#: Words in names of objects that are parts of a head, clicked besides the armature and the face.
PARTS = ("teeth", "tongue", "eye", "lash")
#: Bones of the lips, upper and lower, of rigs that bring no mesh on which the detector finds a face.
LIP_BONES = (("Bip01 MUpperLip", "Bip01 MBottomLip"), ("lip_up_def_mid", "lip_low_def_mid"))
SUFFIXES = (".glb", ".glb.gz", ".fbx", ".blend")


def load(path: Path) -> list[Any]:
    """Open a rig's file as an animator would and return the objects it brought."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    if path.suffix == ".blend":
        bpy.ops.wm.open_mainfile(filepath=str(path))
    if not hasattr(bpy.types.Scene, "mouthpiece"):
        addon.register()
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = FPS, 1.0
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
    return list(bpy.data.objects)


def face_of(objects: list[Any]) -> tuple[Any, list[int]]:
    """Return the mesh on which a face is found, the surest of them, and the vertices (68) of its landmarks.

    Without one, an armature with bones of ``LIP_BONES``, and no vertices.
    """
    found = []
    for obj in objects:
        if obj.type != "MESH" or len(obj.data.vertices) < 500 or obj.name not in bpy.context.view_layer.objects:
            continue
        try:
            text = proposal.propose(obj).text
        except Exception as error:  # whatever a mesh without a face does is no finding here
            print(f"    no face on {obj.name}: {str(error)[:80]}")
            continue
        vertices = [int(vertex) for vertex in pins.pins_of(obj).vertices]
        pins.clear_pins(obj)
        sure = float(text.split("with ")[1].split("%")[0]) if "certainty" in text else 100.0
        found.append((sure, len(obj.data.vertices), obj, vertices))
    if not found:
        for obj in objects:
            if obj.type == "ARMATURE" and any(pair[0] in obj.pose.bones for pair in LIP_BONES):
                return obj, []
        raise LookupError("no mesh on which a face is found")
    best = max(found, key=lambda one: one[:2])
    return best[2], best[3]


def clicked(objects: list[Any], face: Any) -> dict[str, Any]:
    """Return what an animator may click: armature, face, and further parts, by what they are."""
    found = {"armature": next((obj for obj in objects if obj.type == "ARMATURE"), None), "face": face}
    shown = bpy.context.view_layer.objects
    meshes = [obj for obj in objects if obj.type == "MESH" and obj != face and obj.name in shown]
    for word in PARTS:
        found[word] = next((obj for obj in meshes if word in obj.name.lower()), None)
    return {what: obj for what, obj in found.items() if obj is not None}


def opening(face: Any, vertices: list[int], frames: list[int]) -> np.ndarray:
    """Return the gap of the inner lips (F,), in eye distances, on the evaluated mesh on those frames.

    Of an armature without such a mesh: the distance of its lips' bones, in its own unit.
    """
    if not vertices:
        above, below = next(pair for pair in LIP_BONES if pair[0] in face.pose.bones)
        apart = []
        for frame in frames:
            bpy.context.scene.frame_set(frame)
            bones = face.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones
            apart.append((bones[above].matrix.translation - bones[below].matrix.translation).length)
        return np.array(apart)
    smooth = [m for m in face.modifiers if m.type in ("SUBSURF", "MASK", "SOLIDIFY", "MULTIRES") and m.show_viewport]
    for modifier in smooth:
        modifier.show_viewport = False
    upper, lower = ([vertices[k] for k in points] for points in (UPPER, LOWER))
    gaps = []
    for frame in frames:
        bpy.context.scene.frame_set(frame)
        seen = face.evaluated_get(bpy.context.evaluated_depsgraph_get())
        at = seen.data.vertices
        apart = [(at[a].co - at[b].co).length for a, b in zip(upper, lower, strict=True)]
        gaps.append(np.mean(apart) / max((at[vertices[36]].co - at[vertices[45]].co).length, 1e-9))
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


def frame_view(face: Any, vertices: list[int]) -> None:
    """Place a camera and a light before the face, and set Workbench up."""
    scene = bpy.context.scene
    where = np.array([face.matrix_world @ face.data.vertices[k].co for k in vertices])
    eye = np.linalg.norm(where[36] - where[45])
    across = Vector(where[45] - where[36]).normalized()
    up = Vector(where[27] - where[8])
    up = (up - across * up.dot(across)).normalized()
    towards = (across.cross(up) + across * 0.25).normalized()
    camera = bpy.data.objects.new("Wild Camera", bpy.data.cameras.new("Wild Camera"))
    camera.data.lens = 85
    camera.location = Vector(where[[36, 45, 48, 54]].mean(axis=0)) + towards * eye * 7.5
    camera.rotation_euler = towards.to_track_quat("Z", "Y").to_euler()
    camera.data.clip_start, camera.data.clip_end = eye / 10, eye * 100
    scene.collection.objects.link(camera)
    scene.camera = camera
    scene.render.engine = "BLENDER_WORKBENCH"
    scene.render.resolution_x = scene.render.resolution_y = SIZE
    scene.render.resolution_percentage = 100
    scene.display.shading.light = "STUDIO"
    scene.display.shading.color_type = "MATERIAL"
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
    face, vertices = face_of(objects)
    face_name = face.name
    names = {what: obj.name for what, obj in clicked(objects, face).items()}
    for what, name in names.items():
        load(path)
        face = bpy.data.objects[face_name]
        with quiet():
            refused = animate(bpy.data.objects[name], take_file)
        if "has keys of your own" in refused:
            print(f"    animated already: {refused[:160]}")
            for data in (*bpy.data.shape_keys, *bpy.data.objects):
                data.animation_data_clear()
            with quiet():
                refused = animate(bpy.data.objects[name], take_file)
        remarks = bpy.context.window_manager.mouthpiece.remarks.replace("\n", " | ")
        seen = opening(face, vertices, frames)
        moved = float(np.ptp(seen))
        r = float(np.corrcoef(seen, wanted)[0, 1]) if moved > 1e-4 else 0.0
        print(f"{path.name:28} from {what:9} ({name[:24]:24}) r {r:5.3f}  opens {moved:.3f} of {np.ptp(wanted):.3f}")
        for text in (refused, remarks):
            if text:
                print(f"    {text[:600]}")
        if vertices and (not row or what == "face"):
            frame_view(face, vertices)
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

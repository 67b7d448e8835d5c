"""Make the files of a release, with its own code: scenes, presets, mappings, takes, portraits that were half rendered.

python blender_tests/released/make.py --outside PYTHON

Run it in the oldest Blender that is supported (the bpy module of 4.5), so that all others can open what it makes.
PYTHON is one that has Mouthpiece's package with its extras (Pillow, c2pa-python) for the command line outside Blender.
Everything goes into the folder named after the version; one that is there already is never touched.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
for place in (str(ROOT), str(ROOT / "core")):
    sys.path.insert(0, place)

import bpy  # noqa: E402
import numpy as np  # noqa: E402

import addon  # noqa: E402
from blender_tests import face_rigs, portraits, scenes  # noqa: E402
from blender_tests.released import extension, seen  # noqa: E402

#: Name of the preset, and frames on which is recorded what plays: before, in, between and after the two lines.
PRESET = "Hero old face"
FRAMES = [1, 11, 14, 18, 23, 29, 35, 40, 50, 61, 65, 70, 76, 82, 95, 120]
#: Seconds of the bundled line that are spoken: heard from a strip on frame 11, and as a take on frame 61.
FIRST, SECOND = (0.55, 1.75), (2.3, 3.2)
#: Side of the picture in pixels, and frames that are left of each half-rendered portrait.
SIDE, KEPT = 96, 6
CONSENT = "A face drawn by a program to test this one: nobody real is shown"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outside", required=True, help="Python with Mouthpiece's extras, for the command line")
    options = parser.parse_args()
    found = re.search(r'(?m)^version = "([^"]+)"', (ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))
    assert found is not None
    if (HERE / found[1]).exists():
        sys.exit(f"'{HERE / found[1]}' is there already: what a release made is never made anew.")
    with tempfile.TemporaryDirectory(prefix="mouthpiece-") as folder:  # paths kept in files tell nothing of anybody
        out = Path(folder) / found[1]
        out.mkdir()
        os.environ["BLENDER_USER_RESOURCES"] = str(out / "profile")
        os.environ["MOUTHPIECE_SETTINGS"] = str(out / "settings")
        addon.register()
        make(out, options.outside)
        shutil.copytree(out, HERE / found[1])
    sys.stdout.flush()
    os._exit(0)


def make(out: Path, outside: str) -> None:
    sounds(out, outside)
    facts = {
        "shape_keys.blend": file(out / "shape_keys.blend", shape_keys, speak_shape_keys),
        "layers.blend": file(out / "layers.blend", layers, speak_layers),
        "drawn_face.blend": file(out / "drawn_face.blend", drawn_face, speak_drawn_face),
        "mouth_chart.blend": file(out / "mouth_chart.blend", mouth_chart, speak_mouth_chart),
    }
    picture(out)
    facts["picture_rig.blend"] = file(out / "picture_rig.blend", picture_rig, speak_picture_rig)
    facts["portrait.blend"] = file(out / "portrait.blend", portrait, speak_portrait)
    facts["command_frames"] = command_frames(out, outside)
    preset_of_extension(out)
    for gone in ("config", "extensions/user_default", "extensions/.cache"):
        shutil.rmtree(out / "profile" / gone, ignore_errors=True)
    for gone in out.glob("*.blend1"):
        gone.unlink()
    text = json.dumps(facts, indent=None, separators=(",", ":"), ensure_ascii=False)
    (out / "facts.json").write_text(text.replace('"Object ', '\n"Object ').replace('"Key ', '\n"Key ') + "\n", "utf-8")


def file(path: Path, build: Callable[[Path], None], perform: Callable[[Path], None]) -> dict[str, Any]:
    """Build a scene, have it perform, save it, and return what was to be seen before and is now."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    if not hasattr(bpy.types.Scene, "mouthpiece"):  # factory settings disable what they did not enable
        addon.register()
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base, scene.frame_end = 25, 1.0, 120
    bpy.ops.wm.save_as_mainfile(filepath=str(path))  # so that // is the folder of the file
    build(path.parent)
    before = path.with_suffix(".before.blend")
    bpy.ops.wm.save_as_mainfile(filepath=str(before), copy=True)
    keys = seen.keys()
    perform(path.parent)
    bpy.context.scene.frame_set(1)
    bpy.ops.wm.save_mainfile(compress=True)
    facts = {"settings": seen.settings(), "frames": FRAMES, "plays": seen.played(FRAMES), "tracks": seen.tracks()}
    facts["keys"] = {channel: len(rows) for channel, rows in seen.keys().items()}
    drawn = [obj.name for obj in bpy.data.objects if obj.type == "GREASEPENCIL"]
    facts["drawings"] = {name: seen.drawings(bpy.data.objects[name]) for name in drawn}
    bpy.ops.wm.open_mainfile(filepath=str(before))
    resting = seen.played(FRAMES[:1], list(facts["plays"]))
    facts["before"] = {"keys": keys, "plays": {channel: values[0] for channel, values in resting.items()}}
    facts["before"]["drawings"] = {name: seen.drawings(bpy.data.objects[name]) for name in drawn}
    before.unlink()
    return facts


def sounds(out: Path, outside: str) -> None:
    """Write two parts of the bundled line, a sound and a take, and a take known by construction."""
    program = (
        "import sys, soundfile; line, first, second, *ends = sys.argv[1:]; a, b, c, d = map(float, ends);"
        "samples, rate = soundfile.read(line);"
        "soundfile.write(first, samples[int(a * rate) : int(b * rate)], rate);"
        "soundfile.write(second, samples[int(c * rate) : int(d * rate)], rate)"
    )
    line, first, second = ROOT / "addon" / "assets" / "demo_line.flac", out / "first.flac", out / "second.flac"
    run(outside, "-c", program, line, first, second, *FIRST, *SECOND)
    run(outside, "-m", "mouthpiece", "animate", second, "-o", out / "second.npz", "--quiet", "--seed", "4")
    second.unlink()
    portraits.take(out / "hum.npz", seconds=0.48)


def run(*command: object) -> None:
    settings = {**os.environ, "PYTHONPATH": str(ROOT / "core")}
    subprocess.run([str(word) for word in command], check=True, env=settings)


def speak(obj: Any, start: int, filepath: str = "", strip: str = "") -> None:
    """Press *Animate* on an object, with a file or a strip chosen."""
    settings = bpy.context.scene.mouthpiece
    settings.source, settings.filepath, settings.strip = "STRIP" if strip else "FILE", filepath, strip
    settings.start = start
    choose(obj)
    assert bpy.ops.mouthpiece.animate() == {"FINISHED"}


def choose(obj: Any, *others: Any) -> None:
    for one in bpy.context.selected_objects:
        one.select_set(False)
    for one in (*others, obj):
        one.select_set(True)
    bpy.context.view_layer.objects.active = obj


def add_strip(out: Path) -> None:
    """Put the first line into the sequencer."""
    strip = scenes.sequencer(25).new_sound("Line", str(out / "first.flac"), 1, 11)
    strip.sound.filepath = "//first.flac"


# --- shape keys by name and by pins, one action


def shape_keys(out: Path) -> None:
    """Make a face with ARKit's keys and a table, teeth that play along, a head bone, and a face with pins."""
    add_strip(out)
    settings = bpy.context.scene.mouthpiece
    settings.head, settings.armature, settings.bone, settings.seed = "BONE", scenes.armature(), "head", 7
    teeth, face = scenes.face("Teeth", keys=("jawOpen", "jawLeft")), scenes.face()
    face.mouthpiece.also.add().object = teeth
    for name, value in {"style": "CALM", "jaw": 1.2, "lips": 0.9, "emotion": "HAPPY", "intensity": 0.6}.items():
        setattr(face.mouthpiece, name, value)
    choose(face)
    bpy.ops.mouthpiece.detect_shape_keys()
    entries = {entry.key: entry for entry in face.mouthpiece_names.entries}
    entries["mouthPucker"].gain, entries["cheekPuff"].enabled = 1.5, False
    entries["browInnerUp"].formula, entries["browInnerUp"].offset = "0.8 * browInnerUp + 0.1 * jawOpen", 0.05
    bpy.ops.mouthpiece.export_mapping(filepath=str(out / "shape_keys.json"))
    bpy.ops.mouthpiece.save_mapping_preset(name=PRESET)
    for name, value, frame in (("tongueOut", 0.25, 5), ("tongueOut", 0.75, 110), ("eyeWideLeft", 0.5, 115)):
        block = face.data.shape_keys.key_blocks[name]
        block.value = value
        block.keyframe_insert("value", frame=frame)
    _pinned(out)


def _pinned(out: Path) -> None:
    """Make a mesh of the 68 landmarks, pinned to them, with keys of no known names."""
    points = np.array([tuple(point) for point in face_rigs.neutral() @ face_rigs.TO_RIG.T])
    mesh = bpy.data.meshes.new("Pinned")
    mesh.from_pydata(points.tolist(), [], [tuple(range(start, start + 4)) for start in range(0, 68, 4)])
    obj = bpy.data.objects.new("Pinned", mesh)
    bpy.context.scene.collection.objects.link(obj)
    obj.shape_key_add(name="Rest")
    moves = {"key a": ([6, 7, 8, 9, 10, 56, 57, 58, 65, 66, 67], (0, 0, -0.25)), "key b": ([48, 60], (-0.1, 0, 0.05)),
             "key c": ([54, 64], (0.1, 0, 0.05)), "key d": (list(range(17, 27)), (0, 0, 0.1))}  # fmt: skip
    for name, (moved, way) in moves.items():
        block = obj.shape_key_add(name=name)
        for index in moved:
            block.data[index].co += face_rigs.Vector(way)
        block.value = 0.0
    obj.mouthpiece.target = "SOLVED"
    pins = {"format": 1, "vertices": list(range(68)), "places": points.tolist(), "count": 68}
    (out / "given.json").write_text(json.dumps(pins))
    choose(obj)
    assert bpy.ops.mouthpiece.import_pins(filepath=str(out / "given.json")) == {"FINISHED"}
    bpy.ops.mouthpiece.unpin(point=0)
    (out / "given.json").unlink()
    bpy.ops.mouthpiece.export_pins(filepath=str(out / "pins.json"))


def speak_shape_keys(out: Path) -> None:
    """Animate both faces, the first with two lines, and edit keys of one channel by hand."""
    face, pinned = bpy.data.objects["Face"], bpy.data.objects["Pinned"]
    speak(face, 11, strip="Line")
    speak(face, 61, "//second.npz")
    curve = seen.curves(face.data.shape_keys)['key_blocks["mouthPucker"].value|0']
    for key in curve.keyframe_points[5:12]:
        key.co.y += 0.2
    curve.update()
    bpy.context.scene.mouthpiece.head = "NONE"
    speak(pinned, 11, "//second.npz")
    bpy.context.scene.mouthpiece.head = "BONE"
    choose(face)


# --- layers in the NLA, on shape keys and on bones


def layers(out: Path) -> None:
    """Make a face with ARKit's keys, and a bone face with a table."""
    add_strip(out)
    scenes.face()
    rig = face_rigs.face()
    rig.name, rig.mouthpiece.target, rig.mouthpiece.layers, rig.mouthpiece.brows = "Bones", "BONES", "LAYERS", 1.5
    choose(rig)
    assert bpy.ops.mouthpiece.detect_bones() == {"FINISHED"}
    links = {link.bone: link for link in rig.mouthpiece_bones.links}
    links["lip_upper"].gain, links["brow.L"].use = 1.25, False
    bpy.ops.mouthpiece.save_bone_mapping(filepath=str(out / "bones.json"))


def speak_layers(out: Path) -> None:
    """Animate both; what was edited on the face becomes a layer, one of its tracks is muted, one is blended."""
    face, rig = bpy.data.objects["Face"], bpy.data.objects["Bones"]
    face.mouthpiece.reduce = 0.01
    speak(face, 11, strip="Line")
    speak(face, 61, "//second.npz")
    curve = seen.curves(face.data.shape_keys)['key_blocks["jawOpen"].value|0']
    for key in curve.keyframe_points[3:6]:
        key.co.y += 0.3
    curve.update()
    assert bpy.ops.mouthpiece.keep_edits() == {"FINISHED"}
    tracks = {track.name: track for track in face.data.shape_keys.animation_data.nla_tracks}
    tracks["Mouthpiece Eyes"].mute = True
    speak(rig, 11, strip="Line")
    choose(face)


# --- a drawn face


def drawn_face(out: Path) -> None:
    """Draw a face of a few strokes, with handles, and a second drawing of the user's own in the middle of the line."""
    data = bpy.data.grease_pencils_v3.new("Drawing")
    obj = bpy.data.objects.new("Drawing", data)
    bpy.context.scene.collection.objects.link(obj)
    material = bpy.data.materials.new("Ink")
    bpy.data.materials.create_gpencil_data(material)
    data.materials.append(material)
    flat = face_rigs.neutral()[:, :2].astype(float)
    lines = [flat[:17], flat[48:60], flat[60:68], flat[36:42], flat[42:48], flat[17:22], flat[22:27], flat[27:36]]
    face = data.layers.new("Face")
    _draw(face.frames.new(1).drawing, lines)
    _draw(data.layers.new("Hair").frames.new(1).drawing, [flat[:17] * (1, -1) - (0, 0.4)])
    choose(obj)
    assert bpy.ops.mouthpiece.place_handles() == {"FINISHED"}
    held = obj.mouthpiece_strokes.handles
    for vertex in held.data.vertices[48:68]:
        vertex.co.z -= 0.02
    settings = obj.mouthpiece_strokes
    settings.layers["Hair"].part, settings.head, settings.timing, settings.mouth = "HEAD", 0.8, "TWOS", "OPEN"
    _draw(face.frames.new(90).drawing, [line * 1.1 for line in lines])


def _draw(drawing: Any, lines: list[Any]) -> None:
    drawing.add_strokes([len(line) for line in lines])
    flat = np.concatenate(lines)
    points = np.stack([flat[:, 0], 0 * flat[:, 0], -flat[:, 1]], axis=1).astype(np.float32)
    drawing.attributes["position"].data.foreach_set("vector", points.ravel())
    drawing.tag_positions_changed()


def speak_drawn_face(out: Path) -> None:
    """Have it speak, its mouth wider."""
    drawing = bpy.data.objects["Drawing"]
    drawing.mouthpiece.lips = 1.3
    speak(drawing, 61, "//second.npz")


# --- a mouth chart


def mouth_chart(out: Path) -> None:
    """Make six mouths, one of which is seen at a time, set up as the smallest chart."""
    puppet = scenes.face("Puppet", keys=())
    mouths = []
    for name in "ABCDEF":
        mouths.append(bpy.data.objects.new(f"mouth_{name}", None))
        bpy.context.scene.collection.objects.link(mouths[-1])
    chart = puppet.mouthpiece_chart
    chart.chart, chart.how, chart.hold, chart.lead, chart.exposure = "rhubarb-basic", "OBJECTS", 3, 1.5, "2"
    choose(puppet, *mouths)
    assert bpy.ops.mouthpiece.set_up_chart() == {"FINISHED"}
    choose(puppet)
    bpy.ops.mouthpiece.save_chart(filepath=str(out / "chart.json"))


def speak_mouth_chart(out: Path) -> None:
    """Have it speak."""
    speak(bpy.data.objects["Puppet"], 61, "//second.npz")


# --- pictures


def picture(out: Path) -> None:
    """Draw a face and write it as a picture, with the file of its landmarks."""
    plain = bpy.data.images.new("face", SIDE, SIDE)
    plain.filepath_raw, plain.file_format = str(out / "face.png"), "PNG"
    plain.save()
    bpy.ops.mouthpiece.add_portrait(filepath=str(out / "face.png"), placement="HAND", camera=False)
    bpy.ops.mouthpiece.save_landmarks(filepath=str(out / "landmarks.json"))
    points = np.array(json.loads((out / "landmarks.json").read_text())["faces"][0]["landmarks"])[:, :2]
    down, right = np.mgrid[:SIDE, :SIDE]
    light = 1 - 0.004 * right + 0.03 * np.sin(0.9 * right) * np.cos(1.3 * down)  # skin is not one colour
    colours = np.stack([0.35 * light, 0.45 * light, 0.55 * light, np.ones_like(light)], axis=-1)
    head = np.concatenate([points[:17], (points[[16, 0]] - points[8]) * (1, 1.3) + points[8] - (0, 12)])
    for line, colour in (
        (head, (0.85, 0.62, 0.5)), (points[48:60], (0.7, 0.25, 0.25)), (points[60:68], (0.35, 0.08, 0.1)),
        (points[36:42], (0.95, 0.95, 0.95)), (points[42:48], (0.95, 0.95, 0.95)),
        (np.concatenate([points[17:22], points[21:16:-1] - (0, 2)]), (0.3, 0.2, 0.1)),
        (np.concatenate([points[22:27], points[26:21:-1] - (0, 2)]), (0.3, 0.2, 0.1)),
        (points[[27, 31, 33, 35]], (0.75, 0.52, 0.42)),
    ):  # fmt: skip
        colours[_inside(line, right + 0.5, down + 0.5), :3] = np.array(colour)
    for eye in (points[36:42], points[42:48]):
        near = np.hypot(right + 0.5 - eye[:, 0].mean(), down + 0.5 - eye[:, 1].mean()) < 2
        colours[near, :3] = (0.15, 0.25, 0.3)
    colours[..., :3] *= light[..., None]
    plain.pixels.foreach_set(np.ascontiguousarray(np.clip(colours, 0, 1)[::-1], np.float32).ravel())
    plain.save()


def _inside(line: Any, x: Any, y: Any) -> Any:
    """Return which of the points lie in a polygon (N, 2)."""
    found = np.zeros(x.shape, bool)
    for (ax, ay), (bx, by) in zip(line, np.roll(line, -1, axis=0), strict=True):
        if ay != by:
            found ^= ((ay > y) != (by > y)) & (x < (bx - ax) * (y - ay) / (by - ay) + ax)
    return found


def picture_rig(out: Path) -> None:
    """Make a rig of the picture, which is packed."""
    bpy.ops.mouthpiece.make_picture_rig(
        filepath=str(out / "face.png"), placement="FILE", landmarks=str(out / "landmarks.json"), camera=False
    )
    obj = bpy.context.active_object
    obj.name = "Puppet"
    obj.mouthpiece_picture.image.pack()
    obj.mouthpiece_picture.image.filepath = "//gone/face.png"


def speak_picture_rig(out: Path) -> None:
    """Have it speak, its head calmer."""
    obj = bpy.data.objects["Puppet"]
    obj.mouthpiece.head = 0.5
    speak(obj, 61, "//second.npz")


def portrait(out: Path) -> None:
    """Make a portrait of the picture, which stays a file, with consent given."""
    bpy.ops.mouthpiece.add_portrait(
        filepath=str(out / "face.png"), placement="FILE", landmarks=str(out / "landmarks.json"), camera=False
    )
    obj = bpy.context.active_object
    obj.name = "Portrait"
    obj.mouthpiece_picture.image.filepath = "//face.png"
    wanted = {
        "consent": True, "statement": CONSENT, "kind": "NOBODY", "by": "Mouthpiece's tests", "repair": "NONE",
        "media": "FRAMES", "output": "//portrait_frames", "sequencer": False, "keep_frames": True,
    }  # fmt: skip
    for name, value in wanted.items():
        setattr(obj.mouthpiece_portrait, name, value)


def speak_portrait(out: Path) -> None:
    """Have it speak, save it, and render it until half of the frames are there."""
    speak(bpy.data.objects["Portrait"], 11, "//hum.npz")
    bpy.ops.wm.save_mainfile(compress=True)
    assert bpy.ops.mouthpiece.render_portrait() == {"FINISHED"}
    stopped(out / "portrait_frames")
    bpy.ops.wm.open_mainfile(filepath=str(out / "portrait.blend"))  # as it was while it was rendered


def stopped(folder: Path) -> None:
    """Leave of a folder of frames what is there when its making is stopped half-way."""
    frames = sorted(folder.glob("*.png"))
    assert len(frames) == 2 * KEPT
    for gone in frames[KEPT:]:
        gone.unlink()


def command_frames(out: Path, outside: str) -> dict[str, Any]:
    """Render a portrait on the command line until half of the frames are there; return what was asked for."""
    arguments = [
        "--image", "face.png", "--landmarks", "landmarks.json", "--take", "hum.npz", "-o", "command_frames",
        "--generator", "none", "--strength", "1.1", "--mark", "--consent", f"nobody: {CONSENT}",
    ]  # fmt: skip
    settings = {**os.environ, "PYTHONPATH": str(ROOT / "core")}
    command = [outside, "-m", "mouthpiece", "portrait", *arguments]
    subprocess.run(command, check=True, cwd=out, env=settings)
    stopped(out / "command_frames")
    return {"arguments": arguments, "frames": 2 * KEPT, "kept": KEPT}


def preset_of_extension(out: Path) -> None:
    """Save a preset where the add-on is installed as an extension."""
    program = f"""
bpy.ops.wm.open_mainfile(filepath={str(out / "shape_keys.blend")!r})
tell(list(bpy.ops.mouthpiece.save_mapping_preset(name={PRESET!r})))
"""
    assert extension.told(out / "profile", program) == ["FINISHED"]


if __name__ == "__main__":
    main()

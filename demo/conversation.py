"""A conversation: three characters of three kinds, twelve lines, cuts inside lines, overlaps; and what is seen of it.

``build`` makes the scene in the open, empty file with the bundled line as the only sound: Ada (shape keys, a head
bone), Ben (face bones) and Cat (a drawing). ``animate`` presses *Animate* for each strip. The measures read evaluated
meshes, bones and strokes, as they are seen, not keys.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import bpy
import numpy as np
from mouthpiece.retarget.shape_keys import lip_pairs
from numpy.typing import NDArray

from addon import compat, demo
from addon.targets.head.eye_distance import measured_eye_distance
from demo import samples
from demo.samples import bones

Floats = NDArray[np.float64]

FPS: Final = 25
#: First and last frame of the scene.
FRAMES: Final = (1, 560)


@dataclass(frozen=True, slots=True)
class Spoken:
    """A line: who speaks, its strip's name, its frames on the timeline, and the frame of the sound it begins with."""

    who: str
    name: str
    first: int
    last: int
    begin: int = 0


#: The bundled line has 178 frames. Ada's first line is cut twice and left in place; its middle comes once more, apart.
#: Ben and Cat speak over each other and over her; Cat's last two lines overlap.
LINES: Final = (
    Spoken("Ada", "Ada 1a", 20, 74, 0),
    Spoken("Ada", "Ada 1b", 75, 121, 55),
    Spoken("Ada", "Ada 1c", 122, 180, 102),
    Spoken("Ada", "Ada 2", 240, 286, 55),
    Spoken("Ada", "Ada 3", 380, 520, 0),
    Spoken("Ben", "Ben 1", 130, 200, 20),
    Spoken("Ben", "Ben 2", 206, 260, 100),
    Spoken("Ben", "Ben 3", 330, 430, 0),
    Spoken("Cat", "Cat 1", 210, 250, 0),
    Spoken("Cat", "Cat 2", 300, 330, 60),
    Spoken("Cat", "Cat 3", 440, 500, 0),
    Spoken("Cat", "Cat 4", 480, 530, 90),
)


def build() -> dict[str, Any]:
    """Make characters and strips; return each character's object by its name."""
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = FPS, 1.0
    scene.frame_start, scene.frame_end = FRAMES
    bpy.ops.mouthpiece.add_demo(line=False)
    cast = {"Ada": bpy.context.active_object}
    for who, sample, place in (("Ben", "bones", (4.0, 0.0, 0.0)), ("Cat", "grease_pencil", (8.0, 0.0, 0.0))):
        cast[who] = bpy.data.objects[samples.load(sample).build()]
        cast[who].location = place
    strips = compat.strips_of(scene.sequence_editor_create())
    for channel, line in enumerate(LINES, 1):
        strip = strips.new_sound(line.name, str(demo.LINE), channel, line.first - line.begin)
        strip.frame_offset_start = line.begin
        strip.frame_offset_end = compat.strip_length(strip) - line.begin - (line.last - line.first + 1)
    return cast


def animate(obj: Any, names: Iterable[str]) -> None:
    """Press *Animate* on a character for the strips of those names; RuntimeError if it is refused."""
    for name in names:
        choose(obj)
        bpy.context.scene.mouthpiece.source, bpy.context.scene.mouthpiece.strip = "STRIP", name
        if bpy.ops.mouthpiece.animate() != {"FINISHED"}:
            raise RuntimeError(f"'{name}' was not animated; see the message above.")


def choose(obj: Any) -> None:
    """Make an object the only one selected, and active."""
    for other in bpy.context.view_layer.objects:
        other.select_set(other == obj)
    bpy.context.view_layer.objects.active = obj


def lines_of(who: str) -> list[Spoken]:
    """Return the lines of a character in the order they are heard."""
    return [line for line in LINES if line.who == who]


def silent(who: str, first: int, last: int, around: int) -> NDArray[np.bool_]:
    """Return for each frame from ``first`` to ``last`` whether lines are more than ``around`` frames off."""
    frames = np.arange(first, last + 1)
    found = np.ones(len(frames), bool)
    for line in lines_of(who):
        found &= (frames < line.first - around) | (frames > line.last + around)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """What is seen of a mesh character on each frame: lips apart and lids open (shares), and the head's turn.

    Attributes
    ----------
    lips : (F,) float64
        Gap of the inner lips less that of the resting face, in outer-eye distances.
    lids : (F,) float64
        Opening of the eyes as a share of the resting face's, mean of both.
    turns : (F, 3, 3) float64
        Rotation of the head in the world.
    """

    lips: Floats
    lids: Floats
    turns: Floats

    def steps(self) -> Floats:
        """Return by how many degrees the head turns from each frame to the next (F - 1,)."""
        between = np.einsum("fij,fkj->fik", self.turns[1:], self.turns[:-1])
        cosines = (np.trace(between, axis1=1, axis2=2) - 1) / 2
        found: Floats = np.degrees(np.arccos(np.clip(cosines, -1, 1)))
        return found


def watch_head(mesh: Any, first: int, last: int) -> Watched:
    """Return what is seen of a head with ARKit's shape keys and a head bone, on frames ``first`` to ``last``.

    Lips are the vertices that ``jawOpen`` parts; lids are as open as the vertices stand that ``eyeBlinkLeft`` moves.
    """
    rest = _vertices(mesh.data)
    jaw, pucker, blink = (_moved(mesh, name) for name in ("jawOpen", "mouthPucker", "eyeBlinkLeft"))
    pairs = np.array(lip_pairs.lip_pairs(rest, jaw, [pucker]))
    lid = np.argsort(np.linalg.norm(blink, axis=1))[-12:]
    rig = next(modifier.object for modifier in mesh.modifiers if modifier.type == "ARMATURE")
    still = [modifier for modifier in mesh.modifiers if modifier.show_viewport]
    for modifier in still:  # the head's turn is read from its bone
        modifier.show_viewport = False
    unit = measured_eye_distance(mesh)
    lips, lids, turns = [], [], []
    for frame in range(first, last + 1):
        bpy.context.scene.frame_set(frame)
        here = _vertices(mesh.evaluated_get(bpy.context.evaluated_depsgraph_get()).data)
        apart = np.linalg.norm(here[pairs[:, 0]] - here[pairs[:, 1]], axis=1).mean()
        lips.append((apart - np.linalg.norm(rest[pairs[:, 0]] - rest[pairs[:, 1]], axis=1).mean()) / unit)
        shut = ((here - rest)[lid] * blink[lid]).sum(axis=1) / (blink[lid] ** 2).sum(axis=1)
        lids.append(1.0 - float(shut.mean()))
        turns.append(np.array((rig.matrix_world @ rig.pose.bones["head"].matrix).to_3x3().normalized()))
    for modifier in still:
        modifier.show_viewport = True
    return Watched(np.array(lips), np.array(lids), np.array(turns))


def _vertices(mesh: Any) -> NDArray[np.float32]:
    """Return a mesh's vertices (V, 3)."""
    points = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", points)
    return points.reshape(-1, 3)


def _moved(mesh: Any, name: str) -> NDArray[np.float32]:
    """Return by how much a shape key at 1 moves each vertex (V, 3)."""
    key = mesh.data.shape_keys
    columns = []
    for block in (key.key_blocks[name], key.reference_key):
        points = np.empty(len(block.data) * 3, np.float32)
        block.data.foreach_get("co", points)
        columns.append(points.reshape(-1, 3))
    return columns[0] - columns[1]


def watch_rig(rig: Any, first: int, last: int) -> Watched:
    """Return what is seen of the cartoon head of bones (``demo/samples/bones.py``) on those frames."""
    face = next(obj for obj in rig.children if obj.name.startswith("Face"))
    inner = len(bones.INSIDE) * bones.AROUND  # the first ring of the lips
    top, low = inner + bones.AROUND // 4, inner + 3 * bones.AROUND // 4
    unit = float(2 * bones.EYE[0] + 2 * bones.EYE_RADIUS)
    smooth = [(modifier, modifier.show_viewport) for modifier in face.modifiers if modifier.type == "SUBSURF"]
    for modifier, _ in smooth:
        modifier.show_viewport = False
    rest = face.data.vertices[top].co.z - face.data.vertices[low].co.z
    lips, lids, turns = [], [], []
    upper = rig.pose.bones["lid_upper.L"]
    for frame in range(first, last + 1):
        bpy.context.scene.frame_set(frame)
        seen = face.evaluated_get(bpy.context.evaluated_depsgraph_get())
        gap = (seen.data.vertices[top].co - seen.data.vertices[low].co).length
        lips.append((gap - rest) / unit)
        lids.append(1.0 - abs(upper.matrix_basis.to_quaternion().angle) / 1.34)  # .72 above the middle to .62 below
        turns.append(np.array((rig.matrix_world @ rig.pose.bones["head"].matrix).to_3x3().normalized()))
    for modifier, shown in smooth:
        modifier.show_viewport = shown
    return Watched(np.array(lips), np.array(lids), np.array(turns))


def mouth_of_drawing(drawing: Any, frames: Iterable[int]) -> Floats:
    """Return how high the mouth of the drawn face (``demo/samples/grease_pencil.py``) is on each frame (F,)."""
    found = []
    for frame in frames:
        bpy.context.scene.frame_set(int(frame))
        shown = next(layer for layer in drawing.data.layers if layer.name == "Mouth").current_frame()
        heights = [point.position[2] for stroke in shown.drawing.strokes for point in stroke.points]
        found.append(max(heights) - min(heights))
    return np.array(found)

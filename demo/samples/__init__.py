"""Sample characters, one module each: a scene built by script, ready to be animated with the bundled line.

A sample is a module ``demo/samples/NAME.py`` with

* a docstring whose first line is the title of its contact sheet,
* ``build() -> str``: makes the character in the open, empty file, with a camera and all settings the panel would
  have, and returns the name of the object to animate,
* if it needs something that is not in the repository, ``missing() -> str``: what that is; empty if it is there,
* ``PANELS``, class names of the sub-panels that its screenshot shows open (default: none), and ``show()``, what is
  pressed before it is taken (default: nothing).

``demo/sheets.py`` opens an empty file, puts the line on frame 1 of the sequencer, calls ``build``, makes the object
active and presses *Animate*. The functions below give all samples the same light and framing.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
from mathutils import Vector

HERE = Path(__file__).resolve().parent
#: What a developer may have beside the checkout: rigs, pictures and sounds that are not part of the repository.
SHARED = HERE.parent.parent.parent / "shared"
#: Width and height of a rendered frame, pixels.
SIZE = 384
BACKDROP = (0.05, 0.06, 0.08)


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample.

    Its name, the title of its sheet, what is missing to build it (empty: nothing), sub-panels that are shown open and
    what is pressed to show them, and how it is built.
    """

    name: str
    title: str
    missing: str
    panels: tuple[str, ...]
    show: Callable[[], None]
    build: Callable[[], str]


def names() -> tuple[str, ...]:
    """Return the names of all samples in alphabetical order."""
    return tuple(sorted(path.stem for path in HERE.glob("[a-z]*.py")))


def load(name: str) -> Sample:
    """Return the sample called ``name``; LookupError if there is none."""
    if name not in names():
        raise LookupError(f"There is no sample '{name}'. There are: {', '.join(names())}")
    module = importlib.import_module(f"{__name__}.{name}")
    title = (module.__doc__ or name).strip().splitlines()[0].rstrip(".")
    missing = module.missing() if hasattr(module, "missing") else ""
    panels, show = tuple(getattr(module, "PANELS", ())), getattr(module, "show", lambda: None)
    return Sample(name, title, missing, panels, show, module.build)


def studio(colour: str = "MATERIAL", light: str = "STUDIO", backdrop: Sequence[float] = BACKDROP) -> None:
    """Set the open scene up for quick, clear pictures by Workbench.

    ``colour`` is Workbench's colour type (TEXTURE for pictures, VERTEX …), ``light`` its lighting (FLAT for drawings),
    ``backdrop`` the colour behind everything.
    """
    scene: Any = bpy.context.scene
    scene.render.engine = "BLENDER_WORKBENCH"
    scene.render.resolution_x = scene.render.resolution_y = SIZE
    scene.render.resolution_percentage = 100
    scene.view_settings.view_transform = "Standard"
    scene.world = bpy.data.worlds.new("Backdrop")
    scene.world.color = backdrop
    scene.display.render_aa = "FXAA"
    scene.display.shading.light = light
    if light == "STUDIO":
        scene.display.shading.studio_light = "paint.sl"
    scene.display.shading.color_type = colour


def camera(centre: Sequence[float], height: float, side: float = 0.16, above: float = 0.0, flat: bool = False) -> Any:
    """Give the scene a camera on ``centre`` that sees ``height`` (Blender units) of a character looking along -Y.

    ``side`` and ``above`` are how far it stands to the right and higher, as shares of its distance; ``flat`` makes it
    orthographic, for drawings and pictures.
    """
    scene = bpy.context.scene
    obj = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    obj.data.lens, obj.data.sensor_width = 85.0, 36.0
    if flat:
        obj.data.type, obj.data.ortho_scale = "ORTHO", height
    distance = height * obj.data.lens / obj.data.sensor_width
    towards = Vector((side, -1.0, above)).normalized()
    obj.location = Vector(centre) + towards * distance
    obj.rotation_euler = towards.to_track_quat("Z", "Y").to_euler()
    obj.data.clip_start, obj.data.clip_end = distance / 100, distance * 100
    scene.collection.objects.link(obj)
    scene.camera = obj
    return obj


def head_bone(character: bpy.types.Object, armature: bpy.types.Object, bone: str = "head") -> None:
    """Choose the bone that turns with a character's head, as under *Head Motion* in the panel."""
    head = character.mouthpiece_head
    head.turns, head.armature, head.bone = "BONE", armature, bone


def import_rig(path: Path) -> list[Any]:
    """Import a glTF file and return the objects it brought."""
    before = set(bpy.data.objects)
    bpy.ops.import_scene.gltf(filepath=str(path))
    return [obj for obj in bpy.data.objects if obj not in before]

"""What `demo/screenshots.py` runs inside a real Blender: show a sample's panels, and save the part of the screen.

Blender's own screenshots are black where there is no graphics card, so the pixels are read off the virtual screen.
"""

from __future__ import annotations

import os
import struct
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from bpy_extras.view3d_utils import location_3d_to_region_2d
from mathutils import Vector
from numpy.typing import NDArray

sys.path.append(str(Path(__file__).resolve().parent.parent))

from demo import samples  # the checkout had to be found first

EXTENSION = "bl_ext.user_default.mouthpiece"
#: Seconds between two steps: the interface is drawn once more between them, slowly, as there is no graphics card.
STEP = 0.8
#: Pixels of background kept below the panel, and the least height of a picture.
MARGIN, LEAST = 24, 560


def open_panels(names: tuple[str, ...]) -> None:
    """Let the sub-panels called ``names`` come up open, by registering the extension again: a script cannot click."""
    extension = sys.modules[EXTENSION]
    extension.unregister()
    panels = subclasses(bpy.types.Panel)  # a sample may have imported the checkout's as well
    known = {kind.__name__: kind for kind in panels if kind.__module__.startswith(EXTENSION)}
    for name in names:
        known[name].bl_options = set(getattr(known[name], "bl_options", ())) - {"DEFAULT_CLOSED"}
    extension.register()


def subclasses(kind: Any) -> Iterator[Any]:
    """Yield the classes made from ``kind``, theirs too."""
    for one in kind.__subclasses__():
        yield one
        yield from subclasses(one)


def view() -> tuple[Any, Any, Any, Any]:
    """Return window, area, sidebar and main region of the 3D View."""
    window = bpy.context.window_manager.windows[0]
    area = max((a for a in window.screen.areas if a.type == "VIEW_3D"), key=lambda a: a.width * a.height)
    regions = {region.type: region for region in area.regions}
    return window, area, regions["UI"], regions["WINDOW"]


def look() -> None:
    """Show the face as its camera sees it, without what distracts from it, and the sidebar."""
    window, area, _, region = view()
    space = area.spaces.active
    space.show_region_ui, space.show_region_toolbar = True, False
    space.overlay.show_floor = space.overlay.show_axis_x = space.overlay.show_axis_y = False
    space.overlay.show_cursor = space.overlay.show_text = space.overlay.show_extras = False
    space.overlay.show_bones = bpy.context.active_object.type == "ARMATURE"
    space.show_gizmo_navigate = False
    shading, wanted = space.shading, bpy.context.scene.display.shading
    shading.type, shading.light, shading.color_type = "SOLID", wanted.light, wanted.color_type
    if wanted.light == "STUDIO":
        shading.studio_light = wanted.studio_light
    space.region_3d.view_perspective = "CAMERA"
    with bpy.context.temp_override(window=window, area=area, region=region):
        bpy.ops.view3d.view_center_camera()


def choose_tab() -> None:
    """Bring the Mouthpiece tab to the front."""
    window, _, sidebar, _ = view()
    sidebar.active_panel_category = "Mouthpiece"
    window.cursor_warp(0, 0)  # out of the picture


def enlarge() -> None:
    """Give the 3D View the whole window."""
    window, area, _, region = view()
    with bpy.context.temp_override(window=window, area=area, region=region):
        bpy.ops.screen.screen_full_area(use_hide_panels=False)


def press(sample: samples.Sample) -> None:
    """Do what the sample wants to have done before it is shown."""
    window, area, _, region = view()
    with bpy.context.temp_override(window=window, area=area, region=region):
        sample.show()


def pixels() -> NDArray[np.uint8]:
    """Return the virtual screen (height, width, 3), first row at the top, from its file in the X window dump format."""
    data = Path(os.environ["MOUTHPIECE_SCREEN"]).read_bytes()
    head = struct.unpack(">25I", data[:100])
    size, width, height, order, bits, stride, colours = head[0], head[4], head[5], head[7], head[11], head[12], head[19]
    if bits != 32:
        raise RuntimeError(f"The virtual screen has {bits} bits a pixel, expected 32.")
    begin = size + colours * 12
    rows = np.frombuffer(data, np.uint8, height * stride, begin).reshape(height, stride)[:, : width * 4]
    channels = rows.reshape(height, width, 4)
    return channels[..., 2::-1] if order == 0 else channels[..., 1:]


def depth(screen: NDArray[np.uint8]) -> int:
    """Return how far down the 3D View its panels reach, pixels, with a margin."""
    _, area, sidebar, _ = view()
    top, foot = len(screen) - (area.y + area.height), len(screen) - area.y
    panel = screen[top:foot, sidebar.x : sidebar.x + sidebar.width - 40].astype(int)
    busy = np.flatnonzero((np.ptp(panel, axis=1) > 24).any(axis=1))
    if len(busy) < 100:
        raise RuntimeError("The sidebar is empty.")
    return min(len(panel), max(int(busy[-1]) + MARGIN, LEAST))


def centre() -> None:
    """Shift the camera's view so that its middle is in the middle of what will be kept."""
    _, area, _, region = view()
    space, camera = area.spaces.active, bpy.context.scene.camera
    ahead = camera.matrix_world @ Vector((0, 0, -10 * camera.data.clip_start))
    middle = area.y + area.height - (depth(pixels()) + area.height - region.height) / 2 - region.y
    feet = []
    for shift in (0.0, 0.1):
        space.region_3d.view_camera_offset[1] = shift
        space.region_3d.update()
        feet.append(location_3d_to_region_2d(region, space.region_3d, ahead).y)
    space.region_3d.view_camera_offset[1] = 0.1 * (middle - feet[0]) / (feet[1] - feet[0])


def cropped(screen: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the 3D View down to the end of its panels."""
    _, area, *_ = view()
    top = len(screen) - (area.y + area.height)
    return screen[top : top + depth(screen), area.x : area.x + area.width]


def save(picture: NDArray[np.uint8], path: Path) -> None:
    """Write a picture (height, width, 3), first row at the top, as PNG."""
    height, width = picture.shape[:2]
    image = bpy.data.images.new("Screenshot", width, height)
    full = np.ones((height, width, 4), np.float32)
    full[..., :3] = picture[::-1] / np.float32(255)
    image.pixels.foreach_set(full.ravel())
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()


def main() -> None:
    """Open the scene now, and do the rest step by step between redraws."""
    name, scene, picture, *other = sys.argv[sys.argv.index("--") + 1 :]
    preferences: Any = bpy.context.preferences
    preferences.view.show_splash = False
    preferences.system.use_region_overlap = False
    sample = samples.load(name)
    open_panels(tuple(filter(None, other[0].split(","))) if other else sample.panels)
    bpy.ops.wm.open_mainfile(filepath=scene, load_ui=False)
    steps: list[Callable[[], None]] = [
        enlarge,
        look,
        lambda: None if other else press(sample),
        choose_tab,
        look,  # the sidebar has changed the size of the view
        centre,
        lambda: save(cropped(pixels()), Path(picture)),
        lambda: os._exit(0),
    ]
    remaining = iter(steps)

    def step() -> float:
        try:
            next(remaining)()
        except Exception:  # nobody sees a window: say it and end
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        return STEP

    bpy.app.timers.register(step, first_interval=2.0, persistent=True)


try:
    main()
except Exception:  # nobody sees a window: say it and end
    traceback.print_exc()
    sys.stderr.flush()
    os._exit(1)

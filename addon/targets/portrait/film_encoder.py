"""Frames and a soundtrack into a film, by Blender's own encoder: in this Blender, or in another one beside it.

In a scene of its own, so that the user's stays untouched. Where there is a user interface another Blender does it:
this one would stand still meanwhile.
"""

from __future__ import annotations

import json
import queue
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import bpy

from ... import compat

#: Container by file ending.
CONTAINERS: Final = {".mp4": "MPEG4", ".m4v": "MPEG4", ".mov": "QUICKTIME"}
#: Least side of a film in pixels that Blender writes.
LEAST: Final = 16
#: Blender's names of constant rate factors.
_QUALITIES: Final = {"PERC_LOSSLESS": 17, "HIGH": 20, "MEDIUM": 23, "LOW": 26, "VERYLOW": 29, "LOWEST": 32}
#: Pictures in one strip: adding one takes the longer the more there are (measured: 2,000 take 0.1 s, 15,000 take 45 s).
MOST: Final = 2000
#: What the other Blender says of each frame.
_FRAME: Final = re.compile(r"Frame (\d+)\b")
#: Seconds of its silence after which one looks whether it is still wanted.
_SILENCE: Final = 0.2
#: Program of the other Blender. The packages around this module are empty ones: their own would register the add-on.
_PROGRAM: Final = """
import importlib, pathlib, sys, types
name, folder = "mouthpiece_encoding", pathlib.Path({folder!r})
for part in ("", "targets", "portrait"):
    name, folder = (name + "." + part, folder / part) if part else (name, folder)
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [str(folder)]
importlib.import_module(name + ".film_encoder").run({film!r})
"""


@dataclass(frozen=True, slots=True)
class Film:
    """A film to be: files of its frames in order, its soundtrack (WAV; empty for none), place, size and rate.

    ``background`` (sRGB, 0..1) shows where frames are see-through; ``quality`` is a constant rate factor, 0 best to 51.
    ``place`` is where the film is moved to afterwards, for messages.
    """

    frames: tuple[str, ...]
    sound: str
    path: str
    width: int
    height: int
    fps: int
    fps_base: float
    background: tuple[float, float, float] = (1.0, 1.0, 1.0)
    quality: int = 16
    place: str = ""


def can_encode() -> bool:
    """Return whether this Blender can write films."""
    with compat.scratch_scene(24, 1.0) as scene:
        return compat.use_video_output(scene.render.image_settings)


def here(film: Film) -> None:
    """Encode in this Blender, which stands still meanwhile; PictureError says what went wrong."""
    try:
        encode(film)
    except (OSError, RuntimeError) as error:
        raise _failed(film, str(error)) from error
    _check(film, "")


def is_blender(path: str) -> bool:
    """Return whether a program is a Blender that can be started. No bpy: for a worker."""
    if not path:
        return False
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, errors="replace", timeout=60)
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0 and done.stdout.lstrip().startswith("Blender")


def apart(film: Film, blender: str) -> Iterator[float]:
    """Encode in another Blender; yield the share that is done. Closing this stops it. No bpy: for a worker.

    Raises PictureError if it cannot be started, or fails.
    """
    with _noted(film) as note:
        program = _PROGRAM.format(folder=str(Path(__file__).parents[2]), film=str(note))
        command = [blender, "-b", "--factory-startup", "--python-exit-code", "1", "--python-expr", program]
        try:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
            )
        except OSError as error:
            raise _failed(film, f"'{blender}' cannot be started ({error.strerror})") from error
        said, share = list[str](), 0.0
        try:
            for text in _lines(process):
                found = _FRAME.match(text)
                share = min(1.0, int(found[1]) / len(film.frames)) if found else share
                said = [*said[-5:], text.strip()] if text and not found else said
                yield share  # also when nothing was said: whoever waits may want to stop
            process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
                Path(film.path).unlink(missing_ok=True)
    _check(film, " ".join(said) if process.returncode else "")
    yield 1.0


def _lines(process: subprocess.Popen[str]) -> Iterator[str]:
    """Yield what a process says, line by line, and an empty text whenever it says nothing for a while."""
    spoken: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def listen() -> None:
        assert process.stdout is not None
        for text in process.stdout:
            spoken.put(text)
        spoken.put(None)

    threading.Thread(target=listen, name="mouthpiece-film", daemon=True).start()
    while True:
        try:
            text = spoken.get(timeout=_SILENCE)
        except queue.Empty:
            yield ""
            continue
        if text is None:
            return
        yield text


def run(note: str) -> None:
    """Encode what a file tells of, and say how far it is: what the other Blender does."""

    def tell(scene: bpy.types.Scene, *_: Any) -> None:
        print(f"Frame {scene.frame_current}", flush=True)

    raw = json.loads(Path(note).read_text(encoding="utf-8"))
    bpy.app.handlers.render_write.append(tell)
    try:
        encode(Film(**{**raw, "frames": tuple(raw["frames"]), "background": tuple(raw["background"])}))
    finally:
        bpy.app.handlers.render_write.remove(tell)


@contextmanager
def _noted(film: Film) -> Iterator[Path]:
    """Lend a file that tells what is to be encoded: lists of frames are too long for a command."""
    note = Path(film.path).with_suffix(".film.json")
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps(asdict(film)), encoding="utf-8")
    except OSError as error:
        raise _failed(film, error.strerror or str(error)) from error
    try:
        yield note
    finally:
        with suppress(OSError):
            note.unlink()


@contextmanager
def counted_frames() -> Iterator[list[int]]:
    """Provide a list to which the number of each frame is added that Blender writes meanwhile."""
    written: list[int] = []

    def note(scene: bpy.types.Scene, *_: Any) -> None:
        written.append(scene.frame_current)

    bpy.app.handlers.render_write.append(note)
    try:
        yield written
    finally:
        bpy.app.handlers.render_write.remove(note)


def encode(film: Film) -> None:
    """Encode a film; RuntimeError if Blender cannot, or writes fewer frames than it has."""
    with compat.scratch_scene(film.fps, film.fps_base) as scene:
        _aim(scene, film)  # before strips are added: they are fitted to the size the scene has then
        strips = compat.strips_of(scene.sequence_editor_create())
        compat.new_colour_strip(strips, "Background", 1, 1, len(film.frames)).color = film.background
        add_frames(strips, "Frames", film.frames, 2, 1)
        if film.sound:
            strips.new_sound("Sound", film.sound, 3, 1)
        scene.frame_start, scene.frame_end = 1, len(film.frames)
        Path(film.path).parent.mkdir(parents=True, exist_ok=True)
        with counted_frames() as written:
            bpy.ops.render.render(animation=True, scene=scene.name)
    if len(written) != len(film.frames):
        raise RuntimeError(f"{len(written)} of its {len(film.frames)} frames were written")


def add_frames(strips: Any, name: str, frames: tuple[str, ...], channel: int, start: int) -> list[Any]:
    """Add pictures, all in one folder, to a sequencer: one strip, or several in a row where there are very many."""
    added = []
    for begin in range(0, len(frames), MOST):
        part = frames[begin : begin + MOST]
        strip = strips.new_image(name, part[0], channel, start + begin, fit_method="FIT")
        for frame in part[1:]:
            strip.elements.append(Path(frame).name)
        strip.blend_type = "ALPHA_OVER"
        added.append(strip)
    return added


def _aim(scene: Any, film: Film) -> None:
    """Set a scene up for the film: its size, its colours as they are, H.264 and AAC."""
    render = scene.render
    # what chroma is halved for wants even numbers
    render.resolution_x, render.resolution_y = (max(4, side // 2 * 2) for side in (film.width, film.height))
    render.resolution_percentage, render.use_sequencer, render.use_compositing = 100, True, False
    render.use_file_extension, render.use_overwrite, render.filepath = False, True, film.path
    scene.view_settings.view_transform, scene.view_settings.look = "Standard", "None"
    scene.view_settings.exposure, scene.view_settings.gamma = 0.0, 1.0
    scene.sequencer_colorspace_settings.name = "sRGB"
    if not compat.use_video_output(render.image_settings):
        raise RuntimeError("this Blender was built without FFmpeg")
    render.image_settings.color_mode = "RGB"
    video = render.ffmpeg
    video.format = CONTAINERS.get(Path(film.path).suffix.lower(), "MPEG4")
    # a scene made by script has no values of its own for any of these
    video.codec, video.ffmpeg_preset, video.gopsize = "H264", "GOOD", 12
    video.constant_rate_factor = min(_QUALITIES, key=lambda name: abs(_QUALITIES[name] - film.quality))
    video.audio_codec = "AAC" if film.sound else "NONE"
    video.audio_bitrate, video.audio_mixrate, video.audio_channels = 192, 48_000, "STEREO"


def _check(film: Film, said: str) -> None:
    place = Path(film.path)
    if said or not place.is_file() or not place.stat().st_size:
        raise _failed(film, said or "Blender wrote nothing")


def _failed(film: Film, reason: str) -> Exception:
    from mouthpiece.errors import PictureError

    what = f"The film '{film.place or film.path}' could not be encoded: {reason}."
    return PictureError(f"{what} Its frames are in '{Path(film.frames[0]).parent}'.")

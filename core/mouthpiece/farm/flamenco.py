"""Jobs as Flamenco 3 has them: the script of the job type, and what is sent to the Manager."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ..errors import FarmError
from ..phrases import listed
from .jobs import FarmJob
from .ranges import range_text

#: The job type's name: that of its script without the ending.
JOB_TYPE = "mouthpiece"
#: Endings of the frames' files, by format.
ENDINGS = {
    "PNG": ".png", "JPEG": ".jpg", "OPEN_EXR": ".exr", "OPEN_EXR_MULTILAYER": ".exr", "TIFF": ".tif", "WEBP": ".webp",
}  # fmt: skip


def job_type() -> str:
    """Return the script of the job type, for the folder ``scripts`` beside the Manager."""
    return (Path(__file__).parent.parent / "assets" / "farm" / f"{JOB_TYPE}.js").read_text(encoding="utf-8")


def submission(
    job: FarmJob, blender: str = "{blender}", python: str = "{python}", priority: int = 50, preview: bool = False
) -> str:
    """Return a job as the Manager's ``/api/v3/jobs`` takes it: JSON.

    Parameters
    ----------
    job
        What to do. Its paths are those of this machine; two-way variables of the Manager make them those of the worker.
    blender, python
        Blender, and the Python that has Mouthpiece: variables of the Manager, or paths.
    priority
        From 0 to 100; the higher comes first.
    preview
        Whether a film is made of the frames.

    Raises
    ------
    FarmError
        If a frame is before 0, which Flamenco cannot say, or a path has braces, which it and Blender read as names.
    """
    named = [job.cast, job.blend, job.takes, job.baked, *([job.rendered / job.pattern] if job.frames else [])]
    braced = [f"'{path}'" for path in named if "{" in str(path) or "}" in str(path)]
    if braced:
        raise FarmError(f"Flamenco reads what is in braces as a variable: rename {listed(braced)}.")
    settings: dict[str, object] = {
        "blendfile": str(job.blend),
        "cast": str(job.cast),
        "lines": range_text(job.lines),
        "lines_per_task": job.lines_per_task,
        "takes_path": str(job.takes),
        "baked_path": str(job.baked),
        "blender": blender,
        "python": python,
        "render": job.frames is not None,
    }
    if job.frames is not None:
        if job.frames[0] < 0:
            raise FarmError(f"Flamenco cannot render frame {job.frames[0]}: it counts from 0. Give --frames.")
        settings |= {
            "frames": f"{job.frames[0]}-{job.frames[1]}",
            "chunk_size": job.frames_per_task,
            "render_output_path": str(job.rendered / job.pattern),
            "format": job.format,
            "image_file_extension": ENDINGS[job.format],
            "preview": preview,
            "fps": job.fps,
        }
    content = {
        "name": job.name,
        "type": JOB_TYPE,
        "priority": priority,
        "submitter_platform": {"win32": "windows"}.get(sys.platform, sys.platform),
        "settings": settings,
        "metadata": {"project": job.cast.stem},
    }
    return json.dumps(content, indent=2) + "\n"

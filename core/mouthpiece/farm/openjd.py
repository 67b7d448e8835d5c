"""Jobs as Open Job Description has them: a bundle of a template and its values, as AWS Deadline Cloud submits it.

The template is the same for all films; what differs are values of its parameters. Commands are lists of arguments,
and paths travel as values, which are not looked into for ``{{…}}``: any name a file can have is safe.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import FarmError
from .jobs import FORMATS, FarmJob
from .ranges import range_text, runs

#: Longest value of a parameter, longest name of a job, and most entries of a range that is a list.
LONGEST_VALUE, LONGEST_NAME, MOST_ENTRIES = 1024, 128, 1024

_ASSETS = Path(__file__).parent.parent / "assets" / "farm"
_CHUNKING = "TASK_CHUNKING"


@dataclass(frozen=True, slots=True)
class Workers:
    """What the machines of a farm have.

    Attributes
    ----------
    blender, python : str
        The programs: names on their path, or full paths.
    conda : str
        Packages that a queue environment of Deadline Cloud installs.
    extension : Path or None
        Full path of the add-on's zip, which is installed for the length of a session, in settings of its own; None
        where the workers' Blender has the add-on.
    chunking : bool
        Whether the engine has the extension TASK_CHUNKING. Without it the parts are fixed in the template, and lines
        and frames are no parameters of the job.
    """

    blender: str = "blender"
    python: str = "python"
    conda: str = "blender mouthpiece"
    extension: Path | None = None
    chunking: bool = True


def bundle(job: FarmJob, workers: Workers) -> dict[str, str]:
    """Return the files of a job bundle by name: template, values for Deadline Cloud and for openjd-cli, attachments.

    Raises
    ------
    FarmError
        If a value or a list is longer than the format lets it be.
    """
    values = _values(job, workers)
    for name, value in values.items():
        if len(str(value)) > LONGEST_VALUE:
            raise FarmError(
                f"'{str(value)[:60]}…' is too long: Open Job Description takes {LONGEST_VALUE:,} characters for "
                f"{name}. Use shorter paths, or give the .blend file a cast of its own."
            )
    references = {
        "assetReferences": {
            "inputs": {"filenames": [str(path) for path in job.files], "directories": []},
            "outputs": {"directories": []},
            "referencedPaths": [],
        }
    }
    entries = [{"name": name, "value": value} for name, value in values.items()]
    return {
        "template.json": _text(template(job, workers)),
        "parameter_values.json": _text({"parameterValues": entries}),
        "asset_references.json": _text(references),
        "openjd_parameters.json": _text(values),
    }


def template(job: FarmJob, workers: Workers) -> dict[str, Any]:
    """Return the template of a job as JSON would hold it; errors as for :func:`bundle`."""
    chunking = workers.chunking
    steps = [_animate(job, chunking), _bake(job, workers)]
    if job.frames is not None:
        steps.append(_render(job.frames, job, chunking))
    return {
        "specificationVersion": "jobtemplate-2023-09",
        **({"extensions": [_CHUNKING]} if chunking else {}),
        "name": _name(f"Mouthpiece: {job.name}"),
        "description": "Takes of a cast's lines, keys in a copy of the .blend file, and its frames.",
        "parameterDefinitions": _parameters(job.frames is not None, workers),
        "steps": steps,
    }


def _text(content: Any) -> str:
    return json.dumps(content, indent=2) + "\n"


def _name(text: str) -> str:
    """Return a job's name without what a name may not hold, or what would be looked up in it."""
    printable = "".join(sign if sign.isprintable() else " " for sign in text)
    return re.sub(r"([{}])(?=\1)", r"\1 ", printable)[:LONGEST_NAME]


def _values(job: FarmJob, workers: Workers) -> dict[str, str | int]:
    """Return the values of a job's parameters by name."""
    values: dict[str, str | int] = {
        "BlenderSceneFile": str(job.blend),
        "Cast": str(job.cast),
        "TakesDir": str(job.takes),
        "BakedScene": str(job.baked),
    }
    chunking = workers.chunking
    if chunking:
        values |= {"Lines": range_text(job.lines), "LinesPerTask": job.lines_per_task}
    if job.frames is not None:
        if chunking:
            first, last = job.frames
            values |= {"Frames": f"{first}-{last}", "FramesPerTask": job.frames_per_task}
        values |= {"OutputDir": str(job.rendered), "OutputPattern": job.pattern, "Format": job.format}
    if workers.extension is not None:
        values["Extension"] = str(workers.extension)
    return values | {"Blender": workers.blender, "Python": workers.python, "CondaPackages": workers.conda}


_CAST, _FRAMES, _SOFTWARE = "Cast", "Frames", "Software"


def _parameters(render: bool, workers: Workers) -> list[dict[str, Any]]:
    """Return the definitions of a job's parameters."""
    chunking = workers.chunking
    blend = [{"label": "Blender files", "patterns": ["*.blend"]}, {"label": "All files", "patterns": ["*"]}]
    found = [
        _path("BlenderSceneFile", "FILE", "IN", "Blender scene file", _CAST,
              "The file whose characters speak. What it links or loads is added under Job Attachments.", blend),
        _path("Cast", "FILE", "IN", "Cast", _CAST, "The table of who speaks what: CSV, JSON or OpenTimelineIO."),
        _path("TakesDir", "DIRECTORY", "OUT", "Folder of the takes", _CAST, "What is there and still right is kept."),
        _path("BakedScene", "FILE", "OUT", "Blender file with the keys", _CAST, "It is replaced by each run.", blend),
    ]  # fmt: skip
    if chunking:
        found += [
            _string("Lines", "Lines", _CAST, "Lines of the cast, counted from 1: 1-60, or 1-3,7.", "1"),
            _count("LinesPerTask", "Lines per task", _CAST, 10),
        ]
    if render:
        if chunking:
            found += [
                _string("Frames", "Frames", _FRAMES, "Frames to render: 1-240.", "1-10"),
                _count("FramesPerTask", "Frames per task", _FRAMES, 10),
            ]
        formats = {"control": "DROPDOWN_LIST", "label": "Output file format", "groupLabel": _FRAMES}
        found += [
            _path("OutputDir", "DIRECTORY", "OUT", "Output directory", _FRAMES, "Folder of the frames."),
            _string("OutputPattern", "Output file pattern", _FRAMES, "Without its ending; # for a digit.", "######"),
            {"name": "Format", "type": "STRING", "default": "PNG", "allowedValues": list(FORMATS),
             "description": "Format of the frames.", "userInterface": formats},
        ]  # fmt: skip
    if workers.extension is not None:
        zips = [{"label": "Zip files", "patterns": ["*.zip"]}]
        text = "The zip of Mouthpiece for the workers' Blender and system."
        found.append(_path("Extension", "FILE", "IN", "Add-on", _SOFTWARE, text, zips))
    packages = "Installed by a queue environment that makes a conda environment of this parameter."
    return [
        *found,
        _string("Blender", "Blender", _SOFTWARE, "Blender on the workers: a name on the path, or a path.", "blender"),
        _string("Python", "Python", _SOFTWARE, "The Python on the workers that has Mouthpiece.", "python"),
        _string("CondaPackages", "Conda packages", _SOFTWARE, packages, "blender mouthpiece"),
    ]


def _path(
    name: str, kind: str, flow: str, label: str, group: str, description: str, filters: Sequence[Any] = ()
) -> dict[str, Any]:
    chosen = {("FILE", "IN"): "CHOOSE_INPUT_FILE", ("FILE", "OUT"): "CHOOSE_OUTPUT_FILE"}
    control = chosen.get((kind, flow), "CHOOSE_DIRECTORY")
    shown = {"control": control, "label": label, "groupLabel": group}
    if filters:
        shown["fileFilters"] = filters  # type: ignore[assignment]
    return {
        "name": name, "type": "PATH", "objectType": kind, "dataFlow": flow, "description": description,
        "userInterface": shown,
    }  # fmt: skip


def _string(name: str, label: str, group: str, description: str, default: str) -> dict[str, Any]:
    shown = {"control": "LINE_EDIT", "label": label, "groupLabel": group}
    return {"name": name, "type": "STRING", "default": default, "description": description, "userInterface": shown}


def _count(name: str, label: str, group: str, default: int) -> dict[str, Any]:
    shown = {"control": "SPIN_BOX", "label": label, "groupLabel": group}
    return {"name": name, "type": "INT", "default": default, "minValue": 1, "userInterface": shown}


def _animate(job: FarmJob, chunking: bool) -> dict[str, Any]:
    space, wanted = _parts("Line", "Lines", job.lines, job.lines_per_task, chunking)
    args = ["-m", "mouthpiece", "batch", "{{Param.Cast}}", "-o", "{{Param.TakesDir}}", "--lines", wanted, "--resume"]
    return {"name": "Animate", "parameterSpace": space, "script": _script("{{Param.Python}}", args)}


def _bake(job: FarmJob, workers: Workers) -> dict[str, Any]:
    args = [
        "--background", "{{Param.BlenderSceneFile}}", "--command", "mouthpiece", "batch", "{{Param.Cast}}",
        "--takes", "{{Param.TakesDir}}", "--lines", "{{Param.Lines}}" if workers.chunking else range_text(job.lines),
        "--output", "{{Param.BakedScene}}", "--resume", "--force",
    ]  # fmt: skip
    return {
        "name": "Bake",
        "dependencies": [{"dependsOn": "Animate"}],
        **({"stepEnvironments": [_add_on()]} if workers.extension is not None else {}),
        "script": _script("{{Param.Blender}}", args),
    }


def _add_on() -> dict[str, Any]:
    """Return an environment whose Blender has the add-on: settings of its own, which end with the session."""
    args = [
        "--background", "--command", "extension", "install-file", "--repo", "user_default", "--enable",
        "{{Param.Extension}}",
    ]  # fmt: skip
    return {
        "name": "AddOn",
        "description": "Installs Mouthpiece for this session.",
        "variables": {"BLENDER_USER_RESOURCES": "{{Session.WorkingDirectory}}/blender"},
        "script": {"actions": {"onEnter": {"command": "{{Param.Blender}}", "args": args}}},
    }


def _render(frames: tuple[int, int], job: FarmJob, chunking: bool) -> dict[str, Any]:
    every = range(frames[0], frames[1] + 1)
    space, wanted = _parts("Frame", "Frames", every, job.frames_per_task, chunking)
    args = [
        "--background", "{{Param.BakedScene}}", "--python-exit-code", "1", "--python", "{{Task.File.Render}}", "--",
        wanted, "{{Param.OutputDir}}", "{{Param.OutputPattern}}", "{{Param.Format}}",
    ]  # fmt: skip
    program = (_ASSETS / "render_frames.py.txt").read_text(encoding="utf-8")
    embedded = [{"name": "Render", "type": "TEXT", "filename": "render_frames.py", "data": program}]
    return {
        "name": "Render",
        "dependencies": [{"dependsOn": "Bake"}],
        "parameterSpace": space,
        "script": _script("{{Param.Blender}}", args) | {"embeddedFiles": embedded},
    }


def _script(command: str, args: Sequence[str]) -> dict[str, Any]:
    return {"actions": {"onRun": {"command": command, "args": list(args)}}}


def _parts(name: str, parameter: str, numbers: Sequence[int], size: int, chunking: bool) -> tuple[dict[str, Any], str]:
    """Return how a step is split into tasks, and what stands for a task's numbers (``1-10``) in its arguments."""
    if chunking:
        chunks = {"defaultTaskCount": f"{{{{Param.{parameter}PerTask}}}}", "rangeConstraint": "CONTIGUOUS"}
        range_of = f"{{{{Param.{parameter}}}}}"
        definition = {"name": name, "type": "CHUNK[INT]", "range": range_of, "chunks": chunks}
        return {"taskParameterDefinitions": [definition]}, f"{{{{Task.Param.{name}}}}}"
    pieces = runs(numbers, size)
    if len(pieces) > MOST_ENTRIES:
        raise FarmError(
            f"{parameter} would be split into {len(pieces):,} tasks; without {_CHUNKING} Open Job Description takes "
            f"{MOST_ENTRIES:,} in a step. Put more into a task."
        )
    ends = [(f"First{name}", [first for first, _ in pieces]), (f"Last{name}", [last for _, last in pieces])]
    space = {
        "taskParameterDefinitions": [{"name": end, "type": "INT", "range": values} for end, values in ends],
        "combination": f"(First{name}, Last{name})",
    }
    return space, f"{{{{Task.Param.First{name}}}}}-{{{{Task.Param.Last{name}}}}}"

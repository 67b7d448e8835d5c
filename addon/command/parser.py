"""``blender -b scene.blend -c mouthpiece …``: bake without a user interface, on the core's own grammar."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import bpy

_PROGRAM = "blender -b SCENE.blend -c mouthpiece"
_EPILOG = """\
examples:
  blender -b shot.blend -c mouthpiece bake --audio line.wav --object Face --output baked.blend
  blender -b shot.blend -c mouthpiece bake --audio line.wav --object Face --armature Rig --bone head \\
          --start 101 --output baked.blend --render preview.mp4
  blender -b shot.blend -c mouthpiece bake --strip "Line 7" --object Face --style calm --emotion sad \\
          --output baked.blend
  blender -b film.blend -c mouthpiece batch cast.csv --output animated.blend --report report.json
  blender -b baked.blend -c mouthpiece update --object Face --lips 1.2 --output adjusted.blend
  blender -b head.blend -c mouthpiece make-shapes --object Head --output head-with-shapes.blend
  blender -b -c mouthpiece picture --image face.png --audio line.wav --output out.blend --render out.mp4
  blender -b -c mouthpiece portrait --image face.png --audio line.wav -o out.mp4 --consent "own: this is me"
  blender -b shot.blend -c mouthpiece render --object Ada
  blender -b shot.blend -c mouthpiece lint --format junit -o lint.xml
  blender -b -c mouthpiece animate line.wav -o take.npz

exit codes: 0 done, 1 failed, 2 bad arguments
"""


def main(argv: Sequence[str]) -> int:
    """Run the arguments after ``-c mouthpiece`` and return the exit code."""
    from mouthpiece.cli import parser as core_cli

    return int(core_cli.run(argv, build_parser()))


def build_parser() -> argparse.ArgumentParser:
    """Return the grammar: ``bake``, and the core's own commands."""
    from mouthpiece.cli import dial
    from mouthpiece.cli import parser as core_cli
    from mouthpiece.cli.animate import add_actor_argument, add_motion_arguments
    from mouthpiece.cli.report import add_report_arguments

    from ..sound import recordings
    from . import bake as bake_command
    from . import batch, lint, make_shapes, picture, portrait, redial, render

    text = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="Speech in, keyframes on a character out.",
        epilog=_EPILOG,
        formatter_class=text,
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    bake = commands.add_parser(
        "bake",
        help="animate a character of the scene",
        description="Turn speech into keyframes on a character's face, and on a head bone or object.",
        epilog=_EPILOG,
        formatter_class=text,
    )
    bake_command.add_arguments(bake)
    add_motion_arguments(bake)
    add_actor_argument(bake)
    dial.add_dial_arguments(bake)
    add_report_arguments(bake)
    bake.set_defaults(command=bake_command.run, open_sound=recordings.open_file)
    redial.add(commands)
    batch.add(commands)
    make_shapes.add(commands)
    picture.add(commands)
    portrait.add(commands)
    render.add(commands)
    lint.add(commands)
    # Blender decodes what it can play; the package the stand-alone command reads files with is not bundled.
    core_cli.add_commands(commands, open_sound=recordings.open_file)
    return parser


_handles: list[Any] = []


def register() -> None:
    """Offer the command ``mouthpiece``."""
    _handles.append(bpy.utils.register_cli_command("mouthpiece", main))


def unregister() -> None:
    """Withdraw it."""
    while _handles:
        bpy.utils.unregister_cli_command(_handles.pop())

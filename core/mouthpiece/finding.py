"""The command ``landmarks``: faces of a still picture into a file that a picture rig can be made from."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import MouthpieceError, PictureError

if TYPE_CHECKING:
    from .portrait.placing import Placed


def add_landmarks_command(commands: Any) -> argparse.ArgumentParser:
    """Add ``landmarks`` to ``parser.add_subparsers()`` and return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "landmarks",
        help="68 points of the faces in a picture",
        description="Find the faces in a still picture and write their 68 landmarks in pixels, the largest first.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("picture", type=Path, metavar="PICTURE", help="photo, painting or drawing (png, jpg, …)")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="JSON", help="where the points go (default: beside the picture)"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--points", metavar="X,Y", nargs=4, type=pixel,
        help="no detector: eye, eye, corner and corner of the mouth, the left of the picture first",
    )  # fmt: skip
    where.add_argument(
        "--box", metavar="PX", nargs=4, type=float, help="no detector: left, top, right and bottom of the face"
    )
    parser.add_argument(
        "--backend",
        choices=("mediapipe", "face_alignment"),
        default="mediapipe",
        help="who finds faces (default: mediapipe)",
    )
    parser.add_argument("--force", action="store_true", help="replace a file that exists")
    parser.set_defaults(command=run_landmarks)
    return parser


def pixel(text: str) -> tuple[float, float]:
    """Return the pixel an argument "x,y" names."""
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}' is not a pixel: give x,y such as 120,85") from error
    return x, y


def run_landmarks(options: argparse.Namespace) -> int:
    """Find the faces and write them. Return 0, or 1 if there are none or something cannot be read or written."""
    from .cli import DONE, FAILED, reporter

    teller = reporter(options)
    try:
        result = _written(options)
    except MouthpieceError as error:
        teller.error(str(options.picture), str(error))
        if options.json:
            teller.result({"ok": False, "error": str(error)}, "")
        return FAILED
    teller.result(result, f"{result['output']}  {result['faces']} face(s)")
    return DONE


def _written(options: argparse.Namespace) -> dict[str, Any]:
    from .portrait.images import over_white, read_picture
    from .portrait.placing import as_json

    place = options.output or options.picture.with_suffix(".json")
    if place.exists() and not options.force:
        raise PictureError(f"'{place}' exists. Choose another place, or replace it with --force.")
    picture = read_picture(options.picture)
    height, width = picture.shape[:2]
    faces = placed_faces(over_white(picture), options, str(options.picture))
    try:
        place.write_text(as_json(faces, width, height, options.picture.name), encoding="utf-8")
    except OSError as error:
        raise PictureError(f"The landmarks cannot be written to '{place}': {error.strerror}.") from error
    return {"ok": True, "output": str(place), "faces": len(faces), "size": [width, height]}


def placed_faces(picture: Any, options: argparse.Namespace, label: str) -> list[Placed]:
    """Return the faces of a picture (H, W, 3), found or placed as asked for.

    Raises
    ------
    PictureError
        If no face is found.
    """
    from .portrait.detect import find_faces
    from .portrait.placing import placed_by_clicks, placed_by_detector, placed_in_box

    if options.points:
        return [placed_by_clicks(options.points[:2], options.points[2:])]
    if options.box:
        return [placed_in_box(*options.box)]
    faces = find_faces(picture, options.backend)
    if not faces:
        raise PictureError(
            f"No face was found in '{label}'. Place one by hand: --points EYE EYE CORNER CORNER, or in Blender with "
            "Place Landmarks."
        )
    return [placed_by_detector(face) for face in faces]

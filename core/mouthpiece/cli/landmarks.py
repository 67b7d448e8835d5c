"""The command ``landmarks``: faces of a still picture into a file that a picture rig can be made from."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MouthpieceError, PictureError
from ..files.places import is_there, refuse_inputs
from ..files.writer import write_whole
from .paths import named_path
from .report import BAD_ARGUMENTS, DONE, FAILED, reporter, shown

if TYPE_CHECKING:
    from ..portrait.find.search import FaceRequest, Sighting


def add_landmarks_command(commands: Any) -> argparse.ArgumentParser:
    """Add ``landmarks`` to ``parser.add_subparsers()`` and return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "landmarks",
        help="68 points of the faces in a picture",
        description="Find the faces in a still picture, say how sure they are, and write their 68 landmarks in pixels, "
        "the most prominent first.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("picture", type=named_path, metavar="PICTURE", help="photo, painting or drawing (png, jpg, …)")
    parser.add_argument(
        "-o", "--output", type=named_path, metavar="JSON", help="where the points go (default: beside the picture)"
    )
    parser.add_argument("--face", type=int, metavar="N", help="only face N, 1 for the first (default: all)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--points", metavar="X,Y", nargs=4, type=pixel,
        help="no detector: eye, eye, corner and corner of the mouth, the left of the picture first",
    )  # fmt: skip
    where.add_argument(
        "--box", metavar="PX", nargs=4, action=FaceBox, help="no detector: left, top, right and bottom of the face"
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
    if not (math.isfinite(x) and math.isfinite(y)):
        raise argparse.ArgumentTypeError(f"'{text}' is not a pixel: give x,y such as 120,85")
    return x, y


class FaceBox(argparse.Action):
    """The argument ``--box``: left, top, right and bottom of a face, in pixels."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Keep the four numbers, or end with exit code 2 and what is wrong with them."""
        try:
            left, top, right, bottom = (float(value) for value in values)
        except ValueError:
            left, top, right, bottom = (math.nan,) * 4
        if not all(math.isfinite(edge) for edge in (left, top, right, bottom)):
            parser.error(f"--box {' '.join(values)}: give four numbers of pixels: left, top, right, bottom")
        if right - left < 1 or bottom - top < 1:
            parser.error(
                f"--box {' '.join(values)} encloses nothing: give left, top, right, bottom, the right edge beyond the "
                "left one, and the bottom below the top"
            )
        setattr(namespace, self.dest, [left, top, right, bottom])


def face_request(options: argparse.Namespace, face: int | None) -> FaceRequest:
    """Return which faces are asked for by ``--points``, ``--box`` and ``--backend``; None for ``face`` is all."""
    from ..portrait.find.search import FaceRequest

    points = tuple(options.points) if options.points else None
    return FaceRequest(face, points, tuple(options.box) if options.box else None, options.backend)


def run_landmarks(options: argparse.Namespace) -> int:
    """Find the faces and write them.

    Return 0; 1 if there are none or something cannot be read or written; 2 if a face is placed outside the picture.
    """
    from ..portrait.find.choice import told
    from ..portrait.find.placement import PlacementError

    teller = reporter(options)
    try:
        place, sighting = _written(options)
    except MouthpieceError as error:
        teller.error(str(options.picture), str(error))
        if options.json:
            teller.result({"ok": False, "error": str(error)}, "")
        return BAD_ARGUMENTS if isinstance(error, PlacementError) else FAILED
    remarks = [*sighting.of_file, *sighting.remarks]
    for remark in remarks:
        teller.warning(str(options.picture), remark)
    faces = [told(face, number) for number, face in sighting.seen]
    result = {
        "ok": True,
        "output": str(place),
        "faces": len(sighting.placed),
        "size": [sighting.width, sighting.height],
        "found": faces,
        "warnings": remarks,
    }
    lines = [f"  face {row['face']}: {_sentence(row)}" for row in faces]
    teller.result(result, "\n".join([f"{shown(place)}  {len(sighting.placed)} face(s)", *lines]))
    return DONE


def _sentence(row: dict[str, Any]) -> str:
    left, top, right, bottom = row["box"]
    steady = "" if row["jitter"] is None else f" (landmarks within {row['jitter']:.1%} of the eye distance)"
    return (
        f"confidence {row['confidence']:.0%}{steady}, box {left:.0f}, {top:.0f} to {right:.0f}, {bottom:.0f}, eyes "
        f"{row['eye_distance']:.0f} pixels apart, turned {row['turned']:.0f} degrees, tilted {row['tilted']:.0f}"
    )


def _written(options: argparse.Namespace) -> tuple[Path, Sighting]:
    from ..portrait.find.placement import as_json
    from ..portrait.find.search import sight

    if not options.picture.name:
        raise PictureError(f"'{options.picture}' is a folder and cannot be read as a picture. Name a file in it.")
    place = options.output or options.picture.with_suffix(".json")
    refuse_inputs([place], [options.picture])
    if is_there(place) and not options.force:
        raise PictureError(f"'{place}' exists. Choose another place, or replace it with --force.")
    sighting = sight(options.picture, face_request(options, options.face))
    text = as_json(list(sighting.placed), sighting.width, sighting.height, options.picture.name)
    try:
        write_whole(place, text)
    except OSError as error:
        raise PictureError(f"The landmarks cannot be written to '{place}': {error.strerror}.") from error
    return place, sighting

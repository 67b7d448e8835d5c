"""Every picture of a folder made to talk, on one contact sheet: what a portrait looks like before one chooses it.

    python demo/portrait_sheet.py FOLDER --consent TEXT [-o SHEET.png] [--audio SOUND]   with the core on PYTHONPATH

A row of the sheet is a picture: as it is, with the landmarks found in it, then its face at the most telling moments of
a line (mouth wide open, shut, rounded, a blink, the head turned). Under it stand how sure the face is and how long a
frame took. A picture that cannot be used has the reason in its row instead. The sheet carries the record of consent.

Needs Pillow, and no Blender: `python -m pip install pillow`. demo/portraits.py does the same for picture rigs.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from mouthpiece.audio import SoundFile
from mouthpiece.errors import MouthpieceError, PictureError
from mouthpiece.performance import Performance
from mouthpiece.pipeline import Options, animate
from mouthpiece.portrait.consent import ADVICE, Consent
from mouthpiece.portrait.draw.flatness import is_flat
from mouthpiece.portrait.draw.generator import named_generator
from mouthpiece.portrait.draw.render import Renderer, RenderOptions
from mouthpiece.portrait.find.choice import surety
from mouthpiece.portrait.find.placement import Placed, read_points
from mouthpiece.portrait.find.search import FaceRequest, sight
from mouthpiece.portrait.images import read_still
from mouthpiece.portrait.portrait import portrait_of
from mouthpiece.provenance import facts as provenance
from mouthpiece.provenance import records
from mouthpiece.provenance.facts import Facts
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from demo.telling import Moment, telling  # noqa: E402  # found by the line above when this is run as a program

#: The sheet, and the line, where none is named.
SHEET: Final = ROOT / "demo" / "out" / "portrait-sheet.png"
LINE: Final = ROOT / "addon" / "assets" / "demo_line.flac"
#: Moments of the line that are shown.
COUNT: Final = 6
#: Longest side of the frames that are rendered, pixels; the face is cut out of them.
RENDERED: Final = 1024
#: Side of what is cut out, over the longer side of the landmarks.
ROOM: Final = 1.9
#: Height of the captions under a row and of the line above all rows, gap, pixels; colours.
CAPTION, HEAD, GAP = 34, 26, 4
PAPER, INK, FAINT, BAD = (30, 32, 37), (235, 237, 240), (150, 155, 165), (255, 150, 120)
ENDINGS: Final = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")


@dataclass(frozen=True, slots=True)
class PictureRow:
    """What became of a picture: its name, what is shown of it, captions, and why it was refused (empty: it was not)."""

    name: str
    cells: list[Any]
    words: str
    refused: str = ""


def row_of(
    path: Path, name: str, take: Performance, moments: Sequence[Moment], options: argparse.Namespace
) -> PictureRow:
    """Return a picture's row; whatever is wrong with the picture is in it."""
    shown: list[Any] = []
    try:
        still = read_still(path, 2 * RENDERED)
        shown.append(_fitted(Image.fromarray(still.pixels), options.size))
        placed, remarks = _placed(path, still.width, still.height)
        factor = still.pixels.shape[1] / still.width
        irises = None if placed.irises is None else placed.irises * factor
        portrait = portrait_of(still.pixels, Placed(placed.landmarks * factor, irises))
        began = time.perf_counter()
        longest = min(RENDERED, max(still.pixels.shape[:2]))
        flat = options.generator is None and options.network is not None and is_flat(portrait)
        renderer = Renderer(portrait, None if flat else options.network, RenderOptions(longest=longest))
        prepared = time.perf_counter() - began
        marks = portrait.face.landmarks[:, :2] * renderer.size[0] / still.pixels.shape[1]
        shown[0] = _dotted(still.pixels, portrait.face.landmarks, options.size)
        began = time.perf_counter()
        cells = [_face(renderer.frame(take, moment.second), marks, options.size) for moment in moments]
        pace = (time.perf_counter() - began) / len(moments)
    except MouthpieceError as error:
        return PictureRow(name, shown, "", str(error).replace(str(path), name))
    sure = surety(placed) or "landmarks from a file"
    wide, high = renderer.size
    made = f"rendered at {wide} x {high}: {prepared:.1f} s, {pace * 1000:.0f} ms"
    words = f"{sure}. {still.width} x {still.height}, {made}"
    drawn = ["Drawn in flat colours: rendered without the network."] if flat else []
    return PictureRow(name, [*shown, *cells], " ".join([f"{words} a frame.", *drawn, *still.remarks, *remarks]))


def _placed(path: Path, width: int, height: int) -> tuple[Placed, tuple[str, ...]]:
    """Return the landmarks of a file beside the picture, NAME.landmarks.json, or those found."""
    beside = path.with_suffix(".landmarks.json")
    if beside.is_file():
        return read_points(beside, width, height), ()
    sighting = sight(path, FaceRequest(1))
    return sighting.placed[0], sighting.remarks


def _fitted(picture: Any, size: int) -> Any:
    """Return a picture laid over paper in a square of ``size`` pixels."""
    square = Image.new("RGBA", (size, size), (*PAPER, 255))
    picture.thumbnail((size, size), Image.Resampling.LANCZOS)
    square.alpha_composite(picture.convert("RGBA"), ((size - picture.width) // 2, (size - picture.height) // 2))
    return square.convert("RGB")


def _dotted(pixels: NDArray[np.uint8], landmarks: NDArray[np.floating], size: int) -> Any:
    """Return a picture in a square, with its landmarks."""
    square = _fitted(Image.fromarray(pixels), size)
    scale = size / max(pixels.shape[:2])
    edge = (size - np.round(np.array(pixels.shape[1::-1]) * scale)) // 2
    draw = ImageDraw.Draw(square)
    for x, y in landmarks[:, :2] * scale + edge:
        draw.rectangle((x - 0.6, y - 0.6, x + 0.6, y + 0.6), fill=(90, 255, 140))
    return square


def _face(frame: NDArray[np.uint8], marks: NDArray[np.floating], size: int) -> Any:
    """Return the face of a frame (H, W, 4), over light paper where it is clear, in a square that lies in the frame."""
    low, high = marks.min(axis=0), marks.max(axis=0)
    across = np.array(frame.shape[1::-1])
    half = min(ROOM * float((high - low).max()), across.min()) / 2
    middle = np.clip((low + high) / 2, half, across - half)
    picture = Image.fromarray(frame)
    paper = Image.new("RGBA", picture.size, (214, 216, 220, 255))
    paper.alpha_composite(picture)
    (left, top), (right, bottom) = np.rint([middle - half, middle + half]).astype(int).tolist()
    return paper.convert("RGB").crop((left, top, right, bottom)).resize((size, size), Image.Resampling.LANCZOS)


def sheet_of(rows: Sequence[PictureRow], heads: Sequence[str], size: int, blocks: int) -> Any:
    """Return the rows on one picture, in ``blocks`` columns of rows."""
    cells = len(heads)
    wide, high = cells * (size + GAP) + 4 * GAP, size + CAPTION
    per_block = math.ceil(len(rows) / blocks)
    sheet = Image.new("RGB", (blocks * wide, HEAD + per_block * high + GAP), PAPER)
    draw, font, bold = ImageDraw.Draw(sheet), ImageFont.load_default(11), ImageFont.load_default(14)
    for block in range(blocks):
        for column, head in enumerate(heads):
            draw.text((block * wide + 2 * GAP + column * (size + GAP) + 4, 5), head, INK, bold)
    for number, row in enumerate(rows):
        left, top = (number // per_block) * wide + 2 * GAP, HEAD + (number % per_block) * high
        for column, cell in enumerate(row.cells):
            sheet.paste(cell, (left + column * (size + GAP), top))
        letters = int((cells - 0.1) * (size + GAP) / 5.6)
        draw.text((left + 4, top + size + 1), f"{row.name}", BAD if row.refused else INK, bold)
        draw.text((left + 4, top + size + 18), textwrap.shorten(row.words, letters), FAINT, font)
        if row.refused:
            text = "\n".join(textwrap.wrap(row.refused, int((cells - 1.2) * (size + GAP) / 7)))
            draw.text((left + size + 4 * GAP, top + 8), text, BAD, bold)
    return sheet


def arguments() -> argparse.ArgumentParser:
    """Return what may be said on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="pictures, searched in its folders as well")
    parser.add_argument("--consent", required=True, metavar="TEXT", help=f"recorded in the sheet. {ADVICE}")
    parser.add_argument("-o", "--output", type=Path, default=SHEET, metavar="PNG", help="(default: demo/out/…)")
    parser.add_argument("--audio", type=Path, default=LINE, metavar="SOUND", help="(default: the bundled line)")
    parser.add_argument("--generator", metavar="FILE", help="a network of your own (.onnx), none or shipped")
    parser.add_argument("--size", type=int, default=192, metavar="PX", help="side of a cell (default 192)")
    parser.add_argument("--blocks", type=int, default=0, metavar="N", help="rows side by side (default: as fits)")
    parser.add_argument("--only", metavar="TEXT", default="", help="only pictures whose path has TEXT in it")
    parser.add_argument("--json", action="store_true", help="what became of each picture, as JSON")
    return parser


def main(arguments_given: Sequence[str] | None = None) -> int:
    """Make the sheet; return the exit code: 1 if no picture could be used, or the sheet not be made."""
    options = arguments().parse_args(arguments_given)
    try:
        rows = made(options)
    except MouthpieceError as error:
        print(error, file=sys.stderr)
        return 1
    used = [row for row in rows if not row.refused]
    if options.json:
        print(json.dumps([{"name": row.name, "refused": row.refused, "remarks": row.words} for row in rows]))
    else:
        print(f"{options.output}: {len(used)} of {len(rows)} pictures talk")
    return 0 if used else 1


def made(options: argparse.Namespace) -> list[PictureRow]:
    """Make the sheet and return its rows; MouthpieceError if there is nothing to make it of."""
    consent = Consent.of(options.consent)
    paths = sorted(path for path in options.folder.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())
    paths = [path for path in paths if options.only in str(path)]
    if not paths:
        raise PictureError(f"There are no pictures in '{options.folder}'. Name a folder that has some.")
    network = options.network = named_generator(options.generator)
    sound = SoundFile(options.audio)
    take = animate(sound, Options()).final()
    moments = telling(take, COUNT)
    rows = []
    for number, path in enumerate(paths, 1):
        row = row_of(path, path.relative_to(options.folder).as_posix(), take, moments, options)
        print(f"[{number}/{len(paths)}] {row.name}: {row.refused or row.words}", file=sys.stderr, flush=True)
        rows.append(row)
    blocks = options.blocks or max(1, round(math.sqrt(len(rows) / (COUNT + 1) / 1.5)))
    sheet = sheet_of(rows, ["picture", *(moment.words for moment in moments)], options.size, blocks)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(options.output, "PNG")
    networks = {network.name or "portrait": network.sha256} if network is not None else {}
    record = Facts(
        consent=consent,
        software=provenance.software(),
        created=provenance.now(),
        sound_sha256=take.audio_sha256,
        networks=networks,
        options={"pictures": len(rows), "sheet": True},
    )
    records.record(options.output, record)
    return rows


if __name__ == "__main__":
    sys.exit(main())

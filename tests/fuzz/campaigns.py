"""Which reader is tried with what."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import numpy as np
import scipy.signal  # noqa: F401  # loaded once, before processes part
from mouthpiece.audio import SoundFile
from mouthpiece.cast.spoken_text import read_spoken_text
from mouthpiece.cast.table import read_cast
from mouthpiece.cast.takes import known_take
from mouthpiece.cast.turns import read_turns
from mouthpiece.cli import parser
from mouthpiece.errors import MouthpieceError
from mouthpiece.files import ASSETS
from mouthpiece.models import registry
from mouthpiece.motion.chart.charts import named_chart, read_chart
from mouthpiece.motion.chart.cues import cue_track
from mouthpiece.performance import Performance, unpack
from mouthpiece.phones import textgrids
from mouthpiece.portrait import headers
from mouthpiece.portrait.find.placement import read_points
from mouthpiece.portrait.images import read_still
from mouthpiece.provenance import certificates
from mouthpiece.provenance.verification import verified
from mouthpiece.retarget.bones import mapping
from mouthpiece.retarget.shape_keys import table
from mouthpiece.styles import read as read_style
from PIL import Image

from . import samples
from .arena import Campaign
from .containers import (
    changed_boxes,
    changed_elements,
    changed_frames,
    changed_messages,
    changed_pages,
    changed_tags,
)
from .mutations import Maker, changed_arrays, changed_bytes, changed_json, changed_png, changed_value

#: How sounds are changed whose containers are known, by the ending of their name.
_CONTAINERS: dict[str, Maker] = {
    "m4a": changed_boxes, "mov": changed_boxes, "webm": changed_elements, "mkv": changed_elements,
    "ogg": changed_pages, "flac": changed_frames, "mp3": changed_tags,
}  # fmt: skip

#: Exit codes that a command may end with: done, failed, bad arguments.
_CODES = (0, 1, 2)
#: Words of command lines, for arguments made at random.
_WORDS = (
    "--lips", "--jaw", "--emotion", "happy", "--intensity", "--offset", "--smoothing", "--set", "rhubarb", "--format",
    "tsv", "json", "xml", "--fps", "--seed", "--style", "--json", "--quiet", "--force", "--apply", "--reset", "-o",
    "--", "-h", "--version", "0", "1", "-1", "1e999", "nan", "inf", "9" * 400, "", "\0", "\ud800", "../x", "x" * 300,
    "/dev/zero", "/proc/self/mem", "/", "out", "adjust", "dial", "cues", "inspect", "verify", "animate", "landmarks",
    "phones", "--from", "--text", "--language",
)  # fmt: skip


def every(folder: Path) -> list[Campaign]:
    """Return all campaigns; what they need is made in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        *_of_takes(folder),
        *_of_json(),
        *_of_casts(),
        *(Campaign(f"sound {name}", f".{name.lower()}", made, _hear) for name, made in samples.sounds().items()),
        *_of_containers(folder),
        *(
            Campaign(f"picture {name}", f".{name.lower()}", made, _see, changed_png if name == "PNG" else changed_bytes)
            for name, made in samples.pictures().items()
        ),
        *_of_records(folder),
        Campaign("networks", ".onnx", samples.networks(), _open_network),
        Campaign("graphs", ".onnx", samples.networks(), _open_network, changed_messages),
        Campaign("sidecars", ".json", ((ASSETS / "head.onnx.json").read_bytes(),), _open_sidecar, changed_json),
        Campaign("arguments", ".json", (json.dumps(["--version"]).encode(),), _run_arguments, _arguments),
    ]


def _of_takes(folder: Path) -> list[Campaign]:
    made = samples.takes(folder)
    take = folder / "whole.npz"
    take.write_bytes(made[0])
    charts, cues = samples.json_files()["charts"], ("cues", str(take), "--set", "{}", "-o", "{}.tsv")
    return [
        Campaign("cues of charts", ".json", charts, _command(*cues), changed_json),
        Campaign("takes", ".npz", made, _use_take, changed_arrays),
        Campaign("takes of casts", ".npz", samples.cast_takes(folder), _know_take, changed_arrays),
        Campaign("packed takes", ".npz", samples.packed_takes(), _unpack, changed_arrays),
        Campaign("inspect", ".npz", made, _command("inspect", "{}"), changed_arrays),
        Campaign(
            "adjust", ".npz", made, _command("adjust", "{}", "--smoothing", "0.5", "-o", "{}.out"), changed_arrays
        ),
        Campaign("cues", ".npz", made, _command("cues", "{}", "--format", "xml", "-o", "{}.xml"), changed_arrays),
    ]


def _of_json() -> list[Campaign]:
    readers: dict[str, Callable[[Path], object]] = {
        "charts": read_chart,
        "styles": read_style,
        "points": lambda path: read_points(path, 200, 220),
        "shape keys": table.load,
        "bones": mapping.read,
    }
    made = samples.json_files()
    return [Campaign(name, ".json", made[name], read, changed_json) for name, read in readers.items()]


def _of_casts() -> list[Campaign]:
    made = samples.casts()
    return [
        Campaign("casts CSV", ".csv", made["csv"], read_cast),
        Campaign("casts JSON", ".json", made["json"], read_cast, changed_json),
        Campaign("casts OTIO", ".otio", made["otio"], read_cast, changed_json),
        Campaign("subtitles", ".srt", made["srt"], read_turns),
        Campaign("texts", ".srt", made["srt"], read_spoken_text),
        Campaign("TextGrids", ".TextGrid", samples.textgrids(), textgrids.read),
    ]


def _of_containers(folder: Path) -> list[Campaign]:
    known = {ending.lower(): made for ending, made in samples.sounds().items()} | samples.film_sounds(folder)
    return [
        Campaign(f"container {ending}", f".{ending}", known[ending], _hear, maker)
        for ending, maker in _CONTAINERS.items()
        if ending in known
    ]


def _of_records(folder: Path) -> list[Campaign]:
    identity = certificates.own_identity(folder / "settings")
    pem = (folder / "settings" / "signing-identity.pem").read_bytes()
    signed, unsigned = samples.frames(folder, identity), samples.frames(folder, None)
    genuine = {_pixels(frame) for frame in (*signed, *unsigned)}
    films = samples.films(folder, identity)
    played = [_played(io.BytesIO(film)) for film in films]
    return [
        Campaign("signed frames", ".png", signed, _check_against(genuine), changed_png),
        Campaign("unsigned frames", ".png", unsigned, _check_against(genuine), changed_png),
        Campaign("films", ".mp4", films, _check_plays(played)),
        Campaign("boxes of films", ".mp4", films, _check_plays(played), changed_boxes),
        Campaign("sequences", ".json", (_sequence(signed),), _verify_folder_of(signed), _shuffled),
        Campaign("certificates", ".pem", (pem,), lambda path: certificates.read_identity(path, path)),
    ]


def _use_take(path: Path) -> None:
    seen = Performance.load(path).final()
    cue_track(seen, named_chart("rhubarb"))


def _know_take(path: Path) -> None:
    if known_take(path) is None:
        raise MouthpieceError("no take of a cast")


def _unpack(path: Path) -> None:
    unpack(path.read_bytes()).final()


def _hear(path: Path) -> None:
    for _ in SoundFile(path).blocks():
        pass


def _see(path: Path) -> None:
    read_still(path, 64)
    headers.remarks_on_file(path)


def _pixels(content: bytes) -> bytes:
    """Return the hash of all that Pillow shows of a picture: every frame, and what it says about colours."""
    with Image.open(io.BytesIO(content), formats=("PNG",)) as picture:
        seen = hashlib.sha256(repr([picture.info.get(name) for name in ("gamma", "icc_profile", "exif")]).encode())
        for index in range(min(getattr(picture, "n_frames", 1), 5)):
            picture.seek(index)
            seen.update(np.asarray(picture.convert("RGBA")).tobytes())
        return seen.digest()


def _check_against(genuine: set[bytes]) -> Callable[[Path], object]:
    """Return a reader that fails if a file is called whole and shows other pixels than a genuine one."""

    def check(path: Path) -> None:
        found = verified(path)
        if not (found.valid or found.unsigned_but_whole):
            raise MouthpieceError("refused")
        try:
            shown = _pixels(path.read_bytes())
        except (OSError, ValueError, SyntaxError):  # Pillow shows nothing of it
            return
        assert shown in genuine, "a forgery is accepted"

    return check


def _played(source: Path | io.BytesIO) -> list[tuple[str, float, bytes]]:
    """Return what a player shows and plays: kind, moment and content of all frames and blocks there are."""
    import av

    found = []
    for kind in ("video", "audio"):
        if isinstance(source, io.BytesIO):
            source.seek(0)
        with av.open(source if isinstance(source, io.BytesIO) else str(source)) as film:
            if getattr(film.streams, kind):
                for frame in film.decode(**{kind: 0}):
                    shown = frame.to_ndarray(format="rgb24") if kind == "video" else frame.to_ndarray()
                    found.append((kind, float(frame.time or 0), hashlib.sha256(shown.tobytes()).digest()))
    return found


def _check_plays(genuine: Sequence[object]) -> Callable[[Path], object]:
    """Return a reader that fails if a film is called valid and plays otherwise than a genuine one."""

    def check(path: Path) -> None:
        import av

        if verified(path).valid:
            try:
                seen = _played(path)
            except (av.FFmpegError, ValueError):  # nobody plays it
                return
            assert seen in genuine, "a forgery is accepted"
        else:
            raise MouthpieceError("refused")

    return check


def _shuffled(rng: Random, made: Sequence[bytes]) -> bytes:
    """Return three frames in JSON: in another order, one twice, one left out, or one changed."""
    genuine = _frames(made[0])
    frames = genuine.copy()
    what = rng.randrange(4)
    if what == 0:
        rng.shuffle(frames)
    elif what == 1:
        frames[rng.randrange(3)] = frames[rng.randrange(3)]
    elif what == 2:
        del frames[rng.randrange(3)]
    else:
        index = rng.randrange(3)
        frames[index] = changed_png(rng, [frames[index]])
    return _sequence(frames[::-1] if frames == genuine else frames)


def _sequence(frames: Sequence[bytes]) -> bytes:
    return json.dumps([frame.hex() for frame in frames]).encode()


def _frames(content: bytes) -> list[bytes]:
    return [bytes.fromhex(text) for text in json.loads(content)]


def _verify_folder_of(genuine: Sequence[bytes]) -> Callable[[Path], object]:
    """Return a reader that writes frames into a folder and fails if another sequence than the genuine one holds."""
    shown = [_pixels(frame) for frame in genuine]

    def check(path: Path) -> None:
        frames = _frames(path.read_bytes())
        place = path.with_suffix("")
        place.mkdir()
        try:
            for number, frame in enumerate(frames):
                (place / f"frame_{number:04d}.png").write_bytes(frame)
            _judge(parser.run(["verify", str(place), "--quiet"]))
        finally:
            shutil.rmtree(place)
        # what the credentials' own chunk is padded with may differ: docs/security.md
        assert [_pixels(frame) for frame in frames] == shown, "a changed sequence is accepted"

    return check


def _open_network(path: Path) -> None:
    _find_network(path.parent, path.read_bytes(), json.loads((ASSETS / "head.onnx.json").read_bytes()))


def _open_sidecar(path: Path) -> None:
    _find_network(path.parent, samples.networks()[0], path.read_bytes())


def _find_network(folder: Path, content: bytes, sidecar: dict[str, object] | bytes) -> None:
    place = folder / "networks"
    place.mkdir()
    try:
        (place / "head.onnx").write_bytes(content)
        if isinstance(sidecar, dict):
            sidecar = json.dumps(sidecar | {"sha256": hashlib.sha256(content).hexdigest()}).encode()
        (place / "head.onnx.json").write_bytes(sidecar)
        registry.find("head", place).open()
    finally:
        shutil.rmtree(place)


def _judge(code: int) -> None:
    """Raise MouthpieceError if a command failed as it should: it said so itself."""
    assert code in _CODES, f"exit code {code}"
    if code:
        raise MouthpieceError("refused")


def _command(*words: str) -> Callable[[Path], object]:
    """Return a reader that runs a command on a file, ``{}``; the command may leave nothing when it fails."""

    def run(path: Path) -> None:
        outputs = [Path(word.format(path)) for word in words if word.startswith("{}.")]
        code = parser.run([word.format(path) for word in words])
        left = [place.name for one in outputs for place in one.parent.glob(f"{one.name}*")]
        for one in outputs:
            for place in one.parent.glob(f"{one.name}*"):
                place.unlink()
        assert not (code and left), "something is left behind by a command that failed"
        _judge(code)

    return run


def _arguments(rng: Random, made: Sequence[bytes]) -> bytes:
    if rng.random() < 0.1:
        return json.dumps(changed_value(rng, json.loads(made[0]))).encode()
    command = rng.choice(("adjust", "cues", "inspect", "verify", "landmarks"))
    return json.dumps([command, *rng.choices(_WORDS, k=rng.randrange(8))]).encode()


def _run_arguments(path: Path) -> None:
    words = json.loads(path.read_bytes())
    os.chdir(path.parent)
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return
    _judge(parser.run(words))

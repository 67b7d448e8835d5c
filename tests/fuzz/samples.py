"""Files that are read without an error, made on the spot: what the fuzzer begins with. All return bytes of files."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile
from mouthpiece.audio import SoundFile
from mouthpiece.files import ASSETS
from mouthpiece.motion.chart.charts import charts
from mouthpiece.performance import Performance, pack, with_speech
from mouthpiece.phones import segmentation
from mouthpiece.phones.speech import Segment, Speech
from mouthpiece.phones.textgrids import text_of
from mouthpiece.portrait.consent import Consent
from mouthpiece.portrait.films import FilmOptions, write_film
from mouthpiece.portrait.find.placement import as_json, placed_in_box
from mouthpiece.provenance.certificates import Identity
from mouthpiece.provenance.credentials import Seal
from mouthpiece.provenance.facts import Facts
from mouthpiece.retarget.bones.mapping import Link, to_json
from mouthpiece.retarget.shape_keys import table
from mouthpiece.styles import MANNER

from tests.material import make_take, posteriors_of, tone

#: Formats of sound that libsndfile writes, each with an encoding.
_SOUNDS = (
    ("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "FLOAT"), ("WAV", "ULAW"), ("WAV", "IMA_ADPCM"), ("WAVEX", "PCM_16"),
    ("RF64", "PCM_16"), ("W64", "PCM_16"), ("AIFF", "PCM_16"), ("AU", "PCM_16"), ("CAF", "PCM_16"), ("FLAC", "PCM_16"),
    ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"), ("NIST", "PCM_16"), ("VOC", "PCM_16"),
)  # fmt: skip
#: Formats of pictures that are read, each with a mode.
_PICTURES = (
    ("PNG", "RGBA"), ("PNG", "P"), ("PNG", "I;16"), ("JPEG", "RGB"), ("JPEG", "CMYK"), ("WEBP", "RGBA"),
    ("TIFF", "RGB"), ("TIFF", "L"), ("GIF", "P"), ("BMP", "RGB"), ("TGA", "RGBA"), ("TGA", "P"),
)  # fmt: skip
FACTS = Facts(
    Consent("I am the person shown", "own", "Ada"),
    "Mouthpiece 9.8.7",
    "2026-11-25T16:00:00Z",
    picture_sha256="0123456789abcdef" * 4,
    networks={"content": "cd" * 32},
    options={"fps": "25", "frames": 3, "size": "32 x 24", "strength": 1.25},
)


def speaking() -> Performance:
    """Return a take in which something is said."""
    rows, _ = posteriors_of("_ h ɛ l oʊ _ _ w ɝ l d _")
    starts = np.zeros(len(rows))
    return with_speech(make_take(), replace(segmentation.heard(rows, starts), text="Hello world", language="en-us"))


def takes(folder: Path) -> tuple[bytes, ...]:
    """Return two takes: one as it was heard, one with dials."""
    plain = speaking()
    dials = {"lips": 1.2, "emotion": "happy", "intensity": 0.5, "offset": 0.2}
    return tuple(take.save(folder / "take.npz").read_bytes() for take in (plain, replace(plain, dials=dials)))


def cast_takes(folder: Path) -> tuple[bytes, ...]:
    """Return a take that says how a batch made it."""
    said = {"content": "c", "channel": "auto", "style": "speaker", "dials": {"lips": 1.2}, "label": "L", "seconds": 2.0}
    take = make_take(options={"seed": 3, "cast": said}, dials={"lips": 1.2, "jaw": 0.5})
    return (take.save(folder / "take.npz").read_bytes(),)


def casts() -> dict[str, tuple[bytes, ...]]:
    """Return casts by their format, and subtitles under ``srt``."""
    names = "character,audio,start,begin,end,strip,channel,style,emotion,intensity,seed,transcript,to,label,lips\n"
    row = 'Anna,a.wav,1:02.5,1,0:02.5,a.001,left,calm,happy,0.5,7,"Well, ""hello""\nyou",Ben,A7,1.2\n'
    csv = (names + row, "sep=;\nWho;Sound;Time\n# no line\nJürgen;ä.wav;00:01:02:03\n")
    plain = {"character": "Anna", "audio": "a.wav", "start": "1:00", "dials": {"style": 0.5}, "seed": 3}
    table = {
        "characters": {"Anna": {"style": "calm"}},
        "lines": [plain, {"character": "Ben", "strip": "s", "frame": 12}],
    }
    subtitles = (
        "1\n00:00:01,000 --> 00:00:02,000\nANNA: Hello.\n\n2\n00:00:02,5 --> 00:00:04,000\n- BEN: Hi.\n- Anna: Well.\n",
        "WEBVTT\n\nNOTE x\n\n00:01.000 --> 00:02.000 align:left\n<v.loud Anna>Hello &amp; <i>bye</i>\n",
    )
    return {
        "csv": (*(text.encode() for text in csv), csv[0].encode("utf-16"), csv[1].encode("cp1252")),
        "json": (json.dumps(table).encode(), json.dumps([plain]).encode()),
        "otio": (json.dumps(_timeline()).encode(),),
        "srt": tuple(text.encode() for text in subtitles),
    }


def textgrids() -> tuple[bytes, ...]:
    """Return TextGrids: long, short, and in another encoding."""
    phones = (Segment("h", 0.1, 0.2, 1.0), Segment("aɪ", 0.2, 0.5, 1.0))
    speech = Speech(phones=phones, words=(Segment('"hi"', 0.1, 0.5, 1.0),))
    plain = text_of(speech, 1.0)
    short = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n1\n<exists>\n1\n"IntervalTier"\n"a - phones"\n'
    short += '0\n1\n2\n0\n0.5\n"AA1"\n0.5\n1\n"sil"\n'
    return plain.encode(), short.encode(), plain.encode("utf-16")


def _timeline() -> dict[str, object]:
    """Return a timeline of OpenTimelineIO with all that is read of one."""

    def time(value: float) -> dict[str, object]:
        return {"OTIO_SCHEMA": "RationalTime.1", "value": value, "rate": 24}

    def stretch(start: float, length: float) -> dict[str, object]:
        return {"OTIO_SCHEMA": "TimeRange.1", "start_time": time(start), "duration": time(length)}

    ours = {"mouthpiece": {"character": "Ben", "style": "calm", "lips": 1.5}}
    sound = {
        "OTIO_SCHEMA": "ExternalReference.1",
        "target_url": "file:///a%20b.wav",
        "available_range": stretch(0, 240),
    }
    clip = {
        "OTIO_SCHEMA": "Clip.2",
        "name": "c",
        "source_range": stretch(24, 48),
        "media_references": {"DEFAULT_MEDIA": sound},
        "active_media_reference_key": "DEFAULT_MEDIA",
        "metadata": ours,
        "effects": [{"OTIO_SCHEMA": "LinearTimeWarp.1", "time_scalar": 1}],
        "markers": [{"OTIO_SCHEMA": "Marker.2", "name": "m", "marked_range": stretch(24, 24), "metadata": ours}],
    }
    old = {"OTIO_SCHEMA": "Clip.1", "name": "d", "source_range": None, "media_reference": sound}
    inner = {"OTIO_SCHEMA": "Stack.1", "source_range": stretch(6, 60), "children": [
        {"OTIO_SCHEMA": "Track.1", "kind": "Audio", "name": "Cleo", "children": [old]}]}  # fmt: skip
    gap = {"OTIO_SCHEMA": "Gap.1", "source_range": stretch(0, 12)}
    fade = {"OTIO_SCHEMA": "Transition.1", "in_offset": time(3), "out_offset": time(3)}
    track = {"OTIO_SCHEMA": "Track.1", "kind": "Audio", "name": "Anna", "children": [gap, clip, fade, old, inner]}
    return {"OTIO_SCHEMA": "Timeline.1", "tracks": {"OTIO_SCHEMA": "Stack.1", "children": [track]}}


def packed_takes() -> tuple[bytes, ...]:
    """Return a take as it is kept in a scene."""
    return (pack(speaking()),)


def json_files() -> dict[str, tuple[bytes, ...]]:
    """Return files of JSON by what they are: charts, styles, points, shape keys, bones."""
    some = list(charts().values())[:3]
    entries = (table.Entry("jawOpen", "jawOpen"), table.Entry("A", "0.5*jawOpen + mouthFunnel", 1.2, enabled=False))
    mapped = {"kind": table._KIND, "format": table.FORMAT, **table.as_dict(table.ShapeMap(entries))}
    links = (Link("jawOpen", "jaw", "ROTATION", "X"), Link("lip_upper", "lip.T", gain=0.5))
    found = {
        "charts": [json.dumps(chart.saved()) for chart in some],
        "styles": [json.dumps({"name": "calm", **dict.fromkeys(MANNER, 0.1)})],
        "points": [as_json([placed_in_box(20, 20, 80, 90)], 100, 110)],
        "shape keys": [json.dumps(mapped)],
        "bones": [to_json(links)],
    }
    return {kind: tuple(text.encode() for text in texts) for kind, texts in found.items()}


def sounds() -> dict[str, tuple[bytes, ...]]:
    """Return short sounds by the format's name."""
    found: dict[str, tuple[bytes, ...]] = {}
    samples = np.stack([tone(0.6), 0.5 * tone(0.6, hertz=330.0)], axis=1)
    for form, encoding in _SOUNDS:
        if form not in soundfile.available_formats():
            continue
        stream = io.BytesIO()
        soundfile.write(stream, samples, 16_000, subtype=encoding, format=form)
        found[form] = (*found.get(form, ()), stream.getvalue())
    return found


#: Sounds that PyAV writes: ending, and coding.
_FILM_SOUNDS = (("m4a", "aac"), ("mov", "pcm_s16le"), ("webm", "libopus"), ("mkv", "pcm_s16le"))


def film_sounds(folder: Path) -> dict[str, tuple[bytes, ...]]:
    """Return short sounds in the containers of films, by their ending; none where PyAV is not installed."""
    try:
        import av
    except ImportError:
        return {}
    found: dict[str, tuple[bytes, ...]] = {}
    for ending, coding in _FILM_SOUNDS:
        path = folder / f"sound.{ending}"
        with av.open(str(path), "w") as out:
            stream = out.add_stream(coding, rate=48_000, layout="mono")
            heard = av.AudioFrame.from_ndarray(tone(0.6, 48_000)[None], "fltp", "mono")
            heard.sample_rate, heard.pts = 48_000, 0
            change = av.AudioResampler(stream.format.name, "mono", 48_000)
            for block in [*change.resample(heard), *change.resample(None), None]:
                out.mux(stream.encode(block))
        found[ending] = (path.read_bytes(),)
    return found


def pictures() -> dict[str, tuple[bytes, ...]]:
    """Return small pictures by the format's name."""
    from PIL import Image  # which the environments of Blender do not have

    found: dict[str, tuple[bytes, ...]] = {}
    pixels = np.random.default_rng(3).integers(0, 256, (24, 32, 4), np.uint8)
    for form, mode in _PICTURES:
        grey = Image.fromarray(pixels[..., 0].astype(np.uint16) * 200) if mode == "I;16" else None
        picture = grey or Image.fromarray(pixels).convert("RGB" if form != "WEBP" else mode).convert(mode)
        stream = io.BytesIO()
        picture.save(stream, form)
        found[form] = (*found.get(form, ()), stream.getvalue())
    return found


def frames(folder: Path, identity: Identity | None) -> tuple[bytes, ...]:
    """Return frames (24, 32) with record, signed if there is an identity, else not."""
    rng = np.random.default_rng(5)
    seal = Seal(identity)
    facts = replace(FACTS, signature=seal.signature)
    pixels = rng.integers(0, 256, (3, 24, 32, 3), np.uint8)
    return tuple(seal.frame(frame, replace(facts, frame=index)) for index, frame in enumerate(pixels))


def films(folder: Path, identity: Identity) -> tuple[bytes, ...]:
    """Return two films of five frames with record, signed: one silent, one with sound."""
    sound = folder / "film.wav"
    soundfile.write(sound, tone(0.2), 16_000)
    made = []
    for heard in (None, SoundFile(sound)):
        place = folder / "film.mp4"
        images: Iterator[np.ndarray] = (np.full((24, 32, 3), level, np.uint8) for level in (0, 60, 120, 180, 240))
        for _ in write_film(place, images, (32, 24), FilmOptions(Fraction(25)), heard):
            pass
        Seal(identity).put(place, FACTS)
        made.append(place.read_bytes())
    return tuple(made)


def networks() -> tuple[bytes, ...]:
    """Return the smallest network that ships."""
    return ((ASSETS / "head.onnx").read_bytes(),)

"""Sound files as they are found, honest and not: many containers and codings, made on the spot with their truth.

Each is a second and a half of near silence with a beep in it, or more of them one after the other. What soundfile does
not write is encoded by the ring that asks: with PyAV outside Blender, with Blender's own encoder inside.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

RATE = 44_100
#: Seconds of a sound, and of the beep in it.
SECONDS, BEEP = 1.5, 0.8
#: Seconds by which readers may differ from the truth: of a beep, and in all.
PLACE, LENGTH = 0.025, 0.040
#: Samples that MP3 and AAC encoders put before the sound, which is heard where no header says that they are there.
_MP3_DELAY, _AAC_DELAY = 1105 - 529, 1024

Encode = Callable[[np.ndarray, int, Path, str], None]


@dataclass(frozen=True)
class OddSound:
    """A file, and what is to be heard in it: seconds in all and the seconds of its beeps; or words of the refusal."""

    name: str
    make: Callable[[Path, Encode], bytes]
    seconds: float = SECONDS
    beeps: tuple[float, ...] = (BEEP,)
    refused: str = ""

    def write(self, folder: Path, encode: Encode) -> Path:
        """Write the file into a folder."""
        work = folder / "parts"
        work.mkdir(exist_ok=True)
        path = folder / self.name.replace("/", " ")
        path.write_bytes(self.make(work, encode))
        return path


def beep(rate=RATE, seconds=SECONDS, at=BEEP, loud=0.8):
    """Near silence with five milliseconds of a tone in it."""
    samples = (np.random.default_rng(1).standard_normal(round(seconds * rate)) * 0.003).astype(np.float32)
    start, time = round(at * rate), np.arange(round(0.005 * rate)) / rate
    samples[start : start + len(time)] += (loud * np.sin(2 * np.pi * 1000 * time)).astype(np.float32)
    return samples


def beeps_of(samples, rate):
    """Return the seconds at which beeps begin in samples (N,)."""
    loud = np.flatnonzero(np.abs(samples) > 0.3) / rate
    return [float(at) for at in loud[np.diff(loud, prepend=-1.0) > 0.1]]


def is_heard(sound: OddSound, samples, rate):
    """Say what is wrong with what a reader hears of it; nothing if all is right."""
    seconds, beeps = len(samples) / rate, beeps_of(samples, rate)
    off = [abs(a - b) for a, b in zip(beeps, sound.beeps, strict=False)]
    right = abs(seconds - sound.seconds) <= LENGTH and len(beeps) == len(sound.beeps) and max(off, default=0) <= PLACE
    return "" if right else f"{seconds:.3f} s with beeps at {beeps}, not {sound.seconds:.3f} s at {sound.beeps}"


def plain(form, subtype, name="a", rate=RATE, loud=0.8, endian=None, **options):
    """Make a file that soundfile writes."""

    def make(folder, _):
        path = folder / f"{name}.{form.lower()}"
        more = {"endian": endian} if endian else {}
        soundfile.write(path, beep(rate, loud=loud), rate, format=form, subtype=subtype, **more, **options)
        return path.read_bytes()

    return make


def encoded(name, codec, rate=RATE):
    """Make a file that the ring's own encoder writes."""

    def make(folder, encode):
        encode(beep(rate), rate, folder / name, codec)
        return (folder / name).read_bytes()

    return make


def changed(make, *changes):
    """Make a file and do something to its bytes."""

    def done(folder, encode):
        content = make(folder, encode)
        for change in changes:
            content = change(content)
        return content

    return done


def put(mark, offset, form, value):
    """Write a number at a distance from the end of a mark."""

    def change(content):
        at = content.index(mark) + len(mark) + offset
        return content[:at] + struct.pack(form, value) + content[at + struct.calcsize(form) :]

    return change


def share(part):
    """Keep that part of a file."""
    return lambda content: content[: int(part * len(content))]


def behind(more):
    """Append bytes."""
    return lambda content: content + more


def twice(content):
    """Append the file to itself."""
    return content + content


def total(count):
    """Write the number of samples into a FLAC file."""

    def change(content):
        word = int.from_bytes(content[18:26], "big") >> 36 << 36 | count
        return content[:18] + word.to_bytes(8, "big") + content[26:]

    return change


def without_count(content):
    """Take the frame away that counts the others of an MP3."""
    at = max(content.find(b"Xing"), content.find(b"Info"))
    return content[content.index(b"\xff", at + 156 - 36) :] if at < 0 else content[frame_length(content) :]


def frame_length(content):
    """Return the bytes of the first frame of a mono MP3 at 44,100 Hz."""
    kilobits = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)[content[2] >> 4]
    return 144_000 * kilobits // RATE + (content[2] >> 1 & 1)


TAG = b"ID3\x04\0\0\0\0\2\0" + bytes(256)
OLD_TAG = b"TAG" + b"An old title".ljust(125, b"\0")
#: What other programs write behind the samples of a WAV.
NOTE = b"LIST" + struct.pack("<I", 26) + b"INFOISFT" + struct.pack("<I", 14) + b"A program, 1.0"


def in_wav(content):
    """Put an MP3 into a WAV."""
    about = struct.pack("<HHIIHHHHIHHH", 0x55, 1, RATE, 8000, 1, 0, 12, 1, 2, 418, 1, 1393)
    chunks = b"fmt " + struct.pack("<I", len(about)) + about + b"fact" + struct.pack("<II", 4, round(SECONDS * RATE))
    chunks += b"data" + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def with_note_before(content):
    """Put a chunk before the samples of a WAV."""
    at = content.index(b"data")
    return content[:at] + NOTE + content[at:]


def from_the_middle(content):
    """Take away the first pages with sound of an Ogg, as of a broadcast that was recorded from its middle."""
    pages = content.split(b"OggS")[1:]
    return b"".join(b"OggS" + page for page in (*pages[:2], *pages[3:]))


def box(name, *content):
    """Return a box of MP4."""
    inside = b"".join(content)
    return struct.pack(">I4s", 8 + len(inside), name) + inside


def in_mp4(brand=b"M4A ", edited=True):
    """Put AAC into an MP4, with or without an edit list that leaves out what the encoder put before."""

    def change(content):
        frames = []
        while content:
            size = (content[3] & 3) << 11 | content[4] << 3 | content[5] >> 5
            frames.append(content[7 if content[1] & 1 else 9 : size])
            content = content[size:]
        length, ftyp = 1024 * len(frames), box(b"ftyp", brand, bytes(4), brand, b"isom")
        unity = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
        mvhd = box(
            b"mvhd", struct.pack(">5IIH10x", 0, 0, 0, RATE, length, 0x10000, 0x100), unity, bytes(24), b"\0\0\0\2"
        )
        tkhd = box(b"tkhd", struct.pack(">6I8xHHH2x", 7, 0, 0, 1, 0, length, 0, 0, 0x100), unity, bytes(8))
        heard = length - _AAC_DELAY
        edits = box(b"edts", box(b"elst", struct.pack(">IIIII", 0, 1, heard, _AAC_DELAY, 0x10000))) if edited else b""
        config = b"\x05\x02\x12\x08"
        esds = b"\x04" + bytes([13 + len(config)]) + b"\x40\x15" + bytes(11) + config
        esds = b"\x03" + bytes([3 + len(esds) + 3]) + b"\0\1\0" + esds + b"\x06\x01\x02"
        mp4a = box(b"mp4a", struct.pack(">6xH8xHHIHH", 1, 1, 16, 0, RATE, 0), box(b"esds", bytes(4), esds))

        def moov(at):
            tables = (
                box(b"stsd", struct.pack(">II", 0, 1), mp4a),
                box(b"stts", struct.pack(">IIII", 0, 1, len(frames), 1024)),
                box(b"stsc", struct.pack(">IIIII", 0, 1, 1, len(frames), 1)),
                box(b"stsz", struct.pack(">III", 0, 0, len(frames)), *(struct.pack(">I", len(f)) for f in frames)),
                box(b"stco", struct.pack(">III", 0, 1, at)),
            )
            dinf = box(b"dinf", box(b"dref", struct.pack(">II", 0, 1), box(b"url ", b"\0\0\0\1")))
            minf = box(b"minf", box(b"smhd", bytes(8)), dinf, box(b"stbl", *tables))
            mdhd = box(b"mdhd", struct.pack(">5IHH", 0, 0, 0, RATE, length, 0x55C4, 0))
            hdlr = box(b"hdlr", bytes(8), b"soun", bytes(12), b"Sound\0")
            return box(b"moov", mvhd, box(b"trak", tkhd, edits, box(b"mdia", mdhd, hdlr, minf)))

        at = len(ftyp) + len(moov(0)) + 8
        return ftyp + moov(at) + box(b"mdat", *frames)

    return change


def mp3(**options):
    """Make an MP3."""
    return plain("MP3", "MPEG_LAYER_III", **options)


WAV, FLAC, AIFF, AU = (plain(f, "PCM_16") for f in ("WAV", "FLAC", "AIFF", "AU"))
RF64, W64, CAF = (plain(f, "PCM_16") for f in ("RF64", "W64", "CAF"))
VORBIS, OPUS = plain("OGG", "VORBIS"), plain("OGG", "OPUS", rate=48_000)
VARIABLE = mp3(bitrate_mode="VARIABLE", compression_level=0.3)
AAC = encoded("a.aac", "aac")
BYTES = 2 * round(SECONDS * RATE)
W64_DATA = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
TWICE = {"seconds": 2 * SECONDS, "beeps": (BEEP, SECONDS + BEEP)}
#: ADPCM comes in blocks, the last of which is filled up.
PADDED = {"seconds": SECONDS + 0.075}
#: A joined MP3 keeps what its encoder put before and behind the second sound: 66 ms, and 26 for the frame that counts.
JOINED = {"seconds": 2 * SECONDS + 0.05, "beeps": (BEEP, SECONDS + BEEP + 0.05)}


def late(samples):
    """Return the truth for a file that does not say how much its encoder put before the sound."""
    return {"seconds": SECONDS + samples / RATE, "beeps": (BEEP + samples / RATE,)}


HEARD = (
    OddSound("8-bit.wav", plain("WAV", "PCM_U8")),
    OddSound("16-bit.wav", WAV),
    OddSound("24-bit.wav", plain("WAV", "PCM_24")),
    OddSound("32-bit.wav", plain("WAV", "PCM_32")),
    OddSound("float, over full scale.wav", plain("WAV", "FLOAT", loud=3.0)),
    OddSound("double.wav", plain("WAV", "DOUBLE", loud=3.0)),
    OddSound("mu-law.wav", plain("WAV", "ULAW")),
    OddSound("a-law.wav", plain("WAV", "ALAW")),
    OddSound("Microsoft's ADPCM.wav", plain("WAV", "MS_ADPCM"), **PADDED),
    OddSound("IMA ADPCM.wav", plain("WAV", "IMA_ADPCM"), **PADDED),
    OddSound("extensible.wav", plain("WAVEX", "PCM_24")),
    OddSound("MP3 in it.wav", changed(mp3(), without_count, in_wav), **late(_MP3_DELAY)),
    OddSound("size 0.wav", changed(WAV, put(b"data", 0, "<I", 0))),
    OddSound("size FFFFFFFF.wav", changed(WAV, put(b"data", 0, "<I", 0xFFFFFFFF))),
    OddSound("size 7FFFFFFF.wav", changed(WAV, put(b"data", 0, "<I", 0x7FFFFFFF))),
    OddSound("size too small.wav", changed(WAV, put(b"data", 0, "<I", BYTES // 3))),
    OddSound("padded.wav", changed(WAV, behind(bytes(9000)))),
    OddSound("notes before and behind.wav", changed(WAV, with_note_before, behind(NOTE))),
    OddSound("whole.rf64", RF64),
    OddSound("size 0.rf64", changed(RF64, put(b"ds64", 12, "<Q", 0), put(b"data", 0, "<I", 0xFFFFFFFF))),
    OddSound("too small.rf64", changed(RF64, put(b"ds64", 12, "<Q", BYTES // 3), put(b"data", 0, "<I", 0xFFFFFFFF))),
    OddSound("whole.w64", W64),
    OddSound("size unknown.w64", changed(W64, put(W64_DATA, 0, "<Q", (1 << 63) - 1))),
    OddSound("whole.aiff", AIFF),
    OddSound("float.aifc", plain("AIFF", "FLOAT", loud=3.0)),
    OddSound("size 0.aiff", changed(AIFF, put(b"SSND", 0, ">I", 0))),
    OddSound("whole.au", AU),
    OddSound("mu-law.au", plain("AU", "ULAW")),
    OddSound("size unknown.au", changed(AU, put(b".snd", 4, ">I", 0xFFFFFFFF))),
    OddSound("size too small.au", changed(AU, put(b".snd", 4, ">I", 1000))),
    OddSound("whole.caf", CAF),
    OddSound("ALAC.caf", plain("CAF", "ALAC_16")),
    OddSound("size unknown.caf", changed(CAF, put(b"data", 0, ">q", -1))),
    OddSound("16-bit.flac", FLAC),
    OddSound("24-bit.flac", plain("FLAC", "PCM_24")),
    OddSound("length unknown.flac", changed(FLAC, total(0))),
    OddSound("2^36 samples.flac", changed(FLAC, total((1 << 36) - 1))),
    OddSound("too short.flac", changed(FLAC, total(9999))),
    OddSound("tagged.flac", changed(FLAC, behind(OLD_TAG))),
    OddSound("Vorbis.ogg", VORBIS),
    OddSound("Opus.opus", OPUS),
    OddSound("Vorbis, chained.ogg", changed(VORBIS, twice), **TWICE),
    OddSound("Opus, chained.opus", changed(OPUS, twice), **TWICE),
    OddSound("FLAC.oga", encoded("a.oga", "flac")),
    OddSound("constant.mp3", mp3()),
    OddSound("variable.mp3", VARIABLE),
    OddSound("variable, uncounted.mp3", changed(VARIABLE, without_count), **late(_MP3_DELAY)),
    OddSound("joined.mp3", changed(mp3(), twice), **JOINED),
    OddSound("joined, tagged.mp3", changed(mp3(), lambda c: TAG + c + OLD_TAG, twice), **JOINED),
    OddSound("a.mp2", encoded("a.mp2", "mp2")),
    OddSound("a.ac3", encoded("a.ac3", "ac3")),
    OddSound("a.aac", AAC, **late(_AAC_DELAY)),
    OddSound("a.m4a", changed(AAC, in_mp4())),
    OddSound("a.mp4", changed(AAC, in_mp4(b"isom"))),
    OddSound("a.mov", changed(AAC, in_mp4(b"qt  "))),
    OddSound("without edit list.m4a", changed(AAC, in_mp4(edited=False)), **late(_AAC_DELAY)),
    OddSound("AAC.mka", encoded("a.mka", "aac"), **late(_AAC_DELAY // 2)),
    OddSound("Opus.webm", encoded("a.webm", "opus", 48_000)),
    OddSound("FLAC.mka", encoded("f.mka", "flac")),
)  # fmt: skip

REFUSED = (
    OddSound("cut.wav", changed(WAV, share(0.6)), refused="cut off"),
    OddSound("cut.rf64", changed(RF64, share(0.6)), refused="cut off"),
    OddSound(
        "too large.rf64",
        changed(RF64, put(b"ds64", 12, "<Q", 9 * BYTES), put(b"data", 0, "<I", 0xFFFFFFFF)),
        refused="cut off",
    ),
    OddSound("cut.w64", changed(W64, share(0.6)), refused="cut off"),
    OddSound("cut.aiff", changed(AIFF, share(0.6)), refused="cut off"),
    OddSound("cut.au", changed(AU, share(0.6)), refused="cut off"),
    OddSound("cut.caf", changed(CAF, share(0.6)), refused="cut off"),
    OddSound("cut.flac", changed(FLAC, share(0.6)), refused="cut off"),
    OddSound("cut.m4a", changed(AAC, in_mp4(), share(0.8)), refused="cut off"),
    OddSound("empty.wav", changed(WAV, put(b"data", 0, "<I", 0), lambda c: c[:44] + NOTE), refused="empty"),
    OddSound("a list.m3u8", lambda *_: b"#EXTM3U\n#EXTINF:9,\nhttp://127.0.0.1/a.ts\n", refused="is a playlist"),
    OddSound("a list.wav", lambda *_: b"ffconcat version 1.0\nfile /etc/hostname\n", refused="is a list of files"),
    OddSound("words.wav", lambda *_: b"These are words, not sounds.\n" * 50, refused="not a sound"),
)  # fmt: skip

"""The record in pictures and films: it comes back as given, the files stay what they were, damage is told."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from mouthpiece.errors import PictureError
from mouthpiece.portrait.consent import Consent
from mouthpiece.provenance import mp4, png, records
from mouthpiece.provenance.facts import COMPOSITE, GENERATED, VOCABULARY, Facts, file_sha256, source_type_of
from mouthpiece.provenance.files import small_file
from mouthpiece.provenance.xmp import packet_of, read_packet

SHA = "0123456789abcdef" * 4


def facts(**other):
    return Facts(
        **{
            "consent": Consent('It is <me> & "nobody" else', "own", "王 Ömer"),
            "software": "Mouthpiece 9.8.7",
            "created": "2026-11-25T16:00:00Z",
            "picture_sha256": SHA,
            "sound_sha256": SHA[::-1],
            "networks": {"content": SHA},
            "options": {"strength": 1.25, "face": 2, "words": "]]> <b>&amp;"},
            "marked": True,
            "frame": 7,
        }
        | other
    )


def picture(path, shape=(20, 31, 4), seed=0):
    frame = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    path.write_bytes(png.encoded(frame))
    return frame


def box(name, data, large=False):
    if large:
        return struct.pack(">I4sQ", 1, name, 16 + len(data)) + data
    return struct.pack(">I4s", 8 + len(data), name) + data


def film(path, large=False, tail=b""):
    parts = [box(b"ftyp", b"isom\0\0\2\0isommp42"), box(b"moov", b"m" * 50), box(b"mdat", b"data" * 100, large)]
    path.write_bytes(b"".join(parts) + tail)
    return path.read_bytes()


def test_a_record_comes_back_as_it_was_given():
    assert Facts.from_json(facts().as_json()) == facts()
    packet = read_packet(packet_of(facts()))
    assert packet.facts == facts()
    assert packet.source_type == COMPOSITE
    assert packet.tool == "Mouthpiece 9.8.7"


def test_the_packet_names_the_vocabulary_that_other_programs_know():
    text = packet_of(facts(source_type=GENERATED)).decode()
    assert (
        "<Iptc4xmpExt:DigitalSourceType>http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia<" in text
    )
    assert "Synthetic: a still picture made to talk" in text and "It is &lt;me&gt; &amp;" in text


def test_packets_of_other_programs_are_understood():
    text = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
    <rdf:Description xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
      e:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture" xmp:CreatorTool="Camera 1"/>
    </rdf:RDF></x:xmpmeta>"""
    packet = read_packet(text.encode())
    assert (packet.source_type, packet.tool, packet.facts) == ("digitalCapture", "Camera 1", None)


@pytest.mark.parametrize(
    "field", ["consent", "created", "networks", "options", "content_sha256", "digital_source_type"]
)
def test_a_record_that_lacks_something_is_refused(field):
    raw = facts().as_dict()
    del raw[field]
    with pytest.raises(PictureError, match="incomplete or damaged"):
        Facts.from_dict(raw)


@pytest.mark.parametrize(
    "change",
    [{"picture_sha256": "zz"}, {"networks": [1]}, {"frame": "x"}, {"consent": {}}, {"format": "x"}, {"options": 3}],
)
def test_a_record_with_something_else_in_it_is_refused(change):
    with pytest.raises(PictureError):
        Facts.from_dict(facts().as_dict() | change)
    with pytest.raises(PictureError):
        Facts.from_json("[" * 100_000)
    with pytest.raises(PictureError, match="newer"):
        Facts.from_dict(facts().as_dict() | {"format": 99})


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"<x",
        b"\xff\xfe\x00",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b"<a>" + b"x" * 1_100_000 + b"</a>",
        packet_of(facts())[:900],
    ],
)
def test_packets_that_are_damaged_or_dangerous_are_refused(packet):
    with pytest.raises(PictureError):
        read_packet(packet)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 5, 4), (20, 31, 4), (33, 16, 3)])
def test_pictures_are_written_as_others_read_them(tmp_path, shape):
    image = pytest.importorskip("PIL.Image")
    frame = picture(tmp_path / "a.png", shape)
    records.record(tmp_path / "a.png", facts())
    with image.open(tmp_path / "a.png") as opened:
        opened.load()
        assert opened.mode == {3: "RGB", 4: "RGBA"}[shape[2]]
        assert np.array_equal(np.asarray(opened), frame)
        assert VOCABULARY in opened.info["XML:com.adobe.xmp"]


def test_a_picture_carries_the_record_once(tmp_path):
    path = tmp_path / "a.png"
    picture(path)
    before = png.content_digest(path)
    first = records.record(path, facts())
    size = path.stat().st_size
    again = records.record(path, facts())
    assert first == again == facts().of_content(before)
    assert path.stat().st_size == size
    assert records.read(path).facts == first
    assert records.is_content_of(path, first)
    assert [item.name for item in tmp_path.iterdir()] == ["a.png"]


def test_a_picture_with_the_packet_packed_by_another_program_is_read(tmp_path):
    frame = np.zeros((3, 3, 3), np.uint8)
    plain = png.encoded(frame, packet_of(facts()))
    packed = b"XML:com.adobe.xmp\0\1\0en\0Titel\0" + zlib.compress(packet_of(facts()))
    chunk = struct.pack(">I", len(packed)) + b"iTXt" + packed + struct.pack(">I", zlib.crc32(b"iTXt" + packed))
    start = plain.index(b"iTXt") - 4
    stop = plain.index(b"IDAT") - 4
    (tmp_path / "a.png").write_bytes(plain[:start] + chunk + plain[stop:])
    assert records.read(tmp_path / "a.png").facts == facts()
    bomb = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(50_000_000), 9)
    chunk = struct.pack(">I", len(bomb)) + b"iTXt" + bomb + struct.pack(">I", zlib.crc32(b"iTXt" + bomb))
    (tmp_path / "a.png").write_bytes(plain[:start] + chunk + plain[stop:])
    with pytest.raises(PictureError, match="larger than"):
        records.read(tmp_path / "a.png")


def test_another_picture_under_the_same_record_is_noticed(tmp_path):
    path = tmp_path / "a.png"
    picture(path)
    whole = records.record(path, facts())
    picture(tmp_path / "b.png", seed=1)
    png.copy_with_xmp(tmp_path / "b.png", path, packet_of(whole))
    assert not records.is_content_of(path, records.read(path).facts)


LONG = {f"{number:03}": "x" * 10_000 for number in range(110)}
DEEP = {"a": 0}
for _ in range(40):
    DEEP = {"a": DEEP}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"options": {"take": {"style": {"name": "a\uffff"}}}}, "option 'take.style.name' .*U\\+FFFF"),
        ({"options": {"a\ufffe": 1}}, r"option 'a\?' .*U\+FFFE"),
        ({"options": {"lines": ["\ud800"]}}, r"option 'lines' .*U\+D800"),
        ({"networks": {"net\udfff": SHA}}, r"name of a network .*U\+DFFF"),
        ({"software": "Mouth\x07piece 1"}, r"name of the program .*U\+0007"),
        ({"options": {"seed": 10**41}}, "option 'seed' .*64 bits"),
        ({"options": {"seed": 2**63}}, "option 'seed' .*64 bits"),
        ({"frame": 2**63}, "frame's number .*64 bits"),
        ({"options": {"a": {"b": float("nan")}}}, r"option 'a\.b' .*no finite number"),
        ({"options": {"strength": float("-inf")}}, "option 'strength' .*no finite number"),
        ({"options": {"a": b"bytes"}}, "option 'a' .*is a bytes"),
        ({"options": LONG}, r"1,1\d\d,\d\d\d bytes"),
        ({"networks": {"content": "no hash"}}, "no SHA-256"),
    ],
)
def test_what_could_not_be_read_back_is_refused_with_the_name_of_the_part(tmp_path, change, words):
    picture(tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()
    with pytest.raises(PictureError, match=words):
        records.record(tmp_path / "a.png", facts(**change))
    assert (tmp_path / "a.png").read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_options_nested_too_deep_are_refused():
    with pytest.raises(PictureError, match="nested more than 32 deep"):
        facts(options=DEEP)
    with pytest.raises(PictureError, match="nested"):
        Facts.from_dict(facts().as_dict() | {"options": DEEP})


def test_what_people_write_of_consent_is_recorded_without_what_files_cannot_hold():
    said = Consent("I am\x00 the \uffff per\ud800son\x0b shown\u202e", "own", "Ada\ufffe\x1b")
    assert (said.statement, said.by) == ("I am the person shown", "Ada")
    assert read_packet(packet_of(facts(consent=said))).facts.consent == said


@pytest.mark.parametrize(
    ("text", "other", "words"),
    [
        ("/compositeWithTrainedAlgorithmicMedia<", "/digitalCapture<", "the kind of picture"),
        ("<xmp:CreatorTool>Mouthpiece", "<xmp:CreatorTool>Camera", "the program"),
        ("<xmp:CreateDate>2026", "<xmp:CreateDate>1999", "the moment"),
        ("<Iptc4xmpExt:AISystemUsed>Mouthpiece", "<Iptc4xmpExt:AISystemUsed>Nothing", "the program"),
        ("Consent: The face is that of whoever makes this statement: It is", "Consent: None", "the consent"),
        ("Iptc4xmpExt:DigitalSourceType>", "Iptc4xmpExt:Other>", "does not say of what kind"),
        (
            "<xmp:CreateDate>",
            "<Iptc4xmpExt:DigitalSourceType>http://x/digitalCapture</Iptc4xmpExt:DigitalSourceType><xmp:CreateDate>",
            "the kind of picture",
        ),
        ('rdf:about="" ', 'rdf:about="" Iptc4xmpExt:DigitalSourceType="http://x/digitalCapture" ', "the kind"),
    ],
)
def test_metadata_that_contradicts_its_record_is_told(text, other, words):
    whole = packet_of(facts()).decode()
    assert text in whole and read_packet(whole.encode()).problems == ()
    problems = read_packet(whole.replace(text, other).encode()).problems
    assert problems and words in problems[0]


def test_files_with_two_records_are_refused(tmp_path):
    whole = packet_of(facts()).decode()
    start, stop = whole.index("<mouthpiece:Record>"), whole.index("</mouthpiece:Record>") + 20
    with pytest.raises(PictureError, match="two records"):
        read_packet((whole[:stop] + whole[start:stop] + whole[stop:]).encode())
    chunk = png._text_chunk(packet_of(facts(frame=8)))
    picture(tmp_path / "a.png")
    records.record(tmp_path / "a.png", facts())
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[:-12] + chunk + data[-12:])
    film(tmp_path / "a.mp4", tail=2 * box(b"uuid", mp4.XMP_BOX + packet_of(facts())))
    for name in ("a.png", "a.mp4"):
        with pytest.raises(PictureError, match="metadata twice"):
            records.read(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_pipes_and_devices_are_not_waited_for(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), Path("/dev/null")):
        for read in (records.read, file_sha256, source_type_of):
            with pytest.raises(PictureError, match="no ordinary file"):
                read(path)
    assert small_file(tmp_path / "pipe", 100) == b""  # nobody writes into it
    read_end = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_end = os.open(tmp_path / "pipe", os.O_WRONLY)
    monkeypatch.setattr("mouthpiece.provenance.files._SILENCE", 0.05)
    with pytest.raises(PictureError, match="nothing comes out of it"):
        small_file(tmp_path / "pipe", 100)
    os.write(write_end, b"a secret")
    os.close(write_end)
    assert small_file(tmp_path / "pipe", 100) == b"a secret"
    os.close(read_end)
    with pytest.raises(PictureError, match="no ordinary file"):
        small_file(Path("/dev/zero"), 100)
    with pytest.raises(PictureError, match="is a folder"):
        small_file(tmp_path, 100)
    (tmp_path / "large").write_bytes(bytes(101))
    with pytest.raises(PictureError, match="larger than 100 bytes"):
        small_file(tmp_path / "large", 100)


@pytest.mark.parametrize("maker", [picture, film])
def test_files_cut_off_anywhere_or_with_any_byte_changed_never_surprise(tmp_path, maker):
    path = tmp_path / "a"
    maker(path)
    records.record(path, facts())
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    for cut in rng.integers(0, len(whole) - 1, 60):
        path.write_bytes(whole[:cut])
        with pytest.raises(PictureError):
            records.container_of(path).content_digest(path)
            if records.read(path) is None:
                raise PictureError("without its record")
    for place in rng.integers(0, len(whole), 300):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            packet = records.read(path)
            if packet is not None and packet.facts is not None:
                records.is_content_of(path, packet.facts)
        except PictureError:
            pass


@pytest.mark.parametrize("large", [False, True])
def test_a_film_stays_where_it_was_and_carries_the_record_once(tmp_path, large):
    path = tmp_path / "a.mp4"
    before = film(path, large)
    first = records.record(path, facts())
    once = path.read_bytes()
    assert once.startswith(before)
    assert records.record(path, facts()) == first
    assert path.read_bytes() == once
    assert records.read(path).facts == first and records.is_content_of(path, first)


def test_a_record_in_the_middle_of_a_film_becomes_empty_space(tmp_path):
    path = tmp_path / "a.mp4"
    old = box(b"uuid", mp4.XMP_BOX + packet_of(facts(frame=1)))
    before = film(path, tail=old + box(b"free", b"0123"))
    records.record(path, facts(frame=2))
    after = path.read_bytes()
    assert after[: len(before)].replace(b"free", b"uuid") == before.replace(b"free", b"uuid")
    assert records.read(path).facts.frame == 2
    with open(path, "rb") as stream:
        assert [item.name for item in mp4.boxes(stream, path)] == [b"ftyp", b"moov", b"mdat", b"free", b"free", b"uuid"]


def test_a_last_box_of_open_length_gets_its_length(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(box(b"ftyp", b"isom") + box(b"moov", b"m" * 9) + struct.pack(">I4s", 0, b"mdat") + b"frames")
    digest = mp4.content_digest(path)
    records.record(path, facts())
    assert mp4.content_digest(path) == digest
    assert records.read(path).facts is not None


@pytest.mark.parametrize(
    "content",
    [b"", b"hello, this is text", b"\xff\xd8\xff\xe0 jpeg", png.SIGNATURE, box(b"ftyp", b"isom"), os.urandom(64)],
)
def test_other_files_are_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(PictureError):
        records.record(path, facts())
    assert path.read_bytes() == content
    assert [item.name for item in tmp_path.iterdir()] == ["a.png"]
    with pytest.raises(PictureError, match="cannot be read"):
        records.read(tmp_path / "missing.png")
    with pytest.raises(PictureError, match="cannot be read"):
        records.read(tmp_path)


def test_a_picture_that_says_it_was_generated_makes_the_film_generated(tmp_path):
    picture(tmp_path / "a.png")
    assert source_type_of(tmp_path / "a.png") == COMPOSITE
    records.record(tmp_path / "a.png", facts())
    assert source_type_of(tmp_path / "a.png") == COMPOSITE
    records.record(tmp_path / "a.png", facts(source_type=GENERATED))
    assert source_type_of(tmp_path / "a.png") == GENERATED

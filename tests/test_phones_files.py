"""What is said, in takes of all formats, in parts of them, and in TextGrids."""

import json
from dataclasses import replace

import numpy as np
import pytest
from mouthpiece.chapters import Chapter, Joined, part
from mouthpiece.cli import parser as core_cli
from mouthpiece.errors import TakeError, TextError
from mouthpiece.performance import FORMAT, Performance, pack, unpack, with_speech
from mouthpiece.phones import textgrids
from mouthpiece.phones.corrections import corrected
from mouthpiece.phones.excerpts import HeardPart, excerpt, joined, phones_of, shifted
from mouthpiece.phones.inventory import PHONE_INDEX, PHONES
from mouthpiece.phones.segmentation import heard
from mouthpiece.phones.speech import Segment, Speech

from tests.material import make_take, posteriors_of

SAID = "_ h ɛ l oʊ _ _ w ɝ l d _"


def speech_of(said=SAID, **more):
    rows, _ = posteriors_of(said)
    starts = np.zeros(len(rows))
    return replace(heard(rows, starts), **more)


@pytest.fixture
def hello():
    return speech_of(text='Hello "world" 你', language="en-us")


@pytest.fixture
def take(hello):
    return with_speech(make_take(30), hello)


def times(segments):
    return [(one.label, round(one.start, 4), round(one.stop, 4)) for one in segments]


def assert_alike(found, wanted):
    """Posteriors are stored in steps of a hundredth of their root, the rest as it is."""
    assert times(found.phones) == times(wanted.phones) and times(found.words) == times(wanted.words)
    assert (found.text, found.language) == (wanted.text, wanted.language)
    np.testing.assert_allclose(found.posteriors, wanted.posteriors, atol=0.02)
    np.testing.assert_allclose(found.posteriors.sum(axis=1), 1, atol=1e-5)
    for one, other in zip(found.phones, wanted.phones, strict=True):
        assert one.confidence == pytest.approx(other.confidence, abs=0.006)


def test_a_take_keeps_what_is_said(take, tmp_path):
    read = Performance.load(take.save(tmp_path / "take.npz"))
    assert_alike(read.speech, take.speech)
    np.testing.assert_array_equal(read.tongue, take.tongue)
    again = Performance.load(read.save(tmp_path / "again.npz"))
    np.testing.assert_allclose(again.speech.posteriors, read.speech.posteriors, atol=0.011)


def test_a_packed_take_keeps_what_is_said(take):
    read = unpack(pack(take))
    assert_alike(read.speech, take.speech)
    np.testing.assert_allclose(read.tongue, take.tongue, atol=1e-4)


def rewritten(path, number, drop):
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files if name not in drop}
    meta = json.loads(str(arrays["meta"])) | {"format": number}
    meta.pop("speech")
    np.savez(path, **(arrays | {"meta": np.array(json.dumps(meta))}))


@pytest.mark.parametrize("number", [1, 2])
def test_takes_of_earlier_formats_say_nothing(take, tmp_path, number):
    path = take.save(tmp_path / "take.npz")
    rewritten(path, number, {"posteriors", "phone_labels", "phone_times", "word_times", "tongue"})
    read = Performance.load(path)
    assert not read.speech and read.tongue.shape == (30, 6) and not read.tongue.any()
    assert Performance.load(read.save(path)).speech == read.speech or not Performance.load(path).speech
    assert not unpack(pack(read)).speech


def test_a_take_of_a_newer_format_is_refused(take, tmp_path):
    path = take.save(tmp_path / "take.npz")
    rewritten(path, FORMAT + 1, set())
    with pytest.raises(TakeError, match="newer Mouthpiece"):
        Performance.load(path)


def changed(path, meta=None, **arrays):
    with np.load(path) as stored:
        kept = {name: stored[name] for name in stored.files}
    said = json.loads(str(kept["meta"]))
    said["speech"] |= meta or {}
    np.savez(path, **(kept | arrays | {"meta": np.array(json.dumps(said))}))


@pytest.mark.parametrize(
    ("meta", "arrays"),
    [
        ({}, {"posteriors": np.zeros((3, 9), np.uint8)}),
        ({}, {"posteriors": np.full((len(PHONES), 60), 255, np.uint8)}),
        ({}, {"posteriors": np.zeros((len(PHONES), 60), np.float32)}),
        ({}, {"posteriors": np.zeros((len(PHONES), 100_000), np.uint8)}),
        ({}, {"phone_labels": np.full(8, 200, np.uint8)}),
        ({}, {"phone_times": np.full((8, 3), np.nan)}),
        ({}, {"phone_times": np.zeros((8, 3))}),
        ({}, {"phone_times": np.zeros((7, 3))}),
        ({}, {"word_times": np.array([[0.0, 1e9, 1.0], [1e9, 2e9, 1.0]])}),
        ({"words": ["a"]}, {}),
        ({"words": 3}, {}),
        ({"words": [3, 4]}, {}),
        ({"words": ["x" * 10_000, "y"]}, {}),
        ({"text": None}, {}),
        ({"language": 3}, {}),
        ({"phones": "abc"}, {}),
    ],
)
def test_a_damaged_take_is_told(take, tmp_path, meta, arrays):
    path = take.save(tmp_path / "take.npz")
    changed(path, meta, **arrays)
    with pytest.raises(TakeError, match="Animate the sound again"):
        Performance.load(path)


def test_phones_of_another_inventory_are_matched_by_name(take, tmp_path):
    """A later version may tell more phones apart: those of today keep theirs."""
    path = take.save(tmp_path / "take.npz")
    with np.load(path) as stored:
        codes, labels = stored["posteriors"], stored["phone_labels"]
    order = np.random.default_rng(1).permutation(len(PHONES))
    names = [PHONES[number] for number in order] + ["ʘ"]
    place = {name: number for number, name in enumerate(names)}
    changed(
        path,
        {"phones": names},
        posteriors=np.concatenate([codes[order], np.zeros((1, codes.shape[1]), np.uint8)]),
        phone_labels=np.array([place[PHONES[number]] for number in labels], np.uint8),
    )
    assert_alike(Performance.load(path).speech, take.speech)


def test_speech_is_as_exact_before_it_is_saved_as_after(tmp_path, take, rng):
    rows = rng.dirichlet(np.full(len(PHONES), 0.05), 2 * len(take)).astype(np.float32)
    said = Speech(rows, (Segment("m", 0.1000049, 0.2, 0.123456),), (Segment("ma", 0.1, 0.3, 1 / 3),))
    assert np.abs(said.posteriors - rows).max() < 0.025 and said.posteriors.sum(axis=1).max() <= 1.00001
    assert said.phones == (Segment("m", 0.1, 0.2, 0.12),)
    back = Performance.load(with_speech(take, said).save(tmp_path / "said.npz")).speech
    np.testing.assert_array_equal(back.posteriors, said.posteriors)
    assert (back.phones, back.words) == (said.phones, said.words)
    np.testing.assert_array_equal(Speech(back.posteriors).posteriors, back.posteriors)


@pytest.mark.parametrize("row", [np.full(54, 1 / 54), np.eye(54)[3], np.full(54, 0.9), np.zeros(54)])
def test_rows_of_any_kind_stay_as_they_are_once_kept(row):
    once = Speech(np.array([row], np.float32)).posteriors
    np.testing.assert_array_equal(Speech(once).posteriors, once)
    assert once.min() >= 0 and once.sum() <= 1.00001


def test_speech_that_does_not_fit_is_refused(take):
    for wrong in (
        Speech(np.zeros((9_000, len(PHONES)), np.float32)),
        Speech(np.full((10, len(PHONES)), np.nan, np.float32)),
        Speech(phones=(Segment("m", 0.0, 99.0, 1.0),)),
        Speech(phones=(Segment("?", 0.0, 0.1, 1.0),)),
        Speech(words=(Segment("a", 0.5, 0.6, 1.0), Segment("b", 0.1, 0.2, 1.0)), phones=(Segment("m", 0, 1, 1),)),
    ):
        with pytest.raises(TakeError):
            with_speech(take, wrong)


def test_the_tongue_follows_what_is_said(take):
    silent = with_speech(take, Speech())
    assert take.tongue.any() and not silent.tongue.any()


def test_a_minute_grows_by_less_than_a_seventh(spoken):
    """With all a listener may be unsure of: a take of real motion, and phones that change ten times a second."""
    rng = np.random.default_rng(2)
    labels = " ".join(rng.choice([phone or "_" for phone in PHONES], len(spoken) * 2 // 5))
    rows, _ = posteriors_of(labels, sure=0.7)
    near = rng.integers(0, len(PHONES), len(rows))
    rows = 0.7 * rows
    rows[np.arange(len(rows)), near] += 0.3
    said = heard(rows[: len(spoken) * 2])
    bare = replace(spoken, speech=Speech(), tongue=np.zeros((0, 6)))
    assert len(pack(replace(bare, speech=said))) < 1.15 * len(pack(bare))


def test_an_offset_moves_what_is_said(take):
    later = replace(take, dials={"offset": 0.2}).final()
    assert later.speech.phones[0].start == pytest.approx(take.speech.phones[0].start + 0.2)
    np.testing.assert_allclose(later.speech.posteriors[10:], take.speech.posteriors[:50])
    assert len(later.speech.posteriors) == 60 and max(one.stop for one in later.speech.phones) <= take.seconds
    np.testing.assert_allclose(later.tongue[5:], take.tongue[:-5], atol=1e-5)
    earlier = replace(take, dials={"offset": -0.2}).final()
    assert earlier.speech.phones[0].label == "ɛ"  # the h is cut off


def test_an_excerpt_begins_with_what_is_said_there(hello):
    cut = excerpt(hello, 0.25, 0.85)
    assert times(cut.phones) == [
        ("ɛ", 0.0, 0.05), ("l", 0.05, 0.15), ("oʊ", 0.15, 0.25), ("w", 0.45, 0.55), ("ɝ", 0.55, 0.6),
    ]  # fmt: skip
    assert times(cut.words) == [("hɛloʊ", 0.0, 0.25), ("wɝld", 0.45, 0.6)]
    assert len(cut.posteriors) == 30
    np.testing.assert_array_equal(excerpt(hello, 0.2, 0.8).posteriors, hello.posteriors[10:40])
    assert excerpt(hello, 5.0, 4.0).phones == () and not len(excerpt(hello, 1.0, 1.0).posteriors)
    assert shifted(hello, 0.0, 1.2).phones == hello.phones


def test_parts_joined_are_the_whole(hello):
    """Cut anywhere, even inside a phone, and joined: as if it had never been cut."""
    for seam in (0.5, 0.72, 0.76):
        first = HeardPart(excerpt(hello, 0.0, 1.0), 0.0, 0.0, seam)
        parts = [first, HeardPart(excerpt(hello, 0.3, 1.2), 0.3, seam, 1.2)]
        whole = joined(parts)
        assert times(whole.phones) == times(hello.phones) and times(whole.words) == times(hello.words)
        np.testing.assert_allclose(whole.posteriors, hello.posteriors, atol=1e-6)
    assert not joined([]) and not joined([HeardPart(Speech(), 0.0, 0.0, 2.0)])


def test_chapters_and_their_parts_say_what_is_said_there(take):
    first = Chapter(part(Chapter(take, 0, 1.2, True, 0.0, False, True), 0, 22), 0, 0.88, False, 0.0, False, True)
    second = Chapter(part(Chapter(take, 0, 1.2, True, 0.0, False, True), 8, 30), 8, 1.2, True, 0.0, False, True)
    assert times(second.performance.speech.phones)[0] == ("l", 0.0, 0.08)
    assert second.size > 0.9 * second.performance.speech.posteriors.nbytes
    whole = Joined(5, 30)
    whole.add(0, first)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mouthpiece.chapters.seam", lambda *_: 15)
        whole.add(1, second)
    found = whole.performance("ab")
    assert len(found) == 25
    assert times(found.speech.phones) == times(excerpt(take.speech, 0.2, 1.2).phones)
    np.testing.assert_allclose(found.speech.posteriors, take.speech.posteriors[10:], atol=1e-6)


LONG = textgrids.text_of(speech_of(), 1.2)
SHORT = '''File type = "ooTextFile"
Object class = "TextGrid"

0
1.2
<exists>
3
"IntervalTier"
"Anna - words"
0
1.2
2
0
0.6
"say ""hi"""
0.6
1.2
""
"TextTier"
"notes"
0
1.2
1
0.4
"here [1] 5"
"IntervalTier"
"Anna - phones"
0
1.2
4
0
0.1
"sil"
0.1
0.2
"HH"
0.2
0.6
"aj"
0.6
1.2
"<eps>"
'''


def test_a_textgrid_holds_what_is_said(hello):
    found = textgrids.labelled_speech(LONG)
    assert times(found.phones) == times(hello.phones) and times(found.words) == times(hello.words)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_textgrids_are_read_as_praat_writes_them(tmp_path, encoding, hello):
    path = tmp_path / "line.TextGrid"
    path.write_bytes(LONG.replace("\n", "\r\n").encode(encoding))
    assert times(textgrids.read(path).phones) == times(hello.phones)


def test_short_textgrids_of_aligners_are_read():
    found = textgrids.labelled_speech(SHORT)
    assert times(found.words) == [('say "hi"', 0.0, 0.6)]
    assert times(found.phones) == [("h", 0.1, 0.2), ("a", 0.2, 0.4), ("j", 0.4, 0.6)]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"ooTextFile"', '"other"', "does not begin as one"),
        ("<exists>", "<absent>", "no tier"),
        ("Anna - ", "Bob", "no tier called"),
        ('"HH"', '"1?"', "no phone"),
        ('"HH"', '"' + "x" * 500 + '"', "longer"),
        ("0.1\n0.2", "0.3\n0.2", "does not follow"),
        ("\n4\n", "\n9999999\n", "no take has"),
        ("\n4\n", "\n3.5\n", "cannot be"),
        ("\n4\n", "\n40\n", "ends where|where a time"),
        ("\n4\n", "\n-4\n", "which no take has"),
        ("0.1\n0.2", "1e300\n0.2", "which no take has"),
        ("0.1\n0.2", "1.2.3\n0.2", "which no take has"),
        (SHORT, "", "ends where"),
        (SHORT, "\x00\x01", "zero characters|ends where"),
    ],
)
def test_what_is_no_textgrid_is_told(tmp_path, old, new, said):
    path = tmp_path / "line.TextGrid"
    path.write_text(SHORT.replace(old, new))
    with pytest.raises(TextError, match=said):
        textgrids.read(path)


def test_corrected_phones_take_the_place_of_those_heard(hello):
    phones = (Segment("f", 0.1, 0.31, 1.0), Segment("v", 1.1, 9.0, 1.0))
    found = corrected(hello, phones, (), 1.2)
    assert times(found.phones) == [("f", 0.1, 0.31), ("v", 1.1, 1.2)] and found.words == ()
    np.testing.assert_allclose(found.posteriors.sum(axis=1), 1, atol=1e-5)
    assert (found.posteriors[5:15].argmax(axis=1) == PHONE_INDEX["f"]).all()
    assert not found.posteriors[16:55].argmax(axis=1).any()  # silence
    assert 0.4 < found.posteriors[15, PHONE_INDEX["f"]] < 0.6  # half of the row


def test_corrected_phones_give_an_old_take_posteriors(tmp_path, hello):
    old = make_take(30)
    path, grid = old.save(tmp_path / "old.npz"), textgrids.write(hello, 1.2, tmp_path / "l.TextGrid")
    assert core_cli.run(["phones", str(path), "--from", str(grid), "--quiet"]) == 0
    new = Performance.load(path)
    assert times(new.speech.phones) == times(hello.phones) and len(new.speech.posteriors) == 60
    np.testing.assert_array_equal(new.landmarks, old.landmarks)
    assert new.tongue.any()


def test_the_command_shows_writes_and_reads_again(tmp_path, take, capsys):
    path, grid = take.save(tmp_path / "take.npz"), tmp_path / "line.TextGrid"
    assert core_cli.run(["phones", str(path)]) == 0
    assert "hɛloʊ" in capsys.readouterr().out
    assert core_cli.run(["phones", str(path), "-o", str(grid), "--json"]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["phones"][0][:3] == ["h", 0.1, 0.2] and said["output"] == str(grid)
    assert core_cli.run(["phones", str(path), "-o", str(grid)]) == 1
    assert "--force" in capsys.readouterr().err
    before = path.read_bytes()
    assert core_cli.run(["phones", str(path), "--from", str(grid), "-o", str(tmp_path / "two.npz")]) == 0
    assert path.read_bytes() == before
    assert times(Performance.load(tmp_path / "two.npz").speech.words) == times(take.speech.words)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--from", "none.TextGrid"], 1, "none.TextGrid"),
        (["--from", "x", "--text", "y"], 2, "Choose one"),
        (["-o", "other.npz"], 1, "--from"),
        (["--text", ""], 1, "empty"),
        (["--text", "none.txt"], 1, "none.txt"),
    ],
)
def test_wrong_arguments_change_nothing(tmp_path, take, capsys, monkeypatch, words, code, said):
    monkeypatch.chdir(tmp_path)
    path = take.save(tmp_path / "take.npz")
    before = path.read_bytes()
    assert core_cli.run(["phones", str(path), *words]) == code
    assert said in capsys.readouterr().err
    assert path.read_bytes() == before and [one.name for one in tmp_path.iterdir()] == ["take.npz"]


def test_a_text_is_aligned_afterwards(tmp_path, take, capsys):
    pytest.importorskip("espeakng_loader")
    path, text = take.save(tmp_path / "take.npz"), tmp_path / "line.srt"
    text.write_text("1\n00:00:00,000 --> 00:00:01,200\nANNA: Hello, world!\n")
    assert core_cli.run(["phones", str(path), "--text", str(text), "--json"]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [word[0] for word in said["words"]] == ["Hello", "world"]
    assert said["text"] == {"ok": True, "language": "en-us", "agreement": 1.0, "words": 2, "disagreements": []}
    assert Performance.load(path).speech.language == "en-us"


def test_phones_of_a_word_lie_in_it(hello):
    assert [phone.label for phone in phones_of(hello.words[0], hello.phones)] == ["h", "ɛ", "l", "oʊ"]


def test_a_textgrid_of_a_longer_take_is_told(tmp_path, take, capsys):
    longer = Speech(
        take.speech.posteriors, (Segment("m", 0.1, 0.2, 1.0), Segment("a", take.seconds + 2, take.seconds + 3, 1))
    )
    grid, path = textgrids.write(longer, take.seconds + 3, tmp_path / "x.TextGrid"), take.save(tmp_path / "take.npz")
    assert core_cli.run(["phones", str(path), "--from", str(grid)]) == 0
    assert "what is beyond is left out" in capsys.readouterr().err
    assert [phone.label for phone in Performance.load(path).speech.phones] == ["m"]

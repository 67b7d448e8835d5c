"""The phone head's labels, training and yardstick, on made-up sounds."""

import sys

import numpy as np
import pytest
import torch
from mouthpiece.phones import espeak
from mouthpiece.phones.inventory import PHONE_INDEX, PHONES
from mouthpiece.phones.speech import Segment, Speech

from training.pack.clips import Clip
from training.phones import labels as phone_labels
from training.phones.evaluate import errors, matched
from training.phones.labels import ClipLabels, label, labels_of, read, write
from training.phones.networks import HeadShape, PhoneHead
from training.phones.sphinx import ARPABET, posteriors_of, speech_by_sphinx
from training.phones.train import HeadConfig, LabelledSound, accuracy, train

needs_espeak = pytest.mark.skipif(not espeak.is_there(), reason="eSpeak NG is not installed")


def clip_of(name, seconds=1.0, language="English"):
    frames = round(25 * seconds)
    samples, blank = np.zeros(round(16_000 * seconds), np.float32), np.zeros((frames, 1), np.float32)
    landmarks = np.zeros((frames, 68, 3))
    return Clip(name, name[:3], "train", language, samples, landmarks, blank, blank, np.ones(frames, bool))


class FixedSphinx:
    """An aligner that says what it was told."""

    def __init__(self, phones):
        self.found = phones

    def phones(self, samples, text):
        return self.found


MEAT = (Segment("m", 0.2, 0.3, 1.0), Segment("i", 0.3, 0.46, 1.0), Segment("t", 0.46, 0.6, 1.0))


def test_every_phone_that_pocketsphinx_is_given_is_one_of_ours():
    assert set(ARPABET) <= set(PHONES)
    assert all(sound.isupper() and sound.isalpha() for sound in ARPABET.values())


def test_aligned_phones_are_almost_certain_and_silence_is_where_none_is():
    rows = posteriors_of(MEAT, 50)
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-5)
    assert [PHONES[k] for k in rows.argmax(axis=1)[[5, 12, 20, 28, 40]]] == ["", "m", "i", "t", ""]
    schwa = posteriors_of([Segment("ʌ", 0.0, 0.1, 1.0)], 5)
    np.testing.assert_array_equal(schwa[:, PHONE_INDEX["ʌ"]], schwa[:, PHONE_INDEX["ə"]])


@needs_espeak
def test_a_text_has_the_aligners_times():
    speech = speech_by_sphinx(FixedSphinx(MEAT), np.zeros(16_000, np.float32), "meat")
    assert [phone.label for phone in speech.phones] == ["m", "i", "t"]
    assert [phone.start for phone in speech.phones] == pytest.approx([0.2, 0.3, 0.46], abs=0.021)
    assert [word.label for word in speech.words] == ["meat"]


@needs_espeak
def test_what_the_aligner_cannot_follow_or_does_not_fit_has_no_labels():
    sound = np.zeros(16_000, np.float32)
    assert speech_by_sphinx(FixedSphinx(()), sound, "meat") is None
    assert speech_by_sphinx(FixedSphinx(MEAT), sound, "seventy chairs for bigger houses") is None


@needs_espeak
def test_without_a_head_only_english_texts_are_labelled():
    texts = {"ann__1": {"text": "meat", "language": "en"}, "ben__1": {"text": "niet", "language": "ru"}}
    clips = [clip_of("ann__1"), clip_of("ben__1", language="Russian"), clip_of("cy__1")]
    found = label(clips, texts, FixedSphinx(MEAT), None)
    assert list(found) == ["ann__1"]
    row = found["ann__1"]
    assert [PHONES[k] for k in row.phones[[5, 12, 20, 28]]] == ["", "m", "i", "t"]
    assert np.flatnonzero(row.word_starts).tolist() == [10] and (row.weight == 1).all()
    quiet = np.zeros((50, len(PHONES)), np.float32)
    quiet[:, 0] = 1
    everything = label(clips, texts, FixedSphinx(MEAT), lambda samples: quiet)
    assert list(everything) == ["ann__1", "ben__1", "cy__1"] and not everything["cy__1"].phones.any()


def test_what_is_only_heard_counts_less_than_what_a_text_says():
    rows = posteriors_of(MEAT, 50)
    heard = labels_of(Speech(rows, MEAT), said=False)
    said = labels_of(Speech(rows, MEAT, (Segment("meat", 0.2, 0.6, 1.0),)), said=True)
    assert (heard.weight[10:30] == phone_labels.ONLY_HEARD).all() and (said.weight[10:30] == 1).all()
    assert not heard.word_starts.any() and said.word_starts.sum() == 1


def test_labels_are_read_as_they_were_written(tmp_path):
    own = ClipLabels(np.arange(5), np.array([1, 0, 0, 1, 0], bool), np.ones(5, np.float32))
    write({"ann__1": own}, tmp_path / "deep" / "labels.npz")
    back = read(tmp_path / "deep" / "labels.npz")["ann__1"]
    assert all(np.array_equal(getattr(back, key), getattr(own, key)) for key in ("phones", "word_starts", "weight"))


@needs_espeak
def test_a_sentence_of_grid_is_found_by_its_grammar():
    words = "place blue at f two now"
    spoken = [way[0] for way in (word.pronunciations for word in phone_labels.transcript(words, "en-gb").words)]
    sounds = [phone for way in spoken for phone in way]
    phones = [Segment(phone, 0.1 + 0.08 * k, 0.18 + 0.08 * k, 1.0) for k, phone in enumerate(sounds)]
    found = phone_labels.grid_speech(posteriors_of(phones, round(50 * (phones[-1].stop + 0.1))))
    assert [phone.label for phone in found.phones] == sounds and len(found.words) == 6


@pytest.mark.parametrize(
    ("said", "found", "count"),
    [("abc", "abc", 0), ("abc", "", 3), ("", "ab", 2), ("abc", "axc", 1), ("abcd", "bcd", 1), ("kitten", "sitting", 3)],
)
def test_errors_are_counted_as_in_an_edit(said, found, count):
    assert errors(said, found) == count


def test_boundaries_are_compared_of_phones_with_one_label():
    ours = [Segment("m", 0.0, 0.1, 1.0), Segment("ʌ", 0.1, 0.2, 1.0), Segment("t", 0.2, 0.3, 1.0)]
    other = [Segment("m", 0.05, 0.1, 1.0), Segment("s", 0.1, 0.12, 1.0), Segment("ə", 0.12, 0.2, 1.0)]
    other.append(Segment("t", 0.2, 0.3, 1.0))
    assert [(a.label, b.label) for a, b in matched(ours, other)] == [("m", "m"), ("ʌ", "ə"), ("t", "t")]


def test_a_head_learns_what_its_labels_say(tmp_path, rng):
    def sound(speaker):
        phones = np.repeat(rng.integers(1, 5, 40), 5)
        hidden = (0.1 * rng.standard_normal((200, 512))).astype(np.float32)
        hidden[np.arange(200), phones] += 3
        starts = np.diff(phones, prepend=0) != 0
        return LabelledSound(speaker, hidden.astype(np.float16), ClipLabels(phones, starts, np.ones(200, np.float32)))

    config = HeadConfig(steps=150, warmup=5, batch=4, window=100, evaluate_every=50, shape=HeadShape(32, 3, 2, 0.0))
    best = train(config, [sound("ann"), sound("ben")], [sound("cy")], tmp_path)
    assert best > 0.9 and (tmp_path / "phones.safetensors").is_file()


def test_a_head_gives_probabilities(rng):
    head = PhoneHead(HeadShape(16, 3, 2)).eval()
    phones, starts = head(torch.from_numpy(rng.standard_normal((1, 30, 512)).astype(np.float32)))
    assert phones.shape == (1, 30, len(PHONES)) and starts.shape == (1, 30, 1) and (starts <= 0).all()
    np.testing.assert_allclose(phones.exp().sum(dim=-1).detach(), 1, atol=1e-5)
    silence = ClipLabels(np.zeros(9, int), np.zeros(9, bool), np.ones(9))
    assert accuracy(head, [LabelledSound("ann", np.zeros((9, 512), np.float16), silence)]) == 0


def test_labelling_without_pocketsphinx_says_what_to_install(tmp_path, monkeypatch, capsys, caplog):
    (tmp_path / "texts.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    monkeypatch.setattr(phone_labels, "load_split", lambda data, split: [])
    words = ["--data", str(tmp_path), "--texts", str(tmp_path / "texts.json"), "--out", str(tmp_path / "labels.npz")]
    assert phone_labels.main(words) == 1 and not (tmp_path / "labels.npz").exists()
    assert "install the package 'pocketsphinx'" in capsys.readouterr().err + caplog.text

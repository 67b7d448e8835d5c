"""Texts in time with a sound, whatever of them is said."""

import threading

import numpy as np
import pytest
from mouthpiece.audio import SoundFile
from mouthpiece.cast.spoken_text import read_spoken_text, spoken_text
from mouthpiece.errors import TextError
from mouthpiece.phones import espeak
from mouthpiece.phones.alignment import TimedText, aligned
from mouthpiece.phones.inventory import PHONE_INDEX, PHONES
from mouthpiece.phones.lattice import OTHER, SILENCE, WORD, WordLattice, best_way
from mouthpiece.phones.segmentation import heard
from mouthpiece.phones.speech import Speech
from mouthpiece.phones.transcript import guessed_language, transcript
from mouthpiece.pipeline import animate

from tests.material import SHARED, posteriors_of

pytest.importorskip("espeakng_loader")

#: "He was not an ill disposed young man", as it is said.
SAID = "_ h i w ʌ z n ɑ t æ n ɪ l d ɪ s p oʊ z d _ _ j ʌ ŋ m æ n _"
TEXT = "He was not an ill-disposed young man."


@pytest.fixture(scope="module")
def speech():
    return heard(posteriors_of(SAID)[0])


def labels(segments):
    return [segment.label for segment in segments]


def test_words_are_where_their_phones_are(speech):
    found = aligned(speech, TEXT)
    assert labels(found.speech.words) == ["He", "was", "not", "an", "ill-disposed", "young", "man"]
    assert found.agreement == 1 and found.disagreements == ()
    he, *_, young, man = found.speech.words
    assert (he.start, he.stop) == (0.1, 0.3)
    assert (young.start, young.stop, man.start, man.stop) == (2.2, 2.5, 2.5, 2.8)
    assert found.speech.language == "en-us" and found.speech.text == TEXT
    assert labels(found.speech.phones) == SAID.replace("_", "").split()


def test_the_text_decides_what_the_listener_is_not_sure_of():
    rows, places = posteriors_of("_ m æ n _", sure=0.6)
    vowel = slice(*places[2])
    rows[vowel, PHONE_INDEX["æ"]], rows[vowel, PHONE_INDEX["ɛ"]] = 0.25, 0.6
    found = aligned(heard(rows), "man").speech
    assert labels(found.phones) == ["m", "æ", "n"]
    assert (found.posteriors[vowel].argmax(axis=1) == PHONE_INDEX["æ"]).all()


def test_a_text_of_a_part_of_the_sound_leaves_the_rest_as_heard(speech):
    found = aligned(speech, "an ill disposed")
    assert labels(found.speech.words) == ["an", "ill", "disposed"]
    assert found.disagreements == ()
    assert labels(found.speech.phones) == SAID.replace("_", "").split()


def test_a_text_longer_than_the_sound_says_what_is_not_heard(speech):
    found = aligned(speech, TEXT + " Unless to be rather cold hearted is to be selfish.")
    assert labels(found.speech.words)[:7] == ["He", "was", "not", "an", "ill-disposed", "young", "man"]
    (one,) = found.disagreements
    assert one.word.startswith("Unless to be") and one.word.endswith("selfish") and one.heard == ""
    assert "not heard" in one.told()


def test_a_word_that_sounds_otherwise_is_told_with_what_is_heard(speech):
    for text, wrong, heard_there, start in (
        ("He was not an ill disposed old coffee", "old coffee", "jʌŋmæn", 2.2),
        ("He could not an ill disposed young man", "could", "wʌz", 0.3),
        ("He was not an ill purchased young man", "purchased", "dɪspoʊzd", 1.2),
    ):
        (one,) = aligned(speech, text).disagreements
        assert (one.word, one.heard) == (wrong, heard_there)
        assert one.start == pytest.approx(start, abs=0.11)
        assert f"[{heard_there}]" in one.told()


def test_what_is_said_besides_is_told(speech):
    found = aligned(speech, "He was not young man")
    (one,) = found.disagreements
    assert one.word == "" and one.heard == "ænɪldɪspoʊzd"
    assert 0.8 <= one.start <= 1.0 and 1.8 <= one.stop <= 2.1


@pytest.mark.parametrize("text", ["", "  \n", "… !?", "---"])
def test_an_empty_text_is_told(speech, text):
    with pytest.raises(TextError, match="empty"):
        aligned(speech, text)


def test_a_text_of_another_sound_or_language_is_told(speech):
    for text, language in (
        ("Ask what your country could do for others tomorrow, fellow Americans", ""),
        ("Über sieben Brücken musst du gehen", "de"),
        ("Съешь же ещё этих мягких французских булок", ""),
    ):
        with pytest.raises(TextError, match="does not fit"):
            aligned(speech, text, language)


def test_an_unknown_language_is_told_with_those_there_are(speech):
    with pytest.raises(TextError, match=r"'tlh'.*en-us"):
        aligned(speech, TEXT, "tlh")


def test_a_take_without_phones_is_told():
    with pytest.raises(TextError, match="Animate the sound again"):
        aligned(Speech(), TEXT)


def test_captions_are_found_near_their_times():
    rows, _ = posteriors_of(f"{SAID} _ _ _ _ _ _ {SAID}")
    later = (len(SAID.split()) + 6) * 0.1
    captions = (TimedText(0.0, 2.9, TEXT), TimedText(later, later + 2.9, "[door] young man"), TimedText(90, 91, "no"))
    found = aligned(heard(rows), captions)
    assert labels(found.speech.words)[-2:] == ["young", "man"]
    assert found.speech.words[-2].start == pytest.approx(later + 2.2)
    assert len(found.speech.phones) == 2 * len(SAID.replace("_", "").split())
    assert [one.told() for one in found.disagreements if one.start > 80] == ["'no' is not heard at 90.00 s."]


def test_a_text_too_long_for_one_piece_is_told(speech, monkeypatch):
    monkeypatch.setattr("mouthpiece.phones.alignment._LARGEST", 1_000)
    with pytest.raises(TextError, match="subtitles"):
        aligned(speech, TEXT)


def test_captions_outside_the_take_are_told(speech):
    with pytest.raises(TextError, match="No caption"):
        aligned(speech, (TimedText(60.0, 70.0, TEXT),))


def test_numbers_and_signs_are_read_out():
    (number,) = transcript("25").words
    assert " ".join(number.pronunciations[0]) == "t w ɛ n t i f aɪ v"
    assert [word.label for word in transcript("“Salt & pepper”, he said… — no").words] == [
        "Salt", "&", "pepper", "he", "said", "no",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "language"),
    [("Hello", "en-us"), ("Привет", "ru"), ("Їжак", "uk"), ("こんにちは", "ja"), ("你好", "cmn"), ("123", "en-us")],
)
def test_the_language_is_guessed_by_its_letters(text, language):
    assert guessed_language(text) == language
    assert transcript(text).language == language


def test_languages_are_known_by_tags_with_and_without_country():
    assert espeak.known_language("de-AT") == "de" and espeak.known_language("EN") == "en-us"
    assert espeak.known_language("zh-TW") == "cmn" and espeak.known_language("fr").startswith("fr")


def test_letters_that_a_language_lacks_have_no_pronunciation():
    assert transcript("you 你好", "en-us").unreadable == ("你", "好")
    with pytest.raises(TextError, match="can be read"):
        transcript("你好", "en-us")


@pytest.mark.parametrize(
    "text", ["<b>Ask</b> not", "<v Anna>Ask not</v>", "<font color='red'>Ask <i>not</i></font>", "<c.x>Ask not</c>"]
)
def test_markup_is_not_said(text):
    """A <b> that is read as a word has the lips shut where nobody says a b."""
    assert transcript(text).words == transcript("Ask not").words


def test_signs_of_comparison_are_no_markup():
    assert [word.label for word in transcript("a < b and c > d").words] == ["a", "b", "and", "c", "d"]


def test_threads_spell_at_once():
    """The library has one voice for the whole process: nobody may get another's."""
    texts = [f"general {number}" for number in range(40)]
    languages = ("de", "en-us", "es")
    wanted = {language: [espeak.ipa(text, language) for text in texts] for language in languages}
    assert len(set(map(tuple, wanted.values()))) == len(languages)
    espeak.ipa.cache_clear()
    wrong = []

    def spell(language):
        if [espeak.ipa(text, language) for text in texts] != wanted[language]:
            wrong.append(language)

    threads = [threading.Thread(target=spell, args=(language,)) for language in languages]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not wrong


def test_without_espeak_texts_are_refused(monkeypatch, speech):
    def lacking():
        raise TextError("the package 'espeakng-loader' is not there")

    monkeypatch.setattr(espeak, "_voices", lacking)
    with pytest.raises(TextError, match="espeakng-loader"):
        aligned(speech, TEXT)


def test_the_best_way_is_the_same_whatever_is_kept(monkeypatch, rng):
    """Scores are computed again from those kept: how often they are must change nothing."""
    words = [[[3, 4], [5]], [[6, 7, 8]], [[9]], [[3, 4]]]
    rows = np.log(rng.dirichlet(np.ones(12) * 0.3, size=60))
    ways = []
    for kept in (400, 7, 1):
        monkeypatch.setattr("mouthpiece.phones.lattice._KEPT", kept)
        ways.append(best_way(WordLattice.of(words), rows, rows[:, 0], rows[:, 1:].max(axis=1) - 1))
    for way in ways[1:]:
        np.testing.assert_array_equal(way.kinds, ways[0].kinds)
        np.testing.assert_array_equal(way.states, ways[0].states)


def test_the_best_way_is_exact():
    """Silence, a word of two phones in its second pronunciation, other speech, and a word of one."""
    lattice = WordLattice.of([[[2], [1, 2]], [[3]]])
    said = [0, 0, 1, 1, 1, 2, 2, 4, 4, 4, 4, 4, 4, 4, 3, 3, 0]
    rows = np.full((len(said), 5), -9.0)
    rows[np.arange(len(said)), said] = -0.1
    way = best_way(lattice, rows, rows[:, 0], rows[:, 1:].max(axis=1) - 1)
    kinds = [SILENCE] * 2 + [WORD] * 5 + [OTHER] * 7 + [WORD] * 2 + [SILENCE]
    assert list(way.kinds) == kinds
    assert list(lattice.phones[way.states[2:7]]) == [1, 1, 1, 2, 2]
    assert list(way.places) == [0] * 2 + [0] * 5 + [1] * 7 + [1] * 2 + [2]


def test_a_sound_of_one_row_and_a_long_text_are_aligned():
    rows = np.full((1, len(PHONES)), 1 / len(PHONES), np.float32)
    with pytest.raises(TextError, match="does not fit"):
        aligned(Speech(rows), "many words that nobody can say in twenty milliseconds")


def test_texts_are_read_from_files(tmp_path):
    plain = tmp_path / "line.txt"
    plain.write_bytes("Größe".encode("utf-16"))
    assert read_spoken_text(plain) == "Größe"
    captions = spoken_text(
        "WEBVTT\n\n00:01.000 --> 00:02.500\n<v Anna>Hello <i>you</i>\n\n00:03.000 --> 00:04.000\nBye"
    )
    assert captions == (TimedText(1.0, 2.5, "Hello you"), TimedText(3.0, 4.0, "Bye"))
    with pytest.raises(TextError, match="empty"):
        spoken_text(" \n")
    with pytest.raises(TextError, match="cannot be read"):
        read_spoken_text(tmp_path / "none.txt")


@pytest.mark.parametrize("name", ["sense_0870", "sense_0880", "sense_0890"])
def test_the_words_of_a_reading_are_found_in_it(name):
    sound = SHARED / "speech" / f"{name}.wav"
    if not sound.is_file():
        pytest.skip("the readings are not here")
    take = animate(SoundFile(sound))
    if not take.speech:
        pytest.skip("the listener reads no phones")
    text = sound.with_suffix(".txt").read_text()
    found = aligned(take.speech, text)
    assert found.agreement > 0.8
    assert labels(found.speech.words) == text.split()
    lengths = np.array([word.stop - word.start for word in found.speech.words])
    assert 0.02 <= lengths.min() and lengths.max() < 1.2
    for other in ("sense_0870", "sense_0880", "sense_0890"):
        if other != name and "disposed" not in (text + (SHARED / "speech" / f"{other}.txt").read_text()):
            with pytest.raises(TextError):
                aligned(take.speech, (SHARED / "speech" / f"{other}.txt").read_text())

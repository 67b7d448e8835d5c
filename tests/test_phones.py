"""The inventory of phones, and which of them are heard in posteriors."""

import numpy as np
import pytest
from mouthpiece.phones.inventory import (
    CLASS_NAMES,
    CLASSES,
    NEAREST,
    PHONE_INDEX,
    PHONES,
    SILENCE,
    class_posteriors,
    members,
)
from mouthpiece.phones.ipa import phones_in_label, phones_of_ipa
from mouthpiece.phones.segmentation import heard
from mouthpiece.phones.viterbi import best_path, runs

from tests.material import posteriors_of


def test_every_phone_is_named_once_and_belongs_to_a_class_or_is_a_consonant_of_none():
    assert len(set(PHONES)) == len(PHONES) and PHONES[0] == SILENCE
    belong = {phone for name in CLASSES.values() for phone in name}
    assert belong <= set(PHONES)
    assert set(PHONES) - belong == {"ʁ"}  # uvular: neither lips nor tongue tip shape it


def test_what_is_heard_as_another_is_no_phone_itself_and_leads_to_one():
    assert not set(NEAREST) & set(PHONES)
    assert set(NEAREST.values()) <= set(PHONES)


def test_the_probability_of_a_class_is_that_of_its_members():
    rows, _ = posteriors_of("m _ s", sure=1.0, each=1)
    classes = class_posteriors(rows)
    assert classes.shape == (3, len(CLASS_NAMES))
    assert [CLASS_NAMES[i] for i in np.flatnonzero(classes[0] > 0.5)] == ["bilabial"]
    assert classes[1, CLASS_NAMES.index("silence")] == 1
    assert set(np.array(PHONES)[members("sibilant")]) >= {"s", "t͡ʃ"}


def test_the_best_path_is_the_best_of_all_paths(rng):
    """Against all 3 ** 7 sequences: none adds up to more, changes and shortest stretches counted."""
    scores = np.log(rng.dirichlet(np.ones(3) * 0.4, size=7))

    def worth(path):
        stretches = runs(np.array(path))
        if any(stop - start < 2 for start, stop, _ in stretches[:-1]):
            return -np.inf
        return scores[np.arange(7), path].sum() - 1.5 * (len(stretches) - 1)

    every = np.stack(np.meshgrid(*[range(3)] * 7, indexing="ij"), axis=-1).reshape(-1, 7)
    best = max(worth(path) for path in every)
    found = best_path(scores, 1.5)
    assert worth(found) == pytest.approx(best)


def test_a_lone_wrong_row_starts_no_phone():
    rows, _ = posteriors_of("a m a", each=8)
    rows[4] = posteriors_of("s", each=1, seed=1)[0][0]
    assert [phone.label for phone in heard(rows).phones] == ["a", "m", "a"]


def test_phones_have_the_times_and_the_certainty_of_their_rows():
    rows, places = posteriors_of("_ h ɛ l oʊ _ w", sure=0.9)
    speech = heard(rows)
    assert [phone.label for phone in speech.phones] == ["h", "ɛ", "l", "oʊ", "w"]
    np.testing.assert_allclose([phone.start for phone in speech.phones], places[[1, 2, 3, 4, 6], 0] / 50)
    np.testing.assert_allclose([phone.stop for phone in speech.phones], places[[1, 2, 3, 4, 6], 1] / 50)
    assert all(0.9 <= phone.confidence <= 0.92 for phone in speech.phones)
    assert speech.words == () and speech.posteriors is not None


def test_words_begin_where_the_listener_says_and_after_silence():
    rows, places = posteriors_of("_ h aɪ m æ n _ j u")
    starts = np.full(len(rows), 0.02)
    starts[places[3, 0]] = 0.9  # the m
    words = heard(rows, starts).words
    assert [word.label for word in words] == ["haɪ", "mæn", "ju"]
    assert words[1].start == places[3, 0] / 50 and words[1].stop == places[5, 1] / 50


def test_nothing_is_heard_in_nothing():
    assert not heard(np.zeros((0, len(PHONES)))) and not heard(np.zeros((40, 0)))
    silent, _ = posteriors_of("_ _ _", sure=1.0)
    assert heard(silent).phones == ()


@pytest.mark.parametrize(
    ("ipa", "phones"),
    [
        ("kˈʌntɹi", "k ʌ n t ɹ i"),
        ("d͡ʒˈʌd͡ʒ t͡ʃˈo͡ʊz", "d͡ʒ ʌ d͡ʒ t͡ʃ oʊ z"),
        ("hˈɔ͡øzɜ", "h ɔɪ z ɝ"),
        ("ˈœçtə p͡f", "ø x t ə p f"),
        ("ɑ̃fɑ̃", "ɑ f ɑ"),
        ("prʲivʲˈet", "p r i v e t"),
        ("fˈa͡ɪ͡ɚ", "f aɪ ɝ"),
        ("5 ˈː ?", ""),
    ],
)
def test_ipa_of_any_detail_is_the_nearest_phones(ipa, phones):
    assert " ".join(phones_of_ipa(ipa)) == phones


def test_a_german_ending_is_a_vowel():
    assert phones_of_ipa("hˈa͡ʊzɜ", "de") == ("h", "aʊ", "z", "ʌ")


def test_labels_of_aligners_are_read():
    assert phones_in_label("AA1") == ("ɑ",) and phones_in_label("ZH") == ("ʒ",)
    assert phones_in_label("tʃ") == phones_in_label("t͡ʃ") == ("t͡ʃ",) and phones_in_label("əʊ") == ("oʊ",)
    assert phones_in_label("Q&9") is phones_in_label("m?") is phones_in_label("[b]") is None  # a slip, not a phone
    assert phones_in_label("ˈba.ta") == ("b", "a", "t", "a")
    assert phones_in_label("st") == ("s", "t") and phones_in_label("tʰ") == ("t",)
    assert phones_in_label("sil") == phones_in_label("") == ()
    assert phones_in_label("?!") is None
    assert all(phones_in_label(phone) == (phone,) for phone in PHONE_INDEX if phone != SILENCE)

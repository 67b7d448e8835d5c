import pytest
from mouthpiece.motion.chart.charts import charts
from mouthpiece.motion.chart.names import match_names, stand_ins, suited_chart


def test_letters_at_the_end_are_rhubarbs():
    names = [f"Mouth_{letter}" for letter in "ABCDEFGHX"]
    assert match_names(charts()["rhubarb"], names) == dict(zip("ABCDEFGHX", names, strict=True))
    assert match_names(charts()["rhubarb"], ["a", "x.001", "eyebrow B"]) == {"A": "a", "B": "eyebrow B", "X": "x.001"}


def test_visemes_find_their_shapes():
    names = [f"viseme_{v}" for v in ("sil", "PP", "FF", "aa", "ou")]
    assert match_names(charts()["rhubarb"], names) == {
        "A": "viseme_PP",
        "D": "viseme_aa",
        "F": "viseme_ou",
        "G": "viseme_FF",
        "X": "viseme_sil",
    }


def test_words_find_their_shapes():
    found = match_names(charts()["blair"], ["mouth closed", "mouth-rest", "Mouth.FV", "mouth wide", "nose"])
    assert found == {"AI": "mouth wide", "MBP": "mouth closed", "FV": "Mouth.FV", "rest": "mouth-rest"}


def test_a_shapes_own_name_comes_before_a_word_for_it():
    assert match_names(charts()["blair"], ["closed", "MBP"])["MBP"] == "MBP"
    assert match_names(charts()["rhubarb"], ["E"]) == {"E": "E"}  # not the viseme E, which is C's


def test_phonemes_and_clusters_find_their_shapes():
    names = [f"mouth_{name}" for name in ("AA1", "IY0", "HH", "NG", "ZH", "M", "OW2", "rest")]
    found = match_names(charts()["rhubarb"], names)
    assert found["D"] == "mouth_AA1" and found["X"] == "mouth_rest" and found["A"] == "mouth_M"
    assert found["B"] in ("mouth_IY0", "mouth_ZH") and found["C"] in ("mouth_HH", "mouth_NG")
    fleming = ["AA", "EHSZ", "FV", "GK", "IY", "MBP", "NLTDR", "O", "SH", "TH", "rest"]
    assert match_names(charts()["fleming-dobbs"], fleming) == {name: name for name in fleming}
    assert len(match_names(charts()["blair"], fleming)) == 7  # of the others, two are shown alike


def test_the_set_whose_names_are_there_is_chosen():
    known = charts()
    phonemes = [f"{name}.001" for name in known["cmu"].names]
    assert suited_chart(known["rhubarb"], phonemes, known.values()).name == "cmu"
    assert suited_chart(known["blair"], ["AI", "E", "O", "U", "etc"], known.values()).name == "blair"
    assert suited_chart(known["rhubarb"], ["Cube", "Light"], known.values()).name == "rhubarb"
    letters = [f"Mouth_{letter}" for letter in "ABCDEFGHX"]
    assert suited_chart(known["rhubarb"], letters, known.values()).name == "rhubarb"


def test_names_that_say_nothing_match_nothing():
    assert match_names(charts()["rhubarb"], ["Cube", "Light.001", "", "…"]) == {}


def test_what_was_not_drawn_is_shown_as_what_it_looks_like():
    chart = charts()["rhubarb"]
    names = chart.names
    everything = stand_ins(chart, [True] * 9)
    assert everything == tuple(range(9))
    few = [name in ("A", "B", "D", "F") for name in names]
    instead = {name: names[k] for name, k in zip(names, stand_ins(chart, few), strict=True)}
    assert instead["X"] == "A" and instead["E"] == "F" and instead["H"] == "B" and instead["G"] in "AB"
    with pytest.raises(ValueError, match="no shape is drawn"):
        stand_ins(chart, [False] * 9)

"""Takes of a cast: what they are called, and how they are found again by what they were made of."""

import os
import time

import numpy as np
import pytest
from mouthpiece.cast.takes import TakeFolder, content_of, file_name, file_names, folded, known_take, style_key
from mouthpiece.errors import MouthpieceError

from tests.material import make_take


def saved(path, label="L", content="c1", channel="auto", style="speaker", seed=3, dials=None, now=None):
    said = {
        "content": content,
        "channel": channel,
        "style": style,
        "dials": dials or {},
        "label": label,
        "seconds": 2.0,
    }
    return make_take(options={"seed": seed, "cast": said}, dials=now if now is not None else dials or {}).save(path)


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Anna_07", "Anna_07.npz"),
        ("a/b\\c:d*?", "a_b_c_d__.npz"),
        ("CON", "_CON.npz"),
        ("com1.old", "_com1.old.npz"),
        ("console", "console.npz"),
        (" . dots. . ", "dots.npz"),
        ("", "line.npz"),
        ("..", "line.npz"),
        (".hidden", "hidden.npz"),
        ("two\nlines\x7f", "two_lines_.npz"),
        ("話す", "話す.npz"),
        ("A\u0308rger", "Ärger.npz"),
        ("a\u202eb", "a\u202eb.npz"),
    ],
)
def test_names_fit_every_file_system(label, name):
    assert file_name(label) == name


@pytest.mark.parametrize("label", ["x" * 300, "話" * 300, "😀" * 100])
def test_long_names_are_cut_between_characters(label):
    name = file_name(label)
    assert len(name.encode()) <= 120 and name.endswith(".npz") and set(name.removesuffix(".npz")) == {label[0]}


def test_names_differ_where_case_and_accents_do_not_count():
    taken = set()
    for label in ("Anna", "ANNA", "anna", "A\u0308", "\u00c4"):
        taken.add(folded(file_name(label, taken)))
    assert len(taken) == 5 and file_name("x" * 300, {folded(file_name("x" * 300))}).endswith("x_2.npz")


def test_takes_are_found_by_what_they_were_made_of(tmp_path):
    one = saved(tmp_path / "b.npz")
    left = saved(tmp_path / "a.npz", channel="left", seed=9)
    calm = saved(tmp_path / "c.npz", style="calm", content="c2")
    make_take().save(tmp_path / "plain.npz")
    (tmp_path / "no.npz").write_bytes(b"no take")
    (tmp_path / "folder.npz").mkdir()
    folder = TakeFolder(tmp_path)
    assert folder.find("c1") == folder.find("c1", "auto", "speaker", 3) == one
    assert folder.find("c1", "left") == folder.find("c1", "left", "", 9) == left
    assert folder.find("c2", style="calm") == calm
    assert not any([folder.find("c3"), folder.find("c1", seed=4), folder.find("c2"), folder.find("c1", "right")])
    assert (
        folder.find("c1", networks={"content": "cd" * 32}) == one
        and folder.find("c1", networks={"content": "x"}) is None
    )


def test_a_folder_that_is_not_there_holds_none(tmp_path):
    assert TakeFolder(tmp_path / "none").find("c1") is None


@pytest.mark.parametrize(
    "said", [3, {}, {"content": 1}, {"content": "c", "channel": "auto", "style": "s", "label": "L"}, None]
)
def test_notes_that_are_none(tmp_path, said):
    assert known_take(make_take(options={"seed": 1, "cast": said}).save(tmp_path / "t.npz")) is None


def test_amounts_adjusted_since_are_seen(tmp_path):
    take = known_take(saved(tmp_path / "t.npz", dials={"lips": 1.2, "jaw": 0.5}, now={"lips": 1.2, "head": 0.0}))
    assert take.adjusted == {"head": 0.0, "jaw": None} and take.recipe.dials == {"lips": 1.2, "jaw": 0.5}


def test_a_thousand_takes_are_known_in_seconds(tmp_path):
    first = saved(tmp_path / "0.npz")
    for number in range(1, 1000):
        os.link(first, tmp_path / f"{number}.npz")
    began = time.process_time()
    assert len(TakeFolder(tmp_path).takes) == 1000
    assert time.process_time() - began < 4


def test_styles_are_told_apart_by_their_numbers(tmp_path):
    for name, smile in (("a", 0.1), ("b", 0.1), ("c", 0.2)):
        numbers = f'"amplitude": 0, "quickness": 0, "opening": 0, "smile": {smile}, "brows": 0'
        (tmp_path / f"{name}.json").write_text(f'{{"name": "n", {numbers}}}')
    keys = [style_key(str(tmp_path / f"{name}.json")) for name in "abc"]
    assert keys[0] == keys[1] != keys[2] and style_key("") == "speaker" and style_key("calm") == "calm"
    with pytest.raises(MouthpieceError, match="cannot be read"):
        style_key(str(tmp_path / "none.json"))


def test_contents(tmp_path):
    data = np.random.default_rng(1).bytes(3 << 20)
    (tmp_path / "a").write_bytes(data)
    (tmp_path / "b").write_bytes(data)
    assert content_of(tmp_path / "a") == content_of(tmp_path / "b")
    with pytest.raises(MouthpieceError, match="cannot be read"):
        content_of(tmp_path / "c")
    with pytest.raises(MouthpieceError, match="no ordinary file"):
        content_of(tmp_path)


def test_many_takes_that_would_be_called_alike_get_numbers():
    labels = [f"{'x' * 130}{number}" for number in range(3000)] + ["Anna", "ANNA", "Anna_2", "a:b", "a?b"]
    names = file_names(labels)
    assert len({folded(name) for name in names}) == len(labels)
    assert names[-5:] == ["Anna.npz", "ANNA_2.npz", "Anna_2_2.npz", "a_b.npz", "a_b_2.npz"]
    assert names[1].endswith("x_2.npz") and max(map(len, names)) <= 120

"""What is said in a line: from the panel, a strip or a file into the take, and what is told if it does not fit."""

import json
import shutil

import bpy
import pytest
from mouthpiece.cast.spoken_text import within
from mouthpiece.errors import ModelError, TextError
from mouthpiece.files import ASSETS
from mouthpiece.phones.alignment import TimedText
from mouthpiece.phones.segmentation import heard

from addon import scene_settings
from addon.bake import settings as bake_settings
from addon.cast.scene_lines import resolved
from addon.cast.wishes import Wishes
from addon.keys import kept_takes
from addon.sound.spoken_texts import LineText, SpokenTake, read_text, with_text
from blender_tests import scenes
from blender_tests.test_cast_animation import cast as cast  # two characters, four strips
from blender_tests.test_cast_animation import dialled_lines, run
from tests.material import make_take, posteriors_of

pytest.importorskip("espeakng_loader")

LINES_ALONE = True
SAID = "_ h i w ʌ z n ɑ t æ n ɪ l d ɪ s p oʊ z d _ _ j ʌ ŋ m æ n _"
TEXT = "He was not an ill-disposed young man."


@pytest.fixture(scope="module")
def said():
    return heard(posteriors_of(SAID)[0])


@pytest.fixture
def take(addon, tmp_path, said):
    """Return the path of a take in which a sentence is heard, of a character that is ready to speak it."""
    settings = bpy.context.scene.mouthpiece
    scenes.face()
    place = make_take(75, speech=said).save(tmp_path / "line.npz")
    settings.source, settings.filepath = "FILE", str(place)
    bpy.context.scene.render.fps = 25
    return place


def words(obj):
    """Return the words of the one line that a character speaks."""
    (line,) = dialled_lines(obj)
    return [word.label for word in kept_takes.motion(line).speech.words]


def test_the_text_of_the_panel_is_in_the_take(take, context):
    context.scene.mouthpiece.text = TEXT
    assert bpy.ops.mouthpiece.animate() == {"FINISHED"}
    assert words(context.object) == ["He", "was", "not", "an", "ill-disposed", "young", "man"]
    state = context.window_manager.mouthpiece
    assert state.fit == "7 words in time (en-us): 100% of it heard" and not state.remarks


def test_a_text_of_something_else_is_told_and_the_line_is_animated(take, context):
    context.scene.mouthpiece.text = "Entirely different sentences belong elsewhere, professor, because thousands vote."
    assert bpy.ops.mouthpiece.animate() == {"FINISHED"}
    assert words(context.object) == []
    state = context.window_manager.mouthpiece
    assert "The line is animated without its text." in state.remarks and not state.fit


def test_a_word_that_is_not_said_is_named(take, context):
    context.scene.mouthpiece.text = "He was not an ill-disposed hippopotamus young man."
    assert bpy.ops.mouthpiece.animate() == {"FINISHED"}
    state = context.window_manager.mouthpiece
    assert "hippopotamus" in state.remarks and "1 place to check" in state.fit


def test_an_empty_text_and_a_language_that_is_none(take, context):
    context.scene.mouthpiece.text = "  "
    assert bpy.ops.mouthpiece.animate() == {"FINISHED"}
    assert not context.window_manager.mouthpiece.remarks
    context.scene.mouthpiece.text, context.scene.mouthpiece.language = TEXT, "xx-nowhere"
    assert bpy.ops.mouthpiece.animate() == {"FINISHED"}
    assert "xx-nowhere" in context.window_manager.mouthpiece.remarks


def test_a_text_from_a_file(take, context, tmp_path):
    place = tmp_path / "line.srt"
    place.write_text("1\n00:00:00,050 --> 00:00:02,050\nHe was not an ill-disposed\n\n"
                     "2\n00:00:02,150 --> 00:00:02,850\n<i>young man</i>\n")  # fmt: skip
    assert bpy.ops.mouthpiece.read_text(filepath=str(place)) == {"FINISHED"}
    assert bpy.ops.mouthpiece.animate() == {"FINISHED"}
    assert words(context.object)[-2:] == ["young", "man"]
    before = context.scene.mouthpiece.text
    (tmp_path / "empty.txt").write_text(" \n")
    (tmp_path / "picture.txt").write_bytes(b"\0\1\2\3" * 50)
    for name, told in (("empty.txt", "is empty"), ("picture.txt", "is no text"), ("gone.txt", "gone.txt")):
        with pytest.raises(RuntimeError, match=told):
            bpy.ops.mouthpiece.read_text(filepath=str(tmp_path / name))
    assert context.scene.mouthpiece.text == before
    assert read_text(place).startswith("1\n00")


def test_a_strip_has_a_text_of_its_own(addon, context, tmp_path):
    scenes.face()
    strip = scenes.sequencer(25).new_sound("Line", str(scenes.murmur(tmp_path / "a.wav")), 1, 41)
    context.scene.mouthpiece.source, context.scene.mouthpiece.text = "STRIP", "of a file"
    strip.mouthpiece.transcript = " of the strip "
    assert scene_settings.bake_of(context).text == LineText("of the strip")
    (tmp_path / "b.txt").write_text("from a file")
    bpy.ops.mouthpiece.read_text(filepath=str(tmp_path / "b.txt"))
    assert strip.mouthpiece.transcript == "from a file"


def test_a_piece_of_a_sound_has_the_text_of_the_piece(said):
    take = make_take(75, speech=said)
    *_, last = with_text(take, LineText("young man"), 10.0, (12.05, 13.0))
    assert isinstance(last, SpokenTake) and last.fit is not None and not last.fit.disagreements
    assert [word.label for word in last.take.speech.words] == ["young", "man"]
    captions = (TimedText(10.0, 11.5, "before"), TimedText(12.1, 12.9, "young man"))
    assert within(captions, 10.0, 3.0, (12.0, 13.0)) == (
        TimedText(pytest.approx(2.1), pytest.approx(2.9), "young man"),
    )
    assert within("all", 0.0, 3.0, (0.0, 2.99)) == "all"
    with pytest.raises(TextError, match="No caption"):
        within(captions, 0.0, 3.0)


def test_another_text_makes_a_line_of_the_cast_be_animated_again(cast):
    run()
    cast["Ann 1"].mouthpiece.transcript = "Something is said."
    results, _ = run()
    assert results["Ann 1"].state == ("CHANGED", "sound, text or style")
    assert {name: one.outcome for name, one in results.items() if name != "Ann 1"} == {
        "Ann 2": "up to date", "Bob 1": "up to date", "Bob 2": "up to date"
    }  # fmt: skip
    assert run()[0]["Ann 1"].outcome == "up to date"


def test_networks_of_a_character(cast, tmp_path):
    """Its lines are made with them, those of others are not; a folder that is gone is told and stops nobody else."""
    run()
    own = tmp_path / "Ann's networks"
    own.mkdir()
    for name in ("content.onnx", "content.onnx.json"):
        shutil.copy(ASSETS / name, own / name)
    sidecar = json.loads((own / "content.onnx.json").read_text())
    assert sidecar["sha256"]  # the copy is the shipped network: the same takes come of it
    ann = bpy.data.objects["Ann"]
    ann.mouthpiece.networks = str(own)
    assert bake_settings.models_of(ann.mouthpiece) == own
    results, _ = run()
    assert {one.outcome for one in results.values()} == {"up to date"}
    lines, _ = resolved(bpy.context.scene)
    folders = {line.character: Wishes().bake(line).models for line in lines}
    assert folders == {"Ann": own, "Bob": None}
    ann.mouthpiece.networks = str(tmp_path / "gone")
    results, _ = run()
    assert results["Ann 1"].outcome == "failed" and "no such folder" in results["Ann 1"].reason
    assert results["Bob 1"].outcome == "up to date"


def test_the_folder_of_networks_may_be_beside_the_file(addon, context, tmp_path):
    obj = scenes.face()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    obj = bpy.data.objects[obj.name]
    (tmp_path / "nets").mkdir()
    obj.mouthpiece.networks = "//nets"
    assert bake_settings.models_of(obj.mouthpiece).resolve() == (tmp_path / "nets").resolve()
    obj.mouthpiece.networks = "//lost"
    with pytest.raises(ModelError, match="no such folder"):
        bake_settings.models_of(obj.mouthpiece)


def test_articulation_and_tongue_are_amounts(take, context):
    settings = context.object.mouthpiece
    settings.live, settings.articulation, settings.tongue = False, 0.5, 1.5
    bpy.ops.mouthpiece.animate()
    (line,) = dialled_lines(context.object)
    assert dict(line.dials) == {"articulation": 0.5, "tongue": 1.5}
    settings.tongue = 0.0
    bpy.ops.mouthpiece.redial()
    (line,) = dialled_lines(context.object)
    assert dict(line.dials) == {"articulation": 0.5, "tongue": 0.0}
    bpy.ops.mouthpiece.reset_dials()
    assert settings.articulation == settings.tongue == 1.0
    bpy.ops.mouthpiece.take_over_dials()
    assert round(settings.articulation, 6) == 0.5 and settings.tongue == 0.0

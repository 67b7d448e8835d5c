"""Shape keys: names in any spelling, limits, and meshes that may not be edited."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from mouthpiece.curves import FrameGrid
from mouthpiece.errors import RigError

from addon.bake import removal
from addon.keys import channels
from addon.targets import find_object, target_for
from blender_tests import scenes

GRID = FrameGrid(25.0, 1.0, 1, 50)


@pytest.mark.parametrize("spelling", ["jawOpen", "JawOpen", "jaw_open", "Jaw Open", "jawOpen.001"])
def test_any_spelling_is_matched_and_the_rigs_own_name_is_keyed(spelling):
    obj = scenes.face(keys=(spelling, "unrelated"))
    driven = target_for(obj).drive(scenes.performance(jawOpen=0.5), GRID)
    assert [channel.data_path for channel in driven.parts[0].channels] == [scenes.shape_path(spelling)]
    assert driven.parts[0].owner == obj.data.shape_keys
    np.testing.assert_allclose(driven.parts[0].curves.values, 0.5)


def test_missing_shapes_are_reported():
    table = target_for(scenes.face(keys=("jawOpen", "extra"))).table
    assert len(table.missing) == 51 and table.missing["mouthClose"] == "jawOpen" and table.missing["tongueOut"] == ""
    assert table.unused == ("extra",)


def test_the_basis_is_never_driven():
    obj = scenes.face(keys=("mouthClose",))
    obj.data.shape_keys.reference_key.name = "jawOpen"
    assert target_for(obj).table.keys == ("mouthClose",)


def test_values_are_clamped_to_the_slider_and_counted():
    obj = scenes.face(keys=("jawOpen",))
    take = scenes.performance(jawOpen=lambda time: time / 2)  # reaches 0.5 after 25 frames
    driven = target_for(obj, strength=2.0).drive(take, GRID)
    assert driven.parts[0].curves.values.max() == 1.0
    assert driven.clamped == {"jawOpen": 24}
    assert driven.warnings == ["jawOpen was clamped on 24 frames; raise its slider maximum or lower Strength"]


def test_a_raised_slider_lets_more_through():
    obj = scenes.face(keys=("jawOpen",))
    obj.data.shape_keys.key_blocks["jawOpen"].slider_max = 2.0
    driven = target_for(obj, strength=2.0).drive(scenes.performance(jawOpen=0.75), GRID)
    assert driven.parts[0].curves.values.max() == pytest.approx(1.5)
    assert driven.clamped == {} and driven.warnings == []


def test_what_hides_the_take_is_said():
    obj = scenes.face(keys=("jawOpen",))
    obj.data.shape_keys.key_blocks["jawOpen"].mute = True
    obj.show_only_shape_key = True
    warnings = target_for(obj).drive(scenes.performance(), GRID).warnings
    assert ["Muted" in warning for warning in warnings] == [True, False]
    assert "pin" in warnings[1]


def cube():
    obj = scenes.face(keys=())
    return obj


def empty():
    obj = bpy.data.objects.new("Nobody", None)
    bpy.context.scene.collection.objects.link(obj)
    return obj


def stranger():
    return scenes.face(keys=("smirk", "wobble"))


def absolute():
    obj = scenes.face(keys=("jawOpen",))
    obj.data.shape_keys.use_relative = False
    return obj


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: None, "No character is active"),
        (empty, "An empty cannot speak: click a character"),
        (cube, "no shape keys"),
        (stranger, "a name Mouthpiece knows"),
        (absolute, "Turn on Relative"),
    ],
    ids=["none", "empty", "no keys", "no match", "absolute"],
)
def test_characters_that_cannot_be_driven_say_why(make, words):
    with pytest.raises(RigError, match=words):
        target_for(make())


@pytest.fixture
def library(tmp_path):
    """Write a face into a library and give its path."""
    path = str(tmp_path / "face.blend")
    bpy.data.libraries.write(path, {scenes.face(keys=("jawOpen",))}, fake_user=True)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    return path


def link(path):
    with bpy.data.libraries.load(path, link=True) as (there, here):
        here.objects = there.objects
    obj = here.objects[0]
    bpy.context.scene.collection.objects.link(obj)
    return obj


def test_a_linked_mesh_is_refused_with_the_remedy(library):
    with pytest.raises(RigError, match=r"linked from a library.*Make it local"):
        target_for(link(library))


def test_an_overridden_object_is_refused_until_its_mesh_is_overridden_too(library, tmp_path):
    from addon.keys import writer

    obj = link(library).override_create(remap_local_usages=True)
    with pytest.raises(RigError, match="override of the mesh data"):
        target_for(obj)
    obj.data.override_create(remap_local_usages=True)
    driven = target_for(obj).drive(scenes.performance(jawOpen=0.5), GRID)
    writer.write([driven.parts[0]], channels.Line("a", 1, 50), "Mouthpiece Face")
    path = str(tmp_path / "shot.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    key = find_object("Face").data.shape_keys
    assert len(scenes.values(key, scenes.shape_path("jawOpen"))) == 50
    assert removal.has_lines(key)


def test_a_character_that_is_gone_or_changed_meanwhile():
    obj = scenes.face(keys=("jawOpen", "mouthClose"))
    target = target_for(obj)
    obj.shape_key_remove(obj.data.shape_keys.key_blocks["jawOpen"])
    with pytest.raises(RigError, match="lost shape keys meanwhile: jawOpen"):
        target.drive(scenes.performance(), GRID)
    bpy.data.objects.remove(obj)
    with pytest.raises(RigError, match="deleted or renamed"):
        target.drive(scenes.performance(), GRID)

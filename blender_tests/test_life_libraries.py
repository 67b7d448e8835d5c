"""A baked character in other files: appended, linked, overridden."""

from __future__ import annotations

import bpy
import pytest

from blender_tests import life


def fetch(character, link):
    """Open an empty file with the character's objects brought in from its own; return the object."""
    bpy.ops.wm.read_homefile(use_empty=True)
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = 25, 1.0
    scene.mouthpiece.source, scene.mouthpiece.filepath = "FILE", str(life.take())
    with bpy.data.libraries.load(str(character.blend), link=link) as (theirs, mine):
        mine.objects = [name for name in theirs.objects if "Camera" not in name and "Light" not in name]
    for obj in bpy.data.objects:
        scene.collection.objects.link(obj)
    return character.object


def overridden(obj):
    """Override a linked character and all its data, as an animator does to work on it; return the local object."""
    scene, layer = bpy.context.scene, bpy.context.view_layer
    names = [one.name for one in life.family(obj)]
    top = obj
    while top.parent is not None:
        top = top.parent
    top.override_hierarchy_create(scene, layer, do_fully_editable=True)
    for one in bpy.data.objects:
        if one.library is not None and one.name in scene.collection.objects:
            scene.collection.objects.unlink(one)
    mine = [bpy.data.objects[name, None] for name in names]
    for one in mine:
        if one.data is not None and one.data.library is not None:
            one.data.override_create(remap_local_usages=True)
    return bpy.data.objects[obj.name, None]


def test_appended_it_plays_and_is_restored(character, tmp_path):
    obj = fetch(character, link=False)
    assert life.seen(obj).like(character.playing)
    life.reload(tmp_path / "appended.blend")
    obj = character.object
    assert life.seen(obj).like(character.playing)
    assert life.remove(obj) == {"FINISHED"}
    assert life.seen(obj).like(character.resting)
    assert not life.notes()


def test_appended_it_is_baked_again(character):
    obj = fetch(character, link=False)
    assert life.bake(obj, 0.5) == {"FINISHED"}
    half = life.seen(obj)
    assert half.moves() and not half.like(character.playing)
    assert life.bake(obj) == {"FINISHED"}
    assert life.seen(obj).like(character.playing)


def test_linked_it_plays_and_refuses_to_be_changed(character):
    obj = fetch(character, link=True)
    assert life.seen(obj).like(character.playing)
    life.choose([obj])
    for operator in (bpy.ops.mouthpiece.animate, bpy.ops.mouthpiece.remove_take):
        if not operator.poll():
            continue
        with pytest.raises(RuntimeError, match=r"linked|override|local"):
            operator()
    assert life.seen(obj).like(character.playing)


def test_overridden_it_plays(character, tmp_path):
    obj = overridden(fetch(character, link=True))
    assert life.seen(obj).like(character.playing)
    life.reload(tmp_path / "overridden.blend")
    assert life.seen(bpy.data.objects[character.name, None]).like(character.playing)


def test_overridden_it_is_baked_and_the_bake_is_there_after_reloading(character, tmp_path):
    obj = overridden(fetch(character, link=True))
    if obj.mouthpiece_strokes.handles is not None:  # new drawings in an override are lost on saving
        with pytest.raises(RuntimeError, match="linked"):
            life.bake(obj, 0.5)
        return
    assert life.bake(obj, 0.5) == {"FINISHED"}
    half = life.seen(obj)
    assert half.moves() and not half.like(character.playing)
    life.reload(tmp_path / "overridden.blend")
    again = life.seen(bpy.data.objects[character.name, None])
    assert again.like(half), "the bake on an override was lost on saving"

"""Undo and redo of what the add-on does: one step each, and nothing is lost on the way."""

from __future__ import annotations

from contextlib import contextmanager

import bpy
import pytest

from blender_tests import life


@contextmanager
def in_window():
    """Lend the context a window: undo asks for one."""
    window = bpy.context.window_manager.windows[0]
    with bpy.context.temp_override(window=window, screen=window.screen, area=window.screen.areas[0]):
        yield


def undo():
    """Press Ctrl Z."""
    with in_window():
        assert bpy.ops.ed.undo() == {"FINISHED"}


def redo():
    """Press Ctrl Shift Z."""
    with in_window():
        assert bpy.ops.ed.redo() == {"FINISHED"}


def press(name):
    """Run an operator as a click on its button does: with a step of undo, if it asks for one.

    Blender itself pushes that step only where there is a user interface, so it is done here.
    """
    operator = getattr(bpy.ops.mouthpiece, name)
    assert operator() == {"FINISHED"}
    assert "UNDO" in getattr(bpy.types, f"MOUTHPIECE_OT_{name}").bl_options
    bpy.ops.ed.undo_push(message=name)


@pytest.fixture
def bare(character):
    """Return the character as it was before it was baked, with undo begun."""
    obj = character.open()
    life.remove(obj)
    bpy.ops.ed.undo_push(message="Open")
    assert life.seen(obj).like(character.resting)
    return character


def test_one_undo_takes_a_bake_back_and_redo_brings_it_again(bare):
    life.choose([bare.object])
    bpy.ops.ed.undo_push(message="Select")
    press("animate")
    assert life.seen(bare.object).like(bare.playing)
    undo()
    assert life.seen(bare.object).like(bare.resting)
    assert life.clutter() == bare.clutter
    assert not life.notes()
    redo()
    assert life.seen(bare.object).like(bare.playing)


def test_after_redo_the_take_is_still_the_add_ons(bare):
    life.choose([bare.object])
    bpy.ops.ed.undo_push(message="Select")
    press("animate")
    undo()
    redo()
    assert life.remove(bare.object) == {"FINISHED"}
    assert life.seen(bare.object).like(bare.resting)
    assert life.clutter() == bare.clutter


def test_after_undo_it_can_be_baked_anew(bare):
    life.choose([bare.object])
    bpy.ops.ed.undo_push(message="Select")
    press("animate")
    undo()
    press("animate")
    assert life.seen(bare.object).like(bare.playing)


def test_removing_is_one_step(character):
    obj = character.open()
    bpy.ops.ed.undo_push(message="Open")
    life.choose([obj])
    bpy.ops.ed.undo_push(message="Select")
    press("remove_take")
    undo()
    assert life.seen(character.object).like(character.playing)
    redo()
    assert life.seen(character.object).like(character.resting)
    assert not life.notes()


def test_dialling_is_one_step(character):
    obj = character.open()
    life.choose([obj])
    obj.mouthpiece.live = False
    obj.mouthpiece.lips = 0.2
    bpy.ops.ed.undo_push(message="Dials")
    press("redial")
    dialled = life.seen(character.object)
    assert not dialled.like(character.playing)
    undo()
    assert life.seen(character.object).like(character.playing)
    redo()
    assert life.seen(character.object).like(dialled)


def test_a_live_dial_and_its_keys_go_back_together(character):
    obj = character.open()
    life.choose([obj])
    bpy.ops.ed.undo_push(message="Select")
    obj.mouthpiece.lips = 0.2
    bpy.ops.ed.undo_push(message="Lips")
    assert not life.seen(character.object).like(character.playing)
    undo()
    assert character.object.mouthpiece.lips == 1.0
    assert life.seen(character.object).like(character.playing)

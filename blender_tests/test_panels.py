"""Which sub-panels of the sidebar are there: only those of what plays the active object, or might."""

import bpy
import pytest

from addon import panels_mapping, panels_picture, panels_pins, properties
from blender_tests import scenes


def shown(context):
    """Return which of the sub-panels of meshes are there."""
    panels = {
        "names": panels_mapping.MOUTHPIECE_PT_shape_keys,
        "pins": panels_pins.MOUTHPIECE_PT_pins,
        "picture": panels_picture.MOUTHPIECE_PT_picture,
    }
    return {name for name, panel in panels.items() if panel.poll(context)}


def test_a_head_with_known_names_has_its_table_only(context):
    obj = scenes.face()
    assert properties.kind_of(obj) == "NAMES"
    assert shown(context) == {"names"}


def test_names_nobody_knows_offer_all(context):
    obj = scenes.face(keys=("Key 1", "Key 2", "Key 3"))
    assert properties.kind_of(obj) == ""
    assert shown(context) == {"names", "pins", "picture"}


@pytest.mark.parametrize(("target", "panel"), (("SOLVED", "pins"), ("NAMES", "names")))
def test_what_is_chosen_by_hand_is_shown(context, target, panel):
    obj = scenes.face()
    obj.mouthpiece.target = target
    assert panel in shown(context)
    assert not shown(context) & ({"pins", "names"} - {panel})


def test_without_an_object_a_picture_can_begin(context):
    bpy.context.view_layer.objects.active = None
    assert shown(context) == {"picture"}

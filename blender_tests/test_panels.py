"""Which sub-panels of the sidebar are there: only those of what plays the active object, or might."""

import bpy
import pytest

from addon import panel, scene_settings
from addon.targets.mouth_chart import panel as chart_panel
from addon.targets.picture_rig import panel as picture_panel
from addon.targets.pins import panel as pins_panel
from addon.targets.portrait import panel as portrait_panel
from addon.targets.shape_keys import panel as mapping_panel
from blender_tests import portraits, scenes


def shown(context):
    """Return which of the sub-panels of meshes are there."""
    panels = {
        "names": mapping_panel.MOUTHPIECE_PT_shape_keys,
        "pins": pins_panel.MOUTHPIECE_PT_pins,
        "picture": picture_panel.MOUTHPIECE_PT_picture,
        "portrait": portrait_panel.MOUTHPIECE_PT_portrait,
    }
    return {name for name, panel in panels.items() if panel.poll(context)}


def test_a_head_with_known_names_has_its_table_only(context):
    obj = scenes.face()
    assert scene_settings.kind_of(obj) == "NAMES"
    assert shown(context) == {"names"}


def test_names_nobody_knows_offer_all(context):
    obj = scenes.face(keys=("Key 1", "Key 2", "Key 3"))
    assert scene_settings.kind_of(obj) == ""
    assert shown(context) == {"names", "pins", "picture", "portrait"}


@pytest.mark.parametrize(("target", "panel"), (("SOLVED", "pins"), ("NAMES", "names")))
def test_what_is_chosen_by_hand_is_shown(context, target, panel):
    obj = scenes.face()
    obj.mouthpiece.target = target
    assert panel in shown(context)
    assert not shown(context) & ({"pins", "names"} - {panel})


def test_without_an_object_a_picture_can_begin(context):
    bpy.context.view_layer.objects.active = None
    assert shown(context) == {"picture", "portrait"}


def test_a_portrait_has_the_panels_of_portraits_only(context):
    obj = portraits.portrait()
    assert shown(context) == {"portrait"} and scene_settings.kind_of(obj) == "PORTRAIT"
    others = [getattr(panel, f"MOUTHPIECE_PT_{name}") for name in ("head", "also", "keys")]
    assert not any(panel.poll(context) for panel in (*others, chart_panel.MOUTHPIECE_PT_chart))
    assert panel.MOUTHPIECE_PT_options.poll(context)
    assert portrait_panel.MOUTHPIECE_PT_consent.poll(context)
    bpy.ops.mouthpiece.edit_landmarks()  # its landmarks stand for it
    assert shown(context) == {"portrait"}
    scenes.face()
    assert not portrait_panel.MOUTHPIECE_PT_consent.poll(context)

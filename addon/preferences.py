"""The add-on's preferences: settings of the user or the computer, not of a scene."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.props import StringProperty
from bpy.utils import register_classes_factory
from mouthpiece.errors import PictureError

from . import guide


class MOUTHPIECE_AP_preferences(bpy.types.AddonPreferences):
    """Certificate and private key that portraits are signed with."""

    bl_idname = __package__

    certificate: StringProperty(
        name="Certificate",
        description="Certificate (PEM, with those it rests on) that content credentials of portraits are signed with. "
        "Left empty, one made on this computer is used, which says so",
        subtype="FILE_PATH",
    )
    private_key: StringProperty(
        name="Private Key", description="Private key (PEM) of the certificate", subtype="FILE_PATH"
    )

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the settings."""
        layout = self.layout
        layout.use_property_split = True
        row = layout.row()
        row.label(text="The panel is in the 3D View: press N and choose the tab Mouthpiece")
        guide.draw_button(row, "Guide")
        layout.label(text="Content credentials of portraits")
        layout.prop(self, "certificate")
        layout.prop(self, "private_key")


def signer(context: bpy.types.Context) -> tuple[str, str]:
    """Return the paths of the user's certificate and private key; both are empty if none is set.

    Raises PictureError if one is set without the other.
    """
    addon = context.preferences.addons.get(__package__)
    found: Any = addon.preferences if addon is not None else None
    if found is None:
        return "", ""
    paths = tuple(bpy.path.abspath(path) if path.strip() else "" for path in (found.certificate, found.private_key))
    if bool(paths[0]) != bool(paths[1]):
        raise PictureError("Certificate and private key belong together: name both in the preferences, or neither.")
    return paths[0], paths[1]


register, unregister = register_classes_factory((MOUTHPIECE_AP_preferences,))

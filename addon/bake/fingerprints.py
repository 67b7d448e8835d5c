"""What a line was made of, as short texts: if none of them differs, animating it again would give the same keys.

Kept with each line (``KeptLine.made``) by these names: ``take`` (sound, channel, seed, style, actor,
networks and text), ``place``
(where on the timeline), ``rig`` (what plays it, its shape and its mapping), ``dials`` (the amounts that were asked for;
a line may have been given others since), ``seconds`` (length of the sound, as far as it was heard) and ``cast`` (there
if the cast asked for the line).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import bpy
import numpy as np
from mouthpiece.sounds.mixdown import AUTOMATIC

from ..sound import contents
from ..targets import Target, find_object

if TYPE_CHECKING:
    from mouthpiece.motion.dials import Dials
    from mouthpiece.pipeline import Options

    from ..sound.recordings import Recording
    from ..sound.spoken_texts import LineText

#: Settings of an object that say how it is driven.
_SETTINGS: Final = ("names", "pins", "bones", "chart", "strokes", "picture")
#: Number of the method by which takes are made of what the networks say: higher after every change of the motion.
_METHOD: Final = 1


def networks_of(models: Path | None) -> dict[str, str]:
    """Return the hash of each network that makes takes, by its name; ``models`` as in ``mouthpiece.pipeline.steps``.

    Raises MouthpieceError if one cannot be used.
    """
    from mouthpiece.pipeline import Networks

    return Networks.find(models).hashes()


def take_of(
    sound: Recording,
    options: Options | None,
    style_from: str,
    networks: Mapping[str, str],
    text: LineText | None = None,
) -> str:
    """Return the fingerprint of a take that ``networks`` make, given as hashes by name, for a line with that text."""
    from mouthpiece.pipeline import Options

    said: list[Any] = [text.text, text.language] if text else []
    if sound.is_take:
        return _digest([sound.content, *said])
    asked = options or Options()
    style = contents.of_file(style_from) if style_from else None if asked.style is None else asdict(asked.style)
    said += [asdict(asked.actor)] if asked.actor is not None else []
    heard = [sound.content, "" if sound.channel == AUTOMATIC else sound.channel]
    return _digest([_METHOD, *heard, asked.fps, asked.seed, style, dict(networks), *said])


def place_of(sound: Recording) -> str:
    """Return the fingerprint of where a sound is heard on the timeline."""
    return _digest(asdict(sound.placement))


def dials_of(dials: Dials | None) -> str:
    """Return the fingerprint of amounts."""
    return _digest({} if dials is None else dials.saved())


def rig_of(targets: Iterable[Target]) -> str:
    """Return the fingerprint of what plays a line: which channels, driven by what, and the shapes they move.

    Poses, keys and values do not count. Reads the coordinates of all shape keys: not for panels.
    """
    found = []
    for target in targets:
        obj = find_object(target.object_name)
        form = getattr(type(target), "form", None)
        found.append([repr(target), _settings(obj), _shape(obj), "" if form is None else form(obj)])
    return _digest(found)


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def _settings(obj: bpy.types.Object) -> dict[str, Any]:
    """Return the settings of an object that say how it is driven."""
    groups = {name: getattr(obj, f"mouthpiece_{name}", None) for name in _SETTINGS}
    return {name: _values(group) for name, group in groups.items() if group is not None}


def _values(group: Any) -> Any:
    """Return the values of a property group, of its groups and lists, and the names of the data it points to."""
    if isinstance(group, bpy.types.ID):
        return group.name
    if not isinstance(group, bpy.types.PropertyGroup):
        return group if isinstance(group, str | int | float | bool | None) else list(group)
    found: dict[str, Any] = {}
    for item in group.bl_rna.properties:
        name = item.identifier
        if name == "rna_type" or item.is_hidden or name.startswith("active"):
            continue
        value = getattr(group, name)
        found[name] = [_values(one) for one in value] if item.type == "COLLECTION" else _values(value)
    return found


def _shape(obj: bpy.types.Object) -> str:
    """Return the fingerprint of a mesh with its shape keys, or of an armature at rest; empty for other objects."""
    digest = hashlib.blake2b(digest_size=12)
    data: Any = obj.data
    if obj.type == "ARMATURE":
        for bone in data.bones:
            digest.update(json.dumps([bone.name, bone.parent.name if bone.parent else ""]).encode())
            digest.update(np.round(np.array(bone.matrix_local, np.float32), 5).tobytes())
    elif obj.type == "MESH":
        digest.update(len(data.vertices).to_bytes(8, "little"))
        blocks: Any = data.shape_keys.key_blocks if data.shape_keys is not None else ()
        for block in blocks:
            about = [block.name, block.relative_key.name, block.slider_min, block.slider_max, block.vertex_group]
            digest.update(json.dumps(about).encode())
            points = np.empty(3 * len(block.data), np.float32)
            block.data.foreach_get("co", points)
            digest.update(points.tobytes())
    else:
        return ""
    return digest.hexdigest()

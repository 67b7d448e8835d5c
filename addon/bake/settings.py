"""Style, emotion and dials of a character: settings of its object, which library overrides can change."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)
from bpy.utils import register_classes_factory
from mouthpiece.actors.actor import Actor, read_actor
from mouthpiece.errors import AudioError, ModelError, MouthpieceError
from mouthpiece.files.places import is_folder
from mouthpiece.phrases import as_text

from .. import compat, previews, remarks
from ..targets import kind_items
from . import redial

if TYPE_CHECKING:
    from mouthpiece.motion.dials import Dials

_OVERRIDE = {"LIBRARY_OVERRIDABLE"}
#: Options of a path that may begin with ``//``: without them Blender complains.
_RELATIVE = {"PATH_SUPPORTS_BLEND_RELATIVE"}
#: Largest error of keys, as a share of full motion, unless another is chosen: nobody sees it, and few keys are left.
ERROR = 0.01
#: Names of the dials that are properties of the same name in :class:`mouthpiece.motion.dials.Dials`.
NUMBERS = (
    "lips", "jaw", "brows", "blink", "head", "gaze", "expression", "intensity", "smoothing", "offset", "rest", "life",
    "attention", "nods", "articulation", "tongue",
)  # fmt: skip
#: Items of the choices of a style, of what is heard of a sound, and of an emotion.
STYLES = (
    ("SPEAKER", "Speaker", "The manner of whoever speaks in the sound"),
    ("NEUTRAL", "Neutral", "Nobody in particular: the average speaker"),
    ("CALM", "Calm", "Little and slow head motion, a smaller mouth"),
    ("ENERGETIC", "Energetic", "Much and quick head motion, a wider mouth"),
    ("RESERVED", "Reserved", "Hardly any head motion, brows or smile"),
    ("CHEERFUL", "Cheerful", "A smile, and lively brows and head"),
    ("SOUND", "From Sound", "The manner of whoever speaks in another sound"),
    ("FILE", "From File", "An actor's manner, from the file style.json that training makes"),
)
CHANNELS = (
    ("AUTO", "Automatic", "All channels together; one of them where they cancel each other out", 0),
    ("LEFT", "Left", "The left channel, which is the first", 1),
    ("RIGHT", "Right", "The right channel, which is the second", 2),
    ("MIX", "Mix", "All channels together, come what may", 3),
    ("NUMBER", "Number", "A channel by its number: in a film with six, the third is the centre as a rule", 4),
)
EMOTIONS = (
    ("NEUTRAL", "Neutral", "As the words want it"),
    ("HAPPY", "Happy", "Corners of the mouth up, cheeks raised"),
    ("SAD", "Sad", "Inner brows up, corners of the mouth down, lids low"),
    ("ANGRY", "Angry", "Brows down and together, lids and lips tight"),
    ("SURPRISED", "Surprised", "Brows and lids up, a wider mouth"),
)


def _dial_changed(self: Any, context: bpy.types.Context) -> None:
    """Update callback of the dials: dial the lines again at once, if the object is set to."""
    follow(self.id_data, context)


def follow(obj: bpy.types.Object, context: bpy.types.Context) -> None:
    """Dial an object's lines again with its present settings, if it has lines and its setting "Live" is on."""
    settings = obj.mouthpiece
    if not settings.live or context.window_manager.mouthpiece.running:
        return
    if not redial.dialled_lines(obj):
        return
    if previews.show_line(obj):  # the preview follows the dials; the drawings are made again when it ends
        compat.redraw(context)
        return
    state = context.window_manager.mouthpiece
    state.remarks_of = obj.name
    try:
        done = redial.redial(obj, dials_of(settings), playhead(settings, context.scene), draft=True)
        state.remarks = as_text("\n".join(done.warnings))
        note_kept(context, obj, done.kept, again=True)
        previews.changed(obj)
    except MouthpieceError as error:
        state.remarks = str(error)


def note_kept(context: bpy.types.Context, obj: bpy.types.Object, kept: Mapping[str, str], again: bool) -> list[str]:
    """Note for the panel which channels of a character did not follow (the reason by name); return it as sentences.

    ``again`` is whether they were updated, not animated.
    """
    state, sentences = context.window_manager.mouthpiece, remarks.kept(kept)
    state.kept, state.kept_of = "\n".join(sentences), obj.name
    state.kept_edits, state.kept_again = remarks.EDITED in kept.values(), again
    return sentences


def _amount(name: str, text: str, most: float = 2.0, default: float = 1.0, least: float = 0.0) -> Any:
    """Return a property for a dial from ``least`` to ``most``."""
    return FloatProperty(
        name=name, description=text, default=default, min=least, max=most, override=_OVERRIDE, update=_dial_changed
    )


def _density(self: Any) -> int:
    """Return the number of the chosen density of keys: 0 for few, 1 for one on every frame."""
    return 0 if self.reduce > 0 else 1


def _choose_density(self: Any, number: int) -> None:
    """Choose a density by its number; an error that was chosen for few keys stays."""
    self.reduce = 0.0 if number else self.reduce or ERROR


class MOUTHPIECE_PG_also(bpy.types.PropertyGroup):
    """An entry in the list of further objects that play the same performance."""

    object: PointerProperty(
        name="Object", description="Object that plays the same performance", type=bpy.types.Object, override=_OVERRIDE
    )


class MOUTHPIECE_PG_driven(bpy.types.PropertyGroup):
    """An object that a character's lines drive, found again whatever it is called now.

    ``name`` is what it was called when a line was baked.
    """

    object: PointerProperty(type=bpy.types.Object, override=_OVERRIDE)


class MOUTHPIECE_PG_dials(bpy.types.PropertyGroup):
    """Settings of a character: target, strength, style, emotion, dials, and how its keys are written."""

    target: EnumProperty(
        name="Target",
        description="What of the object is animated: shape keys, bones, drawings …",
        items=kind_items(),
        override=_OVERRIDE,
    )
    also: CollectionProperty(
        type=MOUTHPIECE_PG_also,
        name="Also",
        description="Further objects that play the same performance: teeth, tongue, lashes",
        override={"LIBRARY_OVERRIDABLE", "USE_INSERTION"},
    )
    also_index: IntProperty(name="Active", description="Chosen further object", override=_OVERRIDE)
    left_out: CollectionProperty(
        type=MOUTHPIECE_PG_also,
        name="Left Out",
        description="Objects of the character that do not play along",
        override={"LIBRARY_OVERRIDABLE", "USE_INSERTION"},
    )
    driven: CollectionProperty(type=MOUTHPIECE_PG_driven, override={"LIBRARY_OVERRIDABLE", "USE_INSERTION"})
    taken_up: IntProperty(options={"HIDDEN"}, override=_OVERRIDE)
    channel: EnumProperty(
        name="Channel",
        description="What of a sound with several channels the character speaks: of an interview, one side. Takes "
        "effect when the sound is animated again",
        items=CHANNELS,
        override=_OVERRIDE,
    )
    channel_number: IntProperty(
        name="Number",
        description="Number of the channel that is spoken, from 1",
        default=3,
        min=1,
        soft_max=8,
        max=9999,
        override=_OVERRIDE,
    )
    strength: FloatProperty(
        name="Strength",
        description="How strongly face and head move. Takes effect when the sound is animated again",
        default=1.0,
        min=0.0,
        max=3.0,
        soft_max=2.0,
        override=_OVERRIDE,
    )
    seed: IntProperty(
        name="Seed",
        description="Chooses head sway, blinks and gaze; the same seed, the same take",
        min=0,
        override=_OVERRIDE,
    )
    layers: EnumProperty(
        name="Keys",
        description="Where a take's keys go. Takes effect when the sound is animated again",
        items=(
            ("ONE", "One Action", "All keys in the active action", 0),
            (
                "LAYERS",
                "Layers",
                "Lips, eyes, head and expression each in an action and NLA track of its own, to mute or blend; "
                "your edits get a layer too, and survive",
                1,
            ),
        ),
        override=_OVERRIDE,
    )
    density: EnumProperty(
        name="Amount",
        description="How many keys a take gets. Takes effect when the sound is animated again",
        items=(
            ("FEW", "Few", "As few keys as keep the motion, with smooth handles: good to edit", 0),
            ("EVERY", "Per Frame", "A key on every frame: exact, and hard to edit by hand", 1),
        ),
        get=_density,
        set=_choose_density,
        override=_OVERRIDE,
    )
    reduce: FloatProperty(
        name="Largest Error",
        description="How far the keys may be off, as a share of full motion (0.01: a hundredth of a shape key); "
        "0 for a key on every frame. Takes effect when the sound is animated again",
        default=ERROR,
        min=0.0,
        max=1.0,
        soft_max=0.05,
        step=0.1,
        precision=3,
        override=_OVERRIDE,
    )
    style: EnumProperty(
        name="Style",
        description="Manner of moving, also of the head: a change shows when the sound is animated again",
        items=STYLES,
        override=_OVERRIDE,
    )
    style_sound: StringProperty(
        name="Sound",
        description="Sound whose speaker's manner is taken",
        subtype="FILE_PATH",
        options=_RELATIVE,
        override=_OVERRIDE,
    )
    style_file: StringProperty(
        name="Style File",
        description="The file style.json of an actor",
        subtype="FILE_PATH",
        options=_RELATIVE,
        override=_OVERRIDE,
    )
    actor: StringProperty(
        name="Actor",
        description="File with an actor's way of moving mouth, head and brows, as Fit to Actor writes it; empty for "
        "none. Takes effect when the sound is animated again",
        subtype="FILE_PATH",
        options=_RELATIVE,
        override=_OVERRIDE,
    )
    networks: StringProperty(
        name="Networks",
        description="Folder with networks that this character is animated with, such as those adapted to its actor; "
        "empty for those that come with Mouthpiece. Takes effect when the sound is animated again",
        subtype="DIR_PATH",
        options=_RELATIVE,
        override=_OVERRIDE,
    )
    style_blend: _amount("Style Blend", "How much of the style: 0 none, 1 as it is, above 1 more of it", 1.5)
    emotion: EnumProperty(
        name="Emotion",
        description="Mood that bends the face; lips go on saying what they say",
        items=EMOTIONS,
        override=_OVERRIDE,
        update=_dial_changed,
    )
    intensity: _amount("Intensity", "Strength of the emotion", 1.0)
    lips: _amount("Lips", "How much the lips move; shut lips stay shut")
    jaw: _amount("Jaw", "How far the jaw opens")
    articulation: _amount(
        "Articulation",
        "How far lips and jaw do what the sounds of speech ask for: f and v bite, m b p close, s narrows the jaw; "
        "0 for what the network moves alone",
        1.5,
    )
    tongue: _amount("Tongue", "How much the tongue moves")
    brows: _amount("Brows", "How much the brows move")
    blink: _amount("Blinks", "How far the lids close; 0 for never")
    head: _amount("Head", "How much the head moves")
    gaze: _amount("Gaze", "How far the eyes stray")
    expression: _amount("Expression", "How much cheeks, nose, the eyes' surroundings and the emotion show")
    smoothing: _amount("Smoothing", "Calm face and head; lips that meet go on meeting", 1.0, 0.0)
    offset: FloatProperty(
        name="Offset",
        description="Seconds by which the motion comes later than the sound, or earlier if below 0",
        min=-5.0,
        max=5.0,
        soft_min=-0.2,
        soft_max=0.2,
        step=1,
        precision=3,
        subtype="TIME_ABSOLUTE",
        override=_OVERRIDE,
        update=_dial_changed,
    )
    rest: _amount(
        "Rest",
        "How far the face comes to rest before, between and after its lines; 0 leaves their raw ends and keys nothing "
        "there",
        1.0,
    )
    life: _amount("Life", "Blinks, looks and small motion of the head between lines; 0 for a motionless face", 1.5)
    attention: _amount(
        "Attention", "How much the character looks at the others of the scene, where it knows of them; 0 for never", 1.5
    )
    nods: _amount("Nods", "How often and how deeply it nods in pauses of those it listens to; 0 for never")
    listens: BoolProperty(
        name="Listens",
        description="Look at the other characters, and nod while they speak. Takes effect with Update Listeners",
        default=True,
        override=_OVERRIDE,
    )
    looks_at: EnumProperty(
        name="Looks At",
        description="Whom the character looks at. Takes effect with Update Listeners",
        items=(
            ("SPEAKER", "Whoever Speaks", "Who speaks, and to whom it speaks itself", 0),
            ("OBJECT", "Object", "One object all the time, such as an empty, a camera or a character", 1),
            ("NOBODY", "Nobody", "No one: it looks ahead, and only nods", 2),
        ),
        override=_OVERRIDE,
    )
    looks_at_object: PointerProperty(
        name="Object", description="What the character looks at", type=bpy.types.Object, override=_OVERRIDE
    )
    surroundings: StringProperty(options={"HIDDEN"}, override=_OVERRIDE)
    life_seed: IntProperty(
        name="Life Seed",
        description="Seed of what the face does between lines; 0 until the character has spoken",
        default=0,
        min=0,
        override=_OVERRIDE,
        options={"HIDDEN"},
    )
    live: BoolProperty(
        name="Live", description="Update the character's lines at once, whenever an amount is changed", default=True
    )
    scope: EnumProperty(
        name="Lines",
        description="Which lines are updated",
        items=(
            ("ALL", "All Lines", "Every line the character speaks"),
            ("PLAYHEAD", "At Playhead", "The lines heard at the current frame"),
        ),
        override=_OVERRIDE,
    )


def channel_of(settings: Any) -> str:
    """Return which channel of a sound a character speaks, as ``mouthpiece.sounds.mixdown.choice`` returns it."""
    return str(settings.channel_number) if settings.channel == "NUMBER" else str(settings.channel.lower())


def choose_channel(settings: Any, channel: str) -> None:
    """Set which channel of a sound a character speaks, named as ``mouthpiece.sounds.mixdown.choice`` returns it."""
    if channel.isdigit():
        settings.channel, settings.channel_number = "NUMBER", min(int(channel), 9999)
    else:
        settings.channel = channel.upper()


def dials_of(settings: Any) -> Dials:
    """Return the settings as dials."""
    from mouthpiece.motion.dials import Dials

    # properties are 32-bit floats, in which 1.2 is 1.2000000477
    numbers = {name: round(getattr(settings, name), 6) for name in NUMBERS}
    return Dials(**numbers, style=round(settings.style_blend, 6), emotion=settings.emotion.lower())


def take_over(settings: Any, saved: dict[str, Any]) -> None:
    """Set the dials to the values ``saved`` with a line (missing ones to their defaults), without dialling lines."""
    from mouthpiece.motion.dials import Dials

    dials, live = Dials.of(saved), settings.live
    settings.live = False
    for name in NUMBERS:
        setattr(settings, name, getattr(dials, name))
    settings.style_blend, settings.emotion = dials.style, dials.emotion.upper()
    settings.live = live


def style_of(settings: Any) -> tuple[Any, str]:
    """Return the named style (None for the speaker's own), and the path of the sound to take it from (or "").

    Raises MouthpieceError if a sound or file is needed and none is chosen, or if the file is not a style.
    """
    from mouthpiece import styles

    if settings.style == "FILE":
        return styles.read(Path(bpy.path.abspath(settings.style_file))), ""
    if settings.style != "SOUND":
        return styles.named(settings.style.lower()), ""
    if not settings.style_sound.strip():
        raise AudioError("No sound is chosen to take the style from. Pick one under Style, or choose another style.")
    return None, bpy.path.abspath(settings.style_sound)


def models_of(settings: Any) -> Path | None:
    """Return the folder of the networks that a character is animated with; None for those that ship.

    Raises
    ------
    ModelError
        If there is no such folder.
    """
    if not settings.networks.strip():
        return None
    folder = Path(bpy.path.abspath(settings.networks.strip()))
    if not is_folder(folder):
        raise ModelError(
            f"'{settings.id_data.name}' is to be animated with the networks in '{folder}', and there is no such "
            "folder. Choose it again under Options, or leave it empty for those that come with Mouthpiece."
        )
    return folder


def actor_of(settings: Any) -> Actor | None:
    """Return the actor that a character moves as; None if none is chosen. Raises ActorError if its file is none."""
    if not settings.actor.strip():
        return None
    return read_actor(Path(bpy.path.abspath(settings.actor.strip())))


def playhead(settings: Any, scene: bpy.types.Scene) -> int | None:
    """Return the current frame if only the lines heard at it are to be dialled, else None."""
    return scene.frame_current if settings.scope == "PLAYHEAD" else None


_register_classes, _unregister_classes = register_classes_factory(
    (MOUTHPIECE_PG_also, MOUTHPIECE_PG_driven, MOUTHPIECE_PG_dials)
)


def register() -> None:
    """Register the settings and add them to every object."""
    _register_classes()
    bpy.types.Object.mouthpiece = PointerProperty(type=MOUTHPIECE_PG_dials, override=_OVERRIDE)


def unregister() -> None:
    """Remove the settings from objects and unregister them."""
    del bpy.types.Object.mouthpiece
    _unregister_classes()

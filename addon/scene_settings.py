"""Settings of the scene, the state of a running operator, and the bake that these settings describe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import bpy
from bpy.app.handlers import persistent
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, PointerProperty, StringProperty
from bpy.utils import register_classes_factory
from mouthpiece.errors import AudioError, RigError
from mouthpiece.sounds.mixdown import AUTOMATIC

from . import compat
from .bake import settings as bake_settings
from .bake.bake import Bake
from .characters import company, family, heads
from .sound import recordings, strips
from .sound.spoken_texts import LineText
from .targets import Target, coverage_of, owners_of, target_for, without_mouth
from .targets.grease_pencil import handles
from .targets.head import settings as head_settings
from .targets.picture_rig import settings as picture_settings

if TYPE_CHECKING:
    from mouthpiece.retarget.coverage import Coverage

    Settings = Any


#: Greatest number that a property of a scene holds.
_MOST: Final = 2**31 - 1
#: Whose the remarks on a run over a whole cast are, in ``remarks_of``: no object has this name.
OF_CAST: Final = "\n"


def _is_armature(_self: Any, obj: bpy.types.Object) -> bool:
    """Poll callback: return whether an object may be chosen."""
    return obj.type == "ARMATURE"


def _asked(self: Any, name: str) -> None:
    """Note that a script set ``name`` later than all that was set before."""
    setattr(self, name, min(_MOST, 1 + max(self.head_asked, self.strength_asked, self.seed_asked)))


def _head_asked(self: Any, _context: bpy.types.Context) -> None:
    """Update callback: a script chose a head."""
    _asked(self, "head_asked")


def _strength_asked(self: Any, _context: bpy.types.Context) -> None:
    """Update callback: a script set the strength."""
    _asked(self, "strength_asked")


def _seed_asked(self: Any, _context: bpy.types.Context) -> None:
    """Update callback: a script set the seed."""
    _asked(self, "seed_asked")


class MOUTHPIECE_PG_settings(bpy.types.PropertyGroup):
    """Sound and options of a bake.

    Head, strength and seed are the character's (``Object.mouthpiece_head``, ``Object.mouthpiece``). What scripts of
    version 0.4.0 set here is taken up by the character that is animated next; ``…_asked`` count when it was set.
    """

    source: EnumProperty(
        name="Sound",
        description="Where the speech comes from",
        items=(
            ("STRIP", "Strip", "A sound strip of the sequencer, placed, trimmed and sped up as it is heard"),
            ("SOUND", "Sound", "A sound that is loaded in this file"),
            ("FILE", "File", "A sound file, or a take (.npz) made on the command line"),
        ),
    )
    strip: StringProperty(name="Strip", description="Sound strip; empty for the active one, or the only one")
    sound: PointerProperty(name="Sound", description="Sound to speak", type=bpy.types.Sound)
    filepath: StringProperty(
        name="File",
        description="Sound file or take (.npz) to speak",
        subtype="FILE_PATH",
        options={"PATH_SUPPORTS_BLEND_RELATIVE"},
    )
    sequence: BoolProperty(
        name="Add to Sequencer",
        description="Put the file's sound into the sequencer at its start frame, unless it is there: "
        "so you hear it when you play the scene",
        default=True,
    )
    start: IntProperty(name="Start Frame", description="Frame at which the sound begins", default=1)
    text: StringProperty(
        name="Text",
        description="What is said, so that words and sounds are known exactly: words, or subtitles with their times. "
        "Empty if it is to be heard",
    )
    language: StringProperty(
        name="Language",
        description="Language of texts, such as de or pt-br; empty for the one that their letters tell, else American "
        "English",
    )
    head: EnumProperty(
        name="Head",
        description="What turns with the head",
        items=head_settings.TURNS,
        update=_head_asked,
    )
    armature: PointerProperty(
        name="Armature",
        description="Armature with the head bone",
        type=bpy.types.Object,
        poll=_is_armature,
        update=_head_asked,
    )
    bone: StringProperty(name="Bone", description="Bone that turns the head", update=_head_asked)
    head_object: PointerProperty(
        name="Object", description="Object that turns", type=bpy.types.Object, update=_head_asked
    )
    head_translation: BoolProperty(
        name="Move Head",
        description="Let the head shift a little as well as turn; suits heads without a neck bone",
        update=_head_asked,
    )
    eye_distance: FloatProperty(
        name="Eye Distance",
        description="Distance of the outer eye corners, the unit of head shifts; 0 measures it on the mesh",
        min=0.0,
        subtype="DISTANCE",
        update=_head_asked,
    )
    strength: FloatProperty(
        name="Strength",
        description="How strongly face and head move",
        default=1.0,
        min=0.0,
        max=3.0,
        soft_max=2.0,
        update=_strength_asked,
    )
    seed: IntProperty(
        name="Seed",
        description="Chooses head sway, blinks and gaze; the same seed, the same take",
        min=0,
        update=_seed_asked,
    )
    head_asked: IntProperty(options={"HIDDEN"})
    head_taken: IntProperty(options={"HIDDEN"})
    strength_asked: IntProperty(options={"HIDDEN"})
    seed_asked: IntProperty(options={"HIDDEN"})
    replace_edited: BoolProperty(
        name="Replace Edited Keys",
        description="Animate over keys of your own, and over takes you have edited, instead of keeping them",
    )


class MOUTHPIECE_PG_job(bpy.types.PropertyGroup):
    """State of an operator that is running, and what the last ones had to say.

    ``doing`` is the class of the running operator: its progress is shown where its button is. ``remarks`` are about the
    character called ``remarks_of``, about whatever is active if that is empty, or about lines of a cast
    (:data:`OF_CAST`). ``ends`` is the last frame of the line animated last, in the scene called ``ends_in``. ``kept``
    says which channels of the character called ``kept_of`` did not follow, ``kept_edits`` whether edits were the
    reason, and ``kept_again`` whether that was when lines were updated, not animated. ``fit`` says how the text of
    the line animated last fits.
    """

    running: BoolProperty()
    doing: StringProperty()
    cancelled: BoolProperty()
    progress: FloatProperty(subtype="FACTOR", min=0.0, max=1.0)
    message: StringProperty()
    remarks: StringProperty()
    remarks_of: StringProperty()
    ends: IntProperty()
    ends_in: StringProperty()
    kept: StringProperty()
    kept_of: StringProperty()
    kept_edits: BoolProperty()
    kept_again: BoolProperty()
    fit: StringProperty()


def character(context: bpy.types.Context) -> bpy.types.Object | None:
    """Return the character the user means: the main object of whatever part of it is active (:func:`character_of`)."""
    obj = context.active_object
    return None if obj is None else character_of(obj)


def character_of(obj: bpy.types.Object) -> bpy.types.Object:
    """Return the main object of the character that ``obj`` is a part of.

    For handles of a drawn face it is the drawing, and for landmarks their picture. For others see
    :func:`.characters.family.main_object`.
    """
    compat.allow_overrides(obj)
    if obj.type == "MESH":
        meant = handles.drawing_of(obj) or picture_settings.face_meant(obj)
        if meant is not None:
            return meant
    found = family.main_object(obj)
    compat.allow_overrides(found)
    return found


def kind_of(obj: bpy.types.Object) -> str:
    """Return the kind of an object's target; empty if it has none. Cheap enough for panels."""
    try:
        return target_for(obj, 1.0, obj.mouthpiece.target).kind
    except RigError:
        return ""


def recording(context: bpy.types.Context) -> recordings.Recording:
    """Return the chosen sound; raises AudioError if there is none."""
    settings, scene = context.scene.mouthpiece, context.scene
    if settings.source == "FILE":
        return recordings.from_file(settings.filepath, scene, settings.start)
    if settings.source == "SOUND":
        return recordings.from_sound(settings.sound, scene, settings.start)
    return sequenced(context)


def spoken_by(obj: bpy.types.Object, heard: recordings.Recording) -> recordings.Recording:
    """Return a sound of which the channel is heard that a character speaks; AudioError says if it lacks that channel.

    Sounds with one channel only are heard by whatever channel was chosen for others.
    """
    channel = bake_settings.channel_of(obj.mouthpiece)
    if channel == AUTOMATIC or recordings.channel_count(heard) < 2:
        return heard
    return recordings.with_channel(heard, channel)


def channels(context: bpy.types.Context) -> int:
    """Return how many channels the chosen sound has; 0 if that is not known. Cheap enough for panels."""
    settings = context.scene.mouthpiece
    if settings.source == "FILE":
        return recordings.channels_in(settings.filepath)
    sound = settings.sound
    if settings.source == "STRIP":
        try:
            sound = strips.find_strip(compat.sequencer_scene(context), settings.strip).sound
        except (AttributeError, AudioError):  # no strip, several, or one that is no sound
            return 0
    return recordings.channels_of(sound)


def text_field(context: bpy.types.Context) -> tuple[Any, str]:
    """Return the settings that hold what is said in the chosen sound, and the name of the property.

    A strip has its own, which the cast uses as well. Raises AudioError if no strip is chosen. Cheap enough for panels.
    """
    settings = context.scene.mouthpiece
    if settings.source != "STRIP":
        return settings, "text"
    return strips.find_strip(compat.sequencer_scene(context), settings.strip).mouthpiece, "transcript"


def text_of(context: bpy.types.Context) -> LineText:
    """Return what is said in the chosen sound; raises AudioError as :func:`text_field` does."""
    holder, name = text_field(context)
    return LineText(getattr(holder, name).strip(), context.scene.mouthpiece.language.strip())


def sequenced(context: bpy.types.Context) -> recordings.Recording:
    """Return the sound of the chosen strip, placed on the frames of the active scene.

    Raises AudioError if there is no strip, or the scene it is in has another frame rate.
    """
    source = compat.sequencer_scene(context)
    if recordings.true_fps(source) != recordings.true_fps(context.scene):
        raise AudioError(
            f"The sequencer shows '{source.name}' at {recordings.true_fps(source):g} frames per second, the "
            f"character's scene runs at {recordings.true_fps(context.scene):g}. Give both the same rate, or put the "
            "strip in the scene."
        )
    return strips.from_strip(strips.find_strip(source, context.scene.mouthpiece.strip), source, context.scene)


def bake_of(context: bpy.types.Context) -> Bake:
    """Return the bake that the settings describe; raises MouthpieceError if anything is missing or wrong."""
    from mouthpiece.pipeline import Options

    settings = context.scene.mouthpiece
    obj = character(context)
    if obj is not None:
        heads.take_up(obj, context.scene)
        company.join(obj)
    driven = targets_of(obj, 1.0 if obj is None else strength_of(obj))
    assert obj is not None  # targets_of has raised otherwise
    head = heads.head_target(obj, strength_of(obj))
    style, style_from = bake_settings.style_of(obj.mouthpiece)
    return Bake(
        spoken_by(obj, recording(context)),
        driven if head is None else (*driven, head),
        Options(seed=obj.mouthpiece.seed, style=style, actor=bake_settings.actor_of(obj.mouthpiece)),
        bake_settings.models_of(obj.mouthpiece),
        replace_edited=settings.replace_edited,
        dials=bake_settings.dials_of(obj.mouthpiece),
        style_from=style_from,
        layered=obj.mouthpiece.layers == "LAYERS",
        error=round(obj.mouthpiece.reduce, 6),
        remarks=tuple(company.standing(obj)),
        text=text_of(context),
    )


def strength_of(obj: bpy.types.Object) -> float:
    """Return the factor on all motion of a character (a property is a 32-bit float, in which 1.2 is 1.2000000477)."""
    return round(obj.mouthpiece.strength, 6)


def also(obj: bpy.types.Object) -> list[bpy.types.Object]:
    """Return the further objects that play a character's performance: those on its list, and those found, each once."""
    return company.of(obj)


def targets_of(obj: bpy.types.Object | None, strength: float, kind: str = "") -> tuple[Target, ...]:
    """Return the targets of a character and of the further objects that play its performance.

    The character's target is of ``kind``, or by default the one its settings choose. Raises RigError if it or an
    object on its list has no target, or if it moves no mouth; what plays along needs none.
    """
    first = target_for(obj, strength, kind or ("AUTO" if obj is None else obj.mouthpiece.target))
    assert obj is not None  # target_for has raised otherwise
    mouthless = without_mouth(first)
    if mouthless:
        raise RigError(mouthless)
    return first, *company.targets_of(obj, strength)


def coverage(context: bpy.types.Context) -> Coverage:
    """Return which parts of the face move: of the active character, its company and its head. Cheap enough for panels.

    Raises RigError as :func:`targets_of` does.
    """
    from mouthpiece.retarget.coverage import Coverage

    obj = character(context)
    found = coverage_of(targets_of(obj, 1.0))
    head = None if obj is None else head_settings.object_of(obj)
    return found if head is None else found.with_company([Coverage({"head": (head.name,)})])


def owners(context: bpy.types.Context) -> list[bpy.types.ID]:
    """Return the data-blocks that may hold keys or drawings of the active character."""
    obj = character(context)
    if obj is None:
        return []
    return owners_of([obj, *also(obj)], head_settings.object_of(obj))


@persistent
def _forget_job(*_: Any) -> None:
    """Clear the state of an operator that was running when the file just opened was saved, and old remarks."""
    for manager in bpy.data.window_managers:
        state = manager.mouthpiece
        state.running, state.remarks, state.kept, state.ends, state.fit = False, "", "", 0, ""


_register_classes, _unregister_classes = register_classes_factory((MOUTHPIECE_PG_settings, MOUTHPIECE_PG_job))


def register() -> None:
    """Add the settings to scenes, and the state of a running operator to the window manager."""
    _register_classes()
    bpy.types.Scene.mouthpiece = PointerProperty(type=MOUTHPIECE_PG_settings)
    bpy.types.WindowManager.mouthpiece = PointerProperty(type=MOUTHPIECE_PG_job)
    bpy.app.handlers.load_post.append(_forget_job)


def unregister() -> None:
    """Remove the settings and the state, and unregister their types."""
    bpy.app.handlers.load_post.remove(_forget_job)
    del bpy.types.WindowManager.mouthpiece
    del bpy.types.Scene.mouthpiece
    _unregister_classes()

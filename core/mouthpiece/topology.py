"""Names and index groups of the face: the 68 landmarks and ARKit's 52 blendshapes. No maths.

Landmarks are in iBUG-68 order; "right" and "left" are the person's own, so ``RIGHT_EYE`` is on the
left side of the picture. ARKit names end in ``Left``/``Right`` and mean the person's side as well.
"""

from __future__ import annotations

from typing import Final

LANDMARK_COUNT: Final = 68

JAW: Final = tuple(range(0, 17))
RIGHT_BROW: Final = tuple(range(17, 22))
LEFT_BROW: Final = tuple(range(22, 27))
NOSE: Final = tuple(range(27, 36))
RIGHT_EYE: Final = tuple(range(36, 42))
LEFT_EYE: Final = tuple(range(42, 48))
OUTER_LIPS: Final = tuple(range(48, 60))
INNER_LIPS: Final = tuple(range(60, 68))
LIPS: Final = tuple(range(48, 68))
MOUTH_AND_JAW: Final = JAW + LIPS

RIGHT_EYE_OUTER: Final = 36
RIGHT_EYE_INNER: Final = 39
LEFT_EYE_INNER: Final = 42
LEFT_EYE_OUTER: Final = 45
INNER_LIP_TOP: Final = 62
INNER_LIP_BOTTOM: Final = 66
MOUTH_RIGHT_CORNER: Final = 48
MOUTH_LEFT_CORNER: Final = 54

#: (upper lid, lower lid) point pairs that meet when the eye shuts, person's right then left.
RIGHT_LID_PAIRS: Final = ((37, 41), (38, 40))
LEFT_LID_PAIRS: Final = ((43, 47), (44, 46))

#: Points that hardly move against the skull: nose bridge and base, eye corners. Head pose is computed from these.
RIGID: Final = (27, 28, 29, 30, 33, 36, 39, 42, 45)

#: Index of each point's mirror image.
MIRROR: Final = tuple(
    [16 - i for i in range(17)]
    + [43 - i for i in range(17, 27)]
    + [27, 28, 29, 30]
    + [66 - i for i in range(31, 36)]
    + [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
    + [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55]
    + [64, 63, 62, 61, 60, 67, 66, 65]
)

ARKIT_NAMES: Final = (
    "browDownLeft",
    "browDownRight",
    "browInnerUp",
    "browOuterUpLeft",
    "browOuterUpRight",
    "cheekPuff",
    "cheekSquintLeft",
    "cheekSquintRight",
    "eyeBlinkLeft",
    "eyeBlinkRight",
    "eyeLookDownLeft",
    "eyeLookDownRight",
    "eyeLookInLeft",
    "eyeLookInRight",
    "eyeLookOutLeft",
    "eyeLookOutRight",
    "eyeLookUpLeft",
    "eyeLookUpRight",
    "eyeSquintLeft",
    "eyeSquintRight",
    "eyeWideLeft",
    "eyeWideRight",
    "jawForward",
    "jawLeft",
    "jawOpen",
    "jawRight",
    "mouthClose",
    "mouthDimpleLeft",
    "mouthDimpleRight",
    "mouthFrownLeft",
    "mouthFrownRight",
    "mouthFunnel",
    "mouthLeft",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthPressLeft",
    "mouthPressRight",
    "mouthPucker",
    "mouthRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthStretchLeft",
    "mouthStretchRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
    "noseSneerLeft",
    "noseSneerRight",
    "tongueOut",
)

ARKIT_INDEX: Final = {name: index for index, name in enumerate(ARKIT_NAMES)}

#: Shapes that move lips, jaw, cheeks or tongue: speech drives them, and they rest in silence.
ARKIT_MOUTH: Final = tuple(name for name in ARKIT_NAMES if name.startswith(("jaw", "mouth", "tongue", "cheekPuff")))

HEAD_CHANNELS: Final = ("pitch", "yaw", "roll", "x", "y", "z")

#: Points that speech does not move: brows, nose and eyes.
UPPER_FACE: Final = RIGHT_BROW + LEFT_BROW + NOSE + RIGHT_EYE + LEFT_EYE

#: What a tongue does, -1..1: tip down or up, body (its back) down or up, back or forward; ``out`` is 0..1 past the
#: teeth; tip curled down or back over itself, narrow or wide.
TONGUE_POSES: Final = ("tip", "body", "forward", "out", "curl", "wide")

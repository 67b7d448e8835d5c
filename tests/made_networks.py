"""Small ONNX files, written byte by byte, so that tests of networks need no package but ONNX Runtime."""

import hashlib
import json

import numpy as np
from mouthpiece.topology import ARKIT_NAMES

FLOAT, INT64, BOOL, HALF = 1, 7, 9, 10
_CODES = {"float32": FLOAT, "int64": INT64, "bool": BOOL, "float16": HALF}


def number(value):
    value &= (1 << 64) - 1
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def field(index, value):
    """One field of a message: a whole number, or bytes or text with their length."""
    if isinstance(value, int):
        return number(index << 3) + number(value)
    data = value.encode() if isinstance(value, str) else value
    return number(index << 3 | 2) + number(len(data)) + data


def tensor(name, values):
    values = np.asarray(values)
    sides = b"".join(field(1, side) for side in values.shape)
    return sides + field(2, _CODES[str(values.dtype)]) + field(8, name) + field(9, values.tobytes())


def outside(name, location, count=4):
    """A tensor whose numbers lie in another file."""
    entries = {"location": location, "offset": "0", "length": str(4 * count)}
    named = b"".join(field(13, field(1, key) + field(2, text)) for key, text in entries.items())
    return field(1, count) + field(2, FLOAT) + field(8, name) + named + field(14, 1)


def attribute(name, value):
    """An attribute of a node: a whole number, several, a tensor, or a graph."""
    kind, index = {int: (2, 3), list: (7, 8), np.ndarray: (4, 5), bytes: (5, 6)}[type(value)]
    if isinstance(value, list):
        stored = b"".join(field(index, one) for one in value)
    else:
        stored = field(index, tensor("", value) if isinstance(value, np.ndarray) else value)
    return field(1, name) + field(20, kind) + stored


def node(operation, inputs, outputs, domain="", **attributes):
    named = [field(1, name) for name in inputs] + [field(2, name) for name in outputs]
    own = [field(5, attribute(name, value)) for name, value in attributes.items()]
    return b"".join([*named, field(4, operation), *own, *([field(7, domain)] if domain else [])])


def value_info(name, shape, code=FLOAT):
    sides = b"".join(field(1, field(1, side) if isinstance(side, int) else field(2, side)) for side in shape or ())
    known = field(2, sides) if shape is not None else b""
    return field(1, name) + field(2, field(1, field(1, code) + known))


def graph(nodes, inputs, outputs, constants=(), codes=None):
    """A graph; inputs and outputs are names with shapes, constants names with arrays (or bytes of a tensor)."""
    codes = codes or {}
    parts = [field(1, one) for one in nodes] + [field(2, "made")]
    for name, values in dict(constants).items():
        parts.append(field(5, values if isinstance(values, bytes) else tensor(name, values)))
    for index, shapes in ((11, inputs), (12, outputs)):
        parts += [field(index, value_info(name, shape, codes.get(name, FLOAT))) for name, shape in shapes.items()]
    return b"".join(parts)


def model(*arguments, domain="", **more):
    sets = field(8, field(1, "") + field(2, 18)) + (field(8, field(1, domain) + field(2, 1)) if domain else b"")
    return field(1, 9) + field(7, graph(*arguments, **more)) + sets


def endless(name="x", result="y"):
    """A node that adds one to a tensor, 2 to the power of 62 times."""
    body = graph(
        [node("Identity", ["go"], ["on"]), node("Add", ["value", "one"], ["more"])],
        {"turn": [], "go": [], "value": None}, {"on": [], "more": None},
        {"one": np.array(1, np.float32)}, {"turn": INT64, "go": BOOL, "on": BOOL},
    )  # fmt: skip
    return [node("Loop", ["many", "yes", name], [result], body=body)], {
        "many": np.array(2**62), "yes": np.array(True),
    }  # fmt: skip


#: Kind -> what a sidecar says of a network that fits: inputs, outputs, outputs a second, features.
FITTING = {
    "phonetic": ({"waveform": [1, "samples"], "waveform_lengths": [1]}, {"units": [1, "steps", 8]}, 50, 8),
    "encoder": ({"waveform": [1, "samples"]}, {"units": [1, "steps", 8]}, 50, 8),
    "content": ({"features": [1, "frames", 68]}, {"landmarks": [1, "frames", 204], "arkit": [1, "frames", 52]}, 25, 68),
    "voice": ({"sound": ["parts", 25_840]}, {"voice": ["parts", 256]}, 0.6, 256),
    "head": (
        {"rhythm": [1, "frames", 7]},
        {"mean": [1, "frames", 7, 6], "spread": [1, "frames", 7, 6], "mixing": [7, 6, 6]}, 12.5, 7,
    ),
    "portrait": ({"warped": [1, 3, 256, 256]}, {"frame": [1, 3, 256, 256]}, 0, 0),
}  # fmt: skip


def described(kind, content=b"weights", /, **changes):
    """What the sidecar of a network of a kind says, with changes; None takes a field out."""
    inputs, outputs, rate, features = FITTING[kind]
    said = {
        "format": 1, "name": kind, "version": "1", "kind": kind, "sha256": hashlib.sha256(content).hexdigest(),
        "inputs": inputs, "outputs": outputs, "rate": rate, "features": features, "licence": "CC0", "data": "none",
    }  # fmt: skip
    if kind == "content":
        said |= {"arkit_names": list(ARKIT_NAMES), "neutral": [[0.0, 0.1, 0.2]] * 68}
    return {name: value for name, value in (said | changes).items() if value is not None}


def place(folder, kind, content=b"weights", stem="", /, **changes):
    """Put a network and its sidecar into a folder and return the folder."""
    path = folder / f"{stem or kind}.onnx"
    path.write_bytes(content)
    path.with_name(path.name + ".json").write_text(json.dumps(described(kind, content, **changes)), encoding="utf-8")
    return folder


#: Axis that grows with the input -> which of the input's axes it is.
_GROWING = {"frames": 1, "steps": 1}
_STEP = 320


def fitting(kind, value=0.25, outputs=None):
    """A network of a kind that gives one number everywhere, as many as it must; `outputs` changes shapes by name."""
    inputs, wanted, *_ = FITTING[kind]
    nodes, constants = [], {"one": np.array([1]), "step": np.array([_STEP]), "zero": np.array(0, np.float32)}
    first = next(iter(inputs))
    nodes += [
        node("Shape", [first], ["sides"]),
        node("Gather", ["sides", "one"], ["count"], axis=0),
        node("Div", ["count", "step"], ["fiftieths"]),
    ]
    for name, shape in (wanted | (outputs or {})).items():
        places = []
        for index, axis in enumerate(shape):
            if isinstance(axis, int) or axis == "parts":
                constants[f"{name}{index}"] = np.array([axis if isinstance(axis, int) else 1])
                places.append(f"{name}{index}")
            else:
                places.append("fiftieths" if axis == "steps" else "count")
        nodes += [
            node("Concat", places, [f"{name}_sides"], axis=0),
            node("ConstantOfShape", [f"{name}_sides"], [f"{name}_plain"], value=np.array([value], np.float32)),
            # so that it is computed at every run, and what is given is used
            node("Identity", [f"{name}_plain"], [name]),
        ]
    codes = {"waveform_lengths": INT64}
    return model(nodes, inputs, wanted | (outputs or {}), constants, codes)

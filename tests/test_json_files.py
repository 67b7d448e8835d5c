"""Every JSON file a user may hand over: whatever is in it, it is read or refused in words that name it."""

import copy
import json

import pytest
from mouthpiece import styles
from mouthpiece.errors import MouthpieceError
from mouthpiece.files import ASSETS
from mouthpiece.models import registry
from mouthpiece.motion.chart import charts
from mouthpiece.portrait.find import placement
from mouthpiece.retarget.bones import mapping
from mouthpiece.retarget.shape_keys import families, table

READERS = {
    "chart": charts.read_chart,
    "style": styles.read,
    "shape keys": table.load,
    "bones": mapping.read,
    "landmarks": lambda path: placement.read_points(path, 100, 100),
    "network": registry.read_sidecar,
    "family": families.read,
}
#: A good document for each reader.
GOOD = {
    "chart": {
        "name": "mine",
        "label": "m",
        "shapes": [
            {"name": "A", "label": "closed", "visemes": {"PP": 1, "sil": 1}, "bias": 0.1},
            {"name": "B", "visemes": {"aa": 1.0}},
        ],
    },
    "style": {"name": "s", "amplitude": 0, "quickness": 0.1, "opening": 0, "smile": 0, "brows": 0},
    "shape keys": {
        "kind": "mouthpiece shape-key mapping", "format": 1, "name": "m", "match_lips": True,
        "entries": [{"key": "a", "formula": "jawOpen", "gain": 1.0, "offset": 0.0, "enabled": True, "layer": "lips"}],
    },
    "bones": {
        "kind": "mouthpiece bones", "format": 1, "name": "m",
        "links": [{"source": "jaw", "bone": "Jaw", "channel": "ROTATION", "gain": 1.0, "watch": ""}],
    },
    "landmarks": {
        "format": 1, "picture": "p", "size": [100, 100],
        "faces": [{"landmarks": [[50, 50]] * 68, "irises": [[1, 2, 3]] * 2, "confidence": 0.5}],
    },
    "network": json.loads((ASSETS / "head.onnx.json").read_text()),
    "family": json.loads((ASSETS / "profiles" / "arkit.json").read_text()),
}  # fmt: skip
#: Contents that no reader can make anything of.
RAW = (
    b"", b"\0", "{}".encode("utf-16"), b'{"a": "\xff"}', b"[]", b"5", b'"x"', b"null", b"NaN", b"9" * 5000, b"1e999",
    b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 50_000 + b"1" + b"}" * 50_000, b'{"format": 1e999}',
    b'{"shapes": [' + b"9" * 400 + b"]}", b'{"name": "\\ud800"}',
)  # fmt: skip
#: Values that are put in the place of each value of a good document, as they are written.
VALUES = ("null", "true", "-1", "1e300", "9223372036854775807", '""', '"x"', "[]", "[[]]", "{}", '{"a": []}')


def places(value, path=()):
    """Yield the place of each value in a document, of lists and objects the first two."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items)[: 2 if len(path) > 1 else None]:
        yield from places(item, (*path, key))


@pytest.mark.parametrize("name", READERS)
def test_the_documents_are_good(name, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(GOOD[name]), encoding="utf-8-sig")  # with a byte order mark, as editors write it
    assert READERS[name](path)


@pytest.mark.parametrize("name", READERS)
def test_what_is_none_of_them_is_refused_in_words(name, tmp_path):
    path = tmp_path / "strange.json"
    for content in RAW:
        path.write_bytes(content)
        with pytest.raises(MouthpieceError) as caught:
            READERS[name](path)
        assert str(caught.value)[-1] in ".…" or "mouthpiece landmarks" in str(caught.value)
    for place in (tmp_path / "none.json", tmp_path, tmp_path / ("n" * 300 + ".json")):
        with pytest.raises(MouthpieceError):
            READERS[name](place)


@pytest.mark.parametrize("name", READERS)
def test_any_value_may_be_wrong(name, tmp_path):
    path, refused = tmp_path / "a.json", 0
    for place in places(GOOD[name]):
        for value in VALUES:
            document = copy.deepcopy(GOOD[name])
            inner = document
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = "@here@"
            path.write_text(json.dumps(document).replace('"@here@"', value))
            try:
                READERS[name](path)
            except MouthpieceError:
                refused += 1
    assert refused > 10


def test_a_mapping_of_very_many_entries_is_read_in_one_go(tmp_path):
    path = tmp_path / "a.json"
    entries = [{"key": f"k{number}", "formula": "jawOpen"} for number in range(30_000)]
    path.write_text(json.dumps(GOOD["shape keys"] | {"entries": entries}))
    assert len(table.load(path).entries) == 30_000
    path.write_text(json.dumps(GOOD["shape keys"] | {"entries": [*entries, entries[0]]}))
    with pytest.raises(MouthpieceError, match="more than once: k0"):
        table.load(path)

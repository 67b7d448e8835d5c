import hashlib
import json

import pytest
from mouthpiece.errors import ModelError
from mouthpiece.models import registry
from mouthpiece.models.session import OnnxSession
from mouthpiece.topology import ARKIT_NAMES


def place(folder, name="content", content=b"weights", **changes):
    sidecar = {
        "format": 1,
        "name": name,
        "version": "1",
        "kind": "content",
        "sha256": hashlib.sha256(content).hexdigest(),
        "inputs": {"features": [1, "frames", 564]},
        "outputs": {"landmarks": [1, "frames", 204]},
        "rate": 25,
        "features": 564,
        "licence": "GPL-3.0-or-later",
        "data": "none",
        "arkit_names": ARKIT_NAMES,
    } | changes
    (folder / f"{name}.onnx").write_bytes(content)
    (folder / f"{name}.onnx.json").write_text(json.dumps({k: v for k, v in sidecar.items() if v is not None}))
    return folder


@pytest.mark.parametrize("name", ["phonetic", "content"])
def test_shipped_networks_are_intact_and_say_what_they_are(name):
    network = registry.find(name)
    assert network.sidecar.kind == name and network.sidecar.licence and network.sidecar.data
    session = network.open()
    declared = {i.name: tuple(i.shape) for i in session._session.get_inputs()}
    assert set(declared) == set(network.sidecar.inputs)
    assert set(network.sidecar.outputs) <= {o.name for o in session._session.get_outputs()}


def test_the_content_network_brings_its_resting_face():
    face = registry.find("content").sidecar.neutral_face()
    assert face.shape == (68, 3)
    assert abs(((face[45] - face[36]) ** 2).sum() ** 0.5 - 1) < 1e-3  # one outer-eye distance
    assert face[45, 0] > face[36, 0] and face[8, 1] > face[27, 1] and face[30, 2] < face[0, 2]


def test_a_folder_of_ones_own_comes_first(tmp_path):
    assert registry.find("content", place(tmp_path)).content == b"weights"
    assert registry.find("phonetic", tmp_path).sidecar.name == "phonetic"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sha256": "0" * 64}, "vouches for"),
        ({"format": 99}, "newer"),
        ({"rate": None}, "lacks|incomplete"),
        ({"inputs": 3}, "lacks|incomplete"),
        ({"arkit_names": ["jawOpen"]}, "52"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path, changes, says):
    with pytest.raises(ModelError, match=says):
        registry.find("content", place(tmp_path, **changes))


def test_a_missing_or_broken_sidecar_is_named(tmp_path):
    place(tmp_path)
    (tmp_path / "content.onnx.json").write_text("{")
    with pytest.raises(ModelError, match="description"):
        registry.find("content", tmp_path)
    (tmp_path / "content.onnx.json").unlink()
    with pytest.raises(ModelError, match="description"):
        registry.find("content", tmp_path)


def test_an_unknown_network_is_named():
    with pytest.raises(ModelError, match="no network 'nothing'"):
        registry.find("nothing")


def test_bytes_that_are_no_network_are_refused():
    with pytest.raises(ModelError, match="cannot be loaded"):
        OnnxSession(b"these are not weights", "junk")


def test_a_sidecar_without_a_face_says_so(tmp_path):
    with pytest.raises(ModelError, match="resting face"):
        registry.find("content", place(tmp_path)).sidecar.neutral_face()

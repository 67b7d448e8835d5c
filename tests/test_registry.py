import os

import pytest
from mouthpiece.errors import ModelError
from mouthpiece.models import registry
from mouthpiece.models.session import OnnxSession

from tests.made_networks import FITTING, place

KINDS = {
    "phonetic": "phonetic",
    "content": "content",
    "voice": "voice",
    "head": "head",
    "portrait": "portrait",
    "face_detector_128": "faces",
    "face_landmarks_478": "landmarks",
}


@pytest.mark.parametrize("name", KINDS)
def test_shipped_networks_are_intact_and_what_their_kind_must_be(name):
    network = registry.find(name, kind=KINDS[name])
    assert network.sidecar.kind == KINDS[name] and network.sidecar.licence and network.sidecar.data
    assert network.open().label == name


def test_all_that_is_shipped_is_looked_at_here():
    assert {path.stem for path in registry.ASSETS.glob("*.onnx")} == set(KINDS)


def test_the_content_network_brings_its_resting_face():
    face = registry.find("content").sidecar.neutral_face()
    assert face.shape == (68, 3)
    assert abs(((face[45] - face[36]) ** 2).sum() ** 0.5 - 1) < 1e-3  # one outer-eye distance
    assert face[45, 0] > face[36, 0] and face[8, 1] > face[27, 1] and face[30, 2] < face[0, 2]


def test_notes_of_a_training_may_lack_figures_and_fields_may_not(tmp_path):
    """Training wrote NaN for figures that were not to be had, up to version 0.4.0."""
    folder = place(tmp_path, "content", provenance={"r_open": float("nan"), "seed": 3})
    assert registry.find("content", folder).sidecar.provenance == {"r_open": None, "seed": 3}
    with pytest.raises(ModelError, match="rate"):
        registry.find("content", place(tmp_path, "content", rate=float("nan")))


def test_a_folder_of_ones_own_comes_first(tmp_path):
    assert registry.find("content", place(tmp_path, "content")).content == b"weights"
    assert registry.find("phonetic", tmp_path).sidecar.name == "phonetic"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sha256": "0" * 64}, "vouches for"),
        ({"format": 99}, "newer"),
        ({"rate": None}, "lacks 'rate'"),
        ({"inputs": 3}, "'inputs' are not names"),
        ({"inputs": {"features": 3}}, "shape of 'features'"),
        ({"inputs": {"features": [1, -1, True]}}, "neither a size nor a word"),
        ({"inputs": {"features": [1] * 10_000}}, "not a list of axes"),
        ({"inputs": {"features": [1, "frames", 10**12]}}, "neither a size nor a word"),
        ({"inputs": {}}, "asks for nothing; there is features"),
        ({"inputs": {"sound": [1, "frames", 68]}}, "asks for sound; there is features"),
        ({"inputs": {"features": [1, 100, 68]}}, "takes 'features' as 1 x 100 x 68; there is 1 x frames x 68"),
        ({"inputs": {"features": [1, "frames"]}}, "takes 'features' as 1 x frames; there is 1 x frames x 68"),
        ({"features": 70}, "takes 'features' as 1 x frames x 68; there is 1 x frames x 70"),
        ({"outputs": {"landmarks": [1, "frames", 204]}}, "gives no arkit"),
        (
            {"outputs": FITTING["content"][1] | {"arkit": [1, "frames", 51]}},
            "as 1 x frames x 51; it must be",
        ),
        ({"kind": "voice"}, "of kind 'voice'; one of kind 'content'"),
        ({"kind": ["content"]}, "'kind' is not a text"),
        ({"name": "a" * 1_000_000}, "'name' is not a text"),
        ({"rate": 0}, "works at 0 a second; it must be 25"),
        ({"rate": float("nan")}, "it lacks 'rate'"),
        ({"rate": 1e9}, "'rate' is not a number from 0 to"),
        ({"rate": "25"}, "'rate' is not a number"),
        ({"rate": 10**400}, "out of all bounds"),
        ({"features": 1e999}, "it lacks 'features'"),
        ({"features": 68.5}, "'features' is not a whole number"),
        ({"normalise": "false"}, "'normalise' is neither true nor false"),
        ({"window": 10**9}, "'window' is not a whole number"),
        ({"window": 10**5}, "needs 100000 samples for a vector; at most 1600"),
        ({"arkit_names": ["jawOpen"]}, "52"),
        ({"arkit_names": 52}, "not a list of names"),
        ({"neutral": None}, "resting face of 68 points"),
        ({"neutral": [[0, 0, 0]] * 10**5}, "not a list of 68 points"),
        ({"neutral": [[0, 0]] * 68}, "resting face of 68 points"),
        ({"neutral": [[0, 0, float("nan")]] * 68}, "not made of numbers"),
        ({"neutral": [[0, 0, 1e30]] * 68}, "not within 10 eye distances"),
        ({"neutral": [[0, 0, "1"]] * 68}, "not made of numbers"),
        ({"provenance": [1]}, "are not notes"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path, changes, says):
    with pytest.raises(ModelError, match=says):
        registry.find("content", place(tmp_path, "content", **changes))


@pytest.mark.parametrize("text", ["{", "[]", "3", "null", "[" * 100_000, '"\\ud800"', "{}"])
def test_a_missing_or_broken_sidecar_is_named(tmp_path, text):
    place(tmp_path, "content")
    (tmp_path / "content.onnx.json").write_text(text)
    with pytest.raises(ModelError, match="description"):
        registry.find("content", tmp_path)
    (tmp_path / "content.onnx.json").unlink()
    with pytest.raises(ModelError, match="description"):
        registry.find("content", tmp_path)


def test_what_has_the_name_of_a_network_and_is_no_file_is_not_passed_over(tmp_path):
    (tmp_path / "head.onnx").mkdir()
    with pytest.raises(ModelError, match="is not a file"):
        registry.find("head", tmp_path)
    (tmp_path / "voice.onnx").symlink_to(tmp_path / "voice.onnx")
    with pytest.raises(ModelError, match=r"cannot be read|is not a file"):
        registry.find("voice", tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "content.onnx")
        with pytest.raises(ModelError, match="is not a file"):
            registry.find("content", tmp_path)
    assert registry.find("phonetic", tmp_path / "nowhere").sidecar.name == "phonetic"


def test_an_unknown_network_is_named():
    with pytest.raises(ModelError, match="no network 'nothing'"):
        registry.find("nothing")


def test_bytes_that_are_no_network_are_refused():
    with pytest.raises(ModelError, match="cannot be loaded"):
        OnnxSession(b"these are not weights", "junk")

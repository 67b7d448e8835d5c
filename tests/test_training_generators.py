"""Generators of one's own: networks of several kinds described, loaded, refused and rendered with."""

import json
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from mouthpiece.errors import ModelError
from mouthpiece.portrait.draw.generator import load_generator
from mouthpiece.portrait.draw.render import Renderer
from onnx import TensorProto, helper, numpy_helper

from tests.test_portrait_render import ROOT, portrait, spoken, take
from training.portrait import sidecar as portrait_sidecar

FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16


def network(path: Path, nodes, inputs, constants=(), out=(1, 3, 256, 256), kind=FLOAT) -> Path:
    """Write a graph that makes `frame`."""
    graph = helper.make_graph(
        nodes, "tiny",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info("frame", kind, out)],
        [numpy_helper.from_array(value, name) for name, value in constants],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def darker(path: Path, shape=(1, 3, 256, 256), kind=FLOAT) -> Path:
    half = ("half", np.array(0.5, np.float32 if kind == FLOAT else np.float16))
    nodes = [helper.make_node("Mul", ["warped", "half"], ["frame"])]
    return network(path, nodes, {"warped": shape}, [half], shape, kind)


def described(path: Path, **changes) -> Path:
    """Write a network's sidecar without trying it, with changes."""
    sidecar = portrait_sidecar.described(path, path.stem, "CC0", "nothing") | changes
    path.with_name(path.name + ".json").write_text(json.dumps(sidecar))
    return path


def test_a_network_that_takes_the_warped_picture_only_is_described_loaded_and_used(tmp_path, capsys):
    path = darker(tmp_path / "darker.onnx")
    assert portrait_sidecar.main([str(path), "--licence", "CC0", "--data", "none"]) == 0
    assert "takes warped" in capsys.readouterr().out
    sidecar = json.loads((tmp_path / "darker.onnx.json").read_text())
    assert sidecar["inputs"] == {"warped": [1, 3, 256, 256]}
    assert (sidecar["kind"], sidecar["licence"]) == ("portrait", "CC0")
    generator = load_generator(path)
    assert generator.sha256 == sidecar["sha256"]
    shown = portrait()
    plain, made = (Renderer(shown, g).frame(take(), 0.0).astype(int) for g in (None, generator))
    middle = (slice(183, 190), slice(147, 154), slice(0, 3))
    np.testing.assert_allclose(made[middle], plain[middle] / 2, atol=4)
    assert (made[0] == plain[0]).all()


def test_all_conditions_arrive_under_their_names(tmp_path):
    # of the source where the mouth shows, of the warped picture elsewhere: takes all, with the oval and lines at 0
    shapes = {n: (1, c, 256, 256) for n, c in {"warped": 3, "source": 3, "lines": 3, "masks": 2, "oval": 1}.items()}
    nodes = [
        helper.make_node("ReduceMax", ["masks", "axis"], ["mask"], keepdims=1),
        helper.make_node("Sub", ["source", "warped"], ["off"]),
        helper.make_node("Mul", ["off", "mask"], ["some"]),
        helper.make_node("Mul", ["lines", "zero"], ["no_lines"]),
        helper.make_node("Mul", ["oval", "zero"], ["no_oval"]),
        helper.make_node("Sum", ["warped", "some", "no_lines", "no_oval"], ["frame"]),
    ]
    constants = [("axis", np.array([1])), ("zero", np.array(0, np.float32))]
    path = described(network(tmp_path / "all.onnx", nodes, shapes, constants))
    shown = portrait()
    plain, made = (Renderer(shown, g).frame(spoken(), 0.6) for g in (None, load_generator(path)))
    changed = (plain != made).any(axis=2)
    assert changed.any()
    assert changed.mean() < 0.1


def test_a_network_of_any_size_is_given_parts(tmp_path):
    shape = (1, 3, "height", "width")
    free = load_generator(described(darker(tmp_path / "free.onnx", shape)))
    fixed = load_generator(described(darker(tmp_path / "fixed.onnx")))
    shown = portrait()
    one, other = (Renderer(shown, g).frame(spoken(), 0.6) for g in (free, fixed))
    assert (one == other).all()


def test_half_precision_inside_is_fine_and_at_the_border_is_refused(tmp_path):
    nodes = [
        helper.make_node("Cast", ["warped"], ["w"], to=HALF),
        helper.make_node("Mul", ["w", "half"], ["h"]),
        helper.make_node("Cast", ["h"], ["frame"], to=FLOAT),
    ]
    inside = network(
        tmp_path / "inside.onnx", nodes, {"warped": (1, 3, 256, 256)}, [("half", np.array(0.5, np.float16))]
    )
    assert portrait_sidecar.main([str(inside), "--licence", "CC0"]) == 0
    border = described(darker(tmp_path / "border.onnx", kind=HALF))
    with pytest.raises(ModelError, match="32-bit floats"):
        load_generator(border)


def test_networks_that_do_not_fit_are_refused_and_not_described(tmp_path, caplog):
    wrong = {
        "takes 'warped' as 1 x 3 x 512 x 512": darker(tmp_path / "large.onnx", (1, 3, 512, 512)),
        "takes 'warped' as 1 x 4 x 256 x 256": darker(tmp_path / "alpha.onnx", (1, 4, 256, 256)),
        "asks for depth": network(
            tmp_path / "depth.onnx", [helper.make_node("Add", ["warped", "depth"], ["frame"])],
            {"warped": (1, 3, 256, 256), "depth": (1, 1, 256, 256)},
        ),
        "gives 'frame' as 1 x 1 x 256 x 256; it must be 1 x 3 x 256 x 256": network(
            tmp_path / "flat.onnx", [helper.make_node("ReduceMean", ["warped", "axis"], ["frame"], keepdims=1)],
            {"warped": (1, 3, 256, 256)}, [("axis", np.array([1]))], (1, 1, 256, 256),
        ),
        "returned no 'frame' of 1 x 3 x 80 x 48": network(
            tmp_path / "halving.onnx", [helper.make_node("MaxPool", ["warped"], ["frame"], kernel_shape=[2, 2],
                                                         strides=[2, 2])],
            {"warped": (1, 3, "h", "w")}, (), (1, 3, "a", "b"),
        ),
    }  # fmt: skip
    for words, path in wrong.items():
        assert portrait_sidecar.main([str(path), "--licence", "CC0"]) == 1
        assert words in caplog.text
        assert not path.with_name(path.name + ".json").exists()
        with pytest.raises(ModelError, match=re.escape(words)):
            load_generator(described(path))


def test_a_refused_description_leaves_the_old_one(tmp_path):
    path = described(darker(tmp_path / "net.onnx"))
    before = path.with_name("net.onnx.json").read_bytes()
    darker(path, (1, 3, 512, 512))
    assert portrait_sidecar.main([str(path), "--licence", "CC0"]) == 1
    assert path.with_name("net.onnx.json").read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sha256": "0" * 64}, "vouches for"),
        ({"kind": "faces"}, "of kind 'faces'; one of kind 'portrait' is needed"),
        ({"format": 99}, "newer Mouthpiece"),
        ({"inputs": {"warped": [1, 3, 256, 256], "oval": [1, 1, 256, 256]}}, "does not take oval"),
        ({"inputs": {}}, "asks for nothing"),
    ],
)
def test_descriptions_that_do_not_fit_are_refused(tmp_path, changes, words):
    with pytest.raises(ModelError, match=words):
        load_generator(described(darker(tmp_path / "net.onnx"), **changes))


def test_numbers_that_are_none_are_refused(tmp_path):
    nodes = [helper.make_node("Log", ["warped"], ["l"]), helper.make_node("Sub", ["l", "l"], ["z"]),
             helper.make_node("Div", ["z", "z"], ["frame"])]  # fmt: skip
    path = described(network(tmp_path / "nan.onnx", nodes, {"warped": (1, 3, 256, 256)}))
    with pytest.raises(ModelError, match="returned no 'frame'"):
        load_generator(path)


def test_files_that_are_missing_or_no_network_are_told(tmp_path, caplog):
    # a name that is shipped does not stand in for a file that is not there
    with pytest.raises(ModelError, match="There is no network"):
        load_generator(tmp_path / "portrait.onnx")
    with pytest.raises(ModelError, match=r"training\.portrait\.sidecar 'mine\.onnx'"):
        load_generator(darker(tmp_path / "mine.onnx"))
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"\x08\x09 not a network \xff")
    assert portrait_sidecar.main([str(broken), "--licence", "CC0"]) == 1
    assert "not described" in caplog.text
    assert portrait_sidecar.main([str(tmp_path / "none.onnx"), "--licence", "CC0"]) == 1


@pytest.mark.filterwarnings("ignore")
def test_the_recipe_in_the_docs_makes_a_generator(tmp_path, monkeypatch):
    text = (ROOT / "docs/portraits/own-generator.md").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(recipe, "own-generator.md", "exec"), {})
    (path,) = tmp_path.glob("*.onnx")
    assert portrait_sidecar.main([str(path), "--licence", "CC0"]) == 0
    frame = Renderer(portrait(), load_generator(path)).frame(spoken(), 0.6)
    assert frame.shape == portrait().picture.shape

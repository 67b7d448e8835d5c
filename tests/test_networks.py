"""Networks that are not what they must be: refused in words that name them, whatever is wrong."""

import hashlib
import json
import shutil

import numpy as np
import pytest
from mouthpiece.cli import parser as core_cli
from mouthpiece.errors import ModelError
from mouthpiece.files import ASSETS
from mouthpiece.models import graphs, registry, session
from mouthpiece.models.encoder import Encoder
from mouthpiece.models.session import OnnxSession
from mouthpiece.models.signatures import SIGNATURES
from mouthpiece.motion import head
from mouthpiece.performance import Performance
from mouthpiece.pipeline import Networks
from mouthpiece.portrait.draw.conditions import SIZE
from mouthpiece.portrait.draw.generator import load_generator
from mouthpiece.portrait.find import networks as face_networks
from mouthpiece.speaker import PART_SAMPLES, VOICE_SIZE

from tests.made_networks import FITTING, HALF, INT64, endless, field, fitting, model, node, outside, place, tensor
from tests.material import tone

LINE = {"x": [1, "n"]}
ZEROS = {"x": np.zeros((1, 3), np.float32)}


def give(kind):
    """What the code gives a network of a kind."""
    shapes = {axis: 32_000 if axis == "samples" else 40 for axis in ("samples", "frames", "parts")}
    return {
        name: np.full([shapes.get(axis, axis) for axis in shape], 32_000, np.int64)
        if name == "waveform_lengths"
        else np.zeros([1 if axis == "parts" else shapes.get(axis, axis) for axis in shape], np.float32)
        for name, shape in FITTING[kind][0].items()
    }


def opened(folder, kind, content, **changes):
    return registry.find(kind, place(folder, kind, content, **changes)).open()


def test_the_table_agrees_with_the_code_that_calls_the_networks():
    assert SIGNATURES["voice"].inputs["sound"] == (1, PART_SAMPLES)
    assert SIGNATURES["voice"].outputs["voice"] == (1, VOICE_SIZE)
    assert SIGNATURES["head"].inputs["rhythm"][2] == head.RHYTHM_SIZE
    assert SIGNATURES["head"].outputs["mean"][2:] == (head.BANDS, head.AXES)
    assert SIGNATURES["head"].rate == head.HEAD_RATE
    assert SIGNATURES["faces"].inputs["t0"][2:] == (face_networks.DETECTOR_SIZE,) * 2
    assert SIGNATURES["landmarks"].inputs["t0"][2:] == (face_networks.CROP_SIZE,) * 2
    assert SIGNATURES["landmarks"].outputs["t473"][1] == face_networks.MESH_COUNT * 3
    assert set(SIGNATURES["portrait"].sides.values()) == {SIZE}


@pytest.mark.parametrize("kind", FITTING)
def test_a_network_that_fits_runs(tmp_path, kind):
    outputs = opened(tmp_path, kind, fitting(kind))(give(kind))
    assert set(outputs) == set(FITTING[kind][1])
    assert all((values == 0.25).all() for values in outputs.values())


@pytest.mark.parametrize("kind", FITTING)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(tmp_path, kind, value):
    with pytest.raises(ModelError, match=f"The network '{kind}' returned no .* of finite numbers"):
        opened(tmp_path, kind, fitting(kind, value))(give(kind))


@pytest.mark.parametrize(
    ("kind", "shapes", "words"),
    [
        ("content", {"arkit": ["frames", "frames", 52]}, "returned no 'arkit' of 1 x 40 x 52 numbers but one of 40 x"),
        ("content", {"landmarks": [1, 39, 204]}, "returned no 'landmarks' of 1 x 40 x 204 numbers but one of 1 x 39"),
        ("content", {"landmarks": ["frames", 204]}, "gives 'landmarks' as any x any; its description says 1 x frames"),
        ("head", {"mean": [1, 1, 7, 6]}, "returned no 'mean' of 1 x 40 x 7 x 6"),
        ("head", {"mixing": [7, 6, "frames"]}, "returned no 'mixing' of 7 x 6 x 6 numbers but one of 7 x 6 x 40"),
        ("voice", {"voice": [1, 255]}, "gives 'voice' as 1 x 255; its description says parts x 256"),
        ("phonetic", {"units": [1, "steps", 7]}, "returned vectors of 7 numbers; its description says 8"),
        ("phonetic", {"units": [1, "frames", 8]}, "returned 32000 vectors in 'units' .* not 50 a second"),
        ("phonetic", {"units": [1, 0, 8]}, "returned no 'units' of 1 x any x any"),
        ("encoder", {"units": [1, 1, 8]}, "returned 1 vectors in 'units' for 32000 samples"),
        ("encoder", {"units": [1, "steps", 9]}, "returned no 'units' of 1 x any x 8"),
        ("portrait", {"frame": [1, 3, 8, 8]}, "gives 'frame' as 1 x 3 x 8 x 8; its description"),
    ],
)
def test_outputs_of_another_size_are_refused(tmp_path, kind, shapes, words):
    # the file says nothing of its outputs' shapes: what ONNX Runtime cannot foresee only the run shows
    content = fitting(kind, outputs=shapes)
    for name in shapes:
        content = blank(content, kind, name, shapes)
    with pytest.raises(ModelError, match=words):
        opened(tmp_path, kind, content)(give(kind))


def blank(content, kind, name, shapes):
    """The file without what it declares of the shape of an output."""
    from tests.made_networks import value_info

    declared = field(12, value_info(name, shapes[name]))
    silent = field(12, value_info(name, None))
    assert declared in content
    # the graph's own length changes: it is written anew
    return _with_graph(content, lambda data: data.replace(declared, silent))


def _with_graph(content, change):
    view, graph, rest = memoryview(content), b"", b""
    for number, stored, first, last in graphs._fields(view, 0, len(content)):
        data = bytes(content[first:last]) if stored == 2 else first
        if number == 7:
            graph = data
        else:
            rest += field(number, data)
    return field(7, change(graph)) + rest


@pytest.mark.parametrize(
    ("kind", "made", "words"),
    [
        ("content", "head", "is not as its description says: it does not take features"),
        ("voice", "encoder", "does not take sound"),
        ("head", "content", "does not take rhythm"),
        ("phonetic", "encoder", "does not take waveform_lengths"),
        ("encoder", "phonetic", "also takes waveform_lengths"),
        ("portrait", "content", "does not take warped"),
    ],
)
def test_a_file_that_is_another_than_described_is_refused(tmp_path, kind, made, words):
    with pytest.raises(ModelError, match=words):
        opened(tmp_path, kind, fitting(made))


def test_types_ranks_and_fixed_axes_of_inputs_are_compared(tmp_path):
    wrong = {
        "takes 'features' as tensor\\(float16\\); it must be 32-bit floats": ([1, "frames", 68], HALF),
        "takes 'features' as tensor\\(int64\\); it must be 32-bit floats": ([1, "frames", 68], INT64),
        "takes 'features' as 1 x 100 x 68; its description says 1 x frames x 68": ([1, 100, 68], 1),
        "takes 'features' as 1 x frames x 70; its description says": ([1, "frames", 70], 1),
        "takes 'features' as frames x 68; its description says": (["frames", 68], 1),
    }
    for words, (shape, code) in wrong.items():
        constants = {"a": np.zeros((1, 1, 204), np.float32), "b": np.zeros((1, 1, 52), np.float32)}
        nodes = [node("Identity", ["a"], ["landmarks"]), node("Identity", ["b"], ["arkit"])]
        content = model(
            nodes, {"features": shape}, {"landmarks": None, "arkit": None}, constants, codes={"features": code}
        )
        with pytest.raises(ModelError, match=words):
            opened(tmp_path, "content", content)


def test_what_a_file_gives_must_be_numbers(tmp_path):
    nodes = [node("Cast", ["warped"], ["frame"], to=INT64)]
    content = model(nodes, FITTING["portrait"][0], FITTING["portrait"][1], codes={"frame": INT64})
    with pytest.raises(ModelError, match=r"gives 'frame' as tensor\(int64\)"):
        opened(tmp_path, "portrait", content)


@pytest.mark.parametrize("location", ["../../etc/passwd", "/etc/passwd", "weights.bin", "*/_ORT_MEM_ADDR_/*"])
def test_weights_in_other_files_are_refused(tmp_path, monkeypatch, location):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.bin").write_bytes(b"\0" * 64)
    plain = model([node("Add", ["x", "w"], ["y"])], LINE, {"y": None}, {"w": outside("w", location)})
    stored = field(5, field(1, "value") + field(20, 4) + field(5, outside("", location)))
    in_node = model([node("Constant", [], ["w"]) + stored, node("Add", ["x", "w"], ["y"])], LINE, {"y": None})
    for content in (plain, in_node):
        with pytest.raises(ModelError, match="weights in other files"):
            OnnxSession(content, "mine")


def test_weights_in_other_files_are_found_in_graphs_inside_graphs():
    inner = field(5, outside("w", "weights.bin"))
    for _ in range(40):
        inner = field(1, field(5, field(1, "body") + field(6, inner)))
    with pytest.raises(ModelError, match="weights in other files"):
        graphs.check(field(7, inner), "mine")
    # a function, a sparse tensor, and a second graph, which the format joins to the first
    for hidden in (
        field(25, field(7, field(5, field(5, outside("w", "weights.bin"))))),
        field(7, field(15, field(1, outside("w", "weights.bin")))),
        field(7, field(5, outside("w", "weights.bin"))),
    ):
        with pytest.raises(ModelError, match="weights in other files"):
            graphs.check(field(7, b"") + hidden, "mine")


def test_weights_in_other_files_cannot_hide_behind_keys_of_more_than_32_bits(tmp_path, monkeypatch):
    """Readers of the format cut keys to 32 bits: ONNX Runtime reads such a file as if its keys were plain."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.bin").write_bytes(b"\0" * 16)
    place, long = {"location": "weights.bin", "offset": "0", "length": "16"}, 1 << 29
    named = b"".join(field(13 + long, field(1, key) + field(2, text)) for key, text in place.items())
    hidden = field(1, 4) + field(2, 1) + field(8, "w") + named + field(14 + long, 1)
    plain = model([node("Add", ["x", "w"], ["y"])], LINE, {"y": None}, {"w": outside("w", "weights.bin")})
    in_graph = field(7, b"") + field(7 + long, field(5, outside("w", "weights.bin")))
    for content in (_with_graph(plain, lambda graph: _in_place_of_weights(graph, hidden)), in_graph):
        with pytest.raises(ModelError, match="not a whole ONNX file"):
            OnnxSession(content, "mine")


def _in_place_of_weights(graph, tensor):
    rest = (
        field(number, bytes(graph[first:last]) if stored == 2 else first)
        for number, stored, first, last in graphs._fields(memoryview(graph), 0, len(graph))
        if number != 5
    )
    return b"".join(rest) + field(5, tensor)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"these are not weights",
        b"\x00" * 1000,
        b"\xff" * 1000,
        b"\x80" * 1000,
        fitting("head")[:-1],
        fitting("head")[: len(fitting("head")) // 2],
        field(1, 9),  # no graph
        b"\x3a" + b"\xff\xff\xff\xff\x07" + b"\x00" * 10,  # a graph that claims 2 GB
        b"\x3a" + b"\xff" * 9 + b"\x01",  # and one of 2 to the power of 64
        b"\x3b\x3c",
        b"\x08\x00\x00\x00ORTM" + b"\x00" * 100,  # ONNX Runtime's own format
    ],
)
def test_bytes_that_are_no_network_are_refused(content):
    with pytest.raises(ModelError, match="The network 'junk' cannot be loaded"):
        OnnxSession(content, "junk")


def test_a_network_cut_anywhere_is_refused_or_loads():
    whole = fitting("content")
    for length in range(0, len(whole), 7):
        try:
            OnnxSession(whole[:length], "cut")
        except ModelError as error:
            assert str(error).startswith("The network 'cut' cannot be loaded")


def test_operations_nobody_knows_are_refused():
    content = model([node("Steal", ["x"], ["y"], domain="somebody")], LINE, {"y": None}, domain="somebody")
    with pytest.raises(ModelError, match="The network 'odd' cannot be loaded"):
        OnnxSession(content, "odd")


def test_a_network_that_loops_for_ever_is_stopped(monkeypatch):
    monkeypatch.setattr(session, "LONGEST_RUN", 0.3)
    nodes, constants = endless()
    with pytest.raises(ModelError, match=r"'spin' was stopped .* loop for ever"):
        OnnxSession(model(nodes, LINE, {"y": None}, constants), "spin")(ZEROS)


def test_a_run_can_be_interrupted(monkeypatch):
    nodes, constants = endless()
    spin = OnnxSession(model(nodes, LINE, {"y": None}, constants), "spin")

    class Pressed(session.threading.Thread):
        def join(self, timeout=None):
            super().join(0.05)
            if timeout == session._TICK:
                raise KeyboardInterrupt

    monkeypatch.setattr(session.threading, "Thread", Pressed)
    with pytest.raises(KeyboardInterrupt):
        spin(ZEROS)


@pytest.mark.parametrize("count", [2 * 10**9, 10**12, 2**62])
def test_memory_is_bounded(count):
    nodes = [
        node("Gather", ["many", "zero"], ["one"], axis=0),
        node("ReduceMax", ["x"], ["most"], keepdims=0),
        node("Cast", ["most"], ["whole"], to=INT64),
        node("Add", ["one", "whole"], ["sum"]),
        node("Reshape", ["sum", "flat"], ["sides"]),
        node("ConstantOfShape", ["sides"], ["all"]),
        node("ReduceSum", ["all"], ["y"], keepdims=0),
    ]
    constants = {"many": np.array([count]), "zero": np.array(0), "flat": np.array([1])}
    with pytest.raises(ModelError, match="The network 'greedy' cannot be run"):
        OnnxSession(model(nodes, LINE, {"y": None}, constants), "greedy")(ZEROS)


def test_what_fails_inside_a_run_is_told():
    content = model([node("Reshape", ["x", "s"], ["y"])], LINE, {"y": None}, {"s": np.array([7])})
    with pytest.raises(ModelError, match=r"The network 'odd' cannot be run .*Reshape"):
        OnnxSession(content, "odd")(ZEROS)
    with pytest.raises(ModelError, match="The network 'odd' cannot be run"):
        OnnxSession(content, "odd")({"x": np.zeros((1, 3), np.float64)})
    with pytest.raises(ModelError, match="The network 'odd' cannot be run"):
        OnnxSession(content, "odd")({})


def test_nothing_of_it_is_printed(capfd):
    content = model([node("Reshape", ["x", "s"], ["y"])], LINE, {"y": None}, {"s": np.array([7])})
    with pytest.raises(ModelError):
        OnnxSession(content, "odd")(ZEROS)
    with pytest.raises(ModelError):
        OnnxSession(model([node("Steal", ["x"], ["y"])], LINE, {"y": None}), "odd")
    assert capfd.readouterr() == ("", "")


def test_networks_that_fit_each_other_animate(tmp_path, wav):
    folder = made_folder(tmp_path)
    out = tmp_path / "take.npz"
    assert core_cli.run(["animate", str(wav(tone(2.0))), "-o", str(out), "--models", str(folder), "--quiet"]) == 0
    take = Performance.load(out)
    assert take.models["content"] == hashlib.sha256(fitting("content")).hexdigest()


def made_folder(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    for kind in ("phonetic", "content", "voice", "head"):
        listener = {"listener": hashlib.sha256(fitting("phonetic")).hexdigest()} if kind == "content" else {}
        place(folder, kind, fitting(kind), **listener)
    return folder


@pytest.mark.parametrize("kind", ["phonetic", "content", "voice", "head"])
def test_every_network_that_does_not_fit_is_named_on_the_command_line(tmp_path, wav, capsys, kind):
    folder, sound = made_folder(tmp_path), str(wav(tone(2.0)))
    good = {name: (folder / f"{kind}.{name}").read_bytes() for name in ("onnx", "onnx.json")}
    other = "voice" if kind == "head" else "head"
    spoiled = [fitting(kind, np.nan), fitting(other), b"junk", b"", model(*_failing(kind))]
    said = json.loads(good["onnx.json"])
    for content in spoiled:
        (folder / f"{kind}.onnx").write_bytes(content)
        about = said | {"sha256": hashlib.sha256(content).hexdigest()}
        (folder / f"{kind}.onnx.json").write_text(json.dumps(about))
        if kind == "phonetic":  # so that it is not for its hash that it is refused
            beside = json.loads((folder / "content.onnx.json").read_text()) | {"listener": about["sha256"]}
            (folder / "content.onnx.json").write_text(json.dumps(beside))
        command = ["animate", sound, "-o", str(tmp_path / "t.npz"), "--models", str(folder), "--quiet"]
        assert core_cli.run(command) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: {sound}: The network ") and kind in line
    assert not (tmp_path / "t.npz").exists()


def _failing(kind):
    """A graph that has the inputs and outputs of a kind and fails when it runs."""
    inputs, outputs, *_ = FITTING[kind]
    first = next(iter(inputs))
    nodes = [node("Reshape", [first, "sides"], ["odd"])]
    nodes += [node("ReduceSum", ["odd"], [name], keepdims=0) for name in outputs]
    codes = {"waveform_lengths": INT64}
    shapes = dict.fromkeys(outputs, None)
    return nodes, inputs, shapes, {"sides": np.array([7, 11])}, codes


def test_widths_that_do_not_meet_are_told(tmp_path):
    folder = made_folder(tmp_path)
    content = fitting("content")
    listener = hashlib.sha256(fitting("phonetic")).hexdigest()
    shapes = {"inputs": {"features": [1, "frames", 70]}, "features": 70}
    place(folder, "content", content, listener=listener, **shapes)
    with pytest.raises(ModelError, match="takes 70 numbers a frame; the listener gives 68"):
        Networks.find(folder)


def test_an_encoder_that_nothing_uses_is_told(tmp_path, wav, capsys):
    folder = made_folder(tmp_path)
    place(folder, "encoder", fitting("encoder"))
    sound, out = wav(tone(0.5)), tmp_path / "t.npz"
    assert core_cli.run(["animate", str(sound), "-o", str(out), "--models", str(folder), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert any("encoder" in words and "not used" in words for words in report["results"][0]["warnings"])
    lone = tmp_path / "lone"
    lone.mkdir()
    place(lone, "encoder", fitting("encoder"))
    assert core_cli.run(["animate", str(sound), "-o", str(out), "--models", str(lone), "--quiet"]) == 0
    assert "warning: " in (said := capsys.readouterr().err) and f"The encoder in '{lone}' is not used" in said


def test_a_folder_without_a_network_of_a_known_name_is_told(tmp_path, wav, capsys):
    place(tmp_path, "content", fitting("content"), "contnet")
    sound = wav(tone(0.5))
    assert core_cli.run(["animate", str(sound), "-o", str(tmp_path / "t.npz"), "--models", str(tmp_path)]) == 0
    assert "No network in" in capsys.readouterr().err


def test_the_shipped_networks_say_nothing(tmp_path):
    for path in ASSETS.glob("content.onnx*"):
        shutil.copy(path, tmp_path)
    assert not list(Networks.find(tmp_path).remarks(tmp_path)) and not list(Networks.find().remarks(None))


def test_an_encoder_with_a_long_window_is_refused_before_memory_is_taken(tmp_path):
    folder = place(tmp_path, "encoder", fitting("encoder"), window=10**9)
    with pytest.raises(ModelError, match="'window'"):
        Encoder(registry.find("encoder", folder))


def test_a_generator_is_guarded_by_the_same_check(tmp_path):
    place(tmp_path, "portrait", fitting("portrait"), "mine")
    assert load_generator(tmp_path / "mine.onnx").name == "portrait"
    for changes, words in (
        ({"outputs": {"picture": [1, 3, 256, 256]}}, "gives no frame"),
        ({"inputs": {"warped": [1, 3, 256]}}, "takes 'warped' as 1 x 3 x 256;"),
        ({"inputs": {"warped": [1, 3, "h", "w"]}}, "as 1 x 3 x 256 x 256; its description says 1 x 3 x h x w"),
        ({"rate": "0"}, "'rate' is not a number"),
    ):
        place(tmp_path, "portrait", fitting("portrait"), "mine", **changes)
        with pytest.raises(ModelError, match=words):
            load_generator(tmp_path / "mine.onnx")
    for name in ("a" * 300 + ".onnx", "nul\0.onnx"):
        with pytest.raises(ModelError, match="There is no network"):
            load_generator(tmp_path / name)


def test_tensors_that_claim_more_than_they_hold_are_refused():
    huge = field(1, 2**31) + tensor("w", np.zeros(4, np.float32))
    with pytest.raises(ModelError, match="The network 'lie' cannot be loaded"):
        OnnxSession(model([node("Add", ["x", "w"], ["y"])], LINE, {"y": None}, {"w": huge}), "lie")


def test_a_network_without_its_description_is_told_as_that(tmp_path):
    (tmp_path / "content.onnx").write_bytes(b"network")
    with pytest.raises(ModelError, match=r"content.onnx' has no description beside it. Copy 'content.onnx.json' there"):
        registry.read_sidecar(tmp_path / "content.onnx.json")

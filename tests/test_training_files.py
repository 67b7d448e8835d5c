import importlib
import json
from dataclasses import dataclass, field

import pytest

pytest.importorskip("torch")
pytest.importorskip("cv2")

from mouthpiece.files.writer import replacing, write_whole

from training.command_line import exit_code
from training.configuration import Configuration
from training.content.config import ContentConfig
from training.conversion.train import ConversionConfig
from training.files import write_json
from training.paths import CONFIGS, ROOT, TRAINING
from training.portrait.train import PortraitConfig
from training.speaker.train import SpeakerConfig


@dataclass(frozen=True, slots=True)
class Engine(Configuration):
    """A part of a configuration."""

    cylinders: int = 4
    bore: tuple[float, float] = (80.0, 90.0)


@dataclass(frozen=True, slots=True)
class Car(Configuration):
    """A configuration."""

    name: str = "car"
    weight: float = 1.0
    electric: bool = False
    engine: Engine = field(default_factory=Engine)


def stored(folder, text):
    path = folder / "car.json"
    path.write_text(text, encoding="utf-8")
    return path


# ---- configurations


def test_what_is_given_is_read_and_the_rest_keeps_its_default(tmp_path):
    path = stored(tmp_path, '{"weight": 2, "engine": {"bore": [70, 71.5]}}')
    car = Car.read(path)
    assert car == Car(weight=2.0, engine=Engine(bore=(70.0, 71.5)))
    assert isinstance(car.weight, float) and isinstance(car.engine.bore[0], float)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"wieght": 2, "engine": {"bor": [1, 2]}}', "unknown settings: engine.bor, wieght"),
        ('{"weight": "heavy"}', "'weight' must be a number, not \"heavy\""),
        ('{"weight": true}', "'weight' must be a number, not true"),
        ('{"electric": 1}', "'electric' must be true or false, not 1"),
        ('{"name": null}', "'name' must be text, not null"),
        ('{"engine": {"cylinders": 3.5}}', "'engine.cylinders' must be a whole number, not 3.5"),
        ('{"engine": {"bore": [80]}}', "'engine.bore' must be a list of 2 values"),
        ('{"engine": {"bore": [80, "x"]}}', "'engine.bore[1]' must be a number"),
        ('{"engine": 4}', "'engine' must be an object"),
        ("[1, 2]", "must be an object"),
        ('{"weight": 1', "is not JSON"),
    ],
)
def test_what_does_not_fit_is_named_with_the_file(tmp_path, text, words):
    path = stored(tmp_path, text)
    with pytest.raises(ValueError, match=r"car\.json") as caught:
        Car.read(path)
    assert words in str(caught.value)


def test_all_wrong_values_are_named_at_once(tmp_path):
    with pytest.raises(ValueError, match=r"'name' .*; 'weight' "):
        Car.read(stored(tmp_path, '{"name": 1, "weight": "x"}'))


def test_a_missing_or_unreadable_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"no\.json' cannot be read"):
        Car.read(tmp_path / "no.json")
    (tmp_path / "bad.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"bad\.json' is not JSON"):
        Car.read(tmp_path / "bad.json")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (ContentConfig, "content"),
        (ContentConfig, "content-encoder"),
        (ConversionConfig, "conversion"),
        (PortraitConfig, "portrait"),
        (SpeakerConfig, "speaker"),
    ],
)
def test_every_shipped_configuration_is_read_by_its_trainer(kind, name):
    path = CONFIGS / f"{name}.json"
    assert kind.read(path).steps == json.loads(path.read_text(encoding="utf-8"))["steps"]


# ---- files


def test_a_file_is_replaced_only_when_all_of_it_is_written(tmp_path):
    path = tmp_path / "run.json"
    write_json(path, {"step": 1})
    with pytest.raises(RuntimeError), replacing(path) as part:
        part.write_text("half of it", encoding="utf-8")
        raise RuntimeError
    assert json.loads(path.read_text(encoding="utf-8")) == {"step": 1}
    write_whole(path, b"\x00new")
    assert path.read_bytes() == b"\x00new"
    write_whole(path, "für")
    assert path.read_text(encoding="utf-8") == "für"
    assert [item.name for item in tmp_path.iterdir()] == ["run.json"]


def test_what_cannot_be_written_leaves_what_was_there(tmp_path):
    with pytest.raises(OSError, match="gone"):
        write_whole(tmp_path / "gone" / "run.json", "x")
    assert not list(tmp_path.iterdir())


# ---- programs

PROGRAMS = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in TRAINING.rglob("*.py")
    if "def main(" in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_says_how_it_is_run(program, capsys):
    with pytest.raises(SystemExit) as stop:
        importlib.import_module(program).main(["--help"])
    text = capsys.readouterr().out
    assert stop.value.code == 0
    assert text.startswith(f"usage: python -m {program} ")
    assert f"python -m {program}" in text.split("\n\n", 1)[1]  # the docstring names the command as well


def test_exit_codes(caplog):
    def failing(error):
        raise error

    assert exit_code(lambda: None, "not done") == 0
    assert exit_code(lambda: 3, "not done") == 3
    assert exit_code(lambda: failing(ValueError("no clips")), "not done") == 1
    assert "not done: no clips" in caplog.text
    assert exit_code(lambda: failing(KeyboardInterrupt()), "not done", "go on with --resume") == 130
    assert "go on with --resume" in caplog.text
    with pytest.raises(KeyError):  # a mistake of ours is not hidden
        exit_code(lambda: failing(KeyError("x")), "not done")

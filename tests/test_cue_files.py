import json
import xml.etree.ElementTree as ElementTree

import pytest
from mouthpiece.cli import parser as core_cli
from mouthpiece.errors import TakeError
from mouthpiece.motion.chart import files
from mouthpiece.motion.chart.charts import charts
from mouthpiece.motion.chart.cues import CueTrack
from mouthpiece.motion.chart.files import Context

TRACK = CueTrack(charts()["rhubarb"], (0.0, 0.5, 0.75, 1.5, 1.75), ("X", "A", "D", "X", "B"), 2.0)


def test_rhubarb_text():
    assert files.tsv(TRACK, Context()) == "0.00\tX\n0.50\tA\n0.75\tD\n1.50\tX\n1.75\tB\n2.00\tX\n"


def test_rhubarb_json():
    found = json.loads(files.json_text(TRACK, Context("ünë.wav")))
    assert found["metadata"] == {"soundFile": "ünë.wav", "duration": 2.0, "mouthChart": "rhubarb"}
    assert found["mouthCues"][1] == {"start": 0.5, "end": 0.75, "value": "A"}
    assert found["mouthCues"][-1]["end"] == 2.0 and len(found["mouthCues"]) == 5


def test_rhubarb_xml_is_xml():
    root = ElementTree.fromstring(files.xml(TRACK, Context("<a & b>.wav")).encode())
    assert root.find("metadata/soundFile").text == "<a & b>.wav"
    assert [(cue.get("start"), cue.text) for cue in root.iter("mouthCue")][:2] == [("0.00", "X"), ("0.50", "A")]


@pytest.mark.parametrize("form", files.FORMATS)
def test_names_of_sounds_that_formats_cannot_hold_are_written_all_the_same(form, tmp_path):
    name = "a\x01b\nc\udcffd\uffff.wav"
    path = files.write(TRACK, tmp_path / "cues", form, Context(name, 24))
    text = path.read_text(encoding="utf-8")
    if form == "xml":
        assert (
            ElementTree.fromstring(text.encode()).find("metadata/soundFile").text == "a\ufffdb\ufffdc\ufffdd\ufffd.wav"
        )
    if form == "pgo":
        assert text.splitlines()[1:3] == ["a\ufffdb\ufffdc\ufffdd\ufffd.wav", "24"]


def test_moho_counts_frames_from_one():
    assert files.dat(TRACK, Context(fps=24)) == "MohoSwitch1\n1 X\n13 A\n19 D\n37 X\n43 B\n49 X\n"


def test_a_papagayo_project_reads_back():
    lines = files.pgo(TRACK, Context("line.wav", 24)).splitlines()
    assert lines[:5] == ["lipsync version 1", "line.wav", "24", "48", "1"]
    assert [line.count("\t") for line in lines[5:]] == [1, 1, 1, 2, 2, 2, 2, 3, 4, 4, 2, 2, 2, 2, 3, 4]
    assert lines[7].strip() == "2"  # phrases
    assert [line.strip() for line in lines[8:15]] == ["speech1", "12", "35", "1", "speech1 12 35 2", "12 A", "18 D"]
    assert [line.strip() for line in lines[15:]] == ["speech2", "42", "47", "1", "speech2 42 47 1", "42 B"]


def test_of_two_changes_on_a_frame_the_last_counts():
    quick = CueTrack(TRACK.chart, (0.0, 0.4, 0.41), ("X", "A", "D"), 1.0)
    assert files.dat(quick, Context(fps=10)) == "MohoSwitch1\n1 X\n5 D\n11 X\n"


def test_what_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(TakeError, match="cannot be written as 'aaf'"):
        files.text_of(TRACK, "aaf")
    with pytest.raises(TakeError, match="not one the format 'dat' takes"):
        files.text_of(TRACK, "dat", Context(fps=0))
    with pytest.raises(TakeError, match="whole frames per second"):
        files.text_of(TRACK, "pgo", Context(fps=29.97))
    with pytest.raises(TakeError, match="cannot be written to"):
        files.write(TRACK, tmp_path, "tsv")


def test_the_command_writes_every_format(spoken, tmp_path, capsys):
    take = spoken.save(tmp_path / "take.npz")
    for form in files.FORMATS:
        out = tmp_path / f"cues.{form}"
        assert core_cli.run(["cues", str(take), "--set", "blair", "-o", str(out), "--quiet"]) == 0
        assert "MBP" in out.read_text()
    assert core_cli.run(["cues", str(take), "-o", str(out)]) == 1
    assert "--force" in capsys.readouterr().err
    assert core_cli.run(["cues", str(take), "-o", str(out), "--force"]) == 0


def test_the_command_tells_cues_on_stdout(spoken, tmp_path, capsys):
    take = spoken.save(tmp_path / "take.npz")
    assert core_cli.run(["cues", str(take), "--set", "oculus", "--on", "1", "--fps", "25"]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.strip().splitlines()]
    assert rows[0][0] == "0.00" and rows[-1][1] == "sil"
    assert float(rows[-1][0]) == pytest.approx(spoken.seconds, abs=0.01)
    assert core_cli.run(["cues", str(take), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["chart"] == "rhubarb" and len(said["cues"]) == said["changes"]


@pytest.mark.parametrize("extra", [["--on", "5"], ["--hold", "0"], ["--hold", "1.5"], ["--lead", "x"], ["--fps", "0"]])
def test_bad_arguments_exit_with_2(extra, tmp_path):
    assert core_cli.run(["cues", str(tmp_path / "take.npz"), *extra]) == 2


def test_a_missing_take_or_set_fails_with_the_reason(spoken, tmp_path, capsys):
    assert core_cli.run(["cues", str(tmp_path / "none.npz")]) == 1
    take = spoken.save(tmp_path / "take.npz")
    assert core_cli.run(["cues", str(take), "--set", "moon"]) == 1
    assert "There is no mouth chart 'moon'" in capsys.readouterr().err
    assert core_cli.run(["cues", str(take), "-o", str(tmp_path / "cues.doc")]) == 1
    assert "cannot be written as 'doc'" in capsys.readouterr().err

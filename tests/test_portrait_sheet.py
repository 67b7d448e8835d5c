"""The contact sheet of a folder: a row for every picture, whatever is wrong with it, and the record in the file."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from mouthpiece.provenance import records

Image = pytest.importorskip("PIL.Image")
sheet = pytest.importorskip("demo.portrait_sheet")

ROOT = Path(__file__).resolve().parents[1]
PHOTO = ROOT / "demo" / "samples" / "astronaut.jpg"
CONSENT = "nobody: a public-domain photo and made-up pictures, for a test"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("pictures")
    (place / "deeper").mkdir()
    shutil.copy(PHOTO, place / "deeper" / "photo.jpg")
    Image.new("RGB", (300, 200), (40, 140, 60)).save(place / "green.png")
    (place / "text.png").write_text("no picture")
    (place / "notes.txt").write_text("left aside")
    drawing = np.full((300, 300, 3), 255, np.uint8)
    drawing[100:110, 90:120] = drawing[100:110, 180:210] = drawing[200:205, 110:190] = 0
    Image.fromarray(drawing).save(place / "drawing.png")
    points = {"landmarks": marks(), "format": 1}
    text = json.dumps({"format": 1, "size": [300, 300], "faces": [{"landmarks": points["landmarks"]}]})
    (place / "drawing.landmarks.json").write_text(text)
    return place


def marks():
    from mouthpiece.portrait.find.placement import placed_by_clicks

    return placed_by_clicks(np.array([[105, 105], [195, 105]]), np.array([[110, 202], [190, 202]])).landmarks.tolist()


@pytest.fixture(scope="module")
def made(folder, tmp_path_factory):
    place = tmp_path_factory.mktemp("sheet") / "deep" / "sheet.png"
    options = sheet.arguments().parse_args([str(folder), "--consent", CONSENT, "-o", str(place), "--size", "96"])
    return place, sheet.made(options)


def test_every_picture_has_a_row_that_shows_it_or_says_why_not(made):
    rows = {row.name: row for row in made[1]}
    assert list(rows) == ["deeper/photo.jpg", "drawing.png", "green.png", "text.png"]
    assert {name: bool(row.refused) for name, row in rows.items()} == {
        "deeper/photo.jpg": False, "drawing.png": False, "green.png": True, "text.png": True,
    }  # fmt: skip
    assert "No face was found in 'green.png'" in rows["green.png"].refused
    assert "not a picture" in rows["text.png"].refused and not rows["text.png"].cells
    assert [len(rows[name].cells) for name in ("deeper/photo.jpg", "drawing.png", "green.png")] == [7, 7, 1]
    assert rows["deeper/photo.jpg"].words.startswith("Confidence 9")
    assert "landmarks from a file" in rows["drawing.png"].words and "without the network" in rows["drawing.png"].words


def test_the_face_moves_from_moment_to_moment(made):
    rows = {row.name: row for row in made[1]}
    for name in ("deeper/photo.jpg", "drawing.png"):
        cells = np.stack([np.asarray(cell, np.float64) for cell in rows[name].cells[1:]])
        assert cells.shape == (6, 96, 96, 3)
        apart = np.sort(np.ptp(cells, axis=0).max(axis=-1).ravel())
        assert apart[-90:].mean() > 60  # the hundredth of the pixels that changes most


def test_the_sheet_holds_the_rows_and_the_record(made):
    place, rows = made
    with Image.open(place) as opened:
        wide, high = opened.size
    assert wide == sheet.GAP * 4 + 7 * (96 + sheet.GAP)
    assert high == sheet.HEAD + len(rows) * (96 + sheet.CAPTION) + sheet.GAP
    packet = records.read(place)
    assert packet.facts.consent.kind == "nobody" and packet.facts.options["pictures"] == len(rows)


def test_it_fails_without_pictures_or_consent(tmp_path, folder, capsys):
    assert sheet.main([str(tmp_path), "--consent", CONSENT]) == 1
    assert "no pictures" in capsys.readouterr().err
    assert sheet.main([str(folder), "--consent", "yes"]) == 1
    assert "Say in a sentence" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        sheet.main([str(folder)])
    assert stop.value.code == 2

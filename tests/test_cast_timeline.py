"""Casts in OpenTimelineIO: where sounds lie, and whose they are."""

import json
from pathlib import Path

import pytest
from mouthpiece.cast.lines import Moment
from mouthpiece.cast.table import read_cast
from mouthpiece.errors import CastError


def time(value, rate=24.0):
    return {"OTIO_SCHEMA": "RationalTime.1", "value": value, "rate": rate}


def stretch(start, length, rate=24.0):
    return {"OTIO_SCHEMA": "TimeRange.1", "start_time": time(start, rate), "duration": time(length, rate)}


def media(url="a.wav", available=None):
    return {"OTIO_SCHEMA": "ExternalReference.1", "target_url": url, "available_range": available}


def clip(name="c", source=None, sound=None, **more):
    return {
        "OTIO_SCHEMA": "Clip.2",
        "name": name,
        "source_range": source,
        "media_references": {"DEFAULT_MEDIA": sound or media(available=stretch(0, 240))},
        "active_media_reference_key": "DEFAULT_MEDIA",
        **more,
    }


def gap(length, rate=24.0):
    return {"OTIO_SCHEMA": "Gap.1", "source_range": stretch(0, length, rate)}


def track(*children, name="Anna", kind="Audio", **more):
    return {"OTIO_SCHEMA": "Track.1", "name": name, "kind": kind, "children": list(children), **more}


def stack(*children, **more):
    return {"OTIO_SCHEMA": "Stack.1", "children": list(children), **more}


def timeline(*tracks):
    return {"OTIO_SCHEMA": "Timeline.1", "global_start_time": time(86_400), "tracks": stack(*tracks)}


@pytest.fixture
def cast(tmp_path):
    def read(value):
        (tmp_path / "film.otio").write_text(json.dumps(value))
        return read_cast(tmp_path / "film.otio")

    return read


def places(found):
    """Return character, start of the sound, and stretch of each line."""
    return [(line.character, line.start.seconds, line.begin, line.end) for line in found.lines]


def test_a_clip_is_a_line_of_its_track(cast, tmp_path):
    found = cast(timeline(track(gap(48), clip(source=stretch(24, 48)))))
    # the clip plays the sound from its second 1 on, at second 2: the sound's second 0 is at 1
    assert places(found) == [("Anna", 1.0, 1.0, 3.0)] and found.lines[0].audio == tmp_path / "a.wav"


def test_a_whole_sound_has_no_end(cast):
    assert places(cast(timeline(track(clip())))) == [("Anna", 0.0, 0.0, None)]


def test_rates_differ_and_media_begins_at_its_own_time(cast):
    sound = media(available=stretch(48_000 * 3600, 480_000, 48_000.0))
    found = cast(timeline(track(gap(100, 25.0), clip(source=stretch(24 * 3601, 48), sound=sound))))
    assert places(found) == [("Anna", 3.0, 1.0, 3.0)]


def test_transitions_take_no_time(cast):
    dissolve = {"OTIO_SCHEMA": "Transition.1", "in_offset": time(6), "out_offset": time(6)}
    found = cast(timeline(track(clip(source=stretch(0, 24)), dissolve, clip(source=stretch(48, 24)))))
    assert places(found) == [("Anna", 0.0, 0.0, 1.0), ("Anna", -1.0, 2.0, 3.0)]


def test_nested_stacks_are_trimmed(cast):
    inner = stack(track(gap(24), clip(source=stretch(0, 96)), name="Ben"), source_range=stretch(36, 24))
    found = cast(timeline(track(gap(48), inner, clip(source=stretch(0, 24)))))
    # of the stack the seconds 1.5 to 2.5 are shown at 2 to 3: the sound begins at 1.5 and is heard from its 0.5 to 1.5
    assert places(found) == [("Ben", 1.5, 0.5, 1.5), ("Anna", 3.0, 0.0, 1.0)]


def test_what_a_trimmed_stack_hides_is_left_out(cast):
    inner = stack(track(clip(source=stretch(0, 24)), clip(source=stretch(0, 24))), source_range=stretch(24, 24))
    found = cast(timeline(track(inner)))
    assert places(found) == [("Anna", 0.0, 0.0, 1.0)] and "1 clip left out" in found.remarks[0]


def test_metadata_say_whose_a_clip_is(cast):
    ours = {"metadata": {"mouthpiece": {"character": "Ben", "style": "calm", "lips": 1.5, "to": "Anna", "stile": 1}}}
    found = cast(timeline(track(clip(**ours), clip(), metadata={"mouthpiece": {"emotion": "sad"}})))
    first, second = found.lines
    assert (first.character, first.style, first.dials, first.emotion) == ("Ben", "calm", {"lips": 1.5}, "sad")
    assert (second.character, second.style, second.emotion) == ("Anna", "", "sad")
    assert "'stile'" in found.remarks[0] and "'style'" in found.remarks[0]


def test_tracks_that_are_no_speech_are_left_out(cast):
    music = track(clip(), name="Music", metadata={"mouthpiece": {"speech": False}})
    found = cast(timeline(track(clip(), enabled=False), track(clip(), name="Ben"), music, track(clip(), kind="Video")))
    assert found.characters == ("Ben",) and "no speech" in found.remarks[0]


def test_markers_split_a_clip(cast):
    def marker(name, start, length):
        said = {"mouthpiece": {"character": name}}
        return {"OTIO_SCHEMA": "Marker.2", "name": name, "marked_range": stretch(start, length), "metadata": said}

    plain = {"OTIO_SCHEMA": "Marker.2", "name": "note", "marked_range": stretch(0, 1)}
    found = cast(
        timeline(track(gap(24), clip(markers=[marker("Anna", 0, 24), marker("Ben", 24, 48), plain]), name="Talk"))
    )
    assert places(found) == [("Anna", 1.0, 0.0, 1.0), ("Ben", 1.0, 1.0, 3.0)]


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:///snd/a%20b.wav", "/snd/a b.wav"),
        ("file://localhost/snd/a.wav", "/snd/a.wav"),
        ("/snd/a b.wav", "/snd/a b.wav"),
        ("snd/a%20b.wav", "{}/snd/a b.wav"),
        ("file:snd/%C3%A4.wav", "{}/snd/ä.wav"),
        ("100%.wav", "{}/100%.wav"),
    ],
)
def test_where_sounds_are(cast, tmp_path, url, path):
    assert cast(timeline(track(clip(sound=media(url, stretch(0, 24)))))).lines[0].audio == Path(path.format(tmp_path))


def test_lines_come_in_order_of_time(cast):
    found = cast(timeline(track(gap(48), clip("late")), track(clip("early"), name="Ben")))
    assert [(line.row, line.character) for line in found.lines] == [(1, "Ben"), (2, "Anna")]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"OTIO_SCHEMA": "Timeline.1"}, "not an object"),
        (timeline(), "no track of sound"),
        (timeline(track(clip(), kind="Video")), "no track of sound"),
        (timeline(track(clip(effects=[{"OTIO_SCHEMA": "LinearTimeWarp.1", "time_scalar": 2}]))), "speed"),
        (timeline(track(clip(sound=media("https://x.y/a.wav", stretch(0, 24))))), "no file on this computer"),
        (timeline(track(clip(), name=" ")), "who speaks"),
        (timeline(track(clip(sound=media()))), "how long"),
        (timeline(track(clip(source=stretch(0, -24)))), "less than nothing"),
        (timeline(track(clip(source={"start_time": time(0, 0), "duration": time(1)}))), "'rate'"),
        (timeline(track(clip(sound=media(available=stretch(240, 240)), source=stretch(0, 24)))), "before its sound"),
        (timeline(track(clip(metadata={"mouthpiece": {"style": "grumpy"}}))), "no style 'grumpy'"),
        (timeline(track(clip(metadata={"mouthpiece": 3}))), "not an object"),
        (timeline(track(3)), "an item of it"),
        (timeline(track(clip(markers=3))), "markers"),
        (timeline(track(clip(effects=3))), "effects"),
    ],
)
def test_timelines_with_mistakes(cast, value, words):
    with pytest.raises(CastError, match=words):
        cast(value)


def test_a_clip_without_a_sound_is_told(cast):
    missing = {"OTIO_SCHEMA": "MissingReference.1", "available_range": stretch(0, 24)}
    found = cast(timeline(track(clip(sound=missing), clip())))
    assert places(found) == [("Anna", 1.0, 0.0, None)] and "no file of sound" in found.remarks[0]


def test_as_opentimelineio_reads_it(tmp_path):
    otio = pytest.importorskip("opentimelineio")
    value = timeline(
        track(gap(30), clip("a", stretch(12, 60)), gap(5, 30.0), clip("b")),
        track(
            gap(7, 25.0),
            stack(track(gap(10), clip("c", stretch(5, 100)), name="Cleo"), source_range=stretch(4, 50)),
            name="Ben",
        ),
    )
    (tmp_path / "film.otio").write_text(json.dumps(value))
    theirs = otio.adapters.read_from_file(str(tmp_path / "film.otio"))
    wanted = []
    for one in theirs.find_clips():
        heard = one.trimmed_range()
        shown = one.transformed_time_range(heard, theirs.tracks)
        # what a trimmed stack shows of it
        parent = one.parent().parent()
        if parent is not theirs.tracks:
            limits = parent.transformed_time_range(parent.trimmed_range(), theirs.tracks)
            shown_first = max(shown.start_time, limits.start_time)
            shown_last = min(shown.end_time_exclusive(), limits.end_time_exclusive())
        else:
            shown_first, shown_last = shown.start_time, shown.end_time_exclusive()
        zero = shown.start_time.to_seconds() - heard.start_time.to_seconds()
        wanted.append((zero, shown_first.to_seconds() - zero, shown_last.to_seconds() - zero))
    found = [
        (line.start.seconds, line.begin, 10.0 if line.end is None else line.end)
        for line in read_cast(tmp_path / "film.otio").lines
    ]
    assert len(found) == 3 and sorted(found) == [pytest.approx(one) for one in sorted(wanted)]
    assert all(line.start == Moment(line.start.seconds) for line in read_cast(tmp_path / "film.otio").lines)

"""Casts as timelines: OpenTimelineIO's JSON, of which the sounds, where they lie, and whose they are matter here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ..errors import CastError, UnreadableError
from ..files.json_text import number_in, quoted, row_of, rows_of, text_in
from ..files.places import is_there
from ..phrases import counted
from .columns import Faults, Row, column_of, path_of, unknown

SCHEMA: Final = "OTIO_SCHEMA"
#: Under which name clips, tracks and markers say whose they are in their metadata.
_OURS: Final = "mouthpiece"
#: Most clips, gaps and tracks in a file.
_MOST: Final = 100_000
_SAME: Final = 1e-6
_SCHEME: Final = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]+):(?!\\)(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Range:
    """A stretch, in seconds."""

    start: float
    length: float


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where a composition's second 0 lies on the timeline, the stretch of the timeline that is shown, and whose it is.

    ``said`` is what tracks around it say of their clips; ``is_sound`` is set within tracks of sound, ``name`` is the
    name of the innermost track.
    """

    zero: float = 0.0
    first: float = -1e12
    last: float = 1e12
    said: Mapping[str, Any] = field(default_factory=dict)
    is_sound: bool = False
    name: str = ""


def rows_in(value: Any, folder: Path, faults: Faults) -> tuple[list[Row], list[str]]:
    """Return a row for each clip of sound in a parsed timeline, in order of time, and remarks.

    Raises
    ------
    UnreadableError
        If it is no timeline.
    """
    reader = _Reader(folder, faults)
    found = row_of(value)
    kind = _kind(found)
    if kind == "SerializableCollection":
        for child in rows_of(found.get("children"), "'children'"):
            reader.read(child, _Spot())
    else:
        reader.read(found.get("tracks") if kind == "Timeline" else found, _Spot())
    if not reader.rows and not faults.told:
        raise UnreadableError("it has no track of sound with a clip in it")
    ordered = sorted(reader.rows, key=lambda row: (row[0], row[1].where))
    rows = [Row(number, row.where, row.values) for number, (_, row) in enumerate(ordered, 1)]
    left_out = [f"{counted(count, 'clip')} left out: {why}." for why, count in reader.left_out.items()]
    return rows, [*dict.fromkeys(reader.remarks), *left_out]


class _Reader:
    """Goes through a timeline and gathers its clips of sound."""

    def __init__(self, folder: Path, faults: Faults) -> None:
        self.rows: list[tuple[float, Row]] = []
        self.remarks: list[str] = []
        self.left_out: dict[str, int] = {}
        self._folder, self._faults, self._count = folder, faults, 0

    def read(self, item: Any, place: _Spot) -> None:
        """Read an item that begins at the second 0 of ``place``."""
        self._count += 1
        if self._count > _MOST:
            raise UnreadableError(f"it has more than {_MOST:,} clips, gaps and tracks")
        item = row_of(item, "an item of it")
        kind = _kind(item)
        if item.get("enabled") is False:
            if kind == "Clip" and place.is_sound:
                self._leave_out("they are disabled")
            return
        if kind == "Timeline":
            self.read(item.get("tracks"), place)
        elif kind == "Clip":
            self._clip(item, place)
        elif kind in ("Track", "Stack"):
            self._composition(item, kind, place)
        elif kind not in ("Gap", "Transition"):
            self.remarks.append(f"What is called {quoted(kind)} in it is not known and was not read.")

    def _composition(self, item: Mapping[str, Any], kind: str, place: _Spot) -> None:
        said = {**place.said, **self._said(item, f"track {quoted(item.get('name') or '')}")}
        is_sound, name = place.is_sound, place.name
        if kind == "Track":
            is_sound = str(item.get("kind", "")).lower() == "audio"
            name = str(item.get("name") or "")
        trimmed = _range(item.get("source_range"), "source_range")
        zero, first, last = place.zero, place.first, place.last
        if trimmed is not None:
            first, last = max(first, zero), min(last, zero + trimmed.length)
            zero -= trimmed.start
        at = zero
        for child in rows_of(item.get("children"), "'children'"):
            self.read(child, _Spot(at, first, last, said, is_sound, name))
            if kind == "Track":
                at += _length(child)

    def _clip(self, item: Mapping[str, Any], place: _Spot) -> None:
        own = self._said(item, f"clip {quoted(item.get('name') or '')}")
        said = {**place.said, **own}
        if not place.is_sound and not own.get("character"):
            return
        if said.get("speech") is False:
            return self._leave_out("they are said to be no speech")
        where = f"Clip {quoted(item.get('name') or '')} of track {quoted(place.name)}"
        with self._faults.at(where):
            media = _media(item)
            if media is None or _kind(media) != "ExternalReference":
                return self._leave_out("they have no file of sound")
            if any(_changes_speed(effect) for effect in rows_of(item.get("effects") or [], "'effects'")):
                raise CastError("its speed is changed. Render the sound at the speed it is to be heard at")
            available = _range(media.get("available_range"), "available_range")
            offset = available.start if available else 0.0
            source = _range(item.get("source_range"), "source_range") or available
            # the part of the clip that a trimmed track or stack shows
            first = max(place.zero, place.first)
            last = min(place.zero + source.length, place.last) if source else place.last
            if source and last - first < _SAME:
                return self._leave_out("they lie where nothing is shown")
            begin = (source.start - offset if source else 0.0) + first - place.zero
            if begin < -_SAME:
                raise CastError("it begins before its sound does. Trim it")
            begin = max(begin, 0.0)
            end = begin + last - first if source else None
            if available and end is not None and abs(end - available.length) < _SAME:
                end = None
            values = {"character": place.name, "audio": self._path(media), **said, "begin": begin, "end": end}
            values.pop("speech", None)
            start = place.zero - (source.start - offset if source else 0.0)
            if not str(values["character"]).strip():
                raise CastError("neither it nor its track says who speaks. Name the track after the character")
            for turn in self._turns(item, values, offset):
                self.rows.append((first, Row(0, where, {**turn, "_start": start})))

    def _turns(self, item: Mapping[str, Any], values: dict[str, Any], offset: float) -> Iterator[dict[str, Any]]:
        """Yield a clip's values, or, if its markers say who speaks, those of each such stretch of it."""
        markers = [row_of(marker, "a marker") for marker in rows_of(item.get("markers") or [], "'markers'")]
        named = [(marker, said) for marker in markers if (said := self._said(marker, "marker")).get("character")]
        if not named:
            yield values
        for marker, said in named:
            stretch = _range(marker.get("marked_range"), "marked_range")
            if stretch is None or stretch.length <= 0:
                raise CastError(f"its marker {quoted(marker.get('name') or '')} marks no stretch of it")
            yield {
                **values,
                **said,
                "begin": max(stretch.start - offset, 0.0),
                "end": stretch.start - offset + stretch.length,
            }

    def _said(self, item: Mapping[str, Any], what: str) -> dict[str, Any]:
        """Return what an item's metadata say of its line, by column."""
        metadata = item.get("metadata")
        ours = metadata.get(_OURS) if isinstance(metadata, dict) else None
        if ours is None:
            return {}
        found: dict[str, Any] = {}
        for name, value in row_of(ours, f"what the metadata of {what} say under '{_OURS}'").items():
            column = "speech" if name == "speech" else column_of(name)
            if not column:
                self.remarks.append(unknown(name))
            found[column] = value
        for column in ("", "start", "frame", "begin", "end", "audio"):  # the timeline says these
            found.pop(column, None)
        return found

    def _path(self, media: Mapping[str, Any]) -> str:
        url = text_in(media, "target_url")
        scheme = _SCHEME.fullmatch(url)
        if scheme and len(scheme[1]) > 1 and scheme[1].lower() != "file":
            raise CastError(
                f"its sound is {quoted(url)}, which is no file on this computer. Copy it here, and relink it"
            )
        if not scheme or scheme[1].lower() != "file":
            plain = path_of(url, self._folder)
            return url if is_there(plain) or "%" not in url else _unquoted(url)
        path = _unquoted(scheme[2])
        if path.startswith("//"):
            host, _, rest = path[2:].partition("/")
            path = f"/{rest}" if host.lower() in ("", "localhost") else path
        return path[1:] if re.match(r"/[a-zA-Z]:", path) else path

    def _leave_out(self, why: str) -> None:
        self.left_out[why] = self.left_out.get(why, 0) + 1


def _unquoted(text: str) -> str:
    """Return the text of a URL with its escapes (``%20``) as characters."""
    data = re.sub(rb"%([0-9a-fA-F]{2})", lambda match: bytes([int(match[1], 16)]), text.encode("utf-8"))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return text


def _kind(item: Mapping[str, Any]) -> str:
    """Return what an item is, without the version of its schema."""
    schema = item.get(SCHEMA)
    return schema.partition(".")[0] if isinstance(schema, str) else ""


def _changes_speed(effect: Any) -> bool:
    if not isinstance(effect, dict) or effect.get("enabled") is False:
        return False
    return _kind(effect) in ("FreezeFrame", "TimeEffect") or (
        _kind(effect) == "LinearTimeWarp" and effect.get("time_scalar") != 1
    )


def _media(item: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return a clip's media reference: the active one of several."""
    if item.get("media_reference") is not None:
        return row_of(item["media_reference"], "'media_reference'")
    several = item.get("media_references")
    if several is None:
        return None
    found = row_of(several, "'media_references'").get(str(item.get("active_media_reference_key", "DEFAULT_MEDIA")))
    return None if found is None else row_of(found, "a media reference")


def _range(value: Any, name: str) -> _Range | None:
    """Return a time range in seconds, or None if there is none."""
    if value is None:
        return None
    row = row_of(value, f"'{name}'")
    start, length = (_seconds(row.get(key), key) for key in ("start_time", "duration"))
    if length < 0:
        raise UnreadableError(f"'{name}' lasts less than nothing")
    return _Range(start, length)


def _seconds(value: Any, name: str) -> float:
    row = row_of(value, f"'{name}'")
    return number_in(row, "value", -1e12, 1e12) / number_in(row, "rate", 1e-3, 1e9)


def _length(item: Any) -> float:
    """Return the seconds that an item takes up in its track."""
    item = row_of(item, "an item of it")
    kind = _kind(item)
    if kind == "Transition":
        return 0.0
    own = _range(item.get("source_range"), "source_range")
    if own is not None:
        return own.length
    if kind == "Clip":
        media = _media(item)
        available = None if media is None else _range(media.get("available_range"), "available_range")
        if available is None:
            raise CastError(f"the clip {quoted(item.get('name') or '')} does not say how long it is. Export it again")
        return available.length
    if kind in ("Track", "Stack"):
        lengths = [_length(child) for child in rows_of(item.get("children"), "'children'")]
        return sum(lengths) if kind == "Track" else max(lengths, default=0.0)
    return 0.0

"""Takes of a cast in a folder: what they are called, what they were made of, and how one is found again.

A take of a batch notes under :data:`NOTED` in its options what it was made of, so that a file is known by what is in
it, whatever it is called. Reading that opens no array.
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from ..errors import AudioError, UnreadableError
from ..files.arrays import opened_arrays
from ..files.json_text import number_in, parsed_json, row_of, text_in
from ..files.places import names_in
from ..sounds.mixdown import AUTOMATIC

#: Under which name of a take's options a batch notes what it was made of.
NOTED: Final = "cast"
ENDING: Final = ".npz"
#: Whole numbers in a take's options lie below this, as in takes.
_WIDEST: Final = 10**40
#: Bytes read at a time.
_BLOCK: Final = 1 << 20
#: Longest name of a file without its ending, in bytes: file systems take 255, and drafts and copies add to it.
_LONGEST: Final = 120
#: Names that Windows keeps for devices, whatever their ending.
_DEVICES: Final = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
_UNFIT: Final = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides what is in a take.

    Attributes
    ----------
    content : str
        SHA-256 of the file of sound.
    channel : str
        What of it is heard, as it was asked for.
    style : str
        What :func:`style_key` says of the style.
    seed : int
        Seed.
    fps : float
        Frames per second.
    networks : mapping of str to str
        SHA-256 of each network by name.
    dials : mapping
        Amounts that are not at default, by name, as the cast has them.
    text : str
        A hash of what the cast says is spoken in the sound, and its language; empty if it does not tell.
    """

    content: str
    channel: str
    style: str
    seed: int
    fps: float
    networks: Mapping[str, str]
    dials: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""

    @property
    def heard(self) -> str:
        """A text that is equal for takes whose motion is inferred alike, whatever their dials."""
        return json.dumps(
            [self.content, self.channel, self.style, self.seed, self.fps, dict(self.networks)], sort_keys=True
        )

    @property
    def key(self) -> str:
        """A text that is equal for equal takes."""
        return json.dumps([self.heard, dict(self.dials), self.text], sort_keys=True)


@dataclass(frozen=True, slots=True)
class KnownTake:
    """A take in a folder that a batch made: where it is, of what, for which line, its length and dials as they are."""

    path: Path
    recipe: Recipe
    label: str
    seconds: float
    dials: Mapping[str, Any]

    @property
    def adjusted(self) -> dict[str, Any]:
        """The amounts that were changed since, by name: None for those that were put back to default."""
        names = {*self.dials, *self.recipe.dials}
        return {
            name: self.dials.get(name) for name in sorted(names) if self.dials.get(name) != self.recipe.dials.get(name)
        }


class TakeFolder:
    """The takes that batches made in a folder; it is looked at once, when it is first asked."""

    def __init__(self, path: Path) -> None:
        """Take the folder, which need not be there."""
        self.path = path
        self._takes: list[KnownTake] | None = None

    @property
    def takes(self) -> list[KnownTake]:
        """All of them, by name."""
        if self._takes is None:
            names = sorted(name for name in names_in(self.path) if name.lower().endswith(ENDING) and name[0] != ".")
            found = (known_take(self.path / name) for name in names)
            self._takes = [take for take in found if take is not None]
        return self._takes

    def find(
        self,
        content: str,
        channel: str = AUTOMATIC,
        style: str = "",
        seed: int | None = None,
        networks: Mapping[str, str] | None = None,
    ) -> Path | None:
        """Return the take of a sound, or None.

        Parameters
        ----------
        content : str
            SHA-256 of the sound's file.
        channel : str
            What of it is to be heard, as :func:`mouthpiece.sounds.mixdown.choice` returns it.
        style : str
            Name of the style, or path of a ``style.json``; empty for the speaker's own.
        seed : int or None
            Seed; None for any.
        networks : mapping or None
            SHA-256 of each network by name, as :meth:`mouthpiece.pipeline.Networks.hashes` gives them; None for any.

        Raises
        ------
        MouthpieceError
            If the style is a file that cannot be read.
        """
        wanted = style_key(style)
        for take in self.takes:
            recipe = take.recipe
            same = (recipe.content, recipe.channel, recipe.style) == (content, channel or AUTOMATIC, wanted)
            if same and seed in (None, recipe.seed) and networks in (None, recipe.networks):
                return take.path
        return None

    def by_key(self) -> dict[str, KnownTake]:
        """Return the takes by the key of their recipe; of equal ones the first by name."""
        return {take.recipe.key: take for take in reversed(self.takes)}


def known_take(path: Path) -> KnownTake | None:
    """Return what a take says of how a batch made it; None for any other file."""
    try:
        with opened_arrays(path) as stored:
            meta = row_of(parsed_json(stored.text("meta"), whole=_WIDEST))
        options = row_of(meta.get("options"), "'options'")
        noted = row_of(options.get(NOTED), NOTED)
        networks, seed = row_of(meta.get("models"), "'models'"), options.get("seed")
        if not isinstance(seed, int):
            return None
        recipe = Recipe(
            text_in(noted, "content"),
            text_in(noted, "channel"),
            text_in(noted, "style"),
            seed,
            number_in(meta, "fps"),
            {name: text_in(networks, name) for name in networks},
            dict(row_of(noted.get("dials"), "'dials'")),
            text_in(noted, "text") if "text" in noted else "",
        )
        dials = dict(row_of(meta.get("dials"), "'dials'"))
        return KnownTake(path, recipe, text_in(noted, "label"), number_in(noted, "seconds", 0.0), dials)
    except UnreadableError:
        return None


def noted(recipe: Recipe, label: str, seconds: float) -> dict[str, Any]:
    """Return what a take notes under :data:`NOTED`; seed, rate and networks it holds anyway."""
    return {
        "content": recipe.content,
        "channel": recipe.channel,
        "style": recipe.style,
        "dials": dict(recipe.dials),
        "label": label,
        "seconds": round(seconds, 3),
        **({"text": recipe.text} if recipe.text else {}),
    }


def content_of(path: Path) -> str:
    """Return the SHA-256 of a sound's file.

    Raises
    ------
    AudioError
        If it cannot be read, or is a device or a pipe, which may never end.
    """
    digest = hashlib.sha256()
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise AudioError(f"'{path}' is no ordinary file. Choose a file of sound.")
        with open(path, "rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise AudioError(f"'{path}' cannot be read: {error.strerror or error}. Check the path.") from error
    return digest.hexdigest()


def style_key(style: str) -> str:
    """Return what tells styles apart: a name as it is, and a file by the numbers in it.

    Raises
    ------
    MouthpieceError
        If it is a file that cannot be read.
    """
    if not style.lower().endswith(".json"):
        return style or "speaker"
    return _key_of_file(style, Path(style).stat().st_mtime_ns if Path(style).is_file() else 0)


def text_key(text: object, language: str) -> str:
    """Return a hash of what is spoken, and its language; empty if ``text`` is."""
    return hashlib.sha256(repr((text, language)).encode()).hexdigest()[:16] if text else ""


@lru_cache(maxsize=64)
def _key_of_file(style: str, _changed: int) -> str:
    from ..styles import read

    return hashlib.sha256(json.dumps(asdict(read(Path(style))), sort_keys=True).encode()).hexdigest()


def file_names(labels: Iterable[str]) -> list[str]:
    """Return the names of takes, with their ending, in order: as :func:`file_name` gives them, all different."""
    taken: set[str] = set()
    last: dict[str, int] = {}  # numbers up to this one are taken
    names = []
    for label in labels:
        alike = folded(file_name(label))
        name, last[alike] = _numbered(label, taken, last.get(alike, 1))
        taken.add(folded(name))
        names.append(name)
    return names


def file_name(label: str, taken: Collection[str] = ()) -> str:
    """Return the name of a line's take, with its ending: as its label, and fit for every file system.

    ``taken`` are names, :func:`folded`, that others have; the result is another.
    """
    return _numbered(label, taken)[0]


def _numbered(label: str, taken: Collection[str], first: int = 1) -> tuple[str, int]:
    """Return a name that is not ``taken``, and its number, ``first`` or more; 1 stands for the name without one."""
    plain = _UNFIT.sub("_", unicodedata.normalize("NFC", label)).strip(" .") or "line"
    plain = "".join("_" if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") else sign for sign in plain)
    if _DEVICES.fullmatch(plain):
        plain = f"_{plain}"
    number = first
    while True:
        ending = ENDING if number == 1 else f"_{number}{ENDING}"
        room = _LONGEST - len(ending.encode())
        name = f"{plain.encode()[:room].decode(errors='ignore').rstrip(' .')}{ending}"
        if folded(name) not in taken:
            return name, number
        number += 1


def folded(name: str) -> str:
    """Return a name as file systems compare it that make no difference of case or of how accents are written."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())

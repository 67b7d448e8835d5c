"""Checks folders of frames: every frame by itself, and whether all frames of one film are there, in order.

Files are read one after the other, and of each only a few numbers are kept: a folder may hold many thousands. Whatever
a record says of numbers, the work is bounded by the number of files.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..errors import MouthpieceError, PictureError
from ..files.places import in_words
from ..phrases import counted, listed
from . import png
from .facts import Facts
from .sequences import differences
from .verification import Verified, verified

#: Names that a sentence gives as examples.
_EXAMPLES: Final = 3
#: Different films, signers and problems of single frames that are told apart; all others are counted together.
_KINDS: Final = 8
_PROBLEMS: Final = 20


@dataclass(frozen=True, slots=True)
class PictureFolder:
    """PNG files of a folder that are checked together.

    Attributes
    ----------
    groups : tuple of (str, tuple of Path)
        A name with ``#`` in place of the number, and the files of that name in order of their numbers; a file without
        a number is a group of its own.
    others : tuple of str
        Names of what else is in the folder and is not looked at.
    """

    groups: tuple[tuple[str, tuple[Path, ...]], ...]
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VerifiedSequence:
    """Results of checking the files of one name in a folder.

    Attributes
    ----------
    name : str
        Their name, with ``#`` in place of the number.
    count : int
        Number of files.
    is_film : bool
        Whether there are frames of a film among them; others are pictures that are checked one by one.
    span : (int, int)
        Lowest and highest number of a frame, from 1 as people count; (0, 0) if none is known.
    total : int
        Number of frames that the film has by its records; 0 if they do not say.
    signers : tuple of (str, str, int)
        Names of signers, SHA-256 of their certificates, and how many files each has signed.
    not_valid : tuple of str
        Names of files that are not in order by themselves.
    is_signed : bool
        Whether all files are signed and unchanged by themselves, leave unsigned ones be accepted or not.
    problems : tuple of str
        Sentences about what is wrong with the sequence, then with its files.
    example : Verified
        The first file that is not in order by itself, else the first.
    """

    name: str
    count: int
    is_film: bool
    span: tuple[int, int]
    total: int
    signers: tuple[tuple[str, str, int], ...]
    not_valid: tuple[str, ...]
    is_signed: bool
    problems: tuple[str, ...]
    example: Verified

    @property
    def ok(self) -> bool:
        """Whether every file is in order, and all of them together are."""
        return not self.problems and not self.not_valid

    @property
    def extent(self) -> str:
        """Which frames there are, such as "frames 1 to 178 of 178"; how many pictures where there are no frames."""
        if not self.is_film:
            return counted(self.count, "picture")
        first, last = self.span
        which = f"frame {first}" if first == last else f"frames {first} to {last}"
        return f"{which} of {self.total}" if self.total else which

    def as_dict(self) -> dict[str, Any]:
        """Return the results as JSON values."""
        return {
            "name": self.name,
            "ok": self.ok,
            "frames": self.count,
            "first": self.span[0],
            "last": self.span[1],
            "of": self.total,
            "signers": [
                {"name": name, "certificate_sha256": sha, "frames": count} for name, sha, count in self.signers
            ],
            "not_valid": list(self.not_valid),
            "problems": list(self.problems),
        }


def pictures_of(folder: Path) -> PictureFolder:
    """Return the PNG files of a folder by their names; hidden files are left out.

    Raises
    ------
    PictureError
        If there are none, or the folder cannot be read.
    """
    try:
        names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise PictureError(f"The folder '{folder}' cannot be read: {error.strerror}. Check the path.") from error
    pictures = [name for name in names if name.lower().endswith(".png")]
    if not pictures:
        raise PictureError(f"There are no PNG pictures in the folder '{folder}'.")
    # which number of a name counts the frames is seen by what changes from file to file
    cuts = {name: _cuts(name) for name in pictures}
    members = Counter((before, after) for found in cuts.values() for before, _, after in found)
    groups: dict[str, list[tuple[int, str]]] = {}
    for name, found in cuts.items():
        if not found:
            groups[name] = [(0, name)]
            continue
        before, number, after = max(found, key=lambda cut: members[cut[0], cut[2]])
        groups.setdefault(f"{before}####{after}", []).append((number, name))
    rows = tuple((name, tuple(folder / file for _, file in sorted(files))) for name, files in groups.items())
    return PictureFolder(rows, tuple(sorted(set(names) - set(pictures))))


def verified_sequence(
    name: str, paths: Sequence[Path], anchors: str = "", accepts_unsigned: bool = False
) -> Generator[int, None, VerifiedSequence]:
    """Check files that belong together; yield how many are read, and return the results.

    Parameters
    ----------
    name
        Their name, with ``#`` in place of the number.
    paths
        The files, in order of their numbers; at least one.
    anchors
        Certificates (PEM) of trusted authorities.
    accepts_unsigned
        Whether files that were left unsigned on purpose, and fit their record, are in order.
    """
    check = _SequenceCheck(name, accepts_unsigned)
    for count, path in enumerate(paths, 1):
        try:
            with in_words(path):
                found = verified(path, anchors)
        except MouthpieceError as error:
            found = Verified(path, problems=(str(error),))
        check.add(found)
        yield count
    return check.result()


@dataclass(slots=True)
class _FilmKind:
    """Frames that belong to one film and have one signer: their first record, their signer and their names."""

    facts: Facts
    signer: str
    certificate: str
    names: list[str]


class _SequenceCheck:
    """Gathers what is found in the files of a sequence, one after the other."""

    def __init__(self, name: str, accepts_unsigned: bool) -> None:
        self._name, self._accepts_unsigned = name, accepts_unsigned
        self._kinds: list[_FilmKind] = []
        self._more_kinds = 0
        self._without: list[str] = []
        #: Number in the name, number of the frame, name.
        self._frames: list[tuple[int, int, str]] = []
        self._problems: Counter[str] = Counter()
        self._signers: Counter[tuple[str, str]] = Counter()
        self._not_valid: list[str] = []
        self._unsigned = 0
        self._count = 0
        self._example: Verified | None = None

    def add(self, found: Verified) -> None:
        """Take a file into account."""
        self._count += 1
        in_order = found.valid or (self._accepts_unsigned and found.unsigned_but_whole)
        if self._example is None or not (in_order or self._not_valid):
            self._example = found
        if not in_order:
            self._not_valid.append(found.path.name)
        self._unsigned += not found.valid
        for problem in found.problems:
            self._note(problem)
        if found.signer or found.certificate:
            self._signers[found.signer, found.certificate] += 1
        facts = found.facts
        if facts is None or facts.frame is None:
            self._without.append(found.path.name)
            return
        self._frames.append((_number(found.path.name, self._name), facts.frame, found.path.name))
        self._add_kind(found, facts)
        wrong = _wrong_size(found.path, facts)
        if wrong:
            self._note(wrong)
            self._not_valid += [found.path.name] if in_order else []

    def result(self) -> VerifiedSequence:
        """Return what was found."""
        assert self._example is not None
        single = [f"{problem} ({counted(count, 'frame')})" for problem, count in self._problems.items()]
        signers = tuple((*signer, count) for signer, count in self._signers.most_common(_KINDS))
        common = (tuple(self._not_valid), self._unsigned == 0)
        if not self._frames:
            return VerifiedSequence(
                self._name, self._count, False, (0, 0), 0, signers, *common, tuple(single), self._example
            )
        numbers = sorted({frame for _, frame, _ in self._frames})
        main = max(self._kinds, key=lambda kind: len(kind.names))
        said = main.facts.options.get("frames")
        total = said if isinstance(said, int) and not isinstance(said, bool) and said > 0 else 0
        whole = [*self._of_numbers(numbers, total), *self._of_kinds(main), *self._of_strays()]
        span = (numbers[0] + 1, numbers[-1] + 1)
        return VerifiedSequence(
            self._name, self._count, True, span, total, signers, *common, (*whole, *single), self._example
        )

    def _note(self, problem: str) -> None:
        known = problem in self._problems or len(self._problems) < _PROBLEMS
        self._problems[problem if known else "There are other problems."] += 1

    def _add_kind(self, found: Verified, facts: Facts) -> None:
        """Count a frame among those of the same film and signer."""
        for kind in self._kinds:
            same = (kind.signer, kind.certificate) == (found.signer, found.certificate)
            if same and not differences(facts, kind.facts):
                kind.names.append(found.path.name)
                return
        if len(self._kinds) < _KINDS:
            self._kinds.append(_FilmKind(facts, found.signer, found.certificate, [found.path.name]))
        else:
            self._more_kinds += 1

    def _of_numbers(self, numbers: Sequence[int], total: int) -> list[str]:
        """Return what is wrong with the numbers of frames, which are sorted and each there once."""
        problems = []
        begin = Counter(number - frame for number, frame, _ in self._frames).most_common(1)[0][0]
        wrong = [(name, frame) for number, frame, name in self._frames if number - frame != begin]
        if wrong:
            some = listed([f"{name} is frame {frame + 1}" for name, frame in wrong], _EXAMPLES)
            problems.append(f"The order is not that of the film: {some}.")
        seen: dict[int, str] = {}
        twice = [name for _, frame, name in self._frames if seen.setdefault(frame, name) != name]
        if twice:
            problems.append(f"Frames are there more than once: {listed(twice, _EXAMPLES)}.")
        missing, count = _gaps(numbers, total)
        if missing:
            lack = f"{counted(count, 'frame')} of the sequence {'is' if count == 1 else 'are'} missing"
            problems.append(f"{lack} (counted from 1: {listed(missing, _EXAMPLES)}).")
        if total and numbers[-1] >= total:
            problems.append(f"There are frames up to number {numbers[-1] + 1}, but the film has {total}.")
        return problems

    def _of_kinds(self, main: _FilmKind) -> list[str]:
        """Return how frames differ from most of the others."""
        problems = []
        for kind in self._kinds:
            if kind is main:
                continue
            names, found = listed(kind.names, _EXAMPLES), differences(kind.facts, main.facts)
            if found:
                problems.append(f"Of another film, or made otherwise ({', '.join(found)}): {names}.")
            if (kind.signer, kind.certificate) != (main.signer, main.certificate):
                problems.append(f"Signed by {_signer(kind)}, while most are signed by {_signer(main)}: {names}.")
        if self._more_kinds:
            problems.append(f"Of still other films or signers: {counted(self._more_kinds, 'frame')}.")
        return problems

    def _of_strays(self) -> list[str]:
        if not self._without:
            return []
        return [f"Numbered as frames, but without the record of one: {listed(self._without, _EXAMPLES)}."]


def _cuts(name: str) -> list[tuple[str, int, str]]:
    """Return the ways to read a number in a name: what is before it, the number, what is behind it; the last first."""
    stem = len(name) - len(".png")
    found = re.finditer("[0-9]+", name[:stem])
    return [(name[: run.start()], int(run[0]), name[run.end() :]) for run in found][::-1]


def _number(name: str, pattern: str) -> int:
    """Return the number in a name that fits a pattern; 0 if there is none."""
    before, sign, after = pattern.partition("####")
    return int(name[len(before) : len(name) - len(after)]) if sign else 0


def _wrong_size(path: Path, facts: Facts) -> str:
    """Return what is wrong with the size of a frame; empty if it is as recorded, or not recorded."""
    said = facts.options.get("size")
    try:
        wide, high = png.size_of(path)
    except PictureError:
        return ""  # which is told already
    if not isinstance(said, str) or said == f"{wide} x {high}":
        return ""
    return f"The picture has {wide} x {high} pixels, its record says {said[:40]}."


def _gaps(numbers: Sequence[int], total: int) -> tuple[list[str], int]:
    """Return the runs of numbers that lack below ``total``, or below the last, as people count, and how many lack."""
    runs, count, expected = [], 0, 0
    end = total or numbers[-1] + 1
    for number in [*(number for number in numbers if number < end), end]:
        lacking = number - expected
        if lacking > 0:
            runs.append(str(number) if lacking == 1 else f"{expected + 1} to {number}")
            count += lacking
        expected = number + 1
    return runs, count


def _signer(kind: _FilmKind) -> str:
    if not kind.signer and not kind.certificate:
        return "nobody"
    return f"'{kind.signer}' (certificate {kind.certificate[:12] or 'unknown'})"

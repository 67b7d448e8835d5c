"""The command ``verify``: what pictures and films say they are, who vouches for it, and whether they were changed."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MouthpieceError, PictureError
from ..phrases import counted
from ..places import in_words, is_folder
from .report import DONE, FAILED, reporter

if TYPE_CHECKING:
    from ..provenance.verification import Verified
    from .report import Reporter

_EPILOG = """\
A valid signature says that the file is as it was when it was signed, not that whoever signed tells the truth. A
self-signed certificate names nobody. Credentials can be taken out of a file: that there are none proves nothing.

exit codes: 0 everything is signed and unchanged, 1 something is not, 2 bad arguments
"""


def add_verify_command(commands: Any) -> argparse.ArgumentParser:
    """Add ``verify`` to ``parser.add_subparsers()`` and return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "verify",
        help="read the credentials of pictures and films back",
        description="Read what PNG pictures, MP4 films and folders of PNG frames say they are, and check it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="PNG, MP4, or a folder of PNG frames")
    parser.add_argument(
        "--trust",
        type=Path,
        metavar="PEM",
        help="certificates of authorities whose signers are trusted (default: none)",
    )
    parser.add_argument(
        "--allow-unsigned",
        action="store_true",
        help="accept files that were left unsigned on purpose and fit their record",
    )
    parser.set_defaults(command=run_verify)
    return parser


def run_verify(options: argparse.Namespace) -> int:
    """Check every file and say what was found. Return 0 if all hold, else 1."""
    teller = reporter(options)
    results: list[dict[str, Any]] = []
    texts: list[str] = []
    try:
        anchors = _anchors(options.trust)
    except MouthpieceError as error:
        teller.error(str(options.trust), str(error))
        return FAILED
    for path in options.files:
        try:
            with in_words(path):
                result, text = _looked_at(path, anchors, options.allow_unsigned, teller)
        except MouthpieceError as error:
            teller.error(str(path), str(error))
            result, text = {"file": str(path), "ok": False, "problems": [str(error)]}, ""
        results.append(result)
        texts += [text] if text else []
    ok = all(result["ok"] for result in results)
    teller.result({"ok": ok, "results": results}, "\n\n".join(texts))
    return DONE if ok else FAILED


def _anchors(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        raise PictureError(f"The certificates '{path}' cannot be read ({error}). They must be PEM.") from error
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise PictureError(f"'{path}' holds no certificate. It must be PEM: -----BEGIN CERTIFICATE-----.")
    return text


def _looked_at(path: Path, anchors: str, unsigned: bool, teller: Reporter) -> tuple[dict[str, Any], str]:
    """Return what was found in a file or folder, for programs and in words."""
    from ..provenance.verification import verified

    if is_folder(path):
        return _sequence(path, anchors, unsigned, teller)
    found = verified(path, anchors)
    ok = _fine(found, unsigned)
    return found.as_dict() | {"ok": ok}, described(found, ok)


def _fine(found: Verified, unsigned: bool) -> bool:
    return found.valid or (unsigned and found.unsigned_but_whole)


def _sequence(folder: Path, anchors: str, unsigned: bool, teller: Reporter) -> tuple[dict[str, Any], str]:
    from ..provenance.verification import frames_of, sequence_problems, verified

    paths = frames_of(folder)
    frames: list[Verified] = []
    unread: list[MouthpieceError] = []
    for index, path in enumerate(paths):
        teller.progress(str(folder), index / len(paths), "Reading credentials")
        try:
            with in_words(path):
                frames.append(verified(path, anchors))
        except MouthpieceError as error:
            unread.append(error)
    if not frames:
        raise unread[0]
    problems = [*sequence_problems(frames), *map(str, unread)]
    bad = [frame for frame in frames if not _fine(frame, unsigned)]
    ok = not bad and not problems
    first = bad[0] if bad else frames[0]
    result = first.as_dict() | {
        "file": str(folder),
        "ok": ok,
        "valid": not problems and all(frame.valid for frame in frames),
        "frames": len(paths),
        "not_valid": [frame.path.name for frame in bad],
        "problems": [*problems, *_counted(frames)],
    }
    lines = [f"{folder}: {counted(len(paths), 'frame')}, {len(frames) - len(bad)} of them in order"]
    lines += [f"  {problem}" for problem in problems]
    lines += (
        [f"  not in order: {', '.join(frame.path.name for frame in bad[:5])}{', …' if len(bad) > 5 else ''}"]
        if bad
        else []
    )
    return result, "\n".join([*lines, described(first, _fine(first, unsigned))])


def _counted(frames: Sequence[Verified]) -> list[str]:
    """Return each problem of single frames once, with how often it is there."""
    counts = Counter(problem for frame in frames for problem in frame.problems)
    return [f"{problem} ({counted(count, 'frame')})" for problem, count in counts.items()]


def described(found: Verified, ok: bool) -> str:
    """Return what was found in words, several lines."""
    lines = [_one_line(f"{found.path}: {'in order' if ok else 'NOT in order'}")]
    kind = found.source_type or "it does not say"
    rows = [
        ("what it is", f"synthetic ({kind})" if found.synthetic else kind),
        ("made by", found.made_by or "it does not say"),
    ]
    facts = found.facts
    if facts is not None:
        networks = ", ".join(f"{name} {digest[:12]}" for name, digest in facts.networks.items()) or "none named"
        rows += [
            ("made", facts.created),
            ("consent", str(facts.consent)),
            ("picture", facts.picture_sha256[:16] or "not recorded"),
            ("sound", facts.sound_sha256[:16] or "not recorded"),
            ("networks", networks),
            ("options", _options(facts.options) or "none recorded"),
            ("visible mark", "yes" if facts.marked else "no"),
        ]
        rows += [("frame", str(facts.frame))] if facts.frame is not None else []
    rows.append(("signature", _signature(found)))
    rows += [("problem", problem) for problem in found.problems]
    return "\n".join([*lines, *(f"  {name:<13}{_one_line(text)}" for name, text in rows)])


def _one_line(text: str) -> str:
    """Return what a file says without anything that could make it look like more lines of ours, or move the cursor."""
    return "".join(sign for sign in " ".join(text.split()) if sign.isprintable())


def _options(options: Mapping[str, Any]) -> str:
    """Return options in words: hashes and sketches cut short, options of options behind their names."""
    from ..provenance.sketches import SKETCH

    words = []
    for name, value in options.items():
        if isinstance(value, Mapping):
            words += [f"{name}: {_options(value)}"] if value else []
        else:
            is_long = name.endswith("sha256") or name == SKETCH
            words.append(f"{name} {str(value)[:12] if is_long else value}")
    return ", ".join(words)


def _signature(found: Verified) -> str:
    from ..provenance.verification import NONE, UNREAD

    if found.signature == UNREAD:
        return UNREAD
    if found.signature == NONE:
        return "left out on purpose" if found.unsigned_but_whole else NONE
    if found.self_signed:
        return f"{found.signature}; self-signed: {found.signer}. It says nothing about who made this"
    known = "trusted" if found.trusted else "not among the authorities given as trusted (--trust)"
    return f"{found.signature}; by {found.signer or 'somebody without a name'}, {known}"

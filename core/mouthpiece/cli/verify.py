"""The command ``verify``: what pictures and films say they are, who vouches for it, and whether they were changed."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import MouthpieceError
from ..files.places import in_words, is_folder
from ..phrases import counted, listed
from .paths import named_path
from .report import DONE, FAILED, reporter, shown

if TYPE_CHECKING:
    from ..provenance.sequence_checks import VerifiedSequence
    from ..provenance.verification import Verified
    from .report import Reporter

#: Most sequences of a folder that are described in words.
_TOLD: Final = 20
_EPILOG: Final = """\
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
    parser.add_argument("files", nargs="+", type=named_path, metavar="FILE", help="PNG, MP4, or a folder of PNG frames")
    parser.add_argument(
        "--trust",
        type=named_path,
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
    from ..provenance.certificates import read_authorities

    return "" if path is None else read_authorities(path)


def _looked_at(path: Path, anchors: str, unsigned: bool, teller: Reporter) -> tuple[dict[str, Any], str]:
    """Return what was found in a file or folder, for programs and in words."""
    from ..provenance.verification import verified

    if is_folder(path):
        return _folder(path, anchors, unsigned, teller)
    found = verified(path, anchors)
    ok = _fine(found, unsigned)
    return found.as_dict() | {"ok": ok}, described(found, ok)


def _fine(found: Verified, unsigned: bool) -> bool:
    return found.valid or (unsigned and found.unsigned_but_whole)


def _folder(folder: Path, anchors: str, unsigned: bool, teller: Reporter) -> tuple[dict[str, Any], str]:
    """Return what was found in a folder: of several sequences, each by itself."""
    from ..provenance.sequence_checks import pictures_of, verified_sequence

    found = pictures_of(folder)
    total, before = sum(len(paths) for _, paths in found.groups), 0
    sequences: list[VerifiedSequence] = []
    for name, paths in found.groups:
        steps = verified_sequence(name, paths, anchors, unsigned)
        while True:
            try:
                teller.progress(str(folder), (before + next(steps)) / total, "Reading credentials")
            except StopIteration as end:
                sequences.append(end.value)
                break
        before += len(paths)
    first = next((one for one in sequences if not one.ok), sequences[0])
    several = len(sequences) > 1
    result = first.example.as_dict() | {
        "file": str(folder),
        "ok": all(one.ok for one in sequences),
        "valid": all(one.ok and one.is_signed for one in sequences),
        "frames": total,
        "not_valid": [name for one in sequences for name in one.not_valid],
        "problems": [f"{one.name}: {text}" if several else text for one in sequences for text in one.problems],
        "sequences": [one.as_dict() for one in sequences],
        "not_looked_at": list(found.others),
    }
    bad = len(result["not_valid"])
    lines = [f"{folder}: {counted(total, 'frame')}, {total - bad} of them in order by themselves"]
    lines += [f"  {counted(len(sequences), 'sequence')}, each checked by itself"] if several else []
    lines += [f"  not looked at, as they are no PNG pictures: {listed(found.others)}"] if found.others else []
    blocks = [_described_sequence(one, unsigned) for one in sequences[:_TOLD]]
    blocks += [f"and {len(sequences) - _TOLD} sequences more"] if len(sequences) > _TOLD else []
    return result, "\n".join([*map(shown, lines), *blocks])


def _described_sequence(found: VerifiedSequence, unsigned: bool) -> str:
    """Return what was found in a sequence in words, and in a file of it."""
    lines = [f"{found.name}: {found.extent}, {'in order' if found.ok else 'NOT in order'}"]
    lines += [f"  {problem}" for problem in found.problems]
    lines += [f"  not in order: {listed(found.not_valid)}"] if found.not_valid else []
    lines += [f"  signed by {name or 'somebody without a name'} ({count})" for name, _, count in found.signers[1:]]
    return "\n".join([*map(shown, lines), described(found.example, _fine(found.example, unsigned))])


def described(found: Verified, ok: bool) -> str:
    """Return what was found in words, several lines."""
    lines = [shown(f"{found.path}: {'in order' if ok else 'NOT in order'}")]
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
    return "\n".join([*lines, *(f"  {name:<13}{shown(text)}" for name, text in rows)])


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

"""Checks a picture or film: what its record says, who signed it, and whether it was changed since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from ..errors import PictureError, UnreadableError
from ..files.json_text import parsed_json, row_of
from ..phrases import listed
from . import credentials, records
from .certificates import SELF_MADE
from .facts import COMPOSITE, GENERATED, UNSIGNED, VOCABULARY, Facts

#: Results of checking a signature.
VALID, INVALID, NONE, UNREAD = "valid", "invalid", "none", "not checked"
#: Words of IPTC's vocabulary for pictures made wholly or in part by a trained program.
SYNTHETIC: Final = (COMPOSITE, GENERATED, "compositeSynthetic", "algorithmicMedia")
_UNREAD: Final = (
    "The signature was not checked: that needs the package 'c2pa-python': python -m pip install 'mouthpiece[portrait]'."
)
#: Most bytes of what credentials say, as JSON.
_LARGEST: Final = 64 << 20
#: Codes of the library's findings about the signer, not about the signed content.
_ABOUT_SIGNER: Final = ("signingCredential.untrusted",)


@dataclass(frozen=True, slots=True)
class Verified:
    """Results of checking one picture or film.

    Attributes
    ----------
    path : Path
        The file.
    source_type : str
        Word of IPTC's vocabulary that the file gives as its source type; empty for none.
    made_by : str
        Name of the program in the file; empty for none.
    facts : Facts or None
        Mouthpiece's record.
    signature : str
        ``"valid"``, ``"invalid"``, ``"none"``, or ``"not checked"`` if the package for that is missing.
    signer : str
        Name in the signer's certificate.
    certificate : str
        SHA-256 of the signer's certificate; empty if there is none.
    self_signed, trusted : bool
        Whether the certificate was made by Mouthpiece on somebody's computer; whether it was issued by one of the
        trusted authorities.
    problems : tuple of str
        Sentences about what is wrong; empty if nothing is.
    """

    path: Path
    source_type: str = ""
    made_by: str = ""
    facts: Facts | None = None
    signature: str = NONE
    signer: str = ""
    certificate: str = ""
    self_signed: bool = False
    trusted: bool = False
    problems: tuple[str, ...] = field(default=())

    @property
    def synthetic(self) -> bool:
        """Whether the file says that it is synthetic."""
        return self.source_type in SYNTHETIC

    @property
    def valid(self) -> bool:
        """Whether it has credentials and is unchanged since they were made."""
        return self.signature == VALID and not self.problems

    @property
    def unsigned_but_whole(self) -> bool:
        """Whether it was deliberately not signed, and pictures and sound are those of the record."""
        left_out = self.facts is not None and self.facts.signature == UNSIGNED
        return left_out and self.signature == NONE and not self.problems

    def as_dict(self) -> dict[str, Any]:
        """Return all results as JSON values."""
        return {
            "file": str(self.path),
            "valid": self.valid,
            "synthetic": self.synthetic,
            "digital_source_type": self.source_type,
            "made_by": self.made_by,
            "signature": self.signature,
            "signer": self.signer,
            "certificate_sha256": self.certificate,
            "self_signed": self.self_signed,
            "trusted": self.trusted,
            "problems": list(self.problems),
            "record": None if self.facts is None else self.facts.as_dict(),
        }


def verified(path: Path, anchors: str = "") -> Verified:
    """Return what the record of a picture or film says, and whether it is true of the file.

    Parameters
    ----------
    anchors
        Certificates (PEM) of trusted authorities; without any, no signer counts as trusted.

    Raises
    ------
    PictureError
        If it cannot be read, or is neither a PNG picture nor an MP4 film.
    """
    media = records.media_of(path)
    found = _check_record(path)
    return _check_credentials(found, media, anchors)


def _check_record(path: Path) -> Verified:
    """Return the results of reading the unsigned record."""
    try:
        packet = records.read(path)
        if packet is None:
            return Verified(path)
        problems = list(packet.problems)
        if packet.facts is not None and not records.is_content_of(path, packet.facts):
            problems.append("Pictures or sound are not those the record was made for: the file was changed since.")
        if packet.facts is not None and packet.facts.signature == UNSIGNED:  # a signature covers all parts
            added = records.changing_parts(path)
            problems += [f"Programs may show something else than its pixels: it has {listed(added)}."] if added else []
        return Verified(path, packet.source_type, packet.tool, packet.facts, problems=tuple(problems))
    except PictureError as error:
        return Verified(path, problems=(str(error),))


def _check_credentials(found: Verified, media: str, anchors: str) -> Verified:
    """Return ``found`` with the results of checking the content credentials added."""
    try:
        c2pa = credentials.library(signs=False)
    except PictureError:
        return replace(found, signature=UNREAD, problems=(*found.problems, _UNREAD))
    settings: dict[str, Any] = {**credentials.SETTINGS, **({"trust": {"user_anchors": anchors}} if anchors else {})}
    try:
        context = c2pa.Context.from_dict(settings)
        with open(found.path, "rb") as stream:
            reader = c2pa.Reader.try_create(media, stream, context=context)
            if reader is None:
                return _without_credentials(found)
            with reader:
                store = row_of(parsed_json(reader.json(), _LARGEST))
        return _with_credentials(found, store)
    except UnreadableError as error:
        problem = f"The signature was not checked: the content credentials cannot be read ({error})."
        return replace(found, signature=UNREAD, problems=(*found.problems, problem))
    except c2pa.C2paError as error:
        problem = f"The content credentials are damaged ({str(error)[:200]})."
        return replace(found, signature=INVALID, problems=(*found.problems, problem))


def _without_credentials(found: Verified) -> Verified:
    """Return ``found`` completed for a file without content credentials."""
    if found.facts is not None and found.facts.signature != UNSIGNED:
        problem = "The record says that it was signed, but there are no content credentials: they were taken out."
        return replace(found, problems=(*found.problems, problem))
    return found


def _with_credentials(found: Verified, store: Mapping[str, Any]) -> Verified:
    """Return ``found`` with the results of ``store``, the content credentials as the library read them."""
    manifest = store.get("manifests", {}).get(store.get("active_manifest"), {})
    signature = manifest.get("signature_info", {})
    problems = list(found.problems)
    failures = store.get("validation_results", {}).get("activeManifest", {}).get("failure", [])
    wrong = [item for item in failures if item.get("code") not in _ABOUT_SIGNER]
    state = store.get("validation_state")
    broken = bool(wrong) or state not in ("Valid", "Trusted")
    problems += [_in_words(item) for item in wrong]
    if broken and not wrong:
        problems.append("The content credentials do not hold.")
    facts, said = found.facts, _assertion(manifest, credentials.ASSERTION)
    if said is not None:
        facts, problem = _compared_records(facts, said)
        problems += problem
    elif facts is not None and facts.signature != UNSIGNED:
        problems.append("The record says that it was signed, but it is not in these credentials: they are others.")
    source = found.source_type or _source_type(manifest)
    agents = manifest.get("claim_generator_info") or [{}]
    made_by = found.made_by or " ".join(str(agents[0].get(key, "")) for key in ("name", "version")).strip()
    names = [str(signature.get(key) or "") for key in ("common_name", "issuer")]
    return replace(
        found,
        source_type=source,
        made_by=made_by,
        facts=facts,
        signature=INVALID if broken else VALID,
        signer=", ".join(name for name in names if name),
        certificate=_certificate(found.path, str(signature.get("cert_serial_number") or "")),
        self_signed=names[1] == SELF_MADE,
        trusted=state == "Trusted",
        problems=tuple(dict.fromkeys(problems)),
    )


def _certificate(path: Path, serial: str) -> str:
    """Return the SHA-256 of the signer's certificate; empty if it is not found."""
    try:
        return credentials.signer_certificate(records.credentials_of(path), serial)
    except PictureError:
        return ""


def _compared_records(facts: Facts | None, said: Any) -> tuple[Facts | None, list[str]]:
    """Return the record to report, and what is wrong, given the record in the metadata and the signed one."""
    try:
        signed = Facts.from_dict(said)
    except PictureError as error:
        return facts, [str(error)]
    if facts is None:
        return signed, ["The metadata that names the file synthetic was taken out; its signed copy is there."]
    if signed != facts:
        return facts, ["The record in the metadata is not the one that was signed: one of them was exchanged."]
    return facts, []


def _assertion(manifest: Mapping[str, Any], label: str) -> Any:
    rows = (item for item in manifest.get("assertions", []) if item.get("label", "").startswith(label))
    return next((item.get("data") for item in rows), None)


def _source_type(manifest: Mapping[str, Any]) -> str:
    """Return the source type of an action in the manifest, without the address of its vocabulary."""
    actions = _assertion(manifest, "c2pa.actions")
    rows = actions.get("actions", []) if isinstance(actions, Mapping) else []
    types = (str(item.get("digitalSourceType", "")) for item in rows if isinstance(item, Mapping))
    return next((name.removeprefix(VOCABULARY) for name in types if name), "")


def _in_words(item: Mapping[str, Any]) -> str:
    """Return a finding of the library as a sentence."""
    code = str(item.get("code", ""))
    if "Hash.mismatch" in code:
        return f"The file was changed after it was signed ({code})."
    if code == "assertion.hashedURI.mismatch":
        return f"The signed statements were changed ({code})."
    if code.startswith("claimSignature"):
        return f"The signature is not that of the certificate ({code})."
    if code.startswith("signingCredential"):
        return f"The certificate may not be used for this, or not any more ({code})."
    return f"{str(item.get('explanation', 'The content credentials do not hold')).capitalize()} ({code})."

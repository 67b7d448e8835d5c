"""Certificates to sign with: the user's own, or one made on this computer that says so of itself."""

from __future__ import annotations

import hashlib
import os
import secrets
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Final

from ..errors import PictureError
from . import der, ed25519

#: What self-made certificates say in place of a name.
SELF_MADE: Final = "Self-signed on this computer, identity not verified"
#: File of the self-made certificate and its key: one, so that they always belong together.
_KEPT: Final = "signing-identity.pem"
#: Years a self-made certificate is valid: what is signed without a time stamp is valid as long.
_YEARS: Final = 30
_ED25519: Final = "1.3.101.112"
#: Kind of a key (object identifiers as DER, curve where there is one) -> C2PA's name of signing with it.
_ALGORITHMS: Final = {
    (der.oid(_ED25519), b""): "ed25519",
    (der.oid("1.2.840.10045.2.1"), der.oid("1.2.840.10045.3.1.7")): "es256",
    (der.oid("1.2.840.10045.2.1"), der.oid("1.3.132.0.34")): "es384",
    (der.oid("1.2.840.10045.2.1"), der.oid("1.3.132.0.35")): "es512",
    (der.oid("1.2.840.113549.1.1.1"), b""): "ps256",
    (der.oid("1.2.840.113549.1.1.10"), b""): "ps256",
}


@dataclass(frozen=True, slots=True)
class Identity:
    """What is signed with: certificates, the signer's first, and its private key, as PEM; and the kind of signature."""

    certificates: str
    key: str
    algorithm: str
    self_made: bool

    def __repr__(self) -> str:
        """Return a text without the key, so that it gets into no message."""
        return f"Identity({self.algorithm}, self_made={self.self_made})"


def read_identity(certificate: Path, key: Path) -> Identity:
    """Return the user's own certificate (with those it rests on) and private key, both PEM.

    Raises
    ------
    PictureError
        If a file is missing, no PEM, protected by a password, or of a kind C2PA does not sign with.
    """
    chain, secret = _read(certificate), _read(key)
    try:
        return _identity(chain, secret)
    except ValueError as error:
        raise PictureError(f"The certificate '{certificate}' and key '{key}' cannot be used: {error}") from error


def own_identity(folder: Path | None = None) -> Identity:
    """Return the certificate made on this computer, from the user's settings; it is made when first needed.

    Parameters
    ----------
    folder
        Where it is kept; default: :func:`settings_folder`. The private key's file can be read by the user alone.

    Raises
    ------
    PictureError
        If it can be neither read nor made.
    """
    kept = (folder or settings_folder()) / _KEPT
    if not kept.exists():
        _make(kept)
    text = _read(kept)
    try:
        return _identity(text, text)
    except ValueError as error:
        raise PictureError(
            f"The certificate kept in '{kept}' is damaged: {error} Delete it: another is made."
        ) from error


def settings_folder() -> Path:
    """Return the folder of the user's settings; ``MOUTHPIECE_SETTINGS`` names another."""
    asked = os.environ.get("MOUTHPIECE_SETTINGS")
    if asked:
        return Path(asked)
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming") / "Mouthpiece"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "Mouthpiece"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "mouthpiece"


def is_self_made(chain: str) -> bool:
    """Tell whether a certificate (PEM, the signer's first) was made by this program or signs for itself."""
    try:
        first = next(data for label, data in der.from_pem(chain) if label == "CERTIFICATE")
        _, _, _, issuer, _, subject, *_ = _fields(first)
    except (ValueError, StopIteration):
        return False
    return issuer.whole == subject.whole or SELF_MADE.encode() in issuer.whole


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError as error:
        raise PictureError(f"'{path}' cannot be read: {error.strerror}. Check the path.") from error
    except UnicodeDecodeError as error:
        raise PictureError(f"'{path}' is not PEM, the text form of certificates and keys. Convert it.") from error


def _identity(chain: str, secret: str) -> Identity:
    """Return the certificates of one PEM text and the private key of another (or the same).

    Raises
    ------
    ValueError
        If there are none, or they are not of a kind that is signed with; its text is a sentence.
    """
    certificates = [data for label, data in _blocks(chain) if label == "CERTIFICATE"]
    if not certificates:
        raise ValueError("There is no certificate in it. It must be PEM: -----BEGIN CERTIFICATE-----.")
    keys = [(label, data) for label, data in _blocks(secret) if label.endswith("PRIVATE KEY")]
    if "Proc-Type: 4,ENCRYPTED" in secret or any("ENCRYPTED" in label for label, _ in keys):
        raise ValueError("The private key is protected by a password. Give a copy without one.")
    if not keys:
        raise ValueError("There is no private key in it. It must be PEM: -----BEGIN PRIVATE KEY-----.")
    try:
        algorithm = _algorithm(certificates[0])
    except (ValueError, IndexError, StopIteration) as error:
        raise ValueError(f"The certificate is damaged ({error}).") from error
    if not algorithm:
        raise ValueError("Its key is of a kind C2PA does not sign with. Use P-256, Ed25519 or RSA.")
    plain = "".join(der.as_pem("CERTIFICATE", data) for data in certificates)
    return Identity(plain, der.as_pem(*keys[0]), algorithm, self_made=is_self_made(plain))


def _blocks(text: str) -> list[tuple[str, bytes]]:
    if "Proc-Type" in text:
        return [("ENCRYPTED PRIVATE KEY", b"")]
    try:
        return der.from_pem(text)
    except ValueError as error:
        raise ValueError(f"It is not whole ({error}).") from error


def _fields(certificate: bytes) -> list[der.Item]:
    """Return version, serial, algorithm, issuer, validity, subject, key and extensions of a certificate."""
    body = next(der.items_of(certificate)).items()[0]
    fields = body.items()
    if len(fields) < 7:
        raise ValueError("a certificate of version 3 is needed")
    return fields


def _algorithm(certificate: bytes) -> str:
    """Return C2PA's name of signing with a certificate's key, or nothing if there is none."""
    kind = _fields(certificate)[6].items()[0].items()
    for with_curve in (True, False):
        curve = kind[1].whole if with_curve and len(kind) > 1 else b""
        if (kind[0].whole, curve) in _ALGORITHMS:
            return _ALGORITHMS[kind[0].whole, curve]
    return ""


def _make(kept: Path) -> None:
    """Make an authority, a certificate by it, and forget the authority's key."""
    authority, seed = secrets.token_bytes(32), secrets.token_bytes(32)
    chain = _certificate(authority, seed, is_authority=False) + _certificate(authority, authority, is_authority=True)
    inner = der.wrapped(der.OCTETS, der.wrapped(der.OCTETS, seed))
    secret = der.as_pem("PRIVATE KEY", der.wrapped(der.SEQUENCE, der.integer(0), _kind(), inner))
    beside = kept.with_name(f".{kept.name}.{os.getpid()}.part")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside.unlink(missing_ok=True)
        # nobody but the user may read it, from its first byte on
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as stream:
            stream.write(secret + chain)
        beside.replace(kept)
    except OSError as error:
        raise PictureError(
            f"The certificate to sign with cannot be kept in '{kept.parent}': {error.strerror}. Name another folder in "
            "the environment variable MOUTHPIECE_SETTINGS."
        ) from error


def _kind() -> bytes:
    return der.wrapped(der.SEQUENCE, der.oid(_ED25519))


def _name(common: str) -> bytes:
    parts = (("2.5.4.10", SELF_MADE), ("2.5.4.3", common))
    rows = (der.wrapped(der.SEQUENCE, der.oid(kind), der.wrapped(der.TEXT, text.encode())) for kind, text in parts)
    return der.wrapped(der.SEQUENCE, *(der.wrapped(der.SET, row) for row in rows))


def _certificate(authority: bytes, seed: bytes, is_authority: bool) -> str:
    """Return a certificate (X.509, version 3) for the key of ``seed`` by the key of ``authority``, as PEM."""
    issuer, subject = _name("Mouthpiece authority"), _name("Mouthpiece (self-signed)")
    own, above = ed25519.public_key(seed), ed25519.public_key(authority)
    today = datetime.now(timezone.utc) - timedelta(days=1)  # noqa: UP017  # one spelling for every Python
    times = (today, today.replace(year=today.year + _YEARS, day=min(today.day, 28)))
    validity = (der.moment(time) for time in times)
    body = der.wrapped(
        der.SEQUENCE,
        der.wrapped(0xA0, der.integer(2)),  # version 3
        der.integer(secrets.randbits(120) | 1 << 120),
        _kind(),
        issuer,
        der.wrapped(der.SEQUENCE, *validity),
        issuer if is_authority else subject,
        der.wrapped(der.SEQUENCE, _kind(), der.wrapped(der.BITS, b"\0" + own)),
        der.wrapped(0xA3, der.wrapped(der.SEQUENCE, *_extensions(own, above, is_authority))),
    )
    signature = der.wrapped(der.BITS, b"\0" + ed25519.signed(authority, body))
    return der.as_pem("CERTIFICATE", der.wrapped(der.SEQUENCE, body, _kind(), signature))


def _extensions(own: bytes, above: bytes, is_authority: bool) -> list[bytes]:
    """Return what the key may be used for, and the marks by which certificates find one another."""
    marks = [hashlib.sha1(key, usedforsecurity=False).digest() for key in (own, above)]
    true = der.wrapped(der.BOOLEAN, b"\xff")
    # of nine bits: the first lets sign, the sixth and seventh let sign certificates and lists of withdrawn ones
    usage = b"\x01\x06" if is_authority else b"\x07\x80"
    rows = [
        ("2.5.29.19", true, der.wrapped(der.SEQUENCE, *([true] if is_authority else []))),
        ("2.5.29.15", true, der.wrapped(der.BITS, usage)),
        ("2.5.29.14", b"", der.wrapped(der.OCTETS, marks[0])),
        ("2.5.29.35", b"", der.wrapped(der.SEQUENCE, der.wrapped(0x80, marks[1]))),
    ]
    if not is_authority:
        # protecting e-mail: of the uses C2PA lets sign, the one every version of it knows
        rows.append(("2.5.29.37", b"", der.wrapped(der.SEQUENCE, der.oid("1.3.6.1.5.5.7.3.4"))))
    return [
        der.wrapped(der.SEQUENCE, der.oid(kind), critical, der.wrapped(der.OCTETS, value))
        for kind, critical, value in rows
    ]

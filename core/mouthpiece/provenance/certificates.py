"""Certificates for signing: the user's own, or a self-made one whose name says that it was made on this computer.

Only this module knows the package ``cryptography``. It is imported inside the functions, because it loads OpenSSL and
the core works without it as long as nothing is signed.
"""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..errors import PictureError
from ..files.writer import replacing
from .files import small_file

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

#: Text that self-made certificates have in place of a name.
SELF_MADE: Final = "Self-signed on this computer, identity not verified"
#: File of the self-made certificate and its key: one file, so that the two always belong together.
_FILE_NAME: Final = "signing-identity.pem"
#: Years a self-made certificate is valid, and with it all signatures without a time stamp.
_YEARS: Final = 30
#: How a certificate begins in PEM.
_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_NO_CERTIFICATE: Final = f"There is no certificate in it. It must be PEM: {_BEGIN}."
#: Name of a key's elliptic curve in ``cryptography`` -> name of its signature algorithm in C2PA.
_CURVES: Final = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
#: Fewest bits of an RSA key that C2PA signs with.
_RSA_BITS: Final = 2048
_WRONG_KIND: Final = "The key is of a kind C2PA does not sign with. Use P-256, Ed25519 or RSA (2048 bits or more)."
#: Most bytes of a file of certificates or keys, and most certificates of a signer, and of authorities.
_LARGEST: Final = 4_000_000
_CHAIN, _AUTHORITIES = 20, 5_000
_DAMAGED: Final = "The {0} cannot be read: it is damaged, cut off, or of another form. Export it again as PEM."


@dataclass(frozen=True, slots=True)
class Identity:
    """A signer: certificates (the signer's own first) and private key as PEM, and C2PA's name of the algorithm."""

    certificates: str
    key: str
    algorithm: str
    self_made: bool

    def __repr__(self) -> str:
        """Return a text without the key, so that no message shows it."""
        return f"Identity({self.algorithm}, self_made={self.self_made})"

    def is_named_in(self, credentials: bytes) -> bool:
        """Return whether content credentials hold the signer's own certificate; they may hold others as well."""
        first = self.certificates.partition(_BEGIN)[2].partition("-----END")[0]
        return base64.b64decode(first) in credentials


def read_identity(certificate: Path, key: Path) -> Identity:
    """Return the user's own certificate (with those of its issuers) and private key from two PEM files.

    Raises
    ------
    PictureError
        If a file is missing, not PEM, protected by a password, or of a kind C2PA does not sign with; if key and
        certificate do not belong together, or the certificate has expired or may not sign.
    """
    require_cryptography()
    chain, secret = _read(certificate), _read(key)
    try:
        return _identity(chain, secret)
    except ValueError as error:
        raise PictureError(f"The certificate '{certificate}' and key '{key}' cannot be used: {error}") from error


def read_authorities(path: Path) -> str:
    """Return the certificates of trusted authorities in a PEM file, as PEM.

    Raises
    ------
    PictureError
        If it cannot be read, or holds no certificate, too many, or a damaged one.
    """
    text = _read(path)
    try:
        if not _has_package():
            if _BEGIN not in text:
                raise ValueError(_NO_CERTIFICATE)
            return text
        return _pem(_certificates(text, _AUTHORITIES))
    except ValueError as error:
        raise PictureError(f"The certificates in '{path}' cannot be used: {error}") from error


def own_identity(folder: Path | None = None) -> Identity:
    """Return the self-made certificate from the user's settings, after making it if there is none.

    Parameters
    ----------
    folder
        Folder of its file; default: :func:`settings_folder`. Only the user can read the file, as it holds the key.

    Raises
    ------
    PictureError
        If it cannot be read or made.
    """
    require_cryptography()
    kept = (folder or settings_folder()) / _FILE_NAME
    if not os.path.lexists(kept):
        _make(kept)
    text = _read(kept)
    try:
        return _identity(text, text)
    except ValueError as error:
        raise PictureError(
            f"The certificate kept in '{kept}' cannot be used: {error} Delete it: another is made."
        ) from error


def settings_folder() -> Path:
    """Return the folder of the user's settings, or the one the variable ``MOUTHPIECE_SETTINGS`` names."""
    asked = os.environ.get("MOUTHPIECE_SETTINGS")
    if asked:
        return Path(asked)
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming") / "Mouthpiece"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "Mouthpiece"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "mouthpiece"


def require_cryptography() -> None:
    """Check that certificates can be read and made here.

    Raises
    ------
    PictureError
        If the package ``cryptography`` is not installed, or cannot be loaded.
    """
    try:
        from cryptography import x509  # noqa: F401  # loads the compiled part, which may fail
    except ImportError as error:
        raise PictureError(
            f"Content credentials need the package 'cryptography', which cannot be loaded ({error}): python -m pip "
            "install 'mouthpiece[portrait]'. To go without them, which the record then says: --no-credentials."
        ) from error


def _has_package() -> bool:
    try:
        require_cryptography()
    except PictureError:
        return False
    return True


def _read(path: Path) -> str:
    try:
        return small_file(path, _LARGEST).decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise PictureError(f"'{path}' is not PEM, the text form of certificates and keys. Convert it.") from error


def _identity(chain: str, secret: str) -> Identity:
    """Return the signer with the certificates of one PEM text and the private key of another (or the same).

    Raises
    ------
    ValueError
        If one is missing, or they cannot be used for signing; its text is one or two sentences.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    certificates, key = _certificates(chain), _private_key(secret)
    algorithm = _algorithm(key)
    if not algorithm:
        raise ValueError(_WRONG_KIND)
    try:
        fault, is_self_made = _fault(certificates[0], key), _is_self_made(certificates[0])
    except UnsupportedAlgorithm as error:
        raise ValueError(_WRONG_KIND) from error
    except Exception as error:  # damage raises errors of the package without a common base class
        raise ValueError(_DAMAGED.format("certificate")) from error
    if fault:
        raise ValueError(fault)
    text, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    return Identity(
        _pem(certificates),
        key.private_bytes(text, serialization.PrivateFormat.PKCS8, plain).decode("ascii"),
        algorithm,
        is_self_made,
    )


def _pem(certificates: Sequence[x509.Certificate]) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding

    return "".join(item.public_bytes(Encoding.PEM).decode("ascii") for item in certificates)


def _certificates(chain: str, most: int = _CHAIN) -> list[x509.Certificate]:
    """Return the certificates of a PEM text, in its order; raise ValueError with a sentence if there are none."""
    from cryptography import x509

    if _BEGIN not in chain:
        raise ValueError(_NO_CERTIFICATE)
    if chain.count(_BEGIN) > most:
        raise ValueError(f"There are {chain.count(_BEGIN):,} certificates in it, of which at most {most:,} are read.")
    try:
        return x509.load_pem_x509_certificates(chain.encode("utf-8"))
    except Exception as error:  # damage raises errors of the package without a common base class
        raise ValueError(_DAMAGED.format("certificate")) from error


def _private_key(secret: str) -> PrivateKeyTypes:
    """Return the private key of a PEM text; raise ValueError with a sentence if no key can be read."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if "PRIVATE KEY-----" not in secret:
        raise ValueError("There is no private key in it. It must be PEM: -----BEGIN PRIVATE KEY-----.")
    try:
        return load_pem_private_key(secret.encode("utf-8"), None)
    except TypeError as error:
        raise ValueError("The private key is protected by a password. Give a copy without one.") from error
    except UnsupportedAlgorithm as error:
        raise ValueError(_WRONG_KIND) from error
    except Exception as error:  # damage raises errors of the package without a common base class
        raise ValueError(_DAMAGED.format("private key")) from error


def _algorithm(key: PrivateKeyTypes) -> str:
    """Return C2PA's name of the signature algorithm of a key, or an empty text if C2PA has none for it."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return _CURVES.get(key.curve.name, "")
    return "ps256" if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= _RSA_BITS else ""


def _fault(certificate: x509.Certificate, key: PrivateKeyTypes) -> str:
    """Return why a certificate and its private key cannot sign today, or an empty text if they can.

    It raises the package's own errors if the certificate is damaged or its key of an unknown kind.
    """
    from cryptography import x509

    first, last, now = certificate.not_valid_before_utc, certificate.not_valid_after_utc, datetime.now(UTC)
    if certificate.public_key() != key.public_key():
        return "The private key is not that of the first certificate in the file. Yours comes first, its issuer's next."
    if now > last:
        return f"The certificate was valid until {last:%Y-%m-%d} and may not sign any more."
    if now < first:
        return f"The certificate is valid from {first:%Y-%m-%d} on. Check the date of this computer."
    uses = [item.value for item in certificate.extensions if isinstance(item.value, x509.KeyUsage)]
    if not any(use.digital_signature for use in uses):
        return "The certificate may not sign: its key usage lacks 'digital signature'."
    return ""


def _is_self_made(certificate: x509.Certificate) -> bool:
    """Return whether a certificate was made by this program: a user's own that is self-signed was not."""
    return any(part.value == SELF_MADE for part in certificate.issuer)


def _make(kept: Path) -> None:
    """Write a new certificate with its key and the certificate of its issuer, whose key is not kept."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    authority, own = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    text, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    content = own.private_bytes(text, serialization.PrivateFormat.PKCS8, plain)
    for key, is_authority in ((own, False), (authority, True)):
        content += _certificate(authority, key, is_authority).public_bytes(text)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with replacing(kept, private=True) as beside:  # only the user may read the file, from its first byte on
            beside.write_bytes(content)
    except OSError as error:
        raise PictureError(
            f"The certificate to sign with cannot be kept in '{kept.parent}': {error.strerror}. Name another folder in "
            "the environment variable MOUTHPIECE_SETTINGS."
        ) from error


def _certificate(authority: Ed25519PrivateKey, own: Ed25519PrivateKey, is_authority: bool) -> x509.Certificate:
    """Return a certificate for the key ``own``, signed by the key ``authority``."""
    from cryptography import x509

    issuer, subject = _name("Mouthpiece authority"), _name("Mouthpiece (self-signed)")
    today = datetime.now(UTC) - timedelta(days=1)
    builder = x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=issuer if is_authority else subject,
        public_key=own.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=today,
        not_valid_after=today.replace(year=today.year + _YEARS, day=min(today.day, 28)),
    )
    for extension, is_critical in _extensions(authority, own, is_authority):
        builder = builder.add_extension(extension, is_critical)
    return builder.sign(authority, algorithm=None)  # Ed25519 brings its own hash


def _name(common: str) -> x509.Name:
    from cryptography import x509

    parts = ((x509.NameOID.ORGANIZATION_NAME, SELF_MADE), (x509.NameOID.COMMON_NAME, common))
    return x509.Name([x509.NameAttribute(kind, text) for kind, text in parts])


def _extensions(
    authority: Ed25519PrivateKey, own: Ed25519PrivateKey, is_authority: bool
) -> list[tuple[x509.ExtensionType, bool]]:
    """Return a certificate's extensions (uses of the key, ids of key and issuer), and whether each is critical."""
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    never = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only")
    uses = dict.fromkeys((*never, "decipher_only"), False)
    uses |= {"digital_signature": not is_authority, "key_cert_sign": is_authority, "crl_sign": is_authority}
    rows: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=is_authority, path_length=None), True),
        (x509.KeyUsage(**uses), True),
        (x509.SubjectKeyIdentifier.from_public_key(own.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), False),
    ]
    if not is_authority:
        # e-mail protection is the only use that every version of C2PA allows for signing
        rows.append((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False))
    return rows

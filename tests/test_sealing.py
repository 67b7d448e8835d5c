"""Content credentials: made, read back, and what becomes of them when somebody changes the file."""

import datetime
import hashlib
import io
import json
import os
import shutil
import stat
import struct
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from mouthpiece.cli import parser as core_cli
from mouthpiece.cli.verify import described
from mouthpiece.errors import PictureError
from mouthpiece.portrait.consent import Consent
from mouthpiece.provenance import certificates, credentials, mp4, png, records
from mouthpiece.provenance.credentials import Seal
from mouthpiece.provenance.facts import CERTIFIED, GENERATED, SELF_SIGNED, UNSIGNED, Facts
from mouthpiece.provenance.verification import Verified, verified
from mouthpiece.provenance.xmp import packet_of

#: What 0.4.0 made: a certificate with its key as it is kept in the user's settings, and frames sealed with it.
MADE_WITH_0_4 = Path(__file__).resolve().parents[1] / "blender_tests" / "released" / "0.4.0"
KEPT_BY_0_4 = MADE_WITH_0_4 / "settings" / "signing-identity.pem"
PEM, PKCS8, PLAIN = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
FACTS = Facts(
    Consent("I am the person shown", "own", "Ada"), "Mouthpiece 9.8.7", "2026-11-25T16:00:00Z", options={"face": 2}
)


@pytest.fixture(scope="module")
def identity(tmp_path_factory):
    pytest.importorskip("c2pa")
    return certificates.own_identity(tmp_path_factory.mktemp("settings") / "deeper")


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png.encoded(np.random.default_rng(3).integers(0, 256, (24, 32, 4), np.uint8)))
    return path


def write_film(path, frames=20):
    av = pytest.importorskip("av")
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), index * 9, np.uint8), "rgb24")
            out.mux(stream.encode(frame))
        out.mux(stream.encode())


def levels(path):
    av = pytest.importorskip("av")
    with av.open(str(path)) as film:
        return [float(frame.to_ndarray(format="rgb24").mean()) for frame in film.decode(video=0)]


def test_the_certificate_made_here_says_so_and_its_key_is_private(tmp_path):
    first = certificates.own_identity(tmp_path / "settings")
    again = certificates.own_identity(tmp_path / "settings")
    assert first == again and first.self_made and first.algorithm == "ed25519"
    issuer = x509.load_pem_x509_certificate(first.certificates.encode()).issuer
    assert issuer.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)[0].value == certificates.SELF_MADE
    assert "PRIVATE" not in repr(first) and first.key not in repr(first)
    other = certificates.own_identity(tmp_path / "elsewhere")
    assert other.key != first.key
    if os.name != "nt":
        assert stat.S_IMODE((tmp_path / "settings" / "signing-identity.pem").stat().st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / "settings").stat().st_mode) == 0o700


def test_a_damaged_certificate_of_ones_own_is_told_and_made_anew_when_deleted(tmp_path):
    kept = tmp_path / "signing-identity.pem"
    first = certificates.own_identity(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [kept.name]
    whole = kept.read_text()
    for text in ("", "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n", whole[:200], whole[200:]):
        kept.write_text(text)
        with pytest.raises(PictureError, match="Delete it: another is made"):
            certificates.own_identity(tmp_path)
    kept.unlink()
    assert certificates.own_identity(tmp_path).key != first.key


def test_where_settings_are_kept_can_be_named(tmp_path, monkeypatch):
    monkeypatch.setenv("MOUTHPIECE_SETTINGS", str(tmp_path))
    assert certificates.settings_folder() == tmp_path
    monkeypatch.delenv("MOUTHPIECE_SETTINGS")
    assert certificates.settings_folder().name.lower() == "mouthpiece"
    (tmp_path / "file").write_text("")
    with pytest.raises(PictureError, match="MOUTHPIECE_SETTINGS"):
        certificates.own_identity(tmp_path / "file" / "below")


def test_what_the_certificate_made_here_says(identity):
    first, above = x509.load_pem_x509_certificates(identity.certificates.encode())
    first.verify_directly_issued_by(above)
    above.verify_directly_issued_by(above)
    key = serialization.load_pem_private_key(identity.key.encode(), None)
    assert key.public_key() == first.public_key() != above.public_key()
    usage = first.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical and usage.value.digital_signature and not usage.value.key_cert_sign
    assert not first.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert above.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    for certificate in (first, above):
        start, stop = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        assert stop.year - start.year == 30 and start < datetime.datetime.now(datetime.UTC)
    assert first.serial_number != above.serial_number


def test_it_is_the_certificate_that_0_4_made_but_for_keys_numbers_and_dates(identity):
    old = x509.load_pem_x509_certificates(KEPT_BY_0_4.read_bytes())
    new = x509.load_pem_x509_certificates(identity.certificates.encode())
    hashes_of_keys = (x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier)

    def said(certificate):
        yield certificate.version, certificate.signature_algorithm_oid
        yield certificate.issuer.public_bytes(), certificate.subject.public_bytes()
        for extension in certificate.extensions:
            is_hash = isinstance(extension.value, hashes_of_keys)
            yield extension.oid, extension.critical, None if is_hash else extension.value.public_bytes()

    assert [list(said(certificate)) for certificate in old] == [list(said(certificate)) for certificate in new]


def test_a_certificate_kept_by_0_4_goes_on_signing_and_its_pictures_stay_valid(picture, tmp_path):
    shutil.copy(KEPT_BY_0_4, tmp_path)
    kept = certificates.own_identity(tmp_path)
    assert kept.self_made and kept.algorithm == "ed25519"
    assert kept.key + kept.certificates == KEPT_BY_0_4.read_text()
    Seal(kept).put(picture, FACTS)
    for path in (picture, MADE_WITH_0_4 / "command_frames" / "frame_0001.png"):
        found = verified(path)
        assert found.valid and found.self_signed and certificates.SELF_MADE in found.signer
    assert found.facts.software == "Mouthpiece 0.4.0" and found.facts.signature == SELF_SIGNED


def test_a_sealed_picture_is_valid_and_self_signed(picture, identity):
    whole = Seal(identity).put(picture, FACTS)
    found = verified(picture)
    assert found.valid and found.synthetic and found.self_signed and not found.trusted
    assert found.facts == whole == replace(FACTS, signature=SELF_SIGNED, content_sha256=png.content_digest(picture))
    assert found.signature == "valid" and certificates.SELF_MADE in found.signer
    assert [item.name for item in picture.parent.iterdir()] == ["a.png"]


def test_a_sealed_film_plays_as_before(tmp_path, identity):
    path = tmp_path / "a.mp4"
    write_film(path)
    before = levels(path)
    Seal(identity).put(path, replace(FACTS, source_type=GENERATED))
    assert levels(path) == before
    found = verified(path)
    assert found.valid and found.source_type == GENERATED
    with open(path, "rb") as stream:
        assert [box.name for box in mp4.boxes(stream, path)][:3] == [b"ftyp", b"uuid", b"moov"]


def test_the_portrait_is_an_ingredient_without_a_copy_of_it(picture, tmp_path, identity):
    pillow = pytest.importorskip("PIL.Image")
    for name in ("face.jpg", "face.png", "face.webp", "face.tif"):
        pillow.new("RGB", (80, 80), "teal").save(tmp_path / name)
        Seal(identity, tmp_path / name).put(picture, FACTS)
        with open(picture, "rb") as stream, credentials.library().Reader("image/png", stream) as reader:
            manifest = reader.get_active_manifest()
        (ingredient,) = manifest["ingredients"]
        assert ingredient["relationship"] == "componentOf" and "thumbnail" not in ingredient
        assert verified(picture).valid
    for name, content in (("a.bmp", b"BM1234"), ("b.txt", b"")):
        (tmp_path / name).write_bytes(content)
        Seal(identity, tmp_path / name).put(picture, FACTS)
        assert verified(picture).valid
    Seal(identity, tmp_path / "missing.png").put(picture, FACTS)
    assert verified(picture).valid


def test_credentials_of_the_picture_itself_come_along(picture, tmp_path, identity):
    face = tmp_path / "face.png"
    face.write_bytes(png.encoded(np.full((9, 9, 3), 80, np.uint8)))
    Seal(identity).put(face, replace(FACTS, software="Painter 1.0"))
    Seal(identity, face).put(picture, FACTS)
    with open(picture, "rb") as stream, credentials.library().Reader("image/png", stream) as reader:
        store = json.loads(reader.json())
    (ingredient,) = store["manifests"][store["active_manifest"]]["ingredients"]
    below = store["manifests"][ingredient["active_manifest"]]
    assert below["claim_generator_info"][0]["name"] == "Painter" and len(store["manifests"]) == 2
    assert verified(picture).valid and verified(picture).made_by == "Mouthpiece 9.8.7"
    face.write_bytes(face.read_bytes().replace(b"I am the person shown", b"I am a person unknown"))
    Seal(identity, face).put(picture, FACTS)  # what is wrong with the picture is not wrong with the film
    assert verified(picture).valid


@pytest.mark.parametrize("signs", [True, False])
def test_a_frame_made_without_a_file_is_as_one_that_is_sealed(tmp_path, identity, signs):
    frame = np.random.default_rng(5).integers(0, 256, (24, 32, 4), np.uint8)
    (tmp_path / "a.png").write_bytes(Seal(identity if signs else None).frame(frame, FACTS))
    (tmp_path / "b.png").write_bytes(png.encoded(frame, level=1))
    whole = Seal(identity if signs else None).put(tmp_path / "b.png", FACTS)
    one, two = verified(tmp_path / "a.png"), verified(tmp_path / "b.png")
    assert one.valid == two.valid == signs and one.facts == two.facts == whole
    if not signs:
        assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_an_authority_for_time_stamps_that_does_not_answer_is_named(picture, identity):
    before = picture.read_bytes()
    with pytest.raises(PictureError, match=r"127\.0\.0\.1:9/stamp', did not answer"):
        Seal(identity, authority="http://127.0.0.1:9/stamp").put(picture, FACTS)
    assert picture.read_bytes() == before


def changed_pixels(path):
    data = bytearray(path.read_bytes())
    data[data.index(b"IDAT") + 60] ^= 1
    path.write_bytes(data)


def changed_consent(path):
    path.write_bytes(path.read_bytes().replace(b"I am the person shown", b"I am a person unknown"))


def without_xmp(path):
    data = path.read_bytes()
    start = data.index(b"iTXt") - 4
    stop = start + 12 + int.from_bytes(data[start : start + 4], "big")
    path.write_bytes(data[:start] + data[stop:])


def without_signature(path):
    data = path.read_bytes()
    start = data.index(b"caBX") - 4
    stop = start + 12 + int.from_bytes(data[start : start + 4], "big")
    path.write_bytes(data[:start] + data[stop:])


def other_record(path):
    png.copy_with_xmp(path, path.with_name("b"), packet_of(replace(FACTS, marked=True)))
    path.with_name("b").replace(path)


def broken_signature(path):
    data = bytearray(path.read_bytes())
    data[data.index(b"c2pa.signature") + 80] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (changed_pixels, "changed"),
        (changed_consent, "changed"),
        (without_xmp, "taken out"),
        (without_signature, "taken out"),
        (other_record, "exchanged"),
        (broken_signature, ""),
    ],
)
def test_every_change_is_noticed(picture, identity, change, word, capsys):
    Seal(identity).put(picture, FACTS)
    assert core_cli.run(["verify", str(picture)]) == 0
    change(picture)
    found = verified(picture)
    assert not found.valid and word in " ".join(found.problems)
    assert core_cli.run(["verify", str(picture)]) == 1
    assert "NOT in order" in capsys.readouterr().out


def test_a_film_changed_or_stripped_is_noticed(tmp_path, identity):
    path = tmp_path / "a.mp4"
    write_film(path)
    Seal(identity).put(path, FACTS)
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[whole.index(b"mdat") + 700] ^= 1
    path.write_bytes(changed)
    found = verified(path)
    assert found.signature == "invalid" and any("changed" in problem for problem in found.problems)
    path.write_bytes(whole.replace(b"I am the person shown", b"I am a person unknown"))
    assert not verified(path).valid
    path.write_bytes(whole[:-500])
    assert not verified(path).valid


def credentials_in(path, is_film):
    """Return where content credentials begin and end in a file."""
    with open(path, "rb") as stream:
        if is_film:
            return next(
                (b.start, b.start + b.size) for b in mp4.boxes(stream, path) if b.name == b"uuid" and not b.is_xmp
            )
        return next((c.start - 8, c.start + c.length + 4) for c in png.chunks(stream, path) if c.name == b"caBX")


@pytest.mark.parametrize("is_film", [False, True])
def test_any_damage_at_all_ends_in_a_finding_or_an_error_for_people(tmp_path, identity, is_film):
    path = tmp_path / "a"
    if is_film:
        write_film(path.with_suffix(".mp4"))
        path.with_suffix(".mp4").rename(path)
    else:
        path.write_bytes(png.encoded(np.random.default_rng(3).integers(0, 256, (24, 32, 3), np.uint8)))
    Seal(identity).put(path, FACTS)
    whole, rng = path.read_bytes(), np.random.default_rng(11)
    # within the credentials there is padding that is not signed; outside of them nothing may change
    start, stop = credentials_in(path, is_film)
    for trial in range(400):
        damaged = bytearray(whole)
        place = 0
        if trial % 4 == 0:
            damaged = damaged[: rng.integers(0, len(whole))]
        else:
            place = int(rng.integers(40, len(whole)))
            damaged[place : place + trial % 4] = rng.bytes(trial % 4)
        if bytes(damaged) == whole:
            continue
        path.write_bytes(damaged)
        try:
            found = verified(path)
        except PictureError:
            continue
        assert not found.valid or start <= place < stop, (trial, place, found)


def test_what_a_file_says_cannot_pretend_to_be_ours(tmp_path):
    lying = replace(FACTS, software="x\n  signature    valid\x1b[2J \u202e", options={"a\nb": "c\n  problem none"})
    found = Verified(tmp_path / "a\n.png", "x\ny", "b\r\nc\x07", lying, "none", "n\nm", problems=("p\nq",))
    text = described(found, ok=False)
    assert all(sign == "\n" or sign.isprintable() for sign in text)
    assert [line[:15] for line in text.splitlines()].count("  signature    ") == 1


def test_left_out_on_purpose_is_said_and_is_not_valid(picture, capsys):
    whole = Seal(None).put(picture, FACTS)
    assert whole.signature == UNSIGNED
    found = verified(picture)
    assert not found.valid and found.unsigned_but_whole and found.synthetic
    assert core_cli.run(["verify", str(picture)]) == 1
    assert "left out on purpose" in capsys.readouterr().out
    assert core_cli.run(["verify", "--allow-unsigned", str(picture)]) == 0
    changed_pixels(picture)
    assert core_cli.run(["verify", "--allow-unsigned", str(picture)]) == 1


ANIMATED = [
    (b"acTL", b"\0\0\0\1" + bytes(4)),
    (b"fcTL", bytes(4) + struct.pack(">II", 32, 24) + bytes(8) + b"\0\1\0\x0a\0\0"),
    (b"fdAT", b"\0\0\0\1" + zlib.compress(bytes(24 * (1 + 32 * 4)))),
]


@pytest.mark.parametrize(
    "chunks",
    [
        ANIMATED,
        [(b"gAMA", bytes((0, 0, 3, 232)))],
        [(b"cICP", b"\x09\x10\0\1")],
        [(b"eXIf", b"MM\0*")],
        [(b"ABCD", b"")],
    ],
    ids=lambda chunks: chunks[0][0].decode(),
)
def test_an_unsigned_picture_shows_its_pixels_and_nothing_else(picture, chunks):
    """Browsers play the animation in place of the pixels that the record is of."""
    Seal(None).put(picture, FACTS)
    whole = picture.read_bytes()
    added = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    picture.write_bytes(whole[:33] + b"".join(added) + whole[33:])
    found = verified(picture)
    assert not found.unsigned_but_whole and chunks[0][0].decode() in found.problems[0]


def test_an_unsigned_picture_may_get_notes_of_other_programs(picture):
    Seal(None).put(picture, FACTS)
    whole, note = picture.read_bytes(), b"tEXtComment\0seen by Ada"
    chunk = struct.pack(">I", len(note) - 4) + note + struct.pack(">I", zlib.crc32(note))
    picture.write_bytes(whole[:33] + chunk + whole[33:])
    assert verified(picture).unsigned_but_whole


def test_without_the_package_the_error_names_it(picture, identity, monkeypatch):
    Seal(identity).put(picture, FACTS)
    before = picture.read_bytes()
    monkeypatch.setattr(credentials.util, "find_spec", lambda name: None)
    with pytest.raises(PictureError, match=r"c2pa-python.*mouthpiece\[portrait\].*--no-credentials"):
        Seal(identity).put(picture, FACTS)
    assert picture.read_bytes() == before and len(list(picture.parent.iterdir())) == 1
    found = verified(picture)
    assert found.signature == "not checked" and not found.valid and found.facts is not None


def test_without_the_package_for_certificates_files_are_checked_and_not_signed(picture, identity, monkeypatch):
    Seal(identity).put(picture, FACTS)
    before = picture.read_bytes()
    monkeypatch.setitem(sys.modules, "cryptography", None)
    for attempt in (credentials.library, certificates.own_identity, lambda: Seal(identity).put(picture, FACTS)):
        with pytest.raises(PictureError, match=r"cryptography.*mouthpiece\[portrait\].*--no-credentials"):
            attempt()
    assert picture.read_bytes() == before and verified(picture).valid


def test_the_compiled_part_is_never_taken_from_the_current_folder(tmp_path):
    pytest.importorskip("c2pa")
    for name in credentials._NAMES.values():
        (tmp_path / name).write_bytes(b"not a library")
    code = "from mouthpiece.provenance import credentials; print(credentials.library().sdk_version())"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "" and "C2PA_LIBRARY_NAME" not in os.environ


#: In place of an authority: a certificate that is signed by its own key and may sign.
ALONE = object()


def issued(key, name, above=None, days=(-1, 30), signs=True, purpose=x509.ExtendedKeyUsageOID.EMAIL_PROTECTION):
    """A certificate for a key by the authority `above` (its certificate and key); without one, an authority's own."""
    issuer, signer = above if above and above is not ALONE else (None, key)
    parts = ((x509.NameOID.ORGANIZATION_NAME, "Studio"), (x509.NameOID.COMMON_NAME, name))
    subject = x509.Name([x509.NameAttribute(kind, text) for kind, text in parts])
    never = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    usage = dict.fromkeys((*never, "encipher_only", "decipher_only"), False)
    usage |= {"digital_signature": bool(above) and signs, "key_cert_sign": not above, "crl_sign": not (above and signs)}
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(not above, None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if above:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    return builder.sign(signer, hashes.SHA256())


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A user's own certificates by a private authority: a file for each kind of key, and the authority's."""
    folder = tmp_path_factory.mktemp("authority")
    root_key = ec.generate_private_key(ec.SECP256R1())
    root = issued(root_key, "Studio authority")
    keys = {
        "es256": ec.generate_private_key(ec.SECP256R1()),
        "es384": ec.generate_private_key(ec.SECP384R1()),
        "es512": ec.generate_private_key(ec.SECP521R1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate(),
        "ps256": rsa.generate_private_key(65537, 2048),
        "secp256k1": ec.generate_private_key(ec.SECP256K1()),
        "dsa": dsa.generate_private_key(1024),
        "rsa1024": rsa.generate_private_key(65537, 1024),
    }
    odd = {
        "expired": {"days": (-9, -1)},
        "early": {"days": (2, 30)},
        "silent": {"signs": False},
        "server": {"purpose": x509.ExtendedKeyUsageOID.SERVER_AUTH},
    }
    for name in (*keys, *odd):
        key = keys.get(name, keys["es256"])
        chain = [issued(key, f"Studio {name}", (root, root_key), **odd.get(name, {})), root]
        (folder / f"{name}.pem").write_bytes(b"".join(item.public_bytes(PEM) for item in chain))
        (folder / f"{name}.key").write_bytes(key.private_bytes(PEM, PKCS8, PLAIN))
    (folder / "alone.pem").write_bytes(issued(keys["es256"], "Studio alone", ALONE).public_bytes(PEM))
    (folder / "root.pem").write_bytes(root.public_bytes(PEM))
    (folder / "root.key").write_bytes(root_key.private_bytes(PEM, PKCS8, PLAIN))
    older, locked = serialization.PrivateFormat.TraditionalOpenSSL, serialization.BestAvailableEncryption(b"secret")
    for name in ("es256", "ps256"):
        (folder / f"{name}-older.key").write_bytes(keys[name].private_bytes(PEM, older, PLAIN))
    (folder / "locked.key").write_bytes(keys["es256"].private_bytes(PEM, PKCS8, locked))
    (folder / "locked-older.key").write_bytes(keys["es256"].private_bytes(PEM, older, locked))
    ssh = keys["ed25519"].private_bytes(PEM, serialization.PrivateFormat.OpenSSH, PLAIN)
    (folder / "ssh.key").write_bytes(ssh)
    return folder


@pytest.mark.parametrize("kind", ["es256", "es384", "es512", "ed25519", "ps256"])
def test_a_users_own_certificate_signs_and_is_trusted_when_its_authority_is(picture, authority, kind, capsys):
    own = certificates.read_identity(authority / f"{kind}.pem", authority / f"{kind}.key")
    assert own.algorithm == kind and not own.self_made
    assert Seal(own).put(picture, FACTS).signature == CERTIFIED
    found = verified(picture)
    assert found.valid and not found.trusted and not found.self_signed
    assert found.signer == f"Studio {kind}, Studio"
    found = verified(picture, (authority / "root.pem").read_text())
    assert found.valid and found.trusted
    assert core_cli.run(["verify", "--trust", str(authority / "root.pem"), str(picture)]) == 0
    assert "trusted" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["es256", "ps256"])
def test_keys_in_their_older_form_and_text_around_them_are_understood(picture, authority, tmp_path, kind):
    own, key = tmp_path / "own.pem", tmp_path / "own.key"
    text = "Bag Attributes\r\n  friendlyName: Müller\r\n" + (authority / f"{kind}.pem").read_text()
    own.write_text(text.replace("\n", "\r\n"), encoding="utf-8-sig")
    before = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" if kind == "es256" else ""
    key.write_text(before + (authority / f"{kind}-older.key").read_text())
    identity = certificates.read_identity(own, key)
    assert identity == certificates.read_identity(authority / f"{kind}.pem", authority / f"{kind}.key")
    Seal(identity).put(picture, FACTS)
    assert verified(picture).valid


@pytest.mark.parametrize(
    ("certificate", "key", "words"),
    [
        ("es256.pem", "locked.key", "password"),
        ("es256.pem", "locked-older.key", "password"),
        ("es256.key", "es256.key", "no certificate"),
        ("es256.pem", "es256.pem", "no private key"),
        ("missing.pem", "es256.key", "cannot be read"),
        ("ed25519.pem", "ssh.key", "private key cannot be read.*another form"),
        ("es256.pem", "es384.key", "not that of the first certificate"),
        ("es256.pem", "root.key", "not that of the first certificate"),
        ("es256.pem", "ed25519.key", "not that of the first certificate"),
        ("dsa.pem", "dsa.key", "kind C2PA does not sign with"),
        ("secp256k1.pem", "secp256k1.key", "kind C2PA does not sign with"),
        ("rsa1024.pem", "rsa1024.key", "kind C2PA does not sign with.*2048 bits"),
        ("expired.pem", "es256.key", r"valid until \d{4}-\d\d-\d\d"),
        ("early.pem", "es256.key", r"valid from \d{4}-\d\d-\d\d on. Check the date"),
        ("silent.pem", "es256.key", "lacks 'digital signature'"),
        ("root.pem", "root.key", "lacks 'digital signature'"),
    ],
)
def test_certificates_that_cannot_be_used_are_told_apart(authority, certificate, key, words):
    with pytest.raises(PictureError, match=words) as caught:
        certificates.read_identity(authority / certificate, authority / key)
    assert certificate in str(caught.value)


def test_a_users_own_self_signed_certificate_is_not_one_made_on_this_computer(picture, authority, capsys):
    own = certificates.read_identity(authority / "alone.pem", authority / "es256.key")
    assert not own.self_made and Seal(own).put(picture, FACTS).signature == CERTIFIED
    found = verified(picture)
    assert found.valid and not found.self_signed and found.signer == "Studio alone, Studio"
    assert core_cli.run(["verify", str(picture)]) == 0
    said = capsys.readouterr().out
    assert "by Studio alone, Studio, not among the authorities" in said and "self-signed" not in said


def test_files_of_very_many_certificates_are_refused_at_once(authority, tmp_path, picture, capsys):
    many = tmp_path / "many.pem"
    for line in ("-----BEGIN CERTIFICATE-----\n", "-----BEGIN PRIVATE KEY-----\n", "-----BEGIN X-----\n"):
        many.write_text(line * 50_000 + "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----")
        for pair in ((many, authority / "es256.key"), (authority / "es256.pem", many)):
            with pytest.raises(PictureError, match=r"many\.pem"):
                certificates.read_identity(*pair)
        assert core_cli.run(["verify", "--trust", str(many), str(picture)]) == 1
        assert "many.pem' cannot be used" in capsys.readouterr().err  # and nothing is said of the picture
    many.write_text((authority / "es256.pem").read_text() * 20)
    with pytest.raises(PictureError, match="40 certificates in it, of which at most 20"):
        certificates.read_identity(many, authority / "es256.key")
    assert certificates.read_authorities(many).count("BEGIN") == 40
    many.write_bytes(bytes(5_000_000))
    with pytest.raises(PictureError, match="larger than 4,000,000 bytes"):
        certificates.read_authorities(many)


def test_devices_are_no_certificates(authority, picture, capsys):
    if not Path("/dev/zero").exists():
        pytest.skip("this system has no such device")
    for pair in (("/dev/zero", authority / "es256.key"), (authority / "es256.pem", "/dev/zero")):
        with pytest.raises(PictureError, match="no ordinary file"):
            certificates.read_identity(*map(Path, pair))
    assert core_cli.run(["verify", "--trust", "/dev/zero", str(picture)]) == 1
    assert "no ordinary file" in capsys.readouterr().err


def test_a_certificate_and_its_key_may_stand_in_one_file(authority, tmp_path):
    parts = [(authority / name).read_text() for name in ("es256.key", "es256.pem", "es256-older.key")]
    for text in (parts[0] + parts[1], parts[1] + parts[0], parts[1] + parts[2]):
        (tmp_path / "both.pem").write_text(text)
        assert certificates.read_identity(tmp_path / "both.pem", tmp_path / "both.pem").algorithm == "es256"


def test_a_record_in_anothers_credentials_is_told(picture, authority, identity):
    """Somebody signs a picture with a copied record, and leaves the record out of what is signed."""
    records.record(picture, replace(FACTS, signature=SELF_SIGNED))
    before = picture.read_bytes()
    c2pa, own = credentials.library(), certificates.read_identity(authority / "es256.pem", authority / "es256.key")
    info = c2pa.C2paSignerInfo("es256", own.certificates.encode(), own.key.encode(), None)
    made = {"action": "c2pa.created", "digitalSourceType": "http://c2pa.org/digitalsourcetype/empty"}
    manifest = {"format": "image/png", "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [made]}}]}
    builder = c2pa.Builder(manifest, context=c2pa.Context.from_dict(credentials.SETTINGS))
    with open(picture, "w+b") as target, c2pa.Signer.from_info(info) as signer:
        builder.sign(signer, "image/png", io.BytesIO(before), target)
    found = verified(picture)
    assert found.signature == "valid" and not found.valid and found.signer == "Studio es256, Studio"
    assert any("not in these credentials" in problem for problem in found.problems)


def test_signers_are_told_apart_by_more_than_names_and_numbers(authority, picture, identity):
    Seal(identity).put(picture, FACTS)
    first = verified(picture).certificate
    der = x509.load_pem_x509_certificate(identity.certificates.encode()).public_bytes(serialization.Encoding.DER)
    assert first == hashlib.sha256(der).hexdigest() and identity.is_named_in(picture.read_bytes())
    serial = str(x509.load_pem_x509_certificate(identity.certificates.encode()).serial_number)
    content = b"..." + der + b"..."
    assert credentials.signer_certificate(content, serial) == first
    changed = content.replace(der, der[:-1] + bytes([der[-1] ^ 1]))
    assert credentials.signer_certificate(changed, serial) not in ("", first)
    assert credentials.signer_certificate(content + der[:-1] + b"x", serial) not in ("", first)
    for number in ("", "x", "-1", "7", "9" * 60):
        assert credentials.signer_certificate(content, number) == ""


def test_whatever_is_sealed_is_read_back_as_it_was(identity, tmp_path, rng):
    signs = (
        "\x00\x01\t\n\r\x1f\x7f\x85\u2028\ufffe\uffff\ufffd\ud800\U0001ffff\U0010ffff<>&'\"]]>&#0;é王  ;-\u202e\ufeff"
    )

    def text():
        return "".join(rng.choice(list(signs if rng.random() < 0.3 else "abc XYZ"), rng.integers(0, 8)))

    def value(depth=0):
        numbers = (0, -1, 2**53, 2**63 - 1, 2**63, -(2**63), 10**41, True, None)
        fractions = (-0.0, 1e-7, 1e300, 1.5, float("nan"), float("inf"), 1e16, 123456789.123456789)
        kind = int(rng.integers(0, 5 if depth < 5 else 3))
        if kind < 2:
            return (numbers, fractions)[kind][int(rng.integers(0, 8))]
        if kind == 2:
            return text()
        rows = [value(depth + 1) for _ in range(rng.integers(0, 3))]
        return rows if kind == 3 else {text(): row for row in rows}

    sealed = 0
    for trial in range(250):
        options = {text(): value() for _ in range(rng.integers(0, 4))}
        try:
            said = Consent("I am the person shown " + text(), "own", text())
            facts = replace(FACTS, consent=said, options=options, frame=trial)
            content = Seal(identity).frame(np.zeros((2, 2, 3), np.uint8), facts)
        except PictureError as error:
            assert "recorded" in str(error) or "written" in str(error)
            continue
        sealed += 1
        (tmp_path / "a.png").write_bytes(content)
        found = verified(tmp_path / "a.png")
        assert found.valid and found.facts.options == facts.options and found.facts.consent == said, facts
    assert 50 < sealed < 240


def test_what_cannot_be_sealed_is_known_before_anything_is_rendered(authority):
    own = certificates.read_identity(authority / "server.pem", authority / "server.key")
    with pytest.raises(PictureError, match="may sign for C2PA"):
        Seal(own).try_out(FACTS)
    with pytest.raises(PictureError, match="option 'seed'"):
        Seal(None).try_out(replace(FACTS, options={"seed": 10**41}))
    Seal(None).try_out(FACTS)
    Seal(certificates.read_identity(authority / "es256.pem", authority / "es256.key")).try_out(FACTS)


def bytes_unnoticed(path, start, stop, step=1):
    """Return which bytes of a part of a file can be changed without that `verify` notices."""
    whole, unnoticed = path.read_bytes(), []
    for place in range(start, stop, step):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :])
        try:
            found = verified(path)
        except PictureError:
            continue
        unnoticed += [place] if found.valid else []
    path.write_bytes(whole)
    return unnoticed


def test_what_is_left_open_in_a_signed_picture_is_the_credentials_own_padding(picture, identity):
    Seal(identity).put(picture, FACTS)
    start, stop = credentials_in(picture, is_film=False)
    assert bytes_unnoticed(picture, 0, start) == []
    assert bytes_unnoticed(picture, start, picture.stat().st_size, step=11) == []
    whole = picture.read_bytes()
    data = bytearray(whole[start + 4 : stop - 4])
    padding = data.rindex(bytes(200))  # behind the signature, whose size is not known before it is made
    data[padding + 100] ^= 1
    chunk = whole[start : start + 4] + data + zlib.crc32(data).to_bytes(4, "big")
    picture.write_bytes(whole[:start] + chunk + whole[stop:])
    assert verified(picture).valid
    for changed in (whole + b"tail", whole[:-12] + png._chunk(b"tEXt", b"Comment\0hello") + whole[-12:]):
        picture.write_bytes(changed)
        assert not verified(picture).valid


def test_what_is_left_open_in_a_signed_film_is_its_kind_and_empty_space(tmp_path, identity):
    path = tmp_path / "a.mp4"
    write_film(path)
    Seal(identity).put(path, FACTS)
    with open(path, "rb") as stream:
        found = {(box.name, box.is_xmp): box for box in mp4.boxes(stream, path)}
    kind = found[b"ftyp", False]
    # docs/portraits/responsible-use.md says so: change it there if this changes
    assert bytes_unnoticed(path, kind.start, kind.size) == list(range(8, kind.size))
    for name in ((b"moov", False), (b"mdat", False), (b"uuid", True), (b"free", False)):
        box = found[name]
        assert bytes_unnoticed(path, box.start, box.start + box.size, step=1 + box.size // 120) == []
    whole = path.read_bytes()
    for name, is_noticed in ((b"free", False), (b"skip", False), (b"mdat", True), (b"moov", True), (b"uuid", True)):
        path.write_bytes(whole + b"\0\0\0\x20" + name + bytes(24))
        assert verified(path).valid is not is_noticed, name


def test_files_that_are_no_pem_or_damaged_are_told(authority, tmp_path):
    good = (authority / "es256.pem", authority / "es256.key")
    whole = [path.read_text() for path in good]
    binary = x509.load_pem_x509_certificate(whole[0].encode()).public_bytes(serialization.Encoding.DER)
    bad = tmp_path / "bad.pem"
    for content in (bytes(range(256)), binary, whole[0].encode("utf-16")):
        bad.write_bytes(content)
        for pair in ((bad, good[1]), (good[0], bad)):
            with pytest.raises(PictureError, match=r"bad\.pem' is not PEM"):
                certificates.read_identity(*pair)
    empty = "-----BEGIN {0}-----\nMAMCAQE=\n-----END {0}-----\n"
    for text in (whole[0][:300], whole[0].replace("MII", "!!!", 1), empty.format("CERTIFICATE")):
        bad.write_text(text)
        with pytest.raises(PictureError, match=r"The certificate cannot be read: it is damaged.*again as PEM\.$"):
            certificates.read_identity(bad, good[1])
    for text in (whole[1][:100], whole[1].replace("MI", "!!", 1), empty.format("PRIVATE KEY")):
        bad.write_text(text)
        with pytest.raises(PictureError, match=r"The private key cannot be read: it is damaged.*again as PEM\.$"):
            certificates.read_identity(good[0], bad)


def test_any_damage_to_certificate_or_key_is_an_error_for_people_or_harmless(authority, tmp_path, rng):
    paths = [tmp_path / "own.pem", tmp_path / "own.key"]
    whole = [(authority / f"es256.{end}").read_bytes() for end in ("pem", "key")]
    for trial in range(300):
        data = [bytearray(content) for content in whole]
        damaged = data[trial % 2]
        for place in rng.integers(0, len(damaged), 1 + trial % 3):
            damaged[place] = rng.integers(0, 256)
        for path, content in zip(paths, data, strict=True):
            path.write_bytes(content)
        try:
            assert certificates.read_identity(*paths).algorithm == "es256"
        except PictureError as error:
            assert "own." in str(error)


def test_what_only_the_library_refuses_is_told_with_advice(picture, authority):
    before = picture.read_bytes()
    own = certificates.read_identity(authority / "server.pem", authority / "server.key")
    with pytest.raises(PictureError, match="may sign for C2PA"):
        Seal(own).put(picture, FACTS)
    assert picture.read_bytes() == before and len(list(picture.parent.glob(".*"))) == 0


def frames(folder, identity, count=4, **other):
    folder.mkdir(exist_ok=True)
    for index in range(count):
        path = folder / f"frame_{index:04}.png"
        path.write_bytes(png.encoded(np.full((8, 8, 3), index, np.uint8)))
        Seal(identity).put(path, replace(FACTS, frame=index, options={"frames": count}, **other))


def test_a_folder_of_frames_is_checked_as_a_whole(tmp_path, identity, capsys):
    folder = tmp_path / "frames"
    frames(folder, identity)
    assert core_cli.run(["verify", "--json", str(folder)]) == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert result["valid"] and result["frames"] == 4 and result["record"]["consent"]["by"] == "Ada"
    last = (folder / "frame_0003.png").read_bytes()
    (folder / "frame_0003.png").unlink()
    assert core_cli.run(["verify", str(folder)]) == 1
    assert "1 frame of the sequence is missing (counted from 1: 4)" in capsys.readouterr().out
    (folder / "frame_0003.png").write_bytes(last)
    changed_pixels_of = folder / "frame_0001.png"
    changed_pixels_of.write_bytes(png.encoded(np.full((8, 8, 3), 99, np.uint8)))
    assert core_cli.run(["verify", "--json", str(folder)]) == 1
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert result["not_valid"] == ["frame_0001.png"]


def test_frames_of_two_films_in_one_folder_are_noticed(tmp_path, identity, capsys):
    folder = tmp_path / "frames"
    frames(folder, identity)
    path = folder / "frame_0002.png"
    Seal(identity).put(path, replace(FACTS, frame=2, options={"frames": 4}, picture_sha256="ab" * 32))
    assert core_cli.run(["verify", str(folder)]) == 1
    assert "Of another film, or made otherwise (picture): frame_0002.png" in capsys.readouterr().out


def test_verify_of_other_files_says_what_they_are_not(tmp_path, picture, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    assert (
        core_cli.run(["verify", str(tmp_path / "a.jpg"), str(tmp_path / "missing.png"), str(tmp_path / "empty")]) == 1
    )
    said = capsys.readouterr().err
    assert "neither a PNG picture nor an MP4 film" in said and "cannot be read" in said and "no PNG pictures" in said
    assert core_cli.run(["verify", "--json", str(picture)]) == 1
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert result["signature"] == "none" and not result["synthetic"] and result["record"] is None
    assert core_cli.run(["verify", "--trust", str(picture), str(picture)]) == 1
    assert "is not PEM" in capsys.readouterr().err
    assert records.read(picture) is None

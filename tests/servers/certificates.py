"""Certificates for tests: an authority, a server's, a client's, and an authority that nobody asked."""

from __future__ import annotations

import ipaddress
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_NOW = datetime.now(UTC)


@dataclass(frozen=True)
class Certificates:
    """Files in PEM. The server's certificate names 127.0.0.1 and no other host; the client's the user `CLIENT`."""

    ca: Path
    other_ca: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path


CLIENT = "certified"


def make_certificates(folder: Path, owner: str) -> Certificates:
    """Write them into `folder`; keys can be read by `owner` alone ("-": by us)."""
    authority, authority_key = _issue("authority")
    other, _ = _issue("nobody asked")
    server, server_key = _issue("server", authority, authority_key, address="127.0.0.1")
    client, client_key = _issue(CLIENT, authority, authority_key)
    made = Certificates(
        *(folder / f"{name}.pem" for name in ("ca", "other_ca", "server", "server_key", "client", "client_key"))
    )
    for path, certificate in (
        (made.ca, authority),
        (made.other_ca, other),
        (made.server, server),
        (made.client, client),
    ):
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    for path, key in ((made.server_key, server_key), (made.client_key, client_key)):
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        path.chmod(0o600)
    if owner != "-":
        for path in (made.server, made.server_key, made.ca):
            shutil.chown(path, owner)
    return made


def _issue(
    name: str,
    issuer: x509.Certificate | None = None,
    issuer_key: ec.EllipticCurvePrivateKey | None = None,
    *,
    address: str | None = None,
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_NOW - timedelta(days=1))
        .not_valid_after(_NOW + timedelta(days=7))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if address:
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(issuer_key or key, hashes.SHA256()), key

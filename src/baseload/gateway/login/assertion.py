"""Signed statements of who we are (JWT, RFC 7523), by which a private key becomes an access token."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import sha256

import msgspec

from baseload.gateway.login.nouns import LoginFailed

# cryptography takes a tenth of a second to load and most gateways never need it: imported where it is used.


def rs256(key_pem: str, header: dict[str, str], claims: dict[str, object]) -> str:
    """The statement, signed RSASSA-PKCS1-v1_5 with SHA-256. Raises LoginFailed for what is no RSA key."""
    return _signed("RS256", key_pem, header, claims)


def ps256(key_pem: str, header: dict[str, str], claims: dict[str, object]) -> str:
    """The statement, signed RSASSA-PSS with SHA-256. Raises LoginFailed for what is no RSA key."""
    return _signed("PS256", key_pem, header, claims)


def thumbprint(certificate_pem: str) -> str:
    """`x5t#S256` of the first certificate in a PEM text. Raises LoginFailed."""
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509 import load_pem_x509_certificate

    try:
        certificate = load_pem_x509_certificate(certificate_pem.encode())
    except ValueError:
        raise LoginFailed("the certificate is no PEM certificate") from None
    return _base64url(sha256(certificate.public_bytes(Encoding.DER)).digest())


def _signed(algorithm: str, key_pem: str, header: dict[str, str], claims: dict[str, object]) -> str:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import padding
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(key_pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise LoginFailed("the private key is no unencrypted PEM key") from None
    if not isinstance(key, RSAPrivateKey):
        raise LoginFailed("the private key is no RSA key")
    head = {"alg": algorithm, "typ": "JWT", **header}
    signed = f"{_base64url(msgspec.json.encode(head))}.{_base64url(msgspec.json.encode(claims))}"
    scheme = (
        padding.PSS(padding.MGF1(SHA256()), padding.PSS.DIGEST_LENGTH)
        if algorithm == "PS256"
        else padding.PKCS1v15()
    )
    return f"{signed}.{_base64url(key.sign(signed.encode(), scheme, SHA256()))}"


def _base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()

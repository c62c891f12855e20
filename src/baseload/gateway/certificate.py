"""The data port's certificate: new contents are taken over by the open port, with the next handshake."""

from __future__ import annotations

import ssl
from hashlib import sha256
from pathlib import Path

from baseload.errors import EnvironmentProblem


class Certificate:
    """Certificate and key of the data port; `context` is what the port uses, from start to end."""

    def __init__(self, cert: Path, key: Path) -> None:
        """Raises EnvironmentProblem where the two cannot be used."""
        self.context = _context(cert, key)
        self._contents = _contents(cert, key)

    def renew(self, cert: Path, key: Path) -> bool:
        """Take over what these files hold now; whether it is something new.

        Raises EnvironmentProblem where they cannot be used, and the old ones stay: they are tried on a
        context of their own, since a live one would be left with a certificate that has no key.
        """
        contents = _contents(cert, key)
        if contents == self._contents:
            return False
        _context(cert, key)
        _load(self.context, cert, key)
        self._contents = contents
        return True


def _context(cert: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load(context, cert, key)
    return context


def _load(context: ssl.SSLContext, cert: Path, key: Path) -> None:
    try:
        context.load_cert_chain(cert, key, password="")  # an encrypted key fails, where OpenSSL would prompt
    except OSError as error:  # ssl.SSLError is one
        raise EnvironmentProblem(f"tls: certificate and key cannot be used: {error}") from None


def _contents(cert: Path, key: Path) -> bytes:
    try:
        return sha256(cert.read_bytes()).digest() + sha256(key.read_bytes()).digest()
    except OSError as error:
        raise EnvironmentProblem(f"tls: certificate and key cannot be read: {error}") from None

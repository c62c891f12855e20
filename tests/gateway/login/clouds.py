"""Token services of three clouds on 127.0.0.1, as strict as the real ones, with a clock and faults."""

from __future__ import annotations

import json
import threading
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import trustme
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import load_pem_x509_certificate

from baseload.wire.aws_sigv4 import AwsKeys, Scope, Unsigned, sign

WALL_S = 1_790_000_000.0
SECRET = "s3cret-of-the-application"
AWS = AwsKeys("AKIDEXAMPLE", "s3cret-access-key")
ROLE = "arn:aws:iam::123456789012:role/bedrock"
CONTAINER_TOKEN = "c0ntainer-token"
WEB_TOKEN = "w3b-identity-token"
METADATA_TOKEN = "m3tadata-token"
TOLERANCE_S = 300

_issued = trustme.CA(key_type=trustme.KeyType.RSA).issue_cert("app", key_type=trustme.KeyType.RSA)
CERTIFICATE_PEM = _issued.private_key_and_cert_chain_pem.bytes().decode()
_CERTIFICATE = load_pem_x509_certificate(_issued.cert_chain_pems[0].bytes())
_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
KEY_PEM = _KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()


@dataclass
class Asked:
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    fields: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), strict_parsing=True))


@dataclass
class Answer:
    """What goes back."""

    body: str | bytes = "{}"
    status: int = 200
    fields: dict[str, str] = field(default_factory=dict)


class Refused(Exception):
    """A check of the service failed: answered 401 with the reason as its code."""


class Clouds:
    """Every endpoint at one address. `wall_s` is its clock; `fault` names what happens to all requests."""

    def __init__(self) -> None:
        self.wall_s = WALL_S
        self.life_s = 3600.0
        self.fault: Callable[[Asked], Answer] | str | None = None
        self.asked: list[Asked] = []
        self.issued = 0
        self.released = threading.Event()
        handler = type("Handler", (_Handler,), {"clouds": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def token(self) -> str:
        """What was issued last."""
        return f"t0ken-{self.issued}"

    def answer(self, asked: Asked) -> Answer:
        if callable(self.fault):
            return self.fault(asked)
        routes: list[tuple[str, str, Callable[[Asked], Answer]]] = [
            ("POST", "/contoso/oauth2/v2.0/token", self._entra),
            ("POST", "/google", self._google),
            ("GET", "/computeMetadata/v1/instance/service-accounts/default/token", self._metadata),
            ("POST", "/", self._sts),
            ("GET", "/container", self._container),
            ("PUT", "/latest/api/token", self._imds_token),
            ("GET", "/latest/meta-data/iam/security-credentials/", self._imds_role),
            ("GET", "/latest/meta-data/iam/security-credentials/the-role", self._imds_keys),
        ]
        for method, path, route in routes:
            if (method, path) == (asked.method, asked.path):
                try:
                    return route(asked)
                except Refused as refused:
                    return Answer(json.dumps({"error": str(refused), "error_description": SECRET}), 401)
        return Answer("not here", 404)

    def _oauth(self, **more: Any) -> Answer:
        self.issued += 1
        reply = {"token_type": "Bearer", "access_token": self.token, "expires_in": int(self.life_s), **more}
        return Answer(json.dumps(reply), fields={"metadata-flavor": "Google"})

    def _entra(self, asked: Asked) -> Answer:
        form = asked.form
        _check(form["grant_type"] == "client_credentials", "unsupported_grant_type")
        _check(form["client_id"] == "app", "unauthorized_client")
        _check(form["scope"] == "https://cognitiveservices.azure.com/.default", "invalid_scope")
        if "client_secret" in form:
            _check(form["client_secret"] == SECRET, "invalid_client")
            return self._oauth()
        _check(form["client_assertion_type"].endswith(":jwt-bearer"), "invalid_request")
        head, claims = self._statement(form["client_assertion"], _CERTIFICATE.public_key(), "PS256")
        thumb = sha256(_CERTIFICATE.public_bytes(serialization.Encoding.DER)).digest()
        _check(_decoded(head["x5t#S256"]) == thumb, "invalid_client")
        _check(claims["iss"] == claims["sub"] == "app" and bool(claims["jti"]), "invalid_client")
        _check(claims["aud"] == f"{self.url}{asked.path}", "invalid_client")
        _check(claims["nbf"] <= self.wall_s < claims["exp"] <= self.wall_s + 600, "invalid_client")
        return self._oauth()

    def _google(self, asked: Asked) -> Answer:
        form = asked.form
        _check(form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer", "unsupported_grant_type")
        head, claims = self._statement(form["assertion"], _KEY.public_key(), "RS256")
        _check(head["kid"] == "key-1", "invalid_grant")
        _check(claims["iss"] == "baseload@example.iam.gserviceaccount.com", "invalid_grant")
        _check(claims["scope"] == "https://www.googleapis.com/auth/cloud-platform", "invalid_scope")
        _check(claims["aud"] == f"{self.url}/google", "invalid_grant")
        _check(claims["iat"] <= self.wall_s < claims["exp"] <= claims["iat"] + 3600, "invalid_grant")
        return self._oauth()

    def _statement(self, text: str, key: Any, algorithm: str) -> tuple[dict[str, Any], dict[str, Any]]:
        signed, _, signature = text.rpartition(".")
        head, claims = (json.loads(_decoded(part)) for part in signed.split("."))
        _check(head["alg"] == algorithm and head["typ"] == "JWT", "invalid_client")
        pss = padding.PSS(padding.MGF1(SHA256()), padding.PSS.DIGEST_LENGTH)
        scheme = pss if algorithm == "PS256" else padding.PKCS1v15()
        try:
            key.verify(_decoded(signature), signed.encode(), scheme, SHA256())
        except InvalidSignature:
            raise Refused("invalid_client") from None
        return head, claims

    def _metadata(self, asked: Asked) -> Answer:
        _check(asked.fields.get("metadata-flavor") == "Google", "no_flavor")
        _check(asked.query["scopes"] == "https://www.googleapis.com/auth/cloud-platform", "invalid_scope")
        return self._oauth()

    def _sts(self, asked: Asked) -> Answer:
        form = asked.form
        _check(form["Version"] == "2011-06-15" and form["RoleArn"] == ROLE, "ValidationError")
        if form["Action"] == "AssumeRole":
            if (wrong := self._wrong_signature(asked)) is not None:
                return Answer(f"<ErrorResponse><Error><Code>{wrong}</Code></Error></ErrorResponse>", 403)
            _check(form.get("ExternalId") == "tenant-42", "AccessDenied")
        else:
            _check(form["WebIdentityToken"] == WEB_TOKEN, "InvalidIdentityToken")
            _check("authorization" not in asked.fields, "signed")
        keys = self._keys("SessionToken")
        rows = "".join(f"<{name}>{value}</{name}>" for name, value in keys.items())
        kind = form["Action"]
        return Answer(
            f"<{kind}Response><{kind}Result><Credentials>{rows}</Credentials></{kind}Result></{kind}Response>"
        )

    def _wrong_signature(self, asked: Asked) -> str | None:
        stamp = asked.fields["x-amz-date"]
        signed_s = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
        if abs(signed_s - self.wall_s) > TOLERANCE_S:
            return "SignatureDoesNotMatch"
        fields = tuple((name, asked.fields[name]) for name in ("host", "content-type"))
        request = Unsigned("POST", "/", "", fields, asked.body)
        expected = sign(request, AWS, Scope("us-east-1", "sts"), signed_s).decode()
        return None if asked.fields["authorization"] in expected else "SignatureDoesNotMatch"

    def _keys(self, token: str) -> dict[str, str]:
        self.issued += 1
        end = datetime.fromtimestamp(self.wall_s + self.life_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "AccessKeyId": f"ASIA{self.issued}",
            "SecretAccessKey": f"s3cret-{self.issued}",
            token: self.token,
            "Expiration": end,
        }

    def _container(self, asked: Asked) -> Answer:
        _check(asked.fields.get("authorization") == CONTAINER_TOKEN, "unauthorized")
        return Answer(json.dumps(self._keys("Token")))

    def _imds_token(self, asked: Asked) -> Answer:
        _check(0 < int(asked.fields["x-aws-ec2-metadata-token-ttl-seconds"]) <= 21600, "bad_ttl")
        return Answer(METADATA_TOKEN)

    def _imds_role(self, asked: Asked) -> Answer:
        _check(asked.fields.get("x-aws-ec2-metadata-token") == METADATA_TOKEN, "unauthorized")
        return Answer("the-role\n")

    def _imds_keys(self, asked: Asked) -> Answer:
        _check(asked.fields.get("x-aws-ec2-metadata-token") == METADATA_TOKEN, "unauthorized")
        return Answer(json.dumps({"Code": "Success", **self._keys("Token")}))


class _Handler(BaseHTTPRequestHandler):
    clouds: Clouds
    protocol_version = "HTTP/1.1"

    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate(self.clouds.wall_s, usegmt=True)

    def log_message(self, format: str, *args: object) -> None: ...

    def handle_one_request(self) -> None:
        clouds = self.clouds
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        fields = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, parts.path, dict(parse_qsl(parts.query)), fields, body)
        clouds.asked.append(asked)
        self.close_connection = True
        if clouds.fault == "hang":
            clouds.released.wait(30)
            return
        if clouds.fault == "dribble":
            self._dribble()
            return
        if clouds.fault == "close":
            return
        if clouds.fault == "no http":
            self.wfile.write(b"hello\r\n\r\n")
            return
        answer = clouds.answer(asked)
        raw = answer.body.encode() if isinstance(answer.body, str) else answer.body
        self.send_response(answer.status)
        for name, value in answer.fields.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def _dribble(self) -> None:
        """A byte now and then: no read of it ever takes long, and it never ends."""
        try:
            self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
            while not self.clouds.released.wait(0.02):
                self.wfile.write(b"x")
                self.wfile.flush()
        except OSError:
            return


def _check(holds: bool, code: str) -> None:
    if not holds:
        raise Refused(code)


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def until(holds: Callable[[], bool]) -> None:
    """Wait for another thread's work, ten seconds at most."""
    end_s = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end_s, "it did not happen within 10 s"
        time.sleep(0.001)

"""Every kind of renewed login by its name, with a clock that stands still and the service it asks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from baseload.core import AwsLogin, EntraLogin, GoogleLogin
from baseload.gateway.login import Call, Login
from baseload.gateway.login.aws_keys import AwsSource
from baseload.gateway.login.clock import Clock
from baseload.gateway.login.entra import EntraSource
from baseload.gateway.login.google import GoogleSource
from baseload.gateway.login.renewal import Renewal
from tests.gateway.login.clouds import (
    AWS,
    CERTIFICATE_PEM,
    CONTAINER_TOKEN,
    KEY_PEM,
    ROLE,
    SECRET,
    WALL_S,
    WEB_TOKEN,
    Clouds,
)

CALL = Call("POST", "/model/anthropic.claude-v1%3A0/converse?x=1", "llm.example.com", b'{"messages":[]}')
KINDS = (
    "entra secret",
    "entra certificate",
    "google key",
    "google metadata",
    "aws role",
    "aws web identity",
    "aws container",
    "aws instance",
)


class Times:
    """The monotonic clock and this machine's wall clock, moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.wall = WALL_S

    def now_s(self) -> float:
        return self.now

    def wall_s(self) -> float:
        return self.wall


class LoginAtWork(NamedTuple):
    """A login with what makes its time pass and its token service."""

    login: Login
    renewal: Renewal[Any]
    clouds: Clouds
    times: Times
    clock: Clock

    def advance(self, seconds: float) -> None:
        """Everyone's time passes."""
        self.times.now += seconds
        self.times.wall += seconds
        self.clouds.wall_s += seconds

    def lines(self) -> bytes:
        return self.login.header_lines(CALL, self.times.now)

    def fresh(self) -> bool:
        return self.login.fresh(self.times.now)


def key_file(clouds: Clouds) -> str:
    """A service account's key file, as Google writes it."""
    said = {
        "type": "service_account",
        "client_email": "baseload@example.iam.gserviceaccount.com",
        "private_key_id": "key-1",
        "private_key": KEY_PEM,
        "token_uri": f"{clouds.url}/google",
    }
    return json.dumps(said, indent=2)


def source_of(kind: str, clouds: Clouds, clock: Clock, folder: Path) -> Any:
    """The source of each kind, at the token services."""
    (folder / "entra.pem").write_text(CERTIFICATE_PEM)
    (folder / "web-token").write_text(WEB_TOKEN + "\n")
    role = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(folder / "web-token"), "AWS_ROLE_ARN": ROLE}
    container = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{clouds.url}/container",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": CONTAINER_TOKEN,
    }
    match kind:
        case "entra secret":
            return EntraSource(EntraLogin("contoso", "app", SECRET, authority=clouds.url), clock)
        case "entra certificate":
            pem = str(folder / "entra.pem")
            return EntraSource(EntraLogin("contoso", "app", "", pem, authority=clouds.url), clock)
        case "google key":
            return GoogleSource(GoogleLogin(key_file(clouds)), clock, {})
        case "google metadata":
            return GoogleSource(GoogleLogin(), clock, {"GCE_METADATA_HOST": clouds.host})
        case "aws role":
            login = AwsLogin("us-east-1", AWS.access_key, AWS.secret_key, "", ROLE, "tenant-42", clouds.url)
            return AwsSource(login, clock, {})
        case "aws web identity":
            return AwsSource(AwsLogin("us-east-1"), clock, {**role, "AWS_ENDPOINT_URL_STS": clouds.url})
        case "aws container":
            return AwsSource(AwsLogin("us-east-1"), clock, container)
    assert kind == "aws instance"
    return AwsSource(AwsLogin("us-east-1"), clock, {"AWS_EC2_METADATA_SERVICE_ENDPOINT": clouds.url})

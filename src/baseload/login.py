"""How a metered target is signed in to where one lasting key does not do: frozen descriptions, without I/O.

What fetches, renews and signs by them is `gateway/login/`. `repr` leaves every secret out.
"""

from __future__ import annotations

from msgspec import Struct

AZURE_AUTHORITY = "https://login.microsoftonline.com"
AZURE_SCOPE = "https://cognitiveservices.azure.com/.default"
GOOGLE_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


class EntraLogin(Struct, frozen=True):
    """Client credentials of Microsoft Entra: `secret`, or the PEM file `certificate` with its private key."""

    tenant: str
    client: str
    secret: str = ""
    certificate: str = ""
    authority: str = AZURE_AUTHORITY
    scope: str = AZURE_SCOPE

    def __repr__(self) -> str:
        return f"EntraLogin({self.tenant!r}, {self.client!r})"


class GoogleLogin(Struct, frozen=True):
    """A service account by the JSON text of its key file; "" for what the environment names.

    `token_url` "" is the one that the key names.
    """

    service_account: str = ""
    scope: str = GOOGLE_SCOPE
    token_url: str = ""

    def __repr__(self) -> str:
        return f"GoogleLogin({'a service account' if self.service_account else 'the environment'})"


class AwsLogin(Struct, frozen=True):
    """Keys that sign for a region, by themselves or to assume `role`; `access_key` "" for the environment's.

    `sts_url` "" is the region's own endpoint.
    """

    region: str
    access_key: str = ""
    secret_key: str = ""
    session_token: str = ""
    role: str = ""
    external_id: str = ""
    sts_url: str = ""
    service: str = "bedrock"

    def __repr__(self) -> str:
        return f"AwsLogin({self.region!r}, {self.access_key or 'the environment'!r}, {self.role!r})"


LoginSettings = EntraLogin | GoogleLogin | AwsLogin

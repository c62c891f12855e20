"""How a metered target is signed in to where a lasting key does not do (docs/credentials.md)."""

from __future__ import annotations

from pydantic import Field, model_validator

from baseload.config.fields import (
    CertificateAndKeyFile,
    Credential,
    Name,
    Region,
    Role,
    ServiceAccount,
    UpstreamName,
    Url,
)
from baseload.config.section import Section
from baseload.core import AZURE_AUTHORITY, AZURE_SCOPE, GOOGLE_SCOPE

SECRETS = (
    ("key",),
    ("entra", "secret"),
    ("google", "service_account"),
    ("aws", "secret_key"),
    ("aws", "session_token"),
)
"""The keys within a metered target whose values are secrets."""


class EntraSection(Section):
    """Client credentials of a Microsoft Entra application, as Azure OpenAI takes them."""

    tenant: UpstreamName = Field(examples=["contoso.onmicrosoft.com"])
    """The directory, by its id or domain."""
    client: UpstreamName = Field(examples=["11111111-2222-3333-4444-555555555555"])
    """The application's (client) id."""
    secret: Credential | None = Field(default=None, examples=["${AZURE_CLIENT_SECRET}"])
    """The client secret; this or `certificate`."""
    certificate: CertificateAndKeyFile | None = None
    """PEM file of the application's certificate and its RSA key, in place of a secret."""
    authority: Url = Field(default=AZURE_AUTHORITY)
    """Where tokens are given: another one for a sovereign cloud."""
    scope: UpstreamName = Field(default=AZURE_SCOPE)
    """What the token is for."""

    @model_validator(mode="after")
    def _one_proof(self) -> EntraSection:
        if (self.secret is None) == (self.certificate is None):
            raise ValueError("needs `secret` or `certificate`, one of the two; write the secret as ${ENV}")
        return self


class GoogleSection(Section):
    """A Google service account, as Vertex AI takes it."""

    service_account: ServiceAccount | None = None
    """The account's JSON key file; not written: what the machine's environment names."""
    scope: UpstreamName = Field(default=GOOGLE_SCOPE)
    """What the token is for."""
    token_url: Url | None = Field(default=None, examples=["https://oauth2.googleapis.com/token"])
    """Where tokens are given; not written: the address in the key file."""


class AwsSection(Section):
    """Keys that sign requests, as Amazon Bedrock takes them; without `access_key` the environment's."""

    region: Region = Field(examples=["us-east-1"])
    """The region that requests are signed for."""
    service: Name = Field(default="bedrock", examples=["bedrock-mantle"])
    """The service that requests are signed for: `bedrock-mantle` at that endpoint."""
    access_key: UpstreamName | None = Field(default=None, examples=["${AWS_ACCESS_KEY_ID}"])
    """The access key's id; not written: keys come from the environment, as AWS documents it."""
    secret_key: Credential | None = Field(default=None, examples=["${AWS_SECRET_ACCESS_KEY}"])
    """The secret access key that belongs to it."""
    session_token: Credential | None = Field(default=None, examples=["${AWS_SESSION_TOKEN}"])
    """The session token, where the two are temporary."""
    role: Role | None = None
    """The role to assume with these keys."""
    external_id: UpstreamName | None = Field(default=None, examples=["tenant-42"])
    """The external id that the role's trust policy asks for."""
    sts: Url | None = Field(default=None, examples=["https://sts.us-east-1.amazonaws.com"])
    """Where roles are assumed; not written: the region's own address."""

    @model_validator(mode="after")
    def _belong_together(self) -> AwsSection:
        if (self.access_key is None) != (self.secret_key is None):
            raise ValueError(
                "needs `access_key` and `secret_key`, or neither; the environment's keys are taken then"
            )
        if self.session_token is not None and self.access_key is None:
            raise ValueError(
                "has a `session_token` without its `access_key` and `secret_key`; write all three"
            )
        if self.external_id is not None and self.role is None:
            raise ValueError("has an `external_id` without a `role`; write the role to assume")
        return self

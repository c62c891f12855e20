"""How a metered target may be signed in to: one way, whole, and with its secrets out of sight."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import trustme
import yaml

from baseload.catalog.rates import RateTable
from baseload.config import Config, InvalidConfig, json_schema, parse, warnings
from baseload.core import (
    AZURE_AUTHORITY,
    AZURE_SCOPE,
    GOOGLE_SCOPE,
    AwsLogin,
    EntraLogin,
    GoogleLogin,
    Target,
)
from baseload.gateway.snapshot import compile_snapshot

ENV = {
    "SECRET": "s3cret-value",
    "AWS_ID": "AKIDEXAMPLE",
    "TOKEN": "t0ken-value",
}
KEY_FILE = json.dumps(
    {
        "type": "service_account",
        "client_email": "baseload@example.iam.gserviceaccount.com",
        "private_key": "-----BEGIN PRIVATE KEY-----\npr1vate-value\n-----END PRIVATE KEY-----\n",
        "token_uri": "https://oauth2.googleapis.com/token",
    },
    indent=2,
)
ROLE = "arn:aws:iam::123456789012:role/bedrock"

Read = Callable[..., Config]


def text_of(login: str, url: str = "    url: https://llm.example.com/v1\n") -> str:
    """A file whose one target is signed in to like this."""
    return (
        "targets:\n"
        "  cloud:\n"
        f"    metered: {{provider: azure, price: {{input: 1, output: 2}}, {login}}}\n"
        f"{url}"
        "models:\n"
        "  chat: {metered: [cloud]}\n"
        "classes:\n"
        "  default: {regions: any}\n"
    )


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads such a file in a folder that holds vertex.json and entra.pem."""
    (tmp_path / "vertex.json").write_text(KEY_FILE)
    issued = trustme.CA().issue_cert("example.com").private_key_and_cert_chain_pem
    (tmp_path / "entra.pem").write_bytes(issued.bytes())

    def parsed(login: str, **more: str) -> Config:
        return parse(text_of(login, **more), "baseload.yaml", tmp_path, ENV)

    return parsed


def target(config: Config) -> Target:
    """The target as the gateway gets it."""
    day = date(2026, 11, 24).isoformat()
    return compile_snapshot(config, RateTable(day, "", {})).targets["cloud"]


def test_entra_by_secret(read: Read) -> None:
    """Authority and scope are the public cloud's unless they are written."""
    found = target(read("entra: {tenant: contoso, client: app, secret: '${SECRET}'}"))
    assert found.login == EntraLogin("contoso", "app", "s3cret-value", "", AZURE_AUTHORITY, AZURE_SCOPE)
    assert found.credential == ""


def test_entra_by_certificate_in_a_sovereign_cloud(read: Read, tmp_path: Path) -> None:
    """The PEM file is seen from the configuration's folder, and a change of it asks for a reload."""
    config = read(
        "entra: {tenant: contoso, client: app, certificate: entra.pem, "
        "authority: 'https://login.chinacloudapi.cn', scope: 'https://cognitiveservices.azure.cn/.default'}"
    )
    login = target(config).login
    assert isinstance(login, EntraLogin)
    assert (login.certificate, login.secret) == (str(tmp_path / "entra.pem"), "")
    assert login.authority == "https://login.chinacloudapi.cn"
    assert login.scope == "https://cognitiveservices.azure.cn/.default"
    assert tmp_path / "entra.pem" in config.sources


def test_google_by_key_file(read: Read, tmp_path: Path) -> None:
    """The file may have many lines, as Google writes it; a change of it asks for a reload."""
    config = read(
        "google: {service_account: '${file:vertex.json}', token_url: 'https://tokens.example.com/t'}"
    )
    login = target(config).login
    assert isinstance(login, GoogleLogin)
    assert json.loads(login.service_account) == json.loads(KEY_FILE)
    assert (login.scope, login.token_url) == (GOOGLE_SCOPE, "https://tokens.example.com/t")
    assert tmp_path / "vertex.json" in config.sources


def test_google_by_the_environment(read: Read) -> None:
    """An empty section asks the machine itself."""
    assert target(read("google: {}")).login == GoogleLogin()


def test_aws_by_keys_and_role(read: Read) -> None:
    """Every key of the section reaches the target."""
    config = read(
        "aws: {region: US-East-1, access_key: '${AWS_ID}', secret_key: '${SECRET}', "
        f"session_token: '${{TOKEN}}', role: '{ROLE}', external_id: tenant-42, sts: 'https://sts.example.com'}}"
    )
    expected = AwsLogin(
        "us-east-1",
        "AKIDEXAMPLE",
        "s3cret-value",
        "t0ken-value",
        ROLE,
        "tenant-42",
        "https://sts.example.com",
    )
    assert target(config).login == expected


def test_aws_by_the_environment(read: Read) -> None:
    """The region alone is enough where the machine has keys."""
    assert target(read("aws: {region: eu-west-3}")).login == AwsLogin("eu-west-3")


def test_a_lasting_key_needs_no_login(read: Read) -> None:
    """As before: the credential is the key."""
    found = target(read("key: '${SECRET}'"))
    assert (found.credential, found.login) == ("s3cret-value", None)


SECRET_LOGINS = [
    "entra: {tenant: contoso, client: app, secret: '${SECRET}'}",
    "google: {service_account: '${file:vertex.json}'}",
    "aws: {region: us-east-1, access_key: '${AWS_ID}', secret_key: '${SECRET}', session_token: '${TOKEN}'}",
]


@pytest.mark.parametrize("login", SECRET_LOGINS)
def test_no_text_shows_a_secret(read: Read, login: str) -> None:
    """Neither the configuration's nor the target's."""
    config = read(login)
    found = target(config)
    for text in (repr(config), config.model_dump_json(), repr(found), repr(found.login), str(found.login)):
        for secret in ("s3cret-value", "t0ken-value", "pr1vate-value"):
            assert secret not in text


CASES: list[tuple[str, str, str, str]] = [
    ("", "key", "is required", "`entra`"),
    ("key: '${SECRET}', aws: {region: us-east-1}", "aws", "there is `key` already", "one way"),
    ("google: {}, aws: {region: us-east-1}", "aws", "there is `google` already", "one way"),
    ("entra: {tenant: contoso, client: app}", "entra", "needs `secret` or `certificate`", "${ENV}"),
    (
        "entra: {tenant: contoso, client: app, secret: x, certificate: entra.pem}",
        "entra",
        "one of the two",
        "${ENV}",
    ),
    ("entra: {tenant: contoso, secret: x}", "entra.client", "is required", "application"),
    ("entra: {tenat: contoso, client: app, secret: x}", "entra.tenat", "unknown key", "'tenant'"),
    ("entra: {tenant: t, client: app, certificate: no.pem}", "entra.certificate", "cannot read", ""),
    ("entra: {tenant: t, client: app, certificate: vertex.json}", "entra.certificate", "no PEM", "BEGIN"),
    ("entra: {tenant: t, client: a, secret: x, authority: login}", "entra.authority", "must begin with", ""),
    ("google: {service_account: vertex.json}", "google.service_account", "not the JSON key", "${file:PATH}"),
    ("google: {service_account: '{}'}", "google.service_account", "not the JSON key", "${file:PATH}"),
    ("aws: {}", "aws.region", "is required", "region"),
    ("aws: {region: us-east-1, access_key: a}", "aws", "`secret_key`, or neither", "environment"),
    ("aws: {region: us-east-1, session_token: a}", "aws", "without its `access_key`", "all three"),
    ("aws: {region: us-east-1, external_id: a}", "aws", "without a `role`", "assume"),
    ("aws: {region: us-east-1, role: admin}", "aws.role", "should match pattern", ""),
    ("aws: {region: us-east-1, secret-key: a}", "aws.secret-key", "unknown key", "'secret_key'"),
]


@pytest.mark.parametrize(("login", "key", "reason", "hint"), CASES)
def test_each_mistake_is_named_with_its_place(
    read: Read, login: str, key: str, reason: str, hint: str
) -> None:
    """File, line, key, what is wrong and what to write."""
    with pytest.raises(InvalidConfig) as caught:
        read(login)
    found = {problem.key: problem for problem in caught.value.problems}
    problem = found[f"targets.cloud.metered.{key}"]
    assert (problem.file, problem.line) == ("baseload.yaml", 3)
    assert reason in problem.reason
    assert hint in problem.hint


@pytest.mark.parametrize("login", SECRET_LOGINS)
def test_a_token_goes_to_no_providers_usual_address_by_default(read: Read, login: str) -> None:
    """Whoever signs in otherwise than by key writes where to: the token must not reach a stranger."""
    with pytest.raises(InvalidConfig) as caught:
        read(login, url="")
    assert [problem.key for problem in caught.value.problems] == ["targets.cloud.url"]


@pytest.mark.parametrize(
    ("login", "key"),
    [
        ("entra: {tenant: contoso, client: app, secret: in-the-file}", "entra.secret"),
        ("aws: {region: us-east-1, access_key: a, secret_key: in-the-file}", "aws.secret_key"),
        (
            "aws: {region: us-east-1, access_key: a, secret_key: '${SECRET}', session_token: in-the-file}",
            "aws.session_token",
        ),
    ],
)
def test_a_secret_that_stands_in_the_file_is_warned_of(read: Read, login: str, key: str) -> None:
    """By its key, not by its value."""
    found = [warning for warning in warnings(read(login)) if "stands in the file" in warning]
    assert [warning.partition(":")[0] for warning in found] == [f"targets.cloud.metered.{key}"]
    assert "in-the-file" not in found[0]


def test_a_mistaken_secret_is_not_quoted(read: Read) -> None:
    """An error shows what was written, but not where that is a secret."""
    for login in (
        "entra: {tenant: t, client: a, secret: 'two words'}",
        "google: {service_account: 'two words'}",
    ):
        with pytest.raises(InvalidConfig) as caught:
            read(login)
        assert "two words" not in str(caught.value)


@pytest.mark.parametrize("login", [*SECRET_LOGINS, "google: {}"])
def test_a_login_in_the_clear_is_warned_of(read: Read, login: str) -> None:
    """Tokens and signatures are worth as much as keys on the way."""
    found = list(warnings(read(login, url="    url: http://llm.example.com/v1\n")))
    assert any("crosses the network unencrypted" in warning for warning in found)


@pytest.mark.parametrize("login", [*SECRET_LOGINS, "google: {}", "key: '${SECRET}'"])
def test_the_published_schema_takes_each_way_and_no_two(login: str) -> None:
    """An editor says it before the loader does."""
    document: dict[str, Any] = yaml.safe_load(text_of(login))
    jsonschema.validate(document, json_schema())
    document["targets"]["cloud"]["metered"] |= {"key": "x", "google": {}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, json_schema())


def test_the_version_of_a_configuration_does_not_depend_on_its_secrets(read: Read, tmp_path: Path) -> None:
    """A hash in the ledger must not let anyone guess at a secret."""
    login = SECRET_LOGINS[0]
    day = RateTable("2026-11-24", "", {})
    other = parse(text_of(login), "baseload.yaml", tmp_path, {**ENV, "SECRET": "another"})
    assert compile_snapshot(read(login), day).version == compile_snapshot(other, day).version


def test_a_secrets_file_of_many_lines_must_be_json(read: Read, tmp_path: Path) -> None:
    """Two lines are no key, and half of a JSON object is none either."""
    for text in ("one\ntwo", '{\n"type": 1,\n'):
        (tmp_path / "vertex.json").write_text(text)
        with pytest.raises(InvalidConfig, match="one line of text, or a JSON object"):
            read("google: {service_account: '${file:vertex.json}'}")

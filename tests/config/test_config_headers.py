"""Headers of a target's own, the header of its key, regions that a provider does not keep to."""

from __future__ import annotations

from pathlib import Path

import pytest

from baseload.catalog.rates import RateTable
from baseload.config import warnings
from baseload.config.fields import KEY_HEADERS
from baseload.config.headers import FORMAT_HEADERS, OURS
from baseload.config.load import InvalidConfig, parse
from baseload.core import Format
from baseload.gateway.login import KeyHeader
from baseload.gateway.snapshot import compile_snapshot

FILE = """
targets:
  there:
    metered: {provider: PROVIDER, KEY, price: {input: 1, output: 1}}
    url: "https://host/v1"
    model: m
    MORE
models: {chat: {metered: [there], slo: {ttft: 1s, tpot: 50ms}}}
classes: {default: {regions: any}}
"""
ENV = {"KEY": "hush-1234", "TOKEN": "hush-5678"}


def text(more: str, *, provider: str = "own", key: str = "key: none") -> str:
    """A file with a target of this provider, this credential and these further keys."""
    return FILE.replace("PROVIDER", provider).replace("MORE", more).replace("KEY,", f"{key},")


def problems(more: str, *, provider: str = "own", key: str = "key: none") -> list[str]:
    """What is wrong with such a file."""
    try:
        parse(text(more, provider=provider, key=key), "baseload.yaml", Path(), ENV)
    except InvalidConfig as error:
        return [f"{problem.key}: {problem.reason}" for problem in error.problems]
    return []


def test_headers_come_from_the_environment_and_stay_secret() -> None:
    """Names in small letters, values resolved, and shown nowhere."""
    made = text('headers: {X-Portkey-Provider: openai, x-portkey-api-key: "${TOKEN}"}')
    config = parse(made, "baseload.yaml", Path(), ENV)
    target = compile_snapshot(config, RateTable("2026-11-24", "", {})).targets["there"]
    assert target.headers == (("x-portkey-provider", "openai"), ("x-portkey-api-key", "hush-5678"))
    assert "hush" not in f"{config!r} {target!r} {config.model_dump()}"
    assert [line for line in warnings(config) if "credential" in line] == []


def test_a_literal_secret_in_a_header_is_warned_of() -> None:
    """By its name; what is plainly no secret is not."""
    config = parse(text("headers: {X-Api-Token: abc, x-team: search}"), "baseload.yaml", Path(), ENV)
    assert [line.partition(":")[0] for line in warnings(config) if "credential stands" in line] == [
        "targets.there.headers.x-api-token"
    ]


@pytest.mark.parametrize("name", sorted(OURS))
def test_what_is_the_gateways_is_refused(name: str) -> None:
    """Hop-by-hop fields, those that frame a body, and those that the gateway writes."""
    assert problems(f"headers: {{{name.title()}: x}}") == [
        f"targets.there.headers.{name.title()}: is the gateway's to write, or of one connection"
    ]


@pytest.mark.parametrize(
    ("more", "provider", "key", "at"),
    [
        ("headers: {Authorization: x}", "own", "key: ${KEY}", "Authorization"),
        ("headers: {api-key: x}", "azure", "key: ${KEY}", "api-key"),
        ("headers: {x-api-key: x}", "anthropic", "key: ${KEY}", "x-api-key"),
        ("headers: {anthropic-version: x}", "anthropic", "key: ${KEY}", "anthropic-version"),
        ("headers: {x-goog-api-key: x}\n    format: gemini", "google", "key: ${KEY}", "x-goog-api-key"),
        ("headers: {api-key: x}", "own", "key: ${KEY}, key_header: api-key", "api-key"),
        ("headers: {authorization: x}", "google", "google: {}", "authorization"),
        ("headers: {x-amz-date: x}", "aws", "aws: {region: us-east-1}", "x-amz-date"),
    ],
)
def test_a_credentials_header_is_refused(more: str, provider: str, key: str, at: str) -> None:
    """Two values of one field would be read as either."""
    assert problems(more, provider=provider, key=key) == [
        f"targets.there.headers.{at}: is the credential's or the format's"
    ]


@pytest.mark.parametrize(
    "more",
    [
        "headers: {authorization: Basic abc}",
        "headers: {api-key: x}",
        "headers: {anthropic-beta: context-1m}",
    ],
)
def test_what_nobody_else_writes_may_be_written(more: str) -> None:
    """Without a key its header is free; so is every other one."""
    assert problems(more) == []


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ('headers: {"a b": x}', "has a name that is no header's"),
        ('headers: {x-a: "two\\nlines"}', "x-a must be visible ASCII text"),
        ("headers: {x-a: 1}", "x-a must be visible ASCII text"),
        ("headers: {x-a: b, X-A: c}", "X-A is written twice"),
        ("headers: [x-a]", "must be a mapping of header names to values"),
    ],
)
def test_what_no_header_line_can_hold_is_refused(more: str, reason: str) -> None:
    """Nothing can begin a second line."""
    assert problems(more) == [f"targets.there.headers: {reason}"]


def test_a_key_headers_words_are_the_logins() -> None:
    """Every one there is, and each format's default is one."""
    assert sorted(KEY_HEADERS) == sorted(h.value.partition(b":")[0].decode() for h in KeyHeader)
    assert set(FORMAT_HEADERS) == set(Format)
    assert set(FORMAT_HEADERS.values()) <= set(KEY_HEADERS)


def test_a_key_header_is_for_a_key() -> None:
    """An access token has its own."""
    assert problems("", provider="google", key="google: {}, key_header: api-key") == [
        "targets.there.metered.key_header: is for a `key`"
    ]


def test_a_region_that_the_provider_does_not_keep_to_is_refused() -> None:
    """`global` endpoints may process anywhere, whatever the file says."""
    vertex = "https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/anthropic"
    made = text("region: eu-west", provider="google", key="google: {}").replace("https://host/v1", vertex)
    with pytest.raises(InvalidConfig) as caught:
        parse(made, "baseload.yaml", Path(), ENV)
    assert caught.value.key == "targets.there.region"
    fine = made.replace("region: eu-west", "region: global")
    assert parse(fine, "baseload.yaml", Path(), ENV).targets["there"].region == "global"
    profile = text("region: eu-west", provider="aws", key="aws: {region: eu-west-1}")
    with pytest.raises(InvalidConfig) as caught:
        parse(profile.replace("model: m", "model: global.anthropic.claude"), "baseload.yaml", Path(), ENV)
    assert caught.value.reason == "Bedrock's `global.` profiles process anywhere"

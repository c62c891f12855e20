"""What "the same request" is, who may read and keep, and what a target's answer depends on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from baseload.core import DataClass, Model, Side, Target, Tenant
from baseload.gateway.caching.rules import (
    Directives,
    Scope,
    caching_of,
    directives,
    maker_of,
    may_answer,
    request_key,
)
from baseload.wire.openai import read_request

SECRET = b"s" * 32
SCOPE = Scope("shop", "default", "chat", None, b"/v1/chat/completions", b"", False)
TARGET = Target("a", Side.METERED, "https://a.example/v1", model="m", region="eu-west")
MODEL = Model("chat", (TARGET,), cache_ttl_s=60.0)
SHOP = Tenant("shop", DataClass("default"), cache=True)


def key(body: dict[str, Any] | bytes, scope: Scope = SCOPE, secret: bytes = SECRET) -> bytes:
    """The key of a chat request."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    left_out = frozenset({"metadata"})
    return request_key(secret, scope, read_request(raw).members.items(), left_out)


BODY = {"model": "chat", "messages": [{"role": "user", "content": "hi"}], "temperature": 0.7}


def test_order_white_space_and_what_no_answer_depends_on_make_no_difference() -> None:
    """Members in another order, spaces between them, other metadata: one request."""
    turned = dict(reversed(BODY.items()))
    spaced = b'{ "model" : "chat",\n"messages":[{"role": "user", "content": "hi"}] , "temperature":0.7 }'
    assert key(turned) == key(spaced) == key({**BODY, "metadata": {"run": "1"}}) == key(BODY)


@pytest.mark.parametrize(
    "other",
    [
        {**BODY, "temperature": 0.70001},
        {**BODY, "seed": 1},
        {**BODY, "user": "u1"},
        {**BODY, "messages": [{"role": "user", "content": "hi "}]},
        {**BODY, "messages": [{"content": "hi", "role": "user"}]},
        {key: value for key, value in BODY.items() if key != "temperature"},
    ],
)
def test_anything_else_in_the_body_makes_another_request(other: dict[str, Any]) -> None:
    """Every other member and every byte of a value counts."""
    assert key(other) != key(BODY)


@pytest.mark.parametrize(
    "changed",
    [
        {"tenant": "lab"},
        {"data_class": "patient"},
        {"model": "talk"},
        {"only": ("a",)},
        {"path": b"/v1/completions"},
        {"passed": b"anthropic-beta: x\r\n"},
        {"stream": True},
    ],
)
def test_whose_request_it_is_and_what_narrows_it_counts(changed: dict[str, Any]) -> None:
    """Never across tenants, classes, models, narrowings, paths, formats or forms."""
    assert key(BODY, replace(SCOPE, **changed)) != key(BODY)
    assert key(BODY, secret=b"t" * 32) != key(BODY)


_MEMBERS = st.dictionaries(st.text(max_size=6), st.text(max_size=6) | st.integers(), max_size=4)


@given(_MEMBERS, _MEMBERS, st.text(max_size=4), st.text(max_size=4))
def test_two_requests_share_a_key_only_if_they_are_the_same(
    one: dict[str, Any], two: dict[str, Any], first: str, second: str
) -> None:
    """No way of cutting names and values in other places makes two requests one."""

    def made(body: dict[str, Any], tenant: str) -> bytes:
        members = [(name, json.dumps(value).encode()) for name, value in body.items()]
        return request_key(SECRET, replace(SCOPE, tenant=tenant), members, frozenset())  # type: ignore[arg-type]

    same = (first, one) == (second, two)
    assert (made(one, first) == made(two, second)) is same


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", Directives()),
        (b"no-store", Directives(no_store=True)),
        (b"No-Cache, foo=bar", Directives(no_cache=True)),
        (b"max-age=30", Directives(max_age_s=30.0)),
        (b'max-age="30" , max-age=20', Directives(max_age_s=20.0)),
        (b"max-age=0,max-age=20", Directives(max_age_s=0.0)),
        (b"max-age=soon", Directives(max_age_s=0.0)),
        (b"max-age=-1", Directives(max_age_s=0.0)),
        (b"max-age", Directives(max_age_s=0.0)),
        (b"max-age=99999999999999999999", Directives(max_age_s=999_999_999_999.0)),
        (b"only-if-cached, max-stale=5", Directives()),
    ],
)
def test_cache_control_is_read_as_the_rfc_says(value: bytes, expected: Directives) -> None:
    """Known directives in any letters, the strictest age of several, nonsense on the safe side."""
    assert directives(value) == expected


def test_who_reads_and_keeps() -> None:
    """Both operator and tenant must want it; a request can then ask for less."""
    assert caching_of(replace(MODEL, cache_ttl_s=None), SHOP, {}) is None
    assert caching_of(MODEL, replace(SHOP, cache=False), {}) is None

    def found(value: bytes) -> tuple[float, bool, bool]:
        caching = caching_of(MODEL, SHOP, {b"cache-control": value})
        assert caching is not None
        return caching.most_age_s, caching.reads, caching.keeps

    assert found(b"") == (60.0, True, True)
    assert found(b"no-store") == (60.0, False, False)
    assert found(b"no-cache") == (60.0, False, True)
    assert found(b"max-age=5") == (5.0, True, True)
    assert found(b"max-age=500") == (60.0, True, True)
    assert found(b"max-age=0") == (0.0, False, True)


@pytest.mark.parametrize(
    "changed",
    [
        {"url": "https://b.example/v1"},
        {"model": "n"},
        {"region": "us"},
        {"zero_retention": True},
        {"drop_unsupported": True},
        {"headers": (("openai-organization", "o"),)},
    ],
)
def test_a_target_that_would_answer_otherwise_or_elsewhere_is_another_maker(changed: dict[str, Any]) -> None:
    """Address, model, place, agreement and what it is sent count."""
    assert maker_of(SECRET, replace(TARGET, **changed)) != maker_of(SECRET, TARGET)


def test_price_and_credential_make_no_other_answer() -> None:
    """A new key or limit leaves what is kept in place."""
    assert maker_of(SECRET, replace(TARGET, credential="k", context_tokens=5)) == maker_of(SECRET, TARGET)


def test_an_answer_goes_only_where_its_maker_might_have_been_asked() -> None:
    """The model's own targets, within what the request narrows to, where the class's data may go."""
    anywhere, here = DataClass("any"), DataClass("eu", frozenset({"eu-west"}))
    assert may_answer(MODEL, here, None, TARGET)
    assert may_answer(MODEL, here, frozenset({"a"}), TARGET)
    assert not may_answer(MODEL, anywhere, frozenset({"b"}), TARGET)
    assert not may_answer(MODEL, DataClass("us", frozenset({"us"})), None, TARGET)
    assert not may_answer(MODEL, DataClass("zero", None, True), None, TARGET)
    assert not may_answer(replace(MODEL, targets=()), anywhere, None, TARGET)
    assert not may_answer(MODEL, here, None, replace(TARGET, region=None))

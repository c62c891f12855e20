"""What passes through obeys the rules of all requests: keys, models, residency, limits, strict bodies."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from baseload.keys import KeyStore
from tests.gateway.passing.conftest import target
from tests.gateway.passing.forms import BOUNDARY, END, Sender, form, part, post_form
from tests.gateway.passing.upstream import Upstream
from tests.gateway.threaded import Reply, ThreadedGateway, eventually, read_reply

Passing = Callable[..., ThreadedGateway]
IMAGES, HEAR = "/v1/images/generations", "/v1/audio/transcriptions"
FILE = part("file", b"abc", filename="a.wav")


def _post(gateway: ThreadedGateway, path: str = IMAGES, *, method: str = "POST", **body: Any) -> Reply:
    headers = {"authorization": f"Bearer {gateway.key}", "content-type": "application/json"}
    headers.update(body.pop("headers", {}))
    with gateway.connection() as connection:
        connection.request(method, path, json.dumps(body), headers)
        return read_reply(connection)


def _refusals(gateway: ThreadedGateway) -> list[tuple[str, str]]:
    gateway.rows()
    with contextlib.closing(sqlite3.connect(gateway.data / "ledger.sqlite")) as connection:
        return connection.execute("SELECT code, model FROM refusals ORDER BY request_id").fetchall()


def test_without_a_key(passing: Passing, upstream: Upstream) -> None:
    """401 before anything of a body is kept, and on record."""
    gateway = passing({"dall-e-3": target(upstream, image="0.04")})
    assert _post(gateway, headers={"authorization": "Bearer bl_wrong"}, model="dall-e-3").status == 401
    gateway.key = "bl_wrong"
    body = form(part("model", b"dall-e-3"), FILE)
    assert post_form(gateway, HEAR, body, pieces=[body[:20], body[20:]]).code == "invalid_api_key"
    assert upstream.calls == []


def test_a_model_that_nobody_serves(passing: Passing, upstream: Upstream) -> None:
    """Without targets for the group an unknown model is 404, and none at all too; both are recorded."""
    gateway = passing({"dall-e-3": target(upstream, image="0.04")})
    assert _post(gateway, model="dall-e-4").code == "model_not_found"
    nameless = _post(gateway, prompt="x")
    assert (nameless.status, nameless.code) == (404, "model_not_found")
    assert "name a model" in nameless.json["error"]["message"]
    assert _refusals(gateway) == [("model_not_found", ""), ("model_not_found", "")]
    assert eventually(gateway.at_rest)


def test_a_tenant_of_some_models_gets_no_others(passing: Passing, upstream: Upstream) -> None:
    """Neither by another name, nor by none, nor by a name behind the file, nor by two names."""
    targets = {"whisper-1": target(upstream, second="0.0001"), "dear": target(upstream, second="1")}
    gateway = passing(targets, {"audio": ["dear"]}, tenants={"shop": {"models": ["whisper-1"]}})
    allowed, other = part("model", b"whisper-1"), part("model", b"dear")
    assert post_form(gateway, HEAR, form(allowed, FILE)).status == 200
    for refused in (form(other, FILE), form(FILE, other), form(FILE)):
        reply = post_form(gateway, HEAR, refused)
        assert (reply.status, reply.code) == (403, "model_not_allowed")
    assert post_form(gateway, HEAR, form(allowed, FILE, other)).code == "duplicate_key"
    assert _post(gateway, "/v1/audio/speech", model="dear", input="x").code == "model_not_allowed"
    assert len(upstream.calls) == 1


def test_a_second_model_at_the_end_of_an_upload(passing: Passing, upstream: Upstream) -> None:
    """An upload under way is broken off when it names its model again: the target never sees its end."""
    gateway = passing({"whisper-1": target(upstream, second="0.0001")})
    head, again = part("model", b"whisper-1") + FILE, part("model", b"other")
    sender = Sender(gateway, HEAR, length=len(head) + len(again) + len(END))
    sender.send(head)
    assert eventually(lambda: upstream.calls)
    sender.send(again + END)
    reply = sender.reply()
    sender.leave()
    assert (reply.status, reply.code) == (400, "duplicate_key")
    assert eventually(lambda: upstream.gone)
    (row,) = gateway.rows(1)
    assert (row["outcome"], row["error_code"], row["cost_nano"]) == ("failed", "duplicate_key", 0)
    assert eventually(gateway.at_rest)


@pytest.mark.parametrize(
    "body",
    [
        b"no form at all",
        form(part("Model", b"whisper-1"), FILE),
        form(part("", b"x", head=b'content-disposition: form-data; filename="a"\r\n')),
        form(part("", b"x", head=b"content-disposition: form-data; name*=UTF-8''model\r\n")),
        form(part("", b"x", head=b'content-disposition: form-data; name="a"; name="model"\r\n')),
        form(part("", b"x", head=b"content-type: text/plain\r\n")),
        form(part("model", b"x" * 2000)),
        form(part("model", b"whisper-1"), part("n", b"000001999999999"), FILE),
        form(part("model", b"whisper-1"), part("n", b"many"), FILE),
        form(part("model", b"whisper-1"), FILE) + b"--" + BOUNDARY + b"\r\n",
        (part("model", b"whisper-1") + FILE),
    ],
    ids=[
        *("none", "capitals", "nameless", "coded", "twice", "undisposed", "long", "too many", "no number"),
        *("behind the end", "no end"),
    ],
)
def test_forms_that_two_readers_could_read_differently(
    passing: Passing, upstream: Upstream, body: bytes
) -> None:
    """Refused with 400: whole or in pieces, nothing whole of it reaches a target."""
    gateway = passing({"whisper-1": target(upstream, second="0.0001")})
    for pieces in ([body], [body[:9], body[9:]]):
        assert post_form(gateway, HEAR, body, pieces=pieces).code == "invalid_field"
    assert [call for call in upstream.calls if call.fields] == []
    assert eventually(gateway.at_rest)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"model":"dall-e-3","model":"dear"}', "duplicate_key"),
        (b'{"Model":"dear"}', "invalid_field"),
        (b'{"model":null}', "invalid_field"),
        (b"[]", "invalid_field"),
        (b"{", "invalid_json"),
    ],
)
def test_json_that_two_readers_could_read_differently(
    passing: Passing, upstream: Upstream, body: bytes, code: str
) -> None:
    """By the same rules as a chat completion's."""
    gateway = passing({"dall-e-3": target(upstream, image="0.04")}, {"images": ["dall-e-3"]})
    with gateway.connection() as connection:
        headers = {"authorization": f"Bearer {gateway.key}", "content-type": "application/json"}
        connection.request("POST", IMAGES, body, headers)
        assert read_reply(connection).code == code
    assert upstream.calls == []


def test_residency_holds(passing: Passing, upstream: Upstream) -> None:
    """A class that asks for a region gets no target elsewhere, by model or by group."""
    targets = {
        "us": target(upstream, image="0.04", region="us"),
        "eu": target(upstream, image="0.04", region="eu"),
    }
    classes = {"default": {"regions": "any"}, "patient": {"regions": ["eu"]}}
    gateway = passing(
        targets, {"images": ["us", "eu"]}, classes=classes, tenants={"shop": {"class": "patient"}}
    )
    for _ in range(4):
        assert _post(gateway, prompt="x").headers["x-baseload-target"] == "eu"
    elsewhere = passing(
        {"us": targets["us"]}, {"images": ["us"]}, classes=classes, tenants={"shop": {"class": "patient"}}
    )
    assert _post(elsewhere, prompt="x").code == "residency"


def test_a_target_of_another_format_takes_no_part(passing: Passing, upstream: Upstream) -> None:
    """A model whose targets all speak another format is told so; of mixed ones the fitting one serves."""
    claude = target(upstream, price={"input": "1", "output": "1"}, format="anthropic")
    gateway = passing({"claude": claude})
    reply = _post(gateway, model="claude", prompt="x")
    assert (reply.status, reply.code) == (400, "unsupported_parameter")
    models = {"both": {"metered": ["claude", "api"]}}
    targets = {"claude": claude, "api": target(upstream, image="0.04", model="dall-e-3")}
    mixed = passing(targets, {}, models=models)
    reply = _post(mixed, model="both", prompt="x")
    assert (reply.status, reply.headers["x-baseload-reason"]) == (200, "metered")
    assert _post(mixed, model="both", headers={"x-baseload-targets": "claude"}).status in (400, 503)


def test_limits_hold(passing: Passing, upstream: Upstream) -> None:
    """Requests a minute and concurrency are the tenant's, whatever path they take."""
    limits = {"requests_per_minute": 6, "concurrent": 1}
    gateway = passing({"dall-e-3": target(upstream, image="0.04")}, tenants={"shop": {"limits": limits}})
    assert _post(gateway, model="dall-e-3").headers["x-ratelimit-remaining-requests"] == "0"
    refused = _post(gateway, model="dall-e-3")
    assert (refused.status, refused.code) == (429, "rate_limit_exceeded")
    assert _refusals(gateway) == [("rate_limit_exceeded", "dall-e-3")]
    assert eventually(gateway.at_rest)


def test_no_header_of_the_client_reaches_the_target(passing: Passing, upstream: Upstream) -> None:
    """Credentials, cookies and addresses stay here; what passes on is `accept` and `openai-beta`."""
    gateway = passing({"dall-e-3": target(upstream, image="0.04")})
    sent = {"cookie": "a=b", "x-forwarded-for": "1.2.3.4", "openai-organization": "o", "openai-beta": "v2"}
    _post(gateway, model="dall-e-3", headers=sent)
    got = upstream.calls[0].headers
    assert set(got) == {
        "host",
        "authorization",
        "user-agent",
        "content-type",
        "content-length",
        "openai-beta",
        "x-request-id",
    }
    assert got["authorization"] == "Bearer sk-upstream"


def test_other_keys_of_a_gateway(passing: Passing, upstream: Upstream) -> None:
    """The row names the tenant and the key that asked."""
    gateway = passing({"dall-e-3": target(upstream, image="0.04")}, tenants={"shop": {}, "bank": {}})
    key, _ = KeyStore(gateway.data).create("bank")
    gateway.call(gateway.gateway.keys.reload_if_changed)
    gateway.call(gateway.gateway.site.forget_callers)
    _post(gateway, model="dall-e-3", headers={"authorization": f"Bearer {key}"})
    (row,) = gateway.rows(1)
    assert row["tenant"] == "bank"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/images/generations/",
        "/v1//images/generations",
        "/v1/images/%67enerations",
        "/v1/chat/../images/generations",
        "/v1/images/generations%2f..",
        "/v1/Images/generations",
        "/v1/images%2Fgenerations",
    ],
)
def test_a_path_is_one_spelling(passing: Passing, upstream: Upstream, path: str) -> None:
    """No other spelling of a path reaches a target."""
    gateway = passing({"dall-e-3": target(upstream, image="0.04")}, {"images": ["dall-e-3"]})
    assert _post(gateway, path, model="dall-e-3").status == 404
    assert upstream.calls == []


def test_what_is_not_served_says_so(passing: Passing, upstream: Upstream) -> None:
    """Realtime is named in its 404; a path that passes through takes POST alone."""
    gateway = passing({"dall-e-3": target(upstream, image="0.04")})
    realtime = _post(gateway, "/v1/realtime?model=gpt-realtime", method="GET")
    assert realtime.status == 404
    assert "realtime" in realtime.json["error"]["message"]
    wrong = _post(gateway, IMAGES, method="GET")
    assert (wrong.status, wrong.headers["allow"]) == (405, "POST")

"""What targets of each kind are sent, at servers that take nothing else: paths, queries, headers, bodies."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.gateway.answering import Answer, Provider, Sent, answering
from tests.gateway.login.at_work import key_file
from tests.gateway.login.clouds import Clouds
from tests.gateway.threaded import MakeThreaded, Reply, ThreadedGateway

pytestmark = pytest.mark.usefixtures("quick_sweep")
Answering = Callable[[Answer], Provider]
PRICE = {"input": "1", "output": "2"}
ACCESS, SECRET = "AKIDEXAMPLE", "not-a-secret-but-a-test-value"
ASKED = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 9}
CHAT = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Bonjour."}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 6, "completion_tokens": 2, "total_tokens": 8},
}
CLAUDE = "claude-sonnet-4-5@20250929"
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": CLAUDE,
    "content": [{"type": "text", "text": "Bonjour."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 6, "output_tokens": 2},
}
EVENTS: list[dict[str, Any]] = [
    {
        "type": "message_start",
        "message": {**MESSAGE, "content": [], "stop_reason": None, "usage": {"input_tokens": 6}},
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Bonjour."}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
]


@pytest.fixture
def providers() -> Iterator[Answering]:
    """Start providers that answer as told."""
    with contextlib.ExitStack() as stack:
        yield lambda answer: stack.enter_context(answering(answer))


@pytest.fixture
def clouds() -> Iterator[Clouds]:
    """Token services of this machine."""
    services = Clouds()
    yield services
    services.close()


def checked(check: Callable[[Sent], None]) -> Answer:
    """A chat completion for a call that passes the check; what it lacks otherwise."""

    def answer(sent: Sent) -> tuple[int, str, bytes]:
        try:
            check(sent)
        except AssertionError as missing:
            return 400, "application/json", json.dumps({"error": {"message": str(missing)}}).encode()
        return 200, "application/json", json.dumps(CHAT).encode()

    return answer


def target(provider: str, url: str, **more: Any) -> dict[str, Any]:
    """A metered target with these keys of its own."""
    side = {"provider": provider, "price": PRICE, **more.pop("metered", {})}
    return {"metered": side, "url": url, "model": "m", "region": "eu", **more}


# -- Azure OpenAI -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "version", "wanted"),
    [
        ("/openai/v1", None, "/openai/v1/chat/completions"),
        ("/openai/v1", "preview", "/openai/v1/chat/completions?api-version=preview"),
        (
            "/openai/deployments/gpt-4o-eu",
            "2024-10-21",
            "/openai/deployments/gpt-4o-eu/chat/completions?api-version=2024-10-21",
        ),
    ],
)
def test_azure_openai_by_key(
    threaded: MakeThreaded, providers: Answering, path: str, version: str | None, wanted: str
) -> None:
    """The key goes in `api-key` and nowhere else; version-free, versioned and by deployment."""

    def azure(sent: Sent) -> None:
        assert sent.path == wanted
        assert sent.headers["api-key"] == "az-key"
        assert "authorization" not in sent.headers
        assert json.loads(sent.body)["model"] == "m"

    resource = providers(checked(azure))
    key = {"key": "az-key", **({"api_version": version} if version else {})}
    gateway = threaded({"azure": target("azure", resource.url + path, metered=key)})
    reply = gateway.chat()
    assert (reply.status, reply.content) == (200, "Bonjour."), reply.body


def test_the_keys_header_can_be_chosen(threaded: MakeThreaded, providers: Answering) -> None:
    """Azure takes keys as a bearer too, and a gateway of another kind may want them elsewhere."""

    def bearer(sent: Sent) -> None:
        assert sent.headers["authorization"] == "Bearer az-key"
        assert "api-key" not in sent.headers

    resource = providers(checked(bearer))
    key = {"key": "az-key", "key_header": "authorization"}
    gateway = threaded({"azure": target("azure", resource.url, metered=key)})
    assert gateway.chat().status == 200


# -- Bedrock's OpenAI-compatible endpoint -------------------------------------------------------------------


def signed_by_botocore(sent: Sent, service: str) -> bool:
    """Whether botocore signs the same call for this service with the same signature."""
    request = AWSRequest("POST", f"http://{sent.headers['host']}{sent.path}", data=sent.body)
    request.context["timestamp"] = sent.headers["x-amz-date"]
    auth = SigV4Auth(Credentials(ACCESS, SECRET), service, "eu-west-1")
    request.headers["X-Amz-Date"] = sent.headers["x-amz-date"]
    signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    return f"Signature={signature}" in sent.headers["authorization"]


@pytest.mark.parametrize(
    ("path", "service"),
    [("/openai/v1", "bedrock"), ("/openai/v1", "bedrock-mantle"), ("/v1", "bedrock-mantle")],
)
def test_bedrocks_openai_endpoint_by_signature(
    threaded: MakeThreaded, providers: Answering, path: str, service: str
) -> None:
    """OpenAI's format, signed as botocore signs it, for the runtime and for Mantle."""

    def bedrock(sent: Sent) -> None:
        assert sent.path == f"{path}/chat/completions"
        assert f"/eu-west-1/{service}/aws4_request" in sent.headers["authorization"]
        assert signed_by_botocore(sent, service)
        assert json.loads(sent.body)["model"] == "openai.gpt-oss-20b-1:0"

    endpoint = providers(checked(bedrock))
    aws = {"region": "eu-west-1", "access_key": ACCESS, "secret_key": SECRET, "service": service}
    section = target("aws", endpoint.url + path, metered={"aws": aws}, model="openai.gpt-oss-20b-1:0")
    reply = threaded({"bedrock": section}).chat()
    assert (reply.status, reply.content) == (200, "Bonjour."), reply.body


def test_bedrocks_openai_endpoint_by_key(threaded: MakeThreaded, providers: Answering) -> None:
    """A Bedrock API key is a bearer, there and at Converse."""

    def bedrock(sent: Sent) -> None:
        assert sent.headers["authorization"] == "Bearer bedrock-key"
        assert "x-amz-date" not in sent.headers

    endpoint = providers(checked(bedrock))
    section = target("aws", endpoint.url + "/openai/v1", metered={"key": "bedrock-key"})
    assert threaded({"bedrock": section}).chat().status == 200


# -- Claude on Vertex AI ------------------------------------------------------------------------------------

BASE = "/v1/projects/p/locations/us-east5/publishers/anthropic"


def vertex(clouds: Clouds) -> Answer:
    """Takes what Google documents for Claude, and nothing else."""

    def answer(sent: Sent) -> tuple[int, str, bytes]:
        said = json.loads(sent.body)
        if sent.headers.get("authorization") != f"Bearer {clouds.token}":
            failure = {
                "code": 401,
                "message": "Request had invalid credentials.",
                "status": "UNAUTHENTICATED",
            }
            return 401, "application/json", json.dumps({"error": failure}).encode()
        if sent.path == f"{BASE}/models/count-tokens:rawPredict":
            assert said["model"] == CLAUDE
            return 200, "application/json", b'{"input_tokens":6}'
        stream = sent.path == f"{BASE}/models/{CLAUDE}:streamRawPredict"
        taken = (stream or sent.path == f"{BASE}/models/{CLAUDE}:rawPredict") and "model" not in said
        taken = taken and said.get("anthropic_version") == "vertex-2023-10-16"
        taken = taken and "anthropic-version" not in sent.headers and "x-api-key" not in sent.headers
        if not taken or bool(said.get("stream")) is not stream:
            error = {"type": "invalid_request_error", "message": "model: Extra inputs are not permitted"}
            return 400, "application/json", json.dumps({"type": "error", "error": error}).encode()
        if not stream:
            return 200, "application/json", json.dumps(MESSAGE).encode()
        lines = (b"event: %b\ndata: %b\n\n" % (e["type"].encode(), json.dumps(e).encode()) for e in EVENTS)
        return 200, "text/event-stream", b"".join(lines)

    return answer


def claude(threaded: MakeThreaded, clouds: Clouds, provider: Provider, **more: Any) -> ThreadedGateway:
    """A gateway with Claude on this Vertex AI."""
    google = {"google": {"service_account": key_file(clouds)}}
    section = target("google", provider.url + BASE, metered=google, format="anthropic-vertex", model=CLAUDE)
    return threaded({"claude": section | more})


def ask(gateway: ThreadedGateway, path: str, **fields: Any) -> Reply:
    """A call of an Anthropic path."""
    headers = {"x-api-key": gateway.key, "anthropic-beta": "context-1m", "anthropic-version": "2023-06-01"}
    with gateway.connection() as connection:
        body = {"model": "chat", **ASKED, **fields}
        connection.request("POST", path, json.dumps(body), {**headers, "content-type": "application/json"})
        response = connection.getresponse()
        return Reply(response.status, dict(response.getheaders()), response.read())


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_claude_on_vertex_for_clients_of_every_format(
    threaded: MakeThreaded, providers: Answering, clouds: Clouds, stream: bool
) -> None:
    """Anthropic's own format passes through in Google's call; OpenAI's is translated into it."""
    provider = providers(vertex(clouds))
    gateway = claude(threaded, clouds, provider)
    gateway.gateway.logins.prepare(gateway.gateway.site.snapshot.targets.values(), 20)
    chat = gateway.chat(max_tokens=9, stream=stream)
    assert (chat.status, chat.content) == (200, "Bonjour."), chat.body
    reply = ask(gateway, "/v1/messages", stream=stream, temperature=1.0)
    assert reply.status == 200, reply.body
    if stream:
        assert [json.loads(event)["type"] for event in _data(reply.body)] == [e["type"] for e in EVENTS]
    else:
        assert reply.json == {**MESSAGE, "model": "chat"}
    last = provider.calls[-1]
    assert last.headers["anthropic-beta"] == "context-1m"
    assert b'"temperature":1.0' in last.body  # as the client wrote it
    rows = gateway.rows(2)
    assert [(row["input_tokens"], row["output_tokens"], row["cost_nano"]) for row in rows] == [
        (6, 2, 10_000)
    ] * 2


def _data(body: bytes) -> list[bytes]:
    return [line[6:] for line in body.split(b"\n") if line.startswith(b"data: ")]


def test_counting_tokens_of_claude_on_vertex(
    threaded: MakeThreaded, providers: Answering, clouds: Clouds
) -> None:
    """A path of its own, whose body does name the model."""
    gateway = claude(threaded, clouds, providers(vertex(clouds)))
    gateway.gateway.logins.prepare(gateway.gateway.site.snapshot.targets.values(), 20)
    reply = ask(gateway, "/v1/messages/count_tokens")
    assert (reply.status, reply.json) == (200, {"input_tokens": 6})


@pytest.mark.parametrize(
    ("status", "error", "told", "code"),
    [
        (401, {"code": 401, "message": "x", "status": "UNAUTHENTICATED"}, 502, "upstream_credentials"),
        (403, {"code": 403, "message": "x", "status": "PERMISSION_DENIED"}, 502, "upstream_credentials"),
        (404, {"code": 404, "message": "x", "status": "NOT_FOUND"}, 502, "upstream_model"),
        (429, {"code": 429, "message": "x", "status": "RESOURCE_EXHAUSTED"}, 429, "upstream_no_room"),
        (503, {"code": 503, "message": "x", "status": "UNAVAILABLE"}, 429, "upstream_no_room"),
        (400, {"code": 400, "message": "bad field", "status": "INVALID_ARGUMENT"}, 400, None),
        (400, {"type": "invalid_request_error", "message": "bad field"}, 400, None),
        (529, {"type": "overloaded_error", "message": "Overloaded"}, 429, "upstream_no_room"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions"])
def test_both_houses_errors_mean_what_they_say(
    threaded: MakeThreaded,
    providers: Answering,
    clouds: Clouds,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    status: int,
    error: dict[str, Any],
    told: int,
    code: str | None,
) -> None:
    """Google's own and Anthropic's; the client's mistake is told in the client's format."""
    monkeypatch.setattr("baseload.gateway.failure.WAITING_BUDGET_S", 0.0)
    body: dict[str, Any] = {"error": error, **({"type": "error"} if "type" in error else {})}
    provider = providers(lambda _: (status, "application/json", json.dumps(body).encode()))
    gateway = claude(threaded, clouds, provider)
    gateway.gateway.logins.prepare(gateway.gateway.site.snapshot.targets.values(), 20)
    reply = ask(gateway, path)
    assert reply.status == told, reply.body
    said = reply.json["error"]
    if code is None:
        assert said["message"] == "bad field"
        assert (reply.json.get("type") == "error") is (path == "/v1/messages")
    else:
        assert said["code"] == code


def test_an_expired_google_token_is_a_dead_credential_until_it_is_renewed(
    threaded: MakeThreaded, providers: Answering, clouds: Clouds
) -> None:
    """A token that Google no longer takes costs a 502, then the target is asked again with a new one."""
    provider = providers(vertex(clouds))
    gateway = claude(threaded, clouds, provider)
    gateway.gateway.logins.prepare(gateway.gateway.site.snapshot.targets.values(), 20)
    assert gateway.chat(max_tokens=9).status == 200
    clouds.issued += 1  # what was given out holds no more
    reply = gateway.chat(max_tokens=9)
    assert (reply.status, reply.code) == (502, "upstream_credentials")


# -- headers of an operator's own ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "wanted"),
    [
        (
            {
                "metered": {"key": "none"},
                "headers": {"x-portkey-api-key": "pk", "x-portkey-provider": "openai"},
            },
            {"x-portkey-api-key": "pk", "x-portkey-provider": "openai"},
        ),
        (
            {"metered": {"key": "sk"}, "headers": {"x-portkey-config": '{"retry": {"attempts": 1}}'}},
            {"x-portkey-config": '{"retry": {"attempts": 1}}', "authorization": "Bearer sk"},
        ),
        ({"metered": {"key": "sk-litellm"}, "headers": {"X-LiteLLM-Tags": "a,b"}}, {"x-litellm-tags": "a,b"}),
        ({"metered": {"key": "none"}, "headers": {"apikey": "kong-key"}}, {"apikey": "kong-key"}),
        (
            {"metered": {"key": "none"}, "headers": {"authorization": "Basic a2V5"}},
            {"authorization": "Basic a2V5"},
        ),
    ],
    ids=["portkey", "portkey-config", "litellm", "kong", "basic"],
)
def test_other_gateways_are_targets(
    threaded: MakeThreaded, providers: Answering, section: dict[str, Any], wanted: dict[str, str]
) -> None:
    """OpenAI's format with the headers that they read, on every call."""

    def gateway_of_theirs(sent: Sent) -> None:
        assert sent.path == "/v1/chat/completions"
        assert {name: sent.headers.get(name) for name in wanted} == wanted

    theirs = providers(checked(gateway_of_theirs))
    reply = threaded({"theirs": target("theirs", theirs.url + "/v1", **section)}).chat()
    assert reply.status == 200, reply.body

"""Google's calls beyond what its SDK sees: bytes that pass, arrays, keys in queries, refusals, costs."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any

import pytest

from baseload.gateway.server import PortLimits
from baseload.wire.dialects.annex import pack
from tests.gateway.answering import Sent, answering
from tests.gateway.speaking import COST_NANO, OUTPUT, SAID, SPEAK, speak_gemini, speaking, target
from tests.gateway.threaded import MakeThreaded, Reply, ThreadedGateway, read_reply

GENERATE = "/v1beta/models/chat:generateContent"
STREAM = "/v1beta/models/chat:streamGenerateContent"
QUESTION = {"contents": [{"role": "user", "parts": [{"text": "When?"}]}]}
DIALECTS = ["gemini", "chat", "messages"]


def ask(
    gateway: ThreadedGateway,
    path: str = GENERATE,
    raw: bytes | None = None,
    *,
    headers: dict[str, str] | None = None,
    method: str = "POST",
    **fields: Any,
) -> Reply:
    """One call with the gateway's key; `raw` is the body itself, `headers` are all there are."""
    body = raw if raw is not None else json.dumps({**QUESTION, **fields}).encode()
    given = {"x-goog-api-key": gateway.key} if headers is None else headers
    with gateway.connection() as connection:
        connection.request(
            method, path, None if method == "GET" else body, {"content-type": "application/json", **given}
        )
        return read_reply(connection)


def said(chunks: list[Any]) -> str:
    """The text of a stream's objects."""
    parts = (
        part
        for chunk in chunks
        for candidate in chunk.get("candidates", ())
        for part in candidate["content"].get("parts", ())
    )
    return "".join(part.get("text", "") for part in parts)


# -- what passes --------------------------------------------------------------------------------------------


def test_a_native_target_gets_the_clients_bytes(threaded: MakeThreaded) -> None:
    """White space and unknown members stay, the path names the target's model; so does the answer stay."""
    sent = b'{ "contents" : [ {"role":"user","parts":[{"text":"\\u00e9"}]} ],\n "odd":{"a": [1.0]} }'
    with speaking("gemini") as one:
        gateway = threaded({"tides": target(one, "gemini", model="google/tides-2")})
        reply = ask(gateway, GENERATE + "?fields=x", sent)
    (call,) = one.calls
    assert call.body == sent
    assert call.path == "/v1/models/google%2Ftides-2:generateContent"
    assert call.headers["x-goog-api-key"] == "upstream-key"
    assert reply.body == speak_gemini(call)[2]


def test_a_name_in_a_functions_arguments_is_no_models(threaded: MakeThreaded) -> None:
    """An answer that holds the target's name for the model somewhere else passes unchanged."""
    part = {"functionCall": {"name": "f", "args": {"model": "tides-2"}}}
    whole = {"candidates": [{"content": {"parts": [part], "role": "model"}, "finishReason": "STOP"}]}
    body = json.dumps(whole).encode()
    with answering(lambda _: (200, "application/json", body)) as one:
        gateway = threaded({"tides": target(one, "gemini")})
        assert ask(gateway).body == body


def test_a_native_stream_is_the_targets_bytes(threaded: MakeThreaded) -> None:
    """Every event as it came, to the last one."""
    with speaking("gemini") as one:
        gateway = threaded({"tides": target(one, "gemini")})
        reply = ask(gateway, STREAM + "?alt=sse")
    (call,) = one.calls
    events = speak_gemini(call)[2]
    assert isinstance(events, list)
    assert call.path == "/v1/models/tides-2:streamGenerateContent?alt=sse"
    assert reply.body == b"".join(events)
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.headers["x-baseload-target"] == "tides"


def array_of(sent: Sent) -> list[bytes]:
    """What the provider streams without `alt=sse`: its objects, indented, in an array."""
    events = speak_gemini(sent)[2]
    assert isinstance(events, list)
    objects = [json.dumps(json.loads(event.partition(b" ")[2]), indent=1).encode() for event in events]
    return [b"[" + objects[0], *(b"\n,\r\n" + one for one in objects[1:]), b"\n]\n"]


@pytest.mark.parametrize("cut", ["events", "bytes", "whole"])
def test_an_array_is_streamed_as_an_array(threaded: MakeThreaded, cut: str) -> None:
    """Without `alt=sse` the target is asked so too; its objects are the client's, byte for byte."""

    def answer(sent: Sent) -> tuple[int, str, Any]:
        assert sent.path == "/v1/models/tides-2:streamGenerateContent"
        pieces = array_of(sent)
        if cut == "whole":
            return 200, "application/json", b"".join(pieces)
        whole = b"".join(pieces)
        return (
            200,
            "application/json",
            pieces if cut == "events" else [whole[i : i + 1] for i in range(len(whole))],
        )

    with answering(answer) as one:
        gateway = threaded({"tides": target(one, "gemini")})
        reply = ask(gateway, STREAM)
        (row,) = gateway.rows(1)
    assert reply.headers["content-type"].startswith("application/json")
    assert reply.body.replace(b"\r\n", b"").replace(b"\n", b"") == b"".join(array_of(one.calls[0])).replace(
        b"\r\n", b""
    ).replace(b"\n", b"")
    assert said(reply.json) == SAID
    assert (row["stream"], row["output_tokens"], row["cost_nano"]) == (1, OUTPUT, COST_NANO)


@pytest.mark.parametrize("array", [False, True])
def test_a_target_may_frame_its_stream_as_it_likes(threaded: MakeThreaded, array: bool) -> None:
    """Events where an array was asked for, and an array where events were: the client gets what it asked."""

    def answer(sent: Sent) -> tuple[int, str, Any]:
        if array:
            return 200, "text/event-stream", speak_gemini(sent)[2]
        return 200, "application/json", array_of(sent)

    with answering(answer) as one:
        gateway = threaded({"tides": target(one, "gemini")})
        reply = ask(gateway, STREAM + ("" if array else "?alt=sse"))
    chunks = reply.json if array else [json.loads(line[6:]) for line in reply.body.split(b"\r\n\r\n") if line]
    assert said(chunks) == SAID


@pytest.mark.parametrize("dialect", sorted(set(SPEAK) - {"gemini", "responses"}))
def test_an_array_is_written_of_any_format(threaded: MakeThreaded, dialect: str) -> None:
    """A translated stream without `alt=sse` is one array of Google's chunks."""
    with speaking(dialect) as one:
        gateway = threaded({"tides": target(one, dialect)})
        reply = ask(gateway, STREAM)
    assert said(reply.json) == SAID
    assert reply.json[-1]["candidates"][0]["finishReason"] == "STOP"
    assert reply.json[-1]["usageMetadata"]["promptTokenCount"] == 20


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/chat:generateContent",
        "/v1beta/models/my%2Fchat:generateContent",
        "/v1alpha/models/llama3:8b:generateContent",
        "/v1/projects/p/locations/eu/publishers/google/models/chat:generateContent",
        "/v1beta1/publishers/google/models/chat:generateContent",
    ],
)
def test_the_paths_of_google(threaded: MakeThreaded, path: str) -> None:
    """The versions of the Gemini API and Vertex AI's own paths, names with slashes and colons."""
    with speaking("chat") as one:
        section = {"metered": ["tides"], "slo": {"ttft": "2s"}}
        gateway = threaded(
            {"tides": target(one, "chat")}, dict.fromkeys(("chat", "my/chat", "llama3:8b"), section)
        )
        reply = ask(gateway, path)
    assert said([reply.json]) == SAID


def test_an_annex_reaches_no_google(threaded: MakeThreaded) -> None:
    """What an answer of another format left in the history is taken out before a native target."""
    left = {
        "role": "model",
        "parts": [{"text": "Six."}, {"text": "", "thoughtSignature": pack({"parts": []})}],
    }
    with speaking("gemini") as one, speaking("chat") as other:
        gateway = threaded(
            {"tides": target(one, "gemini"), "other": target(other, "chat")},
            {
                "chat": {"metered": ["tides"], "slo": {"ttft": "2s"}},
                "b": {"metered": ["other"], "slo": {"ttft": "2s"}},
            },
        )
        ask(gateway, contents=[*QUESTION["contents"], left, *QUESTION["contents"]])
    assert json.loads(one.calls[0].body)["contents"][1]["parts"] == [{"text": "Six."}]


def test_the_counted_request_names_the_targets_model(threaded: MakeThreaded) -> None:
    """A whole request inside a call of `countTokens` gets the target's name; a translated one is sized."""
    inner = {"model": "models/chat", "contents": [{"parts": [{"text": "x" * 400}]}]}
    body = json.dumps({"generateContentRequest": inner}).encode()
    path = "/v1beta/models/chat:countTokens"
    with (
        answering(lambda _: (200, "application/json", b'{"totalTokens": 7}')) as one,
        speaking("chat") as other,
    ):
        gateway = threaded({"tides": target(one, "gemini")})
        assert ask(gateway, path, body).body == b'{"totalTokens": 7}'
        (row,) = gateway.rows(1)
        estimated = ask(threaded({"tides": target(other, "chat")}), path, body)
    assert json.loads(one.calls[0].body)["generateContentRequest"] == {**inner, "model": "models/tides-2"}
    assert (row["endpoint"], row["cost_nano"], row["input_tokens"]) == ("gemini.count_tokens", 0, 0)
    assert estimated.json == {"totalTokens": 100}
    assert estimated.headers["x-baseload-estimated"] == "input_tokens"


# -- keys ---------------------------------------------------------------------------------------------------


def test_a_key_in_the_query_is_taken_and_goes_nowhere(threaded: MakeThreaded) -> None:
    """`?key=` opens Google's paths alone, and neither a target nor the ledger sees it."""
    with speaking("gemini") as one:
        gateway = threaded({"tides": target(one, "gemini")})
        paths = (f"{GENERATE}?key={gateway.key}", f"{STREAM}?alt=sse&key={gateway.key}")
        assert [ask(gateway, path, headers={}).status for path in paths] == [200, 200]
        listed = ask(gateway, f"/v1beta/models?key={gateway.key}", headers={}, method="GET")
        wrong = ask(gateway, GENERATE + "?key=bl_wrong", headers={})
        elsewhere = ask(gateway, f"/v1/chat/completions?key={gateway.key}", headers={})
        rows = gateway.rows(2)
    assert (listed.status, wrong.status, elsewhere.status) == (200, 401, 401)
    assert wrong.json["error"]["status"] == "UNAUTHENTICATED"
    for call in one.calls:
        assert gateway.key not in call.path + str(call.headers) + call.body.decode()
    assert gateway.key not in str(rows)
    assert not [file for file in gateway.data.rglob("journal/*") if gateway.key.encode() in file.read_bytes()]


def test_only_allowed_models_are_asked_and_listed(threaded: MakeThreaded) -> None:
    """A tenant's models bind Google's clients as others."""
    with speaking("gemini") as one:
        section = {"metered": ["tides"], "slo": {"ttft": "2s"}}
        gateway = threaded(
            {"tides": target(one, "gemini")},
            {"chat": section, "secret": section},
            tenants={"shop": {"models": ["chat"]}},
        )
        refused = ask(gateway, "/v1beta/models/secret:generateContent")
        listed = ask(gateway, "/v1beta/models", method="GET")
        unknown = ask(gateway, "/v1beta/models/secret", method="GET")
    assert (refused.status, refused.json["error"]["status"]) == (403, "PERMISSION_DENIED")
    assert [model["name"] for model in listed.json["models"]] == ["models/chat"]
    assert (unknown.status, unknown.json["error"]["status"]) == (404, "NOT_FOUND")


# -- errors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        (b"{", "invalid_json", None),
        (b'{"contents":[],"contents":[]}', "duplicate_key", "contents"),
        (b'{"generationConfig":{},"generation_config":{}}', "duplicate_key", "generationConfig"),
        (
            b'{"generationConfig":{"maxOutputTokens":1,"maxOutputTokens":99}}',
            "duplicate_key",
            "maxOutputTokens",
        ),
        (
            b'{"generationConfig":{"max_output_tokens":-1}}',
            "invalid_field",
            "generationConfig.maxOutputTokens",
        ),
    ],
)
def test_bad_bodies_are_refused_in_googles_form(
    threaded: MakeThreaded, body: bytes, code: str, field: str | None
) -> None:
    """400 with Google's word, our code and the field's name; nothing is sent."""
    with speaking("gemini") as one:
        reply = ask(threaded({"tides": target(one, "gemini")}), raw=body)
    error = reply.json["error"]
    assert (reply.status, error["code"], error["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert error["details"][0]["metadata"]["code"] == code
    fields = [one["field"] for each in error["details"][1:] for one in each["fieldViolations"]]
    assert fields == ([] if field is None else [field])
    assert one.calls == []


def test_what_is_not_served_is_said_in_googles_form(threaded: MakeThreaded) -> None:
    """Other methods, other verbs, other encodings of the answer, bodies that are too large."""
    with speaking("gemini") as one:
        gateway = threaded({"tides": target(one, "gemini")}, limits=PortLimits(body_bytes=100_000))
        other = ask(gateway, "/v1beta/models/chat:predict")
        verb = ask(gateway, GENERATE, method="GET")
        proto = ask(gateway, STREAM + "?alt=proto")
        large = ask(gateway, contents=[{"parts": [{"text": "x" * 200_000}]}])
    assert [each.status for each in (other, verb, proto, large)] == [404, 405, 400, 413]
    assert "generateContent" in other.json["error"]["message"]
    for each in (other, verb, proto, large):
        assert each.json["error"]["code"] == each.status
        assert each.json["error"]["details"][0]["domain"] == "baseload"


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("array", [False, True])
def test_a_cut_stream_ends_in_googles_error(threaded: MakeThreaded, dialect: str, array: bool) -> None:
    """After the first text: an event, or the array's last object, that says so; the array is whole JSON."""

    def cut(sent: Sent) -> tuple[int, str, Any]:
        status, content, body = SPEAK[dialect](sent)
        assert isinstance(body, list)
        at = next(at for at, one in enumerate(body) if b"High w" in one)
        return status, content, body[: at + 1]

    with answering(cut) as one:
        gateway = threaded({"tides": target(one, dialect)})
        reply = ask(gateway, STREAM + ("" if array else "?alt=sse"))
        (row,) = gateway.rows(1)
    chunks = reply.json if array else [json.loads(line[6:]) for line in reply.body.split(b"\r\n\r\n") if line]
    assert said(chunks[:-1]) == "High w"
    assert (chunks[-1]["error"]["code"], chunks[-1]["error"]["status"]) == (502, "INTERNAL")
    assert row["outcome"] == "cut"


@pytest.mark.parametrize("array", [False, True])
@pytest.mark.parametrize("fails", [False, True])
def test_the_line_is_kept_open(threaded: MakeThreaded, quick_sweep: None, array: bool, fails: bool) -> None:
    """While a target thinks: comments in a stream of events, space before an array; an error fits in too."""

    def slow(sent: Sent) -> tuple[int, str, Any]:
        time.sleep(0.3)
        return (500, "application/json", b"{}") if fails else speak_gemini(sent)

    with answering(slow) as one:
        gateway = threaded({"tides": target(one, "gemini")}, limits=PortLimits(comment_s=0.05))
        reply = ask(gateway, STREAM + ("" if array else "?alt=sse"))
    if array:
        assert reply.body.startswith(b"\n\n")
        chunks = reply.json
    else:
        assert reply.body.startswith(b": ")
        events = [line for line in reply.body.replace(b"\r\n", b"\n").split(b"\n\n") if line]
        chunks = [json.loads(line[6:]) for line in events if line.startswith(b"data: ")]
    if fails:
        assert [chunk["error"]["code"] for chunk in chunks] == [502]
    else:
        assert said(chunks) == SAID


# -- refusals and fallback lists ----------------------------------------------------------------------------

BLOCKED = [
    {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4}},
    {
        "candidates": [{"finishReason": "SAFETY", "index": 0, "content": {"parts": [], "role": "model"}}],
        "usageMetadata": {"promptTokenCount": 4},
    },
]


@pytest.mark.parametrize("blocked", BLOCKED, ids=["prompt", "answer"])
@pytest.mark.parametrize("how", ["whole", "sse", "array"])
def test_a_block_follows_the_list_for_content(threaded: MakeThreaded, blocked: Any, how: str) -> None:
    """A blocked prompt or answer is a refusal: the list's model answers; without a list it passes."""
    body = json.dumps(blocked).encode()
    framed: dict[str, tuple[int, str, Any]] = {
        "whole": (200, "application/json", body),
        "sse": (200, "text/event-stream", [b"data: %b\r\n\r\n" % body]),
        "array": (200, "application/json", [b"[%b]" % body]),
    }
    path = {"whole": GENERATE, "sse": STREAM + "?alt=sse", "array": STREAM}[how]
    with answering(lambda _: framed[how]) as one, speaking("messages") as other:
        targets = {"tides": target(one, "gemini"), "other": target(other, "messages")}
        section = {"metered": ["tides"], "slo": {"ttft": "2s"}}
        listed = {**section, "fallback": {"content_policy": ["b"]}}
        models = {"chat": listed, "plain": section, "b": {**section, "metered": ["other"]}}
        gateway = threaded(targets, models)
        served = ask(gateway, path)
        plain = ask(gateway, path.replace("chat", "plain"))
        rows = gateway.rows(3)
    assert SAID.split()[-1] in served.body.decode()
    assert served.headers["x-baseload-target"] == "other"
    assert b"SAFETY" in plain.body
    assert [row["outcome"] for row in rows] == ["failed", "completed", "completed"]


# -- what is booked -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
def test_searches_and_thoughts_are_booked_of_bytes_that_pass(threaded: MakeThreaded, stream: bool) -> None:
    """Grounded answers count their searches, over all events; thoughts are output."""
    queries = (["tide roscoff"], ["tide brest", "tide roscoff"])
    usage = {
        "promptTokenCount": 10,
        "candidatesTokenCount": 3,
        "thoughtsTokenCount": 4,
        "totalTokenCount": 17,
    }

    def chunk(asked: list[str], **more: Any) -> dict[str, Any]:
        candidate = {
            "content": {"parts": [{"text": "Six."}]},
            "groundingMetadata": {"webSearchQueries": asked},
        }
        return {"candidates": [candidate | more], "usageMetadata": usage, "modelVersion": "gemini-3-pro"}

    if stream:
        chunks = [chunk(queries[0]), chunk(queries[1], finishReason="STOP")]
        answer: Any = (
            200,
            "text/event-stream",
            [b"data: %b\r\n\r\n" % json.dumps(one).encode() for one in chunks],
        )
    else:
        answer = (200, "application/json", json.dumps(chunk(queries[1], finishReason="STOP")).encode())
    price = {"input": "1.00", "output": "5.00", "thousand_searches": "14.00"}
    with answering(lambda _: answer) as one:
        metered = {"provider": "somebody", "key": "k", "price": price}
        gateway = threaded({"tides": target(one, "gemini", metered=metered)})
        ask(gateway, STREAM + "?alt=sse" if stream else GENERATE)
        (row,) = gateway.rows(1)
    assert (row["input_tokens"], row["output_tokens"], row["reasoning_tokens"]) == (10, 7, 4)
    assert row["cost_nano"] == 10 * 1_000 + 7 * 5_000 + 2 * 14_000_000


def test_a_stream_without_usage_is_estimated(threaded: MakeThreaded) -> None:
    """The end of the body ends an answer whose last event counts nothing; its tokens are our guess."""
    chunk = {"candidates": [{"content": {"parts": [{"text": "Six."}]}, "finishReason": "STOP"}]}
    events = [b"data: %b\r\n\r\n" % json.dumps(chunk).encode()]
    with answering(lambda _: (200, "text/event-stream", events)) as one:
        gateway = threaded({"tides": target(one, "gemini")})
        reply = ask(gateway, STREAM + "?alt=sse")
        (row,) = gateway.rows(1)
    assert reply.body == events[0]
    assert (row["outcome"], row["estimated"], row["output_tokens"]) == ("completed", 1, 1)
    assert row["input_tokens"] > 0


def test_usage_may_come_after_the_reason(threaded: MakeThreaded) -> None:
    """An event of usage alone behind the last word is the client's, and is booked."""
    first = {"candidates": [{"content": {"parts": [{"text": "Six."}]}, "finishReason": "STOP"}]}
    last = {"usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 2}}
    events = [b"data: %b\r\n\r\n" % json.dumps(one).encode() for one in (first, last)]
    with answering(lambda _: (200, "text/event-stream", events)) as one:
        gateway = threaded({"tides": target(one, "gemini")})
        reply = ask(gateway, STREAM + "?alt=sse")
        (row,) = gateway.rows(1)
    assert reply.body == b"".join(events)
    assert (row["input_tokens"], row["output_tokens"], row["estimated"]) == (9, 2, 0)


def test_classes_bind_googles_clients(threaded: MakeThreaded) -> None:
    """A class that no target's region satisfies is refused before anything is sent."""
    with speaking("gemini") as one:
        gateway = threaded({"tides": target(one, "gemini")}, classes={"default": {"regions": ["eu-west"]}})
        reply = ask(gateway)
    assert (reply.status, reply.json["error"]["details"][0]["reason"]) == (403, "RESIDENCY")
    assert one.calls == []


def test_what_is_approximated_and_dropped_is_told(threaded: MakeThreaded) -> None:
    """The headers name Google's fields; without leave to drop, the field is refused by its name."""
    fields: dict[str, Any] = {
        "safetySettings": [{"category": "X", "threshold": "Y"}],
        "generationConfig": {"mediaResolution": "MEDIA_RESOLUTION_LOW"},
    }
    with speaking("chat") as one:
        loose = ask(threaded({"tides": target(one, "chat", drop_unsupported=True)}), **fields)
        strict = ask(threaded({"tides": target(one, "chat")}), **fields)
    assert "safetySettings" in loose.headers["x-baseload-approximated"]
    assert "generationConfig.mediaResolution" in loose.headers["x-baseload-dropped"]
    assert (
        strict.json["error"]["details"][1]["fieldViolations"][0]["field"]
        == "generationConfig.mediaResolution"
    )


def test_an_old_client_of_http_1_0_gets_its_array(threaded: MakeThreaded) -> None:
    """Unchunked, to the end of the connection."""
    with speaking("gemini") as one:
        gateway = threaded({"tides": target(one, "gemini")})
        with gateway.connection() as connection:
            connection._http_vsn, connection._http_vsn_str = 10, "HTTP/1.0"  # type: ignore[attr-defined]
            given = {"x-goog-api-key": gateway.key}
            connection.request("POST", STREAM, json.dumps(QUESTION), given)
            reply = read_reply(connection)
    assert isinstance(connection, http.client.HTTPConnection)
    assert said(reply.json) == SAID


def test_kept_answers_are_given_again_in_the_form_asked_for(threaded: MakeThreaded) -> None:
    """A whole answer and a stream of events are; an array is made anew, never of another one's events."""
    with speaking("gemini") as one:
        section = {"metered": ["tides"], "slo": {"ttft": "2s"}, "cache": {"ttl": "60s"}}
        gateway = threaded(
            {"tides": target(one, "gemini")}, {"chat": section}, tenants={"shop": {"cache": True}}
        )
        paths = (GENERATE, GENERATE, STREAM + "?alt=sse", STREAM + "?alt=sse", STREAM, STREAM)
        replies = [ask(gateway, path) for path in paths]
    told = [reply.headers["x-baseload-cache"] for reply in replies]
    assert told == ["miss", "hit", "miss", "hit", "bypass", "bypass"]
    assert [reply.body for reply in replies[::2]] == [reply.body for reply in replies[1::2]]
    assert said(replies[4].json) == SAID

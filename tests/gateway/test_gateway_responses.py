"""`/v1/responses` beyond what an SDK sees: bytes that pass, whose answers are, what is refused, booked."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from baseload.gateway.server import PortLimits
from baseload.gateway.stored_ids import Held
from baseload.keys import KeyStore
from tests.gateway.answering import Sent, answering
from tests.gateway.speaking import (
    COST_NANO,
    SAID,
    response,
    speak_responses,
    speaking,
    target,
)
from tests.gateway.threaded import Clients, MakeThreaded, Reply, ThreadedGateway, eventually, read_reply

PATH = "/v1/responses"
CLASSES = {
    "default": {"regions": "any"},
    "patient": {"regions": "any", "zero_retention": True},
    "eu": {"regions": ["eu-west"]},
}


def ask(gateway: Clients, path: str = PATH, *, raw: bytes | None = None, **fields: Any) -> Reply:
    """One call with the gateway's key; `raw` is the body itself."""
    body = raw if raw is not None else json.dumps({"model": "chat", "input": "When?", **fields}).encode()
    with gateway.connection() as connection:
        given = {"authorization": f"Bearer {gateway.key}", "content-type": "application/json"}
        connection.request("POST", path, body, given)
        return read_reply(connection)


def _said() -> dict[str, Any]:
    content = [{"type": "output_text", "text": SAID, "annotations": [], "logprobs": []}]
    return {"type": "message", "id": "msg_9", "role": "assistant", "status": "completed", "content": content}


def another(gateway: ThreadedGateway, tenant: str) -> Clients:
    """Clients of the same gateway who hold a key of another tenant, once the gateway knows it."""
    clients = Clients(gateway.port, KeyStore(gateway.data).create(tenant)[0])
    eventually(lambda: ask(clients, raw=b"{}").status != 401)
    return clients


# -- what passes --------------------------------------------------------------------------------------------


def test_a_native_target_gets_the_clients_bytes(threaded: MakeThreaded) -> None:
    """The model's name alone is replaced, white space and unknown members stay; so does the answer."""
    sent = b'{ "input" : [ {"role":"user","content":"\\u00e9"} ],\n "odd":{"a": [1.0]}, "model":"chat" }'
    with speaking("responses") as one:
        gateway = threaded({"tides": target(one, "responses")})
        reply = ask(gateway, raw=sent)
    (call,) = one.calls
    assert call.body == sent.replace(b'"chat"', b'"tides-2"')
    assert (call.path, call.headers["authorization"]) == ("/v1/responses", "Bearer upstream-key")
    whole = speak_responses(call)[2]
    assert isinstance(whole, bytes)
    assert reply.body == whole.replace(b'"model": "tides-2"', b'"model":"chat"')


def test_a_native_stream_is_the_targets_bytes(threaded: MakeThreaded) -> None:
    """Every event as it came, to its last one."""
    with speaking("responses") as one:
        gateway = threaded({"tides": target(one, "responses")})
        reply = ask(gateway, stream=True)
    events = speak_responses(one.calls[0])[2]
    assert isinstance(events, list)
    assert reply.body == b"".join(events)
    assert reply.headers["x-baseload-target"] == "tides"
    assert "stream_options" not in json.loads(one.calls[0].body)


def test_counting_and_compacting_are_for_targets_that_have_them(threaded: MakeThreaded) -> None:
    """Counting is free; both are refused by name where no target serves responses itself."""
    told = {"/v1/responses/input_tokens": b'{"object":"response.input_tokens","input_tokens":11}'}
    usage = {"input_tokens": 9, "output_tokens": 3}
    done = {"id": "resp_9", "object": "response.compaction", "output": [], "usage": usage}
    told["/v1/responses/compact"] = json.dumps(done).encode()
    with answering(lambda sent: (200, "application/json", told[sent.path])) as one:
        gateway = threaded({"tides": target(one, "responses")})
        for path, body in told.items():
            assert ask(gateway, path).body == body
        rows = {row["endpoint"]: row for row in gateway.rows(2)}
        other = threaded({"tides": target(one, "messages")})
        for path in told:
            reply = ask(other, path)
            assert (reply.status, reply.json["error"]["code"]) == (400, "unsupported_parameter")
    counted, compacted = rows["responses.input_tokens"], rows["responses.compact"]
    assert (counted["input_tokens"], counted["cost_nano"], counted["estimated"]) == (0, 0, 0)
    assert (compacted["input_tokens"], compacted["output_tokens"], compacted["cost_nano"]) == (9, 3, 24_000)


def test_the_history_of_other_targets_reaches_no_native_one(threaded: MakeThreaded) -> None:
    """Sealed reasoning of a translated answer is taken out before a target that cannot read it."""
    sealed = {"type": "reasoning", "summary": [], "encrypted_content": "baseload:abc"}
    with speaking("responses") as one:
        gateway = threaded({"tides": target(one, "responses")})
        ask(gateway, input=[sealed, {"role": "user", "content": "When?"}])
    assert json.loads(one.calls[0].body)["input"] == [{"role": "user", "content": "When?"}]


def test_chat_reaches_a_model_that_is_served_as_responses_alone(threaded: MakeThreaded) -> None:
    """`format: responses`: chat completions are translated, and nothing is kept that nobody asked to keep."""
    with speaking("responses") as one:
        pro = target(one, "responses", format="responses")
        del pro["responses"]
        gateway = threaded({"pro": pro})
        whole, streamed = gateway.chat(), gateway.chat(stream=True)
        embedded = ask(gateway, "/v1/embeddings")
        native = ask(gateway)
    assert (whole.content, streamed.content) == (SAID, SAID)
    assert streamed.done
    assert [json.loads(call.body).get("store") for call in one.calls] == [False, False, None]
    assert {call.path for call in one.calls} == {"/v1/responses"}
    assert native.json["output"][0]["content"][0]["text"] == SAID
    assert embedded.json["error"]["code"] == "unsupported_parameter"


# -- stored state -------------------------------------------------------------------------------------------

STATE: dict[str, Any] = {
    "previous_response_id": "resp_68a1",
    "conversation": {"id": "conv_1"},
    "background": True,
    "prompt": {"id": "pmpt_1"},
    "item_reference": [{"type": "item_reference", "id": "msg_1"}],
}


def with_state(name: str) -> dict[str, Any]:
    """The request's members that ask for this state."""
    return {"input" if name == "item_reference" else name: STATE[name]}


@pytest.mark.parametrize("name", STATE)
@pytest.mark.parametrize("dialect", ["chat", "messages", "gemini", "converse"])
@pytest.mark.parametrize("drop", [False, True])
def test_state_that_no_target_has_is_refused_by_name(
    threaded: MakeThreaded, name: str, dialect: str, drop: bool
) -> None:
    """400 with the parameter, even where other fields may be left out; nothing is sent."""
    with speaking(dialect) as one:
        gateway = threaded({"tides": target(one, dialect, drop_unsupported=drop)})
        reply = ask(gateway, **with_state(name))
    assert (reply.status, reply.json["error"]["code"]) == (400, "unsupported_parameter")
    assert reply.json["error"]["param"] == name
    assert one.calls == []


@pytest.mark.parametrize("name", STATE)
def test_state_goes_to_the_target_that_has_it(threaded: MakeThreaded, name: str) -> None:
    """A cheaper target that would have to translate is passed over."""
    cheap = {"provider": "somebody", "key": "k", "price": {"input": "0.01", "output": "0.01"}}
    with speaking("chat") as chat, speaking("responses") as native:
        gateway = threaded(
            {"cheap": target(chat, "chat", metered=cheap), "native": target(native, "responses")}
        )
        assert ask(gateway).headers["x-baseload-target"] == "cheap"
        reply = ask(gateway, **with_state(name))
    assert (reply.status, reply.headers["x-baseload-target"]) == (200, "native")
    sent = json.loads(native.calls[0].body)
    assert all(sent[key] == value for key, value in with_state(name).items())


def test_state_that_is_not_asked_for_is_no_state(threaded: MakeThreaded) -> None:
    """`null` and `background: false`, which SDKs may write, are translated like any request."""
    with speaking("messages") as one:
        gateway = threaded({"tides": target(one, "messages")})
        reply = ask(gateway, previous_response_id=None, conversation=None, background=False, store=True)
    assert reply.status == 200
    assert reply.json["store"] is False
    assert reply.headers["x-baseload-approximated"].count("store") == 1


@pytest.mark.parametrize("stream", [False, True])
def test_another_tenants_answer_is_not_found(threaded: MakeThreaded, stream: bool) -> None:
    """To the provider both tenants are one credential: the gateway keeps their conversations apart."""
    with speaking("responses") as one:
        gateway = threaded({"tides": target(one, "responses")}, tenants={"shop": {}, "rival": {}})
        made = ask(gateway, stream=stream)
        assert made.status == 200
        mine = ask(gateway, previous_response_id="resp_68a1")
        rival = another(gateway, "rival")
        theirs = ask(rival, previous_response_id="resp_68a1")
        unknown = ask(rival, previous_response_id="resp_from_elsewhere")
    assert (mine.status, theirs.status, unknown.status) == (200, 404, 404)
    assert theirs.json["error"]["code"] == "stored_not_found"
    assert theirs.json["error"]["param"] == "previous_response_id"
    assert len(one.calls) == 2


def test_an_answer_is_gone_on_from_where_it_is_kept(threaded: MakeThreaded) -> None:
    """At the same account, whatever is cheaper; under another model there too; else refused by name."""
    cheap = {"provider": "somebody", "key": "other", "price": {"input": "0.01", "output": "0.01"}}
    with speaking("responses") as one, speaking("responses") as two:
        targets = {
            "kept": target(one, "responses"),
            "same": target(one, "responses", model="tides-3"),
            "cheap": target(two, "responses", metered=cheap),
        }
        models = {
            "chat": {"metered": ["kept", "cheap"]},
            "other": {"metered": ["same", "cheap"]},
            "cheap": {"metered": ["cheap"]},
        }
        gateway = threaded(targets, models)
        body = {"model": "chat", "input": "x"}
        with gateway.connection() as connection:
            given = {"authorization": f"Bearer {gateway.key}", "x-baseload-targets": "kept"}
            connection.request("POST", PATH, json.dumps(body), given)
            assert read_reply(connection).headers["x-baseload-target"] == "kept"
        again: dict[str, Any] = {"previous_response_id": "resp_68a1"}
        assert ask(gateway, **again).headers["x-baseload-target"] == "kept"
        assert ask(gateway, model="other", **again).headers["x-baseload-target"] == "same"
        gone = ask(gateway, model="cheap", **again)
    assert (gone.status, gone.json["error"]["param"]) == (400, "previous_response_id")
    assert two.calls == []


@pytest.mark.parametrize("stream", [False, True])
def test_earlier_reasoning_goes_to_the_account_that_made_it(threaded: MakeThreaded, stream: bool) -> None:
    """Sent along by its client, kept or not: a cheaper account could not read it; one of another format may
    answer without it. Of another tenant's items nothing is told."""
    thought = {"type": "reasoning", "id": "rs_9", "summary": [], "encrypted_content": "gAAA"}
    whole = response("completed", [thought, _said()], {"input_tokens": 9, "output_tokens": 3})

    def think(sent: Sent) -> tuple[int, str, Any]:
        if not json.loads(sent.body).get("stream"):
            return 200, "application/json", json.dumps(whole).encode()
        done = json.dumps({"type": "response.completed", "response": whole})
        return 200, "text/event-stream", [b"data: %b\n\n" % done.encode()]

    cheap = {"provider": "somebody", "key": "other", "price": {"input": "0.01", "output": "0.01"}}
    cheaper = {**cheap, "price": {"input": "0.001", "output": "0.001"}}
    with answering(think) as one, speaking("responses") as two, speaking("messages") as claude:
        targets = {"maker": target(one, "responses"), "cheap": target(two, "responses", metered=cheap)}
        gateway = threaded(targets, tenants={"shop": {}, "rival": {}})
        with gateway.connection() as connection:
            given = {"authorization": f"Bearer {gateway.key}", "x-baseload-targets": "maker"}
            body = {"model": "chat", "input": "x", "store": False, "stream": stream}
            connection.request("POST", PATH, json.dumps(body), given)
            assert read_reply(connection).status == 200
        history = [thought, {"role": "user", "content": "Sure?"}]
        assert ask(gateway).headers["x-baseload-target"] == "cheap"
        assert ask(gateway, input=history).headers["x-baseload-target"] == "maker"
        referred = [{"type": "item_reference", "id": "rs_9"}]
        assert ask(gateway, input=referred).headers["x-baseload-target"] == "maker"
        assert ask(another(gateway, "rival"), input=referred).status == 404
        gateway.config["targets"]["claude"] = target(claude, "messages", metered=cheaper)
        gateway.config["models"]["chat"]["metered"].append("claude")
        gateway.reload()
        assert ask(gateway, input=history).headers["x-baseload-target"] == "claude"
        assert ask(gateway, input=referred).headers["x-baseload-target"] == "maker"


def test_a_stale_history_puts_no_target_out_of_use(threaded: MakeThreaded) -> None:
    """OpenAI's 404 of an item that it did not keep is the client's, word for word, and no failure."""
    said = {"message": "Item with id 'rs_1' not found.", "type": "invalid_request_error"}
    error = json.dumps({"error": {**said, "param": "input", "code": None}}).encode()
    with answering(lambda _: (404, "application/json", error)) as one:
        gateway = threaded({"tides": target(one, "responses")})
        replies = [ask(gateway) for _ in range(8)]
    assert {reply.status for reply in replies} == {404}
    assert {reply.body for reply in replies} == {error}


def test_what_is_not_kept_is_not_remembered(threaded: MakeThreaded) -> None:
    """With `store: false` there is nothing to go on from; a translated answer is kept by nobody."""
    with speaking("responses") as one, speaking("chat") as two:
        gateway = threaded({"tides": target(one, "responses")})
        ask(gateway, store=False)
        other = threaded({"tides": target(two, "chat")})
        ask(other)
        found = [each.gateway.stored.find("resp_68a1") for each in (gateway, other)]
        ask(gateway)
        kept = gateway.gateway.stored.find("resp_68a1")
    assert found == [None, None]
    assert kept == Held("shop", "tides")


def test_an_id_that_nobody_knows_is_nobodys_among_several_tenants(threaded: MakeThreaded) -> None:
    """Made elsewhere or forgotten, it may be another's; a tenant that is alone asks its provider."""
    with speaking("responses") as one:
        gateway = threaded({"tides": target(one, "responses")}, tenants={"shop": {}})
        alone = ask(gateway, previous_response_id="resp_elsewhere")
        gateway.config["tenants"]["rival"] = {}
        gateway.reload()
        among = [
            ask(each, previous_response_id="resp_elsewhere") for each in (gateway, another(gateway, "rival"))
        ]
    assert alone.status == 200
    assert [reply.status for reply in among] == [404, 404]


# -- classes of data ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "sent"), [({}, False), ({"store": None}, False), ({"store": False}, False)]
)
def test_a_class_that_keeps_nothing_says_so(
    threaded: MakeThreaded, asked: dict[str, Any], sent: bool
) -> None:
    """Providers keep responses by default: they are told not to."""
    with speaking("responses") as one:
        targets = {"tides": target(one, "responses", zero_retention=True)}
        gateway = threaded(targets, classes=CLASSES, tenants={"shop": {"class": "patient"}})
        assert ask(gateway, **asked).status == 200
    assert json.loads(one.calls[0].body)["store"] is sent


@pytest.mark.parametrize("name", ["store", "background"])
def test_a_class_that_keeps_nothing_lets_nothing_be_kept(threaded: MakeThreaded, name: str) -> None:
    """Asked for, it is refused by the class's rule."""
    with speaking("responses") as one:
        targets = {"tides": target(one, "responses", zero_retention=True)}
        gateway = threaded(targets, classes=CLASSES, tenants={"shop": {"class": "patient"}})
        asked: dict[str, Any] = {name: True}
        reply = ask(gateway, **asked)
    assert (reply.status, reply.json["error"]["code"]) == (403, "residency")
    assert reply.json["error"]["param"] == name
    assert one.calls == []


def test_residency_and_limits_hold_for_responses(threaded: MakeThreaded) -> None:
    """The same rules as for chat: a class's regions, a tenant's requests a minute."""
    with speaking("responses") as one:
        targets = {"tides": target(one, "responses")}
        away = threaded(targets, classes=CLASSES, tenants={"shop": {"class": "eu"}})
        assert ask(away).json["error"]["code"] == "residency"
        few = threaded(targets, tenants={"shop": {"limits": {"requests_per_minute": 1}}})
        assert [ask(few).status for _ in range(2)] == [200, 429]
        large = threaded(targets, tenants={"shop": {"limits": {"tokens_per_minute": 1000}}})
        assert ask(large, max_output_tokens=20).status == 200
    assert len(one.calls) == 2


# -- what is booked -----------------------------------------------------------------------------------------


def test_a_response_in_the_background_is_booked_with_what_was_expected(threaded: MakeThreaded) -> None:
    """Its usage comes later and elsewhere: the row is an estimate and says so."""
    queued = json.dumps(response("queued", [], None, background=True)).encode()
    with answering(lambda _: (200, "application/json", queued)) as one:
        gateway = threaded({"tides": target(one, "responses")})
        reply = ask(gateway, background=True, max_output_tokens=40)
        (row,) = gateway.rows(1)
    assert reply.json["status"] == "queued"
    assert (row["outcome"], row["estimated"]) == ("completed", 1)
    assert 0 < row["output_tokens"] <= 40
    assert row["cost_nano"] == row["input_tokens"] * 1_000 + row["output_tokens"] * 5_000


def test_a_stream_that_is_cut_is_booked_by_its_deltas(threaded: MakeThreaded) -> None:
    """Two deltas came: two output tokens, estimated; the error comes as the event that follows."""

    def cut(sent: Sent) -> tuple[int, str, Any]:
        status, content, body = speak_responses(sent)
        assert isinstance(body, list)
        return status, content, body[:6]

    with answering(cut) as one:
        gateway = threaded({"tides": target(one, "responses")})
        reply = ask(gateway, stream=True)
        (row,) = gateway.rows(1)
    last = json.loads(reply.body.strip().rpartition(b"data: ")[2])
    assert (last["type"], last["sequence_number"], last["code"]) == ("error", 6, "upstream_broken")
    assert (row["outcome"], row["output_tokens"], row["estimated"]) == ("cut", 2, 1)


def test_an_unstreamed_answer_without_usage_is_estimated_by_its_text(threaded: MakeThreaded) -> None:
    """Some servers report none."""
    item = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x" * 400}]}
    body = json.dumps(response("completed", [item], None)).encode()
    with answering(lambda _: (200, "application/json", body)) as one:
        gateway = threaded({"tides": target(one, "responses")})
        assert ask(gateway).status == 200
        (row,) = gateway.rows(1)
    assert row["estimated"] == 1
    assert 50 < row["output_tokens"] < 200


def test_a_waiting_client_hears_comments_then_its_answer(threaded: MakeThreaded) -> None:
    """As with chat: comments keep the line, and a refusal after them is an event, the first of its stream."""

    def late(sent: Sent) -> tuple[int, str, Any]:
        time.sleep(1.2)
        return 400, "application/json", b'{"error":{"message":"no","type":"invalid_request_error"}}'

    with answering(late) as one:
        gateway = threaded({"tides": target(one, "responses")}, limits=PortLimits(comment_s=0.3))
        reply = ask(gateway, stream=True)
    assert reply.body.startswith(b": waiting for the first token\n\n")
    last = json.loads(reply.body.strip().rpartition(b"data: ")[2])
    assert (last["type"], last["sequence_number"], last["code"]) == ("error", 0, "upstream_rejected")


def test_what_a_provider_adds_to_a_request_teaches_nothing(threaded: MakeThreaded) -> None:
    """The history that it keeps is charged, but says nothing of the tokens in a body."""
    usage = {"input_tokens": 90_000, "output_tokens": 3}
    body = json.dumps(response("completed", [_said()], usage)).encode()
    with answering(lambda _: (200, "application/json", body)) as one:
        gateway = threaded({"tides": target(one, "responses")})
        place = gateway.call(lambda: gateway.gateway.site.models["chat"])
        before = place.estimate.input_tokens(1000)
        assert ask(gateway, previous_response_id="resp_1").status == 200
        assert place.estimate.input_tokens(1000) == before
        assert ask(gateway).status == 200
        assert place.estimate.input_tokens(1000) > before
        assert [row["input_tokens"] for row in gateway.rows(2)] == [90_000, 90_000]


def test_costs_are_the_same_however_it_was_served(threaded: MakeThreaded) -> None:
    """Native or translated: the same usage, the same price, the same cost."""
    costs = []
    for dialect in ("responses", "chat", "messages", "gemini", "converse"):
        with speaking(dialect) as one:
            gateway = threaded({"tides": target(one, dialect)})
            ask(gateway)
            (row,) = gateway.rows(1)
            costs.append(row["cost_nano"])
    assert costs == [COST_NANO] * 5

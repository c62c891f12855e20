"""Kept answers on the data path: what is given again, to whom, for how long, and what is on record of it."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from baseload import errors
from baseload.errors import RequestError
from baseload.gateway.caching.store import AnswerStore, Kept
from baseload.gateway.server import PortLimits
from baseload.keys import KeyStore
from baseload.ledger.store import Store
from baseload.plan.replay import recorded
from baseload.twin.pace import Latency
from tests.gateway.answering import Provider, Sent, answering
from tests.gateway.running import RunningTwin, metered, provider
from tests.gateway.speaking import COST_NANO, SAID, speak_chat, speaking, target
from tests.gateway.threaded import Clients, MakeThreaded, Reply, ThreadedGateway, eventually, read_reply

pytestmark = pytest.mark.usefixtures("quick_sweep")
TTL = {"cache": {"ttl": "60s"}}
OPTED_IN = {"shop": {"cache": True}}


def models(*targets: str, **more: Any) -> dict[str, Any]:
    """Model `chat` with these metered targets, its answers kept for a minute."""
    return {"chat": {"metered": list(targets), "slo": {"ttft": "2s", "tpot": "100ms"}, **TTL, **more}}


class Clock:
    """The cache's clock, which a test turns on."""

    def __init__(self, gateway: ThreadedGateway) -> None:
        self.now_s = 1000.0
        gateway.gateway.cache.now_s = lambda: self.now_s


@pytest.fixture
def tides() -> Iterator[Provider]:
    """A provider that counts its calls."""
    with speaking("chat") as one:
        yield one


@pytest.fixture
def gateway(threaded: MakeThreaded, tides: Provider) -> ThreadedGateway:
    """A gateway before it, whose one tenant lets answers be kept."""
    return threaded({"tides": target(tides, "chat")}, models("tides"), tenants=OPTED_IN)


def said(reply: Reply) -> str | None:
    """What the answer says of the cache."""
    assert reply.status == 200, reply.body
    return reply.headers.get("x-baseload-cache")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_the_same_request_is_answered_with_the_same_bytes(
    gateway: ThreadedGateway, tides: Provider, stream: bool
) -> None:
    """One call of the target; the second answer says what it is, under an id of its own."""
    clock = Clock(gateway)
    first = gateway.chat(stream=stream)
    clock.now_s += 7.5
    second = gateway.chat(stream=stream)
    assert (said(first), said(second), len(tides.calls)) == ("miss", "hit", 1)
    assert (second.body, second.whole) == (first.body, True)
    assert second.content == SAID
    assert second.headers["content-type"] == first.headers["content-type"]
    assert (second.headers["age"], "age" in first.headers) == ("7", False)
    assert second.headers["x-request-id"] != first.headers["x-request-id"]
    shown = [second.headers[f"x-baseload-{name}"] for name in ("target", "reason", "attempts")]
    assert shown == ["tides", "cached", "0"]
    assert gateway.at_rest()


def test_a_hit_is_a_row_of_its_own(gateway: ThreadedGateway) -> None:
    """No attempt, no tokens, no cost; its counterfactual is what the answer cost when it was made."""
    gateway.chat()
    reply = gateway.chat(headers={"x-baseload-tags": "team=search"})
    assert reply.headers["x-baseload-cost-usd"] == "0.000000000"
    assert reply.headers["x-baseload-counterfactual-usd"] == f"0.{COST_NANO:09d}"
    made, hit = gateway.rows(2)
    assert (made["attempt"], made["cost_nano"]) == (1, COST_NANO)
    assert (hit["request_id"], hit["attempt"]) == (reply.headers["x-request-id"], 0)
    assert (hit["outcome"], hit["status"], hit["reason"], hit["side"]) == (
        "completed",
        200,
        "cached",
        "cache",
    )
    assert (hit["cost_nano"], hit["counterfactual_nano"], hit["counterfactual_target"]) == (
        0,
        COST_NANO,
        "tides",
    )
    assert (hit["tenant"], hit["target"], hit["tags"]) == ("shop", "tides", '{"team": "search"}')
    assert (hit["input_tokens"], hit["output_tokens"], hit["reserved_nano"]) == (0, 0, 0)


def test_a_hit_is_a_request_and_no_traffic(gateway: ThreadedGateway) -> None:
    """Sums count it as a request without an attempt; what a plan or a replay reads has it not."""
    for _ in range(3):
        gateway.chat()
    gateway.rows(3)
    path = gateway.data / "ledger.sqlite"
    with Store(path) as store:
        (totals,) = store.totals()
        assert (totals.requests, totals.attempts, totals.cost_nano) == (3, 1, COST_NANO)
        assert totals.counterfactual_nano == 2 * COST_NANO
        assert {row.group[0]: row.requests for row in store.totals(["side"])} == {"cache": 2, "metered": 1}
        assert sum(len(batch) for batch in store.arrivals()) == 1
        assert store.unserved() == {}
    assert recorded(path).requests == 1


def test_an_answer_of_unknown_cost_saves_an_unknown_sum(threaded: MakeThreaded, tides: Provider) -> None:
    """A price that nobody knows is no 0: the counterfactual is left open."""
    unpriced = {"provider": "openai", "key": "k"}
    gateway = threaded(
        {"tides": {**target(tides, "chat"), "metered": unpriced}}, models("tides"), tenants=OPTED_IN
    )
    gateway.chat()
    reply = gateway.chat()
    assert said(reply) == "hit"
    assert "x-baseload-counterfactual-usd" not in reply.headers
    assert [row["counterfactual_nano"] for row in gateway.rows(2)] == [None, None]


def test_answers_expire(gateway: ThreadedGateway, tides: Provider) -> None:
    """Until its TTL is over an answer is given again, then it is made anew; a sweep lets go of the old."""
    clock = Clock(gateway)
    gateway.chat()
    clock.now_s += 59.9
    assert said(gateway.chat()) == "hit"
    clock.now_s += 0.1
    eventually(lambda: gateway.metric("baseload_cache_entries") == 0)
    assert gateway.metric("baseload_cache_evictions_total", cause="expired") == 1
    assert (said(gateway.chat()), len(tides.calls)) == ("miss", 2)


def test_another_tenant_has_none_of_it(threaded: MakeThreaded, tides: Provider) -> None:
    """The same bytes of another tenant's key reach the target; keys of one tenant share."""
    tenants = {"shop": {"cache": True}, "lab": {"cache": True}, "quiet": {}}
    gateway = threaded({"tides": target(tides, "chat")}, models("tides"), tenants=tenants)
    keys = KeyStore(gateway.data)
    clients = {name: Clients(gateway.port, keys.create(name)[0]) for name in ("shop", "lab", "quiet")}
    gateway.call(lambda: gateway.gateway.keys.reload_if_changed())
    gateway.chat()
    assert said(clients["shop"].chat()) == "hit"
    assert said(clients["lab"].chat()) == "miss"
    assert said(clients["lab"].chat()) == "hit"
    assert [said(clients["quiet"].chat()) for _ in range(2)] == [None, None]  # it has not opted in
    assert len(tides.calls) == 4


def test_a_request_may_ask_for_less(gateway: ThreadedGateway, tides: Provider) -> None:
    """`no-store` goes by the cache, `no-cache` renews it, `max-age` bounds what is taken."""
    clock = Clock(gateway)

    def chat(value: str) -> str | None:
        return said(gateway.chat(headers={"cache-control": value}))

    assert [chat("no-store"), chat("no-store")] == ["bypass", "bypass"]
    assert said(gateway.chat()) == "miss"  # of the two before nothing was kept
    assert chat("no-store") == "bypass"
    clock.now_s += 20
    assert [chat("max-age=21"), chat("max-age=20"), chat("max-age=20")] == ["hit", "miss", "hit"]
    clock.now_s += 50
    assert chat("no-cache") == "bypass"
    assert gateway.chat().headers["age"] == "0"
    assert len(tides.calls) == 6
    assert gateway.metric("baseload_cache_requests_total", model="chat", result="hit") == 3
    assert gateway.metric("baseload_cache_requests_total", model="chat", result="miss") == 2
    assert gateway.metric("baseload_cache_requests_total", model="chat", result="bypass") == 4


@pytest.mark.parametrize(
    "other",
    [
        {"temperature": 0.5},
        {"stream": True},
        {"content": "hello!"},
        {"headers": {"x-baseload-targets": "tides"}},
        {"headers": {"x-baseload-class": "near"}},
        {"path": "/v1/completions", "prompt": "hello"},
    ],
)
def test_another_request_is_another(threaded: MakeThreaded, tides: Provider, other: dict[str, Any]) -> None:
    """Parameters, form, text, narrowing headers, path: each makes a miss; the same again a hit."""
    classes = {"default": {"regions": "any"}, "near": {"regions": ["us"]}}
    gateway = threaded({"tides": target(tides, "chat")}, models("tides"), tenants=OPTED_IN, classes=classes)
    assert said(gateway.chat()) == "miss"
    assert [said(gateway.chat(**other)), said(gateway.chat(**other))] == ["miss", "hit"]
    assert said(gateway.chat(headers={"x-baseload-tags": "run=2"}, metadata={"run": "2"})) == "hit"


def test_what_the_provider_is_to_keep_is_made_each_time(threaded: MakeThreaded) -> None:
    """`store` of chat completions, and responses that are kept or go on from one that is, are no repeats."""
    with speaking("responses") as one:
        gateway = threaded({"tides": target(one, "responses")}, models("tides"), tenants=OPTED_IN)
        asked: list[dict[str, Any]] = [
            {"path": "/v1/responses", "input": "when?"},
            {"path": "/v1/responses", "input": "when?", "store": True},
            {"path": "/v1/responses", "input": "when?", "store": False, "previous_response_id": "resp_1"},
        ]
        for body in asked:
            assert [said(gateway.chat(**body)) for _ in range(2)] == ["bypass", "bypass"]
        assert len(one.calls) == 6
    with speaking("chat") as two:
        gateway = threaded({"tides": target(two, "chat")}, models("tides"), tenants=OPTED_IN)
        assert [said(gateway.chat(store=True)) for _ in range(2)] == ["bypass", "bypass"]


def test_without_both_opt_ins_nothing_is_said_or_kept(threaded: MakeThreaded, tides: Provider) -> None:
    """Off by default: neither the model's TTL alone nor the tenant's word alone keeps anything."""
    targets = {"tides": target(tides, "chat")}
    uncached = models("tides")
    del uncached["chat"]["cache"]
    for model, tenants in ((models("tides"), {"shop": {}}), (uncached, OPTED_IN)):
        gateway = threaded(targets, model, tenants=tenants)
        assert [said(gateway.chat()) for _ in range(2)] == [None, None]
        assert gateway.metric("baseload_cache_entries") == 0
    assert len(tides.calls) == 4


def test_a_changed_class_makes_no_answer_of_another_place_a_hit(threaded: MakeThreaded) -> None:
    """Residency holds at a hit too: an answer made where the class may no longer be processed is gone."""
    with speaking("chat") as far, speaking("chat") as near:
        targets = {"far": target(far, "chat", region="us"), "near": target(near, "chat", region="eu")}
        gateway = threaded(targets, models("far"), tenants=OPTED_IN)
        gateway.chat()
        assert said(gateway.chat()) == "hit"
        gateway.config["models"] = models("far", "near")
        gateway.reload()
        assert said(gateway.chat()) == "hit"  # it may still come from there
        gateway.config["classes"] = {"default": {"regions": ["eu"]}}
        gateway.reload()
        assert gateway.metric("baseload_cache_entries") == 0
        reply = gateway.chat()
        assert (said(reply), reply.headers["x-baseload-target"]) == ("miss", "near")
        assert gateway.chat().headers["x-baseload-target"] == "near"
        assert (len(far.calls), len(near.calls)) == (1, 1)


def changed_model(config: dict[str, Any]) -> None:
    config["targets"]["tides"]["model"] = "tides-3"


def shorter_ttl(config: dict[str, Any]) -> None:
    config["models"]["chat"]["cache"] = {"ttl": "10s"}


def no_cache(config: dict[str, Any]) -> None:
    del config["models"]["chat"]["cache"]


def opted_out(config: dict[str, Any]) -> None:
    config["tenants"] = {"shop": {}}


def unlisted(config: dict[str, Any]) -> None:
    config["models"]["chat"]["metered"] = ["other"]


def tiny(config: dict[str, Any]) -> None:
    config["cache"] = {"size": "1kB"}


@pytest.mark.parametrize(
    "change", [changed_model, shorter_ttl, no_cache, opted_out, unlisted, tiny], ids=lambda one: one.__name__
)
def test_a_reload_empties_what_it_makes_wrong(
    threaded: MakeThreaded, tides: Provider, change: Callable[[dict[str, Any]], None]
) -> None:
    """At once, not when it is asked for; a reload that changes nothing of it leaves it."""
    targets = {"tides": target(tides, "chat"), "other": target(tides, "chat")}
    gateway = threaded(targets, models("tides"), tenants=OPTED_IN)
    gateway.chat()
    gateway.config["targets"]["other"]["model"] = "else"
    gateway.config["targets"]["tides"]["metered"] = {**target(tides, "chat")["metered"], "key": "next-key"}
    gateway.reload()
    assert said(gateway.chat()) == "hit"
    change(gateway.config)
    gateway.reload()
    assert gateway.metric("baseload_cache_entries") == 0
    assert gateway.metric("baseload_cache_bytes") == 0
    assert said(gateway.chat()) != "hit"


def test_memory_is_bounded(threaded: MakeThreaded, twins: Callable[..., RunningTwin]) -> None:
    """However many answers come, they take no more than the size, and each evicted one is counted."""
    gateway = threaded(
        {"api": metered(twins(provider))}, models("api"), tenants=OPTED_IN, cache={"size": "32kB"}
    )
    for number in range(30):
        assert said(gateway.chat(f"number {number}", max_tokens=2)) == "miss"
        assert gateway.metric("baseload_cache_bytes") <= 32_000
    kept = gateway.metric("baseload_cache_entries")
    assert 10 < kept < 30
    assert gateway.metric("baseload_cache_evictions_total", cause="room") == 30 - kept
    assert said(gateway.chat("number 29", max_tokens=2)) == "hit"
    assert said(gateway.chat("number 0", max_tokens=2)) == "miss"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_answer_too_large_is_passed_on_and_not_kept(
    threaded: MakeThreaded, twins: Callable[..., RunningTwin], stream: bool
) -> None:
    """An eighth of the size is the most; what was remembered of it meanwhile is let go of."""
    gateway = threaded(
        {"api": metered(twins(provider))}, models("api"), tenants=OPTED_IN, cache={"size": "8kB"}
    )
    for _ in range(2):
        reply = gateway.chat(max_tokens=900, stream=stream)
        assert (said(reply), reply.whole) == ("miss", True)
    assert gateway.metric("baseload_cache_too_large_total") == 2
    assert (gateway.metric("baseload_cache_entries"), gateway.metric("baseload_cache_bytes")) == (0, 0)


@pytest.mark.parametrize("fault", ["status=400", "status=503", "cut=5", "error_event=3"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_only_complete_good_answers_are_kept(
    threaded: MakeThreaded, twins: Callable[..., RunningTwin], fault: str, stream: bool
) -> None:
    """Refusals, failures, answers that break off: the next request asks the target again."""
    one = twins(provider, faults=(f"{fault}",))
    gateway = threaded({"api": metered(one)}, models("api"), tenants=OPTED_IN)
    for _ in range(2):
        reply = gateway.chat(max_tokens=20, stream=stream)
        assert reply.headers.get("x-baseload-cache") == "miss"
    assert (gateway.metric("baseload_cache_entries"), gateway.metric("baseload_cache_bytes")) == (0, 0)
    assert gateway.at_rest()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_gone_clients_answer_is_not_kept(
    threaded: MakeThreaded, twins: Callable[..., RunningTwin], stream: bool
) -> None:
    """A client that leaves before its answer is whole leaves nothing behind."""
    gateway = threaded({"api": metered(twins(provider))}, models("api"), tenants=OPTED_IN)
    with gateway.connection() as connection:
        gateway.send(connection, max_tokens=2000, stream=stream)
        if stream:
            assert connection.getresponse().read(10)
        else:
            eventually(lambda: not gateway.at_rest())
    eventually(gateway.at_rest)
    assert (gateway.metric("baseload_cache_entries"), gateway.metric("baseload_cache_bytes")) == (0, 0)
    assert [row["outcome"] for row in gateway.rows(1)] == ["client_gone"]


def test_hits_count_in_the_limits_of_requests_and_take_no_tokens(
    threaded: MakeThreaded, tides: Provider
) -> None:
    """Requests a minute hold for kept answers too; the tokens set aside for one come back."""
    tenants = {"shop": {"cache": True, "limits": {"requests_per_minute": 60, "tokens_per_minute": 6000}}}
    gateway = threaded({"tides": target(tides, "chat")}, models("tides"), tenants=tenants)
    replies = [gateway.chat(max_tokens=500) for _ in range(20)]
    assert {reply.status for reply in replies} == {200, 429}
    answered = [reply for reply in replies if reply.status == 200]
    assert [said(reply) for reply in answered] == ["miss"] + ["hit"] * (len(answered) - 1)
    assert len(answered) > 2
    remaining = [int(reply.headers["x-ratelimit-remaining-tokens"]) for reply in answered]
    assert max(remaining) - min(remaining) < 1000  # 500 and more each would be gone otherwise
    refused = next(reply for reply in replies if reply.status == 429)
    assert refused.code == "rate_limit_exceeded"


def test_a_fallback_lists_answer_is_not_kept(threaded: MakeThreaded, tides: Provider) -> None:
    """Once the model is there again, it answers: what stood in for it was not kept."""
    answers = iter([503, 200])

    def first(sent: Sent) -> tuple[int, str, bytes | list[bytes]]:
        status = next(answers)
        return (status, "application/json", b"{}") if status != 200 else speak_chat(sent)

    with answering(first) as own:
        gateway = threaded(
            {"own": target(own, "chat"), "other": target(tides, "chat")},
            models("own", fallback={"error": ["other"]}),
            tenants=OPTED_IN,
        )
        replies = [gateway.chat(), gateway.chat(), gateway.chat()]
    assert [said(reply) for reply in replies] == ["miss", "miss", "hit"]
    assert [reply.headers["x-baseload-target"] for reply in replies] == ["other", "own", "own"]


def test_a_strict_journal_holds_a_hit_back_like_any_answer(threaded: MakeThreaded, tides: Provider) -> None:
    """Streams and whole answers come from the cache complete, once their rows are on the disk."""
    gateway = threaded(
        {"tides": target(tides, "chat")}, models("tides"), tenants=OPTED_IN, journal={"strict": True}
    )
    for stream in (False, True):
        first, second = (gateway.chat(stream=stream) for _ in range(2))
        assert (said(first), said(second), second.body) == ("miss", "hit", first.body)
        assert second.whole
    assert len(gateway.rows(4)) == 4


def test_a_connection_goes_on_after_hits_and_misses(gateway: ThreadedGateway) -> None:
    """Kept answers and others alternate on one connection, streams included."""
    with gateway.connection() as connection:
        seen = []
        for content, stream in [
            ("a", False),
            ("a", False),
            ("b", True),
            ("b", True),
            ("a", False),
            ("c", True),
        ]:
            gateway.send(connection, content, stream=stream)
            reply = read_reply(connection)
            seen.append(said(reply))
            assert reply.content == SAID
    assert seen == ["miss", "hit", "miss", "hit", "hit", "miss"]
    assert gateway.at_rest()


def test_an_old_client_is_not_given_chunks(gateway: ThreadedGateway) -> None:
    """HTTP/1.0 knows no chunked coding: its streams go by the cache."""
    gateway.chat(stream=True)
    body = json.dumps(
        {"model": "chat", "messages": [{"role": "user", "content": "hello"}], "stream": True}
    ).encode()
    with socket.create_connection(("127.0.0.1", gateway.port), 10) as raw:
        raw.sendall(
            b"POST /v1/chat/completions HTTP/1.0\r\nhost: x\r\nauthorization: Bearer %b\r\n"
            b"content-length: %d\r\n\r\n%b" % (gateway.key.encode(), len(body), body)
        )
        answer = b""
        while part := raw.recv(65536):
            answer += part
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert b"x-baseload-cache: bypass" in head
    assert rest.startswith(b"data: ")


def test_comments_that_kept_the_line_are_not_repeated(
    threaded: MakeThreaded, twins: Callable[..., RunningTwin]
) -> None:
    """What was sent while the first token was waited for is no part of the answer."""
    slow = twins(provider, latency=Latency(ttft_s=0.4, tpot_s=0.001))
    gateway = threaded(
        {"api": metered(slow)}, models("api"), tenants=OPTED_IN, limits=PortLimits(comment_s=0.05)
    )
    first, second = (gateway.chat(max_tokens=3, stream=True) for _ in range(2))
    assert (said(first), said(second)) == ("miss", "hit")
    assert first.body.startswith(b": ")
    assert second.body == first.body[first.body.index(b"data: ") :]


class Distant:
    """A store across a network, as far as an exchange can tell: it answers later."""

    def __init__(self, gateway: ThreadedGateway, after_s: float) -> None:
        self._near, self._after_s = gateway.gateway.cache.store, after_s
        self._loop = gateway._loop

    def find(self, key: bytes, now_s: float, then: Callable[[Kept | None], None]) -> None:
        self._loop.call_later(self._after_s, self._near.find, key, now_s, then)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._near, name)

    def __len__(self) -> int:
        return len(self._near)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_store_may_answer_later(gateway: ThreadedGateway, tides: Provider, stream: bool) -> None:
    """The interface serves one asked over a network: hit and miss come when it has said so."""
    gateway.gateway.cache.store = cast("AnswerStore", Distant(gateway, 0.05))
    assert [said(gateway.chat(stream=stream)) for _ in range(3)] == ["miss", "hit", "hit"]
    assert len(tides.calls) == 1
    assert gateway.at_rest()


def test_who_leaves_while_the_store_is_asked_is_not_served(gateway: ThreadedGateway, tides: Provider) -> None:
    """No call of the target for a client that is gone, and nothing stays in use."""
    gateway.gateway.cache.store = cast("AnswerStore", Distant(gateway, 0.2))
    with gateway.connection() as connection:
        gateway.send(connection)
        eventually(lambda: not gateway.at_rest())
    eventually(gateway.at_rest)
    gateway.chat("else")
    assert len(tides.calls) == 1
    assert gateway.metric("baseload_requests_total", code="client_gone") == 1


def test_a_full_journal_gives_nothing_from_the_cache(gateway: ThreadedGateway) -> None:
    """Nothing unrecorded is sent: a kept answer neither."""

    def no_room(_: object) -> None:
        raise RequestError(errors.JOURNAL_FULL, "the disk is full", retry_after_s=1.0)

    gateway.chat()
    gateway.gateway.journal.begin = no_room  # type: ignore[assignment]
    assert (gateway.chat().status, gateway.chat().code) == (503, "journal_unavailable")
    assert gateway.at_rest()

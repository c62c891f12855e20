"""Who may ask for what, how much, and where it may go; and that every limit taken is given back."""

from __future__ import annotations

import http.client
import random
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from baseload.core import Limits
from baseload.gateway.server import PortLimits
from baseload.keys import KeyStore
from baseload.policy.health import Health
from baseload.policy.load import TargetLoad
from baseload.twin.pace import Latency
from tests.gateway.running import CAPACITY, RunningTwin, engine, metered, owned, provider
from tests.gateway.threaded import MakeThreaded, Reply, ThreadedGateway, eventually, read_reply

Twins = Callable[..., RunningTwin]
CLASSES = {
    "default": {"regions": "any"},
    "european": {"regions": ["eu-west"]},
    "patient": {"regions": ["eu-west"], "zero_retention": True},
}


def _refusals(gateway: ThreadedGateway) -> float:
    return gateway.metric("baseload_requests_total", code="residency")


# -- residency ----------------------------------------------------------------------------------------------


def test_residency_fails_closed(threaded: MakeThreaded, twins: Twins) -> None:
    """A class that lists regions is never served where the region differs, is unknown or is no place, nor
    without the retention agreement it asks for: 403 names the rule, and no target sees a byte."""
    upstreams = [twins(provider) for _ in range(4)]
    places: list[dict[str, Any]] = [{"region": "us"}, {"region": "global"}, {}, {"region": "eu-west"}]
    targets = {f"api-{n}": {**metered(upstreams[n]), **place} for n, place in enumerate(places)}
    del targets["api-2"]["region"]
    gateway = threaded(targets, classes=CLASSES, tenants={"shop": {"class": "patient"}})
    reply = gateway.chat()
    assert (reply.status, reply.code) == (403, "residency")
    assert "patient" in reply.json["error"]["message"]
    assert reply.headers["x-should-retry"] == "false"
    assert not any(upstream.served().requests for upstream in upstreams)
    assert gateway.rows() == []
    assert _refusals(gateway) == 1


def test_a_fallback_keeps_to_the_class(threaded: MakeThreaded, twins: Twins) -> None:
    """When the only admissible target fails, another region is no way out."""
    abroad, home = twins(provider), twins(provider, faults=("status=500",))
    gateway = threaded(
        {"abroad": metered(abroad, ("1", "1")), "home": metered(home, region="eu-west")},
        classes=CLASSES,
        tenants={"shop": {"class": "european"}},
    )
    assert gateway.chat().code == "upstream_error"
    assert {row["target"] for row in gateway.rows(1)} == {"home"}
    assert not abroad.served().requests


@pytest.mark.parametrize(
    ("tenant", "asked", "target"),
    [
        ("default", "european", "home"),  # narrower
        ("default", "patient", None),  # narrower than any target
        ("european", "default", None),  # wider
        ("european", "nonsense", None),
    ],
)
def test_a_header_narrows_the_class_and_never_widens_it(
    threaded: MakeThreaded, twins: Twins, tenant: str, asked: str, target: str | None
) -> None:
    """`x-baseload-class` may name a narrower class than the tenant's; a wider or unknown one is refused."""
    abroad, home = metered(twins(provider), ("1", "1")), metered(twins(provider), region="eu-west")
    gateway = threaded({"abroad": abroad, "home": home}, classes=CLASSES, tenants={"shop": {"class": tenant}})
    reply = gateway.chat(headers={"x-baseload-class": asked})
    assert reply.headers.get("x-baseload-target") == target
    assert reply.status == (200 if target else 403)


def test_a_header_pins_targets(threaded: MakeThreaded, twins: Twins) -> None:
    """`x-baseload-targets` leaves only those named; of one, the reason is `pinned`; unknown ones are refused,
    and so is one the class forbids."""
    cheap, dear = metered(twins(provider), ("1", "1")), metered(twins(provider), region="eu-west")
    gateway = threaded(
        {"cheap": cheap, "dear": dear},
        classes=CLASSES,
        tenants={"shop": {}},
    )
    reply = gateway.chat(headers={"x-baseload-targets": "dear"})
    assert (reply.headers["x-baseload-target"], reply.headers["x-baseload-reason"]) == ("dear", "pinned")
    both = gateway.chat(headers={"x-baseload-targets": " dear , cheap"})
    assert (both.headers["x-baseload-target"], both.headers["x-baseload-reason"]) == ("cheap", "metered")
    wrong = gateway.chat(headers={"x-baseload-targets": "dear,typo"})
    assert (wrong.status, wrong.code, wrong.json["error"]["param"]) == (
        400,
        "invalid_field",
        "x-baseload-targets",
    )
    forbidden = gateway.chat(headers={"x-baseload-targets": "cheap", "x-baseload-class": "european"})
    assert (forbidden.status, forbidden.code) == (403, "residency")


def test_rights_of_tenants_and_keys(threaded: MakeThreaded, twins: Twins) -> None:
    """A model that tenant or key may not ask for is 403, and is not listed for them."""
    target = metered(twins(provider))
    models = {"chat": {"metered": ["api"]}, "secret": {"metered": ["api"]}}
    gateway = threaded({"api": target}, models, tenants={"shop": {"models": ["chat"]}})
    assert gateway.chat().status == 200
    reply = gateway.chat(model="secret")
    assert (reply.status, reply.code) == (403, "model_not_allowed")
    with gateway.connection() as connection:
        connection.request("GET", "/v1/models", headers={"authorization": f"Bearer {gateway.key}"})
        assert [model["id"] for model in read_reply(connection).json["data"]] == ["chat"]


# -- limits -------------------------------------------------------------------------------------------------


def _limited(threaded: MakeThreaded, twins: Twins, party: str, **limits: Any) -> ThreadedGateway:
    """A gateway with these limits for key, tenant or model."""
    target = metered(twins(provider))
    models = {"chat": {"metered": ["api"], **({"limits": limits} if party == "model" else {})}}
    tenants = {"shop": {"limits": limits} if party == "tenant" else {}}
    gateway = threaded({"api": target}, models, tenants=tenants)
    if party == "key":
        gateway.key, _ = KeyStore(gateway.data).create("shop", limits=Limits(**limits))
        gateway.call(lambda: gateway.gateway._reload_keys(0.0))
    return gateway


@pytest.mark.parametrize("party", ["key", "tenant", "model"])
def test_requests_per_minute(threaded: MakeThreaded, twins: Twins, party: str) -> None:
    """Beyond the burst a request is 429 with Retry-After and what is left, and says whose limit it is."""
    gateway = _limited(threaded, twins, party, requests_per_minute=12)  # a burst of two
    replies = [gateway.chat(max_tokens=1) for _ in range(3)]
    assert [reply.status for reply in replies] == [200, 200, 429]
    assert [reply.headers["x-ratelimit-limit-requests"] for reply in replies[:2]] == ["12", "12"]
    assert replies[1].headers["x-ratelimit-remaining-requests"] == "0"
    assert replies[2].code == "rate_limit_exceeded"
    assert f"{party} " in replies[2].json["error"]["message"]
    assert 1 <= int(replies[2].headers["retry-after"]) <= 5


@pytest.mark.parametrize("party", ["key", "tenant", "model"])
def test_tokens_per_minute(threaded: MakeThreaded, twins: Twins, party: str) -> None:
    """Tokens are taken as estimated and settled as used; a request above the limit itself is told so."""
    gateway = _limited(threaded, twins, party, tokens_per_minute=1000)
    reply = gateway.chat(max_tokens=20, ignore_eos=True)
    assert reply.headers["x-ratelimit-limit-tokens"] == "1000"
    again = gateway.chat(max_tokens=900, ignore_eos=True)  # the first took 21 of its estimate
    assert again.status == 200
    third = gateway.chat(max_tokens=900)
    assert (third.status, third.code) == (429, "rate_limit_exceeded")
    larger = gateway.chat("x" * 8000, max_tokens=900)
    assert (larger.status, larger.code) == (429, "request_too_large")
    assert larger.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("party", ["key", "tenant", "model"])
def test_concurrency(threaded: MakeThreaded, twins: Twins, party: str) -> None:
    """As many requests at a time as allowed; the next is 429 at once, and passes when one has ended."""
    gateway = _limited(threaded, twins, party, concurrent=2)
    with gateway.connection() as one, gateway.connection() as two:
        for connection in (one, two):
            gateway.send(connection, stream=True, max_tokens=5000, ignore_eos=True)
            connection.getresponse()
        refused = gateway.chat()
        assert (refused.status, refused.code) == (429, "concurrency_limit_exceeded")
        assert refused.headers["retry-after"] == "1"
    eventually(gateway.at_rest)
    assert gateway.chat(max_tokens=1).status == 200


def _ways_to_end(gateway: ThreadedGateway) -> list[Callable[[], object]]:
    def leave(connection: http.client.HTTPConnection, **fields: Any) -> None:
        gateway.send(connection, ignore_eos=True, max_tokens=400, **fields)

    def left(**fields: Any) -> None:
        with gateway.connection() as connection:
            leave(connection, **fields)
            if fields.get("stream"):
                connection.getresponse().readline()

    return [
        lambda: gateway.chat(max_tokens=2),
        lambda: gateway.chat(max_tokens=2, stream=True),
        lambda: gateway.chat(max_tokens="many"),
        lambda: gateway.chat(model="unknown"),
        lambda: gateway.chat(headers={"x-baseload-targets": "typo"}),
        lambda: gateway.chat(headers={"x-baseload-class": "patient"}),
        lambda: gateway.chat("[twin fault=status=400]"),
        lambda: gateway.chat("[twin fault=status=500]"),
        lambda: gateway.chat("[twin fault=status=429,retry_after_s=0.01]"),
        lambda: gateway.chat("[twin fault=reset]"),
        lambda: gateway.chat("[twin fault=cut]", stream=True),
        lambda: gateway.chat("[twin fault=error_200]", stream=True),
        lambda: gateway.chat("[twin fault=hang=headers]", stream=True),
        left,
        lambda: left(stream=True),
        lambda: left(content="[twin fault=hang]"),
        lambda: left(content="[twin fault=status=429,retry_after_s=1]"),
    ]


def _heal(loads: dict[str, TargetLoad]) -> None:
    for load in loads.values():
        load.health = Health()


@pytest.mark.parametrize("seed", range(2))
def test_whatever_way_a_request_ends_its_limits_are_given_back(
    threaded: MakeThreaded, twins: Twins, quick_sweep: None, seed: int
) -> None:
    """After a random series of all the ways in which requests end, nothing is held: no concurrency, no load
    at any target, no connection waiting; a limit of one request at a time still lets the next one pass."""
    twin = twins(provider, latency=Latency(ttft_s=0.005, tpot_s=0.002))
    timeouts = {"ttft": "100ms", "idle": "100ms", "total": "300ms"}
    limits = {"concurrent": 1, "requests_per_minute": 100_000, "tokens_per_minute": 100_000_000}
    gateway = threaded(
        {"one": metered(twin, timeouts=timeouts), "two": metered(twin, ("3", "3"), timeouts=timeouts)},
        {"chat": {"metered": ["one", "two"], "limits": limits}},
        classes=CLASSES,
        tenants={"shop": {"limits": limits}},
        limits=PortLimits(comment_s=0.05),
    )
    draw = random.Random(seed)
    ways = _ways_to_end(gateway) * 2
    draw.shuffle(ways)
    for way in ways:
        way()
        eventually(gateway.at_rest)
        gateway.call(lambda: _heal(gateway.gateway.loads))
    assert gateway.chat(max_tokens=1).status == 200
    ended = [row["outcome"] for row in gateway.rows(20)]
    assert {"completed", "client_gone", "failed", "cut", "rejected"} <= set(ended)
    assert None not in ended


# -- spill, quotas, prices ----------------------------------------------------------------------------------


def test_spill_and_back(threaded: MakeThreaded, twins: Twins) -> None:
    """When the owned replica would break the SLO the next request spills, and not when it is free again."""
    replica, api = twins(engine), twins(provider)
    target = owned(replica)
    target["owned"].update(max_sequences=2, capacity={**CAPACITY, "base": "20ms"})
    gateway = threaded(
        {"replica": target, "api": metered(api)},
        {"chat": {"owned": ["replica"], "metered": ["api"], "slo": {"ttft": "300ms", "tpot": "100ms"}}},
    )
    answer = gateway.chat(
        max_tokens=100, ignore_eos=True
    )  # so long an answer takes two seconds as configured
    assert answer.headers["x-baseload-reason"] == "owned"
    with ExitStack() as stack:
        for _ in range(2):
            connection = stack.enter_context(gateway.connection())
            gateway.send(connection, stream=True, max_tokens=20_000, ignore_eos=True)
            connection.getresponse()
        spilled = gateway.chat("[twin output=3]")
        assert (spilled.headers["x-baseload-target"], spilled.headers["x-baseload-reason"]) == (
            "api",
            "spill",
        )
    eventually(gateway.at_rest)
    back = gateway.chat("[twin output=3]")
    assert (back.headers["x-baseload-target"], back.headers["x-baseload-reason"]) == ("replica", "owned")
    reasons = [row["reason"] for row in gateway.rows(5)]
    assert reasons == ["owned", "owned", "owned", "spill", "owned"]


def test_quotas_spread_over_credentials_before_a_429(threaded: MakeThreaded, twins: Twins) -> None:
    """Near its quota a metered target's price rises: the second credential takes its part, and no 429 of the
    providers is ever seen."""
    first, second = (twins(provider, quota=Limits(requests_per_minute=12)) for _ in range(2))
    quota = {"requests_per_minute": 12}
    gateway = threaded({"first": metered(first, quota=quota), "second": metered(second, quota=quota)})
    replies = [gateway.chat(max_tokens=1) for _ in range(24)]
    served = [reply.headers.get("x-baseload-target") for reply in replies]
    assert served.count("first") == served.count("second") == 12
    assert all(row["outcome"] == "completed" for row in gateway.rows(24))
    full = gateway.chat(max_tokens=1)
    assert (full.status, full.code) == (503, "no_target_available")
    assert 1 <= int(full.headers["retry-after"]) <= 6


def test_an_unknown_price_is_an_alarm_and_never_0(threaded: MakeThreaded, twins: Twins) -> None:
    """A target without a known price serves as the last resort; its cost is unknown in ledger, headers and
    metrics."""
    unpriced = metered(twins(provider))
    del unpriced["metered"]["price"]
    gateway = threaded({"api": {**unpriced, "model": "twin-model"}})
    reply = gateway.chat(max_tokens=1)
    assert reply.status == 200
    assert "x-baseload-cost-usd" not in reply.headers
    (row,) = gateway.rows(1)
    assert (row["cost_nano"], row["reserved_nano"]) == (None, None)
    assert gateway.metric("baseload_unknown_cost_total", target="api") == 1
    assert gateway.metric("baseload_cost_nano_dollars_total", target="api") == 0


def _in_dollars(reply: Reply, name: str) -> int:
    dollars, _, nano = reply.headers[name].partition(".")
    return int(dollars) * 10**9 + int(nano)


def test_costs_in_headers_are_those_in_the_ledger(threaded: MakeThreaded, twins: Twins) -> None:
    """An unstreamed answer says what it cost and what the other side would have cost, as booked."""
    gateway = threaded({"replica": owned(twins(engine)), "api": metered(twins(provider))})
    mine = gateway.chat("x" * 400, max_tokens=10, ignore_eos=True)
    bought = gateway.chat("x" * 400, max_tokens=10, ignore_eos=True, headers={"x-baseload-targets": "api"})
    first, second = gateway.rows(2)
    assert (first["cost_nano"], first["counterfactual_nano"]) == (0, 350_000)
    assert _in_dollars(mine, "x-baseload-counterfactual-usd") == 350_000
    assert second["cost_nano"] == _in_dollars(bought, "x-baseload-cost-usd") == 350_000
    assert second["counterfactual_target"] == "replica"

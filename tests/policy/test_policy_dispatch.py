"""The price rule: who is admissible, who is cheapest, when spill starts, and why nobody serves."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseload.capacity.predict import predict
from baseload.core import (
    DataClass,
    Limits,
    LongContext,
    Model,
    Reason,
    Side,
    Slo,
    StepTime,
    Target,
    TokenPrice,
    Tokens,
)
from baseload.errors import (
    CONTEXT_TOO_LONG,
    INVALID_FIELD,
    NO_TARGET,
    OVERLOADED,
    RESIDENCY,
    TOO_LARGE_FOR_LIMIT,
    Fault,
    RequestError,
)
from baseload.money import token_cost
from baseload.policy.dispatch import DEFAULT_REFERENCE, Ask, Choice, Route, choose, congestion_share
from baseload.policy.lane import LONGEST_QUEUE, Metered
from baseload.policy.load import EngineReport, TargetLoad

STEP = StepTime(0.02, 5e-4, 1e-7, 1e-4, kv_tokens=100_000, max_sequences=64)
GPT = TokenPrice(2_500_000_000, 10_000_000_000, cached_input=1_250_000_000)
ANY = DataClass("default")
EU = DataClass("patient", frozenset({"eu"}), True)
ASK = Ask(500, 200, ANY)
NOW_S = 1000.0


def owned(name: str, step: StepTime | None = STEP, **more: object) -> Target:
    """A replica in the EU."""
    fields = {"region": "eu", "zero_retention": True, **more}
    return Target(name, Side.OWNED, "http://owned", step=step, **fields)  # type: ignore[arg-type]


def metered(name: str, price: TokenPrice | None = GPT, **more: object) -> Target:
    """An API in the US."""
    return Target(name, Side.METERED, "http://api", price=price, **{"region": "us", **more})  # type: ignore[arg-type]


class Scene:
    """A model's targets with their loads and route."""

    def __init__(self, *targets: Target, slo: Slo | None = None, price_cap: int | None = None) -> None:
        self.loads = {target.name: TargetLoad(target) for target in targets}
        self.model = Model("chat", targets, slo or Slo(), price_cap=price_cap)
        self.route = Route(self.model, self.loads)

    def fill(self, name: str, running: int, waiting: int = 0) -> None:
        """Put requests of 500 and 200 tokens on a target."""
        load = self.loads[name]
        for _ in range(running):
            load.begin(500, 200, NOW_S)
            load.first_token(500, 200)
        for _ in range(waiting):
            load.begin(500, 200, NOW_S)

    def eject(self, name: str, now_s: float = NOW_S) -> None:
        """Five failures at once."""
        for _ in range(5):
            self.loads[name].health.failure(now_s, 0.0)

    def choose(self, ask: Ask = ASK, now_s: float = NOW_S, tried: Iterable[str] = ()) -> Choice:
        """The choice now."""
        return self.route.choose(ask, now_s, tuple(tried))

    def refusal(
        self, fault: Fault, ask: Ask = ASK, now_s: float = NOW_S, tried: Iterable[str] = ()
    ) -> RequestError:
        """The refusal now, which is of this kind."""
        with pytest.raises(RequestError) as caught:
            self.choose(ask, now_s, tried)
        assert caught.value.fault == fault
        return caught.value


def pressure(load: TargetLoad, ask: Ask, slo: Slo) -> float:
    """x as DESIGN defines it, written out."""
    assert load.target.step is not None
    ttft_s, tpot_s = predict(
        load.target.step,
        running=load.running,
        kv_tokens=load.kv_tokens,
        waiting_tokens=load.waiting_tokens,
        waiting=load.waiting,
        input_tokens=ask.input_tokens,
        output_tokens=ask.output_tokens,
    )
    return max(ttft_s / slo.ttft_s, tpot_s / slo.tpot_s)


fills = st.lists(st.tuples(st.integers(0, 80), st.integers(0, 30)), min_size=4, max_size=4)
other_step = StepTime(0.03, 2e-4, 2e-7, 2e-4, kv_tokens=50_000, max_sequences=32)


@given(fills, st.integers(1, 4000), st.integers(1, 1000), st.integers(0, 300))
def test_the_lowest_price_wins(
    load: list[tuple[int, int]], input_tokens: int, output_tokens: int, used_share: int
) -> None:
    """Over replicas alike and unlike and metered targets with quotas, the choice is the true minimum."""
    dear = TokenPrice(3_000_000_000, 15_000_000_000)
    scene = Scene(
        *(owned("a"), owned("b"), owned("c", other_step), owned("d", other_step)),
        *(metered("m", quota=Limits(tokens_per_minute=300_000)), metered("n", dear)),
    )
    for name, (running, waiting) in zip("abcd", load, strict=True):
        scene.fill(name, running, waiting)
    scene.loads["m"].begin(used_share * 1000, 0, NOW_S)
    ask = Ask(input_tokens, output_tokens, ANY)
    money = {
        name: (input_tokens * price.input + output_tokens * price.output) / 1e6
        for name, price in (("m", GPT), ("n", dear))
    }
    use = (used_share * 1000 + input_tokens + output_tokens) / 300_000
    prices = {"n": money["n"]} | ({"m": money["m"] * (1 + use**4)} if use <= 1 else {})
    reference = money["m"] if use <= 1 else money["n"]
    for name in "abcd":
        prices[name] = reference * pressure(scene.loads[name], ask, scene.model.slo) ** 4
    choice = scene.choose(ask)
    assert prices[choice.target.name] == pytest.approx(min(prices.values()), rel=1e-9)
    assert choice.price == pytest.approx(prices[choice.target.name], abs=2)


@given(fills)
def test_spill_starts_where_the_slo_breaks_and_not_before(load: list[tuple[int, int]]) -> None:
    """While one replica would keep the SLO an owned one serves; once none would, the metered one does."""
    scene = Scene(*(owned(name) for name in "abcd"), metered("m"))
    for name, (running, waiting) in zip("abcd", load, strict=True):
        scene.fill(name, running, waiting)
    least = min(pressure(scene.loads[name], ASK, scene.model.slo) for name in "abcd")
    assert scene.choose().reason is (Reason.OWNED if least <= 1.0 else Reason.SPILL)


@given(st.floats(0, 50), st.floats(0, 50), st.floats(0, 1))
def test_congestion_is_convex_from_nothing_through_one(x: float, y: float, share: float) -> None:
    """f(0) = 0, f(1) = 1, f rises and is convex: the more loaded, the dearer the next request."""
    assert (congestion_share(0.0), congestion_share(1.0)) == (0.0, 1.0)
    between = share * x + (1 - share) * y
    chord = share * congestion_share(x) + (1 - share) * congestion_share(y)
    assert congestion_share(between) <= chord + 1e-9 * max(1.0, chord)


classes = st.sampled_from([ANY, EU, DataClass("us", frozenset({"us"})), DataClass("zdr", None, True)])
allowed = {"default": set("abmn"), "patient": set("ab"), "us": set("mn"), "zdr": set("abn")}


@given(
    classes,
    st.none() | st.frozensets(st.sampled_from("abmn"), min_size=1),
    st.sets(st.sampled_from("abmn")),
    st.lists(st.sampled_from(["ok", "ejected", "dead", "full"]), min_size=4, max_size=4),
    st.integers(1, 9000),
)
def test_never_a_target_that_a_rule_forbids(
    data_class: DataClass, only: frozenset[str] | None, tried: set[str], health: list[str], input_tokens: int
) -> None:
    """Whatever is down: residency, narrowing, context windows, dead credentials and `tried` always hold."""
    windows = {"a": 4000, "b": 8000, "m": 6000, "n": 10_000}
    scene = Scene(
        *(owned(name, context_tokens=windows[name]) for name in "ab"),
        metered("m", context_tokens=windows["m"]),
        metered("n", context_tokens=windows["n"], zero_retention=True),
    )
    for name, state in zip("abmn", health, strict=True):
        if state == "ejected":
            scene.eject(name)
        elif state == "dead":
            scene.loads[name].health.refuse(NOW_S)
        elif state == "full":
            scene.loads[name].health.full(NOW_S, NOW_S + 7.0)
    lawful = {
        name
        for name in allowed[data_class.name] & (only or set("abmn"))
        if input_tokens + 200 <= windows[name]
    }
    states = dict(zip("abmn", health, strict=True))
    not_ejected = any(states[name] in ("ok", "full") for name in lawful)
    lawful -= tried
    up = {name for name in lawful if states[name] == "ok"}
    alive = {name for name in lawful if states[name] != "dead"}
    ask = Ask(input_tokens, 200, data_class, only, context_tokens=input_tokens + 200)
    try:
        choice = scene.choose(ask, tried=tried)
    except RequestError:
        assert not up
        assert not alive or not_ejected
    else:
        assert choice.target.name in (up or alive)


def test_metered_money_is_what_the_ledger_books() -> None:
    """Expected money follows the rule of the booked cost, cached tokens and long-context prices included."""
    tiered = TokenPrice(
        1_000, 2_000, cached_input=100, long_context=LongContext(above=1000, input=2_000, output=4_000)
    )
    for price in (GPT, tiered, TokenPrice(1_000_000, 3_000_000)):
        for tokens in (Tokens(900, 0, 0, 77), Tokens(2_000, 1_500, 0, 5_000), Tokens(1_001, 1, 0, 1)):
            option = Metered(metered("m", price), TargetLoad(metered("m", price)))
            money = option.money(tokens.input, tokens.cached_input, tokens.output)
            booked = token_cost(tokens, price)
            assert booked is not None
            assert money == pytest.approx(booked, abs=1)


def test_a_metered_target_that_holds_the_prefix_is_cheaper() -> None:
    """Of two equal APIs the one that cached the conversation wins, at the cached price."""
    scene = Scene(metered("m"), metered("n"))
    choice = scene.choose(Ask(1000, 100, ANY, cached={"n": 800}))
    assert (choice.target.name, choice.money) == ("n", 200 * 2500 + 800 * 1250 + 100 * 10_000)


def test_a_replica_that_holds_the_prefix_is_less_congested() -> None:
    """Of two equally busy replicas the one that need not prefill the prompt again wins."""
    scene = Scene(owned("a"), owned("b"))
    assert scene.choose(Ask(8000, 100, ANY, cached={"b": 7000})).target.name == "b"


def test_quotas_spread_over_credentials_before_they_are_spent() -> None:
    """Equal credentials are used in proportion to their quotas, and neither is sent more than it takes."""
    scene = Scene(
        metered("m", quota=Limits(requests_per_minute=100)),
        metered("n", quota=Limits(requests_per_minute=50)),
    )
    used = {"m": 0, "n": 0}
    for _ in range(90):
        choice = scene.choose()
        choice.load.begin(500, 200, NOW_S)
        used[choice.target.name] += 1
    assert used == {"m": 60, "n": 30}
    for _ in range(60):
        scene.choose().load.begin(500, 200, NOW_S)
    error = scene.refusal(NO_TARGET)
    assert "m: its quota is used up; n: its quota is used up" in error.message
    assert error.retry_after_s == pytest.approx(0.6, abs=1e-3)
    assert scene.choose(now_s=NOW_S + 0.61).target.name == "m"


def test_a_nearly_spent_quota_keeps_work_on_a_slightly_late_replica() -> None:
    """With the quota at its end the metered price has doubled: a replica 10% over its SLO is still used."""
    slo = Slo(ttft_s=100.0, tpot_s=1.0)
    scene = Scene(owned("a"), metered("m", quota=Limits(requests_per_minute=100)), slo=slo)
    x = pressure(scene.loads["a"], ASK, slo)
    tight = Slo(ttft_s=100.0, tpot_s=x / 1.1)
    scene = Scene(owned("a"), metered("m", quota=Limits(requests_per_minute=100)), slo=tight)
    assert scene.choose().reason is Reason.SPILL
    for _ in range(98):
        scene.loads["m"].begin(1, 1, NOW_S)
    assert scene.choose().reason is Reason.OWNED


def test_an_unknown_price_is_never_free() -> None:
    """A metered target without a price comes after every priced one, with money None as its alarm."""
    scene = Scene(metered("unpriced", None), metered("dear", TokenPrice(10**12, 10**12)))
    assert scene.choose().target.name == "dear"
    scene.loads["dear"].health.refuse(NOW_S)
    choice = scene.choose()
    assert (choice.target.name, choice.money, choice.price) == ("unpriced", None, None)


def test_a_free_target_takes_over_only_beyond_the_slo() -> None:
    """With a price of 0 on both sides the SLO alone decides: use the owned one as long as it holds."""
    scene = Scene(owned("a"), metered("free", TokenPrice(0, 0)))
    assert scene.choose().reason is Reason.OWNED
    scene.fill("a", 64, 60)
    assert scene.choose().reason is Reason.SPILL


@pytest.mark.parametrize(("cap", "reference"), [(None, DEFAULT_REFERENCE), (5_000_000, 5_000_000)])
def test_the_reference_without_a_metered_target(cap: int | None, reference: int) -> None:
    """Congestion is then a part of the model's price cap, or of the documented default."""
    scene = Scene(owned("a"), price_cap=cap)
    x = pressure(scene.loads["a"], ASK, scene.model.slo)
    assert scene.choose().congestion == int(reference * congestion_share(x))


def test_equal_prices_go_to_the_least_loaded() -> None:
    """Ties among metered targets and among replicas without a model of load are broken by what runs there."""
    scene = Scene(metered("m"), metered("n"))
    names = []
    for _ in range(6):
        choice = scene.choose()
        choice.load.begin(1, 1, NOW_S)
        names.append(choice.target.name)
    assert names == ["m", "n"] * 3


def test_without_a_capacity_model_the_configured_concurrency_is_the_room() -> None:
    """An owned target of unknown speed serves up to its concurrency, then spills; alone it queues a while."""
    bare = owned("a", None, quota=Limits(concurrent=4))
    scene = Scene(bare, metered("m"))
    reasons = []
    for _ in range(6):
        choice = scene.choose()
        reasons.append(choice.reason)
        if choice.target.name == "a":
            choice.load.begin(500, 200, NOW_S)
    assert reasons == [Reason.OWNED] * 4 + [Reason.SPILL] * 2
    alone = Scene(bare)
    taken = 0
    while taken < 1000 and alone.loads["a"].in_flight < 4 * LONGEST_QUEUE:
        alone.choose().load.begin(500, 200, NOW_S)
        taken += 1
    assert taken == 4 * LONGEST_QUEUE
    assert alone.refusal(OVERLOADED).retry_after_s is not None


def test_a_full_replica_predicts_its_queue_and_a_hopeless_one_is_not_used() -> None:
    """With every sequence taken the prediction contains the wait; past the timeout nothing is sent."""
    scene = Scene(owned("a"))
    seen_s = []
    for running, waiting in ((63, 0), (1, 0), (0, 64)):
        scene.fill("a", running, waiting)
        ttft_s = scene.choose().predicted_ttft_s
        assert ttft_s is not None
        seen_s.append(ttft_s)
    last_room_s, first_queued_s, second_batch_s = seen_s
    assert last_room_s < first_queued_s < second_batch_s / 10
    scene.fill("a", 0, 2000)
    assert "its queue is too long" in scene.refusal(OVERLOADED).message


def test_a_fresh_report_counts_what_others_put_there() -> None:
    """What another gateway sent to a replica makes it dearer here too; a stale report does not."""
    scene = Scene(owned("a"), owned("b"))
    scene.fill("b", 5)
    scene.loads["a"].report(EngineReport(running=40, waiting=3, kv_use=0.3, at_s=NOW_S))
    assert scene.choose(now_s=NOW_S + 1.0).target.name == "b"
    assert scene.choose(now_s=NOW_S + 6.0).target.name == "a"


def test_reasons() -> None:
    """Each reason of core.Reason is given where its comment says."""
    scene = Scene(owned("a"), metered("m"))
    assert scene.choose().reason is Reason.OWNED
    assert scene.choose(tried=["a"]).reason is Reason.FALLBACK
    assert scene.choose(Ask(500, 200, ANY, frozenset({"m"}))).reason is Reason.PINNED
    assert scene.choose(Ask(500, 200, ANY, frozenset({"m", "a"}))).reason is Reason.OWNED
    assert scene.choose(Ask(500, 200, DataClass("us", frozenset({"us"})))).reason is Reason.METERED
    scene.fill("a", 64, 100)
    assert scene.choose().reason is Reason.SPILL
    scene.loads["a"].health.full(NOW_S, NOW_S + 1.0)
    assert scene.choose().reason is Reason.SPILL
    scene.eject("a")
    assert scene.choose().reason is Reason.FALLBACK


def test_the_last_target_is_never_ejected() -> None:
    """Where ejections alone keep targets out, the one that returns first is tried; a dead one never."""
    scene = Scene(owned("a"), metered("m"), metered("dead"))
    scene.loads["dead"].health.refuse(NOW_S)
    scene.eject("m", NOW_S - 10.0)
    scene.eject("a", NOW_S)
    assert scene.choose().target.name == "m"
    assert scene.choose(tried=["m"]).target.name == "a"
    scene.loads["dead"].health.sent(NOW_S)
    assert scene.choose().target.name == "m"  # nor one whose probe is on its way
    scene.loads["m"].health.full(NOW_S, NOW_S + 3.0)
    error = scene.refusal(NO_TARGET)
    assert error.retry_after_s == pytest.approx(20.0)


def test_an_ejected_target_is_not_the_last_while_a_tried_one_is_in_use() -> None:
    """One failed attempt at a healthy target makes no other a probe before its time."""
    scene = Scene(owned("a"), owned("b"))
    scene.eject("b", NOW_S)
    assert scene.choose().target.name == "a"
    assert scene.refusal(NO_TARGET, tried=["a"]).retry_after_s == pytest.approx(30.0)
    assert scene.choose(now_s=NOW_S + 31.0, tried=["a"]).target.name == "b"
    scene.eject("a", NOW_S)
    assert scene.choose(tried=["a"]).target.name == "b"


def test_a_dead_credential_is_probed_in_its_turn() -> None:
    """Once its time has come the next request it is the cheapest for goes there, and no other meanwhile."""
    scene = Scene(owned("a"), metered("m"))
    scene.loads["a"].health.refuse(NOW_S)
    assert scene.choose(now_s=NOW_S + 59.0).target.name == "m"
    assert scene.choose(now_s=NOW_S + 61.0).target.name == "a"
    assert scene.loads["a"].begin(500, 200, NOW_S + 61.0) is True
    assert scene.choose(now_s=NOW_S + 61.0).target.name == "m"


def test_no_target_says_when_the_first_is_back() -> None:
    """Retry-After is the shortest time left of all that are out; a dead credential promises none."""
    scene = Scene(owned("a"), metered("m"))
    scene.loads["a"].health.full(NOW_S, NOW_S + 4.0)
    scene.loads["m"].health.refuse(NOW_S)
    error = scene.refusal(NO_TARGET)
    assert error.retry_after_s == pytest.approx(4.0)
    assert "a: out of room; m: dead credential" in error.message
    assert scene.refusal(NO_TARGET, tried=["a", "m"]).retry_after_s is None


def test_residency_refusals_name_the_rule_and_the_class() -> None:
    """The client reads its class, what that asks, and what every target lacks."""
    scene = Scene(metered("m"), metered("n", region=None))
    message = scene.refusal(RESIDENCY, Ask(1, 1, EU)).message
    assert "class patient (regions eu, zero retention)" in message
    assert "m: its region is us; n: its region is unknown" in message
    narrowed = Scene(owned("a"), metered("m")).refusal(RESIDENCY, Ask(1, 1, EU, frozenset({"m"})))
    assert "m: its region is us" in narrowed.message
    assert "a:" not in narrowed.message


def test_an_estimate_chooses_among_windows_but_seldom_refuses() -> None:
    """Estimated too long: the largest window is tried. Counted, or twice too long: refused."""
    scene = Scene(metered("small", context_tokens=4096), metered("large", context_tokens=8192))
    assert scene.choose(Ask(5000, 100, ANY)).target.name == "large"
    assert scene.choose(Ask(12_000, 100, ANY)).target.name == "large"
    assert scene.choose(Ask(12_000, 100, ANY, context_tokens=4000)).target.name == "small"
    scene.refusal(CONTEXT_TOO_LONG, Ask(16_000, 500, ANY))
    scene.refusal(CONTEXT_TOO_LONG, Ask(12_000, 100, ANY, context_tokens=8193))


def test_other_refusals_by_rule() -> None:
    """Too long for every window, larger than every quota, names that serve nothing: each its own error."""
    scene = Scene(metered("m", context_tokens=4096, quota=Limits(tokens_per_minute=2000)))
    assert (
        "at most 4096 tokens here; this request needs 5000"
        in scene.refusal(CONTEXT_TOO_LONG, Ask(4000, 1000, ANY, context_tokens=5000)).message
    )
    assert scene.refusal(TOO_LARGE_FOR_LIMIT, Ask(2000, 1000, ANY)).retry_after_s is None
    assert "served by m" in scene.refusal(INVALID_FIELD, Ask(1, 1, ANY, frozenset({"x"}))).message


def test_a_single_question_needs_no_route() -> None:
    """`choose` gives what a kept route gives."""
    scene = Scene(owned("a"), metered("m"))
    assert choose(scene.model, ASK, scene.loads, NOW_S) == scene.choose()


@given(st.floats(1e-6, 1e9))
def test_prices_fit_in_64_bits(slo_scale: float) -> None:
    """However hopeless the replica and dear the reference, booked terms stay within 64 bits."""
    scene = Scene(owned("a"), slo=Slo(2.0 / slo_scale, 0.1 / slo_scale), price_cap=10_000_000_000)
    choice = scene.choose()
    assert 0 <= choice.congestion < 2**63

"""Replays: what a ledger recorded, what the simulator says of the same, and what a change does."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from baseload.core import DataClass, Limits, Model, Side, Slo, Snapshot, Target, Tenant, TokenPrice, Tokens
from baseload.errors import UnknownName, UsageError
from baseload.ledger.ingest import ingest_once
from baseload.ledger.journal import Journal
from baseload.ledger.launch import journal_directory, store_path
from baseload.ledger.record import Begin, Bill, Call, Caller, Chosen, End, Fleet, Refusal, Versions
from baseload.money import token_cost
from baseload.plan.outcome import NOWHERE, Simulated
from baseload.plan.replay import Change, recorded, scenario_of, simulated, view_of
from baseload.plan.scenario import Outage, Scenario
from baseload.plan.simulate import simulate
from baseload.traffic.read import Format, read_traffic
from tests.plan.test_simulate import STEP, fleet, steady

START_NS = 1_795_334_400_000_000_000
CLASS = DataClass("default")
CHEAP = TokenPrice(100_000_000, 400_000_000)


def snapshot(*models: Model) -> Snapshot:
    """A configuration with these models and one tenant."""
    targets = {target.name: target for model in models for target in model.targets}
    return Snapshot(
        "v1",
        {model.name: model for model in models},
        targets,
        {"shop": Tenant("shop", CLASS)},
        {"default": CLASS},
    )


def write_ledger(folder: Path, found: Simulated) -> None:
    """What a gateway would have recorded of this simulation."""
    journal = Journal.open(journal_directory(folder))
    rates = tuple(
        (each.name, each.usd_nano_per_hour or 0) for each in found.targets if each.side is Side.OWNED
    )
    journal.fleet(Fleet(START_NS, "v1", rates))
    caller, versions = Caller("shop", "k1", "default"), Versions("v1", "2026-11-22")
    for request, place in enumerate(found.target.tolist()):
        at_s = float(found.traffic.arrival_s[request])
        at_ns = START_NS + round(at_s * 1e9)
        prompt, output = int(found.traffic.input_tokens[request]), int(found.traffic.output_tokens[request])
        if place == NOWHERE:
            journal.refuse(Refusal(f"r{request}", at_ns, "shop", "k1", "chat", "no_target", 503, "gateway"))
            continue
        target = found.targets[place]
        reason = "spill" if found.spilled[request] else target.side.value
        call = Call("chat", "chat.completions", True, prompt, output)
        journal.begin(
            Begin(f"r{request}", 1, at_ns, caller, call, Chosen(target.name, target.side, reason), versions)
        )
        cost = 0 if target.side is Side.OWNED else token_cost(Tokens(prompt, 0, 0, output), target.price)
        first_ns, end_ns = (round((each[request] - at_s) * 1e9) for each in (found.first_s, found.end_s))
        journal.end(
            End(
                f"r{request}",
                1,
                at_ns + end_ns,
                "completed",
                200,
                end_ns,
                Tokens(prompt, 0, 0, output),
                Bill(cost),
                first_ns,
            )
        )
    end_ns = START_NS + round(found.traffic.duration_s * 1e9)
    journal.fleet(Fleet(end_ns, "v1", rates, True))
    journal.close()
    ingest_once(journal_directory(folder), store_path(folder))


def test_a_ledger_says_what_was_simulated(tmp_path: Path) -> None:
    """A simulation written down as a gateway would, read back, gives the same spill, times and money."""
    scenario = Scenario((fleet(1, quota=Limits(requests_per_minute=200)),))
    truth = simulate(steady(20, 300), scenario)
    write_ledger(tmp_path, truth)
    was, book = view_of("before", truth), recorded(tmp_path)
    assert book.requests == was.requests
    assert book.metered_usd == pytest.approx(was.metered_usd)
    assert book.owned_usd == pytest.approx(was.owned_usd, rel=1e-6)
    assert book.ttft_s == pytest.approx(was.ttft_s, abs=1e-6)
    assert book.tpot_s == pytest.approx(was.tpot_s, abs=1e-6)
    assert book.owned_tokens_share > was.owned_tokens_share > 0.0  # of what was served; of what was asked
    assert sum(book.refused.values()) == sum(was.refused.values()) > 0
    assert book.spill_share == pytest.approx(was.spill_share)


def test_a_ledger_replays_to_what_it_recorded(tmp_path: Path) -> None:
    """Its traffic, simulated under the configuration it was made with, gives the same once more."""
    scenario = Scenario((fleet(1),))
    truth = simulate(steady(20, 300), scenario)
    write_ledger(tmp_path, truth)
    traffic = read_traffic(tmp_path, format=Format.LEDGER)
    again = simulated("before", traffic, scenario_of(snapshot(scenario.models[0]), traffic))
    book = recorded(tmp_path)
    assert again.spill_share == pytest.approx(book.spill_share, abs=0.001)
    assert again.metered_usd == pytest.approx(book.metered_usd, rel=0.002)
    assert again.ttft_s == pytest.approx(book.ttft_s, rel=0.002)


def test_more_replicas_cost_hours_and_save_tokens() -> None:
    """Twice the replicas: twice the hours, less spill, less bought."""
    traffic, scenario = steady(20, 300), Scenario((fleet(1),))
    before = simulated("before", traffic, scenario)
    after = simulated("after", traffic, Change(replicas={"r0": 2}).applied(scenario))
    assert before.owned_usd is not None
    assert before.metered_usd is not None
    assert after.metered_usd is not None
    assert after.owned_usd == pytest.approx(2 * before.owned_usd)
    assert after.spill_share < before.spill_share
    assert after.metered_usd < before.metered_usd
    assert after.usd == pytest.approx((after.owned_usd or 0.0) + after.metered_usd)


def test_another_price_changes_money_and_may_change_where() -> None:
    """A price of a 25th of the API costs a 25th of what was bought there, where as much is bought."""
    traffic, scenario = steady(20, 300), Scenario((fleet(0),))
    before = simulated("before", traffic, scenario)
    after = simulated("after", traffic, Change(prices={"api": CHEAP}).applied(scenario))
    assert before.metered_usd is not None
    assert after.metered_usd == pytest.approx(before.metered_usd / 25)


def test_a_tighter_promise_spills_more() -> None:
    """The SLO is where spill starts."""
    traffic, scenario = steady(12, 300), Scenario((fleet(1),))
    before = simulated("before", traffic, scenario)
    after = simulated("after", traffic, Change(ttft_s=0.3, tpot_s=0.035).applied(scenario))
    assert after.spill_share > before.spill_share


def test_half_a_promise_leaves_the_other_half() -> None:
    """A new TTFT keeps each model's own TPOT, and the other way round."""
    scenario = Scenario((fleet(1, slo=Slo(0.7, 0.033)),))
    assert Change(ttft_s=0.3).applied(scenario).models[0].slo == Slo(0.3, 0.033)
    assert Change(tpot_s=0.02).applied(scenario).models[0].slo == Slo(0.7, 0.02)


def test_a_change_keeps_what_it_does_not_name() -> None:
    """Outages, classes and seed stay; a target of the wrong kind, or the last one gone, is an error."""
    scenario = Scenario((fleet(2),), classes={"shop": CLASS}, outages=(Outage("r0", 1.0, 2.0),), seed=7)
    kept = Change(replicas={"r1": 3}).applied(scenario)
    assert (kept.classes, kept.outages, kept.seed) == (scenario.classes, scenario.outages, 7)
    assert [target.name for target in kept.targets] == ["r0", "r1", "r1-2", "r1-3", "api"]
    assert not Change().anything
    with pytest.raises(UnknownName, match="owned target"):
        Change(replicas={"api": 2}).applied(scenario)
    with pytest.raises(UnknownName, match="metered target"):
        Change(prices={"r0": CHEAP}).applied(scenario)
    with pytest.raises(UsageError, match="no target left"):
        Change(replicas={"r0": 0}).applied(Scenario((fleet(1, api=False),)))


def test_replicas_get_names_that_are_free() -> None:
    """Where a target is called what a second replica would be, the second is called the next; two models that
    share a target share its replicas."""
    names = ("r0", "r0-2")
    owned = tuple(
        Target(name, Side.OWNED, "http://owned", step=STEP, usd_nano_per_hour=10**9) for name in names
    )
    scenario = Scenario((Model("chat", owned), Model("code", owned[:1])))
    found = Change(replicas={"r0": 3, "r0-2": 2}).applied(scenario)
    assert [target.name for target in found.targets] == ["r0", "r0-3", "r0-4", "r0-2", "r0-2-2"]
    assert found.models[1].targets == found.models[0].targets[:3]


def test_requests_that_failed_everywhere_are_in_a_ledgers_view(tmp_path: Path) -> None:
    """Failed, rejected, left and never ended: refused by their outcome, and in the count."""
    journal = Journal.open(journal_directory(tmp_path))
    caller, versions = Caller("shop", "k1", "default"), Versions("v1", "2026-11-22")
    ends = ("completed", "failed", "failed", "rejected", "client_gone", None)
    for number, outcome in enumerate(ends):
        call = Call("chat", "chat.completions", True, 10, 5)
        chosen = Chosen("api", Side.METERED, "spill")
        at_ns = START_NS + number * 10**9
        for attempt in (1, 2) if outcome == "failed" else (1,):
            journal.begin(Begin(f"r{number}", attempt, at_ns, caller, call, chosen, versions))
            if outcome is not None:
                tokens = Tokens(10, 0, 0, 5 if outcome == "completed" else 0)
                status = 200 if outcome == "completed" else 503
                first_ns = 10**6 if outcome == "completed" else None
                journal.end(
                    End(f"r{number}", attempt, at_ns, outcome, status, 10**7, tokens, Bill(0), first_ns)
                )
    journal.close()
    ingest_once(journal_directory(tmp_path), store_path(tmp_path))
    book = recorded(tmp_path)
    assert book.requests == len(ends)
    assert book.refused["failed"] == 2
    assert book.refused["rejected"] == book.refused["client_gone"] == 1
    assert sum(book.refused.values()) == len(ends) - 1
    assert book.spill_share == pytest.approx(1 / len(ends))


def test_traffic_is_matched_with_the_configuration_by_model() -> None:
    """One model takes unnamed requests, of several one must be named, an unknown one is refused."""
    traffic = steady(5, 60)
    chat, other = fleet(1), Model("other", (Target("x", Side.METERED, "http://api", price=CHEAP),))
    assert scenario_of(snapshot(chat), traffic).models == (chat,)
    with pytest.raises(UsageError, match="does not say which model"):
        scenario_of(snapshot(chat, other), traffic)
    assert scenario_of(snapshot(chat, other), traffic, "other").models == (other,)
    with pytest.raises(UnknownName, match="nope"):
        scenario_of(snapshot(chat), traffic, "nope")


def test_unknown_prices_stay_unknown() -> None:
    """No price: no cost and no total, rather than 0."""
    free = Model("chat", (Target("api", Side.METERED, "http://api"),))
    view = simulated("before", steady(5, 60), Scenario((free,)))
    assert view.metered_usd is None
    assert view.usd is None
    assert all(not math.isnan(value) for value in view.ttft_s if value is not None)
    assert np.isfinite(view.spill_share)

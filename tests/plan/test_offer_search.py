"""The search over GPUs on offer from a plan: what it names keeps the promise, at the lowest cost."""

from __future__ import annotations

import pytest

from baseload.catalog.models import open_model
from baseload.core import Slo
from baseload.plan.model import Inputs
from baseload.plan.offer_search import at_volume
from baseload.plan.promise import Promise
from baseload.plan.sizing_words import sizing_dict, sizing_lines
from baseload.plan.slo_search import busiest, candidates_of, seen_with
from tests.plan.test_slo_sizing import PAIR, TRAFFIC, planned


@pytest.fixture(scope="module")
def searched() -> Inputs:
    """A plan at a volume that takes several pairs, growing."""
    return planned(
        tokens_per_day=2e9,
        slo=Slo(1.0, 0.05),
        search_offers=True,
        assumptions={"traffic.growth_per_year": 0.5},
    ).inputs


def test_what_is_found_keeps_the_promise_and_one_less_does_not(searched: Inputs) -> None:
    """The plan's own replicas and the cheapest offer, simulated anew on the traffic at this volume."""
    found = searched.searched
    assert found is not None
    assert found.own is not None
    promise, pieces = Promise(Slo(1.0, 0.05)), busiest(at_volume(TRAFFIC, 2e9))
    assert seen_with(pieces, PAIR, found.own.replicas, promise).keeps(promise)
    assert not seen_with(pieces, PAIR, found.own.replicas - 1, promise).keeps(promise)
    best = found.offers[0]
    step = next(each.step for each in candidates_of(open_model("llama-3.3-70b")) if each.name == best.name)
    assert seen_with(pieces, step, best.replicas, promise).keeps(promise)
    assert best.usd_per_hour == min(offer.usd_per_hour for offer in found.offers)
    assert best.launch.startswith("vllm serve ")


def test_the_last_day_comes_sooner_than_at_half_the_growth(searched: Inputs) -> None:
    """And is told in words and as data."""
    found = searched.searched
    assert found is not None
    assert found.runs_out_days is not None
    assert sizing_dict(searched)["search"]["runs_out_days"] == round(found.runs_out_days, 1)
    lines = "\n".join(sizing_lines(searched))
    assert f"they keep it for {found.runs_out_days:,.0f} days" in lines
    assert f"Start each with: {found.offers[0].launch}" in lines


def test_the_volume_is_the_plans() -> None:
    """The same requests in so much time; of the traffic's own volume nothing is changed."""
    assert at_volume(TRAFFIC, TRAFFIC.tokens_per_day().total) is TRAFFIC
    squeezed = busiest(at_volume(TRAFFIC, 2e9))[0]
    assert squeezed.tokens_per_day().total == pytest.approx(2e9)
    assert squeezed.input_tokens.tolist() == TRAFFIC.input_tokens.tolist()

"""Options, verdicts and what would change them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from baseload.plan.costs import Fleet, Spare
from baseload.plan.load import LoadCurve
from baseload.plan.model import Kind, Metered, Plan, Role

MakePlan = Callable[..., Plan]

GPT_4O = Metered("gpt-4o", Role.FRONTIER, 6.25)
OPEN = Metered("llama-3.3-70b API", Role.OPEN, 0.88)
BARE = Fleet(4392, 8.0, 0.7)


def test_all_options_stand_side_by_side(plans: dict[str, Plan]) -> None:
    """Each API, everything owned, and a hybrid with each API: at one volume, one mix."""
    kinds = [(option.kind, option.metered) for option in plans["buy"].options]
    assert kinds == [
        (Kind.FRONTIER_API, "gpt-4o"),
        (Kind.OPEN_API, "llama-3.3-70b API"),
        (Kind.OWNED, None),
        (Kind.HYBRID, "gpt-4o"),
        (Kind.HYBRID, "llama-3.3-70b API"),
    ]


def test_a_hybrid_is_never_dearer_than_its_api_nor_than_owning_everything(plans: dict[str, Plan]) -> None:
    """It may own nothing or everything, so it is at least as good as both."""
    for plan in plans.values():
        owned = next(option for option in plan.options if option.kind is Kind.OWNED)
        bought = {option.metered: option for option in plan.options if option.kind is not Kind.HYBRID}
        for option in plan.options:
            if option.kind is Kind.HYBRID:
                best = min(owned.usd_per_month, bought[option.metered].usd_per_month)
                assert option.usd_per_month <= best * (1 + 1e-12)


def test_the_answer_names_what_to_do_and_what_it_costs(make_plan: MakePlan, plans: dict[str, Plan]) -> None:
    """One sentence each for buying, owning and both."""
    assert plans["buy"].answer.startswith(
        "At 20M tokens/day buy everything from the llama-3.3-70b API for $528"
    )
    assert "own 6+1 replicas of 2×H100 (FP8) and buy the other" in plans["hybrid"].answer
    flat = make_plan(tokens_per_day=1.06e9, curve=LoadCurve.flat(), fleet=BARE, metered=(GPT_4O,))
    assert "own 4 replicas of 2×H100 (FP8) and buy nothing for $23,040 a month" in flat.answer


def test_never_is_said_in_words(make_plan: MakePlan) -> None:
    """With the price of a full replica and the use it would take."""
    plan = make_plan(curve=LoadCurve.flat(), fleet=Fleet(4392, 8.0, 0.57), metered=(OPEN,))
    found = plan.break_even[0]
    assert found.never
    assert found.words == (
        "Owning everything never pays against the llama-3.3-70b API at $0.88/M, at any volume. "
        "A replica's tokens cost $0.51/M at 100% sustained use, $0.89/M at the 57% planned with; "
        "below 58% they are never cheaper."
    )


def test_a_staircase_is_told_as_one(make_plan: MakePlan) -> None:
    """From when, until what is full, the API again, and for good."""
    plan = make_plan(curve=LoadCurve.flat(), fleet=BARE, metered=(OPEN,))
    assert (
        "owning everything is cheaper from 219M tokens/day until 1 replica is full at 266M, "
        "then the API again up to 437M, owned until 2 replicas are full at 532M"
    ) in plan.break_even[0].words
    assert "owned for good from 1,091M" in plan.break_even[0].words


@pytest.mark.parametrize(
    ("spare", "team", "words"),
    [
        (Spare.NONE, 0, "one replica breaks even at 30.7M tokens/day"),
        (Spare.IDLE, 0, "one replica with an idle spare breaks even at 61.4M tokens/day"),
        (
            Spare.IDLE,
            15_000,
            "one replica with an idle spare and $15,000 a month of people breaks even at 141M",
        ),
        (Spare.IDLE, 45_000, "would break even at 301M tokens/day, but is full at 266M"),
    ],
)
def test_a_single_break_even_is_told_as_a_number(
    make_plan: MakePlan, spare: Spare, team: float, words: str
) -> None:
    """The volumes of the worked example against GPT-4o."""
    plan = make_plan(curve=LoadCurve.flat(), fleet=Fleet(4392, 8.0, 0.7, spare, team), metered=(GPT_4O,))
    assert words in plan.break_even[0].words


def test_what_if_says_which_change_flips_the_answer(plans: dict[str, Plan]) -> None:
    """A change flips when another kind of option, or another API, becomes the cheapest."""
    by_change = {each.change: each for each in plans["buy"].what_if}
    assert not by_change["half the traffic"].flips
    assert by_change["half the traffic"].usd_per_month == pytest.approx(264)
    flips = {each.change for each in plans["hybrid"].what_if if each.flips}
    assert "GPU hours cost half" not in flips
    without = by_change["the open model is not sold as an API"]
    assert without.cheapest == "buy everything from gpt-4o"
    assert without.flips


def test_a_price_of_zero_and_a_tiny_volume_are_answered(make_plan: MakePlan) -> None:
    """Free tokens are bought; no division by the price."""
    plan = make_plan(tokens_per_day=1.0, metered=(Metered("free", Role.FRONTIER, 0.0),))
    assert plan.cheapest.name == "free"
    assert plan.break_even[0].never

"""Residency fails closed, and a request narrows its class but never widens it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseload.core import UNPLACED, DataClass, Side, Target
from baseload.errors import RESIDENCY, RequestError
from baseload.policy.residency import is_narrower, may_process, narrow, why_not

REGIONS = ("eu-west", "eu-north", "us", "global", "cross-region")


def target(region: str | None, zero_retention: bool = False) -> Target:
    """A metered target in this region."""
    return Target("api", Side.METERED, "http://api", region=region, zero_retention=zero_retention)


targets = st.builds(target, st.sampled_from((None, *REGIONS)), st.booleans())
classes = st.builds(
    DataClass,
    st.just("c"),
    st.none() | st.frozensets(st.sampled_from(REGIONS)),
    st.booleans(),
)


@given(classes, targets)
def test_only_what_is_certain_is_admissible(data_class: DataClass, place: Target) -> None:
    """A target is admissible iff its region is a listed place (where asked) and its agreement is in force."""
    in_place = data_class.regions is None or (
        place.region in ("eu-west", "eu-north", "us") and place.region in data_class.regions
    )
    kept = place.zero_retention or not data_class.zero_retention
    assert may_process(data_class, place) == (in_place and kept)
    assert (why_not(data_class, place) is None) == may_process(data_class, place)


@pytest.mark.parametrize("region", ["", *sorted(UNPLACED), "Global", " cross-region ", None])
def test_no_place_is_never_admissible(region: str | None) -> None:
    """An unknown, global or cross-region target is out even when a class lists that word as a region."""
    asks = DataClass("patient", frozenset({"eu-west", str(region)}))
    assert not may_process(asks, target(region))


@pytest.mark.parametrize("region", ["EU-WEST", "eu-west ", "eu", "eu-west-1"])
def test_a_region_matches_by_its_whole_name_only(region: str) -> None:
    """What is spelled otherwise is another region: nothing is guessed in the data's disfavour."""
    assert not may_process(DataClass("patient", frozenset({"eu-west"})), target(region))


@given(classes, classes, targets)
def test_a_narrower_class_admits_nothing_more(allowed: DataClass, asked: DataClass, place: Target) -> None:
    """Whatever class a request gets by narrowing, no target is admissible that its own class forbids."""
    if is_narrower(asked, allowed):
        assert narrow(allowed, asked) is asked
        assert may_process(allowed, place) or not may_process(asked, place)
    else:
        with pytest.raises(RequestError) as caught:
            narrow(allowed, asked)
        assert caught.value.fault is RESIDENCY


def test_a_refused_widening_names_both_classes() -> None:
    """The client reads which class it asked for, which it has, and what they ask."""
    with pytest.raises(RequestError) as caught:
        narrow(DataClass("patient", frozenset({"eu-west"}), True), DataClass("default"))
    assert "default (anywhere) is wider than patient (regions eu-west, zero retention)" in str(caught.value)

"""`Bill`: exact sums in every grouping, fractions of a nano-dollar carried, impossible lines refused."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseload.errors import DataError, UsageError
from baseload.traffic.bills.bill import GROUPS, Item, Line, Lines, Tier
from baseload.traffic.rows import BadRows
from tests.traffic.bill_samples import DAY_NS, START_NS, day, made

amounts = st.decimals(-1000, 1000, allow_nan=False, allow_infinity=False, places=14)
lines = st.builds(
    Line,
    start_ns=st.integers(0, 5).map(lambda number: START_NS + number * DAY_NS),
    end_ns=st.just(START_NS + 6 * DAY_NS),
    model=st.sampled_from(["a", "b", ""]),
    seller=st.sampled_from(["openai", "aws"]),
    tier=st.sampled_from(Tier),
    requests=st.none() | st.integers(0, 0) | st.integers(10**6, 10**7),
    input_tokens=st.integers(10**6, 10**12),
    cached_tokens=st.integers(0, 10**6),
    output_tokens=st.integers(0, 10**12),
    usd=st.none() | amounts,
    item=st.just(Item.TOKENS),
    what=st.just(""),
    tenant=st.just(""),
    long_context=st.none(),
    written_tokens=st.just(0),
    written_1h_tokens=st.just(0),
)


@given(st.lists(lines, min_size=1, max_size=40))
def test_lines_add_up_exactly(given: list[Line]) -> None:
    """Tokens are the sums of the lines; dollars their exact sum, rounded half-even once."""
    total = made(*given).total()
    assert total.input_tokens == sum(line.input_tokens for line in given)
    assert total.cached_tokens == sum(line.cached_tokens for line in given)
    assert total.output_tokens == sum(line.output_tokens for line in given)
    dollars = [line.usd for line in given if line.usd is not None]
    exact = int((sum(dollars, Decimal(0)) * 10**9).to_integral_value(ROUND_HALF_EVEN))
    assert total.nano == (exact if dollars else None)


@given(st.lists(lines, min_size=1, max_size=30), st.lists(st.sampled_from(GROUPS), min_size=1, unique=True))
def test_every_grouping_keeps_the_totals(given: list[Line], by: list[str]) -> None:
    """The groups' lines, tokens and dollars together are the bill's."""
    bill = made(*given)
    total, groups = bill.total(), bill.sums(by)
    assert sum(group.lines for group in groups) == total.lines
    assert sum(group.input_tokens + group.output_tokens for group in groups) == (
        total.input_tokens + total.output_tokens
    )
    assert sum(group.nano or 0 for group in groups) == (total.nano or 0)
    assert len({group.group for group in groups}) == len(groups)


def test_groups_come_dearest_first_and_days_in_order() -> None:
    """By model the most dollars first; by day from the first to the last."""
    bill = made(
        Line(*day(1), model="cheap", input_tokens=5, usd=Decimal(1)),
        Line(*day(0), model="dear", input_tokens=3, usd=Decimal(2)),
    )
    assert [group.group for group in bill.sums(["model"])] == [("dear",), ("cheap",)]
    assert [group.group for group in bill.sums(["day"])] == [("2026-10-05",), ("2026-10-06",)]
    with pytest.raises(UsageError, match="no grouping 'modle'"):
        bill.sums(["modle"])


def test_one_model_of_a_bill_covers_the_same_time() -> None:
    """`only` keeps the span, and names the models there are for one that is not."""
    bill = made(Line(*day(0), model="a", input_tokens=5), Line(*day(3), model="b", input_tokens=7))
    part = bill.only(model="a")
    assert (part.total().input_tokens, part.days) == (5, 4.0)
    with pytest.raises(UsageError, match="no model 'c'") as caught:
        bill.only(model="c")
    assert caught.value.hint == "it has a, b"


def test_requests_are_only_known_where_every_line_counts_them() -> None:
    """One line that does not say makes the sum unknown; a line without tokens need not."""
    counted = Line(*day(), model="a", requests=3, input_tokens=5)
    tool = Line(*day(), item=Item.OTHER, what="web search", usd=Decimal(1))
    assert made(counted, tool).total().requests == 3
    assert made(counted, counted._replace(requests=None)).total().requests is None


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"end_ns": START_NS - 1}, "end is before its start"),
        ({"input_tokens": -1}, "-1 input_tokens are not within 0"),
        ({"output_tokens": 10**16}, "output_tokens are not within 0"),
        ({"cached_tokens": 4, "written_tokens": 2}, "6 cached and written of 5 input tokens"),
        ({"requests": -2}, "-2 requests"),
        ({"requests": 1, "output_tokens": 20_000_000}, "more than 10,000,000 tokens in each of 1 requests"),
        ({"usd": Decimal("NaN")}, "NaN dollars"),
        ({"usd": Decimal(10) ** 10}, "dollars"),
    ],
)
def test_impossible_lines_are_refused(wrong: dict[str, int], reason: str) -> None:
    """With the reason; nothing of them is kept."""
    grown = Lines()
    with pytest.raises(ValueError, match=reason):
        grown.add(Line(*day(), model="a", input_tokens=5)._replace(**wrong))  # type: ignore[arg-type]
    assert grown.count == 0


def test_dollars_that_no_integer_holds_are_refused() -> None:
    """The sum stays within 64 bits whatever a file says."""
    grown = Lines()
    for _ in range(9):
        grown.add(Line(*day(), usd=Decimal(10**9)))
    with pytest.raises(ValueError, match="nine billion dollars"):
        grown.add(Line(*day(), usd=Decimal(10**9)))


def test_a_bill_of_nothing_is_an_error() -> None:
    """Quiet buckets alone are no bill."""
    grown = Lines()
    grown.cover(*day())
    with pytest.raises(DataError, match=r"made: says nothing of usage or costs"):
        grown.bill("made", "made", BadRows("made"), [])

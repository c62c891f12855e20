"""A bill beside the catalog: what each part of a price adds, and what cannot be priced or compared."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baseload.catalog.prices import batch
from baseload.catalog.published import published_price
from baseload.core import Tokens
from baseload.money import token_cost
from baseload.plan.billed import dearest
from baseload.traffic.bills.bill import Item, Line, Tier
from baseload.traffic.bills.inferred import with_tokens
from baseload.traffic.bills.modelled import modelled
from baseload.traffic.bills.prices import priced, words_of
from baseload.traffic.bills.reconcile import one_name, reconcile
from tests.traffic.bill_samples import START_NS, day, made

ON = date(2026, 10, 5)
SONNET = Line(*day(), model="claude-sonnet-4-5-20250929", seller="anthropic", long_context=False)


@settings(max_examples=60)
@given(
    st.integers(0, 10**9),
    st.integers(0, 100),
    st.integers(0, 10**9),
    st.none() | st.decimals(0, 10**5, allow_nan=False, places=4),
)
def test_tokens_cost_what_the_ledger_would_book(
    input_tokens: int, share: int, output_tokens: int, usd: Decimal | None
) -> None:
    """List and cache together are `token_cost` of the sums; billed = computed + difference."""
    cached = input_tokens * share // 100
    line = Line(*day(), model="gpt-4o", seller="openai", input_tokens=input_tokens, cached_tokens=cached,
                output_tokens=output_tokens, usd=usd)  # fmt: skip
    found = reconcile(made(line))
    price = published_price("openai", "gpt-4o", ON)
    tokens = Tokens(input=input_tokens, cached_input=cached, output=output_tokens)
    if input_tokens + output_tokens:
        assert found.computed_nano == token_cost(tokens, price)
        assert found.parts.list_nano + found.parts.cache_nano == found.computed_nano
    else:
        assert found.computed_nano is None
    known = found.billed_nano is not None and found.computed_nano is not None
    assert found.difference_nano == ((found.billed_nano or 0) - (found.computed_nano or 0) if known else 0)


def test_cache_writes_of_five_minutes_and_of_an_hour() -> None:
    """The first at the catalog's price, the second at twice the input's."""
    line = SONNET._replace(input_tokens=3_000_000, written_tokens=1_000_000, written_1h_tokens=1_000_000)
    parts = reconcile(made(line)).parts
    assert parts.list_nano == 9_000_000_000
    assert parts.cache_nano == (3_750_000_000 - 3_000_000_000) + (6_000_000_000 - 3_000_000_000)


def test_batch_tokens_cost_the_batch_price() -> None:
    """What it saves is the tier's part."""
    line = SONNET._replace(tier=Tier.BATCH, input_tokens=1_000_000, output_tokens=1_000_000)
    found = reconcile(made(line))
    price = batch("anthropic", "claude-sonnet-4-5")
    assert price is not None
    assert found.computed_nano == price.input + price.output
    assert found.parts.tier_nano == -9_000_000_000
    assert found.rows[0].why == ()


def test_a_tier_without_a_listed_price_is_said() -> None:
    """It is computed at the standard one, never at a guess."""
    found = reconcile(made(SONNET._replace(tier=Tier.FLEX, input_tokens=1_000_000)))
    assert found.computed_nano == 3_000_000_000
    assert found.rows[0].why == ("no flex price in the catalog: computed at the standard one",)


def test_long_prompts_where_the_bill_tells_them_and_where_it_does_not() -> None:
    """Marked lines cost the long price; single requests are where their input puts them; sums say so."""
    used = SONNET._replace(input_tokens=1_000_000, output_tokens=100_000)
    marked = reconcile(made(used._replace(long_context=True)))
    assert marked.computed_nano == 6_000_000_000 + 2_250_000_000
    assert marked.parts.long_nano == 3_000_000_000 + 750_000_000
    unknown = reconcile(made(used._replace(long_context=None)))
    assert unknown.parts.long_nano == 0
    assert unknown.rows[0].why == ("prompts of more than 200,000 tokens cost more; the file has sums",)
    request = SONNET._replace(end_ns=START_NS, requests=1, long_context=None)
    short, long = request._replace(input_tokens=200_000), request._replace(input_tokens=200_001)
    assert reconcile(made(short, long)).computed_nano == 600_000_000 + 1_200_006_000


def test_each_day_has_its_own_price() -> None:
    """A price cut in the middle of a bill counts from its day; `on` takes one day's for all."""
    o3 = Line(START_NS, START_NS, model="o3", seller="openai", input_tokens=1_000_000)
    before, after = (1_748_736_000, 1_750_377_600)  # 2025-06-01 and 2025-06-20
    lines = [o3._replace(start_ns=at * 10**9, end_ns=at * 10**9 + 1) for at in (before, after)]
    found = reconcile(made(*lines))
    assert [day.computed_nano for day in found.days] == [10_000_000_000, 2_000_000_000]
    assert reconcile(made(*lines), date(2025, 6, 20)).computed_nano == 4_000_000_000


def test_what_has_no_price_is_named_and_never_free() -> None:
    """An unknown model's dollars are unpriced; tools are other; both are in the sum of what was billed."""
    unknown = Line(*day(), model="house-model", seller="openai", input_tokens=5, usd=Decimal(2))
    tool = Line(*day(), item=Item.OTHER, what="web search", seller="openai", usd=Decimal(1))
    found = reconcile(made(unknown, tool))
    assert (found.billed_nano, found.computed_nano) == (3_000_000_000, None)
    assert (found.unpriced_nano, found.other_nano) == (2_000_000_000, 1_000_000_000)
    assert [row.why for row in found.rows] == [("no price in the catalog",), ("not tokens of a known model",)]


def test_usage_without_a_model_asks_for_the_grouping() -> None:
    """OpenAI's pages name no model unless asked to."""
    found = reconcile(made(Line(*day(), seller="openai", input_tokens=5)))
    assert found.rows[0].why == ("no model is named: export it grouped by model",)


def test_tokens_without_dollars_are_computed_alone() -> None:
    """A usage export has no billed side, and says so."""
    found = reconcile(made(SONNET._replace(input_tokens=1_000_000)))
    assert (found.billed_nano, found.computed_nano, found.difference_nano) == (None, 3_000_000_000, 0)


def test_dollars_meet_the_tokens_they_paid_by_name() -> None:
    """A display name goes with the one dated id that means the same; two candidates are left alone."""
    dollars = Line(*day(), model="claude-sonnet-4-5", seller="anthropic", item=Item.INPUT, usd=Decimal(3))
    tokens = SONNET._replace(input_tokens=1_000_000)
    found = reconcile(made(tokens, dollars))
    assert (len(found.rows), found.rows[0].difference_nano) == (1, 0)
    other = tokens._replace(model="claude-sonnet-4-5-20260101")
    assert len(one_name(made(tokens, other, dollars)).sums(["model"])) == 3


def test_dollars_alone_become_tokens_and_nothing_is_compared() -> None:
    """At the catalog's price of their kind; a comparison with themselves would say nothing."""
    kinds = {
        Item.INPUT: (1_000_000, 0, 0),
        Item.CACHED: (10_000_000, 10_000_000, 0),
        Item.OUTPUT: (0, 0, 200_000),
    }
    for item, expected in kinds.items():
        bill = with_tokens(made(SONNET._replace(item=item, usd=Decimal(3))))
        total = bill.total()
        assert (total.input_tokens, total.cached_tokens, total.output_tokens) == expected
        found = reconcile(bill)
        assert (found.billed_nano, found.computed_nano) == (3_000_000_000, None)
        assert "nothing to compare" in found.rows[0].why[0]
    priced_and_not = SONNET._replace(item=Item.INPUT, usd=Decimal(3))
    partly = with_tokens(made(priced_and_not, priced_and_not._replace(model="house-model", usd=Decimal(2))))
    assert modelled(partly)[0].endswith("over the catalog's prices, without $2.00 that no price is known for")
    kept = made(SONNET._replace(input_tokens=5))
    assert with_tokens(kept) is kept


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Claude4Sonnet", "us.anthropic.claude-sonnet-4-20250514-v1:0", True),
        ("Claude Sonnet 4.5", "claude-sonnet-4-5-20250929", True),
        ("Llama3.3-70B", "meta.llama3-3-70b-instruct-v1:0", True),
        ("DeepSeek-R1", "deepseek.r1-v1:0", True),
        ("NovaLite", "amazon.nova-lite-v1:0", True),
        ("gpt-4o-2024-08-06", "gpt-4o", True),
        ("gpt-4o", "gpt-4o-mini", False),
        ("Claude4Sonnet", "claude-sonnet-4-5", False),
        ("llama-3.1-70b", "llama-3.3-70b", False),
    ],
)
def test_names_of_one_model(one: str, other: str, same: bool) -> None:
    """By words and numbers, without date, revision, vendor and region."""
    assert bool(words_of(one) & words_of(other)) is same


def test_a_model_is_priced_in_its_region() -> None:
    """An exact name as it stands; a bill's own name at the regional price, with `global.` at that one's."""
    exact = priced("openai", "gpt-4o-2024-08-06", ON)
    assert exact is not None
    assert (exact.name, exact.note) == ("openai/gpt-4o-2024-08-06", "")
    regional, anywhere = (priced("aws", f"{where}Claude Sonnet 4.5", ON) for where in ("", "global."))
    assert regional is not None
    assert anywhere is not None
    assert (regional.price.input, anywhere.price.input) == (3_300_000_000, 3_000_000_000)
    assert regional.note.endswith("costs -9%")
    assert anywhere.note == ""
    assert priced("aws", "", ON) is None
    assert priced("aws", "house-model", ON) is None


def test_dated_and_undated_names_of_one_model_are_told_apart_and_put_together() -> None:
    """Each keeps its own price; both say what they cost together, and together they can be the dearest."""
    used = Line(*day(), seller="openai", input_tokens=1_000_000, output_tokens=1_000_000)
    found = reconcile(
        made(
            used._replace(model="gpt-4o-2024-08-06", usd=Decimal(12)),
            used._replace(model="gpt-4o", usd=Decimal(13)),
            used._replace(model="o3", usd=Decimal(20)),
        )
    )
    rows = {row.model: row for row in found.rows}
    for name, other in (("gpt-4o", "gpt-4o-2024-08-06"), ("gpt-4o-2024-08-06", "gpt-4o")):
        assert f"another name of {other}: $25.00 together" in rows[name].why
        assert rows[name].priced_as.startswith("openai/gpt-4o")
    assert not any("another name" in why for why in rows["o3"].why)
    assert dearest(found, ON).startswith("openai/gpt-4o")

"""What a bill does not say is modelled: totals stay exact, the same seed gives the same, and it is said."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baseload.errors import DataError, UsageError
from baseload.traffic.bills import modelled
from baseload.traffic.bills.bill import Bill, Item, Line, Tier
from baseload.traffic.bills.modelled import deferrable_share
from baseload.traffic.bills.read import read_bill
from baseload.traffic.shapes import servegen_m_large
from tests.traffic.bill_samples import DAY_NS, FOLDER, START_NS, day, made

HOUR_NS = DAY_NS // 24


@st.composite
def buckets(draw: st.DrawFn) -> Line:
    """A bucket of an hour, a day or a month with any tokens, its requests known or not."""
    start_ns = START_NS + draw(st.integers(0, 100)) * HOUR_NS
    input_tokens = draw(st.integers(0, 3_000_000))
    return Line(
        start_ns,
        start_ns + draw(st.sampled_from([HOUR_NS // 60, HOUR_NS, DAY_NS, 30 * DAY_NS])),
        model=draw(st.sampled_from(["a", "b"])),
        tenant=draw(st.sampled_from(["", "shop"])),
        requests=draw(st.none() | st.integers(1, 400)),
        input_tokens=input_tokens,
        cached_tokens=draw(st.integers(0, input_tokens)),
        output_tokens=draw(st.integers(0 if input_tokens else 1, 2_000_000)),
    )


@settings(max_examples=60)
@given(st.lists(buckets(), min_size=1, max_size=8))
def test_modelled_requests_keep_every_token_of_every_model(given: list[Line]) -> None:
    """Input, cached and output tokens by model are the bill's, exactly; cached never beyond input."""
    bill = made(*given)
    traffic = bill.traffic()
    for group in bill.sums(["model"]):
        part = traffic.only(model=group.group[0])
        assert int(part.input_tokens.sum()) == group.input_tokens
        assert int(part.cached_tokens.sum()) == group.cached_tokens
        assert int(part.output_tokens.sum()) == group.output_tokens
    assert traffic.duration_s == pytest.approx(bill.days * 86_400)


@settings(max_examples=60)
@given(st.lists(buckets(), min_size=1, max_size=8), st.sampled_from([None, 600.0, 3600.0]))
def test_a_load_keeps_the_tokens_of_every_day(given: list[Line], window_s: float | None) -> None:
    """The load's tokens per day are the bill's over its days, whatever the windows."""
    bill = made(*given)
    total, load = bill.total(), bill.shape(window_s).tokens_per_day()
    assert load.input * bill.days == pytest.approx(total.input_tokens, rel=1e-9)
    assert load.cached * bill.days == pytest.approx(total.cached_tokens, rel=1e-9)
    assert load.output * bill.days == pytest.approx(total.output_tokens, rel=1e-9)


def test_known_requests_are_as_many_as_the_bill_says() -> None:
    """Where the export counts them, so does the traffic."""
    bill = made(Line(*day(), model="a", requests=1234, input_tokens=10**6, output_tokens=10**5))
    assert len(bill.traffic()) == 1234
    assert float(bill.shape().load.requests_per_s.mean()) * 86_400 == pytest.approx(1234)


def test_the_same_seed_gives_the_same_requests() -> None:
    """And another seed others."""
    bill = made(Line(*day(), model="a", requests=50, input_tokens=10**6, output_tokens=10**5))
    one, two, other = bill.traffic(), bill.traffic(seed=1), bill.traffic(seed=2)
    assert one.arrival_s.tolist() == two.arrival_s.tolist()
    assert one.input_tokens.tolist() == two.input_tokens.tolist()
    assert one.arrival_s.tolist() != other.arrival_s.tolist()


def test_a_long_bucket_has_the_rhythm_of_the_shipped_curve() -> None:
    """Two weeks in one bucket are the curve itself, at the phase of the calendar, scaled to the bill."""
    shape = servegen_m_large().load.requests_per_s
    bill = made(Line(*day(days=14), model="a", requests=10**9, input_tokens=10**12))
    load = bill.shape().load.requests_per_s
    windows = round(START_NS / 1e9 / 600)
    expected = np.roll(shape, -(windows % len(shape)))
    assert len(load) == len(shape)
    assert load / load.mean() == pytest.approx(expected / expected.mean(), rel=1e-6)


def test_requests_drawn_in_a_long_bucket_follow_the_same_curve() -> None:
    """The busy half of the windows holds as many requests as the load says, within the noise of counting."""
    bill = made(Line(*day(days=2), model="a", requests=200_000, input_tokens=10**8, output_tokens=10**7))
    expected, drawn = bill.shape(3600.0).load.requests_per_s, bill.traffic().load(3600.0).requests_per_s
    assert np.abs(drawn / expected - 1).max() < 0.1


def test_a_short_bucket_is_even() -> None:
    """Within an hour nothing is known, and nothing made up: the same rate throughout."""
    start, _ = day()
    bill = made(Line(start, start + HOUR_NS, model="a", requests=60_000, input_tokens=10**8))
    drawn = bill.traffic().load(600.0).requests_per_s
    assert bill.shape(600.0).load.peak_over_mean == pytest.approx(1.0)
    assert np.abs(drawn / drawn.mean() - 1).max() < 0.05


def test_what_is_modelled_is_said() -> None:
    """Time in long and short buckets, lengths, and requests nobody counted; nothing of single requests."""
    start, end = day()
    month = modelled.modelled(made(Line(*day(days=31), model="a", input_tokens=10**6)))
    assert [said.split(":")[0] for said in month] == ["time", "lengths", "requests"]
    assert "within buckets of 31 days the load follows ServeGen m-large" in month[0]
    assert "Azure LLM inference trace 2023" in month[1]
    assert "one for every 1,366 tokens" in month[2]
    hour = modelled.modelled(made(Line(start, start + HOUR_NS, model="a", requests=9, input_tokens=10**6)))
    assert hour[0] == "time: within buckets of 1 hour requests come evenly"
    assert len(hour) == 2
    request = made(Line(start, start, model="a", requests=1, input_tokens=10))
    assert modelled.modelled(request) == ()
    bill = made(Line(start, end, model="a", input_tokens=10**6))
    assert set(modelled.modelled(bill)) <= set(bill.traffic().notes)


def test_requests_of_a_log_are_as_they_were() -> None:
    """Times, lengths, cached tokens, models and tenants are the log's; the wall clock is kept."""
    start, _ = day()
    later = Line(start + 5 * 10**9, start + 5 * 10**9, model="b", requests=1, input_tokens=7, output_tokens=2)
    first = Line(start, start, model="a", tenant="shop", requests=1, input_tokens=9, cached_tokens=4)
    traffic = made(later, first).traffic()
    assert traffic.arrival_s.tolist() == [0.0, 5.0]
    assert traffic.input_tokens.tolist() == [9, 7]
    assert traffic.cached_tokens.tolist() == [4, 0]
    assert [traffic.models[code] for code in traffic.model] == ["a", "b"]
    assert [traffic.tenants[code] for code in traffic.tenant] == ["shop", ""]
    assert (traffic.start_ns, traffic.duration_s) == (start, 10.0)


def test_lines_of_one_kind_of_token_are_one_request_together() -> None:
    """Input and output of the same bucket and model, on lines of their own, are not two sets of requests."""
    lines = [
        Line(*day(), model="a", item=Item.INPUT, input_tokens=1_200_000),
        Line(*day(), model="a", item=Item.OUTPUT, output_tokens=166_000),
    ]
    traffic = made(*lines).traffic()
    assert len(traffic) == 1000
    assert (traffic.output_tokens > 0).mean() > 0.9


def test_too_many_requests_to_lay_out_have_a_load_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """A month of a large bill is planned with its load; the error says so."""
    monkeypatch.setattr(modelled, "MAX_DRAWN", 100)
    bill = made(Line(*day(), model="a", requests=101, input_tokens=10**5))
    with pytest.raises(DataError, match="101 requests are too many") as caught:
        bill.traffic()
    assert "read_shape" in caught.value.hint
    assert bill.shape().tokens_per_day().input == pytest.approx(10**5)


def test_a_bill_of_dollars_says_what_is_missing() -> None:
    """There are no requests in it; the hint names the way out."""
    bill = made(Line(*day(), model="gpt-4o", item=Item.INPUT, usd=Decimal(1)))
    with pytest.raises(DataError, match="says dollars and no tokens") as caught:
        bill.traffic()
    assert "usage export" in caught.value.hint


def test_windows_must_be_sensible() -> None:
    """None of no length, and no more than two million."""
    bill = made(Line(*day(days=365), model="a", input_tokens=10**6))
    for window_s in (0.0, 1.0, float("nan")):
        with pytest.raises(UsageError, match="too many windows, or none"):
            bill.shape(window_s)


def test_the_share_bought_as_batch() -> None:
    """By tokens; 0 where none was."""
    lines = [
        Line(*day(), model="a", input_tokens=30),
        Line(*day(), model="a", tier=Tier.BATCH, input_tokens=10),
    ]
    assert deferrable_share(made(*lines)) == 0.25
    assert deferrable_share(made(lines[0])) == 0.0


def test_the_load_of_a_sample_is_that_of_its_requests() -> None:
    """Ten-minute windows and requests agree in volume and, within noise, in peak."""
    bill: Bill = read_bill(Path(FOLDER / "openai_usage.csv"))
    drawn = bill.traffic().load(3600.0)
    assert bill.shape().load.peak_over_mean == pytest.approx(drawn.peak_over_mean, rel=0.02)

"""`Traffic`: columns that cannot be wrong, parts that lose nothing, figures that add up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baseload.errors import UsageError
from baseload.traffic.table import BadRow, PrefixBlocks, Traffic, concat, merge


def table(
    arrivals_s: list[float], *, duration_s: float | None = None, start_ns: int | None = None
) -> Traffic:
    """Traffic with lengths that tell its requests apart."""
    count = len(arrivals_s)
    return Traffic(
        arrival_s=np.array(arrivals_s),
        input_tokens=np.arange(count) * 10 + 10,
        cached_tokens=np.arange(count),
        output_tokens=np.arange(count) + 1,
        duration_s=max(arrivals_s) + 1 if duration_s is None else duration_s,
        model=np.arange(count, dtype=np.int32) % 2,
        tenant=np.zeros(count, dtype=np.int32),
        models=("large", "small"),
        tenants=("shop",),
        start_ns=start_ns,
        source="made",
    )


def blocks(*requests: list[int], size: int = 4) -> PrefixBlocks:
    """Ragged blocks from lists."""
    offsets = np.concatenate([[0], np.cumsum([len(request) for request in requests])])
    return PrefixBlocks(offsets, np.array([h for request in requests for h in request]), size)


arrivals = st.lists(st.floats(0, 1000), min_size=1, max_size=30).map(sorted)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"arrival_s": np.array([2.0, 1.0, 3.0])}, "sorted"),
        ({"arrival_s": np.array([-1.0, 1.0, 3.0])}, "start at 0"),
        ({"arrival_s": np.array([0.0, np.nan, 3.0])}, "sorted"),
        ({"duration_s": 2.5}, "arrival at 3.0 s"),
        ({"duration_s": float("inf")}, "arrival at"),
        ({"output_tokens": np.array([1, -1, 1])}, "output_tokens must be within"),
        ({"input_tokens": np.array([10, 2_000_000_000, 30])}, "input_tokens must be within"),
        ({"cached_tokens": np.array([11, 0, 0])}, "more cached than input"),
        ({"model": np.array([0, 1, 2], dtype=np.int32)}, "no name"),
        ({"tenant": np.array([0, 0], dtype=np.int32)}, "column tenant"),
        ({"prefix": blocks([1], [2])}, "differ in number"),
        ({"arrival_s": np.array([])}, "at least one request"),
    ],
)
def test_a_table_that_cannot_be_is_refused(change: dict[str, object], reason: str) -> None:
    """Every rule of the docstring is checked when a table is made, and the error names what broke it."""
    good = table([0.0, 1.0, 3.0])
    with pytest.raises(UsageError, match=reason):
        replace(good, **change)  # type: ignore[arg-type]


def test_columns_cannot_be_written_to() -> None:
    """Nobody can change a table in place, while the array it was made from stays its owner's."""
    owned = np.array([0.0, 1.0])
    traffic = replace(table([0.0, 1.0]), arrival_s=owned)
    with pytest.raises(ValueError, match="read-only"):
        traffic.arrival_s[0] = 5.0
    owned[0] = 0.5
    assert owned[0] == 0.5


@settings(deadline=None)
@given(arrivals, st.floats(0.1, 999))
def test_parts_in_time_hold_every_request_once(arrivals_s: list[float], cut_s: float) -> None:
    """Cutting in two loses no request, doubles none, and moves each part's time to its own start."""
    traffic = table(arrivals_s, duration_s=1001.0, start_ns=7_000_000_000)
    outputs: list[int] = []
    for start_s, end_s in ((0.0, cut_s), (cut_s, 1001.0)):
        if not ((traffic.arrival_s >= start_s) & (traffic.arrival_s < end_s)).any():
            continue
        part = traffic.between(start_s, end_s)
        assert end_s - start_s == part.duration_s
        assert part.start_ns == 7_000_000_000 + round(start_s * 1e9)
        outputs += part.output_tokens.tolist()
    assert list(range(1, len(arrivals_s) + 1)) == outputs


def test_an_arrival_at_the_very_end_belongs_to_the_last_part() -> None:
    """A request at `duration_s` itself is kept by a part that ends there."""
    traffic = table([0.0, 10.0], duration_s=10.0)
    assert traffic.between(5.0, 10.0).arrival_s.tolist() == [10.0 - 5.0]


def test_a_part_without_requests_is_refused() -> None:
    """An empty stretch says so rather than giving an empty table."""
    with pytest.raises(UsageError, match="no request arrives in 2–3 s"):
        table([0.0, 5.0]).between(2, 3)


def test_only_picks_by_name() -> None:
    """Requests of one model are picked by its name; an unknown one is refused with those there are."""
    traffic = table([0.0, 1.0, 2.0])
    assert traffic.only(model="large", tenant="shop").input_tokens.tolist() == [10, 30]
    with pytest.raises(UsageError, match="'large', 'small'"):
        traffic.only(model="medium")


@settings(deadline=None)
@given(arrivals, arrivals)
def test_concat_puts_parts_in_a_row(first_s: list[float], second_s: list[float]) -> None:
    """Durations and tokens add up, and the second part starts where the first ends."""
    first, second = table(first_s), table(second_s)
    both = concat([first, second])
    assert len(first) + len(second) == len(both)
    assert first.duration_s + second.duration_s == both.duration_s
    assert np.allclose(second.arrival_s + first.duration_s, both.arrival_s[len(first) :])
    assert first.output_tokens.sum() + second.output_tokens.sum() == both.output_tokens.sum()


def test_merge_lays_parts_over_each_other_by_wall_clock() -> None:
    """Two logs of the same hour become one, sorted by wall clock, with names recoded."""
    one = table([0.0, 2.0], start_ns=1_000_000_000_000_000_000)
    other = replace(
        table([0.0, 2.0], start_ns=1_000_000_001_000_000_000), models=("small", "tiny"), source="other"
    )
    both = merge([other, one])
    assert both.arrival_s.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert [both.models[code] for code in both.model] == ["large", "small", "small", "tiny"]
    assert (both.start_ns, both.duration_s) == (1_000_000_000_000_000_000, 4.0)
    assert both.source == "other + made"


def test_merge_needs_wall_clocks() -> None:
    """Traffic without a wall clock cannot be laid over other traffic; nothing is guessed."""
    with pytest.raises(UsageError, match="wall clock"):
        merge([table([0.0]), table([0.0], start_ns=1)])


def test_joining_keeps_what_was_bad() -> None:
    """Counts of bad rows add up and at most five are shown."""
    part = replace(table([0.0]), bad_rows=4, first_bad=tuple(BadRow(line, "x") for line in range(4)))
    both = concat([part, part])
    assert (both.bad_rows, len(both.first_bad)) == (8, 5)


def test_joining_keeps_prefix_blocks_of_one_source_only() -> None:
    """Block hashes of different sources mean different blocks, so they are dropped together."""
    part = replace(table([0.0, 1.0]), prefix=blocks([1, 2], [1, 3]))
    same = concat([part, part]).prefix
    assert same is not None
    assert same.of(3).tolist() == [1, 3]
    assert concat([part, replace(part, source="elsewhere")]).prefix is None


def test_nothing_cannot_be_joined() -> None:
    """No parts make no traffic."""
    for join in (concat, merge):
        with pytest.raises(UsageError, match="no traffic to join"):
            join([])


@settings(deadline=None)
@given(arrivals, st.floats(0.5, 2000))
def test_a_load_keeps_every_total(arrivals_s: list[float], window_s: float) -> None:
    """Whatever the window, requests and tokens of the load are exactly those of the table."""
    traffic = table(arrivals_s)
    load = traffic.load(window_s)
    assert load.duration_s == pytest.approx(traffic.duration_s)
    assert len(traffic) == pytest.approx(float(load.requests_per_s.sum()) * load.window_s)
    for column, rate in (
        (traffic.input_tokens, load.input_tokens_per_s),
        (traffic.cached_tokens, load.cached_tokens_per_s),
        (traffic.output_tokens, load.output_tokens_per_s),
    ):
        assert int(column.sum()) == pytest.approx(float(rate.sum()) * load.window_s)
    assert traffic.tokens_per_day().total == pytest.approx(load.tokens_per_day().total)


def test_windows_divide_the_duration() -> None:
    """A window is as near to what was asked as divides the duration, and requests fall into their own."""
    load = table([0.0, 1.0, 5.0, 9.9], duration_s=10.0).load(4.0)
    assert load.window_s == 5.0
    assert load.requests_per_s.tolist() == [2 / 5, 2 / 5]


def test_tokens_per_day_are_those_of_the_mean_load() -> None:
    """Half a day with 30 input and 3 output tokens is 60 and 6 a day."""
    day = table([0.0, 1.0], duration_s=43_200.0).tokens_per_day()
    assert (day.input, day.cached, day.output, day.total) == (60.0, 2.0, 6.0, 66.0)


def test_compressed_time_keeps_the_requests() -> None:
    """Twice as fast: half the time, the same requests, no wall clock."""
    fast = table([0.0, 4.0], start_ns=5).compressed(2)
    assert (fast.arrival_s.tolist(), fast.duration_s, fast.start_ns) == ([0.0, 2.0], 2.5, None)
    with pytest.raises(UsageError, match="positive"):
        table([0.0]).compressed(0)


def test_capped_lengths_never_exceed_the_caps() -> None:
    """Longer requests are cut, and cached tokens with them."""
    traffic = replace(table([0.0, 1.0, 2.0]), cached_tokens=np.array([0, 15, 30]))
    capped = traffic.capped(input_tokens=20, output_tokens=2)
    assert capped.input_tokens.tolist() == [10, 20, 20]
    assert capped.cached_tokens.tolist() == [0, 15, 20]
    assert capped.output_tokens.tolist() == [1, 2, 2]


ragged = st.lists(st.lists(st.integers(0, 3), max_size=5), min_size=1, max_size=12)


@settings(deadline=None)
@given(ragged)
def test_prefix_hits_equal_a_walk_through_a_tree(requests: list[list[int]]) -> None:
    """The hashed chains find exactly the blocks that a tree of all earlier prompts holds."""
    tree: set[tuple[int, ...]] = set()
    expected = []
    for request in requests:
        prefixes = [tuple(request[: n + 1]) for n in range(len(request))]
        expected.append(4 * sum(prefix in tree for prefix in prefixes))
        tree.update(prefixes)
    long = np.full(len(requests), 1000)
    assert expected == blocks(*requests).hit_tokens(long).tolist()


def test_prefix_hits_are_at_most_the_input() -> None:
    """The last block of a prompt is rarely full: a whole hit counts the input and no more."""
    assert blocks([1, 2], [1, 2]).hit_tokens(np.array([7, 7])).tolist() == [0, 7]


@settings(deadline=None)
@given(ragged)
def test_taken_blocks_are_those_of_the_requests(requests: list[list[int]]) -> None:
    """`take` gives the blocks of the requests asked for, in that order, repeated where asked twice."""
    order = [(3 * n) % len(requests) for n in range(len(requests))]
    taken = blocks(*requests).take(np.array(order))
    assert [requests[n] for n in order] == [taken.of(n).tolist() for n in range(len(order))]


@pytest.mark.parametrize(
    ("offsets", "size"), [([0, 2], 0), ([1, 2], 4), ([0, 3], 4), ([0, 2, 1, 2], 4), ([], 4)]
)
def test_blocks_that_cannot_be_are_refused(offsets: list[int], size: int) -> None:
    """Offsets must run over the hashes without falling, and a block holds tokens."""
    with pytest.raises(UsageError):
        PrefixBlocks(np.array(offsets), np.array([1, 2]), size)
